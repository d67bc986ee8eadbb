/*-------------------------------------------------------------------------
 *
 * visits.c
 *	  How often an instance has entered the nodes that ask for it, and when it
 *	  did so first.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "running/visits.h"

#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

/* Microseconds from 1970 to the epoch of timestamps. */
#define UNIX_OFFSET ((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

/* What is known of one node; since is DT_NOEND when its first entry is not. */
typedef struct NodeVisits
{
	int			count;
	TimestampTz since;
} NodeVisits;

bool
visits_are_counted(const MachineNode *node)
{
	return node->max_visits > 0 || node->max_elapsed >= 0 ||
		(node->kind == NODE_TIMER && node->delay.backoff > 1.0);
}

/* ---------------------------------------------------------------- reading */

static JsonbValue *
find_key(JsonbContainer *object, const char *name)
{
	JsonbValue	key;

	key.type = jbvString;
	key.val.string.val = unconstify(char *, name);
	key.val.string.len = strlen(name);
	return findJsonbValueFromContainer(object, JB_FOBJECT, &key);
}

static int64
read_int(const JsonbValue *value, int64 fallback)
{
	if (value == NULL || value->type != jbvNumeric)
		return fallback;
	return DatumGetInt64(DirectFunctionCall1(numeric_int8,
											 NumericGetDatum(value->val.numeric)));
}

/* A count alone is what a version without max_elapsed has left. */
static NodeVisits
read_visits(Jsonb *visits, const char *node)
{
	NodeVisits	known = {.count = 0, .since = DT_NOEND};
	JsonbValue *there;
	int64		count;

	if (visits == NULL)
		return known;
	there = find_key(&visits->root, node);
	if (there != NULL && there->type == jbvBinary &&
		JsonContainerIsObject(there->val.binary.data))
	{
		int64		since = read_int(find_key(there->val.binary.data, "since"), PG_INT64_MAX);

		if (IS_VALID_TIMESTAMP(since - UNIX_OFFSET))
			known.since = since - UNIX_OFFSET;
		there = find_key(there->val.binary.data, "visits");
	}
	count = read_int(there, 0);
	known.count = (int) Min(Max(count, 0), PG_INT32_MAX);
	return known;
}

/* ---------------------------------------------------------------- writing */

static void
push_key(JsonbParseState **state, const char *name)
{
	JsonbValue	key;

	key.type = jbvString;
	key.val.string.val = unconstify(char *, name);
	key.val.string.len = strlen(name);
	pushJsonbValue(state, WJB_KEY, &key);
}

static void
push_int(JsonbParseState **state, int64 number)
{
	JsonbValue	value;

	value.type = jbvNumeric;
	value.val.numeric = int64_to_numeric(number);
	pushJsonbValue(state, WJB_VALUE, &value);
}

/* {"node": count}, or {"node": {"visits": count, "since": …}} */
static Jsonb *
single_node(const char *node, const NodeVisits *visits)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_key(&state, node);
	if (visits->since == DT_NOEND)
		push_int(&state, visits->count);
	else
	{
		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		push_key(&state, "visits");
		push_int(&state, visits->count);
		push_key(&state, "since");
		push_int(&state, visits->since + UNIX_OFFSET);
		pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

Jsonb *
visits_count(Jsonb *visits, const MachineNode *node, TimestampTz now, int *n)
{
	NodeVisits	known;
	Jsonb	   *single;

	if (visits != NULL)
		visits = DatumGetJsonbP(PointerGetDatum(visits));
	known = read_visits(visits, node->name);
	if (known.count < PG_INT32_MAX)
		known.count++;
	if (node->max_elapsed >= 0 && known.since == DT_NOEND)
		known.since = now;
	*n = known.count;
	single = single_node(node->name, &known);
	if (visits == NULL)
		return single;
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(visits),
											  JsonbPGetDatum(single)));
}

TimestampTz
visits_limit(Jsonb *visits, const MachineNode *node)
{
	NodeVisits	known;

	if (node->max_elapsed < 0 || visits == NULL)
		return DT_NOEND;
	known = read_visits(DatumGetJsonbP(PointerGetDatum(visits)), node->name);
	return known.since == DT_NOEND ? DT_NOEND : time_after(known.since, node->max_elapsed);
}

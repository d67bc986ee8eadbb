/*-------------------------------------------------------------------------
 *
 * visits.c
 *	  How often an instance has entered the nodes that ask for it.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "running/visits.h"

#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

bool
visits_are_counted(const MachineNode *node)
{
	return node->max_visits > 0 ||
		(node->kind == NODE_TIMER && node->delay.backoff > 1.0);
}

/* {"node": n} */
static Jsonb *
single_count(const char *node, int n)
{
	JsonbParseState *state = NULL;
	JsonbValue	key;
	JsonbValue	value;

	key.type = jbvString;
	key.val.string.val = unconstify(char *, node);
	key.val.string.len = strlen(node);
	value.type = jbvNumeric;
	value.val.numeric = int64_to_numeric(n);

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	pushJsonbValue(&state, WJB_KEY, &key);
	pushJsonbValue(&state, WJB_VALUE, &value);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

Jsonb *
visits_count(Jsonb *visits, const char *node, int *n)
{
	JsonbValue	key;
	JsonbValue *there;

	*n = 1;
	if (visits == NULL)
		return single_count(node, 1);

	visits = DatumGetJsonbP(PointerGetDatum(visits));
	key.type = jbvString;
	key.val.string.val = unconstify(char *, node);
	key.val.string.len = strlen(node);
	there = findJsonbValueFromContainer(&visits->root, JB_FOBJECT, &key);
	if (there != NULL && there->type == jbvNumeric)
	{
		int			before = DatumGetInt32(DirectFunctionCall1(numeric_int4,
															   NumericGetDatum(there->val.numeric)));

		*n = before < PG_INT32_MAX ? before + 1 : before;
	}
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(visits),
											  JsonbPGetDatum(single_count(node, *n))));
}

/*-------------------------------------------------------------------------
 *
 * start.c
 *	  Starting an instance; and start(), which starts one.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "running/start.h"

#include "running/call.h"
#include "running/move.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

PG_FUNCTION_INFO_V1(dfsmr_start);

/*
 * A UUID of version 7 (RFC 9562, method 3): milliseconds since 1970 in the
 * first 48 bits, the fraction of a millisecond in the 12 bits of rand_a, 62
 * random bits.  Those of one session only grow: instances that are ready at the
 * same time come in the order in which they were started.
 */
void
generate_instance_id(pg_uuid_t *id)
{
	static uint64 last = 0;
	int64		usecs = GetCurrentTimestamp() +
		(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
	uint64		stamp = (uint64) (usecs / 1000) << 12 | (usecs % 1000) * 4096 / 1000;
	uint64		msecs;
	uint32		fraction;

	/* Not for ever, should the clock be set back. */
	if (stamp <= last && last - stamp < (uint64) 1000 << 12)
		stamp = last + 1;
	last = stamp;
	msecs = stamp >> 12;
	fraction = stamp & 0xfff;

	if (!pg_strong_random(&id->data[8], 8))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	for (int i = 0; i < 6; i++)
		id->data[i] = (unsigned char) (msecs >> (40 - 8 * i));
	id->data[6] = 0x70 | (fraction >> 8);
	id->data[7] = fraction & 0xff;
	id->data[8] = 0x80 | (id->data[8] & 0x3f);
}

IfExists
if_exists_argument(FunctionCallInfo fcinfo, int argno)
{
	char	   *text = text_argument(fcinfo, argno, "if_exists", DFSMR_NAME_MAX);

	if (strcmp(text, "error") == 0)
		return IF_EXISTS_ERROR;
	if (strcmp(text, "return") == 0)
		return IF_EXISTS_RETURN;
	if (strcmp(text, "skip") == 0)
		return IF_EXISTS_SKIP;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for argument \"if_exists\": \"%s\"", text),
			 errhint("Say error, return or skip.")));
}

Refusal
judge_priority(int priority)
{
	if (priority != PG_INT32_MIN)
		return NO_REFUSAL;
	return (Refusal) {
		.sqlstate = ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
		.message = "argument \"priority\" is out of range",
	};
}

static Refusal
refusal_exists(const InstanceRow *row, const InstanceRow *existing)
{
	if (memcmp(&row->id, &existing->id, UUID_LEN) == 0)
		return (Refusal) {
			.sqlstate = DFSMR_EXISTS,
			.message = psprintf("instance %s already exists", uuid_string(&row->id)),
		};
	return (Refusal) {
		.sqlstate = DFSMR_EXISTS,
		.message = psprintf("machine \"%s\" already has an instance with key \"%s\"",
							row->machine, row->key),
		.detail = psprintf("Instance %s is at node \"%s\".",
						   uuid_string(&existing->id), existing->node),
		.hint = "Pass if_exists => 'return' or 'skip', or change key_reuse in the machine.",
	};
}

/* The row as it is asked for, put into the start node. */
static void
build_row(const StartRequest *request, const MachineInfo *info, InstanceRow *row)
{
	Move		move = {.now = request->now, .delay = request->delay};

	memset(row, 0, sizeof(*row));
	row->id = request->id;
	row->machine = info->name;
	row->version = info->current;
	row->params = request->params;
	row->data = request->data != NULL ? request->data : request->no_object;
	row->node_params = request->no_object;
	row->own_priority = request->has_priority;
	row->neg_priority = -request->priority;
	move.has_delay = move.delay > 0;
	row->key = request->key;
	row->key_held = row->key != NULL;
	row->lane = request->lane;
	row->has_parent = request->parent != NULL;
	if (row->has_parent)
		row->parent = *request->parent;
	row->started_at = request->now;
	move_into_start(row, info->machine, &move);
}

/* What comes of it when another instance has the id or the key. */
static StartVerdict
meet(const InstanceRow *row, const InstanceRow *existing, IfExists if_exists,
	 StartAnswer *answer)
{
	if (if_exists == IF_EXISTS_ERROR || strcmp(existing->machine, row->machine) != 0)
	{
		answer->refusal = refusal_exists(row, existing);
		return START_REFUSED;
	}
	if (if_exists == IF_EXISTS_SKIP)
		return START_SKIPPED;
	answer->instance = existing->id;
	return START_RETURNED;
}

StartVerdict
start_instance(InstanceTable *table, const MachineInfo *info, const StartRequest *request,
			   IfExists if_exists, StartAnswer *answer)
{
	InstanceRow row;
	InstanceRow existing = {.machine = ""};	/* whose id or key it is already */
	RowImage	after;
	Change		change = {.kind = CHANGE_START};

	memset(answer, 0, sizeof(*answer));
	build_row(request, info, &row);
	change.machine = row.machine;
	change.version = row.version;
	change.instance = &row.id;
	change.key = row.key;
	change.visit = row.visit;
	change.node = row.node;
	change.data = request->data;
	if (!instance_insert(table, &row, request->own_id, &change, &existing))
		return meet(&row, &existing, if_exists, answer);
	instance_append_changes(table, &change, 1);
	after = instance_image(&row);
	xact_note_write(NULL, &after, 0, 0);
	answer->instance = row.id;
	return START_DONE;
}

static void
read_request(FunctionCallInfo fcinfo, TimestampTz now, StartRequest *request)
{
	pg_uuid_t  *id = optional_uuid_argument(fcinfo, 2);
	Refusal		refusal;

	memset(request, 0, sizeof(*request));
	request->now = now;
	request->no_object = empty_object();
	request->params = object_argument(fcinfo, 1, "params", false);
	request->own_id = id != NULL;
	if (id != NULL)
		request->id = *id;
	else
		generate_instance_id(&request->id);
	request->has_priority = !PG_ARGISNULL(3);
	request->priority = int_argument(fcinfo, 3, 0);
	refusal = judge_priority(request->priority);
	if (refused(refusal))
		raise_refusal(refusal);
	request->delay = interval_argument(fcinfo, 4, "delay", now);
	request->key = optional_text_argument(fcinfo, 5, "key", KEY_MAX);
	request->lane = optional_text_argument(fcinfo, 7, "lane", LANE_MAX);
	request->parent = optional_uuid_argument(fcinfo, 8);
	request->data = object_argument(fcinfo, 9, "data", true);
}

/*
 * start(machine, params, id, priority, delay, key, if_exists, lane, parent,
 * data): the instance, or NULL when it exists and if_exists is 'skip'.
 */
Datum
dfsmr_start(PG_FUNCTION_ARGS)
{
	Board	   *board = call_begin("dfsmr.start()");
	char	   *name = text_argument(fcinfo, 0, "machine", DFSMR_NAME_MAX);
	IfExists	if_exists = if_exists_argument(fcinfo, 6);
	const MachineInfo *info;
	StartRequest request;
	StartAnswer *answer = palloc(sizeof(StartAnswer));
	StartVerdict verdict;
	InstanceTable table;

	privilege_require(name, PRIVILEGE_START | PRIVILEGE_ADMIN);
	info = machine_info_required(name);
	read_request(fcinfo, board_now(board), &request);

	instance_table_open(&table, RowExclusiveLock);
	verdict = start_instance(&table, info, &request, if_exists, answer);
	instance_table_close(&table);
	if (verdict == START_REFUSED)
		raise_refusal(answer->refusal);
	if (verdict == START_SKIPPED)
		PG_RETURN_NULL();
	PG_RETURN_UUID_P(&answer->instance);
}

/*-------------------------------------------------------------------------
 *
 * start.c
 *	  start(): a new instance at the start node.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "machine_cache.h"
#include "running/call.h"
#include "running/move.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

typedef enum IfExists
{
	IF_EXISTS_ERROR,
	IF_EXISTS_RETURN,
	IF_EXISTS_SKIP
} IfExists;

PG_FUNCTION_INFO_V1(dfsmr_start);

/*
 * A UUID of version 7 (RFC 9562, method 3): milliseconds since 1970 in the
 * first 48 bits, the fraction of a millisecond in the 12 bits of rand_a, 62
 * random bits.
 */
static void
generate_uuid_v7(pg_uuid_t *id)
{
	int64		usecs = GetCurrentTimestamp() +
		(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
	uint64		msecs = usecs / 1000;
	uint32		fraction = (usecs % 1000) * 4096 / 1000;

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

static IfExists
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

pg_noreturn static void
raise_exists(const InstanceRow *row, const InstanceRow *existing)
{
	if (memcmp(&row->id, &existing->id, UUID_LEN) == 0)
		ereport(ERROR,
				(errcode(DFSMR_EXISTS),
				 errmsg("instance %s already exists", uuid_string(&row->id))));
	ereport(ERROR,
			(errcode(DFSMR_EXISTS),
			 errmsg("machine \"%s\" already has an instance with key \"%s\"",
					row->machine, row->key),
			 errdetail("Instance %s is at node \"%s\".", uuid_string(&existing->id), existing->node),
			 errhint("Pass if_exists => 'return' or 'skip', or change key_reuse in the machine.")));
}

/* The row as the arguments describe it, put into the start node. */
static void
build_row(FunctionCallInfo fcinfo, const MachineInfo *info, TimestampTz now, InstanceRow *row)
{
	pg_uuid_t  *id = optional_uuid_argument(fcinfo, 2);
	pg_uuid_t  *parent = optional_uuid_argument(fcinfo, 8);
	Move		move = {.now = now};

	memset(row, 0, sizeof(*row));
	if (id != NULL)
		row->id = *id;
	else
		generate_uuid_v7(&row->id);
	row->machine = info->name;
	row->version = info->current;
	row->params = object_argument(fcinfo, 1, "params", false);
	row->data = object_argument(fcinfo, 9, "data", true);
	if (row->data == NULL)
		row->data = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
	row->node_params = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
	if (!PG_ARGISNULL(3))
	{
		int			priority = PG_GETARG_INT32(3);

		if (priority == PG_INT32_MIN)
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("argument \"priority\" is out of range")));
		row->own_priority = true;
		row->neg_priority = -priority;
	}
	move.delay = interval_argument(fcinfo, 4, "delay", now);
	move.has_delay = move.delay > 0;
	row->key = optional_text_argument(fcinfo, 5, "key", KEY_MAX);
	row->key_held = row->key != NULL;
	row->lane = optional_text_argument(fcinfo, 7, "lane", LANE_MAX);
	row->has_parent = parent != NULL;
	if (parent != NULL)
		row->parent = *parent;
	row->started_at = now;
	move_into_start(row, info->machine, &move);
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
	InstanceTable table;
	InstanceRow row;
	InstanceRow existing = {.machine = ""};	/* whose id or key it is already */
	bool		inserted;

	privilege_require(name, PRIVILEGE_START | PRIVILEGE_ADMIN);
	info = machine_info_required(name);
	build_row(fcinfo, info, board_now(board), &row);

	instance_table_open(&table, RowExclusiveLock);
	/* Only an id or a key of the caller's can meet another row. */
	inserted = instance_insert(&table, &row,
							   row.key != NULL || !PG_ARGISNULL(2) ? &existing : NULL);
	if (inserted)
	{
		Change		change = {
			.kind = CHANGE_START,
			.machine = row.machine,
			.version = row.version,
			.instance = &row.id,
			.key = row.key,
			.visit = row.visit,
			.node = row.node,
			.data = PG_ARGISNULL(9) ? NULL : row.data,
		};
		RowImage	after = instance_image(&row);

		changelog_write(&change);
		xact_note_write(NULL, &after, 0);
	}
	instance_table_close(&table);

	if (inserted)
		PG_RETURN_UUID_P(memcpy(palloc(UUID_LEN), &row.id, UUID_LEN));
	if (if_exists == IF_EXISTS_ERROR || strcmp(existing.machine, row.machine) != 0)
		raise_exists(&row, &existing);
	if (if_exists == IF_EXISTS_SKIP)
		PG_RETURN_NULL();
	PG_RETURN_UUID_P(memcpy(palloc(UUID_LEN), &existing.id, UUID_LEN));
}

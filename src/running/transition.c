/*-------------------------------------------------------------------------
 *
 * transition.c
 *	  transition() and signal(): along a declared edge, said from inside and
 *	  from outside.
 *
 * What a completion means is in completion.c.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "access/genam.h"
#include "machine_cache.h"
#include "running/call.h"
#include "running/completion.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(dfsmr_transition);
PG_FUNCTION_INFO_V1(dfsmr_signal);

static void
read_completion(FunctionCallInfo fcinfo, Completion *said, TimestampTz now)
{
	memset(said, 0, sizeof(*said));
	said->instance = uuid_argument(fcinfo, 0, "instance");
	said->transition = text_argument(fcinfo, 1, "transition", DFSMR_NAME_MAX);
	said->visit = int_argument(fcinfo, 3, 0);
	said->client = optional_text_argument(fcinfo, 4, "client", CLIENT_MAX);
	said->attempt = int_argument(fcinfo, 5, 0);
	said->move.kind = CHANGE_TRANSITION;
	said->move.now = now;
	said->move.node_params = object_argument(fcinfo, 2, "node_params", false);
	said->move.data = object_argument(fcinfo, 6, "data", true);
	said->move.has_delay = !PG_ARGISNULL(7);
	if (said->move.has_delay)
		said->move.delay = interval_argument(fcinfo, 7, "delay", now);
	said->move.note = optional_text_argument(fcinfo, 8, "note", NOTE_MAX);
}

/*
 * transition(instance, transition, node_params, visit, client, attempt, data,
 * delay, note): one row (instance, node, prev_node, visit).
 */
Datum
dfsmr_transition(PG_FUNCTION_ARGS)
{
	Board	   *board = call_begin("dfsmr.transition()");
	Completion	said;
	CompletionAnswer answer;
	InstanceTable table;
	Datum		values[4];
	bool		nulls[4] = {false};

	read_completion(fcinfo, &said, board_now(board));
	completion_hints(board, &said.instance, 1, &said.hint);
	instance_table_open(&table, RowExclusiveLock);
	if (complete(board, &table, &said, &answer) == COMPLETION_REFUSED)
		raise_refusal(answer.refusal);
	instance_table_close(&table);

	values[0] = PointerGetDatum(said.instance);
	values[1] = CStringGetTextDatum(answer.node);
	values[2] = CStringGetTextDatum(answer.prev_node);
	values[3] = Int32GetDatum(answer.visit);
	return return_row(fcinfo, values, nulls);
}

/* ----------------------------------------------------------------- signal */

/* The instance that holds the key, or false. */
static bool
fetch_by_key(InstanceTable *table, const char *machine, const char *key, InstanceRow *row)
{
	Relation	index = index_open(extension_oids_required()->instance_key, AccessShareLock);
	ScanKeyData keys[2];
	IndexScanDesc scan;
	bool		found;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(machine));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(key));
	scan = index_beginscan(table->rel, index, SnapshotSelf, NULL, 2, 0);
	index_rescan(scan, keys, 2, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, table->read_slot);
	if (found)
		instance_read_slot(table->read_slot, row);
	index_endscan(scan);
	ExecClearTuple(table->read_slot);
	index_close(index, NoLock);
	return found;
}

/* The row that is meant, by instance or by machine and key. */
static void
fetch_addressed(InstanceTable *table, const char *machine, const char *key,
				const pg_uuid_t *instance, InstanceRow *row)
{
	if (instance != NULL)
	{
		fetch_required(table, instance, NULL, row);
		if ((machine != NULL && strcmp(machine, row->machine) != 0) ||
			(key != NULL && (row->key == NULL || strcmp(key, row->key) != 0)))
			raise_refusal(refusal_unknown_instance(instance));
	}
	else if (!fetch_by_key(table, machine, key, row))
		ereport(ERROR,
				(errcode(DFSMR_UNKNOWN_INSTANCE),
				 errmsg("machine \"%s\" has no instance with key \"%s\"", machine, key),
				 errhint("It may have finished and given up its key, as key_reuse says.")));
}

static void
read_address(FunctionCallInfo fcinfo, char **machine, char **key, pg_uuid_t **instance)
{
	*machine = optional_text_argument(fcinfo, 0, "machine", DFSMR_NAME_MAX);
	*key = optional_text_argument(fcinfo, 1, "key", KEY_MAX);
	*instance = optional_uuid_argument(fcinfo, 5);
	if (*instance != NULL)
		return;
	if (*key == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("one of the arguments \"key\" and \"instance\" must not be null")));
	require_argument(fcinfo, 0, "machine");
	privilege_require(*machine, PRIVILEGE_SIGNAL | PRIVILEGE_ADMIN);
	machine_info_required(*machine);
}

/*
 * signal(machine, key, transition, node_params, data, instance, note): one row
 * (instance, node, outcome); the outcome is NULL while it is not finished.
 */
Datum
dfsmr_signal(PG_FUNCTION_ARGS)
{
	Board	   *board = call_begin("dfsmr.signal()");
	char	   *transition = text_argument(fcinfo, 2, "transition", DFSMR_NAME_MAX);
	char	   *name;
	char	   *key;
	pg_uuid_t  *instance;
	InstanceTable table;
	InstanceRow row;
	Move		move = {.kind = CHANGE_SIGNAL, .now = board_now(board)};
	Datum		values[3];
	bool		nulls[3] = {false};

	read_address(fcinfo, &name, &key, &instance);
	move.node_params = object_argument(fcinfo, 3, "node_params", false);
	move.data = object_argument(fcinfo, 4, "data", true);
	move.note = optional_text_argument(fcinfo, 6, "note", NOTE_MAX);

	instance_table_open(&table, RowExclusiveLock);
	for (;;)
	{
		const Machine *machine;
		const MachineNode *node;
		int			edge;

		fetch_addressed(&table, name, key, instance, &row);
		privilege_require(row.machine, PRIVILEGE_SIGNAL | PRIVILEGE_ADMIN);
		if (row.kind == NODE_FINAL)
			raise_refusal(refusal_finished(&row));
		machine = machine_version(row.machine, row.version);
		node = row_node(&row, machine);
		if (node->kind == NODE_TASK)
			ereport(ERROR,
					(errcode(DFSMR_ILLEGAL_TRANSITION),
					 errmsg("instance %s is at task node \"%s\", which only its worker may leave",
							uuid_string(&row.id), node->name),
					 errhint("Signals move instances at parked and timer nodes.")));
		edge = machine_find_edge(node, transition);
		if (edge < 0)
			raise_refusal(refusal_illegal_transition(&row, node, transition));
		if (move_along(&table, &row, machine, node, &node->edges[edge],
					   &move) == INSTANCE_UPDATED)
			break;
	}
	instance_table_close(&table);

	values[0] = UUIDPGetDatum(&row.id);
	values[1] = CStringGetTextDatum(row.node);
	nulls[2] = row.outcome == NULL;
	values[2] = nulls[2] ? (Datum) 0 : CStringGetTextDatum(row.outcome);
	return return_row(fcinfo, values, nulls);
}

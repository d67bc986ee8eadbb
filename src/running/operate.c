/*-------------------------------------------------------------------------
 *
 * operate.c
 *	  What operators do: abort(), move(), pause(), resume().
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "executor/spi.h"
#include "machine_cache.h"
#include "miscadmin.h"
#include "running/call.h"
#include "running/move.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(dfsmr_abort);
PG_FUNCTION_INFO_V1(dfsmr_move);
PG_FUNCTION_INFO_V1(dfsmr_pause);
PG_FUNCTION_INFO_V1(dfsmr_resume);

/*
 * The row, if the caller may operate on it and it is not finished.  A claim
 * that is out ends with the move, and counts.
 */
static void
fetch_operable(Board *board, InstanceTable *table, const pg_uuid_t *id, InstanceRow *row,
			   Move *move)
{
	LeaseCopy	claim;

	fetch_required(table, id, NULL, row);
	privilege_require(row->machine, PRIVILEGE_ADMIN);
	if (row->kind == NODE_FINAL)
		raise_refusal(refusal_finished(row));
	move->deliveries = claim_in_flight(board, row, &claim) && !row->held ? 1 : 0;
}

/* abort(instance, reason) */
Datum
dfsmr_abort(PG_FUNCTION_ARGS)
{
	Board	   *board = call_begin("dfsmr.abort()");
	pg_uuid_t  *instance = uuid_argument(fcinfo, 0, "instance");
	Move		move = {.kind = CHANGE_ABORT, .now = board_now(board)};
	InstanceTable table;
	InstanceRow row;

	move.note = optional_text_argument(fcinfo, 1, "reason", NOTE_MAX);
	instance_table_open(&table, RowExclusiveLock);
	do
	{
		fetch_operable(board, &table, instance, &row, &move);
	} while (move_to_aborted(&table, &row, machine_version(row.machine, row.version),
							 &move) != INSTANCE_UPDATED);
	instance_table_close(&table);
	PG_RETURN_VOID();
}

/* move(instance, node, reason, node_params) */
Datum
dfsmr_move(PG_FUNCTION_ARGS)
{
	Board	   *board = call_begin("dfsmr.move()");
	pg_uuid_t  *instance = uuid_argument(fcinfo, 0, "instance");
	char	   *name = text_argument(fcinfo, 1, "node", DFSMR_NAME_MAX);
	Move		move = {.kind = CHANGE_MOVE, .now = board_now(board)};
	InstanceTable table;
	InstanceRow row;

	move.note = text_argument(fcinfo, 2, "reason", NOTE_MAX);
	move.node_params = object_argument(fcinfo, 3, "node_params", false);
	instance_table_open(&table, RowExclusiveLock);
	for (;;)
	{
		const Machine *machine;
		int			node;

		fetch_operable(board, &table, instance, &row, &move);
		machine = machine_version(row.machine, row.version);
		node = machine_find_node(machine, name);
		if (node < 0)
			ereport(ERROR,
					(errcode(DFSMR_UNKNOWN_MACHINE),
					 errmsg("version %d of machine \"%s\" has no node \"%s\"",
							row.version, row.machine, name),
					 errhint("To end the instance, call dfsmr.abort().")));
		if (move_to(&table, &row, machine, &machine->nodes[node], &move) == INSTANCE_UPDATED)
			break;
	}
	instance_table_close(&table);
	PG_RETURN_VOID();
}

/* --------------------------------------------------------- pause, resume */

/* Run one statement as the owner of the tables; returns the rows touched. */
static uint64
run_as_owner(const char *sql, int nargs, Oid *types, Datum *values, const char *nulls)
{
	Oid			user;
	int			context;
	uint64		touched;

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(extension_oids_required()->owner,
						   context | SECURITY_LOCAL_USERID_CHANGE);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args(sql, nargs, types, values, nulls, false, 0) < 0)
		elog(ERROR, "SPI_execute_with_args failed");
	touched = SPI_processed;
	SPI_finish();
	SetUserIdAndSecContext(user, context);
	return touched;
}

/* The machine and node that are meant; the node is NULL for the whole machine. */
static void
read_pausable(FunctionCallInfo fcinfo, char **machine, char **node)
{
	const MachineInfo *info;

	*machine = text_argument(fcinfo, 0, "machine", DFSMR_NAME_MAX);
	*node = optional_text_argument(fcinfo, 1, "node", DFSMR_NAME_MAX);
	privilege_require(*machine, PRIVILEGE_ADMIN);
	info = machine_info_required(*machine);
	if (*node != NULL && machine_info_find_node(info, *node) < 0)
		ereport(ERROR,
				(errcode(DFSMR_UNKNOWN_MACHINE),
				 errmsg("no version of machine \"%s\" has a node \"%s\"", *machine, *node)));
}

static void
log_pause(ChangeKind kind, const char *machine, const char *node, const char *reason)
{
	Change		change = {
		.kind = kind,
		.machine = machine,
		.node = node,
		.note = reason,
	};

	changelog_write(&change);
	board_definition_changed();
}

/* pause(machine, node, reason) */
Datum
dfsmr_pause(PG_FUNCTION_ARGS)
{
	char	   *machine;
	char	   *node;
	char	   *reason = optional_text_argument(fcinfo, 2, "reason", NOTE_MAX);
	Oid			types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	Datum		values[4];

	call_begin("dfsmr.pause()");
	read_pausable(fcinfo, &machine, &node);
	values[0] = CStringGetTextDatum(machine);
	values[1] = CStringGetTextDatum(node != NULL ? node : "");
	values[2] = reason != NULL ? CStringGetTextDatum(reason) : (Datum) 0;
	values[3] = CStringGetTextDatum(GetUserNameFromId(GetUserId(), false));
	if (run_as_owner("INSERT INTO dfsmr.pause (machine, node, reason, since, by_role)"
					 " VALUES ($1, $2, $3, pg_catalog.now(), $4)"
					 " ON CONFLICT (machine, node) DO NOTHING",
					 4, types, values, reason != NULL ? "    " : "  n ") > 0)
		log_pause(CHANGE_PAUSE, machine, node, reason);
	PG_RETURN_VOID();
}

/* resume(machine, node) */
Datum
dfsmr_resume(PG_FUNCTION_ARGS)
{
	char	   *machine;
	char	   *node;
	Oid			types[] = {TEXTOID, TEXTOID};
	Datum		values[2];

	call_begin("dfsmr.resume()");
	read_pausable(fcinfo, &machine, &node);
	values[0] = CStringGetTextDatum(machine);
	values[1] = CStringGetTextDatum(node != NULL ? node : "");
	if (run_as_owner("DELETE FROM dfsmr.pause"
					 " WHERE machine OPERATOR(pg_catalog.=) $1 AND node OPERATOR(pg_catalog.=) $2",
					 2, types, values, "  ") > 0)
	{
		log_pause(CHANGE_RESUME, machine, node, NULL);
		/* Timers that were dropped while paused are in the heap alone. */
		xact_note_reset();
	}
	PG_RETURN_VOID();
}

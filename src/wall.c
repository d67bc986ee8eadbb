/*-------------------------------------------------------------------------
 *
 * wall.c
 *	  The wall on the instance table: a row trigger that holds whoever writes.
 *
 * The API goes by the table's access method, past all triggers, and checks for
 * itself.  What arrives here was written by SQL: by pg_dump's COPY into a new
 * database, or by the owner's or a superuser's own hand.
 *
 * The first has to pass: extension tables have their triggers before their
 * data, so a row may be inserted at any node that its version knows, and is
 * taken as it is.  The second must not break what the rest of the code relies
 * on: an instance stays what it is (id, machine, version), moves along edges
 * only, and to a higher visit when it moves, which is what fences off workers
 * of the visit before.  Either way the columns have to agree with the node,
 * since the partial indexes are what hands instances out.
 *
 * The board learns that rows were written past it when the transaction
 * commits, and looks again.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "access/htup_details.h"
#include "describe.h"
#include "instance.h"
#include "machine_cache.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/rel.h"
#include "utils/uuid.h"
#include "utils/xid8.h"
#include "wall.h"
#include "xact_notes.h"

PG_FUNCTION_INFO_V1(dfsmr_wall_instance);

/* What the wall looks at; strings are palloc'd. */
typedef struct WallRow
{
	bool		complete;		/* no column is NULL that must not be */
	pg_uuid_t	id;
	int			version;
	int			visit;
	int			attempt;
	int			failed_attempts;
	int			deliveries;
	int			neg_priority;
	char		kind;
	bool		held;			/* kind is that of a task handed out at most once */
	bool		has_held_by;
	bool		has_held_since;
	bool		delayed;
	bool		key_held;
	bool		has_key;
	bool		has_ready_at;
	bool		has_finished_at;
	char	   *machine;
	char	   *node;
	char	   *outcome;		/* or NULL */
	bool		objects;		/* visits, params, node_params and data are */
} WallRow;

/* The columns that are NOT NULL and looked at. */
static const enum InstanceAttribute needed[] = {
	ANUM_ID, ANUM_VERSION, ANUM_VISIT,
	ANUM_ATTEMPT, ANUM_FAILED_ATTEMPTS,
	ANUM_DELIVERIES, ANUM_NEG_PRIORITY,
	ANUM_KIND, ANUM_DELAYED, ANUM_KEY_HELD,
	ANUM_MACHINE, ANUM_NODE, ANUM_PARAMS,
	ANUM_NODE_PARAMS, ANUM_DATA
};

static bool
is_object(Datum jsonb)
{
	return JB_ROOT_IS_OBJECT(DatumGetJsonbP(jsonb));
}

static void
read_row(HeapTuple tuple, TupleDesc descriptor, WallRow *row)
{
	Datum	   *values = palloc(sizeof(Datum) * descriptor->natts);
	bool	   *nulls = palloc(sizeof(bool) * descriptor->natts);

	heap_deform_tuple(tuple, descriptor, values, nulls);
	memset(row, 0, sizeof(*row));
	for (size_t i = 0; i < lengthof(needed); i++)
	{
		if (nulls[needed[i] - 1])
			return;
	}
	row->complete = true;
	row->id = *DatumGetUUIDP(values[ANUM_ID - 1]);
	row->version = DatumGetInt32(values[ANUM_VERSION - 1]);
	row->visit = DatumGetInt32(values[ANUM_VISIT - 1]);
	row->attempt = DatumGetInt32(values[ANUM_ATTEMPT - 1]);
	row->failed_attempts = DatumGetInt32(values[ANUM_FAILED_ATTEMPTS - 1]);
	row->deliveries = DatumGetInt32(values[ANUM_DELIVERIES - 1]);
	row->neg_priority = DatumGetInt32(values[ANUM_NEG_PRIORITY - 1]);
	row->kind = DatumGetChar(values[ANUM_KIND - 1]);
	row->held = row->kind == KIND_HELD;
	row->has_held_by = !nulls[ANUM_HELD_BY - 1];
	row->has_held_since = !nulls[ANUM_HELD_SINCE - 1];
	row->delayed = DatumGetBool(values[ANUM_DELAYED - 1]);
	row->key_held = DatumGetBool(values[ANUM_KEY_HELD - 1]);
	row->has_key = !nulls[ANUM_KEY - 1];
	row->has_ready_at = !nulls[ANUM_READY_AT - 1];
	row->has_finished_at = !nulls[ANUM_FINISHED_AT - 1];
	row->machine = TextDatumGetCString(values[ANUM_MACHINE - 1]);
	row->node = TextDatumGetCString(values[ANUM_NODE - 1]);
	if (!nulls[ANUM_OUTCOME - 1])
		row->outcome = TextDatumGetCString(values[ANUM_OUTCOME - 1]);
	row->objects = is_object(values[ANUM_PARAMS - 1]) &&
		is_object(values[ANUM_NODE_PARAMS - 1]) &&
		is_object(values[ANUM_DATA - 1]) &&
		(nulls[ANUM_VISITS - 1] || is_object(values[ANUM_VISITS - 1]));
}

static char *
id_string(const WallRow *row)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&row->id)));
}

/* ----------
 * A row by itself
 * ----------
 */

/*
 * pg_restore with several jobs keeps no order between the data of an
 * extension's tables.  Where no machine is defined at all, a row that names
 * one is ahead of it; the machines come in one COPY, so this ends at once.
 */
static bool
is_ahead_of_machines(const WallRow *row)
{
	int			nmachines;

	if (machine_info(row->machine) != NULL)
		return false;
	(void) machine_info_all(&nmachines);
	return nmachines == 0;
}

/* The node of the row, or NULL for the system's own; ERROR when unknown. */
static const MachineNode *
require_node(const WallRow *row)
{
	const Machine *machine = machine_version(row->machine, row->version);
	int			node = machine_find_node(machine, row->node);

	if (node >= 0)
		return &machine->nodes[node];
	if (strcmp(row->node, DFSMR_NODE_ABORTED) != 0)
		ereport(ERROR,
				(errcode(DFSMR_UNKNOWN_MACHINE),
				 errmsg("version %d of machine \"%s\" has no node \"%s\"",
						row->version, row->machine, row->node),
				 errdetail("It knows %s.", describe_nodes(machine))));
	return NULL;
}

static void
refuse_column(const WallRow *row, const char *column, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 errmsg("column \"%s\" of instance %s does not fit node \"%s\"",
					column, id_string(row), row->node),
			 errdetail("%s", detail)));
}

/* The columns that follow from the node do. */
static void
check_agrees_with_node(const WallRow *row, const MachineNode *node)
{
	NodeKind	kind = node != NULL ? node->kind : NODE_FINAL;
	bool		final = kind == NODE_FINAL;
	const char *outcome = NULL;

	if (final)
		outcome = node != NULL && node->outcome == OUTCOME_SUCCESS ? "success" : "failure";
	if (row->kind != (char) kind && !(row->held && kind == NODE_TASK))
		refuse_column(row, "kind", psprintf("It must be \"%c\" there.", kind));
	if ((row->outcome == NULL) != (outcome == NULL) ||
		(outcome != NULL && strcmp(row->outcome, outcome) != 0))
		refuse_column(row, "outcome",
					  outcome == NULL ? "It must be null until the instance is finished." :
					  psprintf("It must be \"%s\" there.", outcome));
	if (row->has_finished_at != final)
		refuse_column(row, "finished_at",
					  final ? "It must not be null there." :
					  "It must be null until the instance is finished.");
	if (kind == NODE_TASK && !row->held && !row->has_ready_at)
		refuse_column(row, "ready_at", "A task has a time from which it can be claimed.");
	if (row->delayed && row->kind != (char) NODE_TASK)
		refuse_column(row, "delayed", "Only a task that nobody holds is delayed.");
	if (row->has_held_by != row->held)
		refuse_column(row, "held_by", "It names the client of a row of kind \"h\", and is null otherwise.");
	if (row->has_held_since != row->held)
		refuse_column(row, "held_since", "It is the claim of a row of kind \"h\", and null otherwise.");
}

static void
refuse_value(const WallRow *row, const char *column, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 errmsg("column \"%s\" of instance %s is out of range", column, id_string(row)),
			 errdetail("%s", detail)));
}

/* The rest of what the code relies on. */
static void
check_values(const WallRow *row)
{
	if (row->visit < 1)
		refuse_value(row, "visit", "Visits count from 1.");
	if (row->attempt < 0)
		refuse_value(row, "attempt", "It is the number of a claim, or 0.");
	if (row->failed_attempts < 0 || row->failed_attempts > row->attempt)
		refuse_value(row, "failed_attempts", "It counts some of the attempts.");
	if (row->deliveries < row->attempt)
		refuse_value(row, "deliveries", "It counts the attempts of all visits.");
	if (row->neg_priority == PG_INT32_MIN)
		refuse_value(row, "neg_priority", "Its negation must be an integer too.");
	if (row->held && row->attempt < 1)
		refuse_value(row, "attempt", "The claim that holds the row counts.");
	if (row->key_held && !row->has_key)
		refuse_value(row, "key_held", "There is no key to hold.");
	if (!row->objects)
		refuse_value(row, "params", "params, node_params, data and visits are JSON objects.");
}

/* ----------
 * A row and what it was
 * ----------
 */

static void
refuse_identity(const WallRow *old, const char *column)
{
	ereport(ERROR,
			(errcode(DFSMR_ILLEGAL_TRANSITION),
			 errmsg("column \"%s\" of instance %s cannot be changed", column, id_string(old)),
			 errdetail("An instance keeps its id, its machine and its version.")));
}

static void
check_edge(const WallRow *old, const WallRow *new, const MachineNode *from)
{
	const Machine *machine = machine_version(old->machine, old->version);
	int			target = machine_find_node(machine, new->node);

	/* Whatever is not finished can be aborted. */
	if (from != NULL && from->kind != NODE_FINAL &&
		(target < 0 || machine_has_edge_to(from, target)))
		return;
	ereport(ERROR,
			(errcode(DFSMR_ILLEGAL_TRANSITION),
			 errmsg("machine \"%s\" has no transition from node \"%s\" to node \"%s\"",
					old->machine, old->node, new->node),
			 from == NULL || from->kind == NODE_FINAL ?
			 errdetail("Node \"%s\" is final.", old->node) :
			 errdetail("Version %d allows: %s.", old->version, describe_edges(machine, from)),
			 errhint("An operator can leave the edges with dfsmr.move().")));
}

static void
check_identity(const WallRow *old, const WallRow *new)
{
	if (memcmp(&old->id, &new->id, sizeof(pg_uuid_t)) != 0)
		refuse_identity(old, "id");
	if (strcmp(old->machine, new->machine) != 0)
		refuse_identity(old, "machine");
	if (old->version != new->version)
		refuse_identity(old, "version");
}

static void
check_move(const WallRow *old, const WallRow *new)
{
	bool		moved = strcmp(old->node, new->node) != 0;

	if (moved)
		check_edge(old, new, require_node(old));
	if (new->visit < old->visit || (moved && new->visit == old->visit))
		ereport(ERROR,
				(errcode(DFSMR_STALE_VISIT),
				 errmsg("visit %d of instance %s cannot be followed by visit %d",
						old->visit, id_string(old), new->visit),
				 errdetail("The visit goes up whenever the node changes, and never down.")));
}

/* A row that was not there before: its changes were restored, if it has any. */
static HeapTuple
with_restored_changes(HeapTuple tuple, TupleDesc descriptor)
{
	int			column = ANUM_CHANGE_XID;
	Datum		value = FullTransactionIdGetDatum(FullTransactionIdFromU64(0));
	bool		isnull = false;

	return heap_modify_tuple_by_cols(tuple, descriptor, 1, &column, &value, &isnull);
}

/*
 * BEFORE INSERT OR UPDATE OR DELETE FOR EACH ROW on dfsmr.instance.  A finished
 * instance, which is there as it holds its key, may be deleted; one that is not would take its worker's work along.
 */
Datum
dfsmr_wall_instance(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = wall_trigger_data(fcinfo, extension_oids_required()->instance);
	TupleDesc	descriptor = RelationGetDescr(trigdata->tg_relation);
	HeapTuple	tuple = trigdata->tg_trigtuple;
	bool		update = TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event);
	const MachineNode *node;
	WallRow		old;
	WallRow		new;

	if (!TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
	{
		read_row(tuple, descriptor, &old);
		if (!old.complete)
			elog(ERROR, "a row of the instance table has a null where none can be");
	}
	if (TRIGGER_FIRED_BY_DELETE(trigdata->tg_event))
	{
		if (!old.has_finished_at)
			ereport(ERROR,
					(errcode(ERRCODE_RESTRICT_VIOLATION),
					 errmsg("instance %s is not finished", id_string(&old)),
					 errhint("Abort it first: SELECT dfsmr.abort('%s').", id_string(&old))));
		/* Its id may be used again, and what is known of it must not. */
		xact_note_reset();
		return PointerGetDatum(tuple);
	}

	tuple = update ? trigdata->tg_newtuple : with_restored_changes(tuple, descriptor);
	read_row(tuple, descriptor, &new);
	/* The executor will say which column must not be NULL. */
	if (!new.complete)
		return PointerGetDatum(tuple);

	xact_note_foreign_write();
	if (!update && is_ahead_of_machines(&new))
	{
		check_values(&new);
		return PointerGetDatum(tuple);
	}
	if (update)
		check_identity(&old, &new);
	node = require_node(&new);
	if (update)
		check_move(&old, &new);
	check_agrees_with_node(&new, node);
	check_values(&new);
	return PointerGetDatum(tuple);
}

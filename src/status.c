/*-------------------------------------------------------------------------
 *
 * status.c
 *	  What is on the board, for people to look at: leases and sizes.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "board_internal.h"
#include "client_name.h"
#include "funcapi.h"
#include "lease.h"
#include "machine_cache.h"
#include "running/call.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(dfsmr_board_leases);
PG_FUNCTION_INFO_V1(dfsmr_board_status);
PG_FUNCTION_INFO_V1(dfsmr_board_time);
PG_FUNCTION_INFO_V1(dfsmr_allowed);

/* The columns of board_status(). */
enum
{
	COL_ITEM,
	COL_MACHINE,
	COL_NODE,
	COL_USED,
	COL_SIZE,
	COL_FRONTIER,
	COL_REFILLS,
	COL_EVICTIONS,
	STATUS_NATTS
};

static void
put(ReturnSetInfo *result, Datum *values, bool *nulls)
{
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * May the caller see this lease?  A lease does not know its machine for sure
 * (its node set may have made room for another), the row does; who may read
 * all machines needs no row.
 */
static bool
may_see_lease(InstanceTable *table, bool reads_all, Lease *lease)
{
	InstanceRow row;

	return reads_all ||
		(instance_fetch_hinted(table, &lease->instance, &lease->tid, &row) &&
		 privilege_has(row.machine, PRIVILEGE_READ));
}

/*
 * Leases that hold: (instance, visit, attempt, deliveries, client, claimed_at,
 * expires_at).  Empty without a board.  The views join it with the rows; as
 * functions in a view run with the rights of the caller, who so can call this
 * alone too, it shows no more than they do.
 */
Datum
dfsmr_board_leases(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Board	   *board = board_get_if_available();
	bool		reads_all = privilege_has(NULL, PRIVILEGE_READ);
	InstanceTable table;
	LeaseCopy  *copy;
	int			n;

	init_materialized_srf(fcinfo);
	if (board == NULL)
		return (Datum) 0;
	copy = MemoryContextAllocHuge(CurrentMemoryContext, dfsmr_max_leases * sizeof(LeaseCopy));
	LWLockAcquire(board->lock, LW_SHARED);
	n = board->nexpiry;
	for (int i = 0; i < n; i++)
		lease_copy(board, board->expiry[i], &copy[i]);
	LWLockRelease(board->lock);
	instance_table_open(&table, AccessShareLock);
	for (int i = 0; i < n; i++)
	{
		Lease	   *lease = &copy[i].lease;
		Datum		values[7];
		bool		nulls[7] = {false};

		if (!may_see_lease(&table, reads_all, lease))
			continue;
		values[0] = UUIDPGetDatum(&lease->instance);
		values[1] = Int32GetDatum(lease->visit);
		values[2] = Int32GetDatum(lease->attempt);
		values[3] = Int32GetDatum(lease->deliveries);
		nulls[4] = lease_copy_client(&copy[i]) == NULL;
		values[4] = CStringGetTextDatum(copy[i].client);
		values[5] = TimestampTzGetDatum(lease->claimed_at);
		values[6] = TimestampTzGetDatum(lease->expires_at);
		put(result, values, nulls);
	}
	instance_table_close(&table);
	pfree(copy);
	return (Datum) 0;
}

/* ------------------------------------------------------------------ status */

static void
put_count(ReturnSetInfo *result, const char *item, int64 used, int64 size)
{
	Datum		values[STATUS_NATTS] = {0};
	bool		nulls[STATUS_NATTS];

	memset(nulls, true, sizeof(nulls));
	nulls[COL_ITEM] = nulls[COL_USED] = false;
	values[COL_ITEM] = CStringGetTextDatum(item);
	values[COL_USED] = Int64GetDatum(used);
	if (size >= 0)
	{
		nulls[COL_SIZE] = false;
		values[COL_SIZE] = Int64GetDatum(size);
	}
	put(result, values, nulls);
}

static char *
frontier_text(const OrderedSet *set, bool ranked)
{
	if (set->refiller >= 0)
		return "being refilled";
	if (entry_key_compare(&set->frontier, &KEY_HIGHEST) == 0)
		return "everything";
	if (entry_key_compare(&set->frontier, &KEY_LOWEST) == 0)
		return "nothing";
	if (ranked)
		return psprintf("priority %d, %s", -set->frontier.rank, timestamptz_to_str(set->frontier.at));
	return pstrdup(timestamptz_to_str(set->frontier.at));
}

static void
put_set(ReturnSetInfo *result, const char *item, const NodeName *name, const OrderedSet *set)
{
	Datum		values[STATUS_NATTS] = {0};
	bool		nulls[STATUS_NATTS] = {false};

	values[COL_ITEM] = CStringGetTextDatum(item);
	nulls[COL_MACHINE] = nulls[COL_NODE] = name == NULL;
	if (name != NULL)
	{
		values[COL_MACHINE] = CStringGetTextDatum(name->machine);
		values[COL_NODE] = CStringGetTextDatum(name->node);
	}
	values[COL_USED] = Int64GetDatum(set->count);
	values[COL_SIZE] = Int64GetDatum(set->capacity);
	values[COL_FRONTIER] = CStringGetTextDatum(frontier_text(set, name != NULL));
	values[COL_REFILLS] = Int64GetDatum((int64) set->refills);
	values[COL_EVICTIONS] = Int64GetDatum((int64) set->evictions);
	put(result, values, nulls);
}

/* A copy of what is small, so that nothing is allocated under the lock. */
static void
put_sets(ReturnSetInfo *result, Board *board)
{
	NodeSet    *sets = palloc(dfsmr_max_sets * sizeof(NodeSet));
	OrderedSet	timers;
	OrderedSet	delayed;
	int			n;

	LWLockAcquire(board->lock, LW_SHARED);
	n = board->nnodes_used;
	memcpy(sets, board->nodes, n * sizeof(NodeSet));
	timers = board->timers;
	delayed = board->delayed;
	LWLockRelease(board->lock);

	put_set(result, "timers", NULL, &timers);
	put_set(result, "delayed tasks", NULL, &delayed);
	put_count(result, "nodes with ready sets", n, dfsmr_max_sets);
	for (int i = 0; i < n; i++)
	{
		if (!sets[i].used || !privilege_has(sets[i].name.machine, PRIVILEGE_READ))
			continue;
		put_set(result, "ready: first attempts", &sets[i].name, &sets[i].ready[FIRSTS]);
		put_set(result, "ready: retries", &sets[i].name, &sets[i].ready[RETRIES]);
	}
}

/*
 * What is on the board: (item, machine, node, used, size, frontier, refills,
 * evictions).  Empty without a board.
 */
Datum
dfsmr_board_status(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Board	   *board = board_get_if_available();
	Board		copy;

	init_materialized_srf(fcinfo);
	if (board == NULL)
		return (Datum) 0;
	LWLockAcquire(board->lock, LW_SHARED);
	copy = *board;
	LWLockRelease(board->lock);

	put_count(result, "leases", copy.nexpiry + copy.npending, dfsmr_max_leases);
	put_count(result, "clients with leases", copy.clients.used, client_names_capacity());
	put_count(result, "waiters", copy.nwaiters, dfsmr_max_waiters);
	put_count(result, "prepared transactions", copy.nprepared, dfsmr_max_prepared);
	put_count(result, "postponed timers", copy.npostponed, MAX_POSTPONED);
	put_sets(result, board);
	put_count(result, "claims", copy.claims, -1);
	put_count(result, "stale hints", copy.stale_hints, -1);
	put_count(result, "wake-ups", copy.wakeups, -1);
	put_count(result, "resets", copy.resets, -1);
	put_count(result, "audits", copy.audits, -1);
	put_count(result, "repairs by the audit", copy.repairs, -1);
	return (Datum) 0;
}

/* The board's time, or the wall clock's without a board. */
Datum
dfsmr_board_time(PG_FUNCTION_ARGS)
{
	Board	   *board = board_get_if_available();

	PG_RETURN_TIMESTAMPTZ(board != NULL ? board_now(board) : GetCurrentTimestamp());
}

/* ----------------------------------------------------------------- allowed */

/* allowed(instance): the transitions that may be said now, and their targets. */
Datum
dfsmr_allowed(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	pg_uuid_t  *instance = uuid_argument(fcinfo, 0, "instance");
	InstanceTable table;
	InstanceRow row;
	const Machine *machine;
	const MachineNode *node;

	instance_table_open(&table, AccessShareLock);
	fetch_required(&table, instance, NULL, &row);
	instance_table_close(&table);
	privilege_require(row.machine, PRIVILEGE_READ);
	machine = machine_version(row.machine, row.version);
	node = row_node(&row, machine);

	init_materialized_srf(fcinfo);
	for (int i = 0; node != NULL && i < node->nedges; i++)
	{
		Datum		values[2];
		bool		nulls[2] = {false};

		values[0] = CStringGetTextDatum(node->edges[i].transition);
		values[1] = CStringGetTextDatum(machine->nodes[node->edges[i].target].name);
		put(result, values, nulls);
	}
	return (Datum) 0;
}

/*-------------------------------------------------------------------------
 *
 * hold.c
 *	  heartbeat() and relinquish(): keeping a lease, and giving it back.
 *
 * Both belong to one attempt: a superseded worker cannot touch the lease of
 * its successor.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "durations.h"
#include "lease.h"
#include "machine_cache.h"
#include "running/attempt.h"
#include "running/call.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(dfsmr_heartbeat);
PG_FUNCTION_INFO_V1(dfsmr_relinquish);

/* -------------------------------------------------------------- heartbeat */

/*
 * Renew the lease on the board alone.  True when done: then *expires_at is set
 * and *machine says whose it was.  False when the row must be asked.
 */
static bool
renew(Board *board, const pg_uuid_t *instance, int visit, int attempt, TimestampTz now,
	  TimestampTz *expires_at, NodeName *name)
{
	Lease	   *lease;
	bool		renewed = false;

	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	lease = lease_find(board, instance);
	if (lease != NULL && !lease->pending && !lease->expiring && !lease->in_row &&
		lease->visit == visit && (attempt == 0 || lease->attempt == attempt) &&
		lease->node >= 0 && board->nodes[lease->node].used &&
		board->nodes[lease->node].generation == lease->node_generation)
	{
		*name = board->nodes[lease->node].name;
		*expires_at = Min(time_after(now, lease->renewal), lease->cutoff);
		lease_set_expiry(board, lease, *expires_at);
		renewed = true;
	}
	LWLockRelease(board->lock);
	return renewed;
}

/*
 * The board could not answer by itself: look at the row.  A current visit that
 * nobody has a lease of is leased again: a crash of the server forgets leases,
 * not work.
 */
static TimestampTz
retake(Board *board, InstanceRow *row, int visit, int attempt, TimestampTz now)
{
	const Machine *machine;
	const MachineNode *node;
	LeaseTerm	term;
	DurationsRef durations;
	RowImage	image = instance_image(row);
	SetEntry	hint;
	Lease	   *lease;
	bool		stale = false;
	const NodeName *name;
	int			note;

	if (row->visit != visit)
		raise_refusal(refusal_stale_visit(row, visit));
	if (row->kind == NODE_FINAL)
		raise_refusal(refusal_finished(row));
	/* Who does not say which attempt he is may be one that has ended. */
	if (row->kind != NODE_TASK ||
		(attempt != 0 ? attempt != row->attempt + 1 : row->attempt > 0))
		raise_stale_lease(row, attempt);
	machine = machine_version(row->machine, row->version);
	node = row_node(row, machine);
	/* At most once is claimed by the row alone. */
	if (node->at_most_once)
		raise_stale_lease(row, attempt);
	name = node_name_intern(row->machine, row->node);
	durations = durations_prepare(board, name);
	memset(&hint, 0, sizeof(hint));
	hint.key = image.key;
	hint.visit = row->visit;
	hint.tid = row->tid;
	hint.retry = row->retry;
	hint.node = -1;

	xact_note_reserve_claims(1);
	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	term = lease_term(board, node, durations, row->failed_attempts, now);
	lease = lease_find(board, &row->id);
	if (lease != NULL && !lease->pending && !lease->expiring && lease->visit == visit &&
		lease->attempt == row->attempt + 1)
	{
		term.expires_at = Min(time_after(now, lease->renewal), lease->cutoff);
		lease_set_expiry(board, lease, term.expires_at);
	}
	else if (lease_take(board, &hint, node_set_get(board, name), &lease) == LEASE_TAKEN)
	{
		note = xact_note_claim(name, row->retry, &hint, NULL);
		lease_hold(board, lease, row->attempt + 1, row->deliveries + 1, "", &term, &row->tid);
		/* When it was claimed nobody remembers. */
		lease->counted = true;
		xact_note_claim_held(note, row->attempt + 1, &image);
	}
	else
		stale = true;
	LWLockRelease(board->lock);
	if (stale)
		raise_stale_lease(row, attempt);
	return term.expires_at;
}

/*
 * A heartbeat for what was handed out at most once; it has no lease to lose.
 * True when done: then *expires_at is set, to DT_NOEND if the claim has no end.
 * False when the row must be read again.  A fixed timeout is renewed in the row, unless the node asks for
 * heartbeats: then it is an upper limit, and they renew the lease.  That says
 * otherwise only that the holder is alive.
 */
static bool
beat_held(Board *board, InstanceTable *table, InstanceRow *row, int visit, int attempt,
		  TimestampTz now, TimestampTz *expires_at)
{
	const MachineNode *node = row_node(row, machine_version(row->machine, row->version));
	const NodeName *name = node_name_intern(row->machine, row->node);
	DurationsRef durations = durations_prepare(board, name);
	LeaseTerm	term = lease_term(board, node, durations, row->failed_attempts, now);
	SetEntry	hint;
	Lease	   *lease;

	if (row->visit != visit)
		raise_refusal(refusal_stale_visit(row, visit));
	if (attempt != 0 && attempt != row->attempt)
		raise_stale_lease(row, attempt);
	term.claimed_at = row->held_since;
	if (node->on_timeout >= 0 && node->heartbeat < 0)
	{
		RowImage	before = instance_image(row);
		RowImage	after;

		row->timed = true;
		row->ready_at = term.expires_at;
		if (instance_update(table, row, true) != INSTANCE_UPDATED)
			return false;
		after = instance_image(row);
		xact_note_write(&before, &after, 0, 0);
	}
	else if (row->timed)
	{
		term.cutoff = row->ready_at;
		term.expires_at = Min(term.expires_at, term.cutoff);
	}
	*expires_at = lease_has_no_end(node) ? DT_NOEND : term.expires_at;

	memset(&hint, 0, sizeof(hint));
	hint.key.id = row->id;
	hint.visit = row->visit;
	hint.tid = row->tid;
	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	lease = lease_find_exact(board, &row->id, visit, row->attempt);
	if (lease != NULL && !lease->expiring)
	{
		lease->cutoff = term.cutoff;
		lease_set_expiry(board, lease, term.expires_at);
	}
	else if (lease == NULL &&
			 lease_take(board, &hint, node_set_get(board, name), &lease) == LEASE_TAKEN)
		lease_hold(board, lease, row->attempt, row->deliveries, row->held_by, &term, &row->tid);
	LWLockRelease(board->lock);
	return true;
}

/* The board could not answer by itself; see there. */
static TimestampTz
beat_by_row(Board *board, const pg_uuid_t *instance, int visit, int attempt, TimestampTz now)
{
	InstanceTable table;
	InstanceRow row;
	TimestampTz expires_at;
	bool		done;

	instance_table_open(&table, RowExclusiveLock);
	do
	{
		fetch_required(&table, instance, NULL, &row);
		privilege_require(row.machine, PRIVILEGE_WORK | PRIVILEGE_ADMIN);
		done = true;
		if (row.held)
			done = beat_held(board, &table, &row, visit, attempt, now, &expires_at);
		else
			expires_at = retake(board, &row, visit, attempt, now);
	} while (!done);
	instance_table_close(&table);
	return expires_at;
}

/* heartbeat(instance, visit, attempt): when the lease runs out now, if it does. */
Datum
dfsmr_heartbeat(PG_FUNCTION_ARGS)
{
	Board	   *board = call_begin("dfsmr.heartbeat()");
	pg_uuid_t  *instance = uuid_argument(fcinfo, 0, "instance");
	int			attempt = int_argument(fcinfo, 2, 0);
	TimestampTz now = board_now(board);
	TimestampTz expires_at;
	NodeName	name;
	int			visit;

	require_argument(fcinfo, 1, "visit");
	visit = PG_GETARG_INT32(1);
	if (renew(board, instance, visit, attempt, now, &expires_at, &name))
	{
		privilege_require(name.machine, PRIVILEGE_WORK | PRIVILEGE_ADMIN);
		PG_RETURN_TIMESTAMPTZ(expires_at);
	}
	expires_at = beat_by_row(board, instance, visit, attempt, now);
	if (expires_at == DT_NOEND)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(expires_at);
}

/* ------------------------------------------------------------- relinquish */

/* The attempt that the caller gives back, or ERROR. */
static void
find_lease(Board *board, const InstanceRow *row, int attempt, Move *move)
{
	LeaseCopy  *claim = palloc(sizeof(LeaseCopy));
	bool		leased = claim_in_flight(board, row, claim);
	const Lease *lease = &claim->lease;

	if (!row->held && (!leased || lease->expiring))
		raise_stale_lease(row, attempt);
	move->attempt = row->held ? row->attempt : lease->attempt;
	move->client = row->held ? row->held_by : lease_copy_client(claim);
	if (leased)
		move->ticket = lease->ticket;
	else
		move->ticket.period = 0;
	if (attempt != 0 && attempt != move->attempt)
		raise_stale_lease(row, attempt);
}

static void
judge(const InstanceRow *row, int visit)
{
	privilege_require(row->machine, PRIVILEGE_WORK | PRIVILEGE_ADMIN);
	if (visit != 0 && visit != row->visit)
		raise_refusal(refusal_stale_visit(row, visit));
	if (row->kind == NODE_FINAL)
		raise_refusal(refusal_finished(row));
	if (visit == 0 && !visit_may_be_missing(row))
		raise_refusal(refusal_visit_required());
}

/* relinquish(instance, visit, delay, attempt, note): one row (instance, node). */
Datum
dfsmr_relinquish(PG_FUNCTION_ARGS)
{
	Board	   *board = call_begin("dfsmr.relinquish()");
	pg_uuid_t  *instance = uuid_argument(fcinfo, 0, "instance");
	int			visit = int_argument(fcinfo, 1, 0);
	int			attempt = int_argument(fcinfo, 3, 0);
	Move		move = {.kind = CHANGE_RELINQUISH, .now = board_now(board)};
	InstanceTable table;
	InstanceRow row;
	Datum		values[2];
	bool		nulls[2] = {false};

	move.delay = interval_argument(fcinfo, 2, "delay", move.now);
	move.note = optional_text_argument(fcinfo, 4, "note", NOTE_MAX);
	instance_table_open(&table, RowExclusiveLock);
	do
	{
		fetch_required(&table, instance, NULL, &row);
		judge(&row, visit);
		find_lease(board, &row, attempt, &move);
	} while (attempt_given_back(&table, &row, &move) != INSTANCE_UPDATED);
	instance_table_close(&table);

	values[0] = PointerGetDatum(instance);
	values[1] = CStringGetTextDatum(row.node);
	return return_row(fcinfo, values, nulls);
}

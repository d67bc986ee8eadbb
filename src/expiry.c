/*-------------------------------------------------------------------------
 *
 * expiry.c
 *	  The scheduler's step that takes back work whose lease ran out.
 *
 * The failed attempt and a timeout change are recorded, and the instance is
 * offered to others, or takes its on_timeout edge.  From the moment at which
 * the lease is marked as expiring its heartbeats are refused; a completion may
 * still win, as long as it writes the row first.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "board_internal.h"
#include "contain.h"
#include "lease.h"
#include "machine_cache.h"
#include "running/call.h"
#include "running/move.h"
#include "scheduler.h"
#include "utils/timestamp.h"
#include "waiter.h"
#include "xact_notes.h"

/* Leases taken back in one transaction. */
#define BATCH 200

/* Before a locked or bad row is tried again, in microseconds. */
#define LOCKED_PAUSE (100 * INT64CONST(1000))
#define BAD_PAUSE (5 * USECS_PER_SEC)

/* While one run works on a lease, it is not the first of the heap. */
#define IN_WORK (60 * USECS_PER_SEC)

/* One lease in work. */
typedef struct Expiring
{
	Board	   *board;
	InstanceTable *table;
	Lease		lease;			/* a copy */
	TimestampTz now;
	bool		locked;
	bool		over;			/* the row has outlived it: it can go */
	RowImage	row;			/* ... and is like this now */
} Expiring;

/* The last run did not come to its end: some row is bad, so take care. */
static bool running = false;
static bool careful = false;

static int
take_due(Board *board, TimestampTz now, Lease *leases, int max)
{
	Lease	   *lease;
	int			n = 0;

	xact_note_reserve_claims(max);
	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	if (now >= board->quiet_until)
	{
		while (n < max && (lease = lease_first(board)) != NULL && lease->check_at <= now)
		{
			lease->expiring = true;
			lease_check_again(board, lease, now + IN_WORK);
			xact_note_expiring(&lease->instance, lease->visit, lease->attempt);
			leases[n++] = *lease;
		}
	}
	LWLockRelease(board->lock);
	return n;
}

/* The instance stays in its visit and is offered to others. */
static InstanceUpdate
redeliver(Expiring *expiring, InstanceRow *row, Move *move)
{
	RowImage	before = instance_image(row);

	row->attempt = expiring->lease.attempt;
	row->failed_attempts++;
	row->retry = true;
	row->ready_at = expiring->now;
	row->delayed = false;
	move->transition = DFSMR_TRANSITION_TIMEOUT;
	return move_stay(expiring->table, row, &before, move, expiring->lease.attempt, false);
}

static void
expire(Expiring *expiring)
{
	Lease	   *lease = &expiring->lease;
	InstanceRow row;
	const Machine *machine;
	const MachineNode *node;
	InstanceUpdate result;
	Move		move = {
		.kind = CHANGE_TIMEOUT,
		.now = expiring->now,
		.client = lease->client,
		.attempt = lease->attempt,
		.deliveries = 1,
		.claimed_at = lease->claimed_at,
	};

	if (!instance_fetch_hinted(expiring->table, &lease->instance, &lease->tid, &row))
	{
		expiring->over = true;
		expiring->row.name = NULL;
		return;
	}
	if (row.visit != lease->visit || row.kind != NODE_TASK || row.attempt >= lease->attempt)
	{
		/* Unless that is our own doing, which may be rolled back. */
		expiring->row = instance_image(&row);
		expiring->over = !row.own_write;
		expiring->locked = row.own_write;
		return;
	}
	machine = machine_version(row.machine, row.version);
	node = row_node(&row, machine);
	if (node->on_timeout >= 0)
		result = move_along(expiring->table, &row, machine, node,
							&node->edges[node->on_timeout], &move);
	else
		result = redeliver(expiring, &row, &move);
	expiring->locked = result != INSTANCE_UPDATED;
}

/* With a table of its own: what a subtransaction opens, it must close. */
static void
expire_apart(void *argument)
{
	Expiring   *expiring = argument;
	InstanceTable table;

	instance_table_open(&table, RowExclusiveLock);
	expiring->table = &table;
	expire(expiring);
	instance_table_close(&table);
}

static void
expire_one(Expiring *expiring)
{
	InstanceTable *table = expiring->table;
	bool		good = true;
	char		about[64];
	Lease	   *lease;

	expiring->locked = expiring->over = false;
	if (careful)
	{
		snprintf(about, sizeof(about), "the lease of instance %s",
				 uuid_string(&expiring->lease.instance));
		good = contained(expire_apart, expiring, about);
		expiring->table = table;
	}
	else
		expire(expiring);
	if (good && !expiring->locked && !expiring->over)
		return;

	LWLockAcquire(expiring->board->lock, LW_EXCLUSIVE);
	lease = lease_find_exact(expiring->board, &expiring->lease.instance,
							 expiring->lease.visit, expiring->lease.attempt);
	if (lease != NULL && expiring->over)
	{
		/*
		 * Who took hints or refilled passed the row by for this lease: if it is
		 * ready (a prepared transaction gave it back, say), offer it.
		 */
		lease_drop(expiring->board, lease);
		board_offer(expiring->board, &expiring->row);
	}
	else if (lease != NULL)
	{
		lease->expiring = false;
		lease_check_again(expiring->board, lease,
						  expiring->now + (good ? LOCKED_PAUSE : BAD_PAUSE));
	}
	LWLockRelease(expiring->board->lock);
}

static TimestampTz
next_due(void)
{
	Board	   *board = board_attached();
	TimestampTz due = DT_NOEND;
	Lease	   *lease;

	if (board == NULL)
		return due;
	LWLockAcquire(board->lock, LW_SHARED);
	lease = lease_first(board);
	if (lease != NULL)
		due = Max(lease->check_at, board->quiet_until);
	LWLockRelease(board->lock);
	return due;
}

static bool
run(void)
{
	Board	   *board = board_get();
	TimestampTz now = board_now(board);
	Lease	   *leases = palloc(BATCH * sizeof(Lease));
	InstanceTable table;
	Expiring	expiring = {.board = board, .table = &table, .now = now};
	int			n;

	careful = running;
	running = true;
	n = take_due(board, now, leases, BATCH);
	if (n > 0)
	{
		instance_table_open(&table, RowExclusiveLock);
		for (int i = 0; i < n; i++)
		{
			expiring.lease = leases[i];
			expire_one(&expiring);
		}
		instance_table_close(&table);
	}
	pfree(leases);
	running = false;
	return next_due() <= now;
}

const SchedulerStep expiry_step = {
	.name = "taking back work",
	.run = run,
	.next_due = next_due,
	.in_tick = true,
};

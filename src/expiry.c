/*-------------------------------------------------------------------------
 *
 * expiry.c
 *	  The scheduler's step that takes back work whose lease ran out.
 *
 * The failed attempt and a timeout change are recorded, and the instance is
 * offered to others, or takes a way out (running/attempt.h).  From the moment at which
 * the lease is marked as expiring its heartbeats are refused; a completion may
 * still win, as long as it writes the row first.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "board_internal.h"
#include "contain.h"
#include "lease.h"
#include "lost_claim.h"
#include "machine_cache.h"
#include "running/attempt.h"
#include "running/call.h"
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
	LeaseCopy	claim;
	TimestampTz now;
	bool		locked;
	bool		over;			/* the row has outlived it: it can go */
	RowImage	row;			/* ... and is like this now */
} Expiring;

/* The last run did not come to its end: some row is bad, so take care. */
static bool running = false;
static bool careful = false;

static int
take_due(Board *board, TimestampTz now, LeaseCopy *leases, int max)
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
			lease_copy(board, lease, &leases[n++]);
		}
	}
	LWLockRelease(board->lock);
	return n;
}

/* The row has outlived the lease, or whatever there is to do is not for it. */
static void
mark_over(Expiring *expiring, const InstanceRow *row)
{
	/* Unless that is our own doing, which may be rolled back. */
	expiring->row = instance_image(row);
	expiring->over = !row->own_write;
	expiring->locked = row->own_write;
}

/*
 * Of what was handed out at most once, the row says how long it is held: its
 * lease says only how long the holder is believed to live, and takes the row
 * nowhere, except where the node asks for heartbeats and has a way out.
 */
static bool
lease_has_no_say(const InstanceRow *row, TimestampTz now)
{
	const MachineNode *node;

	if (!row->held)
		return false;
	node = row_node(row, machine_version(row->machine, row->version));
	return node->on_timeout < 0 || (node->heartbeat < 0 && (!row->timed || row->ready_at > now));
}

static void
expire(Expiring *expiring)
{
	Lease	   *lease = &expiring->claim.lease;
	InstanceRow row;
	Move		move = {
		.kind = CHANGE_TIMEOUT,
		.now = expiring->now,
		.client = lease_copy_client(&expiring->claim),
		.attempt = lease->attempt,
		.claimed_at = lease->claimed_at,
		.ticket = lease->ticket,
		.no_wait = true,
	};

	if (!instance_find(expiring->table, &lease->instance, &lease->tid, &row))
	{
		expiring->over = true;
		expiring->row.name = NULL;
	}
	else if (row.visit != lease->visit || row.kind != NODE_TASK ||
			 lease->attempt < attempt_running(&row) || lease_has_no_say(&row, expiring->now))
		mark_over(expiring, &row);
	else
	{
		if (row.held)
			move.client = row.held_by;
		expiring->locked = attempt_failed(expiring->table, &row, &move) != INSTANCE_UPDATED;
	}
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
				 uuid_string(&expiring->claim.lease.instance));
		good = contained(expire_apart, expiring, about);
		expiring->table = table;
	}
	else
		expire(expiring);
	if (good && !expiring->locked && !expiring->over)
		return;

	LWLockAcquire(expiring->board->lock, LW_EXCLUSIVE);
	lease = lease_find_exact(expiring->board, &expiring->claim.lease.instance,
							 expiring->claim.lease.visit, expiring->claim.lease.attempt);
	if (lease != NULL && expiring->over)
	{
		/*
		 * Who took hints or refilled passed the row by for this lease: if it is
		 * ready (a prepared transaction gave it back, say), offer it.
		 */
		lost_claims_remember(expiring->board, lease);
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
	LeaseCopy  *leases = palloc(BATCH * sizeof(LeaseCopy));
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
			expiring.claim = leases[i];
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

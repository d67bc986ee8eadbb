/*-------------------------------------------------------------------------
 *
 * claim_writer.c
 *	  The scheduler's step that writes claims at most once into their rows.
 *
 * See claim_writer.h for the protocol.  The commit is flushed whatever
 * synchronous_commit says.  A row that is locked is waited for by nobody: its
 * write is queued again, and the call that wants it loses patience or not.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "claim_writer.h"

#include "access/xact.h"
#include "contain.h"
#include "lease.h"
#include "machine_cache.h"
#include "running/attempt.h"
#include "running/call.h"
#include "scheduler.h"
#include "storage/proc.h"
#include "utils/timestamp.h"
#include "xact_notes.h"

/* Claims written in one transaction. */
#define BATCH 200

/* Before a locked or bad row is tried again, in microseconds. */
#define LOCKED_PAUSE (20 * INT64CONST(1000))
#define BAD_PAUSE USECS_PER_SEC

/* On any clock, also an injected one that went back. */
#define AT_ONCE PG_INT64_MIN

/* One claim in work. */
typedef struct Writing
{
	Board	   *board;
	InstanceTable *table;
	LeaseCopy	claim;
	bool		undo;
	int			note;
	bool		moved_on;		/* the row is not what was claimed any more */
	bool		locked;
	ItemPointerData tid;		/* of the version that was written */
} Writing;

/* The last run did not come to its end: some row is bad, so take care. */
static bool running = false;
static bool careful = false;

/* ------------------------------------------------------------------- queue */

static void
enqueue(Board *board, Lease *lease, ClaimWrite write, TimestampTz not_before)
{
	lease->write = write;
	lease->check_at = not_before;
	lease->write_next = NULL;
	lease->write_prev = board->write_last;
	if (board->write_last != NULL)
		board->write_last->write_next = lease;
	else
		board->write_first = lease;
	board->write_last = lease;
}

static bool
is_queued(const Lease *lease)
{
	return lease->write == CLAIM_WRITE_WANTED || lease->write == CLAIM_UNDO_WANTED;
}

static void
dequeue(Board *board, Lease *lease)
{
	if (lease->write_prev != NULL)
		lease->write_prev->write_next = lease->write_next;
	else
		board->write_first = lease->write_next;
	if (lease->write_next != NULL)
		lease->write_next->write_prev = lease->write_prev;
	else
		board->write_last = lease->write_prev;
	lease->write_prev = lease->write_next = NULL;
}

void
claim_writer_ask(Board *board, Lease *lease, int attempt, const char *client,
				 TimestampTz claimed_at)
{
	lease->attempt = attempt;
	lease->claimed_at = claimed_at;
	/* Should there be no room, nothing is written: the call offers it again. */
	if (!lease_set_writer(board, lease, client))
		return;
	enqueue(board, lease, CLAIM_WRITE_WANTED, AT_ONCE);
	board_due_at(board, AT_ONCE);
}

void
claim_writer_forget(Board *board, Lease *lease)
{
	if (is_queued(lease))
		dequeue(board, lease);
	lease->write = CLAIM_WRITE_NONE;
}

/* Nobody has seen the claim: it is to be taken out of the row again. */
static void
want_undo(Board *board, Lease *lease, TimestampTz not_before)
{
	lease->owner = -1;
	(void) lease_set_writer(board, lease, "");
	enqueue(board, lease, CLAIM_UNDO_WANTED, not_before);
	board_due_at(board, not_before);
}

bool
claim_writer_abandon(Board *board, Lease *lease)
{
	switch ((ClaimWrite) lease->write)
	{
		case CLAIM_WRITE_NONE:
		case CLAIM_WRITE_WANTED:
		case CLAIM_WRITE_FAILED:
			claim_writer_forget(board, lease);
			return true;
		case CLAIM_WRITE_RUNNING:
			/* Who writes it has a copy. */
			lease->owner = -1;
			(void) lease_set_writer(board, lease, "");
			return false;
		case CLAIM_WRITE_DONE:
			want_undo(board, lease, AT_ONCE);
			return false;
		case CLAIM_UNDO_WANTED:
		case CLAIM_UNDO_RUNNING:
			break;
	}
	return false;
}

/* Tell the call that waits; without one the lease goes. */
static void
answer(Board *board, Lease *lease, ClaimWrite write)
{
	if (lease->owner >= 0)
	{
		lease->write = write;
		SetLatch(&ProcGlobal->allProcs[lease->owner].procLatch);
	}
	else if (write == CLAIM_WRITE_DONE)
		want_undo(board, lease, AT_ONCE);
	else
	{
		/* Hints may have been dropped for it: the sets look anew. */
		if (lease->node >= 0 && board->nodes[lease->node].used &&
			board->nodes[lease->node].generation == lease->node_generation)
		{
			ordered_set_reset(&board->nodes[lease->node].ready[FIRSTS]);
			ordered_set_reset(&board->nodes[lease->node].ready[RETRIES]);
		}
		lease_drop(board, lease);
	}
}

void
claim_writer_ended(Board *board, const pg_uuid_t *instance, int visit, bool committed)
{
	Lease	   *lease = lease_find(board, instance);

	if (lease == NULL || lease->visit != visit)
		return;
	if (lease->write == CLAIM_WRITE_RUNNING)
		answer(board, lease, committed ? CLAIM_WRITE_DONE : CLAIM_WRITE_FAILED);
	else if (lease->write == CLAIM_UNDO_RUNNING && committed)
		lease_drop(board, lease);
	else if (lease->write == CLAIM_UNDO_RUNNING)
		want_undo(board, lease, board_now(board) + LOCKED_PAUSE);
}

/* ----------------------------------------------------------------- writing */

/* Take what is wanted by now off the queue. */
static int
take_wanted(Board *board, TimestampTz now, Writing *writings, int max)
{
	Lease	   *next;
	int			n = 0;

	xact_note_reserve_claims(max);
	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	for (Lease *lease = board->write_first; lease != NULL && n < max; lease = next)
	{
		next = lease->write_next;
		if (lease->check_at > now)
			continue;
		dequeue(board, lease);
		writings[n].undo = lease->write == CLAIM_UNDO_WANTED;
		lease->write = writings[n].undo ? CLAIM_UNDO_RUNNING : CLAIM_WRITE_RUNNING;
		lease_copy(board, lease, &writings[n].claim);
		writings[n].note = xact_note_claim_write(&lease->instance, lease->visit);
		n++;
	}
	LWLockRelease(board->lock);
	return n;
}

static void
write_claim(Writing *writing, InstanceRow *row)
{
	const MachineNode *node = row_node(row, machine_version(row->machine, row->version));
	RowImage	before = instance_image(row);
	RowImage	after;

	row->attempt = writing->claim.lease.attempt;
	row->deliveries++;
	row->held = true;
	row->held_by = writing->claim.client;
	row->held_since = writing->claim.lease.claimed_at;
	row->delayed = false;
	row->timed = node->on_timeout >= 0;
	row->ready_at = time_after(row->held_since, node->timeout);
	writing->locked = instance_update(writing->table, row, false) != INSTANCE_UPDATED;
	if (writing->locked)
		return;
	after = instance_image(row);
	xact_note_write(&before, &after, 0, 0);
}

static void
undo_claim(Writing *writing, InstanceRow *row)
{
	Move		move = {
		.kind = CHANGE_RELINQUISH,
		.now = board_now(writing->board),
		.attempt = row->attempt,
		.client = row->held_by,
		.note = "taken back before it was handed out",
		.no_wait = true,
	};

	writing->locked = attempt_given_back(writing->table, row, &move) != INSTANCE_UPDATED;
}

static void
work_on(Writing *writing)
{
	const Lease *lease = &writing->claim.lease;
	InstanceRow row;

	writing->moved_on =
		!instance_fetch_hinted(writing->table, &lease->instance,
							   unconstify(ItemPointerData *, &lease->tid), &row) ||
		row.own_write || row.visit != lease->visit || row.kind != NODE_TASK ||
		row.held != writing->undo || attempt_running(&row) != lease->attempt;
	if (writing->moved_on)
		return;
	if (writing->undo)
		undo_claim(writing, &row);
	else
		write_claim(writing, &row);
	writing->tid = row.tid;
}

/* With a table of its own: what a subtransaction opens, it must close. */
static void
work_apart(void *argument)
{
	Writing    *writing = argument;
	InstanceTable table;

	instance_table_open(&table, RowExclusiveLock);
	writing->table = &table;
	work_on(writing);
	instance_table_close(&table);
}

/* Nothing was written for this lease: say so, or queue it again.  Lock held. */
static void
not_written(const Writing *writing, Lease *lease, bool good, TimestampTz now)
{
	Board	   *board = writing->board;

	xact_note_claim_void(writing->note);
	if (writing->undo && !writing->moved_on)
		want_undo(board, lease, now + (good ? LOCKED_PAUSE : BAD_PAUSE));
	else if (writing->undo)
		lease_drop(board, lease);
	else if (writing->locked && lease->owner >= 0)
		enqueue(board, lease, CLAIM_WRITE_WANTED, now + LOCKED_PAUSE);
	else
		answer(board, lease, CLAIM_WRITE_FAILED);
}

static void
work_on_one(Writing *writing, TimestampTz now)
{
	InstanceTable *table = writing->table;
	Board	   *board = writing->board;
	bool		good = true;
	char		about[64];
	Lease	   *lease;

	if (careful)
	{
		snprintf(about, sizeof(about), "the claim of instance %s",
				 uuid_string(&writing->claim.lease.instance));
		good = contained(work_apart, writing, about);
		writing->table = table;
	}
	else
		work_on(writing);

	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	lease = lease_find(board, &writing->claim.lease.instance);
	if (lease != NULL && lease->visit == writing->claim.lease.visit &&
		lease->write == writing->claim.lease.write)
	{
		if (!good || writing->locked || writing->moved_on)
			not_written(writing, lease, good, now);
		else
			lease->tid = writing->tid;
	}
	LWLockRelease(board->lock);
}

/* ---------------------------------------------------------------- the step */

static TimestampTz
next_due(void)
{
	Board	   *board = board_attached();
	TimestampTz due = DT_NOEND;

	if (board == NULL)
		return due;
	LWLockAcquire(board->lock, LW_SHARED);
	for (Lease *lease = board->write_first; lease != NULL; lease = lease->write_next)
		due = Min(due, lease->check_at);
	LWLockRelease(board->lock);
	return due;
}

static bool
run(void)
{
	Board	   *board = board_get();
	TimestampTz now = board_now(board);
	Writing    *writings = palloc0(BATCH * sizeof(Writing));
	InstanceTable table;
	int			n;

	careful = running;
	running = true;
	n = take_wanted(board, now, writings, BATCH);
	if (n > 0)
	{
		ForceSyncCommit();
		instance_table_open(&table, RowExclusiveLock);
		for (int i = 0; i < n; i++)
		{
			writings[i].board = board;
			writings[i].table = &table;
			work_on_one(&writings[i], now);
		}
		instance_table_close(&table);
	}
	pfree(writings);
	running = false;
	return next_due() <= now;
}

const SchedulerStep claim_writer_step = {
	.name = "writing claims",
	.run = run,
	.next_due = next_due,
	.in_tick = true,
};

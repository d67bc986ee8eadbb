/*-------------------------------------------------------------------------
 *
 * refill.c
 *	  Filling a set of the board from its index.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "refill.h"

#include "access/xact.h"
#include "executor/tuptable.h"
#include "instance.h"
#include "lease.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "set_scan.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "waiter.h"

/* Rows handed to the board at a time. */
#define BATCH 64

/* The refill that this process runs, also for refill_abandon(). */
typedef struct Refill
{
	Board	   *board;
	SetKind		kind;
	const NodeName *name;		/* ready sets */
	int			retry;
	OrderedSet *set;
	EntryKey	from;
	TimestampTz due_until;		/* ready sets: what counts as due */

	bool		full;			/* the set takes no more: stop */
	EntryKey	last;			/* that was read */
	int			nbatch;
	SetEntry	batch[BATCH];
	const NodeName *batch_names[BATCH];
} Refill;

static Refill *running = NULL;

/*
 * Begin, under the lock.  False when there is nothing to do, or another
 * process did it while we waited.
 */
static bool
begin(Refill *refill)
{
	Board	   *board = refill->board;

	for (;;)
	{
		int			node;

		LWLockAcquire(board->lock, LW_EXCLUSIVE);
		if (refill->kind == SET_READY)
		{
			node = node_set_get(board, refill->name);
			if (node < 0)
			{
				/* All slots are being refilled; one will be free in a moment. */
				LWLockRelease(board->lock);
				CHECK_FOR_INTERRUPTS();
				pg_usleep(1000L);
				continue;
			}
			node_set_touch(board, node);
			refill->set = &board->nodes[node].ready[refill->retry];
		}
		if (refill->set->refiller < 0)
			break;
		ConditionVariablePrepareToSleep(&board->refilled);
		LWLockRelease(board->lock);
		ConditionVariableSleep(&board->refilled, PG_WAIT_EXTENSION);
		ConditionVariableCancelSleep();
	}
	if (!ordered_set_needs_refill(refill->set))
	{
		LWLockRelease(board->lock);
		return false;
	}
	/* Everything that is committed and not delayed counts as due by now. */
	board_promote(board, board_now(board));
	refill->due_until = board->due_until;
	refill->from = ordered_set_refill_begin(refill->set, proc_number(MyProc));
	running = refill;
	LWLockRelease(board->lock);
	return true;
}

static void
end(Refill *refill, const EntryKey *bound)
{
	running = NULL;
	LWLockAcquire(refill->board->lock, LW_EXCLUSIVE);
	ordered_set_refill_end(refill->set, bound);
	LWLockRelease(refill->board->lock);
	ConditionVariableBroadcast(&refill->board->refilled);
}

void
refill_abandon(void)
{
	Refill	   *refill = running;
	EntryKey	from;

	if (refill == NULL)
		return;
	running = NULL;
	LWLockAcquire(refill->board->lock, LW_EXCLUSIVE);
	/* Not our copy: becoming due may have moved it. */
	from = refill->set->refill_from;
	ordered_set_refill_end(refill->set, &from);
	waiter_wake_all(refill->board);
	LWLockRelease(refill->board->lock);
	ConditionVariableBroadcast(&refill->board->refilled);
}

/* Hand what was read to the board; leased rows are somebody's already. */
static void
flush(Refill *refill)
{
	Board	   *board = refill->board;

	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	for (int i = 0; i < refill->nbatch; i++)
	{
		SetEntry   *entry = &refill->batch[i];

		if (refill->kind == SET_DELAYED)
		{
			entry->node = node_set_get(board, refill->batch_names[i]);
			if (entry->node >= 0)
				entry->node_generation = board->nodes[entry->node].generation;
		}
		else if (refill->kind == SET_READY)
		{
			Lease	   *lease = lease_find(board, &entry->key.id);

			if (lease != NULL && !lease->pending && lease->visit >= entry->visit)
				continue;
		}
		if (ordered_set_insert(refill->set, entry) == SET_BEHIND)
			refill->full = true;
	}
	if (refill->set->count == refill->set->capacity)
		refill->full = true;
	refill->nbatch = 0;
	LWLockRelease(board->lock);
}

static int32
slot_int(TupleTableSlot *slot, int attribute)
{
	bool		isnull;

	return DatumGetInt32(slot_getattr(slot, attribute, &isnull));
}

static bool
is_own_write(TupleTableSlot *slot)
{
	bool		isnull;
	Datum		xmin = slot_getsysattr(slot, MinTransactionIdAttributeNumber, &isnull);

	return TransactionIdIsCurrentTransactionId(DatumGetTransactionId(xmin));
}

static const NodeName *
slot_name(TupleTableSlot *slot)
{
	bool		isnull;
	const char *machine = TextDatumGetCString(slot_getattr(slot, ANUM_MACHINE, &isnull));

	return node_name_intern(machine,
							TextDatumGetCString(slot_getattr(slot, ANUM_NODE, &isnull)));
}

/* Take a row that was read, unless it is our own transaction's. */
static void
take(Refill *refill, TupleTableSlot *slot, const EntryKey *key)
{
	SetEntry   *entry = &refill->batch[refill->nbatch];
	bool		isnull;

	if (is_own_write(slot))
		return;
	memset(entry, 0, sizeof(*entry));
	entry->key = *key;
	entry->rank = slot_int(slot, ANUM_NEG_PRIORITY);
	entry->visit = slot_int(slot, ANUM_VISIT);
	entry->tid = slot->tts_tid;
	entry->retry = DatumGetBool(slot_getattr(slot, ANUM_RETRY, &isnull));
	entry->node = -1;
	if (refill->kind == SET_DELAYED)
		refill->batch_names[refill->nbatch] = slot_name(slot);
	refill->last = *key;
	if (++refill->nbatch == Min(BATCH, refill->set->capacity))
		flush(refill);
}

static void
run(Refill *refill)
{
	SetScan		scan;
	EntryKey	key;
	EntryKey	bound;
	bool		to_the_end;

	if (!begin(refill))
		return;
	set_scan_begin(&scan, refill->kind, refill->name, refill->retry, &refill->from,
				   refill->due_until);
	while (!refill->full && set_scan_next(&scan, &key))
		take(refill, scan.slot, &key);
	to_the_end = !refill->full;
	set_scan_end(&scan);
	if (refill->nbatch > 0)
		flush(refill);
	if (dfsmr_debug_sleep_refill > 0)
	{
		pg_usleep(dfsmr_debug_sleep_refill * 1000L);
		CHECK_FOR_INTERRUPTS();
	}
	bound = to_the_end ? KEY_HIGHEST : entry_key_successor(&refill->last);
	end(refill, &bound);
}

/*
 * The running refill is reached from abort callbacks, when the stack it was
 * begun on is gone: so it lives here, not there.
 */
static Refill *
prepare(Board *board, SetKind kind)
{
	static Refill refill;

	memset(&refill, 0, offsetof(Refill, batch));
	refill.board = board;
	refill.kind = kind;
	return &refill;
}

void
refill_ready(Board *board, const NodeName *name, int retry)
{
	Refill	   *refill = prepare(board, SET_READY);

	refill->name = name;
	refill->retry = retry;
	run(refill);
}

void
refill_delayed(Board *board)
{
	Refill	   *refill = prepare(board, SET_DELAYED);

	refill->set = &board->delayed;
	run(refill);
}

void
refill_timers(Board *board)
{
	Refill	   *refill = prepare(board, SET_TIMERS);

	refill->set = &board->timers;
	run(refill);
}

/*-------------------------------------------------------------------------
 *
 * refill.c
 *	  Filling a set of the board from its index.
 *
 * Rows are judged one by one, as of now (SnapshotSelf): the protocol does not
 * need a snapshot of all at once, a long one would see rows that have long
 * moved on, and in a SERIALIZABLE transaction one would lock index pages that
 * every transition writes to.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "refill.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "instance.h"
#include "lease.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "waiter.h"

/* Rows handed to the board at a time. */
#define BATCH 64

typedef enum SetKind
{
	SET_READY,
	SET_DELAYED,
	SET_TIMERS
} SetKind;

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

	Relation	rel;
	Relation	index;
	TupleTableSlot *slot;
	Datum		machine;
	Datum		node;

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
	board_promote(board, board_now_locked(board));
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

static TimestampTz
slot_time(TupleTableSlot *slot, int attribute)
{
	bool		isnull;

	return DatumGetTimestampTz(slot_getattr(slot, attribute, &isnull));
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

/* Take the row in the slot, unless it sorts before the start or is our own. */
static void
take(Refill *refill)
{
	TupleTableSlot *slot = refill->slot;
	SetEntry   *entry = &refill->batch[refill->nbatch];
	bool		isnull;

	memset(entry, 0, sizeof(*entry));
	entry->key.id = *DatumGetUUIDP(slot_getattr(slot, ANUM_ID, &isnull));
	entry->key.at = slot_time(slot, ANUM_READY_AT);
	entry->rank = slot_int(slot, ANUM_NEG_PRIORITY);
	entry->key.rank = refill->kind == SET_READY ? entry->rank : 0;
	if (entry_key_compare(&entry->key, &refill->from) < 0 || is_own_write(slot))
		return;
	entry->visit = slot_int(slot, ANUM_VISIT);
	entry->tid = slot->tts_tid;
	entry->retry = DatumGetBool(slot_getattr(slot, ANUM_RETRY, &isnull));
	entry->node = -1;
	if (refill->kind == SET_DELAYED)
		refill->batch_names[refill->nbatch] = slot_name(slot);
	refill->last = entry->key;
	if (++refill->nbatch == Min(BATCH, refill->set->capacity))
		flush(refill);
}

/* Read what a scan finds until the set is full; true if it came to its end. */
static bool
read_scan(Refill *refill, ScanKey keys, int nkeys)
{
	IndexScanDesc scan = index_beginscan(refill->rel, refill->index,
												SnapshotSelf, NULL, nkeys, 0);

	index_rescan(scan, keys, nkeys, NULL, 0);
	while (!refill->full && index_getnext_slot(scan, ForwardScanDirection, refill->slot))
	{
		CHECK_FOR_INTERRUPTS();
		take(refill);
	}
	index_endscan(scan);
	ExecClearTuple(refill->slot);
	return !refill->full;
}

/* The first priority from the given one on that any row has or had. */
static bool
next_rank(Refill *refill, int32 *rank)
{
	ScanKeyData keys[4];
	IndexScanDesc scan;
	bool		found;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_TEXTEQ, refill->machine);
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_TEXTEQ, refill->node);
	ScanKeyInit(&keys[2], 3, BTEqualStrategyNumber, F_BOOLEQ, BoolGetDatum(refill->retry == RETRIES));
	ScanKeyInit(&keys[3], 4, BTGreaterEqualStrategyNumber, F_INT4GE, Int32GetDatum(*rank));
	scan = index_beginscan(refill->rel, refill->index, SnapshotAny, NULL, 4, 0);
	index_rescan(scan, keys, 4, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, refill->slot);
	if (found)
		*rank = slot_int(refill->slot, ANUM_NEG_PRIORITY);
	index_endscan(scan);
	ExecClearTuple(refill->slot);
	return found;
}

/*
 * Rows that are not due lie between priorities: so seek each priority, read
 * what of it is due, and go on with the next.
 */
static bool
read_ready(Refill *refill)
{
	int32		rank = refill->from.rank;
	ScanKeyData keys[6];

	while (next_rank(refill, &rank))
	{
		TimestampTz since = rank == refill->from.rank ? refill->from.at : PG_INT64_MIN;

		ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_TEXTEQ, refill->machine);
		ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_TEXTEQ, refill->node);
		ScanKeyInit(&keys[2], 3, BTEqualStrategyNumber, F_BOOLEQ, BoolGetDatum(refill->retry == RETRIES));
		ScanKeyInit(&keys[3], 4, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(rank));
		ScanKeyInit(&keys[4], 5, BTGreaterEqualStrategyNumber, F_TIMESTAMPTZ_GE, TimestampTzGetDatum(since));
		ScanKeyInit(&keys[5], 5, BTLessEqualStrategyNumber, F_TIMESTAMPTZ_LE, TimestampTzGetDatum(refill->due_until));
		if (!read_scan(refill, keys, 6))
			return false;
		if (rank == PG_INT32_MAX)
			break;
		rank++;
	}
	return true;
}

static bool
read_timed(Refill *refill)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTGreaterEqualStrategyNumber, F_TIMESTAMPTZ_GE,
				TimestampTzGetDatum(refill->from.at));
	return read_scan(refill, &key, 1);
}

static void
run(Refill *refill, Oid index)
{
	EntryKey	bound;
	bool		to_the_end;

	if (!begin(refill))
		return;
	refill->rel = table_open(extension_oids_required()->instance, AccessShareLock);
	refill->index = index_open(index, AccessShareLock);
	refill->slot = table_slot_create(refill->rel, NULL);

	if (refill->kind == SET_READY)
	{
		refill->machine = CStringGetTextDatum(refill->name->machine);
		refill->node = CStringGetTextDatum(refill->name->node);
		to_the_end = read_ready(refill);
	}
	else
		to_the_end = read_timed(refill);
	if (refill->nbatch > 0)
		flush(refill);
	if (dfsmr_debug_sleep_refill > 0)
	{
		pg_usleep(dfsmr_debug_sleep_refill * 1000L);
		CHECK_FOR_INTERRUPTS();
	}

	ExecDropSingleTupleTableSlot(refill->slot);
	index_close(refill->index, NoLock);
	table_close(refill->rel, NoLock);
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
	run(refill, extension_oids_required()->instance_ready);
}

void
refill_delayed(Board *board)
{
	Refill	   *refill = prepare(board, SET_DELAYED);

	refill->set = &board->delayed;
	run(refill, extension_oids_required()->instance_delayed);
}

void
refill_timers(Board *board)
{
	Refill	   *refill = prepare(board, SET_TIMERS);

	refill->set = &board->timers;
	run(refill, extension_oids_required()->instance_timer);
}

/*-------------------------------------------------------------------------
 *
 * audit.c
 *	  The scheduler's step that compares board and heap, slowly.
 *
 * The protocols make sure that every row before a frontier is in its set: ready
 * tasks, delayed ones, timers.  This is the check that they do: a slice of one
 * set at a time, and whatever is missing is put back, logged and counted.  The
 * count stays 0.
 *
 * A row is not missing while a transaction is writing over it, which may roll
 * back and offer it again, nor while the one that wrote it is between visibility
 * and callback (unheard.h).
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "access/transam.h"
#include "board_internal.h"
#include "instance.h"
#include "lease.h"
#include "machine_cache.h"
#include "miscadmin.h"
#include "running/call.h"
#include "scheduler.h"
#include "set_scan.h"
#include "storage/lmgr.h"
#include "unheard.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* Rows looked at in one transaction, and dead entries passed by: some 10 ms. */
#define SLICE 1000
#define MAX_DEAD 10000

/* Where the audit is: which set, and the key that it goes on from. */
typedef struct AuditPosition
{
	SetKind		kind;
	int			node;			/* ready sets: the slot, */
	int			retry;			/* ... and which of the two */
	EntryKey	from;
} AuditPosition;

static AuditPosition position = {.kind = SET_TIMERS};
static TimestampTz next_audit = 0;

/* What is compared in this slice. */
typedef struct Slice
{
	Board	   *board;
	SetKind		kind;
	NodeName	name;
	int			retry;
	EntryKey	from;
	EntryKey	until;			/* the frontier as it was */
	TimestampTz due_until;		/* likewise */
	InstanceTable table;
} Slice;

/* The set of the slice, if it still exists.  Lock held. */
static OrderedSet *
slice_set(Slice *slice)
{
	int			slot;

	if (slice->kind == SET_TIMERS)
		return &slice->board->timers;
	if (slice->kind == SET_DELAYED)
		return &slice->board->delayed;
	slot = node_set_find(slice->board, &slice->name);
	return slot >= 0 ? &slice->board->nodes[slot].ready[slice->retry] : NULL;
}

/* Has the scheduler put this timer aside for a while?  Lock held. */
static bool
is_postponed(Board *board, const EntryKey *key)
{
	if (board->postponed_lost)
		return true;
	for (int i = 0; i < board->npostponed; i++)
	{
		if (entry_key_compare(&board->postponed[i].entry.key, key) == 0)
			return true;
	}
	return false;
}

/* Does the board know of the row, or need it not?  Lock held. */
static bool
is_accounted_for(Slice *slice, const EntryKey *key)
{
	OrderedSet *set = slice_set(slice);

	if (set == NULL || set->refiller >= 0 || entry_key_compare(key, &set->frontier) >= 0 ||
		ordered_set_contains(set, key))
		return true;
	if (slice->kind == SET_TIMERS)
		return is_postponed(slice->board, key);
	/* Due meanwhile: a ready set has it now. */
	if (slice->kind == SET_DELAYED && key->at <= slice->board->due_until)
		return true;
	return lease_find(slice->board, &key->id) != NULL;
}

static bool
is_locked(TupleTableSlot *slot, AttrNumber attribute)
{
	bool		isnull;
	TransactionId xid = DatumGetTransactionId(slot_getsysattr(slot, attribute, &isnull));

	return TransactionIdIsNormal(xid) && !ConditionalXactLockTableWait_compat(xid);
}

/* The row as the slot has it: still so, and nobody at work on it? */
static bool
is_settled(Slice *slice, ItemPointer tid, const InstanceRow *row)
{
	TupleTableSlot *slot = slice->table.read_slot;
	bool		settled = false;
	bool		isnull;

	if (table_tuple_fetch_row_version(slice->table.rel, tid, SnapshotSelf, slot))
	{
		settled = memcmp(DatumGetUUIDP(slot_getattr(slot, ANUM_ID, &isnull)), &row->id, UUID_LEN) == 0 &&
			DatumGetInt32(slot_getattr(slot, ANUM_VISIT, &isnull)) == row->visit &&
			!is_locked(slot, MinTransactionIdAttributeNumber) &&
			!is_locked(slot, MaxTransactionIdAttributeNumber);
		ExecClearTuple(slot);
	}
	return settled;
}

/* A row of which the board knows nothing: look closely, and put it back. */
static void
repair(Slice *slice, const InstanceRow *row, const EntryKey *key)
{
	Board	   *board = slice->board;
	RowImage	image = instance_image(row);
	const MachineInfo *info = machine_info(row->machine);
	ItemPointerData tid = row->tid;
	bool		accounted_for;

	if (info == NULL || machine_node_paused(info, row->node))
		return;
	/*
	 * Settled; then not on the board; then still settled, and by no transaction
	 * of which the board has not heard yet: it was missed.
	 */
	if (!is_settled(slice, &tid, row))
		return;
	LWLockAcquire(board->lock, LW_SHARED);
	accounted_for = is_accounted_for(slice, key);
	LWLockRelease(board->lock);
	if (accounted_for || !is_settled(slice, &tid, row) || unheard_any() || board_prepared_unheard(board))
		return;

	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	accounted_for = is_accounted_for(slice, key);
	if (!accounted_for)
	{
		board_offer(board, &image);
		board->repairs++;
	}
	LWLockRelease(board->lock);
	if (!accounted_for)
		ereport(LOG,
				(errmsg("dfsmr: the board had lost instance %s at node \"%s\" of machine \"%s\"",
						uuid_string(&row->id), row->node, row->machine),
				 errdetail("It was put back. This is a defect of dfsmr; please report it.")));
}

static void
compare(Slice *slice, TupleTableSlot *slot, const EntryKey *key)
{
	InstanceRow row;
	bool		accounted_for;

	LWLockAcquire(slice->board->lock, LW_SHARED);
	accounted_for = is_accounted_for(slice, key);
	LWLockRelease(slice->board->lock);
	if (accounted_for)
		return;
	instance_read_slot(slot, &row);
	if (!row.own_write)
		repair(slice, &row, key);
}

/* Compare the rows of the slice.  True if it ended before its set did. */
static bool
scan(Slice *slice, EntryKey *last)
{
	SetScan		rows;
	bool		stopped;
	int			nread = 0;

	instance_table_open(&slice->table, AccessShareLock);
	set_scan_begin(&rows, slice->kind, &slice->name, slice->retry, &slice->from,
				   slice->due_until);
	set_scan_limit(&rows, MAX_DEAD);
	while (nread < SLICE && set_scan_next(&rows, last) &&
		   entry_key_compare(last, &slice->until) < 0)
	{
		nread++;
		compare(slice, rows.slot, last);
	}
	stopped = set_scan_stopped(&rows, last);
	set_scan_end(&rows);
	instance_table_close(&slice->table);
	return stopped || nread == SLICE;
}

/* Go to the next set. */
static void
advance(Board *board)
{
	position.from = KEY_LOWEST;
	switch (position.kind)
	{
		case SET_TIMERS:
			position.kind = SET_DELAYED;
			return;
		case SET_DELAYED:
			position.kind = SET_READY;
			position.node = 0;
			position.retry = FIRSTS;
			break;
		case SET_READY:
			if (position.retry == FIRSTS)
			{
				position.retry = RETRIES;
				return;
			}
			position.node++;
			position.retry = FIRSTS;
			break;
	}
	if (position.node >= board->nnodes_used)
		position.kind = SET_TIMERS;
}

/* Describe the slice at the position; false if there is nothing to compare. */
static bool
describe(Board *board, Slice *slice)
{
	OrderedSet *set;

	memset(slice, 0, sizeof(*slice));
	slice->board = board;
	slice->kind = position.kind;
	slice->retry = position.retry;
	slice->from = position.from;
	if (slice->kind == SET_READY)
	{
		if (position.node >= board->nnodes_used || !board->nodes[position.node].used)
			return false;
		slice->name = board->nodes[position.node].name;
	}
	set = slice_set(slice);
	slice->until = set->frontier;
	slice->due_until = board->due_until;
	/* Delayed tasks that are due stay in their index, perhaps very many. */
	if (slice->kind == SET_DELAYED)
		slice->from.at = Max(slice->from.at, slice->due_until);
	return set->refiller < 0 && entry_key_compare(&slice->from, &slice->until) < 0;
}

static bool
run(void)
{
	Board	   *board = board_get();
	TimestampTz now = board_now(board);
	Slice		slice;
	EntryKey	last;
	bool		compare_it;

	if (dfsmr_audit_interval == 0 || now < next_audit)
		return false;
	next_audit = now + dfsmr_audit_interval * INT64CONST(1000);
	LWLockAcquire(board->lock, LW_SHARED);
	compare_it = now >= board->quiet_until && describe(board, &slice);
	LWLockRelease(board->lock);

	if (compare_it && scan(&slice, &last))
		position.from = entry_key_successor(&last);
	else
		advance(board);
	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	board->audits++;
	LWLockRelease(board->lock);
	return false;
}

static TimestampTz
next_due(void)
{
	Board	   *board = board_attached();
	bool		anything;

	if (board == NULL || dfsmr_audit_interval == 0)
		return DT_NOEND;
	/* A board that knows nothing has nothing to compare: idle costs nothing. */
	LWLockAcquire(board->lock, LW_SHARED);
	anything = board->nnodes_used > 0 || board->timers.count > 0 || board->delayed.count > 0;
	LWLockRelease(board->lock);
	return anything ? next_audit : DT_NOEND;
}

const SchedulerStep audit_step = {
	.name = "comparing board and heap",
	.run = run,
	.next_due = next_due,
	.in_tick = false,
};

/*-------------------------------------------------------------------------
 *
 * audit.c
 *	  The scheduler's step that compares board and heap, slowly.
 *
 * The protocols make sure that every ready row before a frontier is in its set.
 * This is the check that they do: a slice of one set at a time, and whatever
 * is missing is put back, logged and counted.  The count stays 0.
 *
 * A row is not missing while the transaction that wrote it, or one that is
 * writing over it, has not let go of its locks: it is between visibility and
 * callback then, or may be offered again when that one rolls back.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/transam.h"
#include "board_internal.h"
#include "instance.h"
#include "lease.h"
#include "machine_cache.h"
#include "miscadmin.h"
#include "running/call.h"
#include "scheduler.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "waiter.h"

/* Rows looked at in one transaction. */
#define SLICE 1000

/* Where the audit is: which set, and the key that it goes on from. */
typedef struct AuditPosition
{
	int			node;			/* slot; -1: timers */
	int			retry;
	EntryKey	from;
} AuditPosition;

static AuditPosition position = {-1, FIRSTS, {0, {{0}}, 0}};
static TimestampTz next_audit = 0;

/* What is compared in this slice. */
typedef struct Slice
{
	Board	   *board;
	bool		timers;
	NodeName	name;
	int			retry;
	EntryKey	from;
	EntryKey	until;			/* the frontier as it was */
	TimestampTz due_until;
	InstanceTable table;
	int			nread;
	EntryKey	last;
} Slice;

/* The set of the slice, if it still exists.  Lock held. */
static OrderedSet *
slice_set(Slice *slice)
{
	int			slot;

	if (slice->timers)
		return &slice->board->timers;
	slot = node_set_find(slice->board, &slice->name);
	return slot >= 0 ? &slice->board->nodes[slot].ready[slice->retry] : NULL;
}

/* Does the board know of the row, or need it not?  Lock held. */
static bool
is_accounted_for(Slice *slice, const EntryKey *key)
{
	OrderedSet *set = slice_set(slice);

	if (set == NULL || set->refiller >= 0 || entry_key_compare(key, &set->frontier) >= 0 ||
		ordered_set_contains(set, key))
		return true;
	if (!slice->timers)
		return lease_find(slice->board, &key->id) != NULL;
	if (slice->board->postponed_lost)
		return true;
	for (int i = 0; i < slice->board->npostponed; i++)
	{
		if (entry_key_compare(&slice->board->postponed[i].entry.key, key) == 0)
			return true;
	}
	return false;
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
repair(Slice *slice, InstanceRow *row)
{
	Board	   *board = slice->board;
	RowImage	image = instance_image(row);
	const MachineInfo *info = machine_info(row->machine);
	SetEntry	entry;
	bool		accounted_for;

	if (info == NULL || machine_node_paused(info, row->node))
		return;
	/* Settled; then not on the board; then still settled: it was missed. */
	if (!is_settled(slice, &row->tid, row))
		return;
	LWLockAcquire(board->lock, LW_SHARED);
	accounted_for = is_accounted_for(slice, &image.key);
	LWLockRelease(board->lock);
	if (accounted_for || !is_settled(slice, &row->tid, row))
		return;

	memset(&entry, 0, sizeof(entry));
	entry.key = image.key;
	entry.visit = image.visit;
	entry.tid = image.tid;
	entry.retry = image.retry;
	entry.node = -1;
	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	if (!is_accounted_for(slice, &image.key))
	{
		ordered_set_insert(slice_set(slice), &entry);
		board->repairs++;
		waiter_wake(board, image.name, 1);
	}
	LWLockRelease(board->lock);
	ereport(LOG,
			(errmsg("dfsmr: the board had lost instance %s at node \"%s\" of machine \"%s\"",
					uuid_string(&row->id), row->node, row->machine),
			 errdetail("It was put back. This is a defect of dfsmr; please report it.")));
}

static void
compare(Slice *slice, TupleTableSlot *slot)
{
	InstanceRow row;
	RowImage	image;
	bool		accounted_for;

	instance_read_slot(slot, &row);
	image = instance_image(&row);
	slice->last = image.key;
	if (row.own_write || entry_key_compare(&image.key, &slice->from) < 0)
		return;
	LWLockAcquire(slice->board->lock, LW_SHARED);
	accounted_for = is_accounted_for(slice, &image.key);
	LWLockRelease(slice->board->lock);
	if (!accounted_for)
		repair(slice, &row);
}

/* True if the slice ended before its set did. */
static bool
scan(Slice *slice)
{
	const ExtensionOids *oids = extension_oids_required();
	Relation	index;
	TupleTableSlot *slot;
	IndexScanDesc rows;
	ScanKeyData keys[4];
	int			nkeys = 0;
	bool		more = false;

	instance_table_open(&slice->table, AccessShareLock);
	index = index_open(slice->timers ? oids->instance_timer : oids->instance_ready, AccessShareLock);
	slot = table_slot_create(slice->table.rel, NULL);
	if (slice->timers)
		ScanKeyInit(&keys[nkeys++], 1, BTGreaterEqualStrategyNumber, F_TIMESTAMPTZ_GE,
					TimestampTzGetDatum(slice->from.at));
	else
	{
		ScanKeyInit(&keys[nkeys++], 1, BTEqualStrategyNumber, F_TEXTEQ,
					CStringGetTextDatum(slice->name.machine));
		ScanKeyInit(&keys[nkeys++], 2, BTEqualStrategyNumber, F_TEXTEQ,
					CStringGetTextDatum(slice->name.node));
		ScanKeyInit(&keys[nkeys++], 3, BTEqualStrategyNumber, F_BOOLEQ,
					BoolGetDatum(slice->retry == RETRIES));
		ScanKeyInit(&keys[nkeys++], 4, BTGreaterEqualStrategyNumber, F_INT4GE,
					Int32GetDatum(slice->from.rank));
	}
	rows = index_beginscan(slice->table.rel, index, SnapshotSelf, NULL, nkeys, 0);
	index_rescan(rows, keys, nkeys, NULL, 0);
	while (index_getnext_slot(rows, ForwardScanDirection, slot))
	{
		bool		isnull;
		TimestampTz at = DatumGetTimestampTz(slot_getattr(slot, ANUM_READY_AT, &isnull));

		CHECK_FOR_INTERRUPTS();
		more = ++slice->nread >= SLICE;
		if (more)
			break;
		/* Delayed tasks lie between priorities. */
		if (slice->timers || at <= slice->due_until)
			compare(slice, slot);
		if (entry_key_compare(&slice->last, &slice->until) >= 0)
			break;
	}
	index_endscan(rows);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, NoLock);
	instance_table_close(&slice->table);
	return more;
}

/* Go to the next set. */
static void
advance(Board *board)
{
	position.from = KEY_LOWEST;
	if (position.node >= 0 && position.retry == FIRSTS)
		position.retry = RETRIES;
	else
	{
		position.retry = FIRSTS;
		if (++position.node >= board->nnodes_used)
			position.node = -1;
	}
}

/* Describe the slice at the position; false if there is nothing to compare. */
static bool
describe(Board *board, Slice *slice)
{
	OrderedSet *set;

	memset(slice, 0, sizeof(*slice));
	slice->board = board;
	slice->timers = position.node < 0;
	slice->retry = position.retry;
	slice->from = position.from;
	slice->last = position.from;
	if (!slice->timers)
	{
		if (position.node >= board->nnodes_used || !board->nodes[position.node].used)
			return false;
		slice->name = board->nodes[position.node].name;
	}
	set = slice_set(slice);
	slice->until = set->frontier;
	slice->due_until = board->due_until;
	return set->refiller < 0;
}

static bool
run(void)
{
	Board	   *board = board_get();
	TimestampTz now = board_now(board);
	Slice		slice;
	bool		compare_it;

	if (dfsmr_audit_interval == 0 || now < next_audit)
		return false;
	next_audit = now + dfsmr_audit_interval * INT64CONST(1000);
	LWLockAcquire(board->lock, LW_SHARED);
	compare_it = now >= board->quiet_until && describe(board, &slice);
	LWLockRelease(board->lock);

	if (compare_it && scan(&slice))
		position.from = slice.last;
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
	anything = board->nnodes_used > 0 || board->timers.count > 0;
	LWLockRelease(board->lock);
	return anything ? next_audit : DT_NOEND;
}

const SchedulerStep audit_step = {
	.name = "comparing board and heap",
	.run = run,
	.next_due = next_due,
	.in_tick = false,
};

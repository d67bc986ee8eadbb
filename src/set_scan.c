/*-------------------------------------------------------------------------
 *
 * set_scan.c
 *	  The rows that a set of the board stands for, read from its index.
 *
 * Timers and delayed tasks are in the order of their index.  In that of ready
 * tasks, rows that are not due yet lie between the priorities, and there may
 * be very many of them: so each priority is sought by itself, and only what of
 * it is due is read.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "set_scan.h"

#include "access/nbtree.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "instance.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

static Oid
index_of(SetKind kind)
{
	const ExtensionOids *oids = extension_oids_required();

	switch (kind)
	{
		case SET_TIMERS:
			return oids->instance_timer;
		case SET_DELAYED:
			return oids->instance_delayed;
		case SET_READY:
			break;
	}
	return oids->instance_ready;
}

void
set_scan_begin(SetScan *scan, SetKind kind, const NodeName *name, int retry,
			   const EntryKey *from, TimestampTz due_until)
{
	memset(scan, 0, sizeof(*scan));
	scan->kind = kind;
	scan->from = *from;
	if (kind == SET_READY)
	{
		scan->retry = retry == RETRIES;
		scan->due_until = due_until;
		scan->rank = from->rank;
		scan->machine = CStringGetTextDatum(name->machine);
		scan->node = CStringGetTextDatum(name->node);
	}
	scan->rel = table_open(extension_oids_required()->instance, AccessShareLock);
	scan->index = index_open(index_of(kind), AccessShareLock);
	scan->slot = table_slot_create(scan->rel, NULL);
}

void
set_scan_limit(SetScan *scan, int64 dead_entries)
{
	scan->limited = true;
	scan->left = dead_entries;
}

bool
set_scan_stopped(const SetScan *scan, EntryKey *key)
{
	if (scan->stopped)
		*key = scan->passed;
	return scan->stopped;
}

static IndexScanDesc
begin_rows(SetScan *scan, Snapshot snapshot, ScanKey keys, int nkeys)
{
	IndexScanDesc rows = index_beginscan(scan->rel, scan->index, snapshot, NULL, nkeys, 0);

	/* The entries themselves too, to know where it stopped. */
	rows->xs_want_itup = scan->limited;
	index_rescan(rows, keys, nkeys, NULL, 0);
	return rows;
}

static Datum
entry_column(IndexScanDesc rows, AttrNumber number, bool *isnull)
{
	return index_getattr(rows->xs_itup, number, rows->xs_itupdesc, isnull);
}

/* The key of the entry at which the scan stands. */
static EntryKey
entry_key(const SetScan *scan, IndexScanDesc rows)
{
	AttrNumber	ready_at = scan->kind == SET_READY ? 5 : 1;
	EntryKey	key;
	Datum		id;
	bool		isnull;

	memset(&key, 0, sizeof(key));
	if (scan->kind == SET_READY)
		key.rank = DatumGetInt32(entry_column(rows, 4, &isnull));
	key.at = DatumGetTimestampTz(entry_column(rows, ready_at, &isnull));
	id = entry_column(rows, ready_at + 1, &isnull);
	/* It never is. */
	if (!isnull)
		key.id = *DatumGetUUIDP(id);
	return key;
}

/*
 * Is it time to stop before this entry?  Not between two with the same key: one
 * of them may be the row's, and who goes on behind the key would miss it.
 */
static bool
is_enough(const SetScan *scan, IndexScanDesc rows)
{
	EntryKey	key;

	if (!scan->limited || scan->left > 0)
		return false;
	key = entry_key(scan, rows);
	return entry_key_compare(&key, &scan->passed) != 0;
}

/* The next row of the index, unless too many dead entries lie before it. */
static bool
next_row(SetScan *scan, IndexScanDesc rows)
{
	CHECK_FOR_INTERRUPTS();
	for (;;)
	{
		/* Such snapshots may see several versions at one entry. */
		bool		same_entry = rows->xs_heap_continue;

		if (!same_entry)
		{
			if (index_getnext_tid(rows, ForwardScanDirection) == NULL)
				return false;
			scan->stopped = is_enough(scan, rows);
			if (scan->stopped)
				return false;
		}
		if (index_fetch_heap(rows, scan->slot))
			return true;
		if (scan->limited && !same_entry && scan->left > 0 && --scan->left == 0)
			scan->passed = entry_key(scan, rows);
	}
}

static Datum
attribute(SetScan *scan, AttrNumber number)
{
	bool		isnull;

	return slot_getattr(scan->slot, number, &isnull);
}

/* The keys of all rows of the ready set; returns how many keys there are. */
static int
ready_keys(SetScan *scan, ScanKey keys)
{
	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_TEXTEQ, scan->machine);
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_TEXTEQ, scan->node);
	ScanKeyInit(&keys[2], 3, BTEqualStrategyNumber, F_BOOLEQ, BoolGetDatum(scan->retry));
	return 3;
}

/* Go to the first priority from the present one on that any row has or had. */
static bool
seek_rank(SetScan *scan)
{
	ScanKeyData keys[4];
	int			n = ready_keys(scan, keys);
	IndexScanDesc rows;
	bool		found;

	ScanKeyInit(&keys[n++], 4, BTGreaterEqualStrategyNumber, F_INT4GE, Int32GetDatum(scan->rank));
	rows = begin_rows(scan, SnapshotAny, keys, n);
	found = next_row(scan, rows);
	if (found)
		scan->rank = DatumGetInt32(attribute(scan, ANUM_NEG_PRIORITY));
	index_endscan(rows);
	ExecClearTuple(scan->slot);
	return found;
}

/*
 * The condition (ready_at, id) >= (at, id of the key), where the index has
 * these columns from the given one on: a row comparison, as the executor makes
 * it.  So the scan begins at the very entry; by the time alone it would begin
 * with all that are due at the same moment, and a wave of timers would be read
 * from its beginning by each refill.
 */
static void
behind_key(SetScan *scan, AttrNumber first, const EntryKey *key, ScanKey condition)
{
	const Datum values[] = {TimestampTzGetDatum(key->at), UUIDPGetDatum(&key->id)};
	const Oid	types[] = {TIMESTAMPTZOID, UUIDOID};

	for (int i = 0; i < 2; i++)
		ScanKeyEntryInitializeWithInfo(&scan->behind[i], SK_ROW_MEMBER | (i == 1 ? SK_ROW_END : 0),
									   first + i, BTGreaterEqualStrategyNumber, types[i], InvalidOid,
									   index_getprocinfo(scan->index, first + i, BTORDER_PROC),
									   values[i]);
	memset(condition, 0, sizeof(ScanKeyData));
	condition->sk_flags = SK_ROW_HEADER;
	condition->sk_attno = first;
	condition->sk_strategy = BTGreaterEqualStrategyNumber;
	condition->sk_argument = PointerGetDatum(scan->behind);
}

/* Begin to read what is due at the present priority. */
static void
begin_rank(SetScan *scan)
{
	const EntryKey *from = scan->rank == scan->from.rank ? &scan->from : &KEY_LOWEST;
	ScanKeyData keys[6];
	int			n = ready_keys(scan, keys);

	ScanKeyInit(&keys[n++], 4, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(scan->rank));
	behind_key(scan, 5, from, &keys[n++]);
	ScanKeyInit(&keys[n++], 5, BTLessEqualStrategyNumber, F_TIMESTAMPTZ_LE,
				TimestampTzGetDatum(scan->due_until));
	scan->rows = begin_rows(scan, SnapshotSelf, keys, n);
}

static void
begin_timed(SetScan *scan)
{
	ScanKeyData key;

	behind_key(scan, 1, &scan->from, &key);
	scan->rows = begin_rows(scan, SnapshotSelf, &key, 1);
}

static void
end_rows(SetScan *scan)
{
	index_endscan(scan->rows);
	scan->rows = NULL;
	ExecClearTuple(scan->slot);
}

/* Go to the next row of the index; false: there is none. */
static bool
advance(SetScan *scan)
{
	if (scan->kind != SET_READY)
	{
		if (scan->rows == NULL)
			begin_timed(scan);
		return next_row(scan, scan->rows);
	}
	for (;;)
	{
		if (scan->rows == NULL)
		{
			/*
			 * The priority to begin with is known.  To seek it would be to pass
			 * by every entry before the first that is wanted: all that was done
			 * since the last vacuum.
			 */
			if (scan->begun && !seek_rank(scan))
				return false;
			scan->begun = true;
			begin_rank(scan);
		}
		if (next_row(scan, scan->rows))
			return true;
		end_rows(scan);
		if (scan->rank == PG_INT32_MAX || scan->stopped)
			return false;
		scan->rank++;
	}
}

bool
set_scan_next(SetScan *scan, EntryKey *key)
{
	if (!advance(scan))
		return false;
	key->id = *DatumGetUUIDP(attribute(scan, ANUM_ID));
	key->at = DatumGetTimestampTz(attribute(scan, ANUM_READY_AT));
	key->rank = scan->kind == SET_READY ? scan->rank : 0;
	return true;
}

void
set_scan_end(SetScan *scan)
{
	if (scan->rows != NULL)
		end_rows(scan);
	ExecDropSingleTupleTableSlot(scan->slot);
	index_close(scan->index, NoLock);
	table_close(scan->rel, NoLock);
}

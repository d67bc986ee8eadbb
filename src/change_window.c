/*-------------------------------------------------------------------------
 *
 * change_window.c
 *	  Reading the changelog by windows.
 *
 * Numbers are drawn before a row is written over the version that was read, so
 * within a window they give an order in which no effect comes before its cause;
 * and windows follow one another as snapshots do.  (Which of two transactions that have nothing
 * to do with each other comes first is not promised, only that everybody is
 * told the same.)
 *
 * The index on (xid, seq) of each member of the ring finds a window: the
 * transactions of the earlier snapshot that were running and have ended since,
 * one by one, and the range between the two upper ends.  What ended long ago is never looked at again,
 * however old the oldest running transaction is.
 *
 * Rows are judged by SnapshotSelf, "committed by now": the transaction id in
 * the row tells which window it belongs to, and for one that has ended the
 * verdict never changes.  So a window can be read on in a later transaction,
 * no snapshot is pinned meanwhile, and a serializable caller takes no
 * predicate locks on the end of the index, where everybody inserts.
 *
 *-------------------------------------------------------------------------
 */
#include "change_window.h"

#include "access/itup.h"
#include "access/nbtree.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "change_columns.h"
#include "change_ring.h"
#include "miscadmin.h"
#include "row_place.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

/* Columns of the index. */
#define KEY_XID 1
#define KEY_SEQ 2

/* After so many entries of one transaction in vain, jump over the rest. */
#define JUMP_AFTER 32

void
change_reader_open(ChangeReader *reader)
{
	const ExtensionOids *oids = extension_oids_required();

	memset(reader, 0, sizeof(ChangeReader));
	for (int i = 0; i < CHANGE_MEMBERS; i++)
	{
		reader->members[i].rel = table_open(oids->change_member[i], AccessShareLock);
		reader->members[i].index = index_open(oids->change_position[i], AccessShareLock);
	}
	/* One for all: they are of the same layout. */
	reader->slot = table_slot_create(reader->members[0].rel, NULL);
}

void
change_reader_close(ChangeReader *reader)
{
	ExecDropSingleTupleTableSlot(reader->slot);
	for (int i = 0; i < CHANGE_MEMBERS; i++)
	{
		if (reader->members[i].keys)
			index_endscan(reader->members[i].keys);
		if (reader->members[i].rows)
			index_endscan(reader->members[i].rows);
		index_close(reader->members[i].index, AccessShareLock);
		table_close(reader->members[i].rel, AccessShareLock);
	}
}

/*
 * Fetch by the place that the index entry named.  Rows of the changelog are
 * never updated, so they stay where they are until they are removed; then the
 * place may be another's, or beyond the end.
 */
static bool
fetch_by_place(ChangeReader *reader, const ChangeKey *key)
{
	struct MemberReader *member = &reader->members[key->member];
	ItemPointerData tid = key->tid;
	bool		isnull;

	return row_at_place(member->rel, &member->nblocks, &tid, reader->slot) &&
		DatumGetInt64(slot_getattr(reader->slot, CHANGE_COLUMN_SEQ + 1, &isnull)) == key->seq;
}

TupleTableSlot *
change_reader_fetch(ChangeReader *reader, const ChangeKey *key)
{
	struct MemberReader *member = &reader->members[key->member];
	ChangePlace place = {.xid = key->xid, .seq = key->seq};

	if (fetch_by_place(reader, key) ||
		change_at(member->rel, member->index, &member->rows, place, SnapshotSelf, reader->slot))
		return reader->slot;
	return NULL;
}

/*
 * Go on with a member's first index entry behind (xid, seq) and before
 * transaction "until".  The pair is compared as a row, as the executor does it
 * for "(xid, seq) > ($1, $2)".
 */
static void
seek_keys(ChangeReader *reader, int m, uint64 xid, int64 seq, uint64 until)
{
	struct MemberReader *member = &reader->members[m];
	ScanKey		row = reader->row;

	if (member->keys == NULL)
	{
		member->keys = index_beginscan(member->rel, member->index, SnapshotSelf, NULL, 2, 0);
		member->keys->xs_want_itup = true;
	}
	ScanKeyEntryInitialize(&row[0], SK_ROW_MEMBER, KEY_XID, BTGreaterStrategyNumber,
						   XID8OID, InvalidOid,
						   index_getprocid(member->index, KEY_XID, BTORDER_PROC),
						   FullTransactionIdGetDatum(FullTransactionIdFromU64(xid)));
	ScanKeyEntryInitialize(&row[1], SK_ROW_MEMBER | SK_ROW_END, KEY_SEQ,
						   BTGreaterStrategyNumber, INT8OID, InvalidOid,
						   index_getprocid(member->index, KEY_SEQ, BTORDER_PROC),
						   Int64GetDatum(seq));
	memset(&reader->bounds[0], 0, sizeof(ScanKeyData));
	reader->bounds[0].sk_flags = SK_ROW_HEADER;
	reader->bounds[0].sk_attno = KEY_XID;
	reader->bounds[0].sk_strategy = BTGreaterStrategyNumber;
	reader->bounds[0].sk_argument = PointerGetDatum(row);
	ScanKeyInit(&reader->bounds[1], KEY_XID, BTLessStrategyNumber, F_XID8LT,
				FullTransactionIdGetDatum(FullTransactionIdFromU64(until)));
	index_rescan(member->keys, reader->bounds, 2, NULL, 0);
}

/* The next index entry; its row, if it is still there, is not looked at. */
static bool
next_key(ChangeReader *reader, int m, ChangeKey *key)
{
	IndexScanDesc scan = reader->members[m].keys;
	bool		isnull;
	Datum		value;

	if (index_getnext_tid(scan, ForwardScanDirection) == NULL)
		return false;
	value = index_getattr(scan->xs_itup, KEY_XID, scan->xs_itupdesc, &isnull);
	key->xid = U64FromFullTransactionId(DatumGetFullTransactionId(value));
	value = index_getattr(scan->xs_itup, KEY_SEQ, scan->xs_itupdesc, &isnull);
	key->seq = DatumGetInt64(value);
	key->member = m;
	key->tid = scan->xs_heaptid;
	return true;
}

SnapshotSet
change_reader_begin(ChangeReader *reader, uint64 xid)
{
	SnapshotSet set = {.xmax = xid + 1, .nrunning = 1};
	int			room = 64;

	set.running = palloc(room * sizeof(uint64));
	set.running[0] = RESTORED_XID;
	for (int m = 0; m < CHANGE_MEMBERS; m++)
	{
		ChangeKey	key;

		seek_keys(reader, m, RESTORED_XID, PG_INT64_MAX, xid + 1);
		while (next_key(reader, m, &key))
		{
			CHECK_FOR_INTERRUPTS();
			if (set.nrunning == room)
				set.running = repalloc(set.running, (room *= 2) * sizeof(uint64));
			set.running[set.nrunning++] = key.xid;
			seek_keys(reader, m, key.xid, PG_INT64_MAX, xid + 1);
		}
	}
	snapshot_set_normalize(&set);
	return set;
}

static int
compare_keys(const void *a, const void *b)
{
	int64		x = ((const ChangeKey *) a)->seq;
	int64		y = ((const ChangeKey *) b)->seq;

	return x < y ? -1 : x > y;
}

/* Sort, and let go of what the capacity has no room for. */
static void
sort_keys(ChangeWindow *window)
{
	qsort(window->keys, window->nkeys, sizeof(ChangeKey), compare_keys);
	if (window->nkeys > window->capacity)
	{
		window->nkeys = window->capacity;
		window->complete = false;
	}
}

/*
 * Keep a key, if it is among the lowest seen so far.  Twice the capacity is
 * collected before the upper half is dropped, so that costs little per key.
 * *limit is what a number must be below to be worth keeping.
 */
static void
keep_key(ChangeWindow *window, int *room, const ChangeKey *key, int64 *limit)
{
	if (window->nkeys == *room)
	{
		if (*room < 2 * window->capacity)
		{
			*room = Min(*room * 2, 2 * window->capacity);
			window->keys = repalloc(window->keys, *room * sizeof(ChangeKey));
		}
		else
		{
			sort_keys(window);
			*limit = window->keys[window->nkeys - 1].seq;
			if (key->seq >= *limit)
				return;
		}
	}
	window->keys[window->nkeys++] = *key;
}

/*
 * Collect from the transactions [first, until) those that the window has, as
 * far as a member of the ring has their changes.
 */
static void
collect_from_member(ChangeWindow *window, ChangeReader *reader, int m, int *room,
					int64 *limit, uint64 first, uint64 until)
{
	ChangeKey	key;
	uint64		vain_xid = 0;
	int			vain = 0;

	seek_keys(reader, m, first, window->after, until);
	while (next_key(reader, m, &key))
	{
		CHECK_FOR_INTERRUPTS();
		if (!snapshot_set_contains(&window->to, key.xid))
			seek_keys(reader, m, key.xid, PG_INT64_MAX, until);
		else if (key.seq > window->after && key.seq < *limit)
			keep_key(window, room, &key, limit);
		else
		{
			if (key.seq >= *limit)
				window->complete = false;
			if (key.xid != vain_xid)
				vain = 0;
			vain_xid = key.xid;
			if (++vain >= JUMP_AFTER)
			{
				seek_keys(reader, m, key.xid,
						  key.seq <= window->after ? window->after : PG_INT64_MAX,
						  until);
				vain = 0;
			}
		}
	}
}

static void
collect_range(ChangeWindow *window, ChangeReader *reader, int *room, int64 *limit,
			  uint64 first, uint64 until)
{
	if (first >= until)
		return;
	for (int m = 0; m < CHANGE_MEMBERS; m++)
		collect_from_member(window, reader, m, room, limit, first, until);
}

/* Read the next keys behind window->after. */
static void
fill(ChangeWindow *window, ChangeReader *reader)
{
	int64		limit = PG_INT64_MAX;
	int			room = 64;

	if (window->keys)
		pfree(window->keys);
	window->keys = MemoryContextAlloc(window->context, room * sizeof(ChangeKey));
	window->nkeys = 0;
	window->next = 0;
	window->complete = true;

	/* Running in the earlier snapshot, and ended since. */
	for (int i = 0; i < window->from.nrunning; i++)
	{
		uint64		xid = window->from.running[i];

		if (snapshot_set_contains(&window->to, xid))
			collect_range(window, reader, &room, &limit, xid, xid + 1);
	}
	collect_range(window, reader, &room, &limit, window->from.xmax, window->to.xmax);
	sort_keys(window);
	window->read = true;
}

static SnapshotSet
copy_set(MemoryContext context, const SnapshotSet *set)
{
	SnapshotSet copy = *set;

	copy.running = MemoryContextAlloc(context, Max(set->nrunning, 1) * sizeof(uint64));
	if (set->nrunning > 0)
		memcpy(copy.running, set->running, set->nrunning * sizeof(uint64));
	return copy;
}

ChangeWindow *
change_window_create(MemoryContext parent, const SnapshotSet *from,
					 const SnapshotSet *to, int64 after, int capacity)
{
	MemoryContext context = AllocSetContextCreate(parent, "dfsmr change window",
												  ALLOCSET_SMALL_SIZES);
	ChangeWindow *window = MemoryContextAllocZero(context, sizeof(ChangeWindow));

	window->context = context;
	window->from = copy_set(context, from);
	window->to = copy_set(context, to);
	window->after = after;
	window->capacity = capacity;
	return window;
}

void
change_window_free(ChangeWindow *window)
{
	MemoryContextDelete(window->context);
}

bool
change_window_matches(const ChangeWindow *window, const SnapshotSet *from,
					  const SnapshotSet *to, int64 after)
{
	if (!window->read || after < window->after)
		return false;
	return snapshot_set_equal(&window->from, from) &&
		snapshot_set_equal(&window->to, to);
}

void
change_window_seek(ChangeWindow *window, int64 after)
{
	int			low = 0;
	int			high = window->nkeys;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (window->keys[middle].seq <= after)
			low = middle + 1;
		else
			high = middle;
	}
	window->next = low;
	/* Behind all that is held, it goes on from there and not from its end. */
	if (low == window->nkeys && !window->complete)
	{
		window->after = after;
		window->read = false;
	}
}

const ChangeKey *
change_window_peek(ChangeWindow *window, ChangeReader *reader)
{
	if (window->read && window->next == window->nkeys && !window->complete)
	{
		window->after = window->keys[window->nkeys - 1].seq;
		window->read = false;
	}
	if (!window->read)
		fill(window, reader);
	return window->next < window->nkeys ? &window->keys[window->next] : NULL;
}

void
change_window_advance(ChangeWindow *window)
{
	window->next++;
}

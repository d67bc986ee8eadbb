/*-------------------------------------------------------------------------
 *
 * change_ring.c
 *	  The changelog's tables: a ring of members, of which one is written.
 *
 *-------------------------------------------------------------------------
 */
#include "change_ring.h"

#include "access/table.h"
#include "access/tableam.h"
#include "change_columns.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

/* Columns of the small tables, counted from 1; see 10_tables.sql. */
#define TURN_MEMBER 1
#define TURN_SINCE 2
#define FORGOTTEN_SEQ 1
#define FORGOTTEN_XID 2
#define INSTALLATION_CREATED 4

static ChangeRing cached;
static uint64 cached_generation = 0;

/* Call something for each row of a small table, as committed by now. */
static void
for_each_row(Oid table, void (*function) (TupleTableSlot *slot, ChangeRing *ring),
			 ChangeRing *ring)
{
	Relation	relation = table_open(table, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	TableScanDesc scan = table_beginscan(relation, SnapshotSelf, 0, NULL);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
		function(slot, ring);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(relation, AccessShareLock);
}

static void
take_created(TupleTableSlot *slot, ChangeRing *ring)
{
	bool		isnull;

	ring->since = DatumGetTimestampTz(slot_getattr(slot, INSTALLATION_CREATED, &isnull));
}

static void
take_turn(TupleTableSlot *slot, ChangeRing *ring)
{
	bool		isnull;
	int			member = DatumGetInt16(slot_getattr(slot, TURN_MEMBER, &isnull));
	TimestampTz since = DatumGetTimestampTz(slot_getattr(slot, TURN_SINCE, &isnull));

	if (member < 0 || member >= CHANGE_MEMBERS)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("table dfsmr.change_turn names member %d, which the changelog does not have",
						member)));
	if (ring->member < 0 || since >= ring->since)
	{
		ring->member = member;
		ring->since = since;
	}
}

static void
take_forgotten(TupleTableSlot *slot, ChangeRing *ring)
{
	bool		isnull;
	int64		seq = DatumGetInt64(slot_getattr(slot, FORGOTTEN_SEQ, &isnull));
	uint64		xid = U64FromFullTransactionId(
		DatumGetFullTransactionId(slot_getattr(slot, FORGOTTEN_XID, &isnull)));

	ring->forgotten_seq = Max(ring->forgotten_seq, seq);
	ring->forgotten_xid = Max(ring->forgotten_xid, xid);
}

const ChangeRing *
change_ring(void)
{
	const ExtensionOids *oids = extension_oids_required();
	uint64		generation = extension_generation();
	ChangeRing	ring = {.member = -1};

	if (generation == cached_generation)
		return &cached;
	for_each_row(oids->change_turn, take_turn, &ring);
	if (ring.member < 0)
	{
		ring.member = 0;
		for_each_row(oids->installation, take_created, &ring);
	}
	for_each_row(oids->change_forgotten, take_forgotten, &ring);
	cached = ring;
	/* An invalidation that came meanwhile has raised it: then look again. */
	cached_generation = generation;
	return &cached;
}

bool
change_at(Relation rel, Relation index, IndexScanDesc *scan, ChangePlace place,
		  Snapshot snapshot, TupleTableSlot *slot)
{
	ScanKeyData keys[2];

	if (*scan == NULL)
		*scan = index_beginscan(rel, index, snapshot, NULL, 2, 0);
	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_XID8EQ,
				FullTransactionIdGetDatum(FullTransactionIdFromU64(place.xid)));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(place.seq));
	index_rescan(*scan, keys, 2, NULL, 0);
	return index_getnext_slot(*scan, ForwardScanDirection, slot);
}

/* ------------------------------------------------------------ by instance */

/*
 * Put a member's next row into its slot; empty at the end.  An index scan allocates
 * as it goes, and may be older than the caller's memory context.
 */
static void
advance(ChangeScan *scan, int member)
{
	MemoryContext caller = MemoryContextSwitchTo(scan->context);

	if (!index_getnext_slot(scan->scan[member], scan->direction, scan->slot[member]))
		ExecClearTuple(scan->slot[member]);
	MemoryContextSwitchTo(caller);
}

void
change_scan_open(ChangeScan *scan, Snapshot snapshot)
{
	const ExtensionOids *oids = extension_oids_required();

	scan->context = CurrentMemoryContext;
	for (int i = 0; i < CHANGE_MEMBERS; i++)
	{
		scan->rel[i] = table_open(oids->change_member[i], AccessShareLock);
		scan->index[i] = index_open(oids->change_instance[i], AccessShareLock);
		scan->slot[i] = table_slot_create(scan->rel[i], NULL);
		scan->scan[i] = index_beginscan(scan->rel[i], scan->index[i], snapshot, NULL, 1, 0);
	}
}

void
change_scan_seek(ChangeScan *scan, const pg_uuid_t *instance, ScanDirection direction)
{
	ScanKeyData key;

	scan->direction = direction;
	scan->current = -1;
	if (instance != NULL)
		ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(instance));
	else
		ScanKeyEntryInitialize(&key, SK_ISNULL | SK_SEARCHNULL, 1, InvalidStrategy,
							   InvalidOid, InvalidOid, InvalidOid, (Datum) 0);
	for (int i = 0; i < CHANGE_MEMBERS; i++)
	{
		index_rescan(scan->scan[i], &key, 1, NULL, 0);
		advance(scan, i);
	}
}

static int64
seq_of(TupleTableSlot *slot)
{
	bool		isnull;

	return DatumGetInt64(slot_getattr(slot, CHANGE_COLUMN_SEQ + 1, &isnull));
}

TupleTableSlot *
change_scan_next(ChangeScan *scan)
{
	int			best = -1;

	if (scan->current >= 0)
		advance(scan, scan->current);
	for (int i = 0; i < CHANGE_MEMBERS; i++)
	{
		if (TTS_EMPTY(scan->slot[i]))
			continue;
		if (best < 0 ||
			(seq_of(scan->slot[i]) < seq_of(scan->slot[best])) ==
			ScanDirectionIsForward(scan->direction))
			best = i;
	}
	scan->current = best;
	return best < 0 ? NULL : scan->slot[best];
}

void
change_scan_close(ChangeScan *scan)
{
	for (int i = 0; i < CHANGE_MEMBERS; i++)
	{
		index_endscan(scan->scan[i]);
		ExecDropSingleTupleTableSlot(scan->slot[i]);
		index_close(scan->index[i], AccessShareLock);
		table_close(scan->rel[i], AccessShareLock);
	}
}

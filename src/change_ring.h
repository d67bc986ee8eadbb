/*-------------------------------------------------------------------------
 *
 * change_ring.h
 *	  The changelog's tables: a ring of members, of which one is written.
 *
 * The ring turns when the current member has been written for long enough:
 * the oldest is emptied as a whole and written next (retention.c).  Readers
 * look into all members.  Which one is written is no matter of correctness:
 * who has not heard of a turn yet adds to a member that is young.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_CHANGE_RING_H
#define DFSMR_CHANGE_RING_H

#include "dfsmr.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "changelog.h"
#include "executor/tuptable.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

typedef struct ChangeRing
{
	int			member;			/* that is written now, */
	TimestampTz since;			/* ... since then */
	int64		forgotten_seq;	/* all that was forgotten has lower numbers, */
	uint64		forgotten_xid;	/* ... and is of transactions up to this; 0: none */
} ChangeRing;

/*
 * The state of the ring as committed by now.  Who has a member locked learns
 * of every turn that emptied it before.  Valid until the next call.
 */
extern const ChangeRing *change_ring(void);

/*
 * The change at a place in one member, in the slot, if the snapshot sees one there.
 * *scan is NULL at first, and the caller's to end.
 */
extern bool change_at(Relation rel, Relation index, IndexScanDesc *scan, ChangePlace place,
					  Snapshot snapshot, TupleTableSlot *slot);

/*
 * The changes that are found by their instance (10_tables.sql says which), or with
 * NULL those that have none, over all members, in the order of their numbers or
 * against it, as the snapshot sees them.
 */
typedef struct ChangeScan
{
	MemoryContext context;		/* in which it was opened, and keeps what it allocates */
	ScanDirection direction;
	Relation	rel[CHANGE_MEMBERS];
	Relation	index[CHANGE_MEMBERS];
	IndexScanDesc scan[CHANGE_MEMBERS];
	TupleTableSlot *slot[CHANGE_MEMBERS];	/* empty: nothing more there */
	int			current;		/* the member whose row was returned last, or -1 */
} ChangeScan;

extern void change_scan_open(ChangeScan *scan, Snapshot snapshot);

/* Begin, or begin anew. */
extern void change_scan_seek(ChangeScan *scan, const pg_uuid_t *instance,
							 ScanDirection direction);

/* The next row, valid until the next call; NULL at the end. */
extern TupleTableSlot *change_scan_next(ChangeScan *scan);

extern void change_scan_close(ChangeScan *scan);

#endif							/* DFSMR_CHANGE_RING_H */

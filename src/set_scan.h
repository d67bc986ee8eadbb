/*-------------------------------------------------------------------------
 *
 * set_scan.h
 *	  The rows that a set of the board stands for, read from its index.
 *
 * In the order of the set, from a key on.  Rows are judged one by one, as of
 * now (SnapshotSelf): nobody here needs a snapshot of all at once, a long one
 * would see rows that have long moved on, and in a SERIALIZABLE transaction
 * one would lock index pages that every transition writes to.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_SET_SCAN_H
#define DFSMR_SET_SCAN_H

#include "board_internal.h"

#include "access/genam.h"
#include "executor/tuptable.h"

typedef enum SetKind
{
	SET_TIMERS,
	SET_DELAYED,
	SET_READY
} SetKind;

typedef struct SetScan
{
	SetKind		kind;
	bool		retry;			/* ready sets: which of the two */
	EntryKey	from;
	TimestampTz due_until;		/* ready sets: later tasks are delayed ones */
	int32		rank;			/* ready sets: of the scan that runs */
	Datum		machine;
	Datum		node;
	Relation	rel;
	Relation	index;
	IndexScanDesc rows;			/* NULL between the ranks */
	bool		begun;			/* with the first priority */
	bool		limited;
	bool		stopped;
	int64		left;			/* limited: dead entries that may still be passed */
	EntryKey	passed;			/* the last of them, when none is left */
	ScanKeyData behind[2];		/* the columns of its row comparison */
	TupleTableSlot *slot;
} SetScan;

/*
 * Begin to read the rows of the set from a key on (name and retry: of a ready
 * set).  An error leaves the rest to the end of the transaction.
 */
extern void set_scan_begin(SetScan *scan, SetKind kind, const NodeName *name, int retry,
						   const EntryKey *from, TimestampTz due_until);

/*
 * Pass by so many dead entries of the index at most, and the rest of those with
 * the key of the last: as long as somebody has an old snapshot none can be removed,
 * and there may be very many.  Before the first row.
 */
extern void set_scan_limit(SetScan *scan, int64 dead_entries);

/* The next row is in scan->slot, with this key; false: there is none. */
extern bool set_scan_next(SetScan *scan, EntryKey *key);

/* Did it end for too many dead entries?  Then it has done all up to this key. */
extern bool set_scan_stopped(const SetScan *scan, EntryKey *key);

extern void set_scan_end(SetScan *scan);

#endif							/* DFSMR_SET_SCAN_H */

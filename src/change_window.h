/*-------------------------------------------------------------------------
 *
 * change_window.h
 *	  Reading the changelog by windows: what had ended in one snapshot and
 *	  had not in an earlier one, in the order of numbers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_CHANGE_WINDOW_H
#define DFSMR_CHANGE_WINDOW_H

#include "dfsmr.h"

#include "access/genam.h"
#include "access/skey.h"
#include "executor/tuptable.h"
#include "snapshot_set.h"
#include "utils/relcache.h"

/* A change: its number, the transaction that wrote it, and where it is. */
typedef struct ChangeKey
{
	int64		seq;
	uint64		xid;
	ItemPointerData tid;		/* a hint: the row may have gone since */
	int16		member;			/* of the ring */
} ChangeKey;

/*
 * The changelog, opened for reading within one transaction.  Latest state,
 * whatever the caller's snapshot: which changes count is the window's affair.
 * What reads is called in the memory context in which it was opened, since
 * scans begin when they are first needed.
 */
typedef struct ChangeReader
{
	struct MemberReader
	{
		Relation	rel;
		Relation	index;		/* (xid, seq) */
		IndexScanDesc keys;		/* over the index alone; NULL: not yet begun */
		IndexScanDesc rows;		/* for one row at a time; likewise */
		BlockNumber nblocks;	/* of the table, at least */
	}			members[CHANGE_MEMBERS];
	ScanKeyData bounds[2];		/* of keys: a row comparison, and xid < x */
	ScanKeyData row[2];			/* members of the row comparison */
	TupleTableSlot *slot;
} ChangeReader;

extern void change_reader_open(ChangeReader *reader);
extern void change_reader_close(ChangeReader *reader);

/*
 * Where a reader of everything that is kept begins, after changes of
 * transactions up to xid were forgotten: those of them that also wrote what is
 * kept, and what was restored, have not ended in this set.
 */
extern SnapshotSet change_reader_begin(ChangeReader *reader, uint64 xid);

/*
 * The row of a change, in reader->slot until the next call; NULL when the
 * subtransaction that wrote it was rolled back, or it was forgotten since.
 */
extern TupleTableSlot *change_reader_fetch(ChangeReader *reader, const ChangeKey *key);

/*
 * A window, from after one number on.  It holds the next keys in order, at
 * most so many, so a window of any size takes bounded memory: when they are
 * used up, the next are read.  It lives in a memory context of its own and may
 * outlive the transaction; the reader is passed to whatever may read.
 */
typedef struct ChangeWindow
{
	MemoryContext context;
	SnapshotSet from;
	SnapshotSet to;
	int64		after;			/* keys[] begins behind this number */
	bool		read;			/* ... and has been filled */
	bool		complete;		/* nothing of the window is behind keys[] */
	ChangeKey  *keys;
	int			nkeys;
	int			next;			/* the first that was not taken */
	int			capacity;
} ChangeWindow;

extern ChangeWindow *change_window_create(MemoryContext parent, const SnapshotSet *from,
										  const SnapshotSet *to, int64 after, int capacity);
extern void change_window_free(ChangeWindow *window);

/* Is it a window between these two, and can it go on after this number? */
extern bool change_window_matches(const ChangeWindow *window, const SnapshotSet *from,
								  const SnapshotSet *to, int64 after);

/* Go on after this number; change_window_matches() said that it can. */
extern void change_window_seek(ChangeWindow *window, int64 after);

/* The next key, or NULL when the window is used up; and step over it. */
extern const ChangeKey *change_window_peek(ChangeWindow *window, ChangeReader *reader);
extern void change_window_advance(ChangeWindow *window);

#endif							/* DFSMR_CHANGE_WINDOW_H */

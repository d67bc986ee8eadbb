/*-------------------------------------------------------------------------
 *
 * change_cursor.h
 *	  A place in the changelog, and its text that users keep.
 *
 * Everything that had ended in "from" has been given out.  Inside a window,
 * so has, of what ended between "from" and "to", all up to the number "last".
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_CHANGE_CURSOR_H
#define DFSMR_CHANGE_CURSOR_H

#include "dfsmr.h"

#include "access/xlogdefs.h"
#include "lib/stringinfo.h"
#include "port/pg_crc32c.h"
#include "change_ring.h"
#include "snapshot_set.h"

/*
 * A snapshot with the place in the write-ahead log that knows all of it.
 *
 * Transaction ids that no log record on disk mentions are used again after a
 * crash, and after a promotion so are those that had not been replicated.  A
 * cursor that counts them as done would then miss what they do the second
 * time.  So the log is flushed up to here before a cursor leaves the server,
 * and a server on another timeline refuses it unless it has this place too.
 */
typedef struct ChangeMoment
{
	SnapshotSet set;
	TimeLineID	timeline;
	XLogRecPtr	lsn;
} ChangeMoment;

typedef struct ChangeCursor
{
	SnapshotSet from;
	bool		inside;
	SnapshotSet to;				/* if inside */
	int64		last;			/* if inside */
	TimeLineID	timeline;		/* of the later snapshot; 0: none */
	XLogRecPtr	lsn;
} ChangeCursor;

/*
 * The moment now, in the current memory context.  The caller's own
 * transaction, whose changes are not to be given out, counts as running.
 * ERROR feature_not_supported during recovery, where the running transactions
 * are not known.
 */
extern ChangeMoment *change_moment_now(const char *what);

/* Make sure that the moment outlives a crash; see above. */
extern void change_moment_flush(const ChangeMoment *moment);

/* The cursor behind everything of a moment; it points into the moment. */
extern ChangeCursor change_cursor_at(const ChangeMoment *moment);

/* Before everything; before everything that was not restored from a dump. */
extern ChangeCursor change_cursor_oldest(void);
extern ChangeCursor change_cursor_oldest_unrestored(void);

extern ChangeCursor *change_cursor_copy(const ChangeCursor *cursor);

/*
 * Text of a cursor.  For many cursors inside one window there is a shorter
 * way: a stem, the same for all, to which each adds its number.
 */
typedef struct ChangeCursorStem
{
	StringInfoData text;
	pg_crc32c	check;
} ChangeCursorStem;

extern char *change_cursor_text(const ChangeCursor *cursor);
extern void change_cursor_stem(const ChangeCursor *cursor, ChangeCursorStem *stem);
extern char *change_cursor_stem_text(const ChangeCursorStem *stem, int64 last);

/*
 * Read the text of a cursor.  ERROR invalid_parameter_value when it is none,
 * ERROR SM011 when it is one that means nothing here: of another cluster,
 * database or installation, or of a history that this server does not share.
 */
extern ChangeCursor *change_cursor_parse(const char *text);
/* The same, but NULL instead of an error. */
extern ChangeCursor *change_cursor_parse_if_valid(const char *text);

/*
 * ERROR SM011 when changes that the cursor has not passed were forgotten.  (A
 * transaction that was running when the cursor was made, and had begun before
 * the latest forgotten change, may have written none of them: then it is
 * refused in vain, which is better than a gap that nobody sees.)
 */
extern void change_cursor_require_kept(const ChangeCursor *cursor, const ChangeRing *ring);

#endif							/* DFSMR_CHANGE_CURSOR_H */

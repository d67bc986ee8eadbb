/*-------------------------------------------------------------------------
 *
 * change_cursor.c
 *	  A place in the changelog, and its text that users keep.
 *
 * The text, its parts set apart by dots:
 *
 *		dfsmr1.ORIGIN.TIMELINE.LSN.FROM.CHECK				between windows
 *		dfsmr1.ORIGIN.TIMELINE.LSN.FROM.TO.LAST.CHECK		inside one
 *
 * ORIGIN is a hash of cluster, database and installation, so that a cursor is
 * never taken for one of another changelog.  CHECK is a checksum, so that one
 * that was cut short on the way is not taken for an earlier one.
 *
 *-------------------------------------------------------------------------
 */
#include "change_cursor.h"

#include <inttypes.h>

#include "access/timeline.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"

#define CURSOR_PREFIX "dfsmr1."
#define CHECK_DIGITS 8
#define HEX64 "%" PRIx64

typedef enum CursorFault
{
	CURSOR_VALID,
	CURSOR_MALFORMED,
	CURSOR_FOREIGN,				/* another cluster, database, installation */
	CURSOR_LOST					/* this server went back behind it */
} CursorFault;

static uint64
cursor_origin(void)
{
	struct
	{
		uint64		cluster;
		uint64		database;
		pg_uuid_t	installation;
	}			origin;

	memset(&origin, 0, sizeof(origin));
	origin.cluster = GetSystemIdentifier();
	origin.database = MyDatabaseId;
	origin.installation = extension_installation_id(extension_oids_required());
	return hash_bytes_extended((const unsigned char *) &origin, sizeof(origin), 0);
}

/* The full id of a transaction that began before next. */
static uint64
full_xid(TransactionId xid, FullTransactionId next)
{
	uint32		distance = XidFromFullTransactionId(next) - xid;

	return U64FromFullTransactionId(next) - distance;
}

/*
 * A place in the log behind all that has been inserted.  At a page boundary
 * the server answers with the place behind the next page's header, which may
 * not exist yet and cannot be flushed: step back before it.
 */
static XLogRecPtr
log_position(void)
{
	XLogRecPtr	lsn = GetXLogInsertRecPtr();
	uint32		header = XLogSegmentOffset(lsn, wal_segment_size) < XLOG_BLCKSZ ?
		SizeOfXLogLongPHD : SizeOfXLogShortPHD;

	if (lsn % XLOG_BLCKSZ == header)
		lsn -= header;
	return lsn;
}

ChangeMoment *
change_moment_now(const char *what)
{
	ChangeMoment *moment;
	Snapshot	snapshot;
	FullTransactionId next;
	TransactionId own;
	uint64	   *running;

	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s is not available during recovery", what),
				 errdetail("A standby does not know which transactions are running on the primary, so nothing would be exact."),
				 errhint("Ask the primary, or read the view dfsmr.changes.")));

	moment = palloc0(sizeof(ChangeMoment));

	/* Not the caller's snapshot: the latest state, at any isolation level. */
	snapshot = GetLatestSnapshot();
	next = ReadNextFullTransactionId();
	moment->set.xmax = full_xid(snapshot->xmax, next);
	moment->set.running = running =
		palloc((snapshot->xcnt + 1) * sizeof(uint64));
	for (uint32 i = 0; i < snapshot->xcnt; i++)
		running[i] = full_xid(snapshot->xip[i], next);
	moment->set.nrunning = snapshot->xcnt;

	/* A snapshot does not list the transaction that takes it. */
	own = GetTopTransactionIdIfAny();
	if (TransactionIdIsValid(own) && full_xid(own, next) < moment->set.xmax)
		running[moment->set.nrunning++] = full_xid(own, next);
	snapshot_set_normalize(&moment->set);

	moment->timeline = wal_insertion_timeline();
	moment->lsn = log_position();
	return moment;
}

void
change_moment_flush(const ChangeMoment *moment)
{
	XLogFlush(moment->lsn);
}

ChangeCursor
change_cursor_at(const ChangeMoment *moment)
{
	ChangeCursor cursor;

	memset(&cursor, 0, sizeof(cursor));
	cursor.from = moment->set;
	cursor.timeline = moment->timeline;
	cursor.lsn = moment->lsn;
	return cursor;
}

ChangeCursor
change_cursor_oldest(void)
{
	ChangeCursor cursor;

	memset(&cursor, 0, sizeof(cursor));
	return cursor;
}

ChangeCursor
change_cursor_oldest_unrestored(void)
{
	ChangeCursor cursor = change_cursor_oldest();

	/* Rows that were restored have transaction 0. */
	cursor.from.xmax = FirstNormalTransactionId;
	return cursor;
}

static SnapshotSet
copy_set(const SnapshotSet *set)
{
	SnapshotSet copy = *set;

	copy.running = palloc(Max(set->nrunning, 1) * sizeof(uint64));
	if (set->nrunning > 0)
		memcpy(copy.running, set->running, set->nrunning * sizeof(uint64));
	return copy;
}

ChangeCursor *
change_cursor_copy(const ChangeCursor *cursor)
{
	ChangeCursor *copy = palloc(sizeof(ChangeCursor));

	*copy = *cursor;
	copy->from = copy_set(&cursor->from);
	if (cursor->inside)
		copy->to = copy_set(&cursor->to);
	return copy;
}

static void
append_set(StringInfo text, const SnapshotSet *set)
{
	enlargeStringInfo(text, snapshot_set_text_size(set));
	text->len = snapshot_set_print(set, text->data + text->len) - text->data;
}

/* Text and running checksum of all that the cursors of a window share. */
void
change_cursor_stem(const ChangeCursor *cursor, ChangeCursorStem *stem)
{
	initStringInfo(&stem->text);
	appendStringInfo(&stem->text, CURSOR_PREFIX HEX64 ".%x." HEX64 ".",
					 cursor_origin(), cursor->timeline, (uint64) cursor->lsn);
	append_set(&stem->text, &cursor->from);
	appendStringInfoChar(&stem->text, '.');
	if (cursor->inside)
	{
		append_set(&stem->text, &cursor->to);
		appendStringInfoChar(&stem->text, '.');
	}
	INIT_CRC32C(stem->check);
	COMP_CRC32C(stem->check, stem->text.data, stem->text.len);
}

/* The stem, the tail, and the checksum over both. */
static char *
finish_text(const ChangeCursorStem *stem, const char *tail)
{
	pg_crc32c	check = stem->check;

	COMP_CRC32C(check, tail, strlen(tail));
	FIN_CRC32C(check);
	return psprintf("%s%s%08x", stem->text.data, tail, check);
}

char *
change_cursor_stem_text(const ChangeCursorStem *stem, int64 last)
{
	char		tail[24];
	char	   *end = hex_print((uint64) last, tail);

	strcpy(end, ".");
	return finish_text(stem, tail);
}

char *
change_cursor_text(const ChangeCursor *cursor)
{
	ChangeCursorStem stem;

	change_cursor_stem(cursor, &stem);
	if (cursor->inside)
		return change_cursor_stem_text(&stem, cursor->last);
	return finish_text(&stem, "");
}

/* Is the checksum at the end that of what stands before it? */
static bool
check_is_right(const char *text)
{
	size_t		length = strlen(text);
	pg_crc32c	check;
	char		digits[CHECK_DIGITS + 1];

	if (length < CHECK_DIGITS)
		return false;
	INIT_CRC32C(check);
	COMP_CRC32C(check, text, length - CHECK_DIGITS);
	FIN_CRC32C(check);
	snprintf(digits, sizeof(digits), "%08x", check);
	return strcmp(text + length - CHECK_DIGITS, digits) == 0;
}

/* A number and the dot behind it. */
static const char *
parse_number(const char *text, uint64 *value)
{
	text = hex_parse(text, value);
	return text != NULL && *text == '.' ? text + 1 : NULL;
}

/* A snapshot and the dot behind it; room is made here. */
static const char *
parse_set(const char *text, SnapshotSet *set)
{
	set->running = palloc((snapshot_set_text_count(text) + 1) * sizeof(uint64));
	text = snapshot_set_parse(text, set);
	return text != NULL && *text == '.' ? text + 1 : NULL;
}

/* Read the parts; false when the text has not the form of a cursor. */
static bool
parse_parts(const char *text, uint64 *origin, ChangeCursor *cursor)
{
	uint64		timeline;
	uint64		lsn;
	uint64		last;

	if (strncmp(text, CURSOR_PREFIX, strlen(CURSOR_PREFIX)) != 0 ||
		!check_is_right(text))
		return false;
	text += strlen(CURSOR_PREFIX);
	if ((text = parse_number(text, origin)) == NULL ||
		(text = parse_number(text, &timeline)) == NULL ||
		(text = parse_number(text, &lsn)) == NULL ||
		(text = parse_set(text, &cursor->from)) == NULL)
		return false;
	cursor->timeline = (TimeLineID) timeline;
	cursor->lsn = (XLogRecPtr) lsn;
	cursor->inside = strlen(text) != CHECK_DIGITS;
	if (cursor->inside)
	{
		if ((text = parse_set(text, &cursor->to)) == NULL ||
			(text = parse_number(text, &last)) == NULL)
			return false;
		cursor->last = (int64) last;
	}
	return strlen(text) == CHECK_DIGITS;
}

/* Does this server's history contain that place in the log? */
static bool
history_contains(TimeLineID timeline, XLogRecPtr lsn)
{
	TimeLineID	current = wal_insertion_timeline();
	ListCell   *cell;

	if (timeline == 0)
		return true;			/* of the oldest cursor: before everything */
	if (timeline == current)
		return lsn <= GetXLogInsertRecPtr();
	foreach(cell, readTimeLineHistory(current))
	{
		TimeLineHistoryEntry *entry = lfirst(cell);

		if (entry->tli == timeline)
			return lsn <= entry->end;
	}
	return false;
}

static CursorFault
parse_cursor(const char *text, ChangeCursor *cursor)
{
	uint64		origin;
	const SnapshotSet *newest;

	if (!parse_parts(text, &origin, cursor))
		return CURSOR_MALFORMED;
	if (origin != cursor_origin())
		return CURSOR_FOREIGN;
	newest = cursor->inside ? &cursor->to : &cursor->from;
	if (!history_contains(cursor->timeline, cursor->lsn) ||
		newest->xmax > U64FromFullTransactionId(ReadNextFullTransactionId()))
		return CURSOR_LOST;
	return CURSOR_VALID;
}

ChangeCursor *
change_cursor_parse_if_valid(const char *text)
{
	ChangeCursor *cursor = palloc0(sizeof(ChangeCursor));

	return parse_cursor(text, cursor) == CURSOR_VALID ? cursor : NULL;
}

ChangeCursor *
change_cursor_parse(const char *text)
{
	ChangeCursor *cursor = palloc0(sizeof(ChangeCursor));

	switch (parse_cursor(text, cursor))
	{
		case CURSOR_VALID:
			break;
		case CURSOR_MALFORMED:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid changelog cursor"),
					 errhint("Pass a cursor as changes_since() or changes_cursor() returned it, in full, or NULL for the oldest change that is kept.")));
			break;
		case CURSOR_FOREIGN:
			ereport(ERROR,
					(errcode(DFSMR_CURSOR_EXPIRED),
					 errmsg("changelog cursor belongs to another changelog"),
					 errdetail("It was made in another cluster, another database, or before the extension was created anew or restored."),
					 errhint("Begin with NULL, the oldest change that is kept, or with changes_cursor(), which is now.")));
			break;
		case CURSOR_LOST:
			ereport(ERROR,
					(errcode(DFSMR_CURSOR_EXPIRED),
					 errmsg("changelog cursor belongs to a history that this server does not have"),
					 errdetail("The server was restored from a backup, or promoted, at a point before the cursor was made."),
					 errhint("Begin with NULL, the oldest change that is kept, or with changes_cursor(), which is now.")));
			break;
	}
	return cursor;
}

/*
 * Had everything up to this transaction ended, or been taken into account as
 * far as it was kept (which is so for where a reader of everything begins)?
 */
static bool
is_past(const SnapshotSet *set, uint64 xid)
{
	return xid < set->xmax &&
		(set->nrunning == 0 || set->running[0] > xid || set->running[0] == RESTORED_XID);
}

void
change_cursor_require_kept(const ChangeCursor *cursor, const ChangeRing *ring)
{
	uint64		xid = ring->forgotten_xid;

	if (xid == 0 || is_past(&cursor->from, xid) ||
		(cursor->inside && cursor->last >= ring->forgotten_seq && is_past(&cursor->to, xid)))
		return;
	ereport(ERROR,
			(errcode(DFSMR_CURSOR_EXPIRED),
			 errmsg("changelog cursor is older than what is kept"),
			 errdetail("Changes that it has not passed were forgotten; the setting dfsmr.change_retention says after how long."),
			 errhint("Begin with NULL, the oldest change that is kept, or with changes_cursor(), which is now.")));
}

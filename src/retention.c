/*-------------------------------------------------------------------------
 *
 * retention.c
 *	  The scheduler's step that forgets old changes.
 *
 * The changelog is a ring of members (change_ring.h).  When the current one
 * has been written for its share of dfsmr.change_retention, the ring turns:
 * the oldest member, all of whose changes are older than the setting, is
 * emptied as a whole and becomes the current one.  So what is forgotten leaves
 * nothing behind for vacuum, and a change is kept for at least as long as the
 * setting says and for about a seventh of it longer, if nobody is in the way.
 *
 * Nothing here waits: a member that somebody has locked is tried again later.
 * What nobody has read or published by then is forgotten all the same.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "board_internal.h"
#include "catalog/pg_type.h"
#include "change_columns.h"
#include "change_ring.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "owner_query.h"
#include "scheduler.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"
#include "wall.h"
#include "xact_notes.h"

/* How often to try when the ring cannot turn yet, in microseconds. */
#define RETRY_INTERVAL (10 * USECS_PER_SEC)

/* Not to be tried before, as long as the setting is what it was. */
static TimestampTz try_at = 0;
static int	known_setting = -1;

/* The change of a member whose transaction is the highest. */
typedef struct NewestChange
{
	bool		found;
	TimestampTz at;
	uint64		xid;
} NewestChange;

static int
following(int member)
{
	return (member + 1) % CHANGE_MEMBERS;
}

/* How long a change is kept, in microseconds; 0: for ever. */
static int64
retention(void)
{
	return (int64) dfsmr_change_retention * SECS_PER_MINUTE * USECS_PER_SEC;
}

/* How long a member is written. */
static int64
period(void)
{
	return retention() / (CHANGE_MEMBERS - 1);
}

static NewestChange
newest_change(int member)
{
	const ExtensionOids *oids = extension_oids_required();
	NewestChange newest = {.found = false};
	Relation	rel = table_open(oids->change_member[member], AccessShareLock);
	Relation	index = index_open(oids->change_position[member], AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	IndexScanDesc scan = index_beginscan(rel, index, SnapshotSelf, NULL, 0, 0);

	index_rescan(scan, NULL, 0, NULL, 0);
	if (index_getnext_slot(scan, BackwardScanDirection, slot))
	{
		bool		isnull;
		Datum		xid = slot_getattr(slot, CHANGE_COLUMN_XID + 1, &isnull);

		newest.found = true;
		newest.xid = U64FromFullTransactionId(DatumGetFullTransactionId(xid));
		newest.at = DatumGetTimestampTz(slot_getattr(slot, CHANGE_COLUMN_AT + 1, &isnull));
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
	return newest;
}

/* Does nobody write to the member before the current one any more? */
static bool
writers_have_left(int member)
{
	Oid			table = extension_oids_required()->change_member[member];

	if (!ConditionalLockRelationOid(table, ShareLock))
		return false;
	UnlockRelationOid(table, ShareLock);
	return true;
}

/*
 * Empty the oldest member; false when somebody has it locked.  Its changes
 * have numbers below that at which the second member after it was begun: a
 * turn waits until nobody writes to the member before.
 */
static bool
forget(int member, const NewestChange *newest)
{
	Oid			table = extension_oids_required()->change_member[member];
	Oid			types[] = {INT2OID, XID8OID};
	Datum		values[] = {
		Int16GetDatum(following(following(member))),
		FullTransactionIdGetDatum(FullTransactionIdFromU64(Max(newest->xid, change_ring()->forgotten_xid + 1)))
	};

	if (!ConditionalLockRelationOid(table, AccessExclusiveLock))
		return false;
	query_as_owner("DELETE FROM dfsmr.change_forgotten", 0, NULL, NULL, false, SPI_OK_DELETE);
	query_as_owner("INSERT INTO dfsmr.change_forgotten (seq, xid)"
				   " SELECT coalesce((SELECT max(t.seq) FROM dfsmr.change_turn AS t WHERE t.member = $1),"
				   " 9223372036854775807), $2",
				   2, types, values, false, SPI_OK_INSERT);
	wall_forgetting = true;
	PG_TRY();
	{
		query_as_owner(psprintf("TRUNCATE ONLY dfsmr.change_%d", member), 0, NULL, NULL,
					   false, SPI_OK_UTILITY);
	}
	PG_FINALLY();
	{
		wall_forgetting = false;
	}
	PG_END_TRY();
	/* Ids of finished instances may be used again: no hint is to know of them. */
	xact_note_reset();
	return true;
}

/* From the commit of this transaction on the member is the one that is written. */
static void
turn_to(int member, TimestampTz now)
{
	Oid			types[] = {INT2OID, TIMESTAMPTZOID};
	Datum		values[] = {Int16GetDatum(member), TimestampTzGetDatum(now)};

	query_as_owner("DELETE FROM dfsmr.change_turn WHERE member = $1", 1, types, values, false,
				   SPI_OK_DELETE);
	query_as_owner("INSERT INTO dfsmr.change_turn (member, since, seq)"
				   " SELECT $1, $2, s.last_value FROM dfsmr.change_seq AS s",
				   2, types, values, false, SPI_OK_INSERT);
	CacheInvalidateRelcacheByRelid(extension_oids_required()->change_turn);
}

/* Turn the ring, if that may be now. */
static void
turn(TimestampTz now)
{
	int			current = change_ring()->member;
	int			oldest = following(current);
	NewestChange newest = newest_change(oldest);

	if (newest.found && newest.at > now - retention())
		return;
	if (!writers_have_left((current + CHANGE_MEMBERS - 1) % CHANGE_MEMBERS))
		return;
	SPI_connect();
	if (!newest.found || forget(oldest, &newest))
		turn_to(oldest, now);
	SPI_finish();
}

static bool
retention_run(void)
{
	Board	   *board = board_get();
	TimestampTz now = board_now(board);

	if (now < try_at && known_setting == dfsmr_change_retention)
		return false;
	known_setting = dfsmr_change_retention;
	try_at = dfsmr_change_retention == 0 ? DT_NOEND : change_ring()->since + period();
	if (now < try_at)
		return false;

	/* Also when it could: the transaction may not commit. */
	try_at = now + RETRY_INTERVAL;
	if (now >= board->quiet_until)
		turn(now);
	return false;
}

static TimestampTz
retention_next_due(void)
{
	return try_at;
}

const SchedulerStep retention_step = {
	.name = "forgetting old changes",
	.run = retention_run,
	.next_due = retention_next_due,
	.in_tick = true,
};

/*-------------------------------------------------------------------------
 *
 * prepared.c
 *	  Prepared transactions: what they did reaches the board when they end.
 *
 * What a transaction noted is lost when it is prepared: it may end in another
 * process, or after a restart.  So its number is watched, and once it has
 * ended, the sets of this database forget what they know and look into the
 * heap again.  The command that ends it says so (utility_hook.c); the watch is
 * for when that process did not live to say it.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "board_internal.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "scheduler.h"
#include "storage/procarray.h"
#include "utils/timestamp.h"

/* How often to look, in microseconds, while there is something to watch. */
#define INTERVAL USECS_PER_SEC

/* Those that were prepared before this server started have been read. */
static bool read_old_ones = false;

static TimestampTz looked_at = 0;

static void
watch(Board *board, TransactionId xid)
{
	bool		known = false;

	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	for (int i = 0; i < board->nprepared; i++)
		known = known || board->prepared[i] == xid;
	if (!known && board->nprepared < dfsmr_max_prepared)
		board->prepared[board->nprepared++] = xid;
	else if (!known)
		board->prepared_overflow = true;
	LWLockRelease(board->lock);
}

static void
read_prepared(Board *board)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute("SELECT transaction FROM pg_catalog.pg_prepared_xacts"
					" WHERE database OPERATOR(pg_catalog.=) pg_catalog.current_database()",
					true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read pg_prepared_xacts");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		Datum		xid = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);

		watch(board, DatumGetTransactionId(xid));
	}
	SPI_finish();
}

/* Copy the watched numbers; returns how many. */
static int
copy_watched(Board *board, TransactionId *xids)
{
	int			n;

	LWLockAcquire(board->lock, LW_SHARED);
	n = board->nprepared;
	memcpy(xids, board->prepared, n * sizeof(TransactionId));
	LWLockRelease(board->lock);
	return n;
}

/* Those of the n that have ended, to the front; returns how many. */
static int
keep_ended(TransactionId *xids, int n)
{
	int			nended = 0;

	for (int i = 0; i < n; i++)
	{
		if (!TransactionIdIsInProgress(xids[i]))
			xids[nended++] = xids[i];
	}
	return nended;
}

bool
board_prepared_unheard(Board *board)
{
	TransactionId *xids = palloc(dfsmr_max_prepared * sizeof(TransactionId));
	bool		unheard = keep_ended(xids, copy_watched(board, xids)) > 0 ||
		board->prepared_overflow;

	pfree(xids);
	return unheard;
}

/*
 * Forget those that have ended and, with the same lock held, what is known of
 * the heap: nothing of it holds.  "always": also when there are none.
 */
static void
look_again(Board *board, bool always)
{
	TransactionId *xids = palloc(dfsmr_max_prepared * sizeof(TransactionId));
	int			n = keep_ended(xids, copy_watched(board, xids));

	if (n > 0 || always)
	{
		LWLockAcquire(board->lock, LW_EXCLUSIVE);
		for (int i = 0; i < n; i++)
		{
			for (int j = 0; j < board->nprepared; j++)
			{
				if (board->prepared[j] == xids[i])
				{
					board->prepared[j] = board->prepared[--board->nprepared];
					break;
				}
			}
		}
		board_reset_sets(board);
		LWLockRelease(board->lock);
		board_wake_scheduler(board);
		board_announce_changes(board);
	}
	pfree(xids);
}

void
board_prepared_ended(void)
{
	Board	   *board = board_get_if_available();

	if (board != NULL)
		look_again(board, true);
}

static bool
run(void)
{
	Board	   *board = board_get();
	bool		overflow;

	looked_at = board_now(board);
	if (!read_old_ones)
	{
		read_prepared(board);
		read_old_ones = true;
	}
	/* There may be more of them than fit, still. */
	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	overflow = board->prepared_overflow;
	board->prepared_overflow = false;
	LWLockRelease(board->lock);
	if (overflow)
		read_prepared(board);
	look_again(board, overflow);
	return false;
}

static TimestampTz
next_due(void)
{
	Board	   *board = board_attached();
	TimestampTz due = DT_NOEND;

	if (board == NULL)
		return due;
	LWLockAcquire(board->lock, LW_SHARED);
	if (board->nprepared > 0 || board->prepared_overflow)
		due = looked_at + INTERVAL;
	LWLockRelease(board->lock);
	return due;
}

const SchedulerStep prepared_step = {
	.name = "watching prepared transactions",
	.run = run,
	.next_due = next_due,
	.in_tick = true,
};

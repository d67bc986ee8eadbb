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

/* Forget the ended ones; true if there were any. */
static bool
forget_ended(Board *board)
{
	TransactionId *xids = palloc(dfsmr_max_prepared * sizeof(TransactionId));
	bool		ended = false;
	int			n;

	LWLockAcquire(board->lock, LW_SHARED);
	n = board->nprepared;
	memcpy(xids, board->prepared, n * sizeof(TransactionId));
	LWLockRelease(board->lock);
	for (int i = 0; i < n; i++)
	{
		if (TransactionIdIsInProgress(xids[i]))
			continue;
		ended = true;
		LWLockAcquire(board->lock, LW_EXCLUSIVE);
		for (int j = 0; j < board->nprepared; j++)
		{
			if (board->prepared[j] == xids[i])
			{
				board->prepared[j] = board->prepared[--board->nprepared];
				break;
			}
		}
		LWLockRelease(board->lock);
	}
	pfree(xids);
	return ended;
}

/* Some have ended: nothing that is known of the heap holds. */
static void
look_again(Board *board)
{
	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	board_reset_sets(board);
	board->prepared_overflow = false;
	LWLockRelease(board->lock);
	board_wake_scheduler(board);
}

void
board_prepared_ended(void)
{
	Board	   *board = board_get_if_available();

	if (board == NULL)
		return;
	forget_ended(board);
	look_again(board);
}

static bool
run(void)
{
	Board	   *board = board_get();
	bool		overflow;

	if (!read_old_ones)
	{
		read_prepared(board);
		read_old_ones = true;
	}
	LWLockAcquire(board->lock, LW_SHARED);
	overflow = board->prepared_overflow;
	LWLockRelease(board->lock);
	if (overflow)
		read_prepared(board);
	if (forget_ended(board) || overflow)
		look_again(board);
	return false;
}

static TimestampTz
next_due(void)
{
	Board	   *board = board_attached();
	TimestampTz due = DT_NOEND;

	if (board == NULL)
		return due;
	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	if (board->nprepared > 0 || board->prepared_overflow)
		due = board_now_locked(board) + INTERVAL;
	LWLockRelease(board->lock);
	return due;
}

const SchedulerStep prepared_step = {
	.name = "watching prepared transactions",
	.run = run,
	.next_due = next_due,
	.in_tick = true,
};

/*-------------------------------------------------------------------------
 *
 * tick.c
 *	  tick(): one pass of the scheduler by hand.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "access/xact.h"
#include "board.h"
#include "miscadmin.h"
#include "scheduler.h"
#include "utils/timestamp.h"

/*
 * A step says each time whether there is more; one that never comes to an end,
 * since others bring it work as fast as it does it, is cut off here.
 */
#define MAX_BATCHES		10000

PG_FUNCTION_INFO_V1(dfsmr_tick);

/* The board's time is everybody's, so not everybody may set it. */
static void
set_clock(Board *board, TimestampTz now)
{
	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be superuser to set the time of tick()"),
				 errhint("Call tick() without an argument.")));
	if (TIMESTAMP_NOT_FINITE(now))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("argument \"now\" must be finite")));
	board_set_now(board, now);
}

/*
 * dfsmr.tick(now timestamptz DEFAULT NULL): do what is due, in the caller's
 * transaction.  Errors of a step are the caller's.
 */
Datum
dfsmr_tick(PG_FUNCTION_ARGS)
{
	Board	   *board;

	privilege_require(NULL, PRIVILEGE_ADMIN);
	PreventCommandDuringRecovery("dfsmr.tick()");
	PreventCommandIfReadOnly("dfsmr.tick()");
	board = board_get();
	if (!PG_ARGISNULL(0))
	{
		set_clock(board, PG_GETARG_TIMESTAMPTZ(0));
		board_wake_scheduler(board);
	}

	for (const SchedulerStep *const *step = scheduler_steps; *step; step++)
	{
		if (!(*step)->in_tick)
			continue;
		for (int i = 0; i < MAX_BATCHES; i++)
		{
			bool		again = (*step)->run();

			CommandCounterIncrement();
			CHECK_FOR_INTERRUPTS();
			if (!again)
				break;
		}
	}
	PG_RETURN_VOID();
}

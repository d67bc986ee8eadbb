/*-------------------------------------------------------------------------
 *
 * claim_once.c
 *	  Claims at most once, seen from ready(): asking the scheduler to write
 *	  them, and waiting until it has (claim_writer.h).
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "running/claim_once.h"

#include "claim_writer.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/timestamp.h"

/* How long to wait at least, and between two looks, in ms. */
#define MIN_PATIENCE 1000
#define LOOK_AGAIN 100

bool
claim_once_ask(Board *board, GrantedTask *task, const char *client)
{
	Lease	   *lease = lease_find_pending(board, &task->row.id, task->row.visit);

	if (lease == NULL)
		return false;
	claim_writer_ask(board, lease, task->attempt, client, task->term.claimed_at);
	return true;
}

static bool
all_answered(Board *board, const GrantedTask *tasks, const bool *asked, int n)
{
	bool		answered = true;

	LWLockAcquire(board->lock, LW_SHARED);
	for (int i = 0; i < n && answered; i++)
	{
		Lease	   *lease;

		if (!asked[i])
			continue;
		lease = lease_find_pending(board, &tasks[i].row.id, tasks[i].row.visit);
		answered = lease == NULL || (lease->write != CLAIM_WRITE_WANTED &&
									 lease->write != CLAIM_WRITE_RUNNING);
	}
	LWLockRelease(board->lock);
	return answered;
}

void
claim_once_wait(Board *board, const GrantedTask *tasks, const bool *asked, int n)
{
	TimestampTz deadline = GetCurrentTimestamp() +
		Max(dfsmr_max_wait, MIN_PATIENCE) * INT64CONST(1000);

	while (!all_answered(board, tasks, asked, n))
	{
		int64		left = (deadline - GetCurrentTimestamp()) / 1000;

		if (left <= 0)
		{
			ereport(WARNING,
					(errmsg("tasks that are handed out at most once are not: their claims were not written in time"),
					 errhint("Is a scheduler running (pg_stat_activity)? Where none may run, call dfsmr.tick() from another session.")));
			return;
		}
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 Min(left, LOOK_AGAIN), PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

OnceAnswer
claim_once_answer(Board *board, const GrantedTask *task, const BreakerTicket *ticket,
				  const char *client)
{
	Lease	   *lease = lease_find_pending(board, &task->row.id, task->row.visit);
	ItemPointerData tid;

	if (lease == NULL)
		return ONCE_GONE;
	if (lease->write != CLAIM_WRITE_DONE)
		return claim_writer_abandon(board, lease) ? ONCE_AGAIN : ONCE_GONE;
	tid = lease->tid;
	lease_hold(board, lease, task->attempt, task->row.deliveries + 1, client, &task->term, &tid);
	lease->ticket = *ticket;
	return ONCE_GRANTED;
}

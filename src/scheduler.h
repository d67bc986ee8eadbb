/*-------------------------------------------------------------------------
 *
 * scheduler.h
 *	  The scheduler's steps: what is to be done by itself, each in its room.
 *
 * The scheduler process runs every step in a transaction of its own and backs
 * off from one that fails, without stopping the others.  tick() runs the same
 * steps in the caller's transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_SCHEDULER_H
#define DFSMR_SCHEDULER_H

#include "dfsmr.h"

typedef struct SchedulerStep
{
	const char *name;			/* shown in pg_stat_activity */

	/*
	 * Do a bounded batch, inside a transaction that has an active snapshot.
	 * True: call again at once, in a new transaction.  Also called when it is
	 * not due, since the scheduler does not know what board_wake_scheduler()
	 * means to it.
	 */
	bool		(*run) (void);

	/*
	 * When this step has something to do next, on the clock of board_now();
	 * DT_NOEND when only a wake-up can bring work.  Called outside of a
	 * transaction, after run(); must not fail.
	 */
	TimestampTz (*next_due) (void);

	/*
	 * The process is about to leave, in good order: save what should not be
	 * repeated.  In a transaction; may be NULL.
	 */
	void		(*leave) (void);

	bool		in_tick;		/* tick() runs it too */
} SchedulerStep;

extern const SchedulerStep claim_writer_step;	/* claim_writer.c: claims at most once */
extern const SchedulerStep timer_step;		/* timer.c: fires timers */
extern const SchedulerStep expiry_step;		/* expiry.c: takes back work */
extern const SchedulerStep breaker_step;	/* breaker_step.c: moves breakers */
extern const SchedulerStep publish_step;	/* publish.c: notifies */
extern const SchedulerStep retention_step;	/* retention.c: forgets old changes */
extern const SchedulerStep prepared_step;	/* prepared.c: watches prepared transactions */
extern const SchedulerStep duration_step;	/* duration_store.c: saves durations */
extern const SchedulerStep audit_step;		/* audit.c: compares board and heap */

/* The steps in the order in which they run; ends with NULL. */
extern const SchedulerStep *const scheduler_steps[];

/* launcher.c, utility_hook.c: set up at preload. */
extern void launcher_register(void);
extern void utility_hook_install(void);

#endif							/* DFSMR_SCHEDULER_H */

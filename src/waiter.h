/*-------------------------------------------------------------------------
 *
 * waiter.h
 *	  Calls of ready() that sleep until work comes.
 *
 * The protocol (modelled in test/model): a waiter enqueues, then looks again,
 * then sleeps.  A commit that makes k tasks ready wakes up to k waiters whose
 * filter matches, in order of arrival, also when the tasks landed behind the
 * frontier.  A wake-up is never lost: a woken waiter that leaves without having
 * looked (cancelled, out of time, dead) passes it on, and so does one that
 * claimed something, if there may be more: it may have found other work than
 * what it was woken for.  One that looked in vain passes nothing on.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_WAITER_H
#define DFSMR_WAITER_H

#include "board_internal.h"

extern void waiter_init(Board *board);

/*
 * Enter the queue; false when all places are taken.  filter: empty strings
 * match everything.  Takes the lock.
 */
extern bool waiter_enqueue(Board *board, const NodeName *filter);

/* Has this process been woken since it entered the queue?  Takes the lock. */
extern bool waiter_woken(void);

typedef enum WaiterLeaves
{
	WAITER_CLAIMED,
	WAITER_LOOKED_IN_VAIN,
	WAITER_NOT_LOOKED			/* since it was woken, if it was */
} WaiterLeaves;

/*
 * Leave the queue, if in it, and pass a wake-up on that was not used.  Takes
 * the lock; cannot fail, so it may be called while an error is handled.
 */
extern void waiter_leave(WaiterLeaves how);

/*
 * Wake up to n waiters that match the node; returns how many.  Lock held; cannot
 * fail.
 */
extern int	waiter_wake(Board *board, const NodeName *node, int n);

/* Wake all.  Lock held; cannot fail. */
extern void waiter_wake_all(Board *board);

#endif							/* DFSMR_WAITER_H */

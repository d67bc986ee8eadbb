/*-------------------------------------------------------------------------
 *
 * waiter.h
 *	  Calls of ready() that sleep until work comes.
 *
 * The protocol (modelled in test/model): a waiter enqueues, then looks again,
 * then sleeps.  A commit that makes k tasks ready wakes up to k waiters whose
 * filter matches, in order of arrival, also when the tasks landed behind the
 * frontier.  A wake-up is never lost: a woken waiter that goes without having
 * claimed something (cancelled, out of time, dead) passes it on.
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

/*
 * Leave the queue, if in it.  satisfied: something was claimed.  Otherwise a
 * wake-up that was received is passed on.  Takes the lock; cannot fail, so it
 * may be called while an error is handled.
 */
extern void waiter_leave(bool satisfied);

/* Wake up to n waiters that match the node.  Lock held; cannot fail. */
extern void waiter_wake(Board *board, const NodeName *node, int n);

/* Wake all.  Lock held; cannot fail. */
extern void waiter_wake_all(Board *board);

#endif							/* DFSMR_WAITER_H */

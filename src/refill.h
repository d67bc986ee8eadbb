/*-------------------------------------------------------------------------
 *
 * refill.h
 *	  Filling a set of the board from its index.
 *
 * The protocol (design rule 2, modelled in test/model): the frontier counts as
 * infinite from before the first look at the heap, so that a commit which the
 * scan cannot see any more inserts itself; at the end it is what the scan has
 * reached, or what evictions drew it back to, whichever is lower.  A refiller
 * that fails or dies restores the old frontier.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_REFILL_H
#define DFSMR_REFILL_H

#include "board_internal.h"

/*
 * Fill the set if it is empty and not complete; when another process is doing
 * so, wait for that to end.  Called without the lock, in a transaction.
 */
extern void refill_ready(Board *board, const NodeName *name, int retry);
extern void refill_delayed(Board *board);
extern void refill_timers(Board *board);

/* This process's transaction has failed: restore the frontier.  Cannot fail. */
extern void refill_abandon(void);

#endif							/* DFSMR_REFILL_H */

/*-------------------------------------------------------------------------
 *
 * unheard.h
 *	  Transactions of which the board will hear, but has not yet.
 *
 * Between the end of a transaction, from which on its rows are seen (or those
 * it had locked are free again), and its callback, in which the board learns
 * of it, heap and board do not agree.  Who compares them has to know that this
 * is so: locks do not tell, since a subtransaction that commits lets go of its
 * own.  So each process says here, as long as it has something to tell, in
 * which transaction.  (What prepared transactions have to tell is watched by
 * prepared.c.)
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_UNHEARD_H
#define DFSMR_UNHEARD_H

#include "dfsmr.h"

/*
 * This process has something to tell, when its present transaction has ended,
 * if that has an id; called whenever it has one thing more.  Cannot fail.
 */
extern void unheard_begin(void);

/* It has told it.  Cannot fail. */
extern void unheard_end(void);

/*
 * Is there a transaction that has ended and whose process has not told?  One
 * that had ended before the call, and has told, is seen to have done so by
 * whoever takes the board's lock afterwards.
 */
extern bool unheard_any(void);

/*
 * Processes that can be, at most: MaxBackends is not known yet when memory is
 * reserved.
 */
extern int	processes_max(void);

extern Size unheard_shmem_size(void);
extern void unheard_shmem_init(void);

#endif							/* DFSMR_UNHEARD_H */

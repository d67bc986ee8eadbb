/*-------------------------------------------------------------------------
 *
 * claim_once.h
 *	  Claims at most once, seen from ready(): asking the scheduler to write
 *	  them, and waiting until it has (claim_writer.h).
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_CLAIM_ONCE_H
#define DFSMR_CLAIM_ONCE_H

#include "running/claim.h"

/*
 * The pending lease of the task is this process's, and the row is right: ask
 * for the claim.  Lock held; false when the lease is gone.
 */
extern bool claim_once_ask(Board *board, GrantedTask *task, const char *client);

/*
 * Wait until all claims that were asked for are answered, or for as long as a
 * call may wait (dfsmr.max_wait, but a second at least); then there is a
 * WARNING.  Takes the lock.
 */
extern void claim_once_wait(Board *board, const GrantedTask *tasks, const bool *asked, int n);

typedef enum OnceAnswer
{
	ONCE_GRANTED,				/* written: the lease holds */
	ONCE_AGAIN,					/* not written; the pending lease is still ours */
	ONCE_GONE					/* whoever ends the lease, it is not us */
} OnceAnswer;

/* What became of it.  Lock held; cannot fail. */
extern OnceAnswer claim_once_answer(Board *board, const GrantedTask *task,
									const BreakerTicket *ticket, const char *client);

#endif							/* DFSMR_CLAIM_ONCE_H */

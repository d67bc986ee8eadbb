/*-------------------------------------------------------------------------
 *
 * claim_writer.h
 *	  Claims at most once: written into the row, durably, before anybody is told.
 *
 * A claim that is to outlive everything must be committed before its task is
 * handed out.  ready() cannot do that: it runs inside of a statement, whose rows
 * may reach the client before its transaction commits, and whose transaction
 * may still be rolled back.  So it asks the scheduler, which writes all claims
 * that are wanted in one transaction of its own, and waits.  No rollback undoes
 * what was handed out, and one flush serves all who wait.
 *
 * What is asked for is noted in the pending lease (Lease.write):
 *
 *		WANTED -> RUNNING -> DONE		handed out; the lease holds
 *		              |   -> FAILED		the row is looked at, and offered, again
 *
 * A call that fails or loses patience while it waits takes back what is WANTED.
 * What is RUNNING, or DONE but not collected, has certainly not been handed out,
 * so the scheduler undoes it (UNDO_WANTED, UNDO_RUNNING).  If it cannot, since
 * the server crashes, the row stays held and the view stuck lists it: twice is
 * what must not happen.
 *
 * All functions want the lock of the board held, and cannot fail.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_CLAIM_WRITER_H
#define DFSMR_CLAIM_WRITER_H

#include "board_internal.h"

/* Ask for the claim of this pending lease, of this process, to be written. */
extern void claim_writer_ask(Board *board, Lease *lease, int attempt, const char *client,
							 TimestampTz claimed_at);

/*
 * Its call does not wait any longer.  True: nothing is or will be written, and
 * the pending lease is the caller's to end.  False: the scheduler ends it.
 */
extern bool claim_writer_abandon(Board *board, Lease *lease);

/* The lease goes, or becomes another's. */
extern void claim_writer_forget(Board *board, Lease *lease);

/* The transaction that wrote, or undid, the claim has ended. */
extern void claim_writer_ended(Board *board, const pg_uuid_t *instance, int visit,
							   bool committed);

#endif							/* DFSMR_CLAIM_WRITER_H */

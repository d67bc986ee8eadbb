/*-------------------------------------------------------------------------
 *
 * breaker.h
 *	  Circuit breakers on the board, one for each machine that declares one.
 *
 * The rule is in breaker_rule.h; here is what it is told, by whom, and when:
 *
 *	pop			(claim.c) a retry is popped only if the breaker admits it; a
 *				probe takes its token now, under the same lock, so that there
 *				are never more probes than tokens, however many sessions claim
 *	hold		the row was what the hint said: now it is a delivery, and counted.
 *				The breaker may open by it; then the retries that were popped
 *				before and not looked at yet stay where they are
 *	void hint, rollback, relinquish		give back what pop and hold took
 *	completion, timeout					end a probe, well or badly
 *
 * What happened at pop and hold is written on a ticket, which goes with the
 * claim: with its note while it is pending, with its lease as soon as that
 * holds.  Whoever ends the lease's visit or attempt takes the ticket along in a
 * note of its own, so that it is settled once, when that transaction commits;
 * two cannot, since they write the same version of the row.
 *
 * A breaker is known by its place and its period.  A period ends when the
 * window begins anew (it has closed; other limits) and when the place is given
 * to another machine: tickets of another period are worth nothing.
 *
 * All functions want the lock held; none can fail.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_BREAKER_H
#define DFSMR_BREAKER_H

#include "board_internal.h"

extern void breaker_forget_all(Board *board);

/* tick(now) set the clock back: windows and tokens begin anew. */
extern void breaker_clock_set_back(Board *board, TimestampTz now);

/*
 * The place of the machine's breaker with the limits of this version, or of a
 * newer one that somebody else has seen.  A machine that has none takes a free
 * place, or that of the closed breaker that was used longest ago, which forgets
 * its window.  -1 when all are open: then this machine does without.
 */
extern int	breaker_attach(Board *board, const char *machine, int version,
						   const Breaker *limits, TimestampTz now);

/* The place of the machine's breaker, or -1. */
extern int	breaker_find(Board *board, const char *machine);

/* The current version of the machine has no breaker any more. */
extern void breaker_detach(Board *board, const char *machine, int version);

/* It was open when the server went down: so it is again. */
extern void breaker_reopen(Board *board, int place, TimestampTz since, TimestampTz now);

/*
 * May a retry of the machine go out?  If not, a waiter is woken when a token
 * falls due.
 */
extern bool breaker_admits(Board *board, int place, TimestampTz now);

/*
 * A task was popped, which was admitted if it is a retry.  One that has been
 * ready since before the breaker closed does not count as one any more.
 */
extern void breaker_pop(Board *board, int place, bool retry, TimestampTz ready_at,
						TimestampTz now, BreakerTicket *ticket);

/*
 * The claim of this ticket is about to hold: count it.  False for a retry that
 * must not go out, since the breaker has opened since it was popped.
 */
extern bool breaker_deliver(Board *board, BreakerTicket *ticket, TimestampTz now);

/* What the ticket stands for has ended. */
extern void breaker_settle(Board *board, const BreakerTicket *ticket, TicketEnd end);

/* When to call breaker_wake() next; DT_NOEND: not by itself. */
extern TimestampTz breaker_next_wake(Board *board, TimestampTz now);

/* Wake one waiter for each token that is due and wanted. */
extern void breaker_wake(Board *board, TimestampTz now);

/*
 * Take openings and closings off the board that are not in the changelog yet,
 * oldest first; returns how many.  None while somebody else has taken some: so
 * they are numbered in their order.  Each is to be noted, and done with when the
 * transaction ends: written, or put back.
 */
extern int	breaker_take_events(Board *board, BreakerEvent *events, int max);
extern void breaker_event_done(Board *board);
extern void breaker_put_back_event(Board *board, const BreakerEvent *event);

#endif							/* DFSMR_BREAKER_H */

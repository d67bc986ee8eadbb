/*-------------------------------------------------------------------------
 *
 * xact_notes.h
 *	  What a transaction did, noted until the board may learn of it.
 *
 * The board changes after commit (design rule 1).  A call notes what it did,
 * in memory that is allocated then; the commit callback, which runs when the
 * row is visible to others and cannot fail, applies it.  What is rolled back,
 * also to a savepoint, never reaches the board; what it had taken off the
 * board (a claim; a hint that was dropped because the caller's own uncommitted
 * write hid the row) is offered again, hence the images from before.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_XACT_NOTES_H
#define DFSMR_XACT_NOTES_H

#include "board_internal.h"
#include "machine.h"

/* How a row stands to the board, before or after a write. */
typedef struct RowImage
{
	const NodeName *name;		/* interned; NULL: there is no row */
	NodeKind	kind;
	bool		held;			/* a task that is nobody else's: at most once */
	bool		retry;
	bool		delayed;
	bool		timed;			/* ready_at is set: a timer, or a task */
	bool		own;			/* this version is this transaction's own */
	int			visit;
	EntryKey	key;			/* key.id is always the instance */
	ItemPointerData tid;
} RowImage;

/* A claim in progress; a pointer stays valid until the next reservation. */
typedef struct ClaimNote ClaimNote;

/* The one copy of a name in this backend: lives as long as it. */
extern const NodeName *node_name_intern(const char *machine, const char *node);

/*
 * A row was written.  before is NULL for a new row.  ended_attempt > 0: that
 * claim has ended.  If completed_at is 0 the visit goes on and the lease is to
 * be dropped (relinquish, expiry); else it was completed then, which ended the
 * visit, and how long it took is counted.
 */
extern void xact_note_write(const RowImage *before, const RowImage *after,
							int ended_attempt, TimestampTz completed_at);

/*
 * Make room for n notes of claims, timers, expiring leases or breaker events, so
 * that taking them cannot fail under the lock.
 */
extern void xact_note_reserve_claims(int n);

/*
 * A hint was popped and a pending lease taken: no memory is allocated, so the
 * lock may be held.  Returns the number of the note.  ticket may be NULL.
 */
extern int	xact_note_claim(const NodeName *name, bool retry, const SetEntry *hint,
							const BreakerTicket *ticket);

/* The lease of this row holds under this attempt number. */
extern void xact_note_claim_held(int note, int attempt, const RowImage *row);

/* The hint, or the claim to be written, was void; nothing is to be undone. */
extern void xact_note_claim_void(int note);

/* The scheduler marked this lease as expiring; undone when it rolls back. */
extern void xact_note_expiring(const pg_uuid_t *instance, int visit, int attempt);

/*
 * The scheduler writes, or undoes, this claim at most once: what becomes of that
 * is what becomes of the transaction.  Lock held; returns the number of the note.
 */
extern int	xact_note_claim_write(const pg_uuid_t *instance, int visit);

/* A timer was taken off the board; offered again if that is rolled back. */
extern void xact_note_timer(const SetEntry *timer);

/* Has this transaction changed definitions, so that it sees what others do not? */
extern bool xact_changed_definitions(void);

/* The claim with this ticket ends like that, when this commits. */
extern void xact_note_ticket(const BreakerTicket *ticket, TicketEnd end);

/*
 * An event was taken off the board, to be written; put back if that is rolled
 * back.  As for claims, room has been reserved.
 */
extern void xact_note_breaker_event(const BreakerEvent *event);

/*
 * A row with this image is committed and not leased: let those find it who look
 * for it.  Whoever ends a lease of a visit that goes on does this, since hints
 * and refills pass a leased row by.  Lock held; cannot fail.
 */
extern void board_offer(Board *board, const RowImage *row);

/* Rows arrived that no API call wrote: look at all again, after a quiet moment. */
extern void xact_note_foreign_write(void);

/* After commit, forget what the sets know (a pause has ended). */
extern void xact_note_reset(void);

extern void xact_notes_register(void);

#endif							/* DFSMR_XACT_NOTES_H */

/*-------------------------------------------------------------------------
 *
 * board.h
 *	  The board: what shared memory knows of one database.
 *
 * The heap holds the truth; whatever is here can be rebuilt from it or may be
 * forgotten without breaking a promise (docs/architecture.md has a line for
 * each structure: what makes it true, what makes it stale, who repairs it).
 *
 * A board belongs to (database, extension OID, installation id), so that a
 * dropped extension, a dropped database or a reused OID never meets a board
 * that knows something else.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_BOARD_H
#define DFSMR_BOARD_H

#include "dfsmr.h"

typedef struct Board Board;

/* Was the library preloaded, so that boards exist at all? */
extern bool board_available(void);

/*
 * The board of this database, made empty if it has none yet.  Needs a
 * transaction (it looks the extension up); ERROR SM012 when not preloaded,
 * ERROR configuration_limit_exceeded when dfsmr.max_databases are in use.
 */
extern Board *board_get(void);

/* The same, but NULL where board_get() would raise an error. */
extern Board *board_get_if_available(void);

/*
 * The board that this process used last, for callbacks that must not fail; NULL
 * before the first board_get().
 */
extern Board *board_attached(void);

/*
 * The board's time: the wall clock, but never going back, since it is carried
 * on by the monotonic clock; plus the offset that tick(now) injected.  All
 * due times are judged by it.  Takes no lock: may be called with the board's or
 * without.
 */
extern TimestampTz board_now(Board *board);

/* tick(now): make board_now() answer this from now on. */
extern void board_set_now(Board *board, TimestampTz now);

/*
 * The definition counter: raised by board_definition_changed() at once and
 * again after commit or abort, by define(), pause() and resume().  Without a
 * board it stays 0.
 */
extern uint64 board_definition_counter(const ExtensionOids *oids);
extern void board_definition_changed(void);

/*
 * The scheduler of this database: which process it is, so that it can be
 * woken.  board_wake_scheduler() may be called from a commit callback: it
 * takes no lock and cannot fail.  A NULL board is no error.
 */
extern void board_set_scheduler(Board *board, bool here);
extern void board_wake_scheduler(Board *board);

/*
 * How often that was called.  A latch alone does not tell: waiting for a lock
 * resets it, so a scheduler that does would sleep on what it was woken for.
 */
extern uint64 board_wake_requests(Board *board);

/*
 * Something is to be done at that time of the board's clock, and the board shows
 * it: the scheduler is woken if it would sleep for longer.  As cheap as reading a
 * number when it would not.  The scheduler says how long it sleeps after it has
 * looked at what is due, and before looking that it has not decided yet, as
 * DT_NOEND: then everybody wakes it.
 */
extern void board_due_at(Board *board, TimestampTz at);
extern void board_sleep_until(Board *board, TimestampTz until);

/*
 * Changes have been committed: let the scheduler publish them.  It is woken only
 * if it waits for that; one that has just published looks again by itself, so
 * that a busy database costs neither it nor the callers a signal per commit.
 * May be called from a commit callback, as board_wake_scheduler().
 */
extern void board_announce_changes(Board *board);

/*
 * The scheduler's side: how often that was called, and the same when nothing
 * else is to be done than to wait for the next (announced is what was seen
 * last).  False: there was one meanwhile.
 */
extern uint64 board_changes_announced(Board *board);
extern bool board_await_changes(Board *board, uint64 announced);

/* Announce changes when the current transaction commits. */
extern void xact_note_changes(void);

/*
 * A prepared transaction of this database has been committed or rolled back
 * (utility_hook.c).  Called in a transaction, after it has ended.
 */
extern void board_prepared_ended(void);

/*
 * Forget everything: empty sets with nothing known, no leases.  For a database
 * that is about to go (dropped) or that was restored underneath.
 */
extern void board_forget_database(Oid database);

extern Size board_shmem_size(void);
extern void board_shmem_init(void);
extern int	board_num_lwlocks(void);

#endif							/* DFSMR_BOARD_H */

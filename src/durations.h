/*-------------------------------------------------------------------------
 *
 * durations.h
 *	  How long the work of each node takes: what the board has learnt.
 *
 * A sample is the time from a claim to its completion, on the board's clock.
 * It counts when the completion commits; a refused one counts at once, since
 * the refusal is an error that rolls back whatever else its transaction did,
 * and no rollback makes the work have taken another time.  Each claim counts
 * once.  What ends a claim otherwise (relinquish, abort, move, a signal) says
 * nothing about how long the work takes and does not count.
 *
 * Kept per machine and node, across versions.  The nodes used longest ago make
 * room for others; the scheduler saves what has changed (duration_store.c), and
 * what was saved is read again when a node is claimed from.
 *
 * All functions want the lock of the board held unless they say so.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_DURATIONS_H
#define DFSMR_DURATIONS_H

#include "board_internal.h"

/* Below so many samples a node is not known. */
#define DURATIONS_ENOUGH 20

extern Size durations_size(void);
extern void durations_init(Board *board, char *memory);
extern void durations_forget_all(Board *board);

/* The node's durations, or NULL: none are on the board. */
extern NodeDurations *durations_find(Board *board, const NodeName *name);

/* The same, made empty if there are none; another node may have to go. */
extern DurationsRef durations_get(Board *board, const NodeName *name);

/* The same if what was saved of the node is there too, else none. */
extern DurationsRef durations_loaded(Board *board, const NodeName *name);

/* What the reference stands for, or NULL when that has made room. */
extern NodeDurations *durations_deref(Board *board, DurationsRef ref);

/*
 * The duration that so many percent of the samples do not exceed; -1 while there
 * are too few of them.  May lag by a few percent of the samples.
 */
extern int64 durations_quantile(Board *board, DurationsRef ref, double percent);

/*
 * The attempt was completed then, and that has committed: count it, and drop
 * its lease.
 */
extern void durations_completed(Board *board, const pg_uuid_t *instance, int visit,
								int attempt, TimestampTz at);

/*
 * The attempt of the claim of that visit which a completion without an attempt
 * is about: that of the client (NULL: of anybody), or 0 when there is none, or
 * more than one.  Takes the lock.
 */
extern int	durations_attempt_named(Board *board, const pg_uuid_t *instance, int visit,
									const char *client);

/*
 * A completion of that visit was refused since somebody else has ended it:
 * count it.  attempt is 0 when it was not given.  Takes the lock.
 */
extern void durations_refused(Board *board, const pg_uuid_t *instance, int visit,
							  int attempt, const char *client, TimestampTz at);

/*
 * duration_store.c: make sure that what was saved of the node is on the board.
 * Reads a table if it is not; takes the lock.
 */
extern DurationsRef durations_prepare(Board *board, const NodeName *name);

/*
 * A copy of what is known of the node, on the board or saved; false, and *sketch
 * is empty, when nothing is.  Changes nothing; board may be NULL.  Takes the
 * lock.
 */
extern bool durations_read(Board *board, const NodeName *name, Sketch *sketch);

#endif							/* DFSMR_DURATIONS_H */

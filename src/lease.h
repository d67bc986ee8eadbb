/*-------------------------------------------------------------------------
 *
 * lease.h
 *	  Leases: who works on what, and until when.
 *
 * At most one lease per instance.  The table decides between two processes
 * that took hints for the same instance: the hint with the higher visit wins,
 * since it proves that the lower one is over.  Every operation names instance,
 * visit and attempt and does nothing when the lease is another's: callbacks of
 * two processes run in no particular order.
 *
 * All functions but those that load and save the file want the lock held.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_LEASE_H
#define DFSMR_LEASE_H

#include "board_internal.h"

typedef enum LeaseTaken
{
	LEASE_TAKEN,
	LEASE_HELD,					/* by somebody, for this visit: the hint is void */
	LEASE_PENDING,				/* somebody looks at the row, and will offer it again
								 * if it turns out not to be taken */
	LEASE_TABLE_FULL
} LeaseTaken;

/* How long a lease holds, and how a heartbeat renews it. */
typedef struct LeaseTerm
{
	TimestampTz claimed_at;
	TimestampTz expires_at;
	int64		renewal;
	TimestampTz cutoff;
	bool		in_row;			/* at most once: nothing is taken back when it ends */
	DurationsRef durations;		/* of the node */
} LeaseTerm;

/*
 * The timeout in force at a task node, in microseconds; needs no lock.  A fixed
 * one is what it is; with one of 0 the lease says no more than how long its
 * holder is believed to live (dfsmr.default_timeout).  Else it is what was
 * learnt, the node's percentile of past durations (-1: too few are known, and
 * dfsmr.default_timeout stands in), 1.5 times longer for each attempt of the
 * visit that ran out before, within timeout_min and timeout_max of the node and,
 * before these, within dfsmr.min_timeout and dfsmr.max_timeout.
 */
extern int64 lease_timeout(const MachineNode *node, int64 learnt, int failed_attempts);

/* The term of a claim at the node, made now; durations is of that node. */
extern LeaseTerm lease_term(Board *board, const MachineNode *node, DurationsRef durations,
							int failed_attempts, TimestampTz now);

/*
 * Does a claim at the node last until somebody decides?  Its lease then says
 * how long the holder is believed to live, which users are not told, unless the
 * node asks for heartbeats.
 */
static inline bool
lease_has_no_end(const MachineNode *node)
{
	return node->at_most_once && node->on_timeout < 0 && node->heartbeat < 0;
}

/*
 * Could there be a lease?  Asked without the lock, for who would only look one
 * up: whoever was told of a claim finds that there is one.
 */
static inline bool
lease_any(Board *board)
{
	return hash_get_num_entries(board->leases) > 0;
}

extern Lease *lease_find(Board *board, const pg_uuid_t *instance);

/* The lease of this very claim, or NULL. */
extern Lease *lease_find_exact(Board *board, const pg_uuid_t *instance,
							   int visit, int attempt);

/* Take a pending lease for the row that a hint points to. */
extern LeaseTaken lease_take(Board *board, const SetEntry *hint, int node, Lease **lease);

/* The pending lease that this process took for the visit, or NULL. */
extern Lease *lease_find_pending(Board *board, const pg_uuid_t *instance, int visit);

/* The row is right: from now on the lease holds and runs out at expires_at. */
extern void lease_hold(Board *board, Lease *lease, int attempt, int deliveries,
					   const char *client, const LeaseTerm *term, ItemPointer tid);

/*
 * The client of a claim that is to be written, until it has been; false: there is
 * no room for its name.  Empty: that is over.
 */
extern bool lease_set_writer(Board *board, Lease *lease, const char *client);

/* A copy, for when the lock is not held any more. */
extern void lease_copy(const Board *board, const Lease *lease, LeaseCopy *copy);

/*
 * Whose lease it was; NULL: the row says so (at most once), or nobody knows, as
 * after a heartbeat that took it anew, or when there was no room for the name.
 */
static inline const char *
lease_copy_client(const LeaseCopy *copy)
{
	return copy->client[0] != '\0' ? copy->client : NULL;
}

extern void lease_set_expiry(Board *board, Lease *lease, TimestampTz expires_at);

/* After a failed try to take it back: try again then. */
extern void lease_check_again(Board *board, Lease *lease, TimestampTz at);

/* The lease that runs out first, or NULL. */
extern Lease *lease_first(Board *board);

extern void lease_drop(Board *board, Lease *lease);

/*
 * Drop whatever lease the instance has for a visit before this one.  Its holder
 * has not completed that, but may say so later: see lost_claim.h.
 */
extern void lease_drop_before_visit(Board *board, const pg_uuid_t *instance, int visit);

extern void lease_forget_all(Board *board);

/* lease_file.c: a planned restart forgets no lease. */
extern void lease_file_load(void);
extern void lease_file_save(int code, Datum arg);

#endif							/* DFSMR_LEASE_H */

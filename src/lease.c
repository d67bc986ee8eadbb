/*-------------------------------------------------------------------------
 *
 * lease.c
 *	  Leases: who works on what, and until when.
 *
 * A hash table by instance, and a binary heap of the leases that hold by the
 * time at which they are to be looked at.  The server's own heap
 * (lib/binaryheap.h) cannot move an element, which every heartbeat does.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "lease.h"

#include <math.h>

#include "claim_writer.h"
#include "client_name.h"
#include "durations.h"
#include "lost_claim.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "waiter.h"

/* ------------------------------------------------------- heap by check_at */

static void
heap_put(Board *board, int i, Lease *lease)
{
	board->expiry[i] = lease;
	lease->heap_index = i;
}

/* Move the lease from its place to where its time belongs. */
static void
heap_settle(Board *board, Lease *lease)
{
	Lease	  **heap = board->expiry;
	int			i = lease->heap_index;

	while (i > 0 && lease->check_at < heap[(i - 1) / 2]->check_at)
	{
		heap_put(board, i, heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	for (;;)
	{
		int			child = 2 * i + 1;

		if (child >= board->nexpiry)
			break;
		if (child + 1 < board->nexpiry &&
			heap[child + 1]->check_at < heap[child]->check_at)
			child++;
		if (heap[child]->check_at >= lease->check_at)
			break;
		heap_put(board, i, heap[child]);
		i = child;
	}
	heap_put(board, i, lease);
}

static void
heap_remove(Board *board, Lease *lease)
{
	int			i = lease->heap_index;
	Lease	   *last;

	if (i < 0)
		return;
	last = board->expiry[--board->nexpiry];
	lease->heap_index = -1;
	if (last != lease)
	{
		heap_put(board, i, last);
		heap_settle(board, last);
	}
}

/* ----------------------------------------------------------------- leases */

/* How much longer the next attempt of a visit gets than the one before. */
#define ATTEMPT_GROWTH 1.5

int64
lease_timeout(const MachineNode *node, int64 learnt, int failed_attempts)
{
	int64		shortest = dfsmr_min_timeout * INT64CONST(1000);
	int64		longest = dfsmr_max_timeout * INT64CONST(1000);
	int64		timeout = learnt >= 0 ? learnt : dfsmr_default_timeout * INT64CONST(1000);
	double		grown;

	if (node->timeout == 0)
		return dfsmr_default_timeout * INT64CONST(1000);
	if (node->timeout > 0)
		return node->timeout;
	/* One pair of bounds: the settings come before the node's own. */
	if (node->timeout_max >= 0)
		longest = Min(longest, Max(node->timeout_max, shortest));
	if (node->timeout_min >= 0)
		shortest = Max(shortest, node->timeout_min);
	timeout = Min(Max(timeout, shortest), longest);
	if (failed_attempts == 0)
		return timeout;
	/* Far beyond what fits into an integer it is still a number. */
	grown = (double) timeout * pow(ATTEMPT_GROWTH, failed_attempts);
	return grown < (double) longest ? (int64) grown : longest;
}

/*
 * A node with a heartbeat loses its lease that long after the last beat, and a
 * fixed timeout cuts off a worker that still beats.  Elsewhere a heartbeat
 * renews the lease by the timeout that was in force at the claim.
 */
LeaseTerm
lease_term(Board *board, const MachineNode *node, DurationsRef durations,
		   int failed_attempts, TimestampTz now)
{
	LeaseTerm	term;
	bool		fixed = node->timeout >= 0;
	int64		learnt = fixed ? -1 : durations_quantile(board, durations, node->percentile);
	int64		timeout = lease_timeout(node, learnt, failed_attempts);

	term.claimed_at = now;
	term.in_row = node->at_most_once;
	term.durations = durations;
	term.cutoff = node->timeout > 0 && node->heartbeat >= 0 ? time_after(now, timeout) : DT_NOEND;
	term.renewal = node->heartbeat >= 0 ? node->heartbeat : timeout;
	term.expires_at = Min(time_after(now, term.renewal), term.cutoff);
	return term;
}

Lease *
lease_find(Board *board, const pg_uuid_t *instance)
{
	return hash_search(board->leases, instance, HASH_FIND, NULL);
}

Lease *
lease_find_exact(Board *board, const pg_uuid_t *instance, int visit, int attempt)
{
	Lease	   *lease = lease_find(board, instance);

	if (lease != NULL && !lease->pending &&
		lease->visit == visit && lease->attempt == attempt)
		return lease;
	return NULL;
}

Lease *
lease_find_pending(Board *board, const pg_uuid_t *instance, int visit)
{
	Lease	   *lease = lease_find(board, instance);

	if (lease != NULL && lease->pending && lease->visit == visit &&
		lease->owner == proc_number(MyProc))
		return lease;
	return NULL;
}

/* The lease is about to go, or to become another. */
static void
forget_all_about(Board *board, Lease *lease)
{
	if (lease->pending)
		board->npending--;
	claim_writer_forget(board, lease);
	heap_remove(board, lease);
	client_name_release(&board->clients, lease->client);
}

LeaseTaken
lease_take(Board *board, const SetEntry *hint, int node, Lease **result)
{
	bool		found;
	Lease	   *lease = hash_search(board->leases, &hint->key.id, HASH_ENTER_NULL, &found);

	*result = NULL;
	if (lease == NULL)
		return LEASE_TABLE_FULL;
	if (found)
	{
		if (lease->pending && lease->visit == hint->visit)
		{
			lease->wanted = true;
			return LEASE_PENDING;
		}
		if (lease->visit >= hint->visit)
			return LEASE_HELD;
		forget_all_about(board, lease);
	}
	memset((char *) lease + sizeof(pg_uuid_t), 0, sizeof(Lease) - sizeof(pg_uuid_t));
	lease->visit = hint->visit;
	lease->node = node;
	lease->node_generation = node >= 0 ? board->nodes[node].generation : 0;
	lease->tid = hint->tid;
	lease->client = CLIENT_UNKNOWN;
	lease->pending = true;
	/* The postmaster, which restores what was saved, is no such process. */
	lease->owner = MyProc != NULL ? proc_number(MyProc) : -1;
	lease->durations.slot = -1;
	lease->heap_index = -1;
	board->npending++;
	*result = lease;
	return LEASE_TAKEN;
}

static void
set_client(Board *board, Lease *lease, const char *client, bool written)
{
	int			before = lease->client;

	lease->client = client_name_hold(&board->clients, client, written);
	client_name_release(&board->clients, before);
}

bool
lease_set_writer(Board *board, Lease *lease, const char *client)
{
	set_client(board, lease, client, true);
	return lease->client != CLIENT_UNKNOWN;
}

void
lease_hold(Board *board, Lease *lease, int attempt, int deliveries, const char *client,
		   const LeaseTerm *term, ItemPointer tid)
{
	if (lease->pending)
		board->npending--;
	lease->pending = lease->wanted = false;
	lease->write = CLAIM_WRITE_NONE;
	lease->in_row = term->in_row;
	lease->attempt = attempt;
	lease->deliveries = deliveries;
	lease->claimed_at = term->claimed_at;
	lease->expires_at = lease->check_at = term->expires_at;
	lease->renewal = term->renewal;
	lease->cutoff = term->cutoff;
	lease->durations = term->durations;
	lease->tid = *tid;
	/* Of a claim at most once the row says whose it is. */
	set_client(board, lease, term->in_row ? "" : client, false);
	if (lease->heap_index < 0)
		lease->heap_index = board->nexpiry++;
	heap_settle(board, lease);
	board_due_at(board, lease->check_at);
}

void
lease_copy(const Board *board, const Lease *lease, LeaseCopy *copy)
{
	copy->lease = *lease;
	strlcpy(copy->client, client_name(&board->clients, lease->client), sizeof(copy->client));
}

void
lease_set_expiry(Board *board, Lease *lease, TimestampTz expires_at)
{
	lease->expires_at = expires_at;
	lease_check_again(board, lease, expires_at);
}

void
lease_check_again(Board *board, Lease *lease, TimestampTz at)
{
	lease->check_at = at;
	if (lease->heap_index < 0)
		return;
	heap_settle(board, lease);
	board_due_at(board, at);
}

Lease *
lease_first(Board *board)
{
	return board->nexpiry > 0 ? board->expiry[0] : NULL;
}

void
lease_drop(Board *board, Lease *lease)
{
	forget_all_about(board, lease);
	hash_search(board->leases, &lease->instance, HASH_REMOVE, NULL);
	/* Somebody may have gone to sleep beside work, for want of a lease. */
	if (board->leases_full)
	{
		board->leases_full = false;
		waiter_wake_all(board);
	}
}

void
lease_drop_before_visit(Board *board, const pg_uuid_t *instance, int visit)
{
	Lease	   *lease = lease_find(board, instance);

	if (lease == NULL || lease->visit >= visit)
		return;
	lost_claims_remember(board, lease);
	lease_drop(board, lease);
}

void
lease_forget_all(Board *board)
{
	HASH_SEQ_STATUS scan;
	Lease	   *lease;

	hash_seq_init(&scan, board->leases);
	while ((lease = hash_seq_search(&scan)) != NULL)
		hash_search(board->leases, &lease->instance, HASH_REMOVE, NULL);
	board->nexpiry = 0;
	board->npending = 0;
	board->write_first = board->write_last = NULL;
	client_names_forget_all(&board->clients);
}

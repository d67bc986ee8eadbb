/*-------------------------------------------------------------------------
 *
 * durations.c
 *	  How long the work of each node takes; see durations.h.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "durations.h"

#include "client_name.h"
#include "lease.h"
#include "lost_claim.h"

/*
 * A quantile is worked out again when this part of the samples is new: until
 * then its rank has moved by less than the sampling noise.
 */
#define QUANTILE_LAG 64

typedef struct DurationsIndexEntry
{
	NodeName	name;
	int			slot;
} DurationsIndexEntry;

Size
durations_size(void)
{
	return mul_size(dfsmr_max_durations, sizeof(NodeDurations));
}

void
durations_init(Board *board, char *memory)
{
	board->durations = (NodeDurations *) memory;
	memset(board->durations, 0, durations_size());
}

void
durations_forget_all(Board *board)
{
	for (int i = 0; i < board->ndurations; i++)
	{
		NodeDurations *durations = &board->durations[i];

		hash_search(board->durations_index, &durations->name, HASH_REMOVE, NULL);
		durations->generation++;
	}
	board->ndurations = 0;
	board->samples = 0;
	lost_claims_forget_all(&board->lost_claims);
}

/* ------------------------------------------------------------------- slots */

/* The slot of the node, or -1. */
static int
find_slot(Board *board, const NodeName *name)
{
	DurationsIndexEntry *entry = hash_search(board->durations_index, name, HASH_FIND, NULL);

	return entry != NULL ? entry->slot : -1;
}

NodeDurations *
durations_find(Board *board, const NodeName *name)
{
	int			slot = find_slot(board, name);

	return slot >= 0 ? &board->durations[slot] : NULL;
}

NodeDurations *
durations_deref(Board *board, DurationsRef ref)
{
	NodeDurations *durations;

	if (ref.slot < 0 || ref.slot >= board->ndurations)
		return NULL;
	durations = &board->durations[ref.slot];
	return durations->generation == ref.generation ? durations : NULL;
}

/* Free a slot: of what is saved, or else of all, that used longest ago. */
static int
make_room(Board *board)
{
	int			victim = 0;

	for (int i = 1; i < board->ndurations; i++)
	{
		NodeDurations *candidate = &board->durations[i];
		NodeDurations *best = &board->durations[victim];
		bool		unsaved = candidate->samples > candidate->saved;
		bool		best_unsaved = best->samples > best->saved;

		if (unsaved < best_unsaved ||
			(unsaved == best_unsaved && candidate->last_used < best->last_used))
			victim = i;
	}
	hash_search(board->durations_index, &board->durations[victim].name, HASH_REMOVE, NULL);
	return victim;
}

/* Give the node, which has none, a slot of its own. */
static int
take_slot(Board *board, const NodeName *name)
{
	int			slot = board->ndurations < dfsmr_max_durations ?
		board->ndurations++ : make_room(board);
	NodeDurations *durations = &board->durations[slot];
	uint32		generation = durations->generation;
	DurationsIndexEntry *entry;

	memset(durations, 0, sizeof(*durations));
	durations->name = *name;
	durations->generation = generation + 1;
	/* The table has room for as many entries as there are slots. */
	entry = hash_search(board->durations_index, name, HASH_ENTER_NULL, NULL);
	if (entry != NULL)
		entry->slot = slot;
	return slot;
}

DurationsRef
durations_get(Board *board, const NodeName *name)
{
	int			slot = find_slot(board, name);

	if (slot < 0)
		slot = take_slot(board, name);
	board->durations[slot].last_used = ++board->use_counter;
	return (DurationsRef) {slot, board->durations[slot].generation};
}

DurationsRef
durations_loaded(Board *board, const NodeName *name)
{
	NodeDurations *durations = durations_find(board, name);

	if (durations == NULL || !durations->loaded)
		return (DurationsRef) {.slot = -1};
	durations->last_used = ++board->use_counter;
	return (DurationsRef) {durations - board->durations, durations->generation};
}

/* --------------------------------------------------------------- quantiles */

int64
durations_quantile(Board *board, DurationsRef ref, double percent)
{
	NodeDurations *durations = durations_deref(board, ref);
	QuantileMemo *memo;
	uint64		fresh;

	if (durations == NULL)
		return -1;
	memo = &durations->memo;
	fresh = durations->samples - memo->samples;
	if (memo->percent != percent || fresh * QUANTILE_LAG > (uint64) memo->count)
	{
		memo->percent = percent;
		memo->samples = durations->samples;
		memo->count = sketch_count(&durations->sketch);
		memo->quantile = memo->count >= DURATIONS_ENOUGH ?
			sketch_quantile(&durations->sketch, percent) : -1;
	}
	return memo->quantile;
}

/* ----------------------------------------------------------------- samples */

static void
add(Board *board, DurationsRef ref, TimestampTz claimed_at, TimestampTz completed_at)
{
	NodeDurations *durations = durations_deref(board, ref);

	/* tick(now) can set the clock back; then nobody knows how long it took. */
	if (durations == NULL || completed_at < claimed_at)
		return;
	sketch_add(&durations->sketch, completed_at, completed_at - claimed_at);
	durations->samples++;
	board->samples++;
}

/*
 * Count a claim, unless it was: one that has its lease, which is returned, or
 * one that has lost it.
 */
static Lease *
count(Board *board, const pg_uuid_t *instance, int visit, int attempt, TimestampTz at)
{
	Lease	   *lease = lease_find_exact(board, instance, visit, attempt);
	LostClaim  *claim = lost_claims_first(&board->lost_claims, instance, visit);

	if (lease != NULL)
	{
		if (!lease->counted)
			add(board, lease->durations, lease->claimed_at, at);
		lease->counted = true;
		return lease;
	}
	while (claim != NULL && claim->attempt != attempt)
		claim = lost_claims_next(&board->lost_claims, claim);
	if (claim != NULL)
	{
		add(board, claim->durations, claim->claimed_at, at);
		lost_claims_forget(&board->lost_claims, claim);
	}
	return NULL;
}

void
durations_completed(Board *board, const pg_uuid_t *instance, int visit, int attempt,
					TimestampTz at)
{
	Lease	   *lease = count(board, instance, visit, attempt, at);

	if (lease != NULL)
		lease_drop(board, lease);
}

/* May it be this client's?  Yes, if either is not known. */
static bool
is_client(uint32 hash, const char *client)
{
	return client == NULL || hash == 0 || hash == client_name_hash(client);
}

static int
attempt_named(Board *board, const pg_uuid_t *instance, int visit, const char *client)
{
	Lease	   *lease = lease_find(board, instance);
	LostClaim  *claim;
	int			attempt = 0;

	if (lease != NULL && !lease->pending && lease->visit == visit &&
		is_client(client_name_hash(client_name(&board->clients, lease->client)), client))
		attempt = lease->attempt;
	for (claim = lost_claims_first(&board->lost_claims, instance, visit); claim != NULL;
		 claim = lost_claims_next(&board->lost_claims, claim))
	{
		if (!is_client(claim->client_hash, client))
			continue;
		if (attempt != 0)
			return 0;
		attempt = claim->attempt;
	}
	return attempt;
}

int
durations_attempt_named(Board *board, const pg_uuid_t *instance, int visit,
						const char *client)
{
	int			attempt;

	LWLockAcquire(board->lock, LW_SHARED);
	attempt = attempt_named(board, instance, visit, client);
	LWLockRelease(board->lock);
	return attempt;
}

void
durations_refused(Board *board, const pg_uuid_t *instance, int visit, int attempt,
				  const char *client, TimestampTz at)
{
	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	if (attempt == 0)
		attempt = attempt_named(board, instance, visit, client);
	if (attempt != 0)
		(void) count(board, instance, visit, attempt, at);
	LWLockRelease(board->lock);
}

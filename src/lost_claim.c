/*-------------------------------------------------------------------------
 *
 * lost_claim.c
 *	  Claims that lost their lease before they were completed.
 *
 * New ones overwrite the oldest.  Each is in the chain of its instance's hash
 * bucket, by index, so that a whole table lies in one piece of shared memory.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "lost_claim.h"

#include "client_name.h"
#include "common/hashfn.h"

#define NOWHERE (-1)

int
lost_claims_capacity(void)
{
	return Max(dfsmr_max_leases / 4, 64);
}

Size
lost_claims_size(void)
{
	return mul_size(lost_claims_capacity(), sizeof(LostClaim) + sizeof(int));
}

void
lost_claims_init(LostClaims *lost, char *memory)
{
	lost->capacity = lost_claims_capacity();
	lost->claims = (LostClaim *) memory;
	lost->chains = (int *) (memory + lost->capacity * sizeof(LostClaim));
	lost_claims_forget_all(lost);
}

static int *
chain_of(LostClaims *lost, const pg_uuid_t *instance)
{
	return &lost->chains[hash_bytes(instance->data, UUID_LEN) % lost->capacity];
}

void
lost_claims_forget(LostClaims *lost, LostClaim *claim)
{
	int			place = claim - lost->claims;
	int		   *link;

	if (claim->attempt == 0)
		return;
	for (link = chain_of(lost, &claim->instance); *link != place;)
		link = &lost->claims[*link].next;
	*link = claim->next;
	claim->attempt = 0;
}

void
lost_claims_remember(Board *board, const Lease *lease)
{
	LostClaims *lost = &board->lost_claims;
	LostClaim  *claim = &lost->claims[lost->oldest];
	int		   *chain = chain_of(lost, &lease->instance);

	/* One whose duration is known, or cannot be, has nothing to tell. */
	if (lease->pending || lease->counted)
		return;
	lost_claims_forget(lost, claim);
	claim->instance = lease->instance;
	claim->visit = lease->visit;
	claim->attempt = lease->attempt;
	claim->claimed_at = lease->claimed_at;
	claim->durations = lease->durations;
	claim->client_hash = client_name_hash(client_name(&board->clients, lease->client));
	claim->next = *chain;
	*chain = lost->oldest;
	lost->oldest = (lost->oldest + 1) % lost->capacity;
}

/* The first of the rest of a chain that is of the visit. */
static LostClaim *
search(LostClaims *lost, int place, const pg_uuid_t *instance, int visit)
{
	for (; place != NOWHERE; place = lost->claims[place].next)
	{
		LostClaim  *claim = &lost->claims[place];

		if (claim->visit == visit && memcmp(&claim->instance, instance, UUID_LEN) == 0)
			return claim;
	}
	return NULL;
}

LostClaim *
lost_claims_first(LostClaims *lost, const pg_uuid_t *instance, int visit)
{
	return search(lost, *chain_of(lost, instance), instance, visit);
}

LostClaim *
lost_claims_next(LostClaims *lost, const LostClaim *claim)
{
	return search(lost, claim->next, &claim->instance, claim->visit);
}

void
lost_claims_forget_all(LostClaims *lost)
{
	lost->oldest = 0;
	for (int i = 0; i < lost->capacity; i++)
	{
		lost->claims[i].attempt = 0;
		lost->chains[i] = NOWHERE;
	}
}

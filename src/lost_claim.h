/*-------------------------------------------------------------------------
 *
 * lost_claim.h
 *	  Claims that lost their lease before they were completed.
 *
 * A worker whose lease ran out, or whose visit somebody else ended, goes on
 * working; when it has done, its completion is late, or refused.  How long it
 * took counts all the same: if only what is done in time did, a percentile of
 * durations as a timeout would cut off its own tail again and again.  So the
 * latest claims of that kind are remembered: a ring, found by instance.
 *
 * All functions want the lock of the board held.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_LOST_CLAIM_H
#define DFSMR_LOST_CLAIM_H

#include "board_internal.h"

/* About 50 bytes each: one for every four leases, but some in any case. */
extern int	lost_claims_capacity(void);
extern Size lost_claims_size(void);
extern void lost_claims_init(LostClaims *lost, char *memory);

/* The lease is about to be dropped, and its holder has not completed. */
extern void lost_claims_remember(Board *board, const Lease *lease);

/*
 * The first claim of the instance's visit, or the next one behind another; NULL
 * when there is none.
 */
extern LostClaim *lost_claims_first(LostClaims *lost, const pg_uuid_t *instance, int visit);
extern LostClaim *lost_claims_next(LostClaims *lost, const LostClaim *claim);

extern void lost_claims_forget(LostClaims *lost, LostClaim *claim);
extern void lost_claims_forget_all(LostClaims *lost);

#endif							/* DFSMR_LOST_CLAIM_H */

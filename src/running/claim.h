/*-------------------------------------------------------------------------
 *
 * claim.h
 *	  Taking tasks off the board.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_CLAIM_H
#define DFSMR_CLAIM_H

#include "board_internal.h"
#include "instance.h"
#include "lease.h"
#include "machine.h"

/* A node to claim from. */
typedef struct ClaimTarget
{
	const NodeName *name;		/* interned */
	int			version;		/* the current one of its machine, */
	const Breaker *breaker;		/* ... the limits that this one declares, or NULL, */
	int			breaker_place;	/* ... and their place on the board, or -1 */

	/* Known while hints are popped. */
	int			slot;			/* of its sets, or -1 */
	bool		popped;			/* once at least: */
	DurationsRef durations;		/* slot -1: to be prepared */
} ClaimTarget;

/* A claim that was granted. */
typedef struct GrantedTask
{
	InstanceRow row;
	RowImage	image;
	const MachineNode *node;
	int			attempt;
	bool		too_late;		/* not granted: max_elapsed is over */
	LeaseTerm	term;
} GrantedTask;

/*
 * Claim up to max tasks of the given nodes for the client, best first, as far as
 * their breakers let them go.  The caller gives name, version and breaker.
 * Returns how many were granted; their descriptions in granted[], allocated in
 * the current memory context.
 */
extern int	claim_tasks(Board *board, ClaimTarget *targets, int ntargets,
						const char *client, int max, GrantedTask *granted);

#endif							/* DFSMR_CLAIM_H */

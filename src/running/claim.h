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

/* A claim that was granted. */
typedef struct GrantedTask
{
	InstanceRow row;
	RowImage	image;
	const MachineNode *node;
	int			attempt;
	LeaseTerm	term;
} GrantedTask;

/*
 * Claim up to max tasks of the given nodes for the client, best first.
 * Returns how many were granted; their descriptions in granted[], allocated in
 * the current memory context.
 */
extern int	claim_tasks(Board *board, const NodeName **targets, int ntargets,
						const char *client, int max, GrantedTask *granted);

#endif							/* DFSMR_CLAIM_H */

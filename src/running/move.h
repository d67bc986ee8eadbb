/*-------------------------------------------------------------------------
 *
 * move.h
 *	  Taking an instance from one node into another: the one place where that
 *	  is done, whoever asks for it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_MOVE_H
#define DFSMR_MOVE_H

#include "changelog.h"
#include "instance.h"
#include "machine.h"

/* What goes with a move; zero is the default of each field. */
typedef struct Move
{
	ChangeKind	kind;
	const char *transition;		/* as recorded */
	TimestampTz now;			/* board_now(): entered_at, and what delays add to */
	bool		has_delay;		/* the caller's delay replaces the target's */
	int64		delay;			/* microseconds */
	Jsonb	   *node_params;	/* of the node entered; NULL: they pass through */
	Jsonb	   *data;			/* merged into the instance's */
	const char *client;
	const char *note;
	int			attempt;		/* that completed, or failed, the visit left */
	int			failed_attempts;	/* 1: that attempt ran out */
	int			deliveries;		/* claims that ended with this move: 0 or 1 */
	TimestampTz claimed_at;
	BreakerTicket ticket;		/* of the claim that ends with this move */
	bool		no_wait;		/* for whoever has locked the row: the scheduler waits
								 * for nobody, one idle transaction must not stop time */
	int			completes;		/* attempt whose work this completes, now; 0: none */
} Move;

/*
 * Put a fresh row into its start node, without writing it; returns the number
 * of automatic moves that max_visits added to the changes to be written.
 */
extern void move_into_start(InstanceRow *row, const Machine *machine, const Move *move);

/*
 * Take the edge: change the row, write it and its changes, note it for the
 * board.  The row has just been read.  When the
 * result is not INSTANCE_UPDATED nothing has happened, and the row's contents
 * are undefined.
 */
extern InstanceUpdate move_along(InstanceTable *table, InstanceRow *row,
								 const Machine *machine, const MachineNode *from,
								 const MachineEdge *edge, const Move *move);

/* The same, to any node, off the edges. */
extern InstanceUpdate move_to(InstanceTable *table, InstanceRow *row,
							  const Machine *machine, const MachineNode *target,
							  const Move *move);

/* The same, to the final system node for aborted instances. */
extern InstanceUpdate move_to_aborted(InstanceTable *table, InstanceRow *row,
									  const Machine *machine, const Move *move);

/*
 * Write a row that stays in its visit (relinquish, a lease that ran out), with
 * one change; ended_attempt's lease is dropped at commit.
 */
extern InstanceUpdate move_stay(InstanceTable *table, InstanceRow *row,
								const RowImage *before, const Move *move,
								int ended_attempt);


#endif							/* DFSMR_MOVE_H */

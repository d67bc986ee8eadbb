/*-------------------------------------------------------------------------
 *
 * visits.h
 *	  How often an instance has entered the nodes that ask for it, and when it
 *	  did so first.
 *
 * Kept in the row as a JSON object by node name, and only for nodes that need
 * it: a count for those with max_visits and timers whose delay grows, and for
 * those with max_elapsed {"visits": count, "since": first entry}, in
 * microseconds since 1970.  NULL while no such node was entered since the start
 * or the last reset.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_VISITS_H
#define DFSMR_VISITS_H

#include "dfsmr.h"

#include "machine.h"
#include "utils/jsonb.h"

extern bool visits_are_counted(const MachineNode *node);

/*
 * Count one more visit, made now: returns the new object, and the count in *n.
 */
extern Jsonb *visits_count(Jsonb *visits, const MachineNode *node, TimestampTz now, int *n);

/*
 * The moment from which on the node's max_elapsed is over for an instance with
 * these visits; DT_NOEND when the node sets no such limit, or was not entered.
 */
extern TimestampTz visits_limit(Jsonb *visits, const MachineNode *node);

#endif							/* DFSMR_VISITS_H */

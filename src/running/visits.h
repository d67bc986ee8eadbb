/*-------------------------------------------------------------------------
 *
 * visits.h
 *	  How often an instance has entered the nodes that ask for it.
 *
 * Kept in the row as a JSON object, node name to count, and only for nodes
 * that need it: those with max_visits and timers whose delay grows.  NULL while
 * no such node was entered since the start or the last reset.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_VISITS_H
#define DFSMR_VISITS_H

#include "dfsmr.h"

#include "machine.h"
#include "utils/jsonb.h"

extern bool visits_are_counted(const MachineNode *node);

/* Count one more visit: returns the new object, and the count in *n. */
extern Jsonb *visits_count(Jsonb *visits, const char *node, int *n);

#endif							/* DFSMR_VISITS_H */

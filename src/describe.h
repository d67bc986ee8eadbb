/*-------------------------------------------------------------------------
 *
 * describe.h
 *	  Parts of a machine in words, for the details of messages.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_DESCRIBE_H
#define DFSMR_DESCRIBE_H

#include "machine.h"

/*
 * Where the node's edges lead, and by which transitions: "a" (go, skip), "b"
 * (stop).  Long lists are cut.  Palloc'd.
 */
extern char *describe_edges(const Machine *machine, const MachineNode *node);

/* The names of all nodes: "a", "b".  Long lists are cut.  Palloc'd. */
extern char *describe_nodes(const Machine *machine);

#endif							/* DFSMR_DESCRIBE_H */

/*-------------------------------------------------------------------------
 *
 * machine_cache.h
 *	  Compiled machines, cached by each backend.
 *
 * Versions never change, so an entry (machine, version) cannot be stale; what
 * can be is the answer to "which version is current" and "which nodes are
 * paused".  Both are read again whenever the definition counter of the board
 * (or, without a board, a relation invalidation) says that something moved.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_MACHINE_CACHE_H
#define DFSMR_MACHINE_CACHE_H

#include "postgres.h"

#include "machine.h"

/* What a backend knows of one machine as a whole; valid until the next call. */
typedef struct MachineInfo
{
	char		name[DFSMR_NAME_MAX + 1];
	int			current;		/* the newest version */
	const Machine *machine;		/* ... compiled */
	bool		paused;			/* the whole machine */
	int			nnodes;			/* node names of all versions, sorted */
	const char **nodes;			/* ... that ever were task nodes come with */
	bool	   *ever_task;		/* true here, */
	bool	   *ever_once;		/* ... those handed out at most once here too */
	bool	   *node_paused;	/* pause() was said for this node */
} MachineInfo;

/*
 * The machine of that name as committed now, or NULL.  Reads the catalog only
 * if something has changed since the last look.
 */
extern const MachineInfo *machine_info(const char *machine);

/* All machines, sorted by name; *n is set to their number. */
extern const MachineInfo **machine_info_all(int *n);

/* machine_info(), or ERROR SM001 with a hint. */
extern const MachineInfo *machine_info_required(const char *machine);

/*
 * The compiled machine of one version; ERROR SM001 when it does not exist.
 * Stays valid for the life of the backend.
 */
extern const Machine *machine_version(const char *machine, int version);

/*
 * The text of one version as it was given, palloc'd; ERROR SM001 when it does
 * not exist.
 */
extern text *machine_definition(const char *machine, int version);

/*
 * To be called by whoever has changed machine_version or pause: makes this
 * backend read them again, and the others too once the change has committed.
 */
extern void machine_cache_changed(void);

/* Is the node paused, alone or with its machine? */
extern bool machine_node_paused(const MachineInfo *info, const char *node);

/* Index into info->nodes, or -1. */
extern int	machine_info_find_node(const MachineInfo *info, const char *node);

#endif							/* DFSMR_MACHINE_CACHE_H */

/*-------------------------------------------------------------------------
 *
 * listener.h
 *	  Whether anybody listens to the changes of this database.
 *
 * The server does not tell who has executed LISTEN, so the command is noted as
 * it runs, by process.  Nobody is missed; somebody may be counted too many, who
 * has rolled LISTEN back, say, which costs what telling nobody costs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_LISTENER_H
#define DFSMR_LISTENER_H

#include "dfsmr.h"

/* The channel on which changes are told. */
#define CHANGES_CHANNEL "dfsmr"

/*
 * This session is about to execute LISTEN on the channel; it listens from then
 * on, until its end or listener_end(), whether that commits or not.
 */
extern void listener_begin(void);

/* It listens no longer.  Cannot fail. */
extern void listener_end(void);

/*
 * May there be somebody in this database to tell?  When not, no LISTEN that holds
 * had committed by the time of the caller's latest snapshot.
 */
extern bool listeners_any(void);

extern Size listeners_shmem_size(void);
extern void listeners_shmem_init(void);

#endif							/* DFSMR_LISTENER_H */

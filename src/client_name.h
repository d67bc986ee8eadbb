/*-------------------------------------------------------------------------
 *
 * client_name.h
 *	  Names of the clients that hold leases, each kept once.
 *
 * A worker holds many leases, and its name is longer than all else that a lease
 * knows.  So leases refer to names by place, and names count their references.
 * When there is no room for another name, a lease goes without: then nobody can
 * tell who holds it, and nothing else depends on it.
 *
 * All functions but the first three want the lock of the board held.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_CLIENT_NAME_H
#define DFSMR_CLIENT_NAME_H

#include "board_internal.h"

/* The place of a client that is not known. */
#define CLIENT_UNKNOWN (-1)

/* About 80 bytes each: one for every four leases, but some in any case. */
extern int	client_names_capacity(void);
extern Size client_names_size(void);
extern void client_names_init(ClientNames *names, char *memory);

/*
 * Its place, which stays as long as it is held, or CLIENT_UNKNOWN: it is empty,
 * or there is no room.
 */
extern int	client_name_hold(ClientNames *names, const char *name);
extern void client_name_release(ClientNames *names, int place);

/* The name, empty if it is not known, and its hash. */
extern const char *client_name(const ClientNames *names, int place);
extern uint32 client_name_hash(const char *name);

extern void client_names_forget_all(ClientNames *names);

#endif							/* DFSMR_CLIENT_NAME_H */

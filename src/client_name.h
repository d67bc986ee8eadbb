/*-------------------------------------------------------------------------
 *
 * client_name.h
 *	  Names of the clients that hold leases, each kept once.
 *
 * A worker holds many leases, and its name is longer than anything else that a
 * lease knows.  So leases refer to names by place, and names count their
 * references.  When there is no room for another name, a lease goes without: then
 * nobody can tell who holds it, and nothing else depends on it.
 *
 * A claim at most once must not go without, as its name goes into the row.  While
 * it is being written, some process waits for it, and each for one client at a
 * time: so many places are kept for them.  What is written needs no place.
 *
 * Functions that take the names want the lock of the board held.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_CLIENT_NAME_H
#define DFSMR_CLIENT_NAME_H

#include "board_internal.h"

/* The place of a client that is not known. */
#define CLIENT_UNKNOWN (-1)

/*
 * About 80 bytes each: one for every four leases, but some in any case; beside
 * those that are kept.
 */
extern int	client_names_capacity(void);
extern Size client_names_size(void);
extern void client_names_init(ClientNames *names, char *memory);

/*
 * Its place, which stays as long as it is held, or CLIENT_UNKNOWN: it is empty,
 * or there is no room; written: for a claim that is to be written.
 */
extern int	client_name_hold(ClientNames *names, const char *name, bool written);
extern void client_name_release(ClientNames *names, int place);

/* The name, empty if it is not known. */
extern const char *client_name(const ClientNames *names, int place);

/* A number that stands for the name; 0 for an empty one. */
extern uint32 client_name_hash(const char *name);

extern void client_names_forget_all(ClientNames *names);

#endif							/* DFSMR_CLIENT_NAME_H */

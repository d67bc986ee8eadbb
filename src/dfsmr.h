/*-------------------------------------------------------------------------
 *
 * dfsmr.h
 *	  What all server-side files of dfsmr share: SQLSTATEs, settings, names.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_H
#define DFSMR_H

#include "postgres.h"

#include "compat.h"

#include "datatype/timestamp.h"
#include "fmgr.h"
#include "utils/uuid.h"

/* SQLSTATEs: a promise to users, see docs/reference.md. */
#define DFSMR_SQLSTATE(d1, d2, d3) MAKE_SQLSTATE('S', 'M', d1, d2, d3)

#define DFSMR_UNKNOWN_MACHINE		DFSMR_SQLSTATE('0', '0', '1')
#define DFSMR_UNKNOWN_INSTANCE		DFSMR_SQLSTATE('0', '0', '2')
#define DFSMR_ILLEGAL_TRANSITION	DFSMR_SQLSTATE('0', '0', '3')
#define DFSMR_STALE_VISIT			DFSMR_SQLSTATE('0', '0', '4')
#define DFSMR_INVALID_DEFINITION	DFSMR_SQLSTATE('0', '0', '5')
#define DFSMR_INVALID_PARAMS		DFSMR_SQLSTATE('0', '0', '6')
#define DFSMR_FINISHED				DFSMR_SQLSTATE('0', '0', '7')
#define DFSMR_EXISTS				DFSMR_SQLSTATE('0', '0', '8')
#define DFSMR_VISIT_REQUIRED		DFSMR_SQLSTATE('0', '0', '9')
#define DFSMR_STALE_LEASE			DFSMR_SQLSTATE('0', '1', '0')
#define DFSMR_CURSOR_EXPIRED		DFSMR_SQLSTATE('0', '1', '1')
#define DFSMR_NOT_PRELOADED			DFSMR_SQLSTATE('0', '1', '2')
#define DFSMR_VERSION_MISMATCH		DFSMR_SQLSTATE('0', '1', '3')

/* A time in the future, which no delay can make overflow. */
static inline TimestampTz
time_after(TimestampTz now, int64 usecs)
{
	return usecs < END_TIMESTAMP - 1 - now ? now + usecs : END_TIMESTAMP - 1;
}

/* Settings, defined in init.c; times are milliseconds. */
extern int	dfsmr_default_timeout;
extern int	dfsmr_min_timeout;
extern int	dfsmr_max_timeout;
extern int	dfsmr_max_wait;
extern bool dfsmr_log_claims;
extern int	dfsmr_max_databases;
extern int	dfsmr_max_leases;
extern int	dfsmr_max_sets;
extern int	dfsmr_set_size;
extern int	dfsmr_timer_set_size;
extern int	dfsmr_max_waiters;
extern int	dfsmr_max_durations;
extern int	dfsmr_max_prepared;
extern int	dfsmr_max_breakers;
extern int	dfsmr_audit_interval;
extern int	dfsmr_change_retention;
extern int	dfsmr_debug_sleep_callback;
extern int	dfsmr_debug_sleep_claim;
extern int	dfsmr_debug_sleep_refill;
extern bool dfsmr_debug_lose_notes;
extern double dfsmr_debug_notify_limit;

/* The tables that the changelog is a ring of. */
#define CHANGE_MEMBERS 8

/*
 * extension.c: the OIDs of what this database's extension consists of, looked
 * up once and again after an invalidation.
 */
typedef struct ExtensionOids
{
	Oid			extension;
	Oid			owner;
	Oid			schema;
	Oid			installation;	/* tables */
	Oid			machine_version;
	Oid			instance;
	Oid			change;			/* partitioned into the members */
	Oid			change_member[CHANGE_MEMBERS];
	Oid			change_turn;
	Oid			change_forgotten;
	Oid			pause;
	Oid			privilege;
	Oid			node_duration;
	Oid			machine_version_pkey;	/* indexes */
	Oid			pause_pkey;
	Oid			node_duration_pkey;
	Oid			instance_pkey;
	Oid			instance_key;
	Oid			instance_ready;
	Oid			instance_delayed;
	Oid			instance_timer;
	Oid			change_position[CHANGE_MEMBERS];
	Oid			change_instance[CHANGE_MEMBERS];
	Oid			change_seq;		/* sequence */
} ExtensionOids;

/* Their OIDs, or NULL when the extension is not in this database. */
extern const ExtensionOids *extension_oids(void);

/* The same, or an ERROR. */
extern const ExtensionOids *extension_oids_required(void);

/*
 * The random id of this installation (installation.id): never in a dump.  Wants
 * what one of the functions above has just returned.
 */
extern pg_uuid_t extension_installation_id(const ExtensionOids *oids);

/*
 * Changes whenever what the functions above return may have changed: what is
 * cached of the extension's small tables is valid as long as it is the same.
 */
extern uint64 extension_generation(void);

/*
 * privilege.c: what the caller (GetUserId()) may do with a machine; NULL asks
 * for all machines.  The owner of the extension and superusers may all.
 */
typedef enum Privilege
{
	PRIVILEGE_READ = 1 << 0,
	PRIVILEGE_SIGNAL = 1 << 1,
	PRIVILEGE_WORK = 1 << 2,
	PRIVILEGE_START = 1 << 3,
	PRIVILEGE_ADMIN = 1 << 4	/* implies the others */
} Privilege;

/* Has the caller one of these privileges (a mask) on the machine? */
extern bool privilege_has(const char *machine, int any_of);

/* ERROR insufficient_privilege that names machine and what is needed. */
extern void privilege_require(const char *machine, int any_of);

/* ERROR null_value_not_allowed when argument argno (from 0) is NULL. */
extern void require_argument(FunctionCallInfo fcinfo, int argno, const char *name);

/*
 * A name or other short text argument as a C string, with embedded limits:
 * ERROR when NULL, or longer than max bytes.
 */
extern char *text_argument(FunctionCallInfo fcinfo, int argno, const char *name, int max);

/* The same, but NULL for NULL. */
extern char *optional_text_argument(FunctionCallInfo fcinfo, int argno, const char *name, int max);

#endif							/* DFSMR_H */

/*-------------------------------------------------------------------------
 *
 * grant.c
 *	  dfsmr.grant_...() and dfsmr.revoke_...(): giving and taking privileges.
 *
 * A privilege has two halves: the row in dfsmr.privilege says for which
 * machine, and is what every call asks; SQL's own EXECUTE and SELECT keep out
 * of the schema whoever has no row at all.  The second half follows from the
 * rows that the role has, so it is worked out anew each time, over what the
 * extension consists of at that time.
 *
 * Grants are rare, so this is SPI, as the owner of the extension.  All of
 * these functions have search_path = pg_catalog, pg_temp set on them.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "machine_cache.h"
#include "miscadmin.h"
#include "privilege.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"

/*
 * What a privilege lets one call, as an array of names; it is no error when
 * the extension has no function of that name (yet).
 */
static const struct
{
	Privilege	privilege;
	const char *routines;
}			callable[] =
{
	{PRIVILEGE_READ,
		"{validate,definition,graph,history,allowed,changes_since,changes_cursor,"
		"may_read,board_leases,board_status,board_breakers,board_time,node_durations,"
		"enforce,enforce_report}"},
	{PRIVILEGE_SIGNAL, "{signal}"},
	{PRIVILEGE_WORK,
		"{ready,transition,transition_many,transition_and_ready,relinquish,heartbeat}"},
	{PRIVILEGE_START, "{start,start_many}"},
	{PRIVILEGE_ADMIN,
		"{define,move,abort,pause,resume,tick,"
		"grant_read,grant_signal,grant_work,grant_start,grant_admin,"
		"revoke_read,revoke_signal,revoke_work,revoke_start,revoke_admin}"}
};

/* One call of grant_...() or revoke_...(). */
typedef struct GrantCall
{
	Privilege	privilege;
	bool		grant;
	Oid			role;
	char	   *role_name;		/* as it is called now */
	char	   *machine;		/* NULL: all */
	const ExtensionOids *oids;
} GrantCall;

/* ----------
 * SPI
 * ----------
 */

/* Run one statement with parameters; the result is in SPI_tuptable. */
static void
run(const char *query, int nargs, Oid *types, Datum *values, int expected)
{
	int			code = SPI_execute_with_args(query, nargs, types, values, NULL, false, 0);

	if (code != expected)
		elog(ERROR, "unexpected result %d of: %s", code, query);
}

/* Run a utility statement. */
static void
run_utility(const char *command)
{
	int			code = SPI_execute(command, false, 0);

	if (code != SPI_OK_UTILITY)
		elog(ERROR, "unexpected result %d of: %s", code, command);
}

/* The only value of a query that returns one text, or NULL. */
static char *
query_string(const char *query, int nargs, Oid *types, Datum *values)
{
	run(query, nargs, types, values, SPI_OK_SELECT);
	if (SPI_processed != 1)
		return NULL;
	return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
}

/* ----------
 * SQL's half
 * ----------
 */

/* The members of the extension that have one of these names, for GRANT; or NULL. */
static char *
list_routines(const GrantCall *call, const char *names)
{
	Oid			types[] = {OIDOID, TEXTOID};
	Datum		values[] = {ObjectIdGetDatum(call->oids->extension), CStringGetTextDatum(names)};

	return query_string("SELECT string_agg(p.oid::regprocedure::text, ', ' ORDER BY p.oid) "
						"FROM pg_depend AS d JOIN pg_proc AS p ON p.oid = d.objid "
						"WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e' "
						"AND d.refclassid = 'pg_extension'::regclass AND d.refobjid = $1 "
						"AND p.proname = ANY ($2::name[])",
						2, types, values);
}

/* All views of the extension: they filter what they show. */
static char *
list_views(const GrantCall *call)
{
	Oid			types[] = {OIDOID};
	Datum		values[] = {ObjectIdGetDatum(call->oids->extension)};

	return query_string("SELECT string_agg(c.oid::regclass::text, ', ' ORDER BY c.oid) "
						"FROM pg_depend AS d JOIN pg_class AS c ON c.oid = d.objid "
						"WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'e' "
						"AND d.refclassid = 'pg_extension'::regclass AND d.refobjid = $1 "
						"AND c.relkind = 'v'",
						1, types, values);
}

/* Its types, which one has to be allowed to use to declare something of. */
static char *
list_types(const GrantCall *call)
{
	Oid			types[] = {OIDOID};
	Datum		values[] = {ObjectIdGetDatum(call->oids->extension)};

	return query_string("SELECT string_agg(t.oid::regtype::text, ', ' ORDER BY t.oid) "
						"FROM pg_depend AS d JOIN pg_type AS t ON t.oid = d.objid "
						"JOIN pg_class AS c ON c.oid = t.typrelid AND c.relkind = 'c' "
						"WHERE d.classid = 'pg_type'::regclass AND d.deptype = 'e' "
						"AND d.refclassid = 'pg_extension'::regclass AND d.refobjid = $1",
						1, types, values);
}

/* GRANT or REVOKE, if there is anything to. */
static void
change_acl(const GrantCall *call, bool grant, const char *what, const char *objects)
{
	if (objects == NULL)
		return;
	run_utility(psprintf("%s %s %s %s %s", grant ? "GRANT" : "REVOKE", what, objects,
						 grant ? "TO" : "FROM", quote_identifier(call->role_name)));
}

typedef struct RoleMask
{
	Oid			role;
	int			mask;
} RoleMask;

static void
collect_mask(const PrivilegeRow *row, void *arg)
{
	RoleMask   *collected = arg;

	if (row->role == collected->role)
		collected->mask |= row->privilege;
}

/*
 * Have SQL's grants be what the rows of the role need.  Reading comes with any
 * privilege, everything with admin.
 */
static void
adjust_acls(const GrantCall *call)
{
	RoleMask	held = {call->role, 0};
	bool		any;

	privilege_scan(collect_mask, &held);
	any = held.mask != 0;
	if (any)
		change_acl(call, true, "USAGE ON SCHEMA", "dfsmr");
	change_acl(call, any, "SELECT ON TABLE", list_views(call));
	change_acl(call, (held.mask & (PRIVILEGE_WORK | PRIVILEGE_ADMIN)) != 0,
			   "USAGE ON TYPE", list_types(call));
	for (size_t i = 0; i < lengthof(callable); i++)
	{
		bool		needed = (held.mask & (callable[i].privilege | PRIVILEGE_ADMIN)) != 0 ||
			(any && callable[i].privilege == PRIVILEGE_READ);

		change_acl(call, needed, "EXECUTE ON ROUTINE",
				   list_routines(call, callable[i].routines));
	}
	if (!any)
		change_acl(call, false, "USAGE ON SCHEMA", "dfsmr");
}

/* ----------
 * The rows
 * ----------
 */

/*
 * Rows of roles that are gone are worth nothing and are cleared away; those of
 * roles that were renamed learn what they are called by now, since a dump knows
 * them by name.
 */
static void
tidy_rows(void)
{
	run("DELETE FROM dfsmr.privilege AS p "
		"WHERE NOT EXISTS (SELECT FROM pg_roles AS a WHERE a.oid = p.role)",
		0, NULL, NULL, SPI_OK_DELETE);
	run("WITH renamed AS (DELETE FROM dfsmr.privilege AS p USING pg_roles AS a "
		"WHERE a.oid = p.role AND a.rolname <> p.role_name "
		"RETURNING a.rolname, p.role, p.machine, p.privilege) "
		"INSERT INTO dfsmr.privilege (role_name, role, machine, privilege) "
		"SELECT r.rolname, r.role, r.machine, r.privilege FROM renamed AS r "
		"ON CONFLICT DO NOTHING",
		0, NULL, NULL, SPI_OK_INSERT);
}

static void
change_row(const GrantCall *call)
{
	Oid			types[] = {OIDOID, TEXTOID, TEXTOID, TEXTOID};
	Datum		values[] = {
		ObjectIdGetDatum(call->role),
		CStringGetTextDatum(call->role_name),
		CStringGetTextDatum(call->machine != NULL ? call->machine : ""),
		CStringGetTextDatum(privilege_name(call->privilege))
	};

	if (call->grant)
		run("INSERT INTO dfsmr.privilege (role, role_name, machine, privilege) "
			"VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
			4, types, values, SPI_OK_INSERT);
	else
		run("DELETE FROM dfsmr.privilege AS p WHERE p.role = $1 "
			"AND ($3 = '' OR p.machine = $3) AND p.privilege = $4",
			4, types, values, SPI_OK_DELETE);
}

/* ----------
 * The calls
 * ----------
 */

/*
 * May the caller do this?  An admin of a machine gives and takes what is below
 * admin on that machine; admin itself, and anything on all machines, is for
 * admins of all.
 */
static void
check_caller(const GrantCall *call)
{
	if (call->privilege == PRIVILEGE_ADMIN && !privilege_has(NULL, PRIVILEGE_ADMIN))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to %s the privilege admin",
						call->grant ? "grant" : "revoke"),
				 errdetail("Only an admin of all machines may do that.")));
	privilege_require(call->machine, PRIVILEGE_ADMIN);
}

static Datum
grant_or_revoke(FunctionCallInfo fcinfo, bool grant, Privilege privilege)
{
	GrantCall	call;
	Oid			user;
	int			context;

	memset(&call, 0, sizeof(call));
	call.privilege = privilege;
	call.grant = grant;
	call.role_name = text_argument(fcinfo, 0, "role", NAMEDATALEN - 1);
	call.machine = optional_text_argument(fcinfo, 1, "machine", DFSMR_NAME_MAX);
	call.oids = extension_oids_required();

	check_caller(&call);
	call.role = get_role_oid(call.role_name, false);
	if (call.machine != NULL)
		(void) machine_info_required(call.machine);

	/* One at a time: SQL's half is worked out from all rows of the role. */
	LockRelationOid(call.oids->privilege, ShareRowExclusiveLock);

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(call.oids->owner, context | SECURITY_LOCAL_USERID_CHANGE);
	SPI_connect();
	tidy_rows();
	change_row(&call);
	CommandCounterIncrement();
	adjust_acls(&call);
	SPI_finish();
	SetUserIdAndSecContext(user, context);
	PG_RETURN_VOID();
}

#define GRANT_FUNCTION(function, grant, privilege) \
PG_FUNCTION_INFO_V1(function); \
Datum \
function(PG_FUNCTION_ARGS) \
{ \
	return grant_or_revoke(fcinfo, grant, privilege); \
} \
extern Datum function(PG_FUNCTION_ARGS)

GRANT_FUNCTION(dfsmr_grant_read, true, PRIVILEGE_READ);
GRANT_FUNCTION(dfsmr_grant_signal, true, PRIVILEGE_SIGNAL);
GRANT_FUNCTION(dfsmr_grant_work, true, PRIVILEGE_WORK);
GRANT_FUNCTION(dfsmr_grant_start, true, PRIVILEGE_START);
GRANT_FUNCTION(dfsmr_grant_admin, true, PRIVILEGE_ADMIN);
GRANT_FUNCTION(dfsmr_revoke_read, false, PRIVILEGE_READ);
GRANT_FUNCTION(dfsmr_revoke_signal, false, PRIVILEGE_SIGNAL);
GRANT_FUNCTION(dfsmr_revoke_work, false, PRIVILEGE_WORK);
GRANT_FUNCTION(dfsmr_revoke_start, false, PRIVILEGE_START);
GRANT_FUNCTION(dfsmr_revoke_admin, false, PRIVILEGE_ADMIN);

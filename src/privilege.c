/*-------------------------------------------------------------------------
 *
 * privilege.c
 *	  What a role may do with a machine.
 *
 * The question is always about GetUserId(): SET ROLE and SECURITY DEFINER
 * functions count as they do everywhere in PostgreSQL.  GetOuterUserId() would
 * not do: maintenance commands run the index functions of other users' tables
 * without switching it, and would hand them the rights of the admin.
 *
 * Grants are rows of dfsmr.privilege, by role OID: the OID of a role that was
 * dropped names nobody, also when the name is used again.  A role has what was
 * granted to it and to every role whose privileges it inherits.  Each backend
 * keeps, per role that called, the sum of all that; a change of the table, of
 * any role or of any membership (invalidations) makes it be added up again.
 * The rows are read by a plain scan with SnapshotSelf, so that a grant counts
 * for the transaction that gave it, whatever its snapshot.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "privilege.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#define ALL_PRIVILEGES \
	(PRIVILEGE_READ | PRIVILEGE_SIGNAL | PRIVILEGE_WORK | PRIVILEGE_START | PRIVILEGE_ADMIN)

typedef struct MachineRights
{
	char	   *machine;
	int			mask;
} MachineRights;

/* The sum of what a role may do. */
typedef struct RoleRights
{
	Oid			role;			/* hash key */
	uint64		generation;		/* of the invalidations it knows of */
	Oid			owner;			/* of the extension, then */
	int			all;			/* on every machine */
	int			nmachines;
	MachineRights *machines;	/* beyond that; sorted by name */
	MemoryContext context;
} RoleRights;

static HTAB *role_rights = NULL;
static uint64 generation = 0;
static Oid	privilege_relation = InvalidOid;

PG_FUNCTION_INFO_V1(dfsmr_may_read);

static const struct
{
	int			bit;
	const char *name;
}			privilege_names[] =
{
	{PRIVILEGE_READ, "read"},
	{PRIVILEGE_SIGNAL, "signal"},
	{PRIVILEGE_WORK, "work"},
	{PRIVILEGE_START, "start"},
	{PRIVILEGE_ADMIN, "admin"}
};

const char *
privilege_name(Privilege privilege)
{
	for (size_t i = 0; i < lengthof(privilege_names); i++)
	{
		if (privilege_names[i].bit == (int) privilege)
			return privilege_names[i].name;
	}
	elog(ERROR, "unknown privilege %d", privilege);
	return NULL;				/* keep the compiler quiet */
}

static int
privilege_by_name(const char *name)
{
	for (size_t i = 0; i < lengthof(privilege_names); i++)
	{
		if (strcmp(privilege_names[i].name, name) == 0)
			return privilege_names[i].bit;
	}
	elog(ERROR, "unknown privilege \"%s\"", name);
	return 0;					/* keep the compiler quiet */
}

/* ----------
 * The table
 * ----------
 */

void
privilege_scan(privilege_visitor visit, void *arg)
{
	Relation	relation = table_open(extension_oids_required()->privilege, AccessShareLock);
	SysScanDesc scan = systable_beginscan(relation, InvalidOid, false, SnapshotSelf, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Datum		values[NUM_PRIVILEGE_COLUMNS];
		bool		nulls[NUM_PRIVILEGE_COLUMNS];
		PrivilegeRow row;

		heap_deform_tuple(tuple, RelationGetDescr(relation), values, nulls);
		row.role = DatumGetObjectId(values[PRIVILEGE_COLUMN_ROLE - 1]);
		row.machine = TextDatumGetCString(values[PRIVILEGE_COLUMN_MACHINE - 1]);
		row.privilege = privilege_by_name(TextDatumGetCString(values[PRIVILEGE_COLUMN_PRIVILEGE - 1]));
		visit(&row, arg);
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
}

/* ----------
 * The cache
 * ----------
 */

static void
relation_changed(Datum arg, Oid relation)
{
	if (relation == InvalidOid || relation == privilege_relation)
		generation++;
}

static void
role_changed(Datum arg, int cache, uint32 hash)
{
	generation++;
}

static void
create_cache(void)
{
	HASHCTL		ctl;

	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(RoleRights);
	ctl.hcxt = CacheMemoryContext;
	role_rights = hash_create("dfsmr rights of roles", 16, &ctl,
							  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, role_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, role_changed, (Datum) 0);
}

static int
compare_machines(const void *a, const void *b)
{
	return strcmp(((const MachineRights *) a)->machine, ((const MachineRights *) b)->machine);
}

/* Any privilege lets one read, admin lets one do all. */
static int
with_implied(int privilege)
{
	return privilege == PRIVILEGE_ADMIN ? ALL_PRIVILEGES : (privilege | PRIVILEGE_READ);
}

typedef struct Summing
{
	RoleRights *rights;
	int			allocated;
} Summing;

static void
add_row(const PrivilegeRow *row, void *arg)
{
	Summing    *summing = arg;
	RoleRights *rights = summing->rights;
	int			mask = with_implied(row->privilege);

	if (!OidIsValid(row->role) || !has_privs_of_role(rights->role, row->role))
		return;
	if (row->machine[0] == '\0')
	{
		rights->all |= mask;
		return;
	}
	if (rights->nmachines == summing->allocated)
	{
		summing->allocated *= 2;
		rights->machines = repalloc(rights->machines,
									sizeof(MachineRights) * summing->allocated);
	}
	rights->machines[rights->nmachines].machine = MemoryContextStrdup(rights->context, row->machine);
	rights->machines[rights->nmachines].mask = mask;
	rights->nmachines++;
}

/* Sort by machine and make one entry of those for the same one. */
static void
merge_machines(RoleRights *rights)
{
	int			kept = 0;

	qsort(rights->machines, rights->nmachines, sizeof(MachineRights), compare_machines);
	for (int i = 0; i < rights->nmachines; i++)
	{
		if (kept > 0 && compare_machines(&rights->machines[kept - 1], &rights->machines[i]) == 0)
			rights->machines[kept - 1].mask |= rights->machines[i].mask;
		else
			rights->machines[kept++] = rights->machines[i];
	}
	rights->nmachines = kept;
}

/*
 * Add up what the role may do.  Everything is made in a context that moves
 * under CacheMemoryContext only at the end, so that an error leaves nothing.
 */
static void
sum_up(Oid role, RoleRights *rights)
{
	Summing		summing = {rights, 8};

	memset(rights, 0, sizeof(*rights));
	rights->role = role;
	rights->owner = extension_oids_required()->owner;
	rights->generation = generation;
	rights->context = AllocSetContextCreate(CurrentMemoryContext, "dfsmr rights of a role",
											ALLOCSET_SMALL_SIZES);
	rights->machines = MemoryContextAlloc(rights->context,
										  sizeof(MachineRights) * summing.allocated);
	if (superuser_arg(role) || has_privs_of_role(role, rights->owner))
		rights->all = ALL_PRIVILEGES;
	else
		privilege_scan(add_row, &summing);
	merge_machines(rights);
}

static const RoleRights *
get_rights(Oid role)
{
	const ExtensionOids *oids = extension_oids_required();
	RoleRights *entry;
	RoleRights	fresh;
	bool		found;

	if (role_rights == NULL)
		create_cache();
	entry = hash_search(role_rights, &role, HASH_FIND, NULL);
	if (likely(entry != NULL && entry->generation == generation && entry->owner == oids->owner))
		return entry;

	privilege_relation = oids->privilege;
	sum_up(role, &fresh);

	entry = hash_search(role_rights, &role, HASH_ENTER, &found);
	if (found)
		MemoryContextDelete(entry->context);
	MemoryContextSetParent(fresh.context, CacheMemoryContext);
	*entry = fresh;
	return entry;
}

/* ----------
 * The questions
 * ----------
 */

bool
privilege_has(const char *machine, int any_of)
{
	const RoleRights *rights = get_rights(GetUserId());
	int			mask = rights->all;

	if (machine != NULL && (mask & any_of) == 0 && rights->nmachines > 0)
	{
		MachineRights key = {unconstify(char *, machine), 0};
		const MachineRights *found = bsearch(&key, rights->machines, rights->nmachines,
											 sizeof(MachineRights), compare_machines);

		if (found != NULL)
			mask |= found->mask;
	}
	return (mask & any_of) != 0;
}

/* "work" or "start, work or admin": the privileges of a mask. */
static char *
list_privileges(int mask)
{
	StringInfoData list;
	int			left = pg_popcount32(mask);

	initStringInfo(&list);
	for (size_t i = 0; i < lengthof(privilege_names); i++)
	{
		if ((privilege_names[i].bit & mask) == 0)
			continue;
		left--;
		appendStringInfo(&list, "%s%s", privilege_names[i].name,
						 left > 1 ? ", " : left == 1 ? " or " : "");
	}
	return list.data;
}

Refusal
privilege_refusal(const char *machine, int any_of)
{
	int			least = any_of & -any_of;

	return (Refusal) {
		.sqlstate = ERRCODE_INSUFFICIENT_PRIVILEGE,
		.message = machine != NULL ?
			psprintf("permission denied for machine \"%s\"", machine) :
			"permission denied for all machines",
		.detail = psprintf("Role \"%s\" needs the privilege %s.",
						   GetUserNameFromId(GetUserId(), false), list_privileges(any_of)),
		.hint = psprintf("An admin can give it with dfsmr.grant_%s().", privilege_name(least)),
	};
}

void
privilege_require(const char *machine, int any_of)
{
	if (unlikely(!privilege_has(machine, any_of)))
		raise_refusal(privilege_refusal(machine, any_of));
}

/*
 * may_read(machine text) RETURNS boolean
 *
 * May the caller see what belongs to the machine?  NULL asks about what
 * belongs to none, which is for those who may read them all.  The views ask
 * this of every row, so it is cheap and raises nothing.
 */
Datum
dfsmr_may_read(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(privilege_has(NULL, PRIVILEGE_READ));
	PG_RETURN_BOOL(privilege_has(text_to_cstring(PG_GETARG_TEXT_PP(0)), PRIVILEGE_READ));
}

/*-------------------------------------------------------------------------
 *
 * extension.c
 *	  What this database's extension consists of: OIDs, and its identity.
 *
 * Looked up once per backend and again after an invalidation that may concern
 * it.  Which those are: the schema is made and dropped by CREATE and DROP
 * EXTENSION, so every change of a schema, also one that is rolled back, drops
 * what is cached, also the answer that there is no extension; and REINDEX
 * CONCURRENTLY, or a new owner, invalidates the relations that are known.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_extension.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

static const struct
{
	const char *name;
	size_t		offset;
}			relations[] =
{
	{"installation", offsetof(ExtensionOids, installation)},
	{"machine_version", offsetof(ExtensionOids, machine_version)},
	{"instance", offsetof(ExtensionOids, instance)},
	{"change", offsetof(ExtensionOids, change)},
	{"pause", offsetof(ExtensionOids, pause)},
	{"privilege", offsetof(ExtensionOids, privilege)},
	{"node_duration", offsetof(ExtensionOids, node_duration)},
	{"machine_version_pkey", offsetof(ExtensionOids, machine_version_pkey)},
	{"pause_pkey", offsetof(ExtensionOids, pause_pkey)},
	{"node_duration_pkey", offsetof(ExtensionOids, node_duration_pkey)},
	{"instance_pkey", offsetof(ExtensionOids, instance_pkey)},
	{"instance_key", offsetof(ExtensionOids, instance_key)},
	{"instance_ready", offsetof(ExtensionOids, instance_ready)},
	{"instance_delayed", offsetof(ExtensionOids, instance_delayed)},
	{"instance_timer", offsetof(ExtensionOids, instance_timer)},
	{"change_seq", offsetof(ExtensionOids, change_seq)},
	{"change_turn", offsetof(ExtensionOids, change_turn)},
	{"change_forgotten", offsetof(ExtensionOids, change_forgotten)},
#define MEMBER(i) \
	{"change_" #i, offsetof(ExtensionOids, change_member[i])}, \
	{"change_" #i "_xid_seq_idx", offsetof(ExtensionOids, change_position[i])}, \
	{"change_" #i "_instance_seq_idx", offsetof(ExtensionOids, change_instance[i])}
	MEMBER(0), MEMBER(1), MEMBER(2), MEMBER(3),
	MEMBER(4), MEMBER(5), MEMBER(6), MEMBER(7),
#undef MEMBER
};

StaticAssertDecl(CHANGE_MEMBERS == 8, "every member of the changelog is named above");

#define RELATION_OID(oids, i) (*(Oid *) ((char *) (oids) + relations[i].offset))

/*
 * The cached answer.  It is valid unless an invalidation has come since it
 * was looked up; extension is InvalidOid when there is none.
 */
static ExtensionOids cached;
static bool cached_valid = false;
static pg_uuid_t cached_id;
static bool cached_id_valid = false;
static uint64 generation = 1;
static bool callbacks_registered = false;

static void
forget_cached(void)
{
	cached_valid = false;
	cached_id_valid = false;
	generation++;
}

static void
relation_changed(Datum arg, Oid relid)
{
	if (!OidIsValid(relid))
	{
		forget_cached();
		return;
	}
	for (int i = 0; i < (int) lengthof(relations); i++)
		if (RELATION_OID(&cached, i) == relid)
			forget_cached();
}

static void
namespace_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	forget_cached();
}

/* Read the row of pg_extension, if there is one. */
static void
look_up_extension(ExtensionOids *oids)
{
	Relation	catalog = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum("dfsmr"));
	scan = systable_beginscan(catalog, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		Form_pg_extension extension = (Form_pg_extension) GETSTRUCT(tuple);

		oids->extension = extension->oid;
		oids->owner = extension->extowner;
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
}

/*
 * Fill in everything.  False while the extension is incomplete, which is so
 * in the middle of its script.
 */
static bool
look_up(ExtensionOids *oids)
{
	memset(oids, 0, sizeof(*oids));
	look_up_extension(oids);
	if (!OidIsValid(oids->extension))
		return true;
	oids->schema = get_namespace_oid("dfsmr", true);
	if (!OidIsValid(oids->schema))
		return false;
	for (int i = 0; i < (int) lengthof(relations); i++)
	{
		RELATION_OID(oids, i) = get_relname_relid(relations[i].name, oids->schema);
		if (!OidIsValid(RELATION_OID(oids, i)))
			return false;
	}
	return true;
}

const ExtensionOids *
extension_oids(void)
{
	if (!callbacks_registered)
	{
		CacheRegisterSyscacheCallback(NAMESPACEOID, namespace_changed, (Datum) 0);
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
		callbacks_registered = true;
	}

	/* A transaction that already holds its locks would not notice otherwise. */
	AcceptInvalidationMessages();
	if (!cached_valid)
	{
		ExtensionOids oids;
		bool		complete;

		/*
		 * Marked valid beforehand, so that an invalidation that comes while we
		 * look up is not lost.
		 */
		cached_valid = true;
		PG_TRY();
		{
			complete = look_up(&oids);
		}
		PG_CATCH();
		{
			forget_cached();
			PG_RE_THROW();
		}
		PG_END_TRY();
		if (!complete)
		{
			forget_cached();
			return NULL;
		}
		cached = oids;
	}
	return OidIsValid(cached.extension) ? &cached : NULL;
}

const ExtensionOids *
extension_oids_required(void)
{
	const ExtensionOids *oids = extension_oids();

	if (oids == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("extension \"dfsmr\" is not installed in this database"),
				 errhint("Run CREATE EXTENSION dfsmr.")));
	return oids;
}

pg_uuid_t
extension_installation_id(const ExtensionOids *oids)
{
	Relation	relation;
	TupleTableSlot *slot;
	TableScanDesc scan;
	bool		isnull = true;

	if (cached_id_valid)
		return cached_id;
	relation = table_open(oids->installation, AccessShareLock);
	slot = table_slot_create(relation, NULL);
	scan = table_beginscan(relation, SnapshotSelf, 0, NULL);
	if (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		Datum		id = slot_getattr(slot, 2, &isnull);

		if (!isnull)
			cached_id = *DatumGetUUIDP(id);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(relation, AccessShareLock);
	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("table dfsmr.installation is empty"),
				 errhint("Insert its one row again: INSERT INTO dfsmr.installation DEFAULT VALUES.")));

	/* Not if an invalidation came meanwhile. */
	cached_id_valid = cached_valid;
	return cached_id;
}

uint64
extension_generation(void)
{
	(void) extension_oids();
	return generation;
}

/*-------------------------------------------------------------------------
 *
 * machine_cache.c
 *	  Compiled machines, cached by each backend; see machine_cache.h.
 *
 * Everything that is cached was read at some generation.  The generation
 * goes up when the definition counter of the board has moved, when one of the
 * two tables was invalidated, or when they are other tables than before; what
 * is older is then checked again before it is used.  Both ways of being told
 * are needed: invalidations come late to a transaction that already holds its
 * locks, and without a preload there is no counter.
 *
 * The tables are read with SnapshotSelf, so that the answer is the latest
 * committed state (and the caller's own writes), whatever snapshot the caller
 * has; no serialization failure comes of it and no predicate lock is taken.
 *
 * A version never changes once it is committed, but one that was seen by its
 * own transaction can be rolled back and its number given to another, and so
 * can all of them by DROP and CREATE EXTENSION.  A compiled version therefore
 * remembers the row that it was read from.
 *
 *-------------------------------------------------------------------------
 */
#include "machine_cache.h"

#include "board.h"
#include "board_internal.h"
#include "dfsmr.h"
#include "read_definition.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "common/hashfn.h"
#include "executor/tuptable.h"
#include "storage/lockdefs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* Columns; see install/10_tables.sql. */
enum
{
	VERSION_MACHINE = 1,
	VERSION_VERSION,
	VERSION_DEFINITION
};
enum
{
	PAUSE_MACHINE = 1,
	PAUSE_NODE
};

typedef struct CachedInfo
{
	char		name[DFSMR_NAME_MAX + 1];	/* hash key */
	uint64		generation;		/* when it was read; 0: it is not there */
	MemoryContext context;		/* of what info points to */
	MachineInfo info;
} CachedInfo;

typedef struct VersionKey
{
	char		machine[DFSMR_NAME_MAX + 1];	/* padded with zeroes */
	int32		version;
} VersionKey;

typedef struct CachedVersion
{
	VersionKey	key;
	uint64		generation;		/* when the row was last seen */
	Oid			relation;		/* the row that was read */
	TransactionId xmin;
	ItemPointerData tid;
	uint64		hash;			/* of its definition */
	const Machine *machine;		/* NULL until it is compiled */
} CachedVersion;

static HTAB *infos = NULL;
static HTAB *versions = NULL;
static const CachedVersion *last_version = NULL;	/* that was asked for */

static uint64 generation = 1;
static uint64 seen_counter = 0;
static Oid	seen_versions = InvalidOid; /* the relations that were read last */
static Oid	seen_pauses = InvalidOid;
static bool invalidated = false;

/* The names of all machines, sorted. */
static List *all_names = NIL;
static MemoryContext all_context = NULL;
static uint64 all_generation = 0;

static void
relation_changed(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || relid == seen_versions || relid == seen_pauses)
		invalidated = true;
}

static void
create_cache(void)
{
	HASHCTL		ctl;

	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);

	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = DFSMR_NAME_MAX + 1;
	ctl.entrysize = sizeof(CachedInfo);
	ctl.hcxt = CacheMemoryContext;
	infos = hash_create("dfsmr machines", 32, &ctl, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);

	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = sizeof(VersionKey);
	ctl.entrysize = sizeof(CachedVersion);
	ctl.hcxt = CacheMemoryContext;
	ctl.hash = name_hash;
	versions = hash_create("dfsmr machine versions", 64, &ctl,
						   HASH_ELEM | HASH_FUNCTION | HASH_CONTEXT);
}

/*
 * Begin to answer: find out whether anything may have changed.  NULL when the
 * extension is not there.
 */
static const ExtensionOids *
notice_changes(void)
{
	const ExtensionOids *oids = extension_oids();
	uint64		counter;

	if (oids == NULL)
		return NULL;
	if (versions == NULL)
		create_cache();

	/* The counter before any row: what changes after it is seen next time. */
	counter = board_definition_counter(oids);
	if (invalidated || counter != seen_counter ||
		oids->machine_version != seen_versions || oids->pause != seen_pauses)
	{
		generation++;
		invalidated = false;
		seen_counter = counter;
		seen_versions = oids->machine_version;
		seen_pauses = oids->pause;
	}
	return oids;
}

void
machine_cache_changed(void)
{
	const ExtensionOids *oids = extension_oids_required();

	CacheInvalidateRelcacheByRelid(oids->machine_version);
	CommandCounterIncrement();
	invalidated = true;
	board_definition_changed();
}

/* Compile the row in the slot into a context of its own. */
static const Machine *
compile_row(TupleTableSlot *slot, const char *name, int version, uint64 *hash, const CachedVersion *known)
{
	bool		isnull;
	Datum		datum = slot_getattr(slot, VERSION_DEFINITION, &isnull);
	text	   *definition = DatumGetTextPP(datum);
	MemoryContext context;
	FaultList	faults;
	const Machine *machine;

	*hash = hash_bytes_extended((unsigned char *) VARDATA_ANY(definition),
								VARSIZE_ANY_EXHDR(definition), 0);
	if (known->machine != NULL && known->hash == *hash)
		return known->machine;

	/* A child of the current context until it is whole, so no error leaks it. */
	context = AllocSetContextCreate(CurrentMemoryContext, "dfsmr machine", ALLOCSET_SMALL_SIZES);
	machine = read_definition(definition, context, &faults);
	if (machine == NULL)
		ereport(ERROR,
				(errcode(DFSMR_INVALID_DEFINITION),
				 errmsg("definition of machine \"%s\" version %d cannot be used", name, version),
				 errdetail("Line %d: %s.", faults.faults[0].line, faults.faults[0].message),
				 errhint("The row in dfsmr.machine_version was written past dfsmr.define(), or by a newer version of dfsmr.")));
	MemoryContextSetIdentifier(context, machine->id);
	MemoryContextSetParent(context, CacheMemoryContext);
	return machine;
}

/* The compiled machine of the row in the slot. */
static const Machine *
version_from_row(TupleTableSlot *slot, const char *name)
{
	bool		isnull;
	VersionKey	key;
	CachedVersion *cached;
	TransactionId xmin;
	bool		found;

	memset(&key, 0, sizeof(key));
	strlcpy(key.machine, name, sizeof(key.machine));
	key.version = DatumGetInt32(slot_getattr(slot, VERSION_VERSION, &isnull));
	xmin = DatumGetTransactionId(slot_getsysattr(slot, MinTransactionIdAttributeNumber, &isnull));

	cached = hash_search(versions, &key, HASH_ENTER, &found);
	if (!found)
	{
		cached->generation = 0;
		cached->relation = InvalidOid;
		cached->xmin = InvalidTransactionId;
		ItemPointerSetInvalid(&cached->tid);
		cached->hash = 0;
		cached->machine = NULL;
	}
	if (cached->machine == NULL || cached->relation != slot->tts_tableOid ||
		cached->xmin != xmin || !ItemPointerEquals(&cached->tid, &slot->tts_tid))
	{
		uint64		hash;
		const Machine *machine = compile_row(slot, name, key.version, &hash, cached);

		/*
		 * A machine that is replaced stays where it is: somebody further up
		 * may still be using it, and this is rare.
		 */
		cached->machine = machine;
		cached->hash = hash;
		cached->relation = slot->tts_tableOid;
		cached->xmin = xmin;
		cached->tid = slot->tts_tid;
	}
	cached->generation = generation;
	return cached->machine;
}

/* A scan by the primary key of one of the two tables. */
typedef struct KeyScan
{
	Relation	relation;
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
} KeyScan;

/* Begin a scan; without a name, over all rows in order. */
static void
scan_begin(KeyScan *scan, Oid relation, Oid index, const char *name, const int *version)
{
	ScanKeyData keys[2];
	int			nkeys = 0;

	scan->relation = table_open(relation, AccessShareLock);
	scan->index = index_open(index, AccessShareLock);
	scan->slot = table_slot_create(scan->relation, NULL);
	if (name != NULL)
		ScanKeyInit(&keys[nkeys++], 1, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(name));
	if (version != NULL)
		ScanKeyInit(&keys[nkeys++], 2, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(*version));
	for (int i = 0; i < nkeys; i++)
		keys[i].sk_collation = scan->index->rd_indcollation[i];
	scan->scan = index_beginscan(scan->relation, scan->index, SnapshotSelf, NULL, nkeys, 0);
	index_rescan(scan->scan, keys, nkeys, NULL, 0);
}

static bool
scan_next(KeyScan *scan)
{
	return index_getnext_slot(scan->scan, ForwardScanDirection, scan->slot);
}

static void
scan_end(KeyScan *scan)
{
	index_endscan(scan->scan);
	ExecDropSingleTupleTableSlot(scan->slot);
	index_close(scan->index, AccessShareLock);
	table_close(scan->relation, AccessShareLock);
}

static int
compare_strings(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* Fill in the nodes that any of these versions has. */
static void
collect_nodes(MachineInfo *info, List *machines)
{
	ListCell   *cell;
	int			total = 0;
	const char **names;

	foreach(cell, machines)
		total += ((const Machine *) lfirst(cell))->nnodes;
	names = palloc(total * sizeof(const char *));
	total = 0;
	foreach(cell, machines)
	{
		const Machine *machine = lfirst(cell);

		for (int i = 0; i < machine->nnodes; i++)
			names[total++] = machine->nodes[i].name;
	}
	qsort(names, total, sizeof(char *), compare_strings);

	/* The names live in compiled machines, which are never freed. */
	info->nodes = names;
	for (int i = 0; i < total; i++)
		if (info->nnodes == 0 || strcmp(names[info->nnodes - 1], names[i]) != 0)
			names[info->nnodes++] = names[i];
	info->ever_task = palloc0(info->nnodes * sizeof(bool));
	info->ever_once = palloc0(info->nnodes * sizeof(bool));
	info->node_paused = palloc0(info->nnodes * sizeof(bool));
	foreach(cell, machines)
	{
		const Machine *machine = lfirst(cell);

		for (int i = 0; i < machine->nnodes; i++)
		{
			const MachineNode *node = &machine->nodes[i];

			if (node->kind == NODE_TASK)
				info->ever_task[machine_info_find_node(info, node->name)] = true;
			if (node->at_most_once)
				info->ever_once[machine_info_find_node(info, node->name)] = true;
		}
	}
}

/* Fill in what is paused. */
static void
read_pauses(MachineInfo *info, const ExtensionOids *oids)
{
	KeyScan		scan;

	scan_begin(&scan, oids->pause, oids->pause_pkey, info->name, NULL);
	while (scan_next(&scan))
	{
		bool		isnull;
		char	   *node = TextDatumGetCString(slot_getattr(scan.slot, PAUSE_NODE, &isnull));
		int			index;

		if (node[0] == '\0')
		{
			info->paused = true;
			continue;
		}
		index = machine_info_find_node(info, node);
		if (index >= 0)
			info->node_paused[index] = true;
	}
	scan_end(&scan);
}

/*
 * Read everything about a machine into the current context.  False when no
 * version of it exists.
 */
static bool
read_info(MachineInfo *info, const char *name, const ExtensionOids *oids)
{
	KeyScan		scan;
	List	   *machines = NIL;

	memset(info, 0, sizeof(*info));
	strlcpy(info->name, name, sizeof(info->name));
	scan_begin(&scan, oids->machine_version, oids->machine_version_pkey, name, NULL);
	while (scan_next(&scan))
	{
		bool		isnull;

		info->machine = version_from_row(scan.slot, name);
		info->current = DatumGetInt32(slot_getattr(scan.slot, VERSION_VERSION, &isnull));
		machines = lappend(machines, unconstify(Machine *, info->machine));
	}
	scan_end(&scan);
	if (machines == NIL)
		return false;
	collect_nodes(info, machines);
	read_pauses(info, oids);
	list_free(machines);
	return true;
}

const MachineInfo *
machine_info(const char *name)
{
	const ExtensionOids *oids = notice_changes();
	uint64		now = generation;
	CachedInfo *cached;
	MemoryContext context;
	MemoryContext caller;
	MachineInfo info;
	bool		exists;

	if (oids == NULL || strlen(name) > DFSMR_NAME_MAX)
		return NULL;
	cached = hash_search(infos, name, HASH_FIND, NULL);
	if (cached != NULL && cached->generation == now)
		return &cached->info;

	/* Built aside and published when whole. */
	context = AllocSetContextCreate(CurrentMemoryContext, "dfsmr machine info", ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(context);
	exists = read_info(&info, name, oids);
	MemoryContextSwitchTo(caller);

	if (cached == NULL && exists)
	{
		cached = hash_search(infos, name, HASH_ENTER, NULL);
		cached->context = NULL;
	}
	if (cached != NULL)
	{
		if (cached->context != NULL)
			MemoryContextDelete(cached->context);
		cached->context = NULL;
		cached->generation = 0;
	}
	if (!exists)
	{
		MemoryContextDelete(context);
		return NULL;
	}
	MemoryContextSetParent(context, CacheMemoryContext);
	cached->context = context;
	cached->info = info;
	cached->generation = now;
	return &cached->info;
}

const MachineInfo *
machine_info_required(const char *name)
{
	const MachineInfo *info = machine_info(name);

	if (info == NULL)
	{
		extension_oids_required();
		ereport(ERROR,
				(errcode(DFSMR_UNKNOWN_MACHINE),
				 errmsg("machine \"%s\" does not exist", name),
				 errhint("SELECT machine FROM dfsmr.machines lists the machines that are defined.")));
	}
	return info;
}

/* Read the names of all machines into the list of names, unless it is current. */
static void
read_names(const ExtensionOids *oids)
{
	MemoryContext context;
	MemoryContext caller;
	List	   *names = NIL;
	KeyScan		scan;

	if (all_generation == generation)
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "dfsmr machine names", ALLOCSET_SMALL_SIZES);
	scan_begin(&scan, oids->machine_version, oids->machine_version_pkey, NULL, NULL);
	caller = MemoryContextSwitchTo(context);
	while (scan_next(&scan))
	{
		bool		isnull;
		char	   *name = TextDatumGetCString(slot_getattr(scan.slot, VERSION_MACHINE, &isnull));

		if (names == NIL || strcmp(llast(names), name) != 0)
			names = lappend(names, name);
	}
	MemoryContextSwitchTo(caller);
	scan_end(&scan);

	if (all_context != NULL)
		MemoryContextDelete(all_context);
	MemoryContextSetParent(context, CacheMemoryContext);
	all_context = context;
	all_names = names;
	all_generation = generation;
}

const MachineInfo **
machine_info_all(int *n)
{
	const ExtensionOids *oids = notice_changes();
	const MachineInfo **result;
	ListCell   *cell;

	*n = 0;
	if (oids == NULL)
		return NULL;
	read_names(oids);

	result = palloc(list_length(all_names) * sizeof(const MachineInfo *));
	foreach(cell, all_names)
	{
		const MachineInfo *info = machine_info(lfirst(cell));

		if (info != NULL)
			result[(*n)++] = info;
	}
	return result;
}

/* ERROR SM001, about the machine or about its version. */
static void
report_unknown_version(const char *name, int version)
{
	machine_info_required(name);
	ereport(ERROR,
			(errcode(DFSMR_UNKNOWN_MACHINE),
			 errmsg("machine \"%s\" has no version %d", name, version),
			 errhint("SELECT version FROM dfsmr.machines lists the versions of each machine.")));
}

const Machine *
machine_version(const char *name, int version)
{
	const ExtensionOids *oids = notice_changes();
	VersionKey	key;
	const CachedVersion *cached;
	const Machine *machine = NULL;
	KeyScan		scan;

	/* Mostly the same as the last time. */
	if (oids != NULL && last_version != NULL && last_version->generation == generation &&
		last_version->machine != NULL && last_version->key.version == version &&
		strcmp(last_version->key.machine, name) == 0)
		return last_version->machine;
	if (oids != NULL && strlen(name) <= DFSMR_NAME_MAX)
	{
		memset(&key, 0, sizeof(key));
		strlcpy(key.machine, name, sizeof(key.machine));
		key.version = version;
		cached = hash_search(versions, &key, HASH_FIND, NULL);
		if (cached != NULL && cached->machine != NULL && cached->generation == generation)
		{
			last_version = cached;
			return cached->machine;
		}

		scan_begin(&scan, oids->machine_version, oids->machine_version_pkey, name, &version);
		if (scan_next(&scan))
			machine = version_from_row(scan.slot, name);
		scan_end(&scan);
	}
	if (machine == NULL)
		report_unknown_version(name, version);
	return machine;
}

text *
machine_definition(const char *name, int version)
{
	const ExtensionOids *oids = notice_changes();
	text	   *definition = NULL;
	KeyScan		scan;

	if (oids != NULL)
	{
		scan_begin(&scan, oids->machine_version, oids->machine_version_pkey, name, &version);
		if (scan_next(&scan))
		{
			bool		isnull;

			definition = DatumGetTextPCopy(slot_getattr(scan.slot, VERSION_DEFINITION, &isnull));
		}
		scan_end(&scan);
	}
	if (definition == NULL)
		report_unknown_version(name, version);
	return definition;
}

int
machine_info_find_node(const MachineInfo *info, const char *node)
{
	int			low = 0;
	int			high = info->nnodes - 1;

	while (low <= high)
	{
		int			middle = low + (high - low) / 2;
		int			order = strcmp(node, info->nodes[middle]);

		if (order == 0)
			return middle;
		if (order < 0)
			high = middle - 1;
		else
			low = middle + 1;
	}
	return -1;
}

bool
machine_node_paused(const MachineInfo *info, const char *node)
{
	int			index;

	if (info->paused)
		return true;
	index = machine_info_find_node(info, node);
	return index >= 0 && info->node_paused[index];
}

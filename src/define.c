/*-------------------------------------------------------------------------
 *
 * define.c
 *	  validate(), define(), definition(), graph(): machines as users declare
 *	  and see them.
 *
 * define() decides between "the same again" and "a new version" by what the
 * definition means, and against the latest committed version, whatever the
 * isolation level of the caller.  Two that define one machine wait for each
 * other, so that both answers are right; other machines are not held up.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "catalog/pg_type.h"
#include "changelog.h"
#include "common/hashfn.h"
#include "common/int.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "machine_cache.h"
#include "miscadmin.h"
#include "read_definition.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(dfsmr_validate);
PG_FUNCTION_INFO_V1(dfsmr_define);
PG_FUNCTION_INFO_V1(dfsmr_definition);
PG_FUNCTION_INFO_V1(dfsmr_graph);

/* How many findings an error or a flood of warnings shows. */
#define FINDINGS_SHOWN 50

#define PRIVILEGE_ANY \
	(PRIVILEGE_READ | PRIVILEGE_SIGNAL | PRIVILEGE_WORK | PRIVILEGE_START | PRIVILEGE_ADMIN)

/* A finding as one line: "line 4, nodes.crawl: ..." */
static char *
fault_line(const Fault *fault)
{
	return psprintf("line %d%s%s: %s", fault->line, fault->place[0] != '\0' ? ", " : "",
					fault->place, fault->message);
}

/*
 * validate(definition) -> one row per finding: severity, line, place, message
 */
Datum
dfsmr_validate(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	FaultList	faults;

	require_argument(fcinfo, 0, "definition");
	init_materialized_srf(fcinfo);
	read_definition(PG_GETARG_TEXT_PP(0), CurrentMemoryContext, &faults);
	for (int i = 0; i < faults.nfaults; i++)
	{
		const Fault *fault = &faults.faults[i];
		Datum		values[4];
		bool		nulls[4] = {false};

		values[0] = CStringGetTextDatum(severity_name(fault->severity));
		values[1] = Int32GetDatum(fault->line);
		values[2] = CStringGetTextDatum(fault->place);
		nulls[2] = fault->place[0] == '\0';
		values[3] = CStringGetTextDatum(fault->message);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* ERROR SM005 with all that is wrong. */
pg_noreturn static void
report_invalid(const FaultList *faults)
{
	StringInfoData detail;

	initStringInfo(&detail);
	for (int i = 0; i < faults->nfaults && i < FINDINGS_SHOWN; i++)
		appendStringInfo(&detail, "%s%s%s", i > 0 ? "\n" : "",
						 faults->faults[i].severity == SEVERITY_WARNING ? "warning, " : "",
						 fault_line(&faults->faults[i]));
	if (faults->nfaults > FINDINGS_SHOWN)
		appendStringInfo(&detail, "\nand %d more", faults->nfaults - FINDINGS_SHOWN);
	ereport(ERROR,
			(errcode(DFSMR_INVALID_DEFINITION),
			 errmsg_plural("definition has %d error", "definition has %d errors",
						   faults->nerrors, faults->nerrors),
			 errdetail_internal("%s", detail.data),
			 errhint("dfsmr.validate() lists the findings as rows.")));
}

/* What is no error is said nevertheless, to whoever makes the version. */
static void
report_warnings(const FaultList *faults)
{
	for (int i = 0; i < faults->nfaults && i < FINDINGS_SHOWN; i++)
		ereport(WARNING, (errmsg_internal("%s", fault_line(&faults->faults[i]))));
}

/*
 * Have those that define the same machine wait for each other until the end
 * of their transactions.  Names that share a hash wait as well, to no harm.
 */
static void
lock_machine(const ExtensionOids *oids, const char *name)
{
	uint32		hash = hash_bytes((const unsigned char *) name, strlen(name));

	LockDatabaseObject(oids->machine_version, hash, 0, ExclusiveLock);
}

/*
 * ERROR SM013 unless the version that the caller takes for current is so.  0
 * stands for "there is none".
 */
static void
check_replaces(const char *name, int current, int replaces)
{
	if (replaces == current)
		return;
	ereport(ERROR,
			(errcode(DFSMR_VERSION_MISMATCH),
			 current == 0 ?
			 errmsg("machine \"%s\" has no version yet, so version %d cannot be replaced", name, replaces) :
			 errmsg("machine \"%s\" is at version %d, not %d", name, current, replaces),
			 errdetail("The argument \"replaces\" names the version that the definition was made from."),
			 errhint("Look at the current definition, and define again from there.")));
}

/* Does this version of the machine mean the same as the one given? */
static bool
is_same(const Machine *stored, const Machine *given)
{
	Arena	   *arena = arena_in_context(CurrentMemoryContext);

	return strcmp(machine_canonical(arena, stored), machine_canonical(arena, given)) == 0;
}

/* Write the new version, as the owner of the tables. */
static void
store_version(const ExtensionOids *oids, const Machine *machine, int version, Datum definition)
{
	Arena	   *arena = arena_in_context(CurrentMemoryContext);
	Oid			types[] = {TEXTOID, INT4OID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TEXTOID};
	Datum		values[lengthof(types)];
	Oid			user;
	int			context;
	int			code;

	values[0] = CStringGetTextDatum(machine->id);
	values[1] = Int32GetDatum(version);
	values[2] = definition;
	values[3] = CStringGetTextDatum(machine_canonical(arena, machine));
	values[4] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[5] = CStringGetTextDatum(GetUserNameFromId(GetUserId(), false));

	/* Should an error occur, its abort gives the user back. */
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(oids->owner, context | SECURITY_LOCAL_USERID_CHANGE);
	SPI_connect();
	code = SPI_execute_with_args("INSERT INTO dfsmr.machine_version"
								 " (machine, version, definition, canonical, created_at, created_by)"
								 " VALUES ($1, $2, $3, $4, $5, $6)",
								 lengthof(types), types, values, NULL, false, 0);
	if (code != SPI_OK_INSERT)
		elog(ERROR, "could not store a machine version: %s", SPI_result_code_string(code));
	SPI_finish();
	SetUserIdAndSecContext(user, context);
}

/*
 * define(definition, dry_run, replaces) -> machine, version, created
 *
 * A call repeated is answered as the first time, but for "created": the same
 * definition is accepted with the "replaces" that it had then.
 */
Datum
dfsmr_define(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	const ExtensionOids *oids;
	const Machine *machine;
	const MachineInfo *info;
	FaultList	faults;
	bool		dry_run;
	int			version;
	bool		created;
	Datum		values[3];
	bool		nulls[3] = {false};

	require_argument(fcinfo, 0, "definition");
	require_argument(fcinfo, 1, "dry_run");
	dry_run = PG_GETARG_BOOL(1);
	init_materialized_srf(fcinfo);

	machine = read_definition(PG_GETARG_TEXT_PP(0), CurrentMemoryContext, &faults);
	if (machine == NULL)
		report_invalid(&faults);
	oids = extension_oids_required();
	privilege_require(machine->id, PRIVILEGE_ADMIN);
	if (!dry_run)
	{
		PreventCommandIfReadOnly("dfsmr.define()");
		PreventCommandDuringRecovery("dfsmr.define()");
		lock_machine(oids, machine->id);
	}

	info = machine_info(machine->id);
	version = info != NULL ? info->current : 0;
	created = info == NULL || !is_same(info->machine, machine);
	if (!PG_ARGISNULL(2) && (created || PG_GETARG_INT32(2) != version - 1))
		check_replaces(machine->id, version, PG_GETARG_INT32(2));

	if (created)
	{
		report_warnings(&faults);
		if (pg_add_s32_overflow(version, 1, &version))
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("machine \"%s\" has no more version numbers", machine->id)));
	}
	if (created && !dry_run)
	{
		Change		change = {.kind = CHANGE_DEFINE,.machine = machine->id,.version = version};

		store_version(oids, machine, version, PG_GETARG_DATUM(0));
		changelog_write(&change);
		machine_cache_changed();
	}

	values[0] = CStringGetTextDatum(machine->id);
	values[1] = Int32GetDatum(version);
	values[2] = BoolGetDatum(created);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	return (Datum) 0;
}

/*
 * The machine and version that the first two arguments name; the newest one
 * when no version is given.  The caller must have some right on the machine.
 */
static char *
named_version(FunctionCallInfo fcinfo, int *version)
{
	char	   *name = text_argument(fcinfo, 0, "machine", DFSMR_NAME_MAX);

	privilege_require(name, PRIVILEGE_ANY);
	*version = PG_ARGISNULL(1) ? machine_info_required(name)->current : PG_GETARG_INT32(1);
	return name;
}

/*
 * definition(machine, version) -> the text as it was given to define()
 */
Datum
dfsmr_definition(PG_FUNCTION_ARGS)
{
	int			version;
	char	   *name = named_version(fcinfo, &version);

	PG_RETURN_TEXT_P(machine_definition(name, version));
}

/*
 * graph(machine, version, format) -> a diagram in the language of Mermaid, or
 * of Graphviz ("dot")
 */
Datum
dfsmr_graph(PG_FUNCTION_ARGS)
{
	int			version;
	char	   *name = named_version(fcinfo, &version);
	char	   *format = text_argument(fcinfo, 2, "format", NAMEDATALEN);
	const Machine *machine = machine_version(name, version);
	Arena	   *arena = arena_in_context(CurrentMemoryContext);
	const char *diagram;

	if (strcmp(format, "mermaid") == 0)
		diagram = machine_mermaid(arena, machine);
	else if (strcmp(format, "dot") == 0)
		diagram = machine_dot(arena, machine);
	else
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown diagram format \"%s\"", format),
				 errhint("Formats are \"mermaid\" and \"dot\".")));
	PG_RETURN_TEXT_P(cstring_to_text(diagram));
}

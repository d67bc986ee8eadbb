/*-------------------------------------------------------------------------
 *
 * enforce.c
 *	  dfsmr.enforce(): a machine holds on a column of a user's own table.
 *
 * The trigger is BEFORE ... FOR EACH ROW, so that a refused row costs nothing
 * but the check.  What its arguments say is worked out when it first runs in a
 * session and kept by trigger OID until the table changes (any relation
 * invalidation: ALTER TABLE, DROP TRIGGER, a renamed column ...).  After that
 * a row costs one look at the cached machine and one at its edges; there is
 * no SPI and no catalog access per row, and a row that leaves the column alone
 * not even that.
 *
 * The machine is read on behalf of whoever may write the table: he needs no
 * privilege in dfsmr.  EXECUTE on this function, which CREATE TRIGGER checks,
 * is what lets somebody bind a table to a machine.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "describe.h"
#include "machine_cache.h"
#include "mb/pg_wchar.h"
#include "partition_move.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* What find_node() answers when it is not a node of the machine. */
#define NOT_A_NODE	(-1)
#define NULL_VALUE	(-2)

typedef enum ValueForm
{
	FORM_TEXT,					/* text, character varying */
	FORM_BPCHAR,				/* character(n): blanks at the end mean nothing */
	FORM_NAME,
	FORM_ENUM
} ValueForm;

/* What is known of one trigger; an entry is published only when whole. */
typedef struct EnforceTrigger
{
	Oid			trigger;		/* hash key */
	Oid			relation;
	bool		valid;			/* cleared by an invalidation */
	bool		insert_any;		/* insert=any */
	bool		repair;			/* from_unknown=repair */
	int			version;		/* version=N, or 0: the current one */
	AttrNumber	attnum;
	ValueForm	form;
	bool		byval;
	int16		typlen;
	char		machine[DFSMR_NAME_MAX + 1];
	char		column[NAMEDATALEN];
} EnforceTrigger;

/* The machine that judges a row, and which version of it. */
typedef struct Judge
{
	const Machine *machine;
	int			version;
} Judge;

static HTAB *triggers = NULL;

PG_FUNCTION_INFO_V1(dfsmr_enforce);

/* ----------
 * The cache of triggers
 * ----------
 */

/*
 * The relation changed (all of them: InvalidOid), so what was worked out for
 * its triggers may be wrong.  Only sets flags: an entry may be in use.
 */
static void
relation_changed(Datum arg, Oid relation)
{
	HASH_SEQ_STATUS status;
	EnforceTrigger *trigger;

	hash_seq_init(&status, triggers);
	while ((trigger = hash_seq_search(&status)) != NULL)
	{
		if (relation == InvalidOid || trigger->relation == relation)
			trigger->valid = false;
	}
	partition_move_forget(relation);
}

static void
create_cache(void)
{
	HASHCTL		ctl;

	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(EnforceTrigger);
	ctl.hcxt = CacheMemoryContext;
	triggers = hash_create("dfsmr enforce triggers", 16, &ctl,
						   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
}

/* Drop the entries that were invalidated, those of dropped triggers among them. */
static void
sweep_cache(void)
{
	HASH_SEQ_STATUS status;
	EnforceTrigger *trigger;

	hash_seq_init(&status, triggers);
	while ((trigger = hash_seq_search(&status)) != NULL)
	{
		if (!trigger->valid)
			hash_search(triggers, &trigger->trigger, HASH_REMOVE, NULL);
	}
}

/* ----------
 * What the arguments say
 * ----------
 */

static void
bad_option(const Trigger *trigger, const char *option, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid option \"%s\" of trigger \"%s\"", option, trigger->tgname),
			 errhint("%s", hint)));
}

/* One of two words: is it the first? */
static bool
parse_choice(const Trigger *trigger, const char *option, const char *value,
			 const char *first, const char *second)
{
	if (strcmp(value, first) == 0)
		return true;
	if (strcmp(value, second) != 0)
		bad_option(trigger, option,
				   psprintf("Write %.*s%s or %.*s%s.",
							(int) (value - option), option, first,
							(int) (value - option), option, second));
	return false;
}

static int
parse_version(const Trigger *trigger, const char *option, const char *value)
{
	char	   *end;
	long		version;

	errno = 0;
	version = strtol(value, &end, 10);
	if (errno != 0 || *value < '0' || *value > '9' || *end != '\0' ||
		version < 1 || version > PG_INT32_MAX)
		bad_option(trigger, option, "Write version= and the number of a version, from 1.");
	return (int) version;
}

static void
parse_option(const Trigger *trigger, const char *option, EnforceTrigger *result)
{
	static const char insert[] = "insert=";
	static const char from_unknown[] = "from_unknown=";
	static const char version[] = "version=";

	if (strncmp(option, insert, strlen(insert)) == 0)
		result->insert_any = parse_choice(trigger, option, option + strlen(insert),
										  "any", "start");
	else if (strncmp(option, from_unknown, strlen(from_unknown)) == 0)
		result->repair = parse_choice(trigger, option, option + strlen(from_unknown),
									  "repair", "refuse");
	else if (strncmp(option, version, strlen(version)) == 0)
		result->version = parse_version(trigger, option, option + strlen(version));
	else
		bad_option(trigger, option,
				   "Known options: insert=start, insert=any, from_unknown=refuse, from_unknown=repair, version=N.");
}

/* Machine, column and options; machine and column are not looked up yet. */
static void
parse_arguments(const Trigger *trigger, EnforceTrigger *result)
{
	if (trigger->tgnargs < 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("trigger \"%s\" must name a machine and a column", trigger->tgname),
				 errhint("Write EXECUTE FUNCTION dfsmr.enforce('machine', 'column').")));

	if (strlen(trigger->tgargs[0]) > DFSMR_NAME_MAX)
		ereport(ERROR,
				(errcode(DFSMR_UNKNOWN_MACHINE),
				 errmsg("machine name in trigger \"%s\" is longer than %d bytes",
						trigger->tgname, DFSMR_NAME_MAX)));
	strlcpy(result->machine, trigger->tgargs[0], sizeof(result->machine));

	if (strlen(trigger->tgargs[1]) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("column name in trigger \"%s\" is longer than %d bytes",
						trigger->tgname, NAMEDATALEN - 1)));
	strlcpy(result->column, trigger->tgargs[1], sizeof(result->column));

	for (int i = 2; i < trigger->tgnargs; i++)
		parse_option(trigger, trigger->tgargs[i], result);
}

/* Find the column and see that it can hold names of nodes. */
static void
resolve_column(Relation relation, const Trigger *trigger, EnforceTrigger *result)
{
	Form_pg_attribute attribute = NULL;
	Oid			base;

	for (int i = 0; i < RelationGetNumberOfAttributes(relation); i++)
	{
		Form_pg_attribute candidate = TupleDescAttr(RelationGetDescr(relation), i);

		if (!candidate->attisdropped &&
			strcmp(NameStr(candidate->attname), result->column) == 0)
			attribute = candidate;
	}
	if (attribute == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist",
						result->column, RelationGetRelationName(relation)),
				 errdetail("Trigger \"%s\" enforces machine \"%s\" on it.",
						   trigger->tgname, result->machine),
				 errhint("Drop the trigger, or create it again with the column's present name.")));
	if (attribute->attgenerated != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("trigger \"%s\" cannot enforce a machine on generated column \"%s\"",
						trigger->tgname, result->column),
				 errdetail("Generated columns are computed after BEFORE triggers have run.")));

	base = getBaseType(attribute->atttypid);
	if (base == TEXTOID || base == VARCHAROID)
		result->form = FORM_TEXT;
	else if (base == BPCHAROID)
		result->form = FORM_BPCHAR;
	else if (base == NAMEOID)
		result->form = FORM_NAME;
	else if (type_is_enum(base))
		result->form = FORM_ENUM;
	else
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of relation \"%s\" cannot hold nodes of a machine",
						result->column, RelationGetRelationName(relation)),
				 errdetail("It is of type %s.", format_type_be(attribute->atttypid)),
				 errhint("Use text, character varying, character, name, an enum, or a domain over one of these.")));
	result->attnum = attribute->attnum;
	result->byval = attribute->attbyval;
	result->typlen = attribute->attlen;
}

/* The machine as it judges now; ERROR SM001 when there is none. */
static void
get_judge(const EnforceTrigger *trigger, Judge *judge)
{
	if (trigger->version != 0)
	{
		judge->machine = machine_version(trigger->machine, trigger->version);
		judge->version = trigger->version;
	}
	else
	{
		const MachineInfo *info = machine_info_required(trigger->machine);

		judge->machine = info->machine;
		judge->version = info->current;
	}
}

/*
 * What is known of the trigger, worked out if need be.  The relation is open
 * and locked by the caller's statement, so the answer holds until its end.
 */
static const EnforceTrigger *
get_trigger(const TriggerData *trigdata)
{
	EnforceTrigger *found;
	EnforceTrigger fresh;
	Judge		judge;

	if (triggers == NULL)
		create_cache();
	found = hash_search(triggers, &trigdata->tg_trigger->tgoid, HASH_FIND, NULL);
	if (likely(found != NULL && found->valid))
		return found;

	memset(&fresh, 0, sizeof(fresh));
	fresh.trigger = trigdata->tg_trigger->tgoid;
	fresh.relation = RelationGetRelid(trigdata->tg_relation);
	fresh.valid = true;
	parse_arguments(trigdata->tg_trigger, &fresh);
	resolve_column(trigdata->tg_relation, trigdata->tg_trigger, &fresh);
	get_judge(&fresh, &judge);

	sweep_cache();
	found = hash_search(triggers, &fresh.trigger, HASH_ENTER, NULL);
	*found = fresh;
	return found;
}

/* ----------
 * Values
 * ----------
 */

/* The value as a string, whatever its length: for messages. */
static char *
value_string(const EnforceTrigger *trigger, Datum value)
{
	char	   *string;
	int			length;

	switch (trigger->form)
	{
		case FORM_NAME:
			string = pstrdup(NameStr(*DatumGetName(value)));
			break;
		case FORM_ENUM:
			string = DatumGetCString(DirectFunctionCall1(enum_out, value));
			break;
		case FORM_TEXT:
		case FORM_BPCHAR:
		default:
			string = TextDatumGetCString(value);
			break;
	}

	/* Nobody wants a megabyte of legacy in the log. */
	length = strlen(string);
	if (length > 2 * NAMEDATALEN)
	{
		length = pg_mbcliplen(string, length, 2 * NAMEDATALEN);
		string = psprintf("%.*s...", length, string);
	}
	return string;
}

/* Index of the node that these bytes name, or NOT_A_NODE. */
static int
find_node_by_bytes(const Machine *machine, const char *bytes, int length)
{
	char		name[DFSMR_NAME_MAX + 1];

	if (length > DFSMR_NAME_MAX)
		return NOT_A_NODE;
	memcpy(name, bytes, length);
	name[length] = '\0';
	return machine_find_node(machine, name);
}

/* Index of the node that the value names, NOT_A_NODE or NULL_VALUE. */
static int
find_node(const EnforceTrigger *trigger, const Machine *machine, Datum value, bool isnull)
{
	if (isnull)
		return NULL_VALUE;

	if (trigger->form == FORM_NAME)
		return machine_find_node(machine, NameStr(*DatumGetName(value)));

	if (trigger->form == FORM_ENUM)
	{
		HeapTuple	tuple = SearchSysCache1(ENUMOID, value);
		int			node;

		if (!HeapTupleIsValid(tuple))
			return NOT_A_NODE;
		node = machine_find_node(machine,
								 NameStr(((Form_pg_enum) GETSTRUCT(tuple))->enumlabel));
		ReleaseSysCache(tuple);
		return node;
	}

	/*
	 * A character(n) may be padded beyond any name, so it has to be read; of
	 * the others a long one need not even be fetched.
	 */
	if (trigger->form == FORM_TEXT &&
		toast_raw_datum_size(value) - VARHDRSZ > DFSMR_NAME_MAX)
		return NOT_A_NODE;
	else
	{
		struct varlena *text = PG_DETOAST_DATUM_PACKED(value);
		char	   *bytes = VARDATA_ANY(text);
		int			length = VARSIZE_ANY_EXHDR(text);

		if (trigger->form == FORM_BPCHAR)
			length = bpchartruelen(bytes, length);
		return find_node_by_bytes(machine, bytes, length);
	}
}

/* ----------
 * Refusals
 * ----------
 */

/*
 * Detail: what is allowed instead.  from is the node that the row is at, or
 * -1 when it is at none; start says that only the start node would do.
 */
static int
errdetail_allowed(const Judge *judge, int from, bool start)
{
	const Machine *machine = judge->machine;
	const MachineNode *node;

	if (start)
		return errdetail("Version %d allows a new row at \"%s\".",
						 judge->version, machine->nodes[machine->start].name);
	if (from < 0)
		return errdetail("Version %d knows %s.", judge->version, describe_nodes(machine));
	node = &machine->nodes[from];
	if (node->nedges == 0)
		return errdetail("Version %d allows nothing after \"%s\", which is final.",
						 judge->version, node->name);
	return errdetail("Version %d allows from \"%s\": %s.",
					 judge->version, node->name, describe_edges(machine, node));
}

/* The new value is NULL or not a node; from and start as above. */
static void
refuse_value(const TriggerData *trigdata, const EnforceTrigger *trigger,
			 const Judge *judge, int from, bool start, Datum value, bool isnull)
{
	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg("null value in column \"%s\" of relation \"%s\" is not a node of machine \"%s\"",
						trigger->column, RelationGetRelationName(trigdata->tg_relation),
						trigger->machine),
				 errdetail_allowed(judge, from, start),
				 start ? errhint("Give the column a DEFAULT or a value.") : 0,
				 errtableconstraint(trigdata->tg_relation, trigdata->tg_trigger->tgname)));
	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 errmsg("\"%s\" is not a node of machine \"%s\"",
					value_string(trigger, value), trigger->machine),
			 errdetail_allowed(judge, from, start),
			 errtableconstraint(trigdata->tg_relation, trigdata->tg_trigger->tgname)));
}

/* ----------
 * The checks
 * ----------
 */

static void
check_insert(const TriggerData *trigdata, const EnforceTrigger *trigger)
{
	bool		isnull;
	Datum		value = heap_getattr(trigdata->tg_trigtuple, trigger->attnum,
									 RelationGetDescr(trigdata->tg_relation), &isnull);
	Judge		judge;
	int			node;

	get_judge(trigger, &judge);
	node = find_node(trigger, judge.machine, value, isnull);
	if (node >= 0 && (node == judge.machine->start || trigger->insert_any))
		return;

	/* The UPDATE that moves the row here has been checked already. */
	if (trigdata->tg_relation->rd_rel->relispartition && partition_move_take(value, isnull))
		return;
	if (node < 0)
		refuse_value(trigdata, trigger, &judge, -1, !trigger->insert_any, value, isnull);
	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 errmsg("machine \"%s\" does not start at node \"%s\"",
					trigger->machine, judge.machine->nodes[node].name),
			 errdetail_allowed(&judge, -1, true),
			 errhint("A trigger with the option insert=any accepts new rows at every node."),
			 errtableconstraint(trigdata->tg_relation, trigdata->tg_trigger->tgname)));
}

static void
check_update(const TriggerData *trigdata, const EnforceTrigger *trigger)
{
	TupleDesc	descriptor = RelationGetDescr(trigdata->tg_relation);
	bool		old_isnull;
	bool		new_isnull;
	Datum		old = heap_getattr(trigdata->tg_trigtuple, trigger->attnum, descriptor, &old_isnull);
	Datum		new = heap_getattr(trigdata->tg_newtuple, trigger->attnum, descriptor, &new_isnull);
	Judge		judge;
	int			from;
	int			to;

	if (old_isnull && new_isnull)
		return;
	if (!old_isnull && !new_isnull &&
		datum_image_eq(old, new, trigger->byval, trigger->typlen))
		return;

	get_judge(trigger, &judge);
	from = find_node(trigger, judge.machine, old, old_isnull);
	to = find_node(trigger, judge.machine, new, new_isnull);

	/* Equal after all: one of them was compressed, or padded with blanks. */
	if (from >= 0 && from == to)
		return;
	if (to < 0)
		refuse_value(trigdata, trigger, &judge, from, false, new, new_isnull);
	if (from < 0)
	{
		if (trigger->repair)
			return;
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg("machine \"%s\" has no way out of %s, which is not one of its nodes",
						trigger->machine,
						old_isnull ? "a null value" : psprintf("\"%s\"", value_string(trigger, old))),
				 errdetail_allowed(&judge, -1, false),
				 errhint("A trigger with the option from_unknown=repair lets such a row be set to any node."),
				 errtableconstraint(trigdata->tg_relation, trigdata->tg_trigger->tgname)));
	}
	if (!machine_has_edge_to(&judge.machine->nodes[from], to))
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg("machine \"%s\" has no transition from node \"%s\" to node \"%s\"",
						trigger->machine, judge.machine->nodes[from].name,
						judge.machine->nodes[to].name),
				 errdetail_allowed(&judge, from, false),
				 errhint("Change the value step by step, or add the transition in a new version of the machine."),
				 errtableconstraint(trigdata->tg_relation, trigdata->tg_trigger->tgname)));
}

/*
 * The trigger function.  Returns the row as it came, or raises
 * check_violation with what is allowed as its detail and the trigger as its
 * constraint.  A trigger that cannot work (wrong event, arguments, column,
 * type, unknown machine) is an error of its own when it first runs.
 */
Datum
dfsmr_enforce(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("dfsmr.enforce() can only be called as a trigger")));
	if (!TRIGGER_FIRED_BEFORE(trigdata->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigdata->tg_event) ||
		!(TRIGGER_FIRED_BY_INSERT(trigdata->tg_event) ||
		  TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event)))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" must be BEFORE INSERT OR UPDATE ... FOR EACH ROW",
						trigdata->tg_trigger->tgname),
				 errhint("Create the trigger as: BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION dfsmr.enforce(...).",
						 quote_identifier(RelationGetRelationName(trigdata->tg_relation)))));

	if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event))
	{
		const EnforceTrigger *trigger = get_trigger(trigdata);

		check_update(trigdata, trigger);
		if (trigdata->tg_relation->rd_rel->relispartition)
			partition_move_note(trigdata->tg_relation, trigdata->tg_newtuple, trigger->attnum);
		return PointerGetDatum(trigdata->tg_newtuple);
	}
	check_insert(trigdata, get_trigger(trigdata));
	return PointerGetDatum(trigdata->tg_trigtuple);
}

/*-------------------------------------------------------------------------
 *
 * wall_tables.c
 *	  The wall on the other tables: what SQL may not do to them, and what has
 *	  to happen when it does what it may.
 *
 * As with instances (wall.c), the API goes past these triggers; they meet
 * pg_dump's COPY and the owner's own hand.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "access/htup_details.h"
#include "board.h"
#include "change_columns.h"
#include "privilege.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/xid8.h"
#include "wall.h"

PG_FUNCTION_INFO_V1(dfsmr_wall_refuse);
PG_FUNCTION_INFO_V1(dfsmr_wall_change);
PG_FUNCTION_INFO_V1(dfsmr_wall_privilege);
PG_FUNCTION_INFO_V1(dfsmr_wall_note);
PG_FUNCTION_INFO_V1(dfsmr_wall_forget);

/* Set while retention.c empties a member of the changelog. */
bool		wall_forgetting = false;

TriggerData *
wall_trigger_data(FunctionCallInfo fcinfo, Oid table)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger functions of dfsmr can only be called as triggers")));
	if (RelationGetNamespace(trigdata->tg_relation) != extension_oids_required()->schema ||
		(OidIsValid(table) && RelationGetRelid(trigdata->tg_relation) != table))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" cannot be on table \"%s\"",
						trigdata->tg_trigger->tgname,
						RelationGetRelationName(trigdata->tg_relation))));
	return trigdata;
}

static const char *
event_name(TriggerEvent event)
{
	if (TRIGGER_FIRED_BY_INSERT(event))
		return "INSERT";
	if (TRIGGER_FIRED_BY_UPDATE(event))
		return "UPDATE";
	if (TRIGGER_FIRED_BY_DELETE(event))
		return "DELETE";
	return "TRUNCATE";
}

static void
refuse(const TriggerData *trigdata)
{
	ereport(ERROR,
			(errcode(ERRCODE_RESTRICT_VIOLATION),
			 errmsg("%s on table dfsmr.%s is not allowed",
					event_name(trigdata->tg_event),
					RelationGetRelationName(trigdata->tg_relation)),
			 errhint("Use the functions of schema dfsmr.")));
}

/* What is fired this way is not done, by nobody. */
Datum
dfsmr_wall_refuse(PG_FUNCTION_ARGS)
{
	refuse(wall_trigger_data(fcinfo, InvalidOid));
	return (Datum) 0;			/* keep the compiler quiet */
}

/* BEFORE TRUNCATE on a member of the changelog: only to forget what is old. */
Datum
dfsmr_wall_forget(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = wall_trigger_data(fcinfo, InvalidOid);

	if (!wall_forgetting)
		refuse(trigdata);
	return PointerGetDatum(NULL);
}

/* The member of the changelog that the trigger was fired for. */
static TriggerData *
change_trigger_data(FunctionCallInfo fcinfo)
{
	TriggerData *trigdata = wall_trigger_data(fcinfo, InvalidOid);
	Oid			table = RelationGetRelid(trigdata->tg_relation);

	for (int i = 0; i < CHANGE_MEMBERS; i++)
	{
		if (extension_oids_required()->change_member[i] == table)
			return trigdata;
	}
	return wall_trigger_data(fcinfo, extension_oids_required()->change);
}

/*
 * BEFORE INSERT FOR EACH ROW on members of dfsmr.change: the row was restored.  The
 * transaction that wrote it means nothing here, so it becomes 0, older than
 * everything: no cursor of this installation waits for it and it is not
 * published again.  The change before it was restored as well.
 */
Datum
dfsmr_wall_change(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = change_trigger_data(fcinfo);
	TupleDesc	descriptor = RelationGetDescr(trigdata->tg_relation);
	int			columns[2] = {CHANGE_COLUMN_XID + 1, CHANGE_COLUMN_PREV_XID + 1};
	Datum		restored = FullTransactionIdGetDatum(FullTransactionIdFromU64(0));
	Datum		values[2] = {restored, restored};
	bool		nulls[2] = {false};

	(void) heap_getattr(trigdata->tg_trigtuple, CHANGE_COLUMN_PREV_SEQ + 1, descriptor, &nulls[1]);
	return PointerGetDatum(heap_modify_tuple_by_cols(trigdata->tg_trigtuple, descriptor,
													 2, columns, values, nulls));
}

/*
 * BEFORE INSERT FOR EACH ROW on dfsmr.privilege: whatever OID the row came
 * with, it is for the role that has the name here and now, or for none.
 */
Datum
dfsmr_wall_privilege(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = wall_trigger_data(fcinfo, extension_oids_required()->privilege);
	TupleDesc	descriptor = RelationGetDescr(trigdata->tg_relation);
	int			column = PRIVILEGE_COLUMN_ROLE;
	Datum		value;
	bool		isnull;

	value = heap_getattr(trigdata->tg_trigtuple, PRIVILEGE_COLUMN_ROLE_NAME, descriptor, &isnull);
	/* The executor will say that it must not be NULL. */
	if (isnull)
		return PointerGetDatum(trigdata->tg_trigtuple);
	value = ObjectIdGetDatum(get_role_oid(TextDatumGetCString(value), true));
	return PointerGetDatum(heap_modify_tuple_by_cols(trigdata->tg_trigtuple, descriptor,
													 1, &column, &value, &isnull));
}

/*
 * BEFORE INSERT OR UPDATE OR DELETE FOR EACH STATEMENT: what backends keep of
 * the table in their caches will be out of date.  For machine versions and
 * pauses the definition counter on the board says so; for all of them, also
 * where there is no board, an invalidation of the table.
 */
Datum
dfsmr_wall_note(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = wall_trigger_data(fcinfo, InvalidOid);
	Oid			relation = RelationGetRelid(trigdata->tg_relation);
	const ExtensionOids *oids = extension_oids_required();

	if (relation == oids->machine_version || relation == oids->pause)
		board_definition_changed();
	CacheInvalidateRelcache(trigdata->tg_relation);
	return PointerGetDatum(NULL);
}

/*-------------------------------------------------------------------------
 *
 * change_format.c
 *	  A change as users see it: as a row, and as the JSON of a notification.
 *
 *-------------------------------------------------------------------------
 */
#include "change_format.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

const ChangeOutput change_outputs[CHANGE_NOUTPUTS] = {
	{"seq", CHANGE_COLUMN_SEQ},
	{"at", CHANGE_COLUMN_AT},
	{"kind", CHANGE_COLUMN_KIND},
	{"machine", CHANGE_COLUMN_MACHINE},
	{"version", CHANGE_COLUMN_VERSION},
	{"instance", CHANGE_COLUMN_INSTANCE},
	{"key", CHANGE_COLUMN_KEY},
	{"visit", CHANGE_COLUMN_VISIT},
	{"attempt", CHANGE_COLUMN_ATTEMPT},
	{"prev_node", CHANGE_COLUMN_PREV_NODE},
	{"transition", CHANGE_COLUMN_TRANSITION},
	{"node", CHANGE_COLUMN_NODE},
	{"client", CHANGE_COLUMN_CLIENT},
	{"role", CHANGE_COLUMN_ROLE},
	{"note", CHANGE_COLUMN_NOTE},
	{"node_params", CHANGE_COLUMN_NODE_PARAMS},
	{"data", CHANGE_COLUMN_DATA},
	{"claimed_at", CHANGE_COLUMN_CLAIMED_AT},
};

/* What a payload may go without; those that come first are kept first. */
static const ChangeColumn dispensable[] = {
	CHANGE_COLUMN_CLIENT,
	CHANGE_COLUMN_KEY,
	CHANGE_COLUMN_NOTE,
	CHANGE_COLUMN_NODE_PARAMS,
	CHANGE_COLUMN_DATA
};

/* At most so long is the list of those that are missing. */
#define TRUNCATED_LENGTH \
	((int) strlen(",\"truncated\":[\"client\",\"key\",\"note\",\"node_params\",\"data\"]"))

/*
 * A jsonb takes at most six times the room of its text (an array of small
 * numbers does); a larger one than this cannot fit, and is not even read.
 */
#define JSONB_OVERHEAD 6

void
change_output_row(TupleTableSlot *slot, Datum *values, bool *nulls)
{
	slot_getallattrs(slot);
	for (int i = 0; i < CHANGE_NOUTPUTS; i++)
	{
		values[i] = slot->tts_values[change_outputs[i].column];
		nulls[i] = slot->tts_isnull[change_outputs[i].column];
	}
}

/* A value as JSON; NULL when it is certain to be longer than max. */
static char *
value_json(TupleTableSlot *slot, ChangeColumn column, int max)
{
	Datum		value = slot->tts_values[column];
	StringInfoData json;
	char		timestamp[MAXDATELEN + 1];

	switch (TupleDescAttr(slot->tts_tupleDescriptor, column)->atttypid)
	{
		case INT4OID:
			return psprintf("%d", DatumGetInt32(value));
		case INT8OID:
			return psprintf(INT64_FORMAT, DatumGetInt64(value));
		case TIMESTAMPTZOID:
			JsonEncodeDateTime(timestamp, value, TIMESTAMPTZOID, NULL);
			return psprintf("\"%s\"", timestamp);
		case UUIDOID:
			return psprintf("\"%s\"", DatumGetCString(DirectFunctionCall1(uuid_out, value)));
		case JSONBOID:
			{
				Jsonb	   *jsonb;

				if (toast_raw_datum_size(value) > (Size) max * JSONB_OVERHEAD)
					return NULL;
				jsonb = DatumGetJsonbP(value);
				return JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
			}
		case TEXTOID:
			if (toast_raw_datum_size(value) > (Size) max + VARHDRSZ)
				return NULL;
			initStringInfo(&json);
			escape_json(&json, TextDatumGetCString(value));
			return json.data;
		default:
			elog(ERROR, "change column %d has an unexpected type", column);
			return NULL;		/* keep the compiler quiet */
	}
}

/* One member, from the comma to the value; "" for NULL, NULL for too long. */
static char *
member_json(TupleTableSlot *slot, int output, int max)
{
	ChangeColumn column = change_outputs[output].column;
	char	   *value;

	if (slot->tts_isnull[column])
		return "";
	value = value_json(slot, column, max);
	return value ? psprintf(",\"%s\":%s", change_outputs[output].name, value) : NULL;
}

static int
output_of(ChangeColumn column)
{
	for (int i = 0; i < CHANGE_NOUTPUTS; i++)
	{
		if (change_outputs[i].column == column)
			return i;
	}
	elog(ERROR, "change column %d is not shown", column);
	return -1;					/* keep the compiler quiet */
}

/*
 * Take out what does not fit when total bytes are too many, and append the
 * list of what that is.  Small ones stay, also behind one that does not.
 */
static void
truncate_members(char **members, int total, int max, StringInfo truncated)
{
	total += TRUNCATED_LENGTH;
	for (int i = 0; i < (int) lengthof(dispensable); i++)
	{
		char	   *member = members[output_of(dispensable[i])];

		total -= member ? (int) strlen(member) : max;
	}
	for (int i = 0; i < (int) lengthof(dispensable); i++)
	{
		int			output = output_of(dispensable[i]);
		int			length = members[output] ? (int) strlen(members[output]) : max;

		if (total + length < max)
			total += length;
		else if (length > 0)
		{
			members[output] = "";
			appendStringInfo(truncated, "%s\"%s\"",
							 truncated->len == 0 ? ",\"truncated\":[" : ",",
							 change_outputs[output].name);
		}
	}
	appendStringInfoChar(truncated, ']');
}

char *
change_json(TupleTableSlot *slot, int max)
{
	char	   *members[CHANGE_NOUTPUTS];
	StringInfoData truncated;
	StringInfoData json;
	int			total = 1;		/* the closing brace; a comma is the opening one */

	slot_getallattrs(slot);
	initStringInfo(&truncated);
	for (int i = 0; i < CHANGE_NOUTPUTS; i++)
	{
		members[i] = member_json(slot, i, max);
		total += members[i] ? (int) strlen(members[i]) : max;
	}
	if (total >= max)
		truncate_members(members, total, max, &truncated);

	initStringInfo(&json);
	for (int i = 0; i < CHANGE_NOUTPUTS; i++)
		appendStringInfoString(&json, members[i] ? members[i] : "");
	appendStringInfo(&json, "%s}", truncated.data);
	json.data[0] = '{';
	return json.data;
}

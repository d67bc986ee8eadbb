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

/*
 * Append a value as JSON; false, and nothing is appended, when it is certain to
 * be longer than max.
 */
static bool
append_value(StringInfo json, TupleTableSlot *slot, ChangeColumn column, int max)
{
	Datum		value = slot->tts_values[column];
	char		buffer[MAXDATELEN + 1];

	switch (TupleDescAttr(slot->tts_tupleDescriptor, column)->atttypid)
	{
		case INT4OID:
			pg_ltoa(DatumGetInt32(value), buffer);
			appendStringInfoString(json, buffer);
			break;
		case INT8OID:
			pg_lltoa(DatumGetInt64(value), buffer);
			appendStringInfoString(json, buffer);
			break;
		case TIMESTAMPTZOID:
			JsonEncodeDateTime(buffer, value, TIMESTAMPTZOID, NULL);
			appendStringInfoChar(json, '"');
			appendStringInfoString(json, buffer);
			appendStringInfoChar(json, '"');
			break;
		case UUIDOID:
			appendStringInfoChar(json, '"');
			appendStringInfoString(json, DatumGetCString(DirectFunctionCall1(uuid_out, value)));
			appendStringInfoChar(json, '"');
			break;
		case JSONBOID:
			{
				Jsonb	   *jsonb;

				if (toast_raw_datum_size(value) > (Size) max * JSONB_OVERHEAD)
					return false;
				jsonb = DatumGetJsonbP(value);
				(void) JsonbToCString(json, &jsonb->root, VARSIZE(jsonb));
				break;
			}
		case TEXTOID:
			if (toast_raw_datum_size(value) > (Size) max + VARHDRSZ)
				return false;
			escape_json(json, TextDatumGetCString(value));
			break;
		default:
			elog(ERROR, "change column %d has an unexpected type", column);
	}
	return true;
}

/*
 * Append one member, from the comma to the value, unless it is NULL; false, and
 * nothing is appended, when it is too long.
 */
static bool
append_member(StringInfo json, TupleTableSlot *slot, int output, int max)
{
	ChangeColumn column = change_outputs[output].column;
	int			start = json->len;

	if (slot->tts_isnull[column])
		return true;
	appendStringInfoString(json, ",\"");
	appendStringInfoString(json, change_outputs[output].name);
	appendStringInfoString(json, "\":");
	if (append_value(json, slot, column, max))
		return true;
	json->len = start;
	json->data[start] = '\0';
	return false;
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
	int			starts[CHANGE_NOUTPUTS + 1];
	bool		fits[CHANGE_NOUTPUTS];
	bool		all_fit = true;
	StringInfoData truncated;
	StringInfoData json;
	int			total;

	slot_getallattrs(slot);
	initStringInfo(&json);
	for (int i = 0; i < CHANGE_NOUTPUTS; i++)
	{
		starts[i] = json.len;
		fits[i] = append_member(&json, slot, i, max);
		all_fit = all_fit && fits[i];
	}
	starts[CHANGE_NOUTPUTS] = json.len;

	/* The closing brace; a comma is the opening one. */
	total = json.len + 1;
	if (!all_fit || total >= max)
	{
		for (int i = 0; i < CHANGE_NOUTPUTS; i++)
		{
			members[i] = fits[i] ? pnstrdup(json.data + starts[i], starts[i + 1] - starts[i]) : NULL;
			total += fits[i] ? 0 : max;
		}
		initStringInfo(&truncated);
		truncate_members(members, total, max, &truncated);
		resetStringInfo(&json);
		for (int i = 0; i < CHANGE_NOUTPUTS; i++)
			appendStringInfoString(&json, members[i] ? members[i] : "");
		appendStringInfoString(&json, truncated.data);
	}
	appendStringInfoChar(&json, '}');
	json.data[0] = '{';
	return json.data;
}

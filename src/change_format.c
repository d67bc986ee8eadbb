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

#define OUTPUT(name, column) {#name, ",\"" #name "\":", column}

const ChangeOutput change_outputs[CHANGE_NOUTPUTS] = {
	OUTPUT(seq, CHANGE_COLUMN_SEQ),
	OUTPUT(at, CHANGE_COLUMN_AT),
	OUTPUT(kind, CHANGE_COLUMN_KIND),
	OUTPUT(machine, CHANGE_COLUMN_MACHINE),
	OUTPUT(version, CHANGE_COLUMN_VERSION),
	OUTPUT(instance, CHANGE_COLUMN_INSTANCE),
	OUTPUT(key, CHANGE_COLUMN_KEY),
	OUTPUT(visit, CHANGE_COLUMN_VISIT),
	OUTPUT(attempt, CHANGE_COLUMN_ATTEMPT),
	OUTPUT(prev_node, CHANGE_COLUMN_PREV_NODE),
	OUTPUT(transition, CHANGE_COLUMN_TRANSITION),
	OUTPUT(node, CHANGE_COLUMN_NODE),
	OUTPUT(client, CHANGE_COLUMN_CLIENT),
	OUTPUT(role, CHANGE_COLUMN_ROLE),
	OUTPUT(note, CHANGE_COLUMN_NOTE),
	OUTPUT(node_params, CHANGE_COLUMN_NODE_PARAMS),
	OUTPUT(data, CHANGE_COLUMN_DATA),
	OUTPUT(claimed_at, CHANGE_COLUMN_CLAIMED_AT),
};

#undef OUTPUT

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
	slot_getsomeattrs(slot, CHANGE_COLUMN_DATA + 1);
	for (int i = 0; i < CHANGE_NOUTPUTS; i++)
	{
		values[i] = slot->tts_values[change_outputs[i].column];
		nulls[i] = slot->tts_isnull[change_outputs[i].column];
	}
}

static void
append_uuid(StringInfo json, const pg_uuid_t *uuid)
{
	static const char digits[] = "0123456789abcdef";
	char		text[2 + 2 * UUID_LEN + 4];
	char	   *p = text;

	*p++ = '"';
	for (int i = 0; i < UUID_LEN; i++)
	{
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = digits[uuid->data[i] >> 4];
		*p++ = digits[uuid->data[i] & 0xf];
	}
	*p++ = '"';
	appendBinaryStringInfo(json, text, p - text);
}

/*
 * Most times are of the same second as the one before, and have the same text but
 * for the fraction, which is what the server's function would write: without zeros
 * at its end.
 */
static void
append_time(StringInfo json, TimestampTz time)
{
	static TimestampTz second = DT_NOBEGIN;
	static pg_tz *zone = NULL;
	static char text[MAXDATELEN + 1];
	static int	length = 0;		/* of the text up to the second */
	int			fraction = time % USECS_PER_SEC;

	/* Not those before 2000, whose remainder is negative, or without an end. */
	if (time < 0 || TIMESTAMP_NOT_FINITE(time))
	{
		char		whole[MAXDATELEN + 1];

		JsonEncodeDateTime(whole, TimestampTzGetDatum(time), TIMESTAMPTZOID, NULL);
		appendStringInfo(json, "\"%s\"", whole);
		return;
	}
	if (second != time - fraction || zone != session_timezone)
	{
		JsonEncodeDateTime(text, TimestampTzGetDatum(time - fraction), TIMESTAMPTZOID, NULL);
		length = strcspn(text, "T");
		length += strcspn(text + length, "+-");
		second = time - fraction;
		zone = session_timezone;
	}
	appendStringInfoChar(json, '"');
	appendBinaryStringInfo(json, text, length);
	if (fraction != 0)
	{
		char		digits[] = ".000000";
		int			ndigits = 7;

		for (int i = 6; i > 0; i--, fraction /= 10)
			digits[i] = '0' + fraction % 10;
		while (digits[ndigits - 1] == '0')
			ndigits--;
		appendBinaryStringInfo(json, digits, ndigits);
	}
	appendStringInfoString(json, text + length);
	appendStringInfoChar(json, '"');
}

/* A text; most have nothing that would have to be escaped. */
static void
append_text(StringInfo json, Datum value)
{
	text	   *packed = DatumGetTextPP(value);
	const char *data = VARDATA_ANY(packed);
	int			length = VARSIZE_ANY_EXHDR(packed);

	for (int i = 0; i < length; i++)
	{
		if ((unsigned char) data[i] < ' ' || data[i] == '"' || data[i] == '\\')
		{
			escape_json(json, text_to_cstring(packed));
			return;
		}
	}
	appendStringInfoChar(json, '"');
	appendBinaryStringInfo(json, data, length);
	appendStringInfoChar(json, '"');
}

/*
 * Append a value as JSON; false, and nothing is appended, when it is certain to
 * be longer than max.
 */
static bool
append_value(StringInfo json, TupleTableSlot *slot, ChangeColumn column, int max)
{
	Datum		value = slot->tts_values[column];
	char		number[MAXINT8LEN + 1];

	switch (TupleDescAttr(slot->tts_tupleDescriptor, column)->atttypid)
	{
		case INT4OID:
			pg_ltoa(DatumGetInt32(value), number);
			appendStringInfoString(json, number);
			break;
		case INT8OID:
			pg_lltoa(DatumGetInt64(value), number);
			appendStringInfoString(json, number);
			break;
		case TIMESTAMPTZOID:
			append_time(json, DatumGetTimestampTz(value));
			break;
		case UUIDOID:
			append_uuid(json, DatumGetUUIDP(value));
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
			append_text(json, value);
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
	appendStringInfoString(json, change_outputs[output].member);
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

	slot_getsomeattrs(slot, CHANGE_COLUMN_DATA + 1);
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

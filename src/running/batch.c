/*-------------------------------------------------------------------------
 *
 * batch.c
 *	  What calls about many items have in common: parallel arrays in, one row
 *	  per item out.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "running/batch.h"

#include "running/call.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* How a refusal is called: spec's names, and PostgreSQL's for its own. */
static const struct
{
	int			sqlstate;
	const char *name;
}			conditions[] =
{
	{DFSMR_UNKNOWN_INSTANCE, "unknown_instance"},
	{DFSMR_ILLEGAL_TRANSITION, "illegal_transition"},
	{DFSMR_STALE_VISIT, "stale_visit"},
	{DFSMR_INVALID_PARAMS, "invalid_params"},
	{DFSMR_FINISHED, "finished"},
	{DFSMR_EXISTS, "exists"},
	{DFSMR_VISIT_REQUIRED, "visit_required"},
	{ERRCODE_INSUFFICIENT_PRIVILEGE, "insufficient_privilege"},
	{ERRCODE_NULL_VALUE_NOT_ALLOWED, "null_value_not_allowed"},
	{ERRCODE_STRING_DATA_RIGHT_TRUNCATION, "string_data_right_truncation"},
	{ERRCODE_INVALID_PARAMETER_VALUE, "invalid_parameter_value"},
	{ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, "datetime_value_out_of_range"},
	{ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "numeric_value_out_of_range"},
};

ItemArray
item_array_argument(FunctionCallInfo fcinfo, int argno, const char *name, const char *element,
					Oid type, int n)
{
	ItemArray	array = {.element = element, .n = n};
	ArrayType  *value;
	int16		length;
	bool		by_value;
	char		alignment;

	if (n < 0)
		require_argument(fcinfo, argno, name);
	if (PG_ARGISNULL(argno))
		return array;
	value = PG_GETARG_ARRAYTYPE_P(argno);
	if (ARR_NDIM(value) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("argument \"%s\" must be an array of one dimension", name)));
	get_typlenbyvalalign(type, &length, &by_value, &alignment);
	deconstruct_array(value, type, length, by_value, alignment,
					  &array.values, &array.nulls, &array.n);
	if (n >= 0 && array.n != n)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("argument \"%s\" has a different number of elements than the others", name),
				 errdetail("It has %d, and there are %d items.", array.n, n),
				 errhint("Leave it out, or give one element per item; NULL is the default.")));
	return array;
}

Refusal
item_text(const ItemArray *array, int item, int max, char **text)
{
	*text = NULL;
	return item_given(array, item) ?
		judge_text(array->values[item], array->element, max, text) : NO_REFUSAL;
}

Refusal
item_object(const ItemArray *array, int item, Jsonb **object)
{
	*object = NULL;
	return item_given(array, item) ?
		judge_object(array->values[item], array->element, object) : NO_REFUSAL;
}

Refusal
item_delay(const ItemArray *array, int item, TimestampTz now, int64 *usecs)
{
	*usecs = 0;
	return item_given(array, item) ?
		judge_delay(array->values[item], array->element, now, usecs) : NO_REFUSAL;
}

int
item_int(const ItemArray *array, int item, int fallback)
{
	return item_given(array, item) ? DatumGetInt32(array->values[item]) : fallback;
}

pg_uuid_t *
item_uuid(const ItemArray *array, int item)
{
	return item_given(array, item) ? DatumGetUUIDP(array->values[item]) : NULL;
}

static const char *
copy_string(const char *string, MemoryContext context)
{
	return string != NULL ? MemoryContextStrdup(context, string) : NULL;
}

Refusal
refusal_copy(Refusal refusal, MemoryContext context)
{
	refusal.message = copy_string(refusal.message, context);
	refusal.detail = copy_string(refusal.detail, context);
	refusal.hint = copy_string(refusal.hint, context);
	return refusal;
}

static const char *
condition_name(int sqlstate)
{
	for (size_t i = 0; i < lengthof(conditions); i++)
	{
		if (conditions[i].sqlstate == sqlstate)
			return conditions[i].name;
	}
	return "refused";
}

void
put_outcome(Datum *values, bool *nulls, const char *outcome, Refusal refusal)
{
	put_text(values, nulls, 0,
			 refused(refusal) ? condition_name(refusal.sqlstate) : outcome);
	put_text(values, nulls, 1, unpack_sql_state(refusal.sqlstate));
	put_text(values, nulls, 2, refusal.message);
	put_text(values, nulls, 3, refusal.detail);
}

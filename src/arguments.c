/*-------------------------------------------------------------------------
 *
 * arguments.c
 *	  Arguments of API functions; the contract is in dfsmr.h.
 *
 * API functions are not STRICT: a strict function answers NULL to a NULL it
 * was given by mistake, and the caller believes that something was done.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "refusal.h"
#include "utils/builtins.h"

Refusal
refusal_null_argument(const char *name)
{
	return (Refusal) {
		.sqlstate = ERRCODE_NULL_VALUE_NOT_ALLOWED,
		.message = psprintf("argument \"%s\" must not be null", name),
	};
}

Refusal
judge_text(Datum datum, const char *name, int max, char **text)
{
	struct varlena *value = PG_DETOAST_DATUM_PACKED(datum);

	*text = NULL;
	if (VARSIZE_ANY_EXHDR(value) > (Size) max)
		return (Refusal) {
			.sqlstate = ERRCODE_STRING_DATA_RIGHT_TRUNCATION,
			.message = psprintf("argument \"%s\" is too long", name),
			.detail = psprintf("It has %zu bytes, and at most %d are allowed.",
							   (size_t) VARSIZE_ANY_EXHDR(value), max),
		};
	*text = text_to_cstring(value);
	return NO_REFUSAL;
}

void
require_argument(FunctionCallInfo fcinfo, int argno, const char *name)
{
	if (PG_ARGISNULL(argno))
		raise_refusal(refusal_null_argument(name));
}

char *
text_argument(FunctionCallInfo fcinfo, int argno, const char *name, int max)
{
	require_argument(fcinfo, argno, name);
	return optional_text_argument(fcinfo, argno, name, max);
}

char *
optional_text_argument(FunctionCallInfo fcinfo, int argno, const char *name, int max)
{
	Refusal		refusal;
	char	   *text;

	if (PG_ARGISNULL(argno))
		return NULL;
	refusal = judge_text(PG_GETARG_DATUM(argno), name, max, &text);
	if (refused(refusal))
		raise_refusal(refusal);
	return text;
}

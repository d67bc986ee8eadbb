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

#include "utils/builtins.h"

void
require_argument(FunctionCallInfo fcinfo, int argno, const char *name)
{
	if (PG_ARGISNULL(argno))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", name)));
}

/*
 * The text of an argument that is not NULL.  Its size is judged before it is
 * copied: nobody makes us copy a value that we shall refuse.
 */
static char *
limited_text(FunctionCallInfo fcinfo, int argno, const char *name, int max)
{
	text	   *value = PG_GETARG_TEXT_PP(argno);

	if (VARSIZE_ANY_EXHDR(value) > (Size) max)
		ereport(ERROR,
				(errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
				 errmsg("argument \"%s\" is too long", name),
				 errdetail("It has %zu bytes, and at most %d are allowed.",
						   (size_t) VARSIZE_ANY_EXHDR(value), max)));
	return text_to_cstring(value);
}

char *
text_argument(FunctionCallInfo fcinfo, int argno, const char *name, int max)
{
	require_argument(fcinfo, argno, name);
	return limited_text(fcinfo, argno, name, max);
}

char *
optional_text_argument(FunctionCallInfo fcinfo, int argno, const char *name, int max)
{
	return PG_ARGISNULL(argno) ? NULL : limited_text(fcinfo, argno, name, max);
}

/*-------------------------------------------------------------------------
 *
 * refusal.c
 *	  Raising a refusal.
 *
 *-------------------------------------------------------------------------
 */
#include "refusal.h"

void
raise_refusal(Refusal refusal)
{
	ereport(ERROR,
			(errcode(refusal.sqlstate),
			 errmsg_internal("%s", refusal.message),
			 refusal.detail != NULL ? errdetail_internal("%s", refusal.detail) : 0,
			 refusal.hint != NULL ? errhint("%s", refusal.hint) : 0));
}

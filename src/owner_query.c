/*-------------------------------------------------------------------------
 *
 * owner_query.c
 *	  Statements on the extension's own tables, run as its owner.
 *
 *-------------------------------------------------------------------------
 */
#include "owner_query.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/guc.h"

void
query_as_owner(const char *query, int nargs, Oid *types, Datum *values,
			   bool read_only, int expected)
{
	Oid			user;
	int			context;
	int			code;

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(extension_oids_required()->owner,
						   context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	code = SPI_execute_with_args(query, nargs, types, values, NULL, read_only, 0);
	if (code != expected)
		elog(ERROR, "unexpected result %d of: %s", code, query);
	SetUserIdAndSecContext(user, context);
}

void
commit_asynchronously(void)
{
	(void) set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
}

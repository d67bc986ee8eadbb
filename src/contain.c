/*-------------------------------------------------------------------------
 *
 * contain.c
 *	  Keeping one bad row from stopping a batch.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "contain.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

bool
contained(void (*function) (void *), void *argument, const char *about)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool done = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		function(argument);
		ReleaseCurrentSubTransaction();
		done = true;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		ereport(LOG,
				(errcode(error->sqlerrcode),
				 errmsg("dfsmr: could not work on %s: %s", about, error->message),
				 error->detail ? errdetail_internal("%s", error->detail) : 0,
				 errhint("It is tried again later; the others go on.")));
		FreeErrorData(error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return done;
}

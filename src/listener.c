/*-------------------------------------------------------------------------
 *
 * listener.c
 *	  Whether anybody listens to the changes of this database.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "listener.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "unheard.h"

typedef struct Listeners
{
	pg_atomic_uint32 uncounted; /* somebody listens who has no place */
	pg_atomic_uint32 database[FLEXIBLE_ARRAY_MEMBER];	/* by process: where it
														 * listens, or 0 */
} Listeners;

static Listeners *listeners = NULL;

Size
listeners_shmem_size(void)
{
	return add_size(offsetof(Listeners, database),
					mul_size(processes_max(), sizeof(pg_atomic_uint32)));
}

void
listeners_shmem_init(void)
{
	bool		found;

	listeners = ShmemInitStruct("dfsmr listeners", listeners_shmem_size(), &found);
	if (!found)
	{
		pg_atomic_init_u32(&listeners->uncounted, 0);
		for (int i = 0; i < processes_max(); i++)
			pg_atomic_init_u32(&listeners->database[i], InvalidOid);
	}
}

void
listener_end(void)
{
	if (listeners != NULL && proc_number(MyProc) < processes_max())
		pg_atomic_write_u32(&listeners->database[proc_number(MyProc)], InvalidOid);
}

static void
listener_exit(int code, Datum arg)
{
	listener_end();
}

void
listener_begin(void)
{
	static bool exit_registered = false;

	if (listeners == NULL)
		return;
	if (proc_number(MyProc) >= processes_max())
	{
		pg_atomic_write_u32(&listeners->uncounted, 1);
		return;
	}
	/* The next process in this place may be in another database. */
	if (!exit_registered)
		before_shmem_exit(listener_exit, (Datum) 0);
	exit_registered = true;
	pg_atomic_write_u32(&listeners->database[proc_number(MyProc)], MyDatabaseId);
}

bool
listeners_any(void)
{
	if (listeners == NULL || pg_atomic_read_u32(&listeners->uncounted) != 0)
		return true;
	for (int i = 0; i < processes_max(); i++)
	{
		if (pg_atomic_read_u32(&listeners->database[i]) == MyDatabaseId)
			return true;
	}
	return false;
}

/*-------------------------------------------------------------------------
 *
 * unheard.c
 *	  Transactions of which the board will hear, but has not yet.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "unheard.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "postmaster/autovacuum.h"
#include "replication/walsender.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/shmem.h"

/* By process: the transaction in which it has something to tell, or 0. */
static pg_atomic_uint32 *untold = NULL;

/* This process has said so. */
static bool said = false;

int
processes_max(void)
{
	return MaxConnections + autovacuum_slots() + max_worker_processes +
		max_wal_senders + 16;
}

Size
unheard_shmem_size(void)
{
	return mul_size(processes_max(), sizeof(pg_atomic_uint32));
}

void
unheard_shmem_init(void)
{
	bool		found;

	untold = ShmemInitStruct("dfsmr untold transactions", unheard_shmem_size(), &found);
	if (!found)
	{
		for (int i = 0; i < processes_max(); i++)
			pg_atomic_init_u32(&untold[i], InvalidTransactionId);
	}
}

void
unheard_begin(void)
{
	TransactionId xid;

	if (said || untold == NULL || proc_number(MyProc) >= processes_max())
		return;
	xid = GetTopTransactionIdIfAny();
	if (!TransactionIdIsValid(xid))
		return;
	said = true;
	pg_atomic_write_u32(&untold[proc_number(MyProc)], xid);
}

void
unheard_end(void)
{
	if (said)
		pg_atomic_write_u32(&untold[proc_number(MyProc)], InvalidTransactionId);
	said = false;
}

bool
unheard_any(void)
{
	for (int i = 0; untold != NULL && i < processes_max(); i++)
	{
		TransactionId xid = pg_atomic_read_u32(&untold[i]);

		if (i != proc_number(MyProc) && TransactionIdIsValid(xid) &&
			!TransactionIdIsInProgress(xid))
			return true;
	}
	return false;
}

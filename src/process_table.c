/*-------------------------------------------------------------------------
 *
 * process_table.c
 *	  Which process serves which database, and which databases are barred.
 *
 * The server does not signal ordinary background workers when a command needs
 * a database to itself (DROP DATABASE, CREATE DATABASE ... TEMPLATE, ALTER
 * DATABASE): it waits 5 s for them to be gone and fails.  So such a command
 * first bars the database here and asks its scheduler out; the bar keeps the
 * launcher from starting another until the command's transaction has ended.
 *
 * A slot goes from hand to hand: the launcher reserves it and passes its
 * ticket to the process it starts; that process attaches, and marks it left
 * when it exits, whatever ends it; the launcher notices and frees it.  The
 * ticket keeps a process that starts late from taking a slot that has been
 * given to another in the meantime.
 *
 * Nothing here outlives a crash of the server, and nothing needs to: all
 * processes it tells of are gone then, and the new launcher looks everywhere.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "process_table.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"

/* Beyond so many at a time the launcher is asked to look everywhere. */
#define MAX_REQUESTS	64

/*
 * Commands under way that need a database to themselves.  With more at a time
 * the further ones ask the scheduler out, but nothing bars it from coming back
 * too early; the server's own wait of 5 s is what they have left.
 */
#define MAX_BARS		64

/* Slots beyond dfsmr.max_databases, for schedulers that are just looking. */
#define EXTRA_SLOTS		8

typedef struct Bar
{
	Oid			database;		/* InvalidOid: free */
	int			pid;			/* the session whose command it is */
} Bar;

typedef struct ProcessTable
{
	/*
	 * Guards everything here.  Held for one pass over an array; no other lock
	 * is taken under it.
	 */
	LWLock		lock;
	ConditionVariable left;		/* a scheduler has exited */
	Latch	   *launcher;		/* NULL: there is none */
	uint32		last_ticket;
	bool		request_all;
	int			nrequests;
	Oid			requests[MAX_REQUESTS];
	Bar			bars[MAX_BARS];
	int			nslots;
	SchedulerSlot slots[FLEXIBLE_ARRAY_MEMBER];
} ProcessTable;

static ProcessTable *table = NULL;

/* In a scheduler: its slot, and what is to be said of its leaving. */
static int	my_slot = -1;
static Departure my_departure = DEPARTURE_FAILED;

/* In a session: how many bars are its own, so that most look for none. */
static int	my_bars = 0;

Size
process_table_shmem_size(void)
{
	Size		slots = mul_size(dfsmr_max_databases + EXTRA_SLOTS, sizeof(SchedulerSlot));

	return MAXALIGN(add_size(offsetof(ProcessTable, slots), slots));
}

/* Called with AddinShmemInitLock held. */
void
process_table_shmem_init(void)
{
	bool		found;

	table = ShmemInitStruct("dfsmr process table", process_table_shmem_size(), &found);
	if (!found)
	{
		memset(table, 0, process_table_shmem_size());
		table->nslots = dfsmr_max_databases + EXTRA_SLOTS;
		LWLockInitialize(&table->lock, LWLockNewTrancheId());
		ConditionVariableInit(&table->left);
	}
	LWLockRegisterTranche(table->lock.tranche, "dfsmr_process_table");
}

bool
process_table_available(void)
{
	return table != NULL;
}

int
process_table_size(void)
{
	return table->nslots;
}

static void
wake(Latch *latch)
{
	if (latch)
		SetLatch(latch);
}

static void
detach_launcher(int code, Datum arg)
{
	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	table->launcher = NULL;
	LWLockRelease(&table->lock);
}

/*
 * This process is the launcher from now on.  What an earlier one had ordered,
 * or not noticed, is forgotten, since the new one looks everywhere.
 */
void
process_table_attach_launcher(void)
{
	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	table->launcher = MyLatch;
	table->nrequests = 0;
	table->request_all = false;
	for (int i = 0; i < table->nslots; i++)
	{
		SchedulerSlot *slot = &table->slots[i];

		if (slot->state == SLOT_STARTING || slot->state == SLOT_LEFT)
			slot->state = SLOT_FREE;
	}
	LWLockRelease(&table->lock);
	before_shmem_exit(detach_launcher, 0);
}

/*
 * Take the databases that sessions asked the launcher to look at, at most max;
 * *all: there were too many to note, so look at all of them.
 */
int
process_table_take_requests(Oid *databases, int max, bool *all)
{
	int			n;

	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	n = Min(table->nrequests, max);
	memcpy(databases, table->requests, n * sizeof(Oid));
	table->nrequests -= n;
	memmove(table->requests, table->requests + n, table->nrequests * sizeof(Oid));
	*all = table->request_all;
	table->request_all = false;
	LWLockRelease(&table->lock);
	return n;
}

/* Copy all slots, process_table_size() of them; returns how many are in use. */
int
process_table_look(SchedulerSlot *copy)
{
	int			used = 0;

	LWLockAcquire(&table->lock, LW_SHARED);
	memcpy(copy, table->slots, table->nslots * sizeof(SchedulerSlot));
	LWLockRelease(&table->lock);
	for (int i = 0; i < table->nslots; i++)
		used += copy[i].state != SLOT_FREE;
	return used;
}

static bool
is_barred(Oid database)
{
	for (int i = 0; i < MAX_BARS; i++)
		if (table->bars[i].database == database)
			return true;
	return false;
}

/* Reserve a slot for a scheduler about to be started. */
ReserveResult
process_table_reserve(Oid database, SchedulerTicket *ticket)
{
	ReserveResult result = SLOT_NONE_FREE;

	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	if (is_barred(database))
		result = SLOT_BARRED;
	for (int i = 0; i < table->nslots && result == SLOT_NONE_FREE; i++)
	{
		SchedulerSlot *slot = &table->slots[i];

		if (slot->state != SLOT_FREE)
			continue;
		memset(slot, 0, sizeof(SchedulerSlot));
		slot->state = SLOT_STARTING;
		slot->database = database;
		slot->ticket = ++table->last_ticket;
		slot->since = monotonic_ms();
		ticket->slot = i;
		ticket->ticket = slot->ticket;
		result = SLOT_RESERVED;
	}
	LWLockRelease(&table->lock);
	return result;
}

/*
 * Free a slot that was left, or whose process was never started.  Does nothing
 * when the slot has gone on: a process may have attached just now.
 */
void
process_table_release(int i, uint32 ticket)
{
	SchedulerSlot *slot = &table->slots[i];

	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	if (slot->ticket == ticket &&
		(slot->state == SLOT_STARTING || slot->state == SLOT_LEFT))
		slot->state = SLOT_FREE;
	LWLockRelease(&table->lock);
}

/*
 * Runs after this process was taken out of the list of those connected to the
 * database, so that whoever waits for that finds it true.
 */
static void
detach_scheduler(int code, Datum arg)
{
	SchedulerSlot *slot = &table->slots[my_slot];
	Latch	   *launcher;

	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	slot->served = slot->state == SLOT_RUNNING ? monotonic_ms() - slot->since : 0;
	slot->state = SLOT_LEFT;
	slot->latch = NULL;
	slot->departure = my_departure;
	launcher = table->launcher;
	if (launcher == NULL)
		slot->state = SLOT_FREE;	/* the next one will look everywhere */
	LWLockRelease(&table->lock);
	ConditionVariableBroadcast(&table->left);
	wake(launcher);
}

/*
 * This process serves that database.  False when it came too late, or the
 * database has been barred in the meantime: then it has to exit.
 *
 * To be called before connecting: exit callbacks run last in, first out.
 */
bool
process_table_attach(const SchedulerTicket *ticket, Oid database)
{
	SchedulerSlot *slot;
	bool		mine;
	bool		barred;

	if (ticket->slot < 0 || ticket->slot >= table->nslots)
		return false;
	slot = &table->slots[ticket->slot];

	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	mine = slot->state == SLOT_STARTING && slot->ticket == ticket->ticket &&
		slot->database == database;
	barred = is_barred(database);
	if (mine)
	{
		slot->state = SLOT_LOOKING;
		slot->since = monotonic_ms();
		slot->latch = MyLatch;
	}
	LWLockRelease(&table->lock);

	if (!mine)
		return false;
	my_slot = ticket->slot;
	if (barred)
		my_departure = DEPARTURE_ASKED;
	on_shmem_exit(detach_scheduler, 0);
	return !barred;
}

/* The extension is there: from now on this scheduler serves it. */
void
process_table_running(void)
{
	Latch	   *launcher;

	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	table->slots[my_slot].state = SLOT_RUNNING;
	table->slots[my_slot].since = monotonic_ms();
	launcher = table->launcher;
	LWLockRelease(&table->lock);
	wake(launcher);
}

/* What this scheduler was told since it last asked. */
void
process_table_orders(bool *leave, bool *look_again)
{
	SchedulerSlot *slot = &table->slots[my_slot];

	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	*leave = slot->leave;
	*look_again = slot->look_again;
	slot->look_again = false;
	LWLockRelease(&table->lock);
}

/* Is there an order that waits to be taken? */
bool
process_table_has_orders(void)
{
	SchedulerSlot *slot = &table->slots[my_slot];
	bool		any;

	LWLockAcquire(&table->lock, LW_SHARED);
	any = slot->leave || slot->look_again;
	LWLockRelease(&table->lock);
	return any;
}

/* What the launcher will be told when this process exits. */
void
process_table_set_departure(Departure departure)
{
	my_departure = departure;
}

/*
 * Have the launcher see to it that the database has its scheduler, if it has
 * the extension; InvalidOid: look for databases that are new.  May be called
 * from a commit callback.
 */
void
launcher_request(Oid database)
{
	Latch	   *launcher;
	bool		known = false;

	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	for (int i = 0; i < table->nrequests; i++)
		known |= table->requests[i] == database;
	if (!known && table->nrequests < MAX_REQUESTS)
		table->requests[table->nrequests++] = database;
	else if (!known)
		table->request_all = true;
	launcher = table->launcher;
	LWLockRelease(&table->lock);
	wake(launcher);
}

/*
 * Have the scheduler of the database look again whether the extension is still
 * there.  May be called from a commit callback.
 */
void
scheduler_look_again(Oid database)
{
	Latch	   *latch = NULL;

	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	for (int i = 0; i < table->nslots; i++)
	{
		SchedulerSlot *slot = &table->slots[i];

		if (slot->state == SLOT_LOOKING || slot->state == SLOT_RUNNING)
			if (slot->database == database)
			{
				slot->look_again = true;
				latch = slot->latch;
			}
	}
	LWLockRelease(&table->lock);
	wake(latch);
}

/* Is there one, or one on its way? */
bool
scheduler_exists(Oid database)
{
	bool		exists = false;

	LWLockAcquire(&table->lock, LW_SHARED);
	for (int i = 0; i < table->nslots; i++)
	{
		SchedulerSlot *slot = &table->slots[i];

		exists |= slot->database == database &&
			(slot->state == SLOT_STARTING || slot->state == SLOT_LOOKING ||
			 slot->state == SLOT_RUNNING);
	}
	LWLockRelease(&table->lock);
	return exists;
}

/* Ask out who is connected to the database for us; was there anybody? */
static bool
ask_out(Oid database)
{
	bool		anybody = false;
	Latch	   *latch = NULL;

	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	for (int i = 0; i < table->nslots; i++)
	{
		SchedulerSlot *slot = &table->slots[i];

		if (slot->database == database &&
			(slot->state == SLOT_LOOKING || slot->state == SLOT_RUNNING))
		{
			anybody = true;
			if (!slot->leave)
				latch = slot->latch;
			slot->leave = true;
		}
	}
	LWLockRelease(&table->lock);
	wake(latch);
	return anybody;
}

/*
 * Bar the database until this transaction has ended (scheduler_unbar()), and
 * wait up to patience ms for its scheduler to leave.  It is no error if it
 * does not: the command will say so.
 */
void
scheduler_bar(Oid database, int patience)
{
	int64		deadline = monotonic_ms() + patience;

	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_BARS; i++)
	{
		Bar		   *bar = &table->bars[i];

		if (bar->database == InvalidOid)
		{
			bar->database = database;
			bar->pid = MyProcPid;
			my_bars++;
			break;
		}
	}
	LWLockRelease(&table->lock);

	ConditionVariablePrepareToSleep(&table->left);
	while (ask_out(database))
	{
		int64		left = deadline - monotonic_ms();

		if (left <= 0)
			break;
		ConditionVariableTimedSleep(&table->left, (long) left, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
}

/*
 * Lift the bars of this session.  Called at the end of each transaction, also
 * of one that a dying session leaves behind; cheap when there are none.
 */
void
scheduler_unbar(void)
{
	Oid			lifted[MAX_BARS];
	int			n = 0;

	if (my_bars == 0)
		return;
	my_bars = 0;

	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_BARS; i++)
		if (table->bars[i].database != InvalidOid && table->bars[i].pid == MyProcPid)
		{
			lifted[n++] = table->bars[i].database;
			table->bars[i].database = InvalidOid;
		}
	LWLockRelease(&table->lock);
	for (int i = 0; i < n; i++)
		launcher_request(lifted[i]);
}

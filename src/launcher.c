/*-------------------------------------------------------------------------
 *
 * launcher.c
 *	  One process per server that starts a scheduler in every database that
 *	  has the extension.
 *
 * Only a process connected to a database can see which extensions it has, and
 * the launcher is connected to none.  So it starts a scheduler where there
 * might be one to serve: in every database once after the server's start, one
 * at a time, and later where a session says so (process_table.c).  A scheduler
 * that finds no extension leaves at once and is not started again until the
 * next such word; one that failed is started again after a pause that doubles.
 *
 * With nothing to do the launcher sleeps on its latch without a timeout.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "process_table.h"
#include "scheduler.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/procsignal.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* The pause after a failure, in ms: doubles from the first to the last. */
#define FIRST_PAUSE			500
#define LAST_PAUSE			(60 * 1000)

/* A scheduler that has served for so long is not failing repeatedly. */
#define GOOD_SERVICE		(60 * 1000)

/* While there is no place for a worker process, or on the board. */
#define NO_WORKER_PAUSE		(2 * 1000)
#define NO_ROOM_PAUSE		(5 * 60 * 1000)

/*
 * One start at a time; but one that takes longer than this, perhaps because it
 * waits for a lock on its database, does not keep the others waiting.
 */
#define START_PATIENCE		(2 * 1000)

/* What the launcher knows of a database. */
typedef struct KnownDatabase
{
	Oid			oid;			/* hash key */
	NameData	name;
	bool		listed;			/* it is in the list, and may be connected to */
	bool		wanted;			/* to be looked at ... */
	int64		not_before;		/* ... but not before this, on monotonic_ms() */
	int			failures;		/* in a row */
	bool		no_room;		/* its scheduler found no place on the board */
	bool		no_worker;		/* there was no worker process for it */
	BackgroundWorkerHandle *handle; /* of the process being started */
} KnownDatabase;

static HTAB *databases;
static SchedulerSlot *slots;	/* a copy, taken in each pass */
static MemoryContext pass_context;
static bool list_wanted = true; /* the list of databases has to be read */
static int64 shortage_since = 0;	/* no worker process was free; 0: one was */
static bool shortage_reported = false;

extern PGDLLEXPORT void dfsmr_launcher_main(Datum arg);

void
launcher_register(void)
{
	BackgroundWorker worker;

	if (IsBinaryUpgrade)
		return;
	memset(&worker, 0, sizeof(worker));
	strlcpy(worker.bgw_name, "dfsmr launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "dfsmr launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "dfsmr", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "dfsmr_launcher_main", BGW_MAXLEN);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 1;
	RegisterBackgroundWorker(&worker);
}

/* Find or make the entry; a database not known before is wanted. */
static KnownDatabase *
know(Oid oid)
{
	bool		found;
	KnownDatabase *database = hash_search(databases, &oid, HASH_ENTER, &found);

	if (!found)
	{
		memset(database, 0, sizeof(KnownDatabase));
		database->oid = oid;
		database->wanted = true;
	}
	return database;
}

static void
forget_handle(KnownDatabase *database)
{
	if (database->handle)
		pfree(database->handle);
	database->handle = NULL;
}

/*
 * Bring what is known up to the list of databases.  Those that nobody can
 * connect to are left out, template0 among them.
 */
static void
list_databases(void)
{
	Relation	relation;
	TableScanDesc scan;
	HeapTuple	tuple;
	HASH_SEQ_STATUS status;
	KnownDatabase *database;

	hash_seq_init(&status, databases);
	while ((database = hash_seq_search(&status)) != NULL)
		database->listed = false;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	(void) GetTransactionSnapshot();	/* a catalog scan wants one to hold */
	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);

		if (!form->datallowconn || form->datconnlimit == INVALID_DATABASE_LIMIT)
			continue;
		database = know(form->oid);
		database->listed = true;
		database->name = form->datname;
	}
	table_endscan(scan);
	table_close(relation, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(pass_context);

	hash_seq_init(&status, databases);
	while ((database = hash_seq_search(&status)) != NULL)
	{
		if (database->listed)
			continue;
		forget_handle(database);
		hash_search(databases, &database->oid, HASH_REMOVE, NULL);
	}
}

static void
want(KnownDatabase *database, int64 pause)
{
	database->wanted = true;
	database->not_before = monotonic_ms() + pause;
}

static void
want_all(void)
{
	HASH_SEQ_STATUS status;
	KnownDatabase *database;

	hash_seq_init(&status, databases);
	while ((database = hash_seq_search(&status)) != NULL)
		want(database, 0);
}

/*
 * Somebody has left, of us or of others: those who found no place may try
 * again.
 */
static void
want_those_without(bool room, bool worker)
{
	HASH_SEQ_STATUS status;
	KnownDatabase *database;

	hash_seq_init(&status, databases);
	while ((database = hash_seq_search(&status)) != NULL)
		if ((room && database->no_room) || (worker && database->no_worker))
			want(database, 0);
}

/* Note what sessions asked for. */
static void
take_requests(void)
{
	Oid			requests[64];
	bool		all;
	int			n = process_table_take_requests(requests, lengthof(requests), &all);

	for (int i = 0; i < n; i++)
		if (OidIsValid(requests[i]))
			want(know(requests[i]), 0);
	if (all)
		want_all();
	list_wanted |= n > 0 || all;
}

static void
after_failure(KnownDatabase *database)
{
	int64		pause = FIRST_PAUSE;

	for (int i = 0; i < database->failures && pause < LAST_PAUSE; i++)
		pause *= 2;
	database->failures++;
	want(database, Min(pause, LAST_PAUSE));
}

/* A scheduler has left: decide what becomes of its database. */
static void
after_departure(KnownDatabase *database, const SchedulerSlot *slot)
{
	if (slot->served >= GOOD_SERVICE)
		database->failures = 0;
	if (slot->served > 0)
		database->no_room = false;

	switch (slot->departure)
	{
		case DEPARTURE_FAILED:
			after_failure(database);
			break;
		case DEPARTURE_REPLACED:
			want(database, 0);
			break;
		case DEPARTURE_NO_ROOM:
			database->no_room = true;
			want(database, NO_ROOM_PAUSE);
			break;
		case DEPARTURE_NO_EXTENSION:
			database->failures = 0;
			database->no_room = false;
			break;
		case DEPARTURE_ASKED:
			break;
	}
	if (slot->served > 0)
		want_those_without(true, false);
}

/*
 * Look at what has become of the schedulers.  Returns when the next start is
 * possible, on monotonic_ms(): 0 is now.
 */
static int64
notice_departures(void)
{
	int64		next_start = 0;

	process_table_look(slots);
	for (int i = 0; i < process_table_size(); i++)
	{
		SchedulerSlot *slot = &slots[i];
		KnownDatabase *database;
		pid_t		pid;

		if (slot->state == SLOT_FREE)
			continue;
		database = know(slot->database);
		if (slot->state == SLOT_LEFT)
		{
			process_table_release(i, slot->ticket);
			forget_handle(database);
			after_departure(database, slot);
		}
		else if (slot->state == SLOT_STARTING &&
				 (database->handle == NULL ||
				  GetBackgroundWorkerPid(database->handle, &pid) == BGWH_STOPPED))
		{
			/* The process could not be started, or died before it was ours. */
			process_table_release(i, slot->ticket);
			forget_handle(database);
			after_failure(database);
		}
		else if (slot->state != SLOT_RUNNING)
			next_start = Max(next_start, slot->since + START_PATIENCE);
		else
			database->no_room = false;
	}
	return next_start;
}

/* Is there a scheduler, or one on its way, as of notice_departures()? */
static bool
is_served(Oid oid)
{
	for (int i = 0; i < process_table_size(); i++)
		if (slots[i].database == oid &&
			slots[i].state != SLOT_FREE && slots[i].state != SLOT_LEFT)
			return true;
	return false;
}

/* Register the process; false when the server has no place for one. */
static bool
start_worker(KnownDatabase *database, const SchedulerTicket *ticket)
{
	BackgroundWorker worker;
	MemoryContext old_context;
	bool		started;

	memset(&worker, 0, sizeof(worker));
	snprintf(worker.bgw_name, BGW_MAXLEN, "dfsmr scheduler %s", NameStr(database->name));
	strlcpy(worker.bgw_type, "dfsmr scheduler", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "dfsmr", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "dfsmr_scheduler_main", BGW_MAXLEN);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = ObjectIdGetDatum(database->oid);
	memcpy(worker.bgw_extra, ticket, sizeof(SchedulerTicket));
	worker.bgw_notify_pid = MyProcPid;

	forget_handle(database);
	old_context = MemoryContextSwitchTo(TopMemoryContext);
	started = RegisterDynamicBackgroundWorker(&worker, &database->handle);
	MemoryContextSwitchTo(old_context);
	if (!started)
		database->handle = NULL;
	return started;
}

/*
 * No worker process is free.  Say so, unless that was said, once it has lasted:
 * the place of a process that has just ended may not be free yet.
 */
static void
report_shortage(const KnownDatabase *database)
{
	if (shortage_since == 0)
		shortage_since = monotonic_ms();
	if (shortage_reported || monotonic_ms() - shortage_since < NO_WORKER_PAUSE / 2)
		return;
	shortage_reported = true;
	ereport(LOG,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("could not start the dfsmr scheduler of database \"%s\": no worker process is free",
					NameStr(database->name)),
			 errdetail("Will try again every %d seconds.", NO_WORKER_PAUSE / 1000),
			 errhint("Consider increasing the configuration parameter \"max_worker_processes\".")));
}

/* Start the scheduler of a database, if its time has come and none is there. */
static void
start_scheduler(KnownDatabase *database)
{
	SchedulerTicket ticket;

	memset(&ticket, 0, sizeof(ticket));
	ticket.quiet = database->no_room;
	switch (process_table_reserve(database->oid, &ticket))
	{
		case SLOT_BARRED:
			database->wanted = false;
			return;
		case SLOT_NONE_FREE:
			want(database, NO_WORKER_PAUSE);
			return;
		case SLOT_RESERVED:
			break;
	}

	database->no_worker = !start_worker(database, &ticket);
	if (!database->no_worker)
	{
		database->wanted = false;
		shortage_since = 0;
		shortage_reported = false;
		return;
	}
	process_table_release(ticket.slot, ticket.ticket);
	want(database, NO_WORKER_PAUSE);
	report_shortage(database);
}

/*
 * The database to be looked at first, or NULL; *due is when, on
 * monotonic_ms().
 */
static KnownDatabase *
next_database(int64 *due)
{
	HASH_SEQ_STATUS status;
	KnownDatabase *database;
	KnownDatabase *next = NULL;

	hash_seq_init(&status, databases);
	while ((database = hash_seq_search(&status)) != NULL)
		if (database->wanted && !is_served(database->oid) &&
			(next == NULL || database->not_before < next->not_before))
			next = database;
	if (next)
		*due = next->not_before;
	return next;
}

/*
 * One look around.  Returns how long to sleep, in ms; -1 is until woken.
 */
static long
one_pass(bool woken)
{
	bool		listed = false;
	int64		next_start;

	take_requests();
	next_start = notice_departures();

	/* The postmaster wakes us when a process of ours has ended. */
	if (woken)
		want_those_without(false, true);
	for (;;)
	{
		int64		now = monotonic_ms();
		int64		due;
		KnownDatabase *next;

		if (list_wanted)
		{
			list_databases();
			list_wanted = false;
			listed = true;
		}
		next = next_database(&due);
		if (next == NULL)
			return -1;
		due = Max(due, next_start);
		if (due > now)
			return (long) (due - now);
		if (listed)
		{
			start_scheduler(next);
			return 0;
		}
		list_wanted = true;		/* it may be gone since the list was read */
	}
}

static void
set_up(void)
{
	HASHCTL		control;

	memset(&control, 0, sizeof(control));
	control.keysize = sizeof(Oid);
	control.entrysize = sizeof(KnownDatabase);
	control.hcxt = TopMemoryContext;
	databases = hash_create("dfsmr databases", 64, &control,
							HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	slots = MemoryContextAllocZero(TopMemoryContext,
								   process_table_size() * sizeof(SchedulerSlot));
	pass_context = AllocSetContextCreate(TopMemoryContext, "dfsmr launcher pass",
										 ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(pass_context);
}

/*
 * A pass whose errors are reported and end there.  Sets *sleep as one_pass()
 * returns it; false when it failed.
 */
static bool
contained_pass(bool woken, long *sleep)
{
	volatile bool succeeded = false;

	PG_TRY();
	{
		*sleep = one_pass(woken);
		succeeded = true;
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		EmitErrorReport();
		AbortCurrentTransaction();
		MemoryContextSwitchTo(pass_context);
		FlushErrorState();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextReset(pass_context);
	return succeeded;
}

void
dfsmr_launcher_main(Datum arg)
{
	bool		woken = false;
	int64		not_before = 0;
	int			failures = 0;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	process_table_attach_launcher();
	set_up();
	pgstat_report_activity(STATE_IDLE, NULL);

	for (;;)
	{
		int64		now = monotonic_ms();
		long		sleep = -1;

		/* Nothing is to be saved: leave without the words of a FATAL error. */
		if (ProcDiePending)
			proc_exit(1);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}

		if (now < not_before)
			sleep = (long) (not_before - now);
		else if (contained_pass(woken, &sleep))
			failures = 0;
		else
		{
			sleep = Min(1000L << Min(failures, 6), LAST_PAUSE);
			not_before = monotonic_ms() + sleep;
			failures++;
		}

		woken = WaitLatch(MyLatch,
						  WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | (sleep >= 0 ? WL_TIMEOUT : 0),
						  sleep, PG_WAIT_EXTENSION) & WL_LATCH_SET;
		ResetLatch(MyLatch);
	}
}

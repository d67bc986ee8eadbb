/*-------------------------------------------------------------------------
 *
 * scheduler.c
 *	  The process that does by itself what is due in one database.
 *
 * It goes round its steps (scheduler.h), each in a transaction of its own, and
 * then sleeps on its latch until the earliest of them is due or a commit wakes
 * it.  A round calls each step once, so that one with endless work does not
 * keep the others waiting.  A step that fails is reported once, and tried
 * again after a pause that doubles, while the others go on.
 *
 * It runs as the bootstrap superuser, so steps call C only: no user's SQL.
 * What stands in its way costs it little: it waits a second for a lock, and
 * is the one that gives up when it is in a deadlock.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include <signal.h>

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "board.h"
#include "catalog/indexing.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "process_table.h"
#include "scheduler.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

/* The pause after a step has failed, in ms: doubles from the first to the last. */
#define FIRST_PAUSE		100
#define LAST_PAUSE		(60 * 1000)

/*
 * A step that is still due for what it has just been called for (the row is
 * locked by somebody, say) is called again after so many ms, not at once.
 */
#define IDLE_PAUSE		20

/* Nobody sleeps for longer, in ms, so that no sum overflows. */
#define LONGEST_SLEEP	(60 * 60 * 1000)

const SchedulerStep *const scheduler_steps[] = {
	&claim_writer_step,
	&timer_step,
	&expiry_step,
	&breaker_step,
	&publish_step,
	&prepared_step,
	&duration_step,
	&audit_step,
	&retention_step,
	NULL
};

#define NUM_STEPS	((int) lengthof(scheduler_steps) - 1)

/* How a step fares. */
typedef struct StepState
{
	bool		again;			/* it said that there is more */
	int64		not_before;		/* it paused until then, on monotonic_ms() */
	int			failures;		/* in a row */
	int			sqlstate;		/* of the last failure ... */
	char	   *message;		/* ... so that it is reported once */
} StepState;

static StepState states[lengthof(scheduler_steps)];
static MemoryContext scheduler_context; /* lives as long as the process */
static MemoryContext round_context; /* scratch */
static char *database_name;
static Oid	extension;			/* the one it serves */
static Board *board;

/* What signals may interrupt, and how; see their handlers. */
static volatile sig_atomic_t in_step = false;
static volatile sig_atomic_t leaving = false;

extern PGDLLEXPORT void dfsmr_scheduler_main(Datum arg);

/*
 * Asked to terminate: save what has to be saved (SchedulerStep.leave), then
 * go.  A step that is under way is cancelled.  While leaving, or when asked
 * twice, go at once.
 */
static void
handle_sigterm(SIGNAL_ARGS)
{
	if (leaving || ShutdownRequestPending)
		die(postgres_signal_arg);
	else
	{
		if (in_step)
			StatementCancelHandler(postgres_signal_arg);
		SignalHandlerForShutdownRequest(postgres_signal_arg);
	}
}

/* Asked to cancel, by a lock that takes too long or by pg_cancel_backend(). */
static void
handle_sigint(SIGNAL_ARGS)
{
	if (in_step)
		StatementCancelHandler(postgres_signal_arg);
}

/*
 * The settings that a database or role may have must not change what the steps
 * do, or stop them.
 */
static void
secure_settings(void)
{
	static const char *const settings[][2] = {
		{"search_path", "pg_catalog, pg_temp"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_deferrable", "off"},
		{"session_replication_role", "origin"},
		{"row_security", "on"},
		{"statement_timeout", "0"},
		{"idle_in_transaction_session_timeout", "0"},
		{"lock_timeout", "1s"},
		{"deadlock_timeout", "100ms"},
		{"DateStyle", "ISO, YMD"},
		{"IntervalStyle", "postgres"},
		{"extra_float_digits", "1"},
	};

	for (int i = 0; i < (int) lengthof(settings); i++)
		SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
}

/*
 * The OID of the extension as committed now.  Not from a cache: who drops the
 * extension wakes us before its invalidations are sent.
 */
static Oid
look_up_extension(void)
{
	Relation	relation = table_open(ExtensionRelationId, AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			oid = InvalidOid;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum("dfsmr"));
	scan = systable_beginscan(relation, ExtensionNameIndexId, true, snapshot, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		oid = ((Form_pg_extension) GETSTRUCT(tuple))->oid;
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(relation, AccessShareLock);
	return oid;
}

static void
begin(const char *activity)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, activity);
}

static void
end(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	process_completed_notifies();
	MemoryContextSwitchTo(round_context);
	pgstat_report_stat(false);
}

/*
 * Is it still the installation that this process serves?  If not, give its
 * place on the board back and note what the launcher has to do.
 */
static bool
still_installed(void)
{
	Oid			now_there;

	begin("looking for the extension");
	now_there = look_up_extension();
	end();
	if (now_there == extension)
		return true;

	if (board != NULL)
		board_set_scheduler(board, false);
	board = NULL;
	if (OidIsValid(now_there))
		process_table_set_departure(DEPARTURE_REPLACED);
	else
	{
		board_forget_database(MyDatabaseId);
		process_table_set_departure(DEPARTURE_NO_EXTENSION);
	}
	return false;
}

static void
step_error_context(void *arg)
{
	errcontext("step \"%s\" of the dfsmr scheduler of database \"%s\"",
			   ((const SchedulerStep *) arg)->name, database_name);
}

/* An error has ended the step's transaction: clean up, and return it. */
static ErrorData *
catch_error(void)
{
	ErrorData  *error;

	HOLD_INTERRUPTS();
	disable_all_timeouts(false);
	MemoryContextSwitchTo(round_context);
	error = CopyErrorData();
	AbortCurrentTransaction();
	MemoryContextSwitchTo(round_context);
	FlushErrorState();
	RESUME_INTERRUPTS();
	return error;
}

/*
 * Call something of a step in a transaction of its own.  Returns NULL, or the
 * error that ended it.
 */
static ErrorData *
call_contained(const SchedulerStep *step, bool leave, bool *again)
{
	ErrorContextCallback callback;
	ErrorData  *volatile error = NULL;

	callback.callback = step_error_context;
	callback.arg = unconstify(SchedulerStep *, step);
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	in_step = true;
	PG_TRY();
	{
		begin(step->name);
		if (leave)
			step->leave();
		else
			*again = step->run();
		end();
	}
	PG_CATCH();
	{
		error = catch_error();
	}
	PG_END_TRY();
	in_step = false;
	QueryCancelPending = false; /* one that came too late */
	error_context_stack = callback.previous;
	return error;
}

/* Is this the failure that was reported already? */
static bool
is_known_failure(const StepState *state, const ErrorData *error)
{
	return state->failures > 0 && state->message != NULL && error->message != NULL &&
		state->sqlstate == error->sqlerrcode &&
		strcmp(state->message, error->message) == 0;
}

/* A step has failed: report it unless that was done, and have it pause. */
static void
after_failure(StepState *state, ErrorData *error)
{
	int			pause = FIRST_PAUSE;

	for (int i = 0; i < state->failures && pause < LAST_PAUSE; i++)
		pause *= 2;
	pause = Min(pause, LAST_PAUSE);

	if (!is_known_failure(state, error))
	{
		error->elevel = WARNING;
		ThrowErrorData(error);
		if (state->message)
			pfree(state->message);
		state->message = error->message ?
			MemoryContextStrdup(scheduler_context, error->message) : NULL;
		state->sqlstate = error->sqlerrcode;
	}
	state->failures++;
	state->not_before = monotonic_ms() + pause;
	state->again = true;
}

/*
 * A step, called at that time, has done what it could.  What has become due
 * meanwhile is no reason to pause: that would make every timer late which is
 * due shortly after another.
 */
static void
after_success(const SchedulerStep *step, StepState *state, TimestampTz called_at, bool again)
{
	if (state->failures > 0)
		ereport(LOG,
				(errmsg("step \"%s\" of the dfsmr scheduler of database \"%s\" works again",
						step->name, database_name)));
	state->failures = 0;
	state->again = again;
	state->not_before = 0;
	if (!again && step->next_due() <= called_at)
		state->not_before = monotonic_ms() + IDLE_PAUSE;
}

/*
 * Call one step.  False when it failed because the extension is gone, which is
 * no failure to report.
 */
static bool
run_step(int i)
{
	const SchedulerStep *step = scheduler_steps[i];
	bool		again = false;
	TimestampTz called_at = board_now(board);
	ErrorData  *error = call_contained(step, false, &again);

	if (error == NULL)
		after_success(step, &states[i], called_at, again);
	else if (!ShutdownRequestPending)
	{
		if (!still_installed())
			return false;
		after_failure(&states[i], error);
	}
	return true;
}

/*
 * How long until the step is to be called, in ms.  Woken, it is called unless
 * it pauses after a failure: nobody else knows what a wake-up means to it.
 */
static int64
time_to_step(int i, bool woken)
{
	StepState  *state = &states[i];
	int64		pause = Max(state->not_before - monotonic_ms(), 0);
	TimestampTz due;
	TimestampTz now;

	if (state->failures > 0)
		return pause;
	if (woken || state->again)
		return 0;
	due = scheduler_steps[i]->next_due();
	if (TIMESTAMP_IS_NOEND(due))
		return LONGEST_SLEEP;
	now = board_now(board);
	if (due <= now)
		return pause;
	/* Round up: waking a moment early would be in vain. */
	return Min((due - now) / 1000 + 1, LONGEST_SLEEP);
}

/*
 * One round: call each step that is due.  Returns how long to sleep, in ms, or
 * -1 when there is nothing left to serve.
 */
static int64
one_round(bool woken)
{
	int64		sleep = LONGEST_SLEEP;

	for (int i = 0; i < NUM_STEPS && !ShutdownRequestPending; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (time_to_step(i, woken) <= 0 && !run_step(i))
			return -1;
		MemoryContextReset(round_context);
	}
	board_sleep_until(board, DT_NOEND);
	for (int i = 0; i < NUM_STEPS; i++)
		sleep = Min(sleep, time_to_step(i, false));
	board_sleep_until(board, board_now(board) + sleep * 1000);
	return sleep;
}

/* Say what is going on while nothing does. */
static void
report_idle(void)
{
	char		activity[256] = "waiting for work";

	for (int i = 0; i < NUM_STEPS; i++)
		if (states[i].failures > 0)
		{
			snprintf(activity, sizeof(activity), "waiting; step \"%s\" has failed %d times: %s",
					 scheduler_steps[i]->name, states[i].failures,
					 states[i].message ? states[i].message : "unknown error");
			break;
		}
	pgstat_report_activity(STATE_IDLE, activity);
}

/* Look for the extension and its board; NULL, or the error that ended it. */
static ErrorData *
look_for_board(void)
{
	ErrorData  *volatile error = NULL;

	PG_TRY();
	{
		begin("looking for the extension");
		extension = look_up_extension();
		if (OidIsValid(extension))
		{
			board = board_get_if_available();
			database_name = MemoryContextStrdup(scheduler_context,
												get_database_name(MyDatabaseId));
		}
		end();
	}
	PG_CATCH();
	{
		error = catch_error();
	}
	PG_END_TRY();
	return error;
}

/* Make this the extension's scheduler; false: leave. */
static bool
take_up_service(const SchedulerTicket *ticket)
{
	ErrorData  *error = look_for_board();

	if (error != NULL)
	{
		/* It may have been dropped under our eyes, which is no failure. */
		if (still_installed())
			ThrowErrorData(error);
		return false;
	}
	if (!OidIsValid(extension))
	{
		process_table_set_departure(DEPARTURE_NO_EXTENSION);
		return false;
	}
	if (board == NULL)
	{
		/* Dropped meanwhile, it has no board either. */
		if (!still_installed())
			return false;
		process_table_set_departure(DEPARTURE_NO_ROOM);
		if (!ticket->quiet)
			ereport(LOG,
					(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					 errmsg("no place on the board for database \"%s\"", database_name),
					 errdetail("dfsmr does nothing by itself in this database, and hands out no work."),
					 errhint("Consider increasing the configuration parameter \"dfsmr.max_databases\".")));
		return false;
	}
	process_table_running();
	return true;
}

static void
leave_board(int code, Datum arg)
{
	if (board)
		board_set_scheduler(board, false);
}

/* Let the steps save what should not be repeated. */
static void
leave_in_order(void)
{
	leaving = true;
	for (int i = 0; i < NUM_STEPS; i++)
	{
		ErrorData  *error;

		if (scheduler_steps[i]->leave == NULL)
			continue;
		error = call_contained(scheduler_steps[i], true, NULL);
		if (error)
		{
			error->elevel = WARNING;
			ThrowErrorData(error);
		}
	}
}

/*
 * Has something come up since this round began?  A step that waited for a lock
 * has reset the latch, and with it whatever the latch was set for.
 */
static bool
needs_attention(uint64 wake_requests)
{
	return ShutdownRequestPending || ConfigReloadPending ||
		board_wake_requests(board) != wake_requests || process_table_has_orders();
}

/* Until told to leave, or the extension is gone. */
static void
serve(void)
{
	/* Begin as if woken, with every step. */
	uint64		heeded = board_wake_requests(board) - 1;

	for (;;)
	{
		bool		leave;
		bool		look_again;
		int64		sleep;
		uint64		wake_requests;

		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			/* What a setting means for when it is due, each step knows alone. */
			heeded = board_wake_requests(board) - 1;
		}
		process_table_orders(&leave, &look_again);
		if (look_again && !still_installed())
			return;
		if (leave || ShutdownRequestPending)
		{
			process_table_set_departure(leave ? DEPARTURE_ASKED : DEPARTURE_FAILED);
			leave_in_order();
			return;
		}

		wake_requests = board_wake_requests(board);
		sleep = one_round(wake_requests != heeded);
		heeded = wake_requests;
		if (sleep < 0)
			return;
		if (needs_attention(wake_requests))
			sleep = 0;
		if (sleep > 0)
			report_idle();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 (long) sleep, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

void
dfsmr_scheduler_main(Datum arg)
{
	SchedulerTicket ticket;

	memcpy(&ticket, MyBgworkerEntry->bgw_extra, sizeof(ticket));
	if (!process_table_attach(&ticket, DatumGetObjectId(arg)))
		proc_exit(0);

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	pqsignal(SIGINT, handle_sigint);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(arg), InvalidOid, 0);
	secure_settings();
	scheduler_context = AllocSetContextCreate(TopMemoryContext, "dfsmr scheduler",
											  ALLOCSET_DEFAULT_SIZES);
	round_context = AllocSetContextCreate(scheduler_context, "dfsmr scheduler round",
										  ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(round_context);

	if (!take_up_service(&ticket))
		proc_exit(0);
	before_shmem_exit(leave_board, 0);
	board_set_scheduler(board, true);
	pqsignal(SIGTERM, handle_sigterm);
	serve();
	proc_exit(0);
}

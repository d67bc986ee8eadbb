/*-------------------------------------------------------------------------
 *
 * init.c
 *	  Loading the library: settings, shared memory, hooks, the launcher.
 *
 * Loaded by a session alone (no preload) it only defines the settings that
 * make sense there: definitions, enforce() and reading work without a board.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include <limits.h>

#include "board.h"
#include "lease.h"
#include "listener.h"
#include "miscadmin.h"
#include "process_table.h"
#include "scheduler.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "unheard.h"
#include "utils/guc.h"
#include "xact_notes.h"

PG_MODULE_MAGIC;

int			dfsmr_default_timeout;
int			dfsmr_min_timeout;
int			dfsmr_max_timeout;
int			dfsmr_max_wait;
bool		dfsmr_log_claims;
int			dfsmr_max_databases;
int			dfsmr_max_leases;
int			dfsmr_max_sets;
int			dfsmr_set_size;
int			dfsmr_timer_set_size;
int			dfsmr_max_waiters;
int			dfsmr_max_durations;
int			dfsmr_max_prepared;
int			dfsmr_max_breakers;
int			dfsmr_audit_interval;
int			dfsmr_change_retention;
int			dfsmr_debug_sleep_callback;
int			dfsmr_debug_sleep_claim;
int			dfsmr_debug_sleep_refill;
bool		dfsmr_debug_lose_notes;
double		dfsmr_debug_notify_limit;

#if PG_VERSION_NUM >= 150000
static shmem_request_hook_type prev_shmem_request_hook = NULL;
#endif
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

extern PGDLLEXPORT void _PG_init(void);

static void
define_size(const char *name, const char *what, const char *detail, int *variable,
			int value, int min, int max)
{
	DefineCustomIntVariable(name, what, detail, variable, value, min, max,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
}

static void
define_debug_sleep(const char *name, const char *what, int *variable)
{
	DefineCustomIntVariable(name, what,
							"For developers: it widens a race so that tests meet it.",
							variable, 0, 0, 10000, PGC_SUSET,
							GUC_UNIT_MS | GUC_NOT_IN_SAMPLE, NULL, NULL, NULL);
}

/* Sizes of the board; fixed at server start, bytes per entry as stated. */
static void
define_sizes(void)
{
	define_size("dfsmr.max_databases", "Databases that can have a board.",
				"Each reserves the sizes below for itself.",
				&dfsmr_max_databases, 4, 1, 1024);
	define_size("dfsmr.max_leases", "Leases held at a time, per database.",
				"About 190 bytes each. When all are taken, ready() returns fewer.",
				&dfsmr_max_leases, 16384, 8, 10000000);
	define_size("dfsmr.max_sets", "Nodes with ready sets on the board, per database.",
				"About 200 bytes and two ready sets each; the least used one makes room.",
				&dfsmr_max_sets, 128, 4, 100000);
	define_size("dfsmr.set_size", "Entries of a ready set.",
				"56 bytes each, twice for every node.",
				&dfsmr_set_size, 1024, 4, 1000000);
	define_size("dfsmr.timer_set_size", "Timers, and delayed tasks, on the board, per database.",
				"56 bytes each, twice.",
				&dfsmr_timer_set_size, 8192, 4, 10000000);
	define_size("dfsmr.max_waiters", "Calls of ready() that may wait at a time, per database.",
				"About 160 bytes each. One more does not wait.",
				&dfsmr_max_waiters, 2048, 4, 1000000);
	define_size("dfsmr.max_durations", "Nodes whose durations are on the board, per database.",
				"About 5 kB each; those of the least used one make room.",
				&dfsmr_max_durations, 256, 4, 100000);
	define_size("dfsmr.max_prepared", "Prepared transactions watched at a time, per database.",
				"8 bytes each. Any beyond these makes the board look again more often.",
				&dfsmr_max_prepared, 256, 4, 100000);
	define_size("dfsmr.max_breakers", "Machines with a circuit breaker on the board, per database.",
				"About 500 bytes each. The closed one that was used least makes room.",
				&dfsmr_max_breakers, 64, 2, 100000);
}

static void
define_settings(void)
{
	DefineCustomIntVariable("dfsmr.default_timeout",
							"How long a lease holds at a node of which too few durations are known.",
							"Timeouts are a percentile of past durations, from 20 of them on, unless a node declares a fixed one.",
							&dfsmr_default_timeout, 5 * 60 * 1000, 1, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("dfsmr.min_timeout",
							"The shortest that a lease holds at a node without a fixed timeout.",
							"This comes before the node's own timeout_min and timeout_max.",
							&dfsmr_min_timeout, 1000, 1, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("dfsmr.max_timeout",
							"The longest that a lease holds at a node without a fixed timeout.",
							"This comes before dfsmr.min_timeout and the node's own timeout_min and timeout_max.",
							&dfsmr_max_timeout, 24 * 60 * 60 * 1000, 1, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("dfsmr.max_wait",
							"The longest that ready() waits, whatever it is asked for.",
							"A waiting call pins a snapshot, so vacuum cannot clean up past it.",
							&dfsmr_max_wait, 5000, 0, 600 * 1000,
							PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomBoolVariable("dfsmr.log_claims",
							 "Write claims to the changelog too.",
							 "This makes every ready() that returns something write.",
							 &dfsmr_log_claims, false, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("dfsmr.audit_interval",
							"How often a slice of the board is compared with the tables; 0 never.",
							NULL, &dfsmr_audit_interval, 1000, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("dfsmr.change_retention",
							"How long changes are kept at least; 0 for ever.",
							"They are forgotten in parts, so some are kept for up to a seventh longer.",
							&dfsmr_change_retention, 30 * 24 * 60, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MIN, NULL, NULL, NULL);
	define_debug_sleep("dfsmr.debug_sleep_callback",
					   "Sleep between a commit becoming visible and the board learning of it.",
					   &dfsmr_debug_sleep_callback);
	define_debug_sleep("dfsmr.debug_sleep_claim",
					   "Sleep between taking a lease and reading the row.",
					   &dfsmr_debug_sleep_claim);
	define_debug_sleep("dfsmr.debug_sleep_refill",
					   "Sleep in the middle of a refill.",
					   &dfsmr_debug_sleep_refill);
	DefineCustomBoolVariable("dfsmr.debug_lose_notes",
							 "Do not tell the board what a commit of this session did.",
							 "For developers: a defect, for the tests of what repairs it.",
							 &dfsmr_debug_lose_notes, false,
							 PGC_SUSET, GUC_NOT_IN_SAMPLE, NULL, NULL, NULL);
	DefineCustomRealVariable("dfsmr.debug_notify_limit",
							 "Fill level of the NOTIFY queue above which publication pauses.",
							 "For developers: lower it, so that tests need not fill the queue.",
							 &dfsmr_debug_notify_limit, 0.5, 0, 1,
							 PGC_SIGHUP, GUC_NOT_IN_SAMPLE, NULL, NULL, NULL);
}

static void
request_shmem(void)
{
#if PG_VERSION_NUM >= 150000
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
#endif
	RequestAddinShmemSpace(add_size(board_shmem_size(), process_table_shmem_size()));
	RequestAddinShmemSpace(add_size(unheard_shmem_size(), listeners_shmem_size()));
	RequestNamedLWLockTranche("dfsmr", board_num_lwlocks());
}

static void
startup_shmem(void)
{
	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	board_shmem_init();
	unheard_shmem_init();
	listeners_shmem_init();
	if (!IsUnderPostmaster)
		on_shmem_exit(lease_file_save, 0);
	process_table_shmem_init();
	LWLockRelease(AddinShmemInitLock);
}

void
_PG_init(void)
{
	define_settings();
	if (process_shared_preload_libraries_in_progress)
	{
		define_sizes();
#if PG_VERSION_NUM >= 150000
		prev_shmem_request_hook = shmem_request_hook;
		shmem_request_hook = request_shmem;
#else
		request_shmem();
#endif
		prev_shmem_startup_hook = shmem_startup_hook;
		shmem_startup_hook = startup_shmem;
		utility_hook_install();
		launcher_register();
	}
	mark_guc_prefix_reserved("dfsmr");
	xact_notes_register();
}

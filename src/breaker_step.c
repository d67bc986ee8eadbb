/*-------------------------------------------------------------------------
 *
 * breaker_step.c
 *	  The scheduler's step that serves circuit breakers.
 *
 * They open and close in shared memory, at the moment of the claim or the
 * completion that decides it (breaker.c).  This step writes that into the
 * changelog, wakes waiters when probes are due, and lets go of breakers that
 * the current version of their machine does not declare.
 *
 * What is in shared memory is gone after a restart of the server.  A breaker
 * that was open then, by the last change that says so, is opened again: a
 * failing downstream is not spared by our going down.  What its window had
 * counted is forgotten.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "breaker.h"
#include "change_columns.h"
#include "change_ring.h"
#include "changelog.h"
#include "machine_cache.h"
#include "scheduler.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "xact_notes.h"

/* Changes without an instance that are looked at for those of breakers. */
#define RECALL_MAX 10000

/* The note of a change begins with one of these. */
#define NOTE_OPEN "open"
#define NOTE_CLOSED "closed"

/* ----------------------------------------------------------------- recall */

static char *
column_text(TupleTableSlot *slot, int column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column + 1, &isnull);

	return isnull ? "" : TextDatumGetCString(value);
}

/* The latest change of the machine's breaker is in the slot. */
static void
recall_one(Board *board, const char *machine, TupleTableSlot *slot)
{
	const MachineInfo *info = machine_info(machine);
	bool		isnull;
	TimestampTz since = DatumGetTimestampTz(slot_getattr(slot, CHANGE_COLUMN_AT + 1, &isnull));
	TimestampTz now;
	int			place;

	if (info == NULL || !info->machine->has_breaker ||
		strncmp(column_text(slot, CHANGE_COLUMN_NOTE), NOTE_OPEN, strlen(NOTE_OPEN)) != 0)
		return;
	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	now = board_now(board);
	place = breaker_attach(board, machine, info->current, &info->machine->breaker, now);
	if (place >= 0)
		breaker_reopen(board, place, since, now);
	LWLockRelease(board->lock);
}

/* How many machines declare one: so many are looked for. */
static int
count_declared(void)
{
	int			n;
	int			declared = 0;
	const MachineInfo **machines = machine_info_all(&n);

	for (int i = 0; i < n; i++)
		declared += machines[i]->machine->has_breaker;
	return declared;
}

static bool
is_member(List *names, const char *name)
{
	ListCell   *cell;

	foreach(cell, names)
	{
		if (strcmp(lfirst(cell), name) == 0)
			return true;
	}
	return false;
}

/*
 * Open those that were open when the server went down, as far as the changelog
 * goes back.  The changes of machines as a whole, which have no instance, are few.
 */
static void
recall(Board *board)
{
	int			left = count_declared();
	List	   *seen = NIL;
	ChangeScan	scan;
	TupleTableSlot *slot;

	if (left == 0)
		return;
	change_scan_open(&scan, SnapshotSelf);
	change_scan_seek(&scan, NULL, BackwardScanDirection);
	for (int i = 0; i < RECALL_MAX && left > 0 && (slot = change_scan_next(&scan)) != NULL; i++)
	{
		char	   *machine = column_text(slot, CHANGE_COLUMN_MACHINE);

		if (strcmp(column_text(slot, CHANGE_COLUMN_KIND), change_kind_name(CHANGE_BREAKER)) != 0 ||
			is_member(seen, machine))
			continue;
		seen = lappend(seen, machine);
		left--;
		recall_one(board, machine, slot);
	}
	change_scan_close(&scan);
}

static void
recall_once(Board *board)
{
	bool		recalled;

	LWLockAcquire(board->lock, LW_SHARED);
	recalled = board->breakers_recalled;
	LWLockRelease(board->lock);
	if (recalled)
		return;
	recall(board);
	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	board->breakers_recalled = true;
	LWLockRelease(board->lock);
}

/* ------------------------------------------------------------- definitions */

/* Have the breaker at this place agree with the current version of its machine. */
static void
follow(Board *board, int place)
{
	char		machine[DFSMR_NAME_MAX + 1];
	const MachineInfo *info;
	bool		used;

	LWLockAcquire(board->lock, LW_SHARED);
	used = board->breakers[place].used;
	memcpy(machine, board->breakers[place].machine, sizeof(machine));
	LWLockRelease(board->lock);
	if (!used || (info = machine_info(machine)) == NULL)
		return;
	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	if (info->machine->has_breaker)
		breaker_attach(board, machine, info->current, &info->machine->breaker,
					   board_now(board));
	else
		breaker_detach(board, machine, info->current);
	LWLockRelease(board->lock);
}

static void
follow_definitions(Board *board)
{
	uint64		counter = board_definition_counter(extension_oids_required());
	bool		changed;
	int			n;

	LWLockAcquire(board->lock, LW_SHARED);
	changed = board->breakers_follow != counter;
	n = board->nbreakers_used;
	LWLockRelease(board->lock);
	/* What tick()'s own transaction has defined may be rolled back. */
	if (!changed || xact_changed_definitions())
		return;
	for (int i = 0; i < n; i++)
		follow(board, i);
	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	board->breakers_follow = counter;
	LWLockRelease(board->lock);
}

/* ----------------------------------------------------------------- changes */

static char *
describe(const BreakerEvent *event)
{
	if (event->open)
		return psprintf(NOTE_OPEN ": %d of %d deliveries within %g s were retries",
						event->bad, event->of, event->window / (double) USECS_PER_SEC);
	if (event->undeclared)
		return psprintf(NOTE_CLOSED ": version %d has no breaker", event->version);
	return psprintf(NOTE_CLOSED ": %d of %d probes succeeded",
					event->of - event->bad, event->of);
}

static void
write_changes(Board *board)
{
	BreakerEvent *events = palloc(MAX_BREAKER_EVENTS * sizeof(BreakerEvent));
	int			n;

	xact_note_reserve_claims(MAX_BREAKER_EVENTS);
	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	n = breaker_take_events(board, events, MAX_BREAKER_EVENTS);
	for (int i = 0; i < n; i++)
		xact_note_breaker_event(&events[i]);
	LWLockRelease(board->lock);
	for (int i = 0; i < n; i++)
	{
		Change		change = {
			.kind = CHANGE_BREAKER,
			.machine = events[i].machine,
			.version = events[i].version,
			.note = describe(&events[i]),
		};

		changelog_write(&change);
	}
	pfree(events);
}

/* -------------------------------------------------------------------- step */

static void
say_when_full(Board *board)
{
	static bool said = false;
	bool		full;

	LWLockAcquire(board->lock, LW_SHARED);
	full = board->breakers_full;
	LWLockRelease(board->lock);
	if (full && !said)
		ereport(LOG,
				(errmsg("dfsmr: all %d circuit breakers are open, so further machines do without",
						dfsmr_max_breakers),
				 errhint("Raise dfsmr.max_breakers and restart the server.")));
	said = full;
}

static bool
run(void)
{
	Board	   *board = board_get();

	recall_once(board);
	follow_definitions(board);
	write_changes(board);
	say_when_full(board);
	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	breaker_wake(board, board_now(board));
	LWLockRelease(board->lock);
	return false;
}

static TimestampTz
next_due(void)
{
	Board	   *board = board_attached();
	TimestampTz due = DT_NOEND;

	if (board == NULL)
		return due;
	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	due = breaker_next_wake(board, board_now(board));
	LWLockRelease(board->lock);
	return due;
}

const SchedulerStep breaker_step = {
	.name = "serving circuit breakers",
	.run = run,
	.next_due = next_due,
	.in_tick = true,
};

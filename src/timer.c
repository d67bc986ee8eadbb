/*-------------------------------------------------------------------------
 *
 * timer.c
 *	  The scheduler's step that fires timers, and the clock of delayed tasks.
 *
 * A timer that is due is taken off the board, its row is looked at, and its
 * edge is taken.  Nobody is waited for: a row that is locked is postponed.
 * What was taken is offered again if the transaction fails.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "board_internal.h"
#include "contain.h"
#include "machine_cache.h"
#include "refill.h"
#include "running/call.h"
#include "running/move.h"
#include "running/visits.h"
#include "scheduler.h"
#include "set_scan.h"
#include "utils/timestamp.h"
#include "xact_notes.h"

/* Timers fired in one transaction: in their order, and out of it (take_fresh()). */
#define BATCH 200
#define FRESH 50

/* How long after it is due a timer may come to be seen, in microseconds. */
#define SEEN_LATE (100 * INT64CONST(1000))

/* Pauses before a row is tried again, in microseconds. */
#define LOCKED_PAUSE (100 * INT64CONST(1000))
#define BAD_PAUSE USECS_PER_SEC
#define MAX_DOUBLINGS 6

/* One timer in work. */
typedef struct Firing
{
	Board	   *board;
	InstanceTable *table;
	Postponed	timer;
	TimestampTz now;
	bool		postpone;		/* the row is locked */
} Firing;

/* The last run did not come to its end: some row is bad, so take care. */
static bool running = false;
static bool careful = false;

/* ------------------------------------------------------------- postponing */

/* Lock held. */
static void
postpone(Board *board, const Postponed *timer, TimestampTz retry_at)
{
	if (board->npostponed < MAX_POSTPONED)
	{
		Postponed  *place = &board->postponed[board->npostponed++];

		*place = *timer;
		place->tries++;
		place->retry_at = retry_at;
	}
	else if (!board->postponed_lost)
	{
		/* No room: in a while, look at all timers again. */
		board->postponed_lost = true;
		board->postponed_retry = retry_at;
	}
}

static TimestampTz
retry_time(const Firing *firing, int64 pause)
{
	return firing->now + (pause << Min(firing->timer.tries, MAX_DOUBLINGS));
}

/* ------------------------------------------------------------------ taking */

/* Take timers that are due off the board; returns how many. */
static int
take_due(Board *board, TimestampTz now, Postponed *timers, int max)
{
	int			n = 0;
	SetEntry   *entry;

	xact_note_reserve_claims(max);
	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	if (board->postponed_lost && board->postponed_retry <= now)
	{
		board->postponed_lost = false;
		ordered_set_draw_back(&board->timers, &KEY_LOWEST);
	}
	for (int i = board->npostponed - 1; i >= 0 && n < max; i--)
	{
		if (board->postponed[i].retry_at > now)
			continue;
		timers[n++] = board->postponed[i];
		board->postponed[i] = board->postponed[--board->npostponed];
	}
	while (n < max && (entry = ordered_set_get(&board->timers, 0)) != NULL &&
		   entry->key.at <= now)
	{
		memset(&timers[n], 0, sizeof(Postponed));
		timers[n++].entry = *entry;
		ordered_set_remove(&board->timers, 0);
	}
	for (int i = 0; i < n; i++)
		xact_note_timer(&timers[i].entry);
	LWLockRelease(board->lock);
	return n;
}

/* Is there more that is due?  Lock held. */
static bool
more_due(Board *board, TimestampTz now)
{
	SetEntry   *entry = ordered_set_get(&board->timers, 0);

	return entry != NULL ? entry->key.at <= now : ordered_set_needs_refill(&board->timers);
}

/*
 * While a large wave is worked off, take what has become due since the last
 * batch out of its order, so that a timer need not wait for all that were due
 * before it.  More than there is room for is a wave itself, and waits its turn.
 * A short timer is due before the transaction that began it is seen, so what
 * was due a moment earlier is looked at again.  These are hints like the others:
 * what was fired already, or what its turn comes for later, has moved on.
 */
static int
take_fresh(Board *board, TimestampTz now, Postponed *timers, int max)
{
	static TimestampTz seen_until = DT_NOEND;
	EntryKey	from = KEY_LOWEST;
	EntryKey	key;
	SetScan		scan;
	bool		behind;
	int			n = 0;

	LWLockAcquire(board->lock, LW_SHARED);
	behind = more_due(board, now);
	LWLockRelease(board->lock);
	if (behind && seen_until < now)
	{
		from.at = seen_until - SEEN_LATE;
		xact_note_reserve_claims(max);
		set_scan_begin(&scan, SET_TIMERS, NULL, FIRSTS, &from, now);
		while (n < max && set_scan_next(&scan, &key) && key.at <= now)
		{
			SetEntry   *entry = &timers[n].entry;
			bool		isnull;

			memset(&timers[n++], 0, sizeof(Postponed));
			entry->key = key;
			entry->visit = DatumGetInt32(slot_getattr(scan.slot, ANUM_VISIT, &isnull));
			entry->tid = scan.slot->tts_tid;
			entry->node = -1;
			xact_note_timer(entry);
		}
		set_scan_end(&scan);
	}
	seen_until = now;
	return n;
}

/* ------------------------------------------------------------------- firing */

/* The edge that the row takes by itself now, or NULL: it does not. */
static const MachineEdge *
due_edge(Board *board, const InstanceRow *row, const MachineNode *node, Move *move)
{
	if (node == NULL || (node->kind == NODE_TASK && !row->held))
		return NULL;
	move->kind = node->kind == NODE_TIMER ? CHANGE_TIMER : CHANGE_TIMEOUT;
	if (row->held)
	{
		LeaseCopy	claim;

		if (claim_in_flight(board, row, &claim))
			move->ticket = claim.lease.ticket;
		move->client = row->held_by;
		move->attempt = row->attempt;
		move->claimed_at = row->held_since;
	}
	else if (visits_limit(row->visits, node) <= move->now)
		return &node->edges[node->on_max_elapsed];
	else if (node->kind == NODE_TIMER)
		return &node->edges[node->fire];
	return node->on_timeout >= 0 ? &node->edges[node->on_timeout] : NULL;
}

static void
fire(Firing *firing)
{
	SetEntry   *entry = &firing->timer.entry;
	InstanceRow row;
	const MachineInfo *info;
	const Machine *machine;
	const MachineNode *node;
	const MachineEdge *edge;
	Move		move = {.now = firing->now, .no_wait = true};

	/* A hint only: the row may have moved on, or been paused. */
	if (!instance_fetch_hinted(firing->table, &entry->key.id, &entry->tid, &row) ||
		row.visit != entry->visit || !row.timed || row.ready_at > firing->now)
		return;
	/* A pause stops what would begin, not what was handed out. */
	info = machine_info(row.machine);
	if (info == NULL || (!row.held && machine_node_paused(info, row.node)))
		return;
	machine = machine_version(row.machine, row.version);
	node = row_node(&row, machine);
	edge = due_edge(firing->board, &row, node, &move);
	if (edge == NULL)
		return;
	if (move_along(firing->table, &row, machine, node, edge, &move) != INSTANCE_UPDATED)
		firing->postpone = true;
}

/* With a table of its own: what a subtransaction opens, it must close. */
static void
fire_apart(void *argument)
{
	Firing	   *firing = argument;
	InstanceTable table;

	instance_table_open(&table, RowExclusiveLock);
	firing->table = &table;
	fire(firing);
	instance_table_close(&table);
}

static void
fire_one(Firing *firing)
{
	InstanceTable *table = firing->table;
	bool		good = true;
	char		about[64];

	firing->postpone = false;
	if (careful)
	{
		snprintf(about, sizeof(about), "the timer of instance %s",
				 uuid_string(&firing->timer.entry.key.id));
		good = contained(fire_apart, firing, about);
		firing->table = table;
	}
	else
		fire(firing);

	if (good && !firing->postpone)
		return;
	LWLockAcquire(firing->board->lock, LW_EXCLUSIVE);
	postpone(firing->board, &firing->timer, retry_time(firing, good ? LOCKED_PAUSE : BAD_PAUSE));
	LWLockRelease(firing->board->lock);
}

/* Delayed tasks become due; what becomes due next is known. */
static TimestampTz
advance(Board *board)
{
	TimestampTz now;
	TimestampTz quiet_until;

	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	now = board_now(board);
	quiet_until = board->quiet_until;
	board_promote(board, now);
	LWLockRelease(board->lock);
	if (ordered_set_needs_refill(&board->delayed))
		refill_delayed(board);
	return now < quiet_until ? 0 : now;
}

static bool
run(void)
{
	Board	   *board = board_get();
	TimestampTz now = advance(board);
	Postponed  *timers;
	InstanceTable table;
	Firing		firing = {.board = board, .table = &table, .now = now};
	int			n;
	bool		more;

	if (now == 0)
		return false;
	careful = running;
	running = true;
	if (ordered_set_needs_refill(&board->timers))
		refill_timers(board);
	timers = palloc((BATCH + FRESH) * sizeof(Postponed));
	n = take_due(board, now, timers, BATCH);
	n += take_fresh(board, now, timers + n, FRESH);
	if (n > 0)
	{
		instance_table_open(&table, RowExclusiveLock);
		for (int i = 0; i < n; i++)
		{
			firing.timer = timers[i];
			fire_one(&firing);
		}
		instance_table_close(&table);
	}
	pfree(timers);
	running = false;
	LWLockAcquire(board->lock, LW_SHARED);
	more = more_due(board, now);
	LWLockRelease(board->lock);
	return more;
}

static TimestampTz
next_due(void)
{
	Board	   *board = board_attached();
	TimestampTz due;
	SetEntry   *entry;

	if (board == NULL)
		return DT_NOEND;
	LWLockAcquire(board->lock, LW_SHARED);
	due = board_next_delayed(board);
	/* A claim may have promoted all that were known: look who is next. */
	if (ordered_set_needs_refill(&board->delayed))
		due = Min(due, board->due_until);
	entry = ordered_set_get(&board->timers, 0);
	if (entry != NULL)
		due = Min(due, entry->key.at);
	else if (ordered_set_needs_refill(&board->timers))
		due = Min(due, board->due_until);
	for (int i = 0; i < board->npostponed; i++)
		due = Min(due, board->postponed[i].retry_at);
	if (board->postponed_lost)
		due = Min(due, board->postponed_retry);
	if (due != DT_NOEND)
		due = Max(due, board->quiet_until);
	LWLockRelease(board->lock);
	return due;
}

const SchedulerStep timer_step = {
	.name = "firing timers",
	.run = run,
	.next_due = next_due,
	.in_tick = true,
};

/*-------------------------------------------------------------------------
 *
 * duration_store.c
 *	  Durations beyond the life of the board: saving and loading them.
 *
 * The scheduler saves what has changed, every few seconds and when it leaves in
 * good order; users' transactions never do.  So a restart forgets nothing, and a
 * crash no more than the last seconds.  What was saved of a node is added to the
 * board when it is claimed from, or saved, for the first time since the board
 * was made or the node had to make room.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "durations.h"
#include "executor/spi.h"
#include "owner_query.h"
#include "scheduler.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* From one saving to the next, in microseconds. */
#define SAVE_INTERVAL (10 * USECS_PER_SEC)

/* Nodes saved in one transaction. */
#define BATCH 64

#define ANUM_SKETCH 4

/* ----------------------------------------------------------------- loading */

/* What was saved of the node; false, and *sketch is empty, when nothing was. */
static bool
read_saved(const NodeName *name, Sketch *sketch)
{
	const ExtensionOids *oids = extension_oids_required();
	Relation	rel = table_open(oids->node_duration, AccessShareLock);
	Relation	index = index_open(oids->node_duration_pkey, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	ScanKeyData keys[2];
	IndexScanDesc scan;
	bool		found;
	bool		sound = false;

	memset(sketch, 0, sizeof(*sketch));
	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(name->machine));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(name->node));
	scan = index_beginscan(rel, index, SnapshotSelf, NULL, 2, 0);
	index_rescan(scan, keys, 2, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, slot);
	if (found)
	{
		bool		isnull;
		bytea	   *bytes = DatumGetByteaPP(slot_getattr(slot, ANUM_SKETCH, &isnull));

		sound = sketch_read(sketch, (uint8 *) VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, NoLock);
	table_close(rel, NoLock);
	if (found && !sound)
		ereport(LOG,
				(errmsg("dfsmr: ignoring the saved durations of node \"%s\" of machine \"%s\", which are damaged",
						name->node, name->machine),
				 errdetail("Until new ones are known, dfsmr.default_timeout applies.")));
	return sound;
}

DurationsRef
durations_prepare(Board *board, const NodeName *name)
{
	DurationsRef ref;
	NodeDurations *durations;
	bool		loaded;
	Sketch		saved;

	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	ref = durations_get(board, name);
	loaded = board->durations[ref.slot].loaded;
	LWLockRelease(board->lock);
	if (loaded)
		return ref;

	(void) read_saved(name, &saved);
	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	ref = durations_get(board, name);
	durations = durations_deref(board, ref);
	if (!durations->loaded)
	{
		sketch_merge(&durations->sketch, &saved);
		durations->memo.percent = 0;
		durations->loaded = true;
	}
	LWLockRelease(board->lock);
	return ref;
}

bool
durations_read(Board *board, const NodeName *name, Sketch *sketch)
{
	Sketch		saved;
	bool		loaded = false;

	memset(sketch, 0, sizeof(*sketch));
	if (board != NULL)
	{
		NodeDurations *durations;

		LWLockAcquire(board->lock, LW_SHARED);
		durations = durations_find(board, name);
		if (durations != NULL)
		{
			*sketch = durations->sketch;
			loaded = durations->loaded;
		}
		LWLockRelease(board->lock);
	}
	if (!loaded && read_saved(name, &saved))
		sketch_merge(sketch, &saved);
	return sketch_count(sketch) > 0;
}

/* ------------------------------------------------------------------ saving */

/* A node that was saved, as it was then. */
typedef struct SavedNode
{
	DurationsRef ref;
	uint64		samples;
} SavedNode;

/* Where the scheduler is, and what the commit of its transaction makes true. */
typedef struct Saving
{
	int			next;			/* the slot to go on with; 0: a new pass */
	uint64		seen;			/* board->samples when this pass began, */
	uint64		done;			/* ... and when the last complete one did */
	TimestampTz save_at;		/* no pass begins before */
	bool		pending;		/* the transaction that runs has saved something */
	int			nsaved;
	SavedNode  *saved;			/* room for all nodes; NULL before the first run */
} Saving;

static Saving saving;

static void
mark_saved(Board *board)
{
	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	for (int i = 0; i < saving.nsaved; i++)
	{
		NodeDurations *durations = durations_deref(board, saving.saved[i].ref);

		if (durations != NULL)
			durations->saved = Max(durations->saved, saving.saved[i].samples);
	}
	LWLockRelease(board->lock);
	if (saving.next == 0)
		saving.done = saving.seen;
}

static void
transaction_ended(XactEvent event, void *arg)
{
	if (!saving.pending || (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT))
		return;
	saving.pending = false;
	if (event == XACT_EVENT_COMMIT && board_attached() != NULL)
		mark_saved(board_attached());
	else
		saving.next = 0;
}

static void
save_one(const NodeName *name, const Sketch *sketch, TimestampTz now)
{
	bytea	   *bytes = palloc(VARHDRSZ + SKETCH_WRITTEN_MAX);
	Oid			types[] = {TEXTOID, TEXTOID, TIMESTAMPTZOID, BYTEAOID};
	Datum		values[4];

	SET_VARSIZE(bytes, VARHDRSZ + sketch_write(sketch, (uint8 *) VARDATA(bytes)));
	values[0] = CStringGetTextDatum(name->machine);
	values[1] = CStringGetTextDatum(name->node);
	values[2] = TimestampTzGetDatum(now);
	values[3] = PointerGetDatum(bytes);
	query_as_owner("INSERT INTO dfsmr.node_duration (machine, node, saved_at, sketch) "
				   "VALUES ($1, $2, $3, $4) ON CONFLICT (machine, node) "
				   "DO UPDATE SET saved_at = excluded.saved_at, sketch = excluded.sketch",
				   4, types, values, false, SPI_OK_INSERT);
	pfree(bytes);
}

/* Has the slot something to save?  Then a copy of it. */
static bool
copy_unsaved(Board *board, int slot, NodeDurations *copy)
{
	NodeDurations *durations;
	bool		unsaved = false;

	LWLockAcquire(board->lock, LW_SHARED);
	durations = &board->durations[slot];
	if (slot < board->ndurations && durations->samples > durations->saved)
	{
		*copy = *durations;
		unsaved = true;
	}
	LWLockRelease(board->lock);
	return unsaved;
}

/*
 * Save up to max nodes, from the slot on at which the last batch ended, or a new
 * pass over all begins.  True: there is more.
 *
 * The table is locked before the board is asked for: by its name alone the
 * statement could find that of an extension that was created meanwhile.
 */
static bool
save_batch(TimestampTz now, int max)
{
	Relation	rel = table_open(extension_oids_required()->node_duration, RowExclusiveLock);
	Board	   *board = board_get();
	NodeDurations *copy = palloc(sizeof(NodeDurations));
	int			slot;

	if (saving.saved == NULL)
	{
		saving.saved = MemoryContextAlloc(TopMemoryContext,
										  dfsmr_max_durations * sizeof(SavedNode));
		RegisterXactCallback(transaction_ended, NULL);
	}
	if (saving.next == 0)
	{
		LWLockAcquire(board->lock, LW_SHARED);
		saving.seen = board->samples;
		LWLockRelease(board->lock);
		saving.save_at = now + SAVE_INTERVAL;
	}
	saving.nsaved = 0;
	saving.pending = true;
	commit_asynchronously();
	SPI_connect();
	for (slot = saving.next; slot < dfsmr_max_durations && saving.nsaved < max; slot++)
	{
		if (!copy_unsaved(board, slot, copy))
			continue;
		/* What was saved before is part of what is saved now. */
		if (!copy->loaded)
			(void) durations_prepare(board, &copy->name);
		if (!copy->loaded && !(copy_unsaved(board, slot, copy) && copy->loaded))
			continue;
		save_one(&copy->name, &copy->sketch, now);
		saving.saved[saving.nsaved].ref = (DurationsRef) {slot, copy->generation};
		saving.saved[saving.nsaved].samples = copy->samples;
		saving.nsaved++;
	}
	SPI_finish();
	table_close(rel, NoLock);
	saving.next = slot < dfsmr_max_durations ? slot : 0;
	return saving.next != 0;
}

/* Is there anything that no complete pass has seen? */
static bool
anything_new(Board *board)
{
	bool		anything;

	LWLockAcquire(board->lock, LW_SHARED);
	anything = board->samples != saving.done;
	LWLockRelease(board->lock);
	return anything;
}

/*
 * Not due yet?  An injected clock that was set back must not put it off for
 * longer than the interval.
 */
static bool
is_early(TimestampTz now)
{
	return saving.next == 0 && now < saving.save_at && saving.save_at <= now + SAVE_INTERVAL;
}

static bool
run(void)
{
	Board	   *board = board_get();
	TimestampTz now = board_now(board);

	if (is_early(now) || !anything_new(board))
		return false;
	return save_batch(now, BATCH);
}

static TimestampTz
next_due(void)
{
	Board	   *board = board_attached();

	return board != NULL && anything_new(board) ? saving.save_at : DT_NOEND;
}

static void
leave(void)
{
	Board	   *board = board_get();

	saving.next = 0;
	if (anything_new(board))
		(void) save_batch(board_now(board), dfsmr_max_durations);
}

const SchedulerStep duration_step = {
	.name = "saving durations",
	.run = run,
	.next_due = next_due,
	.leave = leave,
	.in_tick = false,
};

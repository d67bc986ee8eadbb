/*-------------------------------------------------------------------------
 *
 * publish.c
 *	  The scheduler's step that tells listeners what changed.
 *
 * Each change becomes one JSON notification on channel "dfsmr".  The scheduler
 * sends them, never the session that made the change: NOTIFY takes a lock of
 * the whole cluster at commit, forbids PREPARE TRANSACTION, and fails its
 * transaction when one listener has stalled and the queue is full.
 *
 * The order is that of the windows between the snapshots that this step takes
 * (change_window.c), in batches, each a transaction of its own.  The position
 * moves when a batch has committed and is saved once a second while it moves:
 * a notification may come again after a crash, and none is left out.
 *
 * While nobody listens there is nobody to tell: windows are passed over unread.
 * Who begins to listen is noted before that commits (listener.h), so whoever was
 * not there when a window had its end need not hear of anything in it.
 *
 * tick() does not run this step.  It would put the NOTIFY into its caller's
 * transaction, and two processes would have to agree on the position.  Who
 * cannot have a scheduler follows the changelog by changes_since().
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "board.h"
#include "catalog/pg_type.h"
#include "change_cursor.h"
#include "change_format.h"
#include "change_window.h"
#include "commands/async.h"
#include "executor/spi.h"
#include "listener.h"
#include "miscadmin.h"
#include "owner_query.h"
#include "process_table.h"
#include "scheduler.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* What async.c calls NOTIFY_PAYLOAD_MAX_LENGTH: a payload is shorter. */
#define PAYLOAD_LIMIT 8000

/* Notifications in one transaction. */
#define BATCH_SIZE 500

/* Keys that are held of a window at a time; twice as many are collected. */
#define WINDOW_CAPACITY 8192

/* Microseconds from one look at a full queue, or one saving, to the next. */
#define PAUSE_INTERVAL USECS_PER_SEC
#define SAVE_INTERVAL USECS_PER_SEC

/*
 * Milliseconds from the beginning of one window to that of the next.  A window
 * costs much the same whether it has one change or many, and every notification
 * of a transaction signals the listeners once: a busy database has many changes
 * in each, an idle one is told at once.
 */
#define WINDOW_INTERVAL 5

/* The same while nobody listens.  The first that does may wait for so long. */
#define UNHEARD_INTERVAL 50

/* After so many failures at one place, a row that cannot be told is skipped. */
#define PATIENCE 3

typedef struct Publisher
{
	MemoryContext context;
	MemoryContext position_context; /* of what position points to */
	ChangeCursor *position;		/* published up to here, committed */
	ChangeWindow *window;		/* behind position; NULL: none is begun */
	uint64		announced;		/* changes that the window knows of */
	bool		news;			/* ... that the look before did not */
	bool		uncounted;		/* nobody has counted what the first window has */
	int64		window_at;		/* no new window before, on monotonic_ms() */

	/* What the commit of the transaction that runs makes true. */
	bool		pending;
	int64		pending_last;
	bool		pending_end;	/* the window is used up */
	bool		pending_moves;	/* something was told, or need not be any more */

	int			failures;		/* transactions that did not commit, in a row */
	bool		moved;			/* since it was saved */
	TimestampTz save_at;
	bool		paused;			/* the queue is too full */
	TimestampTz look_at;		/* ... until then */
} Publisher;

static Publisher *publisher = NULL;

/* Set the committed position; the cursor is copied. */
static void
set_position(const ChangeCursor *cursor)
{
	MemoryContext context = AllocSetContextCreate(publisher->context,
												  "dfsmr publisher position",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);

	publisher->position = change_cursor_copy(cursor);
	MemoryContextSwitchTo(caller);
	if (publisher->position_context)
		MemoryContextDelete(publisher->position_context);
	publisher->position_context = context;
}

/*
 * A batch has committed, or not.  Nothing here can fail: the position inside
 * a window is a number, and its end was there when the window was begun.
 */
static void
transaction_ended(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT || publisher == NULL || !publisher->pending)
		return;
	publisher->pending = false;
	publisher->failures = 0;
	if (publisher->pending_moves)
		publisher->moved = true;
	publisher->position->last = publisher->pending_last;
	if (publisher->pending_end)
	{
		publisher->position->from = publisher->position->to;
		publisher->position->inside = false;
		publisher->uncounted = false;
		change_window_free(publisher->window);
		publisher->window = NULL;
	}
}

/* Where publication was, as far as it was saved; NULL: nowhere. */
static char *
read_saved(void)
{
	MemoryContext caller = CurrentMemoryContext;
	char	   *saved = NULL;

	SPI_connect();
	query_as_owner("SELECT published FROM dfsmr.installation", 0, NULL, NULL, true,
				   SPI_OK_SELECT);
	if (SPI_processed == 1)
	{
		char	   *value = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);

		if (value)
			saved = MemoryContextStrdup(caller, value);
	}
	SPI_finish();
	return saved;
}

/*
 * Save the committed position.  Not waited for: after a crash it may be an
 * earlier one that is found.
 */
static void
save_position(void)
{
	Oid			types[] = {TEXTOID};
	Datum		values[] = {CStringGetTextDatum(change_cursor_text(publisher->position))};

	publisher->save_at = board_now(board_get()) + SAVE_INTERVAL;
	commit_asynchronously();
	SPI_connect();
	query_as_owner("UPDATE dfsmr.installation SET published = $1", 1, types, values, false,
				   SPI_OK_UPDATE);
	SPI_finish();
	publisher->moved = false;
}

/*
 * Begin where the last scheduler stopped.  The first one of an installation
 * begins with what was not restored; one that finds a position that means
 * nothing here (after pg_upgrade, say) begins with now.
 */
static void
begin_publishing(void)
{
	Publisher  *fresh;
	MemoryContext context;
	ChangeCursor start;
	char	   *saved = read_saved();
	ChangeCursor *found = saved ? change_cursor_parse_if_valid(saved) : NULL;

	if (found)
		start = *found;
	else if (saved)
		start = change_cursor_at(change_moment_now("publication"));
	else
		start = change_cursor_oldest_unrestored();

	context = AllocSetContextCreate(TopMemoryContext, "dfsmr publisher",
									ALLOCSET_SMALL_SIZES);
	fresh = MemoryContextAllocZero(context, sizeof(Publisher));
	fresh->context = context;
	fresh->announced = board_changes_announced(board_get());
	fresh->uncounted = true;
	publisher = fresh;
	set_position(&start);
	RegisterXactCallback(transaction_ended, NULL);
}

/*
 * Is the NOTIFY queue too full?  One listener that idles in a transaction
 * keeps it from being emptied, and a full one fails every session's NOTIFY.
 */
static bool
queue_is_full(void)
{
	double		usage = DatumGetFloat8(DirectFunctionCall1(pg_notification_queue_usage,
														   (Datum) 0));
	bool		full = usage > dfsmr_debug_notify_limit;

	if (full)
		publisher->look_at = board_now(board_get()) + PAUSE_INTERVAL;
	if (full && !publisher->paused)
		ereport(LOG,
				(errmsg("publication of changes pauses: the NOTIFY queue is %.0f%% full",
						usage * 100),
				 errdetail("Callers are not affected; what has changed meanwhile will be published later."),
				 errhint("Look for a session that has executed LISTEN and idles in a transaction.")));
	else if (!full && publisher->paused)
		ereport(LOG,
				(errmsg("publication of changes goes on")));
	publisher->paused = full;
	return full;
}

/*
 * Make sure that there is a window, if anything has ended since the last one.
 * One that a failed transaction left is begun anew behind what was committed.
 */
static bool
begin_window(void)
{
	ChangeCursor next;

	if (publisher->window != NULL)
		return true;
	if (!publisher->position->inside)
	{
		uint64		announced;
		ChangeMoment *now;

		announced = board_changes_announced(board_get());
		publisher->news = announced != publisher->announced;
		publisher->announced = announced;
		publisher->window_at = monotonic_ms() + WINDOW_INTERVAL;
		now = change_moment_now("publication");
		if (snapshot_set_equal(&now->set, &publisher->position->from))
		{
			/* They were seen before they were announced; the position is past them. */
			publisher->pending_moves = publisher->news;
			return false;
		}
		next = *publisher->position;
		next.inside = true;
		next.to = now->set;
		next.last = 0;
		next.timeline = now->timeline;
		next.lsn = now->lsn;
		set_position(&next);
	}
	publisher->window = change_window_create(publisher->context,
											 &publisher->position->from,
											 &publisher->position->to,
											 publisher->position->last,
											 WINDOW_CAPACITY);
	return true;
}

static bool
window_has_changes(void)
{
	ChangeReader reader;
	bool		any;

	change_reader_open(&reader);
	any = change_window_peek(publisher->window, &reader) != NULL;
	change_reader_close(&reader);
	return any;
}

/* Nobody listens: the window is over, whatever is in it. */
static void
pass_window_over(void)
{
	publisher->window_at = monotonic_ms() + UNHEARD_INTERVAL;
	publisher->pending_end = true;
	/* Whose queue was full has gone. */
	publisher->paused = false;
	/* To be saved, lest the next scheduler tells of what is long past. */
	publisher->pending_moves = publisher->news || publisher->position->last != 0 ||
		(publisher->uncounted && window_has_changes());
}

/* Queue the notification of one change, if it is still there. */
static void
notify_change(ChangeReader *reader, const ChangeKey *key, MemoryContext scratch)
{
	TupleTableSlot *slot = change_reader_fetch(reader, key);
	MemoryContext caller;

	if (slot == NULL)
		return;
	caller = MemoryContextSwitchTo(scratch);
	Async_Notify(CHANGES_CHANNEL, change_json(slot, PAYLOAD_LIMIT));
	MemoryContextSwitchTo(caller);
	MemoryContextReset(scratch);
	publisher->pending_moves = true;
}

/*
 * The same, when there is one that has failed again and again: what cannot be
 * told is left out, so that it does not stop the others.
 */
static void
notify_change_or_skip(const ChangeKey *key, MemoryContext scratch)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		ChangeReader reader;

		/* Opened in the subtransaction, so that it goes with it. */
		change_reader_open(&reader);
		notify_change(&reader, key, scratch);
		change_reader_close(&reader);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
			ReThrowError(error);
		ereport(WARNING,
				(errmsg("change " INT64_FORMAT " is not published, since it cannot be read",
						key->seq),
				 errdetail("%s", error->message)));
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;
}

/* Queue the next batch of the window. */
static void
notify_batch(void)
{
	ChangeWindow *window = publisher->window;
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext,
												  "dfsmr notification",
												  ALLOCSET_DEFAULT_SIZES);
	ChangeReader reader;
	const ChangeKey *key;

	change_reader_open(&reader);
	for (int n = 0; (key = change_window_peek(window, &reader)) != NULL && n < BATCH_SIZE; n++)
	{
		CHECK_FOR_INTERRUPTS();
		publisher->pending_last = key->seq;
		if (publisher->failures < PATIENCE)
			notify_change(&reader, key, scratch);
		else
			notify_change_or_skip(key, scratch);
		change_window_advance(window);
	}
	publisher->pending_end = (key == NULL);
	change_reader_close(&reader);
	MemoryContextDelete(scratch);
}

/*
 * Is the last transaction's outcome still open?  Then it did not commit, and
 * what it did is to be done again.
 */
static void
settle_failure(void)
{
	if (!publisher->pending)
		return;
	publisher->pending = false;
	publisher->failures++;
	publisher->moved = true;
	if (publisher->window)
		change_window_free(publisher->window);
	publisher->window = NULL;
}

static bool
publish_run(void)
{
	if (publisher == NULL)
		begin_publishing();
	settle_failure();
	publisher->pending_last = publisher->position->last;
	publisher->pending_end = false;
	publisher->pending_moves = false;
	publisher->pending = true;

	if (publisher->moved && board_now(board_get()) >= publisher->save_at)
		save_position();
	if (!begin_window())
		return false;
	/* Only now, behind the snapshot that ends the window. */
	if (!listeners_any())
	{
		pass_window_over();
		return false;
	}
	if (queue_is_full())
		return false;
	/* What it tells of is durable, and what it does is nothing to wait for. */
	commit_asynchronously();
	notify_batch();
	return !publisher->pending_end;
}

/* When the next window may begin, on the board's clock, which may be set. */
static TimestampTz
window_due(Board *board)
{
	int64		pause = Max(publisher->window_at - monotonic_ms(), 0);

	return board_now(board) + pause * 1000;
}

static TimestampTz
publish_next_due(void)
{
	TimestampTz due = DT_NOEND;
	Board	   *board = board_attached();

	if (publisher == NULL || board == NULL)
		return due;
	if (publisher->moved)
		due = publisher->save_at;
	if (publisher->window != NULL)
		return publisher->paused ? Min(due, publisher->look_at) : due;
	if (board_await_changes(board, publisher->announced))
		return due;
	return Min(due, window_due(board));
}

static void
publish_leave(void)
{
	if (publisher == NULL)
		return;
	settle_failure();
	if (publisher->moved)
		save_position();
}

const SchedulerStep publish_step = {
	.name = "publishing changes",
	.run = publish_run,
	.next_due = publish_next_due,
	.leave = publish_leave,
	.in_tick = false,
};

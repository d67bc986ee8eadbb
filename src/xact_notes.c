/*-------------------------------------------------------------------------
 *
 * xact_notes.c
 *	  What a transaction did, noted until the board may learn of it.
 *
 * Notes are kept in one array in the order in which they were made.  Numbers
 * of subtransactions only grow, and one that begins while another runs lies
 * within it: so what a rollback to a savepoint undoes is the tail of the array
 * from the first note with that number or a higher one, and the end of a
 * subtransaction that commits needs no work.
 *
 * A very large transaction notes no single rows any more but, per set, the
 * lowest key and a count: applying that draws the frontier back.  Notes that
 * belong to a lease stay single; there are no more of them than leases.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "xact_notes.h"

#include "access/xact.h"
#include "breaker.h"
#include "claim_writer.h"
#include "durations.h"
#include "lease.h"
#include "lost_claim.h"
#include "refill.h"
#include "storage/proc.h"
#include "unheard.h"
#include "utils/memutils.h"
#include "waiter.h"

/* From this many notes on, rows without a lease are summed up. */
#define SINGLE_NOTES 1000

/* The moment of quiet after rows that no call wrote. */
#define QUIET_USECS (2 * USECS_PER_SEC)

typedef enum NoteKind
{
	NOTE_WRITE,
	NOTE_SUM,
	NOTE_CLAIM,
	NOTE_CLAIM_WRITE,
	NOTE_EXPIRING,
	NOTE_TIMER,
	NOTE_TICKET,
	NOTE_EVENT,
	NOTE_VOID
} NoteKind;

/* Many rows of one set: what sorts lowest among them, and how many. */
typedef struct SetSum
{
	bool		any;
	EntryKey	ready;			/* lowest key in the ready set */
	EntryKey	timed;			/* lowest key among timers or delayed tasks */
	int			count;
} SetSum;

typedef struct Note
{
	NoteKind	kind;
	SubTransactionId subid;
	union
	{
		struct
		{
			RowImage	before;
			RowImage	after;
			int			left_visit; /* before, also when that was our own */
			int			ended_attempt;
			TimestampTz completed_at;
		}			write;
		struct
		{
			const NodeName *name;
			bool		task;	/* ready or delayed, else among timers */
			bool		retry;
			SetSum		before;
			SetSum		after;
		}			sum;
		struct
		{
			const NodeName *name;
			bool		retry;
			SetEntry	hint;
			int			attempt;	/* 0 while pending */
			BreakerTicket ticket;	/* ... and so long the ticket is here */
		}			claim;
		struct
		{
			pg_uuid_t	instance;
			int			visit;
		}			claim_write;
		struct
		{
			pg_uuid_t	instance;
			int			visit;
			int			attempt;
		}			expiring;
		SetEntry	timer;
		struct
		{
			BreakerTicket ticket;
			TicketEnd	end;
		}			ticket;
		BreakerEvent event;
	}			u;
} Note;

static Note *notes = NULL;
static int	nnotes = 0;
static int	notes_size = 0;

/* The board that the notes are for, once there is something to tell it. */
static Board *noted_board = NULL;
static bool wrote_changes = false;
static bool definitions_changed = false;
static bool reset_sets = false;
static bool foreign_write = false;
static TransactionId preparing_xid = InvalidTransactionId;

static HTAB *names = NULL;

const NodeName *
node_name_intern(const char *machine, const char *node)
{
	/* The last few, since most transactions are about one or two nodes. */
	static const NodeName *recent[4] = {NULL};
	static unsigned int oldest = 0;
	NodeName	name;

	for (size_t i = 0; i < lengthof(recent); i++)
	{
		if (recent[i] != NULL && strcmp(recent[i]->node, node) == 0 &&
			strcmp(recent[i]->machine, machine) == 0)
			return recent[i];
	}
	if (names == NULL)
	{
		HASHCTL		ctl;

		memset(&ctl, 0, sizeof(ctl));
		ctl.keysize = ctl.entrysize = sizeof(NodeName);
		ctl.hcxt = TopMemoryContext;
		ctl.hash = name_hash;
		names = hash_create("dfsmr node names", 64, &ctl,
							HASH_ELEM | HASH_FUNCTION | HASH_CONTEXT);
	}
	node_name_set(&name, machine, node);
	oldest = (oldest + 1) % lengthof(recent);
	recent[oldest] = hash_search(names, &name, HASH_ENTER, NULL);
	return recent[oldest];
}

/* Room for n more; allocated here so that callbacks need none. */
static void
reserve(int n)
{
	if (noted_board == NULL)
		noted_board = board_get_if_available();
	if (nnotes + n <= notes_size)
		return;
	if (notes == NULL)
	{
		notes_size = Max(n, 64);
		notes = MemoryContextAlloc(TopMemoryContext, notes_size * sizeof(Note));
	}
	else
	{
		int			size = Max(nnotes + n, 2 * notes_size);

		notes = repalloc_huge(notes, (Size) size * sizeof(Note));
		notes_size = size;
	}
}

static Note *
append(NoteKind kind)
{
	Note	   *note = &notes[nnotes++];

	Assert(nnotes <= notes_size);
	unheard_begin();
	note->kind = kind;
	note->subid = GetCurrentSubTransactionId();
	return note;
}

/* ------------------------------------------------------------ taking notes */

static void
sum_add(SetSum *sum, const RowImage *image)
{
	EntryKey	timed = image->key;

	timed.rank = 0;
	if (!sum->any || entry_key_compare(&image->key, &sum->ready) < 0)
		sum->ready = image->key;
	if (!sum->any || entry_key_compare(&timed, &sum->timed) < 0)
		sum->timed = timed;
	sum->any = true;
	sum->count++;
}

/* Add one side of a write to the sum of its set, near the end of the array. */
static void
note_sum(const RowImage *image, bool before)
{
	SubTransactionId subid = GetCurrentSubTransactionId();
	Note	   *note = NULL;
	bool		task;

	if (image == NULL || image->name == NULL || image->kind == NODE_FINAL)
		return;
	task = image->kind == NODE_TASK && !image->held;
	for (int i = nnotes - 1; i >= 0 && i >= nnotes - 64; i--)
	{
		Note	   *there = &notes[i];

		if (there->kind == NOTE_SUM && there->subid == subid &&
			there->u.sum.name == image->name && there->u.sum.task == task &&
			there->u.sum.retry == image->retry)
		{
			note = there;
			break;
		}
	}
	if (note == NULL)
	{
		reserve(1);
		note = append(NOTE_SUM);
		memset(&note->u.sum, 0, sizeof(note->u.sum));
		note->u.sum.name = image->name;
		note->u.sum.task = task;
		note->u.sum.retry = image->retry;
	}
	sum_add(before ? &note->u.sum.before : &note->u.sum.after, image);
}

/* Does the board hold a lease of this instance? */
static bool
is_leased(const pg_uuid_t *instance)
{
	bool		leased;

	LWLockAcquire(noted_board->lock, LW_SHARED);
	leased = lease_find(noted_board, instance) != NULL;
	LWLockRelease(noted_board->lock);
	return leased;
}

void
xact_note_write(const RowImage *before, const RowImage *after, int ended_attempt,
				TimestampTz completed_at)
{
	Note	   *note;
	int			left_visit = before != NULL ? before->visit : 0;

	reserve(1);
	if (noted_board == NULL)
		return;
	/* Never committed: an earlier note has what was there before it. */
	if (before != NULL && before->own)
		before = NULL;
	if (nnotes >= SINGLE_NOTES && (ended_attempt == 0 || completed_at != 0) &&
		(before == NULL || !is_leased(&before->key.id)))
	{
		note_sum(before, true);
		note_sum(after, false);
		return;
	}
	note = append(NOTE_WRITE);
	if (before != NULL)
		note->u.write.before = *before;
	else
		note->u.write.before.name = NULL;
	note->u.write.after = *after;
	note->u.write.left_visit = left_visit;
	note->u.write.ended_attempt = ended_attempt;
	note->u.write.completed_at = completed_at;
}

void
xact_note_reserve_claims(int n)
{
	reserve(n);
}

int
xact_note_claim(const NodeName *name, bool retry, const SetEntry *hint,
				const BreakerTicket *ticket)
{
	Note	   *note = append(NOTE_CLAIM);

	note->u.claim.name = name;
	note->u.claim.retry = retry;
	note->u.claim.hint = *hint;
	note->u.claim.attempt = 0;
	if (ticket != NULL)
		note->u.claim.ticket = *ticket;
	else
		note->u.claim.ticket.period = 0;
	return nnotes - 1;
}

void
xact_note_claim_held(int note, int attempt, const RowImage *row)
{
	Note	   *there = &notes[note];

	/* The hint may have been of an earlier place in the order. */
	there->u.claim.hint.key = row->key;
	there->u.claim.hint.tid = row->tid;
	there->u.claim.attempt = attempt;
}

void
xact_note_claim_void(int note)
{
	notes[note].kind = NOTE_VOID;
	while (nnotes > 0 && notes[nnotes - 1].kind == NOTE_VOID)
		nnotes--;
}

void
xact_note_expiring(const pg_uuid_t *instance, int visit, int attempt)
{
	Note	   *note = append(NOTE_EXPIRING);

	note->u.expiring.instance = *instance;
	note->u.expiring.visit = visit;
	note->u.expiring.attempt = attempt;
}

int
xact_note_claim_write(const pg_uuid_t *instance, int visit)
{
	Note	   *note = append(NOTE_CLAIM_WRITE);

	note->u.claim_write.instance = *instance;
	note->u.claim_write.visit = visit;
	return nnotes - 1;
}

void
xact_note_timer(const SetEntry *timer)
{
	append(NOTE_TIMER)->u.timer = *timer;
}

void
xact_note_ticket(const BreakerTicket *ticket, TicketEnd end)
{
	Note	   *note;

	reserve(1);
	note = append(NOTE_TICKET);
	note->u.ticket.ticket = *ticket;
	note->u.ticket.end = end;
}

void
xact_note_breaker_event(const BreakerEvent *event)
{
	append(NOTE_EVENT)->u.event = *event;
}

void
xact_note_changes(void)
{
	reserve(0);
	wrote_changes = true;
}

void
board_definition_changed(void)
{
	reserve(0);
	definitions_changed = true;
	if (noted_board != NULL)
		board_raise_definition_counter(noted_board);
}

bool
xact_changed_definitions(void)
{
	return definitions_changed;
}

void
xact_note_foreign_write(void)
{
	reserve(0);
	foreign_write = true;
}

void
xact_note_reset(void)
{
	reserve(0);
	reset_sets = true;
}

/* ---------------------------------------------------------- telling the board */

static void
fill_entry(SetEntry *entry, const RowImage *image)
{
	memset(entry, 0, sizeof(*entry));
	entry->key = image->key;
	entry->visit = image->visit;
	entry->tid = image->tid;
	entry->retry = image->retry;
	entry->node = -1;
}

static void
offer_timed(Board *board, OrderedSet *set, SetEntry *entry)
{
	entry->rank = entry->key.rank;
	entry->key.rank = 0;
	if (ordered_set_insert(set, entry) != SET_BEHIND)
		board_due_at(board, entry->key.at);
}

void
board_offer(Board *board, const RowImage *image)
{
	SetEntry	entry;

	if (image->name == NULL || !image->timed)
		return;
	fill_entry(&entry, image);
	if (image->kind == NODE_TIMER || image->kind == NODE_PARKED || image->held)
		offer_timed(board, &board->timers, &entry);
	else if (image->kind == NODE_TASK && image->delayed && image->key.at > board->due_until)
	{
		entry.node = node_set_get(board, image->name);
		if (entry.node >= 0)
			entry.node_generation = board->nodes[entry.node].generation;
		offer_timed(board, &board->delayed, &entry);
	}
	else if (image->kind == NODE_TASK)
	{
		node_set_offer(board, image->name, image->retry, &entry);
		waiter_wake(board, image->name, 1);
	}
}

/* Many rows of one set are committed: what is known ends before the lowest. */
static void
offer_sum(Board *board, const Note *note, const SetSum *sum)
{
	int			slot;

	if (!sum->any)
		return;
	if (!note->u.sum.task)
		ordered_set_draw_back(&board->timers, &sum->timed);
	else
	{
		ordered_set_draw_back(&board->delayed, &sum->timed);
		slot = node_set_find(board, note->u.sum.name);
		if (slot >= 0)
			ordered_set_draw_back(&board->nodes[slot].ready[note->u.sum.retry ? RETRIES : FIRSTS],
								  &sum->ready);
		waiter_wake(board, note->u.sum.name, sum->count);
	}
	board_wake_scheduler(board);
}

/* A claim has ended with the write: it was completed, given back, or ran out. */
static void
end_claim(Board *board, const Note *note)
{
	const RowImage *after = &note->u.write.after;
	int			attempt = note->u.write.ended_attempt;
	Lease	   *lease;

	if (note->u.write.completed_at != 0)
	{
		durations_completed(board, &after->key.id, note->u.write.left_visit, attempt,
							note->u.write.completed_at);
		return;
	}
	lease = lease_find_exact(board, &after->key.id, after->visit, attempt);
	if (lease == NULL)
		return;
	/* Its worker may not know, and complete later. */
	if (lease->expiring)
		lost_claims_remember(board, lease);
	lease_drop(board, lease);
}

static void
apply_committed(Board *board, const Note *note)
{
	if (note->kind == NOTE_SUM)
		offer_sum(board, note, &note->u.sum.after);
	if (note->kind == NOTE_TICKET)
		breaker_settle(board, &note->u.ticket.ticket, note->u.ticket.end);
	if (note->kind == NOTE_EVENT)
		breaker_event_done(board);
	if (note->kind == NOTE_CLAIM_WRITE)
		claim_writer_ended(board, &note->u.claim_write.instance, note->u.claim_write.visit, true);
	if (note->kind == NOTE_WRITE)
	{
		const RowImage *after = &note->u.write.after;

		if (note->u.write.ended_attempt > 0)
			end_claim(board, note);
		lease_drop_before_visit(board, &after->key.id, after->visit);
		board_offer(board, after);
	}
}

/* A claim is undone: the lease goes, the row is offered again. */
static void
undo_claim(Board *board, const Note *note)
{
	const SetEntry *hint = &note->u.claim.hint;
	const NodeName *name = note->u.claim.name;
	Lease	   *lease;

	if (note->u.claim.attempt == 0)
		lease = lease_find_pending(board, &hint->key.id, hint->visit);
	else
		lease = lease_find_exact(board, &hint->key.id, hint->visit, note->u.claim.attempt);

	/* Being taken back: whoever does that ends it, and the next is another's. */
	if (lease != NULL && lease->expiring)
		return;
	if (note->u.claim.attempt == 0)
		breaker_settle(board, &note->u.claim.ticket, TICKET_VOID);
	else if (lease != NULL)
		breaker_settle(board, &lease->ticket, TICKET_VOID);
	/* So does the scheduler with a claim that it writes. */
	if (lease != NULL && lease->pending && !claim_writer_abandon(board, lease))
		return;
	if (lease != NULL)
	{
		int			slot = node_set_find(board, name);

		/* A hint was dropped for it, perhaps of another place: look anew. */
		if (lease->pending && lease->wanted && slot >= 0)
		{
			ordered_set_reset(&board->nodes[slot].ready[FIRSTS]);
			ordered_set_reset(&board->nodes[slot].ready[RETRIES]);
		}
		lease_drop(board, lease);
	}
	node_set_offer(board, name, note->u.claim.retry, hint);
	waiter_wake(board, name, 1);
}

static void
apply_aborted(Board *board, const Note *note)
{
	Lease	   *lease;

	switch (note->kind)
	{
		case NOTE_WRITE:
			board_offer(board, &note->u.write.before);
			break;
		case NOTE_SUM:
			offer_sum(board, note, &note->u.sum.before);
			break;
		case NOTE_CLAIM:
			undo_claim(board, note);
			break;
		case NOTE_CLAIM_WRITE:
			claim_writer_ended(board, &note->u.claim_write.instance,
							   note->u.claim_write.visit, false);
			break;
		case NOTE_EXPIRING:
			lease = lease_find_exact(board, &note->u.expiring.instance,
									 note->u.expiring.visit, note->u.expiring.attempt);
			if (lease != NULL)
			{
				lease->expiring = false;
				lease_check_again(board, lease, lease->expires_at);
			}
			break;
		case NOTE_TIMER:
			(void) ordered_set_insert(&board->timers, &note->u.timer);
			board_wake_scheduler(board);
			break;
		case NOTE_EVENT:
			breaker_put_back_event(board, &note->u.event);
			break;
		case NOTE_TICKET:
		case NOTE_VOID:
			break;
	}
}

/* What concerns the board as a whole. */
static void
apply_flags(Board *board, bool committed)
{
	if (board == NULL)
		return;
	if (definitions_changed)
		board_raise_definition_counter(board);
	if (definitions_changed || (committed && (reset_sets || foreign_write)))
	{
		LWLockAcquire(board->lock, LW_EXCLUSIVE);
		if (definitions_changed)
			waiter_wake_all(board);
		if (committed && foreign_write)
			board->quiet_until = board_now(board) + QUIET_USECS;
		if (committed && (reset_sets || foreign_write))
			board_reset_sets(board);
		LWLockRelease(board->lock);
		board_wake_scheduler(board);
	}
	if (committed && (wrote_changes || foreign_write))
		board_announce_changes(board);
}

/* Apply the notes from the given one on, and forget them. */
static void
apply_notes(int from, bool committed)
{
	if (nnotes == from)
		return;
	LWLockAcquire(noted_board->lock, LW_EXCLUSIVE);
	for (int i = from; i < nnotes; i++)
	{
		if (committed)
			apply_committed(noted_board, &notes[i]);
		else
			apply_aborted(noted_board, &notes[i]);
	}
	LWLockRelease(noted_board->lock);
	nnotes = from;
}

static void
forget_all(void)
{
	unheard_end();
	nnotes = 0;
	noted_board = NULL;
	wrote_changes = definitions_changed = reset_sets = foreign_write = false;
	preparing_xid = InvalidTransactionId;
	if (notes_size > 16 * SINGLE_NOTES)
	{
		pfree(notes);
		notes = NULL;
		notes_size = 0;
	}
}

/*
 * PREPARE TRANSACTION: what the notes say will be true when it ends, which may
 * be in another process or after a restart.  So only its number is kept; when
 * it has ended, the sets look into the heap again.
 */
static void
watch_prepared(Board *board, TransactionId xid)
{
	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	/*
	 * A lease that it took back is looked at again: it may be rolled back.  A
	 * claim that it wrote is known to nobody, so nobody is told of it.
	 */
	for (int i = 0; i < nnotes; i++)
	{
		if (notes[i].kind == NOTE_EXPIRING || notes[i].kind == NOTE_CLAIM_WRITE)
			apply_aborted(board, &notes[i]);
		else if (notes[i].kind == NOTE_EVENT)
			breaker_event_done(board);
	}
	if (board->nprepared < dfsmr_max_prepared)
		board->prepared[board->nprepared++] = xid;
	else
		board->prepared_overflow = true;
	LWLockRelease(board->lock);
	board_wake_scheduler(board);
}

static void
xact_callback(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			if (dfsmr_debug_sleep_callback > 0 && nnotes > 0)
				pg_usleep(dfsmr_debug_sleep_callback * 1000L);
			if (dfsmr_debug_lose_notes)
				nnotes = 0;
			apply_notes(0, true);
			apply_flags(noted_board, true);
			forget_all();
			break;
		case XACT_EVENT_ABORT:
			refill_abandon();
			waiter_leave(WAITER_NOT_LOOKED);
			apply_notes(0, false);
			apply_flags(noted_board, false);
			forget_all();
			break;
		case XACT_EVENT_PRE_PREPARE:
			preparing_xid = GetTopTransactionIdIfAny();
			if (noted_board != NULL && TransactionIdIsValid(preparing_xid))
				watch_prepared(noted_board, preparing_xid);
			break;
		case XACT_EVENT_PREPARE:
			forget_all();
			break;
		default:
			break;
	}
}

static void
subxact_callback(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	int			from = nnotes;

	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	refill_abandon();
	waiter_leave(WAITER_NOT_LOOKED);
	while (from > 0 && notes[from - 1].subid >= mine)
		from--;
	apply_notes(from, false);
}

void
xact_notes_register(void)
{
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
}

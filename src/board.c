/*-------------------------------------------------------------------------
 *
 * board.c
 *	  Boards in shared memory: which there are, their clock, forgetting.
 *
 * Memory is reserved at server start, the same amount for each of
 * dfsmr.max_databases boards, so that no database can take what another needs.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include <time.h>

#include "board_internal.h"
#include "breaker.h"
#include "client_name.h"
#include "durations.h"
#include "lease.h"
#include "lost_claim.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"
#include "waiter.h"

#define NO_SCHEDULER PG_UINT32_MAX

/* Which board belongs to which database; lock 0 of the tranche guards it. */
typedef struct BoardDirectory
{
	LWLock	   *lock;
	Board		boards[FLEXIBLE_ARRAY_MEMBER];
} BoardDirectory;

static BoardDirectory *directory = NULL;

/* This backend's answer to board_get(), checked again on every call. */
static Board *my_board = NULL;

static int64
monotonic_usecs(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64) t.tv_sec * USECS_PER_SEC + t.tv_nsec / 1000;
}

int
board_num_lwlocks(void)
{
	return 1 + dfsmr_max_databases;
}

/* Bytes of one board beside the struct and the hash tables. */
static Size
board_arrays_size(void)
{
	Size		size = 0;
	Size		ready = mul_size(mul_size(2, dfsmr_set_size), sizeof(SetEntry));

	size = add_size(size, mul_size(dfsmr_max_sets, add_size(sizeof(NodeSet), ready)));
	size = add_size(size, mul_size(mul_size(2, dfsmr_timer_set_size), sizeof(SetEntry)));
	size = add_size(size, mul_size(dfsmr_max_leases, sizeof(Lease *)));
	size = add_size(size, mul_size(dfsmr_max_breakers, sizeof(MachineBreaker)));
	size = add_size(size, mul_size(dfsmr_max_waiters, sizeof(Waiter)));
	size = add_size(size, add_size(durations_size(), lost_claims_size()));
	size = add_size(size, client_names_size());
	size = add_size(size, mul_size(dfsmr_max_prepared, sizeof(TransactionId)));
	return add_size(size, 16 * MAXIMUM_ALIGNOF);
}

Size
board_shmem_size(void)
{
	Size		hashes;
	Size		size = offsetof(BoardDirectory, boards);

	size = add_size(size, mul_size(dfsmr_max_databases, sizeof(Board)));
	size = add_size(size, mul_size(dfsmr_max_databases, board_arrays_size()));
	hashes = add_size(hash_estimate_size(dfsmr_max_leases, sizeof(Lease)),
					  hash_estimate_size(dfsmr_max_sets, sizeof(NodeName) + sizeof(int)));
	hashes = add_size(hashes, hash_estimate_size(dfsmr_max_breakers, sizeof(BreakerIndexEntry)));
	hashes = add_size(hashes,
					  hash_estimate_size(dfsmr_max_durations, sizeof(NodeName) + sizeof(int)));
	return add_size(size, mul_size(dfsmr_max_databases, hashes));
}

static char *
carve(char **memory, Size size)
{
	char	   *start = (char *) MAXALIGN(*memory);

	*memory = start + size;
	return start;
}

/* The hash function is NULL for keys of which all bytes count. */
static HTAB *
init_hash(const char *what, int i, int entries, Size keysize, Size entrysize, HashValueFunc hash)
{
	HASHCTL		ctl;
	char		name[64];

	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = keysize;
	ctl.entrysize = entrysize;
	ctl.hash = hash;
	snprintf(name, sizeof(name), "dfsmr %s %d", what, i);
	return ShmemInitHash(name, entries, entries, &ctl,
						 HASH_ELEM | HASH_FIXED_SIZE | (hash != NULL ? HASH_FUNCTION : HASH_BLOBS));
}

/* Lay out the arrays of one board. */
static void
init_board(Board *board, LWLock *lock, char *memory)
{
	board->lock = lock;
	pg_atomic_init_u32(&board->scheduler, NO_SCHEDULER);
	pg_atomic_init_u64(&board->clock_lead, (uint64) PG_INT64_MIN);
	pg_atomic_init_u64(&board->clock_offset, 0);
	pg_atomic_init_u64(&board->wake_requests, 0);
	pg_atomic_init_u64(&board->sleeps_until, DT_NOEND);
	pg_atomic_init_u64(&board->changes_announced, 0);
	pg_atomic_init_u32(&board->awaits_changes, 0);
	pg_atomic_init_u64(&board->definition_counter, 1);
	ConditionVariableInit(&board->refilled);

	board->nodes = (NodeSet *) carve(&memory, dfsmr_max_sets * sizeof(NodeSet));
	memset(board->nodes, 0, dfsmr_max_sets * sizeof(NodeSet));
	for (int i = 0; i < dfsmr_max_sets; i++)
		for (int j = FIRSTS; j <= RETRIES; j++)
			ordered_set_init(&board->nodes[i].ready[j],
							 (SetEntry *) carve(&memory, dfsmr_set_size * sizeof(SetEntry)),
							 dfsmr_set_size);
	ordered_set_init(&board->timers,
					 (SetEntry *) carve(&memory, dfsmr_timer_set_size * sizeof(SetEntry)),
					 dfsmr_timer_set_size);
	ordered_set_init(&board->delayed,
					 (SetEntry *) carve(&memory, dfsmr_timer_set_size * sizeof(SetEntry)),
					 dfsmr_timer_set_size);
	board->expiry = (Lease **) carve(&memory, dfsmr_max_leases * sizeof(Lease *));
	board->breakers = (MachineBreaker *)
		carve(&memory, dfsmr_max_breakers * sizeof(MachineBreaker));
	memset(board->breakers, 0, dfsmr_max_breakers * sizeof(MachineBreaker));
	durations_init(board, carve(&memory, durations_size()));
	lost_claims_init(&board->lost_claims, carve(&memory, lost_claims_size()));
	client_names_init(&board->clients, carve(&memory, client_names_size()));
	board->waiters = (Waiter *) carve(&memory, dfsmr_max_waiters * sizeof(Waiter));
	board->prepared = (TransactionId *) carve(&memory, dfsmr_max_prepared * sizeof(TransactionId));
	waiter_init(board);
	board->due_until = PG_INT64_MIN;
}

void
board_shmem_init(void)
{
	bool		found;
	Size		fixed = offsetof(BoardDirectory, boards) + dfsmr_max_databases * sizeof(Board);
	LWLockPadded *locks = GetNamedLWLockTranche("dfsmr");
	char	   *memory;

	directory = ShmemInitStruct("dfsmr boards",
								fixed + dfsmr_max_databases * board_arrays_size(),
								&found);
	if (!found)
	{
		memset(directory, 0, fixed);
		directory->lock = &locks[0].lock;
		memory = (char *) directory + fixed;
		for (int i = 0; i < dfsmr_max_databases; i++)
			init_board(&directory->boards[i], &locks[i + 1].lock,
					   memory + i * board_arrays_size());
	}

	/* Attaching to hash tables is due in every process that does not fork. */
	for (int i = 0; i < dfsmr_max_databases; i++)
	{
		directory->boards[i].leases = init_hash("leases", i, dfsmr_max_leases,
												sizeof(pg_uuid_t), sizeof(Lease), NULL);
		directory->boards[i].node_index = init_hash("nodes", i, dfsmr_max_sets,
													sizeof(NodeName),
													sizeof(NodeName) + sizeof(int), name_hash);
		directory->boards[i].breaker_index = init_hash("breakers", i, dfsmr_max_breakers,
													   DFSMR_NAME_MAX + 1,
													   sizeof(BreakerIndexEntry), name_hash);
		directory->boards[i].durations_index = init_hash("durations", i, dfsmr_max_durations,
														 sizeof(NodeName),
														 sizeof(NodeName) + sizeof(int), name_hash);
	}
	if (!found)
		lease_file_load();
}

Board *
board_slot(int i)
{
	return directory != NULL && i < dfsmr_max_databases ? &directory->boards[i] : NULL;
}

bool
board_available(void)
{
	return directory != NULL;
}

static bool
board_is(const Board *board, Oid database, Oid extension, const pg_uuid_t *installation)
{
	return board->database == database && board->extension == extension &&
		memcmp(&board->installation, installation, UUID_LEN) == 0;
}

/* The board of this identity: found, or a free slot made its own, or NULL. */
Board *
board_claim_slot(Oid database, Oid extension, const pg_uuid_t *installation)
{
	Board	   *board = NULL;

	LWLockAcquire(directory->lock, LW_EXCLUSIVE);
	for (int i = 0; i < dfsmr_max_databases; i++)
	{
		Board	   *slot = &directory->boards[i];

		if (slot->database == database)
		{
			board = slot;
			break;
		}
		if (board == NULL && slot->database == InvalidOid)
			board = slot;
	}
	if (board != NULL && !board_is(board, database, extension, installation))
	{
		LWLockAcquire(board->lock, LW_EXCLUSIVE);
		board_empty(board);
		board->database = database;
		board->extension = extension;
		board->installation = *installation;
		LWLockRelease(board->lock);
		pg_atomic_fetch_add_u64(&board->definition_counter, 1);
	}
	LWLockRelease(directory->lock);
	return board;
}

static Board *
board_find_or_make(const ExtensionOids *oids)
{
	pg_uuid_t	installation = extension_installation_id(oids);

	if (my_board == NULL ||
		!board_is(my_board, MyDatabaseId, oids->extension, &installation))
		my_board = board_claim_slot(MyDatabaseId, oids->extension, &installation);
	return my_board;
}

Board *
board_get(void)
{
	Board	   *board;

	if (directory == NULL)
		ereport(ERROR,
				(errcode(DFSMR_NOT_PRELOADED),
				 errmsg("dfsmr is not preloaded by this server"),
				 errdetail("Claiming work and everything that takes time needs its shared memory and its background worker."),
				 errhint("Add dfsmr to shared_preload_libraries in postgresql.conf and restart the server.")));
	board = board_find_or_make(extension_oids_required());
	if (board == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many databases use dfsmr"),
				 errhint("Raise dfsmr.max_databases (now %d) and restart the server.",
						 dfsmr_max_databases)));
	return board;
}

Board *
board_get_if_available(void)
{
	const ExtensionOids *oids = directory != NULL ? extension_oids() : NULL;

	return oids != NULL ? board_find_or_make(oids) : NULL;
}

Board *
board_attached(void)
{
	return my_board;
}

void
board_forget_database(Oid database)
{
	if (directory == NULL)
		return;
	LWLockAcquire(directory->lock, LW_EXCLUSIVE);
	for (int i = 0; i < dfsmr_max_databases; i++)
	{
		Board	   *board = &directory->boards[i];

		if (board->database != database)
			continue;
		LWLockAcquire(board->lock, LW_EXCLUSIVE);
		board_empty(board);
		board->database = InvalidOid;
		board->extension = InvalidOid;
		LWLockRelease(board->lock);
	}
	LWLockRelease(directory->lock);
}

/* ---------------------------------------------------------------- clock */

/*
 * The monotonic clock, and how far the wall clock has been ahead of it at most: so
 * time goes on when the wall clock is set back.  The most is kept without a lock;
 * who loses the race to raise it has seen a higher one.
 */
TimestampTz
board_now(Board *board)
{
	/* In this order a pause between the two makes nothing run ahead. */
	TimestampTz wall = GetCurrentTimestamp();
	int64		monotonic = monotonic_usecs();
	int64		lead = wall - monotonic;
	uint64		most = pg_atomic_read_u64(&board->clock_lead);

	while (lead > (int64) most &&
		   !pg_atomic_compare_exchange_u64(&board->clock_lead, &most, (uint64) lead))
		;
	return monotonic + Max(lead, (int64) most) + (int64) pg_atomic_read_u64(&board->clock_offset);
}

void
board_set_now(Board *board, TimestampTz now)
{
	int64		change;

	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	change = now - board_now(board);
	pg_atomic_fetch_add_u64(&board->clock_offset, change);
	if (change < 0)
		breaker_clock_set_back(board, now);
	/* An injected clock may go back; then nothing known of due times holds. */
	if (board->due_until > now)
	{
		board->due_until = now;
		board_reset_sets(board);
	}
	LWLockRelease(board->lock);
}

/* ------------------------------------------------------------ forgetting */

void
board_reset_sets(Board *board)
{
	for (int i = 0; i < board->nnodes_used; i++)
		for (int j = FIRSTS; j <= RETRIES; j++)
			ordered_set_reset(&board->nodes[i].ready[j]);
	ordered_set_reset(&board->timers);
	ordered_set_reset(&board->delayed);
	board->npostponed = 0;
	board->postponed_lost = false;
	board->resets++;
	waiter_wake_all(board);
}

void
board_empty(Board *board)
{
	board_reset_sets(board);
	lease_forget_all(board);
	breaker_forget_all(board);
	durations_forget_all(board);
	for (int i = 0; i < board->nnodes_used; i++)
	{
		NodeSet    *set = &board->nodes[i];

		if (set->used)
			hash_search(board->node_index, &set->name, HASH_REMOVE, NULL);
		set->used = false;
		set->generation++;
	}
	board->nnodes_used = 0;
	board->due_until = PG_INT64_MIN;
	board->quiet_until = 0;
	pg_atomic_write_u64(&board->clock_offset, 0);
	board->nprepared = 0;
	board->prepared_overflow = false;
	board->claims = board->stale_hints = board->wakeups = 0;
	board->resets = board->repairs = board->audits = 0;
}

/* ------------------------------------------------------------- becoming due */

/*
 * More is due than the delayed set knows of: from now on everything up to now
 * belongs into ready sets, and these look into the heap again.  The delayed
 * set may say that it knows all up to now, since nothing of that is its own
 * any more; a refill of it that is running goes on.
 */
static void
jump(Board *board, TimestampTz now)
{
	OrderedSet *delayed = &board->delayed;
	EntryKey	last = {now, KEY_HIGHEST.id, 0};
	EntryKey	behind_now = entry_key_successor(&last);

	board->due_until = now;
	for (int i = 0; i < board->nnodes_used; i++)
		for (int j = FIRSTS; j <= RETRIES; j++)
			ordered_set_reset(&board->nodes[i].ready[j]);
	if (entry_key_compare(&delayed->frontier, &behind_now) < 0)
		delayed->frontier = behind_now;
	delayed->refill_from = behind_now;
	board->resets++;
	waiter_wake_all(board);
}

/*
 * A task of a node that had no slot, or has lost it, is due.  It may have sets
 * in another one since, and these were filled while the task was not due: what
 * all ready sets know ends before it.
 */
static void
draw_back_ready(Board *board, const SetEntry *due)
{
	for (int i = 0; i < board->nnodes_used; i++)
		ordered_set_draw_back(&board->nodes[i].ready[due->retry ? RETRIES : FIRSTS], &due->key);
	waiter_wake_all(board);
}

void
board_promote(Board *board, TimestampTz now)
{
	OrderedSet *delayed = &board->delayed;
	SetEntry   *entry;
	EntryKey	complete;

	if (now <= board->due_until)
		return;
	while ((entry = ordered_set_get(delayed, 0)) != NULL && entry->key.at <= now)
	{
		SetEntry	due = *entry;
		NodeSet    *set = due.node >= 0 ? &board->nodes[due.node] : NULL;

		ordered_set_remove(delayed, 0);
		due.key.rank = due.rank;
		if (set != NULL && set->used && set->generation == due.node_generation)
		{
			ordered_set_insert(&set->ready[due.retry ? RETRIES : FIRSTS], &due);
			waiter_wake(board, &set->name, 1);
		}
		else
			draw_back_ready(board, &due);
	}
	complete = delayed->refiller < 0 ? delayed->frontier : delayed->refill_from;
	if (complete.at <= now)
		jump(board, now);
	else
		board->due_until = now;
}

TimestampTz
board_next_delayed(Board *board)
{
	SetEntry   *entry = ordered_set_get(&board->delayed, 0);

	return entry != NULL ? entry->key.at : DT_NOEND;
}

/* --------------------------------------------------------------- scheduler */

void
board_set_scheduler(Board *board, bool here)
{
	pg_atomic_write_u32(&board->scheduler, here ? (uint32) proc_number(MyProc) : NO_SCHEDULER);
}

static void
set_scheduler_latch(Board *board)
{
	uint32		procno = pg_atomic_read_u32(&board->scheduler);

	if (procno != NO_SCHEDULER)
		SetLatch(&ProcGlobal->allProcs[procno].procLatch);
}

void
board_wake_scheduler(Board *board)
{
	if (board == NULL)
		return;
	pg_atomic_fetch_add_u64(&board->wake_requests, 1);
	set_scheduler_latch(board);
}

/* Whatever is due was put on the board before, with a lock. */
void
board_due_at(Board *board, TimestampTz at)
{
	if (at < (TimestampTz) pg_atomic_read_u64(&board->sleeps_until))
		set_scheduler_latch(board);
}

void
board_sleep_until(Board *board, TimestampTz until)
{
	(void) pg_atomic_exchange_u64(&board->sleeps_until, (uint64) until);
}

/*
 * Both sides first say what they have to say and then look at what the other
 * has said, with a full barrier between: one of them sees the other.
 */
void
board_announce_changes(Board *board)
{
	if (board == NULL)
		return;
	pg_atomic_fetch_add_u64(&board->changes_announced, 1);
	if (pg_atomic_read_u32(&board->awaits_changes) != 0 &&
		pg_atomic_exchange_u32(&board->awaits_changes, 0) != 0)
		set_scheduler_latch(board);
}

bool
board_await_changes(Board *board, uint64 announced)
{
	(void) pg_atomic_exchange_u32(&board->awaits_changes, 1);
	if (board_changes_announced(board) == announced)
		return true;
	pg_atomic_write_u32(&board->awaits_changes, 0);
	return false;
}

uint64
board_changes_announced(Board *board)
{
	return pg_atomic_read_u64(&board->changes_announced);
}

uint64
board_wake_requests(Board *board)
{
	return pg_atomic_read_u64(&board->wake_requests);
}

uint64
board_definition_counter(const ExtensionOids *oids)
{
	Board	   *board = directory != NULL ? board_find_or_make(oids) : NULL;

	return board != NULL ? pg_atomic_read_u64(&board->definition_counter) : 0;
}

void
board_raise_definition_counter(Board *board)
{
	pg_atomic_fetch_add_u64(&board->definition_counter, 1);
}

/*-------------------------------------------------------------------------
 *
 * claim.c
 *	  Taking tasks off the board.
 *
 * The protocol (design rule 4, modelled in test/model): under the lock, pop a
 * hint and take a pending lease; then look at the row, as it is committed now;
 * then make the lease hold, or drop it if the hint was void.  The lease decides
 * between two processes, the row decides what is true.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "running/claim.h"

#include "breaker.h"
#include "machine_cache.h"
#include "miscadmin.h"
#include "refill.h"
#include "waiter.h"
#include "xact_notes.h"

/* How often to refill before taking what is there. */
#define MAX_ROUNDS 8

/* How often to say that all leases are taken, in microseconds. */
#define LOG_INTERVAL (60 * USECS_PER_SEC)

/* A hint that was popped, with its pending lease. */
typedef struct Claim
{
	const NodeName *name;
	bool		retry;
	bool		held_back;		/* the breaker has opened meanwhile */
	SetEntry	hint;
	int			note;
	BreakerTicket ticket;
} Claim;

/* ------------------------------------------------------------------ popping */

/*
 * Find the breakers of those targets whose machine declares one, which usually
 * follow one another.  Lock held.
 */
static void
attach_breakers(Board *board, ClaimTarget *targets, int ntargets, TimestampTz now)
{
	const Breaker *last = NULL;
	int			place = -1;

	for (int i = 0; i < ntargets; i++)
	{
		const Breaker *limits = targets[i].breaker;

		if (limits != NULL && limits != last)
			place = breaker_attach(board, targets[i].name->machine, targets[i].version,
								   limits, now);
		last = limits;
		targets[i].breaker_place = limits != NULL ? place : -1;
	}
}

/* The first hint of the node that may go out, over both its sets. */
static SetEntry *
best_of(Board *board, const ClaimTarget *target, TimestampTz now, int *slot, int *retry)
{
	SetEntry   *best = NULL;

	*slot = node_set_find(board, target->name);
	if (*slot < 0)
		return NULL;
	for (int i = FIRSTS; i <= RETRIES; i++)
	{
		SetEntry   *entry = ordered_set_get(&board->nodes[*slot].ready[i], 0);

		if (entry != NULL && i == RETRIES && target->breaker_place >= 0 &&
			!breaker_admits(board, target->breaker_place, now))
			continue;
		if (entry != NULL &&
			(best == NULL || entry_key_compare(&entry->key, &best->key) < 0))
		{
			best = entry;
			*retry = i;
		}
	}
	return best;
}

/* The pending lease is ours: make a claim of it.  Lock held. */
static void
take(Board *board, Claim *claim, const ClaimTarget *target, bool retry, const SetEntry *hint,
	 TimestampTz now)
{
	claim->name = target->name;
	claim->retry = retry;
	claim->held_back = false;
	claim->hint = *hint;
	if (target->breaker_place >= 0)
		breaker_pop(board, target->breaker_place, retry, now, &claim->ticket);
	else
		memset(&claim->ticket, 0, sizeof(claim->ticket));
	claim->note = xact_note_claim(target->name, retry, hint, &claim->ticket);
}

/*
 * Pop up to max hints, best first, and take pending leases.  Lock held.  True
 * when it had to stop because all leases are taken.
 */
static bool
pop(Board *board, const ClaimTarget *targets, int ntargets, TimestampTz now,
	Claim *claims, int max, int *n)
{
	while (*n < max)
	{
		const ClaimTarget *target = NULL;
		SetEntry   *best = NULL;
		int			slot = -1;
		int			retry = FIRSTS;
		Lease	   *lease;

		for (int i = 0; i < ntargets; i++)
		{
			int			its_slot;
			int			its_retry;
			SetEntry   *entry = best_of(board, &targets[i], now, &its_slot, &its_retry);

			if (entry != NULL &&
				(best == NULL || entry_key_compare(&entry->key, &best->key) < 0))
			{
				best = entry;
				target = &targets[i];
				slot = its_slot;
				retry = its_retry;
			}
		}
		if (best == NULL)
			return false;

		switch (lease_take(board, best, slot, &lease))
		{
			case LEASE_TAKEN:
				take(board, &claims[*n], target, retry == RETRIES, best, now);
				(*n)++;
				break;
			case LEASE_HELD:
			case LEASE_PENDING:
				board->stale_hints++;
				break;
			case LEASE_TABLE_FULL:
				board->leases_full = true;
				return true;
		}
		ordered_set_remove(&board->nodes[slot].ready[retry], 0);
	}
	return false;
}

/*
 * Find a target with a set that is empty and of which more may be in the heap.
 * Lock held.
 */
static bool
find_refill(Board *board, const ClaimTarget *targets, int ntargets,
			const NodeName **name, int *retry)
{
	for (int i = 0; i < ntargets; i++)
	{
		int			slot = node_set_find(board, targets[i].name);

		for (*retry = FIRSTS; *retry <= RETRIES; (*retry)++)
		{
			if (slot < 0 || ordered_set_needs_refill(&board->nodes[slot].ready[*retry]))
			{
				*name = targets[i].name;
				return true;
			}
		}
		node_set_touch(board, slot);
	}
	return false;
}

/* Fill the sets of the targets, then pop from them. */
static int
refill_and_pop(Board *board, ClaimTarget *targets, int ntargets, Claim *claims, int max)
{
	TimestampTz now;
	int			n = 0;
	bool		say_so = false;

	xact_note_reserve_claims(max);
	for (int round = 0;; round++)
	{
		const NodeName *name;
		int			retry;

		LWLockAcquire(board->lock, LW_EXCLUSIVE);
		now = board_now_locked(board);
		board_promote(board, now);
		if (round >= MAX_ROUNDS * ntargets ||
			!find_refill(board, targets, ntargets, &name, &retry))
			break;
		LWLockRelease(board->lock);
		refill_ready(board, name, retry);
	}
	attach_breakers(board, targets, ntargets, now);
	if (pop(board, targets, ntargets, now, claims, max, &n))
	{
		say_so = now - board->leases_full_logged > LOG_INTERVAL;
		if (say_so)
			board->leases_full_logged = now;
	}
	board->claims += n;
	LWLockRelease(board->lock);

	if (say_so)
		ereport(LOG,
				(errmsg("dfsmr: all %d leases are taken, so less work is handed out", dfsmr_max_leases),
				 errhint("Raise dfsmr.max_leases and restart the server.")));
	return n;
}

/* ------------------------------------------------------------------- judging */

/* Is the row what the hint said?  Whether it is due is judged under the lock. */
static bool
verify(InstanceTable *table, Claim *claim, GrantedTask *task)
{
	InstanceRow *row = &task->row;
	const MachineInfo *info;
	const Machine *machine;

	if (!instance_fetch_hinted(table, &claim->hint.key.id, &claim->hint.tid, row))
		return false;
	/* Our own uncommitted write: the board may not know of that state yet. */
	if (row->own_write || row->visit != claim->hint.visit || row->kind != NODE_TASK ||
		row->retry != claim->retry ||
		strcmp(row->machine, claim->name->machine) != 0 ||
		strcmp(row->node, claim->name->node) != 0)
		return false;
	info = machine_info(row->machine);
	if (info == NULL || machine_node_paused(info, row->node))
		return false;
	machine = machine_version(row->machine, row->version);
	task->node = row_node(row, machine);
	task->attempt = row->attempt + 1;
	task->image = instance_image(row);
	return true;
}

/*
 * Make the pending lease hold; false when the hint was void after all, or is of
 * a retry while the breaker has opened.
 */
static bool
hold(Board *board, Claim *claim, GrantedTask *task, const char *client)
{
	InstanceRow *row = &task->row;
	Lease	   *lease = lease_find_pending(board, &row->id, row->visit);

	TimestampTz now;

	if (lease == NULL || (row->delayed && row->ready_at > board->due_until))
		return false;
	now = board_now_locked(board);
	claim->held_back = !breaker_deliver(board, &claim->ticket, now);
	if (claim->held_back)
		return false;
	task->term = lease_term(task->node, now);
	lease_hold(board, lease, task->attempt, row->deliveries + 1, client, &task->term, &row->tid);
	lease->ticket = claim->ticket;
	xact_note_claim_held(claim->note, task->attempt, &task->image);
	return true;
}

/*
 * The hint was void, or the breaker holds it back: the lease goes, if it is
 * still ours.  False when another hint was dropped for it meanwhile: then the
 * row must be looked at again.
 */
static bool
release(Board *board, Claim *claim)
{
	Lease	   *lease = lease_find_pending(board, &claim->hint.key.id, claim->hint.visit);

	if (lease != NULL && lease->wanted)
	{
		lease->wanted = false;
		return false;
	}
	if (lease != NULL)
		lease_drop(board, lease);
	breaker_settle(board, &claim->ticket, TICKET_VOID);
	if (claim->held_back)
		node_set_offer(board, claim->name, claim->retry, &claim->hint);
	else
		board->stale_hints++;
	xact_note_claim_void(claim->note);
	return true;
}

/*
 * The hint was void, but somebody dropped another one that trusted the lease:
 * offer the row as it is now, so that it is not lost.
 */
static void
offer_again(Board *board, InstanceTable *table, Claim *claim)
{
	bool		released;

	do
	{
		InstanceRow row;
		RowImage	image;
		bool		found = instance_fetch(table, &claim->hint.key.id, &row);

		if (found)
			image = instance_image(&row);
		LWLockAcquire(board->lock, LW_EXCLUSIVE);
		released = release(board, claim);
		if (released && found && row.visit == claim->hint.visit && !row.own_write)
			board_offer(board, &image);
		LWLockRelease(board->lock);
	} while (!released);
}

/* Look at the rows of the claims; returns how many were granted. */
static int
grant(Board *board, InstanceTable *table, Claim *claims, int n, const char *client,
	  GrantedTask *granted)
{
	bool	   *valid = palloc(n * sizeof(bool));
	bool	   *again = palloc0(n * sizeof(bool));
	GrantedTask *tasks = palloc(n * sizeof(GrantedTask));
	int			ngranted = 0;

	if (dfsmr_debug_sleep_claim > 0)
		pg_usleep(dfsmr_debug_sleep_claim * 1000L);
	for (int i = 0; i < n; i++)
		valid[i] = verify(table, &claims[i], &tasks[i]);

	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	for (int i = 0; i < n; i++)
	{
		if (valid[i])
			valid[i] = hold(board, &claims[i], &tasks[i], client);
	}
	for (int i = n - 1; i >= 0; i--)
	{
		if (!valid[i])
			again[i] = !release(board, &claims[i]);
	}
	LWLockRelease(board->lock);
	for (int i = n - 1; i >= 0; i--)
	{
		if (again[i])
			offer_again(board, table, &claims[i]);
	}

	for (int i = 0; i < n; i++)
	{
		if (valid[i])
			granted[ngranted++] = tasks[i];
	}
	return ngranted;
}

/* Claim from nodes that have their sets on the board at the same time. */
static int
claim_group(Board *board, InstanceTable *table, ClaimTarget *targets, int ntargets,
			const char *client, int max, GrantedTask *granted)
{
	Claim	   *claims = palloc(max * sizeof(Claim));
	int			ngranted = 0;

	for (;;)
	{
		int			n;

		n = refill_and_pop(board, targets, ntargets, claims, max - ngranted);
		if (n == 0)
			break;
		ngranted += grant(board, table, claims, n, client, granted + ngranted);
		if (ngranted == max)
			break;
		CHECK_FOR_INTERRUPTS();
	}
	pfree(claims);
	return ngranted;
}

int
claim_tasks(Board *board, ClaimTarget *targets, int ntargets, const char *client,
			int max, GrantedTask *granted)
{
	int			group = Max(dfsmr_max_sets / 2, 1);
	InstanceTable table;
	int			n = 0;

	/*
	 * Without a scheduler nobody else would look ahead, and every task that
	 * becomes due would make all sets look into the heap again.
	 */
	if (ordered_set_needs_refill(&board->delayed))
		refill_delayed(board);
	instance_table_open(&table, AccessShareLock);
	for (int i = 0; i < ntargets && n < max; i += group)
		n += claim_group(board, &table, targets + i, Min(group, ntargets - i),
						 client, max - n, granted + n);
	instance_table_close(&table);
	return n;
}

/*-------------------------------------------------------------------------
 *
 * claim.c
 *	  Taking tasks off the board.
 *
 * The protocol (design rule 4, modelled in test/model): under the lock, pop a
 * hint and take a pending lease; then look at the row, as it is committed now;
 * then make the lease hold, or drop it if the hint was void.  The lease decides
 * between two processes, the row decides what is true.  At nodes that hand out
 * at most once the lease stays pending until the claim is in the row.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "running/claim.h"

#include "breaker.h"
#include "durations.h"
#include "machine_cache.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "refill.h"
#include "running/claim_once.h"
#include "running/move.h"
#include "running/visits.h"
#include "storage/lmgr.h"
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
	DurationsRef durations;		/* of the node; slot -1: to be prepared */
} Claim;

/* ------------------------------------------------------------------ popping */

/*
 * Find the breakers of those targets whose machine declares one, which usually
 * follow one another.  A version that this transaction has defined itself may be
 * rolled back: the board does not learn of it yet.  Lock held.
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
			place = xact_changed_definitions() ?
				breaker_find(board, targets[i].name->machine) :
				breaker_attach(board, targets[i].name->machine, targets[i].version,
							   limits, now);
		last = limits;
		targets[i].breaker_place = limits != NULL ? place : -1;
	}
}

/* The first hint of the node that may go out, over both its sets. */
static SetEntry *
best_of(Board *board, const ClaimTarget *target, TimestampTz now, int *retry)
{
	SetEntry   *best = NULL;

	if (target->slot < 0)
		return NULL;
	for (int i = FIRSTS; i <= RETRIES; i++)
	{
		SetEntry   *entry = ordered_set_get(&board->nodes[target->slot].ready[i], 0);

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
take(Board *board, Claim *claim, ClaimTarget *target, bool retry, const SetEntry *hint,
	 TimestampTz now)
{
	if (!target->popped)
		target->durations = durations_loaded(board, target->name);
	target->popped = true;
	claim->name = target->name;
	claim->retry = retry;
	claim->held_back = false;
	claim->hint = *hint;
	if (target->breaker_place >= 0)
		breaker_pop(board, target->breaker_place, retry, hint->key.at, now, &claim->ticket);
	else
		memset(&claim->ticket, 0, sizeof(claim->ticket));
	claim->note = xact_note_claim(target->name, retry, hint, &claim->ticket);
	claim->durations = target->durations;
}

/*
 * Pop up to max hints, best first, and take pending leases.  Lock held.  True
 * when it had to stop because all leases are taken.
 */
static bool
pop(Board *board, ClaimTarget *targets, int ntargets, TimestampTz now,
	Claim *claims, int max, int *n)
{
	for (int i = 0; i < ntargets; i++)
	{
		targets[i].slot = node_set_find(board, targets[i].name);
		targets[i].popped = false;
	}
	while (*n < max)
	{
		ClaimTarget *target = NULL;
		SetEntry   *best = NULL;
		int			retry = FIRSTS;
		Lease	   *lease;

		for (int i = 0; i < ntargets; i++)
		{
			int			its_retry;
			SetEntry   *entry = best_of(board, &targets[i], now, &its_retry);

			if (entry != NULL &&
				(best == NULL || entry_key_compare(&entry->key, &best->key) < 0))
			{
				best = entry;
				target = &targets[i];
				retry = its_retry;
			}
		}
		if (best == NULL)
			return false;

		switch (lease_take(board, best, target->slot, &lease))
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
		ordered_set_remove(&board->nodes[target->slot].ready[retry], 0);
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
		now = board_now(board);
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
verify(Board *board, InstanceTable *table, Claim *claim, GrantedTask *task)
{
	InstanceRow *row = &task->row;
	const MachineInfo *info;
	const Machine *machine;

	task->too_late = false;
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
	task->too_late = task->node->max_elapsed >= 0 &&
		visits_limit(row->visits, task->node) <= board_now(board);
	return !task->too_late;
}

/*
 * The task waited until its node's max_elapsed was over: it is not handed out
 * but leaves, in the caller's transaction.  Whoever has its row locked offers it
 * again.
 */
static void
leave(InstanceTable *table, GrantedTask *task, TimestampTz now)
{
	InstanceRow *row = &task->row;
	Move		move = {.kind = CHANGE_TIMER, .now = now, .no_wait = true};

	LockRelation(table->rel, RowExclusiveLock);
	(void) move_along(table, row, machine_version(row->machine, row->version), task->node,
					  &task->node->edges[task->node->on_max_elapsed], &move);
}

/*
 * Make the pending lease hold, or ask for the claim to be written; false when
 * the hint was void after all, or is of a retry while the breaker has opened.
 */
static bool
hold(Board *board, Claim *claim, GrantedTask *task, const char *client)
{
	InstanceRow *row = &task->row;
	Lease	   *lease = lease_find_pending(board, &row->id, row->visit);
	TimestampTz now;

	if (lease == NULL || (row->delayed && row->ready_at > board->due_until))
		return false;
	now = board_now(board);
	claim->held_back = !breaker_deliver(board, &claim->ticket, now);
	if (claim->held_back)
		return false;
	task->term = lease_term(board, task->node, claim->durations, row->failed_attempts, now);
	if (task->node->at_most_once)
		return claim_once_ask(board, task, client);
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

/*
 * Wait for the claims at most once among the valid ones.  Those that were not
 * written are not valid any more, and those of them whose leases are still ours
 * are added to the list of what is to be offered again later, lest the next pop
 * meets them.
 */
static List *
await_written(Board *board, Claim *claims, const GrantedTask *tasks, bool *valid, int n,
			  const char *client, List *later)
{
	bool	   *asked = palloc0(n * sizeof(bool));
	bool	   *again = palloc0(n * sizeof(bool));
	bool		any = false;

	for (int i = 0; i < n; i++)
	{
		asked[i] = valid[i] && tasks[i].node->at_most_once;
		any |= asked[i];
	}
	if (!any)
		return later;
	claim_once_wait(board, tasks, asked, n);

	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	for (int i = n - 1; i >= 0; i--)
	{
		OnceAnswer	answer;

		if (!asked[i])
			continue;
		answer = claim_once_answer(board, &tasks[i], &claims[i].ticket, client);
		valid[i] = answer == ONCE_GRANTED;
		again[i] = answer == ONCE_AGAIN;
		if (answer == ONCE_GONE)
			breaker_settle(board, &claims[i].ticket, TICKET_VOID);
		if (!again[i])
			xact_note_claim_void(claims[i].note);
	}
	LWLockRelease(board->lock);

	for (int i = 0; i < n; i++)
	{
		if (again[i])
			later = lappend(later, memcpy(palloc(sizeof(Claim)), &claims[i], sizeof(Claim)));
	}
	return later;
}

/* Look at the rows of the claims; returns how many were granted. */
static int
grant(Board *board, InstanceTable *table, Claim *claims, int n, const char *client,
	  GrantedTask *granted, List **later)
{
	bool	   *valid = palloc(n * sizeof(bool));
	bool	   *again = palloc0(n * sizeof(bool));
	GrantedTask *tasks = palloc(n * sizeof(GrantedTask));
	int			ngranted = 0;

	if (dfsmr_debug_sleep_claim > 0)
		pg_usleep(dfsmr_debug_sleep_claim * 1000L);
	for (int i = 0; i < n; i++)
	{
		valid[i] = verify(board, table, &claims[i], &tasks[i]);
		if (valid[i] && claims[i].durations.slot < 0)
			claims[i].durations = durations_prepare(board, claims[i].name);
	}

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
		else if (tasks[i].too_late)
			leave(table, &tasks[i], board_now(board));
	}
	*later = await_written(board, claims, tasks, valid, n, client, *later);

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
			const char *client, int max, GrantedTask *granted, List **later)
{
	Claim	   *claims = palloc(max * sizeof(Claim));
	int			ngranted = 0;

	for (;;)
	{
		int			n;

		n = refill_and_pop(board, targets, ntargets, claims, max - ngranted);
		if (n == 0)
			break;
		/* Only now: a call that finds nothing need not open it. */
		if (table->rel == NULL)
			instance_table_open(table, AccessShareLock);
		ngranted += grant(board, table, claims, n, client, granted + ngranted, later);
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
	InstanceTable table = {.rel = NULL};
	List	   *later = NIL;
	ListCell   *cell;
	int			n = 0;

	/*
	 * Without a scheduler nobody else would look ahead, and every task that
	 * becomes due would make all sets look into the heap again.
	 */
	if (ordered_set_needs_refill(&board->delayed))
		refill_delayed(board);
	for (int i = 0; i < ntargets && n < max; i += group)
		n += claim_group(board, &table, targets + i, Min(group, ntargets - i),
						 client, max - n, granted + n, &later);
	foreach(cell, later)
		offer_again(board, &table, lfirst(cell));
	if (table.rel != NULL)
		instance_table_close(&table);
	return n;
}

/*-------------------------------------------------------------------------
 *
 * completion.c
 *	  A completion of a visit, judged and done.
 *
 * The first completion of a visit wins; what is compared is the visit, not the
 * attempt, so a worker whose lease ran out may still win.  The fence is the row
 * itself: it is written over the very version that was judged, or judged anew.
 *
 * To judge raises nothing: one call may be about many instances, and a stale
 * one among them costs the others nothing, not even a subtransaction.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "running/completion.h"

#include "durations.h"
#include "lease.h"
#include "machine_cache.h"
#include "miscadmin.h"
#include "privilege.h"
#include "running/call.h"
#include "running/recorded_answer.h"

/* The board's lock is not held for longer than this many look-ups take. */
#define HINTS_AT_A_TIME 64

void
completion_hints(Board *board, const pg_uuid_t *const *instances, int n, ItemPointerData *hints)
{
	if (!lease_any(board))
	{
		for (int i = 0; i < n; i++)
			ItemPointerSetInvalid(&hints[i]);
		return;
	}
	for (int i = 0; i < n;)
	{
		int			end = Min(n, i + HINTS_AT_A_TIME);

		LWLockAcquire(board->lock, LW_SHARED);
		for (; i < end; i++)
		{
			Lease	   *lease = instances[i] != NULL ? lease_find(board, instances[i]) : NULL;

			if (lease != NULL)
				hints[i] = lease->tid;
			else
				ItemPointerSetInvalid(&hints[i]);
		}
		LWLockRelease(board->lock);
	}
}

/*
 * Which claim's work is completed, so that its duration counts: that of the
 * attempt, or what client and visit leave no doubt about.  Who names no visit is
 * no worker, but somebody who moves the instance on by hand.
 */
static int
completed_attempt(Board *board, const InstanceRow *row, const Completion *said)
{
	if (said->visit == 0)
		return 0;
	if (said->attempt != 0)
		return said->attempt;
	if (row->held)
		return said->client == NULL || strcmp(said->client, row->held_by) == 0 ? row->attempt : 0;
	return durations_attempt_named(board, said->instance, said->visit, said->client);
}

/* Fill in from the claim of this visit what the caller did not say. */
static void
complete_from_lease(Board *board, const InstanceRow *row, const Completion *said, Move *move)
{
	LeaseCopy  *claim = palloc(sizeof(LeaseCopy));
	bool		claimed = claim_in_flight(board, row, claim);
	const Lease *lease = &claim->lease;

	move->deliveries = claimed && !row->held ? 1 : 0;
	move->client = said->client;
	if (move->client == NULL)
		move->client = row->held ? row->held_by : claimed ? lease_copy_client(claim) : NULL;
	move->attempt = said->attempt;
	if (move->attempt == 0)
		move->attempt = claimed ? lease->attempt : row->attempt;
	/* A worker that was superseded says nothing about its successor's claim. */
	if (claimed && move->attempt == lease->attempt)
		move->ticket = lease->ticket;
	else
		move->ticket.period = 0;
	move->completes = completed_attempt(board, row, said);
}

static CompletionVerdict
refuse(CompletionAnswer *answer, Refusal refusal)
{
	answer->refusal = refusal;
	return COMPLETION_REFUSED;
}

/* The visit that is named is not the current one. */
static CompletionVerdict
judge_other_visit(Board *board, const Completion *said, const InstanceRow *row,
				  CompletionAnswer *answer)
{
	RecordedAnswer recorded;

	if (said->visit < row->visit && said->client != NULL && said->attempt != 0 &&
		recorded_answer(row, said->visit, said->transition,
						said->client, said->attempt, &recorded))
	{
		answer->node = recorded.node;
		answer->prev_node = recorded.prev_node;
		answer->visit = recorded.visit;
		return COMPLETION_REPEATED;
	}
	if (said->visit < row->visit)
		durations_refused(board, said->instance, said->visit, said->attempt, said->client,
						  said->move.now);
	return refuse(answer, refusal_stale_visit(row, said->visit));
}

/*
 * Judge the completion against the row.  COMPLETION_DONE: it is to be done, by
 * this edge of this node.
 */
static CompletionVerdict
judge(Board *board, const Completion *said, const InstanceRow *row, const Machine **machine,
	  const MachineNode **node, const MachineEdge **edge, CompletionAnswer *answer)
{
	int			found;

	if (!privilege_has(row->machine, PRIVILEGE_WORK | PRIVILEGE_ADMIN))
		return refuse(answer, privilege_refusal(row->machine, PRIVILEGE_WORK | PRIVILEGE_ADMIN));
	if (said->visit != 0 && said->visit != row->visit)
		return judge_other_visit(board, said, row, answer);
	if (row->kind == NODE_FINAL)
		return refuse(answer, refusal_finished(row));
	if (said->visit == 0 && !visit_may_be_missing(row))
		return refuse(answer, refusal_visit_required());
	*machine = machine_version(row->machine, row->version);
	*node = row_node(row, *machine);
	found = machine_find_edge(*node, said->transition);
	if (found < 0)
		return refuse(answer, refusal_illegal_transition(row, *node, said->transition));
	*edge = &(*node)->edges[found];
	return COMPLETION_DONE;
}

CompletionVerdict
complete(Board *board, InstanceTable *table, Completion *said, CompletionAnswer *answer)
{
	memset(answer, 0, sizeof(*answer));
	for (;;)
	{
		InstanceRow row;
		const Machine *machine;
		const MachineNode *node;
		const MachineEdge *edge;
		CompletionVerdict verdict;

		if (!instance_find(table, said->instance, &said->hint, &row))
			return refuse(answer, refusal_unknown_instance(said->instance));
		ItemPointerSetInvalid(&said->hint);
		/* An earlier change of this very call may be what is repeated. */
		if (row.own_write)
			instance_flush_changes(table);
		verdict = judge(board, said, &row, &machine, &node, &edge, answer);
		if (verdict != COMPLETION_DONE)
			return verdict;
		complete_from_lease(board, &row, said, &said->move);
		if (move_along(table, &row, machine, node, edge, &said->move) == INSTANCE_UPDATED)
		{
			answer->node = row.node;
			answer->prev_node = row.prev_node;
			answer->visit = row.visit;
			return COMPLETION_DONE;
		}
		CHECK_FOR_INTERRUPTS();
	}
}

/*-------------------------------------------------------------------------
 *
 * work_speaker.c
 *	  The connection that says what is to be said about tasks: heartbeats,
 *	  results, transitions, relinquishments.
 *
 *-------------------------------------------------------------------------
 */
#include "work.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_BASE 200
#define RETRY_MOST 10000

/* Columns of the statement that takes a result apart. */
enum
{
	RESULT_FAULT, RESULT_TRANSITION, RESULT_PARAMS, RESULT_DATA, RESULT_DELAY, RESULT_NOTE
};

static bool
heartbeat_due(const Slot *slot, int64_t now)
{
	return slot->state == SLOT_RUNNING && slot->heartbeat_every > 0 && !slot->lease_gone &&
		now >= slot->heartbeat_at;
}

static bool
saying_due(const Slot *slot, int64_t now)
{
	return slot->state == SLOT_ENDED && slot->say != SAY_NOTHING && now >= slot->say_at;
}

/*
 * The slot to speak for next: a heartbeat cannot wait, of the others the one
 * that has waited longest.
 */
static Slot *
next_slot(const Worker *worker, int64_t now)
{
	Slot	   *next = NULL;

	for (int i = 0; i < worker->jobs; i++)
	{
		Slot	   *slot = &worker->slots[i];

		if (heartbeat_due(slot, now))
			return slot;
		if (saying_due(slot, now) && (next == NULL || slot->turn < next->turn))
			next = slot;
	}
	return next;
}

/* When speaker_act() must be called at the latest, events aside. */
int64_t
speaker_deadline(const Worker *worker)
{
	int64_t		deadline = link_deadline(&worker->speaker);

	if (worker->speaker.state != LINK_IDLE)
		return deadline;
	for (int i = 0; i < worker->jobs; i++)
	{
		const Slot *slot = &worker->slots[i];
		int64_t		due = INT64_MAX;

		if (slot->state == SLOT_RUNNING && slot->heartbeat_every > 0 && !slot->lease_gone)
			due = slot->heartbeat_at;
		else if (slot->state == SLOT_ENDED && slot->say != SAY_NOTHING)
			due = slot->say_at;
		if (due < deadline)
			deadline = due;
	}
	return deadline;
}

/*
 * The result, taken apart by the server.  It is an object with none but the
 * keys that we know, or its fault is told: a misspelt key would be lost.
 */
static void
build_result(Query *query, const Slot *slot)
{
	query_init(query,
			   "SELECT CASE WHEN pg_catalog.jsonb_typeof(q.r) <> 'object'::text THEN 'it is not an object'::text"
			   " ELSE (SELECT pg_catalog.format('it has an unknown key \"%s\"'::text, k.key)"
			   " FROM pg_catalog.jsonb_object_keys(q.r) AS k(key)"
			   " WHERE k.key <> ALL ('{transition,params,data,delay,note}'::text[]) LIMIT 1) END,"
			   " q.r->>'transition'::text,"
			   " nullif(q.r->'params'::text, 'null'::jsonb),"
			   " nullif(q.r->'data'::text, 'null'::jsonb),"
			   " (q.r->>'delay'::text)::interval,"
			   " q.r->>'note'::text"
			   " FROM (SELECT ");
	query_value(query, slot->result.data, "jsonb");
	query_text(query, " AS r) AS q");
}

static void
build_transition(Query *query, const Worker *worker, const Slot *slot)
{
	query_init(query, "SELECT t.node, t.visit FROM ");
	query_call(query, "transition");
	query_argument(query, "instance", slot->instance, "uuid");
	query_argument(query, "transition", slot->transition, "text");
	query_argument(query, "node_params", slot->params, "jsonb");
	query_argument(query, "visit", slot->visit, "int");
	query_argument(query, "client", worker->client, "text");
	query_argument(query, "attempt", slot->attempt, "int");
	query_argument(query, "data", slot->data, "jsonb");
	query_argument(query, "delay", slot->delay, "interval");
	query_argument(query, "note", slot->note, "text");
	query_end(query);
	query_text(query, " AS t");
}

static void
build_relinquish(Query *query, const Slot *slot)
{
	query_init(query, "SELECT r.node FROM ");
	query_call(query, "relinquish");
	query_argument(query, "instance", slot->instance, "uuid");
	query_argument(query, "visit", slot->visit, "int");
	query_argument(query, "delay", slot->delay, "interval");
	query_argument(query, "attempt", slot->attempt, "int");
	query_argument(query, "note", slot->note, "text");
	query_end(query);
	query_text(query, " AS r");
}

static void
build_heartbeat(Query *query, const Slot *slot)
{
	query_init(query, "SELECT ");
	query_call(query, "heartbeat");
	query_argument(query, "instance", slot->instance, "uuid");
	query_argument(query, "visit", slot->visit, "int");
	query_argument(query, "attempt", slot->attempt, "int");
	query_end(query);
}

/*
 * A connection was lost, and perhaps the server with all leases: it would
 * hand out, even to us, what we still work on.  So that it does not, all beat
 * at once, and no task is asked for before all that is due has been said.
 */
void
worker_settle(Worker *worker)
{
	int64_t		now = monotonic_ms();

	worker->settling = true;
	for (int i = 0; i < worker->jobs; i++)
		worker->slots[i].heartbeat_at = now;
}

/* Say the next thing, if the connection is free and there is one. */
void
speaker_act(Worker *worker)
{
	Query		query;
	Slot	   *slot;

	if (worker->speaker.state != LINK_IDLE)
		return;
	slot = next_slot(worker, monotonic_ms());
	if (slot == NULL)
	{
		worker->settling = false;
		return;
	}

	worker->speaking = slot;
	worker->said = slot->state == SLOT_RUNNING ? SAY_HEARTBEAT : slot->say;
	switch (worker->said)
	{
		case SAY_HEARTBEAT:
			build_heartbeat(&query, slot);
			break;
		case SAY_RESULT:
			build_result(&query, slot);
			break;
		case SAY_TRANSITION:
			build_transition(&query, worker, slot);
			break;
		default:
			build_relinquish(&query, slot);
			break;
	}
	link_send(&worker->speaker, &query);
	query_free(&query);
}

/* Is the task not ours any more: completed, aborted, handed to another? */
static bool
is_gone(const PGresult *result)
{
	return is_sqlstate(result, "SM002") || is_sqlstate(result, "SM004") ||
		is_sqlstate(result, "SM007") || is_sqlstate(result, "SM010");
}

/* Will no other task fare better? */
static bool
is_hopeless(const PGresult *result)
{
	return is_sqlstate(result, "42501") || is_sqlstate(result, "SM012") ||
		is_sqlstate(result, "42883") || is_sqlstate(result, "3F000");
}

static void
complain_about(const Slot *slot, const PGresult *result)
{
	char	   *context = format("%s: %s", slot->instance, slot->node);

	report_error(context, result);
	free(context);
}

static void
heartbeat_answered(Worker *worker, Slot *slot, const PGresult *result, bool failed)
{
	int64_t		now = monotonic_ms();

	/* Meanwhile the command has ended: what is said about that decides. */
	if (slot->state != SLOT_RUNNING)
		return;
	if (!failed)
	{
		slot->failures = 0;
		slot->heartbeat_at = now + slot->heartbeat_every;
		return;
	}
	complain_about(slot, result);
	if (is_gone(result))
	{
		complain("%s: the lease is gone: its command is stopped", slot->instance);
		slot->lease_gone = true;
		slot_stop_command(worker, slot);
	}
	else
		slot->heartbeat_at = now + backoff_ms(++slot->failures, RETRY_BASE, slot->heartbeat_every);
}

static char *
value_or_null(const PGresult *result, int column)
{
	return PQgetisnull(result, 0, column) ? NULL : duplicate(PQgetvalue(result, 0, column));
}

static void
result_answered(Worker *worker, Slot *slot, const PGresult *result, bool failed)
{
	if (failed)
	{
		complain_about(slot, result);
		slot_give_back(worker, slot, "the result is not valid");
		return;
	}
	if (!PQgetisnull(result, 0, RESULT_FAULT))
	{
		complain("%s: the result is not valid: %s", slot->instance, PQgetvalue(result, 0, RESULT_FAULT));
		slot_give_back(worker, slot, "the result is not valid");
		return;
	}
	slot->transition = value_or_null(result, RESULT_TRANSITION);
	slot->params = value_or_null(result, RESULT_PARAMS);
	slot->data = value_or_null(result, RESULT_DATA);
	slot->delay = value_or_null(result, RESULT_DELAY);
	if (!PQgetisnull(result, 0, RESULT_NOTE))
	{
		free(slot->note);
		slot->note = value_or_null(result, RESULT_NOTE);
	}
	slot_settle(worker, slot);
}

static void
transition_answered(Worker *worker, Slot *slot, const PGresult *result, bool failed)
{
	if (!failed)
	{
		if (worker->verbose)
			complain("%s: %s -%s-> %s", slot->instance, slot->node, slot->transition, PQgetvalue(result, 0, 0));
		slot_free(slot);
		return;
	}
	complain_about(slot, result);
	if (is_gone(result))
	{
		slot_free(slot);
		return;
	}

	/* The edge does not exist, its params are wrong, ...: let others try. */
	free(slot->note);
	slot->note = duplicate(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
	free(slot->delay);
	slot->delay = NULL;
	slot_give_back(worker, slot, NULL);
}

static void
relinquish_answered(const Worker *worker, Slot *slot, const PGresult *result, bool failed)
{
	if (failed && !is_gone(result))
		complain_about(slot, result);
	else if (worker->verbose)
		complain("%s: given back", slot->instance);
	slot_free(slot);
}

static void
take_answer(Worker *worker, Slot *slot, const PGresult *result)
{
	bool		failed = PQresultStatus(result) != PGRES_TUPLES_OK;

	if (failed && worker->said != SAY_HEARTBEAT)
	{
		if (is_passing_error(result))
		{
			if (slot->failures++ == 0)
				complain_about(slot, result);
			slot->say_at = monotonic_ms() + backoff_ms(slot->failures, RETRY_BASE, RETRY_MOST);
			return;
		}
		if (is_hopeless(result))
			worker_fail(worker, sqlstate_exit(PQresultErrorField(result, PG_DIAG_SQLSTATE)));
	}

	switch (worker->said)
	{
		case SAY_HEARTBEAT:
			heartbeat_answered(worker, slot, result, failed);
			break;
		case SAY_RESULT:
			result_answered(worker, slot, result, failed);
			break;
		case SAY_TRANSITION:
			transition_answered(worker, slot, result, failed);
			break;
		default:
			relinquish_answered(worker, slot, result, failed);
			break;
	}
}

void
speaker_event(Worker *worker, LinkEvent event)
{
	Slot	   *slot = worker->speaking;
	PGresult   *result;

	switch (event)
	{
		case LINK_RESULT:
			result = worker->speaker.result;
			worker->speaker.result = NULL;
			worker->speaking = NULL;
			take_answer(worker, slot, result);
			PQclear(result);
			break;
		case LINK_LOST:
			/* The slot still wants to say it. */
			worker->speaking = NULL;
			worker_settle(worker);
			break;
		default:
			break;
	}
}

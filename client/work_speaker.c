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
	return slot_is_held(slot) && !slot->lease_gone &&
		now >= slot->heartbeat_at;
}

static bool
saying_due(const Worker *worker, const Slot *slot, int64_t now)
{
	if (slot->state != SLOT_ENDED || slot->say == SAY_NOTHING)
		return false;
	return now >= slot->say_at ||
		(batch_gathers(worker, slot) && slot->failures == 0 && batch_is_due(worker));
}

/*
 * The slot to speak for next: a heartbeat cannot wait, of the others the one
 * that has waited longest.
 */
static Slot *
next_slot(const Worker *worker, int64_t now)
{
	Slot	   *next = NULL;

	for (int i = 0; i < worker->nslots; i++)
	{
		Slot	   *slot = &worker->slots[i];

		if (heartbeat_due(slot, now))
			return slot;
		if (saying_due(worker, slot, now) && (next == NULL || slot->turn < next->turn))
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
	for (int i = 0; i < worker->nslots; i++)
	{
		const Slot *slot = &worker->slots[i];
		int64_t		due = INT64_MAX;

		if (slot_is_held(slot) && !slot->lease_gone)
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
	for (int i = 0; i < worker->nslots; i++)
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

	worker->speaking[0] = slot;
	worker->nspeaking = 1;
	worker->said = slot_is_held(slot) ? SAY_HEARTBEAT :
		slot->say == SAY_TRANSITION && batch_gathers(worker, slot) ? SAY_BATCH : slot->say;
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
		case SAY_BATCH:
			batch_say(worker, &query);
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
is_gone(const char *sqlstate)
{
	return sqlstate != NULL &&
		(strcmp(sqlstate, "SM002") == 0 || strcmp(sqlstate, "SM004") == 0 ||
		 strcmp(sqlstate, "SM007") == 0 || strcmp(sqlstate, "SM010") == 0);
}

/* Will no other task fare better? */
static bool
is_hopeless(const char *sqlstate)
{
	return sqlstate != NULL &&
		(strcmp(sqlstate, "42501") == 0 || strcmp(sqlstate, "SM012") == 0 ||
		 strcmp(sqlstate, "42883") == 0 || strcmp(sqlstate, "3F000") == 0);
}

static const char *
sqlstate_of(const PGresult *result)
{
	return PQresultErrorField(result, PG_DIAG_SQLSTATE);
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
	if (!slot_is_held(slot))
		return;
	if (!failed)
	{
		slot->failures = 0;
		slot->heartbeat_at = now + slot->heartbeat_every;
		return;
	}
	complain_about(slot, result);
	if (is_gone(sqlstate_of(result)))
	{
		if (slot->state == SLOT_TAKEN)
		{
			slot_free(slot);
			return;
		}
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

/* An error has been told. */
void
transition_answered(Worker *worker, Slot *slot, const ServerAnswer *answer)
{
	if (answer->sqlstate == NULL)
	{
		if (worker->verbose)
			complain("%s: %s -%s-> %s", slot->instance, slot->node, slot->transition, answer->node);
		slot_free(slot);
		return;
	}
	if (is_hopeless(answer->sqlstate))
		worker_fail(worker, sqlstate_exit(answer->sqlstate));
	if (is_gone(answer->sqlstate))
	{
		slot_free(slot);
		return;
	}

	/* The edge does not exist, its params are wrong, ...: let others try. */
	free(slot->note);
	slot->note = duplicate(answer->message);
	free(slot->delay);
	slot->delay = NULL;
	slot_give_back(worker, slot, NULL);
}

static void
relinquish_answered(const Worker *worker, Slot *slot, const PGresult *result, bool failed)
{
	if (failed && !is_gone(sqlstate_of(result)))
		complain_about(slot, result);
	else if (worker->verbose)
		complain("%s: given back", slot->instance);
	slot_free(slot);
}

/* It may succeed a little later: say it again then. */
static void
postpone(Slot *slot)
{
	slot->say_at = monotonic_ms() + backoff_ms(++slot->failures, RETRY_BASE, RETRY_MOST);
}

static void
take_answer(Worker *worker, const PGresult *result)
{
	Slot	   *slot = worker->speaking[0];
	bool		failed = PQresultStatus(result) != PGRES_TUPLES_OK;
	ServerAnswer answer = {NULL, NULL, NULL};

	if (failed && worker->said != SAY_HEARTBEAT)
	{
		if (is_passing_error(result))
		{
			if (slot->failures == 0)
				complain_about(slot, result);
			for (int i = 0; i < worker->nspeaking; i++)
				postpone(worker->speaking[i]);
			return;
		}
		if (is_hopeless(sqlstate_of(result)))
			worker_fail(worker, sqlstate_exit(sqlstate_of(result)));
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
			if (failed)
			{
				complain_about(slot, result);
				answer.sqlstate = sqlstate_of(result);
				answer.message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
			}
			else
				answer.node = PQgetvalue(result, 0, 0);
			transition_answered(worker, slot, &answer);
			break;
		case SAY_BATCH:
			if (failed)
				batch_failed(worker, result);
			else
				batch_answered(worker, result);
			break;
		default:
			relinquish_answered(worker, slot, result, failed);
			break;
	}
}

void
speaker_event(Worker *worker, LinkEvent event)
{
	PGresult   *result;

	switch (event)
	{
		case LINK_RESULT:
			result = worker->speaker.result;
			worker->speaker.result = NULL;
			worker->claiming = false;
			take_answer(worker, result);
			worker->nspeaking = 0;
			PQclear(result);
			break;
		case LINK_LOST:
			/*
			 * The slots still want to say it.  Tasks that were claimed with it
			 * are lost on their way; their leases will run out.
			 */
			worker->claiming = false;
			worker->nspeaking = 0;
			worker_settle(worker);
			break;
		default:
			break;
	}
}

/*-------------------------------------------------------------------------
 *
 * work_batch.c
 *	  With --batch: transitions that are said together, in one statement that
 *	  also claims tasks for the slots that it frees.
 *
 * A refused transition does not fail the others: each has its answer.  When
 * the statement as a whole fails, its transitions are said one by one.
 *
 *-------------------------------------------------------------------------
 */
#include "work.h"

#include <stddef.h>
#include <string.h>

/* Does the slot's transition wait for others to go with it? */
bool
batch_gathers(const Worker *worker, const Slot *slot)
{
	return worker->batch > 1 && slot->say == SAY_TRANSITION && !slot->alone;
}

/*
 * Is there no reason to wait any longer?  There is none when a batch is full,
 * or when no other command has yet to end.
 */
bool
batch_is_due(const Worker *worker)
{
	int			gathered = 0;
	bool		more = false;

	for (int i = 0; i < worker->nslots; i++)
	{
		const Slot *slot = &worker->slots[i];

		if (slot->state == SLOT_ENDED && batch_gathers(worker, slot))
			gathered++;
		else if (slot->state != SLOT_FREE)
			more = true;
	}
	return gathered >= worker->batch || !more;
}

/* Those that have waited longest, at most a batch of them. */
static void
gather(Worker *worker)
{
	worker->nspeaking = 0;
	while (worker->nspeaking < worker->batch)
	{
		Slot	   *next = NULL;

		for (int i = 0; i < worker->nslots; i++)
		{
			Slot	   *slot = &worker->slots[i];

			if (slot->state == SLOT_ENDED && batch_gathers(worker, slot) &&
				(worker->nspeaking == 0 || slot->turn > worker->speaking[worker->nspeaking - 1]->turn) &&
				(next == NULL || slot->turn < next->turn))
				next = slot;
		}
		if (next == NULL)
			break;
		worker->speaking[worker->nspeaking++] = next;
	}
}

/* Add an element to an array's text; NULL is NULL. */
static void
add_element(Buffer *array, const char *text)
{
	buffer_text(array, array->length == 0 ? "{" : ",");
	if (text == NULL)
	{
		buffer_text(array, "NULL");
		return;
	}
	buffer_text(array, "\"");
	for (const char *p = text; *p; p++)
	{
		if (*p == '"' || *p == '\\')
			buffer_add(array, "\\", 1);
		buffer_add(array, p, 1);
	}
	buffer_text(array, "\"");
}

/* Arguments of the batch calls: what of a slot goes into which array. */
static const struct
{
	const char *name;
	const char *type;
	size_t		offset;
}			arrays[] =
{
	{"instances", "uuid[]", offsetof(Slot, instance)},
	{"transitions", "text[]", offsetof(Slot, transition)},
	{"visits", "int[]", offsetof(Slot, visit)},
	{"attempts", "int[]", offsetof(Slot, attempt)},
	{"node_params", "jsonb[]", offsetof(Slot, params)},
	{"data", "jsonb[]", offsetof(Slot, data)},
	{"delays", "interval[]", offsetof(Slot, delay)},
	{"notes", "text[]", offsetof(Slot, note)}
};

static void
add_arrays(const Worker *worker, Query *query)
{
	for (size_t i = 0; i < lengthof(arrays); i++)
	{
		Buffer		text = {0};

		for (int s = 0; s < worker->nspeaking; s++)
			add_element(&text, *(char **) ((char *) worker->speaking[s] + arrays[i].offset));
		buffer_text(&text, "}");
		query_owned_argument(query, arrays[i].name, text.data, arrays[i].type);
	}
}

/* What is gathered, and a claim for the slots that are free then. */
static void
build_fused(const Worker *worker, Query *query, int wanted)
{
	query_init(query,
			   "SELECT (SELECT pg_catalog.row_to_json(j) FROM (SELECT t.instance, t.machine, t.version,"
			   " t.node, t.visit, t.attempt, t.deliveries, t.client, t.claimed_at, t.expires_at,"
			   " t.priority, t.key, t.lane, t.parent, t.params, t.node_params, t.data, t.prev_node,"
			   " t.prev_transition, t.transitions, t.started_at) AS j), ");
	waiter_select_tasks(query);
	query_text(query, ", t.sqlstate, t.message, t.detail FROM ");
	query_call(query, "transition_and_ready");
	query_argument(query, "client", worker->client, "text");
	add_arrays(worker, query);
	query_argument(query, "machine", worker->machine, "text");
	query_argument(query, "node", worker->node, "text");
	query_owned_argument(query, "max", format("%d", wanted), "int");
	query_end(query);
	query_text(query, " AS t");
}

static void
build_many(const Worker *worker, Query *query)
{
	query_init(query, "SELECT t.node, t.sqlstate, t.message, t.detail FROM ");
	query_call(query, "transition_many");
	add_arrays(worker, query);
	query_argument(query, "client", worker->client, "text");
	query_end(query);
	query_text(query, " AS t");
}

/* Say all that is gathered. */
void
batch_say(Worker *worker, Query *query)
{
	int			wanted;

	gather(worker);
	wanted = waiter_wanted(worker, worker->nspeaking);
	if (wanted > 0 && !worker->ask_drained && waiter_may_ask(worker, monotonic_ms()))
	{
		build_fused(worker, query, wanted);
		worker->claiming = true;
	}
	else
		build_many(worker, query);
}

static const char *
value_of(const PGresult *result, int row, const char *column)
{
	return PQgetvalue(result, row, PQfnumber(result, column));
}

/* The answers, one for each that was said; then come the tasks. */
void
batch_answered(Worker *worker, const PGresult *result)
{
	int			nitems = worker->nspeaking;

	for (int i = 0; i < nitems && i < PQntuples(result); i++)
	{
		Slot	   *slot = worker->speaking[i];
		ServerAnswer answer = {
			.sqlstate = value_of(result, i, "sqlstate"),
			.message = value_of(result, i, "message"),
			.node = value_of(result, i, "node"),
		};

		if (strcmp(answer.sqlstate, "00000") == 0)
			answer.sqlstate = NULL;
		else
			complain("%s: %s: %s: %s; %s", slot->instance, slot->node, answer.sqlstate,
					 answer.message, value_of(result, i, "detail"));
		transition_answered(worker, slot, &answer);
	}
	if (PQntuples(result) > nitems)
		waiter_take_tasks(worker, result, nitems);
}

/* One of them fails the statement: the others shall not fail with it. */
void
batch_failed(Worker *worker, const PGresult *result)
{
	report_error("saying transitions one by one", result);
	for (int i = 0; i < worker->nspeaking; i++)
	{
		worker->speaking[i]->alone = true;
		worker->speaking[i]->say_at = 0;
	}
}

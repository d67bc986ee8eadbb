/*-------------------------------------------------------------------------
 *
 * work_waiter.c
 *	  The connection that sits in ready() and brings tasks.
 *
 *-------------------------------------------------------------------------
 */
#include "work.h"

#include <stdlib.h>
#include <string.h>

/* How long to wait in ready(); the server cuts it at dfsmr.max_wait. */
#define WAIT_MS 60000

/* With --drain: also look whether anything is left so often. */
#define DRAIN_WAIT_MS 1000

/* An answer sooner than that did not wait, whatever was asked. */
#define QUICK_MS 100

/* The server hands out no more in one call. */
#define MAX_ASK 10000

/* Slots that may be filled once so many more are free. */
int
waiter_wanted(const Worker *worker, int freed)
{
	int			wanted = worker_count(worker, SLOT_FREE) + freed;

	if (worker->max > 0 && worker->max - worker->taken < wanted)
		wanted = worker->max - worker->taken;
	return wanted < MAX_ASK ? wanted : MAX_ASK;
}

/* Is nothing in the way of asking for tasks? */
bool
waiter_may_ask(const Worker *worker, int64_t now)
{
	return !worker->stopping && worker->waiter.state == LINK_IDLE && !worker->settling &&
		!worker->claiming && now >= worker->ask_at && now < worker->until;
}

/* When waiter_act() must be called at the latest, events aside. */
int64_t
waiter_deadline(const Worker *worker)
{
	int64_t		deadline = link_deadline(&worker->waiter);

	if (worker->stopping || worker->waiter.state != LINK_IDLE)
		return deadline;
	if (worker->until < deadline)
		deadline = worker->until;
	if (!worker->settling && !worker->claiming && waiter_wanted(worker, 0) > 0 &&
		worker->ask_at < deadline)
		deadline = worker->ask_at;
	return deadline;
}

/*
 * The columns from TASK_INSTANCE on, of a row t of tasks: its lease, and what
 * goes into the command's environment.  Params whose names a shell can say come
 * one by one as well, each text with its length in front.
 */
void
waiter_select_tasks(Query *query)
{
	query_text(query,
			   "t.instance, t.node, t.visit, t.attempt,"
			   " (extract(epoch FROM t.expires_at - t.claimed_at) * 1000)::bigint,"
			   " (SELECT pg_catalog.string_agg(pg_catalog.octet_length(s.text)::text || ':'::text || s.text, ''::text)"
			   " FROM pg_catalog.jsonb_each_text(t.params) AS p(name, value),"
			   " LATERAL (VALUES (p.name), (p.value)) AS s(text)"
			   " WHERE p.value IS NOT NULL AND p.name ~ '^[A-Za-z_][A-Za-z0-9_]*$'::text),"
			   " t.instance, t.machine, t.version, t.node, t.visit, t.attempt, t.deliveries,"
			   " t.client, t.claimed_at, t.expires_at, t.priority, t.key, t.lane, t.parent,"
			   " t.params, t.node_params, t.data, t.prev_node, t.prev_transition,"
			   " pg_catalog.array_to_string(t.transitions, ' '::text) AS transitions, t.started_at");
}

/* Ask for as many tasks as there are free slots. */
static void
ask_ready(Worker *worker, int64_t now)
{
	int64_t		wait_ms = worker->drain ? DRAIN_WAIT_MS : WAIT_MS;
	char	   *max = format("%d", waiter_wanted(worker, 0));
	char	   *wait;
	Query		query;

	if (worker->until - now < wait_ms)
		wait_ms = worker->until - now;
	wait = duration_text(wait_ms);

	query_init(&query, "SELECT pg_catalog.row_to_json(t), ");
	waiter_select_tasks(&query);
	query_text(&query, " FROM ");
	query_call(&query, "ready");
	query_argument(&query, "client", worker->client, "text");
	query_argument(&query, "machine", worker->machine, "text");
	query_argument(&query, "node", worker->node, "text");
	query_argument(&query, "max", max, "int");
	query_argument(&query, "wait", wait, "interval");
	query_end(&query);
	query_text(&query, " AS t");

	worker->asked_drained = false;
	worker->asked_at = now;
	link_send(&worker->waiter, &query);
	query_free(&query);
	free(wait);
	free(max);
}

/*
 * Ask whether anything may still become ready without help from outside:
 * what is ready here; what somebody works on, anywhere in the machine; what
 * waits for its time (a timer, a delay, or a parked node with a timeout).
 * What is paused, stuck or waits for a signal needs help, and so does what is
 * ready in another node than ours, whose workers may not exist.
 */
static void
ask_drained(Worker *worker, int64_t now)
{
	Query		query;

	query_init(&query,
			   "SELECT NOT EXISTS (SELECT FROM dfsmr.instances AS i WHERE i.machine = ");
	query_value(&query, worker->machine, "text");
	query_text(&query,
			   " AND i.state <> 'finished'::text"
			   " AND (i.state = 'delayed'::text"
			   " OR (i.state = 'running'::text AND i.instance NOT IN (SELECT s.instance FROM dfsmr.stuck AS s"
			   " WHERE s.reason = 'at most once'::text))"
			   " OR (i.state = 'parked'::text AND i.ready_at IS NOT NULL)"
			   " OR (i.state = 'ready'::text");
	if (worker->node)
	{
		query_text(&query, " AND i.node = ");
		query_value(&query, worker->node, "text");
	}
	query_text(&query, ")))");

	worker->asked_drained = true;
	worker->asked_at = now;
	link_send(&worker->waiter, &query);
	query_free(&query);
}

/* Ask for tasks, if the connection is free and tasks are wanted. */
void
waiter_act(Worker *worker)
{
	int64_t		now = monotonic_ms();

	if (!worker->stopping &&
		(now >= worker->until || (worker->max > 0 && worker->taken >= worker->max)))
		worker_stop(worker);

	if (worker->stopping)
	{
		/* Its answer still comes: an error, or tasks to give back. */
		if (worker->waiter.state == LINK_BUSY && !worker->cancelled)
		{
			worker->cancelled = true;
			link_cancel(&worker->waiter);
		}
		return;
	}

	if (!waiter_may_ask(worker, now))
		return;
	if (worker->ask_drained)
		ask_drained(worker, now);
	else if (waiter_wanted(worker, 0) > 0)
		ask_ready(worker, now);
}

/*
 * Nothing came.  If the server did not even wait (it may have no room for
 * another waiter), do not ask again at once.
 */
static void
take_nothing(Worker *worker)
{
	int64_t		now = monotonic_ms();

	if (now - worker->asked_at >= QUICK_MS)
		worker->quick_answers = 0;
	else
		worker->ask_at = now + backoff_ms(++worker->quick_answers, QUICK_MS, 2000);
	if (worker->drain && worker_count(worker, SLOT_FREE) == worker->nslots)
		worker->ask_drained = true;
}

static void
take_error(Worker *worker, const PGresult *result)
{
	/* Cancelled by us, or by a statement_timeout shorter than the wait. */
	if (is_sqlstate(result, "57014"))
	{
		take_nothing(worker);
		return;
	}
	if (is_passing_error(result))
	{
		if (worker->ask_failures++ == 0)
			report_error("trying again", result);
		worker->ask_at = monotonic_ms() + backoff_ms(worker->ask_failures, 200, 10000);
		return;
	}
	worker_fail(worker, report_error(NULL, result));
}

/* Take the tasks of a result, from that row on. */
void
waiter_take_tasks(Worker *worker, const PGresult *tasks, int row)
{
	worker->quick_answers = 0;
	worker->ask_at = 0;
	for (int i = 0; i < worker->nslots && row < PQntuples(tasks); i++)
		if (worker->slots[i].state == SLOT_FREE)
			slot_take(worker, &worker->slots[i], tasks, row++);
}

void
waiter_event(Worker *worker, LinkEvent event)
{
	PGresult   *result;

	if (event == LINK_LOST)
	{
		/* Tasks on their way are lost with it; their leases will run out. */
		worker->ask_at = 0;
		worker_settle(worker);
		return;
	}
	if (event != LINK_RESULT)
		return;

	result = worker->waiter.result;
	worker->waiter.result = NULL;
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		take_error(worker, result);
	else if (worker->asked_drained)
	{
		worker->ask_failures = 0;
		worker->ask_drained = false;
		if (strcmp(PQgetvalue(result, 0, 0), "t") == 0)
			worker_stop(worker);
	}
	else
	{
		worker->ask_failures = 0;
		if (PQntuples(result) == 0)
			take_nothing(worker);
		else
			waiter_take_tasks(worker, result, 0);
	}
	PQclear(result);
}

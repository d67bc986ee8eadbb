/*-------------------------------------------------------------------------
 *
 * ready.c
 *	  ready(): tasks for a client, now or as soon as there are some.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "catalog/pg_type.h"
#include "changelog.h"
#include "funcapi.h"
#include "machine_cache.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "running/call.h"
#include "running/claim.h"
#include "storage/latch.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "waiter.h"

/* Tasks that one call may ask for. */
#define MAX_TASKS 10000

/* Columns of dfsmr.task. */
#define TASK_NATTS 21

PG_FUNCTION_INFO_V1(dfsmr_ready);

/* The arguments of ready(). */
typedef struct Request
{
	char	   *client;
	char	   *machine;		/* NULL: all that the caller may work on */
	char	   *node;			/* NULL: all */
	int			max;
	int64		wait;			/* microseconds */
	ClaimTarget *targets;
	int			ntargets;
} Request;

static void
read_request(FunctionCallInfo fcinfo, Request *request)
{
	memset(request, 0, sizeof(*request));
	request->client = text_argument(fcinfo, 0, "client", CLIENT_MAX);
	request->machine = optional_text_argument(fcinfo, 1, "machine", DFSMR_NAME_MAX);
	request->node = optional_text_argument(fcinfo, 2, "node", DFSMR_NAME_MAX);
	require_argument(fcinfo, 3, "max");
	request->max = PG_GETARG_INT32(3);
	if (request->max < 1 || request->max > MAX_TASKS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"max\" must be between 1 and %d", MAX_TASKS)));
	request->wait = Min(interval_argument(fcinfo, 4, "wait", GetCurrentTimestamp()),
						dfsmr_max_wait * INT64CONST(1000));
}

/* ----------------------------------------------------------------- targets */

static void
add_targets(Request *request, const MachineInfo *info)
{
	if (info->paused)
		return;
	request->targets = request->targets == NULL ?
		palloc(info->nnodes * sizeof(ClaimTarget)) :
		repalloc(request->targets,
				 (request->ntargets + info->nnodes) * sizeof(ClaimTarget));
	for (int i = 0; i < info->nnodes; i++)
	{
		if (info->ever_task[i] && !info->node_paused[i] &&
			(request->node == NULL || strcmp(request->node, info->nodes[i]) == 0))
		{
			ClaimTarget *target = &request->targets[request->ntargets++];

			target->name = node_name_intern(info->name, info->nodes[i]);
			target->version = info->current;
			target->breaker = info->machine->has_breaker ? &info->machine->breaker : NULL;
		}
	}
}

static void
raise_unknown_node(const Request *request)
{
	if (request->machine == NULL)
		ereport(ERROR,
				(errcode(DFSMR_UNKNOWN_MACHINE),
				 errmsg("no machine that you may work on has a node \"%s\"", request->node)));
	ereport(ERROR,
			(errcode(DFSMR_UNKNOWN_MACHINE),
			 errmsg("no version of machine \"%s\" has a node \"%s\"",
					request->machine, request->node)));
}

/*
 * The nodes that the request is about, as machines and pauses are now.  A node
 * that some version knew has no tasks any more, which is no error.
 */
static void
find_targets(Request *request)
{
	const MachineInfo **machines;
	const MachineInfo *one;
	int			n = 1;
	bool		known = request->node == NULL;

	if (request->machine != NULL)
	{
		privilege_require(request->machine, PRIVILEGE_WORK | PRIVILEGE_ADMIN);
		one = machine_info_required(request->machine);
		machines = &one;
	}
	else
		machines = machine_info_all(&n);

	request->targets = NULL;
	request->ntargets = 0;
	for (int i = 0; i < n; i++)
	{
		if (request->machine == NULL &&
			!privilege_has(machines[i]->name, PRIVILEGE_WORK | PRIVILEGE_ADMIN))
			continue;
		if (request->node != NULL && machine_info_find_node(machines[i], request->node) >= 0)
			known = true;
		add_targets(request, machines[i]);
	}
	if (!known)
		raise_unknown_node(request);
}

/* ----------------------------------------------------------------- waiting */

/* Nobody may be there any more for whom to claim. */
static void
check_client(void)
{
	if (MyProcPort != NULL && !client_is_connected())
		ereport(FATAL,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("connection to client lost")));
}

/* Sleep until woken or out of time; returns what is left of it. */
static int64
sleep_until_woken(Board *board, TimestampTz deadline)
{
	while (!waiter_woken())
	{
		TimestampTz now = GetCurrentTimestamp();
		int64		left = deadline - now;

		if (left <= 0)
			return 0;
		/* The scheduler wakes us when tasks become due; if there is none … */
		if (pg_atomic_read_u32(&board->scheduler) == PG_UINT32_MAX)
			left = Min(left, 100 * INT64CONST(1000));
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 left / 1000 + 1, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (pg_atomic_read_u32(&board->scheduler) == PG_UINT32_MAX)
			break;
	}
	return Max(deadline - GetCurrentTimestamp(), 0);
}

static int
claim_now(Board *board, Request *request, GrantedTask *granted)
{
	find_targets(request);
	if (request->ntargets == 0)
		return 0;
	return claim_tasks(board, request->targets, request->ntargets, request->client,
					   request->max, granted);
}

/* Enter the queue, look again, sleep, look again … (design rule 5). */
static int
wait_and_claim(Board *board, Request *request, GrantedTask *granted)
{
	TimestampTz deadline = GetCurrentTimestamp() + request->wait;
	NodeName	filter;
	int64		left;
	int			n = 0;

	node_name_set(&filter, request->machine, request->node);
	do
	{
		if (!waiter_enqueue(board, &filter))
			return 0;
		n = claim_now(board, request, granted);
		left = 1;
		if (n == 0)
		{
			left = sleep_until_woken(board, deadline);
			check_client();
			if (left > 0)
				n = claim_now(board, request, granted);
		}
		waiter_leave(n > 0 ? WAITER_CLAIMED :
					 left > 0 ? WAITER_LOOKED_IN_VAIN : WAITER_NOT_LOOKED);
	} while (n == 0 && left > 0);
	return n;
}

/* ------------------------------------------------------------------ result */

static Datum
transitions_array(const MachineNode *node)
{
	Datum	   *names = palloc((node->nedges + 1) * sizeof(Datum));

	for (int i = 0; i < node->nedges; i++)
		names[i] = CStringGetTextDatum(node->edges[i].transition);
	return PointerGetDatum(construct_array(names, node->nedges, TEXTOID, -1, false, 'i'));
}

static void
set_text(Datum *values, bool *nulls, int i, const char *text)
{
	nulls[i] = text == NULL;
	values[i] = text != NULL ? CStringGetTextDatum(text) : (Datum) 0;
}

static void
put_task(ReturnSetInfo *result, GrantedTask *task, const char *client)
{
	InstanceRow *row = &task->row;
	Datum		values[TASK_NATTS];
	bool		nulls[TASK_NATTS] = {false};

	values[0] = UUIDPGetDatum(&row->id);
	set_text(values, nulls, 1, row->machine);
	values[2] = Int32GetDatum(row->version);
	set_text(values, nulls, 3, row->node);
	values[4] = Int32GetDatum(row->visit);
	values[5] = Int32GetDatum(task->attempt);
	values[6] = Int32GetDatum(row->deliveries + 1);
	set_text(values, nulls, 7, client);
	values[8] = TimestampTzGetDatum(task->term.claimed_at);
	values[9] = TimestampTzGetDatum(task->term.expires_at);
	values[10] = Int32GetDatum(-row->neg_priority);
	set_text(values, nulls, 11, row->key);
	set_text(values, nulls, 12, row->lane);
	nulls[13] = !row->has_parent;
	values[13] = UUIDPGetDatum(&row->parent);
	values[14] = PointerGetDatum(row->params);
	values[15] = PointerGetDatum(row->node_params);
	values[16] = PointerGetDatum(row->data);
	set_text(values, nulls, 17, row->prev_node);
	set_text(values, nulls, 18, row->prev_transition);
	values[19] = transitions_array(task->node);
	values[20] = TimestampTzGetDatum(row->started_at);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static void
log_claim(const GrantedTask *task, const char *client)
{
	Change		change = {
		.kind = CHANGE_CLAIM,
		.machine = task->row.machine,
		.version = task->row.version,
		.instance = &task->row.id,
		.key = task->row.key,
		.visit = task->row.visit,
		.attempt = task->attempt,
		.node = task->row.node,
		.client = client,
		.claimed_at = task->term.claimed_at,
	};

	changelog_write(&change);
}

/*
 * ready(client, machine, node, max, wait): up to max tasks.  The result is
 * materialized: a LIMIT above must not strand leases.
 */
Datum
dfsmr_ready(PG_FUNCTION_ARGS)
{
	Board	   *board = call_begin("dfsmr.ready()");
	Request		request;
	GrantedTask *granted;
	int			n;

	read_request(fcinfo, &request);
	granted = palloc(request.max * sizeof(GrantedTask));
	n = claim_now(board, &request, granted);
	if (n == 0 && request.wait > 0)
		n = wait_and_claim(board, &request, granted);

	init_materialized_srf(fcinfo);
	for (int i = 0; i < n; i++)
	{
		put_task((ReturnSetInfo *) fcinfo->resultinfo, &granted[i], request.client);
		if (dfsmr_log_claims)
			log_claim(&granted[i], request.client);
	}
	return (Datum) 0;
}

/*-------------------------------------------------------------------------
 *
 * request.c
 *	  A request for tasks: what a client asks for, and waiting for it.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "running/request.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "changelog.h"
#include "machine_cache.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "running/call.h"
#include "storage/latch.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "waiter.h"

/* Tasks that one call may ask for. */
#define MAX_TASKS 10000

void
task_request_read(FunctionCallInfo fcinfo, int client, int machine, TaskRequest *request)
{
	int			max = machine + 2;
	int			wait = machine + 3;

	memset(request, 0, sizeof(*request));
	request->client = text_argument(fcinfo, client, "client", CLIENT_MAX);
	request->machine = optional_text_argument(fcinfo, machine, "machine", DFSMR_NAME_MAX);
	request->node = optional_text_argument(fcinfo, machine + 1, "node", DFSMR_NAME_MAX);
	require_argument(fcinfo, max, "max");
	request->max = PG_GETARG_INT32(max);
	if (request->max < 1 || request->max > MAX_TASKS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"max\" must be between 1 and %d", MAX_TASKS)));
	request->wait = Min(interval_argument(fcinfo, wait, "wait", GetCurrentTimestamp()),
						dfsmr_max_wait * INT64CONST(1000));
}

/* ----------------------------------------------------------------- targets */

/*
 * A claim at most once is durable before it is known, and no rollback undoes
 * it: so none is made where one might be meant to.
 */
static void
raise_in_transaction_block(const MachineInfo *info, const char *node)
{
	ereport(ERROR,
			(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
			 errmsg("tasks of node \"%s\" of machine \"%s\" cannot be claimed inside a transaction block",
					node, info->name),
			 errdetail("They are handed out at most once: a rollback would not give them back."),
			 errhint("Call it in a statement of its own, outside of BEGIN and savepoints.")));
}

/* May this node be asked for tasks now? */
static bool
is_target(const TaskRequest *request, const MachineInfo *info, int node)
{
	if (!info->ever_task[node] || info->node_paused[node] ||
		(request->node != NULL && strcmp(request->node, info->nodes[node]) != 0))
		return false;
	if (!info->ever_once[node] || !IsTransactionBlock())
		return true;
	if (request->node != NULL)
		raise_in_transaction_block(info, request->node);
	return false;
}

static void
add_targets(TaskRequest *request, const MachineInfo *info)
{
	if (info->paused)
		return;
	request->targets = request->targets == NULL ?
		palloc(info->nnodes * sizeof(ClaimTarget)) :
		repalloc(request->targets,
				 (request->ntargets + info->nnodes) * sizeof(ClaimTarget));
	for (int i = 0; i < info->nnodes; i++)
	{
		if (is_target(request, info, i))
		{
			ClaimTarget *target = &request->targets[request->ntargets++];

			target->name = node_name_intern(info->name, info->nodes[i]);
			target->version = info->current;
			target->breaker = info->machine->has_breaker ? &info->machine->breaker : NULL;
		}
	}
}

static void
raise_unknown_node(const TaskRequest *request)
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
find_targets(TaskRequest *request)
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
claim_now(Board *board, TaskRequest *request, GrantedTask *granted)
{
	find_targets(request);
	if (request->ntargets == 0)
		return 0;
	return claim_tasks(board, request->targets, request->ntargets, request->client,
					   request->max, granted);
}

/* Enter the queue, look again, sleep, look again … (design rule 5). */
static int
wait_and_claim(Board *board, TaskRequest *request, GrantedTask *granted)
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

/* With dfsmr.log_claims, claims are changes too. */
static void
log_claims(const GrantedTask *granted, int n, const char *client)
{
	ChangeWriter *writer = change_writer_open();

	for (int i = 0; i < n; i++)
	{
		const GrantedTask *task = &granted[i];
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

		change_writer_append(writer, &change);
	}
	change_writer_close(writer);
}

int
task_request_claim(Board *board, TaskRequest *request, GrantedTask **granted)
{
	int			n;

	*granted = palloc(request->max * sizeof(GrantedTask));
	n = claim_now(board, request, *granted);
	if (n == 0 && request->wait > 0)
		n = wait_and_claim(board, request, *granted);
	if (n > 0 && dfsmr_log_claims)
		log_claims(*granted, n, request->client);
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

void
task_columns(const GrantedTask *task, const char *client, Datum *values, bool *nulls)
{
	const InstanceRow *row = &task->row;

	memset(nulls, false, TASK_NATTS * sizeof(bool));
	values[0] = UUIDPGetDatum(&row->id);
	put_text(values, nulls, 1, row->machine);
	values[2] = Int32GetDatum(row->version);
	put_text(values, nulls, 3, row->node);
	values[4] = Int32GetDatum(row->visit);
	values[5] = Int32GetDatum(task->attempt);
	values[6] = Int32GetDatum(row->deliveries + 1);
	put_text(values, nulls, 7, client);
	values[8] = TimestampTzGetDatum(task->term.claimed_at);
	/* Not infinity, which drivers and subtraction choke on. */
	nulls[9] = lease_has_no_end(task->node);
	values[9] = TimestampTzGetDatum(task->term.expires_at);
	values[10] = Int32GetDatum(-row->neg_priority);
	put_text(values, nulls, 11, row->key);
	put_text(values, nulls, 12, row->lane);
	nulls[13] = !row->has_parent;
	values[13] = UUIDPGetDatum(&row->parent);
	values[14] = PointerGetDatum(row->params);
	values[15] = PointerGetDatum(row->node_params);
	values[16] = PointerGetDatum(row->data);
	put_text(values, nulls, 17, row->prev_node);
	put_text(values, nulls, 18, row->prev_transition);
	values[19] = transitions_array(task->node);
	values[20] = TimestampTzGetDatum(row->started_at);
}

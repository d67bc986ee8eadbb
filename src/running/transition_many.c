/*-------------------------------------------------------------------------
 *
 * transition_many.c
 *	  transition_many(): completions of many visits; and
 *	  transition_and_ready(): the same, and a claim of what is next.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "funcapi.h"
#include "running/call.h"
#include "running/complete_many.h"
#include "running/request.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(dfsmr_transition_many);
PG_FUNCTION_INFO_V1(dfsmr_transition_and_ready);

static const char *
outcome_name(const CompletedItem *item)
{
	return item->verdict == COMPLETION_REPEATED ? "repeated" : "ok";
}

/*
 * transition_many(instances, transitions, visits, attempts, node_params, data,
 * delays, notes, client): a row (item, instance, outcome, sqlstate, message,
 * detail, node, prev_node, visit) for each.
 */
Datum
dfsmr_transition_many(PG_FUNCTION_ARGS)
{
	Board	   *board = call_begin("dfsmr.transition_many()");
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *client = optional_text_argument(fcinfo, 8, "client", CLIENT_MAX);
	CompletionBatch batch;

	completion_batch_read(fcinfo, 0, client, &batch);
	completion_batch_run(board, &batch);

	init_materialized_srf(fcinfo);
	for (int i = 0; i < batch.n; i++)
	{
		const CompletedItem *item = &batch.items[i];
		Datum		values[5 + OUTCOME_COLUMNS];
		bool		nulls[5 + OUTCOME_COLUMNS] = {false};

		values[0] = Int32GetDatum(i + 1);
		nulls[1] = item->instance == NULL;
		values[1] = PointerGetDatum(item->instance);
		put_outcome(values + 2, nulls + 2, outcome_name(item), item->answer.refusal);
		put_text(values, nulls, 6, item->answer.node);
		put_text(values, nulls, 7, item->answer.prev_node);
		nulls[8] = item->answer.node == NULL;
		values[8] = Int32GetDatum(item->answer.visit);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* The answer to an item, in the columns that a task has too. */
static void
put_answer(ReturnSetInfo *result, int number, const CompletedItem *item)
{
	Datum		values[1 + OUTCOME_COLUMNS + TASK_NATTS] = {0};
	bool		nulls[1 + OUTCOME_COLUMNS + TASK_NATTS];
	Datum	   *task = values + 1 + OUTCOME_COLUMNS;
	bool	   *no_task = nulls + 1 + OUTCOME_COLUMNS;

	memset(nulls, true, sizeof(nulls));
	nulls[0] = false;
	values[0] = Int32GetDatum(number);
	put_outcome(values + 1, nulls + 1, outcome_name(item), item->answer.refusal);
	no_task[TASK_INSTANCE] = item->instance == NULL;
	task[TASK_INSTANCE] = PointerGetDatum(item->instance);
	put_text(task, no_task, TASK_NODE, item->answer.node);
	no_task[TASK_VISIT] = item->answer.node == NULL;
	task[TASK_VISIT] = Int32GetDatum(item->answer.visit);
	put_text(task, no_task, TASK_PREV_NODE, item->answer.prev_node);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static void
put_task(ReturnSetInfo *result, const GrantedTask *task, const char *client)
{
	Datum		values[1 + OUTCOME_COLUMNS + TASK_NATTS] = {0};
	bool		nulls[1 + OUTCOME_COLUMNS + TASK_NATTS];

	memset(nulls, true, sizeof(nulls));
	task_columns(task, client, values + 1 + OUTCOME_COLUMNS, nulls + 1 + OUTCOME_COLUMNS);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * transition_and_ready(client, instances, transitions, visits, attempts,
 * node_params, data, delays, notes, machine, node, max, wait): a row (item,
 * outcome, sqlstate, message, detail, the columns of task) for each item, with
 * its number, then one for each task, without.
 */
Datum
dfsmr_transition_and_ready(PG_FUNCTION_ARGS)
{
	Board	   *board = call_begin("dfsmr.transition_and_ready()");
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	CompletionBatch batch;
	TaskRequest request;
	GrantedTask *granted;
	int			n;

	task_request_read(fcinfo, 0, 9, &request);
	completion_batch_read(fcinfo, 1, request.client, &batch);
	completion_batch_run(board, &batch);

	/* What has been done is not held back until something else comes. */
	if (batch.ndone > 0)
		request.wait = 0;
	n = task_request_claim(board, &request, &granted);

	init_materialized_srf(fcinfo);
	for (int i = 0; i < batch.n; i++)
		put_answer(result, i + 1, &batch.items[i]);
	for (int i = 0; i < n; i++)
		put_task(result, &granted[i], request.client);
	return (Datum) 0;
}

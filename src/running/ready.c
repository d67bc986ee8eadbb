/*-------------------------------------------------------------------------
 *
 * ready.c
 *	  ready(): tasks for a client, now or as soon as there are some.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "funcapi.h"
#include "running/call.h"
#include "running/request.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(dfsmr_ready);

/*
 * ready(client, machine, node, max, wait): up to max tasks.  The result is
 * materialized: a LIMIT above must not strand leases.
 */
Datum
dfsmr_ready(PG_FUNCTION_ARGS)
{
	Board	   *board = call_begin("dfsmr.ready()");
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	TaskRequest request;
	GrantedTask *granted;
	int			n;

	task_request_read(fcinfo, 0, 1, &request);
	n = task_request_claim(board, &request, &granted);

	/* Nothing, which is frequent: there is a cheaper way to say so. */
	if (n == 0 && result != NULL && IsA(result, ReturnSetInfo))
	{
		result->isDone = ExprEndResult;
		PG_RETURN_NULL();
	}
	init_materialized_srf(fcinfo);
	for (int i = 0; i < n; i++)
	{
		Datum		values[TASK_NATTS];
		bool		nulls[TASK_NATTS];

		task_columns(&granted[i], request.client, values, nulls);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/*-------------------------------------------------------------------------
 *
 * call.c
 *	  What the API functions have in common: arguments, refusals, results.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "running/call.h"

#include "access/xact.h"
#include "funcapi.h"
#include "lease.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "running/attempt.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

Board *
call_begin(const char *function)
{
	PreventCommandDuringRecovery(function);
	PreventCommandIfReadOnly(function);
	PreventCommandIfParallelMode(function);
	return board_get();
}

pg_uuid_t *
uuid_argument(FunctionCallInfo fcinfo, int argno, const char *name)
{
	require_argument(fcinfo, argno, name);
	return PG_GETARG_UUID_P(argno);
}

pg_uuid_t *
optional_uuid_argument(FunctionCallInfo fcinfo, int argno)
{
	return PG_ARGISNULL(argno) ? NULL : PG_GETARG_UUID_P(argno);
}

Refusal
judge_object(Datum datum, const char *name, Jsonb **object)
{
	*object = DatumGetJsonbP(datum);
	if (JB_ROOT_IS_OBJECT(*object))
		return NO_REFUSAL;
	return (Refusal) {
		.sqlstate = DFSMR_INVALID_PARAMS,
		.message = psprintf("argument \"%s\" must be a JSON object", name),
		.hint = "Write for example '{\"name\": \"value\"}'.",
	};
}

Jsonb *
object_argument(FunctionCallInfo fcinfo, int argno, const char *name, bool optional)
{
	Jsonb	   *object;
	Refusal		refusal;

	if (PG_ARGISNULL(argno) && optional)
		return NULL;
	require_argument(fcinfo, argno, name);
	refusal = judge_object(PG_GETARG_DATUM(argno), name, &object);
	if (refused(refusal))
		raise_refusal(refusal);
	return object;
}

Jsonb *
empty_object(void)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
}

/*
 * The server raises an ERROR when it is to add an interval that leads out of
 * its time; so that is judged beforehand, with a year to spare.  *sum is where
 * it leads, in microseconds, roughly.
 */
static bool
leads_too_far(const Interval *interval, TimestampTz now, double *sum)
{
	const double year = 366.0 * USECS_PER_DAY;
	double		parts[] = {
		interval->time,
		(double) interval->day * USECS_PER_DAY,
		(double) interval->month * 31 * USECS_PER_DAY,
	};
	double		ahead = 0;
	double		back = 0;

	for (size_t i = 0; i < lengthof(parts); i++)
	{
		if (parts[i] > 0)
			ahead += parts[i];
		else
			back -= parts[i];
	}
	*sum = ahead - back;
	return ahead > (double) END_TIMESTAMP - now - year ||
		back > (double) now - MIN_TIMESTAMP - year;
}

Refusal
judge_delay(Datum datum, const char *name, TimestampTz now, int64 *usecs)
{
	double		sum;
	bool		too_far = leads_too_far(DatumGetIntervalP(datum), now, &sum);
	bool		negative = sum < 0;

	*usecs = 0;
	if (!too_far)
	{
		*usecs = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
														 TimestampTzGetDatum(now), datum)) - now;
		negative = *usecs < 0;
	}
	if (negative)
		return (Refusal) {
			.sqlstate = ERRCODE_INVALID_PARAMETER_VALUE,
			.message = psprintf("argument \"%s\" must not be negative", name),
		};
	if (too_far)
		return (Refusal) {
			.sqlstate = ERRCODE_DATETIME_VALUE_OUT_OF_RANGE,
			.message = psprintf("argument \"%s\" is out of range", name),
		};
	return NO_REFUSAL;
}

int64
interval_argument(FunctionCallInfo fcinfo, int argno, const char *name, TimestampTz now)
{
	Refusal		refusal;
	int64		usecs;

	require_argument(fcinfo, argno, name);
	refusal = judge_delay(PG_GETARG_DATUM(argno), name, now, &usecs);
	if (refused(refusal))
		raise_refusal(refusal);
	return usecs;
}

int
int_argument(FunctionCallInfo fcinfo, int argno, int fallback)
{
	return PG_ARGISNULL(argno) ? fallback : PG_GETARG_INT32(argno);
}

void
fetch_required(InstanceTable *table, const pg_uuid_t *id, ItemPointer hint, InstanceRow *row)
{
	if (!instance_find(table, id, hint, row))
		raise_refusal(refusal_unknown_instance(id));
}

bool
claim_in_flight(Board *board, const InstanceRow *row, LeaseCopy *copy)
{
	Lease	   *lease;
	bool		found;

	if (!lease_any(board))
		return false;
	LWLockAcquire(board->lock, LW_SHARED);
	lease = lease_find(board, &row->id);
	found = lease != NULL && !lease->pending && lease->visit == row->visit &&
		lease->attempt >= attempt_running(row);
	if (found)
		lease_copy(board, lease, copy);
	LWLockRelease(board->lock);
	return found;
}

char *
uuid_string(const pg_uuid_t *id)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, PointerGetDatum(id)));
}

Refusal
refusal_unknown_instance(const pg_uuid_t *id)
{
	return (Refusal) {
		.sqlstate = DFSMR_UNKNOWN_INSTANCE,
		.message = psprintf("instance %s does not exist", uuid_string(id)),
	};
}

Refusal
refusal_finished(const InstanceRow *row)
{
	return (Refusal) {
		.sqlstate = DFSMR_FINISHED,
		.message = psprintf("instance %s of machine \"%s\" is finished",
							uuid_string(&row->id), row->machine),
		.detail = psprintf("It ended at node \"%s\" (%s).", row->node, row->outcome),
	};
}

Refusal
refusal_stale_visit(const InstanceRow *row, int visit)
{
	return (Refusal) {
		.sqlstate = DFSMR_STALE_VISIT,
		.message = psprintf("visit %d of instance %s is not current", visit, uuid_string(&row->id)),
		.detail = psprintf("The instance is at node \"%s\", visit %d.", row->node, row->visit),
		.hint = "Somebody else has moved it; drop this piece of work.",
	};
}

char *
list_transitions(const MachineNode *node)
{
	StringInfoData list;

	if (node->nedges == 0)
		return "none";
	initStringInfo(&list);
	for (int i = 0; i < node->nedges; i++)
		appendStringInfo(&list, "%s%s", i > 0 ? ", " : "", node->edges[i].transition);
	return list.data;
}

Refusal
refusal_illegal_transition(const InstanceRow *row, const MachineNode *node,
						   const char *transition)
{
	return (Refusal) {
		.sqlstate = DFSMR_ILLEGAL_TRANSITION,
		.message = psprintf("machine \"%s\" has no transition \"%s\" from node \"%s\"",
							row->machine, transition, node->name),
		.detail = psprintf("Version %d allows: %s.", row->version, list_transitions(node)),
		.hint = "Say one of these, or add the transition in a new version of the machine.",
	};
}

Refusal
refusal_visit_required(void)
{
	return (Refusal) {
		.sqlstate = DFSMR_VISIT_REQUIRED,
		.message = "a worker must name the visit that it works on",
		.hint = "Pass the visit that ready() returned with the task.",
	};
}

bool
visit_may_be_missing(const InstanceRow *row)
{
	return row->kind != NODE_TASK || privilege_has(row->machine, PRIVILEGE_ADMIN);
}

void
raise_stale_lease(const InstanceRow *row, int attempt)
{
	if (attempt > 0)
		ereport(ERROR,
				(errcode(DFSMR_STALE_LEASE),
				 errmsg("attempt %d holds no lease of instance %s", attempt, uuid_string(&row->id)),
				 errdetail("Its lease ran out, was given back, or was taken over by a later attempt."),
				 errhint("A completion of visit %d is still accepted if nobody else has completed it.",
						 row->visit)));
	ereport(ERROR,
			(errcode(DFSMR_STALE_LEASE),
			 errmsg("nobody holds a lease of instance %s", uuid_string(&row->id)),
			 errdetail("The instance is at node \"%s\", visit %d.", row->node, row->visit)));
}

void
put_text(Datum *values, bool *nulls, int column, const char *text)
{
	nulls[column] = text == NULL;
	values[column] = text != NULL ? CStringGetTextDatum(text) : (Datum) 0;
}

Datum
return_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	init_materialized_srf(fcinfo);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	return (Datum) 0;
}

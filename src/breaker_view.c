/*-------------------------------------------------------------------------
 *
 * breaker_view.c
 *	  What the view breakers is made of.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "access/xlog.h"
#include "breaker.h"
#include "funcapi.h"
#include "machine_cache.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(dfsmr_board_breakers);

/* The columns of board_breakers(). */
enum
{
	COL_MACHINE,
	COL_VERSION,
	COL_STATE,
	COL_SINCE,
	COL_DELIVERIES,
	COL_RETRIES,
	COL_PROBES,
	COL_SUCCEEDED,
	COL_NEXT_PROBE_AT,
	COL_WINDOW_LENGTH,
	COL_MIN_ATTEMPTS,
	COL_MAX_RETRY_RATIO,
	COL_PROBE_RATE,
	BREAKERS_NATTS
};

/*
 * The machine's breaker as it is on the board; one that has not been asked yet
 * is closed, and has counted nothing.
 */
static void
look_up(Board *board, const MachineInfo *info, MachineBreaker *copy, TimestampTz *now)
{
	int			place;

	memset(copy, 0, sizeof(*copy));
	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	*now = board_now(board);
	place = breaker_find(board, info->name);
	if (place >= 0)
		*copy = board->breakers[place];
	LWLockRelease(board->lock);
	if (copy->used)
		breaker_rule_slide(&copy->rule, *now);
}

static Datum
interval_datum(int64 usecs)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = usecs;
	return IntervalPGetDatum(interval);
}

static void
put_state(Datum *values, bool *nulls, const MachineBreaker *breaker, TimestampTz now)
{
	const BreakerRule *rule = &breaker->rule;

	for (int i = COL_STATE; i <= COL_SUCCEEDED; i++)
		nulls[i] = false;
	nulls[COL_SINCE] = !breaker->used;
	nulls[COL_NEXT_PROBE_AT] = !rule->open;
	values[COL_STATE] = CStringGetTextDatum(rule->open ? "open" : "closed");
	values[COL_SINCE] = TimestampTzGetDatum(rule->since);
	values[COL_DELIVERIES] = Int64GetDatum(rule->deliveries);
	values[COL_RETRIES] = Int64GetDatum(rule->retries);
	values[COL_PROBES] = Int32GetDatum(rule->succeeded + rule->failed);
	values[COL_SUCCEEDED] = Int32GetDatum(rule->succeeded);
	if (rule->open)
		values[COL_NEXT_PROBE_AT] =
			TimestampTzGetDatum(Min(breaker_rule_next_token(rule, now), END_TIMESTAMP - 1));
}

static void
put_limits(Datum *values, bool *nulls, const Breaker *limits)
{
	for (int i = COL_WINDOW_LENGTH; i <= COL_PROBE_RATE; i++)
		nulls[i] = false;
	values[COL_WINDOW_LENGTH] = interval_datum(limits->window);
	values[COL_MIN_ATTEMPTS] = Int32GetDatum(limits->min_attempts);
	values[COL_MAX_RETRY_RATIO] = Float8GetDatum(limits->max_retry_ratio);
	values[COL_PROBE_RATE] = Float8GetDatum(limits->probe_rate);
}

/*
 * One row for each machine that declares a breaker and that the caller may
 * read.  Without a board, and on a standby, where nothing is claimed, the state
 * is not known: NULL.
 */
Datum
dfsmr_board_breakers(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Board	   *board = RecoveryInProgress() ? NULL : board_get_if_available();
	const MachineInfo **machines;
	int			n;

	init_materialized_srf(fcinfo);
	machines = machine_info_all(&n);
	for (int i = 0; i < n; i++)
	{
		Datum		values[BREAKERS_NATTS] = {0};
		bool		nulls[BREAKERS_NATTS];

		if (!machines[i]->machine->has_breaker || !privilege_has(machines[i]->name, PRIVILEGE_READ))
			continue;
		memset(nulls, true, sizeof(nulls));
		nulls[COL_MACHINE] = nulls[COL_VERSION] = false;
		values[COL_MACHINE] = CStringGetTextDatum(machines[i]->name);
		values[COL_VERSION] = Int32GetDatum(machines[i]->current);
		if (board != NULL)
		{
			MachineBreaker copy;
			TimestampTz now;

			look_up(board, machines[i], &copy, &now);
			put_state(values, nulls, &copy, now);
		}
		put_limits(values, nulls, &machines[i]->machine->breaker);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/*-------------------------------------------------------------------------
 *
 * node_stats.c
 *	  What was learnt about nodes, for people to look at.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "durations.h"
#include "funcapi.h"
#include "lease.h"
#include "machine_cache.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(dfsmr_node_durations);

/* The columns of node_durations(). */
enum
{
	COL_MACHINE,
	COL_NODE,
	COL_SAMPLES,
	COL_P50,
	COL_P95,
	COL_P99,
	COL_TIMEOUT,
	NODE_NATTS
};

static void
set_interval(Datum *values, bool *nulls, int column, int64 usecs)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = usecs;
	values[column] = IntervalPGetDatum(interval);
	nulls[column] = usecs < 0;
}

/* The timeout of a first attempt that is claimed now; -1: none runs out. */
static int64
timeout_in_force(const MachineNode *node, const Sketch *sketch)
{
	int64		learnt = -1;

	if (node == NULL)
		return -1;
	if (node->kind != NODE_TASK)
		return node->timeout;
	if (node->timeout == 0)
		return -1;
	if (sketch_count(sketch) >= DURATIONS_ENOUGH)
		learnt = sketch_quantile(sketch, node->percentile);
	return lease_timeout(node, learnt, 0);
}

static void
put_node(ReturnSetInfo *result, Board *board, const MachineInfo *info, int i)
{
	int			index = machine_find_node(info->machine, info->nodes[i]);
	const MachineNode *node = index >= 0 ? &info->machine->nodes[index] : NULL;
	NodeName	name;
	Sketch		sketch;
	Datum		values[NODE_NATTS];
	bool		nulls[NODE_NATTS] = {false};

	/* Nobody is at a final node for any time; of those that are gone, tasks. */
	if (node != NULL ? node->kind == NODE_FINAL : !info->ever_task[i])
		return;
	memset(&sketch, 0, sizeof(sketch));
	if (info->ever_task[i])
	{
		node_name_set(&name, info->name, info->nodes[i]);
		(void) durations_read(board, &name, &sketch);
	}
	values[COL_MACHINE] = CStringGetTextDatum(info->name);
	values[COL_NODE] = CStringGetTextDatum(info->nodes[i]);
	values[COL_SAMPLES] = Int64GetDatum(sketch_count(&sketch));
	set_interval(values, nulls, COL_P50, sketch_quantile(&sketch, 50));
	set_interval(values, nulls, COL_P95, sketch_quantile(&sketch, 95));
	set_interval(values, nulls, COL_P99, sketch_quantile(&sketch, 99));
	set_interval(values, nulls, COL_TIMEOUT, timeout_in_force(node, &sketch));
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * Of each node of each machine that the caller may read: (machine, node,
 * samples, p50, p95, p99, timeout).  From the board, and from what was saved of
 * nodes that are not there, or where there is no board.
 */
Datum
dfsmr_node_durations(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Board	   *board = board_get_if_available();
	const MachineInfo **machines;
	int			n;

	init_materialized_srf(fcinfo);
	machines = machine_info_all(&n);
	for (int m = 0; m < n; m++)
	{
		if (!privilege_has(machines[m]->name, PRIVILEGE_READ))
			continue;
		for (int i = 0; i < machines[m]->nnodes; i++)
			put_node(result, board, machines[m], i);
	}
	return (Datum) 0;
}

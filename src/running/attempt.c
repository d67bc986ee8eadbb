/*-------------------------------------------------------------------------
 *
 * attempt.c
 *	  The end of an attempt that has completed nothing: its time is up, or its
 *	  worker gave it back.
 *
 * What was handed out at most once was counted when that was written into the
 * row; of any other claim the row learns here.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "running/attempt.h"

#include "machine_cache.h"
#include "running/visits.h"

int
attempt_running(const InstanceRow *row)
{
	return row->held ? row->attempt : row->attempt + 1;
}

/* Count the attempt, unless that was done; it is over. */
static void
count(InstanceRow *row, Move *move)
{
	move->deliveries = row->held ? 0 : 1;
	row->attempt = move->attempt;
	instance_let_go(row);
}

/* The edge that the row takes since an attempt failed, or -1. */
static int
way_out(const InstanceRow *row, const MachineNode *node, TimestampTz now)
{
	if (node->on_timeout >= 0)
		return node->on_timeout;
	if (visits_limit(row->visits, node) <= now)
		return node->on_max_elapsed;
	if (node->max_attempts > 0 && row->failed_attempts + 1 >= node->max_attempts)
		return node->on_exhausted;
	return -1;
}

static InstanceUpdate
redeliver(InstanceTable *table, InstanceRow *row, const MachineNode *node, Move *move)
{
	RowImage	before = instance_image(row);
	int64		pause = 0;

	if (node->has_redeliver)
		pause = delay_duration(&node->redeliver, row->failed_attempts, random_fraction());
	count(row, move);
	row->failed_attempts++;
	row->retry = true;
	row->ready_at = time_after(move->now, pause);
	row->delayed = row->ready_at > move->now;
	move->transition = DFSMR_TRANSITION_TIMEOUT;
	return move_stay(table, row, &before, move, move->attempt);
}

InstanceUpdate
attempt_failed(InstanceTable *table, InstanceRow *row, Move *move)
{
	const Machine *machine = machine_version(row->machine, row->version);
	const MachineNode *node = row_node(row, machine);
	int			edge = way_out(row, node, move->now);

	if (edge < 0)
		return redeliver(table, row, node, move);
	move->deliveries = row->held ? 0 : 1;
	return move_along(table, row, machine, node, &node->edges[edge], move);
}

InstanceUpdate
attempt_given_back(InstanceTable *table, InstanceRow *row, Move *move)
{
	const Machine *machine = machine_version(row->machine, row->version);
	const MachineNode *node = row_node(row, machine);
	RowImage	before = instance_image(row);
	bool		held = row->held;

	if (visits_limit(row->visits, node) <= move->now)
	{
		move->deliveries = row->held ? 0 : 1;
		return move_along(table, row, machine, node, &node->edges[node->on_max_elapsed], move);
	}
	count(row, move);
	if (move->delay > 0 || held)
	{
		row->timed = true;
		row->ready_at = time_after(move->now, move->delay);
		row->delayed = move->delay > 0;
	}
	return move_stay(table, row, &before, move, move->attempt);
}

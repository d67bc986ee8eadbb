/*-------------------------------------------------------------------------
 *
 * machine.c
 *	  Look-ups in the compiled machine; see machine.h.
 *
 *-------------------------------------------------------------------------
 */
#include "machine.h"

#include "definition/duration.h"

#include <math.h>
#include <string.h>

int
machine_find_node(const Machine *machine, const char *name)
{
	int			low = 0;
	int			high = machine->nnodes - 1;

	while (low <= high)
	{
		int			middle = low + (high - low) / 2;
		int			node = machine->by_name[middle];
		int			order = strcmp(name, machine->nodes[node].name);

		if (order == 0)
			return node;
		if (order < 0)
			high = middle - 1;
		else
			low = middle + 1;
	}
	return -1;
}

int
machine_find_edge(const MachineNode *node, const char *transition)
{
	int			low = 0;
	int			high = node->nedges - 1;

	while (low <= high)
	{
		int			middle = low + (high - low) / 2;
		int			order = strcmp(transition, node->edges[middle].transition);

		if (order == 0)
			return middle;
		if (order < 0)
			high = middle - 1;
		else
			low = middle + 1;
	}
	return -1;
}

bool
machine_retry_by_default(const MachineNode *timer)
{
	return timer->delay.backoff > 1 || timer->max_visits > 0;
}

bool
machine_has_edge_to(const MachineNode *node, int target)
{
	for (int i = 0; i < node->nedges; i++)
		if (node->edges[i].target == target)
			return true;
	return false;
}

int64_t
delay_duration(const Delay *delay, int earlier_visits, double random)
{
	int64_t		max = delay->max < DURATION_MAX ? delay->max : DURATION_MAX;
	int64_t		duration = delay->base;

	/* Zero first: it stays zero, whereas 0 * infinity is no number. */
	if (duration <= 0)
		return 0;
	if (earlier_visits > 0 && delay->backoff > 1)
	{
		double		grown = (double) duration * pow(delay->backoff, earlier_visits);

		/* Both limits are below 2^53, so the comparison is exact. */
		duration = grown < (double) max ? (int64_t) grown : max;
	}
	if (duration > max)
		duration = max;
	if (delay->full_jitter)
		duration = (int64_t) ((double) duration * random);
	return duration;
}

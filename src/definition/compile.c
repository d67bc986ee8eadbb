/*-------------------------------------------------------------------------
 *
 * compile.c
 *	  From text to machine: the way through reader and checks, and the
 *	  packing of what has passed them.
 *
 *-------------------------------------------------------------------------
 */
#include "definition.h"

#include "draft.h"

#include <stdlib.h>
#include <string.h>

/* Comparisons spent on "did you mean" in one definition. */
#define SIMILAR_MAX 20000

typedef struct EdgeOrder
{
	const DraftEdge *edge;
	int			index;			/* in the draft */
} EdgeOrder;

static int
compare_edges(const void *a, const void *b)
{
	return strcmp(((const EdgeOrder *) a)->edge->transition,
				  ((const EdgeOrder *) b)->edge->transition);
}

/* Delays that mean the same look the same. */
static Delay
normalized_delay(const Delay *delay)
{
	Delay		result = *delay;

	if (result.base == 0)
	{
		result.backoff = 1;
		result.full_jitter = false;
	}
	if (result.backoff == 1)
		result.max = INT64_MAX; /* it never grows */
	return result;
}

static void
compile_edges(Arena *scratch, Arena *target, const DraftNode *draft, MachineNode *node)
{
	EdgeOrder  *order;
	int		   *moved;			/* where each edge of the draft has gone */

	node->nedges = draft->nedges;
	node->edges = arena_array(target, (size_t) draft->nedges, sizeof(MachineEdge));
	order = arena_array(scratch, (size_t) draft->nedges, sizeof(EdgeOrder));
	moved = arena_array(scratch, (size_t) draft->nedges, sizeof(int));
	for (int i = 0; i < draft->nedges; i++)
	{
		order[i].edge = &draft->edges[i];
		order[i].index = i;
	}
	qsort(order, (size_t) draft->nedges, sizeof(EdgeOrder), compare_edges);
	for (int i = 0; i < draft->nedges; i++)
	{
		const DraftEdge *from = order[i].edge;
		MachineEdge *edge = &node->edges[i];

		moved[order[i].index] = i;
		edge->transition = arena_strdup(target, from->transition);
		edge->target = from->target;
		edge->has_delay = from->has_delay;
		if (from->has_delay)
			edge->delay = normalized_delay(&from->delay);
		edge->reset = from->reset;
	}
	node->fire = draft->fire.edge < 0 ? -1 : moved[draft->fire.edge];
	node->on_timeout = draft->on_timeout.edge < 0 ? -1 : moved[draft->on_timeout.edge];
	node->on_max_visits = draft->on_max_visits.edge < 0 ? -1 : moved[draft->on_max_visits.edge];
}

Machine *
draft_compile(Arena *scratch, Arena *target, const Draft *draft)
{
	Machine    *machine = arena_alloc(target, sizeof(Machine));

	machine->id = arena_strdup(target, draft->id);
	machine->key_reuse = draft->key_reuse;
	machine->endless = draft->endless;
	machine->start = draft->start;
	machine->nnodes = draft->nnodes;
	machine->nodes = arena_array(target, (size_t) draft->nnodes, sizeof(MachineNode));
	machine->by_name = arena_array(target, (size_t) draft->nnodes, sizeof(int));
	memcpy(machine->by_name, draft->by_name, (size_t) draft->nnodes * sizeof(int));
	for (int i = 0; i < draft->nnodes; i++)
	{
		const DraftNode *from = &draft->nodes[i];
		MachineNode *node = &machine->nodes[i];

		node->name = arena_strdup(target, from->name);
		node->kind = from->kind;
		node->outcome = from->outcome;
		node->priority = from->priority;
		node->timeout = from->timeout;
		node->percentile = DEFAULT_PERCENTILE;
		node->timeout_min = node->timeout_max = -1;
		node->on_exhausted = -1;
		node->max_elapsed = -1;
		node->on_max_elapsed = -1;
		node->heartbeat = from->heartbeat;
		if (from->kind == NODE_TIMER)
		{
			node->delay = normalized_delay(&from->delay);
			node->is_retry = node->delay.backoff > 1 || from->max_visits > 0;
		}
		node->max_visits = from->max_visits;
		compile_edges(scratch, target, from, node);
	}
	return machine;
}

Machine *
definition_compile(Arena *scratch, Arena *target, const char *text, size_t len,
				   FaultList *faults, void (*interrupt) (void))
{
	Draft		draft;
	Checker		checker;
	const YamlValue *document;

	memset(&draft, 0, sizeof(draft));
	draft.start = -1;
	memset(&checker, 0, sizeof(checker));
	checker.arena = scratch;
	checker.faults = faults;
	checker.interrupt = interrupt;
	checker.similar_left = SIMILAR_MAX;
	checker.draft = &draft;

	document = yaml_read(scratch, text, len, faults, interrupt);
	if (document != NULL)
	{
		check_machine(&checker, document);
		check_references(&checker);
		check_graph(&checker);
	}
	fault_list_sort(faults);
	if (document == NULL || faults->nerrors > 0)
		return NULL;
	return draft_compile(scratch, target, &draft);
}

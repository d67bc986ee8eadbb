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

/* The edge that a reference of the draft names, where it is now. */
static int
moved_edge(const int *moved, const DraftReference *reference)
{
	return reference->edge < 0 ? -1 : moved[reference->edge];
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
	node->fire = moved_edge(moved, &draft->fire);
	node->on_timeout = moved_edge(moved, &draft->on_timeout);
	node->on_exhausted = moved_edge(moved, &draft->on_exhausted);
	node->on_max_visits = moved_edge(moved, &draft->on_max_visits);
	node->on_max_elapsed = moved_edge(moved, &draft->on_max_elapsed);
}

static void
compile_node(Arena *scratch, Arena *target, const DraftNode *draft, MachineNode *node)
{
	node->name = arena_strdup(target, draft->name);
	node->kind = draft->kind;
	node->outcome = draft->outcome;
	node->priority = draft->priority;
	node->timeout = draft->timeout;
	node->percentile = draft->percentile;
	node->timeout_min = draft->timeout_min;
	node->timeout_max = draft->timeout_max;
	node->heartbeat = draft->heartbeat;
	node->at_most_once = draft->at_most_once;
	node->max_visits = draft->max_visits;
	if (draft->kind == NODE_TIMER)
	{
		node->delay = normalized_delay(&draft->delay);
		node->is_retry = draft->has_retry ? draft->retry : machine_retry_by_default(node);
	}
	/* No pause is what there is without the key. */
	node->has_redeliver = draft->has_redeliver && draft->redeliver.base > 0;
	if (node->has_redeliver)
		node->redeliver = normalized_delay(&draft->redeliver);
	node->max_attempts = draft->max_attempts;
	node->max_elapsed = draft->max_elapsed;
	compile_edges(scratch, target, draft, node);
}

Machine *
draft_compile(Arena *scratch, Arena *target, const Draft *draft)
{
	Machine    *machine = arena_alloc(target, sizeof(Machine));

	machine->id = arena_strdup(target, draft->id);
	machine->key_reuse = draft->key_reuse;
	machine->endless = draft->endless;
	machine->has_breaker = draft->has_breaker;
	if (draft->has_breaker)
		machine->breaker = draft->breaker;
	machine->start = draft->start;
	machine->nnodes = draft->nnodes;
	machine->nodes = arena_array(target, (size_t) draft->nnodes, sizeof(MachineNode));
	machine->by_name = arena_array(target, (size_t) draft->nnodes, sizeof(int));
	memcpy(machine->by_name, draft->by_name, (size_t) draft->nnodes * sizeof(int));
	for (int i = 0; i < draft->nnodes; i++)
		compile_node(scratch, target, &draft->nodes[i], &machine->nodes[i]);
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

/*-------------------------------------------------------------------------
 *
 * check_references.c
 *	  The names that a definition uses: nodes that edges lead to, and
 *	  transitions that keys of a node name.
 *
 *-------------------------------------------------------------------------
 */
#include "draft.h"

#include <string.h>

/*
 * The target is unknown.  Take the node that was probably meant as the target,
 * so that the checks that follow do not report what comes of the same slip.
 */
static void
report_unknown_target(Checker *checker, DraftEdge *edge, const Place *place)
{
	const Draft *draft = checker->draft;
	SimilarSearch search;

	similar_begin(&search, edge->to);
	for (int i = 0; i < draft->nnames && checker->similar_left > 0; i++)
	{
		checker->similar_left--;
		similar_offer(&search, draft->nodes[draft->by_name[i]].name);
	}
	if (search.best != NULL)
		edge->target = draft_find_node(draft, search.best);
	check_error(checker, edge->to_line, place, "there is no node %s%s",
				quoted(checker->arena, edge->to),
				search.best != NULL ? did_you_mean(checker, &search) : ": add it, or name another one");
}

static void
resolve_edge(Checker *checker, DraftEdge *edge, const Place *place)
{
	const Place nested = {place, "to"};
	const DraftNode *target;

	if (edge->to == NULL)
		return;
	edge->target = draft_find_node(checker->draft, edge->to);
	if (edge->target < 0)
	{
		report_unknown_target(checker, edge, edge->to_is_nested ? &nested : place);
		return;
	}
	target = &checker->draft->nodes[edge->target];
	if (edge->has_delay && !target->is_broken &&
		(target->kind == NODE_FINAL || target->kind == NODE_PARKED))
		check_error(checker, edge->delay_line, &(Place) {place, "delay"},
					"a delay has no meaning on the way into %s, which is %s: remove it",
					quoted(checker->arena, target->name),
					target->kind == NODE_FINAL ? "final" : "parked");
}

/* Resolve a key that names a transition of its own node. */
static void
resolve_reference(Checker *checker, const DraftNode *node, const Place *place,
				  const char *key, DraftReference *reference)
{
	SimilarSearch search;

	reference->edge = -1;
	if (reference->transition == NULL)
		return;
	for (int i = 0; i < node->nedges; i++)
		if (strcmp(node->edges[i].transition, reference->transition) == 0)
		{
			reference->edge = i;
			return;
		}
	similar_begin(&search, reference->transition);
	for (int i = 0; i < node->nedges && checker->similar_left > 0; i++)
	{
		checker->similar_left--;
		similar_offer(&search, node->edges[i].transition);
	}
	check_error(checker, reference->line, &(Place) {place, key},
				"node %s has no transition %s%s%s",
				quoted(checker->arena, node->name),
				quoted(checker->arena, reference->transition),
				search.best != NULL ? did_you_mean(checker, &search) : "",
				search.best != NULL ? "" :
				draft_find_node(checker->draft, reference->transition) >= 0 ?
				": that is a node, name a transition of this node" :
				": add it, or name another one");
}

/* A timer with one transition fires that one. */
static void
resolve_fire(Checker *checker, DraftNode *node, const Place *place)
{
	resolve_reference(checker, node, place, "fire", &node->fire);
	if (node->kind != NODE_TIMER || node->fire.transition != NULL || node->nedges == 0)
		return;
	if (node->nedges == 1)
		node->fire.edge = 0;
	else
		check_error(checker, node->line, place,
					"timer node %s has several transitions: add \"fire:\" with the one that is taken when the delay is over",
					quoted(checker->arena, node->name));
}

static void
check_starts(Checker *checker)
{
	Draft	   *draft = checker->draft;
	bool		has_final = false;

	draft->start = -1;
	for (int i = 0; i < draft->nnodes; i++)
	{
		const DraftNode *node = &draft->nodes[i];
		Place		nodes = {NULL, "nodes"};
		Place		here = {&nodes, node->name};

		if (node->kind == NODE_FINAL)
			has_final = true;
		if (!node->is_start || node->is_duplicate)
			continue;
		if (draft->start < 0)
			draft->start = i;
		else
			check_error(checker, node->start_line, &(Place) {&here, "start"},
						"a machine has one start node, and %s in line %d is it: remove \"start\" from one of them",
						quoted(checker->arena, draft->nodes[draft->start].name),
						draft->nodes[draft->start].line);
	}
	if (draft->start < 0)
		check_error(checker, draft->nodes_line, &(Place) {NULL, "nodes"},
					"no node is the start: add \"start: true\" to the one where instances begin");
	if (!has_final && !draft->endless)
		check_error(checker, draft->nodes_line, &(Place) {NULL, "nodes"},
					"no node is final: add one, such as \"done: {final: true}\", or set \"endless: true\" for the machine");
}

void
check_references(Checker *checker)
{
	Draft	   *draft = checker->draft;
	const Place nodes = {NULL, "nodes"};

	if (draft->nnodes == 0)
		return;
	check_starts(checker);
	for (int i = 0; i < draft->nnodes; i++)
	{
		DraftNode  *node = &draft->nodes[i];
		Place		here = {&nodes, node->name};
		Place		transitions = {&here, "transitions"};

		checker_interrupt(checker);
		for (int j = 0; j < node->nedges; j++)
		{
			Place		place = {&transitions, node->edges[j].transition};

			resolve_edge(checker, &node->edges[j], &place);
		}
		if (node->is_broken)
			continue;
		resolve_fire(checker, node, &here);
		resolve_reference(checker, node, &here, "on_timeout", &node->on_timeout);
		resolve_reference(checker, node, &here, "on_exhausted", &node->on_exhausted);
		resolve_reference(checker, node, &here, "on_max_visits", &node->on_max_visits);
		resolve_reference(checker, node, &here, "on_max_elapsed", &node->on_max_elapsed);
	}
}

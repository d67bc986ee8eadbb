/*-------------------------------------------------------------------------
 *
 * check_graph.c
 *	  The machine as a graph: what can be reached, and what goes round.
 *
 * All walks keep their own stack, since a definition may have thousands of
 * nodes in a row.  A node given twice, or one of which nothing is known, is
 * not judged; an edge that leads nowhere known counts as a way out, so that
 * one slip gives one finding.
 *
 *-------------------------------------------------------------------------
 */
#include "draft.h"

#include <string.h>

/* How many nodes of a cycle a message names. */
#define NAMED_MAX 8

static bool
is_judged(const DraftNode *node)
{
	return !node->is_duplicate && !node->is_broken;
}

/* Report, for each node, that the start does not lead to it. */
static void
check_reachable(Checker *checker)
{
	const Draft *draft = checker->draft;
	const Place nodes = {NULL, "nodes"};
	bool	   *reached = arena_array(checker->arena, (size_t) draft->nnodes, sizeof(bool));
	int		   *stack = arena_array(checker->arena, (size_t) draft->nnodes, sizeof(int));
	int			depth = 0;

	for (int i = 0; i < draft->nnodes; i++)
		if (draft->nodes[i].is_start)
		{
			reached[i] = true;
			stack[depth++] = i;
		}
	if (depth == 0)
		return;
	while (depth > 0)
	{
		const DraftNode *node = &draft->nodes[stack[--depth]];

		for (int j = 0; j < node->nedges; j++)
		{
			int			target = node->edges[j].target;

			if (target >= 0 && !reached[target])
			{
				reached[target] = true;
				stack[depth++] = target;
			}
		}
	}
	for (int i = 0; i < draft->nnodes; i++)
		if (!reached[i] && is_judged(&draft->nodes[i]))
			check_error(checker, draft->nodes[i].line, &(Place) {&nodes, draft->nodes[i].name},
						"node %s cannot be reached from the start: lead a transition to it, or remove it",
						quoted(checker->arena, draft->nodes[i].name));
}

/* The edges turned round: for each node the nodes that lead to it. */
typedef struct Sources
{
	int		   *first;			/* index into source, by target; one more */
	int		   *source;
} Sources;

static Sources
collect_sources(Checker *checker)
{
	const Draft *draft = checker->draft;
	size_t		nedges = 0;
	int		   *fill;
	Sources		sources;

	sources.first = arena_array(checker->arena, (size_t) draft->nnodes + 1, sizeof(int));
	fill = arena_array(checker->arena, (size_t) draft->nnodes + 1, sizeof(int));
	for (int i = 0; i < draft->nnodes; i++)
		for (int j = 0; j < draft->nodes[i].nedges; j++)
			if (draft->nodes[i].edges[j].target >= 0)
			{
				sources.first[draft->nodes[i].edges[j].target + 1]++;
				nedges++;
			}
	for (int i = 0; i < draft->nnodes; i++)
		sources.first[i + 1] += sources.first[i];
	memcpy(fill, sources.first, (size_t) draft->nnodes * sizeof(int));
	sources.source = arena_array(checker->arena, nedges, sizeof(int));
	for (int i = 0; i < draft->nnodes; i++)
		for (int j = 0; j < draft->nodes[i].nedges; j++)
			if (draft->nodes[i].edges[j].target >= 0)
				sources.source[fill[draft->nodes[i].edges[j].target]++] = i;
	return sources;
}

/* Is there a way out of this node by itself, or must one be assumed? */
static bool
is_way_out(const DraftNode *node)
{
	if (node->kind == NODE_FINAL || !is_judged(node) || node->nedges == 0)
		return true;
	for (int j = 0; j < node->nedges; j++)
		if (node->edges[j].target < 0)
			return true;
	return false;
}

/* Report, for each node, that no final can be reached from it. */
static void
check_traps(Checker *checker)
{
	const Draft *draft = checker->draft;
	const Place nodes = {NULL, "nodes"};
	Sources		sources = collect_sources(checker);
	bool	   *ends = arena_array(checker->arena, (size_t) draft->nnodes, sizeof(bool));
	int		   *stack = arena_array(checker->arena, (size_t) draft->nnodes, sizeof(int));
	int			depth = 0;
	bool		has_final = false;

	for (int i = 0; i < draft->nnodes; i++)
	{
		has_final |= draft->nodes[i].kind == NODE_FINAL;
		if (is_way_out(&draft->nodes[i]))
		{
			ends[i] = true;
			stack[depth++] = i;
		}
	}
	if (!has_final)
		return;
	while (depth > 0)
	{
		int			node = stack[--depth];

		for (int k = sources.first[node]; k < sources.first[node + 1]; k++)
			if (!ends[sources.source[k]])
			{
				ends[sources.source[k]] = true;
				stack[depth++] = sources.source[k];
			}
	}
	for (int i = 0; i < draft->nnodes; i++)
		if (!ends[i])
			check_error(checker, draft->nodes[i].line, &(Place) {&nodes, draft->nodes[i].name},
						"node %s is a trap, no final node can be reached from it: add a transition that leads out, or set \"endless: true\" for the machine",
						quoted(checker->arena, draft->nodes[i].name));
}

/* "a -> b -> a", of a cycle given as node indexes */
static const char *
cycle_text(Checker *checker, const int *cycle, int length)
{
	TextBuffer	text;

	text_init(&text, checker->arena);
	for (int i = 0; i < length && i < NAMED_MAX; i++)
		text_appendf(&text, "%s -> ", checker->draft->nodes[cycle[i]].name);
	if (length > NAMED_MAX)
		text_append(&text, "... -> ");
	text_append(&text, checker->draft->nodes[cycle[0]].name);
	return text.data;
}

/*
 * Spin.  An automatic step is an edge that an instance takes by itself the
 * moment it has entered a node.  Each node has at most one such step, so a
 * cycle is found by following them.  There are three walks:
 *
 * once visits are used up: a node with max_visits leaves at once by
 * on_max_visits, a timer without it by fire, which it may do for as long as
 * its max_elapsed is not over;
 *
 * once time is used up as well: a node with max_elapsed, but no max_visits,
 * leaves at once by on_max_elapsed;
 *
 * never used up: both are reset on the way, so timers always leave by fire.
 */
typedef enum SpinWalk
{
	VISITS_USED_UP,
	TIME_USED_UP,
	LIMITS_RESET
} SpinWalk;

/* The transition of a node that is left at once since a limit is reached. */
static const DraftReference *
limit_taken(const DraftNode *node, SpinWalk walk)
{
	if (walk != LIMITS_RESET && node->max_visits > 0)
		return &node->on_max_visits;
	if (walk == TIME_USED_UP && node->max_elapsed >= 0)
		return &node->on_max_elapsed;
	return NULL;
}

/* The delay with which a timer is entered by this edge. */
static const Delay *
entry_delay(const Draft *draft, const DraftEdge *edge)
{
	return edge->has_delay ? &edge->delay : &draft->nodes[edge->target].delay;
}

static bool
enters_idle_timer(const Draft *draft, const DraftEdge *edge)
{
	return draft->nodes[edge->target].kind == NODE_TIMER && entry_delay(draft, edge)->base == 0;
}

/* The step out of this node, if it leads into one that is left at once. */
static const DraftEdge *
automatic_step(const Draft *draft, int from, SpinWalk walk)
{
	const DraftNode *node = &draft->nodes[from];
	const DraftNode *target;
	const DraftEdge *edge;
	const DraftReference *limit = limit_taken(node, walk);
	int			taken = -1;

	if (!is_judged(node))
		return NULL;
	if (limit != NULL)
		taken = limit->edge;
	else if (node->kind == NODE_TIMER)
		taken = node->fire.edge;
	if (taken < 0 || node->edges[taken].target < 0)
		return NULL;
	edge = &node->edges[taken];
	target = &draft->nodes[edge->target];
	if (!is_judged(target))
		return NULL;
	if (limit_taken(target, walk) != NULL)
		return edge;
	return enters_idle_timer(draft, edge) ? edge : NULL;
}

/* Is the cycle through this node endless?  Reports it if so. */
static void
judge_spin(Checker *checker, int first, SpinWalk walk, int *cycle)
{
	const Draft *draft = checker->draft;
	const Place nodes = {NULL, "nodes"};
	bool		has_reset = false;
	bool		has_max_visits = false;
	bool		has_max_elapsed = false;
	bool		leaves_by_time = false;
	bool		only_timers = true;
	bool		is_seen;
	int			length = 0;
	int			node = first;

	do
	{
		const DraftEdge *edge = automatic_step(draft, node, walk);

		cycle[length++] = node;
		has_reset |= edge->reset;
		has_max_visits |= draft->nodes[node].max_visits > 0;
		has_max_elapsed |= draft->nodes[node].max_elapsed >= 0;
		leaves_by_time |= limit_taken(&draft->nodes[node], walk) == &draft->nodes[node].on_max_elapsed;
		only_timers &= enters_idle_timer(draft, edge);
		node = edge->target;
	} while (node != first);

	/*
	 * A cycle that needs no limit is seen by several walks: the first reports
	 * it.  A reset on the way makes a node be entered as if for the first time,
	 * where only a timer goes on by itself.
	 */
	if (walk == LIMITS_RESET)
		is_seen = !has_reset || !has_max_visits;
	else
		is_seen = walk == TIME_USED_UP && !leaves_by_time;
	if (is_seen || (walk != LIMITS_RESET && has_reset && !only_timers))
		return;
	check_error(checker, draft->nodes[first].line, &(Place) {&nodes, draft->nodes[first].name},
				"%s goes round by itself, %s and without any delay: %s",
				cycle_text(checker, cycle, length),
				has_max_elapsed && !leaves_by_time && !has_reset ? "until max_elapsed is over" : "for ever",
				only_timers ? "give one of these nodes a delay" : "lead one of their limits elsewhere");
}

static void
check_spins(Checker *checker, SpinWalk walk)
{
	const Draft *draft = checker->draft;
	int		   *walked = arena_array(checker->arena, (size_t) draft->nnodes, sizeof(int));
	int		   *cycle = arena_array(checker->arena, (size_t) draft->nnodes, sizeof(int));

	for (int i = 0; i < draft->nnodes; i++)
	{
		int			node = i;
		const DraftEdge *edge;

		/* Mark the way by the number of the walk, to know it when it returns. */
		while (walked[node] == 0)
		{
			walked[node] = i + 1;
			edge = automatic_step(draft, node, walk);
			if (edge == NULL)
				break;
			node = edge->target;
			if (walked[node] == i + 1)
			{
				judge_spin(checker, node, walk, cycle);
				break;
			}
		}
	}
}

/*
 * Hot retry: task nodes that lead to each other with nothing that slows down
 * or ends it.  Does this edge belong to such a cycle, if there is one?
 */
static bool
is_hot(const Draft *draft, const DraftEdge *edge)
{
	const DraftNode *target;

	if (edge->target < 0 || (edge->has_delay && edge->delay.base > 0))
		return false;
	target = &draft->nodes[edge->target];
	return is_judged(target) && target->kind == NODE_TASK && target->max_visits == 0;
}

/* Without max_visits, is it ended by max_elapsed, which nothing resets? */
static bool
is_ended_by_time(const DraftNode *nodes, const int *cycle, int length)
{
	bool		ends = false;

	for (int i = 0; i < length; i++)
	{
		const DraftNode *node = &nodes[cycle[i]];

		ends |= node->max_elapsed >= 0;
		for (int j = 0; j < node->nedges; j++)
			if (node->edges[j].reset && node->edges[j].target == cycle[(i + 1) % length])
				return false;
	}
	return ends;
}

/* max_elapsed slows nothing down until it is over. */
static void
warn_hot_retry(Checker *checker, int node, const int *cycle, int length)
{
	const DraftNode *nodes = checker->draft->nodes;
	check_warning(checker, nodes[node].line, &(Place) {&(Place) {NULL, "nodes"}, nodes[node].name},
				  "%s goes round through task nodes with neither timer nor max_visits, so work that fails is retried at once and %s: put a timer node (\"delay: 30s\") in between, or set max_visits",
				  cycle_text(checker, cycle, length),
				  is_ended_by_time(nodes, cycle, length) ? "until max_elapsed is over" : "without end");
}

/*
 * Walk depth first; an edge back into the current path closes a cycle.  One
 * is reported for each node that a path comes back to.
 */
static void
check_hot_retries(Checker *checker)
{
	enum
	{
		UNSEEN, ON_PATH, REPORTED, DONE
	};
	const Draft *draft = checker->draft;
	char	   *state = arena_array(checker->arena, (size_t) draft->nnodes, sizeof(char));
	int		   *path = arena_array(checker->arena, (size_t) draft->nnodes, sizeof(int));
	int		   *position = arena_array(checker->arena, (size_t) draft->nnodes, sizeof(int));
	int		   *next_edge = arena_array(checker->arena, (size_t) draft->nnodes, sizeof(int));

	for (int i = 0; i < draft->nnodes; i++)
	{
		int			depth = 0;
		const DraftNode *root = &draft->nodes[i];

		if (state[i] != UNSEEN || !is_judged(root) || root->kind != NODE_TASK || root->max_visits > 0)
			continue;
		state[i] = ON_PATH;
		path[depth++] = i;
		while (depth > 0)
		{
			int			node = path[depth - 1];
			const DraftEdge *edge;

			if (next_edge[node] >= draft->nodes[node].nedges)
			{
				state[node] = DONE;
				depth--;
				continue;
			}
			edge = &draft->nodes[node].edges[next_edge[node]++];
			if (!is_hot(draft, edge))
				continue;
			if (state[edge->target] == UNSEEN)
			{
				state[edge->target] = ON_PATH;
				position[edge->target] = depth;
				path[depth++] = edge->target;
			}
			else if (state[edge->target] == ON_PATH)
			{
				int			first = position[edge->target];

				state[edge->target] = REPORTED;
				warn_hot_retry(checker, edge->target, path + first, depth - first);
			}
		}
	}
}

void
check_graph(Checker *checker)
{
	if (checker->draft->nnodes == 0)
		return;
	check_reachable(checker);
	checker_interrupt(checker);
	if (!checker->draft->endless)
		check_traps(checker);
	check_spins(checker, VISITS_USED_UP);
	check_spins(checker, TIME_USED_UP);
	check_spins(checker, LIMITS_RESET);
	checker_interrupt(checker);
	check_hot_retries(checker);
}

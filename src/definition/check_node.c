/*-------------------------------------------------------------------------
 *
 * check_node.c
 *	  One node of a definition: its keys, what kind it is, its transitions.
 *
 *-------------------------------------------------------------------------
 */
#include "draft.h"

#include <limits.h>
#include <string.h>

static const KeyName node_keys[] = {
	{"start", false},
	{"final", false},
	{"outcome", false},
	{"transitions", false},
	{"priority", false},
	{"timeout", false},
	{"timeout_strategy", false},
	{"timeout_min", false},
	{"timeout_max", false},
	{"heartbeat", false},
	{"on_timeout", false},
	{"delivery", false},
	{"redeliver", false},
	{"max_attempts", false},
	{"on_exhausted", false},
	{"delay", false},
	{"fire", false},
	{"retry", false},
	{"max_visits", false},
	{"on_max_visits", false},
	{"max_elapsed", false},
	{"on_max_elapsed", false},
	{"await", false},
	{"params", true},
};

static const KeyName edge_keys[] = {
	{"to", false}, {"delay", false}, {"reset", false}, {"when", true},
};

/* In the order of enum Outcome. */
static const char *const outcome_words[] = {"success", "failure"};

static const char *const await_words[] = {"signal"};

static const char *
kind_phrase(NodeKind kind)
{
	switch (kind)
	{
		case NODE_TASK:
			return "a task node";
		case NODE_TIMER:
			return "a timer node (it has a delay)";
		case NODE_PARKED:
			return "a parked node (it awaits a signal)";
		case NODE_FINAL:
			return "a final node";
	}
	return "a node";
}

/* Decide the kind, and report a node that claims to be of several. */
static void
check_kind(Checker *checker, const YamlValue *map, const Place *place, DraftNode *node)
{
	const Entry *final = map_get(map, "final");
	const Entry *delay = map_get(map, "delay");
	const Entry *await = map_get(map, "await");
	const Entry *second = NULL;
	bool		is_final = false;
	int			word = 0;

	/* A faulty "final" was meant to be one: assume so, to say no more of it. */
	if (final != NULL && !check_boolean(checker, final, &(Place) {place, "final"}, &is_final))
		is_final = true;
	if (delay != NULL)
		check_delay(checker, delay, &(Place) {place, "delay"}, &node->delay);
	if (await != NULL)
		check_word(checker, await, &(Place) {place, "await"}, await_words,
				   count_of(await_words), &word);

	if (is_final && delay != NULL)
		second = delay;
	else if ((is_final || delay != NULL) && await != NULL)
		second = await;
	if (second != NULL)
		check_error(checker, second->line, place,
					"a node is only one of final, delay and await: keep one of %s%s%s%s%s",
					is_final ? "final" : "",
					is_final && delay != NULL ? ", " : "",
					delay != NULL ? "delay" : "",
					await != NULL ? ", " : "",
					await != NULL ? "await" : "");

	node->kind = is_final ? NODE_FINAL : delay != NULL ? NODE_TIMER :
		await != NULL ? NODE_PARKED : NODE_TASK;
}

const Entry *
get_for_kind(Checker *checker, const YamlValue *map, const Place *place, const DraftNode *node,
			 const char *key, const char *kinds, const char *who)
{
	const Entry *entry = map_get(map, key);

	if (entry == NULL || strchr(kinds, node->kind) != NULL)
		return entry;
	check_error(checker, entry->line, &(Place) {place, key},
				"only %s has \"%s\", and this is %s: remove it",
				who, key, kind_phrase(node->kind));
	return NULL;
}

void
check_reference(Checker *checker, const Entry *entry, const Place *place, DraftReference *reference)
{
	if (entry != NULL &&
		check_text(checker, entry->value, place, "the name of a transition of this node",
				   &reference->transition))
		reference->line = entry->value->line;
}

/* The keys of a timer beside its delay. */
static void
check_timer(Checker *checker, const YamlValue *map, const Place *place, DraftNode *node)
{
	const Entry *fire = get_for_kind(checker, map, place, node, "fire", "d", "a timer node");
	const Entry *retry = get_for_kind(checker, map, place, node, "retry", "d", "a timer node");

	check_reference(checker, fire, &(Place) {place, "fire"}, &node->fire);
	if (retry != NULL)
		node->has_retry = check_boolean(checker, retry, &(Place) {place, "retry"}, &node->retry);
}

/* The target of an edge, given as the short form or as "to". */
static void
check_target(Checker *checker, const YamlValue *value, const Place *place, DraftEdge *edge)
{
	edge->to_line = value->line;
	if (!check_text(checker, value, place, "the name of a node", &edge->to))
		edge->to = NULL;
}

static void
check_edge(Checker *checker, const Entry *entry, const Place *place, DraftEdge *edge)
{
	const YamlValue *value = entry->value;
	const Entry *to;
	const Entry *delay;
	const Entry *reset;

	edge->transition = entry->key;
	edge->line = entry->line;
	edge->target = -1;
	check_name(checker, entry->key, entry->line, place);
	if (value->kind == VALUE_LIST)
	{
		check_error(checker, entry->line, place,
					"a list of branches is not supported by dfsmr 0.1: write the name of one node");
		return;
	}
	if (value->kind != VALUE_MAP)
	{
		check_target(checker, value, place, edge);
		return;
	}

	check_keys(checker, value, place, edge_keys, count_of(edge_keys), "a transition");
	to = map_get(value, "to");
	delay = map_get(value, "delay");
	reset = map_get(value, "reset");
	edge->to_is_nested = true;
	if (to == NULL)
		check_error(checker, value->line, place,
					"a transition needs a target: add \"to: NODE\"");
	else
		check_target(checker, to->value, &(Place) {place, "to"}, edge);
	if (delay != NULL)
	{
		edge->delay_line = delay->line;
		edge->has_delay = check_delay(checker, delay, &(Place) {place, "delay"}, &edge->delay);
	}
	if (reset != NULL)
		check_boolean(checker, reset, &(Place) {place, "reset"}, &edge->reset);
}

static void
check_transitions(Checker *checker, const Entry *parent, const YamlValue *map, const Place *place,
				  DraftNode *node)
{
	const Entry *entry = map_get(map, "transitions");
	const Place here = {place, "transitions"};

	if (entry != NULL && (entry->value->kind == VALUE_INVALID ||
						  (entry->value->is_incomplete && entry->value->nentries == 0)))
	{
		node->is_broken = true;
		return;
	}
	if (entry != NULL && entry->value->kind != VALUE_MAP &&
		!(entry->value->kind == VALUE_SCALAR && entry->value->text[0] == '\0'))
	{
		check_error(checker, entry->line, &here,
					"transitions must be a mapping from the name of each transition to a node: write \"ok: NODE\", say");
		node->is_broken = true;
		return;
	}
	if (entry == NULL || entry->value->nentries == 0)
	{
		if (node->kind != NODE_FINAL)
			check_error(checker, parent->line, place,
						"node %s has no transitions: add some, or set \"final: true\"",
						quoted(checker->arena, node->name));
		return;
	}
	if (node->kind == NODE_FINAL)
		check_error(checker, entry->line, &here,
					"a final node has no transitions: remove them, or remove \"final\"");

	node->edges = arena_array(checker->arena, (size_t) entry->value->nentries, sizeof(DraftEdge));
	for (const Entry *edge = entry->value->entries; edge != NULL; edge = edge->next)
		check_edge(checker, edge, &(Place) {&here, edge->key}, &node->edges[node->nedges++]);
}

void
check_node(Checker *checker, const Entry *entry, const Place *place, DraftNode *node)
{
	const YamlValue *map = entry->value;
	const Entry *start;
	const Entry *outcome;
	const Entry *priority;
	int			word = 0;

	node->name = entry->key;
	node->line = entry->line;
	node->is_duplicate = entry->is_duplicate;
	node->kind = NODE_TASK;
	node->timeout = -1;
	node->percentile = DEFAULT_PERCENTILE;
	node->timeout_min = node->timeout_max = -1;
	node->heartbeat = -1;
	node->max_elapsed = -1;
	check_name(checker, entry->key, entry->line, place);
	if (map->kind != VALUE_MAP)
	{
		if (map->kind != VALUE_INVALID)
			check_error(checker, entry->line, place,
						"node %s must be a mapping of its keys: add \"transitions:\", or \"final: true\"",
						quoted(checker->arena, node->name));
		node->is_broken = true;
		return;
	}

	check_keys(checker, map, place, node_keys, count_of(node_keys), "a node");
	check_kind(checker, map, place, node);
	start = map_get(map, "start");
	if (start != NULL)
	{
		node->start_line = start->line;
		if (!check_boolean(checker, start, &(Place) {place, "start"}, &node->is_start))
			node->is_start = true;	/* meant so */
		if (node->is_start && node->kind == NODE_FINAL)
			check_error(checker, start->line, &(Place) {place, "start"},
						"a final node cannot be the start: an instance would have nothing to do");
	}
	outcome = get_for_kind(checker, map, place, node, "outcome", "f", "a final node");
	if (outcome != NULL &&
		check_word(checker, outcome, &(Place) {place, "outcome"}, outcome_words,
				   count_of(outcome_words), &word))
		node->outcome = (Outcome) word;
	priority = get_for_kind(checker, map, place, node, "priority", "t", "a task node");
	if (priority != NULL)
		check_integer(checker, priority, &(Place) {place, "priority"}, -INT_MAX, INT_MAX,
					  &node->priority);
	check_timer(checker, map, place, node);
	check_time(checker, map, place, node);
	check_limits(checker, map, place, node);
	check_transitions(checker, entry, map, place, node);
}

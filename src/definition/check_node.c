/*-------------------------------------------------------------------------
 *
 * check_node.c
 *	  One node of a definition: its keys, what kind it is, its transitions.
 *
 *-------------------------------------------------------------------------
 */
#include "draft.h"

#include "duration.h"

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
	{"heartbeat", false},
	{"on_timeout", false},
	{"delay", false},
	{"fire", false},
	{"max_visits", false},
	{"on_max_visits", false},
	{"await", false},
	{"timeout_min", true},
	{"timeout_max", true},
	{"delivery", true},
	{"max_attempts", true},
	{"on_exhausted", true},
	{"redeliver", true},
	{"retry", true},
	{"max_elapsed", true},
	{"on_max_elapsed", true},
	{"params", true},
};

static const KeyName edge_keys[] = {
	{"to", false}, {"delay", false}, {"reset", false}, {"when", true},
};

/* In the order of enum Outcome. */
static const char *const outcome_words[] = {"success", "failure"};

static const char *const await_words[] = {"signal"};

static const char *const strategy_words[] = {"percentile", "fixed"};

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

/*
 * The entry of a key that only some kinds of node have, or NULL.  One that the
 * node is not entitled to is reported, and NULL is returned for it as well.
 */
static const Entry *
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

/*
 * timeout and timeout_strategy.  Of all their forms this version knows the
 * fixed ones: a duration, or seconds as a bare number with "fixed".
 */
static void
check_timeout(Checker *checker, const YamlValue *map, const Place *place, DraftNode *node)
{
	const Entry *timeout = get_for_kind(checker, map, place, node, "timeout", "tp",
										"a task or parked node");
	const Entry *strategy = get_for_kind(checker, map, place, node, "timeout_strategy", "tp",
										 "a task or parked node");
	const Place here = {place, "timeout"};
	const YamlValue *value;
	const char *text;
	int64_t		duration = 0;
	int			word = -1;

	if (strategy != NULL &&
		check_word(checker, strategy, &(Place) {place, "timeout_strategy"}, strategy_words,
				   count_of(strategy_words), &word))
	{
		if (word == 0)
			check_error(checker, strategy->line, &(Place) {place, "timeout_strategy"},
						"percentile timeouts are not supported by dfsmr 0.1: write \"timeout: 60s\", say, without timeout_strategy");
		else if (map_get(map, "timeout") == NULL)
			check_error(checker, strategy->line, &(Place) {place, "timeout_strategy"},
						"timeout_strategy has no timeout to apply to: add \"timeout: 30.0\", say, for 30 seconds");
	}
	if (timeout == NULL || word == 0)
		return;

	value = timeout->value;
	text = value->kind == VALUE_SCALAR ? value->text : "";
	if (word == 1 && !value->is_quoted &&
		duration_parse_seconds(text, &duration) == DURATION_OK)
	{
		if (duration == 0 && strspn(text, "0.") != strlen(text))
			duration = 1;		/* less than a microsecond, but not nothing */
	}
	else if (strategy != NULL && word < 0)
		return;					/* nobody knows what it means */
	else if (strategy == NULL && text[0] == 'p' && text[1] >= '0' && text[1] <= '9')
	{
		check_error(checker, value->line, &here,
					"percentile timeouts are not supported by dfsmr 0.1: write a duration, such as 60s, or leave the timeout out");
		return;
	}
	else if (strategy == NULL && duration_parse(text, &duration) == DURATION_NO_UNIT)
	{
		check_error(checker, value->line, &here,
					"a bare number is a percentile, which is not supported by dfsmr 0.1: write %ss for a timeout in seconds",
					(const char *) arena_strndup(checker->arena, text, strnlen(text, 32)));
		return;
	}
	else if (!check_duration(checker, timeout, &here, &duration))
		return;

	if (duration == 0 && node->kind == NODE_PARKED)
		check_error(checker, value->line, &here,
					"the timeout of a parked node must be more than 0: write a duration, such as 24h");
	else if (duration == 0)
		check_error(checker, value->line, &here,
					"a timeout of 0 (at most once) is not supported by dfsmr 0.1: write a duration, such as 60s");
	else
		node->timeout = duration;
}

static void
check_heartbeat(Checker *checker, const YamlValue *map, const Place *place, DraftNode *node)
{
	const Entry *entry = get_for_kind(checker, map, place, node, "heartbeat", "t", "a task node");
	const Place here = {place, "heartbeat"};
	int64_t		duration;

	if (entry == NULL || !check_duration(checker, entry, &here, &duration))
		return;
	if (duration == 0)
		check_error(checker, entry->value->line, &here,
					"a heartbeat must be more than 0: write a duration, such as 15s");
	else if (node->timeout >= 0 && duration >= node->timeout)
		check_error(checker, entry->value->line, &here,
					"the heartbeat must be less than the timeout of %s: write a shorter one, or leave it out",
					duration_text(checker->arena, node->timeout));
	else
		node->heartbeat = duration;
}

/* A key that names a transition of this node; resolved later. */
static void
check_reference(Checker *checker, const Entry *entry, const Place *place, DraftReference *reference)
{
	if (entry != NULL &&
		check_text(checker, entry->value, place, "the name of a transition of this node",
				   &reference->transition))
		reference->line = entry->value->line;
}

/* What sends an instance on without a worker: timeouts, timers, limits. */
static void
check_automatic(Checker *checker, const YamlValue *map, const Place *place, DraftNode *node)
{
	const Entry *timeout = map_get(map, "timeout");
	const Entry *max_visits = get_for_kind(checker, map, place, node, "max_visits", "tdp",
										   "a node that is not final");
	const Entry *on_max_visits = get_for_kind(checker, map, place, node, "on_max_visits", "tdp",
											  "a node that is not final");
	const Entry *on_timeout = get_for_kind(checker, map, place, node, "on_timeout", "tp",
										   "a task or parked node");
	const Entry *fire = get_for_kind(checker, map, place, node, "fire", "d", "a timer node");

	if (max_visits != NULL)
		check_integer(checker, max_visits, &(Place) {place, "max_visits"}, 1, INT_MAX,
					  &node->max_visits);
	if (max_visits != NULL && on_max_visits == NULL)
		check_error(checker, max_visits->line, &(Place) {place, "max_visits"},
					"max_visits needs on_max_visits: name the transition that is taken then");
	if (max_visits == NULL && on_max_visits != NULL)
		check_error(checker, on_max_visits->line, &(Place) {place, "on_max_visits"},
					"on_max_visits needs max_visits: say how many visits are allowed");
	if (node->kind == NODE_PARKED && timeout != NULL && on_timeout == NULL)
		check_error(checker, timeout->line, &(Place) {place, "timeout"},
					"the timeout of a parked node needs on_timeout: name the transition that is taken then");
	if (node->kind == NODE_PARKED && timeout == NULL && on_timeout != NULL)
		check_error(checker, on_timeout->line, &(Place) {place, "on_timeout"},
					"on_timeout of a parked node needs a timeout: add \"timeout: 24h\", say");

	check_reference(checker, on_max_visits, &(Place) {place, "on_max_visits"}, &node->on_max_visits);
	check_reference(checker, on_timeout, &(Place) {place, "on_timeout"}, &node->on_timeout);
	check_reference(checker, fire, &(Place) {place, "fire"}, &node->fire);
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
	node->heartbeat = -1;
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
	check_timeout(checker, map, place, node);
	check_heartbeat(checker, map, place, node);
	check_automatic(checker, map, place, node);
	check_transitions(checker, entry, map, place, node);
}

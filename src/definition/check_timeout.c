/*-------------------------------------------------------------------------
 *
 * check_timeout.c
 *	  How long a node may take, and what happens to work that takes longer:
 *	  timeout and its bounds, heartbeat, delivery, redeliver, on_timeout.
 *
 * The forms of a timeout, alone and with the timeout_strategy of the original:
 *
 *					alone			percentile		fixed
 *	  (nothing)		p95				p95				fault
 *	  p99.9			percentile		percentile		fault
 *	  30s			fixed			fault			fixed
 *	  95.0			percentile (!)	percentile		seconds
 *	  0, 0.0		at most once	at most once	at most once
 *
 * (!) with a warning, since many will take it for seconds.
 *
 *-------------------------------------------------------------------------
 */
#include "draft.h"

#include "decimal.h"
#include "duration.h"

#include <string.h>

/* In the order of the enum below. */
static const char *const strategy_words[] = {"percentile", "fixed"};

typedef enum Strategy
{
	STRATEGY_PERCENTILE,
	STRATEGY_FIXED,
	STRATEGY_NONE,				/* not given */
	STRATEGY_FAULTY
} Strategy;

static const char *const delivery_words[] = {"at_least_once", "at_most_once"};

/* Below this, most work is taken back from workers that are at it. */
#define LOW_PERCENTILE 50

/* "duration" is what to write if a duration was meant. */
static bool
set_percentile(Checker *checker, const YamlValue *value, const Place *place, double percentile,
			   const char *duration, DraftNode *node)
{
	if (!(percentile > 0 && percentile <= 100))
	{
		check_error(checker, value->line, place,
					"%s is not a percentile, which is above 0 and at most 100: write p95, say, or a duration, such as %s",
					quoted(checker->arena, value->text), duration);
		return false;
	}
	node->timeout_form = TIMEOUT_PERCENTILE;
	node->percentile = percentile;
	if (percentile < LOW_PERCENTILE)
		check_warning(checker, value->line, place,
					  "with a percentile of %s most work is taken back before it is done: write p95, say",
					  decimal_text(checker->arena, percentile));
	return true;
}

static void
set_fixed(DraftNode *node, int64_t duration)
{
	node->timeout_form = duration == 0 ? TIMEOUT_ZERO : TIMEOUT_FIXED;
	node->timeout = duration;
}

/* A bare number: what it counts is for the strategy to say. */
static void
check_bare_number(Checker *checker, const YamlValue *value, const Place *place,
				  Strategy strategy, double number, DraftNode *node)
{
	int64_t		duration;

	if (number == 0 && strspn(value->text, "0.") == strlen(value->text))
		set_fixed(node, 0);
	else if (strategy == STRATEGY_FIXED)
	{
		if (duration_parse_seconds(value->text, &duration) != DURATION_OK)
			check_error(checker, value->line, place,
						"%s is %s: write at most 3153600000.0, which is 36500d in seconds",
						quoted(checker->arena, place->key), quoted(checker->arena, value->text));
		else
			set_fixed(node, duration > 0 ? duration : 1);	/* little, but not nothing */
	}
	else if (strategy == STRATEGY_PERCENTILE)
		set_percentile(checker, value, place, number, "60s", node);
	else
	{
		const char *text = arena_strndup(checker->arena, value->text, strnlen(value->text, 32));
		const char *seconds = arena_printf(checker->arena, "%ss", text);

		if (set_percentile(checker, value, place, number, seconds, node))
			check_warning(checker, value->line, place,
						  "a bare number is a percentile: write p%s if that is meant, or %s for a timeout in seconds",
						  text, seconds);
	}
}

/* The timeout of a task node. */
static void
check_task_timeout(Checker *checker, const Entry *entry, const Place *place, Strategy strategy,
				   DraftNode *node)
{
	const YamlValue *value = entry->value;
	const char *text = value->kind == VALUE_SCALAR ? value->text : "";
	double		number;
	int64_t		duration;

	if (!value->is_quoted && decimal_parse(text, &number))
		check_bare_number(checker, value, place, strategy, number, node);
	else if (text[0] == 'p' && decimal_parse(text + 1, &number))
	{
		if (strategy == STRATEGY_FIXED)
			check_error(checker, value->line, place,
						"%s is a percentile, and timeout_strategy says that it is fixed: write seconds, such as 30.0, or remove timeout_strategy",
						quoted(checker->arena, text));
		else
			set_percentile(checker, value, place, number, "60s", node);
	}
	else if (duration_parse(text, &duration) == DURATION_MALFORMED && strategy != STRATEGY_FIXED)
		wrong_type(checker, value, place,
				   strategy == STRATEGY_PERCENTILE ? "a percentile, such as 95.0" :
				   "a percentile, such as p95, a duration, such as 30s, or 0 for at most once");
	else if (check_duration(checker, entry, place, &duration))
	{
		if (strategy == STRATEGY_PERCENTILE && duration > 0)
			check_error(checker, value->line, place,
						"%s is a duration, and timeout_strategy says that it is a percentile: write 95.0, say, or remove timeout_strategy",
						quoted(checker->arena, text));
		else
			set_fixed(node, duration);
	}
}

/* That of a parked node, where nobody works whose durations could be learnt. */
static void
check_parked_timeout(Checker *checker, const Entry *entry, const Place *place, Strategy strategy,
					 DraftNode *node)
{
	const YamlValue *value = entry->value;
	const char *text = value->kind == VALUE_SCALAR ? value->text : "";
	double		number;
	int64_t		duration;

	if (text[0] == 'p' && decimal_parse(text + 1, &number))
		check_error(checker, value->line, place,
					"the timeout of a parked node cannot be a percentile, since nobody works on it: write a duration, such as 24h");
	else if (strategy == STRATEGY_FIXED && !value->is_quoted && decimal_parse(text, &number))
		check_bare_number(checker, value, place, strategy, number, node);
	else if (check_duration(checker, entry, place, &duration))
		set_fixed(node, duration);
	if (node->timeout_form == TIMEOUT_ZERO)
	{
		check_error(checker, value->line, place,
					"the timeout of a parked node must be more than 0: write a duration, such as 24h");
		node->timeout_form = TIMEOUT_FAULTY;
	}
}

static Strategy
check_strategy(Checker *checker, const YamlValue *map, const Place *place, const DraftNode *node)
{
	const Entry *entry = get_for_kind(checker, map, place, node, "timeout_strategy", "tp",
									  "a task or parked node");
	const Place here = {place, "timeout_strategy"};
	int			word;

	if (entry == NULL)
		return STRATEGY_NONE;
	if (!check_word(checker, entry, &here, strategy_words, count_of(strategy_words), &word))
		return STRATEGY_FAULTY;
	if (word == STRATEGY_FIXED && map_get(map, "timeout") == NULL)
	{
		check_error(checker, entry->line, &here,
					"timeout_strategy has no timeout to apply to: add \"timeout: 30.0\", say, for 30 seconds");
		return STRATEGY_FAULTY;
	}
	if (word == STRATEGY_PERCENTILE && node->kind == NODE_PARKED)
	{
		check_error(checker, entry->line, &here,
					"the timeout of a parked node cannot be a percentile, since nobody works on it: remove timeout_strategy");
		return STRATEGY_FAULTY;
	}
	return (Strategy) word;
}

static void
check_timeout(Checker *checker, const YamlValue *map, const Place *place, DraftNode *node)
{
	const Entry *entry = get_for_kind(checker, map, place, node, "timeout", "tp",
									  "a task or parked node");
	Strategy	strategy = check_strategy(checker, map, place, node);
	const Place here = {place, "timeout"};

	if (entry == NULL && strategy != STRATEGY_FAULTY)
		return;
	node->timeout_form = TIMEOUT_FAULTY;
	if (strategy == STRATEGY_FAULTY)
		return;					/* nobody knows what it means */
	if (node->kind == NODE_PARKED)
		check_parked_timeout(checker, entry, &here, strategy, node);
	else
		check_task_timeout(checker, entry, &here, strategy, node);
}

/* A duration above 0, or -1 when it is not given or not right. */
static int64_t
check_bound(Checker *checker, const YamlValue *map, const Place *place, const DraftNode *node,
			const char *key)
{
	const Entry *entry = get_for_kind(checker, map, place, node, key, "t", "a task node");
	const Place here = {place, key};
	int64_t		duration;

	if (entry == NULL)
		return -1;
	if (node->timeout_form == TIMEOUT_FIXED || node->timeout_form == TIMEOUT_ZERO)
		check_error(checker, entry->line, &here,
					"%s is for a timeout that is a percentile, and this one is fixed: remove %s, or write \"timeout: p95\"",
					key, key);
	else if (!check_duration(checker, entry, &here, &duration))
		return -1;
	else if (duration == 0)
		check_error(checker, entry->value->line, &here,
					"%s must be more than 0: write a duration, such as 30s, or leave it out", key);
	else
		return duration;
	return -1;
}

static void
check_bounds(Checker *checker, const YamlValue *map, const Place *place, DraftNode *node)
{
	node->timeout_min = check_bound(checker, map, place, node, "timeout_min");
	node->timeout_max = check_bound(checker, map, place, node, "timeout_max");
	if (node->timeout_max >= 0 && node->timeout_min > node->timeout_max)
		check_error(checker, map_get(map, "timeout_max")->value->line, &(Place) {place, "timeout_max"},
					"timeout_max is less than timeout_min: write at least %s",
					duration_text(checker->arena, node->timeout_min));
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
	else if (node->timeout_form == TIMEOUT_ZERO)
		check_error(checker, entry->value->line, &here,
					"with a timeout of 0 no lease runs out, so no heartbeat is awaited: remove it, or write another timeout");
	else if (node->timeout_form == TIMEOUT_FIXED && duration >= node->timeout)
		check_error(checker, entry->value->line, &here,
					"the heartbeat must be less than the timeout of %s: write a shorter one, or leave it out",
					duration_text(checker->arena, node->timeout));
	else
		node->heartbeat = duration;
}

static void
check_on_timeout(Checker *checker, const YamlValue *map, const Place *place, DraftNode *node)
{
	const Entry *timeout = map_get(map, "timeout");
	const Entry *entry = get_for_kind(checker, map, place, node, "on_timeout", "tp",
									  "a task or parked node");
	const Place here = {place, "on_timeout"};

	if (node->kind == NODE_PARKED && timeout != NULL && entry == NULL)
		check_error(checker, timeout->line, &(Place) {place, "timeout"},
					"the timeout of a parked node needs on_timeout: name the transition that is taken then");
	if (node->kind == NODE_PARKED && timeout == NULL && entry != NULL)
		check_error(checker, entry->line, &here,
					"on_timeout of a parked node needs a timeout: add \"timeout: 24h\", say");
	if (node->kind == NODE_TASK && node->timeout_form == TIMEOUT_ZERO && entry != NULL)
		check_error(checker, entry->line, &here,
					"a timeout of 0 never runs out, so on_timeout is never taken: remove it, or write a timeout, such as 60s, and \"delivery: at_most_once\"");
	check_reference(checker, entry, &here, &node->on_timeout);
}

/* At most once: by a timeout of 0, or by this key and a way out. */
static void
check_delivery(Checker *checker, const YamlValue *map, const Place *place, DraftNode *node)
{
	const Entry *entry = get_for_kind(checker, map, place, node, "delivery", "t", "a task node");
	const Place here = {place, "delivery"};
	int			word = 0;

	node->at_most_once = node->kind == NODE_TASK && node->timeout_form == TIMEOUT_ZERO;
	if (entry == NULL ||
		!check_word(checker, entry, &here, delivery_words, count_of(delivery_words), &word))
		return;
	if (word == 0 && node->at_most_once)
		check_error(checker, entry->line, &here,
					"a timeout of 0 means at most once: remove delivery, or write another timeout");
	if (word == 0)
		return;
	node->at_most_once = true;
	if (node->timeout_form == TIMEOUT_PERCENTILE)
		check_error(checker, entry->line, &here,
					"at most once needs a fixed timeout and on_timeout: add \"timeout: 60s\", say, or write \"timeout: 0\" to leave the way out to an operator");
	else if (node->timeout_form == TIMEOUT_FIXED && map_get(map, "on_timeout") == NULL)
		check_error(checker, entry->line, &here,
					"at most once needs on_timeout beside the timeout: name the transition that is taken when it is over");
}

static void
check_redeliver(Checker *checker, const YamlValue *map, const Place *place, DraftNode *node)
{
	const Entry *entry = get_for_kind(checker, map, place, node, "redeliver", "t", "a task node");

	if (entry != NULL)
		node->has_redeliver = check_delay(checker, entry, &(Place) {place, "redeliver"},
										  &node->redeliver);
}

/* Keys that speak of a second attempt, where there is none. */
static void
check_second_attempts(Checker *checker, const YamlValue *map, const Place *place,
					  const DraftNode *node)
{
	static const char *const keys[] = {"max_attempts", "redeliver"};

	if (node->kind != NODE_TASK)
		return;
	for (int i = 0; i < count_of(keys); i++)
	{
		const Entry *entry = map_get(map, keys[i]);

		if (entry == NULL)
			continue;
		if (node->at_most_once)
			check_error(checker, entry->line, &(Place) {place, keys[i]},
						"at most once means that there is no second attempt: remove %s, or \"%s\"",
						keys[i],
						node->timeout_form == TIMEOUT_ZERO ? "timeout: 0" : "delivery: at_most_once");
		else if (map_get(map, "on_timeout") != NULL)
			check_warning(checker, entry->line, &(Place) {place, keys[i]},
						  "on_timeout leads away when the first attempt fails, so %s is of no use: remove one of them",
						  keys[i]);
	}
}

void
check_time(Checker *checker, const YamlValue *map, const Place *place, DraftNode *node)
{
	check_timeout(checker, map, place, node);
	check_bounds(checker, map, place, node);
	check_heartbeat(checker, map, place, node);
	check_on_timeout(checker, map, place, node);
	check_delivery(checker, map, place, node);
	check_redeliver(checker, map, place, node);
	check_second_attempts(checker, map, place, node);
}

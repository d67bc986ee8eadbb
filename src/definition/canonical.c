/*-------------------------------------------------------------------------
 *
 * canonical.c
 *	  The canonical form of a machine.
 *
 * It is made from the compiled machine alone, so nothing of the spelling can
 * get into it; nodes and transitions are sorted by name, and what has its
 * default value is left out.  A key that a later version adds therefore leaves
 * the form of older definitions as it is.  It is JSON and a definition itself.
 *
 *-------------------------------------------------------------------------
 */
#include "definition.h"

#include "decimal.h"
#include "duration.h"

#include <stdio.h>
#include <stdlib.h>

/* Key and value of an object that is being written. */
static void
append_key(TextBuffer *text, const char *key)
{
	char		last = text->data[text->len - 1];

	text_appendf(text, "%s\"%s\":", last == '{' ? "" : ",", key);
}

static void
append_word(TextBuffer *text, const char *key, const char *word)
{
	append_key(text, key);
	text_appendf(text, "\"%s\"", word);
}

static void
append_boolean(TextBuffer *text, const char *key, bool value)
{
	append_key(text, key);
	text_append(text, value ? "true" : "false");
}

static void
append_true(TextBuffer *text, const char *key)
{
	append_boolean(text, key, true);
}

/* A key that names a transition of its node. */
static void
append_reference(TextBuffer *text, const char *key, const MachineNode *node, int edge)
{
	append_word(text, key, node->edges[edge].transition);
}

static void
append_int(TextBuffer *text, const char *key, int number)
{
	append_key(text, key);
	text_appendf(text, "%d", number);
}

static void
append_duration(TextBuffer *text, const char *key, int64_t duration)
{
	append_word(text, key, duration_text(text->arena, duration));
}

/* The shortest that reads back as the same number. */
static void
append_number(TextBuffer *text, const char *key, double number)
{
	char		digits[40];

	for (int precision = 1; precision <= 17; precision++)
	{
		snprintf(digits, sizeof(digits), "%.*g", precision, number);
		if (strtod(digits, NULL) == number)
			break;
	}
	append_key(text, key);
	text_append(text, digits);
}

static void
append_delay(TextBuffer *text, const char *key, const Delay *delay)
{
	if (delay->backoff == 1 && !delay->full_jitter)
	{
		append_duration(text, key, delay->base);
		return;
	}
	append_key(text, key);
	text_append(text, "{");
	append_duration(text, "base", delay->base);
	if (delay->backoff != 1)
		append_number(text, "backoff", delay->backoff);
	if (delay->max != INT64_MAX)
		append_duration(text, "max_delay", delay->max);
	if (delay->full_jitter)
		append_word(text, "jitter", "full");
	text_append(text, "}");
}

static void
append_edge(TextBuffer *text, const Machine *machine, const MachineEdge *edge)
{
	append_key(text, edge->transition);
	text_append(text, "{");
	append_word(text, "to", machine->nodes[edge->target].name);
	if (edge->has_delay)
		append_delay(text, "delay", &edge->delay);
	if (edge->reset)
		append_true(text, "reset");
	text_append(text, "}");
}

/* How long it may take, and what happens to work that takes longer. */
static void
append_time(TextBuffer *text, const MachineNode *node)
{
	if (node->timeout >= 0)
		append_duration(text, "timeout", node->timeout);
	else if (node->percentile != DEFAULT_PERCENTILE)
		append_word(text, "timeout",
					arena_printf(text->arena, "p%s", decimal_text(text->arena, node->percentile)));
	if (node->timeout_min >= 0)
		append_duration(text, "timeout_min", node->timeout_min);
	if (node->timeout_max >= 0)
		append_duration(text, "timeout_max", node->timeout_max);
	if (node->heartbeat >= 0)
		append_duration(text, "heartbeat", node->heartbeat);
	if (node->on_timeout >= 0)
		append_reference(text, "on_timeout", node, node->on_timeout);
	if (node->at_most_once && node->timeout > 0)
		append_word(text, "delivery", "at_most_once");
	if (node->has_redeliver)
		append_delay(text, "redeliver", &node->redeliver);
}

static void
append_limits(TextBuffer *text, const MachineNode *node)
{
	if (node->max_visits > 0)
	{
		append_int(text, "max_visits", node->max_visits);
		append_reference(text, "on_max_visits", node, node->on_max_visits);
	}
	if (node->max_attempts > 0)
	{
		append_int(text, "max_attempts", node->max_attempts);
		append_reference(text, "on_exhausted", node, node->on_exhausted);
	}
	if (node->max_elapsed >= 0)
	{
		append_duration(text, "max_elapsed", node->max_elapsed);
		append_reference(text, "on_max_elapsed", node, node->on_max_elapsed);
	}
}

static void
append_breaker(TextBuffer *text, const Breaker *breaker)
{
	append_key(text, "breaker");
	text_append(text, "{");
	append_duration(text, "window", breaker->window);
	append_int(text, "min_attempts", breaker->min_attempts);
	append_number(text, "max_retry_ratio", breaker->max_retry_ratio);
	append_word(text, "probe_rate", rate_text(text->arena, breaker->probe_rate));
	text_append(text, "}");
}

static void
append_node(TextBuffer *text, const Machine *machine, const MachineNode *node)
{
	append_key(text, node->name);
	text_append(text, "{");
	if (node == &machine->nodes[machine->start])
		append_true(text, "start");
	switch (node->kind)
	{
		case NODE_TASK:
			break;
		case NODE_TIMER:
			append_delay(text, "delay", &node->delay);
			if (node->nedges > 1)
				append_reference(text, "fire", node, node->fire);
			if (node->is_retry != machine_retry_by_default(node))
				append_boolean(text, "retry", node->is_retry);
			break;
		case NODE_PARKED:
			append_word(text, "await", "signal");
			break;
		case NODE_FINAL:
			append_true(text, "final");
			if (node->outcome == OUTCOME_FAILURE)
				append_word(text, "outcome", "failure");
			break;
	}
	if (node->priority != 0)
		append_int(text, "priority", node->priority);
	append_time(text, node);
	append_limits(text, node);
	if (node->nedges > 0)
	{
		append_key(text, "transitions");
		text_append(text, "{");
		for (int i = 0; i < node->nedges; i++)
			append_edge(text, machine, &node->edges[i]);
		text_append(text, "}");
	}
	text_append(text, "}");
}

const char *
machine_canonical(Arena *arena, const Machine *machine)
{
	static const char *const key_reuse[] = {"finished", "failed", "never"};
	TextBuffer	text;

	text_init(&text, arena);
	text_append(&text, "{");
	append_word(&text, "id", machine->id);
	if (machine->endless)
		append_true(&text, "endless");
	if (machine->key_reuse != KEY_REUSE_FINISHED)
		append_word(&text, "key_reuse", key_reuse[machine->key_reuse]);
	if (machine->has_breaker)
		append_breaker(&text, &machine->breaker);
	append_key(&text, "nodes");
	text_append(&text, "{");
	for (int i = 0; i < machine->nnodes; i++)
		append_node(&text, machine, &machine->nodes[machine->by_name[i]]);
	text_append(&text, "}}");
	return text.data;
}

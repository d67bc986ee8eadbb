/*-------------------------------------------------------------------------
 *
 * diagram.c
 *	  A machine as a picture: in the languages of Graphviz and of Mermaid.
 *
 * The shape shows the kind: a box is work, a rounded or oval one waits for
 * time, a hexagon for a signal, and a doubled outline is the end.  Steps that
 * nobody has to take (a timer that fires, a timeout, a limit) are dashed.
 * Names need no escaping: the checks leave letters, digits and "_.-" only.
 *
 *-------------------------------------------------------------------------
 */
#include "definition.h"

#include "decimal.h"
#include "duration.h"

/* "30s", "30s x2 up to 1h"; what a timer waits */
static const char *
delay_text(Arena *arena, const Delay *delay)
{
	TextBuffer	text;

	text_init(&text, arena);
	text_append(&text, duration_text(arena, delay->base));
	if (delay->backoff > 1)
		text_appendf(&text, " x%g", delay->backoff);
	if (delay->max != INT64_MAX)
		text_appendf(&text, " up to %s", duration_text(arena, delay->max));
	return text.data;
}

static void
append_remark(TextBuffer *text, const char *remark)
{
	text_appendf(text, "%s%s", text->len > 0 ? ", " : "", remark);
}

/* Of a task: what its author has said of time, and not the defaults. */
static const char *
task_remark(Arena *arena, const MachineNode *node)
{
	TextBuffer	text;

	text_init(&text, arena);
	if (node->timeout > 0)
		append_remark(&text, arena_printf(arena, "timeout %s", duration_text(arena, node->timeout)));
	else if (node->timeout < 0 && node->percentile != DEFAULT_PERCENTILE)
		append_remark(&text, arena_printf(arena, "timeout p%s", decimal_text(arena, node->percentile)));
	if (node->timeout_min >= 0)
		append_remark(&text, arena_printf(arena, "at least %s", duration_text(arena, node->timeout_min)));
	if (node->timeout_max >= 0)
		append_remark(&text, arena_printf(arena, "at most %s", duration_text(arena, node->timeout_max)));
	if (node->at_most_once)
		append_remark(&text, "at most once");
	if (node->has_redeliver)
		append_remark(&text, arena_printf(arena, "again after %s", delay_text(arena, &node->redeliver)));
	return text.data;
}

/* What is said of a node below its name, or "". */
static const char *
node_remark(Arena *arena, const MachineNode *node)
{
	switch (node->kind)
	{
		case NODE_TASK:
			return task_remark(arena, node);
		case NODE_TIMER:
			return delay_text(arena, &node->delay);
		case NODE_PARKED:
			return node->timeout < 0 ? "awaits a signal" :
				arena_printf(arena, "awaits a signal for %s", duration_text(arena, node->timeout));
		case NODE_FINAL:
			return node->outcome == OUTCOME_FAILURE ? "failure" : "";
	}
	return "";
}

/* The transition, and when it is taken by itself. */
static const char *
edge_label(Arena *arena, const MachineNode *node, int edge)
{
	TextBuffer	text;

	text_init(&text, arena);
	text_append(&text, node->edges[edge].transition);
	if (edge == node->on_max_visits)
		text_appendf(&text, ", after %d visits", node->max_visits);
	if (edge == node->on_exhausted)
		text_appendf(&text, ", after %d attempts", node->max_attempts);
	if (edge == node->on_max_elapsed)
		text_appendf(&text, ", after %s in all", duration_text(arena, node->max_elapsed));
	if (edge == node->on_timeout)
		text_append(&text, ", on timeout");
	if (node->edges[edge].has_delay)
		text_appendf(&text, ", after %s", delay_text(arena, &node->edges[edge].delay));
	if (node->edges[edge].reset)
		text_append(&text, ", reset");
	return text.data;
}

static bool
is_automatic(const MachineNode *node, int edge)
{
	return (node->kind == NODE_TIMER && edge == node->fire) ||
		edge == node->on_timeout || edge == node->on_exhausted ||
		edge == node->on_max_visits || edge == node->on_max_elapsed;
}

static const char *
dot_shape(const MachineNode *node)
{
	switch (node->kind)
	{
		case NODE_TASK:
			return "shape=box, style=rounded";
		case NODE_TIMER:
			return "shape=ellipse, style=dashed";
		case NODE_PARKED:
			return "shape=hexagon";
		case NODE_FINAL:
			return node->outcome == OUTCOME_FAILURE ?
				"shape=octagon, peripheries=2" : "shape=oval, peripheries=2";
	}
	return "shape=box";
}

const char *
machine_dot(Arena *arena, const Machine *machine)
{
	TextBuffer	text;

	text_init(&text, arena);
	text_appendf(&text, "digraph \"%s\" {\n", machine->id);
	text_append(&text, "  rankdir=LR;\n"
				"  node [fontname=\"Helvetica\"];\n"
				"  edge [fontname=\"Helvetica\", fontsize=10];\n"
				"  \"dfsmr.start\" [shape=point, label=\"\"];\n");
	for (int i = 0; i < machine->nnodes; i++)
	{
		const MachineNode *node = &machine->nodes[i];
		const char *remark = node_remark(arena, node);

		text_appendf(&text, "  \"%s\" [%s, label=\"%s%s%s\"];\n", node->name, dot_shape(node),
					 node->name, remark[0] != '\0' ? "\\n" : "", remark);
	}
	text_appendf(&text, "  \"dfsmr.start\" -> \"%s\";\n", machine->nodes[machine->start].name);
	for (int i = 0; i < machine->nnodes; i++)
	{
		const MachineNode *node = &machine->nodes[i];

		for (int j = 0; j < node->nedges; j++)
			text_appendf(&text, "  \"%s\" -> \"%s\" [label=\"%s\"%s];\n", node->name,
						 machine->nodes[node->edges[j].target].name,
						 edge_label(arena, node, j),
						 is_automatic(node, j) ? ", style=dashed" : "");
	}
	text_append(&text, "}\n");
	return text.data;
}

/*
 * Nodes are called n0, n1, ... in the Mermaid text, since names such as "end"
 * are words of that language.
 */
static void
append_mermaid_node(TextBuffer *text, const MachineNode *node, int index)
{
	const char *remark = node_remark(text->arena, node);
	const char *open = "[";
	const char *close = "]";

	switch (node->kind)
	{
		case NODE_TASK:
			break;
		case NODE_TIMER:
			open = "([";
			close = "])";
			break;
		case NODE_PARKED:
			open = "{{";
			close = "}}";
			break;
		case NODE_FINAL:
			open = "(((";
			close = ")))";
			break;
	}
	text_appendf(text, "  n%d%s\"%s%s%s\"%s\n", index, open, node->name,
				 remark[0] != '\0' ? "<br/>" : "", remark, close);
}

const char *
machine_mermaid(Arena *arena, const Machine *machine)
{
	TextBuffer	text;

	text_init(&text, arena);
	text_append(&text, "flowchart LR\n  start((\" \"))\n");
	for (int i = 0; i < machine->nnodes; i++)
		append_mermaid_node(&text, &machine->nodes[i], i);
	text_appendf(&text, "  start --> n%d\n", machine->start);
	for (int i = 0; i < machine->nnodes; i++)
	{
		const MachineNode *node = &machine->nodes[i];

		for (int j = 0; j < node->nedges; j++)
			text_appendf(&text, "  n%d %s|\"%s\"| n%d\n", i,
						 is_automatic(node, j) ? "-.->" : "-->",
						 edge_label(arena, node, j), node->edges[j].target);
	}
	return text.data;
}

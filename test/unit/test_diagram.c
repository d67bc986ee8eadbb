/*
 * test_diagram.c
 *	  Diagrams: every kind has its shape, every transition its label, and what
 *	  happens by itself is dashed.
 */
#include "tap.h"

#include "definition/definition.h"

#include <stddef.h>
#include <string.h>

static const char definition[] =
"id: crawler\n"
"nodes:\n"
"  crawl: {start: true, timeout: 30s, on_timeout: error, transitions: {ok: end, error: {to: wait, delay: 5s}}}\n"
"  wait:\n"
"    delay: {base: 30s, backoff: 2.5, max_delay: 1h}\n"
"    fire: ok\n"
"    max_visits: 8\n"
"    on_max_visits: give_up\n"
"    transitions: {ok: crawl, give_up: dead}\n"
"  dead: {await: signal, timeout: 24h, on_timeout: drop, transitions: {redrive: {to: crawl, reset: true}, drop: failed}}\n"
"  end: {final: true}\n"
"  failed: {final: true, outcome: failure}\n";

static const char dot[] =
"digraph \"crawler\" {\n"
"  rankdir=LR;\n"
"  node [fontname=\"Helvetica\"];\n"
"  edge [fontname=\"Helvetica\", fontsize=10];\n"
"  \"dfsmr.start\" [shape=point, label=\"\"];\n"
"  \"crawl\" [shape=box, style=rounded, label=\"crawl\\ntimeout 30s\"];\n"
"  \"wait\" [shape=ellipse, style=dashed, label=\"wait\\n30s x2.5 up to 1h\"];\n"
"  \"dead\" [shape=hexagon, label=\"dead\\nawaits a signal for 1d\"];\n"
"  \"end\" [shape=oval, peripheries=2, label=\"end\"];\n"
"  \"failed\" [shape=octagon, peripheries=2, label=\"failed\\nfailure\"];\n"
"  \"dfsmr.start\" -> \"crawl\";\n"
"  \"crawl\" -> \"wait\" [label=\"error, on timeout, after 5s\", style=dashed];\n"
"  \"crawl\" -> \"end\" [label=\"ok\"];\n"
"  \"wait\" -> \"dead\" [label=\"give_up, after 8 visits\", style=dashed];\n"
"  \"wait\" -> \"crawl\" [label=\"ok\", style=dashed];\n"
"  \"dead\" -> \"failed\" [label=\"drop, on timeout\", style=dashed];\n"
"  \"dead\" -> \"crawl\" [label=\"redrive, reset\"];\n"
"}\n";

static const char mermaid[] =
"flowchart LR\n"
"  start((\" \"))\n"
"  n0[\"crawl<br/>timeout 30s\"]\n"
"  n1([\"wait<br/>30s x2.5 up to 1h\"])\n"
"  n2{{\"dead<br/>awaits a signal for 1d\"}}\n"
"  n3(((\"end\")))\n"
"  n4(((\"failed<br/>failure\")))\n"
"  start --> n0\n"
"  n0 -.->|\"error, on timeout, after 5s\"| n1\n"
"  n0 -->|\"ok\"| n3\n"
"  n1 -.->|\"give_up, after 8 visits\"| n2\n"
"  n1 -.->|\"ok\"| n0\n"
"  n2 -.->|\"drop, on timeout\"| n4\n"
"  n2 -->|\"redrive, reset\"| n0\n";

void
test_diagram(void)
{
	Arena		arena;
	FaultList	faults;
	const Machine *machine;

	arena_init_malloc(&arena);
	fault_list_init(&faults, &arena);
	machine = definition_compile(&arena, &arena, definition, strlen(definition), &faults, NULL);
	tap_string(machine_dot(&arena, machine), dot, "diagram: for Graphviz");
	tap_string(machine_mermaid(&arena, machine), mermaid, "diagram: for Mermaid");
	arena_free(&arena);
}

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
"  crawl: {start: true, timeout: 30s, on_timeout: error, transitions: {ok: pay, error: {to: wait, delay: 5s}}}\n"
"  pay: {timeout: 0, transitions: {ok: post}}\n"
"  post:\n"
"    timeout: p99.5\n"
"    timeout_min: 10s\n"
"    timeout_max: 1h\n"
"    redeliver: {base: 1s, backoff: 2}\n"
"    max_attempts: 5\n"
"    on_exhausted: poison\n"
"    max_elapsed: 3d\n"
"    on_max_elapsed: late\n"
"    transitions: {ok: end, poison: dead, late: dead}\n"
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
"  \"pay\" [shape=box, style=rounded, label=\"pay\\nat most once\"];\n"
"  \"post\" [shape=box, style=rounded, label=\"post\\ntimeout p99.5, at least 10s, at most 1h, again after 1s x2\"];\n"
"  \"wait\" [shape=ellipse, style=dashed, label=\"wait\\n30s x2.5 up to 1h\"];\n"
"  \"dead\" [shape=hexagon, label=\"dead\\nawaits a signal for 1d\"];\n"
"  \"end\" [shape=oval, peripheries=2, label=\"end\"];\n"
"  \"failed\" [shape=octagon, peripheries=2, label=\"failed\\nfailure\"];\n"
"  \"dfsmr.start\" -> \"crawl\";\n"
"  \"crawl\" -> \"wait\" [label=\"error, on timeout, after 5s\", style=dashed];\n"
"  \"crawl\" -> \"pay\" [label=\"ok\"];\n"
"  \"pay\" -> \"post\" [label=\"ok\"];\n"
"  \"post\" -> \"dead\" [label=\"late, after 3d in all\", style=dashed];\n"
"  \"post\" -> \"end\" [label=\"ok\"];\n"
"  \"post\" -> \"dead\" [label=\"poison, after 5 attempts\", style=dashed];\n"
"  \"wait\" -> \"dead\" [label=\"give_up, after 8 visits\", style=dashed];\n"
"  \"wait\" -> \"crawl\" [label=\"ok\", style=dashed];\n"
"  \"dead\" -> \"failed\" [label=\"drop, on timeout\", style=dashed];\n"
"  \"dead\" -> \"crawl\" [label=\"redrive, reset\"];\n"
"}\n";

static const char mermaid[] =
"flowchart LR\n"
"  start((\" \"))\n"
"  n0[\"crawl<br/>timeout 30s\"]\n"
"  n1[\"pay<br/>at most once\"]\n"
"  n2[\"post<br/>timeout p99.5, at least 10s, at most 1h, again after 1s x2\"]\n"
"  n3([\"wait<br/>30s x2.5 up to 1h\"])\n"
"  n4{{\"dead<br/>awaits a signal for 1d\"}}\n"
"  n5(((\"end\")))\n"
"  n6(((\"failed<br/>failure\")))\n"
"  start --> n0\n"
"  n0 -.->|\"error, on timeout, after 5s\"| n3\n"
"  n0 -->|\"ok\"| n1\n"
"  n1 -->|\"ok\"| n2\n"
"  n2 -.->|\"late, after 3d in all\"| n4\n"
"  n2 -->|\"ok\"| n5\n"
"  n2 -.->|\"poison, after 5 attempts\"| n4\n"
"  n3 -.->|\"give_up, after 8 visits\"| n4\n"
"  n3 -.->|\"ok\"| n0\n"
"  n4 -.->|\"drop, on timeout\"| n6\n"
"  n4 -->|\"redrive, reset\"| n0\n";

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

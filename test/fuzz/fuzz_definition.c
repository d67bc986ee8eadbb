/*
 * fuzz_definition.c
 *	  libFuzzer target: any bytes as a definition.
 *
 * Beyond not crashing: a definition is refused with an error or becomes a
 * machine, never both; findings are sorted and have lines and messages in
 * valid UTF-8; what the machine refers to is there; its canonical form is a
 * definition with that same canonical form; diagrams can be drawn.
 */
#include "definition/definition.h"
#include "definition/duration.h"
#include "definition/yaml_reader.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition) \
	do { \
		if (!(condition)) \
		{ \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

static void
check_faults(const FaultList *faults)
{
	int			line = 1;

	for (int i = 0; i < faults->nfaults; i++)
	{
		const Fault *fault = &faults->faults[i];

		REQUIRE(fault->line >= line);
		REQUIRE(fault->message[0] != '\0');
		REQUIRE(strchr(fault->message, '\n') == NULL);
		line = fault->line;
	}
}

static void
check_edge(const MachineNode *node, int edge)
{
	REQUIRE(edge >= -1 && edge < node->nedges);
}

static void
check_node(const Machine *machine, int index)
{
	const MachineNode *node = &machine->nodes[index];

	REQUIRE(machine_find_node(machine, node->name) == index);
	REQUIRE(strlen(node->name) >= 1 && strlen(node->name) <= DFSMR_NAME_MAX);
	REQUIRE((node->kind == NODE_FINAL) == (node->nedges == 0));
	REQUIRE((node->kind == NODE_TIMER) == (node->fire >= 0));
	REQUIRE((node->max_visits > 0) == (node->on_max_visits >= 0));
	REQUIRE((node->max_attempts > 0) == (node->on_exhausted >= 0));
	REQUIRE((node->max_elapsed > 0) == (node->on_max_elapsed >= 0));
	REQUIRE(node->percentile > 0 && node->percentile <= 100);
	REQUIRE(node->timeout < 0 || (node->timeout_min < 0 && node->timeout_max < 0));
	REQUIRE(node->timeout_max < 0 || node->timeout_min <= node->timeout_max);
	REQUIRE(!node->at_most_once || node->timeout == 0 ||
			(node->timeout > 0 && node->on_timeout >= 0));
	REQUIRE(!node->at_most_once || (node->max_attempts == 0 && !node->has_redeliver));
	check_edge(node, node->fire);
	check_edge(node, node->on_timeout);
	check_edge(node, node->on_exhausted);
	check_edge(node, node->on_max_visits);
	check_edge(node, node->on_max_elapsed);
	for (int i = 0; i < node->nedges; i++)
	{
		const MachineEdge *edge = &node->edges[i];

		REQUIRE(edge->target >= 0 && edge->target < machine->nnodes);
		REQUIRE(machine_find_edge(node, edge->transition) == i);
		REQUIRE(machine_has_edge_to(node, edge->target));
		if (edge->has_delay)
			REQUIRE(delay_duration(&edge->delay, 1000000, 0.999) <= DURATION_MAX);
	}
	if (node->kind == NODE_TIMER)
		for (int visits = 0; visits < 100; visits += 7)
		{
			int64_t		duration = delay_duration(&node->delay, visits, 0.999);

			REQUIRE(duration >= 0 && duration <= DURATION_MAX);
		}
}

static void
check_machine(Arena *arena, const Machine *machine)
{
	const char *canonical = machine_canonical(arena, machine);
	FaultList	faults;
	const Machine *again;

	if (machine->has_breaker)
	{
		REQUIRE(machine->breaker.window > 0 && machine->breaker.min_attempts > 0);
		REQUIRE(machine->breaker.max_retry_ratio >= 0 && machine->breaker.max_retry_ratio <= 1);
		REQUIRE(machine->breaker.probe_rate > 0);
	}
	REQUIRE(machine->start >= 0 && machine->start < machine->nnodes);
	for (int i = 0; i < machine->nnodes; i++)
		check_node(machine, i);
	REQUIRE(strlen(machine_dot(arena, machine)) > 0);
	REQUIRE(strlen(machine_mermaid(arena, machine)) > 0);

	/* The canonical form is longer than what it was made from may have been. */
	if (strlen(canonical) > READER_MAX_BYTES)
		return;
	fault_list_init(&faults, arena);
	again = definition_compile(arena, arena, canonical, strlen(canonical), &faults, NULL);
	REQUIRE(again != NULL);
	REQUIRE(strcmp(machine_canonical(arena, again), canonical) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Arena		arena;
	FaultList	faults;
	const Machine *machine;

	arena_init_malloc(&arena);
	fault_list_init(&faults, &arena);
	machine = definition_compile(&arena, &arena, (const char *) data, size, &faults, NULL);
	REQUIRE((machine == NULL) == (faults.nerrors > 0));
	check_faults(&faults);
	if (machine != NULL)
		check_machine(&arena, machine);
	arena_free(&arena);
	return 0;
}

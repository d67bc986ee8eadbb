/*
 * test_hostile.c
 *	  Texts made to hurt are refused, or understood, in little time: depth that
 *	  libyaml would take seconds for, very many nodes, keys, slips and faults.
 */
#include "tap.h"

#include "definition/definition.h"
#include "definition/yaml_reader.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Generous: the tests run with sanitizers on busy machines. */
#define LIMIT_SECONDS 5.0

static void
compile(const char *name, const char *text, size_t len, bool accepted)
{
	Arena		arena;
	FaultList	faults;
	clock_t		started = clock();
	const Machine *machine;
	double		seconds;

	arena_init_malloc(&arena);
	fault_list_init(&faults, &arena);
	machine = definition_compile(&arena, &arena, text, len, &faults, NULL);
	seconds = (double) (clock() - started) / CLOCKS_PER_SEC;
	tap_ok((machine != NULL) == accepted, "hostile: %s is %s", name, accepted ? "accepted" : "refused");
	tap_ok(seconds < LIMIT_SECONDS, "hostile: %s takes little time", name);
	if (machine != NULL)
		machine_canonical(&arena, machine);
	arena_free(&arena);
}

/* One byte, or a few, over and over. */
static void
compile_repeated(const char *name, const char *unit, size_t bytes)
{
	Arena		arena;
	TextBuffer	text;

	arena_init_malloc(&arena);
	text_init(&text, &arena);
	while (text.len + strlen(unit) <= bytes)
		text_append(&text, unit);
	compile(name, text.data, text.len, false);
	arena_free(&arena);
}

/* A machine of n nodes, each written by the format with its own number, twice. */
static void
compile_nodes(const char *name, const char *head, const char *format, int n, bool accepted)
{
	Arena		arena;
	TextBuffer	text;

	arena_init_malloc(&arena);
	text_init(&text, &arena);
	text_append(&text, head);
	for (int i = 0; i < n; i++)
	{
		size_t		before = text.len;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		text_appendf(&text, format, i, i + 1);
#pragma GCC diagnostic pop
		if (text.len > READER_MAX_BYTES)
		{
			text.len = before;
			break;
		}
	}
	compile(name, text.data, text.len, accepted);
	arena_free(&arena);
}

void
test_hostile(void)
{
	compile_repeated("10 KB of [", "[", 10 * 1024);
	compile_repeated("256 KB of [", "[", READER_MAX_BYTES);
	compile_repeated("256 KB of {", "{", READER_MAX_BYTES);
	compile_repeated("256 KB of {a: ", "{a: ", READER_MAX_BYTES);
	compile_repeated("256 KB of \"- \"", "- ", READER_MAX_BYTES);
	compile_repeated("256 KB of \"? \"", "? ", READER_MAX_BYTES);
	compile_repeated("256 KB of \"a: \"", "a: ", READER_MAX_BYTES);
	compile_repeated("256 KB of !", "!", READER_MAX_BYTES);
	compile_repeated("256 KB of &a ", "&a ", READER_MAX_BYTES);
	compile_repeated("256 KB of a quote", "\"", READER_MAX_BYTES);
	compile_repeated("256 KB of comments", "#\n", READER_MAX_BYTES);
	compile_repeated("256 KB of documents", "---\n", READER_MAX_BYTES);
	compile_repeated("256 KB of one letter", "a", READER_MAX_BYTES);
	compile_repeated("256 KB of line ends", "\n", READER_MAX_BYTES);
	compile_repeated("1 MB", "a", 1024 * 1024);
	compile_repeated("256 KB of keys given again", "a:\n", READER_MAX_BYTES);

	compile_nodes("a chain of thousands of nodes",
				  "id: m\nendless: true\nnodes:\n  s: {start: true, transitions: {ok: n0}}\n",
				  "  n%d: {transitions: {ok: n%d}}\n", 4000, false);
	compile_nodes("thousands of unknown keys", "id: m\nnodes: {}\n", "kez%d%d: 1\n", 40000, false);
	compile_nodes("thousands of slips", "id: m\nnodes:\n",
				  "  nodename_nodename_nodename_nodename_%d: {transitions: {ok: nodename_nodename_nodename_nodename_x%d}}\n",
				  4000, false);
	compile_nodes("thousands of edges",
				  "id: m\nnodes:\n  b: {final: true}\n  a:\n    start: true\n    transitions:\n",
				  "      t%d_%d: b\n", 20000, true);
	compile_nodes("a cycle of thousands of nodes",
				  "id: m\nendless: true\nnodes:\n  n4000: {transitions: {ok: n0}}\n  s: {start: true, transitions: {ok: n0}}\n",
				  "  n%d: {transitions: {ok: n%d}}\n", 4000, true);
	compile_nodes("a spin of thousands of nodes",
				  "id: m\nendless: true\nnodes:\n  n4000: {delay: 0s, transitions: {ok: n0}}\n  s: {start: true, transitions: {ok: n0}}\n",
				  "  n%d: {delay: 0s, transitions: {ok: n%d}}\n", 4000, false);
}

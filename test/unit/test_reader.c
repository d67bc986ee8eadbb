/*
 * test_reader.c
 *	  The reader keeps scalars as written, knows its limits, refuses what is
 *	  not UTF-8, and can be left at any event without losing memory.
 */
#include "tap.h"

#include "definition/yaml_reader.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Reading
{
	Arena		arena;
	FaultList	faults;
	YamlValue  *value;
} Reading;

static void
begin(Reading *reading, const char *text, size_t len)
{
	arena_init_malloc(&reading->arena);
	fault_list_init(&reading->faults, &reading->arena);
	reading->value = yaml_read(&reading->arena, text, len, &reading->faults, NULL);
}

static const char *
first_message(const Reading *reading)
{
	return reading->faults.nfaults > 0 ? reading->faults.faults[0].message : "(none)";
}

static void
test_scalars(void)
{
	static const char text[] =
		"plain: on\n"
		"ratio: 1:30\n"
		"octal: 0o17\n"
		"tilde: ~\n"
		"empty:\n"
		"single: 'it''s'\n"
		"double: \"a\\tb\\u00e9\"\n"
		"folded: >\n  one\n  two\n"
		"list: [a, 'b']\n"
		"json: {\"k\":\"v\"}\n";
	static const struct
	{
		const char *key;
		const char *text;
		bool		is_quoted;
		int			line;
	}			wanted[] =
	{
		{"plain", "on", false, 1},
		{"ratio", "1:30", false, 2},
		{"octal", "0o17", false, 3},
		{"tilde", "~", false, 4},
		{"empty", "", false, 5},
		{"single", "it's", true, 6},
		{"double", "a\tb\xC3\xA9", true, 7},
		{"folded", "one two\n", true, 8},
	};
	Reading		reading;
	const Entry *entry;

	begin(&reading, text, sizeof(text) - 1);
	tap_ok(reading.value != NULL && reading.value->kind == VALUE_MAP, "reader: reads a mapping");
	entry = reading.value->entries;
	for (int i = 0; i < (int) (sizeof(wanted) / sizeof(wanted[0])); i++, entry = entry->next)
		tap_ok(strcmp(entry->key, wanted[i].key) == 0 && entry->line == wanted[i].line &&
			   strcmp(entry->value->text, wanted[i].text) == 0 &&
			   entry->value->is_quoted == wanted[i].is_quoted,
			   "reader: scalar \"%s\" stays as written", wanted[i].key);
	tap_ok(entry->value->kind == VALUE_LIST && entry->value->nentries == 2 &&
		   strcmp(entry->value->entries->next->value->text, "b") == 0, "reader: reads a list");
	entry = entry->next;
	tap_string(entry->value->entries->value->text, "v", "reader: reads JSON within YAML");
	arena_free(&reading.arena);
}

/* depth brackets and as many closing ones */
static void
nest(char *text, int depth)
{
	memset(text, '[', (size_t) depth);
	memset(text + depth, ']', (size_t) depth);
	text[2 * depth] = '\0';
}

static void
test_limits(void)
{
	Reading		reading;
	char		text[2 * READER_MAX_DEPTH + 3];
	char	   *large = malloc(READER_MAX_BYTES + 2);

	nest(text, READER_MAX_DEPTH);
	begin(&reading, text, strlen(text));
	tap_ok(reading.value != NULL && reading.faults.nfaults == 0, "reader: 32 levels are allowed");
	arena_free(&reading.arena);

	nest(text, READER_MAX_DEPTH + 1);
	begin(&reading, text, strlen(text));
	tap_ok(reading.value == NULL, "reader: 33 levels are not");
	tap_string(first_message(&reading),
			   "the definition is nested deeper than 32 levels: check the brackets and the indentation",
			   "reader: and it says so");
	arena_free(&reading.arena);

	memset(large, ' ', READER_MAX_BYTES + 1);
	large[0] = 'a';
	begin(&reading, large, READER_MAX_BYTES);
	tap_ok(reading.value != NULL, "reader: 256 KB are allowed");
	arena_free(&reading.arena);
	begin(&reading, large, READER_MAX_BYTES + 1);
	tap_string(first_message(&reading),
			   "the definition has 262145 bytes, and at most 262144 are allowed: shorten it or divide the machine",
			   "reader: one byte more is not");
	arena_free(&reading.arena);
	free(large);
}

static void
test_bytes(void)
{
	static const struct
	{
		const char *name;
		const char *bytes;
		size_t		len;
		bool		valid;
	}			cases[] =
	{
		{"two bytes", "a: \xC3\xA9", 5, true},
		{"four bytes", "a: \xF0\x9F\x98\x80", 7, true},
		{"byte order mark", "\xEF\xBB\xBF" "a: b", 7, true},
		{"lone continuation", "a: \x80", 4, false},
		{"cut short", "a: \xC3", 4, false},
		{"cut short by a letter", "a: \xE2\x82z", 6, false},
		{"overlong", "a: \xC0\xAF", 5, false},
		{"overlong, three bytes", "a: \xE0\x80\xAF", 6, false},
		{"surrogate", "a: \xED\xA0\x80", 6, false},
		{"beyond U+10FFFF", "a: \xF4\x90\x80\x80", 7, false},
		{"Latin-1", "a: \xE9t\xE9", 6, false},
		{"NUL", "a: \0b", 5, false},
		{"a control character", "a: \001", 4, false},
		{"UTF-16", "\xFF\xFE" "a\0", 4, false},
	};

	for (int i = 0; i < (int) (sizeof(cases) / sizeof(cases[0])); i++)
	{
		Reading		reading;

		begin(&reading, cases[i].bytes, cases[i].len);
		tap_ok((reading.value != NULL) == cases[i].valid &&
			   (reading.faults.nfaults == 0) == cases[i].valid,
			   "reader: %s is %s", cases[i].name, cases[i].valid ? "allowed" : "refused");
		arena_free(&reading.arena);
	}
	{
		Reading		reading;

		begin(&reading, "a: b\nc: \xE9\n", 10);
		tap_number(reading.faults.faults[0].line, 2, "reader: bad bytes have a line");
		arena_free(&reading.arena);
	}
}

static jmp_buf escape;
static int	events_left;

static void
count_down(void)
{
	if (--events_left < 0)
		longjmp(escape, 1);
}

/* Leave at each event in turn; a leak is found by the sanitizer. */
static void
test_interrupt(void)
{
	static const char text[] = "id: \"m\"\nnodes: {a: [x, {y: z}], b: \"long\\u263A\"}\n";
	volatile int left = 0;
	volatile bool finished = false;

	while (!finished && left < 100)
	{
		Arena		arena;
		FaultList	faults;

		arena_init_malloc(&arena);
		fault_list_init(&faults, &arena);
		events_left = left;
		if (setjmp(escape) == 0)
			finished = yaml_read(&arena, text, sizeof(text) - 1, &faults, count_down) != NULL;
		arena_free(&arena);
		left = left + 1;
	}
	tap_ok(finished && left > 15, "reader: the interrupt is called at every event and may leave");
}

void
test_reader(void)
{
	test_scalars();
	test_limits();
	test_bytes();
	test_interrupt();
}

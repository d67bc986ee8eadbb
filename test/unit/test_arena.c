/*
 * test_arena.c
 *	  What is allocated is zeroed, aligned and apart; freeing runs the
 *	  clean-ups, newest first; strings grow.
 */
#include "tap.h"

#include "definition/arena.h"

#include <stdint.h>
#include <string.h>

static char order[8];

static void
note_cleanup(void *arg)
{
	strncat(order, (const char *) arg, 1);
}

static void
test_memory(void)
{
	Arena		arena;
	bool		aligned = true;
	bool		zeroed = true;
	char	   *before = NULL;
	bool		apart = true;

	arena_init_malloc(&arena);
	for (size_t size = 0; size < 5000; size += 7)
	{
		char	   *memory = arena_alloc(&arena, size);

		aligned &= (uintptr_t) memory % 16 == 0;
		for (size_t i = 0; i < size; i++)
			zeroed &= memory[i] == 0;
		memset(memory, 'x', size);
		apart &= before == NULL || *before == 'x';
		before = size > 0 ? memory : NULL;
	}
	tap_ok(aligned, "arena: memory is aligned");
	tap_ok(zeroed, "arena: memory is zeroed");
	tap_ok(apart, "arena: allocations do not overlap");
	memset(arena_array(&arena, 1000, 1000), 1, 1000 * 1000);
	tap_ok(true, "arena: what is larger than a chunk fits as well");
	arena_at_free(&arena, note_cleanup, "a");
	arena_at_free(&arena, note_cleanup, "b");
	arena_free(&arena);
	tap_string(order, "ba", "arena: clean-ups run once, newest first");
	arena_free(&arena);
	tap_string(order, "ba", "arena: freeing again does nothing");
}

static void
test_text(void)
{
	Arena		arena;
	TextBuffer	text;

	arena_init_malloc(&arena);
	text_init(&text, &arena);
	tap_string(text.data, "", "text: begins empty and terminated");
	for (int i = 0; i < 1000; i++)
		text_appendf(&text, "%d,", i % 10);
	tap_number((long long) text.len, 2000, "text: grows");
	tap_string(text.data + 1990, "5,6,7,8,9,", "text: keeps what it has");
	text_appendn(&text, "abcdef", 3);
	tap_string(text.data + 2000, "abc", "text: takes a part of a string");
	tap_string(arena_printf(&arena, "%s-%d", "x", 7), "x-7", "arena: formats");
	tap_string(arena_strndup(&arena, "hello", 4), "hell", "arena: copies a part");
	arena_free(&arena);
}

void
test_arena(void)
{
	test_memory();
	test_text();
}

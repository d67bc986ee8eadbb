/*-------------------------------------------------------------------------
 *
 * arena.c
 *	  Memory that is given back all at once; see arena.h.
 *
 * A bump allocator: chunks double in size up to a limit, and what does not
 * fit a chunk gets one of its own.
 *
 *-------------------------------------------------------------------------
 */
#include "arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_MIN	1024
#define CHUNK_MAX	(64 * 1024)
#define ALIGNMENT	16
#define ALIGNED(n)	(((n) + (ALIGNMENT - 1)) & ~((size_t) ALIGNMENT - 1))

struct ArenaChunk
{
	ArenaChunk *older;
	size_t		size;			/* of the space behind this header */
};

struct ArenaCleanup
{
	ArenaCleanup *older;
	void		(*function) (void *arg);
	void	   *arg;
};

#define CHUNK_HEADER ALIGNED(sizeof(ArenaChunk))

static void *
malloc_or_die(void *owner, size_t size)
{
	void	   *memory = malloc(size);

	(void) owner;
	if (memory == NULL)
	{
		fputs("out of memory\n", stderr);
		abort();
	}
	return memory;
}

static void
release_malloc(void *owner, void *memory)
{
	(void) owner;
	free(memory);
}

void
arena_init(Arena *arena, ArenaAllocate allocate, ArenaRelease release, void *owner)
{
	memset(arena, 0, sizeof(*arena));
	arena->allocate = allocate;
	arena->release = release;
	arena->owner = owner;
}

void
arena_init_malloc(Arena *arena)
{
	arena_init(arena, malloc_or_die, release_malloc, NULL);
}

void
arena_free(Arena *arena)
{
	/* Unhook before each call, so that none is made twice. */
	while (arena->cleanups != NULL)
	{
		ArenaCleanup *cleanup = arena->cleanups;

		arena->cleanups = cleanup->older;
		cleanup->function(cleanup->arg);
	}
	while (arena->chunks != NULL)
	{
		ArenaChunk *chunk = arena->chunks;

		arena->chunks = chunk->older;
		arena->release(arena->owner, chunk);
	}
	arena->next = NULL;
	arena->left = 0;
}

/* Add a chunk with room for size bytes and make it the current one. */
static void
add_chunk(Arena *arena, size_t size)
{
	size_t		wanted = arena->chunks == NULL ? CHUNK_MIN : arena->chunks->size * 2;
	ArenaChunk *chunk;

	if (wanted > CHUNK_MAX)
		wanted = CHUNK_MAX;
	if (wanted < size)
		wanted = size;
	chunk = arena->allocate(arena->owner, CHUNK_HEADER + wanted);
	chunk->older = arena->chunks;
	chunk->size = wanted;
	arena->chunks = chunk;
	arena->next = (char *) chunk + CHUNK_HEADER;
	arena->left = wanted;
}

void *
arena_alloc(Arena *arena, size_t size)
{
	void	   *memory;

	if (size > SIZE_MAX / 4)
		abort();
	size = ALIGNED(size == 0 ? 1 : size);
	if (size > arena->left)
		add_chunk(arena, size);
	memory = arena->next;
	arena->next += size;
	arena->left -= size;
	return memset(memory, 0, size);
}

void *
arena_array(Arena *arena, size_t count, size_t size)
{
	if (size != 0 && count > SIZE_MAX / 4 / size)
		abort();
	return arena_alloc(arena, count * size);
}

void
arena_at_free(Arena *arena, void (*function) (void *arg), void *arg)
{
	ArenaCleanup *cleanup = arena_alloc(arena, sizeof(ArenaCleanup));

	cleanup->function = function;
	cleanup->arg = arg;
	cleanup->older = arena->cleanups;
	arena->cleanups = cleanup;
}

char *
arena_strndup(Arena *arena, const char *string, size_t len)
{
	char	   *copy = arena_alloc(arena, len + 1);

	memcpy(copy, string, len);
	return copy;
}

char *
arena_strdup(Arena *arena, const char *string)
{
	return arena_strndup(arena, string, strlen(string));
}

char *
arena_vprintf(Arena *arena, const char *format, va_list args)
{
	va_list		copy;
	int			len;
	char	   *string;

	va_copy(copy, args);
	len = vsnprintf(NULL, 0, format, copy);
	va_end(copy);
	if (len < 0)
		abort();
	string = arena_alloc(arena, (size_t) len + 1);
	vsnprintf(string, (size_t) len + 1, format, args);
	return string;
}

char *
arena_printf(Arena *arena, const char *format,...)
{
	va_list		args;
	char	   *string;

	va_start(args, format);
	string = arena_vprintf(arena, format, args);
	va_end(args);
	return string;
}

void
text_init(TextBuffer *text, Arena *arena)
{
	text->arena = arena;
	text->len = 0;
	text->size = 128;
	text->data = arena_alloc(arena, text->size);
}

void
text_appendn(TextBuffer *text, const char *string, size_t len)
{
	if (len >= text->size - text->len)
	{
		size_t		size = text->size;
		char	   *data;

		while (len >= size - text->len)
			size *= 2;
		data = arena_alloc(text->arena, size);
		memcpy(data, text->data, text->len);
		text->data = data;
		text->size = size;
	}
	memcpy(text->data + text->len, string, len);
	text->len += len;
	text->data[text->len] = '\0';
}

void
text_append(TextBuffer *text, const char *string)
{
	text_appendn(text, string, strlen(string));
}

void
text_appendf(TextBuffer *text, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	text_append(text, arena_vprintf(text->arena, format, args));
	va_end(args);
}

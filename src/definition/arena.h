/*-------------------------------------------------------------------------
 *
 * arena.h
 *	  Memory that is given back all at once.
 *
 * What is read from a definition lives in an Arena, so that code that knows
 * no server can be left at any point by a longjmp: whoever owns the Arena
 * frees it, and with it everything that hangs on it, also what libraries have
 * allocated (see arena_at_free()).
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_ARENA_H
#define DFSMR_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __GNUC__
#define arena_printf_like(f, a) __attribute__((format(printf, f, a)))
#else
#define arena_printf_like(f, a)
#endif

typedef struct ArenaChunk ArenaChunk;
typedef struct ArenaCleanup ArenaCleanup;

/* Must not return NULL: it leaves by other means when memory is out. */
typedef void *(*ArenaAllocate) (void *owner, size_t size);
typedef void (*ArenaRelease) (void *owner, void *memory);

typedef struct Arena
{
	ArenaAllocate allocate;
	ArenaRelease release;
	void	   *owner;			/* passed to both */
	ArenaChunk *chunks;
	char	   *next;			/* free space of the newest chunk */
	size_t		left;
	ArenaCleanup *cleanups;		/* newest first */
} Arena;

/* Begin an arena that takes its memory from these two functions. */
extern void arena_init(Arena *arena, ArenaAllocate allocate, ArenaRelease release, void *owner);

/* Begin an arena on malloc(), for programs: memory that is out ends them. */
extern void arena_init_malloc(Arena *arena);

/* Run the clean-ups, newest first, and give all memory back. */
extern void arena_free(Arena *arena);

/* Zeroed memory, aligned for anything. */
extern void *arena_alloc(Arena *arena, size_t size);

/* The same for an array; the product must not overflow. */
extern void *arena_array(Arena *arena, size_t count, size_t size);

/* Have arena_free() call this. */
extern void arena_at_free(Arena *arena, void (*cleanup) (void *arg), void *arg);

/* Copies. */
extern char *arena_strdup(Arena *arena, const char *string);
extern char *arena_strndup(Arena *arena, const char *string, size_t len);
extern char *arena_printf(Arena *arena, const char *format,...) arena_printf_like(2, 3);
extern char *arena_vprintf(Arena *arena, const char *format, va_list args) arena_printf_like(2, 0);

/* A string that grows within an arena; data is always terminated. */
typedef struct TextBuffer
{
	Arena	   *arena;
	char	   *data;
	size_t		len;
	size_t		size;
} TextBuffer;

extern void text_init(TextBuffer *text, Arena *arena);
extern void text_append(TextBuffer *text, const char *string);
extern void text_appendn(TextBuffer *text, const char *string, size_t len);
extern void text_appendf(TextBuffer *text, const char *format,...) arena_printf_like(2, 3);

#endif							/* DFSMR_ARENA_H */

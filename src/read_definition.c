/*-------------------------------------------------------------------------
 *
 * read_definition.c
 *	  Definitions in the server; see read_definition.h.
 *
 *-------------------------------------------------------------------------
 */
#include "read_definition.h"

#include "definition/yaml_reader.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/memutils.h"

static void *
allocate_in_context(void *owner, size_t size)
{
	return MemoryContextAllocHuge((MemoryContext) owner, size);
}

/* Chunks go with their context. */
static void
release_to_context(void *owner, void *memory)
{
}

static void
free_arena(void *arg)
{
	arena_free((Arena *) arg);
}

Arena *
arena_in_context(MemoryContext context)
{
	Arena	   *arena = MemoryContextAlloc(context, sizeof(Arena));
	MemoryContextCallback *callback = MemoryContextAlloc(context, sizeof(MemoryContextCallback));

	arena_init(arena, allocate_in_context, release_to_context, context);
	callback->func = free_arena;
	callback->arg = arena;
	MemoryContextRegisterResetCallback(context, callback);
	return arena;
}

static void
interrupt(void)
{
	CHECK_FOR_INTERRUPTS();
}

/*
 * A message of the reader, which speaks UTF-8.  A database of another encoding
 * might have no such character (an escape like \u263A can name any), and a
 * fault must not become an error of conversion: show a question mark then.
 */
static char *
message_to_server(const char *message)
{
	char	   *result = pstrdup(message);
	char	   *to = result;

	if (GetDatabaseEncoding() == PG_UTF8)
		return result;
	for (const char *from = message; *from != '\0'; from++)
	{
		if (!IS_HIGHBIT_SET(*from))
			*to++ = *from;
		else if ((*from & 0xC0) != 0x80)	/* the first byte of a character */
			*to++ = '?';
	}
	*to = '\0';
	return result;
}

const Machine *
read_definition(const text *definition, MemoryContext target, FaultList *faults)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext scratch = AllocSetContextCreate(caller, "dfsmr definition", ALLOCSET_DEFAULT_SIZES);
	Arena	   *arena = arena_in_context(scratch);
	FaultList	found;
	const char *given = VARDATA_ANY(definition);
	int			len = VARSIZE_ANY_EXHDR(definition);
	const char *utf8 = given;
	const Machine *machine;

	MemoryContextSwitchTo(scratch);

	/*
	 * The bytes of an SQL_ASCII database are taken as UTF-8; the reader says
	 * where they are not.  What is too long anyway is not worth converting.
	 */
	if (GetDatabaseEncoding() != PG_UTF8 && GetDatabaseEncoding() != PG_SQL_ASCII &&
		len <= READER_MAX_BYTES)
	{
		utf8 = pg_server_to_any(given, len, PG_UTF8);
		if (utf8 != given)
			len = strlen(utf8);
	}
	fault_list_init(&found, arena);
	machine = definition_compile(arena, arena_in_context(target), utf8, len, &found, interrupt);

	MemoryContextSwitchTo(caller);
	*faults = found;
	faults->arena = NULL;
	faults->size = found.nfaults;
	faults->faults = NULL;
	if (found.nfaults > 0)
	{
		faults->faults = palloc(found.nfaults * sizeof(Fault));
		for (int i = 0; i < found.nfaults; i++)
		{
			faults->faults[i] = found.faults[i];
			faults->faults[i].place = message_to_server(found.faults[i].place);
			faults->faults[i].message = message_to_server(found.faults[i].message);
		}
	}
	MemoryContextDelete(scratch);
	return machine;
}

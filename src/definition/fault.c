/*-------------------------------------------------------------------------
 *
 * fault.c
 *	  What is wrong with a definition; see fault.h.
 *
 *-------------------------------------------------------------------------
 */
#include "fault.h"

#include <stdlib.h>
#include <string.h>

/* How much of an author's string a message shows, in bytes. */
#define SHOWN_MAX 64

void
fault_list_init(FaultList *list, Arena *arena)
{
	memset(list, 0, sizeof(*list));
	list->arena = arena;
}

/*
 * Append the string as a message may show it.  The cut never divides a UTF-8
 * sequence, since the result may have to be converted to another encoding.
 */
static void
append_shown(TextBuffer *text, const char *string)
{
	size_t		len = strlen(string);
	bool		cut = len > SHOWN_MAX;
	size_t		start = text->len;

	if (cut)
	{
		len = SHOWN_MAX;
		while (len > 0 && ((unsigned char) string[len] & 0xC0) == 0x80)
			len--;
	}
	text_appendn(text, string, len);
	for (size_t i = start; i < text->len; i++)
	{
		unsigned char c = (unsigned char) text->data[i];

		if (c < 0x20 || c == 0x7F)
			text->data[i] = '?';
	}
	if (cut)
		text_append(text, "...");
}

const char *
quoted(Arena *arena, const char *string)
{
	TextBuffer	text;

	text_init(&text, arena);
	text_append(&text, "\"");
	append_shown(&text, string);
	text_append(&text, "\"");
	return text.data;
}

static void
append_place(TextBuffer *text, const Place *place)
{
	if (place->up != NULL)
	{
		append_place(text, place->up);
		text_append(text, ".");
	}
	append_shown(text, place->key);
}

void
fault_add(FaultList *list, Severity severity, int line, const Place *place,
		  const char *format,...)
{
	Fault	   *fault;
	TextBuffer	text;
	va_list		args;

	if (list->nfaults == list->size)
	{
		int			size = list->size == 0 ? 16 : list->size * 2;
		Fault	   *faults = arena_array(list->arena, (size_t) size, sizeof(Fault));

		if (list->nfaults > 0)
			memcpy(faults, list->faults, (size_t) list->nfaults * sizeof(Fault));
		list->faults = faults;
		list->size = size;
	}

	text_init(&text, list->arena);
	if (place != NULL)
		append_place(&text, place);

	fault = &list->faults[list->nfaults];
	fault->severity = severity;
	fault->line = line;
	fault->place = text.data;
	va_start(args, format);
	fault->message = arena_vprintf(list->arena, format, args);
	va_end(args);
	list->nfaults++;
	if (severity == SEVERITY_ERROR)
		list->nerrors++;
}

/* Merge sort: stable, and without recursion or bad cases. */
void
fault_list_sort(FaultList *list)
{
	Fault	   *from = list->faults;
	Fault	   *to;
	int			n = list->nfaults;

	if (n < 2)
		return;
	to = arena_array(list->arena, (size_t) list->size, sizeof(Fault));
	for (int width = 1; width < n; width = width > n / 2 ? n : width * 2)
	{
		Fault	   *swap = from;

		for (int left = 0; left < n; left += 2 * width)
		{
			int			middle = left + width < n ? left + width : n;
			int			right = middle + width < n ? middle + width : n;
			int			i = left;
			int			j = middle;

			for (int k = left; k < right; k++)
			{
				if (i < middle && (j >= right || from[i].line <= from[j].line))
					to[k] = from[i++];
				else
					to[k] = from[j++];
			}
		}
		from = to;
		to = swap;
	}
	list->faults = from;
}

const char *
severity_name(Severity severity)
{
	return severity == SEVERITY_ERROR ? "error" : "warning";
}

/*-------------------------------------------------------------------------
 *
 * yaml_reader.c
 *	  From YAML or JSON text to a tree of values; see yaml_reader.h.
 *
 * Built on libyaml's events, since they never expand an alias and let us look
 * at every step.  libyaml has no limit of depth, and its work grows with the
 * square of it, so depth is judged at each event before the parser goes on.
 *
 * JSON is read as the YAML that it is.
 *
 *-------------------------------------------------------------------------
 */
#include "yaml_reader.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* What libyaml makes of "!!". */
#define STANDARD_TAG "tag:yaml.org,2002:"

typedef struct Reader
{
	Arena	   *arena;
	FaultList  *faults;
	void		(*interrupt) (void);
	const char *string;
	size_t		len;
	yaml_parser_t parser;
	bool		has_parser;
	yaml_event_t event;			/* the current one */
	bool		has_event;
	int			depth;
} Reader;

static YamlValue *read_value(Reader *reader, const Place *place);

/* What libyaml has allocated with malloc(), given back with the arena. */
static void
reader_cleanup(void *arg)
{
	Reader	   *reader = arg;

	if (reader->has_event)
		yaml_event_delete(&reader->event);
	reader->has_event = false;
	if (reader->has_parser)
		yaml_parser_delete(&reader->parser);
	reader->has_parser = false;
}

static int
event_line(const Reader *reader)
{
	return (int) reader->event.start_mark.line + 1;
}

/*
 * The line of a mark.  At the end of a text whose last line is not ended,
 * libyaml points to a line that is not there.
 */
static int
mark_line(const Reader *reader, const yaml_mark_t *mark)
{
	size_t		lines = 0;

	for (size_t i = 0; i < reader->len; i++)
		if (reader->string[i] == '\n' || i == reader->len - 1)
			lines++;
	return (int) (mark->line < lines ? mark->line : lines > 0 ? lines - 1 : 0) + 1;
}

/* Has this line a tab before its text? */
static bool
is_indented_by_tab(const Reader *reader, int line)
{
	const char *c = reader->string;
	const char *end = reader->string + reader->len;

	for (; line > 1 && c != NULL; line--)
	{
		c = memchr(c, '\n', (size_t) (end - c));
		if (c != NULL)
			c++;
	}
	for (; c != NULL && c < end && (*c == ' ' || *c == '\t'); c++)
		if (*c == '\t')
			return true;
	return false;
}

/* Tell what libyaml could not read, in its words plus what usually helps. */
static void
report_syntax(Reader *reader)
{
	const yaml_parser_t *parser = &reader->parser;
	const char *problem = parser->problem != NULL ? parser->problem : "unreadable text";
	const char *advice = "check indentation, colons, quotes and brackets near this line";
	int			line = mark_line(reader, &parser->problem_mark);
	const char *context = "";

	if (parser->error == YAML_MEMORY_ERROR)
	{
		fault_add(reader->faults, SEVERITY_ERROR, line, NULL, "out of memory: try again");
		return;
	}
	if (is_indented_by_tab(reader, line))
		advice = "indent with spaces instead of tabs";
	else if (strstr(problem, "document start") != NULL)
		advice = "remove what follows the end of the definition";
	if (parser->context != NULL && strstr(parser->context, "next token") == NULL)
		context = arena_printf(reader->arena, " %s that begins in line %d",
							   parser->context, (int) parser->context_mark.line + 1);
	fault_add(reader->faults, SEVERITY_ERROR, line, NULL,
			  "syntax error%s: %s; %s", context, problem, advice);
}

/* Step to the next event.  False at a syntax error, which is reported. */
static bool
next_event(Reader *reader)
{
	if (reader->interrupt != NULL)
		reader->interrupt();
	if (reader->has_event)
		yaml_event_delete(&reader->event);
	reader->has_event = false;
	if (!yaml_parser_parse(&reader->parser, &reader->event))
	{
		report_syntax(reader);
		return false;
	}
	reader->has_event = true;
	return true;
}

/* Report anchors and tags: they would make a text mean what it does not show. */
static void
refuse_properties(Reader *reader, const Place *place, const yaml_char_t *anchor,
				  const yaml_char_t *tag)
{
	if (anchor != NULL)
		fault_add(reader->faults, SEVERITY_ERROR, event_line(reader), place,
				  "anchors are not allowed: remove &%s and write the value out where it is needed",
				  (const char *) arena_strndup(reader->arena, (const char *) anchor,
											   strnlen((const char *) anchor, 63)));
	if (tag != NULL)
	{
		const char *name = (const char *) tag;
		bool		is_standard = strncmp(name, STANDARD_TAG, strlen(STANDARD_TAG)) == 0;

		fault_add(reader->faults, SEVERITY_ERROR, event_line(reader), place,
				  "tags are not allowed: remove %s",
				  quoted(reader->arena, is_standard ?
						 arena_printf(reader->arena, "!!%s", name + strlen(STANDARD_TAG)) : name));
	}
}

/* Copy the current scalar.  NULL, and reported, if C could not hold it. */
static const char *
scalar_text(Reader *reader, const Place *place)
{
	const char *value = (const char *) reader->event.data.scalar.value;
	size_t		length = reader->event.data.scalar.length;

	if (memchr(value, '\0', length) != NULL)
	{
		fault_add(reader->faults, SEVERITY_ERROR, event_line(reader), place,
				  "a text must not contain the character NUL: remove the \\0");
		return NULL;
	}
	return arena_strndup(reader->arena, value, length);
}

static void
append_entry(YamlValue *value, Entry **last, Entry *entry)
{
	if (*last == NULL)
		value->entries = entry;
	else
		(*last)->next = entry;
	*last = entry;
	value->nentries++;
}

typedef struct KeyPosition
{
	Entry	   *entry;
	int			position;
} KeyPosition;

static int
compare_keys(const void *a, const void *b)
{
	const KeyPosition *left = a;
	const KeyPosition *right = b;
	int			order = strcmp(left->entry->key, right->entry->key);

	return order != 0 ? order : left->position - right->position;
}

/* Mark and report the keys of a map that were given before. */
static void
find_duplicates(Reader *reader, YamlValue *map, const Place *place)
{
	KeyPosition *keys;
	int			n = 0;
	int			first = 0;

	if (map->nentries < 2)
		return;
	keys = arena_array(reader->arena, (size_t) map->nentries, sizeof(KeyPosition));
	for (Entry *entry = map->entries; entry != NULL; entry = entry->next)
	{
		keys[n].entry = entry;
		keys[n].position = n;
		n++;
	}
	qsort(keys, (size_t) n, sizeof(KeyPosition), compare_keys);
	for (int i = 1; i < n; i++)
	{
		Entry	   *entry = keys[i].entry;
		Place		here = {place, entry->key};

		if (strcmp(keys[first].entry->key, entry->key) != 0)
		{
			first = i;
			continue;
		}
		entry->is_duplicate = true;
		fault_add(reader->faults, SEVERITY_ERROR, entry->line, &here,
				  "%s is given twice: it stands in line %d already; remove or rename one of them",
				  quoted(reader->arena, entry->key), keys[first].entry->line);
	}
}

/*
 * Read the rest of a list or map whose start is the current event.  False
 * when reading cannot go on.
 */
static bool
read_entries(Reader *reader, YamlValue *value, const Place *place)
{
	yaml_event_type_t end = value->kind == VALUE_MAP ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
	Entry	   *last = NULL;

	for (;;)
	{
		Entry	   *entry;
		Place		here = {place, "?"};

		if (!next_event(reader))
			return false;
		if (reader->event.type == end)
			break;
		entry = arena_alloc(reader->arena, sizeof(Entry));
		entry->line = event_line(reader);
		if (value->kind == VALUE_LIST)
			here.key = arena_printf(reader->arena, "%d", value->nentries + 1);
		else
		{
			YamlValue  *key = read_value(reader, &here);

			if (key == NULL)
				return false;
			if (key->kind == VALUE_LIST || key->kind == VALUE_MAP)
				fault_add(reader->faults, SEVERITY_ERROR, key->line, place,
						  "a list or a mapping cannot be a key: write a name before the colon");
			if (key->kind == VALUE_SCALAR)
				entry->key = here.key = key->text;
			if (!next_event(reader))
				return false;
		}
		entry->value = read_value(reader, &here);
		if (entry->value == NULL)
			return false;
		/* What has no usable key is reported; nobody can ask for it. */
		if (value->kind == VALUE_LIST || entry->key != NULL)
			append_entry(value, &last, entry);
		else
			value->is_incomplete = true;
	}
	if (value->kind == VALUE_MAP)
		find_duplicates(reader, value, place);
	return true;
}

/*
 * Read the value that begins with the current event.  NULL when reading
 * cannot go on; the reason is reported.
 */
static YamlValue *
read_value(Reader *reader, const Place *place)
{
	const yaml_event_t *event = &reader->event;
	YamlValue  *value = arena_alloc(reader->arena, sizeof(YamlValue));

	value->line = event_line(reader);
	switch (event->type)
	{
		case YAML_SCALAR_EVENT:
			refuse_properties(reader, place, event->data.scalar.anchor, event->data.scalar.tag);
			value->text = scalar_text(reader, place);
			value->kind = value->text != NULL ? VALUE_SCALAR : VALUE_INVALID;
			value->is_quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
			return value;

		case YAML_ALIAS_EVENT:
			fault_add(reader->faults, SEVERITY_ERROR, value->line, place,
					  "aliases are not allowed: write the value out, or put *%s in quotes if it is a text",
					  (const char *) arena_strndup(reader->arena,
												   (const char *) event->data.alias.anchor,
												   strnlen((const char *) event->data.alias.anchor, 63)));
			value->kind = VALUE_INVALID;
			return value;

		case YAML_SEQUENCE_START_EVENT:
			refuse_properties(reader, place, event->data.sequence_start.anchor,
							  event->data.sequence_start.tag);
			value->kind = VALUE_LIST;
			break;

		case YAML_MAPPING_START_EVENT:
			refuse_properties(reader, place, event->data.mapping_start.anchor,
							  event->data.mapping_start.tag);
			value->kind = VALUE_MAP;
			break;

		default:
			/* libyaml promises a value here. */
			fault_add(reader->faults, SEVERITY_ERROR, value->line, place,
					  "syntax error: a value is missing");
			return NULL;
	}

	/* Judged before the parser goes on. */
	if (++reader->depth > READER_MAX_DEPTH)
	{
		fault_add(reader->faults, SEVERITY_ERROR, value->line, NULL,
				  "the definition is nested deeper than %d levels: check the brackets and the indentation",
				  READER_MAX_DEPTH);
		return NULL;
	}
	if (!read_entries(reader, value, place))
		return NULL;
	reader->depth--;
	return value;
}

/* The line of the first byte that is no UTF-8, 0 when there is none. */
static int
invalid_utf8_line(const char *string, size_t len)
{
	const unsigned char *s = (const unsigned char *) string;
	int			line = 1;

	for (size_t i = 0; i < len;)
	{
		unsigned char c = s[i];
		size_t		follow = c < 0x80 ? 0 : c < 0xE0 ? 1 : c < 0xF0 ? 2 : 3;

		if ((c >= 0x80 && c < 0xC2) || c > 0xF4 || follow >= len - i)
			return line;
		for (size_t k = 1; k <= follow; k++)
			if ((s[i + k] & 0xC0) != 0x80)
				return line;
		/* Overlong forms, surrogates, and what lies beyond U+10FFFF. */
		if ((c == 0xE0 && s[i + 1] < 0xA0) || (c == 0xED && s[i + 1] > 0x9F) ||
			(c == 0xF0 && s[i + 1] < 0x90) || (c == 0xF4 && s[i + 1] > 0x8F))
			return line;
		if (c == '\n')
			line++;
		i += follow + 1;
	}
	return 0;
}

/* Look at the bytes before a parser does.  False, and reported, if unfit. */
static bool
check_bytes(Reader *reader)
{
	const char *nul;
	int			line;

	if (reader->len > READER_MAX_BYTES)
	{
		fault_add(reader->faults, SEVERITY_ERROR, 1, NULL,
				  "the definition has %zu bytes, and at most %d are allowed: shorten it or divide the machine",
				  reader->len, READER_MAX_BYTES);
		return false;
	}
	nul = memchr(reader->string, '\0', reader->len);
	if (nul != NULL)
	{
		line = 1;
		for (const char *c = reader->string; c < nul; c++)
			line += *c == '\n';
		fault_add(reader->faults, SEVERITY_ERROR, line, NULL,
				  "the definition contains the character NUL: remove it");
		return false;
	}
	line = invalid_utf8_line(reader->string, reader->len);
	if (line != 0)
	{
		fault_add(reader->faults, SEVERITY_ERROR, line, NULL,
				  "the definition is not valid UTF-8 from this line on: save it as UTF-8");
		return false;
	}
	return true;
}

/* Read the one document.  NULL when there is nothing to work on. */
static YamlValue *
read_document(Reader *reader)
{
	YamlValue  *value;

	if (!next_event(reader))	/* the start of the stream */
		return NULL;
	if (!next_event(reader))	/* of the document, if there is any */
		return NULL;
	if (reader->event.type == YAML_STREAM_END_EVENT)
	{
		fault_add(reader->faults, SEVERITY_ERROR, 1, NULL,
				  "the definition is empty: begin with \"id: NAME\" and \"nodes:\"");
		return NULL;
	}
	if (!next_event(reader))
		return NULL;
	value = read_value(reader, NULL);
	if (value == NULL || !next_event(reader))	/* the end of the document */
		return NULL;
	if (!next_event(reader))
		return NULL;
	if (reader->event.type != YAML_STREAM_END_EVENT)
	{
		fault_add(reader->faults, SEVERITY_ERROR, event_line(reader), NULL,
				  "a second document begins here: define each machine by a text of its own");
		return NULL;
	}
	return value;
}

YamlValue *
yaml_read(Arena *arena, const char *string, size_t len, FaultList *faults,
		  void (*interrupt) (void))
{
	Reader	   *reader = arena_alloc(arena, sizeof(Reader));
	YamlValue  *value;

	reader->arena = arena;
	reader->faults = faults;
	reader->interrupt = interrupt;
	reader->string = string;
	reader->len = len;
	if (!check_bytes(reader))
		return NULL;

	arena_at_free(arena, reader_cleanup, reader);
	if (!yaml_parser_initialize(&reader->parser))
	{
		fault_add(faults, SEVERITY_ERROR, 1, NULL, "out of memory: try again");
		return NULL;
	}
	reader->has_parser = true;
	yaml_parser_set_encoding(&reader->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&reader->parser, (const unsigned char *) string, len);
	value = read_document(reader);
	reader_cleanup(reader);
	return value;
}

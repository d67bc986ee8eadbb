/*
 * test_findings.c
 *	  Every check says what it should, at the right line and place: the cases
 *	  are in findings.txt.  What is accepted must also survive the way through
 *	  its canonical form.
 */
#include "tap.h"

#include "definition/definition.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Case
{
	char	   *name;
	char	   *definition;
	char	   *findings;
} Case;

static char *
read_file(Arena *arena, const char *path)
{
	FILE	   *file = fopen(path, "r");
	TextBuffer	text;
	char		block[4096];
	size_t		n;

	if (file == NULL)
	{
		perror(path);
		exit(2);
	}
	text_init(&text, arena);
	while ((n = fread(block, 1, sizeof(block), file)) > 0)
		text_appendn(&text, block, n);
	fclose(file);
	return text.data;
}

/* Cut the next line off; NULL at the end. */
static char *
next_line(char **rest)
{
	char	   *line = *rest;
	char	   *end;

	if (*line == '\0')
		return NULL;
	end = strchr(line, '\n');
	if (end == NULL)
		*rest = line + strlen(line);
	else
	{
		*end = '\0';
		*rest = end + 1;
	}
	return line;
}

/* The next case, or false.  Lines before the first heading are a comment. */
static bool
next_case(Arena *arena, char **rest, Case *result)
{
	TextBuffer	definition;
	TextBuffer	findings;
	TextBuffer *part = &definition;
	char	   *line;

	do
	{
		line = next_line(rest);
		if (line == NULL)
			return false;
	} while (strncmp(line, "== ", 3) != 0);
	result->name = line + 3;
	text_init(&definition, arena);
	text_init(&findings, arena);
	while (strncmp(*rest, "== ", 3) != 0 && (line = next_line(rest)) != NULL)
	{
		if (strcmp(line, "--") == 0)
			part = &findings;
		else if (part == &definition || line[0] != '\0')
			text_appendf(part, "%s\n", line);
	}
	result->definition = definition.data;
	result->findings = findings.data;
	return true;
}

/* The findings as the file has them; also proves what is accepted. */
static char *
findings_of(Arena *arena, const char *definition, Machine **machine)
{
	FaultList	faults;
	TextBuffer	text;

	fault_list_init(&faults, arena);
	*machine = definition_compile(arena, arena, definition, strlen(definition), &faults, NULL);
	text_init(&text, arena);
	for (int i = 0; i < faults.nfaults; i++)
		text_appendf(&text, "%s %d %s %s\n", severity_name(faults.faults[i].severity),
					 faults.faults[i].line,
					 faults.faults[i].place[0] != '\0' ? faults.faults[i].place : "-",
					 faults.faults[i].message);
	return text.data;
}

void
test_findings(const char *file)
{
	Arena		arena;
	char	   *rest;
	Case		one;

	arena_init_malloc(&arena);
	rest = read_file(&arena, file);
	while (next_case(&arena, &rest, &one))
	{
		Machine    *machine;

		tap_string(findings_of(&arena, one.definition, &machine), one.findings,
				   arena_printf(&arena, "findings: %s", one.name));
		if (machine != NULL)
		{
			const char *canonical = machine_canonical(&arena, machine);
			Machine    *again;

			findings_of(&arena, canonical, &again);
			tap_string(again != NULL ? machine_canonical(&arena, again) : "(refused)", canonical,
					   arena_printf(&arena, "canonical form is a fixed point: %s", one.name));
		}
	}
	arena_free(&arena);
}

void
show_findings(const char *file)
{
	Arena		arena;
	char	   *rest;
	char	   *text;
	const char *first;
	Case		one;
	Machine    *machine;

	arena_init_malloc(&arena);
	text = read_file(&arena, file);
	rest = arena_strdup(&arena, text);
	first = strstr(text, "== ");
	printf("%.*s", (int) (first != NULL ? (size_t) (first - text) : strlen(text)), text);
	while (next_case(&arena, &rest, &one))
		printf("== %s\n%s--\n%s\n", one.name, one.definition,
			   findings_of(&arena, one.definition, &machine));
	arena_free(&arena);
}

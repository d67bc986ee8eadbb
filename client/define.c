/*-------------------------------------------------------------------------
 *
 * define.c
 *	  Commands about definitions: validate, define, machines, definition,
 *	  graph.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What SM005 (invalid definition) exits with; validate uses it as well. */
#define EXIT_INVALID (EXIT_SM + 5)

/* Read a definition; "-" is standard input.  NULL, and a complaint, on failure. */
static char *
read_definition(const char *path)
{
	bool		is_stdin = strcmp(path, "-") == 0;
	FILE	   *file = is_stdin ? stdin : fopen(path, "r");
	Buffer		text = {0};

	if (file == NULL || !read_stream(file, &text))
	{
		complain("could not read \"%s\": %s", path, strerror(errno));
		buffer_free(&text);
	}
	else if (strlen(text.data) != text.length)
	{
		complain("\"%s\" is not text: it has a NUL byte", path);
		buffer_free(&text);
	}
	if (file && !is_stdin)
		fclose(file);
	return text.data;
}

/* Show the findings of one file; returns whether there are errors. */
static bool
show_findings(const char *path, const PGresult *result)
{
	bool		errors = false;

	for (int r = 0; r < PQntuples(result); r++)
	{
		const char *severity = PQgetvalue(result, r, 1);

		errors |= strcmp(severity, "error") == 0;
		if (common.json)
			printf("%s\n", PQgetvalue(result, r, 0));
		else
		{
			char	   *finding = format("%s:%s%s%s: %s%s%s", path,
										 PQgetvalue(result, r, 2), PQgetisnull(result, r, 2) ? "" : ": ",
										 severity,
										 PQgetvalue(result, r, 3), PQgetvalue(result, r, 3)[0] ? ": " : "",
										 PQgetvalue(result, r, 4));

			print_clean(stdout, finding);
			putchar('\n');
			free(finding);
		}
	}
	return errors;
}

static int
validate_file(const char *path, bool strict)
{
	char	   *text = read_definition(path);
	PGresult   *result;
	Query		query;
	bool		invalid;

	if (text == NULL)
		return EXIT_FILE;

	query_init(&query, "SELECT pg_catalog.row_to_json(q), q.severity, q.line, q.place, q.message FROM (SELECT ");
	query_value(&query, path, "text");
	query_text(&query, " AS file, v.* FROM dfsmr.validate(definition => ");
	query_value(&query, text, "text");
	query_text(&query, ") AS v) AS q");
	result = query_try(&query);
	query_free(&query);
	free(text);
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		int			status = report_error(path, result);

		PQclear(result);
		return status;
	}

	invalid = show_findings(path, result) || (strict && PQntuples(result) > 0);
	if (PQntuples(result) == 0 && !common.json)
		printf("%s: valid\n", path);
	PQclear(result);
	flush_output();
	return invalid ? EXIT_INVALID : EXIT_DONE;
}

int
command_validate(const Command *command, int argc, char **argv)
{
	bool		strict = false;
	const Option options[] = {
		{"strict", 0, OPTION_FLAG, &strict, NULL, "let warnings fail as well"},
		NO_OPTION
	};
	const char **files = allocate(sizeof(char *) * (size_t) argc);
	int			count = parse_arguments(command, options, argc, argv, files);
	int			status = EXIT_DONE;

	for (int i = 0; i < count; i++)
	{
		int			file_status = validate_file(files[i], strict);

		if (status == EXIT_DONE)
			status = file_status;
	}
	free(files);
	return status;
}

static int
define_file(const char *path, bool dry_run, const char *replaces)
{
	char	   *text = read_definition(path);
	PGresult   *result;
	Query		query;
	int			status = EXIT_DONE;

	if (text == NULL)
		return EXIT_FILE;

	query_init(&query, "SELECT pg_catalog.row_to_json(d), d.machine, d.version, d.created FROM ");
	query_call(&query, "define");
	query_argument(&query, "definition", text, "text");
	query_argument(&query, "dry_run", dry_run ? "true" : NULL, "boolean");
	query_argument(&query, "replaces", replaces, "int");
	query_end(&query);
	query_text(&query, " AS d");
	result = query_try(&query);
	query_free(&query);
	free(text);

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		status = report_error(path, result);
	else if (common.json)
		print_column(result, 0);
	else
	{
		const char *created = PQgetvalue(result, 0, 3)[0] == 't' ? "created" : "unchanged";

		printf("%s: version %s %s%s\n", PQgetvalue(result, 0, 1), PQgetvalue(result, 0, 2),
			   dry_run ? "would be " : "", created);
	}
	PQclear(result);
	flush_output();
	return status;
}

int
command_define(const Command *command, int argc, char **argv)
{
	bool		dry_run = false;
	const char *replaces = NULL;
	const Option options[] = {
		{"dry-run", 'n', OPTION_FLAG, &dry_run, NULL, "only say what would happen"},
		{"replaces", 0, OPTION_NUMBER, &replaces, "VERSION", "fail unless this is the current version"},
		NO_OPTION
	};
	const char **files = allocate(sizeof(char *) * (size_t) argc);
	int			count = parse_arguments(command, options, argc, argv, files);
	int			status = EXIT_DONE;

	for (int i = 0; i < count; i++)
	{
		int			file_status = define_file(files[i], dry_run, replaces);

		if (status == EXIT_DONE)
			status = file_status;
	}
	free(files);
	return status;
}

int
command_machines(const Command *command, int argc, char **argv)
{
	const char **arguments = allocate(sizeof(char *) * (size_t) argc);
	Query		query;

	parse_arguments(command, NULL, argc, argv, arguments);
	query_init(&query, "SELECT * FROM dfsmr.machines AS m");
	show_query(&query, "no machines");
	query_free(&query);
	free(arguments);
	return EXIT_DONE;
}

/* Print the text that a function of (machine, version) returns. */
static void
show_text(const char *function, const char *machine, const char *version, const char *format_name)
{
	PGresult   *result;
	const char *text;
	size_t		length;
	Query		query;

	query_init(&query, "SELECT ");
	query_call(&query, function);
	query_argument(&query, "machine", machine, "text");
	query_argument(&query, "version", version, "int");
	query_argument(&query, "format", format_name, "text");
	query_end(&query);
	result = query_run(&query);
	text = PQgetvalue(result, 0, 0);
	length = strlen(text);
	fwrite(text, 1, length, stdout);
	if (length > 0 && text[length - 1] != '\n')
		putchar('\n');
	PQclear(result);
	query_free(&query);
	flush_output();
}

int
command_definition(const Command *command, int argc, char **argv)
{
	const char *version = NULL;
	const Option options[] = {
		{"version", 0, OPTION_NUMBER, &version, "VERSION", "that version (default: the current one)"},
		NO_OPTION
	};
	const char **arguments = allocate(sizeof(char *) * (size_t) argc);

	parse_arguments(command, options, argc, argv, arguments);
	show_text("definition", arguments[0], version, NULL);
	free(arguments);
	return EXIT_DONE;
}

int
command_graph(const Command *command, int argc, char **argv)
{
	const char *version = NULL;
	const char *format_name = NULL;
	const Option options[] = {
		{"version", 0, OPTION_NUMBER, &version, "VERSION", "that version (default: the current one)"},
		{"format", 'f', OPTION_TEXT, &format_name, "FORMAT", "mermaid (the default) or dot"},
		NO_OPTION
	};
	const char **arguments = allocate(sizeof(char *) * (size_t) argc);

	parse_arguments(command, options, argc, argv, arguments);
	show_text("graph", arguments[0], version, format_name);
	free(arguments);
	return EXIT_DONE;
}

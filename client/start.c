/*-------------------------------------------------------------------------
 *
 * start.c
 *	  start: one instance, or as many as there are lines on standard input.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As many lines are started by one statement, if they are there at once. */
#define BATCH_LINES 500

typedef struct StartOptions
{
	OptionList	pairs;
	const char *params;
	const char *data;
	const char *key;
	const char *id;
	const char *priority;
	int64_t		delay;
	const char *if_exists;
	const char *lane;
	const char *parent;
	const char *key_param;		/* many: the param whose value is the key */
	bool		calls;			/* many: lines are arguments of start() */
} StartOptions;

/* Arguments that one and many have in common. */
static void
add_common_arguments(Query *query, const StartOptions *options, const char *delay)
{
	query_argument(query, "priority", options->priority, "int");
	query_argument(query, "delay", delay, "interval");
	query_argument(query, "if_exists", options->if_exists, "text");
	query_argument(query, "lane", options->lane, "text");
	query_argument(query, "parent", options->parent, "uuid");
	query_argument(query, "data", options->data, "jsonb");
}

static void
print_started(const PGresult *result)
{
	for (int r = 0; r < PQntuples(result); r++)
		printf("%s\n", PQgetisnull(result, r, 0) ? "-" : PQgetvalue(result, r, 0));
}

static int
start_one(const char *machine, const StartOptions *options)
{
	char	   *delay = duration_text(options->delay);
	PGresult   *result;
	Query		query;

	query_init(&query, "SELECT ");
	query_call(&query, "start");
	query_argument(&query, "machine", machine, "text");
	query_object(&query, "params", options->params, &options->pairs);
	query_argument(&query, "id", options->id, "uuid");
	query_argument(&query, "key", options->key, "text");
	add_common_arguments(&query, options, delay);
	query_end(&query);

	result = query_run(&query);
	print_started(result);
	PQclear(result);
	query_free(&query);
	free(delay);
	flush_output();
	return EXIT_DONE;
}

/*
 * Start an instance for each line of an array, in order.  The lines' JSON is
 * taken apart by the server; what a line leaves out has start()'s default.
 */
static PGresult *
start_lines(const char *machine, const StartOptions *options, const char *array)
{
	char	   *delay = duration_text(options->delay);
	PGresult   *result;
	Query		query;

	query_init(&query, "SELECT ");
	query_call(&query, "start");
	query_argument(&query, "machine", machine, "text");
	if (options->calls)
		query_text(&query,
				   ", params => coalesce(nullif(l.line->'params', 'null'::jsonb), '{}'::jsonb)"
				   ", id => (l.line->>'id')::uuid"
				   ", priority => (l.line->>'priority')::int"
				   ", delay => coalesce((l.line->>'delay')::interval, '0'::interval)"
				   ", key => l.line->>'key'"
				   ", if_exists => coalesce(l.line->>'if_exists', 'error')"
				   ", lane => l.line->>'lane'"
				   ", parent => (l.line->>'parent')::uuid"
				   ", data => nullif(l.line->'data', 'null'::jsonb)");
	else
	{
		query_text(&query, ", params => l.line");
		if (options->key_param)
		{
			query_text(&query, ", key => l.line->>");
			query_value(&query, options->key_param, "text");
		}
		add_common_arguments(&query, options, delay);
	}
	query_end(&query);
	query_text(&query, " FROM (SELECT t.line::jsonb AS line, t.n FROM pg_catalog.unnest(");
	query_value(&query, array, "text[]");
	query_text(&query, ") WITH ORDINALITY AS t(line, n) ORDER BY t.n) AS l");

	result = query_try(&query);
	query_free(&query);
	free(delay);
	return result;
}

/* Add a line to the text of an array. */
static void
add_element(Buffer *array, const char *line, size_t length)
{
	buffer_text(array, array->length > 1 ? ",\"" : "\"");
	for (size_t i = 0; i < length; i++)
	{
		if (line[i] == '"' || line[i] == '\\')
			buffer_text(array, "\\");
		buffer_add(array, &line[i], 1);
	}
	buffer_text(array, "\"");
}

static bool
is_blank(const char *line, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (strchr(" \t\r", line[i]) == NULL)
			return false;
	return true;
}

/*
 * The lines that are complete in the input, from *offset on, at most so many;
 * moves *offset behind them and *line_number to the last.
 */
static int
take_lines(const Buffer *input, size_t *offset, long *line_number, int most, Buffer *array)
{
	int			taken = 0;

	buffer_reset(array);
	buffer_text(array, "{");
	while (taken < most)
	{
		const char *line = input->data + *offset;
		const char *end = memchr(line, '\n', input->length - *offset);

		if (end == NULL)
			break;
		*offset += (size_t) (end - line) + 1;
		++*line_number;
		if (memchr(line, '\0', (size_t) (end - line)) != NULL)
			die(EXIT_FILE, "line %ld: has a NUL byte", *line_number);
		if (is_blank(line, (size_t) (end - line)))
			continue;
		add_element(array, line, (size_t) (end - line));
		taken++;
	}
	buffer_text(array, "}");
	return taken;
}

/*
 * Start what is complete in the input.  A batch is one statement, hence all
 * or nothing; one that fails is gone through again line by line, so that all
 * before the faulty line are started and its number can be told.
 */
static void
start_input(const char *machine, const StartOptions *options, Buffer *input, long *line_number)
{
	size_t		offset = 0;
	size_t		batch_offset = 0;
	long		batch_line = *line_number;
	int			most = BATCH_LINES;
	Buffer		array = {0};

	while (take_lines(input, &offset, line_number, most, &array) > 0)
	{
		PGresult   *result = start_lines(machine, options, array.data);

		if (PQresultStatus(result) == PGRES_TUPLES_OK)
		{
			print_started(result);
			batch_offset = offset;
			batch_line = *line_number;
		}
		else if (most > 1)
		{
			offset = batch_offset;
			*line_number = batch_line;
			most = 1;
		}
		else
		{
			char	   *context = format("line %ld", *line_number);

			fflush(stdout);
			exit(report_error(context, result));
		}
		PQclear(result);
	}
	buffer_free(&array);
	flush_output();

	/* Keep the beginning of the next line; take_lines() passed blank ones. */
	memmove(input->data, input->data + offset, input->length - offset);
	input->length -= offset;
}

/*
 * Start an instance a line, as the lines come in: what has arrived so far is
 * started before more is waited for.
 */
static int
start_many(const char *machine, const StartOptions *options)
{
	Buffer		input = {0};
	long		line_number = 0;
	char		chunk[65536];
	ssize_t		length;

	for (;;)
	{
		length = read(STDIN_FILENO, chunk, sizeof(chunk));
		if (length < 0 && errno == EINTR)
			continue;
		if (length <= 0)
			break;
		buffer_add(&input, chunk, (size_t) length);
		if (memchr(chunk, '\n', (size_t) length) != NULL)
			start_input(machine, options, &input, &line_number);
	}
	if (length < 0)
		die(EXIT_FILE, "could not read standard input: %s", strerror(errno));
	if (input.length > 0)
	{
		buffer_text(&input, "\n");
		start_input(machine, options, &input, &line_number);
	}
	buffer_free(&input);
	return EXIT_DONE;
}

int
command_start(const Command *command, int argc, char **argv)
{
	StartOptions options = {.delay = -1};
	const Option table[] = {
		{"param", 'p', OPTION_LIST, &options.pairs, "NAME=VALUE", "a param: NAME=TEXT, or NAME:=JSON (many)"},
		{"json", 0, OPTION_TEXT, &options.params, "OBJECT", "the params as a JSON object; -p adds to it"},
		{"key", 'k', OPTION_TEXT, &options.key, "KEY", "your own name for it"},
		{"if-exists", 0, OPTION_TEXT, &options.if_exists, "WHAT", "when the key is taken: error (the default), return, skip"},
		{"id", 0, OPTION_TEXT, &options.id, "UUID", "its id (default: the server makes one)"},
		{"priority", 0, OPTION_NUMBER, &options.priority, "N", "instead of the node's priority"},
		{"delay", 0, OPTION_DURATION, &options.delay, "DURATION", "ready only after that time"},
		{"lane", 0, OPTION_TEXT, &options.lane, "LANE", "the lane it belongs to"},
		{"parent", 0, OPTION_TEXT, &options.parent, "UUID", "the instance it comes from"},
		{"data", 0, OPTION_TEXT, &options.data, "OBJECT", "its data, a JSON object"},
		{"key-param", 0, OPTION_TEXT, &options.key_param, "NAME", "with \"-\": the param whose value is the key"},
		{"calls", 0, OPTION_FLAG, &options.calls, NULL, "with \"-\": lines hold the arguments of start()"},
		NO_OPTION
	};
	const char **arguments = allocate(sizeof(char *) * (size_t) argc);
	int			count = parse_arguments(command, table, argc, argv, arguments);
	bool		many = count == 2;
	int			status;

	if (many && strcmp(arguments[1], "-") != 0)
		usage_error(command, "unexpected argument \"%s\"", arguments[1]);
	if (!many && (options.key_param || options.calls))
		usage_error(command, "--key-param and --calls go with \"-\"");
	if (many && (options.pairs.count > 0 || options.params || options.key || options.id))
		usage_error(command, "-p, --json, --key and --id do not go with \"-\"");
	if (options.calls && (options.key_param || options.priority || options.delay >= 0 ||
						  options.if_exists || options.lane || options.parent || options.data))
		usage_error(command, "with --calls, the lines hold all arguments");

	status = many ? start_many(arguments[0], &options) : start_one(arguments[0], &options);
	free(options.pairs.items);
	free(arguments);
	return status;
}

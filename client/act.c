/*-------------------------------------------------------------------------
 *
 * act.c
 *	  Commands that claim, complete and operate: ready, transition,
 *	  relinquish, heartbeat, signal, abort, move, pause, resume.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include <stdlib.h>
#include <string.h>

/* Values to say back with an answer that has no columns worth a table. */
static void
run_call(Query *query, const char *said)
{
	PQclear(query_run(query));
	query_free(query);
	if (!common.json && said)
		printf("%s\n", said);
	flush_output();
}

/*
 * The columns of ready() that completing a task takes, in the order of the
 * query below.
 */
enum
{
	READY_INSTANCE, READY_MACHINE, READY_NODE, READY_VISIT, READY_ATTEMPT, READY_KEY,
	READY_PARAMS, READY_NODE_PARAMS, READY_DATA, READY_CLIENT, READY_EXPIRES_AT,
	READY_FIRST, READY_OTHERS
};

/* Show a task, and the line that completes it. */
static void
print_task(const PGresult *result, int row, const char *connection_words)
{
	static const struct
	{
		int			column;
		const char *label;
	}			fields[] = {
		{READY_KEY, "key"}, {READY_PARAMS, "params"}, {READY_NODE_PARAMS, "node_params"},
		{READY_DATA, "data"}, {READY_EXPIRES_AT, "expires_at"}
	};
	Buffer		line = {0};

	buffer_printf(&line, "%s  %s/%s  visit %s attempt %s",
				  PQgetvalue(result, row, READY_INSTANCE), PQgetvalue(result, row, READY_MACHINE),
				  PQgetvalue(result, row, READY_NODE), PQgetvalue(result, row, READY_VISIT),
				  PQgetvalue(result, row, READY_ATTEMPT));
	print_clean(stdout, line.data);
	putchar('\n');
	for (size_t i = 0; i < lengthof(fields); i++)
	{
		const char *value = PQgetvalue(result, row, fields[i].column);

		if (PQgetisnull(result, row, fields[i].column) || strcmp(value, "{}") == 0)
			continue;
		printf("  %-11s  ", fields[i].label);
		print_clean(stdout, value);
		putchar('\n');
	}

	buffer_reset(&line);
	buffer_printf(&line, "  dfsmr%s transition %s ", connection_words, PQgetvalue(result, row, READY_INSTANCE));
	buffer_shell_word(&line, PQgetvalue(result, row, READY_FIRST));
	buffer_printf(&line, " --visit %s --attempt %s --client ",
				  PQgetvalue(result, row, READY_VISIT), PQgetvalue(result, row, READY_ATTEMPT));
	buffer_shell_word(&line, PQgetvalue(result, row, READY_CLIENT));
	if (PQgetvalue(result, row, READY_OTHERS)[0] != '\0')
		buffer_printf(&line, "    # or: %s", PQgetvalue(result, row, READY_OTHERS));
	print_clean(stdout, line.data);
	putchar('\n');
	buffer_free(&line);
}

int
command_ready(const Command *command, int argc, char **argv)
{
	const char *client = NULL;
	const char *max = NULL;
	int64_t		wait = -1;
	const Option options[] = {
		{"client", 'c', OPTION_TEXT, &client, "NAME", "the name to claim under (default: host:pid)"},
		{"max", 'n', OPTION_NUMBER, &max, "N", "claim at most so many (default: 1)"},
		{"wait", 'w', OPTION_DURATION, &wait, "DURATION", "wait so long for one to come"},
		NO_OPTION
	};
	const char **arguments = allocate(sizeof(char *) * (size_t) argc);
	int			count = parse_arguments(command, options, argc, argv, arguments);
	char	   *name = client_name(client);
	char	   *wait_text = duration_text(wait);
	char	   *connection_words = connection_option();
	PGresult   *result;
	Query		query;
	int			tasks;

	/* Proposed is "ok" where there is one, else the transition declared first. */
	query_init(&query, common.json ? "SELECT pg_catalog.row_to_json(t) FROM " :
			   "SELECT t.instance, t.machine, t.node, t.visit, t.attempt, t.key, t.params,"
			   " t.node_params, t.data, t.client, t.expires_at, f.first,"
			   " pg_catalog.array_to_string(pg_catalog.array_remove(t.transitions, f.first), ', '::text)"
			   " FROM ");
	query_call(&query, "ready");
	query_argument(&query, "client", name, "text");
	query_argument(&query, "machine", argument_or_null(arguments, count, 0), "text");
	query_argument(&query, "node", argument_or_null(arguments, count, 1), "text");
	query_argument(&query, "max", max, "int");
	query_argument(&query, "wait", wait_text, "interval");
	query_end(&query);
	query_text(&query, " AS t");
	if (!common.json)
		query_text(&query, ", LATERAL (SELECT CASE WHEN 'ok'::text = ANY (t.transitions)"
				   " THEN 'ok'::text ELSE t.transitions[1] END AS first) AS f");

	result = query_run(&query);
	tasks = PQntuples(result);
	if (common.json)
		print_column(result, 0);
	else
		for (int r = 0; r < tasks; r++)
			print_task(result, r, connection_words);
	PQclear(result);
	query_free(&query);
	free(connection_words);
	free(wait_text);
	free(name);
	free(arguments);
	flush_output();
	return tasks > 0 ? EXIT_DONE : EXIT_NOTHING;
}

int
command_transition(const Command *command, int argc, char **argv)
{
	OptionList	pairs = {0};
	const char *params = NULL;
	const char *visit = NULL;
	const char *attempt = NULL;
	const char *client = NULL;
	const char *data = NULL;
	const char *note = NULL;
	int64_t		delay = -1;
	const Option options[] = {
		{"visit", 0, OPTION_NUMBER, &visit, "N", "the visit it completes; workers must say it"},
		{"attempt", 0, OPTION_NUMBER, &attempt, "N", "the attempt it completes"},
		{"client", 'c', OPTION_TEXT, &client, "NAME", "the name it was claimed under"},
		{"param", 'p', OPTION_LIST, &pairs, "NAME=VALUE", "a node param: NAME=TEXT, or NAME:=JSON (many)"},
		{"params", 0, OPTION_TEXT, &params, "OBJECT", "the node params as a JSON object; -p adds to it"},
		{"data", 0, OPTION_TEXT, &data, "OBJECT", "merged into the instance's data"},
		{"delay", 0, OPTION_DURATION, &delay, "DURATION", "instead of the target's delay"},
		{"note", 0, OPTION_TEXT, &note, "TEXT", "kept with the change"},
		NO_OPTION
	};
	const char **arguments = allocate(sizeof(char *) * (size_t) argc);
	char	   *delay_text;
	Query		query;

	parse_arguments(command, options, argc, argv, arguments);
	delay_text = duration_text(delay);
	query_init(&query, "SELECT t.* FROM ");
	query_call(&query, "transition");
	query_argument(&query, "instance", arguments[0], "uuid");
	query_argument(&query, "transition", arguments[1], "text");
	query_object(&query, "node_params", params, &pairs);
	query_argument(&query, "visit", visit, "int");
	query_argument(&query, "client", client, "text");
	query_argument(&query, "attempt", attempt, "int");
	query_argument(&query, "data", data, "jsonb");
	query_argument(&query, "delay", delay_text, "interval");
	query_argument(&query, "note", note, "text");
	query_end(&query);
	query_text(&query, " AS t");
	show_query(&query, NULL);
	query_free(&query);
	free(delay_text);
	free(pairs.items);
	free(arguments);
	return EXIT_DONE;
}

int
command_relinquish(const Command *command, int argc, char **argv)
{
	const char *visit = NULL;
	const char *attempt = NULL;
	const char *note = NULL;
	int64_t		delay = -1;
	const Option options[] = {
		{"visit", 0, OPTION_NUMBER, &visit, "N", "the visit that was claimed"},
		{"attempt", 0, OPTION_NUMBER, &attempt, "N", "the attempt that was claimed"},
		{"delay", 0, OPTION_DURATION, &delay, "DURATION", "offer it again only after that time"},
		{"note", 0, OPTION_TEXT, &note, "TEXT", "kept with the change"},
		NO_OPTION
	};
	const char **arguments = allocate(sizeof(char *) * (size_t) argc);
	char	   *delay_text;
	Query		query;

	parse_arguments(command, options, argc, argv, arguments);
	delay_text = duration_text(delay);
	query_init(&query, "SELECT r.* FROM ");
	query_call(&query, "relinquish");
	query_argument(&query, "instance", arguments[0], "uuid");
	query_argument(&query, "visit", visit, "int");
	query_argument(&query, "delay", delay_text, "interval");
	query_argument(&query, "attempt", attempt, "int");
	query_argument(&query, "note", note, "text");
	query_end(&query);
	query_text(&query, " AS r");
	show_query(&query, NULL);
	query_free(&query);
	free(delay_text);
	free(arguments);
	return EXIT_DONE;
}

int
command_heartbeat(const Command *command, int argc, char **argv)
{
	const char *visit = NULL;
	const char *attempt = NULL;
	const Option options[] = {
		{"visit", 0, OPTION_NUMBER, &visit, "N", "the visit that was claimed (required)"},
		{"attempt", 0, OPTION_NUMBER, &attempt, "N", "the attempt that was claimed"},
		NO_OPTION
	};
	const char **arguments = allocate(sizeof(char *) * (size_t) argc);
	Query		query;

	parse_arguments(command, options, argc, argv, arguments);
	if (visit == NULL)
		usage_error(command, "--visit is required");
	query_init(&query, "SELECT ");
	query_call(&query, "heartbeat");
	query_argument(&query, "instance", arguments[0], "uuid");
	query_argument(&query, "visit", visit, "int");
	query_argument(&query, "attempt", attempt, "int");
	query_end(&query);
	query_text(&query, " AS expires_at");
	show_query(&query, NULL);
	query_free(&query);
	free(arguments);
	return EXIT_DONE;
}

int
command_signal(const Command *command, int argc, char **argv)
{
	OptionList	pairs = {0};
	const char *params = NULL;
	const char *data = NULL;
	const char *instance = NULL;
	const char *note = NULL;
	const Option options[] = {
		{"instance", 'i', OPTION_TEXT, &instance, "ID", "that instance, instead of MACHINE and KEY"},
		{"param", 'p', OPTION_LIST, &pairs, "NAME=VALUE", "a node param: NAME=TEXT, or NAME:=JSON (many)"},
		{"params", 0, OPTION_TEXT, &params, "OBJECT", "the node params as a JSON object; -p adds to it"},
		{"data", 0, OPTION_TEXT, &data, "OBJECT", "merged into the instance's data"},
		{"note", 0, OPTION_TEXT, &note, "TEXT", "kept with the change"},
		NO_OPTION
	};
	const char **arguments = allocate(sizeof(char *) * (size_t) argc);
	int			count = parse_arguments(command, options, argc, argv, arguments);
	Query		query;

	if (count != (instance ? 1 : 3))
		usage_error(command, instance ? "--instance takes the place of MACHINE and KEY" : "missing argument");
	query_init(&query, "SELECT s.* FROM ");
	query_call(&query, "signal");
	/* machine and key have no default: say them, even as NULL. */
	query_text(&query, "machine => ");
	query_value(&query, instance ? NULL : arguments[0], "text");
	query_text(&query, ", key => ");
	query_value(&query, instance ? NULL : arguments[1], "text");
	query.has_argument = true;
	query_argument(&query, "transition", arguments[count - 1], "text");
	query_object(&query, "node_params", params, &pairs);
	query_argument(&query, "data", data, "jsonb");
	query_argument(&query, "instance", instance, "uuid");
	query_argument(&query, "note", note, "text");
	query_end(&query);
	query_text(&query, " AS s");
	show_query(&query, NULL);
	query_free(&query);
	free(pairs.items);
	free(arguments);
	return EXIT_DONE;
}

int
command_abort(const Command *command, int argc, char **argv)
{
	const char *reason = NULL;
	const Option options[] = {
		{"reason", 'r', OPTION_TEXT, &reason, "TEXT", "kept with the change"},
		NO_OPTION
	};
	const char **arguments = allocate(sizeof(char *) * (size_t) argc);
	Query		query;

	parse_arguments(command, options, argc, argv, arguments);
	query_init(&query, "SELECT ");
	query_call(&query, "abort");
	query_argument(&query, "instance", arguments[0], "uuid");
	query_argument(&query, "reason", reason, "text");
	query_end(&query);
	run_call(&query, "aborted");
	free(arguments);
	return EXIT_DONE;
}

int
command_move(const Command *command, int argc, char **argv)
{
	OptionList	pairs = {0};
	const char *params = NULL;
	const char *reason = NULL;
	const Option options[] = {
		{"reason", 'r', OPTION_TEXT, &reason, "TEXT", "kept with the change"},
		{"param", 'p', OPTION_LIST, &pairs, "NAME=VALUE", "a node param: NAME=TEXT, or NAME:=JSON (many)"},
		{"params", 0, OPTION_TEXT, &params, "OBJECT", "the node params as a JSON object; -p adds to it"},
		NO_OPTION
	};
	const char **arguments = allocate(sizeof(char *) * (size_t) argc);
	Query		query;

	parse_arguments(command, options, argc, argv, arguments);
	query_init(&query, "SELECT ");
	query_call(&query, "move");
	query_argument(&query, "instance", arguments[0], "uuid");
	query_argument(&query, "node", arguments[1], "text");
	/* reason has no default: say it, even as NULL. */
	query_text(&query, ", reason => ");
	query_value(&query, reason, "text");
	query_object(&query, "node_params", params, &pairs);
	query_end(&query);
	run_call(&query, "moved");
	free(pairs.items);
	free(arguments);
	return EXIT_DONE;
}

int
command_pause(const Command *command, int argc, char **argv)
{
	const char *reason = NULL;
	const Option options[] = {
		{"reason", 'r', OPTION_TEXT, &reason, "TEXT", "kept with the change"},
		NO_OPTION
	};
	const char **arguments = allocate(sizeof(char *) * (size_t) argc);
	int			count = parse_arguments(command, options, argc, argv, arguments);
	Query		query;

	query_init(&query, "SELECT ");
	query_call(&query, "pause");
	query_argument(&query, "machine", arguments[0], "text");
	query_argument(&query, "node", argument_or_null(arguments, count, 1), "text");
	query_argument(&query, "reason", reason, "text");
	query_end(&query);
	run_call(&query, "paused");
	free(arguments);
	return EXIT_DONE;
}

int
command_resume(const Command *command, int argc, char **argv)
{
	const char **arguments = allocate(sizeof(char *) * (size_t) argc);
	int			count = parse_arguments(command, NULL, argc, argv, arguments);
	Query		query;

	query_init(&query, "SELECT ");
	query_call(&query, "resume");
	query_argument(&query, "machine", arguments[0], "text");
	query_argument(&query, "node", argument_or_null(arguments, count, 1), "text");
	query_end(&query);
	run_call(&query, "resumed");
	free(arguments);
	return EXIT_DONE;
}

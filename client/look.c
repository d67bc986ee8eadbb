/*-------------------------------------------------------------------------
 *
 * look.c
 *	  Commands that only look: instances, history, allowed, stuck, node-stats,
 *	  breakers, status.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include <stdlib.h>
#include <string.h>

/* Tables show so many instances unless --limit says otherwise. */
#define DEFAULT_LIMIT "100"

/* Add "AND column = value" for a value that was given. */
static void
add_filter(Query *query, const char *column, const char *value)
{
	if (value == NULL)
		return;
	query_text(query, " AND i.");
	query_text(query, column);
	query_text(query, " = ");
	query_value(query, value, "text");
}

int
command_instances(const Command *command, int argc, char **argv)
{
	const char *machine = NULL;
	const char *node = NULL;
	const char *state = NULL;
	const char *key = NULL;
	const char *lane = NULL;
	const char *limit = NULL;
	const Option options[] = {
		{"machine", 'm', OPTION_TEXT, &machine, "MACHINE", "only those of this machine"},
		{"node", 'n', OPTION_TEXT, &node, "NODE", "only those in this node"},
		{"state", 's', OPTION_TEXT, &state, "STATE", "ready, running, delayed, parked, paused or finished"},
		{"key", 'k', OPTION_TEXT, &key, "KEY", "only those with this key"},
		{"lane", 0, OPTION_TEXT, &lane, "LANE", "only those of this lane"},
		{"limit", 'l', OPTION_NUMBER, &limit, "N", "at most so many; 0 is all (the default: " DEFAULT_LIMIT " in a table)"},
		NO_OPTION
	};
	const char **ids = allocate(sizeof(char *) * (size_t) argc);
	int			count = parse_arguments(command, options, argc, argv, ids);
	Query		query;

	query_init(&query, common.json ? "SELECT i.*" :
			   "SELECT i.instance, i.machine, i.node, i.state, i.visit, i.attempt, i.key,"
			   " i.entered_at, i.ready_at, i.client, i.outcome, i.note");
	query_text(&query, " FROM dfsmr.instances AS i WHERE true");
	add_filter(&query, "machine", machine);
	add_filter(&query, "node", node);
	add_filter(&query, "state", state);
	add_filter(&query, "key", key);
	add_filter(&query, "lane", lane);
	for (int i = 0; i < count; i++)
	{
		query_text(&query, i == 0 ? " AND i.instance IN (" : ", ");
		query_value(&query, ids[i], "uuid");
	}
	query_text(&query, count > 0 ? ")" : "");
	query_text(&query, " ORDER BY i.instance DESC");
	if (limit == NULL && !common.json)
		limit = DEFAULT_LIMIT;
	if (limit && strcmp(limit, "0") != 0)
	{
		query_text(&query, " LIMIT ");
		query_value(&query, limit, "bigint");
	}

	show_query(&query, "no instances");
	query_free(&query);
	free(ids);
	return EXIT_DONE;
}

/* Show what a function of one instance returns; a table has those columns. */
static int
show_of_instance(const Command *command, int argc, char **argv,
				 const char *function, const char *columns, const char *nothing)
{
	const char **arguments = allocate(sizeof(char *) * (size_t) argc);
	Query		query;

	parse_arguments(command, NULL, argc, argv, arguments);
	query_init(&query, "SELECT ");
	query_text(&query, common.json ? "f.*" : columns);
	query_text(&query, " FROM ");
	query_call(&query, function);
	query_argument(&query, "instance", arguments[0], "uuid");
	query_end(&query);
	query_text(&query, " AS f");
	show_query(&query, nothing);
	query_free(&query);
	free(arguments);
	return EXIT_DONE;
}

int
command_history(const Command *command, int argc, char **argv)
{
	return show_of_instance(command, argc, argv, "history",
							"f.seq, f.at, f.kind, f.prev_node, f.transition, f.node, f.visit,"
							" f.attempt, f.client, f.note, f.data", "no changes");
}

int
command_allowed(const Command *command, int argc, char **argv)
{
	return show_of_instance(command, argc, argv, "allowed", "f.*", "no transition is allowed");
}

/* Show a view that has a column "machine"; a table has those columns. */
static int
show_by_machine(const Command *command, int argc, char **argv, const char *view,
				const char *columns, const char *order, const char *nothing)
{
	const char *machine = NULL;
	const Option options[] = {
		{"machine", 'm', OPTION_TEXT, &machine, "MACHINE", "only that of this machine"},
		NO_OPTION
	};
	const char **arguments = allocate(sizeof(char *) * (size_t) argc);
	Query		query;

	parse_arguments(command, options, argc, argv, arguments);
	query_init(&query, "SELECT ");
	query_text(&query, common.json ? "i.*" : columns);
	query_text(&query, " FROM dfsmr.");
	query_text(&query, view);
	query_text(&query, " AS i WHERE true");
	add_filter(&query, "machine", machine);
	query_text(&query, order);
	show_query(&query, nothing);
	query_free(&query);
	free(arguments);
	return EXIT_DONE;
}

int
command_stuck(const Command *command, int argc, char **argv)
{
	return show_by_machine(command, argc, argv, "stuck", "i.*", " ORDER BY i.since, i.instance",
						   "nothing is stuck");
}

int
command_node_stats(const Command *command, int argc, char **argv)
{
	return show_by_machine(command, argc, argv, "node_stats", "i.*",
						   " ORDER BY i.machine, i.node", "no machines");
}

int
command_breakers(const Command *command, int argc, char **argv)
{
	return show_by_machine(command, argc, argv, "breakers",
						   "i.machine, i.state, i.since, i.deliveries, i.retries,"
						   " pg_catalog.round(i.ratio::numeric, 2) AS ratio,"
						   " i.max_retry_ratio, i.probes, i.succeeded, i.next_probe_at",
						   " ORDER BY i.machine", "no machine declares a breaker");
}

/* The board has one row of many columns, or a row per name: both read well. */
int
command_status(const Command *command, int argc, char **argv)
{
	const char **arguments = allocate(sizeof(char *) * (size_t) argc);
	PGresult   *result;
	Query		query;

	parse_arguments(command, NULL, argc, argv, arguments);
	if (common.json)
	{
		query_init(&query, "SELECT s.* FROM dfsmr.status AS s");
		show_query(&query, NULL);
	}
	else
	{
		query_init(&query, "SELECT s.* FROM dfsmr.status AS s");
		result = query_run(&query);
		if (PQntuples(result) == 1)
			print_record(result, 0);
		else
			print_table(result);
		PQclear(result);
		flush_output();
	}
	query_free(&query);
	free(arguments);
	return EXIT_DONE;
}

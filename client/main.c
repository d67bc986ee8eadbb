/*-------------------------------------------------------------------------
 *
 * main.c
 *	  dfsmr: the command-line client.  Finds the command and runs it.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const Command commands[] = {
	{"validate", command_validate, "FILE...", "check definitions without storing them",
		"Shows every fault as FILE:LINE: SEVERITY: PLACE: MESSAGE.  \"-\" is standard input.\n"
		"The exit status is 25 when a definition has errors, else 0: fit for CI.", 1, -1},
	{"define", command_define, "FILE...", "store definitions",
		"A definition that is the current one already changes nothing; another one becomes\n"
		"the next version of its machine.  \"-\" is standard input.", 1, -1},
	{"machines", command_machines, "", "list the machines", NULL, 0, 0},
	{"definition", command_definition, "MACHINE", "print a definition as it was given", NULL, 1, 1},
	{"graph", command_graph, "MACHINE", "print a machine as a diagram", NULL, 1, 1},

	{"start", command_start, "MACHINE [-]", "start an instance, or many",
		"Prints the id of each new instance.  With \"-\" every line of standard input is a JSON\n"
		"object and starts one instance: the object is its params, or, with --calls, holds the\n"
		"arguments of dfsmr.start() (params, key, id, priority, delay, lane, parent, data,\n"
		"if_exists).  Lines are taken in order up to the first that fails; one that is skipped\n"
		"prints \"-\".", 1, 2},

	{"instances", command_instances, "[ID]...", "list instances, newest first", NULL, 0, -1},
	{"history", command_history, "ID", "show what happened to an instance", NULL, 1, 1},
	{"allowed", command_allowed, "ID", "show the transitions an instance may take now", NULL, 1, 1},
	{"stuck", command_stuck, "", "list instances that need somebody to act", NULL, 0, 0},
	{"node-stats", command_node_stats, "", "show how many instances are at each node, and how long work takes there", NULL, 0, 0},
	{"breakers", command_breakers, "", "show the circuit breakers", NULL, 0, 0},
	{"status", command_status, "", "show what is on the server's board", NULL, 0, 0},

	{"ready", command_ready, "[MACHINE [NODE]]", "claim tasks",
		"Shows each task, and below it the line that completes it.  The exit status is 3 when\n"
		"there is none.", 0, 2},
	{"transition", command_transition, "ID TRANSITION", "complete a task, or move an instance along an edge", NULL, 2, 2},
	{"relinquish", command_relinquish, "ID", "give a task back unworked", NULL, 1, 1},
	{"heartbeat", command_heartbeat, "ID", "keep a task; prints until when", NULL, 1, 1},
	{"signal", command_signal, "MACHINE KEY TRANSITION", "move a parked or waiting instance from outside",
		"With --instance ID the only argument is TRANSITION.", 1, 3},
	{"abort", command_abort, "ID", "end an instance in dfsmr.aborted", NULL, 1, 1},
	{"move", command_move, "ID NODE", "move an instance to any node, off the edges", NULL, 2, 2},
	{"pause", command_pause, "MACHINE [NODE]", "stop claims and timers", NULL, 1, 2},
	{"resume", command_resume, "MACHINE [NODE]", "let claims and timers go on", NULL, 1, 2},

	{"changes", command_changes, "", "follow the changelog",
		"Shows every change from now on (or from --since), exactly once and in order, also\n"
		"across restarts of the server.  At the end the cursor to continue from is printed on\n"
		"standard error.", 0, 0},
	{"work", command_work, "MACHINE [NODE] -- COMMAND [ARGUMENT]...", "run a command for each task",
		"The command finds its task as JSON on standard input and in the environment, as\n"
		"DFSMR_INSTANCE, DFSMR_NODE, DFSMR_PARAM_name and so on.  It says what comes next by a\n"
		"line of JSON in the file that $DFSMR_RESULT names:\n"
		"  {\"transition\": NAME, \"params\": {}, \"data\": {}, \"delay\": \"30s\", \"note\": TEXT}\n"
		"(each is optional), else by its exit status: 0 is ok, 75 and death by a signal give\n"
		"the task back, 126 and 127 give it back and stop the worker, any other is error.\n"
		"On SIGTERM or SIGINT the worker finishes the tasks it has; a second signal stops the\n"
		"commands and gives their tasks back.  See dfsmr(1).", 1, 2},
};

static const Command *
find_command(const char *name)
{
	for (size_t i = 0; i < lengthof(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int
general_help(void)
{
	printf("dfsmr runs distributed finite state machines inside PostgreSQL.\n\n"
		   "Usage:\n  dfsmr [OPTION]... COMMAND [OPTION]... [ARGUMENT]...\n\nCommands:\n");
	for (size_t i = 0; i < lengthof(commands); i++)
		printf("  %-12s%s\n", commands[i].name, commands[i].summary);
	printf("\n\"dfsmr COMMAND --help\" shows a command's options.  All commands take:\n"
		   "  -d, --dbname NAME  database name or connection string (default: the PG* variables)\n"
		   "  --json             one JSON object a line instead of a table\n"
		   "  --help, --version\n"
		   "\nExit status: 0 done, 1 error, 2 wrong usage, 3 no task, 4 no connection, 5 a file\n"
		   "cannot be read or written, 20 + nn for the server's error SM0nn.\n");
	flush_output();
	return EXIT_DONE;
}

int
main(int argc, char **argv)
{
	const Command *command;
	int			first;

	setlocale(LC_CTYPE, "");
	srandom((unsigned) (time(NULL) ^ ((long) getpid() << 8)));

	first = parse_common(argc, argv);
	if (first == 0)
		return general_help();
	if (first >= argc)
		usage_error(NULL, "a command is missing");

	argc -= first;
	argv += first;
	if (strcmp(argv[0], "help") == 0)
	{
		if (argc == 1)
			return general_help();
		argv[0] = argv[1];
		argv[1] = "--help";
		argc = 2;
	}
	command = find_command(argv[0]);
	if (command == NULL)
		usage_error(NULL, "unknown command \"%s\"", argv[0]);
	return command->run(command, argc, argv);
}

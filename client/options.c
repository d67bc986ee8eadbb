/*-------------------------------------------------------------------------
 *
 * options.c
 *	  Command lines, read by tables.
 *
 * Every command describes its options once; from that come parsing, --help
 * and the complaint about a wrong one.  Options and arguments may be mixed,
 * "--" ends the options.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

Common		common;

static bool help_wanted;
static bool version_wanted;

static const Option common_options[] = {
	{"dbname", 'd', OPTION_TEXT, &common.dbname, "NAME", "database name or connection string (default: the PG* variables)"},
	{"json", 0, OPTION_FLAG, &common.json, NULL, "one JSON object a line instead of a table"},
	{"help", '?', OPTION_FLAG, &help_wanted, NULL, "show this and exit"},
	{"version", 'V', OPTION_FLAG, &version_wanted, NULL, "show the version and exit"},
	NO_OPTION
};

static const Option no_options[] = {NO_OPTION};

static void
print_options(const Option *options, const Option *hidden_by)
{
	for (const Option *option = options; option->name; option++)
	{
		char		head[64];
		bool		hidden = false;

		for (const Option *o = hidden_by; o && o->name; o++)
			hidden |= strcmp(o->name, option->name) == 0;
		if (hidden)
			continue;
		snprintf(head, sizeof(head), "%c%c%c --%s%s%s",
				 option->letter ? '-' : ' ', option->letter ? option->letter : ' ',
				 option->letter ? ',' : ' ', option->name,
				 option->argument ? " " : "", option->argument ? option->argument : "");
		if (strlen(head) <= 26)
			printf("  %-26s  %s\n", head, option->help);
		else
			printf("  %s\n  %-26s  %s\n", head, "", option->help);
	}
}

static void
print_help(const Command *command, const Option *options)
{
	printf("dfsmr %s - %s\n\nUsage:\n  dfsmr %s [OPTION]... %s\n",
		   command->name, command->summary, command->name, command->synopsis);
	if (command->description)
		printf("\n%s\n", command->description);
	printf("\nOptions:\n");
	print_options(options, NULL);
	print_options(common_options, options);
}

_Noreturn static void
print_version(void)
{
	printf("dfsmr " DFSMR_VERSION "\n");
	flush_output();
	exit(EXIT_DONE);
}

void
usage_error(const Command *command, const char *fmt,...)
{
	va_list		args;
	char	   *text;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		die(EXIT_ERROR, "out of memory");
	va_end(args);
	complain("%s", text);
	if (command)
		fprintf(stderr, "Usage: dfsmr %s [OPTION]... %s\n"
				"Try \"dfsmr %s --help\" for more.\n",
				command->name, command->synopsis, command->name);
	else
		fputs("Try \"dfsmr --help\" for more.\n", stderr);
	exit(EXIT_USAGE);
}

/* Keep the value of an option, or complain about it. */
static void
take_value(const Command *command, const Option *option, const char *value)
{
	OptionList *list;
	int			number;

	switch (option->kind)
	{
		case OPTION_FLAG:
			*(bool *) option->target = true;
			break;
		case OPTION_TEXT:
			*(const char **) option->target = value;
			break;
		case OPTION_NUMBER:
			if (!parse_int(value, INT_MIN, INT_MAX, &number))
				usage_error(command, "--%s takes a whole number, not \"%s\"", option->name, value);
			*(const char **) option->target = value;
			break;
		case OPTION_COUNT:
			if (!parse_int(value, 1, 1000000, (int *) option->target))
				usage_error(command, "--%s takes a number from 1 to 1000000, not \"%s\"", option->name, value);
			break;
		case OPTION_DURATION:
			if (!parse_duration(value, (int64_t *) option->target))
				usage_error(command, "--%s takes a duration like 300ms, 30s, 5m, 24h or 7d, not \"%s\"",
							option->name, value);
			break;
		case OPTION_LIST:
			list = option->target;
			list->items = reallocate(list->items, sizeof(char *) * (list->count + 1));
			list->items[list->count++] = value;
			break;
	}
}

static const Option *
find_long(const Option *options, const char *name, size_t length)
{
	for (; options->name; options++)
		if (strlen(options->name) == length && strncmp(options->name, name, length) == 0)
			return options;
	return NULL;
}

static const Option *
find_short(const Option *options, char letter)
{
	for (; options->name; options++)
		if (options->letter == letter)
			return options;
	return NULL;
}

/*
 * Take the option at argv[*index], and its value from the same or the next
 * word.  A command's own option hides a common one of the same name.
 */
static void
take_option(const Command *command, const Option *options, int argc, char **argv, int *index)
{
	const char *word = argv[*index];
	const Option *option;
	const char *value = NULL;

	if (word[1] == '-')
	{
		const char *name = word + 2;
		size_t		length = strcspn(name, "=");

		option = find_long(options, name, length);
		if (option == NULL)
			option = find_long(common_options, name, length);
		if (name[length] == '=')
			value = name + length + 1;
		if (option && option->kind == OPTION_FLAG && value)
			usage_error(command, "--%s takes no value", option->name);
	}
	else
	{
		option = find_short(options, word[1]);
		if (option == NULL)
			option = find_short(common_options, word[1]);
		if (word[2] != '\0')
		{
			value = word + 2;
			if (option && option->kind == OPTION_FLAG)
				usage_error(command, "unknown option \"%s\"", word);
		}
	}

	if (option == NULL)
		usage_error(command, "unknown option \"%s\"", word);
	if (option->kind != OPTION_FLAG && value == NULL)
	{
		if (*index + 1 >= argc)
			usage_error(command, "option \"%s\" needs a value", word);
		value = argv[++*index];
	}
	take_value(command, option, value);
}

/*
 * Read a command's line; argv[0] is the name of the command.  The arguments
 * that are no options go to arguments, which has room for argc of them.
 * Returns their number; --help and mistakes end the program.
 */
int
parse_arguments(const Command *command, const Option *options,
				int argc, char **argv, const char **arguments)
{
	bool		options_ended = false;
	int			count = 0;

	if (options == NULL)
		options = no_options;

	for (int i = 1; i < argc; i++)
	{
		if (options_ended || argv[i][0] != '-' || argv[i][1] == '\0')
			arguments[count++] = argv[i];
		else if (strcmp(argv[i], "--") == 0)
			options_ended = true;
		else
			take_option(command, options, argc, argv, &i);
	}

	if (help_wanted)
	{
		print_help(command, options);
		flush_output();
		exit(EXIT_DONE);
	}
	if (version_wanted)
		print_version();
	if (count < command->min_arguments)
		usage_error(command, "missing argument");
	if (command->max_arguments >= 0 && count > command->max_arguments)
		usage_error(command, "unexpected argument \"%s\"", arguments[command->max_arguments]);
	return count;
}

/*
 * Read the common options in front of the command's name.  Returns the index
 * of that name, argc when there is none, or 0 when general help is wanted.
 */
int
parse_common(int argc, char **argv)
{
	int			i;

	for (i = 1; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++)
		take_option(NULL, no_options, argc, argv, &i);
	if (version_wanted)
		print_version();
	return help_wanted ? 0 : i;
}

const char *
argument_or_null(const char **arguments, int count, int index)
{
	return index < count ? arguments[index] : NULL;
}

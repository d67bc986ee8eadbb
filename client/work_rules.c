/*-------------------------------------------------------------------------
 *
 * work_rules.c
 *	  What the end of a command says about its task, when the command itself
 *	  said nothing: --on-exit, and the rules that hold without it.
 *
 *-------------------------------------------------------------------------
 */
#include "work.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* EX_TEMPFAIL of sysexits.h: not now, try again. */
#define STATUS_TEMPFAIL 75

/* As shells have it. */
#define STATUS_CANNOT_RUN 126
#define STATUS_NOT_FOUND 127

static const ExitRule default_rules[] = {
	{0, 0, "ok", false},
	{STATUS_TEMPFAIL, STATUS_TEMPFAIL, NULL, false},
	{EXIT_BY_SIGNAL, EXIT_BY_SIGNAL, NULL, false},
	{STATUS_CANNOT_RUN, STATUS_NOT_FOUND, NULL, true},
	{EXIT_OTHER, EXIT_OTHER, "error", false}
};

/* The left side of WHEN=TRANSITION: N, N-M, "signal" or "other". */
static bool
parse_when(char *when, ExitRule *rule)
{
	char	   *dash = strchr(when, '-');

	if (strcmp(when, "signal") == 0)
		rule->first = rule->last = EXIT_BY_SIGNAL;
	else if (strcmp(when, "other") == 0)
		rule->first = rule->last = EXIT_OTHER;
	else if (dash)
	{
		*dash = '\0';
		return parse_int(when, 0, 255, &rule->first) &&
			parse_int(dash + 1, rule->first, 255, &rule->last);
	}
	else
	{
		if (!parse_int(when, 0, 255, &rule->first))
			return false;
		rule->last = rule->first;
	}
	return true;
}

_Noreturn static void
refuse_rule(const Command *command, const char *text)
{
	usage_error(command, "--on-exit takes N=TRANSITION, N-M=TRANSITION, signal=TRANSITION or"
				" other=TRANSITION, not \"%s\"", text);
}

/* Set up the rules: the given ones, then those that hold anyway. */
void
rules_init(Worker *worker, const Command *command, const OptionList *given)
{
	worker->rules = allocate(sizeof(ExitRule) * ((size_t) given->count + lengthof(default_rules)));
	for (int i = 0; i < given->count; i++)
	{
		ExitRule   *rule = &worker->rules[worker->nrules++];
		char	   *text = duplicate(given->items[i]);
		size_t		length = strcspn(text, "=");
		const char *transition = given->items[i] + length + 1;

		if (text[length] == '\0' || transition[0] == '\0')
			refuse_rule(command, given->items[i]);
		text[length] = '\0';
		if (!parse_when(text, rule))
			refuse_rule(command, given->items[i]);
		free(text);
		/* No transition has such a name. */
		rule->transition = strcmp(transition, "-") == 0 ? NULL : transition;
		rule->stop = false;
	}
	memcpy(worker->rules + worker->nrules, default_rules, sizeof(default_rules));
	worker->nrules += (int) lengthof(default_rules);
}

/* The rule for a status of waitpid(); there always is one. */
const ExitRule *
rules_find(const Worker *worker, int wait_status)
{
	int			status = WIFSIGNALED(wait_status) ? EXIT_BY_SIGNAL : WEXITSTATUS(wait_status);
	const ExitRule *other = NULL;

	for (int i = 0; i < worker->nrules; i++)
	{
		const ExitRule *rule = &worker->rules[i];

		if (rule->first <= status && status <= rule->last)
			return rule;
		if (rule->first == EXIT_OTHER && other == NULL)
			other = rule;
	}
	return other;
}

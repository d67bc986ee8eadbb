/*-------------------------------------------------------------------------
 *
 * message.c
 *	  What the client says on standard error, and the exit status that goes
 *	  with an error of the server.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void printf_like(1, 0)
complain_v(const char *fmt, va_list args)
{
	char	   *text;

	if (vasprintf(&text, fmt, args) < 0)
		return;
	fputs("dfsmr: ", stderr);
	print_clean(stderr, text);
	fputc('\n', stderr);
	free(text);
}

void
complain(const char *fmt,...)
{
	va_list		args;

	va_start(args, fmt);
	complain_v(fmt, args);
	va_end(args);
}

void
die(int status, const char *fmt,...)
{
	va_list		args;

	va_start(args, fmt);
	complain_v(fmt, args);
	va_end(args);
	exit(status);
}

/* The exit status that tells an error with this SQLSTATE. */
int
sqlstate_exit(const char *sqlstate)
{
	int			number;

	if (sqlstate == NULL)
		return EXIT_CONNECTION; /* libpq's own: the server did not say it */
	if (strncmp(sqlstate, "SM0", 3) == 0 && parse_int(sqlstate + 3, 1, 99, &number))
		return EXIT_SM + number;
	if (strncmp(sqlstate, "08", 2) == 0 || strncmp(sqlstate, "57P0", 4) == 0)
		return EXIT_CONNECTION;
	return EXIT_ERROR;
}

bool
is_sqlstate(const PGresult *result, const char *sqlstate)
{
	const char *found = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	return found != NULL && strcmp(found, sqlstate) == 0;
}

/*
 * May the same statement succeed when it is said again a little later?  So
 * for conflicts, exhausted resources, locks, time limits and I/O, and on a
 * standby (25006), which may be about to be promoted.
 */
bool
is_passing_error(const PGresult *result)
{
	static const char *const prefixes[] = {"25006", "40", "53", "55006", "55P03", "57014", "58"};
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	for (size_t i = 0; sqlstate && i < lengthof(prefixes); i++)
		if (strncmp(sqlstate, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

static void
print_field(const char *label, const char *text)
{
	if (text == NULL)
		return;
	fputs(label, stderr);
	print_clean(stderr, text);
	fputc('\n', stderr);
}

/*
 * Show an error of the server: SQLSTATE, message, detail, hint.  The context
 * (may be NULL) says what it was about.  Returns the exit status.
 */
int
report_error(const char *context, const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	char	   *text = NULL;

	if (message == NULL)
	{
		/* libpq's own, which ends in a newline. */
		text = duplicate(PQresultErrorMessage(result));
		text[strcspn(text, "\n")] = '\0';
		message = text[0] ? text : "the server sent no answer";
	}

	complain("%s%s%s%s%s", context ? context : "", context ? ": " : "",
			 sqlstate ? sqlstate : "", sqlstate ? ": " : "", message);
	print_field("DETAIL:  ", PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL));
	print_field("HINT:  ", PQresultErrorField(result, PG_DIAG_MESSAGE_HINT));
	free(text);
	return sqlstate_exit(sqlstate);
}

/*
 * Hand on what was printed so far.  A full disk is an error; a reader that
 * went away ends the program by SIGPIPE, as it ends every filter.
 */
void
flush_output(void)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		die(EXIT_FILE, "could not write to standard output: %s", strerror(errno));
}

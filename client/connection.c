/*-------------------------------------------------------------------------
 *
 * connection.c
 *	  The one blocking connection of commands that ask, print and go.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The server takes client names of at most so many bytes. */
#define MAX_CLIENT_NAME 63

static PGconn *session;

static void
close_session(void)
{
	PQfinish(session);
	session = NULL;
}

/* Notices of the server, without control characters that move the cursor. */
static void
show_notice(void *arg, const char *message)
{
	size_t		length = strlen(message);
	char	   *text = duplicate(message);

	(void) arg;
	if (length > 0 && text[length - 1] == '\n')
		text[length - 1] = '\0';
	print_clean(stderr, text);
	fputc('\n', stderr);
	free(text);
}

/*
 * Connect to the database that -d or the PG* variables name; without wait
 * only begin to, and PQconnectPoll() goes on.  The result may be a failure.
 *
 * What comes before dbname in the list is a default that a connection string
 * may replace; what comes after holds.  The keepalives let a worker notice
 * within a minute or so that its server is gone.
 */
PGconn *
connect_to(const char *application, bool wait)
{
	const char *keywords[] = {
		"keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
		"fallback_application_name", "dbname", "client_encoding", NULL
	};
	const char *values[] = {
		"30", "10", "3", "60000", application, common.dbname, "UTF8", NULL
	};
	PGconn	   *conn = wait ? PQconnectdbParams(keywords, values, 1)
		: PQconnectStartParams(keywords, values, 1);

	if (conn == NULL)
		die(EXIT_ERROR, "out of memory");
	PQsetNoticeProcessor(conn, show_notice, NULL);
	return conn;
}

/* Connect, or tell why not and end the program. */
PGconn *
connect_or_die(const char *application)
{
	PGconn	   *conn = connect_to(application, true);

	if (PQstatus(conn) != CONNECTION_OK)
	{
		char	   *message = duplicate(PQerrorMessage(conn));

		message[strcspn(message, "\n")] = '\0';
		die(EXIT_CONNECTION, "%s", message);
	}
	return conn;
}

/* The session, connected at first use; the program ends if that fails. */
PGconn *
connection(void)
{
	if (session == NULL)
	{
		session = connect_or_die("dfsmr");
		atexit(close_session);
	}
	return session;
}

/* Run a statement; the result may be an error.  A lost connection ends the program. */
PGresult *
query_try(const Query *query)
{
	PGresult   *result = PQexecParams(connection(), query->sql.data, query->count, NULL,
									  query->values, NULL, NULL, 0);

	if (result == NULL)
		die(EXIT_ERROR, "out of memory");
	if (PQstatus(session) == CONNECTION_BAD)
	{
		report_error(NULL, result);
		exit(EXIT_CONNECTION);
	}
	return result;
}

/* Run a statement; an error is shown and ends the program. */
PGresult *
query_run(const Query *query)
{
	PGresult   *result = query_try(query);

	if (PQresultStatus(result) != PGRES_TUPLES_OK && PQresultStatus(result) != PGRES_COMMAND_OK)
		exit(report_error(NULL, result));
	return result;
}

/*
 * Run a statement and print its first column, a row a line, as the rows come:
 * there may be more than fit in memory.  An error ends the program.
 */
void
query_print(const Query *query)
{
	PGconn	   *conn = connection();
	PGresult   *result;

	if (!PQsendQueryParams(conn, query->sql.data, query->count, NULL, query->values, NULL, NULL, 0))
		die(EXIT_CONNECTION, "%s", PQerrorMessage(conn));
	PQsetSingleRowMode(conn);
	while ((result = PQgetResult(conn)) != NULL)
	{
		if (PQresultStatus(result) != PGRES_SINGLE_TUPLE && PQresultStatus(result) != PGRES_TUPLES_OK)
		{
			flush_output();
			exit(report_error(NULL, result));
		}
		print_column(result, 0);
		PQclear(result);
	}
}

/* The name under which work is claimed: the given one, or host:pid. */
char *
client_name(const char *given)
{
	char		host[256] = "";
	char	   *pid;
	char	   *name;

	if (given)
		return duplicate(given);
	if (gethostname(host, sizeof(host) - 1) != 0 || host[0] == '\0')
		strcpy(host, "localhost");
	pid = format(":%ld", (long) getpid());
	name = format("%.*s%s", (int) (MAX_CLIENT_NAME - strlen(pid)), host, pid);
	free(pid);
	return name;
}

/*
 * " -d …" as a shell reads it, for a command line that is shown, or "".  A
 * connection string with a password is not shown.
 */
char *
connection_option(void)
{
	Buffer		text = {0};
	PQconninfoOption *options;
	bool		secret = false;

	if (common.dbname == NULL)
		return duplicate("");
	options = PQconninfoParse(common.dbname, NULL);
	for (PQconninfoOption *o = options; o && o->keyword; o++)
		secret |= o->val != NULL && strstr(o->keyword, "password") != NULL;
	PQconninfoFree(options);
	if (secret)
		return duplicate("");
	buffer_text(&text, " -d ");
	buffer_shell_word(&text, common.dbname);
	return text.data;
}

/*-------------------------------------------------------------------------
 *
 * link.c
 *	  A connection that never blocks and comes back.
 *
 * For the commands that stay: they wait for several things in one poll().  A
 * link is polled with link_fd(), link_events() and link_deadline(), and
 * link_service() then says what has happened.  When the server goes away, a
 * link tells so once (LINK_LOST), reconnects with growing pauses, and tells
 * when it is back (LINK_CONNECTED).  What was under way when it was lost may
 * have happened or not; its owner must be able to say it again.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* How long one attempt to connect again may take. */
#define CONNECT_TIMEOUT 10000

#define RECONNECT_BASE 100
#define RECONNECT_MOST 5000

/*
 * A pause after so many failures: doubles from base to most, with a random
 * quarter taken off, so that many clients do not come back in step.
 */
int64_t
backoff_ms(int failures, int64_t base, int64_t most)
{
	int64_t		pause = base;

	while (failures-- > 1 && pause < most)
		pause *= 2;
	if (pause > most)
		pause = most;
	return pause - pause / 4 * (random() % 1024) / 1024;
}

static void
begin_connecting(Link *link)
{
	link->conn = connect_to(link->application, false);
	link->state = LINK_CONNECTING;
	link->events = POLLOUT;
	link->give_up_at = monotonic_ms() + CONNECT_TIMEOUT;
}

/* The connection is made. */
static void
become_idle(Link *link)
{
	PQsetnonblocking(link->conn, 1);
	link->state = LINK_IDLE;
	link->events = POLLIN;
}

/* Drop the connection and plan the next attempt. */
static void
take_down(Link *link)
{
	PQclear(link->result);
	link->result = NULL;
	PQfinish(link->conn);
	link->conn = NULL;
	link->broken = false;
	link->state = LINK_DOWN;
	link->failures++;
	link->retry_at = monotonic_ms() + backoff_ms(link->failures, RECONNECT_BASE, RECONNECT_MOST);
}

/* Tell why, unless the same was just told. */
static void
tell_failure(Link *link, const char *message)
{
	char	   *line = duplicate(message);

	line[strcspn(line, "\n")] = '\0';
	if (link->last_message == NULL || strcmp(link->last_message, line) != 0)
	{
		complain("%s; trying again", line[0] ? line : "connection lost");
		free(link->last_message);
		link->last_message = line;
	}
	else
		free(line);
}

/*
 * Open a link for the first time.  This one blocks, and a failure ends the
 * program: a wrong name or password is to be told, not to be tried for ever.
 */
void
link_open(Link *link, const char *application)
{
	memset(link, 0, sizeof(*link));
	link->application = application;
	link->conn = connect_or_die(application);
	become_idle(link);
}

void
link_close(Link *link)
{
	PQclear(link->result);
	PQfinish(link->conn);
	free(link->last_message);
	memset(link, 0, sizeof(*link));
	link->state = LINK_DOWN;
	link->retry_at = INT64_MAX;
}

/*
 * Send a statement over an idle link.  Should the connection turn out to be
 * broken, link_service() says LINK_LOST.
 */
void
link_send(Link *link, const Query *query)
{
	link->state = LINK_BUSY;
	if (PQsendQueryParams(link->conn, query->sql.data, query->count, NULL,
						  query->values, NULL, NULL, 0))
		link->events = PQflush(link->conn) == 1 ? POLLIN | POLLOUT : POLLIN;
	else
		link->broken = true;
}

/* Ask the server to give up the statement under way; its result still comes. */
void
link_cancel(Link *link)
{
	char		error[256];
	PGcancel   *cancel;

	if (link->state != LINK_BUSY || (cancel = PQgetCancel(link->conn)) == NULL)
		return;
	PQcancel(cancel, error, sizeof(error));
	PQfreeCancel(cancel);
}

/* What to poll; -1, which poll() skips, while there is nothing. */
int
link_fd(const Link *link)
{
	return link->conn ? PQsocket(link->conn) : -1;
}

short
link_events(const Link *link)
{
	return link->events;
}

static bool
is_broken(const Link *link)
{
	return link->broken || (link->conn && PQstatus(link->conn) == CONNECTION_BAD);
}

/* When link_service() must be called at the latest. */
int64_t
link_deadline(const Link *link)
{
	if (is_broken(link))
		return 0;
	if (link->state == LINK_DOWN)
		return link->retry_at;
	if (link->state == LINK_CONNECTING)
		return link->give_up_at;
	return INT64_MAX;
}

static LinkEvent
service_connecting(Link *link, short revents)
{
	PostgresPollingStatusType status = PGRES_POLLING_FAILED;

	if (PQstatus(link->conn) != CONNECTION_BAD)
	{
		if (revents == 0)
		{
			if (monotonic_ms() < link->give_up_at)
				return LINK_NOTHING;
			tell_failure(link, "the server does not answer");
			take_down(link);
			return LINK_NOTHING;
		}
		status = PQconnectPoll(link->conn);
	}

	switch (status)
	{
		case PGRES_POLLING_OK:
			complain("connected again");
			free(link->last_message);
			link->last_message = NULL;
			link->failures = 0;
			become_idle(link);
			return LINK_CONNECTED;
		case PGRES_POLLING_FAILED:
			tell_failure(link, PQerrorMessage(link->conn));
			take_down(link);
			return LINK_NOTHING;
		default:
			link->events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT;
			return LINK_NOTHING;
	}
}

/*
 * Is this the server's farewell (it stops, crashed, or starts up), rather
 * than an answer to what was asked?
 */
bool
link_is_loss(const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	return sqlstate != NULL &&
		(strncmp(sqlstate, "08", 2) == 0 || strncmp(sqlstate, "57P0", 4) == 0);
}

/*
 * Take in what has arrived.  Without a statement under way that can be
 * notifications, which the owner fetches by PQnotifies(), or the end of the
 * connection.
 */
static LinkEvent
service_established(Link *link)
{
	PGresult   *result;

	if (is_broken(link) || !PQconsumeInput(link->conn))
		goto lost;
	if (link->state == LINK_BUSY)
	{
		int			unsent = PQflush(link->conn);

		if (unsent < 0)
			goto lost;
		link->events = unsent ? POLLIN | POLLOUT : POLLIN;
		while (!PQisBusy(link->conn))
		{
			if ((result = PQgetResult(link->conn)) == NULL)
			{
				if (link->result == NULL)
					goto lost;
				link->state = LINK_IDLE;
				return LINK_RESULT;
			}
			if (link_is_loss(result))
			{
				PQclear(link->result);
				link->result = result;
				goto lost;
			}
			if (link->result == NULL)
				link->result = result;
			else
				PQclear(result);
			if (PQstatus(link->conn) == CONNECTION_BAD)
				goto lost;
		}
	}
	else if (PQstatus(link->conn) == CONNECTION_BAD)
		goto lost;
	return LINK_NOTHING;

lost:
	tell_failure(link, link->result && PQresultErrorField(link->result, PG_DIAG_MESSAGE_PRIMARY) ?
				 PQresultErrorField(link->result, PG_DIAG_MESSAGE_PRIMARY) :
				 PQerrorMessage(link->conn));
	take_down(link);
	return LINK_LOST;
}

/*
 * Do what is due: revents is what poll() reported for link_fd().  Tells at
 * most one event; after LINK_RESULT the owner takes link->result away.
 */
LinkEvent
link_service(Link *link, short revents)
{
	switch (link->state)
	{
		case LINK_DOWN:
			if (monotonic_ms() >= link->retry_at)
				begin_connecting(link);
			return LINK_NOTHING;
		case LINK_CONNECTING:
			return service_connecting(link, revents);
		default:
			if (revents == 0 && !is_broken(link))
				return LINK_NOTHING;
			return service_established(link);
	}
}

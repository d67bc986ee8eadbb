/*-------------------------------------------------------------------------
 *
 * changes.c
 *	  changes: follow the changelog.
 *
 * What is shown comes from changes_since() and its cursor, which is exact.
 * Notifications only say that there may be something to fetch: they are not
 * kept for a listener that is away, and may be repeated after a crash.  The
 * cursor moves when changes have been printed, so a lost connection costs
 * nothing: the next one goes on from there.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Changes fetched at once. */
#define PAGE "1000"
#define PAGE_ROWS 1000

/*
 * Look after so long without a notification: while the server's notification
 * queue is more than half full they are held back.  If there is nothing, the
 * cursor is moved to now, so that it does not grow old.
 */
#define QUIET_TIME 10000

/* What the follower does next on its connection. */
typedef enum Step
{
	STEP_LISTEN,				/* before reading, so that nothing falls between */
	STEP_NOW,					/* ask for the cursor that means now */
	STEP_MOVE,					/* move the cursor to now, unless it misses something */
	STEP_READ,
	STEP_WAIT					/* for a notification */
} Step;

typedef struct Follower
{
	const char *machine;		/* only its changes, or NULL */
	bool		once;			/* end when all there is has been shown */
	char	   *cursor;			/* NULL: the oldest change that is kept */
	bool		from_now;		/* the cursor is still to be asked for */
	Step		step;
	int64_t		act_at;			/* STEP_WAIT: look then; else: not before */
	int			failures;		/* passing errors in a row */
	bool		done;
	int			status;
	Link		link;
} Follower;

/* Columns of the statement that reads. */
enum
{
	C_CURSOR, C_JSON, C_AT, C_KIND, C_MACHINE, C_VERSION, C_INSTANCE, C_KEY, C_VISIT,
	C_ATTEMPT, C_PREV_NODE, C_TRANSITION, C_NODE, C_CLIENT, C_NOTE
};

static void
print_optional(const PGresult *result, int row, int column, const char *label)
{
	if (PQgetisnull(result, row, column))
		return;
	printf("  %s", label);
	print_clean(stdout, PQgetvalue(result, row, column));
}

/* One change on one line: when, what, where, and who with which remark. */
static void
print_change(const PGresult *result, int row)
{
	Buffer		move = {0};

	if (common.json)
	{
		printf("%s\n", PQgetvalue(result, row, C_JSON));
		return;
	}

	printf("%s  %-10s  ", PQgetvalue(result, row, C_AT), PQgetvalue(result, row, C_KIND));
	print_clean(stdout, PQgetvalue(result, row, C_MACHINE));
	if (PQgetisnull(result, row, C_INSTANCE))
		print_optional(result, row, C_VERSION, "version ");
	print_optional(result, row, C_INSTANCE, "");

	buffer_text(&move, PQgetvalue(result, row, C_PREV_NODE));
	if (!PQgetisnull(result, row, C_TRANSITION))
		buffer_printf(&move, "%s-%s->", move.length ? " " : "", PQgetvalue(result, row, C_TRANSITION));
	else if (move.length && !PQgetisnull(result, row, C_NODE))
		buffer_text(&move, " ->");
	if (!PQgetisnull(result, row, C_NODE))
		buffer_printf(&move, "%s%s", move.length ? " " : "", PQgetvalue(result, row, C_NODE));
	if (move.length)
	{
		fputs("  ", stdout);
		print_clean(stdout, move.data);
	}

	print_optional(result, row, C_VISIT, "visit ");
	print_optional(result, row, C_KEY, "key ");
	print_optional(result, row, C_CLIENT, "by ");
	print_optional(result, row, C_NOTE, "note ");
	putchar('\n');
	buffer_free(&move);
}

/* Send what the current step asks for. */
static void
send_step(Follower *follower)
{
	Query		query;

	switch (follower->step)
	{
		case STEP_LISTEN:
			query_init(&query, "LISTEN dfsmr");
			break;
		case STEP_NOW:
			query_init(&query, "SELECT dfsmr.changes_cursor()");
			break;
		case STEP_MOVE:
			query_init(&query, "SELECT dfsmr.changes_cursor(");
			query_value(&query, follower->cursor, "text");
			query_text(&query, ")");
			break;
		default:
			query_init(&query, "SELECT c.cursor, pg_catalog.row_to_json(c), c.at, c.kind, c.machine,"
					   " c.version, c.instance, c.key, c.visit, c.attempt, c.prev_node,"
					   " c.transition, c.node, c.client, c.note"
					   " FROM dfsmr.changes_since(");
			query_value(&query, follower->cursor, "text");
			query_text(&query, ", " PAGE ") AS c");
			break;
	}
	link_send(&follower->link, &query);
	query_free(&query);
}

static void
set_cursor(Follower *follower, const char *cursor)
{
	free(follower->cursor);
	follower->cursor = duplicate(cursor);
}

static void
wait_for_more(Follower *follower)
{
	follower->step = STEP_WAIT;
	follower->act_at = monotonic_ms() + QUIET_TIME;
}

/* Take the answer to the current step and choose the next. */
static void
take_answer(Follower *follower, PGresult *result)
{
	int			rows = PQntuples(result);

	if (PQresultStatus(result) != PGRES_TUPLES_OK && PQresultStatus(result) != PGRES_COMMAND_OK)
	{
		if (is_passing_error(result))
		{
			if (follower->failures++ == 0)
				report_error("trying again", result);
			follower->act_at = monotonic_ms() + backoff_ms(follower->failures, 200, 10000);
			return;
		}
		follower->status = report_error(NULL, result);
		follower->done = true;
		return;
	}
	follower->failures = 0;

	switch (follower->step)
	{
		case STEP_LISTEN:
			follower->step = follower->from_now ? STEP_NOW : STEP_READ;
			break;
		case STEP_NOW:
			set_cursor(follower, PQgetvalue(result, 0, 0));
			follower->from_now = false;
			follower->step = STEP_READ;
			break;
		case STEP_MOVE:
			if (strcmp(follower->cursor, PQgetvalue(result, 0, 0)) == 0)
				follower->step = STEP_READ;
			else
			{
				set_cursor(follower, PQgetvalue(result, 0, 0));
				wait_for_more(follower);
			}
			break;
		default:
			for (int r = 0; r < rows; r++)
				if (follower->machine == NULL ||
					strcmp(follower->machine, PQgetvalue(result, r, C_MACHINE)) == 0)
					print_change(result, r);
			flush_output();
			if (rows > 0)
				set_cursor(follower, PQgetvalue(result, rows - 1, C_CURSOR));
			if (rows < PAGE_ROWS)
			{
				wait_for_more(follower);
				follower->done = follower->once;
			}
			break;
	}
}

/* Throw the notifications away, which are but a wake-up; were there any? */
static bool
had_notifications(Link *link)
{
	PGnotify   *notification;
	bool		any = false;

	while (link->conn && (notification = PQnotifies(link->conn)) != NULL)
	{
		any = true;
		PQfreemem(notification);
	}
	return any;
}

static void
take_event(Follower *follower, LinkEvent event)
{
	PGresult   *result;

	switch (event)
	{
		case LINK_RESULT:
			result = follower->link.result;
			follower->link.result = NULL;
			take_answer(follower, result);
			PQclear(result);
			break;
		case LINK_CONNECTED:
			follower->step = STEP_LISTEN;
			follower->act_at = 0;
			break;
		default:
			break;
	}
	if (follower->step == STEP_WAIT && had_notifications(&follower->link))
	{
		follower->step = STEP_READ;
		follower->act_at = 0;
	}
}

static int
poll_timeout(const Follower *follower)
{
	int64_t		deadline = link_deadline(&follower->link);
	int64_t		left;

	if (follower->link.state == LINK_IDLE && follower->act_at < deadline)
		deadline = follower->act_at;
	left = deadline - monotonic_ms();
	return left <= 0 ? 0 : left > QUIET_TIME ? QUIET_TIME : (int) left;
}

static void
follow(Follower *follower)
{
	while (!follower->done && wake_stop_signals() == 0)
	{
		struct pollfd fds[3];

		if (follower->link.state == LINK_IDLE)
		{
			if (follower->step == STEP_WAIT && monotonic_ms() >= follower->act_at)
				follower->step = follower->cursor ? STEP_MOVE : STEP_READ;
			if (follower->step != STEP_WAIT && monotonic_ms() >= follower->act_at)
				send_step(follower);
		}

		fds[0] = (struct pollfd) {.fd = wake_fd(), .events = POLLIN};
		fds[1] = (struct pollfd) {.fd = link_fd(&follower->link), .events = link_events(&follower->link)};
		fds[2] = (struct pollfd) {.fd = STDOUT_FILENO, .events = 0};	/* is the reader there? */
		if (poll(fds, 3, poll_timeout(follower)) < 0 && errno != EINTR)
			die(EXIT_ERROR, "poll failed: %s", strerror(errno));
		wake_drain();
		if (fds[2].revents & (POLLERR | POLLHUP))
			break;
		take_event(follower, link_service(&follower->link, fds[1].revents));
	}
}

int
command_changes(const Command *command, int argc, char **argv)
{
	const char *since = "now";
	Follower	follower = {.step = STEP_LISTEN};
	const Option options[] = {
		{"since", 's', OPTION_TEXT, &since, "CURSOR", "from there on; or \"now\" (the default), or \"oldest\""},
		{"machine", 'm', OPTION_TEXT, &follower.machine, "MACHINE", "only changes of this machine"},
		{"once", 0, OPTION_FLAG, &follower.once, NULL, "show what there is and exit"},
		NO_OPTION
	};
	const char **arguments = allocate(sizeof(char *) * (size_t) argc);

	parse_arguments(command, options, argc, argv, arguments);
	free(arguments);
	if (strcmp(since, "now") == 0)
		follower.from_now = true;
	else if (strcmp(since, "oldest") != 0)
		follower.cursor = duplicate(since);

	link_open(&follower.link, "dfsmr changes");
	wake_init(false);
	follow(&follower);
	link_close(&follower.link);
	if (follower.cursor && follower.status == EXIT_DONE)
		complain("to continue: --since %s", follower.cursor);
	free(follower.cursor);
	return follower.status;
}

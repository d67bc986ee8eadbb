/*-------------------------------------------------------------------------
 *
 * dfsmr.h
 *	  What the files of the command-line client share.
 *
 * The client speaks the SQL interface of the extension and nothing else.
 * JSON is taken apart and put together by the server, which has a parser for
 * it; the client only passes texts on.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_CLIENT_H
#define DFSMR_CLIENT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <libpq-fe.h>

/* The build gives the version of the extension. */
#ifndef DFSMR_VERSION
#define DFSMR_VERSION "unknown"
#endif

#define lengthof(array) (sizeof(array) / sizeof((array)[0]))

#if defined(__GNUC__)
#define printf_like(f, a) __attribute__((format(printf, f, a)))
#else
#define printf_like(f, a)
#endif

/*
 * Exit statuses; a promise to scripts, listed in dfsmr(1).  An error of the
 * extension (SQLSTATE SM0nn) has the status EXIT_SM + nn.
 */
typedef enum ExitStatus
{
	EXIT_DONE = 0,
	EXIT_ERROR = 1,				/* any error without a status of its own */
	EXIT_USAGE = 2,				/* the command line is wrong */
	EXIT_NOTHING = 3,			/* ready: there is no task */
	EXIT_CONNECTION = 4,		/* no connection, or it was lost */
	EXIT_FILE = 5,				/* a file cannot be read or written */
	EXIT_SM = 20
} ExitStatus;

/* ---- text.c: memory, growing texts, small parsers ---- */

typedef struct Buffer
{
	char	   *data;			/* always terminated once something was added */
	size_t		length;
	size_t		size;
} Buffer;

extern void *allocate(size_t size);
extern void *reallocate(void *old, size_t size);
extern char *duplicate(const char *text);	/* NULL for NULL */
extern char *format(const char *fmt,...) printf_like(1, 2);

extern void buffer_add(Buffer *buffer, const char *bytes, size_t length);
extern void buffer_text(Buffer *buffer, const char *text);
extern void buffer_printf(Buffer *buffer, const char *fmt,...) printf_like(2, 3);
extern void buffer_shell_word(Buffer *buffer, const char *word);
extern void buffer_reset(Buffer *buffer);
extern void buffer_free(Buffer *buffer);

extern bool parse_int(const char *text, int min, int max, int *value);
extern bool parse_duration(const char *text, int64_t *milliseconds);
extern char *duration_text(int64_t milliseconds);
extern int64_t monotonic_ms(void);
extern bool read_stream(FILE *stream, Buffer *buffer);

/* ---- message.c: what is said on standard error ---- */

extern void complain(const char *fmt,...) printf_like(1, 2);
_Noreturn extern void die(int status, const char *fmt,...) printf_like(2, 3);
extern int	sqlstate_exit(const char *sqlstate);
extern bool is_sqlstate(const PGresult *result, const char *sqlstate);
extern bool is_passing_error(const PGresult *result);
extern int	report_error(const char *context, const PGresult *result);
extern void flush_output(void);

/* ---- options.c: command lines, from tables ---- */

typedef enum OptionKind
{
	OPTION_FLAG,				/* bool */
	OPTION_TEXT,				/* const char * */
	OPTION_NUMBER,				/* const char *, but an integer */
	OPTION_COUNT,				/* int, at least 1 */
	OPTION_DURATION,			/* int64_t, milliseconds */
	OPTION_LIST					/* OptionList, may be given many times */
} OptionKind;

typedef struct OptionList
{
	const char **items;
	int			count;
} OptionList;

typedef struct Option
{
	const char *name;			/* long name without dashes; NULL ends */
	char		letter;			/* short name, or 0 */
	OptionKind	kind;
	void	   *target;
	const char *argument;		/* its name in --help; NULL for a flag */
	const char *help;
} Option;

typedef struct Command
{
	const char *name;
	int			(*run) (const struct Command *command, int argc, char **argv);
	const char *synopsis;		/* arguments, as --help shows them */
	const char *summary;		/* one line */
	const char *description;	/* more, or NULL */
	int			min_arguments;
	int			max_arguments;	/* -1: any number */
} Command;

#define NO_OPTION {NULL, 0, OPTION_FLAG, NULL, NULL, NULL}

/* Common to all commands; may be given before or after the command's name. */
typedef struct Common
{
	const char *dbname;			/* -d: name or connection string */
	bool		json;			/* --json */
} Common;

extern Common common;

extern int	parse_arguments(const Command *command, const Option *options,
							int argc, char **argv, const char **arguments);
extern int	parse_common(int argc, char **argv);
_Noreturn extern void usage_error(const Command *command, const char *fmt,...) printf_like(2, 3);
extern const char *argument_or_null(const char **arguments, int count, int index);

/* ---- query.c: a statement and its parameters ---- */

typedef struct Query
{
	Buffer		sql;
	const char **values;		/* not owned */
	char	  **owned;			/* these are */
	int			nowned;
	int			count;
	int			capacity;
	bool		has_argument;
} Query;

extern void query_init(Query *query, const char *sql);
extern void query_text(Query *query, const char *sql);
extern void query_value(Query *query, const char *value, const char *type);
extern void query_call(Query *query, const char *function);
extern void query_argument(Query *query, const char *name, const char *value, const char *type);
extern void query_owned_argument(Query *query, const char *name, char *value, const char *type);
extern void query_object(Query *query, const char *name, const char *object, const OptionList *pairs);
extern void query_end(Query *query);
extern void query_free(Query *query);

/* ---- connection.c: the connection of the commands that ask and go ---- */

extern PGconn *connect_to(const char *application, bool wait);
extern PGconn *connect_or_die(const char *application);
extern PGconn *connection(void);
extern PGresult *query_try(const Query *query);
extern PGresult *query_run(const Query *query);
extern void query_print(const Query *query);
extern char *client_name(const char *given);
extern char *connection_option(void);

/* ---- output.c: tables for people, JSON for programs ---- */

extern void show_query(Query *query, const char *nothing);
extern void print_table(const PGresult *result);
extern void print_record(const PGresult *result, int row);
extern void print_column(const PGresult *result, int column);
extern void print_clean(FILE *stream, const char *text);

/* ---- wake.c: signals as events ---- */

extern void wake_init(bool children);
extern int	wake_fd(void);
extern void wake_drain(void);
extern int	wake_stop_signals(void);
extern int	wake_last_signal(void);

/* ---- link.c: a connection that never blocks and comes back ---- */

typedef enum LinkState
{
	LINK_DOWN,					/* tries again at retry_at */
	LINK_CONNECTING,
	LINK_IDLE,
	LINK_BUSY					/* a statement is under way */
} LinkState;

typedef enum LinkEvent
{
	LINK_NOTHING,
	LINK_CONNECTED,
	LINK_RESULT,				/* the caller takes link->result */
	LINK_LOST					/* what was under way may or may not have happened */
} LinkEvent;

typedef struct Link
{
	const char *application;
	PGconn	   *conn;
	LinkState	state;
	PGresult   *result;
	int64_t		retry_at;		/* LINK_DOWN */
	int64_t		give_up_at;		/* LINK_CONNECTING */
	int			failures;		/* attempts to connect that failed in a row */
	char	   *last_message;	/* of the last failure that was told */
	short		events;			/* what to poll for */
	bool		broken;			/* a statement could not be sent */
} Link;

extern void link_open(Link *link, const char *application);
extern void link_close(Link *link);
extern void link_send(Link *link, const Query *query);
extern void link_cancel(Link *link);
extern int	link_fd(const Link *link);
extern short link_events(const Link *link);
extern int64_t link_deadline(const Link *link);
extern LinkEvent link_service(Link *link, short revents);
extern bool link_is_loss(const PGresult *result);
extern int64_t backoff_ms(int failures, int64_t base, int64_t most);

/* ---- commands ---- */

extern int	command_define(const Command *command, int argc, char **argv);
extern int	command_validate(const Command *command, int argc, char **argv);
extern int	command_machines(const Command *command, int argc, char **argv);
extern int	command_definition(const Command *command, int argc, char **argv);
extern int	command_graph(const Command *command, int argc, char **argv);

extern int	command_start(const Command *command, int argc, char **argv);

extern int	command_instances(const Command *command, int argc, char **argv);
extern int	command_history(const Command *command, int argc, char **argv);
extern int	command_allowed(const Command *command, int argc, char **argv);
extern int	command_stuck(const Command *command, int argc, char **argv);
extern int	command_node_stats(const Command *command, int argc, char **argv);
extern int	command_breakers(const Command *command, int argc, char **argv);
extern int	command_status(const Command *command, int argc, char **argv);

extern int	command_ready(const Command *command, int argc, char **argv);
extern int	command_transition(const Command *command, int argc, char **argv);
extern int	command_relinquish(const Command *command, int argc, char **argv);
extern int	command_heartbeat(const Command *command, int argc, char **argv);
extern int	command_signal(const Command *command, int argc, char **argv);
extern int	command_abort(const Command *command, int argc, char **argv);
extern int	command_move(const Command *command, int argc, char **argv);
extern int	command_pause(const Command *command, int argc, char **argv);
extern int	command_resume(const Command *command, int argc, char **argv);

extern int	command_changes(const Command *command, int argc, char **argv);
extern int	command_work(const Command *command, int argc, char **argv);

#endif							/* DFSMR_CLIENT_H */

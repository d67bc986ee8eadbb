/*-------------------------------------------------------------------------
 *
 * work.h
 *	  What the files of "dfsmr work" share.
 *
 * A worker has a slot for every command it may run at once, with --batch one
 * for every task of a batch.  The slot holds the task from its claim until the
 * server knows how it ended:
 *
 *		FREE -> TAKEN -> RUNNING -> ENDED -> FREE
 *
 * In TAKEN it is not yet its turn; in RUNNING the command runs; in both,
 * heartbeats are due.  In ENDED the command is gone and something is to be said
 * about the task: read its result, make a transition, give it back.
 *
 * Two connections: the waiter sits in ready(), which blocks; the speaker says
 * everything else, one statement at a time, for whichever slot has waited
 * longest; with --batch, transitions are gathered and said together, in a
 * statement that also claims tasks for the slots it frees.  What a slot has to say stays in the slot until the answer is
 * there, so a lost connection loses nothing: it is said again, with visit,
 * attempt and client, and the server knows a repetition.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_WORK_H
#define DFSMR_WORK_H

#include "dfsmr.h"

#include <sys/types.h>

typedef enum SlotState
{
	SLOT_FREE,
	SLOT_TAKEN,
	SLOT_RUNNING,
	SLOT_ENDED
} SlotState;

/* What is to be said about a slot's task. */
typedef enum Saying
{
	SAY_NOTHING,
	SAY_HEARTBEAT,
	SAY_RESULT,					/* have the server take the result file apart */
	SAY_TRANSITION,
	SAY_BATCH,					/* many transitions */
	SAY_RELINQUISH
} Saying;

typedef struct Slot
{
	SlotState	state;

	/* The task. */
	char	   *instance;
	char	   *node;
	char	   *visit;
	char	   *attempt;
	PGresult   *task;			/* TAKEN: the row that the command is started with */

	/* The command. */
	pid_t		pid;			/* RUNNING */
	char	   *result_path;	/* $DFSMR_RESULT */
	int64_t		kill_at;		/* asked to end by SIGTERM; SIGKILL is due then */
	bool		lease_gone;		/* nothing may be said about the task any more */
	bool		stopped;		/* we asked it to end because the worker must */
	int64_t		heartbeat_every;
	int64_t		heartbeat_at;

	/* What to say, ENDED; the texts are NULL where there is none. */
	Saying		say;
	int64_t		say_at;			/* not before */
	uint64_t	turn;			/* who waits longest starts, or speaks, first */
	bool		alone;			/* a batch with it has failed: not in one again */
	int			failures;		/* passing errors in a row */
	Buffer		result;			/* what the command wrote */
	const char *verdict;		/* transition by exit status; NULL: relinquish */
	int			stop_status;	/* the worker stops with it if the verdict holds */
	char	   *transition;
	char	   *params;
	char	   *data;
	char	   *delay;
	char	   *note;
} Slot;

/* --on-exit: a transition for some ways to end. */
typedef struct ExitRule
{
	int			first;
	int			last;			/* exit statuses; or see below */
	const char *transition;		/* NULL: relinquish */
	bool		stop;			/* and stop the worker */
} ExitRule;

/* In place of an exit status. */
#define EXIT_BY_SIGNAL 1000
#define EXIT_OTHER 1001

typedef struct Worker
{
	/* As the command line says. */
	const char *machine;
	const char *node;			/* or NULL */
	char	  **command;
	char	   *client;
	int			jobs;			/* commands at once */
	int			batch;			/* tasks in one statement */
	int			max;			/* tasks to take at most; 0: no limit */
	bool		drain;
	bool		verbose;
	int64_t		until;			/* --for: take no task after; INT64_MAX: no limit */
	int64_t		grace;			/* between SIGTERM and SIGKILL */
	ExitRule   *rules;			/* the first that fits holds */
	int			nrules;

	Slot	   *slots;
	int			nslots;
	char	   *directory;		/* of the result files */
	uint64_t	turns;
	int			taken;			/* tasks so far */
	int			started;		/* commands so far */

	Link		speaker;
	Slot	  **speaking;		/* about which the statement under way is */
	int			nspeaking;
	Saying		said;			/* and what it is */
	bool		claiming;		/* and it also claims tasks */
	bool		settling;		/* a connection was lost: what we hold comes first */

	Link		waiter;
	bool		asked_drained;	/* the waiter's statement is not ready(), but drained? */
	bool		ask_drained;	/* and so is its next */
	int64_t		asked_at;
	int64_t		ask_at;			/* not before */
	int			quick_answers;	/* "nothing" in a row, without having waited */
	int			ask_failures;
	int			start_failures; /* commands in a row that could not be started */

	bool		stopping;		/* take no more */
	bool		giving_back;	/* nor start what was taken */
	bool		cancelled;		/* the waiter's statement */
	bool		commands_stopped;	/* by a second signal */
	int64_t		patience_until; /* stopping: give up what cannot be said; 0: not begun */
	int			status;			/* the exit status to be */
} Worker;

/* The server's answer about one task. */
typedef struct ServerAnswer
{
	const char *sqlstate;		/* NULL: well */
	const char *message;
	const char *node;			/* where the instance is, when well */
} ServerAnswer;

/* Columns of what the waiter asks for; see waiter_select_tasks(). */
enum
{
	TASK_JSON, TASK_INSTANCE, TASK_NODE, TASK_VISIT, TASK_ATTEMPT, TASK_LEASE_MS,
	TASK_PARAMS_LIST, TASK_FIELDS	/* from here on: fields for the environment */
};

/* work.c */
extern void worker_stop(Worker *worker);
extern void worker_fail(Worker *worker, int status);
extern int	worker_count(const Worker *worker, SlotState state);

/* work_rules.c */
extern void rules_init(Worker *worker, const Command *command, const OptionList *given);
extern const ExitRule *rules_find(const Worker *worker, int wait_status);

/* work_waiter.c */
extern int	waiter_wanted(const Worker *worker, int freed);
extern bool waiter_may_ask(const Worker *worker, int64_t now);
extern void waiter_select_tasks(Query *query);
extern void waiter_take_tasks(Worker *worker, const PGresult *tasks, int row);
extern int64_t waiter_deadline(const Worker *worker);
extern void waiter_act(Worker *worker);
extern void waiter_event(Worker *worker, LinkEvent event);

/* work_slot.c */
extern void slot_take(Worker *worker, Slot *slot, const PGresult *tasks, int row);
extern void slot_start(Worker *worker, Slot *slot);
extern bool slot_is_held(const Slot *slot);
extern void slot_give_back(Worker *worker, Slot *slot, const char *note);
extern void slot_stop_command(Worker *worker, Slot *slot);
extern void slot_command_ended(Worker *worker, Slot *slot, int wait_status);
extern void slot_settle(Worker *worker, Slot *slot);
extern void slot_free(Slot *slot);

/* work_speaker.c */
extern void worker_settle(Worker *worker);
extern int64_t speaker_deadline(const Worker *worker);
extern void speaker_act(Worker *worker);
extern void speaker_event(Worker *worker, LinkEvent event);
extern void transition_answered(Worker *worker, Slot *slot, const ServerAnswer *answer);

/* work_batch.c */
extern bool batch_gathers(const Worker *worker, const Slot *slot);
extern bool batch_is_due(const Worker *worker);
extern void batch_say(Worker *worker, Query *query);
extern void batch_answered(Worker *worker, const PGresult *result);
extern void batch_failed(Worker *worker, const PGresult *result);

/* process.c */
extern char *process_directory_make(void);
extern void process_directory_remove(const char *directory);
extern bool process_start(Worker *worker, Slot *slot, const PGresult *task);
extern bool process_reap(Slot *slot, int *wait_status);
extern void process_signal(Slot *slot, int signo);
extern bool process_read_result(Slot *slot);

#endif							/* DFSMR_WORK_H */

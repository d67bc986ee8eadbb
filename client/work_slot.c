/*-------------------------------------------------------------------------
 *
 * work_slot.c
 *	  The life of a task in its slot, from its claim to what is to be said.
 *
 *-------------------------------------------------------------------------
 */
#include "work.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A heartbeat is due after a third of the lease: two may get lost. */
#define HEARTBEATS_PER_LEASE 3
#define MIN_HEARTBEAT 50

/*
 * At most once: there is no lease to keep, but who looks at what is stuck wants
 * to know whether the holder is alive.
 */
#define SIGN_OF_LIFE 30000

/* With --batch, a transition waits so long for others to go with it. */
#define GATHER_MS 200

/* Tasks that are given back again and again wait longer and longer. */
#define MAX_GIVE_BACK_SECONDS 60

/* Put what the slot has to say at the end of the line. */
static void
speak(Worker *worker, Slot *slot, Saying saying)
{
	slot->say = saying;
	slot->say_at = batch_gathers(worker, slot) ? monotonic_ms() + GATHER_MS : 0;
	slot->failures = 0;
	slot->turn = ++worker->turns;
}

static void
set_text(char **text, const char *new)
{
	char	   *copy = duplicate(new);

	free(*text);
	*text = copy;
}

/* The slot's task is done with. */
void
slot_free(Slot *slot)
{
	if (slot->result_path)
		unlink(slot->result_path);
	free(slot->result_path);
	free(slot->instance);
	free(slot->node);
	free(slot->visit);
	free(slot->attempt);
	PQclear(slot->task);
	free(slot->transition);
	free(slot->params);
	free(slot->data);
	free(slot->delay);
	free(slot->note);
	buffer_free(&slot->result);
	memset(slot, 0, sizeof(*slot));
}

/* Do we hold the task's lease, with nothing to say about it yet? */
bool
slot_is_held(const Slot *slot)
{
	return slot->state == SLOT_TAKEN || slot->state == SLOT_RUNNING;
}

/* One row of a result as a result of its own. */
static PGresult *
copy_row(const PGresult *result, int row)
{
	PGresult   *copy = PQcopyResult(result, PG_COPYRES_ATTRS);

	for (int i = 0; copy != NULL && i < PQnfields(result); i++)
		if (!PQsetvalue(copy, 0, i,
						PQgetisnull(result, row, i) ? NULL : PQgetvalue(result, row, i),
						PQgetisnull(result, row, i) ? -1 : PQgetlength(result, row, i)))
		{
			PQclear(copy);
			copy = NULL;
		}
	if (copy == NULL)
		die(EXIT_ERROR, "out of memory");
	return copy;
}

/*
 * How often the task's lease has to be renewed.  Every task gets heartbeats,
 * also where the node declares none: a timeout that was learnt from past work
 * must not cut off work that takes longer and goes on.
 */
static int64_t
heartbeat_interval(const PGresult *tasks, int row)
{
	int64_t		interval;

	if (PQgetisnull(tasks, row, TASK_LEASE_MS))
		return SIGN_OF_LIFE;
	interval = strtoll(PQgetvalue(tasks, row, TASK_LEASE_MS), NULL, 10) / HEARTBEATS_PER_LEASE;
	return interval < MIN_HEARTBEAT ? MIN_HEARTBEAT : interval;
}

/* Take a task that the server handed out. */
void
slot_take(Worker *worker, Slot *slot, const PGresult *tasks, int row)
{
	slot->heartbeat_every = heartbeat_interval(tasks, row);
	slot->heartbeat_at = monotonic_ms() + slot->heartbeat_every;
	slot->instance = duplicate(PQgetvalue(tasks, row, TASK_INSTANCE));
	slot->node = duplicate(PQgetvalue(tasks, row, TASK_NODE));
	slot->visit = duplicate(PQgetvalue(tasks, row, TASK_VISIT));
	slot->attempt = duplicate(PQgetvalue(tasks, row, TASK_ATTEMPT));

	/* Handed out while the worker was about to stop: the rest to give back. */
	if (worker->stopping)
	{
		slot->stopped = true;
		slot_give_back(worker, slot, "the worker stops");
		return;
	}

	worker->taken++;
	slot->state = SLOT_TAKEN;
	slot->turn = ++worker->turns;
	slot->task = copy_row(tasks, row);
}

/* It is the task's turn: start its command. */
void
slot_start(Worker *worker, Slot *slot)
{
	PGresult   *task = slot->task;
	bool		started = process_start(worker, slot, task);

	slot->task = NULL;
	PQclear(task);
	if (!started)
	{
		/* Other tasks fare no better now. */
		worker->start_failures++;
		worker->ask_at = monotonic_ms() + backoff_ms(worker->start_failures, 200, 10000);
		slot_give_back(worker, slot, "the command could not be started");
		return;
	}
	worker->start_failures = 0;
	slot->state = SLOT_RUNNING;
	if (worker->verbose)
		complain("%s: %s, visit %s, attempt %s: process %ld", slot->instance, slot->node,
				 slot->visit, slot->attempt, (long) slot->pid);
}

/*
 * Give the task back, with a note unless there is one.  A first attempt goes
 * back at once; from then on the pause doubles, so that a command that gives
 * back everything does not keep server and worker busy for nothing.
 */
void
slot_give_back(Worker *worker, Slot *slot, const char *note)
{
	int			attempt = atoi(slot->attempt);
	int			seconds = attempt <= 1 ? 0 : attempt > 7 ? MAX_GIVE_BACK_SECONDS : 1 << (attempt - 2);

	slot->state = SLOT_ENDED;
	if (slot->note == NULL)
		set_text(&slot->note, note);
	if (slot->delay == NULL && seconds > 0 && !slot->stopped)
		slot->delay = format("%d seconds", seconds > MAX_GIVE_BACK_SECONDS ? MAX_GIVE_BACK_SECONDS : seconds);
	speak(worker, slot, SAY_RELINQUISH);
}

/* Ask the command to end; it is killed when the time of grace is over. */
void
slot_stop_command(Worker *worker, Slot *slot)
{
	if (slot->state != SLOT_RUNNING || slot->kill_at > 0)
		return;
	process_signal(slot, SIGTERM);
	/* A stopped process could not even die. */
	process_signal(slot, SIGCONT);
	slot->kill_at = monotonic_ms() + worker->grace;
}

/* How the command ended, for people; NULL for well. */
static char *
describe_end(int wait_status)
{
	if (WIFSIGNALED(wait_status))
		return format("killed by signal %d (%s)", WTERMSIG(wait_status), strsignal(WTERMSIG(wait_status)));
	if (WEXITSTATUS(wait_status) != 0)
		return format("exit status %d", WEXITSTATUS(wait_status));
	return NULL;
}

/*
 * The command has ended: find out what is to be said.  What it wrote counts
 * first, then how it ended; only that of a command that we stopped ourselves
 * counts for nothing unless it ended well.
 */
void
slot_command_ended(Worker *worker, Slot *slot, int wait_status)
{
	const ExitRule *rule = rules_find(worker, wait_status);
	bool		ended_well = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0;

	slot->state = SLOT_ENDED;
	if (slot->lease_gone)
	{
		slot_free(slot);
		return;
	}
	slot->verdict = slot->stopped && !ended_well ? NULL : rule->transition;
	slot->stop_status = rule->stop ? WEXITSTATUS(wait_status) : 0;
	slot->note = describe_end(wait_status);
	if (worker->verbose)
		complain("%s: %s", slot->instance, slot->note ? slot->note : "done");

	if (!process_read_result(slot))
		slot_give_back(worker, slot, "the result could not be read");
	else if (slot->result.length > 0)
		speak(worker, slot, SAY_RESULT);
	else
		slot_settle(worker, slot);
}

/* Both the result, if any, and the verdict are known: decide. */
void
slot_settle(Worker *worker, Slot *slot)
{
	if (slot->transition == NULL)
	{
		set_text(&slot->transition, slot->verdict);
		if (slot->stop_status)
		{
			complain("%s: the command cannot run (exit status %d): the worker stops",
					 slot->instance, slot->stop_status);
			worker_fail(worker, slot->stop_status);
		}
	}
	if (slot->transition)
		speak(worker, slot, SAY_TRANSITION);
	else
		slot_give_back(worker, slot, NULL);
}

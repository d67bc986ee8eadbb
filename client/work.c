/*-------------------------------------------------------------------------
 *
 * work.c
 *	  work: run a command for each task; the loop and its end.
 *
 * One process, one poll() over the two connections and the signals.  It ends
 * when it has been told to stop (a signal, --for, --max, --drain, an error
 * that no other task would escape) and no slot is taken any more.
 *
 *-------------------------------------------------------------------------
 */
#include "work.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_GRACE 5000

/* At the end, what cannot be said to the server is tried for so long. */
#define PATIENCE 30000

/* Take no more tasks; those that are here are finished. */
void
worker_stop(Worker *worker)
{
	worker->stopping = true;
}

/* The same, start none either, and exit with that status; the first one counts. */
void
worker_fail(Worker *worker, int status)
{
	if (worker->status == EXIT_DONE)
		worker->status = status;
	worker->giving_back = true;
	worker_stop(worker);
}

int
worker_count(const Worker *worker, SlotState state)
{
	int			count = 0;

	for (int i = 0; i < worker->nslots; i++)
		if (worker->slots[i].state == state)
			count++;
	return count;
}

/*
 * The first signal stops in order, the second stops the commands, and the
 * third does not give them time either.
 */
static void
obey_signals(Worker *worker)
{
	int			signals = wake_stop_signals();

	if (signals >= 1 && !worker->giving_back)
	{
		if (worker->verbose)
			complain("signal %d: finishing %d tasks", wake_last_signal(),
					 worker_count(worker, SLOT_RUNNING) + worker_count(worker, SLOT_ENDED));
		worker->giving_back = true;
		worker_stop(worker);
	}
	if (signals < 2)
		return;
	for (int i = 0; i < worker->nslots; i++)
	{
		Slot	   *slot = &worker->slots[i];

		if (slot->state != SLOT_RUNNING)
			continue;
		slot->stopped = true;
		slot_stop_command(worker, slot);
		if (signals > 2)
			slot->kill_at = 1;
		if (worker->status == EXIT_DONE)
			worker->status = 128 + wake_last_signal();
	}
}

/* See which commands have ended, and kill those whose time is over. */
static void
watch_commands(Worker *worker)
{
	for (int i = 0; i < worker->nslots; i++)
	{
		Slot	   *slot = &worker->slots[i];
		int			wait_status;

		if (slot->state != SLOT_RUNNING)
			continue;
		if (slot->kill_at > 0 && monotonic_ms() >= slot->kill_at)
		{
			process_signal(slot, SIGKILL);
			slot->kill_at = INT64_MAX;
		}
		if (process_reap(slot, &wait_status))
			slot_command_ended(worker, slot, wait_status);
	}
}

/* Of what was taken and waits for its command, what has waited longest. */
static Slot *
longest_waiting(Worker *worker)
{
	Slot	   *longest = NULL;

	for (int i = 0; i < worker->nslots; i++)
	{
		Slot	   *slot = &worker->slots[i];

		if (slot->state == SLOT_TAKEN && (longest == NULL || slot->turn < longest->turn))
			longest = slot;
	}
	return longest;
}

/* Start commands for what was taken, those first that have waited longest. */
static void
start_commands(Worker *worker)
{
	int			running = worker_count(worker, SLOT_RUNNING);
	int			waiting = worker_count(worker, SLOT_TAKEN);

	for (; waiting > 0 && (running < worker->jobs || worker->giving_back); waiting--)
	{
		Slot	   *next = longest_waiting(worker);

		if (next == NULL)
			break;
		if (worker->giving_back)
		{
			next->stopped = true;
			slot_give_back(worker, next, "the worker stops");
			continue;
		}
		slot_start(worker, next);
		if (next->state == SLOT_RUNNING)
			running++;
	}
}

/*
 * Is all over?  When nothing runs and the server stays away, what is left to
 * say is given up after a while: the leases will run out.
 */
static bool
is_over(Worker *worker)
{
	int64_t		now = monotonic_ms();

	if (!worker->stopping || worker_count(worker, SLOT_TAKEN) > 0 ||
		worker_count(worker, SLOT_RUNNING) > 0)
		return false;
	if (worker_count(worker, SLOT_ENDED) == 0 && worker->waiter.state != LINK_BUSY)
		return true;
	if (worker->patience_until == 0)
		worker->patience_until = now + PATIENCE;
	if (now < worker->patience_until)
		return false;

	for (int i = 0; i < worker->nslots; i++)
	{
		Slot	   *slot = &worker->slots[i];

		if (slot->state == SLOT_FREE)
			continue;
		if (slot->transition)
			complain("%s: could not be told to the server: \"%s\" at node \"%s\", visit %s, attempt %s",
					 slot->instance, slot->transition, slot->node, slot->visit, slot->attempt);
		else
			complain("%s: could not be given back", slot->instance);
		slot_free(slot);
	}
	worker_fail(worker, EXIT_CONNECTION);
	return true;
}

static int
poll_timeout(const Worker *worker)
{
	int64_t		deadline = speaker_deadline(worker);
	int64_t		left;

	if (waiter_deadline(worker) < deadline)
		deadline = waiter_deadline(worker);
	if (worker->patience_until > 0 && worker->patience_until < deadline)
		deadline = worker->patience_until;
	for (int i = 0; i < worker->nslots; i++)
		if (worker->slots[i].kill_at > 0 && worker->slots[i].kill_at < deadline)
			deadline = worker->slots[i].kill_at;

	if (deadline == INT64_MAX)
		return -1;
	left = deadline - monotonic_ms();
	return left <= 0 ? 0 : left > 3600000 ? 3600000 : (int) left;
}

static void
work(Worker *worker)
{
	for (;;)
	{
		struct pollfd fds[3];

		obey_signals(worker);
		watch_commands(worker);
		start_commands(worker);
		speaker_act(worker);
		waiter_act(worker);
		if (is_over(worker))
			return;

		fds[0] = (struct pollfd) {.fd = wake_fd(), .events = POLLIN};
		fds[1] = (struct pollfd) {.fd = link_fd(&worker->speaker), .events = link_events(&worker->speaker)};
		fds[2] = (struct pollfd) {.fd = link_fd(&worker->waiter), .events = link_events(&worker->waiter)};
		if (poll(fds, 3, poll_timeout(worker)) < 0 && errno != EINTR)
			die(EXIT_ERROR, "poll failed: %s", strerror(errno));
		wake_drain();
		speaker_event(worker, link_service(&worker->speaker, fds[1].revents));
		waiter_event(worker, link_service(&worker->waiter, fds[2].revents));
	}
}

/* The words after "--" are the command; cut them off and return them. */
static char **
split_command(const Command *command, int *argc, char **argv)
{
	for (int i = 1; i < *argc; i++)
	{
		if (strcmp(argv[i], "--") == 0)
		{
			if (i + 1 == *argc)
				usage_error(command, "the command is missing after \"--\"");
			*argc = i;
			return argv + i + 1;
		}
	}
	return NULL;
}

int
command_work(const Command *command, int argc, char **argv)
{
	Worker		worker = {.jobs = 1, .batch = 1, .grace = DEFAULT_GRACE, .until = INT64_MAX};
	const char *client = NULL;
	int64_t		duration = -1;
	OptionList	rules = {0};
	const Option options[] = {
		{"jobs", 'j', OPTION_COUNT, &worker.jobs, "N", "run up to so many commands at once (default: 1)"},
		{"batch", 'b', OPTION_COUNT, &worker.batch, "N", "claim and complete up to so many tasks at a time (default: 1)"},
		{"drain", 0, OPTION_FLAG, &worker.drain, NULL, "end when nothing can become ready without help"},
		{"for", 0, OPTION_DURATION, &duration, "DURATION", "take tasks for so long, then end"},
		{"max", 'n', OPTION_COUNT, &worker.max, "N", "take at most so many tasks, then end"},
		{"on-exit", 0, OPTION_LIST, &rules, "WHEN=TRANSITION", "what an exit status says; WHEN is N, N-M, signal or other, \"-\" gives back (many)"},
		{"grace", 0, OPTION_DURATION, &worker.grace, "DURATION", "between SIGTERM and SIGKILL for a command (default: 5s)"},
		{"client", 'c', OPTION_TEXT, &client, "NAME", "the name to claim under (default: host:pid)"},
		{"verbose", 'v', OPTION_FLAG, &worker.verbose, NULL, "tell about every task"},
		NO_OPTION
	};
	const char **arguments = allocate(sizeof(char *) * (size_t) argc);
	char	   *application;
	int			count;

	worker.command = split_command(command, &argc, argv);
	count = parse_arguments(command, options, argc, argv, arguments);
	if (worker.command == NULL)
		usage_error(command, "the command is missing: -- COMMAND [ARGUMENT]...");
	worker.machine = arguments[0];
	worker.node = argument_or_null(arguments, count, 1);
	worker.client = client_name(client);
	rules_init(&worker, command, &rules);
	if (duration >= 0)
		worker.until = monotonic_ms() + duration;
	worker.nslots = worker.batch > worker.jobs ? worker.batch : worker.jobs;
	worker.slots = allocate(sizeof(Slot) * (size_t) worker.nslots);
	memset(worker.slots, 0, sizeof(Slot) * (size_t) worker.nslots);
	worker.speaking = allocate(sizeof(Slot *) * (size_t) worker.nslots);

	application = format("dfsmr work %s", worker.machine);
	link_open(&worker.speaker, application);
	link_open(&worker.waiter, application);
	/* Nobody who reads our messages may end us in the middle of a task. */
	signal(SIGPIPE, SIG_IGN);
	wake_init(true);
	worker.directory = process_directory_make();

	work(&worker);

	process_directory_remove(worker.directory);
	link_close(&worker.waiter);
	link_close(&worker.speaker);
	free(application);
	free(worker.directory);
	free(worker.speaking);
	free(worker.slots);
	free(worker.rules);
	free(worker.client);
	free(arguments);
	return worker.status;
}

/*-------------------------------------------------------------------------
 *
 * process.c
 *	  Running a task's command: its input, its environment, its end.
 *
 * Each command leads a process group of its own, so that a Ctrl-C at the
 * terminal reaches the worker alone and a stop reaches all that the command
 * has started.
 *
 *-------------------------------------------------------------------------
 */
#include "work.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

/*
 * A longer value is left out of the environment, where one string may have
 * 128 KB at most; standard input has it.
 */
#define MAX_VALUE (32 * 1024)
#define MAX_ENVIRONMENT (512 * 1024)

#define MAX_RESULT (64 * 1024 * 1024)

extern char **environ;

static const char *
temporary_directory(void)
{
	const char *directory = getenv("TMPDIR");

	return directory && directory[0] ? directory : "/tmp";
}

/* Make the directory of the result files; the program ends if that fails. */
char *
process_directory_make(void)
{
	char	   *path = format("%s/dfsmr-work.XXXXXX", temporary_directory());

	if (mkdtemp(path) == NULL)
		die(EXIT_FILE, "could not make a directory \"%s\": %s", path, strerror(errno));
	return path;
}

void
process_directory_remove(const char *directory)
{
	if (rmdir(directory) != 0)
		complain("could not remove \"%s\": %s", directory, strerror(errno));
}

/* ---- the environment ---- */

typedef struct Environment
{
	char	  **entries;
	size_t		count;
	size_t		capacity;
	size_t		bytes;			/* of what was added to the inherited */
} Environment;

static void
environment_push(Environment *env, char *entry)
{
	if (env->count + 1 >= env->capacity)
	{
		env->capacity = env->capacity * 2 + 64;
		env->entries = reallocate(env->entries, sizeof(char *) * env->capacity);
	}
	env->entries[env->count++] = entry;
	env->entries[env->count] = NULL;
}

static void
environment_set(Environment *env, const char *name, size_t name_length, const char *value, size_t value_length)
{
	if (value_length > MAX_VALUE || env->bytes + value_length > MAX_ENVIRONMENT)
		return;
	env->bytes += name_length + value_length;
	environment_push(env, format("DFSMR_%.*s=%.*s", (int) name_length, name, (int) value_length, value));
}

/* Everything we have but the fields of another task, should we run in one. */
static void
environment_inherit(Environment *env, const PGresult *task)
{
	for (char **entry = environ; *entry; entry++)
	{
		bool		ours = strncmp(*entry, "DFSMR_PARAM_", 12) == 0 ||
			strncmp(*entry, "DFSMR_RESULT=", 13) == 0;

		for (int c = TASK_FIELDS; c < PQnfields(task) && !ours; c++)
		{
			const char *name = PQfname(task, c);
			size_t		length = strlen(name);

			ours = strncmp(*entry, "DFSMR_", 6) == 0 &&
				strncasecmp(*entry + 6, name, length) == 0 && (*entry)[6 + length] == '=';
		}
		if (!ours)
			environment_push(env, duplicate(*entry));
	}
}

/*
 * Params one by one, DFSMR_PARAM_name.  The list is a sequence of texts, each
 * with its length in bytes and a colon in front: name, value, name, value.
 */
static void
environment_add_params(Environment *env, const char *list, size_t list_length)
{
	const char *end = list + list_length;
	const char *texts[2];
	size_t		lengths[2];
	int			have = 0;

	while (list < end)
	{
		char	   *colon;
		size_t		length = strtoul(list, &colon, 10);

		texts[have] = colon + 1;
		lengths[have] = length;
		list = colon + 1 + length;
		if (++have == 2)
		{
			char	   *name = format("PARAM_%.*s", (int) lengths[0], texts[0]);

			environment_set(env, name, strlen(name), texts[1], lengths[1]);
			free(name);
			have = 0;
		}
	}
}

static void
environment_build(Environment *env, const char *result_path, const PGresult *task, int row)
{
	environment_inherit(env, task);
	environment_set(env, "RESULT", 6, result_path, strlen(result_path));
	for (int c = TASK_FIELDS; c < PQnfields(task); c++)
	{
		char	   *name;

		if (PQgetisnull(task, row, c))
			continue;
		name = duplicate(PQfname(task, c));
		for (char *p = name; *p; p++)
			if (*p >= 'a' && *p <= 'z')
				*p -= 'a' - 'A';
		environment_set(env, name, strlen(name), PQgetvalue(task, row, c), (size_t) PQgetlength(task, row, c));
		free(name);
	}
	environment_add_params(env, PQgetvalue(task, row, TASK_PARAMS_LIST),
						   (size_t) PQgetlength(task, row, TASK_PARAMS_LIST));
}

static void
environment_free(Environment *env)
{
	for (size_t i = 0; i < env->count; i++)
		free(env->entries[i]);
	free(env->entries);
}

/* ---- the process ---- */

/*
 * A file, already without a name, that reads as the task.  A pipe would have
 * to be fed while the command runs.
 */
static int
task_input(const char *json, size_t length)
{
	char	   *path = format("%s/dfsmr-task.XXXXXX", temporary_directory());
	int			fd = mkstemp(path);
	size_t		done = 0;

	if (fd >= 0)
		unlink(path);
	free(path);
	while (fd >= 0 && done <= length)
	{
		/* At last, the newline. */
		ssize_t		n = done < length ? write(fd, json + done, length - done) : write(fd, "\n", 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
		{
			int			saved_errno = errno;

			close(fd);
			errno = saved_errno;
			return -1;
		}
		done += (size_t) n;
	}
	if (fd >= 0)
	{
		lseek(fd, 0, SEEK_SET);
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
	return fd;
}

/* In the child: become the command.  126 and 127 as shells use them. */
static void
become_command(char **command, char **env, int input, pid_t parent)
{
	sigset_t	none;
	char	   *message;
	int			saved_errno;

	setpgid(0, 0);
#ifdef __linux__
	/* A worker that is killed cannot report; neither shall its commands go on. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(126);
#else
	(void) parent;
#endif
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);

	if (dup2(input, STDIN_FILENO) >= 0)
	{
		environ = env;
		execvp(command[0], command);
	}
	saved_errno = errno;
	message = format("dfsmr: could not run \"%s\": %s\n", command[0], strerror(saved_errno));
	if (write(STDERR_FILENO, message, strlen(message)) < 0)
		_exit(126);
	_exit(saved_errno == ENOENT ? 127 : 126);
}

/* Start the command for a task.  False, and a complaint, if that fails. */
bool
process_start(Worker *worker, Slot *slot, const PGresult *task)
{
	Environment env = {0};
	pid_t		parent = getpid();
	int			result_fd = -1;
	int			input;
	bool		started = false;

	/*
	 * The result file has a new name for each task: what an earlier command
	 * left running in the background cannot write into it.
	 */
	slot->result_path = format("%s/result.%d", worker->directory, ++worker->started);
	input = task_input(PQgetvalue(task, 0, TASK_JSON), (size_t) PQgetlength(task, 0, TASK_JSON));
	if (input >= 0)
		result_fd = open(slot->result_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (result_fd >= 0)
	{
		environment_build(&env, slot->result_path, task, 0);
		fflush(stdout);
		fflush(stderr);
		slot->pid = fork();
		if (slot->pid == 0)
			become_command(worker->command, env.entries, input, parent);
		started = slot->pid > 0;
		/* Both sides say so, as either may come first. */
		if (started)
			setpgid(slot->pid, slot->pid);
		environment_free(&env);
	}
	if (!started)
	{
		complain("%s: could not start the command: %s", slot->instance, strerror(errno));
		slot->pid = 0;
	}

	if (input >= 0)
		close(input);
	if (result_fd >= 0)
		close(result_fd);
	return started;
}

/*
 * Has the slot's command ended?  When it was asked to end, what is left of
 * its process group goes too; that is done before the process id is free for
 * others.
 */
bool
process_reap(Slot *slot, int *wait_status)
{
	siginfo_t	info = {0};

	if (slot->pid <= 0 ||
		waitid(P_PID, (id_t) slot->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
		return false;
	if (slot->kill_at > 0)
		kill(-slot->pid, SIGKILL);
	while (waitpid(slot->pid, wait_status, 0) < 0 && errno == EINTR)
		;
	slot->pid = 0;
	slot->kill_at = 0;
	return true;
}

/* Signal the command and what it has started. */
void
process_signal(Slot *slot, int signo)
{
	if (slot->pid > 0)
		kill(-slot->pid, signo);
}

/*
 * Read what the command wrote into its result file; nothing but white space
 * is nothing.  False, and a complaint, if it cannot be a result.
 */
bool
process_read_result(Slot *slot)
{
	/* Non-blocking: the command may have put something else in its place. */
	int			fd = open(slot->result_path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	FILE	   *file = fd >= 0 ? fdopen(fd, "r") : NULL;
	struct stat st;
	const char *fault = NULL;

	buffer_reset(&slot->result);
	if (file == NULL)
		fault = errno == ENOENT ? NULL : strerror(errno);
	else if (fstat(fileno(file), &st) != 0)
		fault = strerror(errno);
	else if (!S_ISREG(st.st_mode))
		fault = "it is not a file any more";
	else if (st.st_size > MAX_RESULT)
		fault = "it is too large";
	else if (!read_stream(file, &slot->result))
		fault = strerror(errno);
	else if (strlen(slot->result.data) != slot->result.length)
		fault = "it has a NUL byte";
	else if (slot->result.data[strspn(slot->result.data, " \t\r\n")] == '\0')
		buffer_reset(&slot->result);

	if (file)
		fclose(file);
	if (fault)
	{
		complain("%s: could not read the result: %s", slot->instance, fault);
		buffer_reset(&slot->result);
	}
	return fault == NULL;
}

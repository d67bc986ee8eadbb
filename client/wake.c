/*-------------------------------------------------------------------------
 *
 * wake.c
 *	  Signals as events of a poll() loop, through a pipe to oneself.
 *
 * SIGINT, SIGTERM and SIGHUP are counted: the first asks to end in order, a
 * second one is more urgent.  SIGCHLD only wakes.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static int	wake_pipe[2] = {-1, -1};
static volatile sig_atomic_t stop_signals;
static volatile sig_atomic_t last_signal;

static void
handle_signal(int signo)
{
	int			saved_errno = errno;

	if (signo != SIGCHLD)
	{
		stop_signals++;
		last_signal = signo;
	}
	/* A full pipe wakes as well, so the result does not matter. */
	if (write(wake_pipe[1], "", 1) < 0)
		errno = saved_errno;
	errno = saved_errno;
}

/* A signal that we were started to ignore (nohup, &) stays ignored. */
static void
set_handler(int signo)
{
	struct sigaction action;

	if (signo != SIGCHLD && sigaction(signo, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
		return;
	memset(&action, 0, sizeof(action));
	action.sa_handler = handle_signal;
	action.sa_flags = SA_RESTART;
	sigemptyset(&action.sa_mask);
	sigaction(signo, &action, NULL);
}

/* Begin to catch the signals that ask to stop, and SIGCHLD where there are children. */
void
wake_init(bool children)
{
	if (pipe(wake_pipe) != 0)
		die(EXIT_ERROR, "could not make a pipe: %s", strerror(errno));
	for (int i = 0; i < 2; i++)
	{
		fcntl(wake_pipe[i], F_SETFL, O_NONBLOCK);
		fcntl(wake_pipe[i], F_SETFD, FD_CLOEXEC);
	}
	set_handler(SIGINT);
	set_handler(SIGTERM);
	set_handler(SIGHUP);
	if (children)
		set_handler(SIGCHLD);
}

int
wake_fd(void)
{
	return wake_pipe[0];
}

void
wake_drain(void)
{
	char		bytes[64];

	while (read(wake_pipe[0], bytes, sizeof(bytes)) > 0)
		;
}

/* How many signals asked to stop so far, and which was the last. */
int
wake_stop_signals(void)
{
	return stop_signals;
}

int
wake_last_signal(void)
{
	return last_signal;
}

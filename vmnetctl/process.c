/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns signals into notes in a pipe, so that one poll() waits for them and
 * for the end of the broker alike.
 *
 * A signal that the terminal sends goes to the command anyway, since both are
 * in its process group, and must not be sent on to arrive twice. A command
 * that made a process group of its own gets it from here.
 */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "text.h"

struct note {
	int signal;
	bool from_terminal;
};

/* What a command that runs is sent on; the end of it comes as a note, too. */
static const int forwarded[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCHLD };

static int note_pipe[2] = { -1, -1 };

static void write_note(int signal, siginfo_t *info, void *context)
{
	struct note note = { .signal = signal, .from_terminal = is_from_terminal(info) };
	int error = errno;

	(void)context;
	/* The pipe has room for hundreds, and whoever sends more can do without an answer. */
	if (write(note_pipe[1], &note, sizeof(note)) < 0)
		errno = error;
}

static int open_note_pipe(void)
{
	if (pipe(note_pipe) < 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		if (fcntl(note_pipe[i], F_SETFD, FD_CLOEXEC) < 0 ||
		    fcntl(note_pipe[i], F_SETFL, O_NONBLOCK) < 0)
			return -1;
	}
	return 0;
}

/* Ignored signals stay ignored: nohup and the shell's "&" mean it. */
static int catch_signals(const int *signals, size_t n,
			 void (*handler)(int signal, siginfo_t *info, void *context))
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART };
	struct sigaction old;

	(void)sigfillset(&action.sa_mask);
	for (size_t i = 0; i < n; i++) {
		if (sigaction(signals[i], NULL, &old) < 0)
			return -1;
		if (old.sa_handler == SIG_IGN && signals[i] != SIGCHLD)
			continue;
		if (sigaction(signals[i], &action, NULL) < 0)
			return -1;
	}
	return 0;
}

/*
 * Waits for the next note. watch: the broker, if its end is of interest, too; or NULL.
 * Returns 1 with note, 0 when the broker has gone, or -1 with errno.
 */
static int next_note(const struct watch *watch, struct note *note)
{
	struct pollfd fds[] = {
		{ .fd = note_pipe[0], .events = POLLIN },
		{ .fd = watch ? watch->descriptor : -1, .events = POLLIN },
	};
	int ready;

	for (;;) {
		if (read(note_pipe[0], note, sizeof(*note)) == (ssize_t)sizeof(*note))
			return 1;
		ready = poll(fds, 2, watch ? watch->interval : -1);
		if (ready < 0 && errno != EINTR)
			return -1;
		if (watch && (ready == 0 || (ready > 0 && fds[1].revents)) &&
		    broker_has_gone(watch->broker))
			return 0;
	}
}

/* What is held ends with the process. Nobody reads a note while another broker is waited for. */
static void end(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)info;
	(void)context;
	_exit(EXIT_SUCCESS);
}

int catch_end(void)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGTERM };

	if (catch_signals(signals, sizeof(signals) / sizeof(signals[0]), end) == 0)
		return 0;
	complain("cannot catch signals: %s", strerror(errno));
	return -1;
}

int wait_for_end(const struct watch *watch)
{
	struct note none;
	int result = next_note(watch, &none);

	if (result < 0)
		complain("cannot wait for the end: %s", strerror(errno));
	return result;
}

/* In the new process. Does not return. */
static void execute(char **command, const int *fds, size_t n, const sigset_t *mask)
{
	for (size_t i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++) {
		struct sigaction action;

		/* Its notes would be read by the parent. */
		if (sigaction(forwarded[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			(void)signal(forwarded[i], SIG_DFL);
	}
	(void)sigprocmask(SIG_SETMASK, mask, NULL);
	if (inherit_only(fds, n) < 0) {
		complain("cannot close descriptors for %s: %s", command[0], strerror(errno));
		_exit(EXIT_OWN_FAILURE);
	}
	(void)execvp(command[0], command);
	complain("cannot run %s: %s", command[0], strerror(errno));
	_exit(errno == ENOENT ? EXIT_COMMAND_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}

pid_t start_command(char **command, const int *fds, size_t n)
{
	sigset_t all, mask;
	pid_t pid = -1;

	/* No signal is lost, and none is taken for the parent's in the new process. */
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &mask);
	if (open_note_pipe() == 0 &&
	    catch_signals(forwarded, sizeof(forwarded) / sizeof(forwarded[0]), write_note) == 0)
		pid = fork();
	if (pid < 0)
		complain("cannot start %s: %s", command[0], strerror(errno));
	if (pid == 0)
		execute(command, fds, n, &mask);
	(void)sigprocmask(SIG_SETMASK, &mask, NULL);
	return pid;
}

static void send_on(pid_t pid, const struct note *note)
{
	if (note->signal == SIGCHLD)
		return;
	if (note->from_terminal && getpgid(pid) == getpgrp())
		return;
	/* A command that has ended already needs it no more. */
	(void)kill(pid, note->signal);
}

int finish_command(const struct watch *watch, pid_t pid)
{
	const struct watch *watched = watch; /* until the broker has gone */
	struct note note;
	int status = 0;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		switch (next_note(watched, &note)) {
		case 1:
			send_on(pid, &note);
			break;
		case 0:
			complain("%s", why_gone(watch->broker));
			watched = NULL;
			break;
		default:
			complain("cannot wait for the command: %s", strerror(errno));
			return EXIT_OWN_FAILURE;
		}
	}
	return WIFSIGNALED(status) ? EXIT_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
}

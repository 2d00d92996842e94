/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ECMA-48's sequences, which every terminal of today has. A signal that ends or stops the program
 * comes at any time, for a broker may not answer, but not in the midst of a text. Those after which
 * it is shown again come only while a key is waited for.
 */
#include "screen.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"
#include "terminal.h"
#include "vmnetctl.h"

/* The other screen, no cursor, lines that are cut; and all of that back. */
#define ENTER "\033[?1049h\033[?25l\033[?7l"
#define LEAVE "\033[?7h\033[?25h\033[?1049l"
#define CLEAR "\033[H\033[J"

static const int caught[] = { SIGCONT, SIGWINCH, SIGTSTP, SIGHUP, SIGINT, SIGQUIT, SIGTERM };
#define N_REDRAWN 2 /* the first ones: it is shown again */

static struct termios before;
static sigset_t signals; /* those that are caught */
static sigset_t unblocked; /* without them: as it was before */
static sigset_t redrawn_blocked; /* with those alone: but in the midst of a text */
static char buffer[64 * 1024]; /* all of a text: it comes at once */
static char complaints[8192]; /* until there is a place for them again */

bool screen_is_possible(void)
{
	return isatty(STDIN_FILENO) && terminal_is_able();
}

/* Safe in a handler, as what follows. */
static void put(const char *sequence)
{
	while (write(STDOUT_FILENO, sequence, strlen(sequence)) < 0 && errno == EINTR)
		;
}

static void enter(void)
{
	struct termios keys = before;

	keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	keys.c_cc[VMIN] = 1;
	keys.c_cc[VTIME] = 0;
	(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &keys);
	put(ENTER);
}

static void leave(void)
{
	put(LEAVE);
	(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
}

static void set_action(int number, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler };

	action.sa_mask = signals;
	(void)sigaction(number, &action, NULL);
}

/* What the signal does to who does not catch it: here once it is unblocked. */
static void suffer(int number)
{
	leave();
	set_action(number, SIG_DFL);
	(void)raise(number);
}

static void on_signal(int number)
{
	const int error = errno;

	switch (number) {
	case SIGWINCH:
		break;
	case SIGCONT: /* whoever had the terminal meanwhile has made it its own */
		enter();
		break;
	case SIGTSTP:
		suffer(SIGTSTP);
		(void)sigprocmask(SIG_SETMASK, &redrawn_blocked, NULL);
		(void)sigprocmask(SIG_BLOCK, &signals, NULL);
		set_action(SIGTSTP, on_signal);
		enter();
		break;
	default:
		suffer(number);
	}
	errno = error;
}

/* Those that are ignored stay so, as nohup means it. */
static void catch_signals(void)
{
	struct sigaction old;

	(void)sigemptyset(&signals);
	for (size_t i = 0; i < ARRAY_SIZE(caught); i++)
		if (sigaction(caught[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			(void)sigaddset(&signals, caught[i]);
	(void)sigprocmask(SIG_BLOCK, &signals, &unblocked);
	redrawn_blocked = unblocked;
	for (size_t i = 0; i < N_REDRAWN; i++)
		(void)sigaddset(&redrawn_blocked, caught[i]);
	for (size_t i = 0; i < ARRAY_SIZE(caught); i++)
		if (sigismember(&signals, caught[i]))
			set_action(caught[i], on_signal);
}

void screen_open(void)
{
	catch_signals();
	(void)setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	(void)setvbuf(stderr, complaints, _IOFBF, sizeof(complaints));
	(void)tcgetattr(STDIN_FILENO, &before);
	enter();
	(void)sigprocmask(SIG_SETMASK, &redrawn_blocked, NULL);
}

void screen_close(void)
{
	leave();
	(void)fflush(stderr);
	for (size_t i = 0; i < ARRAY_SIZE(caught); i++)
		if (sigismember(&signals, caught[i]))
			set_action(caught[i], SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, &unblocked, NULL);
}

size_t screen_begin(void)
{
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	(void)fputs(CLEAR, stdout);
	return terminal_lines();
}

void screen_show(void)
{
	(void)fflush(stdout);
	(void)sigprocmask(SIG_SETMASK, &redrawn_blocked, NULL);
}

static int read_key(void)
{
	unsigned char key;

	return read(STDIN_FILENO, &key, 1) == 1 ? key : SCREEN_GONE;
}

int screen_wait(int milliseconds, int descriptor)
{
	const struct timespec time = { milliseconds / 1000, milliseconds % 1000 * 1000000L };
	fd_set fds;
	int n;

	FD_ZERO(&fds);
	FD_SET(STDIN_FILENO, &fds);
	if (descriptor >= 0)
		FD_SET(descriptor, &fds);
	n = pselect(descriptor > STDIN_FILENO ? descriptor + 1 : STDIN_FILENO + 1, &fds, NULL, NULL,
		    &time, &unblocked);
	if (n <= 0)
		return n < 0 ? SCREEN_CHANGED : SCREEN_TIMEOUT;
	return FD_ISSET(STDIN_FILENO, &fds) ? read_key() : SCREEN_EVENT;
}

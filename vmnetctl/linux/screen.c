/* SPDX-License-Identifier: Apache-2.0 */
/* ECMA-48's sequences, which every terminal of today has; signals are read between two texts. */
#include "screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "base/array.h"
#include "vmnetctl/text.h"
#include "vmnetctl/vmnetctl.h"

/* The other screen, no cursor, lines that are cut; and all of that back. */
#define ENTER "\033[?1049h\033[?25l\033[?7l"
#define LEAVE "\033[?7h\033[?25h\033[?1049l"
#define CLEAR "\033[H\033[J"

#define LINES_UNKNOWN 24

static const int caught[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGCONT, SIGWINCH };

static struct termios before;
static sigset_t signals;
static int signal_fd = -1;
static char buffer[64 * 1024]; /* all of a text: it comes at once */
static char complaints[8192]; /* until there is a place for them again */

bool screen_is_possible(void)
{
	const char *terminal = getenv("TERM");

	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && terminal &&
	       strcmp(terminal, "dumb") != 0;
}

static void enter(void)
{
	struct termios keys = before;

	keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	keys.c_cc[VMIN] = 1;
	keys.c_cc[VTIME] = 0;
	(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &keys);
	(void)fputs(ENTER, stdout);
	(void)fflush(stdout);
}

static void leave(void)
{
	(void)fputs(LEAVE, stdout);
	(void)fflush(stdout);
	(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
}

int screen_open(void)
{
	(void)sigemptyset(&signals);
	for (size_t i = 0; i < ARRAY_SIZE(caught); i++)
		(void)sigaddset(&signals, caught[i]);
	signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signal_fd < 0) {
		complain("cannot hear signals: %s", strerror(errno));
		return FAILED;
	}
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	(void)setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	(void)setvbuf(stderr, complaints, _IOFBF, sizeof(complaints));
	(void)tcgetattr(STDIN_FILENO, &before);
	enter();
	return DONE;
}

void screen_close(void)
{
	leave();
	(void)fflush(stderr);
	(void)close(signal_fd);
	(void)sigprocmask(SIG_UNBLOCK, &signals, NULL);
}

size_t screen_begin(void)
{
	struct winsize size;

	(void)fputs(CLEAR, stdout);
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_row)
		return LINES_UNKNOWN;
	return size.ws_row;
}

void screen_show(void)
{
	(void)fflush(stdout);
}

/* What the signal does to who does not catch it: it ends the program here, or stops it. */
static void suffer(int number)
{
	leave();
	(void)raise(number);
	(void)sigprocmask(SIG_UNBLOCK, &signals, NULL);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	enter();
}

static int on_signal(void)
{
	struct signalfd_siginfo info;

	if (read(signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return SCREEN_CHANGED;
	switch (info.ssi_signo) {
	case SIGWINCH:
		break;
	case SIGCONT: /* whoever had the terminal meanwhile has made it its own */
		enter();
		break;
	default:
		suffer((int)info.ssi_signo);
	}
	return SCREEN_CHANGED;
}

int screen_wait(int milliseconds)
{
	struct pollfd fds[] = {
		{ .fd = signal_fd, .events = POLLIN },
		{ .fd = STDIN_FILENO, .events = POLLIN },
	};
	unsigned char key;

	if (poll(fds, ARRAY_SIZE(fds), milliseconds) <= 0)
		return SCREEN_TIMEOUT;
	if (fds[0].revents)
		return on_signal();
	return read(STDIN_FILENO, &key, 1) == 1 ? key : SCREEN_GONE;
}

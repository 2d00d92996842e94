/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration is read twice: once to see which names it has, and when they are known, by
 * whoever wants it. In between, the process is asked for one after the other.
 */
#include "accounts.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/log.h"
#include "config/config.h"
#include "linux.h"

/* Longer names of accounts are none (useradd(8) takes 32 bytes, directories some more). */
#define ACCOUNT_NAME_MAX 255
/* Whoever has not answered by then is not waited for; a directory's own modules give up before. */
#define LOOK_UP_SECONDS 60U

/* What the process is asked, and what it answers. */
struct question {
	bool group;
	char name[ACCOUNT_NAME_MAX + 1];
};

struct answer {
	int error; /* an errno, or 0 */
	uint32_t id;
};

struct account {
	TAILQ_ENTRY(account) all;
	struct question question;
	struct answer answer;
	bool is_known;
};

static struct {
	TAILQ_HEAD(, account) all;
	int socket; /* to the process; -1: it has ended */
	pid_t process;
	sd_event_source *io;
	void (*ready)(void); /* NULL: nobody waits */
} accounts = { .all = TAILQ_HEAD_INITIALIZER(accounts.all), .socket = -1 };

static void go_on(void);

/* The process */

/* It needs no privilege, and no descriptor but one. */
static int give_up_rest(int socket)
{
	cap_t none = cap_init();
	int result = none ? cap_set_proc(none) : -1;

	(void)cap_free(none);
	if (result < 0 || dup2(socket, STDERR_FILENO + 1) < 0)
		return -1;
	closefrom(STDERR_FILENO + 2);
	return STDERR_FILENO + 1;
}

/*
 * By a process for each: a module of others' may hang, or end the one that it is in. It
 * has until an alarm to answer.
 */
static int answer_apart(int socket, const struct question *question)
{
	struct answer answer = { 0 };
	pid_t process = fork();
	int status;

	if (process == 0) {
		(void)alarm(LOOK_UP_SECONDS);
		answer.error = config_look_up(question->name, question->group, &answer.id);
		_exit(send(socket, &answer, sizeof(answer), MSG_NOSIGNAL) < 0);
	}
	if (process < 0 || waitpid(process, &status, 0) < 0)
		answer.error = errno;
	else if (WIFSIGNALED(status))
		answer.error = WTERMSIG(status) == SIGALRM ? ETIMEDOUT : ECHILD;
	else
		return WEXITSTATUS(status) == 0 ? 0 : -1;
	return send(socket, &answer, sizeof(answer), MSG_NOSIGNAL) < 0 ? -1 : 0;
}

__attribute__((noreturn)) static void serve(int socket)
{
	struct question question;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	socket = give_up_rest(socket);
	while (recv(socket, &question, sizeof(question), 0) == (ssize_t)sizeof(question) &&
	       answer_apart(socket, &question) == 0)
		;
	_exit(EXIT_SUCCESS);
}

int accounts_start(void)
{
	int ends[2];
	int result = 0;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	accounts.process = fork();
	if (accounts.process < 0)
		result = -errno;
	if (accounts.process == 0)
		serve(ends[1]);
	(void)close(ends[1]);
	accounts.socket = ends[0];
	return result;
}

static void forget(void)
{
	struct account *account;

	while ((account = TAILQ_FIRST(&accounts.all))) {
		TAILQ_REMOVE(&accounts.all, account, all);
		free(account);
	}
}

void accounts_stop(void)
{
	accounts.io = sd_event_source_disable_unref(accounts.io);
	if (accounts.socket >= 0)
		(void)close(accounts.socket);
	accounts.socket = -1;
	forget();
	if (accounts.process <= 0)
		return;
	/* It may be waiting for somebody far away. */
	(void)kill(accounts.process, SIGKILL);
	(void)waitpid(accounts.process, NULL, 0);
}

/* What is known */

static struct account *find(const char *name, bool group)
{
	struct account *account;

	TAILQ_FOREACH(account, &accounts.all, all)
		if (account->question.group == group && strcmp(account->question.name, name) == 0)
			return account;
	return NULL;
}

static struct account *first_unknown(void)
{
	struct account *account;

	TAILQ_FOREACH(account, &accounts.all, all)
		if (!account->is_known)
			return account;
	return NULL;
}

/* In place of config_look_up(): what is not known yet will be asked for. */
static int look_up(const char *name, bool group, uint32_t *id)
{
	struct account *account = find(name, group);

	if (!account) {
		if (strlen(name) > ACCOUNT_NAME_MAX)
			return ENOENT;
		account = calloc(1, sizeof(*account));
		if (!account)
			return ENOMEM;
		strcpy(account->question.name, name);
		account->question.group = group;
		TAILQ_INSERT_TAIL(&accounts.all, account, all);
	}
	*id = account->answer.id;
	return account->is_known ? account->answer.error : EAGAIN;
}

void accounts_confine(void)
{
	config_look_up_by(look_up);
}

/* Asking */

static void lose_process(void)
{
	if (accounts.socket >= 0)
		log_error(NULL, "the process that looks up users and groups has ended; restart the "
				"broker if the configuration names some");
	accounts.io = sd_event_source_disable_unref(accounts.io);
	if (accounts.socket >= 0)
		(void)close(accounts.socket);
	accounts.socket = -1;
}

static int on_answer(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct account *account = first_unknown();
	struct answer answer;
	ssize_t n = recv(fd, &answer, sizeof(answer), MSG_DONTWAIT);

	(void)source;
	(void)events;
	(void)userdata;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n != (ssize_t)sizeof(answer) || !account) {
		lose_process();
	} else {
		account->answer = answer;
		account->is_known = true;
	}
	go_on();
	return 0;
}

/* Returns 0, or -1 when nobody can be asked. */
static int ask(const struct account *account)
{
	if (accounts.socket >= 0 && !accounts.io &&
	    sd_event_add_io(linux_platform.event, &accounts.io, accounts.socket, EPOLLIN, on_answer,
			    NULL) < 0)
		return -1;
	if (accounts.socket >= 0 &&
	    send(accounts.socket, &account->question, sizeof(account->question),
		 MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)sizeof(account->question))
		return 0;
	lose_process();
	return -1;
}

static void read_names(void)
{
	struct config_errors errors = { 0 };
	struct config *config = config_load(linux_platform.options->config, true, &errors);

	config_errors_clear(&errors);
	config_free(config);
}

/* The file may have another name in it by the time that the first ones are known. */
static void go_on(void)
{
	void (*ready)(void) = accounts.ready;
	struct account *account;

	if (!first_unknown())
		read_names();
	while ((account = first_unknown())) {
		if (ask(account) == 0)
			return;
		account->answer.error = ECHILD;
		account->is_known = true;
	}
	accounts.ready = NULL;
	ready();
	forget();
}

void accounts_prepare(void (*ready)(void))
{
	if (accounts.ready)
		return;
	accounts.ready = ready;
	go_on();
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs libnftables in processes of its own, for it ends its process when memory is short, and
 * keeps what memory it has ever used:
 *
 *	the caller	writes commands into a file that all share, asks, and waits
 *	the forker	was made before there were threads and clients. It waits for
 *			a question, and makes
 *	a runner	which runs the commands, writes into the file what comes of
 *			it, answers, and goes on until nothing is asked for a second
 *
 * The runner takes a question from the socket when it has answered. So the
 * forker, which sees its end, knows what is left to be answered: that the runner
 * has ended. One that takes too long is ended by its alarm, and none outlives
 * the caller.
 */
#include "nftables.h"

#include <errno.h>
#include <nftables/libnftables.h>
#include <nss.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

/* A transaction takes milliseconds, or on a busy host with many rules some seconds. */
#define RUN_SECONDS 10
/* By then a runner has answered, or its forker for it; whoever has not is stopped. */
#define ANSWER_SECONDS 15
/* To make a runner takes 2 ms, and to make a network takes it several times. */
#define REST_MSEC 1000
#define STOP_MSEC 1000

enum outcome {
	OUTCOME_DONE,
	OUTCOME_REFUSED,
	OUTCOME_ENDED, /* the runner, and nobody knows what it has done */
};

/* Answers the question of that number. */
struct answer {
	unsigned int number;
	enum outcome outcome;
};

static struct {
	int text; /* the file */
	int socket; /* one end is the caller's, the other the forker's and the runner's */
	pid_t forker;
	void (*on_end)(void); /* of the forker */
} nftables = { -1, -1, -1, NULL };

/* The file */

static int write_text(const char *text)
{
	size_t length = strlen(text);

	if (ftruncate(nftables.text, 0) < 0)
		return -1;
	return pwrite(nftables.text, text, length, 0) == (ssize_t)length ? 0 : -1;
}

/* Returns what the caller frees, or NULL. */
static char *read_text(void)
{
	size_t length;

	return file_read_open(nftables.text, SIZE_MAX, &length);
}

/* The runner */

static struct nft_ctx *make_context(void)
{
	struct nft_ctx *context = nft_ctx_new(NFT_CTX_DEFAULT);

	if (!context || nft_ctx_buffer_output(context) || nft_ctx_buffer_error(context))
		_exit(EXIT_FAILURE);
	nft_ctx_output_set_flags(context, NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_TERSE);
	return context;
}

static enum outcome run_commands(struct nft_ctx *context)
{
	char *commands = read_text();
	const char *output;
	const char *reason;
	int result;

	if (!commands)
		_exit(EXIT_FAILURE);
	result = nft_run_cmd_from_buffer(context, commands);
	free(commands);
	/* What a buffer holds is dropped when it is asked for. */
	output = nft_ctx_get_output_buffer(context);
	reason = nft_ctx_get_error_buffer(context);
	if (write_text(result ? reason : output) < 0)
		_exit(EXIT_FAILURE);
	return result ? OUTCOME_REFUSED : OUTCOME_DONE;
}

/* When the caller has gone there is something to read, too: an end. */
static bool wait_for_question(unsigned int *number)
{
	struct pollfd asked = { .fd = nftables.socket, .events = POLLIN };

	return poll(&asked, 1, REST_MSEC) > 0 &&
	       recv(nftables.socket, number, sizeof(*number), MSG_PEEK) == sizeof(*number);
}

static void answer(unsigned int number, enum outcome outcome)
{
	const struct answer packet = { number, outcome };

	/* It fails when the caller has gone, which is noticed next. */
	(void)send(nftables.socket, &packet, sizeof(packet), MSG_NOSIGNAL);
}

__attribute__((noreturn)) static void run(void)
{
	struct nft_ctx *context;
	unsigned int number;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)alarm(RUN_SECONDS);
	context = make_context();
	while (wait_for_question(&number)) {
		enum outcome outcome;

		(void)alarm(RUN_SECONDS);
		outcome = run_commands(context);
		(void)alarm(0);
		answer(number, outcome);
		(void)recv(nftables.socket, &number, sizeof(number), 0);
	}
	_exit(EXIT_SUCCESS);
}

/* The forker */

static void run_once(void)
{
	unsigned int number;
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		run();
	if (pid > 0)
		(void)waitpid(pid, &status, 0);
	if (status != 0 && recv(nftables.socket, &number, sizeof(number), MSG_DONTWAIT) > 0)
		answer(number, OUTCOME_ENDED);
}

/* libnftables calls exit(), where what the caller has set up is not to be taken down. */
static void end_at_once(void)
{
	_exit(EXIT_FAILURE);
}

/* Descriptors of the caller's must not live longer than it wants them to. */
static int keep_two_descriptors(int socket)
{
	enum {
		TEXT = STDERR_FILENO + 1,
		SOCKET,
		N_KEPT
	};

	/* The text was opened first, so its number is the smaller one. */
	if (dup2(nftables.text, TEXT) < 0 || dup2(socket, SOCKET) < 0)
		return -1;
	closefrom(N_KEPT);
	nftables.text = TEXT;
	nftables.socket = SOCKET;
	return 0;
}

/* It names the users in others' rules: whatever modules would do for that, files are enough. */
static void look_at_files_only(void)
{
	static const char *const databases[] = { "group", "hosts", "passwd", "protocols",
						 "services" };

	for (size_t i = 0; i < sizeof(databases) / sizeof(databases[0]); i++)
		(void)__nss_configure_lookup(databases[i], "files");
}

__attribute__((noreturn)) static void serve(int socket, int (*confine)(void))
{
	unsigned int number;

	look_at_files_only();

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (keep_two_descriptors(socket) < 0 || atexit(end_at_once) != 0 ||
	    (confine && confine() < 0))
		_exit(EXIT_FAILURE);
	answer(0, OUTCOME_DONE);
	while (recv(nftables.socket, &number, sizeof(number), MSG_PEEK) > 0)
		run_once();
	_exit(EXIT_SUCCESS);
}

/* The caller */

/* Returns 0, or -1 when the forker has ended, or nobody answers. */
static int receive_answer(struct answer *reply)
{
	ssize_t n;

	/* It is interrupted when the caller itself is stopped and goes on. */
	do
		n = recv(nftables.socket, reply, sizeof(*reply), 0);
	while (n < 0 && errno == EINTR);
	return n > 0 ? 0 : -1;
}

int nftables_start(int (*confine)(void), void (*on_end)(void))
{
	const struct timeval patience = { .tv_sec = ANSWER_SECONDS };
	struct answer ready;
	int ends[2] = { -1, -1 };
	int result;

	nftables.on_end = on_end;
	nftables.text = memfd_create("nftables", MFD_CLOEXEC);
	if (nftables.text < 0)
		return -errno;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0 &&
	    setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0)
		nftables.forker = fork();
	result = nftables.forker < 0 ? -errno : 0;
	if (nftables.forker == 0)
		serve(ends[1], confine);
	nftables.socket = ends[0];
	if (ends[1] >= 0)
		(void)close(ends[1]);
	if (result == 0 && receive_answer(&ready) < 0)
		result = -ECHILD;
	if (result < 0)
		nftables_stop();
	return result;
}

/* With nothing asked any more it ends by itself, and its runner before it: none is left then. */
static void wait_for_forker(void)
{
	struct pollfd end = { .fd = pidfd_open(nftables.forker, 0), .events = POLLIN };

	if (end.fd < 0)
		return;
	(void)poll(&end, 1, STOP_MSEC);
	(void)close(end.fd);
}

void nftables_stop(void)
{
	(void)close(nftables.text);
	if (nftables.socket >= 0)
		(void)close(nftables.socket);
	if (nftables.forker <= 0)
		return;
	wait_for_forker();
	/* Unless one of them is stopped, or nobody has waited for the last answer. */
	(void)kill(nftables.forker, SIGKILL);
	(void)waitpid(nftables.forker, NULL, 0);
}

/* To fork another is safe no more, where there may be threads. */
static enum outcome forker_has_ended(void)
{
	if (nftables.on_end)
		nftables.on_end();
	return OUTCOME_ENDED;
}

static enum outcome ask(const char *commands)
{
	static unsigned int number;
	struct answer reply;

	if (write_text(commands) < 0)
		return OUTCOME_ENDED;
	number++;
	if (send(nftables.socket, &number, sizeof(number), MSG_NOSIGNAL) < 0)
		return forker_has_ended();
	do {
		if (receive_answer(&reply) < 0)
			return forker_has_ended();
	} while (reply.number != number);
	return reply.outcome;
}

static int explain(enum outcome outcome, struct error *error)
{
	char *reason = outcome == OUTCOME_REFUSED ? read_text() : NULL;
	/* Where the library does not end its process for that, a sentence is all that tells. */
	bool is_short = !reason || strstr(reason, strerror(ENOMEM));

	if (outcome == OUTCOME_DONE)
		return 0;
	if (reason)
		(void)error_set(error, ERROR_CREATE_FAILED, "nftables refused its rules: %.*s",
				(int)strcspn(reason, "\n"), reason);
	else
		(void)error_set(error, ERROR_CREATE_FAILED,
				"nftables has ended with its rules; memory may be short");
	free(reason);
	return is_short ? -ENOMEM : -1;
}

int nftables_run(char *text, struct error *error)
{
	enum outcome outcome = text ? ask(text) : OUTCOME_ENDED;

	free(text);
	return explain(outcome, error);
}

json_t *nftables_list(const char *command)
{
	struct error error;
	json_error_t malformed = { 0 };
	int result = explain(ask(command), &error);
	char *text = result == 0 ? read_text() : NULL;
	/* It may have been long: it does not stay in the file. */
	json_t *list = text && write_text("") == 0 ? json_loads(text, 0, &malformed) : NULL;

	free(text);
	errno = result == -1 ? ENOENT : ENOMEM;
	if (malformed.text[0] && json_error_code(&malformed) != json_error_out_of_memory)
		errno = EBADMSG;
	return list;
}

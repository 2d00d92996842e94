/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both ends of the socket to the process that starts dnsmasq, and its work. dnsmasq reads what
 * machines send, and a fault in it must not become the broker's: so it is another user's process,
 * which has nothing of the broker's but a file to write its leases to, and no capability, see
 * preload.c.
 *
 * The broker cannot start another user's process, nor end it. Who can is
 *
 *	a service of its own	under systemd, which makes it that user
 *	a child of the broker	that is made while that is still root
 *
 * with just the capabilities that dnsmasq has until it serves. It does what it
 * is asked to by its socket, one packet at a time, and knows of no network.
 *
 * The service is never stopped for another version: systemd would find its dnsmasqs left over.
 * It becomes what is installed now before it serves the next broker. A filter of system calls
 * would outlive that, and each one would add another: so who serves a broker is a child, with
 * its own filter, which ends with the broker.
 */
#include "starter.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/log.h"
#include "broker/linux/confine.h"
#include "files.h"
#include "host/names.h"
#include "process.h"

#define SOCKET_NAME "dnsmasq.socket"
/* It makes a process, and answers. By then it has, or is stopped. */
#define ANSWER_SECONDS 10
/* Of its user, those of other networks included: one takes some twenty for DNS by TCP. */
#define PROCESSES_MAX 2048
#define PRELOADED "vmnet-dnsmasq.so"

struct request {
	int signal; /* 0: start one; else this is all that is sent: many have room in the socket */
	char config[PATH_MAX];
	char leases[PATH_MAX];
};

struct reply {
	int error; /* an errno */
	pid_t pid;
};

static struct {
	int socket; /* the broker's end */
	pid_t child; /* 0: a service of its own */
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)]; /* its socket, then */
	pthread_mutex_t lock; /* of the socket's number */
	pthread_mutex_t turn; /* of those who wait for an answer */
} starter = {
	.socket = -1,
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.turn = PTHREAD_MUTEX_INITIALIZER,
};

/* Packets with descriptors */

#define FDS_MAX 2U

/* Those that are there come first; -1 is none. */
struct packet_fds {
	int fd[FDS_MAX];
};

static const struct packet_fds no_fds = { { -1, -1 } };

union control {
	char space[CMSG_SPACE(sizeof(struct packet_fds))];
	struct cmsghdr align;
};

static void close_fds(const struct packet_fds *fds)
{
	for (unsigned int i = 0; i < FDS_MAX; i++)
		if (fds->fd[i] >= 0)
			(void)close(fds->fd[i]);
}

static void attach_fds(struct msghdr *message, union control *control, struct packet_fds fds)
{
	size_t size = (fds.fd[1] >= 0 ? 2 : 1) * sizeof(int);

	if (fds.fd[0] < 0)
		return;
	message->msg_control = control->space;
	message->msg_controllen = CMSG_SPACE(size);
	CMSG_FIRSTHDR(message)->cmsg_level = SOL_SOCKET;
	CMSG_FIRSTHDR(message)->cmsg_type = SCM_RIGHTS;
	CMSG_FIRSTHDR(message)->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(message)), &fds, size);
}

/* Returns 0 or a negative errno. */
static int send_packet(int socket, const void *data, size_t size, struct packet_fds fds)
{
	struct iovec part = { .iov_base = (void *)data, .iov_len = size };
	union control control = { 0 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	attach_fds(&message, &control, fds);
	return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT | MSG_EOR) < 0 ? -errno : 0;
}

/* fds: gets set. Returns how many bytes came; 0 or less is the end. */
static ssize_t receive_packet(int socket, void *data, size_t size, struct packet_fds *fds)
{
	struct iovec part = { .iov_base = data, .iov_len = size };
	union control control = { 0 };
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space),
	};
	ssize_t n;

	*fds = no_fds;
	do
		n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n > 0 && CMSG_FIRSTHDR(&message))
		memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&message)),
		       CMSG_FIRSTHDR(&message)->cmsg_len - CMSG_LEN(0));
	return n;
}

/* The starter */

/* Beside the broker where it was built, and among its other files where it is installed. */
static const char *find_preloaded(void)
{
	static char variable[sizeof("LD_PRELOAD=") + PATH_MAX + sizeof(PRELOADED)] = "LD_PRELOAD=";
	char *path = variable + strlen(variable);
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);

	while (length > 0 && path[length - 1] != '/')
		length--;
	if (length > 0)
		strcpy(path + length, PRELOADED);
	if (length <= 0 || access(path, R_OK) < 0)
		strcpy(path, PRELOADED_DIR "/" PRELOADED);
	return variable;
}

/* fds: for its standard error and input; an older broker has nothing to say there. */
static int take_descriptors(const struct packet_fds *fds)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int input = fds->fd[1] >= 0 ? fds->fd[1] : null;

	if (null < 0 || dup2(input, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    dup2(fds->fd[0], STDERR_FILENO) < 0)
		return -1;
	closefrom(STDERR_FILENO + 1);
	return 0;
}

/*
 * The broker's signal mask and environment are not for others; and what is said
 * is said in English, which the broker knows.
 */
__attribute__((noreturn)) static void become_dnsmasq(const struct request *request,
						     const struct packet_fds *fds)
{
	const struct rlimit file_size = { DNSMASQ_FILE_SIZE_MAX, DNSMASQ_FILE_SIZE_MAX };
	const struct rlimit processes = { PROCESSES_MAX, PROCESSES_MAX };
	char option[sizeof(DNSMASQ_CONFIG_OPTION) + PATH_MAX];
	char *const arguments[] = { "dnsmasq", option, NULL };
	char *const environment[] = { "LC_ALL=C", (char *)find_preloaded(), NULL };
	sigset_t none;

	(void)snprintf(option, sizeof(option), DNSMASQ_CONFIG_OPTION "%s", request->config);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGCHLD, SIG_DFL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)setsid();
	if (take_descriptors(fds) < 0 || setrlimit(RLIMIT_FSIZE, &file_size) < 0 ||
	    setrlimit(RLIMIT_NPROC, &processes) < 0 || confine_dnsmasq(request->leases) < 0) {
		(void)dprintf(STDERR_FILENO, "it cannot be shut in: %s", strerror(errno));
		_exit(EXIT_FAILURE);
	}
	(void)execvpe("dnsmasq", arguments, environment);
	(void)dprintf(STDERR_FILENO, "%s%s", strerror(errno),
		      errno == ENOENT ? " (install the package dnsmasq-base)" : "");
	_exit(EXIT_FAILURE);
}

static void start(int socket, const struct request *request, const struct packet_fds *fds)
{
	struct reply reply = { 0 };
	int pidfd = -1;

	reply.pid = fork();
	if (reply.pid == 0)
		become_dnsmasq(request, fds);
	if (reply.pid > 0)
		pidfd = pidfd_open(reply.pid, 0);
	if (pidfd < 0) {
		reply.error = errno;
		if (reply.pid > 0)
			(void)kill(reply.pid, SIGKILL);
	}
	(void)send_packet(socket, &reply, sizeof(reply), (struct packet_fds){ { pidfd, -1 } });
	if (pidfd >= 0)
		(void)close(pidfd);
}

/* It leads a group, in which are the processes that serve DNS by TCP. */
static void send_signal(int pidfd, int number)
{
	pid_t pid = dnsmasq_process_id(pidfd);

	if (pid > 0 && kill(-pid, number) < 0)
		(void)pidfd_send_signal(pidfd, number, NULL, 0);
}

/* By then it has asked another, or has ended: nobody would know of what is started. */
static bool has_hung_up(int socket)
{
	struct pollfd end = { .fd = socket };

	return poll(&end, 1, 0) > 0 && (end.revents & POLLHUP);
}

static void serve(int socket)
{
	struct packet_fds fds;
	struct request request;
	ssize_t n;

	while ((n = receive_packet(socket, &request, sizeof(request), &fds)) > 0) {
		request.config[sizeof(request.config) - 1] = '\0';
		request.leases[sizeof(request.leases) - 1] = '\0';
		if (fds.fd[0] >= 0 && n == (ssize_t)sizeof(request.signal))
			send_signal(fds.fd[0], request.signal);
		else if (fds.fd[0] >= 0 && n == (ssize_t)sizeof(request) && !has_hung_up(socket))
			start(socket, &request, &fds);
		close_fds(&fds);
	}
}

/*
 * Nobody waits for those that it has started. The broker's end is told by its
 * socket: a signal for it would come from another user.
 */
static int prepare(const struct dnsmasq_user *user)
{
	if (signal(SIGCHLD, SIG_IGN) == SIG_ERR)
		return -1;
	return privilege_become_dnsmasq(user) == 0 && confine_broker() == 0 ? 0 : -1;
}

__attribute__((noreturn)) static void serve_broker(const struct dnsmasq_user *user, int socket)
{
	enum {
		SOCKET = STDERR_FILENO + 1,
	};
	const struct reply ready = { 0 };

	if (dup2(socket, SOCKET) < 0)
		_exit(EXIT_FAILURE);
	closefrom(SOCKET + 1);
	if (prepare(user) < 0)
		_exit(EXIT_FAILURE);
	/* Who has made it waits for that; who connects to the service does not. */
	if (user)
		(void)send_packet(SOCKET, &ready, sizeof(ready), no_fds);
	serve(SOCKET);
	_exit(EXIT_SUCCESS);
}

/* One broker at a time. */
static void serve_in_child(int socket)
{
	const pid_t service = getpid();
	pid_t child = fork();

	if (child == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == service)
			serve_broker(NULL, socket);
		_exit(EXIT_FAILURE);
	}
	if (child < 0)
		log_error(NULL, "cannot make a process that starts dnsmasq: %s", strerror(errno));
	(void)close(socket);
	if (child > 0)
		(void)waitpid(child, NULL, 0);
}

/* Where this program is installed, or was. Returns 0, or -1 with errno. */
static int find_program(char path[PATH_MAX])
{
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);

	if (length < 0)
		return -1;
	path[length] = '\0';
	return 0;
}

static bool is_running(const char *path)
{
	struct stat running, installed;

	/* Where there is none, this one goes on: its end is what would leave dnsmasqs over. */
	return stat(path, &installed) < 0 || stat("/proc/self/exe", &running) < 0 ||
	       (running.st_dev == installed.st_dev && running.st_ino == installed.st_ino);
}

/* The same process, with the same socket, and what systemd has said of that. */
static void become_installed(const char *path)
{
	char *const arguments[] = { (char *)path, NULL };

	if (is_running(path))
		return;
	(void)fcntl(SD_LISTEN_FDS_START, F_SETFD, 0);
	(void)execv(path, arguments);
	log_error(NULL, "cannot become the installed %s: %s", path, strerror(errno));
	(void)fcntl(SD_LISTEN_FDS_START, F_SETFD, FD_CLOEXEC);
}

/* The next broker waits in the socket meanwhile, with what it has asked. */
static int await_broker(void)
{
	struct pollfd request = { .fd = SD_LISTEN_FDS_START, .events = POLLIN };

	return poll(&request, 1, -1);
}

/* Each serves one before it becomes another: so it cannot go round for ever. */
static void serve_brokers(const char *path)
{
	int socket;

	while ((socket = accept4(SD_LISTEN_FDS_START, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		serve_in_child(socket);
		if (await_broker() < 0)
			return;
		become_installed(path);
	}
}

int starter_run(void)
{
	char path[PATH_MAX];

	if (sd_listen_fds(0) != 1) {
		log_error(NULL, "it is started by systemd, on vmnet-broker-dnsmasq.socket");
		return EXIT_FAILURE;
	}
	if (find_program(path) < 0) {
		log_error(NULL, "cannot find its own file: %s", strerror(errno));
		return EXIT_FAILURE;
	}
	if (confine_start() < 0 || privilege_become_dnsmasq(NULL) < 0)
		return EXIT_FAILURE;
	serve_brokers(path);
	log_error(NULL, "cannot be asked for a dnsmasq: %s", strerror(errno));
	return EXIT_FAILURE;
}

/* The broker */

static int limit_patience(int fd)
{
	const struct timeval patience = { .tv_sec = ANSWER_SECONDS };

	return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

/* Else it has ended, and has said why. Returns 0, or -1 with errno. */
static int await_ready(int socket)
{
	struct packet_fds fds;
	struct reply ready;
	ssize_t n = receive_packet(socket, &ready, sizeof(ready), &fds);

	if (n == 0)
		errno = ECHILD;
	return n > 0 ? 0 : -1;
}

int starter_make(const struct dnsmasq_user *user)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		log_error(NULL, "cannot make a socket: %s", strerror(errno));
		return -1;
	}
	starter.child = fork();
	if (starter.child == 0)
		serve_broker(user, ends[1]);
	(void)close(ends[1]);
	starter.socket = ends[0];
	if (starter.child > 0 && await_ready(ends[0]) == 0 && limit_patience(ends[0]) == 0)
		return 0;
	log_error(NULL, "cannot make the process that starts dnsmasq: %s", strerror(errno));
	starter_stop();
	return -1;
}

/* Returns a socket or a negative errno. */
static int open_connection(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int result;

	if (fd < 0)
		return -errno;
	strcpy(address.sun_path, starter.path);
	if (limit_patience(fd) == 0 &&
	    connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	result = -errno;
	(void)close(fd);
	return result;
}

int starter_connect(const char *runtime_dir)
{
	int length = snprintf(starter.path, sizeof(starter.path), "%s/" SOCKET_NAME, runtime_dir);

	starter.socket = length < (int)sizeof(starter.path) ? open_connection() : -ENAMETOOLONG;
	if (starter.socket >= 0)
		return 0;
	log_error(NULL,
		  "dnsmasq cannot be started by %s/" SOCKET_NAME ": %s; start the broker by "
		  "systemd, or as root",
		  runtime_dir, strerror(-starter.socket));
	return -1;
}

void starter_stop(void)
{
	if (starter.socket >= 0)
		(void)close(starter.socket);
	starter.socket = -1;
}

/*
 * A service is started anew by connecting to it. A child cannot be made again:
 * the next broker does.
 */
static int reconnect(void)
{
	int fd;

	if (starter.child) {
		log_error(NULL, "the process that starts dnsmasq has ended or hangs, and the "
				"broker ends; the next one takes over");
		_exit(EXIT_FAILURE);
	}
	fd = open_connection();
	if (fd < 0)
		return fd;
	(void)pthread_mutex_lock(&starter.lock);
	(void)close(starter.socket);
	starter.socket = fd;
	(void)pthread_mutex_unlock(&starter.lock);
	return 0;
}

static int ask(const void *request, size_t size, struct packet_fds fds)
{
	int result;

	(void)pthread_mutex_lock(&starter.lock);
	result = send_packet(starter.socket, request, size, fds);
	(void)pthread_mutex_unlock(&starter.lock);
	return result;
}

static bool ask_for_start(const struct request *request, struct packet_fds fds, struct reply *reply,
			  int *pidfd)
{
	struct packet_fds received = no_fds;
	bool is_answered = ask(request, sizeof(*request), fds) == 0 &&
			   receive_packet(starter.socket, reply, sizeof(*reply), &received) ==
				   (ssize_t)sizeof(*reply);

	*pidfd = received.fd[0];
	return is_answered;
}

/* Returns a pidfd, or a negative errno. */
static int start_one(const struct request *request, struct packet_fds fds, pid_t *pid)
{
	struct reply reply;
	int pidfd = -1;

	if (!ask_for_start(request, fds, &reply, &pidfd)) {
		int result = reconnect();

		if (result < 0)
			return result;
		if (!ask_for_start(request, fds, &reply, &pidfd)) {
			/* A late answer is not taken for that to the next request. */
			(void)shutdown(starter.socket, SHUT_RDWR);
			return -ECONNRESET;
		}
	}
	*pid = reply.pid;
	/* Without a descriptor the broker has no room for one. */
	return reply.error ? -reply.error : pidfd >= 0 ? pidfd : -EMFILE;
}

int starter_start(const char *config, const char *leases, int input_fd, int error_fd, pid_t *pid)
{
	struct request request = { 0 };
	int result;

	if (strlen(config) >= sizeof(request.config) || strlen(leases) >= sizeof(request.leases))
		return -ENAMETOOLONG;
	strcpy(request.config, config);
	strcpy(request.leases, leases);
	(void)pthread_mutex_lock(&starter.turn);
	result = start_one(&request, (struct packet_fds){ { error_fd, input_fd } }, pid);
	(void)pthread_mutex_unlock(&starter.turn);
	return result;
}

int starter_signal(int pidfd, int number)
{
	const struct packet_fds fds = { { pidfd, -1 } };
	int result = ask(&number, sizeof(number), fds);
	int fd;

	/* The service has ended. The worker alone connects anew for good, when it starts one. */
	if (starter.child || (result != -EPIPE && result != -ECONNRESET))
		return result;
	fd = open_connection();
	if (fd < 0)
		return fd;
	result = send_packet(fd, &number, sizeof(number), fds);
	(void)close(fd);
	return result;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In the place of dnsmasq: tries what one that a machine has taken over would
 * try with its rights, and says what it may do as the reason why it does not
 * start.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* Says what was not refused. */
static void say(const char *what, long result)
{
	if (result >= 0 || (errno != EPERM && errno != EACCES))
		(void)fprintf(stderr, "%s; ", what);
}

/* A call that the broker may not make either ends who makes it, unless he is ready for it. */
static sigjmp_buf refused;

static void on_refusal(int number)
{
	(void)number;
	siglongjmp(refused, 1);
}

#define TRY(call) (sigsetjmp(refused, 1) ? (errno = EPERM, -1) : (long)(call))

/* The kernel's answer to a change of the first link. */
static int change(unsigned short type)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg link;
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = type,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.link = { .ifi_index = 1, .ifi_change = IFF_UP },
	};
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		char rest[1024];
	} answer;
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

	if (fd < 0 || send(fd, &request, sizeof(request), 0) < 0 ||
	    recv(fd, &answer, sizeof(answer), 0) < 0)
		return -1;
	(void)close(fd);
	errno = -answer.error.error;
	return answer.error.error;
}

static void try_network(void)
{
	struct ifreq request = { .ifr_name = "lesser", .ifr_flags = IFF_TAP };

	say("links", change(RTM_SETLINK));
	say("traffic control", change(RTM_NEWQDISC));
	say("neighbours", change(RTM_NEWNEIGH));
	say("routes", change(RTM_NEWROUTE));
	say("packet filters", socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER));
	say("packets", socket(AF_PACKET, SOCK_RAW, 0));
	say("raw IPv4", socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
	say("raw IPv6", socket(AF_INET6, SOCK_RAW, IPPROTO_UDP));
	say("services", socket(AF_UNIX, SOCK_STREAM, 0));
	say("TAP devices", ioctl(open("/dev/net/tun", O_RDWR), TUNSETIFF, &request));
	say("settings", open("/proc/sys/net/ipv4/ip_forward", O_WRONLY));
}

static void try_process(const char *name, pid_t pid)
{
	char what[64];
	char path[64];
	char target[64];
	struct rlimit limit = { 0 };
	struct iovec memory = { what, 1 };

	(void)snprintf(what, sizeof(what), "%s: a signal", name);
	say(what, kill(pid, SIGTERM));
	(void)snprintf(what, sizeof(what), "%s: ptrace", name);
	say(what, TRY(ptrace(PTRACE_ATTACH, pid, NULL, NULL)));
	(void)snprintf(what, sizeof(what), "%s: memory", name);
	say(what, TRY(process_vm_writev(pid, &memory, 1, &memory, 1, 0)));
	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	say(what, open(path, O_RDWR));
	/* What they are: that there are some, everybody of the user sees of one that starts. */
	(void)snprintf(what, sizeof(what), "%s: descriptors", name);
	(void)snprintf(path, sizeof(path), "/proc/%d/fd/0", (int)pid);
	say(what, (int)readlink(path, target, sizeof(target)));
	(void)snprintf(what, sizeof(what), "%s: limits", name);
	say(what, prlimit(pid, RLIMIT_CPU, &limit, NULL));
}

/* The broker, its processes and other dnsmasqs. */
static void try_processes(void)
{
	DIR *directory = opendir("/proc");
	const struct dirent *entry;
	char path[512];
	char name[32];

	while ((entry = readdir(directory))) {
		FILE *file;

		if (!isdigit((unsigned char)entry->d_name[0]) || atoi(entry->d_name) == getpid())
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		file = fopen(path, "r");
		if (file && fscanf(file, "%31s", name) == 1 &&
		    (strstr(name, "vmnet-broker") || strstr(name, "dnsmasq")))
			try_process(name, atoi(entry->d_name));
		if (file)
			(void)fclose(file);
	}
	(void)closedir(directory);
}

static int make(const char *directory)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/made", directory);
	return open(path, O_WRONLY | O_CREAT, 0600);
}

/* Whatever is there; said by its name. */
static void try_files(const char *directory)
{
	DIR *entries = opendir(directory);
	const struct dirent *entry;
	char what[512];
	char path[4096];

	(void)snprintf(what, sizeof(what), "%s: a new file", strrchr(directory, '/') + 1);
	say(what, make(directory));
	while (entries && (entry = readdir(entries))) {
		struct stat status;

		(void)snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		if (stat(path, &status) < 0 || !S_ISREG(status.st_mode))
			continue;
		(void)snprintf(what, sizeof(what), "%.255s", entry->d_name);
		say(what, open(path, O_WRONLY));
		(void)snprintf(what, sizeof(what), "%.255s: away", entry->d_name);
		say(what, unlink(path));
		(void)snprintf(what, sizeof(what), "%.255s: mode", entry->d_name);
		say(what, chmod(path, 0666));
	}
	if (entries)
		(void)closedir(entries);
}

int main(int argc, char **argv)
{
	char *directory = strchr(argv[argc - 1], '/');
	char state[4096];
	struct rlimit processes;

	(void)signal(SIGSYS, on_refusal);
	*strrchr(directory, '/') = '\0';
	(void)snprintf(state, sizeof(state), "%s/../state", directory);
	(void)fputs("may: ", stderr);
	try_files(directory);
	try_files(state);
	say("/tmp", make("/tmp"));
	say("/dev/shm", make("/dev/shm"));
	try_network();
	try_processes();
	(void)getrlimit(RLIMIT_NPROC, &processes);
	errno = EPERM; /* this is not refused, but bounded */
	say("processes without end", processes.rlim_max > 4096 ? 0 : -1);
	say("namespaces", TRY(unshare(CLONE_NEWUSER)));
	return EXIT_FAILURE;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All of the broker is behind one filter, and so is what it starts. dnsmasq, which reads what
 * machines send, is behind one more, which knows just what it does, and can write to just one
 * file.
 */
#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/array.h"
#include "base/log.h"

/* When memory is short, libseccomp may go round for ever: it gets so much of the processor. */
#define MAKE_SECONDS 1

struct filter {
	struct sock_filter instructions[512];
	unsigned short n;
};

/* Made in the beginning: the library does not live through a lack of memory. */
static struct filter common; /* of the broker and what it starts */
static struct filter more; /* dnsmasq's */

static int failed(const char *what)
{
	log_error(NULL, "cannot %s: %s", what, strerror(errno));
	return -1;
}

/* The process ends when it has computed for so long; 0: never. */
static void limit_time(time_t seconds)
{
	const struct itimerval limit = { .it_value.tv_sec = seconds };

	(void)setitimer(ITIMER_VIRTUAL, &limit, NULL);
}

/*
 * What serving takes, dnsmasq's calls included: a filter is inherited. Listed
 * by what they are for.
 */
/* clang-format off */
static const char *const allowed_calls[] = {
	/* memory, threads, time, signals */
	"alarm", "arch_prctl", "brk", "clock_getres", "clock_gettime", "clock_nanosleep", "exit",
	"exit_group", "futex", "get_robust_list", "getcpu", "getrandom", "gettimeofday",
	"madvise", "membarrier", "mmap", "mprotect", "mremap", "munmap", "nanosleep",
	"restart_syscall", "rseq", "rt_sigaction", "rt_sigpending", "rt_sigprocmask",
	"rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait", "sched_getaffinity",
	"sched_yield", "setitimer", "set_robust_list", "set_tid_address", "sigaltstack", "signalfd",
	"signalfd4", "sysinfo", "tgkill", "time", "times", "uname",
	/* files */
	"access", "chdir", "chmod", "chown", "close", "close_range", "dup", "dup2", "dup3",
	"faccessat", "faccessat2", "fchmod", "fchmodat", "fchown", "fchownat", "fcntl",
	"fadvise64", "fdatasync", "flock", "fstat", "fstatfs", "fsync", "ftruncate", "getcwd", "getdents",
	"getdents64", "getxattr", "inotify_add_watch", "inotify_init", "inotify_init1",
	"inotify_rm_watch", "ioctl", "lseek", "lstat", "mkdir", "mkdirat", "newfstatat", "open",
	"openat", "openat2", "pread64", "prlimit64", "getrlimit", "setrlimit", "pwrite64", "read",
	"readlink", "readlinkat", "readv", "rename", "renameat", "renameat2", "rmdir", "stat",
	"statfs", "statx", "umask", "unlink", "unlinkat", "utimensat", "write", "writev",
	/* waiting */
	"epoll_create", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait",
	"eventfd", "eventfd2", "pipe", "pipe2", "poll", "ppoll", "pselect6", "select",
	"timerfd_create", "timerfd_gettime", "timerfd_settime",
	/* sockets */
	"accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt",
	"listen", "recvfrom", "recvmmsg", "recvmsg", "sendmmsg", "sendmsg", "sendto", "setsockopt",
	"shutdown", "socket", "socketpair",
	/* who is there, and starting dnsmasq */
	"capget", "capset", "clone", "clone3", "execve", "fork", "getegid", "geteuid", "getgid",
	"getgroups", "getpgrp", "getpid", "getppid", "getresgid", "getresuid", "getsid", "gettid",
	"getuid", "kill", "pidfd_open", "pidfd_send_signal", "prctl", "setgid", "setgroups",
	"setregid", "setresgid", "setresuid", "setreuid", "setsid", "setuid", "vfork", "wait4",
	"waitid",
	/* shutting dnsmasq in */
	"landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self", "seccomp",
#if defined(__SANITIZE_ADDRESS__)
	/* what finds leaks at the end stops the other threads with */
	"ptrace", "process_vm_readv",
#endif
};
/* clang-format on */

/* The call is made by this very thread, outside of the C library's locks. */
static void on_forbidden_call(int number, siginfo_t *info, void *context)
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, info->si_syscall);

	(void)number;
	(void)context;
	log_error(NULL, "ended by a system call outside of the filter: %s (%d)",
		  name ? name : "unknown", info->si_syscall);
	_exit(EXIT_FAILURE);
}

/* Returns 0 or a negative errno. */
static int allow_calls(scmp_filter_ctx filter)
{
	int result = 0;

	for (size_t i = 0; i < ARRAY_SIZE(allowed_calls) && result == 0; i++) {
		int call = seccomp_syscall_resolve_name(allowed_calls[i]);

		/* One that this architecture does not have cannot be called. */
		if (call >= 0)
			result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
	}
	/* For the thread that closes what clients have sent (disposal.c): no namespaces. */
	if (result == 0)
		result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(unshare), 1,
					  SCMP_A0(SCMP_CMP_EQ, CLONE_FILES, 0));
	return result;
}

/* Its instructions, by way of a file: that is what the library offers. */
static int export(scmp_filter_ctx made, struct filter *filter)
{
	int fd = memfd_create("filter", MFD_CLOEXEC);
	ssize_t size = 0;
	int result;

	if (fd < 0)
		return -errno;
	result = seccomp_export_bpf(made, fd);
	if (result == 0)
		size = pread(fd, filter->instructions, sizeof(filter->instructions), 0);
	if (size < 0)
		result = -errno;
	else if ((size_t)size == sizeof(filter->instructions))
		result = -EFBIG;
	else
		filter->n = (unsigned short)((size_t)size / sizeof(filter->instructions[0]));
	(void)close(fd);
	return result;
}

/* action: of what is not allowed. Returns 0 or a negative errno. */
static int make_filter(uint32_t action, int (*allow)(scmp_filter_ctx made), struct filter *filter)
{
	scmp_filter_ctx made = seccomp_init(action);
	int result = made ? allow(made) : -ENOMEM;

	if (result == 0)
		result = export(made, filter);
	if (made)
		seccomp_release(made);
	return result;
}

/* When memory is short, the library may leave something out without a word: not twice the same. */
static int make_whole_filter(uint32_t action, int (*allow)(scmp_filter_ctx made),
			     struct filter *filter)
{
	struct filter again = { 0 };
	int result;

	limit_time(MAKE_SECONDS);
	result = make_filter(action, allow, filter);
	if (result == 0)
		result = make_filter(action, allow, &again);
	limit_time(0);
	if (result == 0 && (filter->n != again.n || memcmp(filter->instructions, again.instructions,
							   sizeof(again.instructions)) != 0))
		result = -ENOMEM;
	return result;
}

/* For the workers' threads, which are there already, too. Returns 0, or -1 with errno. */
static int load(void)
{
	const struct sock_fprog program = { .len = common.n, .filter = common.instructions };
	long thread;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	thread = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
	if (thread > 0)
		errno = ECANCELED;
	return thread == 0 ? 0 : -1;
}

int confine_broker(void)
{
	const struct sigaction action = { .sa_sigaction = on_forbidden_call,
					  .sa_flags = SA_SIGINFO };

	if (sigaction(SIGSYS, &action, NULL) < 0)
		return failed("watch for forbidden system calls");
	return load() < 0 ? failed("filter system calls") : 0;
}

/* What dnsmasq may do */

/*
 * Nothing that reaches another process, dnsmasqs of its user included: no
 * signals, no limits of theirs. What else is refused fails, as it does for a
 * user who may not.
 */
/* clang-format off */
static const char *const dnsmasq_calls[] = {
	/* memory, time, signals of its own */
	"alarm", "arch_prctl", "brk", "clock_getres", "clock_gettime", "clock_nanosleep", "exit",
	"exit_group", "futex", "getcpu", "getrandom", "gettimeofday", "madvise", "mmap", "mprotect",
	"mremap", "munmap", "nanosleep", "restart_syscall", "rseq", "rt_sigaction",
	"rt_sigpending", "rt_sigprocmask", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait",
	"sched_getaffinity", "sched_yield", "setitimer", "set_robust_list", "set_tid_address",
	"sigaltstack", "sysinfo", "time", "times", "uname",
	/* files */
	"access", "chdir", "close", "close_range", "dup", "dup2", "dup3", "faccessat",
	"faccessat2", "fadvise64", "fdatasync", "fstat", "fstatfs", "fsync", "ftruncate", "getcwd",
	"getdents", "getdents64", "getrlimit", "lseek", "lstat", "newfstatat", "open", "openat",
	"pread64", "read", "readlink", "readlinkat", "readv", "stat", "statfs", "statx", "umask",
	"write", "writev",
	/* waiting */
	"pipe", "pipe2", "poll", "ppoll", "pselect6", "select",
	/* sockets */
	"accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt",
	"listen", "recvfrom", "recvmmsg", "recvmsg", "sendmmsg", "sendmsg", "sendto", "setsockopt",
	"shutdown",
	/* itself, and processes for DNS by TCP */
	"capget", "capset", "execve", "fork", "getegid", "geteuid", "getgid", "getgroups",
	"getpgrp", "getpid", "getppid", "getresgid", "getresuid", "getsid", "gettid", "getuid",
	"prctl", "vfork", "wait4", "waitid",
};

/* Those that look at interfaces, and for what there is to be read. */
static const uint32_t dnsmasq_ioctls[] = {
	FIONREAD, SIOCGIFADDR, SIOCGIFBRDADDR, SIOCGIFFLAGS, SIOCGIFHWADDR, SIOCGIFINDEX,
	SIOCGIFMTU, SIOCGIFNAME, SIOCGIFNETMASK, SIOCGSTAMP,
};

/*
 * The raw one is for router advertisements. Not the stream sockets of AF_UNIX,
 * at the other ends of which are the broker and other services.
 */
static const struct {
	uint32_t family;
	uint32_t type;
	int protocol; /* -1: any */
} dnsmasq_sockets[] = {
	{ AF_INET, SOCK_DGRAM, -1 },	     { AF_INET, SOCK_STREAM, -1 },
	{ AF_INET6, SOCK_DGRAM, -1 },	     { AF_INET6, SOCK_STREAM, -1 },
	{ AF_INET6, SOCK_RAW, IPPROTO_ICMPV6 }, { AF_NETLINK, SOCK_RAW, NETLINK_ROUTE },
	{ AF_UNIX, SOCK_DGRAM, -1 }, /* the system's log */
};
/* clang-format on */

/* An argument of 32 bits: the kernel does not look at the others. */
#define IS(argument, value) SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, UINT32_MAX, value)

#define SOCKET_TYPE_MASK 0xfU
/* What makes namespaces, of which a process would have all capabilities. */
#define CLONE_NAMESPACES                                                               \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
	 CLONE_NEWPID | CLONE_NEWNET)

static int allow_sockets(scmp_filter_ctx filter)
{
	int result = 0;

	for (size_t i = 0; i < ARRAY_SIZE(dnsmasq_sockets) && result == 0; i++) {
		const struct scmp_arg_cmp arguments[] = {
			IS(0, dnsmasq_sockets[i].family),
			SCMP_CMP(1, SCMP_CMP_MASKED_EQ, SOCKET_TYPE_MASK, dnsmasq_sockets[i].type),
			IS(2, (uint32_t)dnsmasq_sockets[i].protocol),
		};
		unsigned int n = dnsmasq_sockets[i].protocol < 0 ? 2 : 3;

		result = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), n,
						arguments);
	}
	return result;
}

/* Returns 0 or a negative errno. */
static int allow_dnsmasq(scmp_filter_ctx filter)
{
	int result = allow_sockets(filter);

	for (size_t i = 0; i < ARRAY_SIZE(dnsmasq_calls) && result == 0; i++) {
		int call = seccomp_syscall_resolve_name(dnsmasq_calls[i]);

		if (call >= 0)
			result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(dnsmasq_ioctls) && result == 0; i++)
		result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
					  IS(1, dnsmasq_ioctls[i]));
	/* Those after it say whom signals of a descriptor go to. */
	if (result == 0)
		result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
					  SCMP_A1(SCMP_CMP_LE, F_SETFL, 0));
	if (result == 0)
		result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
					  IS(1, F_DUPFD_CLOEXEC));
	if (result == 0)
		result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, IS(0, 0));
	if (result == 0)
		result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
					  SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_NAMESPACES, 0));
	/* Its flags cannot be seen; the C library then takes the one before it. */
	if (result == 0)
		result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return result;
}

int confine_start(void)
{
	int result = make_whole_filter(SCMP_ACT_TRAP, allow_calls, &common);

	if (result == 0)
		result = make_whole_filter(SCMP_ACT_ERRNO(EPERM), allow_dnsmasq, &more);
	errno = -result;
	return result < 0 ? failed("make a filter of system calls") : 0;
}

/* Returns 0, or -1 with errno. */
static int allow_writing(int ruleset, const char *path)
{
	struct landlock_path_beneath_attr rule = {
		.allowed_access = LANDLOCK_ACCESS_FS_WRITE_FILE,
		.parent_fd = open(path, O_PATH | O_CLOEXEC),
	};
	int result;

	if (rule.parent_fd < 0)
		return -1;
	result = (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	(void)close(rule.parent_fd);
	return result;
}

/*
 * Nothing can be written, made or removed but this one file: what is
 * everybody's, such as /tmp, included. Where the kernel has no Landlock, what
 * its user may do is all that there is. Returns 0, or -1 with errno.
 */
static int confine_writing(const char *path)
{
	const struct landlock_ruleset_attr all = {
		.handled_access_fs = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
				     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
				     LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
				     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
				     LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM,
	};
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);
	int result;

	if (ruleset < 0)
		return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -1;
	result = allow_writing(ruleset, path);
	if (result == 0)
		result = allow_writing(ruleset, "/dev/null");
	if (result == 0)
		result = (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
	(void)close(ruleset);
	return result;
}

int confine_dnsmasq(const char *leases)
{
	const struct sock_fprog program = { .len = more.n, .filter = more.instructions };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || confine_writing(leases) < 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filters of system calls. All of the broker is behind one, and so is what it
 * starts. dnsmasq, which reads what machines send, is behind one more: it insists
 * on CAP_NET_ADMIN and CAP_NET_RAW, and takes little of what they give.
 */
#include "confine.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "../log.h"

/* When memory is short, libseccomp may go round for ever: it gets so much of the processor. */
#define MAKE_SECONDS 1

/* A filter for all threads and one of a single thread cannot be set at the same time. */
static pthread_mutex_t threads = PTHREAD_MUTEX_INITIALIZER;

/* dnsmasq's. It is made once: the library does not live through a lack of memory. */
static struct {
	struct sock_filter instructions[128];
	unsigned short n;
} more;

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

static int allow_calls(scmp_filter_ctx filter)
{
	for (size_t i = 0; i < sizeof(allowed_calls) / sizeof(allowed_calls[0]); i++) {
		int call = seccomp_syscall_resolve_name(allowed_calls[i]);

		/* One that this architecture does not have cannot be called. */
		if (call < 0)
			continue;
		errno = -seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
		if (errno)
			return failed("allow a system call");
	}
	return 0;
}

static int set_filter(void)
{
	const struct sigaction action = { .sa_sigaction = on_forbidden_call,
					  .sa_flags = SA_SIGINFO };
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
	int result = -1;

	if (!filter)
		return failed("make a filter of system calls");
	if (sigaction(SIGSYS, &action, NULL) < 0) {
		failed("watch for forbidden system calls");
		goto out;
	}
	if (allow_calls(filter) < 0)
		goto out;
	(void)pthread_mutex_lock(&threads);
	/* For the worker's thread, which is there already, too. */
	errno = -seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!errno)
		errno = -seccomp_load(filter);
	(void)pthread_mutex_unlock(&threads);
	if (errno)
		failed("filter system calls");
	else
		result = 0;
out:
	seccomp_release(filter);
	return result;
}

int confine_broker(void)
{
	int result;

	limit_time(MAKE_SECONDS);
	result = set_filter();
	limit_time(0);
	return result;
}

/* A filter more, of the thread that starts dnsmasq */

/* An argument of 32 bits: the kernel does not look at the others. */
#define IS(argument, value) SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, UINT32_MAX, value)

/* Of what CAP_NET_ADMIN and CAP_NET_RAW give. Returns 0 or a negative errno. */
static int refuse_more(scmp_filter_ctx filter)
{
	const uint32_t refuse = SCMP_ACT_ERRNO(EPERM);
	int result = seccomp_rule_add(filter, refuse, SCMP_SYS(socket), 1, IS(0, AF_PACKET));

	if (result == 0)
		result = seccomp_rule_add(filter, refuse, SCMP_SYS(socket), 2, IS(0, AF_NETLINK),
					  SCMP_A2(SCMP_CMP_NE, NETLINK_ROUTE, 0));
	if (result == 0)
		result = seccomp_rule_add(filter, refuse, SCMP_SYS(ioctl), 1, IS(1, TUNSETIFF));
	return result;
}

/* Its instructions, by way of a file: that is what the library offers. */
static int export(scmp_filter_ctx filter)
{
	int fd = memfd_create("filter", MFD_CLOEXEC);
	ssize_t size = 0;
	int result;

	if (fd < 0)
		return -errno;
	result = seccomp_export_bpf(filter, fd);
	if (result == 0)
		size = pread(fd, more.instructions, sizeof(more.instructions), 0);
	if (size < 0)
		result = -errno;
	else if ((size_t)size == sizeof(more.instructions))
		result = -EFBIG;
	else
		more.n = (unsigned short)((size_t)size / sizeof(more.instructions[0]));
	(void)close(fd);
	return result;
}

int confine_start(void)
{
	scmp_filter_ctx filter;
	int result;

	limit_time(MAKE_SECONDS);
	filter = seccomp_init(SCMP_ACT_ALLOW);
	result = filter ? refuse_more(filter) : -ENOMEM;
	if (result == 0)
		result = export(filter);
	if (filter)
		seccomp_release(filter);
	limit_time(0);
	errno = -result;
	return result < 0 ? failed("make a filter of dnsmasq's system calls") : 0;
}

struct confined_call {
	int (*function)(void *argument);
	void *argument;
	int result;
};

static void *call_confined(void *argument)
{
	const struct sock_fprog program = { .len = more.n, .filter = more.instructions };
	struct confined_call *call = argument;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		call->result = errno;
	else
		call->result = call->function(call->argument);
	return NULL;
}

int confine_call(int (*function)(void *argument), void *argument)
{
	struct confined_call call = { .function = function, .argument = argument };
	pthread_t thread;
	int result;

	(void)pthread_mutex_lock(&threads);
	result = pthread_create(&thread, NULL, call_confined, &call);
	if (result == 0)
		result = pthread_join(thread, NULL);
	(void)pthread_mutex_unlock(&threads);
	return result ? result : call.result;
}

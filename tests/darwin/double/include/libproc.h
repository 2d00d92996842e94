/* SPDX-License-Identifier: Apache-2.0 */
/* The part of macOS's <libproc.h> and <sys/proc_info.h> that the project uses. */
#ifndef TESTS_DARWIN_LIBPROC_H
#define TESTS_DARWIN_LIBPROC_H

#include <stdint.h>

#define PROC_ALL_PIDS 1
#define PROC_PIDLISTFDS 1
#define PROX_FDTYPE_SOCKET 2
#define PROC_PIDFDSOCKETINFO 3
#define TSI_S_LISTEN 1

enum {
	SOCKINFO_IN = 1,
	SOCKINFO_TCP = 2,
};

struct proc_fdinfo {
	int32_t proc_fd;
	uint32_t proc_fdtype;
};

struct in_sockinfo {
	int insi_lport; /* network byte order */
};

struct tcp_sockinfo {
	struct in_sockinfo tcpsi_ini;
	int tcpsi_state;
};

struct socket_info {
	int soi_protocol;
	int soi_kind;
	union {
		struct in_sockinfo pri_in;
		struct tcp_sockinfo pri_tcp;
	} soi_proto;
};

struct socket_fdinfo {
	struct socket_info psi;
};

/* The name of a process. Returns its length, or 0. */
int proc_name(int pid, void *buffer, uint32_t size);

/* The ids of all processes. Returns bytes; without a buffer, how many it should have. */
int proc_listpids(uint32_t type, uint32_t typeinfo, void *buffer, int size);

/* The same with the descriptors of a process; 0 of one that is another user's. */
int proc_pidinfo(int pid, int flavor, uint64_t argument, void *buffer, int size);

/* One of them. Returns bytes. */
int proc_pidfdinfo(int pid, int fd, int flavor, void *buffer, int size);

#endif

# SPDX-License-Identifier: Apache-2.0
"""The processes that a broker of root has made, in their order; and what processes have open."""

import ctypes
import os
import socket

PIDFD_GETFD = 438
LIBC = ctypes.CDLL(None)

STARTER, ACCOUNTS, FORKER = range(3)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def is_waiting(pid, call):
    """Its first thread is in that system call: a word of what the kernel calls it."""
    with open(f"/proc/{pid}/stack", encoding="ascii") as file:
        return call in file.read()


def descriptors_of(pid, name):
    """The same open files as those that a process has, by what is in the kernel's name of them.

    That begins outside of a chroot, where the process has mounts of its own.
    """
    pidfd = os.pidfd_open(pid)
    try:
        for number in os.listdir(f"/proc/{pid}/fd"):
            fd = LIBC.syscall(PIDFD_GETFD, pidfd, int(number), 0)
            if name in os.readlink(f"/proc/self/fd/{fd}"):
                yield fd
            else:
                os.close(fd)
    finally:
        os.close(pidfd)


def socket_of(pid, family, kind):
    """The same open socket as the first of that kind that a process has."""
    for fd in descriptors_of(pid, "socket:"):
        found = socket.socket(fileno=fd)
        if (found.family, found.type) == (family, kind):
            return found
        found.close()
    raise AssertionError("no such socket")

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


def socket_of(pid, family, kind):
    """The same open socket as the first of that kind that a process has."""
    pidfd = os.pidfd_open(pid)
    for number in os.listdir(f"/proc/{pid}/fd"):
        fd = LIBC.syscall(PIDFD_GETFD, pidfd, int(number), 0)
        if not os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"):
            os.close(fd)
            continue
        found = socket.socket(fileno=fd)
        if (found.family, found.type) == (family, kind):
            os.close(pidfd)
            return found
        found.close()
    raise AssertionError("no such socket")

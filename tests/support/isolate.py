# SPDX-License-Identifier: Apache-2.0
"""Namespaces for a whole run: no network but what it makes, and nothing that outlives it."""

import ctypes
import os
import signal

CLONE_NEWNS = 0x00020000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result):
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def enter_network(fd):
    """This thread goes on in the network namespace that fd is open on."""
    _check(_libc.setns(fd, CLONE_NEWNET))


def isolate():
    """Goes on in a child, in network, mount and process namespaces of its own.

    Three processes: this one waits, and exits as the last one does. The second is the first
    process of the new namespace: it collects what daemons leave, and the kernel ends all others
    with it. The third returns from here. SIGTERM and SIGINT reach it as KeyboardInterrupt.
    """
    _check(_libc.unshare(CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWNS))
    init = os.fork()
    if init:
        _wait_for(init)
    _check(_libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))
    _check(_libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
    _check(_libc.mount(b"proc", b"/proc", b"proc", 0, None))
    worker = os.fork()
    if worker:
        _wait_for(worker)
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def _wait_for(child):
    """Passes SIGTERM on to child, collects every process until child ends, and exits likewise."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all three
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    pid = 0
    while pid != child:
        pid, status = os.wait()
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)

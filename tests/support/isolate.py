# SPDX-License-Identifier: Apache-2.0
"""Namespaces for a whole run: no network but what it makes, and nothing that outlives it."""

import contextlib
import ctypes
import os
import re
import signal
import tempfile

CLONE_NEWNS = 0x00020000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
MNT_DETACH = 2
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
    root = None if _root_is_mounted() else tempfile.mkdtemp(prefix="vmnet-broker-root-")
    _check(_libc.unshare(CLONE_NEWPID))
    init = os.fork()
    if init:
        code = _wait_for(init)
        if root:
            # It is here as well where the chroot's own mount is a shared one.
            _libc.umount2(root.encode(), MNT_DETACH)
            with contextlib.suppress(OSError):
                os.rmdir(root)
        os._exit(code)
    _check(_libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))
    _isolate_mounts(root)
    worker = os.fork()
    if worker:
        os._exit(_wait_for(worker))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A script's background has it ignored, and so would what tests start and interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _mount_points():
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        points = [line.split()[4] for line in file]
    return [re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), point) for point in points]


def _root_is_mounted():
    """Not so in a chroot, where the mounts of a directory cannot be made private."""
    return "/" in _mount_points()


def _isolate_mounts(root):
    """Mounts of the run stay its own; with root, that directory becomes a mounted /."""
    _check(_libc.unshare(CLONE_NEWNS | CLONE_NEWNET))
    if root:
        _check(_libc.mount(b"/", root.encode(), None, MS_BIND | MS_REC, None))
        os.chdir(root + os.getcwd())
        os.chroot(root)
    _check(_libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
    _check(_libc.mount(b"proc", b"/proc", b"proc", 0, None))


def _wait_for(child):
    """Passes SIGTERM on to child, collects every process until child ends; returns its status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all three
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    pid = 0
    while pid != child:
        pid, status = os.wait()
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code

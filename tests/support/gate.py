# SPDX-License-Identifier: Apache-2.0
"""A gate that dnsmasq waits at before it starts: a FIFO, for as long as it is there."""

import errno
import os
import shutil

from .wait import wait_for

# It fails unless it is told to go.
DNSMASQ = """#!/bin/sh
if [ -e {gate} ] && [ "$(cat {gate})" != go ]; then exit 1; fi
exec {dnsmasq} "$@"
"""


def make_gate(broker):
    """Has the broker started with such a dnsmasq; returns the path that a gate would have."""
    path = os.path.join(broker.directory, "gate")
    programs = os.path.join(broker.directory, "programs")
    os.mkdir(programs)
    with open(os.path.join(programs, "dnsmasq"), "w", encoding="ascii") as file:
        file.write(DNSMASQ.format(gate=path, dnsmasq=shutil.which("dnsmasq")))
    os.chmod(file.name, 0o755)
    broker.stop()
    broker.env["PATH"] = f"{programs}:{os.environ['PATH']}"
    broker.start()
    return path


def wait_at(gate):
    """Waits until a dnsmasq is at the gate; returns a descriptor to write "go" to, and close."""

    def open_gate():
        try:
            return os.open(gate, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            assert error.errno == errno.ENXIO
            return None

    fd = wait_for(open_gate, what="the start of dnsmasq")
    os.unlink(gate)
    return fd

# SPDX-License-Identifier: Apache-2.0
"""A user who keeps the broker busy, and what another one's acquire takes meanwhile.

The two are measured in turns, with the busy one stopped and going on, so that both see the same
machine. What users take from each other is not the broker's to divide: the broker can be given a
processor to itself, and of the other one the busy user gets what the measured one leaves.
"""

import contextlib
import json
import mmap
import os
import resource
import select
import signal
import statistics
import struct
import time
import traceback

from .varlink import INTERFACE, Client
from .wait import wait_for

USER, RIVAL = 20001, 20002
BATCH_SECONDS = 0.1
SETTLING_SECONDS = 0.02  # not counted, when the other is stopped or goes on
INTERFACES = 1000
CONNECTIONS = 50
DRIBBLING = 1000
WATCHERS, MONITORS = 120, 32
COUNTER = struct.Struct("Q")
PIPELINE = 20  # calls that are on their way on one connection

CONFIG = {
    "lab": {"mode": "host"},
    "busy": {"mode": "shared", "max_interfaces": 1023},
}


def create_and_destroy(connect, count):
    """A network's whole life, over and over."""
    client = connect()
    while True:
        client.acquire("busy")
        client.release("busy")
        count(1)


def attach(connect, count):
    """A thousand interfaces, one after the other; then they go, and it begins anew."""
    client = connect()
    client.acquire("busy")
    while True:
        attachments = []
        for _ in range(INTERFACES):
            attachments.append(client.attach("busy"))
            count(1)
        for attachment in attachments:
            attachment.close()


def flood(connect, count):
    """Calls on many connections, as fast as they are answered."""
    call = json.dumps({"method": "org.varlink.service.GetInfo"}).encode() + b"\0"
    poll = select.epoll()
    clients = {}
    for _ in range(CONNECTIONS):
        client = connect()
        clients[client.fileno()] = client
        poll.register(client, select.EPOLLIN)
        client.socket.sendall(call * PIPELINE)
    while True:
        for fd, _ in poll.poll():
            answered = clients[fd].socket.recv(1 << 20).count(b"\0")
            clients[fd].socket.sendall(call * answered)
            count(answered)


def dribble(connect, count):
    """A byte at a time, on as many connections as one may have."""
    clients = [connect() for _ in range(DRIBBLING)]
    while True:
        for client in clients:
            client.socket.send(b" ")
            count(1)


def come_and_go(connect, count):
    """Connects, and asks nothing."""
    while True:
        connect().close()
        count(1)


def watch(connect, count):
    """Many users who monitor, on as many connections as each may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    poll = select.epoll()
    clients = {}
    for i in range(WATCHERS * MONITORS):
        client = connect(RIVAL + i // MONITORS)
        clients[client.fileno()] = client
        client.monitor()
        poll.register(client, select.EPOLLIN)
    count(1)
    while True:
        for fd, _ in poll.poll():
            count(clients[fd].socket.recv(1 << 20).count(b"\0"))


RIVALS = (create_and_destroy, attach, flood, dribble, come_and_go)


class Rival:
    """A process that keeps the broker busy."""

    def __init__(self, work, path):
        self._shared = mmap.mmap(-1, mmap.PAGESIZE)
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
                work(lambda uid=RIVAL: Client(path, uid, timeout=60), self._count)
            except BaseException:  # noqa: the parent's tests must not go on in this process
                traceback.print_exc()
            finally:
                os._exit(1)

    def _count(self, n):
        COUNTER.pack_into(self._shared, 0, self.done() + n)

    def done(self):
        """How much it has done."""
        return COUNTER.unpack_from(self._shared)[0]

    def is_running(self):
        return os.waitpid(self.pid, os.WNOHANG)[0] == 0

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


class Acquire:
    """Takes the time of acquiring a network that is active."""

    def __init__(self, path):
        self.holder = Client(path, USER)
        self.holder.acquire("lab")
        self.client = Client(path, USER)
        self._acquire, self._release = map(self._message, ("Acquire", "Release"))

    @staticmethod
    def _message(method):
        call = {"method": f"{INTERFACE}.{method}", "parameters": {"network": "lab"}}
        return json.dumps(call).encode() + b"\0"

    def _call(self, message):
        self.client.socket.sendall(message)
        reply = self.client.socket.recv(65536)
        assert reply.endswith(b"\0") and b'"error"' not in reply

    def times(self, seconds):
        """What each takes, in microseconds, for so long."""
        taken = []
        over = time.perf_counter() + seconds
        while (start := time.perf_counter()) < over:
            self._call(self._acquire)
            taken.append((time.perf_counter() - start) * 1e6)
            self._call(self._release)
        return taken

    def close(self):
        self.holder.close()
        self.client.close()


@contextlib.contextmanager
def divided(broker):
    """Inside, the broker has a processor, and those who ask it have another; this process first."""
    processors = os.sched_getaffinity(0)
    first, *others = sorted(processors)
    threads = [int(thread) for thread in os.listdir(f"/proc/{broker.pid}/task")]
    try:
        for thread in threads:
            os.sched_setaffinity(thread, others or {first})
        os.sched_setaffinity(0, {first})
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        for thread in (0, *threads):
            os.sched_setaffinity(thread, processors)


def watched(broker, seconds):
    """Medians of an acquire that nobody is told of, and of one that thousands are; how often."""
    acquire = Acquire(broker.socket_path)
    alone = acquire.times(seconds)
    rival = Rival(watch, broker.socket_path)
    try:
        wait_for(lambda: rival.done() or not rival.is_running(), 60, "the watchers")
        told = acquire.times(seconds)
        wait_for(lambda: rival.done() >= len(told), 60, "what they are told")
    finally:
        rival.close()
        acquire.close()
    return statistics.median(alone), statistics.median(told), rival.done()


def compare(broker, work, rounds):
    """Medians of an acquire, in microseconds, beside an idle and a busy user; what that one did."""
    acquire = Acquire(broker.socket_path)
    rival = Rival(work, broker.socket_path)
    times = {signal.SIGSTOP: [], signal.SIGCONT: []}
    try:
        for _ in range(rounds):
            for number, batch in times.items():
                os.kill(rival.pid, number)
                acquire.times(SETTLING_SECONDS)
                batch += acquire.times(BATCH_SECONDS)
        assert rival.is_running(), "the busy user has failed; see its standard error"
    finally:
        rival.close()
        acquire.close()
    return *(statistics.median(batch) for batch in times.values()), rival.done()

# SPDX-License-Identifier: Apache-2.0
"""Counts what no other load disturbs: what a process does, and the rules that a packet meets."""

import collections
import contextlib
import ipaddress
import os
import re
import signal
import subprocess

import pytest

from .need import need
from .wait import wait_for

# "PID call(arguments) = result", in two lines when another thread's comes between.
BEGUN = re.compile(r"\d+ +(\w+)\(")
# A wait without an end of its own that is over.
WOKEN = re.compile(r"\d+ +(?:<\.\.\. )?epoll_wait.* -1\) = [1-9]")
# So each message begins in what is sent by netlink. Of more at once than that strace shows no more.
MESSAGE = "{nlmsg_len="
AT_ONCE = 1000
# So often in a row nothing has happened: then nothing is left to be done at once.
RESTS = 20
# What a host has while requests are counted, and "more".
NETWORKS = [f"n{i}" for i in range(20)]

# For memory, for threads that wait for each other, and of sanitizers.
ELSEWHERE = {
    *("brk", "madvise", "mmap", "mprotect", "mremap", "munmap"),
    *("futex", "restart_syscall", "sched_yield"),
    *("getpid", "gettid", "sigaltstack"),
}
# How often the loop waits depends on when things happen, and so what it reads of timers and news.
LOOP = {"epoll_ctl", "epoll_wait", "read", "recvmmsg", "timerfd_settime"}


def _threads(pid):
    return [f"/proc/{pid}/task/{thread}" for thread in sorted(os.listdir(f"/proc/{pid}/task"))]


def _read(path):
    with open(path, encoding="ascii") as file:
        return file.read()


def wait_for_rest(pid):
    """All threads of the process wait, and have done nothing for a while."""
    seen = collections.deque(maxlen=RESTS)

    def rests():
        seen.append([_read(f"{thread}/schedstat").split()[2] for thread in _threads(pid)])
        return len(seen) == RESTS and all(state == seen[0] for state in seen)

    wait_for(rests, what=f"the rest of process {pid}")


def descriptor_room(pid):
    """How many descriptors its table has room for."""
    return int(re.search(r"^FDSize:\t(\d+)", _read(f"/proc/{pid}/status"), re.MULTILINE)[1])


class Strace:
    """What a process asks of the kernel while it is entered.

    calls: its system calls, by their names. messages: how many it has sent by netlink, and
    messages_of_first those of its first thread.
    """

    def __init__(self, pid, directory):
        self.pid = pid
        self.path = os.path.join(directory, "strace")
        self.calls = collections.Counter()
        self.messages = 0
        self.messages_of_first = 0
        self._process = None

    def _is_attached(self):
        if self._process.poll() is not None:
            pytest.skip(f"strace may not trace: {self._process.stderr.read()}")
        return not any("\nTracerPid:\t0\n" in _read(f"{t}/status") for t in _threads(self.pid))

    def __enter__(self):
        wait_for_rest(self.pid)
        argv = ["strace", "-f", "-qq", "-s", str(AT_ONCE), "-o", self.path, "-p", str(self.pid)]
        self._process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
        wait_for(self._is_attached, what="strace's start")
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            wait_for_rest(self.pid)
        self._process.send_signal(signal.SIGINT)
        self._process.wait()
        self._process.stderr.close()
        with open(self.path, encoding="utf-8", errors="replace") as file:
            for line in file:
                self._count(line)

    def looks(self, pid):
        """How often the loop has waited for something to happen, at each look at that process."""
        waits, found = 0, []
        with open(self.path, encoding="utf-8", errors="replace") as file:
            for line in file:
                waits += bool(WOKEN.match(line))
                if f'"/proc/{pid}/status"' in line:
                    found.append(waits)
        return found

    def most_at_once(self, pattern):
        """How many calls of the first thread that match lie between two of its waits, at most."""
        counts = [0]
        with open(self.path, encoding="utf-8", errors="replace") as file:
            for line in file:
                if re.match(rf"{self.pid} +epoll_wait", line):
                    counts.append(0)
                elif line.startswith(f"{self.pid} "):
                    counts[-1] += bool(re.search(pattern, line))
        return max(counts)

    def _count(self, line):
        begun = BEGUN.match(line)
        if begun:
            self.calls[begun[1]] += 1
            if begun[1].startswith("send"):
                self.messages += line.count(MESSAGE)
                if line.startswith(f"{self.pid} "):
                    self.messages_of_first += line.count(MESSAGE)


def count(broker, work, but):
    """What the broker asks of the kernel while work() is done, and afterwards until it rests."""
    with Strace(broker.pid, broker.directory) as strace:
        work()
    return sum(n for name, n in strace.calls.items() if name not in but), strace.messages


def count_wakeups(broker, pid, times):
    """Of the loop, from one look at that server to the next: each time."""
    with Strace(broker.pid, broker.directory) as strace:
        wait_for(lambda: len(strace.looks(pid)) > times, timeout=60, what="looks at a server")
    looks = strace.looks(pid)
    return [after - before for before, after in zip(looks, looks[1:])]


def count_acquires(broker, rounds):
    """Of all NETWORKS together, each round as a pair: new to the client, and once more."""
    held = broker.client()
    for name in NETWORKS:
        held.acquire(name)
    numbers = []
    for _ in range(rounds):
        with contextlib.closing(broker.client(uid=1000)) as client:
            client.networks()

            def acquire_all(client=client):
                for name in NETWORKS:
                    client.acquire(name)

            numbers.append([count(broker, acquire_all, ELSEWHERE) for _ in range(2)])
    return numbers


def end_network(broker, client, name):
    """Releases a network that nobody else has, until its bridge has gone."""
    client.release(name)
    wait_for(lambda: f"vmb-{name}" not in broker.host.links(), what=f"the end of network {name}")


def count_requests(broker, rounds):
    """Of attaches, and of networks made and removed, beside all NETWORKS: a list for each."""
    held = broker.client()
    for name in NETWORKS:
        held.acquire(name)
    client = broker.client(uid=1000)
    numbers = {"attach": [], "create": [], "remove": []}

    def measure(name, work):
        numbers[name].append(count(broker, work, ELSEWHERE | LOOP))

    with contextlib.ExitStack() as stack:
        client.acquire("more")
        stack.enter_context(client.attach("more"))  # what the first one alone needs is there
        for _ in range(rounds):
            measure("attach", lambda: stack.enter_context(client.attach("more")))
    client.release("more")

    def is_removed():
        return not broker.networks()["more"]["active"]

    wait_for(is_removed, what="the end of the network")
    for _ in range(rounds):
        measure("create", lambda: client.acquire("more"))
        measure("remove", lambda: end_network(broker, client, "more"))
    return numbers


class Valgrind:
    """Lives of a broker whose instructions are counted.

    Older ones know no pidfds: no network of the broker may need a dnsmasq.
    """

    def __init__(self, broker):
        need("valgrind")
        self.broker = broker
        self._path = os.path.join(broker.directory, "callgrind")
        argv = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--vgdb=no"]
        tried = broker.host.run(*argv, "true", check=False)
        if tried.returncode != 0:
            pytest.skip(f"valgrind may not run: {tried.stderr}")
        module = broker.host.program("tests/tools/unconfined.so")
        broker.prefix = ["env", f"LD_PRELOAD={module}", *argv, f"--log-file={self._path}"]

    def instructions(self, work):
        """All that a life takes in which work(broker) is done: of its first process alone."""
        self.broker.start()
        work(self.broker)
        self.broker.close_clients()
        self.broker.wait_until_clean()
        wait_for_rest(self.broker.pid)
        self.broker.stop()
        return int(re.search(rf"=={self.broker.pid}== Collected : (\d+)", _read(self._path))[1])


# Requests of that number are traced; those to the host itself mark where the others end.
TRACED = """
table bridge trace {
	chain prerouting {
		type filter hook prerouting priority -500
		ether type ip ip protocol icmp icmp type echo-request icmp sequence 2 meta nftrace set 1
	}
}
table inet trace {
	chain output {
		type filter hook output priority -500
		icmp type echo-request icmp sequence 2 meta nftrace set 1
	}
}
"""
OURS = re.compile(
    r"trace id (\w+) (\w+) (vmnet-broker\S*) (\S+) (?:rule (.*) \(verdict|verdict|policy)"
)


class Trace:
    """The second packet of a ping, as rules of ours meet it."""

    def __init__(self, host, directory):
        self.host = host
        self._rules = os.path.join(directory, "trace.nft")
        self._path = os.path.join(directory, "trace")
        self._monitor = None
        self._marks = ipaddress.ip_network("127.1.0.0/16").hosts()

    def __enter__(self):
        with open(self._rules, "w", encoding="ascii") as file:
            file.write(TRACED)
        self.host.run("nft", "-f", self._rules)
        with open(self._path, "w", encoding="ascii") as file:
            argv = ["stdbuf", "-oL", "nft", "monitor", "trace"]
            self._monitor = self.host.popen(*argv, stdout=file)
        wait_for(lambda: self._ids(self._mark()), what="the start of the trace")
        return self

    def __exit__(self, *_):
        self._monitor.terminate()
        self._monitor.wait()
        for family in "bridge", "inet":
            self.host.run("nft", "delete", "table", family, "trace")

    def _text(self):
        with open(self._path, encoding="ascii") as file:
            return file.read()

    def _mark(self):
        """What comes in the trace behind all that has been so far."""
        address = str(next(self._marks))
        self._ping(self.host, address)
        return address

    def _ids(self, address):
        """Of what was sent to it: a packet that comes to another hook may have another."""
        return set(re.findall(rf"trace id (\w+) .* ip daddr {re.escape(address)} ", self._text()))

    @staticmethod
    def _ping(source, address):
        source.run("ping", "-n", "-q", "-c", 2, "-i", 0.01, "-W", 5, address)

    def _listed(self, family, table, chain):
        """The chain's rules, as they are traced."""
        lines = self.host.run("nft", "list", "chain", family, table, chain).stdout.splitlines()
        rules = (line.strip() for line in lines if line.startswith("\t\t"))
        return [rule for rule in rules if not rule.startswith("type ")]

    def rules(self, source, address):
        """How many chains of ours it passes, and how many rules it meets there."""
        before = self._ids(address)
        self._ping(source, address)
        mark = self._mark()
        wait_for(lambda: self._ids(mark), what="the trace")
        ids = self._ids(address) - before
        assert ids
        met = OURS.findall(self._text())
        last = {tuple(chain): rule for number, *chain, rule in met if number in ids}
        rules = 0
        for chain, rule in last.items():
            listed = self._listed(*chain)
            rules += listed.index(rule) + 1 if rule else len(listed)
        return len(last), rules

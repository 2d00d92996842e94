# SPDX-License-Identifier: Apache-2.0
"""What the next network and the next interface take when there are many, and what all of them cost.

While nobody asks for anything: memory, processes, and how often they wake up.
"""

import contextlib
import os
import re
import time

from control import Requests
from support.broker import Broker
from support.host import Host
from support.varlink import VarlinkError

MANY = "many"
ENDED = FileNotFoundError, ProcessLookupError  # what is said of a process that has
BARE_MAX = 20  # networks by hand: their servers are root's, of whom each takes an inotify instance
IDLE_SECONDS = 5
SETTLING_SECONDS = 2  # then what there was to do is done, and what it took is given back


def memory(pids, key="Pss"):
    """The proportional (Pss) or resident (Rss) size of all, in MiB."""
    total = 0
    for pid in pids:
        with contextlib.suppress(*ENDED), open(
            f"/proc/{pid}/smaps_rollup", encoding="ascii"
        ) as file:
            total += int(re.search(rf"^{key}: +(\d+) kB", file.read(), re.MULTILINE)[1])
    return total / 1024


def _waits(pids):
    """How often the threads of each have waited so far: each time, something woke them up."""
    found = {}
    for pid in pids:
        with contextlib.suppress(*ENDED):
            found[pid] = sum(map(_waits_of, os.listdir(f"/proc/{pid}/task")))
    return found


def _waits_of(thread):
    with open(f"/proc/{thread}/status", encoding="ascii") as file:
        return int(re.search(r"^voluntary_ctxt_switches:\t(\d+)", file.read(), re.MULTILINE)[1])


def _wakeups(pids, before):
    """Since then, of those that were there and are."""
    now = _waits(pids)
    return sum(now[pid] - before[pid] for pid in now.keys() & before.keys())


class Idle:
    """A broker, looked at while nobody asks for anything."""

    def __init__(self, results, broker, seconds):
        self._results = results
        self._broker = broker
        self._seconds = seconds

    def look(self, state):
        time.sleep(min(self._seconds, SETTLING_SECONDS))
        before = _waits(self._broker.host.processes())
        time.sleep(self._seconds)
        servers = self._broker.host.processes("dnsmasq")
        own = sorted(set(self._broker.host.processes()) - set(servers))
        for measure, unit, value in (
            ("memory of the broker's first process, resident", "MiB", self._resident()),
            ("memory of the broker's processes", "MiB", memory(own)),
            ("memory of all dnsmasq", "MiB", memory(servers)),
            ("processes of the broker", "number", len(own)),
            ("processes of dnsmasq", "number", len(servers)),
            (f"wake-ups of the broker in {self._seconds} s", "number", _wakeups(own, before)),
            (f"wake-ups of dnsmasq in {self._seconds} s", "number", _wakeups(servers, before)),
        ):
            self._results.add(measure, unit, state, value)

    def _resident(self):
        return memory([self._broker.pid], "Rss")


def _interfaces(results, ask, count):
    """Attaches one after the other, in turn with as many by hand."""
    for number in range(1, count + 1):
        for who, place in (("bare", "bench0"), ("broker", MANY)):
            taken = ask(f"{who}-attach", place) / 1e3
            results.add_point("attach, the Nth", "ms", who, number, taken)


def _networks(results, client, ask, count):
    """Makes one after the other, in turn with as many by hand; returns how many there are."""

    def acquire(number):
        start = time.perf_counter()
        client.acquire(f"net{number}")
        return (time.perf_counter() - start) * 1e3

    makers = {"bare": lambda number: ask("bare-create", number) / 1e3, "broker": acquire}
    there = 0
    for number in range(1, count + 1):
        if number > BARE_MAX:
            makers.pop("bare", None)
        for who, make in list(makers.items()):
            try:
                taken = make(number)
            except (VarlinkError, RuntimeError) as error:
                results.skip(f"from the {number}th network on, {who}", error)
                del makers[who]
                continue
            results.add_point("network created, the Nth", "ms", who, number, taken)
            there += who == "broker"
    return there


def _stop(results, broker, state):
    start = time.perf_counter()
    broker.stop()
    results.add("asked to end, to ended", "ms", state, (time.perf_counter() - start) * 1e3)


def _hosts(directory, build, stack):
    for name in "host", "bare":
        own = os.path.join(directory, name)
        os.mkdir(own, 0o755)
        host = Host(own, build)
        stack.callback(host.close)
        yield host


def measure(options, results, directory):
    interfaces, networks = (100, 20) if options.quick else (1000, 200)
    if options.rounds:
        interfaces = networks = options.rounds
    config = {f"net{i}": {"mode": "shared"} for i in range(1, networks + 1)}
    config[MANY] = {"mode": "shared", "max_interfaces": 1023}
    with contextlib.ExitStack() as stack:
        host, bare = _hosts(directory, options.build, stack)
        broker = Broker(host, config)
        stack.callback(broker.close_clients)
        broker.start()
        idle = Idle(results, broker, min(options.rounds or IDLE_SECONDS, IDLE_SECONDS))
        idle.look("started")
        there = _fill(options, results, broker, bare, idle, (interfaces, networks))
        broker.wait_until_clean(timeout=120)
        idle.look("after all that")
        client = broker.client()
        for number in range(1, there + 1):
            client.acquire(f"net{number}")
        _stop(results, broker, f"with {there} networks")


def _fill(options, results, broker, bare, idle, counts):
    """Makes interfaces, and then networks; returns how many of these there were. All go again."""
    interfaces, networks = counts
    with contextlib.ExitStack() as stack:
        requests = Requests(bare, broker, bare.directory, options.build)
        stack.callback(requests.close)
        client = broker.client()
        stack.callback(client.close)
        requests.ask("bare-create", 0)
        requests.ask("broker-create", MANY)
        idle.look("one network")
        _interfaces(results, requests.ask, interfaces)
        idle.look(f"with {interfaces} interfaces")
        requests.ask("drop")
        there = _networks(results, client, requests.ask, networks)
        idle.look(f"with {there} more networks")
        return there

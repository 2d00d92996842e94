# SPDX-License-Identifier: Apache-2.0
"""What the next network and the next interface take when there are many, and what all of them cost.

While nobody asks for anything: memory, processes, and how often they wake up.
"""

import contextlib
import os
import re
import tempfile
import time

from blocked import Watch
from control import Requests
from support.broker import Broker
from support.host import Host
from support.varlink import VarlinkError

MANY = "many"
NETWORK, ENDING = "network created, the Nth", "asked to end, to ended"
RESIDENT = "memory of the broker's first process, resident"
IDLE = "memory of the broker's first process, resident, idle"
SERVERS = "processes of dnsmasq"
WAKEUPS = "wake-ups of idle processes, a machine on each network"
ENDED = FileNotFoundError, ProcessLookupError  # what is said of a process that has
BARE_MAX = 20  # networks by hand: their servers are root's, of whom each takes an inotify instance
IDLE_SECONDS = 5
SETTLING_SECONDS = 2


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
        self._settle()
        before = _waits(self._broker.host.processes())
        time.sleep(self._seconds)
        servers = self._broker.host.processes("dnsmasq")
        own = sorted(set(self._broker.host.processes()) - set(servers))
        for measure, unit, value in (
            (RESIDENT, "MiB", self._resident()),
            ("memory of the broker's processes", "MiB", memory(own)),
            ("memory of all dnsmasq", "MiB", memory(servers)),
            ("processes of the broker", "number", len(own)),
            (SERVERS, "number", len(servers)),
            (f"wake-ups of the broker in {self._seconds} s", "number", _wakeups(own, before)),
            (f"wake-ups of dnsmasq in {self._seconds} s", "number", _wakeups(servers, before)),
        ):
            self._results.add(measure, unit, state, value)

    def remember(self, state):
        """How much memory it has."""
        self._settle()
        self._results.add(IDLE, "MiB", state, self._resident())

    def count_wakeups(self, networks, bare, by_hand):
        """Of the broker with so many, of its dnsmasqs, and of some in the other host."""
        self._settle()
        servers = self._broker.host.processes("dnsmasq")
        own = set(self._broker.host.processes()) - set(servers)
        counted = {
            "broker": own,
            "broker's dnsmasq": servers,
            f"{by_hand} dnsmasq by hand": bare.processes("dnsmasq"),
        }
        before = {name: _waits(pids) for name, pids in counted.items()}
        time.sleep(self._seconds)
        for name, pids in counted.items():
            woken = _wakeups(pids, before[name])
            unit = f"number in {self._seconds} s, {networks} networks"
            self._results.add(WAKEUPS, unit, name, woken)

    def _settle(self):
        """What there was to do is done, and what it took is given back."""
        time.sleep(min(self._seconds, SETTLING_SECONDS))

    def _resident(self):
        return memory([self._broker.pid], "Rss")


def _interfaces(results, ask, count):
    """Attaches one after the other, in turn with as many by hand."""
    for number in range(1, count + 1):
        for who, place in (("bare", "bench0"), ("broker", MANY)):
            taken = ask(f"{who}-attach", place) / 1e3
            results.add_point("attach, the Nth", "ms", who, number, taken)


def _clients(results, ask, count):
    """Connections that acquire the network, in turn with as many that ask somebody who echoes."""
    for number in range(1, count + 1):
        for who, place in (("bare", ()), ("broker", (MANY,))):
            taken = ask(f"{who}-client", *place) / 1e3
            results.add_point("client connected, and acquired, the Nth", "ms", who, number, taken)


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
            results.add_point(NETWORK, "ms", who, number, taken)
            there += who == "broker"
    return there


def _stop(results, broker, state):
    start = time.perf_counter()
    broker.stop()
    results.add(ENDING, "ms", state, (time.perf_counter() - start) * 1e3)


def _hosts(directory, build, stack):
    """One with a broker, and one where the same is done by hand."""
    for _ in range(2):
        own = tempfile.mkdtemp(dir=directory)
        os.chmod(own, 0o755)
        host = Host(own, build)
        stack.callback(host.close)
        yield host


def _counts(options):
    """Of interfaces and clients, of networks, and of networks with a machine each; idle seconds."""
    if options.rounds:
        return options.rounds, options.rounds, 1 + options.rounds, min(options.rounds, 30)
    return (100, 20, 20, 5) if options.quick else (1000, 200, 60, 30)


def measure(options, results, directory):
    interfaces, networks, machines, seconds = _counts(options)
    with contextlib.ExitStack() as stack:
        hosts = _hosts(directory, options.build, stack)
        _many(options, results, stack, hosts, (interfaces, networks))
    with contextlib.ExitStack() as stack:
        hosts = _hosts(directory, options.build, stack)
        _idle(options, results, stack, hosts, machines, seconds)


def _many(options, results, stack, hosts, counts):
    """How it goes on, of a broker whose loop is watched."""
    host, bare = hosts
    config = {f"net{i}": {"mode": "shared"} for i in range(1, counts[1] + 1)}
    config[MANY] = {"mode": "shared", "max_interfaces": 1023}
    watch = Watch(host)
    broker = Broker(host, config, prefix=watch.prefix)
    stack.callback(broker.close_clients)
    broker.start()
    idle = Idle(results, broker, min(options.rounds or IDLE_SECONDS, IDLE_SECONDS))
    idle.look("started")
    there = _fill(options, results, broker, bare, idle, watch, counts)
    broker.wait_until_clean(timeout=120)
    idle.look("after all that")
    watch.record(results, "their end")
    client = broker.client()
    for number in range(1, there + 1):
        client.acquire(f"net{number}")
    _stop(results, broker, f"with {there} networks")


def _idle(options, results, stack, hosts, count, seconds):
    """What networks take while nobody asks for anything, without machines and with one each."""
    host, bare = hosts
    networks = [f"net{i}" for i in range(count)]
    broker = Broker(host, {name: {"mode": "shared"} for name in networks})
    stack.callback(broker.close_clients)
    broker.start()
    idle = Idle(results, broker, seconds)
    idle.remember("started")
    client = broker.client()
    client.acquire(networks[0])
    idle.remember("one network")
    for name in networks:
        client.acquire(name)
    idle.remember(f"{count} networks")
    by_hand = min(count, BARE_MAX)
    requests = Requests(bare, broker, bare.directory, options.build)
    stack.callback(requests.close)
    for number in range(by_hand):
        requests.ask("bare-create", number)
        requests.ask("bare-attach", f"bench{number}")
    for name in networks:
        stack.enter_context(client.attach(name))
    idle.remember("and a machine on each")
    idle.count_wakeups(count, bare, by_hand)
    broker.stop()


def _fill(options, results, broker, bare, idle, watch, counts):
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
        watch.record(results, f"{interfaces} interfaces, one after the other")
        broker.inspect(MANY)
        watch.record(results, "Inspect of these")
        idle.look(f"with {interfaces} interfaces")
        requests.ask("drop")
        _clients(results, requests.ask, interfaces)
        watch.record(results, f"their end, and {interfaces} clients")
        idle.look(f"with {interfaces} clients")
        requests.ask("drop")
        there = _networks(results, client, requests.ask, networks)
        watch.record(results, f"{there} networks, one after the other")
        idle.look(f"with {there} more networks")
        return there

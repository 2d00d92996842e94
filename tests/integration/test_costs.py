# SPDX-License-Identifier: Apache-2.0
"""What requests cost, by counting, which other load does not disturb.

The numbers are those that the tests printed (pytest's -s shows them), on Linux 6.18 and Debian 12.
Whoever makes something cheaper writes the new one down; what has grown by a tenth fails.
"""

import contextlib

import pytest

from support.broker import Broker
from support.counts import Strace, Trace
from support.host import SERVER_IPV4
from support.manager import ManagedBroker
from support.need import need
from support.wait import wait_for

NETWORKS = [f"n{i}" for i in range(20)]
CONFIG = {name: {"mode": "shared"} for name in (*NETWORKS, "more")}
ROUNDS = 3

# For memory, for threads that wait for each other, and of sanitizers.
ELSEWHERE = {
    *("brk", "madvise", "mmap", "mprotect", "mremap", "munmap"),
    *("futex", "restart_syscall", "sched_yield"),
    *("getpid", "gettid", "sigaltstack"),
}
# How often the loop waits depends on when things happen, and so what it reads from timers.
LOOP = {"epoll_ctl", "epoll_wait", "read", "timerfd_settime"}

# A hold that is new to the client, and one that it has already.
ACQUIRE = {Broker: (6, 5), ManagedBroker: (12, 7)}
# On a host with all of NETWORKS.
REQUESTS = {
    Broker: {"attach": 57, "create": 321, "remove": 228},
    ManagedBroker: {"attach": 61, "create": 328, "remove": 234},
}

# Chains of ours that a packet of a connection passes, and how many rules they have.
SILENT = dict.fromkeys(("dhcp", "dns_proxy", "router_advertisement"), False)
MANY = {f"n{i}": {"mode": "shared", **SILENT} for i in range(50)}
PACKETS = {
    "machine to machine": (4, 20),
    "machine to host": (13, 51),
    "machine to outside": (16, 62),
    "host to machine": (2, 6),
    "host to outside": (2, 6),
}


@pytest.fixture(params=ACQUIRE, ids=lambda kind: kind.__name__)
def any_broker(request, host):
    need("strace")
    broker = request.param(host, config=CONFIG)
    broker.start()
    yield broker
    broker.finish()


def check(what, number, recorded):
    print(f"{what}: {number}, recorded {recorded}")
    assert number <= recorded * 1.1


def count(broker, work, but):
    """The system calls of the broker while work() is done, and afterwards until it rests."""
    with Strace(broker.pid, broker.directory) as strace:
        work()
    return sum(n for name, n in strace.calls.items() if name not in but)


def test_acquire(any_broker):
    """Of networks that are there."""
    broker = any_broker
    held = broker.client()
    client = broker.client(uid=1000)
    for name in NETWORKS:
        held.acquire(name)
    client.networks()

    def acquire_all():
        for name in NETWORKS:
            client.acquire(name)

    for recorded in ACQUIRE[type(broker)]:
        number = count(broker, acquire_all, ELSEWHERE) // len(NETWORKS)
        check("acquire", number, recorded)


def test_requests(any_broker):
    """The least of some rounds: what others do on the host is heard of, too."""
    broker = any_broker
    held = broker.client()
    for name in NETWORKS:
        held.acquire(name)
    client = broker.client(uid=1000)
    numbers = {name: [] for name in REQUESTS[type(broker)]}

    def measure(name, work):
        numbers[name].append(count(broker, work, ELSEWHERE | LOOP))

    with contextlib.ExitStack() as stack:
        client.acquire("more")
        stack.enter_context(client.attach("more"))  # what the first one alone needs is there
        for _ in range(ROUNDS):
            measure("attach", lambda: stack.enter_context(client.attach("more")))
    client.release("more")

    def is_removed():
        return not broker.networks()["more"]["active"]

    def remove():
        client.release("more")
        wait_for(lambda: "vmb-more" not in broker.host.links(), what="the end of the network")

    wait_for(is_removed, what="the end of the network")
    for _ in range(ROUNDS):
        measure("create", lambda: client.acquire("more"))
        measure("remove", remove)
    for name, recorded in REQUESTS[type(broker)].items():
        check(name, min(numbers[name]), recorded)


@pytest.mark.broker(config={"lab": {"mode": "shared", "subnet": "10.20.30.0/24"}, **MANY})
def test_packets(broker, host, join):
    """With many networks beside that of the machine."""
    for family in "ip", "ip6":
        host.filter_bridges(family, 0)
    client = broker.client()
    for name in MANY:
        client.acquire(name)
    machine, neighbour = join("lab"), join("lab")
    ways = {
        "machine to machine": (machine, neighbour.address),
        "machine to host": (machine, "10.20.30.1"),
        "machine to outside": (machine, SERVER_IPV4),
        "host to machine": (host, machine.address),
        "host to outside": (host, SERVER_IPV4),
    }
    with Trace(host, broker.directory) as trace:
        for what, (source, address) in ways.items():
            chains, rules = trace.rules(source, address)
            check(f"{what}: chains", chains, PACKETS[what][0])
            check(f"{what}: rules", rules, PACKETS[what][1])

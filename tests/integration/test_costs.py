# SPDX-License-Identifier: Apache-2.0
"""What requests cost, by counting, which other load does not disturb.

The numbers are those that the tests printed (pytest's -s shows them), on Linux 6.18 and Debian 12.
Whoever makes something cheaper writes the new one down; what has grown by a tenth fails.
"""

import contextlib
import itertools
import platform

import pytest

from support.broker import Broker
from support.counts import (
    NETWORKS,
    Strace,
    Trace,
    Valgrind,
    count_acquires,
    count_requests,
    count_wakeups,
    descriptor_room,
    end_network,
    wait_for_rest,
)
from support.host import SERVER_IPV4, descriptors
from support.manager import ManagedBroker
from support.need import need, need_plain
from support.wait import wait_for

CONFIG = {name: {"mode": "shared"} for name in (*NETWORKS, "more")}
ROUNDS = 5

# System calls, and messages that are sent by netlink.
# A hold that is new to the client, and one that it has already.
ACQUIRE = {Broker: ((5, 0), (4, 0)), ManagedBroker: ((11, 0), (6, 0))}
# On a host with all of NETWORKS.
REQUESTS = {
    Broker: {"attach": (24, 7), "create": (230, 30), "remove": (108, 112)},
    ManagedBroker: {"attach": (28, 7), "create": (249, 30), "remove": (114, 112)},
}

# Of the loop, with a machine on each of some networks and nothing to do, for all looks together.
WAKEUPS = 3
IDLE = {f"n{i}": {"mode": "shared"} for i in range(5)}
WAVES = 2

CLIENTS = 600
HOLDS_AT_ONCE = 16  # as in broker/linux/varlink/connection.c

# Chains of ours that a packet of a connection passes, and how many rules it meets there.
SILENT = dict.fromkeys(("dhcp", "dns_proxy", "router_advertisement"), False)
MANY = {f"n{i}": {"mode": "shared", **SILENT} for i in range(50)}
PACKETS = {
    "machine to machine": (4, 10),
    "machine to host": (13, 22),
    "machine to outside": (16, 35),
    "host to machine": (2, 3),
    "host to outside": (2, 6),
}

# In one life of the broker. Its start and end differ by a hundredth or two of these.
TIMES = {"create": 5, "acquire": 200, "attach": 50}
# The plain build of scripts/check, of networks without dnsmasq; each is undone as well.
INSTRUCTIONS = {"debian 12 x86_64": {"create": 4180000, "acquire": 154000, "attach": 273000}}


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
    assert number or not recorded, "nothing was counted"


def check_asked(what, numbers, recorded):
    for unit, number, known in zip(("system calls", "netlink's messages"), numbers, recorded):
        check(f"{what}: {unit}", number, known)


def test_acquire(any_broker):
    """Of networks that are there; the least of some rounds, as below."""
    rounds = count_acquires(any_broker, ROUNDS)
    for recorded, numbers in zip(ACQUIRE[type(any_broker)], zip(*rounds)):
        least = [number // len(NETWORKS) for number in map(min, zip(*numbers))]
        check_asked("acquire", least, recorded)


def test_requests(any_broker):
    """The least of some rounds: what others do on the host is heard of, too."""
    numbers = count_requests(any_broker, ROUNDS)
    for name, recorded in REQUESTS[type(any_broker)].items():
        check_asked(name, map(min, zip(*numbers[name])), recorded)


@pytest.mark.broker(config=IDLE)
def test_wakeups(broker, host):
    """The least of some, from one look at a server to the next, in which all others are due."""
    need("strace")
    client = broker.client()
    for name in IDLE:
        client.acquire(name)
    with contextlib.ExitStack() as stack:
        for name in IDLE:
            stack.enter_context(client.attach(name))
            wait_for_rest(broker.pid)  # each is due at another time
        wakeups = count_wakeups(broker, host.processes("dnsmasq")[0], WAVES)
    check("wake-ups", min(wakeups), WAKEUPS)


@pytest.mark.broker(config={"lab": {"mode": "host", "isolated": True}})
def test_the_loop_does_not_wait_for_links(broker):
    """Whoever asks rtnetlink waits while a link goes, anybody's: that is for other threads."""
    need("strace")
    client = broker.client()
    with Strace(broker.pid, broker.directory) as strace:
        client.acquire("lab")
        with client.attach("lab") as attachment:
            wait_for_rest(broker.pid)  # what is new is looked at once more
            broker.host.run("bridge", "link", "set", "dev", attachment.name, "isolated", "off")
            broker.wait_for_log(f"interface {attachment.name} was cut off, and is joined again")
    assert strace.messages > 0
    assert strace.messages_of_first == 0


@pytest.mark.broker(config=dict(itertools.islice(MANY.items(), 2 * HOLDS_AT_ONCE)))
def test_holds_end_in_several_turns_of_the_loop(broker):
    """Others wait for some of them, however many a client has."""
    need("strace")
    client = broker.client()
    for i in range(2 * HOLDS_AT_ONCE):
        client.acquire(f"n{i}")
    with Strace(broker.pid, broker.directory) as strace:
        client.close()
        broker.wait_until_clean()
    assert 0 < strace.most_at_once(r"writev.*released by") <= HOLDS_AT_ONCE


def test_the_table_of_descriptors_does_not_grow(broker):
    """The kernel has whoever opens one more wait for all processors then."""
    room = descriptor_room(broker.pid)
    with contextlib.ExitStack() as stack:
        for _ in range(CLIENTS):
            stack.enter_context(contextlib.closing(broker.client()))
        wait_for(lambda: len(descriptors(broker.pid)) > CLIENTS)
    assert descriptor_room(broker.pid) == room


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


@contextlib.contextmanager
def networks(broker, n=2):
    """So many of a client's, each made and ended alone.

    Or one look at what has changed, and one transaction, would at times serve for several.
    """
    client = broker.client()
    for i in range(n):
        client.acquire(f"n{i}")
        wait_for_rest(broker.pid)
    yield client
    for i in range(n):
        wait_for_rest(broker.pid)
        end_network(broker, client, f"n{i}")


def without(broker):
    with networks(broker):
        pass


def create(broker):
    with networks(broker, 2 + TIMES["create"]):
        pass


def acquire(broker):
    with networks(broker):
        client = broker.client()
        for _ in range(TIMES["acquire"]):
            client.acquire("n0")
            client.release("n0")


def attach(broker):
    with networks(broker) as client, contextlib.ExitStack() as stack:
        for _ in range(TIMES["attach"]):
            stack.enter_context(client.attach("n0"))


def test_instructions(host, build):
    """Each to its end: a life of the broker that has it so many times beside one without."""
    need_plain(build, "a sanitizer's instructions are not the broker's")
    broker = Broker(host, config=MANY)
    broker.start()
    create(broker)
    broker.stop()  # what comes now is as the next time: it remembers addresses
    valgrind = Valgrind(broker)
    works = without, create, acquire, attach
    lives = {work.__name__: valgrind.instructions(work) for work in works}
    broker.finish()
    numbers = {name: (lives[name] - lives["without"]) // n for name, n in TIMES.items()}
    release = platform.freedesktop_os_release()
    system = f"{release['ID']} {release.get('VERSION_ID')} {platform.machine()}"
    if system not in INSTRUCTIONS:
        pytest.skip(f"none are recorded for {system}, where they are {numbers}")
    for name, recorded in INSTRUCTIONS[system].items():
        check(f"{name}: instructions", numbers[name], recorded)

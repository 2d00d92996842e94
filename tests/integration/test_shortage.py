# SPDX-License-Identifier: Apache-2.0
"""Memory that runs short, at one allocation after the other of a broker that works.

The client that asks may be told so, or lose its connection. Where nobody asked the broker may
end, and the next one finishes its work. Machines do not notice, and nothing stays behind.
"""

import contextlib
import mmap
import os
import random
import signal
import struct

import pytest

from support.broker import Broker
from support.host import UPLINK, diff
from support.need import need_plain
from support.varlink import VarlinkError
from support.wait import wait_for

# All of them (1) take minutes. Each run begins at another, of a seed to have the same again.
STRIDE = int(os.environ.get("VMNET_BROKER_SHORTAGE_STRIDE", "61"))
SEED = os.environ.get("VMNET_BROKER_SHORTAGE_SEED")
START_STRIDE = 3 * STRIDE
FILTER = """
table inet filter {
	chain input { type filter hook input priority 0; policy drop; }
	chain forward { type filter hook forward priority 0; policy drop; }
}
"""
LEAST = 1000 // STRIDE  # of those that fail, or it would not be the whole of a client's life


class Shortage:
    """What tests/tools/shortage.c shares with the broker that it is preloaded into."""

    def __init__(self, directory):
        self.path = os.path.join(directory, "shortage")
        with open(self.path, "w+b") as file:
            file.truncate(mmap.PAGESIZE)
            self.memory = mmap.mmap(file.fileno(), mmap.PAGESIZE)

    def begin(self, n, only=0):
        """The n-th allocation from now on fails; only: of this process."""
        self.memory[4:12] = struct.pack("Ii", 0, only)
        self.memory[0:4] = struct.pack("I", n)

    def end(self):
        """Returns whether one has failed."""
        self.memory[0:4] = struct.pack("I", 0)
        return struct.unpack("I", self.memory[4:8])[0] > 0


@pytest.fixture
def shortage(directory, build):
    need_plain(build, "AddressSanitizer has an allocator of its own")
    return Shortage(directory)


@pytest.fixture
def short_broker(host, shortage):
    """A broker with the shortage in it."""
    module = host.program("tests/tools/shortage.so")
    broker = Broker(
        host,
        config={
            "default": {"mode": "shared", "external_interface": UPLINK},
            "other": {"mode": "host"},
        },
        prefix=["env", f"LD_PRELOAD={module}", f"SHORTAGE={shortage.path}"],
    )
    broker.start()
    broker.networks()  # it serves
    yield broker
    broker.finish()


def first_of(stride):
    return random.Random(SEED).randrange(stride) + 1


def try_everything(broker):
    """What a client does in its life. What cannot be had is told, or ends the connection."""
    calls = (
        ("ListNetworks", None),
        ("Acquire", {"network": "default"}),
        ("Attach", {"network": "default", "openByName": True}),
        ("Attach", {"network": "default"}),
        ("DescribeNetwork", {"network": "default"}),
        ("Release", {"network": "nothing"}),
        ("Reload", {}),
        ("Release", {"network": "default"}),
    )
    with broker.client(timeout=10) as monitor, broker.client(timeout=10) as client:
        try:
            monitor.send("Monitor", {}, more=True)
            for method, parameters in calls:
                with contextlib.suppress(VarlinkError):
                    if parameters is None:
                        client.list(method)
                    else:
                        client.call(method, parameters)
                while client.fds:
                    os.close(client.fds.pop())
        except (EOFError, ConnectionError):
            pass


def serves_or_ended(broker):
    try:
        return not broker.is_running() or broker.networks()
    except (OSError, EOFError, VarlinkError):
        return False


def go_on(broker):
    """With another broker, if it has ended as it should. Returns whether it has."""
    wait_for(lambda: serves_or_ended(broker), what=broker.log)
    if broker.is_running():
        return False
    last = broker.log().rsplit("serving\n", 1)[-1]
    assert "out of memory, and the broker ends; the next one takes over" in last
    broker.start()
    return True


def test_each_allocation_fails_in_turn(short_broker, shortage):
    broker = short_broker
    n = first = first_of(STRIDE)
    failed = True
    ends = 0
    while failed:
        shortage.begin(n)
        try_everything(broker)
        wait_for(lambda: broker.is_clean() or not broker.is_running(), what=broker.log)
        failed = shortage.end()
        ends += go_on(broker)
        broker.wait_until_clean()
        n += STRIDE
    n_failed = (n - first) // STRIDE - 1
    print(f"{n_failed} allocations have failed, one in each session; {ends} brokers have ended")
    assert n_failed >= LEAST
    assert ends < n_failed / 10  # nearly all are somebody's


@pytest.fixture(params=[False, True], ids=["all", "broker"])
def filters(request, host):
    """Whether rules are put into another program's filter, too, and taken out again.

    libnftables does not list what its process has no memory for, and says nothing.
    """
    if request.param:
        host.run("nft", "-f", "-", input=FILTER)
    return request.param


def test_each_allocation_of_a_removal_fails_in_turn(filters, short_broker, shortage):
    """Nobody could be told that something stays behind."""
    broker = short_broker
    stride = STRIDE * 10 if filters else STRIDE  # a filter's rules are read in thousands
    n = first = first_of(stride)
    failed = True
    while failed:
        with broker.client() as client:
            client.acquire("default")
            shortage.begin(n, only=broker.pid if filters else 0)
            client.send("Release", {"network": "default"})
        wait_for(lambda: broker.is_clean() or not broker.is_running(), what=broker.log)
        failed = shortage.end()
        go_on(broker)
        broker.wait_until_clean()
        n += stride
    assert n - first > 1000


def is_served(client):
    try:
        return client.receive_networks() is not None
    except (EOFError, ConnectionError):
        return False


def test_the_loops_own_allocations_fail(short_broker, shortage):
    """They are made before anybody's call is looked at, when more come at once than ever did."""
    broker = short_broker
    clients = []
    for n in range(1, 7):
        clients += [broker.client() for _ in range(20 * n)]
        clients[-1].networks()  # all are connected
        os.kill(broker.pid, signal.SIGSTOP)
        for client in clients:
            client.send("ListNetworks", more=True)
        shortage.begin(n)
        os.kill(broker.pid, signal.SIGCONT)
        served = [client for client in clients if is_served(client)]
        assert shortage.end()
        assert go_on(broker) or len(served) >= len(clients) - 1, broker.log()
        clients = served


def sorted_snapshot(broker):
    """A table that is made anew is listed after the others; without the broker's own processes."""
    ignored = [broker.pid] if broker.is_running() else []
    return {section: sorted(lines) for section, lines in broker.host.snapshot(ignored).items()}


def is_whole_or_ended(broker):
    """What could not be done at first is done again; killed meanwhile, it would be half done."""
    try:
        return not broker.is_running() or "fault" not in broker.inspect("default")
    except (OSError, EOFError, VarlinkError):
        return False


def use(broker):
    """What serves after a shortage has all that it takes, or ends when it misses it."""
    with contextlib.suppress(OSError, EOFError), broker.client() as client:
        client.acquire("other")
    wait_for(lambda: is_whole_or_ended(broker), timeout=30, what=broker.log)
    if not broker.is_running():
        assert broker.log().endswith(" and the broker ends; the next one takes over\n")
        broker.start()


def test_each_allocation_of_a_start_fails_in_turn(short_broker, shortage):
    """What machines use stays as it is, whether such a broker serves or ends."""
    broker = short_broker
    client = broker.client(uid=1001)
    client.acquire("default")
    with client.attach("default"):
        broker.kill()
        # Its processes for nftables notice it a moment later.
        wait_for(lambda: not broker.host.processes("vmnet-broker"))
        before = sorted_snapshot(broker)
        n = first = first_of(START_STRIDE)
        failed = True
        while failed:
            shortage.begin(n)
            broker.start(wait=False)
            wait_for(lambda: serves_or_ended(broker), timeout=30, what=broker.log)
            failed = shortage.end()
            if broker.is_running():
                use(broker)
            for _ in range(2):
                wait_for(
                    lambda: not diff(before, sorted_snapshot(broker)),
                    what=lambda: f"the host as before allocation {n}:\n"
                    + diff(before, sorted_snapshot(broker)),
                )
                broker.kill()
            n += START_STRIDE
        assert (n - first) // START_STRIDE >= 1000 // START_STRIDE
        assert "damaged" not in broker.log()
        broker.start()
        assert broker.networks()["default"]["active"]

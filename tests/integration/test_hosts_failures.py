# SPDX-License-Identifier: Apache-2.0
"""What machines notice of it when FRR, a broker or a link ends: nothing, or not for long."""

import contextlib
import time

import pytest

from support.traffic import Pings
from support.wait import wait_for

CONVERGED = 10  # seconds
KINDS = {
    "evpn": {},
    "evpn over WireGuard": {"underlay": "wireguard"},
    "static over IPv6": {"control": "static", "underlay": "ipv6"},
}


def kinds(*names):
    """Those of a kind have the same hosts."""
    groups = [pytest.mark.xdist_group(f"hosts on {name}") for name in names]
    found = [
        pytest.param(KINDS[name], id=name, marks=group) for name, group in zip(names, groups)
    ]
    return pytest.mark.parametrize("shared_fabric", found, indirect=True)


all_kinds = kinds("evpn over WireGuard", "static over IPv6")
with_frr = kinds("evpn", "evpn over WireGuard")


@pytest.fixture
def machines(fabric):
    """One on each host, which all hosts know."""
    found = [fabric.join(host.name) for host in fabric]
    fabric.wait_converged()
    if fabric.control == "evpn":
        for machine in found:
            fabric.wait_known(machine)
    return found


@pytest.fixture
def pings(machines):
    """From each machine to the next."""
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(contextlib.closing(Pings(machine, other.address)))
            for machine, other in zip(machines, machines[1:] + machines[:1])
        ]


def lost(pings):
    return [each.lost() for each in pings]


def join_all(fabric):
    """One more on each host."""
    return [fabric.join(host.name) for host in fabric]


def expect_converged(fabric, machines, since):
    """All hosts know all of them in time, those among them that came while something was dead."""
    for machine in machines:
        fabric.wait_known(machine, max(0, since + CONVERGED - time.monotonic()))
    print(f"converged in {time.monotonic() - since:.2f} s")


@with_frr
def test_bgpd_killed(fabric, machines, pings):
    """It takes back what it has said, and so do the others: frames go to all hosts meanwhile."""
    host = fabric["a"]
    host.frr.kill("bgpd")
    wait_for(lambda: not fabric.known_hosts("a"), what="a host that knows of no other")
    for other in fabric.others(host):
        wait_for(lambda: "a" not in fabric.known_hosts(other.name), what="the end of a host")
    more = join_all(fabric)
    for each in pings:
        each.wait_for_more(50)
    assert lost(pings) == [0, 0, 0]
    since = time.monotonic()
    host.frr.start("bgpd")
    expect_converged(fabric, machines + more, since)
    assert lost(pings) == [0, 0, 0]


@with_frr
def test_zebra_killed(fabric, machines, pings):
    for host in fabric:
        host.frr.kill("zebra")
    more = join_all(fabric)
    assert lost(pings) == [0, 0, 0]
    since = time.monotonic()
    for host in fabric:
        host.frr.kill("bgpd")
        host.frr.start()
    expect_converged(fabric, machines + more, since)
    assert lost(pings) == [0, 0, 0]


@kinds("evpn")
def test_frr_restarted(fabric, machines, pings):
    """On one host after the other; stopped in order it removes what it knew."""
    for host in fabric:
        host.frr.end()
        since = time.monotonic()
        host.frr.start()
        expect_converged(fabric, machines, since)
        assert lost(pings) == [0, 0, 0], f"FRR of {host.name} was restarted"


@kinds("evpn")
def test_frr_removes_its_own_alone(fabric, machines, pings):
    """A broker that has its turn later than a machine's next packet has nothing to put back."""
    host = fabric["a"]
    others = sorted(fabric.addresses[other.name] for other in fabric.others(host))
    with host.broker.paused():
        host.frr.kill("bgpd")
        wait_for(lambda: not host.whereabouts("lab"), what="a host that knows of no machine")
        assert host.floods("lab") == others
        host.frr.start("bgpd")
        fabric.wait_converged()
        host.frr.end()
        assert not host.whereabouts("lab") and host.floods("lab") == others
        assert lost(pings) == [0, 0, 0]
    since = time.monotonic()
    host.frr.start()
    expect_converged(fabric, machines, since)
    assert lost(pings) == [0, 0, 0]


@all_kinds
def test_broker_killed(fabric, machines, pings):
    for host in fabric:
        host.broker.restart()
        assert lost(pings) == [0, 0, 0], f"the broker of {host.name} was killed"
    if fabric.control == "evpn":
        expect_converged(fabric, machines + join_all(fabric), time.monotonic())


@all_kinds
def test_removal(fabric, machines):
    *others, last = machines
    host = last.host
    last.close()
    fabric.machines.remove(last)
    host.broker.close_clients()
    host.broker.wait_until_clean()
    if fabric.control == "evpn":
        for machine in others:
            wait_for(lambda: last.address not in machine.host.learned("lab"), what="its address")
            wait_for(lambda: last.mac_address not in machine.host.whereabouts("lab"), what="it")
    assert others[0].ping(others[1].address)
    fabric.part()
    for host in fabric:
        host.broker.wait_until_clean()


@all_kinds
def test_link_cut(fabric, machines, pings):
    first, second, _ = pings
    fabric.cut("a")
    if fabric.control == "evpn":
        wait_for(lambda: fabric.known_hosts("b") == {"c"}, what="the end of a host")
    more = join_all(fabric)
    assert second.lost() == 0  # from b to c
    since = time.monotonic()
    fabric.mend("a")
    first.wait_for_more(timeout=CONVERGED)
    if fabric.control == "evpn":
        expect_converged(fabric, machines + more, since)
    assert more[0].ping(more[1].address, tries=10)

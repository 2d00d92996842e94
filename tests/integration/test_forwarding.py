# SPDX-License-Identifier: Apache-2.0
"""Shared networks are routed, and nothing else is that was not before."""

import os
import re

import pytest

from support.echo import WhoServer, nobody, who
from support.gate import make_gate, wait_at
from support.host import HOST_IPV4, HOST_IPV6, SERVER_IPV4, SERVER_IPV6
from support.namespace import Namespace
from support.varlink import flat
from support.wait import wait_for

CONFIG = {"lab": {"mode": "shared"}, "second": {"mode": "shared"}, "closed": {"mode": "host"}}
THIRD_IPV4, THIRD_IPV6 = "192.0.2.2", "2001:db8:3::2"

pytestmark = pytest.mark.broker(config=CONFIG)


def connect_third(host, outside, namespace, name="eth1"):
    """Another network of the host's, to which the outside has a route through the host."""
    host.ip(f"link add {name} type veth peer name eth0 netns {namespace.pid}")
    for side, device, end in (host, name, 1), (namespace, "eth0", 2):
        side.ip(f"address add 192.0.2.{end}/24 dev {device}")
        side.ip(f"address add 2001:db8:3::{end}/64 dev {device} nodad")
        side.ip(f"address add fe80::{end}/64 dev {device} nodad")
        side.ip(f"link set {device} addrgenmode none up")
    host.settle(name, "2001:db8:3::1", "fe80::1")
    namespace.settle("eth0", "2001:db8:3::2")
    namespace.ip("route add default via 192.0.2.1")
    namespace.ip("-6 route add default via 2001:db8:3::1")
    outside.ip(f"route replace 192.0.2.0/24 via {HOST_IPV4}")
    outside.ip(f"-6 route replace 2001:db8:3::/64 via {HOST_IPV6}")


@pytest.fixture
def third(host, outside):
    """It is there before the broker is."""
    namespace = Namespace("third")
    connect_third(host, outside, namespace)
    with WhoServer(namespace, 80, "third"):
        yield namespace
    namespace.close()


@pytest.fixture
def server(outside):
    with WhoServer(outside, 80, "outside"):
        yield outside


def routes_for_others(outside):
    """Whether the host passes on what is for the third network, by each family."""
    return [not nobody(outside, address, 80) for address in (THIRD_IPV4, THIRD_IPV6)]


def reaches_outside(machine):
    machine.ipv6_address()
    return [bool(who(machine, address, 80)) for address in (SERVER_IPV4, SERVER_IPV6)]


def set_router(host, value):
    """What Docker and others do."""
    host.run(
        "sysctl", "-qw", f"net.ipv4.ip_forward={value}", f"net.ipv6.conf.all.forwarding={value}"
    )


def has_guard(host):
    listing = host.run("nft", "list", "table", "inet", "vmnet-broker", check=False)
    return "drop" in listing.stdout


def test_the_host_does_not_become_a_router(third, broker, host, server, join):
    assert routes_for_others(server) == [False, False]
    machine = join("lab")
    assert reaches_outside(machine) == [True, True]
    assert who(machine, THIRD_IPV4, 80) == ("third", "192.0.2.1")
    assert routes_for_others(server) == [False, False]
    assert host.run("cat", "/proc/sys/net/ipv4/ip_forward").stdout == "0\n"


def test_a_host_network_switches_nothing_on(third, broker, host, join):
    before = host.snapshot()["settings"]
    client = broker.client()
    client.acquire("closed")
    after = host.snapshot()["settings"]
    own = re.compile("/vm[bc]-closed/")
    assert [line for line in after if not own.search(line)] == before
    assert not has_guard(host)


def test_the_last_shared_network_switches_it_off(third, broker, host, server):
    first, second = broker.client(), broker.client()
    first.acquire("lab")
    second.acquire("second")
    first.close()
    wait_for(lambda: "vmb-lab" not in host.links())
    assert "net/ipv4/conf/eth1/forwarding = 1" in host.snapshot()["settings"]
    assert routes_for_others(server) == [False, False]
    second.close()
    broker.wait_until_clean()


@pytest.mark.parametrize("next_time", ["network", "link", "broker"])
def test_what_cannot_be_switched_off_stays_guarded(third, broker, host, server, next_time):
    """It is remembered, too, until there is a next time."""
    client = broker.client()
    client.acquire("lab")
    host.run("mount", "--bind", "/proc/sys", "/proc/sys")
    host.run("mount", "-o", "remount,ro,bind", "/proc/sys")
    client.release("lab")
    broker.wait_for_log('network "lab": removed')
    assert has_guard(host)
    assert routes_for_others(server) == [False, False]
    host.run("umount", "/proc/sys")
    if next_time == "network":
        client.acquire("lab")
        client.release("lab")
    else:
        if next_time == "broker":
            broker.restart()
        host.ip("link add other type bridge")
        host.ip("link delete other")
    broker.wait_until_clean()


def test_an_interface_that_comes_later(broker, host, server, join):
    machine = join("lab")
    namespace = Namespace("third")
    try:
        connect_third(host, server, namespace)
        with WhoServer(namespace, 80, "third"):
            wait_for(lambda: who(machine, THIRD_IPV4, 80) == ("third", "192.0.2.1"))
            assert routes_for_others(server) == [False, False]
        host.ip("link delete eth1")
    finally:
        namespace.close()


def test_another_program_makes_the_host_a_router_meanwhile(third, broker, host, server, join):
    machine = join("lab")
    assert routes_for_others(server) == [False, False]
    set_router(host, 1)
    wait_for(lambda: routes_for_others(server) == [True, True])
    assert reaches_outside(machine) == [True, True]
    # It changes its mind, which switches all off.
    set_router(host, 0)
    wait_for(lambda: has_guard(host) and reaches_outside(machine) == [True, True])
    assert routes_for_others(server) == [False, False]
    # And again, for good: what it wants stays.
    set_router(host, 1)
    wait_for(lambda: not has_guard(host))
    machine.kill()
    machine.client.close()
    wait_for(lambda: "vmb-lab" not in host.links())
    wait_for(lambda: routes_for_others(server) == [True, True])
    set_router(host, 0)


def test_a_host_that_is_a_router_stays_one(third, broker, host, server, join):
    set_router(host, 1)
    before = host.snapshot()["settings"]
    machine = join("lab")
    assert reaches_outside(machine) == [True, True]
    wait_for(lambda: routes_for_others(server) == [True, True])
    assert not has_guard(host)
    machine.kill()
    machine.client.close()
    wait_for(lambda: "vmb-lab" not in host.links())
    wait_for(lambda: host.snapshot()["settings"] == before)
    set_router(host, 0)


@pytest.mark.parametrize(
    "setting",
    [
        "net.ipv4.conf.eth0.forwarding",
        "net.ipv4.conf.vmb-lab.forwarding",
        "net.ipv6.conf.eth0.force_forwarding",
        "net.ipv6.conf.vmb-lab.force_forwarding",
    ],
)
def test_what_is_switched_off_is_switched_on_again(broker, host, server, join, setting):
    machine = join("lab")
    assert reaches_outside(machine) == [True, True]
    if host.run("sysctl", "-qw", f"{setting}=0", check=False).returncode:
        pytest.skip("this kernel has one switch for all interfaces")
    wait_for(lambda: host.run("sysctl", "-n", setting).stdout == "1\n", what=setting)
    assert reaches_outside(machine) == [True, True]


def test_what_was_routed_by_its_own_switch_is_not_guarded(third, broker, host, server, join):
    """Though the broker keeps its accept_ra in mind."""
    switches = [f"net.ipv6.conf.{name}.force_forwarding" for name in ("eth0", "eth1")]
    if host.run("sysctl", "-qw", *(f"{name}=1" for name in switches), check=False).returncode:
        pytest.skip("this kernel has one switch for all interfaces")
    assert routes_for_others(server) == [False, True]
    machine = join("lab")
    assert reaches_outside(machine) == [True, True]
    assert host.run("sysctl", "-n", "net.ipv6.conf.eth0.accept_ra").stdout == "2\n"
    assert routes_for_others(server) == [False, True]
    # What they switch off meanwhile is on for the network alone.
    host.run("sysctl", "-qw", f"{switches[0]}=0")
    wait_for(lambda: host.run("sysctl", "-n", switches[0]).stdout == "1\n")
    assert reaches_outside(machine) == [True, True]
    assert routes_for_others(server) == [False, False]
    machine.kill()
    machine.client.close()
    broker.wait_for_log('network "lab": removed')
    host.run("sysctl", "-qw", f"{switches[1]}=0")


def test_a_crash_loses_nothing(third, broker, host, server, join):
    machine = join("lab")
    broker.kill()
    assert reaches_outside(machine) == [True, True]
    assert routes_for_others(server) == [False, False]
    broker.start()
    broker.wait_for_log('network "lab": adopted')
    assert reaches_outside(machine) == [True, True]
    assert routes_for_others(server) == [False, False]


def test_after_a_crash_the_next_broker_switches_it_off(third, broker, host):
    client = broker.client()
    client.acquire("lab")
    broker.kill()
    assert has_guard(host)
    broker.start()
    broker.wait_until_clean()


def test_a_network_that_has_gone_is_forgotten(broker):
    """Though the broker that removed it had no room to write so, and was killed."""
    first, second = broker.client(), broker.client()
    first.acquire("lab")
    second.acquire("second")
    path = f"{broker.runtime_dir}/forwarding.new"

    def is_in_the_way():
        try:
            os.mkdir(path)
        except FileExistsError:
            return False  # it is just being written
        return True

    wait_for(is_in_the_way)
    first.release("lab")
    broker.wait_for_log('network "lab": removed')
    broker.kill()
    os.rmdir(path)
    broker.start()
    broker.client().acquire("second")


def test_a_bridge_that_goes_keeps_no_other_network_from_being_made(broker, host):
    gate = make_gate(broker)
    broker.client().acquire("lab")
    os.mkfifo(gate)
    broker.client().send("Acquire", {"network": "closed"})
    fd = wait_at(gate)
    client = broker.client()
    client.send("Acquire", {"network": "second"})
    broker.networks()
    host.ip("link delete vmb-lab")
    os.write(fd, b"go")
    os.close(fd)
    assert flat(client.receive())["active"]
    wait_for(lambda: "vmb-lab" in host.links(), what="its repair")

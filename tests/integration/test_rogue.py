# SPDX-License-Identifier: Apache-2.0
"""Machines that pose as the gateway, with programs that do: a neighbour is not fooled.

test_firewall.py has each kind of frame by itself.
"""

import json
import re
import socket
import struct

import pytest

from support.advertisement import solicit
from support.dhcp import DhcpClient
from support.wait import wait_for

GATEWAY, GATEWAY_IPV6 = "192.168.105.1", "fd12:3456:789a:5::1"
CONFIG = {
    "lab": {"mode": "shared", "subnet": "192.168.105.0/24", "ipv6_prefix": "fd12:3456:789a:5::/64"}
}

pytestmark = pytest.mark.broker(config=CONFIG)


@pytest.fixture
def dropped(broker):
    """How many frames of machines were dropped, as vmnetctl shows it."""

    def count():
        shown = broker.vmnetctl("inspect", "lab").stdout
        return int(re.search(r"^Rogue packets: +(\d+)$", shown, re.MULTILINE)[1])

    return count


@pytest.fixture
def rogue(join):
    """A machine that serves as a DHCP server and a router."""
    machine = join("lab")
    machine.ip("address add fd00:bad::1/64 dev eth0 nodad")
    machine.serve_addresses("192.168.105.100,192.168.105.150,1h", "fd00:bad::,ra-only")
    return machine


def bridge_mac(host):
    return host.device("vmb-lab")["address"]


def gateway_seen_by(machine, address):
    """The MAC address that a machine finds for an address of the gateway, asking anew."""
    machine.ip("neighbour flush dev eth0")
    assert machine.ping(f"{address}%eth0" if address.startswith("fe80:") else address)
    found = json.loads(machine.run("ip", "-j", "neighbour", "show", address, "dev", "eth0").stdout)
    return found[0].get("lladdr")


def test_dhcp_server(broker, host, rogue, plug_in, dropped):
    """Also when the network's own one is silent."""
    victim = plug_in("lab")
    with open(f"{broker.runtime_dir}/lab.dnsmasq.pid", encoding="ascii") as file:
        pid = file.read().strip()
    host.run("kill", "-STOP", pid)
    before = dropped()
    with DhcpClient(victim) as client, pytest.raises(AssertionError, match="no answer"):
        client.get(bytes.fromhex(victim.mac_address.replace(":", "")), tries=3)
    assert dropped() > before
    host.run("kill", "-CONT", pid)
    assert victim.dhcp()["serverid"] == GATEWAY


def test_router_advertisements(rogue, plug_in, dropped):
    before = dropped()
    victim = plug_in("lab")
    assert victim.ipv6_address().startswith("fd12:3456:789a:5:")
    # The rogue's dnsmasq advertises of itself at the start, and answers each of these.
    for _ in range(3):
        assert solicit(victim).router == "fe80::1"
    wait_for(lambda: dropped() > before, what="the rogue's advertisements")
    assert "fd00:bad:" not in victim.ip("-6 address show dev eth0")
    assert "fd00:bad:" not in victim.ip("-6 route show")
    routes = json.loads(victim.ip("-6 -j route show default"))
    assert [route["gateway"] for route in routes] == ["fe80::1"]


@pytest.mark.parametrize("address", [GATEWAY, GATEWAY_IPV6, "fe80::1"])
def test_claims_to_the_gateways_address(host, join, dropped, address):
    rogue, victim = join("lab"), join("lab")
    victim.ipv6_address()
    mac = bridge_mac(host)
    before = dropped()
    rogue.run("ip", "address", "add", address, "dev", "eth0", *(["nodad"] * (":" in address)))
    for _ in range(5):
        assert gateway_seen_by(victim, address) == mac
    if ":" not in address:
        rogue.run("busybox", "arping", "-U", "-c", "1", "-I", "eth0", address, check=False)
    wait_for(lambda: dropped() > before, what="an answer of the rogue's")
    assert gateway_seen_by(victim, address) == mac
    assert address in host.run("ip", "address", "show", "dev", "vmb-lab").stdout


def query_multicast(machine):
    """Asks who wants which multicast, by a hop limit that makes machines ignore the question."""
    query = struct.pack("!BBHHH", 130, 0, 0, 1, 0) + bytes(16)
    router_alert = bytes([0, 0, 5, 2, 0, 0, 1, 0])
    with machine.entered():
        asking = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        index = socket.if_nametoindex("eth0")
    with asking:
        asking.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_HOPOPTS, router_alert)
        asking.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 64)
        asking.sendto(query, ("ff02::1", 0, 0, index))


def test_multicast_queries(broker, host, join):
    """No bridge is made to keep from machines what they have not asked for since."""
    broker.client().acquire("lab")
    # What it knows of its own accord is forgotten in 3 s, not in 260.
    path = "/sys/class/net/vmb-lab/bridge/multicast_membership_interval"
    host.run("sh", "-c", f"echo 300 >{path}")
    rogue, victim = join("lab"), join("lab")
    address = victim.ipv6_address()
    assert rogue.ipv6_address()

    def is_forgotten():
        query_multicast(rogue)
        return "ff02::1:ff00:1 " not in host.run("bridge", "mdb", "show").stdout

    wait_for(is_forgotten, what="a bridge without groups")
    host.ip("neighbour flush dev vmb-lab")
    victim.ip("neighbour flush dev eth0")
    assert victim.ping(GATEWAY_IPV6)
    assert rogue.ping(address)


def test_the_counter_starts_anew_with_the_network(broker, rogue, plug_in, dropped):
    victim = plug_in("lab")
    with DhcpClient(victim) as client:
        client.get(bytes.fromhex(victim.mac_address.replace(":", "")))
    wait_for(lambda: dropped() > 0)
    broker.restart()
    for machine in rogue, victim:
        machine.kill()
        machine.client.close()
    wait_for(lambda: not broker.networks()["lab"]["active"], what="its removal")
    assert broker.inspect("lab").get("roguePackets") is None
    plug_in("lab")
    assert dropped() == 0

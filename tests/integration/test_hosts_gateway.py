# SPDX-License-Identifier: Apache-2.0
"""Each host is the gateway of its own machines, and nothing of that passes between hosts."""

import contextlib
import ipaddress
import socket
import struct

import pytest

from support.advertisement import solicit
from support.dhcp import DhcpClient
from support.echo import WhoServer, who
from support.fabric import vxlan_network
from support.frame import BROADCAST, UDP, arp_reply, carry, ethernet, ipv4, ipv6, mac_bytes, udp
from support.overlay import (
    Listening,
    discovery,
    encapsulated,
    note,
    rogue_packets,
    send,
    send_frame,
)

GATEWAY, GATEWAY_IPV6, GATEWAY_LINK_LOCAL = "10.80.0.1", "fd80:0:0:1::1", "fe80::1"
GATEWAY_MAC = mac_bytes("76:6d:0a:50:00:01")
SOLICITATION, ADVERTISEMENT, NEIGHBOUR, CLAIM, REDIRECT = 133, 134, 135, 136, 137
LINK_LOCAL = "fe80::1234"

FABRIC = {
    "control": "static",
    "networks": {
        "lab": vxlan_network(3, 0, "static"),
        "own": vxlan_network(3, 1, "static", dhcp=False, router_advertisement=False),
    },
}
EVPN = {"control": "evpn", "networks": {"lab": vxlan_network(3)}}

pytestmark = pytest.mark.xdist_group("hosts_gateway")

on_both = pytest.mark.parametrize(
    "shared_fabric", [{}, EVPN], ids=["static", "evpn"], indirect=True, scope="module"
)


def is_ours(address):
    return str(ipaddress.ip_address(address)) in (GATEWAY, GATEWAY_IPV6, GATEWAY_LINK_LOCAL)


def of_udp(ports, kind):
    source, destination = struct.unpack("!HH", ports[:4])
    return kind if {source, destination} & {67, 68, 546, 547} else None


def of_the_gateway(frame):
    """What of a frame is of a gateway, or about it; None: nothing."""
    protocol = struct.unpack_from("!H", frame, 12)[0]
    if GATEWAY_MAC in (frame[:6], frame[6:12]):
        return "MAC"
    if protocol == 0x0806 and (is_ours(frame[28:32]) or is_ours(frame[38:42])):
        return "ARP"
    if protocol == 0x0800 and frame[23] == UDP:
        return of_udp(frame[34:], "DHCP")
    if protocol == 0x86DD and frame[20] == UDP:
        return of_udp(frame[54:], "DHCPv6")
    if protocol == 0x86DD and frame[20] == 58:
        if frame[54] in (SOLICITATION, ADVERTISEMENT, REDIRECT):
            return f"ICMPv6 {frame[54]}"
        if frame[54] in (NEIGHBOUR, CLAIM) and is_ours(frame[62:78]):
            return "discovery"
    return None


def ask_for_dhcpv6(machine):
    with machine.entered():
        asking = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        index = socket.if_nametoindex("eth0")
    with asking:
        asking.bind(("::", 546))
        # A solicitation of nothing.
        asking.sendto(bytes([1, 1, 2, 3]), ("ff02::1:2", 547, 0, index))


def ask_for_all(machine):
    """All that a machine asks its gateway for, and what it had better not say."""
    machine.dhcp()
    assert solicit(machine).router == GATEWAY_LINK_LOCAL
    ask_for_dhcpv6(machine)
    for address in GATEWAY, GATEWAY_IPV6, f"{GATEWAY_LINK_LOCAL}%eth0":
        machine.ip("neighbour flush dev eth0")
        assert machine.ping(address)
    source = mac_bytes(machine.mac_address)
    send_frame(machine, ethernet(BROADCAST, source, 0x0806, arp_reply(source, GATEWAY, GATEWAY)))
    send_frame(machine, carry(BROADCAST, source, discovery(CLAIM, LINK_LOCAL, GATEWAY_IPV6)))


@on_both
def test_nothing_of_the_gateway_is_between_hosts(fabric):
    """Of machines and hosts with all that they do when they come; that of each other is."""
    with contextlib.ExitStack() as stack:
        captures = [stack.enter_context(fabric.capture(host.name)) for host in fabric]
        machines = [fabric.plug_in(name) for name in "abc"]
        if fabric.control == "evpn":
            fabric.wait_converged()
        for machine in machines:
            ask_for_all(machine)
        for machine in machines:
            for other in machines:
                assert machine is other or machine.ping(other.address, tries=10)
                assert machine is other or machine.ping(other.ipv6_address(), tries=10)
        for host in fabric:
            assert all(host.run("ping", "-c1", machine.address) for machine in machines)
        frames = [frame for capture in captures for *_, frame in capture.frames()]
    kinds = {of_the_gateway(frame) for frame in frames}
    assert kinds == {None}
    sources = {frame[6:12] for frame in frames}
    assert {mac_bytes(machine.mac_address) for machine in machines} <= sources


def message(kind, body=bytes(4)):
    packet = struct.pack("!BBH", kind, 0, 0) + body
    return ipv6(LINK_LOCAL, "ff02::1", 58, packet)


MAC = mac_bytes("52:54:00:00:00:99")
BOOTP = bytes([1, 1, 6]) + bytes(300)  # of Ethernet
ARP_REQUEST = bytes.fromhex("0001080006040001") + arp_reply(MAC, "10.80.3.99", GATEWAY)[8:]
# What no host lets go, or takes: {what: frame}.
KEPT = {
    "MAC": carry(BROADCAST, GATEWAY_MAC, ipv4("10.80.3.99", "10.80.255.255", 99, b"")),
    "ARP claim": ethernet(BROADCAST, MAC, 0x0806, arp_reply(MAC, GATEWAY)),
    "ARP question": ethernet(BROADCAST, MAC, 0x0806, ARP_REQUEST),
    "IPv4": carry(BROADCAST, MAC, ipv4(GATEWAY, "10.80.255.255", 99, b"")),
    "IPv6": carry(BROADCAST, MAC, ipv6(GATEWAY_IPV6, "ff02::1", 99, b"")),
    "DHCP question": carry(
        BROADCAST, MAC, ipv4("0.0.0.0", "255.255.255.255", UDP, udp(68, 67, BOOTP))
    ),
    "DHCP answer": carry(
        BROADCAST, MAC, ipv4("10.80.3.99", "255.255.255.255", UDP, udp(67, 68, b""))
    ),
    "DHCPv6 question": carry(
        BROADCAST, MAC, ipv6(LINK_LOCAL, "ff02::1:2", UDP, udp(546, 547, b""))
    ),
    "DHCPv6 answer": carry(BROADCAST, MAC, ipv6(LINK_LOCAL, "ff02::1", UDP, udp(547, 546, b""))),
    "router solicitation": carry(BROADCAST, MAC, message(SOLICITATION)),
    "router advertisement": carry(BROADCAST, MAC, message(ADVERTISEMENT, bytes(12))),
    "redirect": carry(BROADCAST, MAC, message(REDIRECT, bytes(36))),
    **{
        f"{what}, {address}": carry(BROADCAST, MAC, discovery(kind, LINK_LOCAL, address))
        for what, kind in (("question", NEIGHBOUR), ("claim", CLAIM))
        for address in (GATEWAY_IPV6, GATEWAY_LINK_LOCAL)
    },
}


def test_what_another_host_lets_go_is_not_taken(fabric):
    """And is counted."""
    a, b, victim = fabric["a"], fabric["b"], fabric.join("a")
    with Listening(victim) as listening:
        for what, frame in KEPT.items():
            before = rogue_packets(a)
            send(b, fabric.addresses["a"], encapsulated(frame))
            send(b, fabric.addresses["a"], encapsulated(note(victim, what)))
            listening.wait_for(what)
            assert frame[14:] not in listening.packets(), what
            assert rogue_packets(a) == before + 1, what


# What a machine may send: to its own host.
ASKED = [
    "ARP question",
    "DHCP question",
    "DHCPv6 question",
    "router solicitation",
    f"question, {GATEWAY_IPV6}",
    f"question, {GATEWAY_LINK_LOCAL}",
]


@pytest.mark.parametrize("what", ASKED)
def test_who_asks_for_the_gateway_asks_his_own_host(fabric, what):
    """Where no other rule is about it, and no machine gets it on another host."""
    machine, neighbour, elsewhere = fabric.join("a"), fabric.join("a"), fabric.join("b")
    source = mac_bytes(machine.mac_address)
    frame = KEPT[what][:6] + source + KEPT[what][12:].replace(MAC, source)
    with (
        Listening(neighbour) as near,
        Listening(elsewhere) as far,
        fabric.capture("a") as capture,
    ):
        before = rogue_packets(fabric["a"])
        send_frame(machine, frame)
        for listening, other in (near, neighbour), (far, elsewhere):
            text = f"to {other.name}"
            send_frame(machine, mac_bytes(other.mac_address) + source + note(other, text)[12:])
            listening.wait_for(text)
        assert frame[14:] in near.packets()
        assert frame[14:] not in far.packets()
        assert frame not in [inner for *_, inner in capture.frames()]
        assert rogue_packets(fabric["a"]) == before


def test_each_machine_has_its_own_hosts_gateway(fabric):
    machines = {name: fabric.join(name) for name in "ab"}
    with contextlib.ExitStack() as stack:
        for name in machines:
            stack.enter_context(WhoServer(fabric[name], 81, name))
        for name, machine in machines.items():
            machine.ipv6_address()
            for address in GATEWAY, GATEWAY_IPV6:
                assert who(machine, address, 81)[0] == name


def test_no_host_is_another_ones_gateway(fabric):
    """Frames for the gateway's address that come from elsewhere are for nobody."""
    a, b, victim = fabric["a"], fabric["b"], fabric.join("a")
    with a.entered():
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("0.0.0.0", 5000))
    server.setblocking(False)
    with server, Listening(victim) as listening:
        text = udp(5000, 5000, b"gateway")
        frame = carry(GATEWAY_MAC, MAC, ipv4("10.80.3.99", GATEWAY, UDP, text))
        send(b, fabric.addresses["a"], encapsulated(frame))
        send(b, fabric.addresses["a"], encapsulated(note(victim, "last")))
        listening.wait_for("last")
        with pytest.raises(BlockingIOError):
            server.recv(100)
        server.settimeout(10)
        source = mac_bytes(victim.mac_address)
        send_frame(victim, carry(GATEWAY_MAC, source, ipv4(victim.address, GATEWAY, UDP, text)))
        assert server.recv(100) == b"gateway"


def test_where_hosts_serve_nothing_a_machine_may(fabric):
    server, client = fabric.plug_in("b", "own"), fabric.plug_in("a", "own")
    server.ip("address add 10.81.2.99/16 dev eth0")
    server.serve_addresses("10.81.2.100,10.81.2.150,1h")
    with DhcpClient(client) as asking:
        address = asking.get(mac_bytes(client.mac_address))
    assert address.startswith("10.81.2.")

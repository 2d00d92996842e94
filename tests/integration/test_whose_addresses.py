# SPDX-License-Identifier: Apache-2.0
"""Whose addresses are whose: what leaves with a machine's own, and who reaches the host's."""

import contextlib
import ipaddress
import select
import socket
import struct
import time

import pytest

from support.echo import WhoServer, nobody, who
from support.host import (
    HOST_IPV4,
    HOST_IPV6,
    OUTSIDE_IPV4,
    OUTSIDE_IPV6,
    SERVER_IPV4,
    SERVER_IPV6,
    UPLINK,
)
from support.wait import wait_for

METADATA = "169.254.169.254"
POD, POD_IPV6 = "10.96.0.7", "fd00:96::7"
ALL_PACKETS = 3  # ETH_P_ALL

CONFIG = {
    "lab": {
        "mode": "shared",
        "subnet": "192.168.105.0/24",
        "ipv6_prefix": "fd12:3456:789a:5::/64",
    },
    "closed": {
        "mode": "host",
        "subnet": "192.168.107.0/24",
        "ipv6_prefix": "fd12:3456:789a:7::/64",
    },
    "routed": {
        "mode": "shared",
        "nat44": False,
        "nat66": False,
        "subnet": "192.168.109.0/24",
        "ipv6_prefix": "fd12:3456:789a:9::/64",
    },
    "trusted": {"mode": "shared", "link_local": True, "subnet": "192.168.113.0/24"},
}

pytestmark = pytest.mark.broker(config=CONFIG)


def sources(frames):
    """The IP addresses that frames came from."""
    for frame in frames:
        if frame[12:14] == b"\x08\x00":
            yield ipaddress.ip_address(frame[26:30])
        elif frame[12:14] == b"\x86\xdd":
            yield ipaddress.ip_address(frame[22:38])


@contextlib.contextmanager
def captured(namespace):
    """What comes in by the uplink of a namespace meanwhile: take() gives the frames so far."""
    with namespace.entered():
        sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PACKETS))
    frames = []

    def take():
        while select.select([sniffer], [], [], 0)[0]:
            frames.append(sniffer.recv(65536))
        return frames

    with sniffer:
        sniffer.bind((UPLINK, ALL_PACKETS))
        yield take


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def with_checksum(source, destination, protocol, body, at, wrong=False):
    """The body of a packet with its checksum, which covers the addresses, in its place."""
    pseudo = b"".join(ipaddress.ip_address(a).packed for a in (source, destination))
    pseudo += struct.pack("!II", len(body), protocol)
    if protocol == socket.IPPROTO_ICMP:
        pseudo = b""
    value = checksum(pseudo + body) ^ wrong
    return body[:at] + struct.pack("!H", value) + body[at + 2 :]


def tcp(flags):
    header = struct.pack("!HHIIBBHHH", 40000, 80, 1, 2, 0x50, flags, 1024, 0, 0)
    return socket.IPPROTO_TCP, header, 16


def icmp(ipv6, kind, code, rest=b"\0\0\0\1"):
    protocol = socket.IPPROTO_ICMPV6 if ipv6 else socket.IPPROTO_ICMP
    return protocol, struct.pack("!BBH", kind, code, 0) + rest, 2


def strays(source, destination):
    """Packets of no connection: {what: (protocol, body with its checksum)}."""
    ipv6 = ":" in source
    quoted = bytes(4) + (
        struct.pack("!IHBB", 6 << 28, 8, 17, 64)
        if ipv6
        else struct.pack("!BBHHHBBH", 0x45, 0, 28, 1, 0, 64, 17, 0)
    )
    quoted += ipaddress.ip_address(destination).packed + ipaddress.ip_address(source).packed
    quoted += struct.pack("!HHHH", 53, 4242, 8, 0)
    packets = {
        "RST": tcp(0x04),
        "ACK and RST": tcp(0x14),
        "SYN and FIN": tcp(0x03),
        "no flag": tcp(0x00),
        "echo reply": icmp(ipv6, 129 if ipv6 else 0, 0),
        "unreachable": icmp(ipv6, 1 if ipv6 else 3, 4 if ipv6 else 3, quoted),
    }
    made = {
        what: (protocol, with_checksum(source, destination, protocol, body, at))
        for what, (protocol, body, at) in packets.items()
    }
    protocol, body, at = tcp(0x02)
    made["SYN of a wrong checksum"] = (
        protocol,
        with_checksum(source, destination, protocol, body, at, wrong=True),
    )
    return made


def send_packet(machine, source, destination, protocol, body):
    """Sends an IP packet as it is, from one of the machine's addresses."""
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    with machine.entered():
        sender = socket.socket(family, socket.SOCK_RAW, protocol)
    with sender:
        sender.bind((source, 0))
        sender.sendto(body, (destination, 0))


def put_behind(machine, host, pod):
    """The host has a route to an address by way of the machine, which sends from it."""
    own = machine.ipv6_address() if ":" in pod else machine.address
    machine.ip(f"address add {pod} dev eth0" + (" nodad" if ":" in pod else ""))
    host.ip(f"route add {pod} via {own}")
    return pod


@pytest.mark.parametrize("is_behind", [False, True])
@pytest.mark.parametrize(("target", "pod"), [(SERVER_IPV4, POD), (SERVER_IPV6, POD_IPV6)])
def test_nothing_leaves_with_a_machines_own_address(host, outside, join, target, pod, is_behind):
    """NAT knows connections; what belongs to none would leave as it is."""
    machine = join("lab")
    source = machine.ipv6_address() if ":" in target else machine.address
    if is_behind:
        source = put_behind(machine, host, pod)
    with captured(outside) as frames, WhoServer(outside, 80, "outside"):
        for protocol, body in strays(source, target).values():
            send_packet(machine, source, target, protocol, body)
        assert who(machine, target, 80)[1] in (HOST_IPV4, HOST_IPV6)
        seen = set(map(str, sources(frames())))
    assert seen & {HOST_IPV4, HOST_IPV6}
    assert source not in seen


@pytest.mark.parametrize("is_behind", [False, True])
def test_a_connection_that_nat_has_missed_does_not_go_on(host, broker, outside, join, is_behind):
    """It began, and was answered, while somebody had removed the rules, and no broker was there."""
    machine = join("lab")
    source = put_behind(machine, host, POD) if is_behind else machine.address
    for address in {source, machine.address}:
        outside.ip(f"route add {address} via {HOST_IPV4}")
    broker.kill()
    host.run(
        "nft",
        "flush ruleset; table ip tracking { chain seen {"
        "type filter hook forward priority 0; ct state new counter; }; }",
    )
    with machine.entered():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server = WhoServer(outside, 80, "outside", "udp", address=SERVER_IPV4)
    with sender, server, captured(outside) as frames:
        sender.settimeout(5)
        sender.bind((source, 0))
        sender.connect((SERVER_IPV4, 80))
        sender.send(b"begun")
        assert sender.recv(64).decode() == f"outside {source}"
        broker.start()
        wait_for(lambda: who(machine, SERVER_IPV4, 80, "udp") == ("outside", HOST_IPV4))
        frames().clear()
        sender.send(b"goes on")
        assert who(machine, SERVER_IPV4, 80, "udp") == ("outside", HOST_IPV4)
        assert source not in map(str, sources(frames()))
    host.run("nft", "delete table ip tracking")


def test_what_is_routed_keeps_its_address(outside, join):
    machine = join("routed")
    outside.ip(f"route add 192.168.109.0/24 via {HOST_IPV4}")
    with captured(outside) as frames:
        protocol, body = strays(machine.address, SERVER_IPV4)["RST"]
        send_packet(machine, machine.address, SERVER_IPV4, protocol, body)
        wait_for(lambda: machine.address in map(str, sources(frames())))


@contextlib.contextmanager
def metadata_service(outside, host):
    """At the address where clouds have theirs, on the link outside."""
    outside.ip(f"address add {METADATA}/32 dev lo")
    host.ip(f"route add {METADATA} dev {UPLINK}")
    with WhoServer(outside, 80, "metadata", address=METADATA):
        yield
    host.ip(f"route delete {METADATA} dev {UPLINK}")


def test_machines_do_not_speak_as_the_host_to_link_local_addresses(host, outside, join):
    with metadata_service(outside, host):
        assert who(host, METADATA, 80) == ("metadata", HOST_IPV4)
        machine = join("lab")
        began = time.monotonic()
        assert nobody(machine, METADATA, 80)
        assert time.monotonic() - began < 0.9, "it was not refused, but dropped"
        assert who(join("trusted"), METADATA, 80) == ("metadata", HOST_IPV4)


def test_a_redirected_link_local_address_is_refused_too(host, outside, join):
    """Agents of clouds have it led to themselves."""
    host.run("nft", "add table ip agent")
    host.run("nft", "add chain ip agent nat { type nat hook prerouting priority dstnat; }")
    host.run("nft", f"add rule ip agent nat ip daddr {METADATA} tcp dport 80 redirect to 8080")
    with WhoServer(host, 8080, "agent"):
        machine, trusted = join("lab"), join("trusted")
        assert nobody(machine, METADATA, 80)
        assert who(trusted, METADATA, 80) == ("agent", trusted.address)
    host.run("nft", "delete table ip agent")


def test_the_host_has_its_own_link_local_addresses_to_itself(host, join):
    host.ip(f"address add {METADATA}/32 dev lo")
    with WhoServer(host, 80, "host"):
        assert who(host, METADATA, 80)
        assert nobody(join("lab"), METADATA, 80)
        assert who(join("trusted"), METADATA, 80)
    host.ip(f"address delete {METADATA}/32 dev lo")


@pytest.mark.parametrize(
    ("network", "gateway"),
    [
        ("lab", "192.168.105.1"),
        ("lab", "fd12:3456:789a:5::1"),
        ("closed", "192.168.107.1"),
        ("closed", "fd12:3456:789a:7::1"),
    ],
)
def test_the_lan_does_not_reach_the_gateway(host, outside, join, network, gateway):
    machine = join(network)
    way = f"via {HOST_IPV6}" if ":" in gateway else f"via {HOST_IPV4}"
    outside.ip(f"route add {gateway} {way}")
    with WhoServer(host, 80, "host"), WhoServer(host, 81, "host", "udp"):
        machine.ipv6_address()
        assert who(machine, gateway, 80)
        assert nobody(outside, gateway, 80)
        assert nobody(outside, gateway, 81, "udp")


def test_the_lan_reaches_the_gateway_of_a_routed_network(host, outside, join):
    join("routed")
    outside.ip(f"route add 192.168.109.1 via {HOST_IPV4}")
    with WhoServer(host, 80, "host"):
        assert who(outside, "192.168.109.1", 80) == ("host", OUTSIDE_IPV4)


def test_the_hosts_own_connections_get_no_nat(host, join):
    machine = join("lab")
    machine.ipv6_address()
    with WhoServer(host, 80, "host"):
        for address in "192.168.105.1", "fd12:3456:789a:5::1":
            assert who(host, address, 80) == ("host", address)


def test_the_host_may_leave_from_a_gateways_address(host, outside, join):
    join("lab")
    with WhoServer(outside, 80, "outside"), host.entered():
        client = socket.create_connection((SERVER_IPV4, 80), 3, ("192.168.105.1", 0))
        with client:
            assert client.recv(256).decode() == f"outside {HOST_IPV4}"


@pytest.mark.parametrize(
    ("network", "source", "target"),
    [
        ("lab", "192.168.105.77", HOST_IPV4),
        ("routed", "192.168.109.77", HOST_IPV4),
        ("closed", "fd12:3456:789a:7::77", HOST_IPV6),
    ],
)
def test_the_lan_cannot_be_a_machine(host, outside, join, network, source, target):
    """Whatever the host's reverse path filter lets in."""
    for device in "all", UPLINK:
        host.run("sysctl", "-qw", f"net.ipv4.conf.{device}.rp_filter=0")
    outside.ip(f"address add {source} dev lo" + (" nodad" if ":" in source else ""))
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    with host.entered():
        server = socket.socket(family, socket.SOCK_DGRAM)
    with outside.entered():
        client, honest = (socket.socket(family, socket.SOCK_DGRAM) for _ in range(2))
    with server, client, honest:
        server.bind(("", 0))
        server.settimeout(5)
        client.bind((source, 0))
        honest.bind((OUTSIDE_IPV6 if ":" in source else OUTSIDE_IPV4, 0))
        client.sendto(b"machine", (target, server.getsockname()[1]))
        assert server.recv(64) == b"machine"  # nothing is there yet to forbid it
        join(network)
        client.sendto(b"machine", (target, server.getsockname()[1]))
        honest.sendto(b"honest", (target, server.getsockname()[1]))
        assert server.recv(64) == b"honest"

# SPDX-License-Identifier: Apache-2.0
"""What machines send from addresses that are not of their network.

To each other it passes, as on any switch, and makes nothing of the host's: also where br_netfilter
shows it to the host's filters. To the host, or out of it, it does not get: test_behind_machines.py
has what does, since the host itself has a route for it.
"""

import contextlib
import socket

import pytest

from support import frame
from support.echo import WhoServer, who
from support.frame import carry, datagram, mac_bytes
from support.host import (
    HOST_IPV4,
    HOST_IPV6,
    OUTSIDE_IPV4,
    OUTSIDE_IPV6,
    SERVER_IPV4,
    SERVER_IPV6,
)
from support.need import need_filtered_bridges
from support.wait import wait_for

CONFIG = {
    "lab": {
        "mode": "shared",
        "subnet": "192.168.105.0/24",
        "ipv6_prefix": "fd12:3456:789a:5::/64",
    },
    "other": {
        "mode": "shared",
        "subnet": "192.168.106.0/24",
        "ipv6_prefix": "fd12:3456:789a:6::/64",
    },
    "routed": {
        "mode": "shared",
        "nat44": False,
        "nat66": False,
        "subnet": "192.168.109.0/24",
        "ipv6_prefix": "fd12:3456:789a:9::/64",
    },
}
PODS = "10.9.9.9", "fd00:99::9"
# Where a machine sends what is for everybody, and where that goes in the end.
EVERYBODY = {"4": "255.255.255.255", "6": "ff02::1"}
MULTICAST = {"4": frame.BROADCAST, "6": bytes.fromhex("333300000001")}
PORT = 5000
PEER = "fe80::77"

pytestmark = pytest.mark.broker(config=CONFIG)


def family_of(address):
    return "6" if ":" in address else "4"


def udp_socket(place, address, port=PORT, interface=None):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with place.entered():
        made = socket.socket(family, socket.SOCK_DGRAM)
        scope = (0, socket.if_nametoindex(interface)) if interface else ()
        made.bind((address, port, *scope))
    made.settimeout(10)
    return made


def send_to(sender, place, text, address, interface=None):
    with place.entered():
        scope = (0, socket.if_nametoindex(interface)) if interface else ()
        sender.sendto(text, (address, PORT, *scope))


def bridge_mac(host, network="lab"):
    return mac_bytes(host.device(f"vmb-{network}")["address"])


def send(attachment, destination, packet):
    source = mac_bytes(attachment.mac_address)
    frame.write(attachment.tap_fds[0], carry(destination, source, packet))


def arrives(attachment, packet):
    frame.wait_for_frame(attachment.tap_fds[0], lambda each: packet in each)


@pytest.mark.parametrize("to_all", [False, True])
@pytest.mark.parametrize(
    "source", [*PODS, SERVER_IPV4, HOST_IPV6, "169.254.7.7", "192.168.106.7", "fd12:3456:789a:6::7"]
)
def test_frames_pass_from_machine_to_machine(filtered, host, attach, source, to_all):
    """Those of another network too: a machine may be on both, and route."""
    first, second, _ = attach(), attach(), attach("other")
    destination = MULTICAST[family_of(source)] if to_all else mac_bytes(second.mac_address)
    for target in EVERYBODY[family_of(source)], {"4": "10.7.7.7", "6": "fd00:77::7"}[
        family_of(source)
    ]:
        packet = datagram(source, target, b"from afar")
        send(first, destination, packet)
        arrives(second, packet)


def test_pods_reach_each_other(filtered, host, join):
    """By connections, which the host's filter does not find half of."""
    machine, neighbour = join("lab"), join("lab")
    host.run("nft", "add table inet own")
    host.run("nft", "add chain inet own forward { type filter hook forward priority 0; }")
    host.run("nft", "add rule inet own forward ct state invalid drop")
    ways = dict(
        zip(
            PODS,
            (
                (machine.address, neighbour.address),
                (machine.ipv6_address(), neighbour.ipv6_address()),
            ),
            strict=True,
        )
    )
    with WhoServer(machine, 80, "machine"), WhoServer(neighbour, 81, "neighbour"):
        for pod, (own, others) in ways.items():
            machine.add_address(pod)
            neighbour.ip(f"route add {pod} via {own}")
            assert who(neighbour, pod, 80) == ("machine", others)
            machine.ip(f"route add {others} dev eth0 src {pod}")
            assert who(machine, others, 81) == ("neighbour", pod)
    host.run("nft", "delete table inet own")


@pytest.mark.parametrize(
    ("gateway", "machine", "foreign"),
    [
        (
            "192.168.105.1",
            "192.168.105.77",
            [PODS[0], SERVER_IPV4, HOST_IPV4, "192.168.106.7", "169.254.7.7", "127.0.0.1"],
        ),
        (
            "fd12:3456:789a:5::1",
            "fd12:3456:789a:5::77",
            [PODS[1], SERVER_IPV6, HOST_IPV6, "fd12:3456:789a:6::7", "::1"],
        ),
    ],
)
def test_nothing_foreign_reaches_the_host(filtered, host, attach, gateway, machine, foreign):
    """Neither what is for it, nor what is for everybody; whatever its own check of sources is."""
    rogue, _ = attach(), attach("other")
    for device in "all", "vmb-lab":
        host.run("sysctl", "-qw", f"net.ipv4.conf.{device}.rp_filter=0")
    host.ip(f"route add {foreign[0]} dev vmb-other")
    everybody, mac = EVERYBODY[family_of(gateway)], bridge_mac(host)
    to_all = MULTICAST[family_of(gateway)]
    with udp_socket(host, "::" if ":" in gateway else "0.0.0.0") as server:
        for destination, target in (mac, gateway), (to_all, everybody), (to_all, gateway):
            for source in foreign:
                send(rogue, destination, datagram(source, target, b"foreign"))
            send(rogue, destination, datagram(machine, target, b"own"))
            text, peer = server.recvfrom(16)
            assert (text, peer[0]) == (b"own", machine), (destination, target)


def test_what_is_for_everybody_is_not_for_another_address_of_the_host(filtered, host, attach):
    """The host takes it, and where br_netfilter is loaded it would be past its connections."""
    rogue = attach()
    with udp_socket(host, "0.0.0.0") as server:
        send(rogue, frame.BROADCAST, datagram("192.168.105.77", HOST_IPV4, b"for the host"))
        send(rogue, frame.BROADCAST, datagram("192.168.105.77", "255.255.255.255", b"for all"))
        assert server.recv(16) == b"for all"


@pytest.mark.parametrize("network", ["lab", "routed"])
@pytest.mark.parametrize(("target", "pod"), [(SERVER_IPV4, PODS[0]), (SERVER_IPV6, PODS[1])])
def test_nothing_foreign_leaves_the_host(filtered, host, outside, join, network, target, pod):
    machine = join(network)
    own = machine.ipv6_address() if ":" in target else machine.address
    for place in host, outside:
        for device in "all", "eth0":
            place.run("sysctl", "-qw", f"net.ipv4.conf.{device}.rp_filter=0")
    host.run("sysctl", "-qw", f"net.ipv4.conf.vmb-{network}.rp_filter=0")
    seen = own if network == "routed" else HOST_IPV6 if ":" in target else HOST_IPV4
    mac = bridge_mac(host, network)
    with udp_socket(outside, target) as server, machine.entered():
        sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        with sender:
            sender.bind(("eth0", 0))
            for source in pod, OUTSIDE_IPV6 if ":" in target else OUTSIDE_IPV4, own:
                packet = datagram(source, target, source.encode())
                sender.send(carry(mac, mac_bytes(machine.mac_address), packet))
            text, peer = server.recvfrom(64)
    assert (text.decode(), peer[0]) == (own, seen)


@contextlib.contextmanager
def closed_host(host):
    """A packet filter of the host's own, which lets in the answers to the host at this port."""
    host.run("nft", "add table inet own")
    host.run("nft", "add chain inet own input { type filter hook input priority 0; }")
    host.run("nft", "add rule inet own input ct state established,related accept")
    host.run("nft", f"add rule inet own input udp sport {PORT} drop")
    yield
    host.run("nft", "delete table inet own")


@pytest.mark.parametrize("addresses", ["IPv4", "IPv6", "link-local", "multicast"])
@pytest.mark.parametrize("way", ["to one", "to all", "past another"])
@pytest.mark.parametrize("first", ["host", "outside"])
def test_no_machine_opens_the_host(host, outside, attach, addresses, way, first):
    """By a connection of the host's with somebody outside, whose packets machines send each other.

    The kernel's connections know addresses and ports, and not where packets come from.
    """
    need_filtered_bridges(host, "ip", "ip6")
    here, there = {
        "IPv4": (HOST_IPV4, OUTSIDE_IPV4),
        "IPv6": (HOST_IPV6, OUTSIDE_IPV6),
        "link-local": ("fe80::2", PEER),
        "multicast": ("ff02::1", PEER),
    }[addresses]
    outside.ip(f"address add {PEER}/64 dev eth0 nodad")
    outside.settle("eth0", PEER)
    interface = "eth0" if ":" in here else None
    rogue, neighbour = attach(), attach()
    destination = {
        "to one": mac_bytes(neighbour.mac_address),
        "to all": MULTICAST[family_of(here)],
        "past another": bytes.fromhex("0200000000ff"),  # whom the bridge does not know
    }[way]
    packets = [datagram(here, there, b"as the host"), datagram(there, here, b"as the other")]
    for packet in packets if first == "host" else reversed(packets):
        send(rogue, destination, packet)
        arrives(neighbour, packet)
    with (
        closed_host(host),
        udp_socket(host, here, interface=interface) as server,
        udp_socket(outside, there, interface=interface) as client,
        udp_socket(outside, there, PORT + 1, interface) as other,
    ):
        send_to(client, outside, b"let in", here, interface)
        send_to(other, outside, b"allowed", here, interface)
        assert server.recv(16) == b"allowed"


@pytest.mark.parametrize("there", [OUTSIDE_IPV4, OUTSIDE_IPV6])
@pytest.mark.parametrize("to_all", [False, True])
def test_no_machine_opens_another(host, outside, join, attach, there, to_all):
    """To who is outside, and knows the way."""
    need_filtered_bridges(host, "ip", "ip6")
    machine, rogue, neighbour = join("lab"), attach(), attach()
    ipv6 = ":" in there
    own = machine.ipv6_address() if ipv6 else machine.address
    outside.ip(f"route add {own} via {HOST_IPV6 if ipv6 else HOST_IPV4}")
    packet = datagram(own, there, b"as the machine")
    destination = MULTICAST[family_of(own)] if to_all else mac_bytes(neighbour.mac_address)
    send(rogue, destination, packet)
    arrives(neighbour, packet)
    gateway = "fd12:3456:789a:5::1" if ipv6 else "192.168.105.1"
    with (
        udp_socket(machine, own) as server,
        udp_socket(outside, there) as client,
        udp_socket(host, gateway) as honest,
    ):
        client.sendto(b"let in", (own, PORT))
        honest.sendto(b"allowed", (own, PORT))
        assert server.recv(16) == b"allowed"

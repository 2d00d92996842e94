# SPDX-License-Identifier: Apache-2.0
"""What is behind a machine, where the host has a route to it: pods, services, a LAN."""

import socket

import pytest

from support.echo import WhoServer, nobody, who
from support.frame import carry, datagram, mac_bytes
from support.host import (
    HOST_IPV4,
    HOST_IPV6,
    OUTSIDE_IPV4,
    OUTSIDE_IPV6,
    SERVER_IPV4,
    SERVER_IPV6,
    UPLINK,
)

POD, POD_IPV6 = "10.96.0.7", "fd00:96::7"
BEHIND = {"10.96.0.0/12": POD, "fd00:96::/64": POD_IPV6}
PORT = 5000


def network(number, **options):
    return {
        "subnet": f"192.168.{number}.0/24",
        "ipv6_prefix": f"fd12:3456:789a:{number}::/64",
        "mode": "shared",
        **options,
    }


CONFIG = {
    "lab": network(105),
    "other": network(106),
    "closed": network(107, mode="host"),
    "routed": network(109, nat44=False, nat66=False),
    "here": network(111, external_interface=UPLINK),
}

pytestmark = pytest.mark.broker(config=CONFIG)


def gateway_of(name, address):
    number = CONFIG[name]["subnet"].split(".")[2]
    return f"fd12:3456:789a:{number}::1" if ":" in address else f"192.168.{number}.1"


@pytest.fixture
def put_behind(host, join):
    """Makes a machine of a network that has the addresses behind it."""

    def make(name):
        machine = join(name)
        for route, pod in BEHIND.items():
            own = machine.ipv6_address() if ":" in pod else machine.address
            machine.add_address(pod)
            host.ip(f"route add {route} via {own}")
        return machine

    return make


def test_an_address_of_the_machines_own_beside(host, join):
    """From it the machine asks who the gateway is."""
    machine = join("lab")
    host.ip(f"route add {POD_IPV6} via {machine.ipv6_address()}")
    machine.ip(f"address add {POD_IPV6} dev eth0 nodad")
    leave_as_pod(machine, "lab", POD_IPV6, HOST_IPV6)
    machine.ip("-6 neighbour flush dev eth0")
    with WhoServer(host, 81, "host"):
        assert who(machine, HOST_IPV6, 81) == ("host", POD_IPV6)


def leave_as_pod(machine, name, pod, target):
    machine.ip(f"route replace {target} via {gateway_of(name, pod)} src {pod}")


@pytest.mark.parametrize("name", ["lab", "closed", "routed", "here"])
def test_the_host_reaches_it_and_is_reached(filtered, host, put_behind, name):
    machine = put_behind(name)
    with WhoServer(machine, 80, "pod"), WhoServer(host, 81, "host"):
        for pod, target in (POD, HOST_IPV4), (POD_IPV6, HOST_IPV6):
            leave_as_pod(machine, name, pod, target)
            assert who(host, pod, 80) == ("pod", gateway_of(name, pod))
            assert who(machine, target, 81) == ("host", pod)


@pytest.mark.parametrize("name", ["lab", "closed", "routed", "here"])
def test_it_reaches_the_outside_as_machines_do(filtered, host, outside, put_behind, name):
    """By NAT or without, and the outside begins only where there is none."""
    machine = put_behind(name)
    with WhoServer(machine, 80, "pod"), WhoServer(outside, 81, "outside"):
        for pod, target, own, there in (
            (POD, SERVER_IPV4, HOST_IPV4, OUTSIDE_IPV4),
            (POD_IPV6, SERVER_IPV6, HOST_IPV6, OUTSIDE_IPV6),
        ):
            leave_as_pod(machine, name, pod, target)
            outside.ip(f"route add {pod} via {own}")
            seen = {"closed": None, "routed": ("outside", pod)}.get(name, ("outside", own))
            assert who(machine, target, 81, timeout=1 if name == "closed" else 3) == seen
            leave_as_pod(machine, name, pod, there)
            if name == "routed":
                assert who(outside, pod, 80) == ("pod", there)
            else:
                assert nobody(outside, pod, 80)


def test_other_machines_of_the_network_reach_it_by_way_of_the_host(filtered, put_behind, join):
    machine, neighbour = put_behind("lab"), join("lab")
    neighbour_ipv6 = neighbour.ipv6_address()
    with WhoServer(machine, 80, "pod"):
        assert who(neighbour, POD, 80) == ("pod", neighbour.address)
        assert who(neighbour, POD_IPV6, 80) == ("pod", neighbour_ipv6)


def test_other_networks_stay_separate(put_behind, host, join):
    machine, stranger = put_behind("lab"), join("other")
    targets = {POD: stranger.address, POD_IPV6: stranger.ipv6_address()}
    with WhoServer(machine, 80, "pod"), WhoServer(stranger, 81, "stranger"):
        for pod, target in targets.items():
            leave_as_pod(machine, "lab", pod, target)
            assert nobody(stranger, pod, 80)
            assert nobody(machine, target, 81)
            assert who(host, pod, 80)


def send(host, machine, name, packet):
    with machine.entered():
        sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with sender:
        sender.bind(("eth0", 0))
        mac = mac_bytes(host.device(f"vmb-{name}")["address"])
        sender.send(carry(mac, mac_bytes(machine.mac_address), packet))


def hears(server, host, machine, name, sources, target):
    """Whom a server of the host hears: what is sent from these, and last from the machine's own."""
    own = machine.ipv6_address() if ":" in target else machine.address
    for source in *sources, own:
        send(host, machine, name, datagram(source, target, b"here"))
    heard = []
    while own not in heard:
        heard.append(server.recvfrom(16)[1][0])
    return heard[:-1]


def listen(host, target):
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    with host.entered():
        server = socket.socket(family, socket.SOCK_DGRAM)
    server.settimeout(10)
    server.bind((target, PORT))
    return server


def trust_all_sources(host, *names):
    """As far as the host's own check goes."""
    for device in "all", *(f"vmb-{name}" for name in names):
        host.run("sysctl", "-qw", f"net.ipv4.conf.{device}.rp_filter=0")


@pytest.mark.parametrize(
    ("target", "pod", "others"),
    [
        (HOST_IPV4, POD, ["10.112.0.7", SERVER_IPV4, HOST_IPV4, "127.0.0.1"]),
        (HOST_IPV6, POD_IPV6, ["fd00:97::7", SERVER_IPV6, HOST_IPV6, "::1"]),
    ],
)
def test_what_has_no_route_there_is_foreign(filtered, host, put_behind, join, target, pod, others):
    machine, stranger = put_behind("lab"), join("other")
    trust_all_sources(host, "lab", "other")
    with listen(host, target) as server:
        assert hears(server, host, machine, "lab", [*others, pod], target) == [pod]
        assert hears(server, host, stranger, "other", [*others, pod], target) == []
        host.ip(f"route delete {next(each for each in BEHIND if BEHIND[each] == pod)}")
        assert hears(server, host, machine, "lab", [pod], target) == []


@pytest.mark.parametrize(
    ("target", "far", "others"),
    [
        (HOST_IPV4, "192.0.2.7", [OUTSIDE_IPV4, HOST_IPV4, "192.168.106.7", "127.0.0.1"]),
        (HOST_IPV6, "2001:db8:7::7", [OUTSIDE_IPV6, HOST_IPV6, "fd12:3456:789a:106::7", "::1"]),
    ],
)
def test_the_hosts_own_way_out_is_a_machine(filtered, host, join, target, far, others):
    """Then all that the host has no other route for is right there, and nothing else is."""
    machine, _ = join("lab"), join("other")
    trust_all_sources(host, "lab")
    machine.add_address(far)
    own = machine.ipv6_address() if ":" in far else machine.address
    default = f"{'-6' if ':' in far else '-4'} route replace default via"
    host.ip(f"{default} {own}")
    with WhoServer(machine, 80, "far"), listen(host, target) as server:
        assert who(host, far, 80) == ("far", gateway_of("lab", far))
        assert hears(server, host, machine, "lab", [*others, far], target) == [far]
    host.ip(f"{default} {OUTSIDE_IPV6 if ':' in far else OUTSIDE_IPV4}")

# SPDX-License-Identifier: Apache-2.0
"""Forwarded ports: reached from everywhere that they should be, over each protocol and family."""

import os
import re
import time

import pytest

from support.echo import WhoServer, nobody, who
from support.host import HOST_IPV4, HOST_IPV6, OUTSIDE_IPV4, OUTSIDE_IPV6
from support.varlink import VarlinkError

MAC = "52:54:00:00:00:0a"
IPV4 = "192.168.105.10"
IPV6 = "fd12:3456:789a:5:5054:ff:fe00:a"  # what a machine makes of the MAC address
PORT = 2222


def forward(protocol, address):
    return {
        "protocol": protocol,
        "external_port": PORT,
        "internal_address": address,
        "internal_port": 22,
    }


CONFIG = {
    "lab": {
        "mode": "shared",
        "subnet": "192.168.105.0/24",
        "ipv6_prefix": "fd12:3456:789a:5::/64",
        "dhcp_reservations": [{"mac_address": MAC, "address": IPV4}],
        "port_forwarding": [
            forward(protocol, address) for protocol in ("tcp", "udp") for address in (IPV4, IPV6)
        ],
    },
    "other": {"mode": "shared", "subnet": "192.168.106.0/24"},
}

SECOND = {
    "mode": "shared",
    "ipv6_prefix": "fd12:3456:789a:6::/64",
    "port_forwarding": [
        forward(protocol, "fd12:3456:789a:6:5054:ff:fe00:a") | {"external_port": PORT + 1}
        for protocol in ("tcp", "udp")
    ],
}

pytestmark = pytest.mark.broker(config=CONFIG)


@pytest.fixture(params=["tcp", "udp"])
def server(request, join):
    """The machine that the ports lead to, with a server."""
    machine = join("lab", mac_address=MAC)
    machine.protocol = request.param
    assert machine.address == IPV4
    assert machine.ipv6_address() == IPV6
    with WhoServer(machine, 22, "machine", request.param):
        yield machine


def test_from_outside(server, outside):
    assert who(outside, HOST_IPV4, PORT, server.protocol) == ("machine", OUTSIDE_IPV4)
    assert who(outside, HOST_IPV6, PORT, server.protocol) == ("machine", OUTSIDE_IPV6)


def test_from_the_host(server, host):
    """At its own addresses, and at localhost: the machine sees the gateway, which it can answer."""
    for address in HOST_IPV4, "192.168.105.1", "127.0.0.1", "127.1.2.3":
        assert who(host, address, PORT, server.protocol), address
    assert who(host, "127.0.0.1", PORT, server.protocol) == ("machine", "192.168.105.1")
    for address in HOST_IPV6, "fd12:3456:789a:5::1":
        assert who(host, address, PORT, server.protocol), address


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.broker(config=CONFIG | {"second": SECOND})
def test_from_the_host_by_ipv6_loopback(broker, host, join, protocol):
    host.filter_bridges("ip6", 0)
    machines = {PORT: join("lab", mac_address=MAC), PORT + 1: join("second", mac_address=MAC)}
    for port, machine in machines.items():
        address = machine.ipv6_address()
        with WhoServer(machine, 22, "machine", protocol):
            saw = address.removesuffix("5054:ff:fe00:a") + ":1"
            assert who(host, "::1", port, protocol) == ("machine", saw)
    # What else there is at ::1 stays the host's, and nobody else gets there.
    with WhoServer(host, 22, "host", protocol, "::1"):
        assert who(host, "::1", 22, protocol) == ("host", "::1")
        machine.ip("-6 route add ::1 via fe80::1 dev eth0 table local")
        machine.ip("-6 route delete ::1 dev lo table local")
        assert nobody(machine, "::1", 22, protocol)


def test_ipv6_loopback_is_refused_where_bridges_filter(broker, host, server):
    if not host.filter_bridges("ip6", 1):
        pytest.skip("br_netfilter is not there")
    started = time.monotonic()
    assert who(host, "::1", PORT, server.protocol, timeout=5) is None
    assert time.monotonic() < started + 5


def test_from_a_machine_of_the_same_network(server, join):
    neighbour = join("lab")
    neighbour.ipv6_address()
    for address in HOST_IPV4, "192.168.105.1":
        answer = who(neighbour, address, PORT, server.protocol)
        assert answer == ("machine", "192.168.105.1"), address
    for address in HOST_IPV6, "fd12:3456:789a:5::1":
        answer = who(neighbour, address, PORT, server.protocol)
        assert answer == ("machine", "fd12:3456:789a:5::1"), address


def test_not_from_another_network(server, join):
    stranger = join("other")
    for address in HOST_IPV4, "192.168.106.1", "192.168.105.1":
        assert nobody(stranger, address, PORT, server.protocol), address


def test_other_ports_stay_closed(server, host, outside):
    assert nobody(outside, HOST_IPV4, 22, server.protocol)
    with WhoServer(host, 22, "host", server.protocol):
        assert who(outside, HOST_IPV4, 22, server.protocol) == ("host", OUTSIDE_IPV4)


def test_ports_of_others_are_left_alone(server, outside, join):
    """Only what is for the host itself is forwarded, not what passes through it."""
    neighbour = join("lab")
    with WhoServer(outside, PORT, "outside", server.protocol):
        assert who(neighbour, OUTSIDE_IPV4, PORT, server.protocol) == ("outside", HOST_IPV4)


@pytest.mark.parametrize("address", ["::", "0.0.0.0", "127.0.0.1", HOST_IPV6])
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_port_that_is_taken_is_an_error(broker, host, protocol, address):
    client = broker.client()
    with WhoServer(host, PORT, "host", protocol, address):
        with pytest.raises(VarlinkError) as caught:
            client.acquire("lab")
    assert caught.value.name == "CreateFailed"
    reason = caught.value.parameters["reason"]
    match = re.fullmatch(
        rf'{protocol} port {PORT} is in use by (.*); choose another "external_port"', reason
    )
    assert match, reason
    # An unprivileged broker cannot see whose sockets are whose.
    assert match[1] == "a program of user 0" or match[1].endswith(f" (pid {os.getpid()})")
    assert client.acquire("lab")


def reads(pid):
    """How often a process has called read() and its like so far."""
    with open(f"/proc/{pid}/io", encoding="ascii") as file:
        return int(re.search(r"^syscr: (\d+)$", file.read(), re.MULTILINE)[1])


@pytest.mark.broker(
    config={
        "lab": CONFIG["lab"],
        "many": {
            "mode": "shared",
            "subnet": "192.168.106.0/24",
            "port_forwarding": [
                forward("tcp", "192.168.106.10") | {"external_port": 10000 + index}
                for index in range(1000)
            ],
        },
    }
)
def test_the_lists_of_ports_are_read_once(broker):
    """However many ports there are: the broker reads no more than for a few."""
    client = broker.client()
    taken = []
    for network in "lab", "many":
        before = reads(broker.pid)
        client.acquire(network)
        taken.append(reads(broker.pid) - before)
    assert taken[1] < taken[0] + 100, taken


def test_a_port_that_is_taken_later_changes_nothing(broker, host, outside, server):
    """An adopted network keeps its ports, whoever listens on them by now."""
    with WhoServer(host, PORT, "host", server.protocol):
        broker.restart()
        broker.wait_for_log('network "lab": adopted')
        assert who(outside, HOST_IPV4, PORT, server.protocol) == ("machine", OUTSIDE_IPV4)


@pytest.mark.broker(
    config={
        "lab": {
            **CONFIG["lab"],
            "port_forwarding": [
                forward(protocol, IPV4) | {"external_port": 53} for protocol in ("tcp", "udp")
            ],
        },
        "other": CONFIG["other"],
    }
)
def test_a_forwarded_name_server_is_not_the_machines_own(server, outside, join):
    """Neither of its neighbours', nor of another network's that was made later."""
    for network in "lab", "other":
        machine = join(network)
        assert machine.lease["router"] in machine.resolve("gateway")
    assert who(outside, HOST_IPV4, 53, server.protocol) == ("machine", OUTSIDE_IPV4)

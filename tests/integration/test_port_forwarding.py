# SPDX-License-Identifier: Apache-2.0
"""Forwarded ports: reached from everywhere that they should be, over each protocol and family."""

import os
import re
import socket
import time

import pytest

from support.echo import WhoServer, nobody, who
from support.host import HOST_IPV4, HOST_IPV6, OUTSIDE_IPV4, OUTSIDE_IPV6, UPLINK
from support.need import need_filtered_bridges
from support.varlink import VarlinkError
from support.wait import wait_for

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
    machine = join("lab", macAddress=MAC)
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
    machines = {PORT: join("lab", macAddress=MAC), PORT + 1: join("second", macAddress=MAC)}
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
    need_filtered_bridges(host, "ip6")
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
    at, other = "", ""
    if address not in ("::", "0.0.0.0"):
        at, other = f" at {address}", ', or another "external_address"'
    match = re.fullmatch(
        rf'{protocol} port {PORT} is in use{at} by (.*); choose another "external_port"{other}',
        reason,
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
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("first, second", [("lab", "other"), ("other", "lab")])
def test_a_forwarded_name_server_is_not_the_machines_own(join, outside, first, second, protocol):
    """Neither of its neighbours', nor of another network's that was made before or later."""
    neighbours = [join(first), join(second)]
    machine = join("lab", macAddress=MAC)
    for neighbour in neighbours:
        assert neighbour.lease["router"] in neighbour.resolve("gateway")
    with WhoServer(machine, 22, "machine", protocol):
        assert who(outside, HOST_IPV4, 53, protocol) == ("machine", OUTSIDE_IPV4)


ELSEWHERE_IPV4 = "198.51.100.77"  # another address of the host

ONE_ADDRESS = {
    **CONFIG["lab"],
    "port_forwarding": [
        forward("both", IPV4) | {"external_address": HOST_IPV4},
        forward("both", IPV6) | {"external_address": HOST_IPV6},
    ],
}


@pytest.fixture
def elsewhere(host):
    """Gives the host one more address, and takes it back."""
    yield lambda: host.ip(f"address add {ELSEWHERE_IPV4}/24 dev {UPLINK}")
    host.ip(f"address delete {ELSEWHERE_IPV4}/24 dev {UPLINK}")


@pytest.mark.broker(config={"lab": ONE_ADDRESS, "other": CONFIG["other"]})
def test_at_one_address_of_the_host(broker, elsewhere, host, outside, server):
    """Programs that listen at others keep the port there, whoever asks."""
    elsewhere()
    assert who(outside, HOST_IPV4, PORT, server.protocol) == ("machine", OUTSIDE_IPV4)
    assert who(outside, HOST_IPV6, PORT, server.protocol) == ("machine", OUTSIDE_IPV6)
    assert who(host, HOST_IPV4, PORT, server.protocol)[0] == "machine"
    with WhoServer(host, PORT, "host", server.protocol, ELSEWHERE_IPV4):
        assert who(outside, ELSEWHERE_IPV4, PORT, server.protocol) == ("host", OUTSIDE_IPV4)
    for address in "127.0.0.1", "::1", "192.168.105.1":
        with WhoServer(host, PORT, "host", server.protocol, address):
            assert who(host, address, PORT, server.protocol)[0] == "host", address


@pytest.mark.broker(config={"lab": ONE_ADDRESS})
def test_loopback_addresses_are_routed_for_their_own_ports_alone(broker, host):
    broker.client().acquire("lab")
    assert host.run("sysctl", "-n", "net.ipv4.conf.vmb-lab.route_localnet").stdout == "0\n"
    assert "local ::1 dev vmb-lab" not in host.ip("-6 route show table local")


LOOPBACK = {
    **CONFIG["lab"],
    "port_forwarding": [
        forward("both", IPV4) | {"external_address": "127.0.0.1"},
        forward("both", IPV6) | {"external_address": "::1"},
    ],
}


def reach_loopback(namespace, device, gateway):
    """What is sent to the loopback addresses leaves the namespace."""
    namespace.run(
        "sysctl", "-qw", *(f"net.ipv4.conf.{name}.route_localnet=1" for name in ("all", device))
    )
    namespace.ip("address delete 127.0.0.1/8 dev lo")
    namespace.ip(f"route add 127.0.0.1 via {gateway} dev {device}")


@pytest.fixture
def no_filter(host):
    host.filter_bridges("ip6", 0)


@pytest.mark.broker(config={"lab": LOOPBACK, "other": CONFIG["other"]})
def test_at_the_loopback_alone(no_filter, host, outside, server, join):
    """Only the host itself gets there, whatever others call the address that they send to."""
    stranger, neighbour = join("other"), join("lab")
    assert who(host, "127.0.0.1", PORT, server.protocol) == ("machine", "192.168.105.1")
    assert who(host, "::1", PORT, server.protocol) == ("machine", "fd12:3456:789a:5::1")
    for address in HOST_IPV4, HOST_IPV6:
        assert nobody(outside, address, PORT, server.protocol), address
        with WhoServer(host, PORT, "host", server.protocol, address):
            assert who(outside, address, PORT, server.protocol)[0] == "host", address
    for namespace, device, gateway in (
        (outside, UPLINK, HOST_IPV4),
        (stranger, "eth0", "192.168.106.1"),
        (neighbour, "eth0", "192.168.105.1"),
    ):
        reach_loopback(namespace, device, gateway)
        assert nobody(namespace, "127.0.0.1", PORT, server.protocol), gateway


@pytest.mark.broker(
    config={
        "lab": {
            **CONFIG["lab"],
            "port_forwarding": [
                forward("both", IPV4) | {"external_port": "8000-8010"},
                forward("both", IPV6) | {"external_port": "8000-8010", "internal_port": "20-30"},
                {
                    "protocol": "both",
                    "external_port": "21-22",
                    "internal_address": IPV4,
                },
            ],
        }
    }
)
def test_ports_in_a_row(server, outside):
    """Each leads to its own: the first to 22 by IPv4, where 20 is the first by IPv6."""
    assert who(outside, HOST_IPV4, 8000, server.protocol) == ("machine", OUTSIDE_IPV4)
    assert who(outside, HOST_IPV6, 8002, server.protocol) == ("machine", OUTSIDE_IPV6)
    assert who(outside, HOST_IPV4, 22, server.protocol) == ("machine", OUTSIDE_IPV4)
    for port, ipv4, ipv6 in (7999, False, False), (8010, 32, 30), (8011, False, False):
        for address, internal in (HOST_IPV4, ipv4), (HOST_IPV6, ipv6):
            with WhoServer(server, internal or port, "last", server.protocol):
                answer = who(outside, address, port, server.protocol, timeout=1)
                assert (answer or [None])[0] == ("last" if internal else None), (address, port)


@pytest.mark.broker(
    config={
        "lab": {
            **CONFIG["lab"],
            "port_forwarding": [
                forward("both", IPV4) | {"external_address": HOST_IPV4, "external_port": 53}
            ],
        },
        "other": CONFIG["other"],
    }
)
def test_a_name_server_beside_the_hosts_own(broker, host, outside, make_machine, plug_in):
    """One at 127.0.0.53 as systemd-resolved's, and one of a network that was there before."""
    other = plug_in("other")
    other.dhcp()
    client = broker.client()
    for protocol in "tcp", "udp":
        with WhoServer(host, 53, "resolver", protocol, "127.0.0.53"):
            client.acquire("lab")
            machine = make_machine(client.attach("lab", macAddress=MAC))
            machine.dhcp()
            with WhoServer(machine, 22, "machine", protocol):
                assert who(outside, HOST_IPV4, 53, protocol) == ("machine", OUTSIDE_IPV4)
                assert who(host, "127.0.0.53", 53, protocol)[0] == "resolver"
            assert "192.168.106.1" in other.resolve("gateway")
            machine.kill()
            client.release("lab")


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.broker(config=CONFIG | {"lab": ONE_ADDRESS})
def test_a_port_that_is_taken_at_the_same_address(broker, host, protocol):
    client = broker.client()
    for address in "::", "0.0.0.0", HOST_IPV4, HOST_IPV6:
        with WhoServer(host, PORT, "host", protocol, address):
            with pytest.raises(VarlinkError, match=f"{protocol} port {PORT} is in use "):
                client.acquire("lab")
    for address in "127.0.0.1", "::1":
        with WhoServer(host, PORT, "host", protocol, address):
            client.acquire("lab")
            client.release("lab")


@pytest.mark.broker(
    config={
        "lab": {
            **CONFIG["lab"],
            "port_forwarding": [forward("tcp", IPV4) | {"external_address": ELSEWHERE_IPV4}],
        }
    }
)
def test_an_address_that_the_host_does_not_have(broker, elsewhere):
    client = broker.client()
    with pytest.raises(VarlinkError) as caught:
        client.acquire("lab")
    assert caught.value.parameters["reason"] == (
        f'"external_address" {ELSEWHERE_IPV4} is no address of this host; choose one that '
        '"ip address" lists, or remove it for all of them'
    )
    elsewhere()
    assert client.acquire("lab")


@pytest.mark.broker(config={"lab": LOOPBACK})
def test_ipv6_loopback_alone_where_bridges_filter(broker, host):
    need_filtered_bridges(host, "ip6")
    client = broker.client()
    with pytest.raises(VarlinkError, match="::1 cannot be had where br_netfilter filters bridges"):
        client.acquire("lab")
    host.filter_bridges("ip6", 0)
    assert client.acquire("lab")


class Sender:
    """Sends to a port all the time, from one port of its own."""

    def __init__(self, namespace, address, port):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with namespace.entered():
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.connect((address, port))
        self._socket.settimeout(0.05)

    def hears(self, name):
        """Whether who has the name answers by now."""
        try:
            self._socket.send(b"who?")
            return self._socket.recv(256).decode().split()[0] == name
        except OSError:
            return False

    def close(self):
        self._socket.close()


@pytest.mark.parametrize("address", [HOST_IPV4, HOST_IPV6])
def test_a_sender_that_began_before(broker, host, outside, make_machine, address):
    """Who sends by UDP without a pause is led to the machine, and to the host again."""
    client = broker.client()
    client.acquire("other")  # connections are tracked for as long as rules ask for it
    senders = [Sender(outside, address, PORT), Sender(host, address, PORT)]
    bystander = Sender(outside, address, PORT + 1)
    with WhoServer(host, PORT + 1, "host", "udp"):
        for sender in senders:
            with WhoServer(host, PORT, "host", "udp"):
                wait_for(lambda sender=sender: sender.hears("host"))
        wait_for(lambda: bystander.hears("host"))
        client.acquire("lab")
        machine = make_machine(client.attach("lab", macAddress=MAC))
        machine.dhcp()
        machine.ipv6_address()
        with WhoServer(machine, 22, "machine", "udp"):
            for sender in senders:
                wait_for(lambda sender=sender: sender.hears("machine"))
            assert bystander.hears("host")
    machine.kill()
    client.release("lab")
    broker.wait_for_log('network "lab": removed')
    with WhoServer(host, PORT, "host", "udp"):
        for sender in senders:
            wait_for(lambda sender=sender: sender.hears("host"))
            sender.close()
    bystander.close()


def test_a_connection_ends_with_its_forwarding(broker, outside, make_machine):
    """The host says so at once: without it what the client sends would go nowhere for hours."""
    client = broker.client()
    client.acquire("other")  # as above
    client.acquire("lab")
    machine = make_machine(client.attach("lab", macAddress=MAC))
    machine.dhcp()
    with machine.entered():
        listener = socket.create_server(("", 22))
    with listener:
        with outside.entered():
            connection = socket.create_connection((HOST_IPV4, PORT), timeout=5)
        with connection, listener.accept()[0]:
            machine.kill()
            client.release("lab")
            broker.wait_for_log('network "lab": removed')
            connection.send(b"still there?")
            with pytest.raises(ConnectionResetError):
                connection.recv(1)

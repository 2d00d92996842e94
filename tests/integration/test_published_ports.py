# SPDX-License-Identifier: Apache-2.0
"""Ports of the host that a machine is attached with: asked for by its user, there for its life."""

import os
import re
import socket

import pytest

from support.echo import WhoServer, nobody, who
from support.host import HOST_IPV4, HOST_IPV6, OUTSIDE_IPV4, OUTSIDE_IPV6, UPLINK
from support.need import need_filtered_bridges
from support.varlink import VarlinkError
from support.wait import wait_for

USER = 65534
PREFIX = "fd12:3456:789a:60::"
CONFIG = {
    "lab": {
        "mode": "shared",
        "subnet": "192.168.160.0/24",
        "ipv6_prefix": f"{PREFIX}/64",
        "external_interface": UPLINK,
        "port_forwarding": [
            {"protocol": "tcp", "external_port": 2222, "internal_address": "192.168.160.10"}
        ],
    },
    "plain": {
        "mode": "shared",
        "subnet": "192.168.161.0/24",
        "ipv6_prefix": "fd12:3456:789a:61::/64",
    },
    "low": {"mode": "shared", "allow_port_forwarding": {"from_port": 80}},
    "loopback": {"mode": "shared", "allow_port_forwarding": {"addresses": "loopback"}},
    "none": {"mode": "shared", "allow_port_forwarding": {"addresses": "none"}},
    "closed": {"mode": "host"},
    "static": {"mode": "shared", "dhcp": False, "router_advertisement": False},
    "later": {
        "mode": "shared",
        "subnet": "192.168.162.0/24",
        "port_forwarding": [
            {"protocol": "udp", "external_port": "3000-3010", "internal_address": "192.168.162.9"}
        ],
    },
}

pytestmark = pytest.mark.broker(config=CONFIG)


def port(external, internal=None, protocol="tcp", **others):
    wanted = {"protocol": protocol, "externalPort": external, "internalPort": internal, **others}
    return {key: value for key, value in wanted.items() if value is not None}


@pytest.fixture
def start(broker, make_machine):
    """Makes a machine of an unprivileged user with these ports: start("lab", port(8080, 80))."""

    def make(network, *ports, uid=USER, **options):
        client = broker.client(uid=uid)
        client.acquire(network)
        attachment = client.attach(network, portForwarding=[*ports], **options)
        machine = make_machine(attachment)
        machine.told = attachment.interface
        return machine

    return make


@pytest.fixture
def refused(broker):
    """What a user is told who asks for these ports, and that nothing is left of it."""

    def ask(network, *ports, uid=USER, **options):
        client = broker.client(uid=uid)
        client.acquire(network)
        before = len(client.inspect(network)["interfaces"])
        with pytest.raises(VarlinkError) as refusal:
            client.attach(network, portForwarding=[*ports], **options)
        assert refusal.value.error.endswith(".ParameterRefused")
        assert refusal.value.parameters["parameter"] == "portForwarding"
        assert len(client.inspect(network)["interfaces"]) == before
        client.close()
        return refusal.value.parameters["reason"]

    return ask


def rules(host):
    return host.run("nft", "list", "table", "inet", "vmnet-broker.networks").stdout


@pytest.mark.parametrize("network", ["lab", "plain"])
def test_for_the_life_of_the_machine(broker, host, outside, join, start, network):
    """On a network with forwarded ports of its own, and without any; over the broker's death."""
    host.filter_bridges("ip6", 0)
    neighbour = join(network)
    neighbour.ipv6_address()
    server = start(
        network,
        port(8080, 80),
        port(8080, 80, externalAddress="::"),
        port(9000, 9100, "udp", count=10),
        port(2022, 22, externalAddress="127.0.0.1"),
        port(2022, 22, externalAddress="::1"),
    )
    told = server.told
    server.dhcp()
    assert server.address == told["ipv4Address"]
    assert server.ipv6_address() == told["ipv6Address"]
    assert [entry["internalAddress"] for entry in told["portForwarding"]] == [
        told[f"{family}Address"] for family in ("ipv4", "ipv6", "ipv4", "ipv4", "ipv6")
    ]
    gateway = server.lease["router"]

    def works():
        with WhoServer(server, 80, "machine"), WhoServer(server, 22, "machine"):
            assert who(outside, HOST_IPV4, 8080) == ("machine", OUTSIDE_IPV4)
            assert who(outside, HOST_IPV6, 8080) == ("machine", OUTSIDE_IPV6)
            assert who(host, "127.0.0.1", 8080) == ("machine", gateway)
            assert who(neighbour, HOST_IPV4, 8080) == ("machine", gateway)
            assert who(neighbour, HOST_IPV6, 8080)
            assert who(host, "127.0.0.1", 2022) == ("machine", gateway)
            assert who(host, "::1", 2022)
            assert nobody(outside, HOST_IPV4, 2022)
        with WhoServer(server, 9109, "last", "udp"):
            assert who(outside, HOST_IPV4, 9009, "udp") == ("last", OUTSIDE_IPV4)

    works()
    other = start(network, port(8081, 80))
    works()
    broker.restart()
    broker.wait_for_log(f'network "{network}": adopted')
    works()
    assert broker.inspect(network)["interfaces"][0]["portForwarding"]
    with broker.client() as client:  # the rules are what they are to be, once it has looked
        client.acquire(network)
        again = start(network, port(8082, 80))
    works()
    for machine in other, again:
        machine.end(broker, network)
    works()
    server.end(broker, network)
    wait_for(lambda: "8080" not in rules(host), what="the ports' end")
    for address in HOST_IPV4, HOST_IPV6:
        with WhoServer(host, 8080, "host"):
            assert who(outside, address, 8080)[0] == "host", address
    setting = f"net.ipv4.conf.vmb-{network}.route_localnet"
    left = {"lab": "1\n", "plain": "0\n"}[network]
    wait_for(lambda: host.run("sysctl", "-n", setting).stdout == left, what=setting)
    wait_for(
        lambda: f"local ::1 dev vmb-{network}" not in host.ip("-6 route show table local"),
        what="the end of the route to ::1",
    )
    assert not [name for name in os.listdir(broker.runtime_dir) if name.endswith(".interface")]


def test_udp_without_a_pause_is_led_anew(host, outside, start, broker):
    """Whoever sends all the time is heard by who has the port now."""
    with outside.entered():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sender:
        sender.settimeout(0.2)
        sender.connect((HOST_IPV4, 5000))

        def answer():
            sender.send(b"who?")
            try:
                return sender.recv(256).split()[0]
            except OSError:
                return None

        with WhoServer(host, 5000, "host", "udp"):
            assert answer() == b"host"
        for name, away in ("first", False), ("second", True), ("third", False):
            machine = start("plain", port(5000, protocol="udp"))
            machine.dhcp()
            with WhoServer(machine, 5000, name, "udp"):
                wait_for(lambda: answer() == name.encode(), what=name)
            if away:  # the broker, while it ends
                broker.kill()
                machine.kill()
                broker.start()
            else:
                machine.end(broker, "plain")


def test_refusals(broker, host, start, refused, join):
    web = start("plain", port(8080, 80), name="web")
    device = web.told["device"]
    for network, ports, reason in (
        (
            "plain",
            [port(8080)],
            f'tcp port 8080 cannot be had: machine "web" of network "plain" (device {device}, user '
            "65534) has it; stop that one or choose another port of the host",
        ),
        (
            "lab",
            [port(8078, count=5)],
            f'tcp port 8080 cannot be had: machine "web" of network "plain" (device {device}, user '
            "65534) has it; stop that one or choose another port of the host",
        ),
        (
            "plain",
            [port(2222, protocol="both")],
            'tcp port 2222 cannot be had: "port_forwarding" of network "lab" has it; choose '
            "another port of the host",
        ),
        (
            "plain",
            [port(3005, protocol="udp", count=100)],
            'udp ports 3005-3010 cannot be had: "port_forwarding" of network "later" has them; '
            "choose another port of the host",
        ),
        (
            "plain",
            [port(4000), port(4000, externalAddress=HOST_IPV4)],
            f"tcp port 4000 at {HOST_IPV4} cannot be had twice; remove one of both",
        ),
        (
            "plain",
            [port(80)],
            'tcp port 80 cannot be had but by root: "from_port" in "allow_port_forwarding" of '
            'network "plain" is 1024; choose a port from there on',
        ),
        (
            "low",
            [port(79, count=2)],
            'tcp ports 79-80 cannot be had but by root: "from_port" in "allow_port_forwarding" of '
            'network "low" is 80; choose a port from there on',
        ),
        (
            "loopback",
            [port(4000)],
            'tcp port 4000 cannot be had but by root: "addresses" in "allow_port_forwarding" of '
            'network "loopback" is "loopback"; choose 127.0.0.1',
        ),
        (
            "loopback",
            [port(4000, externalAddress="::")],
            'tcp port 4000 (IPv6) cannot be had but by root: "addresses" in '
            '"allow_port_forwarding" of network "loopback" is "loopback"; choose ::1',
        ),
        (
            "none",
            [port(4000, externalAddress="127.0.0.1")],
            'tcp port 4000 at 127.0.0.1 cannot be had but by root: "addresses" in '
            '"allow_port_forwarding" of network "none" is "none"',
        ),
        (
            "closed",
            [port(4000)],
            'forwarded ports make no sense on network "closed", a "host" network, which has no '
            'way to the outside; choose a "shared" one',
        ),
        (
            "static",
            [port(4000)],
            'network "static" gives its machines no IPv4 addresses that ports could lead to',
        ),
        (
            "static",
            [port(4000, externalAddress="::1")],
            'network "static" gives its machines no IPv6 addresses that ports could lead to',
        ),
        (
            "plain",
            [port(4000, externalAddress="224.0.0.1")],
            "224.0.0.1 is many hosts'; choose one address of the host, or none for all of them",
        ),
        (
            "plain",
            [port(4000, externalAddress="198.51.100.99")],
            '198.51.100.99 is no address of this host; choose one that "ip address" lists, or '
            "remove it for all of them",
        ),
        (
            "plain",
            [port(4000 + index) for index in range(33)],
            "an interface has 32 entries of forwarded ports at the most, not 33; give ports in a "
            "row as one",
        ),
    ):
        assert refused(network, *ports) == reason
    elsewhere = port(4000, internalAddress="192.168.161.9")
    assert refused("plain", elsewhere, ipv4Address="192.168.161.8") == (
        "ports lead to the interface's own address, 192.168.161.8, and not to 192.168.161.9; "
        "leave that out, or ask for it as the interface's"
    )
    # Root is not bound, but by what others have.
    assert "has it" in refused("none", port(8080), uid=0)
    start("none", port(80), uid=0)
    start("low", port(81))
    start("loopback", port(4001, externalAddress="127.0.0.1"))
    start("plain", port(4000, internalAddress="192.168.161.8"), ipv4Address="192.168.161.8")


def test_for_neighbours_where_bridges_filter(host, join, start):
    """They reach the port at the host's addresses, whoever was there first."""
    need_filtered_bridges(host, "ip", "ip6")
    before = join("plain")
    machine = start("plain", port(8080, 80), port(8080, 80, externalAddress="::"))
    machine.dhcp()
    machine.ipv6_address()
    after = join("plain")
    with WhoServer(machine, 80, "machine"):
        for neighbour in before, after:
            neighbour.ipv6_address()
            for address in HOST_IPV4, HOST_IPV6:
                assert who(neighbour, address, 8080)[0] == "machine", address


@pytest.mark.parametrize("address", ["::", "127.0.0.1"])
def test_a_port_that_is_listened_on(broker, host, outside, start, refused, address):
    at, other = ("", "") if address == "::" else (" at 127.0.0.1", ", or another of its addresses")
    working = start("plain", port(8080, 80))
    working.dhcp()
    with WhoServer(host, 4000, "host", "tcp", address):
        reason = refused("plain", port(4000))
        match = re.fullmatch(
            rf"tcp port 4000 is in use{at} by (.*); choose another port of the host{other}", reason
        )
        assert match, reason
        # An unprivileged broker cannot see whose sockets are whose.
        assert match[1] == "a program of user 0" or match[1].endswith(f" (pid {os.getpid()})")
        assert "4000" not in rules(host)
        # What others have is theirs, whoever listens there by now.
        with WhoServer(host, 8080, "host"), WhoServer(working, 80, "machine"):
            start("plain", port(4001))
            assert who(outside, HOST_IPV4, 8080) == ("machine", OUTSIDE_IPV4)
    start("plain", port(4000))


def test_the_file_comes_later(broker, start):
    """A machine's ports stay its own; the network that would have them is told whose they are."""
    machine = start("plain", port(7000))
    device = machine.told["device"]
    forwarding = {"protocol": "tcp", "external_port": 7000, "internal_address": "192.168.163.9"}
    new = {"mode": "shared", "subnet": "192.168.163.0/24", "port_forwarding": [forwarding]}
    broker.configure(CONFIG | {"new": new})
    client = broker.client()
    client.call("Reload")
    with pytest.raises(VarlinkError) as refusal:
        client.acquire("new")
    assert refusal.value.name == "CreateFailed"
    assert refusal.value.parameters["reason"] == (
        f'tcp port 7000 leads to machine {machine.mac_address} of network "plain" (device '
        f"{device}, user 65534), which has asked for it; stop that one or choose another "
        '"external_port"'
    )
    machine.end(broker, "plain")
    client.acquire("new")

# SPDX-License-Identifier: Apache-2.0
"""Bridged networks: machines on a network that was there before, and is none of the broker's."""

import re

import pytest

from support.advertisement import solicit
from support.dhcp import DhcpClient
from support.echo import WhoServer, nobody, who
from support.namespace import Namespace

BRIDGE = "br0"
SERVER, SUBNET, PREFIX = "10.77.0.1", "10.77.0.", "fd00:77::"
CONFIG = {
    "office": {"mode": "bridged", "external_interface": BRIDGE},
    "guests": {"mode": "bridged", "external_interface": BRIDGE, "isolated": True},
}
MAC = "52:54:00:00:00:0a"

pytestmark = pytest.mark.broker(config=CONFIG)


@pytest.fixture
def office(host):
    """The physical network: a bridge of the host's, and behind its port a server with DHCP."""
    server = Namespace("office")
    host.ip(f"link add {BRIDGE} type bridge")
    # The host itself has no address there, and takes none.
    host.run("sysctl", "-qw", f"net.ipv6.conf.{BRIDGE}.disable_ipv6=1")
    host.ip(f"link set {BRIDGE} up")
    host.ip(f"link add port0 type veth peer name eth0 netns {server.pid}")
    host.ip(f"link set port0 addrgenmode none master {BRIDGE} up")
    # It hears its own advertisements, and would have a second address of them.
    server.run("sysctl", "-qw", "net.ipv6.conf.eth0.accept_ra=0")
    server.ip(f"address add {SERVER}/24 dev eth0")
    server.ip(f"address add {PREFIX}1/64 dev eth0 nodad")
    server.ip("link set eth0 up")
    server.dhcp = server.serve_addresses(f"{SUBNET}10,{SUBNET}99,1h", f"{PREFIX},ra-only")
    host.settle(BRIDGE)
    server.settle("eth0", f"{PREFIX}1")
    yield server
    server.close()


def bridge(host):
    """All of the bridge and its own port, but what changes by itself or follows from its ports."""
    found = {}
    for name in BRIDGE, "port0":
        device = host.device(name)
        link = device.pop("linkinfo")
        for part in device, link.get("info_data", {}), link.get("info_slave_data", {}):
            found.update((f"{name} {key}", value) for key, value in part.items())
    passing = re.compile("timer|tso_max|learned")
    return {key: value for key, value in found.items() if not passing.search(key)}


def test_machines_are_part_of_the_physical_network(office, host, join):
    machine, neighbour = join("office", macAddress=MAC), join("office")
    assert machine.lease["serverid"] == SERVER
    assert machine.address.startswith(SUBNET)
    assert machine.ipv6_address() == f"{PREFIX}5054:ff:fe00:a"
    with WhoServer(office, 80, "office"), WhoServer(machine, 80, "machine"):
        assert who(machine, SERVER, 80) == ("office", machine.address)
        assert who(machine, f"{PREFIX}1", 80) == ("office", machine.ipv6_address())
        assert who(office, machine.address, 80) == ("machine", SERVER)
        assert who(office, machine.ipv6_address(), 80) == ("machine", f"{PREFIX}1")
        assert who(neighbour, machine.address, 80) == ("machine", neighbour.address)
    # They are known by their own MAC addresses there.
    assert MAC in office.ip(f"neighbour show {machine.address}")


def test_isolated_machines_reach_the_physical_network_alone(office, join):
    machine, neighbour = join("guests"), join("guests")
    with WhoServer(office, 80, "office"), WhoServer(neighbour, 80, "neighbour"):
        assert who(machine, SERVER, 80) == ("office", machine.address)
        assert nobody(machine, neighbour.address, 80)
        assert who(office, neighbour.address, 80) == ("neighbour", SERVER)


def test_nothing_of_ours_is_on_it(office, host, broker, join):
    before, around = bridge(host), host.snapshot([broker.pid])
    machine = join("office")
    assert bridge(host) == before
    during = host.snapshot([broker.pid])
    for section in "nftables", "rules", "processes":
        assert during[section] == around[section], section
    assert [name for name in host.links() if name.startswith("vmb-")] == []
    assert broker.inspect("office").get("roguePackets") is None
    machine.kill()
    machine.client.close()
    broker.wait_until_clean()
    assert bridge(host) == before


def test_machines_may_serve_there(office, plug_in):
    """Who may do what is decided by the physical network."""
    office.dhcp.terminate()
    office.dhcp.wait()
    server, machine = plug_in("office"), plug_in("office")
    server.ip(f"address add {SUBNET}2/24 dev eth0")
    server.ip("address add fd00:88::1/64 dev eth0 nodad")
    server.serve_addresses(f"{SUBNET}200,{SUBNET}210,1h", "fd00:88::,ra-only")
    with DhcpClient(machine) as client:
        assert client.get(bytes.fromhex(machine.mac_address.replace(":", ""))).startswith(SUBNET)
    assert machine.ipv6_address().startswith("fd00:88:")
    assert solicit(machine).prefixes == ["fd00:88::/64"]


def test_machines_stay_on_it_when_the_broker_dies(office, broker, join):
    machine = join("office")
    broker.kill()
    assert machine.ping(SERVER)
    broker.start()
    assert len(broker.inspect("office")["interfaces"]) == 1
    assert machine.ping(SERVER)

# SPDX-License-Identifier: Apache-2.0
"""IPv6: what a machine is told, makes of it, and reaches by it, also when it has nothing else."""

import ipaddress
import json

import pytest

from support.advertisement import advertise, solicit
from support.echo import WhoServer, nobody, who
from support.host import HOST_IPV4, HOST_IPV6, SERVER_IPV4, SERVER_IPV6, SERVER_NAME
from support.wait import wait_for

CONFIG = {
    "lab": {"mode": "shared", "ipv6_prefix": "fd12:3456:789a:5::/64", "mtu": 1400},
    "random": {"mode": "shared"},
    "another": {"mode": "shared"},
    "closed": {"mode": "host", "ipv6_prefix": "fd12:3456:789a:7::/64"},
    "nameless": {"mode": "shared", "ipv6_prefix": "fd12:3456:789a:8::/64", "dns_proxy": False},
    "silent": {
        "mode": "shared",
        "ipv6_prefix": "fd12:3456:789a:9::/64",
        "router_advertisement": False,
    },
    "without-nat44": {
        "mode": "shared",
        "subnet": "192.168.110.0/24",
        "ipv6_prefix": "fd12:3456:789a:a::/64",
        "nat44": False,
    },
    "without-nat66": {"mode": "shared", "ipv6_prefix": "fd12:3456:789a:b::/64", "nat66": False},
}

pytestmark = pytest.mark.broker(config=CONFIG)
MAC = "52:54:00:00:00:0a"


def default_routes(machine):
    routes = json.loads(machine.ip("-6 -j route show default") or "[]")
    return [(route["gateway"], route["protocol"]) for route in routes if "gateway" in route]


def test_what_is_advertised(plug_in):
    machine = plug_in("lab", macAddress=MAC)
    told = solicit(machine)
    assert told.router == "fe80::1"
    assert told.lifetime > 0
    assert told.prefixes == ["fd12:3456:789a:5::/64"]
    assert told.mtu == 1400
    assert told.dns_servers == ["fd12:3456:789a:5::1"]
    assert machine.ipv6_address() == "fd12:3456:789a:5:5054:ff:fe00:a"
    assert default_routes(machine) == [("fe80::1", "ra")]


def test_no_advertisement_gets_out(host, plug_in):
    """As dnsmasq would send it to all the host's networks when its bridge has been removed."""
    message = bytearray(solicit(plug_in("closed")).message)
    message[19] = 0  # nobody makes an address of it
    with pytest.raises(PermissionError):
        advertise(host, message)
    message[39] ^= 1  # another prefix's: somebody else's
    advertise(host, message)


def test_a_host_network_advertises_no_router(plug_in):
    machine = plug_in("closed")
    assert solicit(machine).lifetime == 0
    assert machine.ipv6_address()
    assert machine.ping("fd12:3456:789a:7::1")
    assert default_routes(machine) == []


def test_without_dns_no_server_is_advertised(plug_in):
    assert solicit(plug_in("nameless")).dns_servers == []


def test_without_advertisements_addresses_work_all_the_same(outside, plug_in):
    machine = plug_in("silent")
    assert solicit(machine, tries=3) is None
    machine.ip("address add fd12:3456:789a:9::5/64 dev eth0 nodad")
    machine.ip("-6 route add default via fe80::1 dev eth0")
    with WhoServer(outside, 80, "outside"):
        assert who(machine, SERVER_IPV6, 80) == ("outside", HOST_IPV6)


def test_a_machine_with_ipv6_only(host, outside, plug_in):
    outside.start_dns()
    machine, neighbour = plug_in("lab"), plug_in("lab")
    for each in machine, neighbour:
        each.ipv6_address()
        assert "inet " not in each.ip("-4 address show dev eth0")
    assert machine.ping("fe80::1%eth0")
    with WhoServer(host, 80, "host"):
        assert who(machine, "fd12:3456:789a:5::1", 80) == ("host", machine.ipv6_address())
        assert who(machine, HOST_IPV6, 80) == ("host", machine.ipv6_address())
    with WhoServer(machine, 80, "machine"):
        answer = ("machine", neighbour.ipv6_address())
        assert who(neighbour, machine.ipv6_address(), 80) == answer
        assert who(host, machine.ipv6_address(), 80)
        assert nobody(outside, machine.ipv6_address(), 80)
    with WhoServer(outside, 80, "outside"):
        assert who(machine, SERVER_IPV6, 80) == ("outside", HOST_IPV6)
    server = solicit(machine).dns_servers[0]
    machine.run("tee", "/etc/resolv.conf", input=f"nameserver {server}\n")
    wait_for(lambda: SERVER_IPV6 in machine.resolve(SERVER_NAME))
    assert "fd12:3456:789a:5::1" in machine.resolve("gateway.lab.internal")


def test_a_random_prefix_is_the_networks_for_life(broker, plug_in):
    """And with it the address that a machine makes of it."""
    first = plug_in("random", macAddress=MAC)
    address = ipaddress.ip_address(first.ipv6_address())
    prefix = ipaddress.ip_network(first.client.acquire("random")["ipv6Prefix"])
    assert prefix.prefixlen == 64 and prefix.subnet_of(ipaddress.ip_network("fd00::/8"))
    assert address in prefix
    other = first.client.acquire("another")["ipv6Prefix"]
    # Ten bytes with 40 random bits: not even the same site.
    assert ipaddress.ip_network(other).supernet(new_prefix=48) != prefix.supernet(new_prefix=48)
    first.kill()
    first.client.close()
    wait_for(lambda: not broker.networks()["random"]["active"], what="its removal")
    broker.restart()
    assert plug_in("random", macAddress=MAC).ipv6_address() == str(address)


@pytest.mark.parametrize("network", ["without-nat44", "without-nat66"])
def test_one_family_without_nat(outside, join, network):
    """The other one keeps its NAT, and stays closed to the outside."""
    machine = join(network)
    address = machine.ipv6_address()
    outside.ip(f"route add {machine.address}/32 via {HOST_IPV4}")
    outside.ip(f"-6 route add {address}/128 via {HOST_IPV6}")
    nat44, nat66 = network == "without-nat66", network == "without-nat44"
    with WhoServer(outside, 80, "outside"), WhoServer(machine, 80, "machine"):
        seen = HOST_IPV4 if nat44 else machine.address
        assert who(machine, SERVER_IPV4, 80) == ("outside", seen)
        assert who(machine, SERVER_IPV6, 80) == ("outside", HOST_IPV6 if nat66 else address)
        assert (who(outside, machine.address, 80) is None) == nat44
        assert (who(outside, address, 80) is None) == nat66

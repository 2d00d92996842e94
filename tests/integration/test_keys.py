# SPDX-License-Identifier: Apache-2.0
"""Keys of the configuration that need no file of their own, with real traffic.

mtu, dhcp, dns_proxy, aliases, allow, max_interfaces. (external_interface: test_uplink.py.)
"""

import grp
import pwd
import socket

import pytest

from support.echo import WhoServer, who
from support.host import HOST_IPV4, SERVER_IPV4, SERVER_IPV6, SERVER_NAME
from support.traffic import transfer
from support.varlink import VarlinkError
from support.wait import wait_for


def sends_whole(machine, address, size, tries=3):
    """Whether a packet of this size, header included, gets there and back in one piece."""
    argv = ["ping", "-c1", "-W1", "-Mdo", f"-s{size - 28}", address]
    return any(machine.run(*argv, check=False).returncode == 0 for _ in range(tries))


MTU = {
    "narrow": {"mode": "shared", "mtu": 1300},
    "wide": {"mode": "shared", "mtu": 9000},
    "widest": {"mode": "host", "mtu": 65535},
}
LARGEST = 65521  # of a TAP device


@pytest.mark.broker(config=MTU)
@pytest.mark.parametrize("network", MTU)
def test_mtu(join, network):
    mtu = min(MTU[network]["mtu"], LARGEST)
    machine, neighbour = join(network), join(network)
    assert machine.client.networks()[network]["mtu"] == mtu
    assert neighbour.run("cat", "/sys/class/net/eth0/mtu").stdout == f"{mtu}\n"
    for address in neighbour.address, machine.lease["serverid"]:
        assert sends_whole(machine, address, mtu)
    assert transfer(machine, neighbour, neighbour.address)
    # One that takes itself for larger than the network gets no further than that.
    machine.ip(f"link set eth0 mtu {LARGEST}")
    if mtu < LARGEST:
        assert not sends_whole(machine, neighbour.address, mtu + 1, tries=1)


@pytest.mark.broker(config=MTU)
@pytest.mark.parametrize("network", ["narrow", "wide"])
def test_mtu_and_the_outside(outside, join, network):
    """Which has another one."""
    machine = join(network)
    machine.ipv6_address()
    assert transfer(machine, outside, SERVER_IPV4)
    assert transfer(machine, outside, SERVER_IPV6)


def is_served(machine, address, port):
    """Whether something takes connections there."""
    with machine.entered():
        client = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    with client:
        client.settimeout(2)
        return client.connect_ex((address, port)) == 0


SERVICES = {
    "lab": {"mode": "shared", "subnet": "192.168.105.0/24"},
    "nameless": {"mode": "shared", "subnet": "192.168.106.0/24", "dns_proxy": False},
    "static": {"mode": "shared", "subnet": "192.168.107.0/24", "dhcp": False},
    "bare": {
        "mode": "shared",
        "subnet": "192.168.108.0/24",
        "dhcp": False,
        "dns_proxy": False,
        "router_advertisement": False,
    },
}


@pytest.mark.broker(config=SERVICES)
def test_dns_proxy(outside, join):
    assert is_served(join("lab"), "192.168.105.1", 53)
    machine = join("nameless")
    assert not is_served(machine, "192.168.106.1", 53)
    with WhoServer(outside, 80, "outside"):
        assert who(machine, SERVER_IPV4, 80) == ("outside", HOST_IPV4)


@pytest.mark.broker(config=SERVICES)
def test_dhcp(outside, plug_in):
    """A machine that has an address of its own has all the rest."""
    outside.start_dns()
    machine = plug_in("static")
    machine.ip("address add 192.168.107.77/24 dev eth0")
    machine.ip("route add default via 192.168.107.1")
    machine.run("tee", "/etc/resolv.conf", input="nameserver 192.168.107.1\n")
    wait_for(lambda: SERVER_IPV4 in machine.resolve(SERVER_NAME))
    assert "192.168.107.1" in machine.resolve("gateway.static.internal")
    with WhoServer(outside, 80, "outside"):
        assert who(machine, SERVER_IPV4, 80) == ("outside", HOST_IPV4)


@pytest.mark.broker(config=SERVICES)
def test_no_service_at_all(host, outside, plug_in):
    machine = plug_in("bare")
    assert "dnsmasq" not in host.snapshot()["processes"]
    machine.ip("address add 192.168.108.77/24 dev eth0")
    machine.ip("route add default via 192.168.108.1")
    with WhoServer(outside, 80, "outside"):
        assert who(machine, SERVER_IPV4, 80) == ("outside", HOST_IPV4)


ALIASES = {"lab": {"mode": "host", "aliases": ["shared", "nat.1"]}}


@pytest.mark.broker(config=ALIASES)
def test_aliases(broker, join):
    first, second = join("lab"), join("nat.1")
    assert second.client.acquire("shared")["name"] == "lab"
    assert first.ping(second.address)
    assert [*broker.networks()] == ["lab"]
    assert len(broker.inspect("shared")["interfaces"]) == 2
    second.client.release("shared")
    assert broker.networks()["lab"]["clients"] == 1


ALLOW = {
    "users": {"mode": "host", "allow": {"users": ["daemon", 12345]}},
    "group": {"mode": "host", "allow": {"groups": ["games"]}},
    "mine": {"mode": "host", "allow": {}},
    "open": {"mode": "host"},
}


@pytest.mark.broker(config=ALLOW)
def test_allow(broker):
    """By name and by number; by the first group and by any other; and root."""
    daemon, games = pwd.getpwnam("daemon").pw_uid, grp.getgrnam("games").gr_gid
    for who_asks, expected in (
        ({"uid": daemon}, {"users", "open"}),
        ({"uid": 12345}, {"users", "open"}),
        ({"uid": 12346}, {"open"}),
        ({"uid": 12346, "gid": games}, {"group", "open"}),
        ({"uid": 12346, "groups": [7777, games]}, {"group", "open"}),
        # A group is no user, and a user is no group.
        ({"uid": games, "gid": 1}, {"open"} | ({"users"} if games == daemon else set())),
        ({"uid": 0}, {*ALLOW}),
    ):
        client = broker.client(**who_asks)
        assert {*client.networks()} == expected, who_asks
        for network in ALLOW:
            if network in expected:
                assert client.acquire(network)["name"] == network
                continue
            for ask in client.acquire, client.inspect, client.attach:
                with pytest.raises(VarlinkError) as refused:
                    ask(network)
                assert refused.value.name == "NotAllowed", (who_asks, network)
        client.close()


@pytest.mark.broker(config={"lab": {"mode": "host", "max_interfaces": 2}})
def test_max_interfaces(broker, join):
    """All machines of a network count, whoever's they are, and those that are there now."""
    first, second = join("lab"), join("lab")
    third = broker.client(uid=12345)
    third.acquire("lab")
    with pytest.raises(VarlinkError) as refused:
        third.attach("lab")
    assert refused.value.name == "LimitExceeded"
    assert refused.value.parameters["limit"] == "max_interfaces"
    assert refused.value.parameters["value"] == 2
    second.kill()
    wait_for(lambda: third.networks()["lab"]["interfaces"] == 1, what="an interface's end")
    third.attach("lab").close()
    assert first.ping(first.lease["serverid"])

# SPDX-License-Identifier: Apache-2.0
"""external_interface: a host with two uplinks, and networks that leave by one of them."""

import json
import os

import pytest

from support.advertisement import advertise, router_advertisement
from support.echo import WhoServer, nobody, who
from support.host import (
    HOST_IPV4,
    HOST_IPV6,
    OUTSIDE_IPV4,
    OUTSIDE_IPV6,
    SERVER_IPV4,
    SERVER_IPV6,
    SERVER_NAME,
)
from support.varlink import VarlinkError
from support.wait import wait_for

HOST2_IPV4, OUTSIDE2_IPV4 = "198.51.101.2", "198.51.101.1"
HOST2_IPV6, OUTSIDE2_IPV6 = "2001:db8:3::2", "2001:db8:3::1"
# What the outside sees of a machine, by the uplink that it has come over.
FIRST, FIRST_IPV6 = ("outside", HOST_IPV4), ("outside", HOST_IPV6)
SECOND, SECOND_IPV6 = ("outside", HOST2_IPV4), ("outside", HOST2_IPV6)

MAC, MACHINE_IPV4 = "52:54:00:00:00:0a", "192.168.105.10"
MACHINE_IPV6 = "fd12:3456:789a:5:5054:ff:fe00:a"  # what a machine makes of the MAC address
CONFIG = {
    "first": {"mode": "shared", "external_interface": "eth0"},
    "second": {
        "mode": "shared",
        "external_interface": "eth1",
        "subnet": "192.168.105.0/24",
        "ipv6_prefix": "fd12:3456:789a:5::/64",
        "dhcp_reservations": [{"mac_address": MAC, "address": MACHINE_IPV4}],
        "port_forwarding": [
            {
                "protocol": "tcp",
                "external_port": 2222,
                "internal_address": address,
                "internal_port": 22,
            }
            for address in (MACHINE_IPV4, MACHINE_IPV6)
        ],
    },
    "any": {"mode": "shared", "subnet": "192.168.106.0/24"},
}


@pytest.fixture(autouse=True)
def second_uplink(host):
    """eth1, to the same outside; the host's own packets leave by eth0."""
    connect_second_uplink(host)


def connect_second_uplink(host):
    outside = host.outside
    host.ip(f"link add eth1 type veth peer name eth1 netns {outside.pid}")
    for namespace, ipv4, ipv6, link_local in (
        (host, HOST2_IPV4, HOST2_IPV6, "fe80::2"),
        (outside, OUTSIDE2_IPV4, OUTSIDE2_IPV6, "fe80::1"),
    ):
        namespace.ip(f"address add {ipv4}/24 dev eth1")
        namespace.ip(f"address add {ipv6}/64 dev eth1 nodad")
        namespace.ip(f"address add {link_local}/64 dev eth1 nodad")
        namespace.ip("link set eth1 addrgenmode none up")
    host.settle("eth1", HOST2_IPV6, "fe80::2")
    outside.settle("eth1", OUTSIDE2_IPV6)
    add_default_routes(host)


def add_default_routes(host):
    host.ip(f"route add default via {OUTSIDE2_IPV4} metric 2000")
    host.ip(f"-6 route add default via {OUTSIDE2_IPV6} metric 2000")


@pytest.fixture
def servers(outside):
    with WhoServer(outside, 80, "outside"):
        yield


pytestmark = [pytest.mark.broker(config=CONFIG), pytest.mark.usefixtures("servers")]


def ask(machine, ipv6=False):
    return who(machine, SERVER_IPV6 if ipv6 else SERVER_IPV4, 80, timeout=1)


def wait_for_answer(machine, expected, expected_ipv6):
    """The uplinks by which a machine reaches the server: None where it does not."""
    for ipv6, answer in (False, expected), (True, expected_ipv6):
        seen = []

        def is_so(ipv6=ipv6, answer=answer, seen=seen):
            seen[:] = [ask(machine, ipv6)]
            return seen == [answer]

        wait_for(is_so, what=lambda answer=answer, seen=seen: f"{answer}, not {seen}")


def policy(host):
    """Rules and routes that are the broker's, and neither the kernel's nor the host's."""
    text = ""
    for family in "-4", "-6":
        text += host.ip(f"{family} rule show pref 118")
        text += host.ip(f"{family} route show table all proto 118")
    # A bridge without machines has no carrier.
    return sorted(text.replace(" linkdown", "").splitlines())


def fault(broker, network):
    return broker.inspect(network).get("fault")


def test_traffic_leaves_by_the_uplink(join):
    first, second, free = (join(network) for network in CONFIG)
    for machine, ipv4, ipv6 in (
        (first, FIRST, FIRST_IPV6),
        (second, SECOND, SECOND_IPV6),
        (free, FIRST, FIRST_IPV6),
    ):
        machine.ipv6_address()
        wait_for_answer(machine, ipv4, ipv6)


def test_the_host_and_other_networks(host, outside, join):
    """The one can be reached as ever, the others as little, and are not looked for outside."""
    outside.start_dns()
    second, free = join("second"), join("any")
    wait_for(lambda: SERVER_IPV4 in second.resolve(SERVER_NAME))
    with WhoServer(host, 81, "host"), WhoServer(free, 81, "free"), WhoServer(outside, 81, "no"):
        outside.ip(f"address add {free.address}/32 dev lo")
        for address in "192.168.105.1", HOST_IPV4, HOST2_IPV4:
            assert who(second, address, 81) == ("host", second.address)
        assert nobody(second, free.address, 81)
        assert nobody(second, "192.168.106.1", 81)


def test_routes_are_followed(broker, host, outside, join):
    """Those that somebody adds, changes and deletes."""
    broker.check_clean = False
    machine = join("second")
    machine.ipv6_address()
    wait_for_answer(machine, SECOND, SECOND_IPV6)

    host.ip("route delete default dev eth1")
    host.ip("-6 route delete default dev eth1")
    wait_for_answer(machine, None, None)
    # A part of the outside: a VPN leads there, say.
    host.ip(f"route add {SERVER_IPV4} via {OUTSIDE2_IPV4} dev eth1")
    host.ip(f"-6 route add {SERVER_IPV6} via {OUTSIDE2_IPV6} dev eth1")
    wait_for_answer(machine, SECOND, SECOND_IPV6)
    assert nobody(machine, OUTSIDE_IPV4, 80)
    host.ip(f"route replace {SERVER_IPV4} via {OUTSIDE_IPV4} dev eth0")
    host.ip(f"-6 route replace {SERVER_IPV6} via {OUTSIDE_IPV6} dev eth0")
    wait_for_answer(machine, None, None)

    # Another gateway, as DHCP gives one.
    add_default_routes(host)
    wait_for_answer(machine, SECOND, SECOND_IPV6)
    outside.ip("address add 198.51.101.9/24 dev eth1")
    host.ip("route replace default via 198.51.101.9 dev eth1 metric 2000")
    wait_for(lambda: "default via 198.51.101.9 dev eth1 table" in "\n".join(policy(host)))
    wait_for_answer(machine, SECOND, SECOND_IPV6)

    # Over both at once.
    host.ip("route delete default dev eth1")
    host.ip("route delete default")
    host.ip(f"route add default nexthop via {OUTSIDE_IPV4} nexthop via {OUTSIDE2_IPV4}")
    wait_for_answer(machine, SECOND, SECOND_IPV6)


def test_a_router_that_advertises_itself(broker, host, outside, join):
    broker.check_clean = False
    host.ip("-6 route delete default dev eth1")
    machine = join("second")
    machine.ipv6_address()
    assert ask(machine, ipv6=True) is None
    host.run("sysctl", "-qw", "net.ipv6.conf.eth1.accept_ra=2")

    def is_router(lifetime):
        # One says it again, and so may be heard only then.
        advertise(outside, router_advertisement(lifetime), "eth1")
        return "proto ra" in host.ip("-6 route show default dev eth1")

    wait_for(lambda: is_router(1800), what="a route to the router")
    wait_for_answer(machine, SECOND, SECOND_IPV6)
    wait_for(lambda: not is_router(0), what="the end of the route")
    wait_for_answer(machine, SECOND, None)


def test_around_a_vpn(broker, host, join):
    """Whose routes are better than any default route."""
    broker.check_clean = False
    machine, free = join("first"), join("any")
    machine.ipv6_address()
    free.ipv6_address()
    for route in "0.0.0.0/1", "128.0.0.0/1":
        host.ip(f"route add {route} via {OUTSIDE2_IPV4}")
    wait_for_answer(free, SECOND, FIRST_IPV6)
    wait_for_answer(machine, FIRST, FIRST_IPV6)


def test_an_uplink_that_comes_and_goes(broker, host, join):
    broker.check_clean = False
    machine = join("second")
    machine.ipv6_address()
    wait_for_answer(machine, SECOND, SECOND_IPV6)
    assert fault(broker, "second") is None

    host.ip("link set eth1 down")
    wait_for(lambda: fault(broker, "second"))
    assert fault(broker, "second") == (
        "eth1 is down, by which alone its machines reach the outside; set it up "
        '("ip link set eth1 up")'
    )
    wait_for_answer(machine, None, None)
    host.ip("link set eth1 up")
    host.ip(f"address replace {HOST2_IPV6}/64 dev eth1 nodad")
    add_default_routes(host)
    wait_for(lambda: not fault(broker, "second"))
    wait_for_answer(machine, SECOND, SECOND_IPV6)

    host.ip("link delete eth1")
    wait_for(lambda: fault(broker, "second"))
    assert fault(broker, "second").startswith(
        "there is no eth1, by which alone its machines reach the outside"
    )
    wait_for_answer(machine, None, None)
    assert fault(broker, "first") is None
    connect_second_uplink(host)
    wait_for(lambda: not fault(broker, "second"))
    wait_for_answer(machine, SECOND, SECOND_IPV6)


def test_an_uplink_that_is_not_there_yet(broker, host, join):
    broker.check_clean = False
    host.ip("link delete eth1")
    machine = join("second")
    machine.ipv6_address()
    assert fault(broker, "second").startswith("there is no eth1")
    assert ask(machine) is None
    connect_second_uplink(host)
    wait_for_answer(machine, SECOND, SECOND_IPV6)


@pytest.mark.parametrize("check", [0, 1, 2])
def test_forwarded_ports(broker, host, outside, join, check):
    """Answers go back by the uplink that the connection came in by.

    check: rp_filter. The strict one (1) lets pass what comes in by the external_interface alone.
    """
    broker.check_clean = False
    for name in "all", "eth0", "eth1":
        host.run("sysctl", "-qw", f"net.ipv4.conf.{name}.rp_filter={check}")
    machine, neighbour = join("second", macAddress=MAC), join("second")
    assert machine.ipv6_address() == MACHINE_IPV6
    # From far away: the host's neighbour is the router.
    outside.run("sysctl", "-qw", "net.ipv4.conf.all.arp_announce=2")
    outside.ip(f"route add {HOST_IPV4} via {HOST_IPV4} dev eth0 src {SERVER_IPV4} onlink")
    outside.ip(f"route add {HOST2_IPV4} via {HOST2_IPV4} dev eth1 src {SERVER_IPV4} onlink")
    with WhoServer(machine, 22, "machine"):
        assert who(outside, HOST2_IPV4, 2222) == ("machine", SERVER_IPV4)
        assert who(outside, HOST2_IPV6, 2222) == ("machine", OUTSIDE2_IPV6)
        if check == 1:
            assert nobody(outside, HOST_IPV4, 2222)
        else:
            assert who(outside, HOST_IPV4, 2222) == ("machine", SERVER_IPV4)
        assert who(outside, HOST_IPV6, 2222) == ("machine", OUTSIDE_IPV6)
        for client, address in (neighbour, HOST_IPV4), (neighbour, HOST2_IPV4), (host, "127.0.0.1"):
            assert who(client, address, 2222) == ("machine", "192.168.105.1")
    wait_for_answer(machine, SECOND, SECOND_IPV6)


def test_everything_of_it_goes_with_the_network(broker, host):
    before = policy(host)
    assert before == []
    client = broker.client()
    client.acquire("second")
    client.acquire("first")
    during = policy(host)
    assert len([line for line in during if "lookup" in line]) == 4
    client.release("second")
    wait_for(lambda: len([line for line in policy(host) if "lookup" in line]) == 2)
    client.close()
    broker.wait_until_clean()


@pytest.mark.broker(config=CONFIG, prefix=["env", "PATH=/nonexistent"])
def test_a_network_that_cannot_be_made_leaves_nothing(broker, host):
    client = broker.client()
    with pytest.raises(VarlinkError) as raised:
        client.acquire("second")
    assert "dnsmasq" in raised.value.parameters["reason"]
    assert policy(host) == []


def test_adoption(broker, host, join):
    machine = join("second")
    machine.ipv6_address()
    before = wait_for(lambda: policy(host))
    broker.restart()
    broker.wait_for_log('network "second": adopted')
    assert policy(host) == before
    wait_for_answer(machine, SECOND, SECOND_IPV6)

    # What happens meanwhile is made up for.
    broker.kill()
    host.ip("route delete default dev eth1")
    host.ip("rule delete pref 118")
    assert ask(machine) is None
    host.ip(f"route add default via {OUTSIDE2_IPV4} metric 2000")
    broker.start()
    wait_for_answer(machine, SECOND, SECOND_IPV6)
    wait_for(lambda: policy(host) == before)


@pytest.mark.parametrize("record", ["whole", "lost"])
def test_what_an_earlier_broker_left(broker, host, record):
    client = broker.client()
    client.acquire("second")
    broker.kill()
    broker.close_clients()
    assert policy(host)
    if record == "lost":
        os.unlink(os.path.join(broker.runtime_dir, "second.json"))
        broker.configure({"other": {"mode": "host"}})
    broker.start()
    broker.wait_until_clean()


@pytest.mark.parametrize(
    "breakage",
    [
        "-4 rule delete pref 118",
        "-6 rule delete pref 118",
        "-4 route flush table {table}",
        "-6 route flush table {table}",
    ],
)
def test_what_others_take_away_comes_back(broker, host, breakage):
    client = broker.client()
    client.acquire("second")
    rules = json.loads(host.ip("-j rule show pref 118"))
    before = policy(host)
    host.ip(breakage.format(table=rules[0]["table"]))
    wait_for(lambda: policy(host) == before, what=lambda: f"{before}, not {policy(host)}")

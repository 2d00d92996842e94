# SPDX-License-Identifier: Apache-2.0
"""VPNs that lead all of the host's packets by rules and a routing table of their own."""

import json

import pytest

from support.echo import WhoServer, who
from support.host import HOST_IPV4, HOST_IPV6, SERVER_IPV4, SERVER_IPV6, SERVER_NAME
from support.wait import wait_for

VPN_IPV4, VPN_ROUTER_IPV4 = "100.64.0.2", "100.64.0.1"
VPN_IPV6, VPN_ROUTER_IPV6 = "2001:db8:64::2", "2001:db8:64::1"
# What the outside sees: by whom a packet has come out.
HOST, VPN = {("outside", HOST_IPV4), ("outside", HOST_IPV6)}, {
    ("outside", VPN_IPV4),
    ("outside", VPN_IPV6),
}
CONFIG = {
    "any": {"mode": "shared", "subnet": "192.168.105.0/24"},
    "direct": {"mode": "shared", "external_interface": "eth0", "subnet": "192.168.106.0/24"},
    "closed": {"mode": "host", "subnet": "192.168.107.0/24"},
}
NETWORKS_TABLE = "1996488704"
FIRST = 118  # where our rules stand when nobody is in their way

pytestmark = [pytest.mark.broker(config=CONFIG), pytest.mark.usefixtures("tunnel")]


@pytest.fixture
def tunnel(host, outside):
    """vpn0, by which the same outside is reached; and its server, which knows names."""
    host.ip(f"link add vpn0 type veth peer name vpn0 netns {outside.pid}")
    for namespace, ipv4, ipv6 in (
        (host, VPN_IPV4, VPN_IPV6),
        (outside, VPN_ROUTER_IPV4, VPN_ROUTER_IPV6),
    ):
        namespace.ip(f"address add {ipv4}/24 dev vpn0")
        namespace.ip(f"address add {ipv6}/64 dev vpn0 nodad")
        namespace.ip("link set vpn0 up")
    host.settle("vpn0", VPN_IPV6)
    outside.settle("vpn0", VPN_ROUTER_IPV6)
    outside.start_dns()
    with WhoServer(outside, 80, "outside"):
        yield


class Vpn:
    """A VPN's way of leading all packets to itself: rules, as their program adds them."""

    def __init__(self, host, table, rules):
        self.host, self.table, self.rules = host, table, rules

    def start(self):
        for family, router in ("-4", VPN_ROUTER_IPV4), ("-6", VPN_ROUTER_IPV6):
            self.host.ip(f"{family} route add default via {router} dev vpn0 table {self.table}")
            for rule in self.rules:
                self.host.ip(f"{family} rule add {rule}")

    def stop(self):
        for family in "-4", "-6":
            for rule in self.rules:
                self.host.ip(f"{family} rule delete {rule}")
            self.host.ip(f"{family} route flush table {self.table}")


@pytest.fixture(params=["tailscale", "wg-quick"])
def vpn(request, host):
    if request.param == "wg-quick":
        rules = "not fwmark 51820 table 51820", "table main suppress_prefixlength 0"
        return Vpn(host, 51820, rules)
    return exit_node(host)


def exit_node(host):
    marked = "priority 5210 fwmark 0x80000/0xff0000 table main"
    return Vpn(host, 52, [marked, "priority 5270 table 52"])


def ways_out(machine):
    """What the server sees of somebody, who is asked by IPv4 and by IPv6."""
    return {who(machine, SERVER_IPV4, 80, timeout=1), who(machine, SERVER_IPV6, 80, timeout=1)}


def wait_for_ways_out(machine, expected):
    wait_for(
        lambda: ways_out(machine) == expected, what=lambda: f"{expected}, not {ways_out(machine)}"
    )


def assert_served(host, machine):
    """The host and a machine reach each other, and the machine is given names of the outside."""
    gateway = machine.lease["router"]
    assert_reached(host, machine, gateway)
    assert SERVER_IPV4 in machine.resolve(SERVER_NAME)


def assert_reached(host, machine, gateway):
    ipv6 = machine.ipv6_address()
    with WhoServer(machine, 81, "machine"), WhoServer(host, 81, "host"):
        assert who(host, machine.address, 81) == ("machine", gateway)
        assert who(host, ipv6, 81)[0] == "machine"
        assert who(machine, gateway, 81) == ("host", machine.address)


def our_rules(host):
    """Our rules of both families: {what they are for: {their priorities}}."""
    found = {}
    for family in "-4", "-6":
        for rule in json.loads(host.ip(f"{family} -j rule")):
            if rule.get("protocol") == "118":
                what = rule.get("iif", rule["table"])
                found.setdefault(what, set()).add(rule["priority"])
    return found


def wait_for_rules(host, expected):
    wait_for(lambda: our_rules(host) == expected, what=lambda: f"{expected}, not {our_rules(host)}")


@pytest.mark.parametrize("first", ["vpn", "network"])
def test_all_goes_where_the_host_goes(broker, host, join, vpn, first):
    broker.check_clean = False
    host.run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1")
    if first == "vpn":
        vpn.start()
    machine, closed = join("any"), join("closed")
    machine.ipv6_address()
    if first == "network":
        wait_for_ways_out(machine, HOST)
        assert_served(host, machine)
        vpn.start()
    assert ways_out(host) == VPN
    wait_for_ways_out(machine, VPN)
    assert_served(host, machine)
    assert_reached(host, closed, "192.168.107.1")
    assert ways_out(closed) == {None}
    vpn.stop()
    wait_for_ways_out(machine, HOST)
    assert_served(host, machine)
    wait_for_rules(host, {})


@pytest.mark.parametrize("first", ["vpn", "network"])
def test_an_external_interface_is_left_by(broker, host, join, vpn, first):
    broker.check_clean = False
    if first == "vpn":
        vpn.start()
    machine = join("direct")
    machine.ipv6_address()
    wait_for_ways_out(machine, HOST)
    if first == "network":
        vpn.start()
        assert ways_out(host) == VPN
        wait_for(lambda: max(our_rules(host)["vmb-direct"]) < first_rule(host))
    wait_for_ways_out(machine, HOST)
    assert_served(host, machine)
    vpn.stop()
    wait_for_rules(host, {"vmb-direct": {FIRST}})
    wait_for_ways_out(machine, HOST)
    assert_served(host, machine)


def first_rule(host):
    """The priority of the first rule that is neither ours nor the kernel's."""
    rules = [rule for family in ("-4", "-6") for rule in json.loads(host.ip(f"{family} -j rule"))]
    return min(r["priority"] for r in rules if r.get("protocol") != "118" and r["priority"] > 0)


def test_rules_go_with_the_last_network(broker, host):
    exit_node(host).start()
    broker.check_clean = False
    one, other = broker.client(), broker.client()
    one.acquire("any")
    other.acquire("closed")
    wait_for_rules(host, {NETWORKS_TABLE: {FIRST}})
    one.close()
    wait_for(lambda: "vmb-any" not in host.links())
    assert our_rules(host) == {NETWORKS_TABLE: {FIRST}}
    other.close()
    wait_for_rules(host, {})


@pytest.mark.parametrize("what", ["rule delete table", "route flush table"])
def test_what_others_take_away_comes_back(broker, host, join, what):
    broker.check_clean = False
    machine = join("any")
    machine.ipv6_address()
    exit_node(host).start()
    wait_for_ways_out(machine, VPN)
    for family in "-4", "-6":
        host.ip(f"{family} {what} {NETWORKS_TABLE}")
    wait_for_ways_out(machine, VPN)
    assert_served(host, machine)


@pytest.mark.parametrize("network", ["any", "direct"])
def test_who_goes_first_whatever_happens_is_said(broker, host, network):
    broker.check_clean = False
    broker.client().acquire(network)
    host.ip("route add default dev vpn0 table 52")
    host.ip("rule add priority 3 table 52")
    wait_for(lambda: our_rules(host).get(NETWORKS_TABLE) == {2})
    assert "fault" not in broker.inspect(network)
    host.ip("rule add priority 1 table 52")
    wait_for(lambda: broker.inspect(network).get("fault"))
    assert "by the routing rule of priority 1, before" in broker.inspect(network)["fault"]
    host.ip("rule delete priority 1 table 52")
    broker.wait_for_log(f'network "{network}": whole again')


def test_a_rule_for_some_packets_stays_first(broker, host):
    broker.check_clean = False
    broker.client().acquire("direct")
    rule = "priority 50 iif vmb-direct table 52"
    host.ip(f"rule add {rule}")
    host.ip("rule add priority 100 table 52")
    wait_for_rules(host, {"vmb-direct": {99, FIRST}, NETWORKS_TABLE: {99}})


def test_the_host_itself_comes_first(broker, host, join):
    """Where somebody has moved the rule of its own addresses, as for VRFs, to right before main."""
    broker.check_clean = False
    for family in "-4", "-6":
        host.ip(f"{family} rule add priority 32765 table local")
        host.ip(f"{family} rule delete priority 0")
    machine = join("direct")
    machine.ipv6_address()
    assert our_rules(host) == {"vmb-direct": {32765}}
    wait_for_ways_out(machine, HOST)
    assert_served(host, machine)


def test_adoption(broker, host, join, vpn):
    broker.check_clean = False
    machine, direct = join("any"), join("direct")
    broker.kill()
    vpn.start()
    broker.start()
    for one, ways in (machine, VPN), (direct, HOST):
        one.ipv6_address()
        wait_for_ways_out(one, ways)
        assert_served(host, one)
    broker.kill()
    vpn.stop()
    broker.start()
    wait_for_rules(host, {"vmb-direct": {FIRST}})
    wait_for_ways_out(machine, HOST)


def test_what_an_earlier_broker_left(broker, host):
    broker.check_clean = False
    exit_node(host).start()
    broker.client().acquire("any")
    broker.client().acquire("direct")
    broker.kill()
    broker.close_clients()
    assert our_rules(host)
    broker.start()
    wait_for_rules(host, {})

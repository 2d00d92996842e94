# SPDX-License-Identifier: Apache-2.0
"""A VPN's kill switch: what closes the host's own way out keeps machines in, too."""

import json
import os
import re

import pytest

from support.echo import WhoServer, nobody, who
from support.host import HOST_IPV4, HOST_IPV6, SERVER_IPV4, SERVER_IPV6
from support.need import need
from support.wait import wait_for

DIRECTORY = os.path.join(os.path.dirname(__file__), "neighbours")
CONFIG = {
    "lab": {
        "mode": "shared",
        "subnet": "192.168.105.0/24",
        "ipv6_prefix": "fd12:3456:789a:5::/64",
    },
    "free": {"mode": "shared", "bypass_kill_switch": True},
    "closed": {"mode": "host", "subnet": "192.168.107.0/24"},
}
GATEWAYS = ("192.168.105.1", "fd12:3456:789a:5::1")
TUNNEL_IPV4, TUNNEL_PEER_IPV4 = "10.8.0.2", "10.8.0.1"
KILL_SWITCH = (
    "stops packets from machines to the outside, and the host's own, as a VPN's kill switch does"
)
LEFT_ALONE = f'{KILL_SWITCH}: it is left alone, but for networks with "bypass_kill_switch"'

pytestmark = pytest.mark.broker(config=CONFIG)


class OwnTable:
    """A table of its own, which stops what is forwarded by a policy."""

    rules = "kill-switch.nft"
    tables = ("inet vpn",)
    chain = "table inet vpn, chain forward"

    def __init__(self, host):
        self.host = host
        self.switch_on()

    def switch_on(self):
        self.host.run("nft", "-f", os.path.join(DIRECTORY, self.rules))

    def switch_off(self):
        for table in self.tables:
            self.host.run("nft", "delete", "table", *table.split())


class RouteChain(OwnTable):
    """What the host sends is stopped by a chain of another type."""

    rules = "kill-switch-route.nft"


class Policies(OwnTable):
    """Policies of iptables, and one interface that is allowed."""

    rules = "kill-switch-policies.iptables"
    tables = ("ip filter", "ip6 filter")
    chain = "table ip filter, chain FORWARD"

    def switch_on(self):
        need("iptables-nft-restore")
        for program in "iptables", "ip6tables":
            self.host.run(f"{program}-nft-restore", os.path.join(DIRECTORY, self.rules))
        for chain in "INPUT", "OUTPUT":
            rule = f"-I {chain} -p ipv6-icmp -j ACCEPT"
            self.host.run("ip6tables-nft", *rule.split())


class LastRules(Policies):
    """Chains of iptables that end in one that drops."""

    rules = "kill-switch-rules.iptables"


KINDS = [OwnTable, RouteChain, Policies, LastRules]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kill_switch(request, host):
    """The tunnel is down: nothing of the host's leaves."""
    for family in "ip", "ip6":
        # So that frames from machine to machine meet its rules, too.
        if not host.filter_bridges(family, 1):
            print("br_netfilter is not there: machines reach each other past all chains")
    return request.param(host)


@pytest.fixture
def own_table(host):
    return OwnTable(host)


@pytest.fixture
def policies(host):
    return Policies(host)


def is_out(namespace):
    """Whether a connection to the outside is had by each family."""
    outside = [who(namespace, address, 80, timeout=1) for address in (SERVER_IPV4, SERVER_IPV6)]
    return outside == [("outside", HOST_IPV4), ("outside", HOST_IPV6)]


def is_kept_in(namespace):
    return nobody(namespace, SERVER_IPV4, 80) and nobody(namespace, SERVER_IPV6, 80)


def leading_out(host):
    """Rules of ours that let more pass than what machines send each other."""
    listing = host.run("nft", "--stateless", "list", "ruleset").stdout
    rules = re.findall(r'^\s*(.*) accept comment "vmnet-broker lab"$', listing, re.MULTILINE)
    return [rule for rule in rules if re.fullmatch(r'[io]ifname "\S+"', rule)]


def test_machines_are_kept_in_with_the_host(kill_switch, host, outside, broker, join):
    first, second = join("lab", hostname="first"), join("lab")
    first_ipv6, second_ipv6 = first.ipv6_address(), second.ipv6_address()
    for gateway in GATEWAYS:
        assert first.ping(gateway)
    assert first.address in second.resolve("first")
    with WhoServer(outside, 80, "outside"), WhoServer(second, 80, "second"):
        assert who(first, second.address, 80) == ("second", first.address)
        assert who(first, second_ipv6, 80) == ("second", first_ipv6)
        for namespace in host, first:
            assert is_kept_in(namespace), namespace.name
        kill_switch.switch_off()
        for namespace in host, first:
            wait_for(lambda: is_out(namespace), what=f"the outside from {namespace.name}")
        kill_switch.switch_on()
        wait_for(lambda: not leading_out(host), what="the end of the rules")
        for namespace in host, first:
            assert is_kept_in(namespace), namespace.name
        assert who(first, second.address, 80) == ("second", first.address)
    assert not leading_out(host)
    broker.wait_for_log("lab.*: table .* of another packet filter closes the host's own way out")


def test_the_key_lets_machines_out(kill_switch, host, outside, join):
    machine = join("free")
    machine.ipv6_address()
    with WhoServer(outside, 80, "outside"):
        assert is_kept_in(host)
        assert is_out(machine)


def test_a_host_network(kill_switch, join):
    first, second = join("closed"), join("closed")
    assert first.ping("192.168.107.1")
    assert first.ping(second.address)


def test_only_what_stops_the_host_counts(host, outside, join):
    """A chain for what the host sends that lets everything pass closes nothing."""
    host.run(
        "nft",
        "table inet x {"
        "chain o { type filter hook output priority 0; policy drop; oif lo accept; accept; };"
        "chain f { type filter hook forward priority 0; policy drop; }; }",
    )
    machine = join("lab")
    machine.ipv6_address()
    with WhoServer(outside, 80, "outside"):
        wait_for(lambda: is_out(machine), what="the outside")
        host.run("nft", "flush", "chain", "inet", "x", "o")
        wait_for(lambda: not leading_out(host), what="the end of the rules")
        assert is_kept_in(machine)
    host.run("nft", "delete", "table", "inet", "x")


def test_rules_that_an_older_broker_left(own_table, host, outside, broker, join):
    machine = join("lab")
    broker.kill()
    for rule in 'iifname "vmb-lab"', 'oifname "vmb-lab"':
        host.run("nft", f'insert rule inet vpn forward {rule} accept comment "vmnet-broker lab"')
    with WhoServer(outside, 80, "outside"):
        assert who(machine, SERVER_IPV4, 80) == ("outside", HOST_IPV4)
        broker.start()
        broker.client().acquire("lab")
        wait_for(lambda: not leading_out(host), what="the end of the rules")
        assert is_kept_in(machine)


@pytest.fixture
def tunnel(host, outside):
    """The tunnel is up, and has all traffic."""
    host.ip(f"link add tun0 type veth peer name tun0 netns {outside.pid}")
    for namespace, address in (host, TUNNEL_IPV4), (outside, TUNNEL_PEER_IPV4):
        namespace.ip(f"address add {address}/24 dev tun0")
        namespace.ip("link set tun0 up")
    for half in "0.0.0.0/1", "128.0.0.0/1":
        host.ip(f"route add {half} via {TUNNEL_PEER_IPV4}")


@pytest.mark.parametrize("kind", KINDS)
def test_machines_use_the_tunnel(tunnel, kind, host, outside, request):
    """As far as the VPN's own rules let them, and other filters are opened for them."""
    kind(host)
    other = "table inet x { chain f { type filter hook forward priority 1; policy drop; }; }"
    host.run("nft", other)
    broker, join = (request.getfixturevalue(name) for name in ("broker", "join"))
    machine = join("lab")
    with WhoServer(outside, 80, "outside"):
        for namespace in host, machine:
            assert who(namespace, SERVER_IPV4, 80) == ("outside", TUNNEL_IPV4)
        host.ip("link delete tun0")
        for namespace in host, machine:
            assert nobody(namespace, SERVER_IPV4, 80)
    broker.check_clean = False  # the tunnel is down


def test_ufw_that_denies_what_goes_out(host, outside, request):
    need("ufw")
    host.overlay("etc")
    for command in "default deny outgoing", "default deny routed", "--force enable", "reload":
        host.run("ufw", *command.split())
    join = request.getfixturevalue("join")
    first, second = join("lab"), join("lab")
    assert first.ping(second.address)
    with WhoServer(outside, 80, "outside"):
        for namespace in host, first:
            assert nobody(namespace, SERVER_IPV4, 80)
        free = join("free")
        assert who(free, SERVER_IPV4, 80) == ("outside", HOST_IPV4)
        host.run("ufw", "default", "allow", "outgoing")
        wait_for(lambda: who(first, SERVER_IPV4, 80) == ("outside", HOST_IPV4), what="the outside")
    request.getfixturevalue("broker").check_clean = False  # ufw has another policy


def test_iptables_goes_on_with_its_tables(policies, host, join):
    join("lab")
    for program, name in ("iptables-nft", "icmp"), ("ip6tables-nft", "ipv6-icmp"):
        accept = f'-o vmb-lab -p {name} -m comment --comment "vmnet-broker lab" -j ACCEPT'
        assert accept in host.run(program, "-S", "OUTPUT").stdout
        assert accept in host.run(f"{program}-save").stdout


def configure(doctor, **keys):
    doctor.configure(json.dumps({"lab": {"mode": "shared", **keys}}))


@pytest.mark.parametrize("kind", KINDS)
def test_doctor_says_so(doctor, kind):
    """Before there is a network as well; and the key that it names ends the matter."""
    configure(doctor, bypass_kill_switch=False)
    kind(doctor.host)
    findings = doctor.examine()
    assert f"a packet filter ({kind.chain}) {LEFT_ALONE}" in findings
    assert all(problem.endswith(LEFT_ALONE) for problem in findings)
    doctor.mend(next(iter(findings.values())), env={"EDITOR": "sed -i s/false/true/"})


def test_doctor_says_so_of_a_network_that_is_active(doctor, join):
    OwnTable(doctor.host)
    join("lab")
    configure(doctor)
    assert list(doctor.examine()) == [f"a packet filter ({OwnTable.chain}) {LEFT_ALONE}"]


def test_doctor_notes_what_lets_the_tunnel_through(tunnel, doctor):
    """Then machines have a way out, by the VPN's own rules."""
    OwnTable(doctor.host)
    assert doctor.examine() == {}
    said = doctor.broker.vmnetctl("doctor", uid=0).stdout
    assert f"note: a packet filter ({OwnTable.chain}) {LEFT_ALONE}\n" in said
    doctor.host.ip("link delete tun0")
    assert doctor.examine()


def test_doctor_opens_no_older_filter(doctor, plug_in, outside):
    """What the broker cannot change; what doctor prints is for who wants it so."""
    host = doctor.host
    need("iptables-legacy")
    if host.run("iptables-legacy", "-S", check=False).returncode:
        pytest.skip("this kernel has no older filter")
    configure(doctor, bypass_kill_switch=False)
    host.run("iptables-legacy-restore", os.path.join(DIRECTORY, Policies.rules))
    findings = doctor.examine()
    kept_in = (
        f"iptables-legacy (chain FORWARD) {KILL_SWITCH}: when all networks have "
        '"bypass_kill_switch", doctor prints the rules that let them out'
    )
    opens = findings.pop(kept_in)
    assert len(findings) == 2
    for command in findings.values():
        assert doctor.do(command).wait(30) == 0
    machine = plug_in("lab")
    machine.dhcp()
    assert machine.ping(GATEWAYS[0])
    with WhoServer(outside, 80, "outside"):
        for namespace in host, machine:
            assert nobody(namespace, SERVER_IPV4, 80)
        assert list(doctor.examine()) == [kept_in]
        assert doctor.do(opens, env={"EDITOR": "sed -i s/false/true/"}).wait(30) == 0
        rules = doctor.find(
            r"iptables-legacy \(chain FORWARD\) stops packets from machines to the outside"
        )
        doctor.mend(rules)
        assert who(machine, SERVER_IPV4, 80) == ("outside", HOST_IPV4)
        assert nobody(host, SERVER_IPV4, 80)

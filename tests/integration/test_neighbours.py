# SPDX-License-Identifier: Apache-2.0
"""Beside Docker, ufw, firewalld, and administrators' own: machines work, the host stays closed."""

import os
import re
import signal
import subprocess
import time

import pytest

from support.dns import Resolver
from support.echo import WhoServer, nobody, who
from support.host import HOST_IPV4, HOST_IPV6, OUTSIDE_IPV4, SERVER_IPV4, SERVER_IPV6, SERVER_NAME
from support.namespace import Namespace
from support.need import need
from support.wait import wait_for

SERVER_MAC = "52:54:00:00:00:0a"
CONFIG = {
    "lab": {
        "mode": "shared",
        "subnet": "192.168.105.0/24",
        "ipv6_prefix": "fd12:3456:789a:5::/64",
        "dhcp_reservations": [{"mac_address": SERVER_MAC, "address": "192.168.105.10"}],
        "port_forwarding": [
            {
                "protocol": "tcp",
                "external_port": 2222,
                "internal_address": "192.168.105.10",
                "internal_port": 80,
            }
        ],
    },
    "closed": {
        "mode": "host",
        "subnet": "192.168.107.0/24",
        "ipv6_prefix": "fd12:3456:789a:7::/64",
    },
}
GATEWAYS = ("192.168.105.1", "fd12:3456:789a:5::1")
DIRECTORY = os.path.join(os.path.dirname(__file__), "neighbours")
SOURCE = os.path.join(os.path.dirname(__file__), "../..")
CONTAINER_IPV4 = "172.17.0.2"

pytestmark = pytest.mark.broker(config=CONFIG)


def make_docker0(host):
    host.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    host.ip("link add docker0 type bridge")
    host.ip("address add 172.17.0.1/16 dev docker0")
    host.ip("link set docker0 addrgenmode none")
    host.ip("link set docker0 up")


class Docker:
    """Rules that Docker has made, and an administrator's who closes the host."""

    rules = "docker-20.10.iptables"

    def __init__(self, host):
        need("iptables-nft-restore")
        self.host = host
        for family in "ip", "ip6":
            # What Docker loads br_netfilter for.
            if not host.filter_bridges(family, 1):
                print("br_netfilter is not there: machines reach each other past all chains")
        make_docker0(host)
        self._restore("iptables", self.rules)
        self._restore("iptables", "host.iptables")
        self._restore("ip6tables", "host.iptables")
        host.run("iptables-nft", "-A", "INPUT", "-p", "icmp", "-j", "ACCEPT")
        host.run("ip6tables-nft", "-A", "INPUT", "-p", "ipv6-icmp", "-j", "ACCEPT")
        host.run("ip6tables-nft", "-P", "FORWARD", "DROP")

    def _restore(self, program, name):
        self.host.run(f"{program}-nft-restore", "--noflush", os.path.join(DIRECTORY, name))

    def reload(self):
        self.host.run("iptables-nft", "-F", "FORWARD")
        self.host.run("iptables-nft", "-F", "INPUT")
        for table in "nat", "raw":
            self.host.run("iptables-nft", "-F", "-t", table)
        self._restore("iptables", self.rules)
        self._restore("iptables", "host.iptables")
        self.host.run("iptables-nft", "-A", "INPUT", "-p", "icmp", "-j", "ACCEPT")


    def deny(self):
        names = "-A INPUT -i vmb-lab -p udp --dport 53 -j DROP"
        for rule in names, f"-I DOCKER-USER -d {SERVER_IPV4} -j DROP":
            self.host.run("iptables-nft", *rule.split())
        self.host.run("ip6tables-nft", *names.split())


class Docker28(Docker):
    rules = "docker-28.iptables"


class Ufw:
    """ufw itself, with its defaults."""

    def __init__(self, host):
        need("ufw")
        self.host = host
        host.overlay("etc")
        host.run("ufw", "--force", "enable")
        host.run("ufw", "reload")  # which adds to some of its chains, once

    def reload(self):
        self.host.run("ufw", "reload")

    def deny(self):
        self.host.run(*"ufw deny in on vmb-lab to any port 53".split())
        self.host.run(*f"ufw route deny in on vmb-lab to {SERVER_IPV4}".split())


DENIED_ROUTE = f"ipv4 filter FORWARD 0 -d {SERVER_IPV4} -j DROP"


class Firewalld:
    """firewalld itself, without the broker's zone, and with a table that others can change."""

    zones = ()

    def __init__(self, host):
        need("firewalld")
        need("dbus-daemon")
        self.host = host
        host.overlay("etc")
        for zone in self.zones:
            host.run("cp", zone, "/etc/firewalld/zones")
        if not self.zones:
            owner = "s/^NftablesTableOwner=.*/NftablesTableOwner=no/"
            host.run("sed", "-i", owner, "/etc/firewalld/firewalld.conf")
        host.start_bus()
        host.popen("firewalld", "--nofork", "--nopid", stderr=subprocess.DEVNULL)
        wait_for(
            lambda: host.run("firewall-cmd", "--state", check=False).returncode == 0,
            timeout=30,
            what="firewalld",
        )

    def reload(self):
        self.host.run("firewall-cmd", "--reload")

    def deny(self):
        names = "INPUT 0 -i vmb-lab -p udp --dport 53 -j DROP"
        for rule in f"ipv4 filter {names}", f"ipv6 filter {names}", DENIED_ROUTE:
            self.host.run("firewall-cmd", "--direct", "--add-rule", *rule.split())


class FirewalldWithZone(Firewalld):
    """The same, with the zone that the broker installs."""

    zones = (os.path.join(SOURCE, "data/firewalld/vmnet-broker.xml"),)

    def deny(self):
        for rule in (
            ["--zone=vmnet-broker", "--add-rich-rule=rule port port=53 protocol=udp drop"],
            ["--new-policy=machines"],
            ["--policy=machines", "--add-ingress-zone=vmnet-broker"],
            ["--policy=machines", "--add-egress-zone=ANY"],
            [
                "--policy=machines",
                f"--add-rich-rule=rule family=ipv4 destination address={SERVER_IPV4} drop",
            ],
        ):
            self.host.run("firewall-cmd", "--permanent", *rule)
        self.reload()


class Nftables:
    """What an administrator has written."""

    rules = ("host.nft",)
    tables = ("inet filter",)

    def __init__(self, host):
        self.host = host
        self._load()

    def _load(self):
        for rules in self.rules:
            self.host.run("nft", "-f", os.path.join(DIRECTORY, rules))

    def reload(self):
        for table in self.tables:
            self.host.run("nft", "delete", "table", *table.split())
        self._load()

    def deny(self):
        for rule in "input iifname vmb-lab udp dport 53", f"forward ip daddr {SERVER_IPV4}":
            self.host.run("nft", f"insert rule inet filter {rule} drop")


class Docker29(Nftables):
    """Docker without iptables, and an administrator's rules."""

    rules = ("host.nft", "docker-29.nft")
    tables = ("inet filter", "ip docker-bridges", "ip6 docker-bridges")

    def __init__(self, host):
        make_docker0(host)
        super().__init__(host)


class Podman(Nftables):
    """The same of Podman."""

    rules = ("host.nft", "podman.nft")
    tables = ("inet filter", "inet netavark")


KINDS = [Docker, Docker28, Docker29, Podman, Ufw, Firewalld, Nftables]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def neighbour(request, host):
    """A packet filter that was there before the broker."""
    return request.param(host)


@pytest.fixture
def firewalld_with_zone(host):
    return FirewalldWithZone(host)


@pytest.fixture
def docker(host):
    return Docker(host)


@pytest.fixture
def nftables(host):
    return Nftables(host)


@pytest.fixture
def ufw(host):
    return Ufw(host)


def own_rules(host, network="lab"):
    """Our rules in the chains of others."""
    listing = host.run("nft", "--stateless", "list", "ruleset").stdout
    return re.findall(rf'^\s*(.*) comment "vmnet-broker {network}"$', listing, re.MULTILINE)


def is_silent(machine, server):
    """Whether a name server answers this machine nothing."""
    with Resolver(machine, server) as resolver:
        try:
            resolver.resolve(SERVER_NAME, tries=1)
        except (AssertionError, OSError):
            return True
    return False


def reaches_the_outside(machine):
    return who(machine, SERVER_IPV4, 80) == ("outside", HOST_IPV4)


def test_machines_work_and_the_host_stays_closed(neighbour, host, outside, broker, join):
    outside.start_dns()
    first, second = join("lab", hostname="first"), join("lab", macAddress=SERVER_MAC)
    for machine in first, second:
        machine.ipv6_address()
    for gateway in GATEWAYS:
        assert first.ping(gateway)
        wait_for(lambda: SERVER_IPV4 in first.resolve(SERVER_NAME, gateway), what="a name")
    assert first.address in second.resolve("first")
    with WhoServer(outside, 80, "outside"):
        assert who(first, SERVER_IPV4, 80) == ("outside", HOST_IPV4)
        assert who(first, SERVER_IPV6, 80) == ("outside", HOST_IPV6)
    with WhoServer(second, 80, "second"):
        assert who(first, second.address, 80) == ("second", first.address)
        assert who(first, second.ipv6_address(), 80) == ("second", first.ipv6_address())
        assert who(host, second.address, 80)
        for namespace in outside, first, host:
            assert who(namespace, HOST_IPV4, 2222)[0] == "second"
    with WhoServer(host, 8080, "host"):
        assert nobody(outside, HOST_IPV4, 8080)
        for address in *GATEWAYS, HOST_IPV4, HOST_IPV6:
            assert nobody(first, address, 8080), address
    assert broker.vmnetctl("doctor", uid=0, check=False).stdout.count("stops") == 0


def test_a_host_network_gets_no_more_than_it_needs(neighbour, host, broker, join):
    first, second = join("closed"), join("closed")
    assert first.ping("192.168.107.1")
    assert first.ping(second.address)
    assert first.ping(second.ipv6_address())
    for rule in own_rules(host, "closed"):
        assert 'iifname "vmb-closed"' in rule


def test_the_others_rules_are_as_before_afterwards(neighbour, host, broker, join):
    machine = join("lab")
    assert own_rules(host)
    machine.kill()
    machine.client.close()
    broker.wait_until_clean()


def test_a_crash_leaves_nothing(neighbour, host, outside, broker, join):
    machine = join("lab")
    rules = own_rules(host)
    broker.restart()
    broker.client()
    wait_for(lambda: own_rules(host) == rules, what="the same rules, once")
    with WhoServer(outside, 80, "outside"):
        assert reaches_the_outside(machine)
    broker.kill()
    machine.kill()
    broker.start()
    broker.wait_until_clean()


def test_rules_are_back_after_a_reload(neighbour, host, outside, broker, join):
    machine = join("lab")
    rules = own_rules(host)
    neighbour.reload()
    wait_for(lambda: own_rules(host) == rules, what="the rules")
    with WhoServer(outside, 80, "outside"):
        wait_for(lambda: reaches_the_outside(machine), what="the outside")


def test_the_zone_of_firewalld(firewalld_with_zone, host, outside, join):
    outside.start_dns()
    machine = join("lab")
    assert not own_rules(host)
    machine.ipv6_address()
    for gateway in GATEWAYS:
        assert machine.ping(gateway)
        wait_for(lambda: SERVER_IPV4 in machine.resolve(SERVER_NAME, gateway), what="a name")
    with WhoServer(outside, 80, "outside"), WhoServer(host, 8080, "host"):
        assert who(machine, SERVER_IPV4, 80) == ("outside", HOST_IPV4)
        assert who(machine, SERVER_IPV6, 80) == ("outside", HOST_IPV6)
        for address in *GATEWAYS, HOST_IPV4, HOST_IPV6:
            assert nobody(machine, address, 8080), address


def test_a_filter_that_comes_later(host, outside, join):
    machine = join("lab")
    Nftables(host)
    with WhoServer(outside, 80, "outside"):
        wait_for(lambda: reaches_the_outside(machine), what="the outside")
    host.run("nft", "flush", "chain", "inet", "filter", "input")
    for chain in "input", "forward":
        host.run("nft", "chain", "inet", "filter", chain, "{ policy accept; }")
    wait_for(lambda: not own_rules(host), what="the end of the rules")
    host.run("nft", "delete", "table", "inet", "filter")


def test_answers_of_a_host_that_may_send_nothing(host, request):
    """They go to the network's own bridge, and nowhere else."""
    host.run(
        "nft",
        "table inet x { chain o { type filter hook output priority 0; policy drop; oif lo accept; "
        "}; }",
    )
    join = request.getfixturevalue("join")
    first, second = join("lab", hostname="first"), join("lab")
    second.ipv6_address()
    for gateway in GATEWAYS:
        assert second.ping(gateway)
        assert first.address in second.resolve("first", gateway)
    assert own_rules(host)
    for rule in own_rules(host):
        assert rule.startswith('oifname "vmb-lab" ')
    with WhoServer(first, 80, "first"):
        assert who(second, first.address, 80)
        assert nobody(host, first.address, 80)


@pytest.mark.parametrize("kind", [Docker, Docker28, Docker29])
def test_containers_stay_closed(host, kind, request):
    kind(host)
    join = request.getfixturevalue("join")
    container = Namespace("container")
    try:
        host.ip(f"link add veth0 master docker0 type veth peer name eth0 netns {container.pid}")
        host.ip("link set veth0 up")
        container.ip(f"address add {CONTAINER_IPV4}/16 dev eth0")
        container.ip("link set eth0 up")
        container.ip("route add default via 172.17.0.1")
        machine = join("lab")
        with WhoServer(container, 80, "container"), WhoServer(machine, 80, "machine"):
            wait_for(lambda: who(host, CONTAINER_IPV4, 80), what="the container")
            assert nobody(machine, CONTAINER_IPV4, 80)
            assert nobody(container, machine.address, 80)
            if kind is not Docker29:
                publish(host)
            assert who(machine, HOST_IPV4, 8000)[0] == "container"
            assert nobody(machine, CONTAINER_IPV4, 80)
    finally:
        container.close()
        request.getfixturevalue("broker").check_clean = False


def publish(host):
    """The container's port, as Docker does."""
    published = f"! -i docker0 -p tcp --dport 8000 -j DNAT --to {CONTAINER_IPV4}:80"
    host.run("iptables-nft", "-t", "nat", "-A", "DOCKER", *published.split())
    allowed = f"-d {CONTAINER_IPV4} ! -i docker0 -o docker0 -p tcp --dport 80 -j ACCEPT"
    host.run("iptables-nft", "-I", "DOCKER", *allowed.split())


def test_iptables_goes_on_with_its_tables(docker, host, join):
    join("lab")
    for program in "iptables-nft", "ip6tables-nft":
        saved = host.run(f"{program}-save").stdout
        assert '-i vmb-lab -m comment --comment "vmnet-broker lab" -j ACCEPT' in saved
        assert host.run(program, "-S").stdout.count("vmnet-broker lab") == saved.count(
            "vmnet-broker lab"
        )


def test_what_others_deny_stays_denied(ufw, outside, host, broker, join):
    outside.start_dns()
    host.run("ufw", "route", "deny", "to", SERVER_IPV4)
    host.run("ufw", "deny", "in", "on", "vmb-lab", "to", "any", "port", "53")
    machine = join("lab")
    machine.ipv6_address()
    for gateway in GATEWAYS:
        assert machine.ping(gateway)
        assert is_silent(machine, gateway)
    with WhoServer(outside, 80, "outside"):
        assert nobody(machine, SERVER_IPV4, 80)
        assert who(machine, SERVER_IPV6, 80)
        host.run("ufw", "route", "delete", "deny", "to", SERVER_IPV4)
        wait_for(lambda: reaches_the_outside(machine), what="the outside")
    host.run("ufw", "route", "deny", "in", "on", "vmb-lab", "to", SERVER_IPV6)
    with WhoServer(outside, 80, "outside"):
        wait_for(lambda: nobody(machine, SERVER_IPV6, 80), what="the denial")
        assert reaches_the_outside(machine)
    broker.check_clean = False


@pytest.mark.parametrize("kind", [*KINDS, FirewalldWithZone], ids=lambda kind: kind.__name__)
def test_both_chains_deny(kind, host, outside, request):
    """What the administrator denies is denied from then on, and nothing else."""
    outside.start_dns()
    neighbour = kind(host)
    broker = request.getfixturevalue("broker")
    broker.check_clean = False  # his rules stay
    machine = request.getfixturevalue("join")("lab")
    machine.ipv6_address()
    with WhoServer(outside, 80, "outside"):
        assert reaches_the_outside(machine)
        for gateway in GATEWAYS:
            assert not is_silent(machine, gateway)
        neighbour.deny()
        wait_for(lambda: nobody(machine, SERVER_IPV4, 80), what="what is denied")
        assert who(machine, SERVER_IPV6, 80) == ("outside", HOST_IPV6)
    for gateway in GATEWAYS:
        wait_for(lambda: is_silent(machine, gateway), what="names that are denied")
        assert machine.ping(gateway)
    assert machine.dhcp()["ip"] == machine.address


def test_a_chain_that_knows_the_bridge_is_left_alone(nftables, host, broker, join):
    host.run("nft", "insert rule inet filter forward iifname vmb-lab tcp dport 80 accept")
    join("lab")
    assert own_rules(host)
    assert not [rule for rule in own_rules(host) if "dport" not in rule and "icmp" not in rule]
    broker.check_clean = False  # the administrator's rule stays


@pytest.fixture
def owner(broker, host):
    """A process that keeps tables for itself, until the test's end: owner(commands)."""
    process = host.popen("nft", "-i", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)

    def run(commands):
        process.stdin.write(commands + "\nadd table inet done\n")
        process.stdin.flush()
        wait_for(lambda: "inet done" in host.run("nft", "list", "tables").stdout, what=commands)
        host.run("nft", "delete", "table", "inet", "done")

    yield run
    process.communicate()


def test_a_table_that_nobody_else_may_change(owner, host, broker):
    """As newer versions of firewalld keep theirs: the network is there all the same."""
    owner(
        "table inet firewalld { flags owner; "
        "chain filter_FORWARD { type filter hook forward priority 10; goto end; }; "
        "chain end { reject; }; }"
    )
    client = broker.client()
    for _ in range(3):
        client.acquire("lab")
        client.release("lab")
    assert not own_rules(host)
    broker.wait_for_log("lab.*: table inet firewalld of another packet filter stops its machines'")


def test_tables_with_flags_that_are_in_nobodys_way(owner, host, broker, join):
    """One lets machines pass, the other is switched off."""
    owner(
        "table inet owned { flags owner; "
        'chain f { type filter hook forward priority 10; policy drop; iifname "vmb-*" accept; '
        'oifname "vmb-*" accept; }; }'
    )
    host.run(
        "nft",
        "table ip x { flags dormant; "
        "chain f { type filter hook forward priority 10; policy drop; }; }",
    )
    join("lab")
    assert not own_rules(host)
    assert "of another packet filter stops" not in broker.log()
    host.run("nft", "delete", "table", "ip", "x")


def test_the_outside_moves_to_a_bridge(nftables, host, outside, broker, join):
    """The administrator has made a bridge of the uplink."""
    for command in (
        "link add br0 type bridge",
        "address flush dev eth0",
        "link set eth0 master br0",
        f"address add {HOST_IPV4}/24 dev br0",
        "link set br0 up",
    ):
        host.ip(command)
    machine = join("lab")
    with WhoServer(outside, 80, "outside"):
        assert not reaches_the_outside(machine)
        host.ip(f"route add default via {OUTSIDE_IPV4}")
        wait_for(lambda: reaches_the_outside(machine), what="the outside")
    broker.check_clean = False  # the bridge stays


BLOCKED = 150_000


@pytest.fixture
def block_list(host):
    """A filter with a list of addresses that is much longer than its rules."""
    addresses = ",".join(f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}" for i in range(BLOCKED))
    host.run(
        *("nft", "-f", "-"),
        input="table inet blocker {\n"
        f"set blocked {{ type ipv4_addr; elements = {{ {addresses} }}; }}\n"
        "chain forward { type filter hook forward priority 0; policy drop;\n"
        "ip saddr @blocked drop; }\n"
        "}\n",
    )
    yield "blocker"
    host.run("nft", "delete table inet blocker")


@pytest.mark.timed
def test_long_lists_of_others_are_not_read(host, block_list, outside, join):
    """To read one takes as long as whoever waits for a network would wait."""

    def seconds(work):
        began = time.monotonic()
        return work(), time.monotonic() - began

    _, listing = seconds(lambda: host.run("nft", "--json", "list", "table", "inet", block_list))
    machine, joining = seconds(lambda: join("lab"))
    assert joining < listing
    rules = host.run("nft", "--terse", "list", "ruleset").stdout
    assert 'comment "vmnet-broker lab"' in rules
    with WhoServer(outside, 80, "outside"):
        assert who(machine, SERVER_IPV4, 80) == ("outside", HOST_IPV4)


def test_devices_do_not_wait_for_networks(host, broker, join):
    """While nftables, which networks are made with, answers nobody."""
    client = broker.client()
    client.acquire("lab")
    forker = [pid for pid in host.processes("vmnet-broker") if pid != broker.pid]
    for pid in forker:
        os.kill(pid, signal.SIGSTOP)
    try:
        waiting = broker.client()
        waiting.send("Acquire", {"network": "closed"})
        with client.attach("lab"), client.attach("lab"):
            pass
    finally:
        for pid in forker:
            os.kill(pid, signal.SIGCONT)
    waiting.receive()

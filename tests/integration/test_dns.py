# SPDX-License-Identifier: Apache-2.0
"""Names: of machines, of the gateway, and of everything else by the host's resolvers."""

import os
import signal

import pytest

from support.dhcp import DhcpClient, mac_of
from support.dns import Resolver
from support.host import HOST_IPV4, HOST_IPV6, SERVER_IPV4, SERVER_IPV6, SERVER_NAME
from support.processes import STARTER, children
from support.wait import wait_for

GATEWAY, GATEWAY_IPV6 = "192.168.105.1", "fd12:3456:789a:5::1"
CONFIG = {
    "lab": {
        "mode": "shared",
        "subnet": "192.168.105.0/24",
        "ipv6_prefix": "fd12:3456:789a:5::/64",
        "dhcp_reservations": [
            {"mac_address": "52:54:00:00:00:0a", "address": "192.168.105.10", "hostname": "db"}
        ],
    },
    "other": {"mode": "shared", "subnet": "192.168.106.0/24"},
    "closed": {"mode": "host", "subnet": "192.168.107.0/24"},
    "a.b_c-D": {"mode": "shared", "subnet": "192.168.108.0/24"},
    "a..b-": {"mode": "shared", "subnet": "192.168.109.0/24"},
    "routed": {"mode": "shared", "subnet": "192.168.110.0/24", "nat44": False, "nat66": False},
}

pytestmark = pytest.mark.broker(config=CONFIG)


def test_machines_find_each_other(join):
    first, second = join("lab", hostname="first"), join("lab", hostname="Second")
    for name in "second", "second.lab.internal", "SECOND.LAB.INTERNAL":
        wait_for(lambda: second.address in first.resolve(name), what=name)
    assert first.address in second.resolve("first.lab.internal")
    # A machine that has an IPv6 address of its own making is found by it, too.
    wait_for(lambda: second.ipv6_address() in first.resolve("second"), timeout=20)


def test_the_gateway_has_a_name(join):
    machine = join("lab")
    for name in "gateway.lab.internal", "gateway":
        assert set(machine.resolve(name)) >= {GATEWAY, GATEWAY_IPV6}


def test_addresses_have_names(join):
    machine = join("lab", hostname="web")
    for address, name in (machine.address, "web.lab.internal"), (GATEWAY, "gateway"):
        answer = machine.run("busybox", "nslookup", address, check=False).stdout
        assert f"name = {name}" in answer


def test_other_networks_are_not_known(join):
    join("other", hostname="stranger")
    machine = join("lab")
    assert not machine.resolve("stranger", GATEWAY)[1:]
    assert not machine.resolve("stranger.other.internal", GATEWAY)[1:]


def test_other_networks_are_not_asked_for(broker, join, outside):
    """Where the host's resolvers know them; the domains of nobody's networks they are asked for."""
    names = ("web.other.internal", "web.ab.internal", "web.new.internal", "web.cloud.internal")
    outside.serve_name(",".join(names), SERVER_IPV4, f"{SERVER_IPV4},{SERVER_IPV6}")
    machine = join("lab")

    def are_found(*expected):
        return [name for name in names if SERVER_IPV4 in machine.resolve(name)] == [*expected]

    wait_for(lambda: are_found("web.new.internal", "web.cloud.internal"), what="names")
    broker.configure(CONFIG | {"new": {"mode": "host"}})
    broker.vmnetctl("reload", uid=0)
    wait_for(lambda: are_found("web.cloud.internal"), what="names that are kept")
    broker.configure(CONFIG)
    broker.kill()
    broker.start()
    wait_for(lambda: are_found("web.new.internal", "web.cloud.internal"), what="names")


REFUSED = ("gateway", "db", "data-server", "instance-data", "isatap", "localhost", "wpad")


def forms(name):
    """The ways in which a machine may say a name: as options of DHCP."""
    for given in name, name.upper(), f"{name}.", f"{name}.lab.internal", f"{name}.example":
        yield {"hostname": given}
    yield {"fqdn": name}
    yield {"fqdn": f"{name}.lab.internal"}
    yield {"hostname": "other", "fqdn": name.title()}


def test_names_that_nobody_can_take(broker, join):
    """The gateway's, a reserved one though its machine is away, and such as programs look for."""
    machine = join("lab")
    with DhcpClient(machine) as client:
        for number, name in enumerate(REFUSED):
            for form, said in enumerate(forms(name)):
                taken = client.get(mac_of(100 + 10 * number + form), **said)
                assert taken not in machine.resolve(f"{name}.lab.internal"), said
                assert taken not in machine.resolve(name), said
    assert "192.168.105.10" in machine.resolve("db")
    assert GATEWAY in machine.resolve("gateway")
    assert not {lease.get("hostname") for lease in broker.inspect("lab")["leases"]} & set(REFUSED)


def test_nobody_can_take_them_for_ipv6(broker, join):
    """Nor is who calls itself so found by "vmnetctl ip"."""
    takers = {name: join("lab", hostname=name) for name in REFUSED}
    machine = join("lab", hostname="web")
    # The last one is found by its own address: by then all have been looked for.
    wait_for(lambda: machine.ipv6_address() in machine.resolve("web"), timeout=30)
    for name, taker in takers.items():
        own = {taker.address, taker.ipv6_address()}
        for asked in name, f"{name}.lab.internal":
            assert not own & set(machine.resolve(asked)), asked
        done = broker.vmnetctl("ip", "lab", name, check=False)
        assert done.stdout.strip() not in own
    assert {GATEWAY, GATEWAY_IPV6} <= set(machine.resolve("gateway"))


def test_a_reserved_name_is_its_machines(broker, join):
    """Whatever that calls itself."""
    for name in "db", "other":
        machine = join("lab", macAddress="52:54:00:00:00:0a", hostname=name)
        assert machine.address == "192.168.105.10"
        wait_for(lambda: machine.ipv6_address() in machine.resolve("db"), timeout=30)
        assert machine.address not in machine.resolve("other")
        assert broker.vmnetctl("ip", "lab", "db").stdout == "192.168.105.10\n"
        machine.kill()


@pytest.mark.parametrize(
    "name", ["-", "a b", "a/b", "x'y", "a;b", "$(id)", "*", "..", "a" * 64, "\x1b[31m", "é"]
)
def test_names_that_are_none(broker, join, name):
    machine = join("lab")
    with DhcpClient(machine) as client:
        address = client.get(mac_of(7), hostname=name)
    assert address
    lease = wait_for(
        lambda: next(
            (lease for lease in broker.inspect("lab")["leases"] if lease["address"] == address),
            None,
        )
    )
    assert lease.get("hostname") in (None, "a", "x"), lease


@pytest.mark.parametrize(
    "network, domain", [("a.b_c-D", "a.b_c-d.internal"), ("a..b-", "ab.internal")]
)
def test_every_network_has_a_domain(join, network, domain):
    machine = join(network, hostname="web")
    assert machine.lease["domain"] == domain
    for name in "web", f"web.{domain}":
        wait_for(lambda: machine.address in machine.resolve(name), what=name)
    gateway = machine.lease["router"]
    assert gateway in machine.resolve(f"gateway.{domain}")


def test_the_rest_is_asked_of_the_hosts_resolvers(outside, join):
    outside.start_dns()
    machine = join("lab")
    wait_for(lambda: {SERVER_IPV4, SERVER_IPV6} <= set(machine.resolve(SERVER_NAME)))


def test_dns_over_ipv6(outside, join):
    outside.start_dns()
    machine = join("lab", hostname="web")
    machine.ipv6_address()
    wait_for(lambda: SERVER_IPV4 in machine.resolve(SERVER_NAME, GATEWAY_IPV6))
    assert machine.address in machine.resolve("web", GATEWAY_IPV6)


def is_answered(namespace, server):
    with Resolver(namespace, server) as resolver:
        try:
            return bool(resolver.resolve("gateway", tries=2))
        except (AssertionError, OSError):
            return False


def test_others_do_not_learn_its_names(host, outside, join):
    """Whoever is outside and sends what is for the network to the host; the host may ask."""
    machines = join("lab"), join("routed")
    outside.ip(f"route add 192.168.0.0/16 via {HOST_IPV4}")
    outside.ip(f"-6 route add fd12:3456:789a:5::/64 via {HOST_IPV6}")
    for server in GATEWAY_IPV6, *(machine.lease["router"] for machine in machines):
        assert is_answered(host, server)
        assert not is_answered(outside, server)


def test_a_host_network_asks_nobody(outside, join):
    outside.start_dns()
    machine = join("closed", hostname="web")
    assert machine.address in machine.resolve("web.closed.internal")
    assert "192.168.107.1" in machine.resolve("gateway.closed.internal")
    assert not machine.resolve(SERVER_NAME)[1:]


def test_the_hosts_own_names_are_not_passed_on(host, join):
    """What they stand for on the host is wrong for a machine."""
    host.run("sh", "-c", "echo 127.0.1.1 this-host >/run/hosts")
    host.run("mount", "--bind", "/run/hosts", "/etc/hosts")
    assert "127.0.1.1" not in join("lab").resolve("this-host")


def write_resolv_conf(host, text, path="resolv.conf"):
    with open(os.path.join(host.directory, path), "w", encoding="ascii") as file:
        file.write(text)


def test_the_resolvers_change(host, outside, join):
    """The laptop is moved to another network."""
    outside.start_dns()
    outside.ip("address add 203.0.113.3/32 dev lo")
    outside.serve_name("inside.test", "192.0.2.77", listen="203.0.113.3")
    machine = join("lab")
    wait_for(lambda: SERVER_IPV4 in machine.resolve(SERVER_NAME))
    write_resolv_conf(host, "# VPN\nsearch test\nnameserver 203.0.113.3\n")
    wait_for(lambda: "192.0.2.77" in machine.resolve("inside.test"))
    assert SERVER_IPV4 not in machine.resolve(SERVER_NAME)
    write_resolv_conf(host, "")
    wait_for(lambda: "192.0.2.77" not in machine.resolve("inside.test"))
    write_resolv_conf(host, f"nameserver {SERVER_IPV4}\n")
    wait_for(lambda: SERVER_IPV4 in machine.resolve(SERVER_NAME))


def test_the_resolvers_change_between_two_brokers(host, outside, broker, join):
    """A dnsmasq that is taken over is told of it."""
    outside.start_dns()
    write_resolv_conf(host, "")
    machine = join("lab")
    (server,) = host.processes("dnsmasq")
    broker.kill()
    write_resolv_conf(host, f"nameserver {SERVER_IPV4}\n")
    broker.start()
    wait_for(lambda: SERVER_IPV4 in machine.resolve(SERVER_NAME))
    assert host.processes("dnsmasq") == [server]


def test_the_resolvers_change_while_the_broker_dies(host, outside, broker, join):
    """It has written them down for a dnsmasq that it could not tell any more."""
    outside.start_dns()
    write_resolv_conf(host, "")
    machine = join("lab")
    (server,) = host.processes("dnsmasq")
    starter = children(broker.pid)[STARTER]
    os.kill(starter, signal.SIGSTOP)
    path = os.path.join(broker.runtime_dir, "lab.resolv.conf")
    write_resolv_conf(host, f"nameserver {SERVER_IPV4}\n")

    def is_copied():
        with open(path, encoding="ascii") as file:
            return SERVER_IPV4 in file.read()

    wait_for(is_copied, what="the copy")
    os.kill(starter, signal.SIGKILL)
    broker.restart()
    wait_for(lambda: SERVER_IPV4 in machine.resolve(SERVER_NAME))
    assert host.processes("dnsmasq") == [server]


def test_the_hosts_resolvers_are_servers_of_networks(host, outside, join):
    """They would ask each other for ever: what nobody knows, and what others do, is answered."""
    outside.start_dns()
    servers = "nameserver 192.168.105.1\nnameserver 192.168.106.1\n"
    write_resolv_conf(host, servers)
    machines = join("lab"), join("other")
    for machine in machines:
        with Resolver(machine, machine.lease["router"]) as resolver:
            assert not resolver.resolve("nowhere.test")
    write_resolv_conf(host, f"{servers}nameserver {SERVER_IPV4}\n")
    for machine in machines:
        wait_for(lambda: SERVER_IPV4 in machine.resolve(SERVER_NAME))


def use_own_etc(host):
    """An /etc of the host's own, where resolv.conf can be replaced."""
    host.run(
        "sh",
        "-c",
        "umount /etc/resolv.conf && mkdir /run/etc && cp -a /etc/. /run/etc && "
        "mount --bind /run/etc /etc && mkdir -p /run/resolve && rm -f /etc/resolv.conf",
    )


@pytest.fixture
def host_with_own_etc(host):
    use_own_etc(host)
    return host


def test_resolv_conf_becomes_a_link(host_with_own_etc, outside, broker, join):
    """As systemd-resolved makes it one, which changes the file that it leads to afterwards."""
    host = host_with_own_etc
    outside.start_dns()
    # Nothing is there, and what the link leads to is not there either.
    host.run("ln", "-s", "/run/resolve/nowhere/stub-resolv.conf", "/etc/resolv.conf")
    machine = join("lab")
    assert SERVER_IPV4 not in machine.resolve(SERVER_NAME)
    host.run("sh", "-c", "echo nameserver 192.0.2.1 >/run/resolve/stub-resolv.conf")
    host.run("ln", "-sfn", "/run/resolve/stub-resolv.conf", "/etc/resolv.conf")
    host.run(
        "sh",
        "-c",
        f"echo nameserver {SERVER_IPV4} >/run/resolve/new && "
        "mv /run/resolve/new /run/resolve/stub-resolv.conf",
    )
    wait_for(lambda: SERVER_IPV4 in machine.resolve(SERVER_NAME))

# SPDX-License-Identifier: Apache-2.0
"""A network keeps its addresses for life, unless somebody else has taken them since."""

import os
import shutil

import pytest

from support.echo import WhoServer, who
from support.host import HOST_IPV4, SERVER_IPV4
from support.varlink import VarlinkError
from support.wait import wait_for


PRIVATE = ["192.168.0.0/16", "10.0.0.0/8", "172.16.0.0/12"]
VPN_HOST, VPN_ROUTER, VPN_SERVER = "100.64.0.2", "100.64.0.1", "192.168.200.7"


@pytest.fixture
def vpn(host, outside):
    """A way to VPN_SERVER; vpn(subnet...) has them lead over it."""
    host.ip(f"link add vpn0 type veth peer name vpn0 netns {outside.pid}")
    for namespace, address in (host, VPN_HOST), (outside, VPN_ROUTER):
        namespace.ip(f"address add {address}/30 dev vpn0")
        namespace.ip("link set vpn0 addrgenmode none up")
    wait_for(lambda: "LOWER_UP" in host.ip("link show vpn0"), what="the carrier of vpn0")
    outside.ip(f"address add {VPN_SERVER}/32 dev lo")

    def lead(*subnets):
        for subnet in subnets:
            host.ip(f"route add {subnet} via {VPN_ROUTER}")

    return lead


def addresses(broker, network):
    """What the network has in one more life."""
    client = broker.client()
    described = client.acquire(network)
    link = broker.host.device(described["bridge"])
    client.close()
    broker.wait_until_clean()
    return described["ipv4Subnet"], described["ipv6Prefix"], link["address"]


def test_kept_across_lives_and_brokers(broker):
    first = addresses(broker, "default")
    assert addresses(broker, "default") == first
    broker.stop()
    broker.start()
    assert addresses(broker, "default") == first
    other = addresses(broker, "host")
    assert not set(first) & set(other)


def test_a_subnet_is_kept_for_an_inactive_network(broker):
    assert addresses(broker, "default")[0] == "192.168.64.0/24"
    assert addresses(broker, "host")[0] == "192.168.65.0/24"
    assert addresses(broker, "default")[0] == "192.168.64.0/24"


def test_a_subnet_that_was_taken_meanwhile(broker):
    subnet, prefix, mac = addresses(broker, "default")
    broker.host.ip("route add 192.168.64.128/25 via 198.51.100.1")
    before = broker.before
    broker.before = broker.host.snapshot([broker.pid])
    assert addresses(broker, "default") == ("192.168.65.0/24", prefix, mac)
    broker.wait_for_log(
        rf"network \"default\": its subnet {subnet} is in use by a route over eth0 now; "
        "it gets 192.168.65.0/24"
    )
    broker.host.ip("route delete 192.168.64.128/25")
    broker.before = before
    assert addresses(broker, "default")[0] == "192.168.65.0/24"


def assert_reaches_all(machine, host, outside):
    """The host, the outside and the VPN reach a machine, or it them."""
    with WhoServer(host, 80, "host"), WhoServer(outside, 80, "outside"):
        assert who(machine, machine.lease["router"], 80) == ("host", machine.address)
        assert who(machine, SERVER_IPV4, 80) == ("outside", HOST_IPV4)
        assert who(machine, VPN_SERVER, 80) == ("outside", VPN_HOST)
    with WhoServer(machine, 80, "machine"):
        assert who(host, machine.address, 80) == ("machine", machine.lease["router"])


@pytest.mark.parametrize(
    "covered, subnet",
    [
        (PRIVATE[:1], "10.64.0.0/24"),
        (PRIVATE[:2], "172.16.0.0/24"),
        (PRIVATE, "192.168.64.0/24"),
    ],
)
def test_a_vpn_that_covers_private_subnets(vpn, covered, subnet, broker, host, outside, join):
    vpn(*covered)
    broker.before = host.snapshot([broker.pid])
    machine = join("default")
    assert broker.networks()["default"]["ipv4Subnet"] == subnet
    assert_reaches_all(machine, host, outside)


def test_a_subnet_is_kept_though_a_vpn_covers_it(vpn, broker, host, outside, join):
    before = addresses(broker, "default")
    vpn(*PRIVATE)
    broker.before = host.snapshot([broker.pid])
    assert addresses(broker, "default") == before
    assert_reaches_all(join("default"), host, outside)


def test_a_lan_that_covers_all_private_subnets(broker, host):
    """Its addresses are nobody else's, its gateway's among them."""
    for subnet in PRIVATE:
        host.ip(f"address add {subnet.replace('.0/', '.7/')} dev eth0")
    host.ip("route add 100.64.0.0/10 via 192.168.64.9")
    broker.before = host.snapshot([broker.pid])
    assert addresses(broker, "default")[0] == "192.168.65.0/24"


def test_a_prefix_is_kept_though_an_address_is_of_a_broader_one(broker, host):
    before = addresses(broker, "default")
    host.ip("address add fd00::7/8 dev eth0 nodad")
    host.settle("eth0", "fd00::7")
    broker.before = host.snapshot([broker.pid])
    assert addresses(broker, "default") == before


def test_a_prefix_that_was_taken_meanwhile(broker):
    subnet, prefix, mac = addresses(broker, "default")
    taken = prefix.replace("::/64", "::77/64")
    broker.host.ip(f"address add {taken} dev eth0 nodad")
    broker.host.settle("eth0", taken.removesuffix("/64"))
    before = broker.before
    broker.before = broker.host.snapshot([broker.pid])
    after = addresses(broker, "default")
    assert after[0] == subnet and after[1] != prefix and after[2] == mac
    broker.host.ip(f"address delete {taken} dev eth0")
    broker.before = before


@pytest.mark.broker(config={"lab": {"mode": "host"}})
def test_a_configured_subnet_goes_first(broker):
    before = addresses(broker, "lab")
    broker.configure({"lab": {"mode": "host", "subnet": "10.1.2.0/28"}})
    broker.client().call("Reload")
    assert addresses(broker, "lab") == ("10.1.2.0/28", *before[1:])


def test_damage_costs_nobody_the_network(broker):
    first = addresses(broker, "default")
    path = os.path.join(broker.state_dir, "default.json")
    with open(path, "w", encoding="ascii") as file:
        file.write("{")
    assert addresses(broker, "default")[0] == first[0]
    assert os.path.exists(path + ".damaged")


def test_a_state_directory_that_is_gone(broker):
    first = addresses(broker, "default")
    shutil.rmtree(broker.state_dir)
    with pytest.raises(VarlinkError) as raised:
        broker.client().acquire("default")
    assert broker.state_dir in raised.value.parameters["reason"]
    os.mkdir(broker.state_dir)
    broker.close_clients()
    assert addresses(broker, "default")[0] == first[0]


def test_without_ipv6(broker):
    broker.host.run("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")
    client = broker.client()
    assert client.acquire("default").get("ipv6Prefix") is None
    with client.attach("default"):
        pass
    client.close()
    broker.host.run("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=0")

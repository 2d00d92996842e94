# SPDX-License-Identifier: Apache-2.0
"""A creation that fails is rolled back whole, and its reason names what failed."""

import os
import shutil
import subprocess

import pytest

from support.varlink import VarlinkError
from support.wait import wait_for

LAB = {"lab": {"mode": "shared", "subnet": "10.20.30.0/24"}, "other": {"mode": "host"}}

WIDE = {
    name: {"mode": "host", "subnet": subnet}
    for name, subnet in (("a", "192.168.0.0/16"), ("b", "10.0.0.0/8"), ("c", "172.16.0.0/12"))
}


def refused(broker, network):
    """The reason why the network cannot be had; whatever was made for it has gone."""
    before = broker.snapshot()
    client = broker.client(uid=1001)
    with pytest.raises(VarlinkError) as raised:
        client.acquire(network)
    assert raised.value.name == "CreateFailed"
    assert raised.value.parameters["network"] == network
    assert broker.snapshot() == before
    assert not client.networks()[network]["active"]
    client.close()
    return raised.value.parameters["reason"]


def works(broker, network):
    client = broker.client(uid=1001)
    client.acquire(network)
    client.close()


def test_a_name_that_is_taken(broker):
    broker.host.ip("link add vmb-default type veth peer name peer0")
    assert refused(broker, "default") == (
        'a device vmb-default exists already, and is not the broker\'s; remove it ("ip link '
        'delete vmb-default") or choose another name for the network'
    )
    works(broker, "host")
    broker.host.ip("link delete vmb-default")
    works(broker, "default")


def test_leases_that_cannot_be_read_to_an_end(broker):
    path = os.path.join(broker.state_dir, "default.leases")
    os.mkfifo(path)
    assert refused(broker, "default") == "dnsmasq's files: No such device or address"
    works(broker, "host")
    os.unlink(path)
    works(broker, "default")


@pytest.mark.parametrize(
    "use, user",
    [
        ("address add 10.20.30.7/24 dev eth0", "eth0"),
        ("address add 10.20.30.7/32 dev eth0", "eth0"),
        ("address add 10.20.30.7/16 dev eth0", "eth0"),
        ("route add 10.20.30.0/24 via 198.51.100.1", "a route over eth0"),
        ("route add 10.20.30.128/25 via 198.51.100.1 table 100", "a route over eth0"),
        ("route add 10.99.0.0/16 via 10.20.30.7 dev eth0 onlink", "a route over eth0"),
        ("route add unreachable 10.20.30.7/32", "a route over lo"),
    ],
)
@pytest.mark.broker(config=LAB)
def test_a_subnet_in_use(broker, use, user):
    broker.host.ip(use)
    reason = refused(broker, "lab")
    if user == "a route over lo":
        user = "a route of the host"  # one that leads nowhere
    assert reason == f'subnet 10.20.30.0/24 is in use by {user}; choose another "subnet"'
    works(broker, "other")
    broker.host.ip(use.replace(" add ", " delete "))
    works(broker, "lab")


@pytest.mark.broker(config={"lab": {"mode": "host", "ipv6_prefix": "fd00:1:2:3::/64"}})
def test_a_prefix_in_use(broker):
    broker.host.ip("address add fd00:1:2:3::7/64 dev eth0 nodad")
    broker.host.settle("eth0", "fd00:1:2:3::7")
    assert refused(broker, "lab") == (
        'prefix fd00:1:2:3::/64 is in use by eth0; choose another "ipv6_prefix"'
    )
    broker.host.ip("address delete fd00:1:2:3::7/64 dev eth0")
    works(broker, "lab")


@pytest.mark.parametrize(
    "use",
    [
        "address add 10.20.31.7/16 dev eth0",
        "route add 10.20.0.0/16 via 198.51.100.1",
        "route add unreachable 10.0.0.0/8",
    ],
)
@pytest.mark.broker(config=LAB)
def test_a_broader_route_takes_no_subnet(broker, use):
    broker.host.ip(use)
    works(broker, "lab")
    broker.host.ip(use.replace(" add ", " delete "))


@pytest.mark.broker(config=WIDE | {"default": {"mode": "shared"}})
def test_no_subnet_is_free(broker):
    assert refused(broker, "default") == (
        'no /24 of 192.168.0.0/16, 10.0.0.0/8 or 172.16.0.0/12 is free; set its "subnet"'
    )
    broker.configure({"default": {"mode": "shared"}})
    broker.client().call("Reload")
    works(broker, "default")


def test_default_routes_take_no_subnet(broker):
    broker.host.ip("route add 0.0.0.0/1 via 198.51.100.1")
    broker.host.ip("route add 128.0.0.0/1 via 198.51.100.1")
    works(broker, "default")
    broker.host.ip("route delete 0.0.0.0/1")
    broker.host.ip("route delete 128.0.0.0/1")


@pytest.mark.broker(prefix=["env", "PATH=/nonexistent"])
def test_without_dnsmasq(broker):
    assert "dnsmasq" in refused(broker, "default")


def test_nft_refuses(broker):
    """A table that another process owns is nobody else's to change."""
    owner = broker.host.popen("nft", "-i", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    for family in "inet", "bridge", "ip":
        owner.stdin.write(f"add table {family} vmnet-broker.networks {{ flags owner; }}\n")
    owner.stdin.flush()
    wait_for(lambda: "vmnet-broker.networks" in broker.host.run("nft", "list", "tables").stdout)
    assert "nftables" in refused(broker, "default")
    owner.stdin.close()
    owner.wait()
    works(broker, "default")


def test_without_a_runtime_directory(broker):
    broker.wait_for_log("serving")
    shutil.rmtree(broker.runtime_dir)
    client = broker.client()
    with pytest.raises(VarlinkError) as raised:
        client.acquire("default")
    assert raised.value.parameters["reason"] == (
        f"cannot write its record in {broker.runtime_dir}: No such file or directory"
    )
    os.mkdir(broker.runtime_dir)
    client.acquire("default")
    client.close()


@pytest.mark.broker(config={"lan": {"mode": "bridged", "external_interface": "br0"}})
def test_no_bridge_to_join(broker):
    assert refused(broker, "lan") == (
        'there is no bridge br0 to join; make it, or name another in "external_interface"'
    )
    broker.host.ip("link add br0 type veth peer name peer0")
    assert refused(broker, "lan") == (
        "br0 is no bridge; make it a port of one, and name that one in \"external_interface\""
    )
    broker.host.ip("link delete br0")


def test_all_who_wait_hear_of_it(broker):
    broker.host.ip("link add vmb-default type veth peer name peer0")
    clients = [broker.client() for _ in range(5)]
    for client in clients:
        client.send("Acquire", {"network": "default"})
    for client in clients:
        with pytest.raises(VarlinkError, match="vmb-default exists already"):
            client.receive()
    broker.host.ip("link delete vmb-default")

# SPDX-License-Identifier: Apache-2.0
"""Interfaces: TAP devices on the bridge, which live as long as somebody has them open."""

import contextlib
import fcntl
import os
import struct
import time

import pytest

from support.host import descriptors
from support.tap import (
    IFF_MULTI_QUEUE,
    IFF_NO_PI,
    IFF_TAP,
    IFF_VNET_HDR,
    TUNSETPERSIST,
    open_tap,
    tap_flags,
)
from support.varlink import VarlinkError
from support.wait import wait_for

VNET_HEADER = 10  # bytes before each frame
REVERSE_REQUEST = bytes.fromhex("80350001080006040003")


def has_open_tap(broker):
    """The broker has some device of its own open."""
    return any(name.endswith("tun") for name in descriptors(broker.pid))


@pytest.mark.parametrize("queues", [1, 4])
def test_an_interface(broker, queues):
    client = broker.client(uid=1001)
    bridge = client.acquire("default")["bridge"]
    with client.attach("default", queues=queues) as attachment:
        assert len(attachment.tap_fds) == queues
        flags = tap_flags(attachment.tap_fds[0])
        assert flags & IFF_TAP and flags & IFF_NO_PI and flags & IFF_VNET_HDR
        assert bool(flags & IFF_MULTI_QUEUE) == (queues > 1)
        device = broker.host.device(attachment.name)
        assert device["master"] == bridge
        assert device["operstate"] in ("UP", "UNKNOWN")
        *alias, attached = device["ifalias"].split()
        expected = f"vmnet-broker default {attachment.mac_address} 1001 {device['address']}"
        assert alias == expected.split()
        assert 0 <= time.time() - int(attached) / 1e6 < 60
        assert device["addr_info"] == []
        assert device["address"] != attachment.mac_address
        wait_for(lambda: not has_open_tap(broker), what="the end of the broker's own copies")
    wait_for(lambda: attachment.name not in broker.host.links())
    wait_for(lambda: not client.inspect("default")["interfaces"])


@pytest.mark.broker(config={"lab": {"mode": "host", "isolated": True}})
def test_one_that_is_being_made_is_not_repaired(broker):
    """Each of those with queues has the others redirected anew, while the next one is made."""
    client = broker.client()
    client.acquire("lab")
    with contextlib.ExitStack() as stack:
        for _ in range(60):
            stack.enter_context(client.attach("lab", queues=2))
        assert len(client.inspect("lab")["interfaces"]) == 60
    assert "was cut off" not in broker.log()


def test_vhost_is_passed_where_there_is_one(broker):
    client = broker.client()
    client.acquire("default")
    with client.attach("default", queues=2, vhost=True) as attachment:
        assert len(attachment.vhost_fds) == (2 if os.path.exists("/dev/vhost-net") else 0)


@pytest.mark.broker(config={"lab": {"mode": "host", "mtu": 9000}})
def test_the_mtu_stays(broker):
    client = broker.client()
    bridge = client.acquire("lab")["bridge"]
    assert broker.host.device(bridge)["mtu"] == 9000
    attachment = client.attach("lab")
    assert attachment.mtu == broker.host.device(attachment.name)["mtu"] == 9000
    attachment.close()
    wait_for(lambda: attachment.name not in broker.host.links())
    assert broker.host.device(bridge)["mtu"] == 9000


@pytest.mark.parametrize("isolated", [False, True])
def test_isolation(broker, isolated):
    broker.configure({"lab": {"mode": "host", "isolated": isolated}})
    client = broker.client()
    client.call("Reload")
    client.acquire("lab")
    with client.attach("lab") as attachment:
        port = broker.host.device(attachment.name)["linkinfo"]["info_slave_data"]
        assert port["isolated"] == isolated


def test_a_named_interface(broker):
    client = broker.client(uid=1001)
    client.acquire("default")
    attachment = client.attach("default", openByName=True)
    with pytest.raises(OSError):
        open_tap(broker.host, attachment.name, 1002)
    for _ in range(2):
        os.close(open_tap(broker.host, attachment.name, 1001))
    assert client.networks()["default"]["interfaces"] == 1
    client.release("default")
    broker.wait_until_clean()


def test_a_named_interface_goes_with_its_process(broker):
    def work(client):
        client.acquire("default")
        return client.attach("default", openByName=True).name

    process = broker.client_process(work, uid=1001)
    assert process.result["value"] in broker.host.links()
    process.kill()
    broker.wait_until_clean()


@pytest.mark.parametrize("named", [False, True])
def test_a_queue_is_for_its_user_alone(broker, named):
    flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE
    client = broker.client(uid=1001)
    client.acquire("default")
    with client.attach("default", queues=2, openByName=named) as attachment:
        with pytest.raises(PermissionError):
            open_tap(broker.host, attachment.name, 1002, flags)
        os.close(open_tap(broker.host, attachment.name, 1001, flags))


def test_a_device_that_a_program_makes_persistent(broker):
    """It takes no privilege: a program could leave devices behind for ever."""
    client = broker.client(uid=1001)
    client.acquire("default")
    attachment = client.attach("default")
    fcntl.ioctl(attachment.tap_fds[0], TUNSETPERSIST, 1)
    attachment.close()
    wait_for(lambda: not client.inspect("default")["interfaces"])


def kernel():
    return tuple(int(number) for number in os.uname().release.split(".")[:2])


@pytest.mark.skipif(kernel() < (6, 7), reason="bridges of this kernel learn without end")
def test_a_machine_cannot_make_up_mac_addresses_without_end(broker):
    client = broker.client(uid=1001)
    client.acquire("default")
    with client.attach("default") as attachment:
        for number in range(70000):
            source = b"\x52\x54" + struct.pack("!I", number)
            frame = b"\xff" * 6 + source + REVERSE_REQUEST + bytes(38)
            os.write(attachment.tap_fds[0], bytes(VNET_HEADER) + frame)
        known = broker.host.run("bridge", "fdb", "show", "br", "vmb-default").stdout
        assert 65536 <= len(known.splitlines()) < 70000


def test_a_device_that_the_administrator_deletes(broker):
    client = broker.client()
    client.acquire("default")
    attachment = client.attach("default")
    broker.host.ip(f"link delete {attachment.name}")
    wait_for(lambda: not client.inspect("default")["interfaces"])
    attachment.close()
    with client.attach("default"):
        assert len(client.inspect("default")["interfaces"]) == 1


def test_a_client_that_dies_before_it_takes_its_descriptors(broker):
    for _ in range(20):
        client = broker.client()
        client.acquire("default")
        client.send("Attach", {"network": "default", "queues": 2, "openByName": True})
        client.send("Attach", {"network": "default"})
        client.close()
    broker.wait_until_clean()


def test_many_interfaces_at_once(broker):
    client = broker.client()
    client.acquire("default")
    attachments = [client.attach("default") for _ in range(100)]
    assert len({attachment.name for attachment in attachments}) == 100
    assert len({attachment.mac_address for attachment in attachments}) == 100
    for attachment in attachments:
        attachment.close()
    wait_for(lambda: not client.inspect("default")["interfaces"], timeout=20)


BRIDGED = {"lan": {"mode": "bridged", "external_interface": "br0"}}


@pytest.fixture
def lan(host):
    """A bridge of the host's own, with a port, and with nothing set that would hold it."""
    host.ip("link add br0 type bridge")
    host.ip("link add port0 mtu 1400 type veth peer name far0")
    host.ip("link set far0 addrgenmode none up")
    host.ip("link set port0 addrgenmode none master br0 up")
    host.ip("link set br0 addrgenmode none up")
    host.settle("br0")
    return "br0"


def described(host, name):
    value = host.device(name)
    volatile = ("gc_timer", "hello_timer", "tcn_timer", "topology_change_timer")
    bridge = value["linkinfo"]["info_data"]
    return value, {k: v for k, v in bridge.items() if k not in volatile}


@pytest.mark.broker(config=BRIDGED)
def test_a_bridge_of_the_host_is_joined_and_not_changed(lan, broker):
    before = described(broker.host, lan)
    client = broker.client(uid=1001)
    network = client.acquire("lan")
    assert network["bridge"] == lan
    assert network["mtu"] == 1400
    assert "ipv4Subnet" not in network and "ipv6Prefix" not in network
    attachment = client.attach("lan")
    assert broker.host.device(attachment.name)["master"] == lan
    value, bridge = described(broker.host, lan)
    assert value["address"] == before[0]["address"]
    assert value["mtu"] == before[0]["mtu"]
    assert bridge == before[1]
    attachment.close()
    client.close()
    broker.wait_until_clean()


@pytest.mark.broker(config=BRIDGED)
def test_a_bridge_of_the_host_that_goes(lan, broker):
    broker.check_clean = False  # it is this test that changes the host
    client = broker.client()
    client.acquire("lan")
    with client.attach("lan") as attachment:
        broker.host.ip(f"link delete {lan}")
        broker.wait_for_log('network "lan": there is no bridge br0 to join')
        broker.host.ip(f"link add {lan} type bridge")
        broker.wait_for_log('network "lan": whole again')
        assert broker.host.device(attachment.name)["master"] == lan
    with pytest.raises(VarlinkError):
        client.attach("nothing")

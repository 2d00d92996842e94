# SPDX-License-Identifier: Apache-2.0
"""What the administrator or another program breaks is put right, or said."""

import contextlib
import json
import os
import signal

import pytest

from support.wait import wait_for


@pytest.fixture
def network(broker):
    """An active network with an interface."""
    client = broker.client()
    described = client.acquire("default")
    with client.attach("default") as attachment:
        described["device"] = attachment.name
        yield described
    client.close()


def link(broker, name):
    found = json.loads(broker.host.run("ip", "-j", "address", "show", "dev", name).stdout)
    return found[0]


def is_whole(broker, network):
    """The bridge has its addresses and the interface."""
    if network["bridge"] not in broker.host.links():
        return False
    bridge = link(broker, network["bridge"])
    addresses = {address["local"] for address in bridge["addr_info"]}
    expected = {
        network["ipv4_gateway"],
        "fe80::1",
        network["ipv6_prefix"].removesuffix("/64") + "1",
    }
    return (
        addresses == expected
        and "UP" in bridge["flags"]
        and link(broker, network["device"]).get("master") == network["bridge"]
    )


@pytest.mark.parametrize(
    "breakage",
    [
        "link delete {bridge}",
        "link set {bridge} down",
        "address flush dev {bridge}",
        "address delete {ipv4_gateway}/24 dev {bridge}",
        "address delete fe80::1/64 dev {bridge}",
    ],
)
def test_repair(broker, network, breakage):
    assert is_whole(broker, network)
    mac = link(broker, network["bridge"])["address"]
    broker.host.ip(breakage.format(**network))
    wait_for(lambda: is_whole(broker, network))
    assert link(broker, network["bridge"])["address"] == mac
    assert broker.client().networks()["default"]["interfaces"] == 1


@contextlib.contextmanager
def paused(broker):
    """Inside, the broker hears of nothing."""
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(broker.pid, signal.SIGCONT)


def test_what_cannot_be_repaired_is_said(broker, network):
    bridge = network["bridge"]
    with paused(broker):
        broker.host.ip(f"link delete {bridge}")
        broker.host.ip(f"link add {bridge} type veth peer name peer0")
    broker.wait_for_log('network "default": a device vmb-default exists already')
    assert broker.client().networks()["default"]["active"]
    broker.host.ip(f"link delete {bridge}")
    broker.wait_for_log('network "default": whole again')
    wait_for(lambda: is_whole(broker, network))


def test_a_record_that_cannot_be_written_hinders_no_repair(broker, network):
    away = broker.runtime_dir + "-away"
    os.rename(broker.runtime_dir, away)
    broker.host.ip(f"link delete {network['bridge']}")
    wait_for(lambda: is_whole(broker, network))
    broker.wait_for_log('network "default": cannot write its record in ')
    os.rename(away, broker.runtime_dir)
    broker.wait_for_log('network "default": whole again')


def test_more_notifications_than_fit(broker, network):
    churn = "address add 192.0.2.1/32 dev lo\naddress delete 192.0.2.1/32 dev lo\n"
    with paused(broker):
        broker.host.run("ip", "-batch", "-", input=churn * 3000)
        broker.host.ip(f"address flush dev {network['bridge']}")
    broker.wait_for_log("notifications of the kernel were lost")
    wait_for(lambda: is_whole(broker, network))

# SPDX-License-Identifier: Apache-2.0
"""Calls of vmnet that hang, as all do on macOS 27.0 until the Mac restarts."""

import time

import pytest
from statuses import CREATE_FAILURE
from support.wait import wait_for

HANGS = "vmnet has not answered for 10 s; if that goes on, only a restart of the Mac helps"
LAB = {
    "mode": "shared",
    "subnet": "10.1.2.0/24",
    "dhcp_reservations": [{"mac_address": "52:54:00:00:00:0a", "address": "10.1.2.10"}],
}


@pytest.fixture
def lab(world):
    """A network "lab", and others that do not need add_dhcp_reservation."""
    world.configure({"lab": LAB, "other": {"mode": "shared"}, "third": {"mode": "host"}})
    world.bootstrap()
    return world


def assert_whole(world):
    """vmnet answers again: nothing of before is left, and all is as ever."""
    world.wait_for_networks(0)
    wait_for(lambda: world.transactions() == 0, what="the end of the transaction")
    assert world.bridges() == {}
    client = world.wire()
    assert client.acquire("lab")["info"]["ipv4_subnet"] == "10.1.2.0/24"


@pytest.mark.parametrize("call", ["add_dhcp_reservation", "interface_start"])
def test_a_creation_that_hangs(lab, call):
    busy, idle = lab.wire(), lab.wire()
    busy.acquire("third")
    waiting = [lab.wire() for _ in range(2)]
    lab.hold(call)
    start = time.monotonic()
    for client in waiting:
        client.start(command="acquire", network_name="lab")
    lab.wait_for_log('network "lab": asks vmnet for it')
    # Others are served meanwhile: those who have a network, who leave one, who want one.
    assert "error" not in idle.acquire("third")
    busy.call(command="release", network_name="third")
    idle.call(command="release", network_name="third")
    lab.wait_for_log('network "third": removed')
    if call != "interface_start":
        assert "error" not in busy.acquire("other")
    for client in waiting:
        reply = client.reply()
        assert (reply["error"], reply["message"]) == (CREATE_FAILURE, HANGS)
    assert 9 < time.monotonic() - start < 15
    lab.wait_for_log(f'error: network "lab": cannot be created: {HANGS}')
    # Who comes later does not wait for what is known.
    start = time.monotonic()
    assert idle.acquire("lab")["message"] == HANGS
    assert time.monotonic() - start < 5
    for client in [*waiting, busy, idle]:
        client.quit()
    # launchd must not kill the broker: what comes back late is still to be let go of.
    lab.wait_for_networks(1 if call == "interface_start" else 0)
    assert lab.transactions() == 1
    lab.let_go(call)
    lab.wait_for_log('network "lab": vmnet answers again')
    assert_whole(lab)


def test_a_removal_that_hangs(lab):
    client, waiting = lab.wire(), lab.wire()
    client.acquire("lab")
    lab.hold("interface_stop")
    client.call(command="release", network_name="lab")
    waiting.start(command="acquire", network_name="lab")
    assert waiting.reply()["message"] == HANGS
    lab.wait_for_log(f'error: network "lab": cannot be removed: {HANGS}')
    assert "error" not in client.acquire("third")
    client.quit()
    waiting.quit()
    lab.let_go("interface_stop")
    assert_whole(lab)


def test_a_broker_stops_though_vmnet_hangs(lab):
    client = lab.wire()
    lab.hold("network_create")
    client.start(command="acquire", network_name="lab")
    assert client.reply()["message"] == HANGS
    broker = lab.broker
    broker.terminate()
    lab.launchd.wait_for_end(broker)
    assert lab.log().endswith("vmnet-broker: info: stopped\n")
    lab.let_go("network_create")


def test_a_broker_stops_though_vmnet_begins_to_hang(lab):
    client = lab.wire()
    client.acquire("lab")
    lab.hold("interface_stop")
    broker = lab.broker
    broker.terminate()
    lab.wait_for_log("asked to stop")
    broker.terminate()
    lab.launchd.wait_for_end(broker)
    lab.wait_for_log(f'error: network "lab": cannot be removed: {HANGS}')
    lab.let_go("interface_stop")

# SPDX-License-Identifier: Apache-2.0
"""The lifetimes of the design, on macOS: who makes a network, who keeps it, and what ends it."""

import glob
import json
import os

import pytest
from statuses import CREATE_FAILURE, MEM_FAILURE, STATUSES, VMNET_SUCCESS
from support.wait import wait_for
from world import USER_UID

SCHEMA = os.path.join(os.path.dirname(__file__), "../../data/networks.schema.json")

CALLS = {
    "configuration_create": "makes no configuration",
    "set_ipv4_subnet": "does not take subnet 10.1.2.0/24",
    "set_ipv6_prefix": "does not take IPv6 prefix fd12:3456:789a:1::/64",
    "set_external_interface": 'does not take "external_interface" en7',
    "set_mtu": 'does not take "mtu" 1400',
    "add_dhcp_reservation": "does not take the DHCP reservation of 52:54:00:00:00:0a",
    "add_port_forwarding_rule": "does not take the forwarding of tcp port 2222",
    "network_create": "refuses the network",
    "copy_serialization": "does not serialize the network",
    "interface_start": "does not run the network",
    "interface_ref": "does not run the network",
}

LAB = {
    "mode": "shared",
    "subnet": "10.1.2.0/24",
    "ipv6_prefix": "fd12:3456:789a:1::/64",
    "external_interface": "en7",
    "mtu": 1400,
    "dhcp_reservations": [{"mac_address": "52:54:00:00:00:0a", "address": "10.1.2.10"}],
    "port_forwarding": [
        {
            "protocol": "tcp",
            "external_port": 2222,
            "internal_address": "10.1.2.10",
            "internal_port": 22,
        },
        {
            "protocol": "udp",
            "external_port": 5353,
            "internal_address": "fd12:3456:789a:1::a",
            "internal_port": 53,
        },
    ],
}


def test_every_key_reaches_vmnet(world):
    services = ["nat66", "dhcp", "dns_proxy", "router_advertisement"]
    several = {
        "protocol": "both",
        "external_port": "8000-8001",
        "internal_address": "10.1.2.10",
        "internal_port": 80,
    }
    lab = {**LAB, **{service: False for service in services}}
    lab["port_forwarding"] = [*LAB["port_forwarding"], several]
    del lab["dhcp_reservations"]
    served = {
        "mode": "shared",
        "subnet": "10.1.3.0/24",
        "dhcp_reservations": [{"mac_address": "52:54:00:00:00:0a", "address": "10.1.3.10"}],
    }
    # What is left are the broker's own, and what has one value on macOS.
    own = {"description", "aliases", "allow", "nat44"}
    own |= {"isolated", "link_local", "bypass_kill_switch", "max_interfaces"}
    own |= {"allow_port_forwarding", "rate_limit_in", "rate_limit_out", "vxlan"}
    with open(SCHEMA, encoding="utf-8") as file:
        keys = json.load(file)["definitions"]["network"]["properties"]
    assert lab.keys() | served.keys() | own == keys.keys()
    world.configure({"lab": lab, "served": served})
    world.bootstrap()
    client = world.wire()
    client.acquire("lab")
    (lines,) = world.networks()
    assert sorted(lines) == sorted(
        [
            ("mode", "shared"),
            ("subnet", "10.1.2.0/24"),
            ("host", "10.1.2.1"),
            ("prefix", "fd12:3456:789a:1::/64"),
            ("external_interface", "en7"),
            ("mtu", "1400"),
            ("port_forwarding", "tcp 2222 10.1.2.10 22"),
            ("port_forwarding", "udp 5353 fd12:3456:789a:1::a 53"),
            # vmnet takes single ports of one protocol.
            ("port_forwarding", "tcp 8000 10.1.2.10 80"),
            ("port_forwarding", "udp 8000 10.1.2.10 80"),
            ("port_forwarding", "tcp 8001 10.1.2.10 81"),
            ("port_forwarding", "udp 8001 10.1.2.10 81"),
            *[("no", service) for service in services],
        ]
    )
    client.call(command="release", network_name="lab")
    world.wait_for_networks(0)
    client.acquire("served")
    assert ("dhcp_reservation", "52:54:00:00:00:0a 10.1.3.10") in world.networks()[0]
    assert "no" not in world.network()


@pytest.mark.parametrize("status", STATUSES)
def test_vmnet_refuses_with_each_status(mac, status):
    mac.refuse("network_create", status)
    client = mac.wire()
    reply = client.acquire("default")
    assert reply["error"] == CREATE_FAILURE
    assert reply["message"].endswith(f", status {status}")
    mac.wait_for_log('network "default": cannot be created: vmnet refuses the network: ')


@pytest.mark.parametrize("call", CALLS)
def test_creation_that_fails_at_a_step_is_rolled_back(world, call):
    world.configure({"lab": LAB})
    world.bootstrap()
    world.refuse(call)
    client = world.wire()
    reply = client.acquire("lab")
    assert reply["error"] == CREATE_FAILURE
    assert CALLS[call] in reply["message"]
    assert world.networks() == []
    assert world.bridges() == {}
    world.refuse(call, None)
    assert client.acquire("lab")["info"]["ipv4_subnet"] == "10.1.2.0/24"


def test_the_missing_entitlement_is_named(mac):
    mac.refuse("network_create", MEM_FAILURE)
    reply = mac.wire().acquire("default")
    assert "com.apple.security.virtualization" in reply["message"]


def test_clients_that_come_meanwhile_get_the_same_network(mac):
    mac.hold("network_create")
    clients = [mac.wire() for _ in range(3)]
    for client in clients:
        client.start(command="acquire", network_name="shared")
    mac.wait_for_log("asks vmnet for it")
    mac.let_go("network_create")
    for client in clients:
        assert "error" not in client.reply()
    assert len(mac.networks()) == 1
    assert mac.log().count('network "default": created') == 1


def test_clients_that_wait_all_get_the_reason(mac):
    mac.hold("network_create")
    mac.refuse("network_create")
    clients = [mac.wire() for _ in range(3)]
    for client in clients:
        client.start(command="acquire", network_name="shared")
    mac.let_go("network_create")
    for client in clients:
        assert client.reply()["error"] == CREATE_FAILURE


@pytest.mark.parametrize("end", ["release", "quit", "exit", "kill"])
def test_each_way_to_leave_ends_the_hold(mac, end):
    client, other = mac.wire(), mac.wire()
    client.acquire("default")
    other.acquire("default")
    if end == "release":
        client.call(command="release", network_name="shared")
    else:
        getattr(client, end)()
    # The network stays for the other.
    wait_for(
        lambda: len(other.call(command="inspect", network_name="default")["clients"]) == 1,
        what="the end of the first hold",
    )
    assert len(mac.networks()) == 1
    other.kill()
    mac.wait_for_networks(0)


def test_a_client_that_dies_while_it_waits(mac):
    mac.hold("network_create")
    client = mac.wire()
    client.start(command="acquire", network_name="default")
    mac.wait_for_log("asks vmnet for it")
    client.kill()
    mac.let_go("network_create")
    mac.wait_for_log('network "default": removed')
    mac.wait_for_networks(0)
    wait_for(lambda: mac.transactions() == 0)
    assert "error" not in mac.wire().acquire("default")


def test_a_second_acquire_takes_no_second_hold(mac):
    client = mac.wire()
    client.acquire("default")
    client.acquire("shared")
    assert client.call(command="inspect", network_name="default")["info"]["clients"] == 1
    client.call(command="release", network_name="default")
    mac.wait_for_networks(0)


def test_one_comes_at_the_instant_another_leaves(mac):
    one, two = mac.wire(), mac.wire()
    one.acquire("default")
    for _ in range(30):
        one.post(command="release", network_name="default")
        assert "error" not in two.acquire("default")
        one, two = two, one
    assert len(mac.networks()) == 1


def test_a_hundred_clients(mac):
    clients = [mac.library() for _ in range(100)]
    for client in clients:
        client.start("connect")
    for client in clients:
        assert client.answer()[0] == 0
        client.start("acquire", "default")
    for client in clients:
        assert client.answer()[0] == 0
    text = clients[0].succeed("inspect", "default")
    assert len(text.split()) == 2 + len(clients)
    assert mac.log().count('network "default": created') == 1
    # They all go, some in order, some not.
    for index, client in enumerate(clients):
        if index % 3 == 0:
            client.kill()
        elif index % 3 == 1:
            client.exit()
        else:
            client.succeed("close")
    mac.wait_for_networks(0)
    wait_for(lambda: mac.transactions() == 0)
    mac.wait_for_log('network "default": removed')
    assert mac.log().count('network "default": removed') == 1


# What keeps a network's run


SERVED = {
    **LAB,
    "port_forwarding": LAB["port_forwarding"][:1],
}


def served(world):
    """What serves the machines of the only network there is."""
    (lines,) = world.bridges().values()
    return [line for line in lines if line[0] in ("dhcp_reservation", "port_forwarding")]


def test_a_network_runs_from_its_first_hold_to_its_last(world):
    world.configure({"lab": SERVED})
    world.bootstrap()
    client = world.wire()
    client.acquire("lab")
    expected = [
        ("dhcp_reservation", "52:54:00:00:00:0a 10.1.2.10"),
        ("port_forwarding", "tcp 2222 10.1.2.10 22"),
    ]
    assert sorted(served(world)) == expected
    # A machine comes and goes, and another, as one does that restarts.
    for _ in range(2):
        assert client.run() == VMNET_SUCCESS
        client.start_stop()
        assert client.stopped() == VMNET_SUCCESS
        assert sorted(served(world)) == expected
    client.quit()
    world.wait_for_networks(0)
    assert world.bridges() == {}


def test_each_network_has_a_bridge_of_its_own(mac):
    client = mac.wire()
    networks = [client.acquire(name)["info"] for name in ("default", "host")]
    bridges = [dict(lines) for lines in mac.bridges().values()]
    assert sorted(bridge["inet"] for bridge in bridges) == sorted(
        network["ipv4_gateway"] for network in networks
    )


def test_a_network_is_let_go_of_after_its_interface(mac):
    client = mac.wire()
    client.acquire("default")
    mac.hold("interface_stop")
    client.call(command="release", network_name="default")
    mac.wait_for_log("nobody uses it any more")
    # Nobody is told yet that it has gone, and nobody gets it.
    client.start(command="acquire", network_name="default")
    # For as long as another one takes to be made.
    assert "error" not in mac.wire().acquire("host")
    assert len(mac.networks()) == 2
    assert 'network "default": removed' not in mac.log()
    mac.let_go("interface_stop")
    assert client.reply()["info"]["ipv4_subnet"] == "192.168.64.0/24"


# The broker's own life


def test_started_by_a_message_and_gone_when_idle(world):
    world.bootstrap("--idle-exit=0")
    assert world.launchd.process is None
    client = world.wire()
    client.acquire("default")
    broker = world.broker
    assert world.transactions() == 1
    client.quit()
    world.launchd.wait_for_end(broker)
    assert world.transactions() == 0
    # And again.
    client = world.wire()
    client.acquire("default")
    assert world.broker.pid != broker.pid


def test_a_client_without_a_hold_keeps_the_broker(world):
    world.bootstrap("--idle-exit=0")
    client = world.wire()
    client.call(command="list")
    broker = world.broker
    other = world.wire()
    other.acquire("default")
    other.quit()
    world.wait_for_networks(0)
    client.call(command="list")
    assert world.launchd.process is broker
    client.quit()
    world.launchd.wait_for_end(broker)


def test_one_who_comes_while_the_broker_leaves(world):
    """Each of many starts of the broker serves its client, whatever the moment."""
    world.bootstrap("--idle-exit=0")
    for _ in range(30):
        client = world.library()
        client.succeed("connect")
        client.acquire("default")
        client.kill()


def test_networks_end_with_their_broker(mac):
    client = mac.wire()
    client.acquire("default")
    mac.launchd.kill()
    assert client.event() == "INTERRUPTED"
    assert mac.networks() == []
    assert isinstance(client.join(), int)
    client.acquire("default")
    assert client.join() == "192.168.65.1"


def test_transactions_from_the_first_client_to_the_last(mac):
    one, two = mac.wire(), mac.wire(uid=USER_UID + 1)
    one.call(command="list")
    assert mac.transactions() == 1
    two.call(command="list")
    assert mac.transactions() == 1
    one.kill()
    two.call(command="list")
    assert mac.transactions() == 1
    two.kill()
    wait_for(lambda: mac.transactions() == 0)


def test_a_transaction_lasts_until_the_last_network_is_removed(mac):
    """launchd kills a broker without one, and a network that is not removed keeps its subnet."""
    client = mac.wire()
    client.acquire("default")
    mac.hold("interface_stop")
    client.quit()
    # The broker has seen the client go.
    mac.wait_for_log("nobody uses it any more")
    assert mac.transactions() == 1
    mac.let_go("interface_stop")
    wait_for(lambda: mac.transactions() == 0)
    assert mac.networks() == []

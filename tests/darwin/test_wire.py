# SPDX-License-Identifier: Apache-2.0
"""What existing clients speak, to the letter, by a client that has none of the project's code."""

import json

import pytest
from statuses import CREATE_FAILURE, INTERNAL_ERROR, INVALID_REQUEST, NOT_ALLOWED, NOT_FOUND
from world import USER_UID

LIMIT_USER_MONITORS = 32  # broker/user_limits.h


def assert_error(client, reply, code):
    """A failure has the error as an int64, and no network."""
    assert reply["error"] == code, reply
    assert client.typed["error"] == {"int64": code}
    assert "network" not in reply
    assert reply["message"]


@pytest.mark.parametrize("name", ["shared", "host", "default"])
def test_an_unconfigured_broker_has_the_names(mac, name):
    client = mac.wire()
    reply = client.acquire(name)
    assert list(client.typed["network"]) == ["dictionary"]
    assert "error" not in reply
    assert client.join() == mac.network()["host"]
    assert mac.network()["mode"] == ("host" if name == "host" else "shared")
    client.quit()
    mac.wait_for_networks(0)


def test_two_names_of_one_network(mac):
    one, two = mac.wire(), mac.wire()
    one.acquire("shared")
    two.acquire("default")
    assert one.join() == two.join()
    assert len(mac.networks()) == 1


def test_two_networks(mac):
    client = mac.wire()
    client.acquire("shared")
    shared = client.join()
    client.acquire("host")
    assert client.join() != shared
    assert len(mac.networks()) == 2


def test_the_reply_tells_what_the_network_is(mac):
    client = mac.wire()
    reply = client.acquire("shared")
    network = dict(mac.network())
    info = reply["info"]
    assert info["name"] == "default"
    assert info["mode"] == "shared"
    assert info["ipv4_subnet"] == network["subnet"]
    assert info["ipv4_gateway"] == network["subnet"].replace(".0/24", ".1")
    assert info["ipv6_prefix"] == network["prefix"]
    assert (info["mtu"], info["clients"]) == (1500, 1)
    assert (info["active"], info["changed"]) == (True, False)


@pytest.mark.parametrize(
    "request_keys",
    [
        {},
        {"network_name": "default"},
        {"command": "int64:1", "network_name": "default"},
        {"command": "data:acquire", "network_name": "default"},
        {"command": "array:", "network_name": "default"},
        {"command": "nonsense", "network_name": "default"},
        {"command": "string:", "network_name": "default"},
        {"command": "acquire"},
        {"command": "acquire", "network_name": "int64:7"},
        {"command": "acquire", "network_name": "bool:true"},
        {"command": "acquire", "network_name": "dictionary:"},
        {"command": "acquire", "network_name": "string:"},
        {"command": "acquire", "network_name": "../escape"},
        {"command": "acquire", "network_name": "a" * 64},
        {"command": "release"},
        {"command": "inspect", "network_name": "array:"},
        {"command": "release", "network_name": "default"},
    ],
    ids=str,
)
def test_invalid_request(mac, request_keys):
    client = mac.wire()
    assert_error(client, client.call(**request_keys), INVALID_REQUEST)
    # The connection is as good as before.
    assert "error" not in client.acquire("default")


def test_unknown_network(mac):
    client = mac.wire()
    reply = client.acquire("lab")
    assert_error(client, reply, NOT_FOUND)
    assert reply["message"].startswith('no network "lab" is configured')
    assert_error(client, client.call(command="inspect", network_name="lab"), NOT_FOUND)


def test_not_allowed(world):
    world.configure({"lab": {"mode": "host", "allow": {"users": ["nobody"]}}})
    world.bootstrap()
    client = world.wire()
    reply = client.acquire("lab")
    assert_error(client, reply, NOT_ALLOWED)
    assert reply["message"] == 'network "lab" may be acquired only by user "nobody" and root'
    assert world.networks() == []


def test_creation_fails(mac):
    mac.refuse("network_create")
    client = mac.wire()
    reply = client.acquire("shared")
    assert_error(client, reply, CREATE_FAILURE)
    assert "VMNET_FAILURE" in reply["message"]
    mac.refuse("network_create", None)
    assert "error" not in client.acquire("shared")


def test_a_limit(mac):
    clients = [mac.wire() for _ in range(LIMIT_USER_MONITORS + 1)]
    for client in clients[:-1]:
        assert "error" not in client.call(command="monitor")
    assert_error(clients[-1], clients[-1].call(command="monitor"), INTERNAL_ERROR)
    root = mac.wire(uid=0)
    assert "error" not in root.call(command="monitor")


def test_a_request_without_a_reply_is_served(mac):
    silent, other = mac.wire(), mac.wire()
    silent.post(command="acquire", network_name="default")
    silent.post(command="nonsense")
    silent.post(command="acquire", network_name="no-such-network")
    # Requests of a connection are served in order.
    silent.call(command="list")
    reply = other.call(command="inspect", network_name="default")
    assert [client["pid"] for client in reply["clients"]] == [silent.pid]
    silent.post(command="release", network_name="default")
    silent.call(command="list")
    mac.wait_for_networks(0)


def test_requests_wait_for_the_one_before(mac):
    client = mac.wire()
    mac.hold("network_create")
    client.post(command="acquire", network_name="default")
    client.start(command="list")
    other = mac.wire()
    # Others are served meanwhile.
    (network,) = [n for n in other.call(command="list")["networks"] if n["name"] == "default"]
    assert not network["active"]
    assert not client.has_line()
    mac.let_go("network_create")
    (network,) = [n for n in client.reply()["networks"] if n["name"] == "default"]
    assert network["active"]


def test_list_and_inspect(world):
    world.configure(
        {
            "lab": {"mode": "host", "description": 'The "lab"', "mtu": 1400},
            "secret": {"mode": "shared", "allow": {"users": ["root"]}},
        }
    )
    world.bootstrap()
    client = world.wire()
    (network,) = client.call(command="list")["networks"]
    configuration = json.loads(network.pop("configuration"))
    assert (configuration["name"], configuration["mtu"]) == ("lab", 1400)
    assert network == {
        "name": "lab",
        "description": 'The "lab"',
        "mode": "host",
        "mtu": 1400,
        "clients": 0,
        "active": False,
        "changed": False,
        "removed": False,
    }
    client.acquire("lab")
    reply = client.call(command="inspect", network_name="lab")
    assert reply["info"]["clients"] == 1
    assert reply["clients"] == [{"pid": client.pid, "uid": USER_UID, "command": "wire"}]
    assert "fault" not in reply
    root = world.wire(uid=0)
    names = [network["name"] for network in root.call(command="list")["networks"]]
    assert names == ["lab", "secret"]


def test_monitor(mac):
    watcher, client = mac.wire(), mac.wire()
    watcher.call(command="monitor")
    client.acquire("shared")
    client.quit()
    events = [watcher.event() for _ in range(4)]
    assert [event["event"] for event in events] == [
        "network_created",
        "client_acquired",
        "client_released",
        "network_removed",
    ]
    assert {event["network_name"] for event in events} == {"default"}
    for event in events[1:3]:
        assert event["client"] == {"pid": client.pid, "uid": USER_UID, "command": "wire"}
    assert "client" not in events[0]


def test_events_of_forbidden_networks_are_not_told(world):
    world.configure(
        {
            "secret": {"mode": "shared", "allow": {"users": ["root"]}},
            "public": {"mode": "shared"},
        }
    )
    world.bootstrap()
    watcher, client = world.wire(), world.wire(uid=0)
    watcher.call(command="monitor")
    client.acquire("secret")
    client.acquire("public")
    assert watcher.event()["network_name"] == "public"


def test_the_broker_dies_while_a_client_waits(mac):
    client = mac.wire()
    mac.hold("network_create")
    client.start(command="acquire", network_name="default")
    mac.wait_for_log("asks vmnet for it")
    mac.launchd.kill()
    assert client.reply() == "INTERRUPTED"
    assert client.event() == "INTERRUPTED"
    mac.let_go("network_create")
    # The same connection finds the next broker.
    assert "error" not in client.acquire("default")


def test_without_a_service_a_connection_is_invalid(world):
    client = world.wire()
    assert client.acquire("default") == "INVALID"
    assert client.event() == "INVALID"
    # For good, and without another event.
    world.bootstrap()
    assert client.acquire("default") == "INVALID"
    assert not client.has_line() and not client.events


def test_a_canceled_connection_ends_its_holds(mac):
    client = mac.wire()
    client.acquire("default")
    client.tell("cancel")
    assert client.event() == "INVALID"
    mac.wait_for_networks(0)

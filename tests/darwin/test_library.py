# SPDX-License-Identifier: Apache-2.0
"""libvmnet-broker on macOS, by a program that makes each of its calls."""

import pytest
from statuses import CREATE_FAILURE, INVALID_REQUEST, NOT_ALLOWED, NOT_FOUND, SUCCESS, XPC_FAILURE
from support.wait import wait_for
from world import USER_UID


@pytest.fixture
def client(mac):
    client = mac.library()
    client.succeed("connect")
    return client


def test_acquire(mac, client):
    network = client.acquire("shared")
    assert network["name"] == "default"
    assert network["subnet"] == mac.network()["subnet"] == "192.168.64.0/24"
    assert network["gateway"] == "192.168.64.1"
    assert network["prefix"] == mac.network()["prefix"]
    assert (network["mtu"], network["active"], network["clients"]) == ("1500", "1", "1")
    client.succeed("release", "shared")
    mac.wait_for_networks(0)
    client.exit()


def test_close_ends_the_holds(mac, client):
    client.acquire("default")
    client.acquire("host")
    client.succeed("close")
    mac.wait_for_networks(0)
    client.exit()


def test_serialization(client):
    client.acquire("shared")
    assert client.succeed("serialization", "shared") == "joined 192.168.64.1"
    # By each name of it.
    assert client.succeed("serialization", "default") == "joined 192.168.64.1"
    client.exit()


def test_serialization_by_an_alias_that_was_not_asked_for(client):
    client.acquire("default")
    assert client.succeed("serialization", "shared") == "joined 192.168.64.1"


def test_what_is_not_held(mac, client):
    sentence = 'this connection does not hold network "default"; acquire it first'
    for call in ("serialization", "release"):
        assert client.call(call, "default") == (INVALID_REQUEST, sentence)
    assert mac.networks() == []


def test_release_by_another_name(mac, client):
    client.acquire("default")
    client.succeed("release", "shared")
    mac.wait_for_networks(0)
    assert client.call("release", "default")[0] == INVALID_REQUEST


def test_the_call_of_existing_programs(mac):
    client = mac.library()
    assert client.call("acquire_network", "shared") == (SUCCESS, "joined 192.168.64.1")
    assert client.call("acquire_network", "host") == (SUCCESS, "joined 192.168.128.1")
    assert client.call("acquire_network", "shared") == (SUCCESS, "joined 192.168.64.1")
    assert client.call("acquire_network", "nonsense")[0] == NOT_FOUND
    assert client.call("acquire_network", "no name")[0] == INVALID_REQUEST
    # Held until the process ends, which leaves nothing else behind.
    assert len(mac.networks()) == 2
    client.exit()
    mac.wait_for_networks(0)


def test_errors(world):
    world.configure(
        {
            "lab": {"mode": "shared", "allow": {"groups": ["games"]}},
            "broken": {"mode": "host"},
        }
    )
    world.bootstrap()
    world.refuse("network_create")
    client = world.library()
    client.succeed("connect")
    assert client.call("acquire", "lab") == (
        NOT_ALLOWED,
        'network "lab" may be acquired only by group "games" and root',
    )
    assert client.call("inspect", "lab")[0] == NOT_ALLOWED
    status, sentence = client.call("acquire", "broken")
    assert status == CREATE_FAILURE
    assert sentence.startswith('network "broken": vmnet refuses the network: ')
    status, sentence = client.call("acquire", "nonsense")
    assert status == NOT_FOUND
    assert sentence.startswith('no network "nonsense" is configured')
    status, sentence = client.call("acquire", "-")
    assert status == INVALID_REQUEST
    assert sentence.startswith('"-" is no network name')
    assert client.call("reload") == (
        NOT_ALLOWED,
        "only root may have the configuration read again",
    )


def test_list_and_inspect(mac, client):
    assert client.succeed("list") == "default:inactive host:inactive"
    client.acquire("default")
    assert client.succeed("list") == "default:active host:inactive"
    assert (
        client.succeed("inspect", "shared")
        == f"default 192.168.64.0/24 {client.pid}/{USER_UID}/library"
    )
    assert client.succeed("inspect", "host") == "host none"


def test_monitor(mac, client):
    assert client.call("next", 0)[0] == INVALID_REQUEST
    client.succeed("monitor")
    assert client.succeed("next", 0) == "none"
    other = mac.wire()
    other.acquire("default")
    assert client.succeed("next", 5000) == "network_created default"
    assert client.succeed("next", -1) == f"client_acquired default {other.pid}"
    assert client.succeed("next", 0) == "none"
    assert client.call("list") == (
        INVALID_REQUEST,
        "this connection monitors; use another one for calls",
    )
    other.kill()
    assert client.succeed("next", -1) == f"client_released default {other.pid}"
    client.succeed("close")
    client.exit()


def test_events_that_nobody_took(mac, client):
    client.succeed("monitor")
    other = mac.library()
    other.succeed("connect")
    other.acquire("default")
    client.succeed("next", -1)
    client.succeed("close")
    client.exit()


def test_the_end_of_the_broker_ends_the_events(mac, client):
    client.acquire("default")
    client.succeed("monitor")
    mac.launchd.kill()
    assert client.call("next", -1)[0] == XPC_FAILURE
    assert client.call("next", 0)[0] == XPC_FAILURE
    client.succeed("close")
    client.exit()


def test_no_service(world):
    client = world.library()
    assert client.call("connect")[0] == XPC_FAILURE
    assert client.call("acquire_network", "default")[0] == XPC_FAILURE
    world.bootstrap()
    client.succeed("connect")


# A broker that died is found again


def test_holds_are_acquired_again(mac, client):
    client.acquire("shared")
    client.acquire("host")
    mac.launchd.kill()
    assert mac.networks() == []
    # Any call will do.
    client.succeed("list")
    assert len(mac.networks()) == 2
    # What the killed one had is taken still.
    assert client.succeed("serialization", "host") == "joined 192.168.129.1"
    client.succeed("release", "default")
    client.succeed("release", "host")
    mac.wait_for_networks(0)
    client.exit()


@pytest.mark.parametrize(
    "words",
    [
        ("serialization", "shared"),
        ("acquire", "default"),
        ("acquire", "host"),
        ("inspect", "default"),
        ("list",),
    ],
    ids=" ".join,
)
def test_every_call_finds_the_next_broker(mac, client, words):
    client.acquire("shared")
    mac.launchd.kill()
    client.succeed(*words)
    inspection = client.succeed("inspect", "default")
    assert f" {client.pid}/" in inspection


def test_release_at_the_next_broker(mac, client):
    client.acquire("shared")
    client.acquire("host")
    mac.launchd.kill()
    client.succeed("release", "shared")
    wait_for(lambda: [network["mode"] for network in map(dict, mac.networks())] == ["host"])


def test_monitor_at_the_next_broker(mac, client):
    client.acquire("shared")
    mac.launchd.kill()
    client.succeed("monitor")
    assert len(mac.networks()) == 1
    other = mac.wire()
    other.acquire("shared")
    # What it has acquired again may be told before.
    while client.succeed("next", 5000) != f"client_acquired default {other.pid}":
        pass


def test_a_broker_that_dies_while_it_serves(mac, client):
    mac.hold("network_create")
    client.start("acquire", "default")
    wait_for(lambda: waits(mac, 1), what="a broker at work")
    mac.launchd.kill()
    mac.let_go("network_create")
    assert client.answer()[0] == SUCCESS


def test_brokers_that_die_while_they_are_acquired_from_again(mac, client):
    client.acquire("shared")
    client.acquire("host")
    mac.hold("network_create")
    mac.launchd.kill()
    client.start("list")
    for starts in (2, 3):
        wait_for(lambda starts=starts: waits(mac, starts), what="a broker at work")
        mac.launchd.kill()
    mac.let_go("network_create")
    assert client.answer() == (SUCCESS, "default:active host:active")
    assert len(mac.networks()) == 2


def test_brokers_that_die_of_a_request(mac, client):
    client.succeed("list")
    mac.hold("network_create")
    client.start("acquire", "default")
    for count in range(5):
        wait_for(lambda: waits(mac, count + 1), what="a broker at work")
        mac.launchd.kill()
    # Enough have died.
    assert client.answer()[0] == XPC_FAILURE
    mac.let_go("network_create")
    assert client.call("acquire", "default")[0] == SUCCESS


def waits(mac, starts):
    """This many brokers have started, and the last one has asked vmnet for a network."""
    return mac.log().count("ready") == starts and mac.log().endswith("asks vmnet for it\n")


def test_what_the_next_broker_refuses(world):
    world.configure({"lab": {"mode": "shared"}, "host": {"mode": "host"}})
    world.bootstrap()
    client = world.library()
    client.succeed("connect")
    client.acquire("lab")
    client.acquire("host")
    world.configure({"host": {"mode": "host"}})
    world.launchd.kill()
    # Other calls do not mind; the one that is about it says what became of it.
    assert client.succeed("list") == "host:active"
    status, sentence = client.call("serialization", "lab")
    assert status == NOT_FOUND
    assert sentence.startswith('no network "lab" is configured')
    assert client.call("release", "lab")[0] == NOT_FOUND
    assert client.call("serialization", "lab")[0] == NOT_FOUND
    assert client.succeed("serialization", "host").startswith("joined ")


def test_the_service_goes_and_comes_back(mac, client):
    client.acquire("default")
    mac.launchd.kill()
    mac.launchd.bootout()
    assert client.call("list")[0] == XPC_FAILURE
    assert client.call("serialization", "default")[0] == XPC_FAILURE
    mac.bootstrap()
    assert client.succeed("serialization", "default") == "joined 192.168.65.1"
    client.succeed("close")
    client.exit()

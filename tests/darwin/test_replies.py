# SPDX-License-Identifier: Apache-2.0
"""The library with a broker that answers wrong: programs/liar.c."""

import pytest
from statuses import INVALID_REPLY, NOT_FOUND, SUCCESS, XPC_FAILURE

NETWORK_LIES = [
    "nameless",
    "mode-of-number",
    "mode-unknown",
    "mtu-negative",
    "mtu-huge",
    "mtu-of-text",
    "active-of-number",
    "subnet-of-number",
]
ERROR_LIES = ["error-unknown", "error-of-success", "error-of-text"]


@pytest.fixture
def client(world):
    world.program_of_broker = "tests/darwin/liar"
    world.bootstrap()
    client = world.library()
    client.succeed("connect")
    yield client
    world.launchd.kill()


@pytest.mark.parametrize("lie", [*NETWORK_LIES, *ERROR_LIES, "no-info", "info-of-number"])
def test_acquire(client, lie):
    status, sentence = client.call("acquire", lie)
    assert status == INVALID_REPLY
    assert sentence == (
        f'network "{lie}": the broker\'s reply is not understood; it may be of another version'
    )
    # What was not understood is not held.
    assert client.call("serialization", lie)[0] == INVALID_REPLY


@pytest.mark.parametrize("lie", [*NETWORK_LIES, *ERROR_LIES, "no-list", "list-of-numbers"])
def test_list(client, lie):
    client.call("inspect", lie)
    assert client.call("list")[0] == INVALID_REPLY


@pytest.mark.parametrize("lie", [*NETWORK_LIES, *ERROR_LIES, "no-info", "truth"])
def test_inspect(client, lie):
    """Also with a truth about the network: its clients are none."""
    assert client.call("inspect", lie)[0] == INVALID_REPLY


def test_no_serialization(client):
    assert client.acquire("no-network")["name"] == "lab"
    assert client.call("serialization", "no-network")[0] == INVALID_REPLY
    assert client.call("acquire_network", "no-network")[0] == INVALID_REPLY


def test_a_serialization_that_vmnet_does_not_know(client):
    assert client.acquire("truth")["name"] == "lab"
    assert client.call("serialization", "truth") == (SUCCESS, "vmnet 1003")


def test_an_error_without_a_sentence_gets_the_librarys_own(client):
    assert client.call("acquire", "error-alone") == (
        NOT_FOUND,
        'network "error-alone": no such network is configured',
    )


def test_no_reply(client):
    assert client.call("acquire", "silence")[0] == XPC_FAILURE


def test_events(client):
    client.succeed("monitor")
    assert client.succeed("next", -1) == "unknown lab"
    assert client.call("next", -1)[0] == INVALID_REPLY
    assert client.succeed("next", 0) == "none"

# SPDX-License-Identifier: Apache-2.0
"""Clients that have much logged about them: the log is not theirs alone."""

import re

import pytest

from support.hostile import CONFIG, ENEMY, ENVIRONMENT, try_to_send
from support.wait import wait_for

pytestmark = pytest.mark.broker(config=CONFIG, env=ENVIRONMENT)


def test_the_log_is_not_flooded(broker, witness):
    for _ in range(200):
        enemy = broker.client(uid=ENEMY)
        try_to_send(enemy, b"nonsense\0")
        wait_for(enemy.is_closed, what="the end of the connection")
        enemy.close()
    assert len(re.findall("is disconnected", broker.log())) < 50


def test_the_log_is_not_flooded_by_what_is_right(broker, witness):
    client = broker.client(uid=ENEMY)
    for _ in range(30):
        for _ in range(50):
            client.send("Acquire", {"network": "lab"})
            client.send("Release", {"network": "lab"})
        for _ in range(100):
            client.receive()
    lines = re.findall(r"(acquired|released) by .*uid 666", broker.log())
    assert 500 < len(lines) < 2500
    witness.acquire("other")
    broker.wait_for_log('network "other": acquired by .*uid 12345')
    client.close()
    # It is said later how many there were.
    wait_for(lambda: say_something(broker), 20, "the number of lines that were left out")


def test_the_log_is_not_flooded_by_networks_and_interfaces(broker, witness):
    """What is logged of them is their user's, as is what he acquires."""
    witness.attach("lab").close()
    broker.wait_for_log("interface .* detached")
    client = broker.client(uid=ENEMY)
    for _ in range(12):
        for _ in range(50):
            client.send("Acquire", {"network": "lab"})
            client.send("Release", {"network": "lab"})
        for _ in range(100):
            client.receive()
    client.acquire("lab")
    client.attach("lab").close()
    client.acquire("other")
    client.release("other")
    wait_for(lambda: not client.networks()["other"]["active"], what="the end of the network")
    wait_for(lambda: not client.inspect("lab")["interfaces"], what="the end of the interface")
    assert len(re.findall("interface .* (attached|detached)", broker.log())) == 2
    assert not re.search('network "other": (created|removed)', broker.log())
    witness.acquire("other")
    witness.release("other")
    broker.wait_for_log('network "other": removed')


def say_something(broker):
    with broker.client(uid=ENEMY) as client:
        client.acquire("lab")
    return re.search(r"\d+ more lines about user 666 were not logged", broker.log())

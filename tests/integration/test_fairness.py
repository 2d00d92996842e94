# SPDX-License-Identifier: Apache-2.0
"""Nobody can make others wait: scripts/bench --only fairness prints what is compared here."""

import fcntl
import os
import select
import struct
import termios

import pytest

from support.rivals import CONFIG, DRIBBLING, RIVAL, RIVALS, USER, compare, divided, watched
from support.wait import wait_for

ROUNDS = 20
MOST = 2  # times the median of an acquire beside an idle user
MOST_TOLD = 4  # the same of one that thousands are told of, of whom two have a turn in between
MOST_BEFORE = 200  # of a thousand things that one user is to wait for, before another one's
CONNECTIONS_MAX = 1024  # of a user
LEAST_DONE = 5  # of what the busy user does: it has to have been busy


@pytest.mark.timed
@pytest.mark.broker(config=CONFIG)
@pytest.mark.parametrize("work", RIVALS, ids=lambda work: work.__name__)
def test_an_acquire_beside_a_busy_user(broker, work):
    with divided(broker):
        idle, busy, done = compare(broker, work, ROUNDS)
    assert done >= LEAST_DONE
    assert busy < MOST * idle
    broker.wait_until_clean(timeout=120)


@pytest.mark.timed
@pytest.mark.broker(config=CONFIG)
def test_an_acquire_that_thousands_are_told_of(broker):
    with divided(broker):
        alone, told, events = watched(broker, 2)
    assert events > LEAST_DONE
    assert told < MOST_TOLD * alone
    broker.wait_until_clean(timeout=120)


def unread(client):
    """Whether the broker has not read what the client has sent."""
    size = fcntl.ioctl(client, termios.TIOCOUTQ, bytes(4))
    return struct.unpack("i", size)[0] > 0


@pytest.mark.timed
@pytest.mark.broker(config=CONFIG)
def test_the_connections_of_a_user_are_heard_in_its_turn(broker):
    rivals = [broker.client(RIVAL) for _ in range(DRIBBLING)]
    witness = broker.client(USER)
    witness.networks()
    with divided(broker):
        with broker.paused():
            for rival in rivals:
                rival.send_raw(b" ")
            witness.send("ListNetworks", more=True)
        assert witness.receive_networks()
        with broker.paused():
            heard = DRIBBLING - sum(map(unread, rivals))
    assert heard < MOST_BEFORE
    wait_for(lambda: not any(map(unread, rivals)), what="the end of the rival's turns")


def answered(clients):
    """How many have something to read."""
    poll = select.poll()
    for client in clients:
        poll.register(client, select.POLLIN)
    return len(poll.poll(0))


@pytest.mark.timed
@pytest.mark.broker(config=CONFIG)
def test_a_user_comes_in_in_its_turn(broker):
    """Also to be refused, which shows when that was."""
    inside = [broker.client(RIVAL) for _ in range(CONNECTIONS_MAX)]
    assert inside[-1].networks()
    with divided(broker):
        with broker.paused():
            rivals = [broker.client(RIVAL) for _ in range(DRIBBLING)]
            witness = broker.client(USER)
            witness.send("ListNetworks", more=True)
        assert witness.receive_networks()
        with broker.paused():
            refused = answered(rivals)
    assert refused < MOST_BEFORE
    wait_for(lambda: answered(rivals) == DRIBBLING, what="the end of the rival's turns")

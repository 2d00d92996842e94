# SPDX-License-Identifier: Apache-2.0
"""Clients that fill the broker's memory: it is bounded, and half is left to others."""

import contextlib
import json
import os

import pytest

from support.hostile import CONFIG, ENEMY, ENVIRONMENT, MEBIBYTE, USER, try_to_send
from support.varlink import VarlinkError
from support.wait import wait_for

EVENTS_MAX = 4096  # that are kept, however short

pytestmark = pytest.mark.broker(config=CONFIG, env=ENVIRONMENT)


def memory(broker):
    """Bytes of memory that the broker has to itself."""
    with open(f"/proc/{broker.pid}/statm", encoding="ascii") as file:
        _, resident, shared, *_ = map(int, file.read().split())
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")


def test_many_groups(broker, witness):
    """They are memory, and counted as such."""
    before = memory(broker)
    error = None
    enemies = []
    while not error and len(enemies) < 1000:
        enemies.append(broker.client(uid=ENEMY, groups=range(100000, 165536)))
        with contextlib.suppress(BrokenPipeError):  # refused already, and told why
            enemies[-1].send("org.varlink.service.GetInfo")
        try:
            enemies[-1].receive()
        except VarlinkError as refused:
            error = refused
    assert error.name == "LimitExceeded"
    assert error.parameters["limit"] == "bytes_per_user"
    assert memory(broker) - before < 48 * MEBIBYTE
    # What is left is others'.
    assert broker.client(uid=USER, groups=range(100000, 165536)).networks()
    for enemy in enemies:
        enemy.close()


@pytest.mark.broker(
    config={**CONFIG, "large": {"mode": "host", "subnet": "10.16.0.0/16"}}, env=ENVIRONMENT
)
def test_long_lists_that_are_not_read(broker):
    """Of a network with thousands of leases: nobody has more of a list than a part."""
    holder = broker.client(uid=USER)
    holder.acquire("large")
    with open(f"{broker.state_dir}/large.leases", "a", encoding="ascii") as file:
        for i in range(4000):
            mac = f"52:54:00:00:{i // 256:02x}:{i % 256:02x}"
            file.write(f"4000000000 {mac} 10.16.{1 + i // 250}.{1 + i % 250} {'h' * 50}{i} *\n")
    wait_for(lambda: len(holder.inspect("large")["leases"]) > 3900, 60, "the leases")
    leases = holder.inspect("large")["leases"]
    assert len(json.dumps(leases)) > MEBIBYTE / 2
    before = memory(broker)
    enemies = [broker.client(uid=ENEMY) for _ in range(100)]
    for enemy in enemies:
        enemy.send("ListLeases", {"network": "large"}, more=True)
    with broker.client(uid=ENEMY, timeout=60) as last:
        assert last.inspect("large")["leases"] == leases
    assert memory(broker) - before < 8 * MEBIBYTE
    for enemy in enemies:
        assert len(enemy.receive_list()) == len(leases)


RESERVATIONS = [
    {
        "mac_address": f"52:54:00:00:{i // 256:02x}:{i % 256:02x}",
        "address": f"10.16.{i // 200}.{2 + i % 200}",
    }
    for i in range(9000)
]


@pytest.mark.broker(
    config={
        **CONFIG,
        "large": {"mode": "host", "subnet": "10.16.0.0/16", "dhcp_reservations": RESERVATIONS},
    },
    env=ENVIRONMENT,
)
def test_long_replies_that_are_not_read(broker):
    """Of a network with thousands of reservations, hence long."""
    user = broker.client(uid=USER)
    size = len(json.dumps(user.call("DescribeNetwork", network="large")))
    assert size > MEBIBYTE / 2
    before = memory(broker)
    enemies = [broker.client(uid=ENEMY) for _ in range(100)]
    for enemy in enemies:
        enemy.send("DescribeNetwork", {"network": "large"})
    with broker.client(uid=ENEMY, timeout=60) as last, pytest.raises(VarlinkError) as error:
        last.inspect("large")
    assert error.value.name == "LimitExceeded"
    assert error.value.parameters["limit"] == "bytes_per_user"
    assert memory(broker) - before < 48 * MEBIBYTE < len(enemies) * size
    # What is left is others'.
    assert user.call("DescribeNetwork", network="large")


def test_half_messages_on_all_connections(broker, witness):
    enemies = [broker.client(uid=ENEMY) for _ in range(1000)]
    for enemy in enemies:
        try_to_send(enemy, b'{"method":"' + b"x" * 60000)
    broker.wait_for_log("uid 666.* is disconnected: its user's connections have more calls", 30)
    # 64 KiB each, which is half of what all users may have.
    wait_for(lambda: sum(not enemy.is_closed() for enemy in enemies) <= 512)
    assert sum(not enemy.is_closed() for enemy in enemies) > 400
    assert witness.networks()


def test_half_a_message_and_then_nothing(broker, witness):
    before = memory(broker)
    enemies = [broker.client(uid=ENEMY) for _ in range(200)]
    for enemy in enemies:
        enemy.send_raw(b'{"method":"' + b"x" * 60000)
    witness.networks()
    assert memory(broker) - before < len(enemies) * 4 * 65536
    for enemy in enemies:
        enemy.close()


def flood(client, data):
    """Sends as much as the broker takes, and reads nothing. Returns how many bytes it took."""
    client.socket.setblocking(False)
    size = 0
    while True:
        try:
            size += client.socket.send(data)
        except BlockingIOError:
            return size


def test_thousands_of_calls_and_no_reply_read(broker, witness):
    before = memory(broker)
    method = {"method": "com.github.nirs.vmnetbroker.ListNetworks", "more": True}
    call = json.dumps(method).encode() + b"\0"
    enemies = [broker.client(uid=ENEMY) for _ in range(50)]
    for enemy in enemies:
        flood(enemy, call * 1000)
        assert witness.networks()["lab"]["active"]
    # Once more: what the broker has not taken by now, it does not take.
    wait_for(
        lambda: sum(flood(enemy, call * 1000) for enemy in enemies) == 0,
        what="the broker to stop reading",
    )
    assert memory(broker) - before < len(enemies) * 4 * 65536


def test_a_monitor_that_does_not_read(broker, witness):
    slow = broker.client(uid=ENEMY)
    slow.monitor()
    listener = broker.client(uid=ENEMY)
    listener.monitor()
    listener.socket.settimeout(20)
    worker = broker.client(uid=USER)
    told = []

    def is_dropped():
        for _ in range(100):
            worker.send("Acquire", {"network": "lab"})
            worker.send("Release", {"network": "lab"})
        for _ in range(100):
            worker.receive()
            worker.receive()
            told.extend((listener.next_event(), listener.next_event()))
        return "it does not read its events" in broker.log()

    wait_for(is_dropped, timeout=60, what="the end of the slow reader")
    # By their bytes, and not by their number.
    assert len(told) < EVENTS_MAX
    with pytest.raises(VarlinkError) as last_word:
        while True:
            slow.next_event()
    assert last_word.value.name == "LimitExceeded"
    assert last_word.value.parameters["limit"] == "unread_event_bytes"
    with pytest.raises((EOFError, ConnectionResetError)):
        slow.receive()

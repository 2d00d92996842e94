# SPDX-License-Identifier: Apache-2.0
"""Clients that come in masses, keep others waiting, or break: nobody else notices."""

import contextlib
import errno
import os
import resource
import select
import signal
import socket

import pytest

from support.host import descriptors
from support.hostile import (
    CONFIG,
    ENEMY,
    ENVIRONMENT,
    GET_INFO,
    OWN_DESCRIPTORS,
    USER,
    try_to_send,
)
from support.varlink import VarlinkError, flat
from support.wait import wait_for

MONITORS = 32
WITH_SUBUIDS = (
    'file=$(mktemp) && echo "alice:100000:65536" > "$file" && '
    'mount --bind "$file" /etc/subuid && rm "$file" && exec "$@"'
)

pytestmark = pytest.mark.broker(config=CONFIG, env=ENVIRONMENT)


@pytest.mark.broker(config=CONFIG, env=ENVIRONMENT, prefix=["prlimit", "--nofile=1024:"])
def test_too_many_connections_of_one_user(broker, witness):
    enemies = []
    error = None
    while not error:
        enemies.append(broker.client(uid=ENEMY))
        with contextlib.suppress(BrokenPipeError):  # refused already, and told why
            enemies[-1].send("ListNetworks", more=True)
        try:
            enemies[-1].receive()
        except VarlinkError as refused:
            error = refused
    assert error.name == "LimitExceeded"
    assert error.parameters["limit"] == "connections_per_user"
    assert error.parameters["value"] == len(enemies) - 1 == 1024
    assert broker.client(uid=USER).acquire("lab")["active"]
    for enemy in enemies:
        enemy.close()

    def is_served_again():
        with broker.client(uid=ENEMY) as client:
            try:
                return client.networks()
            except VarlinkError:
                return None

    wait_for(is_served_again, what="the end of the connections")


@pytest.mark.broker(config=CONFIG, prefix=["prlimit", "--nofile=64:64"])
def test_a_broker_out_of_descriptors(broker, witness):
    clients = [broker.client(uid=ENEMY) for _ in range(100)]
    for client in clients:
        client.send("ListNetworks", more=True)
    broker.wait_for_log("clients have to wait: Too many open files")
    # As some go, others come in, and all are served.
    for client in clients:
        assert client.receive_networks()
        client.close()


def come_and_go(path):
    """A process of the enemy's that connects as fast as it can. Returns its id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setresuid(ENEMY, ENEMY, ENEMY)
        while True:
            with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
                client.connect(path)
    finally:
        os._exit(1)


def test_who_connects_faster_than_he_is_served(broker, witness):
    """Those that wait for a turn are descriptors of the broker's, and others need some."""
    before = len(descriptors(broker.pid))
    busy = broker.client(uid=USER)
    pids = [come_and_go(broker.socket_path) for _ in range(2)]
    try:
        for _ in range(60):
            busy.acquire("other")  # of others' turns, he has none
            busy.release("other")
            assert len(descriptors(broker.pid)) < before + 1024 + OWN_DESCRIPTORS + 50
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    assert "clients have to wait" not in broker.log()
    wait_for(lambda: len(descriptors(broker.pid)) <= before + OWN_DESCRIPTORS, 60, "their end")


def attach_and_leave(broker):
    """Takes the descriptor, not the reply, and is disconnected. Returns the client."""
    client = broker.client(uid=ENEMY)
    with contextlib.suppress(BrokenPipeError):  # refused already, and told why
        client.send("Acquire", {"network": "lab"})
    client.receive()
    client.send("Attach", {"network": "lab"})
    _, fds, _, _ = socket.recv_fds(client.socket, 1, 16)
    for fd in fds:
        os.close(fd)
    client.send_raw(b"nonsense\0")
    return client


def test_connections_that_have_ended_and_are_kept(broker, witness):
    """What was not taken keeps the broker's end open: it is a connection still."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    enemies = []
    with pytest.raises(VarlinkError) as error:
        while len(enemies) < 1200:
            enemies.append(attach_and_leave(broker))
    assert error.value.parameters["limit"] == "connections_per_user"
    assert len(enemies) == 1024
    for enemy in enemies:
        enemy.close()
    attach_and_leave(broker).close()
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_devices_that_take_long_to_make(broker, witness):
    enemies = [broker.client(uid=ENEMY) for _ in range(80)]

    def answered():
        return len(select.select([enemy.socket for enemy in enemies], [], [], 0)[0])

    for enemy in enemies:
        enemy.acquire("lab")
    monitor = broker.client()
    monitor.monitor()
    for enemy in enemies:
        enemy.send("Attach", {"network": "lab", "queues": 16})
    for _ in enemies:
        witness.networks()  # users take turns: by now all of these calls have been taken
    os.kill(broker.pid, signal.SIGSTOP)
    before = answered()
    witness.send("Attach", {"network": "lab"})
    os.kill(broker.pid, signal.SIGCONT)
    name = witness.receive()["interface"]["device"]
    for fd in witness.fds:
        os.close(fd)
    events = iter(monitor.next_event, None)
    attached = (event["interface"] for event in events if event["type"] == "interface_attached")
    others = next(n for n, interface in enumerate(attached) if interface["device"] == name)
    assert others - before < 5  # what was being made, and one of the other user's turns
    for enemy in enemies:
        enemy.close()
    wait_for(lambda: not witness.inspect("lab")["interfaces"], timeout=60)


def assert_no_more_monitors(broker, uid):
    client = broker.client(uid=uid)
    client.send("Monitor", {}, more=True)
    with pytest.raises(VarlinkError) as error:
        client.receive()
    assert error.value.parameters["limit"] == "monitors_per_user"


@pytest.mark.broker(
    config=CONFIG, env=ENVIRONMENT, prefix=["unshare", "--mount", "sh", "-c", WITH_SUBUIDS, "sh"]
)
def test_ids_of_user_namespaces_are_one_user(broker):
    """As many as somebody has, they have the limits of one."""
    for uid in range(100000, 100000 + MONITORS):
        broker.client(uid=uid).monitor()
    assert_no_more_monitors(broker, 165535)
    broker.client(uid=165536).monitor()
    # Those of another owner.
    path = os.path.join("/proc", str(broker.pid), "root", "etc", "subuid")
    with open(path, "a", encoding="utf-8") as file:
        file.write("bob:165536:65536\n")
    broker.client().call("Reload")
    for uid in range(165536 + 1, 165536 + MONITORS):
        broker.client(uid=uid).monitor()
    assert_no_more_monitors(broker, 231071)
    broker.client(uid=231072).monitor()


def test_many_come_and_go(broker, witness):
    before = len(descriptors(broker.pid))
    for i in range(1000):
        enemy = broker.client(uid=ENEMY)
        if i % 2:
            try_to_send(enemy, GET_INFO[: i % len(GET_INFO) + 1])
        enemy.close()
    wait_for(lambda: len(descriptors(broker.pid)) <= before + OWN_DESCRIPTORS, 60, "their end")


@pytest.mark.parametrize("ending", ["close", "reset", "half"])
def test_a_connection_that_dies_while_its_network_is_made(broker, witness, ending):
    enemy = broker.client(uid=ENEMY)
    enemy.send("Acquire", {"network": "other"})
    if ending == "half":
        enemy.send_raw(b'{"method":"com.github')
    if ending == "reset":
        enemy.send("Attach", {"network": "other"})
        enemy.send("ListNetworks", more=True)
    enemy.close()
    wait_for(lambda: not witness.networks()["other"]["active"], what="the end of the network")
    broker.wait_for_log(r"\bother\b.*\bremoved\b")


def test_a_client_that_is_killed(broker, witness):
    def work(client):
        client.acquire("other")
        client.attach("other")
        client.send_raw(b'{"method":"')
        return client.networks is not None

    process = broker.client_process(work, uid=ENEMY)
    assert witness.networks()["other"]["interfaces"] == 1
    process.kill(signal.SIGKILL)
    wait_for(lambda: not witness.networks()["other"]["active"], what="the end of the network")


def test_a_client_that_sends_and_shuts_its_side(broker, witness):
    client = broker.client(uid=ENEMY)
    client.send("Acquire", {"network": "other"})
    client.send("ListNetworks", more=True)
    client.socket.shutdown(socket.SHUT_WR)
    assert flat(client.receive())["active"]
    assert client.receive_networks()
    with pytest.raises(EOFError):
        client.receive()


def test_a_named_socket_of_another_kind(broker, witness):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    with client, pytest.raises(OSError) as refused:
        client.connect(broker.socket_path)
    assert refused.value.errno == errno.EPROTOTYPE

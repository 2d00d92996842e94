# SPDX-License-Identifier: Apache-2.0
"""Clients that send descriptors, or do not take theirs: nobody waits for them."""

import contextlib
import os
import resource
import select
import signal
import socket
import struct

import pytest

from support.host import descriptors
from support.hostile import CONFIG, ENEMY, ENVIRONMENT, GET_INFO, OWN_DESCRIPTORS, USER
from support.manager import ManagedBroker
from support.varlink import VarlinkError
from support.wait import wait_for

pytestmark = pytest.mark.broker(config=CONFIG, env=ENVIRONMENT)


def test_descriptors_that_nobody_asked_for(broker, witness):
    before = len(descriptors(broker.pid))
    enemy = broker.client(uid=ENEMY)
    null = os.open("/dev/null", os.O_RDWR)
    try:
        enemy.send_raw(b"{", [null] * 253)  # and never the rest
        wait_for(enemy.is_closed, what="the end of the connection")
    except PermissionError:
        # The kernel keeps them out.
        enemy.send_raw(GET_INFO)
        assert "product" in enemy.receive()
    finally:
        os.close(null)
    enemy.close()
    wait_for(lambda: len(descriptors(broker.pid)) <= before + OWN_DESCRIPTORS, 60, "their end")


def preload_old_kernel(broker):
    module = broker.host.program("tests/tools/oldkernel.so")
    broker.wrapper = ["env", f"LD_PRELOAD={module}"]
    broker.env["ASAN_OPTIONS"] += ":verify_asan_link_order=0"


@pytest.fixture
def on_old_kernel(broker):
    """The broker as if the kernel could not keep descriptors out."""
    broker.stop()
    preload_old_kernel(broker)
    broker.start()


def lingering_socket(host):
    """A connection whose last close takes a minute, or until its peer ends it."""
    with host.entered():
        listening = socket.create_server(("127.0.0.1", 0))
        lingering = socket.create_connection(listening.getsockname())
    with listening:
        peer, _ = listening.accept()
    lingering.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 60))
    lingering.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            lingering.send(bytes(65536))
    return lingering, peer


def threads(broker):
    return len(os.listdir(f"/proc/{broker.pid}/task"))


def is_served(broker):
    """The enemy, when what he sent has been closed."""
    with broker.client(uid=ENEMY) as client:
        return client.networks()


# What a client sends with a descriptor: its bytes and flags, and the same without one after it.
WAYS = {
    "in band": (GET_INFO, 0, b""),
    "out of band": (b"x", socket.MSG_OOB, b""),
    "out of band and then in band": (b"x", socket.MSG_OOB, GET_INFO),
    "out of band twice": (b"x", socket.MSG_OOB, b"y"),
    "behind bytes in band": (b"{" * 10 + b"x", socket.MSG_OOB, b""),
}


def send_lingering(enemy, lingering, way):
    """Sends the last one of a descriptor."""
    data, flags, rest = WAYS[way]
    with lingering:
        enemy.send_raw(data, [lingering.fileno()], flags)
    if rest:
        enemy.send_raw(rest, flags=socket.MSG_OOB if len(rest) == 1 else 0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("end", ["read", "not read", "close"])
def test_descriptors_that_take_for_ever_to_close(on_old_kernel, broker, host, witness, end, way):
    """Nobody waits for them, whether or not the broker has come across them."""
    before = threads(broker)
    enemy = broker.client(uid=ENEMY)
    if end == "not read":
        enemy.monitor()  # from here on it is not listened to
    lingering, peer = lingering_socket(host)
    with peer:
        # Meanwhile the broker must not let go of it: the last one to close it waits.
        os.kill(broker.pid, signal.SIGSTOP)
        send_lingering(enemy, lingering, way)
        if end == "close":
            enemy.close()
        os.kill(broker.pid, signal.SIGCONT)
        if end == "read":
            wait_for(enemy.is_closed, what="the end of the connection")
        enemy.close()
        assert witness.acquire("other")
        witness.release("other")
        # It does not linger: its peer hears of the end, and no thread waits for that.
        wait_for(lambda: threads(broker) == before, what="the end of the threads")
        assert is_served(broker)


def test_many_descriptors_that_take_for_ever_to_close(on_old_kernel, broker, host, witness):
    """Of each other, they do not gather."""
    before = threads(broker)
    with contextlib.ExitStack() as stack:
        os.kill(broker.pid, signal.SIGSTOP)
        for _ in range(50):
            with broker.client(uid=ENEMY) as enemy:
                lingering, peer = lingering_socket(host)
                stack.enter_context(peer)
                send_lingering(enemy, lingering, "in band")
        os.kill(broker.pid, signal.SIGCONT)
        assert witness.networks()
        wait_for(lambda: threads(broker) == before, what="the end of the threads")


@pytest.fixture(params=["this kernel", "an old kernel"])
def managed_broker(request, host):
    """One that a service manager starts on demand, which has not happened yet."""
    broker = ManagedBroker(host, config=CONFIG, env=dict(ENVIRONMENT))
    if request.param == "an old kernel":
        preload_old_kernel(broker)
    yield broker
    broker.finish()


@pytest.mark.parametrize("way", ["in band", "out of band", "out of band and then in band"])
@pytest.mark.parametrize("end", ["open", "close"])
def test_descriptors_that_came_before_the_broker(managed_broker, host, end, way):
    """No option of the broker's could keep them out."""
    broker = managed_broker
    enemy = broker.client(uid=ENEMY)
    lingering, peer = lingering_socket(host)
    with peer:
        send_lingering(enemy, lingering, way)
        if end == "close":
            enemy.close()
        broker.start()
        broker.wait_for_log(r"\(pid \d+, uid 666\) is disconnected: it sent descriptors")
        with broker.client(uid=USER) as client:
            assert client.acquire("other")["active"]


def test_descriptors_of_who_was_never_accepted(on_old_kernel, broker, host):
    """The broker ends without having looked at them."""
    os.kill(broker.pid, signal.SIGSTOP)
    enemy = broker.client(uid=ENEMY)
    lingering, peer = lingering_socket(host)
    with peer:
        send_lingering(enemy, lingering, "in band")
        enemy.close()
        # Signals come before connections.
        os.kill(broker.pid, signal.SIGTERM)
        os.kill(broker.pid, signal.SIGCONT)
        assert broker.process.wait(timeout=10) == 0
    broker.start()


def test_descriptors_that_are_not_taken(broker, witness):
    enemies = [broker.client(uid=ENEMY) for _ in range(20)]
    for enemy in enemies:
        enemy.acquire("lab")
    before = resource.prlimit(broker.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(broker.pid, resource.RLIMIT_NOFILE, (200, before[1]))
    for enemy in enemies:
        enemy.send("Attach", {"network": "lab", "queues": 16})
        assert select.select([enemy.socket], [], [], 20)[0], "no reply"
        # Those on their way are meant, and not the broker's own copies.
        wait_for(lambda: "/dev/net/tun" not in descriptors(broker.pid))
    with pytest.raises(VarlinkError) as error:
        enemies[-1].receive()
    assert error.value.name == "LimitExceeded"
    assert error.value.parameters["limit"] == "descriptors_in_flight"
    assert error.value.parameters["value"] == 200
    resource.prlimit(broker.pid, resource.RLIMIT_NOFILE, before)
    for enemy in enemies:
        enemy.close()
    wait_for(lambda: not witness.inspect("lab")["interfaces"], timeout=60)
    witness.attach("lab").close()

# SPDX-License-Identifier: Apache-2.0
"""Clients that mean no good, or break: the broker lives, and nobody else notices."""

import contextlib
import errno
import json
import os
import re
import resource
import select
import signal
import socket
import struct

import pytest

from support.host import descriptors
from support.manager import ManagedBroker
from support.varlink import VarlinkError
from support.wait import wait_for

USER, ENEMY = 12345, 666

# The sanitizers would keep freed memory for a while.
ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:"
    "quarantine_size_mb=1:malloc_context_size=2"
}
CONFIG = {"lab": {"mode": "host"}, "other": {"mode": "host"}}
MEBIBYTE = 1024 * 1024
GET_INFO = b'{"method":"org.varlink.service.GetInfo"}\0'

pytestmark = pytest.mark.broker(config=CONFIG, env=ENVIRONMENT)


@pytest.fixture
def witness(broker):
    """Someone who holds a network all the while, and must not notice anything."""
    client = broker.client(uid=USER)
    network = client.acquire("lab")
    yield client
    assert client.networks()["lab"]["ipv4_subnet"] == network["ipv4_subnet"]
    assert client.acquire("other")["active"]
    assert broker.is_running()


def memory(broker):
    """Bytes of memory that the broker has to itself."""
    with open(f"/proc/{broker.pid}/statm", encoding="ascii") as file:
        _, resident, shared, *_ = map(int, file.read().split())
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")


# Of hundreds that come: the broker itself opens a few for a network while tests count.
OWN_DESCRIPTORS = 10


def try_to_send(client, data, **options):
    """What the broker does not want, it need not take to the end."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        client.send_raw(data, **options)


def deep(levels):
    return b'{"method":"a.b","parameters":{"a":' + b"[" * levels + b"]" * levels + b"}}\0"


@pytest.mark.parametrize(
    "message",
    [
        b"\0",
        b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n\0",
        b"\x16\x03\x01\x02\x00\x01\0",
        b"{\0",
        b"[]\0",
        b'"Acquire"\0',
        b"{}\0",
        b'{"method":null}\0',
        b'{"method":"a.b","parameters":"lab"}\0',
        b'{"method":"a.b","more":"yes"}\0',
        b'{"method":"a.b","oneway":true,"more":true}\0',
        b'{"method":"a.b","method":"a.b"}\0',
        b'{"method":"a.b","credentials":{"uid":0}}\0',
        b'{"method":"a.b"}{"method":"a.b"}\0',
        b'{"met\0hod":"a.b"}\0',
        b'{"method":"\\u0000"}\0',
        b'{"method":"\\ud800"}\0',
        b'{"method":"\xc3\x28"}\0',
        deep(10000),
        b'{"method":"' + b"x" * 65536 + b'"}\0',
        b"x" * MEBIBYTE,
    ],
    ids=lambda message: repr(message[:24]),
)
def test_what_is_no_varlink(broker, witness, message):
    enemy = broker.client(uid=ENEMY)
    try_to_send(enemy, message)
    with pytest.raises((EOFError, ConnectionResetError)):
        enemy.receive_message()
    broker.wait_for_log(r"\(pid \d+, uid 666\) is disconnected: ")


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
def test_long_replies_that_are_not_read(broker):
    """Of a network with thousands of leases, hence long."""
    holder = broker.client(uid=USER)
    holder.acquire("large")
    with open(f"{broker.state_dir}/large.leases", "a", encoding="ascii") as file:
        for i in range(4000):
            mac = f"52:54:00:00:{i // 256:02x}:{i % 256:02x}"
            file.write(f"4000000000 {mac} 10.16.{1 + i // 250}.{1 + i % 250} {'h' * 50}{i} *\n")
    wait_for(lambda: len(holder.inspect("large")["leases"]) > 3900, 60, "the leases")
    size = len(json.dumps(holder.inspect("large")))
    assert size > MEBIBYTE / 2
    before = memory(broker)
    enemies = [broker.client(uid=ENEMY) for _ in range(100)]
    for enemy in enemies:
        enemy.send("Inspect", {"network": "large"})
    with broker.client(uid=ENEMY, timeout=60) as last, pytest.raises(VarlinkError) as error:
        last.inspect("large")
    assert error.value.name == "LimitExceeded"
    assert error.value.parameters["limit"] == "bytes_per_user"
    assert memory(broker) - before < 48 * MEBIBYTE < len(enemies) * size
    # What is left is others'.
    assert holder.inspect("large")["leases"]


def test_half_messages_on_all_connections(broker, witness):
    enemies = [broker.client(uid=ENEMY) for _ in range(1000)]
    for enemy in enemies:
        try_to_send(enemy, b'{"method":"' + b"x" * 60000)
    broker.wait_for_log("uid 666.* is disconnected: its user's connections have more calls", 30)
    # 64 KiB each, which is half of what all users may have.
    wait_for(lambda: sum(not enemy.is_closed() for enemy in enemies) <= 512)
    assert sum(not enemy.is_closed() for enemy in enemies) > 400
    assert witness.networks()


def test_calls_that_stay_within_varlink(broker, witness):
    """Deep, long, strange: each is answered with an error, and the connection goes on."""
    enemy = broker.client(uid=ENEMY)
    for message in (
        deep(1000),
        b'{"method":"' + b"x" * 60000 + b'"}\0',
        b'{"method":"com.github.nirs.vmnetbroker.Acquire","parameters":{"network":"'
        + b"x" * 60000
        + b'"}}\0',
        b'{"method":"com.github.nirs.vmnetbroker.Acquire","parameters":{"network":"\\u202e"}}\0',
    ):
        enemy.send_raw(message)
        with pytest.raises(VarlinkError):
            enemy.receive()
    assert "lab" in enemy.networks()


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


def test_half_a_message_and_then_nothing(broker, witness):
    before = memory(broker)
    enemies = [broker.client(uid=ENEMY) for _ in range(200)]
    for enemy in enemies:
        enemy.send_raw(b'{"method":"' + b"x" * 60000)
    witness.networks()
    assert memory(broker) - before < len(enemies) * 4 * 65536
    for enemy in enemies:
        enemy.close()


def test_byte_by_byte(broker, witness):
    enemy = broker.client(uid=ENEMY)
    for byte in GET_INFO:
        enemy.send_raw(bytes([byte]))
    assert "product" in enemy.receive()


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
    call = json.dumps({"method": "com.github.nirs.vmnetbroker.ListNetworks"}).encode() + b"\0"
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


def test_a_flood_that_is_read_is_answered_whole_and_in_order(broker, witness):
    client = broker.client(uid=ENEMY)
    n = 3000
    calls = b"".join(
        json.dumps({"method": f"org.example{i}.Call"}).encode() + b"\0" for i in range(n)
    )
    pid = os.fork()
    if pid == 0:
        client.socket.sendall(calls)
        os._exit(0)
    for i in range(n):
        message, _ = client.receive_message()
        assert message["parameters"] == {"interface": f"org.example{i}"}
    assert os.waitpid(pid, 0)[1] == 0


def test_a_monitor_that_does_not_read(broker, witness):
    slow = broker.client(uid=ENEMY)
    slow.monitor()
    listener = broker.client(uid=ENEMY)
    listener.monitor()
    listener.socket.settimeout(20)
    worker = broker.client(uid=USER)

    def is_dropped():
        for _ in range(100):
            worker.send("Acquire", {"network": "lab"})
            worker.send("Release", {"network": "lab"})
        for _ in range(100):
            worker.receive()
            worker.receive()
            listener.next_event()
            listener.next_event()
        return "it does not read its events" in broker.log()

    wait_for(is_dropped, timeout=60, what="the end of the slow reader")
    with pytest.raises(VarlinkError) as last_word:
        while True:
            slow.next_event()
    assert last_word.value.name == "LimitExceeded"
    assert last_word.value.parameters["limit"] == "unread_event_bytes"
    with pytest.raises((EOFError, ConnectionResetError)):
        slow.receive()


@pytest.mark.broker(config=CONFIG, env=ENVIRONMENT, prefix=["prlimit", "--nofile=1024:"])
def test_too_many_connections_of_one_user(broker, witness):
    enemies = []
    error = None
    while not error:
        enemies.append(broker.client(uid=ENEMY))
        with contextlib.suppress(BrokenPipeError):  # refused already, and told why
            enemies[-1].send("ListNetworks")
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
        client.send("ListNetworks")
    broker.wait_for_log("clients have to wait: Too many open files")
    # As some go, others come in, and all are served.
    for client in clients:
        assert client.receive()["networks"]
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
        for _ in range(300):
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
    name = witness.receive()["interface"]["name"]
    for fd in witness.fds:
        os.close(fd)
    events = iter(monitor.next_event, None)
    attached = (event["interface"] for event in events if event["type"] == "interface_attached")
    others = next(n for n, interface in enumerate(attached) if interface["name"] == name)
    assert others - before < 5  # what was being made, and one of the other user's turns
    for enemy in enemies:
        enemy.close()
    wait_for(lambda: not witness.inspect("lab")["interfaces"], timeout=60)


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
        enemy.send("ListNetworks")
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
    client.send("ListNetworks")
    client.socket.shutdown(socket.SHUT_WR)
    assert client.receive()["network"]["active"]
    assert client.receive()["networks"]
    with pytest.raises(EOFError):
        client.receive()


def test_a_named_socket_of_another_kind(broker, witness):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    with client, pytest.raises(OSError) as refused:
        client.connect(broker.socket_path)
    assert refused.value.errno == errno.EPROTOTYPE

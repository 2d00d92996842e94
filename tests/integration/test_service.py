# SPDX-License-Identifier: Apache-2.0
"""The broker as a service: its socket, its start on demand, its signals, its end."""

import os
import shutil
import signal
import socket
import stat
import subprocess

import pytest

from support.varlink import Client
from support.wait import wait_for


def command(broker, *arguments):
    return [
        broker.host.program("broker/vmnet-broker"),
        f"--socket={broker.socket_path}",
        f"--config={broker.config_path}",
        f"--state-dir={broker.state_dir}",
        f"--runtime-dir={broker.runtime_dir}",
        *arguments,
    ]


@pytest.fixture
def idle_broker(broker):
    """One that was stopped: its files are there."""
    broker.stop()
    return broker


def test_everyone_may_connect(broker):
    assert stat.S_IMODE(os.stat(broker.socket_path).st_mode) == 0o666
    assert broker.client(uid=65534).networks()


def test_the_socket_goes_with_the_broker(idle_broker):
    assert not os.path.exists(idle_broker.socket_path)


def test_a_stale_socket_is_replaced(broker):
    broker.kill()
    assert os.path.exists(broker.socket_path)
    broker.start()
    assert broker.networks()


def test_what_is_no_socket_stays(idle_broker):
    with open(idle_broker.socket_path, "w", encoding="ascii") as file:
        file.write("mine")
    done = idle_broker.host.run(*command(idle_broker), check=False)
    assert done.returncode == 1
    assert f"cannot listen at {idle_broker.socket_path}: Address already in use" in done.stderr
    with open(idle_broker.socket_path, encoding="ascii") as file:
        assert file.read() == "mine"
    os.unlink(idle_broker.socket_path)


def test_a_socket_path_that_is_too_long(idle_broker):
    path = "/run/" + 110 * "x"
    done = idle_broker.host.run(*command(idle_broker, f"--socket={path}"), check=False)
    assert done.returncode == 1
    assert f"the socket's path {path} is longer than 107 bytes" in done.stderr


def test_a_failed_start_leaves_the_socket_of_another(broker):
    done = broker.host.run(*command(broker), check=False)
    assert done.returncode == 1
    assert broker.networks()


def test_a_shell_that_gives_it_nothing(idle_broker):
    for path in idle_broker.runtime_dir, idle_broker.state_dir:
        shutil.rmtree(path)
    idle_broker.prefix = ["sh", "-c", 'umask 077; exec "$0" "$@" <&- >&- 2>&-']
    idle_broker.start()
    idle_broker.client().acquire("default")
    modes = {
        idle_broker.runtime_dir: 0o755,
        idle_broker.state_dir: 0o755,
        # dnsmasq, another user, has little of them, and nobody else has anything.
        f"{idle_broker.runtime_dir}/default.resolv.conf": 0o644,
        f"{idle_broker.runtime_dir}/default.dnsmasq.conf": 0o640,
        f"{idle_broker.runtime_dir}/default.dnsmasq.pid": 0o600,
        f"{idle_broker.runtime_dir}/default.json": 0o600,
        f"{idle_broker.state_dir}/default.json": 0o600,
        f"{idle_broker.state_dir}/default.leases": 0o660,
    }
    assert {path: stat.S_IMODE(os.stat(path).st_mode) for path in modes} == modes
    for number in range(3):
        opened = os.stat(f"/proc/{idle_broker.pid}/fd/{number}")
        assert opened.st_rdev == os.stat(os.devnull).st_rdev


def test_idle_exit(idle_broker):
    process = idle_broker.host.popen(*command(idle_broker, "--idle-exit=1"))
    client = wait_for(lambda: connect(idle_broker))
    client.acquire("default")
    with client.attach("default"):
        client.close()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1.5)
    assert process.wait(timeout=10) == 0
    idle_broker.wait_until_clean()


def connect(broker):
    try:
        return Client(broker.socket_path)
    except OSError:
        return None


def test_start_on_demand(idle_broker):
    process = idle_broker.host.popen(
        "systemd-socket-activate",
        f"--listen={idle_broker.socket_path}",
        *command(idle_broker, "--idle-exit=0"),
    )
    client = wait_for(lambda: connect(idle_broker))
    assert client.acquire("default")["ipv4Subnet"]
    client.close()
    assert process.wait(timeout=10) == 0
    assert os.path.exists(idle_broker.socket_path)  # systemd's
    os.unlink(idle_broker.socket_path)
    idle_broker.wait_until_clean()


def next_state(notified):
    """The next message to systemd that is not about descriptors that it keeps, or for people."""
    while True:
        message = notified.recv(4096)
        if not message.startswith((b"FDSTORE", b"STATUS=")):
            return message


def test_systemd_is_told(idle_broker):
    path = os.path.join(idle_broker.directory, "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(path)
        notified.settimeout(10)
        idle_broker.env = {"NOTIFY_SOCKET": path}
        idle_broker.start()
        assert next_state(notified) == b"READY=1"
        os.kill(idle_broker.pid, signal.SIGHUP)
        assert next_state(notified).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert next_state(notified) == b"READY=1"
        idle_broker.stop()
        assert next_state(notified) == b"STOPPING=1"
    os.unlink(path)


def test_a_signal_reloads(broker):
    broker.configure({"lab": {"mode": "host"}})
    os.kill(broker.pid, signal.SIGHUP)
    client = broker.client()
    wait_for(lambda: list(client.networks()) == ["lab"])
    broker.configure('{"lab": {}}')
    os.kill(broker.pid, signal.SIGHUP)
    broker.wait_for_log("the configuration is not changed, it has errors")
    assert list(client.networks()) == ["lab"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(broker, number):
    broker.client().acquire("default")
    os.kill(broker.pid, number)
    assert broker.process.wait(timeout=20) == 0
    broker.wait_until_clean()

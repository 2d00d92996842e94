# SPDX-License-Identifier: Apache-2.0
"""vmnetctl connect: standard input and output to a port of a machine."""

import contextlib
import os
import socket
import subprocess

import pytest

from support.traffic import echo_server
from support.wait import wait_for

USER = 1234
CONFIG = {
    "shared": {"mode": "shared"},
    "host": {"mode": "host"},
    "isolated": {"mode": "host", "isolated": True},
    "plain": {"mode": "host", "dhcp": False},
}
SIZE = 4 << 20


def start(broker, *argv, subcommand="connect", **options):
    vmnetctl = broker.host.program("vmnetctl/vmnetctl")
    return subprocess.Popen(
        broker.host.command([vmnetctl, subcommand, *argv], USER),
        env=broker.environment(),
        stderr=subprocess.PIPE,
        **options,
    )


def exchange(broker, *argv, payload=b"hello"):
    """What comes back of what it is given, when it ends well."""
    argv = (*argv, "--wait", "30")
    process = start(broker, *argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    # Before the echo gives up, which is an end, too.
    output, complaint = process.communicate(payload, timeout=15)
    assert (process.returncode, complaint) == (0, b"")
    return output


@pytest.mark.broker(config=CONFIG)
def test_a_machine_of_each_kind_of_network(broker, join):
    payload = os.urandom(SIZE)
    for network in "shared", "host", "isolated":
        machine = join(network, hostname="web")
        with echo_server(machine) as port:
            assert exchange(broker, network, "web", str(port), payload=payload) == payload


@pytest.mark.broker(config=CONFIG)
def test_each_address_is_tried(broker, join, plug_in):
    """That of IPv4 refuses; without DHCP the one that comes of the MAC address is left."""
    machine = join("shared", hostname="web")
    with echo_server(machine, socket.AF_INET6) as port:
        assert exchange(broker, "shared", "web", str(port)) == b"hello"
    machine = plug_in("plain", name="db")
    for name in machine.mac_address.upper(), "DB":
        with echo_server(machine, socket.AF_INET6) as port:
            assert exchange(broker, "plain", name, str(port)) == b"hello"


def has_connected(pid):
    folder = f"/proc/{pid}/fd"
    with contextlib.suppress(FileNotFoundError):
        return any(
            os.readlink(f"{folder}/{number}").startswith("socket:") for number in os.listdir(folder)
        )
    return False


@pytest.mark.broker(config=CONFIG)
def test_a_machine_is_waited_for(broker, plug_in):
    """Over the broker's death, which what is connected does not notice."""
    machine = plug_in("shared")
    process = start(
        *(broker, "shared", "web", "7777", "--wait", "30"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    asking = start(
        *(broker, "shared", "web", "--wait", "30"),
        subcommand="ip",
        stdout=subprocess.PIPE,
    )
    for each in process, asking:
        wait_for(lambda pid=each.pid: has_connected(pid), what="a connection to the broker")
    broker.restart()
    machine.dhcp(hostname="web")
    assert asking.communicate(timeout=15) == (f"{machine.address}\n".encode(), b"")
    with machine.entered():
        listener = socket.create_server(("", 7777))
    with listener:
        connection, _ = listener.accept()
    broker.restart()
    with connection:
        connection.sendall(b"welcome")
        connection.shutdown(socket.SHUT_WR)
        # The other direction goes on.
        assert process.stdout.read() == b"welcome"
        process.stdin.write(b"thanks")
        process.stdin.close()
        assert connection.recv(100, socket.MSG_WAITALL) == b"thanks"
    assert process.wait(timeout=15) == 0


def complaint(process):
    _, text = process.communicate(timeout=30)
    assert process.returncode == 1
    return text.decode().removeprefix("vmnetctl: ")


@contextlib.contextmanager
def accepted(broker, machine, **options):
    """A connection of the machine's, and the process at its other end."""
    with machine.entered():
        listener = socket.create_server(("", 0))
    with listener:
        port = listener.getsockname()[1]
        process = start(broker, "shared", "web", str(port), "--wait", "30", **options)
        connection, _ = listener.accept()
    with connection:
        yield connection, process


@pytest.mark.broker(config=CONFIG)
def test_what_it_says_when_it_cannot(broker, join):
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    assert complaint(start(broker, "shared", "web", "22", **quiet)) == (
        'network "shared": no machine "web" has an address; "vmnetctl inspect shared" shows those '
        "that have, --wait waits for it\n"
    )
    machine = join("shared", hostname="web")
    broker.vmnetctl("ip", "shared", "web", "--wait", "30")
    assert complaint(start(broker, "shared", "web", "22", **quiet)) == (
        f'machine "web" lets nobody in at port 22 of {machine.address}; start there what is to '
        "answer, or have --wait wait for it\n"
    )
    assert 'no network "nosuch" ' in complaint(start(broker, "nosuch", "web", "22", **quiet))
    done = broker.vmnetctl("connect", "shared", "web", "ssh", check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(
        'vmnetctl: PORT takes a number from 1 to 65535, not "ssh"\nusage: vmnetctl connect '
    )

    with open("/dev/zero", "rb") as zero:
        with accepted(broker, machine, stdin=zero, stdout=subprocess.DEVNULL) as (connection, told):
            assert connection.recv(1) == b"\0"  # it knows that it is connected
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        said = complaint(told)
        assert said.startswith("cannot ") and said.count("\n") == 1

    reader, writer = os.pipe()
    with accepted(broker, machine, stdin=subprocess.PIPE, stdout=writer) as (connection, told):
        os.close(reader)
        os.close(writer)
        connection.sendall(b"to nobody")
        assert complaint(told) == "cannot write to standard output: Broken pipe\n"


@pytest.mark.broker(config=CONFIG)
def test_who_does_not_read_keeps_only_its_own_direction_waiting(broker, join):
    machine = join("shared", hostname="web")
    reader, writer = os.pipe()
    with accepted(broker, machine, stdin=subprocess.PIPE, stdout=writer) as (connection, process):
        os.close(writer)
        connection.setblocking(False)

        def is_full():
            try:
                return connection.send(bytes(65536)) < 0
            except BlockingIOError:
                return True

        wait_for(is_full)
        connection.setblocking(True)
        process.stdin.write(b"still here")
        process.stdin.flush()
        assert connection.recv(100) == b"still here"
    os.close(reader)
    process.kill()
    process.wait()

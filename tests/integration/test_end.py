# SPDX-License-Identifier: Apache-2.0
"""vmnetctl end: whom it hits, who may, and that those who are hit are told."""

import contextlib
import fcntl
import os
import pathlib
import pty
import re
import signal
import struct
import subprocess
import termios

import pytest

from support.varlink import VarlinkError
from support.wait import wait_for

USER, OTHER = 1234, 1235
INFO = "org.varlink.service.GetInfo"
CALL = b'{"method": "org.varlink.service.GetInfo"}\0'
STUBBORN = ("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done")

pytestmark = pytest.mark.broker(config={"lab": {"mode": "shared"}})


@pytest.fixture
def start(broker):
    """Starts vmnetctl with these arguments; returns the process."""
    processes = []

    def make(*argv, uid=USER, **options):
        process = broker.host.popen(
            broker.host.program("vmnetctl/vmnetctl"),
            *argv,
            uid=uid,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=broker.environment(),
            start_new_session=True,
            **options,
        )
        processes.append(process)
        return process

    yield make
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def device_of(broker):
    return wait_for(lambda: broker.inspect("lab")["interfaces"])[0]["device"]


def end(broker, *argv, uid=USER):
    return broker.vmnetctl("end", *argv, uid=uid, check=False, stdin=subprocess.DEVNULL)


def test_a_machine(broker, start):
    """Its process is asked to end, and what does not is parted from the network, by any broker."""
    machine = start("run", "--network", "lab", "sleep", "600")
    device = device_of(broker)
    done = end(broker, "lab", device)
    assert done.returncode == 1 and re.fullmatch(
        rf'This ends on network "lab":\n'
        rf"  machine [0-9a-f:]+ \({device}\) of user {USER}, run by sleep \(pid \d+\)\n"
        r'vmnetctl: there is no terminal to ask on whether this is meant; "--yes" says so\n',
        done.stderr,
    )
    done = end(broker, "lab", device, "--yes", uid=OTHER)
    assert done.returncode == 1 and done.stderr.endswith(
        f"vmnetctl: machine {device} is user {USER}'s; only that user and root may end it\n"
    )
    assert end(broker, "lab", device, "--yes").returncode == 0
    assert machine.wait(timeout=20) == 128 + 15
    wait_for(lambda: not broker.networks()["lab"]["active"])

    machine = start("run", "--network", "lab", *STUBBORN)
    assert machine.stdout.readline() == "ready\n"
    device = device_of(broker)
    assert end(broker, "lab", device, "--yes", "--timeout", "1").returncode == 0
    assert device not in broker.host.links()
    assert broker.networks()["lab"]["active"] and machine.poll() is None

    machine = start("run", "--network", "lab", *STUBBORN)
    assert machine.stdout.readline() == "ready\n"
    device = device_of(broker)
    ending = start("end", "lab", device, "--yes", "--timeout", "1")
    assert ending.stderr.readline() == 'This ends on network "lab":\n'
    broker.restart()
    assert ending.wait(timeout=20) == 0
    assert device not in broker.host.links() and machine.poll() is None


def test_a_network(broker, start):
    """All who hold it are told, and do not take it back."""
    machine = start("run", "--network", "lab", *STUBBORN)
    assert machine.stdout.readline() == "ready\n"
    held = start("hold", "lab", uid=OTHER)
    wait_for(lambda: broker.networks()["lab"]["clients"] == 2)
    with broker.client(uid=USER) as client, pytest.raises(VarlinkError) as caught:
        client.call("End", network="lab")
    assert caught.value.name == "NotAllowed" and caught.value.parameters["reason"] == (
        f'network "lab" is used by user {OTHER}, too; only root may end it, or end a machine of '
        "your own alone"
    )
    done = end(broker, "lab", "--yes")
    assert done.returncode == 1 and done.stderr.splitlines()[-1] == (
        f'vmnetctl: network "lab" is held by vmnetctl (pid {held.pid}) of user {OTHER}, too; only '
        "root may end it"
    )
    assert end(broker, "lab", "--yes", "--timeout", "0", uid=0).returncode == 0
    assert not broker.networks()["lab"]["active"]
    assert "vmb-lab" not in broker.host.links()
    assert held.communicate(timeout=20)[1] == (
        'vmnetctl: what was held is held no longer: network "lab" was ended by user 0\n'
    )
    assert held.returncode == 1
    assert machine.stderr.readline() == 'vmnetctl: network "lab" was ended by user 0\n'
    assert end(broker, "lab", "--yes").returncode == 0


def test_what_a_machine_calls_itself_is_no_other_s_name(broker):
    """Neither of the one that has asked for that name, nor in its way."""
    with broker.client(uid=USER) as client, broker.client(uid=OTHER) as other:
        first = client.acquire("lab")["ipv4Subnet"].removesuffix(".0/24")
        other.acquire("lab")
        with client.attach("lab", name="web") as web, other.attach("lab") as liar:

            def lease(mac, address, name):
                """Until the broker has read it: dnsmasq writes the file anew, too."""
                if address in {lease["address"] for lease in broker.inspect("lab")["leases"]}:
                    return True
                with open(f"{broker.state_dir}/lab.leases", "a", encoding="ascii") as leases:
                    leases.write(f"4000000000 {mac} {address} {name} *\n")
                return False

            wait_for(lambda: lease(web.mac_address, f"{first}.9", "*"))
            wait_for(lambda: lease(liar.mac_address, f"{first}.8", "web"))
            assert broker.vmnetctl("ip", "lab", "web").stdout == f"{first}.9\n"
            assert end(broker, "lab", "web", "--yes").returncode == 0
            assert web.name not in broker.host.links() and liar.name in broker.host.links()
            wait_for(
                lambda: lease(liar.mac_address, f"{first}.8", "web")
                and end(broker, "lab", "web", "--yes", uid=0).returncode == 0
            )
            assert liar.name not in broker.host.links()


def bytes_waiting(client):
    return struct.unpack("i", fcntl.ioctl(client.socket, termios.FIONREAD, bytes(4)))[0]


def replies_in_a_socket(broker):
    """How many of GetInfo go out to a client that reads none."""
    with broker.client(uid=USER) as client, broker.client(uid=OTHER) as other:
        client.send(INFO)
        length = wait_for(lambda: bytes_waiting(client))
        client.send_raw(CALL * 800)

        def served_no_more():
            before = bytes_waiting(client)
            for _ in range(10):  # users take turns
                other.call(INFO)
            return bytes_waiting(client) == before

        wait_for(served_no_more)
        return bytes_waiting(client) // length


def opened_devices(pid):
    for info in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(OSError):
            text = info.read_text(encoding="ascii")
            yield from re.findall(r"^iff:\t(.+)$", text, re.MULTILINE)


@pytest.mark.parametrize("uid", (USER, 0))
def test_the_broker_is_not_asked(broker, uid):
    """A client that does not read leaves its device open there, and nowhere else."""
    room = replies_in_a_socket(broker)
    with broker.client(uid=uid) as client:
        client.acquire("lab")
        client.send_raw(CALL * room)
        client.send("Attach", {"network": "lab"})
        device = device_of(broker)
        assert device in opened_devices(broker.pid)
        done = end(broker, "lab", "--yes", "--timeout", "1", uid=0)
        assert done.returncode == 0 and "run by" not in done.stderr
        assert broker.is_running() and device not in broker.host.links()


def test_it_asks(broker, start):
    held = start("hold", "lab")
    assert held.stdout.readline()
    for answer, status in (b"n\n", 1), (b"y\n", 0):
        leader, terminal = pty.openpty()
        process = start("end", "lab", stdin=terminal)
        os.write(leader, answer)
        said = process.communicate(timeout=20)[1]
        assert process.returncode == status
        assert f"  the hold of vmnetctl (pid {held.pid}) of user {USER}\nIs that meant?" in said
        assert ("nothing was ended" in said) == bool(status)
        os.close(leader)
        os.close(terminal)
    assert held.wait(timeout=20) == 1

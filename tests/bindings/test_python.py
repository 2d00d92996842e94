# SPDX-License-Identifier: Apache-2.0
"""bindings/python: its types, what is built of it, its fixtures for pytest, and what waits."""

import asyncio
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading

import pytest

from support.need import need
from support.wait import wait_for

SOURCE = pathlib.Path(__file__).parents[2]
PROJECT = SOURCE / "bindings/python"
USER = 12345
CONFIG = {"lab": {"mode": "host"}, "default": {"mode": "host", "aliases": ["shared"]}}

sys.path.insert(0, str(PROJECT))
import vmnet_broker  # noqa: E402
from vmnet_broker import aio  # noqa: E402

with_broker = pytest.mark.broker(config=CONFIG)
builds = pytest.mark.xdist_group("wheel")


def test_types(build):
    need("mypy")
    done = subprocess.run(
        ["mypy", f"--cache-dir={build}/mypy-cache", "vmnet_broker"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="session")
def wheel(programs):
    """What a package manager installs."""
    project = programs / "project"
    shutil.copytree(PROJECT, project)
    subprocess.run(
        [sys.executable, "-c", "import setuptools.build_meta as b; b.build_wheel('.')"],
        cwd=project,
        check=True,
        capture_output=True,
    )
    (built,) = project.glob("*.whl")
    return str(built)


def test_it_has_the_version_of_the_project(wheel):
    text = (SOURCE / "meson.build").read_text(encoding="utf-8")
    version = re.search(r"^  version: '([^']+)'", text, re.MULTILINE)[1]
    assert os.path.basename(wheel) == f"vmnet_broker-{version}-py3-none-any.whl"


TESTS = """
import os

def test_with_a_network(vmnet_broker_network):
    assert vmnet_broker_network.name == NAME
    with vmnet_broker_network.attach() as interface:
        assert os.readlink(f"/proc/self/fd/{interface.fileno()}") == "/dev/net/tun"
"""


@pytest.fixture
def run_pytest(host, wheel, directory):
    """Runs pytest as a user who has the wheel, on a test that is given a network of that name."""
    path = pathlib.Path(directory) / "test_machine.py"

    def run(name, *arguments, environment):
        path.write_text(TESTS.replace("NAME", repr(name)), encoding="utf-8")
        return host.run(
            *(sys.executable, "-B", "-m", "pytest", "-rs", "-p", "no:cacheprovider"),
            *(f"--rootdir={directory}", *arguments, path),
            uid=USER,
            env={**environment, "PYTHONPATH": wheel},
            check=False,
        )

    return run


@builds
@with_broker
def test_a_test_gets_a_network(broker, run_pytest, directory):
    done = run_pytest("default", environment=broker.environment())
    assert "1 passed" in done.stdout, done.stdout
    done = run_pytest("lab", "--vmnet-broker-network=lab", environment=broker.environment())
    assert "1 passed" in done.stdout, done.stdout
    ini = pathlib.Path(directory) / "pytest.ini"
    ini.write_text("[pytest]\nvmnet_broker_network = lab\n", encoding="utf-8")
    done = run_pytest("lab", "-c", ini, environment=broker.environment())
    assert "1 passed" in done.stdout, done.stdout
    broker.wait_until_clean()


@builds
def test_a_test_without_a_broker_is_skipped(run_pytest):
    done = run_pytest("default", environment={**os.environ, "VMNET_BROKER_SOCKET": "/nowhere"})
    assert "1 skipped" in done.stdout, done.stdout
    assert "no broker: /nowhere: No such file or directory" in done.stdout


@with_broker
def test_the_example_of_the_readme(broker, python_path):
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```python\n(import .*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(examples) == 2
    for program in examples:
        done = broker.host.run(
            *(sys.executable, "-B", "-c", program),
            uid=USER,
            env={**broker.environment(), "PYTHONPATH": python_path},
        )
        assert re.search(r"^default .* /dev/net/tun$", done.stdout, re.MULTILINE), done.stdout
        broker.wait_until_clean()


@pytest.fixture
def path(broker):
    """The socket of a broker that this process can connect to: sockets are found by their path."""
    return broker.socket_path


@with_broker
def test_a_hold_is_given_back_with_the_last_network_of_it(broker, path):
    with vmnet_broker.Broker(path) as connection:
        first, second = connection.acquire("default"), connection.acquire("shared")
        first.release()
        first.release()
        assert broker.networks()["default"]["clients"] == 1
        second.release()
        assert broker.networks()["default"]["clients"] == 0


@with_broker
def test_the_end_of_a_network_of_its_own_connection(broker, path):
    with vmnet_broker.acquire("lab", path) as network, network.attach() as interface:
        assert broker.inspect("lab")["interfaces"][0]["device"] == interface.device
    wait_for(lambda: not broker.networks()["lab"]["active"], what="the network's end")
    with pytest.raises(vmnet_broker.ConnectionFailed):
        network.attach()


@with_broker
def test_events_in_time(broker, path):
    with vmnet_broker.Monitor(path) as monitor:
        assert monitor.next_event(0) is None
        assert monitor.next_event(0.01) is None
        with vmnet_broker.acquire("lab", path):
            types = [event.type.value for _, event in zip(range(2), monitor)]
        assert types == ["network_created", "client_acquired"]


@with_broker
def test_a_call_takes_no_longer_than_it_may(broker, path):
    broker.process.send_signal(signal.SIGSTOP)
    try:
        connection = vmnet_broker.Broker(path, timeout=0.05)
        with pytest.raises(TimeoutError):
            connection.networks()
    finally:
        broker.process.send_signal(signal.SIGCONT)
    with pytest.raises(vmnet_broker.ConnectionFailed):
        connection.networks()


@with_broker
def test_close_ends_a_call_that_waits(path):
    with vmnet_broker.Monitor(path) as monitor:
        caught = []

        def wait():
            try:
                monitor.next_event()
            except vmnet_broker.ConnectionFailed as error:
                caught.append(error)

        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        monitor.close()
        thread.join(timeout=20)
        assert not thread.is_alive() and len(caught) == 1


@with_broker
def test_what_is_cancelled_is_given_back(broker, path):
    async def main():
        async with await aio.connect(path) as connection:
            acquiring = asyncio.ensure_future(connection.acquire("lab"))
            await asyncio.wait({acquiring}, timeout=0)  # the call is made
            acquiring.cancel()
            with pytest.raises(asyncio.CancelledError):
                await acquiring
            # It was made, and given back, before this one is answered.
            assert len(await connection.networks()) == 2
            await asyncio.to_thread(wait_for, lambda: "client_released" in events)

    events = []
    with broker.client() as listener:
        listener.monitor()

        def collect():
            while "network_removed" not in events:
                events.append(listener.next_event()["type"])

        thread = threading.Thread(target=collect, daemon=True)
        thread.start()
        asyncio.run(main())
        thread.join(timeout=20)
    assert events == ["network_created", "client_acquired", "client_released", "network_removed"]


@with_broker
def test_an_event_is_not_lost_when_its_wait_is_cancelled(path):
    async def main():
        async with await aio.monitor(path) as monitor:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(monitor.next_event(), 0.01)
            async with await aio.acquire("lab", path) as network:
                assert network.name == "lab"
                assert (await monitor.next_event()).type is vmnet_broker.EventType.NETWORK_CREATED
            waiting = asyncio.ensure_future(take_all(monitor))
            await asyncio.to_thread(wait_for, lambda: waiting.done() or len(taken) == 3)
            monitor.close()
            with pytest.raises(vmnet_broker.ConnectionFailed):
                await waiting

    taken = []

    async def take_all(monitor):
        async for event in monitor:
            taken.append(event.type.value)

    asyncio.run(main())
    assert taken == ["client_acquired", "client_released", "network_removed"]


@with_broker
def test_a_capture(path):
    sent = bytes.fromhex("ffffffffffff 525400123457 88b5") + b"hello"
    with vmnet_broker.Broker(path) as connection, connection.acquire("lab") as network:
        interface = network.attach(mac_address="52:54:00:12:34:57")
        with connection.capture("lab", interface.device) as capture:
            os.write(interface.fileno(), bytes(10) + sent)
            wait_for(lambda: sent in (capture.read() or b""), what="the frame that was sent")
            wait_for(lambda: capture.read() is None, what="the end of what has come")
            connection.end("lab", interface.device)
            with pytest.raises(OSError, match="File descriptor in bad state"):
                wait_for(capture.read, what="the end of the capture")
        interface.close()


@with_broker
def test_calls_of_one_connection_at_once(broker, path):
    async def use(connection, name):
        async with await connection.acquire(name) as network:
            with await network.attach() as interface:
                assert os.readlink(f"/proc/self/fd/{interface.fileno()}") == "/dev/net/tun"
                return (await connection.inspect(name)).network.name

    async def main():
        async with await aio.connect(path) as connection:
            names = ["lab", "default", "shared", "lab"] * 4
            found = await asyncio.gather(*(use(connection, name) for name in names))
            assert found == ["lab", "default", "default", "lab"] * 4

    asyncio.run(main())
    broker.wait_until_clean()

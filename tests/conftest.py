# SPDX-License-Identifier: Apache-2.0
"""The fixtures of all tests of the whole.

tests/pytest runs them: as root, in namespaces that end with it.

    @pytest.mark.broker(config={"lab": {"mode": "host"}})
    def test_something(broker, make_machine):
        client = broker.client(uid=1234)
        client.acquire("lab")
        machine = make_machine(client.attach("lab"))
        machine.dhcp()
"""

import os
import shutil
import signal
import tempfile

import pytest

from support.broker import Broker
from support.host import Host
from support.machine import Machine


def pytest_configure():
    if "VMNET_BROKER_BUILD" not in os.environ:
        raise pytest.UsageError("run tests/pytest, as root")


@pytest.fixture(scope="session", autouse=True)
def signals():
    """What the runner ignores, as under nohup, ends what tests start: handlers are not inherited.

    Here, where tests run: the runners that xdist starts are to ignore them, too.
    """
    for number in signal.SIGHUP, signal.SIGQUIT:
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


@pytest.fixture(scope="session")
def build():
    """The build directory."""
    path = os.environ["VMNET_BROKER_BUILD"]
    assert os.path.exists(os.path.join(path, "build.ninja")), f"{path} is no build directory"
    return path


@pytest.fixture
def directory():
    """A directory that every user may enter."""
    path = tempfile.mkdtemp(prefix="vmnet-broker-")
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def host(directory, build):
    """A host with an uplink to host.outside, see support/host.py for the addresses."""
    host = Host(directory, build)
    yield host
    host.close()


@pytest.fixture
def outside(host):
    """The world outside of the host."""
    return host.outside


@pytest.fixture
def broker(request, host):
    """A running broker; at the end the host has to be as it was before."""
    mark = request.node.get_closest_marker("broker")
    broker = Broker(host, **(mark.kwargs if mark else {}))
    broker.start()
    yield broker
    broker.finish()


@pytest.fixture
def make_machine(broker, build):
    """Makes namespace machines from attachments: make_machine(attachment, name=None)."""
    machines = []

    def make(attachment, name=None):
        name = name or f"machine{len(machines) + 1}"
        tapnet = os.path.join(build, "tests/tools/tapnet")
        machines.append(Machine(name, broker.host.directory, tapnet, attachment))
        return machines[-1]

    yield make
    for machine in machines:
        machine.close()


@pytest.fixture
def plug_in(broker, make_machine):
    """Makes a machine that has no address yet: plug_in("lab", **options).

    options are those of Attach. The client that attached it is the machine's "client", and uid its
    user.
    """

    def make(network, uid=0, **options):
        client = broker.client(uid=uid)
        client.acquire(network)
        machine = make_machine(client.attach(network, **options))
        machine.client = client
        return machine

    return make


@pytest.fixture
def join(plug_in):
    """Makes a machine with an address on a network: join("lab", hostname="db", **options).

    client: further arguments for udhcpc. options are those of plug_in.
    """

    def make(network, hostname=None, client=(), **options):
        machine = plug_in(network, **options)
        machine.dhcp(hostname=hostname, client=client)
        return machine

    return make

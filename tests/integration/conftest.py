# SPDX-License-Identifier: Apache-2.0
"""Fixtures of several files here; those of all tests are in tests/conftest.py."""

import contextlib
import os
import shutil
import tempfile

import pytest

from support.doctor import USERS, Doctor
from support.fabric import Fabric
from support.hostile import USER
from support.need import need_fabric, need_filtered_bridges
from support.overlay import Listening
from support.screen import Screen


@pytest.fixture
def witness(broker):
    """Someone who holds a network all the while, and must not notice anything."""
    client = broker.client(uid=USER)
    network = client.acquire("lab")
    yield client
    assert client.networks()["lab"]["ipv4Subnet"] == network["ipv4Subnet"]
    assert client.acquire("other")["active"]
    assert broker.is_running()


@pytest.fixture
def doctor(broker, outside, make_machine):
    broker.check_clean = False  # what the tests do to the host goes with it
    outside.start_dns()
    doctor = Doctor(broker, make_machine)
    for uid in USERS:
        assert doctor.examine(uid) == {}
    return doctor


@pytest.fixture(params=[False, True], ids=["bridges alone", "br_netfilter"])
def filtered(request, host):
    """Whether the host's rules see what bridges pass between their ports."""
    if request.param:
        need_filtered_bridges(host, "ip", "ip6")
        return
    for family in "ip", "ip6":
        host.filter_bridges(family, 0)


@pytest.fixture
def attach(broker):
    """Makes interfaces, and gives their open devices."""
    with contextlib.ExitStack() as stack:

        def make(network="lab", **options):
            client = stack.enter_context(contextlib.closing(broker.client()))
            client.acquire(network)
            return stack.enter_context(client.attach(network, **options))

        yield make


@pytest.fixture
def screen(broker):
    """Runs subcommands of vmnetctl on terminals, which are closed in the end."""
    screens = []

    def make(*argv, **options):
        screens.append(Screen(broker, *argv, **options))
        return screens[-1]

    yield make
    for one in screens:
        one.close()


@pytest.fixture(scope="module")
def shared_fabric(request, build):
    """The hosts that a module's tests share, by its FABRIC or this fixture's parameter.

    Both are arguments of Fabric. Its tests want to be in one group of xdist's.
    """
    options = {**getattr(request.module, "FABRIC", {}), **getattr(request, "param", {})}
    need_fabric(**options)
    directory = tempfile.mkdtemp(prefix="vmnet-broker-")
    os.chmod(directory, 0o755)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, directory)
        with Fabric(directory, build, **options) as fabric:
            fabric.start()
            yield fabric


@pytest.fixture
def fabric(shared_fabric):
    """The same for a test, after which there is no machine, client or active network."""
    yield shared_fabric
    shared_fabric.part()


@pytest.fixture
def victim(fabric):
    """A machine of host a, which others mean harm."""
    return fabric.join("a")


@pytest.fixture
def listening(victim):
    """What gets through to it."""
    with Listening(victim) as listening:
        yield listening

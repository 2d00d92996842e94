# SPDX-License-Identifier: Apache-2.0
"""Fixtures of several files here; those of all tests are in tests/conftest.py."""

import contextlib

import pytest

from support.doctor import USERS, Doctor
from support.hostile import USER
from support.need import need_filtered_bridges
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

# SPDX-License-Identifier: Apache-2.0
"""Beside programs that manage interfaces, with the files that the broker installs for them."""

import re
import signal
import subprocess

import pytest

from support.managers import Networkd, NetworkManager

OWN = re.compile("vm[bct]")
KINDS = [Networkd, NetworkManager]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def manager(request, host):
    return request.param(host)


def addresses(host, names):
    return {name: host.device(name)["addr_info"] for name in names}


def test_networks_are_left_alone(manager, broker, host, join):
    """A manager of all interfaces starts, and stays, beside machines that notice nothing of it."""
    broker.check_clean = False  # the host's own interface is the manager's
    manager.take_all()
    manager.install()
    machine = join("default")
    gateway = broker.inspect("default")["network"]["ipv4Gateway"]
    own = [name for name in host.links() if OWN.match(name)]
    before = addresses(host, own)
    assert len(own) == 3
    ping = machine.popen("ping", "-n", "-q", "-i", "0.01", gateway, stdout=subprocess.PIPE)

    manager.start()
    manager.wait_until_it_has("eth0")
    join("default")
    join("host")
    own = [name for name in host.links() if OWN.match(name)]
    assert len(own) == 7
    assert [name for name in own if manager.manages(name)] == []

    assert addresses(host, before) == before
    ping.send_signal(signal.SIGINT)
    sent, received = re.search(r"(\d+) packets .* (\d+) received", ping.communicate()[0]).groups()
    assert int(sent) - int(received) <= 1  # the last one's answer may be on its way

# SPDX-License-Identifier: Apache-2.0
"""Networks on a host whose settings nobody may change."""

import pytest

from support.echo import WhoServer, who
from support.forwarded import FORWARDED, MAC, PORT
from support.host import HOST_IPV4, HOST_IPV6, SERVER_IPV4, SERVER_IPV6, UPLINK
from support.varlink import VarlinkError
from support.wait import wait_for

CONFIG = {"lab": FORWARDED}
# What a host has to have where /proc/sys is read-only. The first resets others.
NEEDED = {
    "net.ipv4.ip_forward": 1,
    "net.ipv6.conf.all.forwarding": 1,
    "net.ipv6.conf.default.accept_ra": 0,
    "net.ipv4.conf.default.route_localnet": 1,
}
MISSING = {
    "net.ipv4.ip_forward": f"net.ipv4.conf.{UPLINK}.forwarding has to be 1",
    "net.ipv6.conf.default.accept_ra": "net.ipv6.conf.vmb-lab.accept_ra has to be 0",
    "net.ipv4.conf.default.route_localnet": "net.ipv4.conf.vmb-lab.route_localnet has to be 1",
}

pytestmark = pytest.mark.broker(config=CONFIG)


def read(host, setting):
    return int(host.run("sysctl", "-n", setting).stdout)


def write(host, setting, value):
    host.run("sysctl", "-qw", f"{setting}={value}")


@pytest.fixture
def server(outside):
    with WhoServer(outside, 80, "outside"):
        yield outside


def reaches_outside(namespace):
    return [bool(who(namespace, address, 80)) for address in (SERVER_IPV4, SERVER_IPV6)]


def wait_until_routed(machine):
    machine.ipv6_address()
    wait_for(lambda: reaches_outside(machine) == [True, True])


@pytest.fixture
def needed(broker, host):
    """Sets all that a host needs, but for what it is called with; then nobody sets anything."""
    before = {setting: read(host, setting) for setting in NEEDED}

    def make(missing=None):
        for setting, value in NEEDED.items():
            if setting != missing:
                write(host, setting, value)
        host.run("mount", "--bind", "/proc/sys", "/proc/sys")
        host.run("mount", "-o", "remount,ro,bind", "/proc/sys")

    yield make
    broker.close_clients()
    wait_for(lambda: "vmb-lab" not in host.links())
    host.run("umount", "/proc/sys")
    for setting, value in before.items():
        write(host, setting, value)


def test_read_only_and_right(broker, host, server, needed, join):
    needed()
    settings = host.snapshot()["settings"]
    machine = join("lab", mac_address=MAC)
    wait_until_routed(machine)
    with WhoServer(machine, 22, "machine"):
        assert who(server, HOST_IPV4, PORT)[0] == "machine"
        assert who(host, "127.0.0.1", PORT)[0] == "machine"
    broker.restart()
    broker.wait_for_log('network "lab": adopted')
    host.ip("link delete vmb-lab")
    wait_until_routed(machine)
    machine.kill()
    machine.client.close()
    wait_for(lambda: host.snapshot()["settings"] == settings)
    assert who(host, SERVER_IPV4, 80) == ("outside", HOST_IPV4)
    assert who(host, SERVER_IPV6, 80) == ("outside", HOST_IPV6)


@pytest.mark.parametrize("setting", MISSING)
def test_read_only_and_wrong(broker, host, needed, setting):
    needed(missing=setting)
    before = broker.snapshot()
    with pytest.raises(VarlinkError) as raised:
        broker.client().acquire("lab")
    assert MISSING[setting] + ", and cannot be set: Read-only file system" in str(raised.value)
    wait_for(lambda: broker.snapshot() == before)

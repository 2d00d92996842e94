# SPDX-License-Identifier: Apache-2.0
"""Networks beside settings of the host that others need, or that nobody may change."""

import pytest

from support.advertisement import advertise, router_advertisement
from support.echo import WhoServer, who
from support.forwarded import FORWARDED, MAC, PORT
from support.host import HOST_IPV4, HOST_IPV6, SERVER_IPV4, SERVER_IPV6, UPLINK
from support.varlink import VarlinkError
from support.wait import wait_for

CONFIG = {"lab": FORWARDED, "second": {"mode": "shared"}}
ACCEPT_RA = f"net.ipv6.conf.{UPLINK}.accept_ra"
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


def has_learned_route(host):
    return "proto ra" in host.ip("-6 route show default")


def learn_route(host):
    def has_learned():
        advertise(host.outside, router_advertisement(1800), UPLINK)
        return has_learned_route(host)

    wait_for(has_learned, what="a route of a router advertisement")


@pytest.fixture
def outside_that_advertises_itself(host, outside):
    """It advertises itself once, before the broker is there: what the host forgets, it lacks."""
    write(outside, f"net.ipv6.conf.{UPLINK}.forwarding", 1)  # as it says when it is looked for
    host.ip("-6 route delete default")
    learn_route(host)
    with WhoServer(outside, 80, "outside"):
        yield outside


@pytest.fixture
def server(outside):
    with WhoServer(outside, 80, "outside"):
        yield outside


def reaches_outside(namespace):
    return [bool(who(namespace, address, 80)) for address in (SERVER_IPV4, SERVER_IPV6)]


def wait_until_routed(machine):
    machine.ipv6_address()
    wait_for(lambda: reaches_outside(machine) == [True, True])


def test_a_learned_route_stays(outside_that_advertises_itself, broker, host, join):
    """Of a network that is made, repaired, adopted and removed, and of another beside it."""
    machine = join("lab")
    wait_until_routed(machine)
    second = broker.client()
    second.acquire("second")
    assert has_learned_route(host)

    write(host, "net.ipv6.conf.vmb-lab.forwarding", 0)
    wait_for(lambda: read(host, "net.ipv6.conf.vmb-lab.forwarding") == 1)
    host.ip("link delete vmb-lab")
    wait_until_routed(machine)
    assert has_learned_route(host)

    broker.restart()
    broker.wait_for_log('network "lab": adopted')
    second = broker.client()
    second.acquire("second")
    second.release("second")
    broker.wait_for_log('network "second": removed')
    assert reaches_outside(machine) == reaches_outside(host) == [True, True]

    # It goes on to listen meanwhile.
    host.ip("-6 route delete default")
    learn_route(host)
    machine.kill()
    machine.client.close()
    broker.wait_until_clean()
    assert has_learned_route(host)
    assert read(host, ACCEPT_RA) == 1


def test_a_kill_does_not_leave_it(outside_that_advertises_itself, broker, host):
    broker.client().acquire("lab")
    assert read(host, ACCEPT_RA) == 2
    broker.kill()
    broker.start()
    broker.wait_until_clean()
    assert read(host, ACCEPT_RA) == 1
    assert reaches_outside(host) == [True, True]


def close(client, broker):
    """Ends a client of both networks, and with it these."""
    client.close()
    for network in CONFIG:
        broker.wait_for_log(f'network "{network}": removed')


def test_what_is_changed_meanwhile_stays(broker, host):
    client = broker.client()
    client.acquire("lab")
    write(host, ACCEPT_RA, 0)
    client.acquire("second")
    close(client, broker)
    assert read(host, ACCEPT_RA) == 0
    write(host, ACCEPT_RA, 1)


def test_a_router_does_not_begin_to_listen(broker, host):
    """One that is told to be none of its own accord, and has 1 as everybody has."""
    write(host, f"net.ipv6.conf.{UPLINK}.forwarding", 1)
    client = broker.client()
    client.acquire("lab")
    client.acquire("second")
    assert read(host, ACCEPT_RA) == 1
    close(client, broker)
    write(host, f"net.ipv6.conf.{UPLINK}.forwarding", 0)


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
    machine = join("lab", macAddress=MAC)
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

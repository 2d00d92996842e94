# SPDX-License-Identifier: Apache-2.0
"""Addresses that machines have taken by themselves are given to nobody else."""

import socket

import pytest

from support.dhcp import DhcpClient, mac_of
from support.rivals import Rival, flood
from support.wait import wait_for

GATEWAY, FIRST, SECOND = "192.168.105.1", "192.168.105.77", "192.168.105.78"

pytestmark = pytest.mark.broker(config={"lab": {"mode": "shared", "subnet": "192.168.105.0/24"}})


def wait_until_known(broker, network, address):
    def is_known():
        with open(f"{broker.state_dir}/{network}.leases", encoding="ascii") as file:
            return f" {address} " in file.read()

    wait_for(is_known, what=f"a lease of {address}")


@pytest.fixture
def offered(broker):
    """What a machine is given that asks for an address, when the server knows who has that."""
    numbers = iter(range(1, 100))

    def offered(address, other):
        wait_until_known(broker, "lab", address)
        with DhcpClient(other) as client:
            return client.get(mac_of(next(numbers)), asked=address)

    return offered


def take(machine, address):
    machine.ip(f"address add {address}/24 dev eth0")


def take_and_announce(machine, address):
    take(machine, address)
    machine.run("busybox", "arping", "-U", "-c1", "-w1", "-I", "eth0", address, check=False)


def listed(broker):
    """{address: MAC address}"""
    return {lease["address"]: lease["macAddress"] for lease in broker.inspect("lab")["leases"]}


def test_a_machine_without_dhcp(broker, plug_in, join, offered):
    """It has talked with the host, as with its gateway."""
    machine = plug_in("lab")
    take(machine, FIRST)
    assert machine.ping(GATEWAY)
    other = join("lab")
    assert offered(FIRST, other) not in (None, FIRST)
    wait_for(lambda: listed(broker).get(FIRST) == machine.mac_address)
    # Should it ask after all, it gets what it has.
    assert machine.dhcp()["ip"] == FIRST


def test_while_somebody_calls_all_the_time(broker, plug_in):
    machine = plug_in("lab")
    take(machine, FIRST)
    rival = Rival(flood, broker.socket_path)
    try:
        wait_for(rival.done, what="answers to the other's calls")
        assert machine.ping(GATEWAY)
        wait_until_known(broker, "lab", FIRST)
        assert rival.is_running()
    finally:
        rival.close()


def test_what_a_machine_has_beside_its_lease(broker, join, offered):
    """It announces it, as those do that share an address for a service; and has no name for it."""
    machine, other = join("lab", hostname="web"), join("lab")
    take_and_announce(machine, SECOND)
    assert offered(SECOND, other) not in (None, SECOND)
    assert listed(broker)[machine.address] == machine.mac_address
    assert SECOND not in listed(broker)
    broker.kill()
    broker.start()
    assert offered(SECOND, other) not in (None, SECOND)
    assert machine.dhcp()["ip"] == machine.address


def test_what_another_has_is_not_taken(broker, join, offered):
    machine, other = join("lab"), join("lab")
    take_and_announce(other, machine.address)
    take_and_announce(other, SECOND)
    assert offered(SECOND, other) not in (None, SECOND)
    assert listed(broker)[machine.address] == machine.mac_address


@pytest.mark.broker(config={"tiny": {"mode": "host", "subnet": "10.1.2.0/29"}})
def test_what_a_machine_had_that_has_gone(broker, join):
    """When addresses are short it is given to others."""
    machine, other = join("tiny"), join("tiny")
    free = {f"10.1.2.{number}" for number in range(2, 7)} - {machine.address, other.address}
    for address in list(free)[:2]:
        take_and_announce(machine, address)
        wait_until_known(broker, "tiny", address)
    machine.kill()
    with DhcpClient(other) as client:
        for number in range(10):
            assert client.get(mac_of(number)) not in (None, other.address)


def test_an_address_beyond_the_network(host, plug_in):
    """The kernel has one list of neighbours for all links, which a machine could fill."""
    machine = plug_in("lab")
    beyond = "198.51.100.77"
    take_and_announce(machine, beyond)
    take_and_announce(machine, FIRST)
    wait_for(lambda: FIRST in host.ip("neighbour show dev vmb-lab"), what=f"{FIRST} to be heard of")
    assert beyond not in host.ip("neighbour show dev vmb-lab")


@pytest.mark.parametrize("hardware_type", [6, 7])
def test_machines_ask_by_ethernet_alone(broker, join, hardware_type):
    """What the broker keeps for them is of another kind, and would stay when they have gone."""
    machine = join("lab")
    with DhcpClient(machine) as client:
        assert client.get(mac_of(1), asked=FIRST) == FIRST
        client.hardware_type = hardware_type
        with pytest.raises(AssertionError, match="no answer"):
            client.get(mac_of(1) + socket.inet_aton(SECOND), asked=SECOND, tries=2)
    with open(f"{broker.state_dir}/lab.leases", encoding="ascii") as file:
        assert SECOND not in file.read()

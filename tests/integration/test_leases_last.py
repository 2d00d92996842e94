# SPDX-License-Identifier: Apache-2.0
"""What an attached machine has by DHCP stays its own, whatever the clock does."""

import os
import shutil
import signal
import time

import pytest

from support.broker import Broker
from support.dhcp import DhcpClient, mac_of
from support.wait import wait_for

NIGHT_SECONDS = 9 * 3600
SHORT_SECONDS = 120
LONG_SECONDS = 3000
# Preloaded behind what the broker has preloaded.
DNSMASQ = """#!/bin/sh
STEPPED={step} LD_PRELOAD="$LD_PRELOAD:{module}" exec {dnsmasq} "$@"
"""

pytestmark = pytest.mark.broker(config={"lab": {"mode": "shared"}})


class Clock:
    """The time of day, as a broker's dnsmasq is told it."""

    def __init__(self, broker, directory):
        self._path = os.path.join(directory, "step")
        program = os.path.join(directory, "dnsmasq")
        self.step(0)
        with open(program, "w", encoding="ascii") as file:
            file.write(
                DNSMASQ.format(
                    step=self._path,
                    module=broker.host.program("tests/tools/stepped.so"),
                    dnsmasq=shutil.which("dnsmasq"),
                )
            )
        os.chmod(program, 0o755)
        os.chmod(directory, 0o755)
        broker.stop()
        broker.prefix = ["env", f"PATH={directory}:{os.environ['PATH']}"]
        broker.start()

    def step(self, seconds):
        """Sets it so much ahead of what it is."""
        with open(self._path, "w", encoding="ascii") as file:
            file.truncate(seconds)


@pytest.fixture
def clock(broker, directory):
    return Clock(broker, directory)


def leases(broker):
    """{address: lease}"""
    return {lease["address"]: lease for lease in broker.inspect("lab")["leases"]}


def seconds_left(broker, address):
    return leases(broker)[address]["expiresTimestamp"] / 1e6 - time.time()


def has_its_own(broker, machine, name, other):
    """The machine has its address and name, for the broker, for other machines, and for itself."""
    lease = leases(broker)[machine.address]
    assert (lease["macAddress"], lease["hostname"]) == (machine.mac_address, name)
    assert machine.address in broker.vmnetctl("ip", "lab", name).stdout
    assert machine.address in other.resolve(f"{name}.lab.internal")
    with DhcpClient(other) as client:
        assert client.get(mac_of(1), asked=machine.address) not in (None, machine.address)
    before = machine.address
    assert machine.dhcp()["ip"] == before


def test_a_night(broker, clock, join):
    machine, other = join("lab", hostname="web"), join("lab", hostname="db")
    wait_for(lambda: len(leases(broker)) == 2)
    clock.step(NIGHT_SECONDS)
    has_its_own(broker, machine, "web", other)
    has_its_own(broker, other, "db", machine)
    assert LONG_SECONDS < seconds_left(broker, machine.address) <= 3600


@pytest.mark.parametrize("step", [NIGHT_SECONDS, 0], ids=["set forward", "set back"])
def test_a_clock_that_is_set_before_servers_start(broker, clock, host, join, step):
    """One that is wrong at first may have been so when leases were written."""
    clock.step(NIGHT_SECONDS - step)
    machine, other = join("lab", hostname="web"), join("lab")
    wait_for(lambda: len(leases(broker)) == 2)
    clock.step(step)
    (server,) = host.processes("dnsmasq")
    os.kill(server, signal.SIGKILL)
    broker.wait_for_log("its dnsmasq was started again")
    has_its_own(broker, machine, "web", other)


def test_the_next_broker(broker, clock, join):
    machine, other = join("lab", hostname="web"), join("lab")
    wait_for(lambda: len(leases(broker)) == 2)
    broker.kill()
    clock.step(NIGHT_SECONDS)
    broker.start()
    wait_for(lambda: leases(broker))
    has_its_own(broker, machine, "web", other)


def test_leases_of_another_life_of_the_host(broker, join):
    """They are kept, whatever the clock was that they were written by."""
    with open(f"{broker.state_dir}/lab.leases", "w", encoding="ascii") as file:
        file.write("1000 52:54:00:00:01:01 192.168.64.77 web *\n")
        file.write(f"{int(time.time()) * 2} 52:54:00:00:01:02 192.168.64.78 db *\n")
    machine = join("lab", macAddress="52:54:00:00:01:02")
    assert machine.address == "192.168.64.78"
    left = wait_for(lambda: seconds_left(broker, "192.168.64.77"))
    assert left < 3600 / 2
    assert left > 3600 / 4


def test_a_machine_that_asks_for_no_more_time(broker, join):
    """As one that is paused. A machine that is not attached has to ask itself."""
    machine = join("lab")
    with DhcpClient(machine) as client:
        gone = client.get(mac_of(1), seconds=SHORT_SECONDS)
        mac = bytes.fromhex(machine.mac_address.replace(":", ""))
        assert client.get(mac, hostname="web", seconds=SHORT_SECONDS) == machine.address
    wait_for(lambda: gone in leases(broker) and seconds_left(broker, machine.address) < 200)
    wait_for(lambda: seconds_left(broker, machine.address) > LONG_SECONDS)
    assert leases(broker)[machine.address]["hostname"] == "web"
    assert seconds_left(broker, gone) < SHORT_SECONDS

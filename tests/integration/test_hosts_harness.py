# SPDX-License-Identifier: Apache-2.0
"""The harness of several hosts itself, with devices that are made by hand."""

import time

import pytest

from support.fabric import ALL_MACS, Fabric
from support.machine import Machine
from support.need import need_fabric
from support.tap import open_tap
from support.varlink import Attachment
from support.wait import wait_for

MAC = "52:54:00:00:00:0"


class Handmade(Fabric):
    """Its hosts have no broker, and a bridge and a VXLAN device of a network as one makes them."""

    def __init__(self, directory, build, **options):
        super().__init__(directory, build, brokers=False, **options)
        evpn = self.control == "evpn"
        for host in self:
            own = self.addresses[host.name]
            host.ip_batch(
                "link add vmb-lab address 76:6d:0a:50:00:01 type bridge forward_delay 0",
                f"link add vmx-lab type vxlan id 4711 local {own} dstport 4789 "
                + ("nolearning" if evpn else "learning"),
                "link set vmx-lab master vmb-lab addrgenmode none up",
                "address add 10.80.0.1/16 dev vmb-lab",
                "link set vmb-lab up",
                "link add vmh-lab type veth peer name vmp-lab",
                "link set vmp-lab master vmb-lab up",
            )
            own_mac = self.own_mac(host.name)
            host.run("bridge", "fdb", "add", own_mac, "dev", "vmp-lab", "master", "static")
            if evpn:
                host.run("bridge", "link", "set", "dev", "vmx-lab", "learning", "off")
                host.run("bridge", "link", "set", "dev", "vmx-lab", "neigh_suppress", "on")
                continue
            for other in self.others(host):
                address = self.addresses[other.name]
                host.run("bridge", "fdb", "append", ALL_MACS, "dev", "vmx-lab", "dst", address)

    def attach(self, name, mac_address):
        host = self[name]
        interface = {"device": "tap0", "macAddress": mac_address, "mtu": 1430}
        attachment = Attachment(interface, [open_tap(host, "tap0")], [])
        host.ip("link set tap0 master vmb-lab up")
        return attachment

    def join(self, name):
        number = self[name].number
        mac_address = f"{MAC}{number}"
        attachment = self.attach(name, mac_address)
        machine = Machine(f"machine{number}", self.directory, self[name]._tapnet, attachment)
        self.machines.append(machine)
        machine.lease = {"ip": f"10.80.{number}.2"}
        machine.host, machine.network = self[name], "lab"
        machine.ip(f"address add {machine.address}/16 dev eth0")
        self.tell(machine)
        return machine

    def tell(self, machine):
        host, mac_address = machine.host, machine.mac_address
        host.ip(f"neighbour replace {machine.address} lladdr {mac_address} dev vmb-lab nud stale")


@pytest.fixture
def make(directory, build):
    fabrics = []

    def make_fabric(**options):
        need_fabric(**options)
        started = time.monotonic()
        fabrics.append(Handmade(directory, build, **options))
        made = time.monotonic()
        fabrics[-1].start()
        fabrics[-1].wait_converged()
        print(f"made in {made - started:.2f} s, converged in {time.monotonic() - made:.2f} s more")
        return fabrics[-1]

    yield make_fabric
    for fabric in fabrics:
        fabric.close()


@pytest.mark.parametrize(
    "control, underlay", [("evpn", "wireguard"), ("evpn", "ipv6"), ("static", "ipv6")]
)
def test_machines_reach_each_other(make, control, underlay):
    fabric = make(control=control, underlay=underlay)
    first, second, third = (fabric.join(name) for name in "abc")
    if control == "evpn":
        for machine in first, second, third:
            fabric.wait_known(machine)
    with fabric.capture("a") as capture:
        assert first.ping(second.address)
        assert third.ping(first.address)
        wires = {frame[:3] for frame in capture.frames()}
    a, b = fabric.addresses["a"], fabric.addresses["b"]
    assert ((a, b, 4711) in wires) == (underlay != "wireguard"), wires


def test_a_machine_moves_and_does_not_notice(make):
    fabric = make()
    first, second, _ = (fabric.join(name) for name in "abc")
    fabric.wait_known(first)
    before = first.ip("address show dev eth0")
    device = first.unplug()
    wait_for(lambda: "tap0" not in fabric["a"].links(), what="the end of its device")
    fabric["a"].ip(f"neighbour delete {first.address} dev vmb-lab")
    fabric["c"].ip("link delete tap0")
    first.plug_in(device, fabric.attach("c", first.mac_address))
    first.host = fabric["c"]
    fabric.tell(first)
    first.announce()
    fabric.wait_known(first)
    assert first.ip("address show dev eth0") == before
    assert first.ping(second.address)


def test_who_is_none_of_the_hosts(make):
    fabric = make(control="static")
    stranger = fabric.stranger()
    for address in fabric.addresses.values():
        stranger.run("ping", "-c", "1", "-W", "3", address)

# SPDX-License-Identifier: Apache-2.0
"""What the hosts of a network tell each other of its machines, and machines that move."""

import concurrent.futures
import contextlib
import json
import re
import time

import pytest

from support import traffic
from support.dhcp import DhcpClient
from support.fabric import vxlan_network
from support.frame import mac_bytes
from support.varlink import VarlinkError
from support.wait import wait_for

pytestmark = pytest.mark.xdist_group("hosts_moves")
FABRIC = {"control": "evpn"}
EVPN, STATIC = {"control": "evpn"}, {"control": "static", "underlay": "ipv6"}


def of(*kinds):
    """The fabrics that a test is for."""
    names = [" over ".join(kind.values()) for kind in kinds]
    return pytest.mark.parametrize("shared_fabric", kinds, ids=names, indirect=True, scope="module")


BOTH = of(EVPN, STATIC)
ALL = of(EVPN, STATIC, {**EVPN, "underlay": "wireguard"})
MOVES = 20
ARP = b"\x08\x06"


def here(host, network="lab"):
    """{IP address: MAC address} of the machines of a host, as the kernel tells FRR."""
    said = json.loads(host.ip(f"-j neighbour show dev vmb-{network}", check=False) or "[]")
    return {
        one["dst"]: one["lladdr"]
        for one in said
        if "extern_learn" not in one
        and "lladdr" in one
        and not {"FAILED", "PERMANENT"} & set(one["state"])
    }


def routes(host, network="lab"):
    """The machines that the host finds by the bridge itself."""
    said = json.loads(host.ip(f"-j route show dev vmb-{network} proto 118", check=False) or "[]")
    return {one["dst"] for one in said}


def wait_here(machine, address=None):
    address = address or machine.address
    wait_for(
        lambda: here(machine.host).get(address) == machine.mac_address,
        what=lambda: f"{machine.name} at {machine.host.name}: {here(machine.host)}",
    )


def wait_forgotten(host, address):
    wait_for(
        lambda: address not in {**here(host), **host.learned("lab"), **dict.fromkeys(routes(host))},
        what=lambda: f"the end of {address} at {host.name}: {here(host)}, {host.learned('lab')}",
    )


def leases(host):
    return {
        lease["macAddress"]: lease["address"]
        for lease in host.broker.inspect("lab")["leases"]
        if ":" not in lease["address"]
    }


def asked(machine):
    """The address that its interface has asked for, itself or in its stead."""
    for interface in machine.host.broker.inspect("lab")["interfaces"]:
        if interface["macAddress"] == machine.mac_address:
            return interface.get("ipv4Address")
    return None


def hold(fabric):
    """A machine on each host, so that the network stays active on all of them."""
    machines = [fabric.join(host.name) for host in fabric]
    if fabric.control == "evpn":
        fabric.wait_converged()
        for machine in machines:
            fabric.wait_known(machine)
    return machines


def leave(machine):
    """It is at no host any more, and does not notice. Returns what arrive() wants."""
    device = machine.unplug()
    machine.client.close()
    return device


def arrive(machine, device, host, announces=True, **options):
    machine.client, machine.host = host.broker.client(), host
    machine.client.acquire("lab")
    attachment = machine.client.attach("lab", macAddress=machine.mac_address, **options)
    machine.plug_in(device, attachment)
    if announces:
        machine.announce()


def end(fabric, machine):
    machine.kill()
    machine.client.close()
    fabric.machines.remove(machine)
    machine.close()


class Pings:
    """Echo requests to a machine every few milliseconds, from each of some others."""

    def __init__(self, directory, machines, address):
        self._paths = []
        for machine in machines:
            self._paths.append(f"{directory}/pings-{machine.name}")
            with open(self._paths[-1], "wb") as log:
                machine.popen("ping", "-D", "-n", "-i", "0.01", address, stdout=log)

    def gaps(self, since):
        """The longest time without an answer, to each of them."""
        found = []
        for path in self._paths:
            with open(path, encoding="ascii") as log:
                times = [float(at) for at in re.findall(r"^\[([\d.]+)\] .*time=", log.read(), re.M)]
            times = [since, *(at for at in times if at > since)]
            found.append(max(after - before for before, after in zip(times, times[1:])))
        return found

    def answered_since(self, moment):
        for path in self._paths:
            with open(path, encoding="ascii") as log:
                times = re.findall(r"^\[([\d.]+)\] .*time=", log.read(), re.M)
            if not times or float(times[-1]) < moment:
                return False
        return True


@ALL
def test_twenty_moves(fabric, directory):
    """A machine goes on at the next host, and the one after that; all others talk with it."""
    others = hold(fabric)
    machine = fabric.join("a")
    address = machine.address
    assert all(other.ping(address) for other in others)
    pings = Pings(directory, others, address)
    wait_for(lambda: pings.answered_since(0), what="answers")
    longest = []
    for move in range(MOVES):
        before = time.time()
        fabric.move(machine, "bca"[move % 3])
        after = time.time()
        wait_for(lambda now=after: pings.answered_since(now + 0.3), what=f"answers, move {move}")
        longest.append(max(pings.gaps(before)))
        wait_here(machine)
        if fabric.control == "evpn":
            fabric.wait_known(machine)
    print(f"{fabric.control}: without an answer for {max(longest):.3f} s at most: {longest}")
    assert max(longest) < 1
    end(fabric, machine)
    for host in fabric:
        wait_forgotten(host, address)


@pytest.mark.parametrize("is_new", [False, True], ids=["", "network is new there"])
def test_a_machine_that_is_awaited(fabric, is_new):
    """Before a live migration it is attached where it will go, and is reached where it still is."""
    held = [fabric.join(name) for name in ("ab" if is_new else "abc")]
    machine = fabric.join("a")
    fabric.wait_converged(hosts=[one.host for one in held])
    fabric.wait_known(machine, without="c" if is_new else "")
    there = fabric["c"]
    with contextlib.closing(traffic.Pings(held[1], machine.address, 0.01)) as pings:
        client = there.broker.client()
        client.acquire("lab")
        attachment = client.attach("lab", macAddress=machine.mac_address)
        fabric.wait_converged()
        there.broker.restart()
        pings.wait_for_more(100)
        assert pings.lost() == 0
        device = machine.unplug()
        machine.client.close()
        machine.plug_in(device, attachment)
        machine.client, machine.host = client, there
        pings.wait_for_more()
        assert pings.lost() * 0.01 < 1
    fabric.wait_known(machine)
    wait_here(machine)


@BOTH
@pytest.mark.parametrize("is_withdrawn", [False, True])
def test_the_address_is_kept_when_the_lease_is_renewed(fabric, is_withdrawn):
    """Also when all that was known of it at the other host had gone before it was attached."""
    other = hold(fabric)[1]
    machine = fabric.plug_in("a")
    machine.dhcp_to_stay()
    address = machine.address
    assert address.startswith("10.80.1.")
    wait_here(machine)
    b = fabric["b"]
    if fabric.control == "evpn":
        fabric.wait_known(machine)
    device = leave(machine)
    if is_withdrawn:
        for host in fabric:
            wait_forgotten(host, address)
    if is_withdrawn and fabric.control == "evpn":
        arrive(machine, device, b, announces=False)
        assert asked(machine) == address
    else:
        arrive(machine, device, b)
    wait_here(machine)
    wait_for(lambda: asked(machine) == address, what="an interface that has asked for it")
    assert machine.renew()["ip"] == address
    wait_for(lambda: leases(b).get(machine.mac_address) == address, what="its lease at b")
    with DhcpClient(machine) as client:  # as after a restart of the machine
        assert client.get(mac_bytes(machine.mac_address)) == address
    assert other.ping(address)


def test_a_machine_with_a_name_keeps_its_address(fabric):
    """One would be chosen for it, of those that its new host gives."""
    hold(fabric)
    machine = fabric.join("a")
    address = machine.address
    for name in "cba":
        fabric.wait_known(machine)
        arrive(machine, leave(machine), fabric[name], name="web")
        assert asked(machine) == address
    assert machine.dhcp()["ip"] == address


def test_nobody_else_gets_the_address_of_a_machine_that_has_moved(fabric):
    """Not by DHCP, and not by asking for it; its new host does not give what is the old one's."""
    others = hold(fabric)
    machine = fabric.join("a", ipv4Address="10.80.1.77")
    fabric.wait_known(machine)
    fabric.move(machine, "b")
    fabric.wait_known(machine)
    with DhcpClient(others[0]) as client:
        assert client.get(b"\x52\x54\0\0\0\1", asked=machine.address) != machine.address
    for name, why in (
        ("a", f"is that of MAC address {machine.mac_address} on another host"),
        ("b", f"is that of MAC address {machine.mac_address}"),
        ("c", f"is that of MAC address {machine.mac_address} on another host"),
    ):
        client = fabric[name].broker.client()
        client.acquire("lab")
        with pytest.raises(VarlinkError) as raised:
            client.attach("lab", ipv4Address=machine.address)
        assert why in str(raised.value.parameters), name
    with pytest.raises(VarlinkError) as raised:
        client.attach("lab", ipv4Address="10.80.1.200")
    assert 'is of the pool of host "a"' in str(raised.value.parameters)


def test_other_hosts_answer_for_a_machine(fabric):
    """No ARP passes between the hosts for machines that they know of."""
    hold(fabric)
    first, second = fabric.join("a"), fabric.join("b")
    fabric.wait_known(first)
    fabric.wait_known(second)
    with fabric.capture("a") as capture:
        for one, other in (first, second), (second, first):
            one.ip("neighbour flush all")
            assert one.ping(other.address)
        asked_for = [frame for *_, frame in capture.frames() if frame[12:14] == ARP]
    assert asked_for == []
    end(fabric, first)
    wait_for(lambda: first.address not in fabric["b"].learned("lab"), what="its end at b")
    wait_forgotten(fabric["a"], first.address)


def test_what_is_told_of_a_machine_is_told_again(fabric):
    """Whoever has removed it here."""
    hold(fabric)
    machine, a = fabric.join("a"), fabric["a"]
    address, mac = machine.address, machine.mac_address

    def entries():
        return a.run("bridge", "fdb", "show", "dev", "vmt1").stdout

    fabric.wait_known(machine)
    wait_for(lambda: address in routes(a), what="a route to it")
    a.ip(f"neighbour delete {address} dev vmb-lab")
    wait_here(machine)
    a.ip(f"route delete {address} dev vmb-lab")
    wait_for(lambda: address in routes(a), what="a route to it again")
    a.run("bridge", "fdb", "delete", mac, "dev", "vmt1", "master")
    wait_for(lambda: f"{mac} master vmb-lab static" in entries(), what=entries)
    fabric.wait_known(machine)


def take(machine, address):
    """An address that nobody has given it."""
    machine.lease = {"ip": address}
    machine.ip(f"address add {address}/16 dev eth0")
    machine.announce()


def test_a_machine_that_has_not_asked_for_its_address(fabric):
    """The kernel hears of it, by ARP and by neighbour discovery."""
    hold(fabric)
    machine = fabric.plug_in("a")
    take(machine, "10.80.200.9")
    fabric.wait_known(machine)
    wait_for(lambda: "10.80.200.9" in routes(fabric["a"]), what="a route to it")
    ipv6 = machine.ipv6_address()
    assert machine.ping("fd80:0:0:1::1")
    b = fabric["b"]
    wait_for(lambda: b.learned("lab").get(ipv6) == machine.mac_address, what=f"{ipv6} at b")
    end(fabric, machine)
    for host in fabric:
        wait_forgotten(host, "10.80.200.9")
        wait_forgotten(host, ipv6)


@BOTH
def test_a_machine_that_comes_unforeseen(fabric):
    """Its host has not heard of it before: what it says itself has to do."""
    hold(fabric)
    machine = fabric.plug_in("b")
    take(machine, "10.80.1.88")
    wait_for(lambda: asked(machine) == machine.address, what="an interface that has asked for it")
    wait_for(lambda: leases(fabric["b"]) is not None, what="leases")
    machine.dhcp()
    assert machine.address == "10.80.1.88"


def told(host):
    """Without what the kernel hears by itself, and forgets."""
    return {entry for entry in here(host).items() if not entry[0].startswith("fe80:")}


def test_brokers_that_are_killed(fabric):
    """What they knew of each other's machines is read from the kernel again."""
    hold(fabric)
    machine, gone = fabric.join("a"), fabric.join("a")
    for one in machine, gone:
        fabric.wait_known(one)
    before = {host.name: told(host) for host in fabric}
    for host in fabric:
        host.broker.kill()
    gone.kill()
    for host in fabric:
        assert told(host) >= before[host.name]
        host.broker.start()
    for host in fabric:
        wait_forgotten(host, gone.address)
    fabric.wait_known(machine)
    fabric.move(machine, "b")
    wait_for(lambda: asked(machine) == machine.address, what="an interface that has asked for it")
    fabric.wait_known(machine)


ALONE = {
    "lab": "none of its other hosts is known: .* look at FRR",
    "list": "none of its other hosts answers: .* look at .* UDP port 4789$",
}


@pytest.mark.parametrize(
    "shared_fabric",
    [{"networks": {"lab": vxlan_network(3), "list": vxlan_network(3, 1, "static")}}],
    ids=["both"],
    indirect=True,
    scope="module",
)
def test_a_host_that_is_alone(fabric):
    """None of the others is known, or answers, and then one does."""
    a, c = fabric["a"], fabric["c"]

    def faults():
        return [a.broker.inspect(network).get("fault") or "" for network in ALONE]

    for network in ALONE:
        a.broker.client().acquire(network)
    wait_for(lambda: all(map(re.match, ALONE.values(), faults())), 60, what=faults)
    said = a.broker.vmnetctl("doctor", check=False, uid=0).stdout
    assert re.search(r'^problem: network "list": none of .* 4789\n(?!    )', said, re.M), said
    for network in ALONE:
        c.broker.client().acquire(network)
    wait_for(lambda: faults() == ["", ""], what=faults)


@ALL
def test_many_machines_have_addresses_of_their_own(fabric):
    """A hundred and fifty of them, which ask on three hosts at once."""
    asking = dict(zip(fabric, hold(fabric)))
    clients = {host: host.broker.client() for host in fabric}

    def ask(host):
        clients[host].acquire("lab")
        attached = [clients[host].attach("lab") for _ in range(50)]
        with DhcpClient(asking[host]) as dhcp:
            given = [(dhcp.get(mac_bytes(one.mac_address)), one.mac_address) for one in attached]
        return attached, given

    with concurrent.futures.ThreadPoolExecutor() as pool:
        machines = dict(zip(fabric, pool.map(ask, fabric)))
    got = dict(pair for _, given in machines.values() for pair in given)
    assert len(got) == 150
    for host in fabric:
        own = {address for address in got if address.startswith(f"10.80.{host.number}.")}
        assert len(own) == 50
        wait_for(lambda: own <= here(host).keys(), what=f"those of {host.name}")
        if fabric.control == "evpn":
            others = {address: got[address] for address in got.keys() - own}
            wait_for(lambda: others.items() <= host.learned("lab").items(), what="all others")
    for host in fabric:
        for machine in machines[host][0]:
            machine.close()
        clients[host].close()
    for host in fabric:
        wait_for(lambda: not got.keys() & {*here(host), *host.learned("lab")}, what="their end")

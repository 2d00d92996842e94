# SPDX-License-Identifier: Apache-2.0
"""A host among many, which are fed in by BGP, by a route reflector of FRR.

It prints figures: with VMNET_TEST_HOSTS=64 VMNET_TEST_MACHINES=10000 VMNET_TEST_ATTACHED=60 and a
build without sanitizers those of docs/several-hosts.md.
"""

import fcntl
import os
import socket
import statistics
import struct
import time

import pytest

from support.bgp import Speaker, inclusive, machine
from support.fabric import AS, Fabric, Frr, address_of, frr_config, vxlan_network
from support.need import need_fabric
from support.tap import open_tap, tap_name
from support.varlink import VarlinkError
from support.wait import wait_for

N_HOSTS = int(os.environ.get("VMNET_TEST_HOSTS", "8"))
N_MACHINES = int(os.environ.get("VMNET_TEST_MACHINES", "500"))
N_ATTACHED = int(os.environ.get("VMNET_TEST_ATTACHED", "20"))
REFLECTOR, SPEAKER = address_of(250), address_of(249)
SIOCBRADDIF = 0x89A2  # linux/sockios.h
VNI = 4711  # of the network "lab"; "empty" is as large, and nobody else is on it


def mac_of(number):
    return b"\x52\x54" + number.to_bytes(4, "big")


def host_of(number):
    """Machines are on the hosts from 2 on, in turns."""
    return 2 + number % (N_HOSTS - 1)


def ipv4_of(number):
    return f"10.80.{host_of(number)}.{2 + number // (N_HOSTS - 1)}"


def own_routes(host):
    """What a host tells of itself."""
    mac = bytes([*b"vm", 10, 80, host, 1])
    ipv6 = f"fd80:0:0:1::a50:{256 * host + 1:x}"
    return machine(address_of(host), VNI, mac, ipv6)


def reflector_config(clients):
    neighbours = "".join(
        f" neighbor {address} remote-as internal\n neighbor {address} passive\n"
        for address in clients
    )
    families = "".join(
        f"  neighbor {address} activate\n  neighbor {address} route-reflector-client\n"
        for address in clients
    )
    return (
        f"router bgp {AS}\n bgp router-id {REFLECTOR}\n no bgp default ipv4-unicast\n"
        f"{neighbours} address-family l2vpn evpn\n{families}"
    )


class Process:
    """What one costs."""

    def __init__(self, pid):
        self.pid = pid

    def memory(self):
        """Its own, in MiB."""
        with open(f"/proc/{self.pid}/smaps_rollup", encoding="ascii") as file:
            lines = dict(line.split(":", 1) for line in file.read().splitlines()[1:])
        kinds = "Private_Dirty", "Private_Clean"
        return sum(int(lines[kind].split()[0]) for kind in kinds) / 1024

    def seconds(self):
        """Of a processor's time, so far."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as file:
            user, system = file.read().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def fabric(directory, build):
    need_fabric(control="evpn")
    networks = {"lab": vxlan_network(N_HOSTS), "empty": vxlan_network(N_HOSTS, 1)}
    config = lambda own, others: frr_config(own, [REFLECTOR])  # noqa: E731
    with Fabric(directory, build, hosts=1, networks=networks, frr=config) as made:
        yield made


def count_known(host):
    """Machines that the kernel has a way to, and those that it answers for."""
    entries = host.run("bridge", "fdb", "show", "dev", "vmx-lab").stdout
    ways = sum(" dst " in line and "extern_learn" in line for line in entries.splitlines())
    return ways, len(host.learned("lab"))


def attach_seconds(client, network, kept):
    """Of one that is kept: its end would take some of the next one's time."""
    before = time.perf_counter()
    kept.append(client.attach(network))
    return time.perf_counter() - before


def join_seconds(host, network):
    """What the kernel takes until a device is a port of the network's bridge."""
    tap = open_tap(host, "by-hand%d")
    try:
        with host.entered(), socket.socket() as asking:
            port = socket.if_nametoindex(tap_name(tap))
            request = struct.pack("16si20x", f"vmb-{network}".encode(), port)
            before = time.perf_counter()
            fcntl.ioctl(asking, SIOCBRADDIF, request)
            return time.perf_counter() - before
    finally:
        os.close(tap)


def compare(what, seconds):
    """Prints what it takes on both networks, in turns; returns the median of differences."""
    pairs = [(seconds("lab"), seconds("empty")) for _ in range(N_ATTACHED)]
    lab, empty, more = (
        statistics.median(values)
        for values in (*zip(*pairs), [many - none for many, none in pairs])
    )
    print(
        f"{what}: {lab * 1000:.2f} ms, {empty * 1000:.2f} ms where nobody else is; "
        f"the median of pairs {more * 1000:+.2f} ms"
    )
    return more


def test_a_host_of_many(fabric):
    a = fabric["a"]
    reflector = fabric.stranger()
    reflector.ip(f"address add {SPEAKER}/24 dev eth1")
    reflector.directory = os.path.join(fabric.directory, "reflector")
    os.mkdir(reflector.directory)
    reflector.frr = Frr(reflector, reflector_config([address_of(1), SPEAKER]))
    reflector.frr.start()
    fabric.start()
    client = a.broker.client()
    for network in "lab", "empty":
        client.acquire(network)
    kept = [client.attach(network) for network in ("lab", "empty")]
    wait_for(
        lambda: "76:6d:0a:50:01:01" in reflector.frr.vtysh("show bgp l2vpn evpn"),
        what="a session of the host and the reflector",
    )
    costs = {
        "broker": Process(a.broker.pid),
        "zebra": Process(a.frr.processes["zebra"].pid),
        "bgpd": Process(a.frr.processes["bgpd"].pid),
    }
    before = {name: (one.memory(), one.seconds()) for name, one in costs.items()}
    with Speaker(reflector, SPEAKER, REFLECTOR, AS) as speaker:
        started = time.perf_counter()
        for host in range(2, N_HOSTS + 1):
            vtep = address_of(host)
            speaker.tell(vtep, VNI, [inclusive(vtep)], tunnel=True)
            here = [number for number in range(N_MACHINES) if host_of(number) == host]
            routes = [machine(vtep, VNI, mac_of(n), ipv4_of(n)) for n in here]
            speaker.tell(vtep, VNI, [own_routes(host), *routes])
        told = time.perf_counter()
        expected = N_MACHINES + N_HOSTS - 1
        wait_for(
            lambda: min(count_known(a)) >= expected,
            300,
            what=lambda: f"{expected} machines: {count_known(a)}",
        )
        converged = time.perf_counter()
        assert len(a.floods("lab")) == N_HOSTS - 1
        last = mac_of(N_MACHINES - 1)

        def is_known():
            with pytest.raises(VarlinkError) as raised:
                client.attach("lab", ipv4Address=ipv4_of(N_MACHINES - 1))
            return f"MAC address {last.hex(':')} on another host" in str(raised.value.parameters)

        wait_for(is_known, what="the broker to have heard of it")
        print(
            f"{N_HOSTS} hosts, {N_MACHINES} machines: told in {told - started:.1f} s, all in the "
            f"kernel {converged - started:.1f} s after the first"
        )
        for name, one in costs.items():
            memory, seconds = before[name]
            print(
                f"{name}: {one.memory():.1f} MiB, {one.memory() - memory:.1f} of it since; "
                f"{one.seconds() - seconds:.2f} s of a processor"
            )
        assert costs["broker"].memory() - before["broker"][0] < 2 + N_MACHINES / 1000
        by_hand = compare("a port by hand", lambda network: join_seconds(a, network))
        more = compare("attach", lambda network: attach_seconds(client, network, kept))
        assert more < by_hand + 0.02
        moved = client.attach("lab", macAddress=mac_of(7).hex(":"))
        assert moved.interface["ipv4Address"] == ipv4_of(7)
        kept.append(moved)
    wait_for(lambda: not a.learned("lab"), 60, what=lambda: f"none: {count_known(a)}")
    for attachment in kept:
        attachment.close()
    reflector.frr.end()

# SPDX-License-Identifier: Apache-2.0
"""The way between hosts: the devices of a network that is on several, and what passes by them."""

import json
import os
import re
import socket

import pytest

from support.fabric import ALL_MACS, UNDERLAY
from support.groups import BRIDGE_GROUPS, PORT_GROUPS
from support.traffic import Pings, transfer
from support.varlink import VarlinkError
from support.wait import wait_for

pytestmark = pytest.mark.xdist_group("hosts_path")

EVPN = {"control": "evpn"}
STATIC = {"control": "static"}
HEADERS = {"ipv4": 50, "ipv6": 70}
SETTINGS = "rp_filter", "arp_ignore", "arp_announce"


def of(*kinds):
    """The fabrics that a test is for."""
    names = ["-".join(kind.values()) for kind in kinds]
    return pytest.mark.parametrize("shared_fabric", kinds, ids=names, indirect=True, scope="module")


on_both = of(EVPN, STATIC)
on_all = of(EVPN, STATIC, *({**kind, "underlay": "ipv6"} for kind in (EVPN, STATIC)))


def own(host):
    """This host's alone on the network: IPv4 and MAC address."""
    return f"10.80.{host.number}.1", f"76:6d:0a:50:{host.number:02x}:01"


def links(host):
    said = json.loads(host.ip("-d -j link show"))
    return {link["ifname"]: link for link in said if re.match("vm[bxhp]-", link.get("ifname", ""))}


def place(link):
    """What has to be of a link, whichever index it has."""
    groups = {
        "0": "default",
        "default": "default",
        str(BRIDGE_GROUPS | link["ifindex"]): "as a bridge",
        str(PORT_GROUPS | link["ifindex"]): "as a port",
    }
    info = link.get("linkinfo", {})
    vxlan = info.get("info_data", {}) if info.get("info_kind") == "vxlan" else {}
    port = info.get("info_slave_data", {})
    return {
        "kind": info["info_kind"],
        "up": "UP" in link["flags"],
        "mtu": link["mtu"],
        "master": link.get("master"),
        "group": groups.get(link["group"], link["group"]),
        "vxlan": [vxlan.get(key) for key in ("id", "local", "local6", "port", "learning")],
        "port": [port.get(key) for key in ("learning", "neigh_suppress", "isolated")],
        "mac": link["address"] if link["ifname"] in ("vmb-lab", "vmh-lab") else None,
    }


def addresses_of(host):
    return sorted(
        (entry["ifname"], address["local"], str(address["prefixlen"]))
        for entry in json.loads(host.ip("-j address show"))
        if entry.get("ifname", "").startswith(("vmb-", "vmh-"))
        for address in entry["addr_info"]
    )


def state(host):
    """All that the network's way to other hosts is made of; {} while a device is missing."""
    found = links(host)
    if sorted(found) != ["vmb-lab", "vmh-lab", "vmp-lab", "vmx-lab"]:
        return {}
    _, mac = own(host)
    fdb = host.run("bridge", "fdb", "show", "dev", "vmp-lab").stdout.splitlines()
    return {
        **{name: place(link) for name, link in found.items()},
        "addresses": addresses_of(host),
        "routes": [
            sorted(host.ip(f"{family} route show dev vmh-lab").replace(" linkdown", "").split("\n"))
            for family in ("-4", "-6")
        ],
        "floods": host.floods("lab"),
        "own": [line.split()[1:] for line in fdb if line.startswith(mac)],
        "filters": "bpf" in host.run("tc", "filter", "show", "dev", "vmx-lab", "ingress").stdout,
        "settings": [
            host.run("cat", f"/proc/sys/net/ipv4/conf/{device}/{name}").stdout
            for device in ("vmb-lab", "vmh-lab")
            for name in SETTINGS
        ],
    }


def wait_reached(fabric, *machines):
    """FRR tells of a host when it has, and of a machine likewise."""
    if fabric.control == "evpn":
        hosts = [fabric[name] for name in sorted({machine.host.name for machine in machines})]
        fabric.wait_converged(hosts=hosts)
    for machine in machines:
        for other in machines:
            assert machine is other or machine.ping(other.address, tries=10)


@pytest.fixture
def machines(fabric):
    """One on each of two hosts, which reach each other."""
    found = [fabric.join(name) for name in "ab"]
    wait_reached(fabric, *found)
    return found


@on_all
def test_machines_reach_each_other(fabric):
    machines = [fabric.join(name) for name in "abc"]
    wait_reached(fabric, *machines)
    a, b, c = machines
    for machine in machines:
        assert machine.ping(machine.lease["router"])
    mtu = json.loads(a.ip("-j link show dev eth0"))[0]["mtu"]
    assert mtu == 1500 - HEADERS[fabric.underlay]
    whole = "ping", "-c", "1", "-W", "3", "-M", "do", "-s"
    with fabric.capture("a") as capture:
        assert a.run(*whole, f"{mtu - 28}", b.address).returncode == 0
        assert transfer(a, c, c.address)
        b.ipv6_address()  # a connection is from the one that there is as it begins
        assert transfer(b, c, c.ipv6_address())
        sources = {source for source, destination, vni, _ in capture.frames() if vni == 4711}
    assert sources == {fabric.addresses[name] for name in "abc"}


@on_all
def test_the_host_reaches_machines_here_and_elsewhere(fabric):
    machines = [fabric.join(name) for name in "ab"]
    wait_reached(fabric, *machines)
    for host in fabric["a"], fabric["b"]:
        for machine in machines:
            assert transfer(host, machine, machine.address)
            assert transfer(host, machine, machine.ipv6_address())


@on_both
def test_a_host_whose_filter_of_sources_is_strict(fabric, machines):
    host = fabric["a"]
    host.run("sysctl", "-w", "net.ipv4.conf.all.rp_filter=1")
    try:
        for machine in machines:
            assert transfer(host, machine, machine.address)
            # To a machine here the way is by the bridge, and back to this host's own end.
            own_ipv4, _ = own(host)
            host.run("ping", "-c", "1", "-W", "3", "-I", own_ipv4, machine.address)
    finally:
        host.run("sysctl", "-w", "net.ipv4.conf.all.rp_filter=0")


@on_both
@pytest.mark.parametrize("vpn", [False, True])
def test_the_ways_of_the_host(fabric, machines, vpn):
    """To a machine here it is by the bridge, also where a VPN leads all packets by its rules."""
    here, there = machines
    host = fabric["a"]
    if vpn:
        host.ip(f"route add 192.0.2.0/24 dev {UNDERLAY} table 52")
        for family, via in ("-4", "198.51.100.1"), ("-6", "2001:db8:1::1"):
            host.ip(f"{family} route add default via {via} table 52")
            host.ip(f"{family} rule add priority 5270 lookup 52")
    try:
        for machine, device in (here, "vmb-lab"), (there, "vmh-lab"):
            way = f"route get {machine.address}"
            wait_for(lambda: f"dev {device} " in host.ip(way), what=lambda: host.ip(way))
            assert transfer(host, machine, machine.address)
            assert transfer(host, machine, machine.ipv6_address())
    finally:
        for family in ("-4", "-6") if vpn else ():
            host.ip(f"{family} rule delete priority 5270")
            host.ip(f"{family} route flush table 52")


@on_both
def test_gateway_and_host_do_not_speak_for_each_other(fabric, machines):
    here, _ = machines
    host = fabric["a"]
    address, mac = own(host)
    for asked, expected in (here.lease["router"], "76:6d:0a:50:00:01"), (address, mac):
        here.ip("neighbour flush dev eth0")
        here.ping(asked, tries=1)
        said = here.run("busybox", "arping", "-c", "2", "-w", "2", "-I", "eth0", asked, check=False)
        answers = set(re.findall(r"\[([0-9a-f:]+)\]", said.stdout.lower()))
        assert answers == {expected}, said.stdout


BREAKAGES = [
    "link delete vmx-lab",
    "link set vmx-lab down",
    "link set vmx-lab nomaster",
    "link set vmx-lab group default",
    "link set vmx-lab mtu 1280",
    "link set vmx-lab type bridge_slave learning {not_learning}",
    "link set vmx-lab type bridge_slave neigh_suppress {learning}",
    "link set vmx-lab type vxlan {not_vxlan_learning}",
    "link set vmx-lab type vxlan local 127.0.0.1",
    "link delete vmh-lab",
    "link set vmh-lab down",
    "link set vmh-lab name other",
    "link set vmh-lab group default",
    "link set vmh-lab address 02:00:00:00:00:99",
    "link set vmh-lab mtu 1280",
    "link set vmp-lab down",
    "link set vmp-lab nomaster",
    "link set vmp-lab mtu 1280",
    "link set vmp-lab type bridge_slave learning on",
    "link delete vmb-lab",
    "address flush dev vmh-lab",
    "address delete {ipv4} dev vmh-lab",
    "address delete {ipv6} dev vmh-lab",
    "address flush dev vmb-lab",
    "route flush dev vmh-lab",
    "-6 route flush dev vmh-lab",
]


def breakage(fabric, text):
    is_static = fabric.control == "static"
    addresses = [address for device, *address in addresses_of(fabric["a"]) if device == "vmh-lab"]
    return text.format(
        ipv4=next("/".join(address) for address in addresses if ":" not in address[0]),
        ipv6=next("/".join(address) for address in addresses if ":" in address[0]),
        learning="on" if is_static else "off",
        not_learning="off" if is_static else "on",
        not_vxlan_learning="nolearning" if is_static else "learning",
    )


def check_repair(fabric, machines, text):
    here, there = machines
    host = fabric["a"]
    before = state(host)
    assert before["own"] and before["filters"] and before["floods"]
    host.ip(breakage(fabric, text))
    wait_for(lambda: state(host) == before, what=lambda: f"{before}, not {state(host)}")
    assert here.ping(there.address, tries=10) and there.ping(here.address, tries=10)
    assert "other" not in host.links()


@of(EVPN)
@pytest.mark.parametrize("text", BREAKAGES)
def test_what_is_broken_is_repaired(fabric, machines, text):
    check_repair(fabric, machines, text)


@of(STATIC)
@pytest.mark.parametrize("text", [text for text in BREAKAGES if "vmx-lab" in text])
def test_what_is_broken_is_repaired_by_a_list(fabric, machines, text):
    """The VXLAN device learns there, and has no daemon."""
    check_repair(fabric, machines, text)


@of(STATIC)
def test_a_vxlan_that_was_renamed(fabric, machines):
    """That ends zebra 8.4.4, whoever has renamed it."""
    check_repair(fabric, machines, "link set vmx-lab name other")


@of(EVPN)
def test_a_daemon_is_told_again_where_a_machine_is(fabric, directory):
    """zebra of FRR 10.3 may read of the machine before the port, and has no use for it then."""
    host = fabric["a"]
    path = os.path.join(directory, "told")
    with open(path, "w", encoding="ascii") as file:
        listening = host.popen("bridge", "monitor", "fdb", stdout=file)
    try:
        machine = fabric.join("a")
        device = next(link for link in host.links() if link.startswith("vmt"))
        told = [machine.mac_address, "dev", device, "master", "vmb-lab", "static"]

        def times():
            with open(path, encoding="ascii") as file:
                return sum(line.split() == told for line in file)

        wait_for(lambda: times() > 1, 10, what=lambda: f"{told}, which was told {times()} times")
    finally:
        listening.kill()
        listening.wait()


@on_both
def test_a_machines_port_that_learns_is_repaired(fabric, machines):
    """The bridge alone tells of it then, in its own family."""
    host = fabric["a"]
    device = next(link for link in host.links() if link.startswith("vmt"))

    def learns():
        link = json.loads(host.ip(f"-d -j link show dev {device}"))[0]
        return link["linkinfo"]["info_slave_data"]["learning"]

    assert not learns()
    host.run("bridge", "link", "set", "dev", device, "learning", "on")
    wait_for(lambda: not learns(), what="the repair")


@on_both
def test_filters_and_settings_are_repaired(fabric, machines):
    host = fabric["a"]
    before = state(host)
    host.run("tc", "qdisc", "delete", "dev", "vmx-lab", "clsact")
    host.run("sysctl", "-w", "net.ipv4.conf.vmh-lab.rp_filter=1")
    host.run("sysctl", "-w", "net.ipv4.conf.vmb-lab.rp_filter=1")
    wait_for(lambda: state(host) == before, what=lambda: f"{before}, not {state(host)}")


UNNOTICED = [
    "link set vmx-lab type bridge_slave learning {not_learning}",
    "link set vmx-lab type vxlan {not_vxlan_learning}",
    "link set vmp-lab mtu 1400",
    "address delete {ipv4} dev vmh-lab",
]


@on_both
def test_nothing_is_lost_where_the_kernel_changes_what_is_there(fabric, machines):
    here, there = machines
    host = fabric["a"]
    before = state(host)
    pings = Pings(here, there.address)
    for text in UNNOTICED:
        host.ip(breakage(fabric, text))
        wait_for(lambda: state(host) == before, what=lambda: f"{before}, not {state(host)}")
    assert pings.lost() == 0
    pings.close()


@on_both
def test_brokers_that_are_killed_lose_nothing(fabric):
    machines = [fabric.join(name) for name in "abc"]
    wait_reached(fabric, *machines)
    before = {host: state(host) for host in fabric}
    pings = [Pings(m, o.address) for m in machines for o in machines if m is not o]
    for host in fabric:
        host.broker.restart()
        wait_for(lambda: host.broker.networks()["lab"]["interfaces"] == 1)
        host.broker.wait_for_log("serving")
    assert before == {host: state(host) for host in fabric}
    assert not any(one.lost() for one in pings)
    for one in pings:
        one.close()
    assert all(host.broker.networks()["lab"].get("faults", []) == [] for host in fabric)


@on_both
def test_what_is_missing_when_a_broker_starts(fabric, machines):
    here, there = machines
    host = fabric["a"]
    before = state(host)
    for missing in "vmx-lab", "vmh-lab":
        host.broker.kill()
        host.ip(f"link delete {missing}")
        host.broker.start()
        wait_for(lambda: state(host) == before, what=lambda: f"{before}, not {state(host)}")
        assert here.ping(there.address, tries=10)


@of(STATIC)
@pytest.mark.parametrize("record", ["whole", "lost"])
def test_what_nobody_uses_goes_with_the_next_broker(fabric, record):
    host = fabric["a"]
    host.broker.client().acquire("lab")
    assert state(host)
    host.broker.kill()
    host.broker.close_clients()
    if record == "lost":
        os.unlink(os.path.join(host.broker.runtime_dir, "lab.json"))
    host.broker.start()
    wait_for(lambda: not links(host), what=lambda: f"the end of {links(host).keys()}")


def check_entry(fabric, command):
    host = fabric["a"]
    before = state(host)
    host.run("bridge", "fdb", *command.split())
    wait_for(lambda: state(host) == before, what=lambda: f"{before}, not {state(host)}")


@on_both
def test_the_entry_of_the_host_itself(fabric, machines):
    _, mac = own(fabric["a"])
    check_entry(fabric, f"delete {mac} dev vmp-lab master")


@on_both
def test_hosts_that_frames_for_all_go_to(fabric, machines):
    zero = f"{ALL_MACS} dev vmx-lab"
    check_entry(fabric, f"delete {zero}")
    if fabric.control == "static":
        check_entry(fabric, f"delete {zero} dst {fabric.addresses['b']}")
        check_entry(fabric, f"append {zero} dst 192.0.2.99")


def refused(host):
    client = host.broker.client()
    with pytest.raises(VarlinkError) as failure:
        client.acquire("lab")
    return failure.value.parameters["reason"]


@of(STATIC)
def test_what_others_have_already(fabric):
    host = fabric["a"]
    wait_for(lambda: not links(host), what="the end of the network of the test before")
    for device in "vmx-lab", "vmh-lab", "vmp-lab":
        host.ip(f"link add {device} type ifb")
        assert f"a device {device} exists already" in refused(host)
        assert links(host).keys() == {device}
        host.ip(f"link delete {device}")
    host.ip("link add theirs type vxlan id 4711 dstport 4789")
    assert "another device of this host has the VNI 4711 at UDP port 4789" in refused(host)
    host.ip("link delete theirs")
    with host.entered():
        taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with taken:
        taken.bind(("", 4789))
        assert "UDP port 4789 is taken by another program" in refused(host)
    host.broker.client().acquire("lab")

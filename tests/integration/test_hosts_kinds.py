# SPDX-License-Identifier: Apache-2.0
"""What holds whichever way hosts find each other by, and whatever is between them."""

import contextlib
import functools

import pytest

from support import overlay
from support.advertisement import solicit
from support.dhcp import DhcpClient
from support.echo import WhoServer, nobody, who
from support.fabric import STRANGER, UNDERLAY, address_of, vxlan_network
from support.frame import mac_bytes
from support.host import HOST_IPV4, OUTSIDE_IPV4, SERVER_IPV4
from support.overlay import HOSTS_PORT, Listening, encapsulated, note, own
from support.traffic import Pings
from support.wait import wait_for

PORT = 8472  # another one than VXLAN's own
PUBLISHED, FORWARDED = 8090, 8091
GATEWAY = "10.80.0.1"
RESERVED = {"mac_address": "52:54:00:00:00:0b", "address": "10.80.2.200"}
FORWARDING = {
    "protocol": "tcp",
    "external_port": FORWARDED,
    "internal_address": RESERVED["address"],
    "internal_port": 80,
}

send = functools.partial(overlay.send, to=PORT)


def kind(control, underlay="ipv4"):
    served = {"dhcp_reservations": [RESERVED], "port_forwarding": [FORWARDING]}
    networks = {
        "lab": vxlan_network(3, 0, control, underlay, PORT, **served),
        "alone": vxlan_network(3, 1, control, underlay, PORT, isolated=True),
    }
    options = {"control": control, "underlay": underlay, "networks": networks}
    name = f"{control} over {underlay}"
    return pytest.param(options, id=name, marks=pytest.mark.xdist_group(f"kinds {name}"))


# By IPv4 alone, of either, and at the usual port: test_hosts_path.py, test_hosts_firewall.py and
# others.
KINDS = [kind("evpn", "wireguard"), kind("evpn", "ipv6"), kind("static", "ipv6")]

pytestmark = pytest.mark.parametrize("shared_fabric", KINDS, indirect=True, scope="module")


def expect_hosts_alone(fabric, victim, listening):
    send(fabric["b"], fabric.addresses["a"], encapsulated(note(victim, "host")))
    listening.wait_for("host")
    assert listening.notes() == ["host"]


def test_a_stranger_is_no_host(fabric, victim, listening):
    """Nor where WireGuard is between the hosts, and he is on the link that carries it."""
    stranger, a = fabric.stranger(), fabric.addresses["a"]
    source = address_of(STRANGER, fabric.underlay)
    if fabric.underlay == "wireguard":
        stranger.ip(f"route replace {a} via {address_of(1)}")
        source = address_of(STRANGER)
    send(stranger, a, encapsulated(note(victim, "stranger")), source=source)
    if fabric.underlay == "wireguard":
        in_its_name = fabric.addresses["b"]
        stranger.ip(f"address replace {in_its_name}/32 dev {UNDERLAY}")
        send(stranger, a, encapsulated(note(victim, "in a host's name")), source=in_its_name)
    expect_hosts_alone(fabric, victim, listening)


def test_a_machine_is_no_host(fabric, victim, listening):
    """Neither to its host, nor by its NAT to another one, which would take it for this host."""
    sender, neighbour = fabric.join("b"), fabric.join("b")
    neighbour.ipv6_address()
    sender.ipv6_address()
    with Listening(neighbour) as near:
        for port in HOSTS_PORT, 5000:
            for name, machine in ("a", victim), ("b", neighbour):
                payload = encapsulated(note(machine, "machine"))
                send(sender, fabric.addresses[name], payload, port)
        send(fabric["a"], fabric.addresses["b"], encapsulated(note(neighbour, "host")))
        near.wait_for("host")
        assert near.notes() == ["host"]
    expect_hosts_alone(fabric, victim, listening)


def test_machines_of_an_isolated_network(fabric):
    """By the bridges alone, without the rules that br_netfilter has them pass."""
    for host in fabric:
        for family in "ip", "ip6":
            host.filter_bridges(family, 0)
    first, second = fabric.join("a", "alone"), fabric.join("b", "alone")
    if fabric.control == "evpn":
        fabric.wait_converged("alone", [fabric["a"], fabric["b"]])
    second.ipv6_address()
    with WhoServer(second, 80, "second"):
        for address, source in zip(
            (second.address, second.ipv6_address()), own(fabric["a"], 1)[:2], strict=True
        ):
            wait_for(lambda asked=address: who(fabric["a"], asked, 80), what=f"{address} from a")
            assert who(fabric["a"], address, 80) == ("second", source)
            assert nobody(first, address, 80)


def test_a_dhcp_server_of_one_host_reaches_nobody_on_another(fabric):
    """Also when the network's own one is silent there."""
    rogue, victim = fabric.join("b"), fabric.plug_in("a")
    if fabric.control == "evpn":
        fabric.wait_converged(hosts=[fabric["a"], fabric["b"]])
    rogue.ip("address add fd00:bad::1/64 dev eth0 nodad")
    rogue.serve_addresses("10.80.2.100,10.80.2.150,1h", "fd00:bad::,ra-only")
    with open(f"{fabric['a'].broker.runtime_dir}/lab.dnsmasq.pid", encoding="ascii") as file:
        pid = file.read().strip()
    fabric["a"].run("kill", "-STOP", pid)
    try:
        with DhcpClient(victim) as client, pytest.raises(AssertionError, match="no answer"):
            client.get(mac_bytes(victim.mac_address), tries=3)
        assert not solicit(victim, tries=2)
    finally:
        fabric["a"].run("kill", "-CONT", pid)
    assert victim.dhcp()["serverid"] == GATEWAY
    assert victim.address.startswith("10.80.1.")
    assert solicit(victim).router == "fe80::1"
    assert victim.ping(rogue.address, tries=10)
    assert "fd00:bad:" not in victim.ip("-6 address show dev eth0")


def test_what_each_host_does_for_a_machine(fabric):
    """Of its own: NAT. Wherever it is: a port that is forwarded to it, and its names."""
    asking = [fabric.join(host.name) for host in fabric]
    machine = fabric.join("b", macAddress=RESERVED["mac_address"], hostname="web")
    address = machine.address
    assert address == RESERVED["address"]
    with WhoServer(fabric["b"].outside, 80, "outside-b"):
        assert who(machine, SERVER_IPV4, 80) == ("outside-b", HOST_IPV4)
    with WhoServer(machine, 80, "machine"):
        for host, other in zip(fabric, asking):
            here = host is machine.host
            for name in "web", "web.lab.internal", "web.b.lab.internal":
                wait_for(
                    lambda asked=name, by=other: address in by.resolve(asked, GATEWAY),
                    what=f"{name} on {host.name}",
                )
            assert other.ping(address, tries=10)
            if here:
                wait_for(
                    lambda at=host: "dev vmb-lab" in at.ip(f"route get {address}"),
                    what="the route to a machine that is here",
                )
            seen = OUTSIDE_IPV4 if here else own(host)[0]
            assert who(host.outside, HOST_IPV4, FORWARDED) == ("machine", seen), host.name


def test_a_machine_moves(fabric):
    """On to each of the hosts, and its published port with it; others talk with it."""
    others = [fabric.join(host.name) for host in fabric]
    if fabric.control == "evpn":
        fabric.wait_converged()
    port = {"protocol": "tcp", "externalPort": PUBLISHED, "internalPort": 80}
    machine = fabric.plug_in("a", portForwarding=[port])
    machine.dhcp_to_stay()
    address = machine.address
    for other in others:
        assert other.ping(address, tries=10)
    with contextlib.ExitStack() as stack:
        stack.enter_context(WhoServer(machine, 80, "machine"))
        pings = [stack.enter_context(contextlib.closing(Pings(other, address))) for other in others]
        for name in "bca":
            before = [each.lost() for each in pings]
            fabric.move(machine, name, portForwarding=[port])
            for each, lost in zip(pings, before, strict=True):
                each.wait_for_more()
                assert (each.lost() - lost) * 0.02 < 1, f"{each.lost() - lost} lost, to {name}"
            host = fabric[name]
            wait_for(
                lambda at=host: "dev vmb-lab" in at.ip(f"route get {address}"),
                what="the route to a machine that is here",
            )
            assert who(host.outside, HOST_IPV4, PUBLISHED) == ("machine", OUTSIDE_IPV4)
    assert machine.renew()["ip"] == address

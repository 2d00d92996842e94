# SPDX-License-Identifier: Apache-2.0
"""What passes between the hosts of a network, and what must not, whoever sends it."""

import socket
import struct

import pytest

from support.dns import Resolver
from support.echo import WhoServer, nobody, who
from support.fabric import PORT, STRANGER, Capture, address_of, vxlan_network
from support.frame import (
    BROADCAST,
    UDP,
    arp_reply,
    carry,
    datagram,
    ethernet,
    ipv4,
    mac_bytes,
    pseudo_sum,
    udp,
    write,
)
from support.host import HOST_IPV4, OUTSIDE_IPV4, SERVER_IPV4, SERVER_IPV6
from support.need import need_filtered_bridges
from support.overlay import (
    HOSTS_PORT,
    Listening,
    discovery,
    encapsulated,
    note,
    own,
    rogue_packets,
    send,
    send_frame,
)
from support.varlink import VarlinkError
from support.wait import wait_for

USER = 1234

MAC = "52:54:00:00:00:0b"
# Of a machine on host b, or of a guest on a; reached at these ports of each host.
SERVER, UPLINKED, GUEST = "10.80.2.200", "10.82.2.200", "192.168.105.200"
FORWARDED, FORWARDED_UPLINKED, FORWARDED_TO_GUEST = 8080, 8081, 8082

CLOSED = """
table inet x {
	chain i { type filter hook input priority 0; policy drop; iif lo accept; }
	chain f { type filter hook forward priority 0; policy drop; ct state established accept; }
}
"""
CLOSED_WAY_OUT = """
table inet x {
	chain o { type filter hook output priority 0; policy drop; oif lo accept; }
}
"""


def forwarding(port, address):
    """Of a network: the port of each host leads to port 80 of a machine, which has this address."""
    forwarded = {"protocol": "tcp", "external_port": port, "internal_port": 80}
    return {
        "dhcp_reservations": [{"mac_address": MAC, "address": address}],
        "port_forwarding": [{**forwarded, "internal_address": address}],
    }


def vxlan(index=0, **others):
    return vxlan_network(3, index, "static", **others)


FABRIC = {
    "control": "static",
    "networks": {
        "lab": vxlan(**forwarding(FORWARDED, SERVER)),
        "alone": vxlan(1, isolated=True),
        "uplinked": vxlan(
            2, external_interface="eth0", **forwarding(FORWARDED_UPLINKED, UPLINKED)
        ),
        "bypass": vxlan(3, bypass_kill_switch=True),
        "guests": {
            "mode": "shared",
            "subnet": "192.168.105.0/24",
            **forwarding(FORWARDED_TO_GUEST, GUEST),
        },
    },
}

pytestmark = pytest.mark.xdist_group("hosts_firewall")


def test_packets_come_from_the_hosts_alone(fabric, victim, listening):
    a, b = fabric["a"], fabric["b"]
    stranger = fabric.stranger()
    a.ip("address add 192.0.2.201/24 dev eth1")
    own_address, others = fabric.addresses["a"], "192.0.2.201"

    def attempt(text, namespace=b, destination=own_address, **options):
        send(namespace, destination, encapsulated(note(victim, text)), **options)

    try:
        attempt("stranger", namespace=stranger, source=address_of(STRANGER))
        attempt("user", port=5000, uid=USER)
        attempt("another address", destination=others)
        attempt("itself", namespace=a, source=own_address)
        attempt("loopback", namespace=a, destination="127.0.0.1")
        attempt("host")
        listening.wait_for("host")
        assert listening.notes() == ["host"]
    finally:
        a.ip("address delete 192.0.2.201/24 dev eth1")


def test_other_vxlans_are_let_alone(fabric, victim):
    """At the same port, from whomever but a machine: that it is another's the VNI says."""
    a, stranger = fabric["a"], fabric.stranger()
    a.ip_batch(
        f"link add theirs type vxlan id 99 local {fabric.addresses['a']} dstport {PORT}",
        "link set theirs up",
    )
    try:
        with Capture(a, "theirs") as capture:
            frame = note(victim, "theirs")
            by_machine = note(victim, "machine")
            send(victim, fabric.addresses["a"], encapsulated(by_machine, 99))
            send(stranger, fabric.addresses["a"], encapsulated(frame, 99), port=5000)
            wait_for(lambda: frame[14:] in capture.packets(), what="a frame of another VXLAN")
            assert by_machine[14:] not in capture.packets()
    finally:
        a.ip("link delete theirs")


@pytest.mark.parametrize("network", ["lab", "guests"])
def test_machines_send_none(fabric, victim, listening, network):
    """Not to their host, and not by its NAT to others, which would take them for this host's."""
    a, b = fabric["a"], fabric["b"]
    sender = fabric.join("a", network)
    neighbour = fabric.join("b")
    with Listening(neighbour) as there, WhoServer(b, PORT + 1, "b", "udp"):
        # This is the way that they would take.
        assert who(sender, fabric.addresses["b"], PORT + 1, "udp") == ("b", fabric.addresses["a"])
        for port in HOSTS_PORT, 5000:
            send(sender, fabric.addresses["a"], encapsulated(note(victim, "machine")), port)
            send(sender, HOST_IPV4, encapsulated(note(victim, "machine")), port)
            with fabric.capture("b") as capture:
                send(sender, fabric.addresses["b"], encapsulated(note(neighbour, "NAT")), port)
                # Of another VNI, too: it may be of several packets in one.
                send(sender, fabric.addresses["b"], encapsulated(note(neighbour, "NAT"), 1), port)
                send(a, fabric.addresses["b"], encapsulated(note(neighbour, f"host {port}")))
                there.wait_for(f"host {port}")
                assert b"NAT" not in b"".join(frame for *_, frame in capture.frames())
        send(b, fabric.addresses["a"], encapsulated(note(victim, "host")))
        listening.wait_for("host")
        assert listening.notes() == ["host"]
        assert "NAT" not in there.notes()


def claims(machine, address, ipv6_address, mac):
    """Frames by which a machine would pass for a host's own end: {what: frame}."""
    source = mac_bytes(machine.mac_address)
    link_local = "fe80::1234"
    return {
        "MAC": ethernet(BROADCAST, mac_bytes(mac), 0x0806, arp_reply(source, machine.address)),
        "ARP": ethernet(BROADCAST, source, 0x0806, arp_reply(source, address)),
        "IPv4": carry(BROADCAST, source, datagram(address, machine.address, b"claim")),
        "IPv6": carry(BROADCAST, source, datagram(ipv6_address, "ff02::1", b"claim")),
        "advertisement": carry(BROADCAST, source, discovery(136, link_local, ipv6_address)),
        "detection": carry(BROADCAST, source, discovery(135, "::", ipv6_address, 0)),
    }


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_hosts_own_addresses_are_no_machines(fabric, name):
    """Neither those of its host, nor those of others."""
    rogue, neighbour = fabric.join("a"), fabric.join("a")
    elsewhere = fabric.join("b")
    frames = claims(rogue, *own(fabric[name]))
    before = rogue_packets(fabric["a"])
    with Listening(neighbour) as near, Listening(elsewhere) as far:
        for number, (what, frame) in enumerate(frames.items(), before + 1):
            send_frame(rogue, frame)
            wait_for(lambda wanted=number: rogue_packets(fabric["a"]) == wanted, what=what)
        source = mac_bytes(rogue.mac_address)
        last = carry(BROADCAST, source, datagram(rogue.address, "10.80.255.255", b"last"))
        send_frame(rogue, last)
        for listening in near, far:
            listening.wait_for("last")
            payloads = {frame[14:] for frame in frames.values()}
            assert not payloads & set(listening.packets())


@pytest.mark.parametrize("what", ["MAC", "ARP", "IPv4", "IPv6", "advertisement", "detection"])
def test_other_hosts_do_not_claim_what_is_this_ones(fabric, victim, listening, what):
    """As if another's rules had let it pass."""
    a, b = fabric["a"], fabric["b"]
    before = rogue_packets(a)
    frame = claims(victim, *own(a))[what]
    send(b, fabric.addresses["a"], encapsulated(frame))
    send(b, fabric.addresses["a"], encapsulated(note(victim, "last")))
    listening.wait_for("last")
    assert frame[14:] not in listening.packets()
    assert rogue_packets(a) == before + 1


@pytest.fixture(params=[False, True], ids=["bridges alone", "br_netfilter"])
def filtered(request, fabric):
    """Whether the hosts' rules see what bridges pass between their ports."""
    for host in fabric:
        if request.param:
            need_filtered_bridges(host, "ip", "ip6")
        for family in "ip", "ip6":
            host.filter_bridges(family, int(request.param))


def test_isolated_machines_reach_hosts_alone(fabric, filtered):
    """Theirs and the others, by these own addresses; but no machine anywhere."""
    first, second = fabric.join("a", "alone"), fabric.join("b", "alone")
    a, b = fabric["a"], fabric["b"]
    first.ip(f"-6 neighbour replace {second.ipv6_address()} lladdr {second.mac_address} dev eth0")
    second.ip(f"-6 neighbour replace {first.ipv6_address()} lladdr {first.mac_address} dev eth0")
    with WhoServer(second, 80, "second"), WhoServer(a, 81, "a"), WhoServer(b, 81, "b"):
        for address in second.address, second.ipv6_address():
            assert nobody(first, address, 80), address
        # Also with what each of them could find out.
        first.ip(f"neighbour replace {second.address} lladdr {second.mac_address} dev eth0")
        second.ip(f"neighbour replace {first.address} lladdr {first.mac_address} dev eth0")
        for address in second.address, second.ipv6_address():
            assert nobody(first, address, 80), address
            assert who(a, address, 80), address
            assert who(b, address, 80), address
        for host in a, b:
            for address in own(host, 1)[:2]:
                assert who(first, address, 81)[0] == host.name, address


def test_each_hosts_own_address(fabric):
    first, second = fabric.join("a"), fabric.join("b")
    with WhoServer(second, 80, "second"), WhoServer(fabric["a"], 81, "a"):
        for address, source in zip(
            (second.address, second.ipv6_address()), own(fabric["a"])[:2], strict=True
        ):
            assert wait_for(lambda to=address: who(fabric["a"], to, 80)) == ("second", source)
        for address in own(fabric["a"])[:2]:
            assert wait_for(lambda to=address: who(second, to, 81))[0] == "a"
            assert wait_for(lambda to=address: who(first, to, 81))[0] == "a"
        # From elsewhere than the network nobody has to know it.
        fabric["a"].outside.ip(f"route replace 10.80.0.0/16 via {HOST_IPV4}")
        assert nobody(fabric["a"].outside, own(fabric["a"])[0], 81)


def test_nothing_passes_through_a_hosts_own_end(fabric, filtered):
    """Machines are no clients of another host's routes, and other networks' none of these."""
    first, second = fabric.join("a"), fabric.join("b")
    guest = fabric.join("a", "guests", macAddress=MAC)
    a = fabric["a"]
    second.ipv6_address()
    with WhoServer(guest, 80, "guest"):
        assert who(a.outside, HOST_IPV4, FORWARDED_TO_GUEST)[0] == "guest"
        with Capture(guest, "eth0") as capture:
            assert nobody(second, own(a)[0], FORWARDED_TO_GUEST)
            assert second.address not in [source_of(packet) for packet in capture.packets()]
    # It is the host's own, whatever is forwarded at the same port of its other addresses.
    for port in FORWARDED, FORWARDED_TO_GUEST:
        for address in own(a)[:2]:
            with WhoServer(a, port, "a", address=address):
                assert who(second, address, port)[0] == "a"
    with WhoServer(second, 80, "second"), WhoServer(a.outside, 80, "outside-a"):
        assert nobody(guest, second.address, 80)
        assert who(first, second.address, 80) == ("second", first.address)
        first.ip(f"route add {second.address} via 10.80.0.1")
        assert nobody(first, second.address, 80)
        address, ipv6_address, _ = own(a)
        second.ip(f"route add {SERVER_IPV4} via {address}")
        second.ip(f"-6 route add {SERVER_IPV6} via {ipv6_address}")
        for address in SERVER_IPV4, SERVER_IPV6:
            assert nobody(second, address, 80), address
        assert who(first, SERVER_IPV4, 80)[0] == "outside-a"


def source_of(packet):
    return socket.inet_ntoa(packet[12:16])


def test_what_comes_to_a_hosts_own_end_is_from_the_network(fabric):
    """And for it."""
    fabric.join("a")
    machine, a = fabric.join("b"), fabric["a"]
    address, _, mac = own(a)
    with a.entered():
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def send_from(source, destination):
        packet = ipv4(source, destination, UDP, udp(82, 82, b""))
        frame = carry(mac_bytes(mac), mac_bytes(machine.mac_address), packet)
        send_frame(machine, frame)

    def send_what_is_wrong():
        for destination in address, HOST_IPV4:
            send_from(OUTSIDE_IPV4, destination)
        send_from(machine.address, HOST_IPV4)

    with server:
        server.bind(("0.0.0.0", 82))
        server.settimeout(10)
        send_what_is_wrong()
        send_from(machine.address, address)
        assert server.recvfrom(100)[1][0] == machine.address


def test_what_comes_to_a_hosts_own_end_is_complete(fabric):
    """The checksum that a machine leaves to the host, anywhere in the packet, is there before."""
    a = fabric["a"]
    address, _, mac = own(a)
    with a.broker.client() as client:
        client.acquire("lab")
        with client.attach("lab") as attachment, Capture(a, "vmh-lab") as capture:
            whole = datagram("10.80.1.99", address, b"text")
            left = struct.pack("!H", pseudo_sum(whole, UDP, len(whole) - 20))
            packet = whole[:26] + left + whole[28:]
            assert packet != whole
            frame = carry(mac_bytes(mac), mac_bytes(attachment.mac_address), packet)
            write(attachment.tap_fds[0], frame, 14 + 20, 6)
            wait_for(lambda: whole in capture.packets(), what="the packet with its checksum")


def test_while_a_hosts_own_end_is_in_another_group(fabric):
    """Nothing passes that would not otherwise, before it is put right."""
    fabric.join("a")
    machine, a = fabric.join("b"), fabric["a"]
    a.outside.ip(f"route replace 10.80.0.0/16 via {HOST_IPV4}")
    a.run("kill", "-STOP", a.broker.pid)
    try:
        a.ip("link set vmh-lab group default")
        with Capture(machine, "eth0") as capture, WhoServer(a, 82, "a", "udp", "0.0.0.0"):
            assert nobody(machine, own(a)[0], 82, "udp")
            assert nobody(a.outside, machine.address, 80)
            assert OUTSIDE_IPV4 not in [source_of(packet) for packet in capture.packets()]
    finally:
        a.run("kill", "-CONT", a.broker.pid)
    wait_for(lambda: a.device("vmh-lab")["group"] != "default", what="its own group")


def test_each_host_has_nat_for_its_own_machines(fabric):
    for name in "a", "b":
        machine, outside = fabric.join(name), fabric[name].outside
        machine.ipv6_address()
        with WhoServer(outside, 80, f"outside-{name}"):
            assert who(machine, SERVER_IPV4, 80) == (f"outside-{name}", HOST_IPV4)
            assert who(machine, SERVER_IPV6, 80)[0] == f"outside-{name}"


@pytest.fixture
def server(fabric):
    server = fabric.join("b", macAddress=MAC)
    assert server.address == SERVER
    with WhoServer(server, 80, "server"):
        yield server


def test_ports_are_forwarded_to_machines_elsewhere(fabric, filtered, server):
    neighbour = fabric.join("a")
    a = fabric["a"]
    seen = ("server", own(a)[0])
    assert who(a.outside, HOST_IPV4, FORWARDED) == seen
    assert who(a, "127.0.0.1", FORWARDED) == seen
    assert who(neighbour, HOST_IPV4, FORWARDED) == seen
    # Two clients at once are two connections, from whichever ports they come.
    for _ in range(3):
        assert who(a.outside, HOST_IPV4, FORWARDED) == seen


def test_answers_of_machines_elsewhere_go_where_the_question_came_from(fabric):
    """With another uplink, too."""
    server, stranger = fabric.join("b", "uplinked", macAddress=MAC), fabric.stranger()
    fabric.join("a", "uplinked")
    assert server.address == UPLINKED
    seen = ("server", own(fabric["a"], 2)[0])
    with WhoServer(server, 80, "server"):
        assert who(stranger, fabric.addresses["a"], FORWARDED_UPLINKED) == seen
        assert who(fabric["a"].outside, HOST_IPV4, FORWARDED_UPLINKED) == seen


def test_ports_are_forwarded_to_machines_here(fabric, server):
    """Known to be here, they see the client's own address."""
    b = fabric["b"]
    wait_for(
        lambda: "dev vmb-lab" in b.ip(f"route get {server.address}"),
        what="the route to a machine that is here",
    )
    assert who(b.outside, HOST_IPV4, FORWARDED) == ("server", OUTSIDE_IPV4)


def test_who_may_acquire_a_network_each_host_says(fabric):
    b = fabric["b"]
    networks = {**fabric.networks, "lab": {**fabric.networks["lab"], "allow": {"users": ["root"]}}}
    b.broker.configure(networks)
    try:
        b.broker.vmnetctl("reload", uid=0)
        with b.broker.client(uid=USER) as client, pytest.raises(VarlinkError):
            client.acquire("lab")
        with fabric["a"].broker.client(uid=USER) as client:
            client.acquire("lab")
    finally:
        b.broker.configure(fabric.networks)
        b.broker.vmnetctl("reload", uid=0)


@pytest.fixture
def close(fabric):
    """Loads rules of an administrator's on all hosts, which are gone afterwards."""

    def load(rules):
        for host in fabric:
            host.run("nft", "-f", "-", input=rules)

    yield load
    for host in fabric:
        host.run("nft", "delete", "table", "inet", "x", check=False)


def test_beside_a_filter_that_lets_nothing_in(fabric, close, server):
    """Machines reach each other and all hosts reach them; strangers find the port closed."""
    close(CLOSED)
    machine, a = fabric.join("a"), fabric["a"]
    assert machine.ping(server.address, tries=10)
    assert machine.ping(own(fabric["b"])[0], tries=10)
    assert who(a.outside, HOST_IPV4, FORWARDED) == ("server", own(a)[0])
    rules = a.run("nft", "list", "chain", "inet", "x", "i").stdout
    assert rules.count(f"udp dport {PORT} accept") == 2
    fabric.part()
    listed = "nft", "list", "table", "inet", "x"
    for host in fabric:
        wait_for(
            lambda at=host: "vmnet-broker" not in at.run(*listed).stdout,
            what=f"the end of the broker's rules in the filter of {host.name}",
        )


@pytest.mark.parametrize("network, is_let_out", [("lab", False), ("bypass", True)])
def test_beside_a_kill_switch(fabric, close, network, is_let_out):
    close(CLOSED_WAY_OUT)
    first, second = fabric.join("a", network), fabric.join("b", network)
    with WhoServer(second, 80, "second"):
        assert bool(who(first, second.address, 80)) == is_let_out


def test_names_are_for_other_hosts(fabric):
    """A machine asks its own host, which asks these."""
    machine = fabric.join("a")
    fabric.join("b")
    address, _, _ = own(fabric["b"])
    with Resolver(fabric["a"], address) as resolver:
        assert resolver.resolve("b.lab.internal") == [address]
    with Resolver(machine, address) as resolver, pytest.raises(AssertionError, match="no answer"):
        resolver.resolve("b.lab.internal", tries=1)
    with Resolver(machine, machine.lease["dns"]) as resolver:
        assert resolver.resolve("b.lab.internal") == [address]

# SPDX-License-Identifier: Apache-2.0
"""What those try who may attach machines on one host of a network, or on another network of it."""

import contextlib
import socket

import pytest

from support.echo import WhoServer, who
from support.fabric import PORT, vxlan_network
from support.frame import BROADCAST, carry, datagram, ethernet, mac_bytes
from support.overlay import HOSTS_PORT, Listening, encapsulated, note, send, send_frame
from support.varlink import VarlinkError
from support.wait import wait_for

pytestmark = pytest.mark.xdist_group("hosts_hostile")

STATIC = vxlan_network(3, control="static")
FABRIC = {
    "networks": {
        "lab": vxlan_network(3),
        "guests": {"mode": "shared", "subnet": "192.168.105.0/24"},
    },
}


def test_another_network_of_a_host_without_this_one_sends_none(fabric):
    """Its NAT makes them the host's, from ports that no machine has."""
    victim, sender = fabric.join("a"), fabric.join("c", "guests")
    a, b = fabric["a"], fabric["b"]
    with Listening(victim) as listening, WhoServer(a, PORT + 1, "a", "udp"):
        assert who(sender, fabric.addresses["a"], PORT + 1, "udp") == ("a", fabric.addresses["c"])
        for port in HOSTS_PORT, 5000:
            send(sender, fabric.addresses["a"], encapsulated(note(victim, "guest")), port)
        send(b, fabric.addresses["a"], encapsulated(note(victim, "host")))
        listening.wait_for("host")
        assert listening.notes() == ["host"]


TAKEN_IPV6 = "fd80:0:0:1::5"


def test_an_ipv6_address_of_a_machine_elsewhere_is_not_given_again(fabric):
    """Both hosts would tell the others forever that it is theirs."""
    owner = fabric.join("a", ipv6Address=TAKEN_IPV6)
    fabric.join("b")
    wait_for(
        lambda: fabric["b"].learned("lab").get(TAKEN_IPV6) == owner.mac_address,
        what="what host b knows",
    )
    with pytest.raises(VarlinkError) as raised:
        fabric.plug_in("b", ipv6Address=TAKEN_IPV6)
    assert f"{owner.mac_address} on another host" in raised.value.parameters["reason"]



def arp_request(mac, address, wanted):
    body = bytes.fromhex("0001080006040001") + mac + socket.inet_aton(address)
    return ethernet(BROADCAST, mac, 0x0806, body + bytes(6) + socket.inet_aton(wanted))


def test_a_machine_takes_no_pool_of_another_host(fabric):
    """It says of all addresses there that it has them."""
    greedy, neighbour = fabric.join("a"), fabric.join("b")
    mac = mac_bytes(greedy.mac_address)
    addresses = {f"10.80.2.{last}" for last in range(2, 255)} - {neighbour.address}
    for address in addresses:
        send_frame(greedy, arp_request(mac, address, "10.80.0.1"))
    b = fabric["b"]
    wait_for(lambda: addresses <= set(b.learned("lab")), what="what host b knows")
    fabric.join("b")
    with contextlib.closing(b.broker.client()) as client:
        client.acquire("lab")
        with client.attach("lab", name="web") as attached:
            assert attached.interface["ipv4Address"] in addresses


@pytest.mark.parametrize(
    "shared_fabric",
    [{"control": "static", "networks": {"lab": STATIC}}],
    indirect=True,
    scope="module",
)
def test_a_machine_is_where_it_is_whoever_sends_from_its_address(fabric):
    """Other hosts learn from frames."""
    a, c = fabric["a"], fabric["c"]
    reader, thief, victim = (fabric.join(name) for name in "abc")

    def say(machine, mac, text):
        packet = datagram(machine.address, "10.80.255.255", text.encode())
        send_frame(machine, carry(BROADCAST, mac_bytes(mac), packet))

    with Listening(reader) as listening:
        say(victim, victim.mac_address, "victim")
        listening.wait_for("victim")
        say(thief, victim.mac_address, "stolen")
        say(thief, thief.mac_address, "thief")
        listening.wait_for("thief")
        assert listening.notes() == ["victim", "thief"]
    assert a.whereabouts("lab")[victim.mac_address] == fabric.addresses[c.name]

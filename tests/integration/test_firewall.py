# SPDX-License-Identifier: Apache-2.0
"""What passes between machines, the host and the outside, and what must not."""

import errno
import fcntl
import os
import re
import signal
import socket
import subprocess

import pytest

from support.echo import WhoServer, nobody, who
from support.frame import UDP, ipv4, udp
from support.host import HOST_IPV4, HOST_IPV6, OUTSIDE_IPV4, SERVER_IPV4, SERVER_IPV6
from support.groups import BRIDGE_GROUPS, PORT_GROUPS
from support.need import need_filtered_bridges
from support.tap import ARPHRD_LOOPBACK, IFF_NO_PI, IFF_TUN, TUNSETLINK, open_tap
from support.wait import wait_for

CONFIG = {
    "lab": {
        "mode": "shared",
        "subnet": "192.168.105.0/24",
        "ipv6_prefix": "fd12:3456:789a:5::/64",
    },
    "other": {
        "mode": "shared",
        "subnet": "192.168.106.0/24",
        "ipv6_prefix": "fd12:3456:789a:6::/64",
    },
    "closed": {
        "mode": "host",
        "subnet": "192.168.107.0/24",
        "ipv6_prefix": "fd12:3456:789a:7::/64",
    },
    "alone": {
        "mode": "shared",
        "isolated": True,
        "subnet": "192.168.108.0/24",
        "ipv6_prefix": "fd12:3456:789a:8::/64",
    },
    "routed": {
        "mode": "shared",
        "nat44": False,
        "nat66": False,
        "subnet": "192.168.109.0/24",
        "ipv6_prefix": "fd12:3456:789a:9::/64",
    },
    "elsewhere": {
        "mode": "shared",
        "external_interface": "wg0",
        "subnet": "192.168.110.0/24",
    },
    "here": {"mode": "shared", "external_interface": "eth0", "subnet": "192.168.111.0/24"},
    "trusted": {"mode": "shared", "link_local": True, "subnet": "192.168.113.0/24"},
    "own": {
        "mode": "host",
        "dhcp": False,
        "router_advertisement": False,
        "subnet": "192.168.112.0/24",
    },
}

pytestmark = pytest.mark.broker(config=CONFIG)


def rogue_packets(broker, network):
    """How many frames of the network's machines have been dropped."""
    return broker.inspect(network)["roguePackets"]


def send_frame(machine, payload, protocol, destination="ff:ff:ff:ff:ff:ff", source=None, least=60):
    """Sends a frame as it is, from the machine's device. least: the bytes that it has."""
    frame = "".join((destination, source or machine.mac_address)).replace(":", "")
    frame += f"{protocol:04x}" + payload
    machine.run(
        "/usr/bin/python3",
        "-c",
        "import socket, sys\n"
        "s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\n"
        "s.bind(('eth0', 0))\n"
        "s.send(bytes.fromhex(sys.argv[1]).ljust(int(sys.argv[2]), b'\\0'))\n",
        frame,
        least,
    )


def refusal(namespace, address, port):
    """What a connection fails with at once; nobody waits for an answer that never comes."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with namespace.entered():
        client = socket.socket(family, socket.SOCK_STREAM)
    with client:
        client.settimeout(20)
        return client.connect_ex((address, port))


def test_a_shared_network_reaches_the_outside(host, outside, join):
    first, second = join("lab"), join("lab")
    first.ipv6_address()
    with WhoServer(outside, 80, "outside"):
        assert who(first, SERVER_IPV4, 80) == ("outside", HOST_IPV4)
        assert who(first, SERVER_IPV6, 80) == ("outside", HOST_IPV6)
    with WhoServer(second, 80, "second"):
        assert who(first, second.address, 80) == ("second", first.address)
        assert who(first, second.ipv6_address(), 80) == ("second", first.ipv6_address())
        assert who(host, second.address, 80) == ("second", "192.168.105.1")
    with WhoServer(host, 80, "host"):
        assert who(first, "192.168.105.1", 80) == ("host", first.address)
        assert who(first, HOST_IPV4, 80) == ("host", first.address)
        assert who(first, "fd12:3456:789a:5::1", 80) == ("host", first.ipv6_address())


def test_a_host_without_names_of_protocols(host, outside, request):
    """As a minimal installation is: beside a filter of the host's, too."""
    host.overlay("etc")
    host.run("rm", "-f", "/etc/protocols", "/etc/services")
    host.run("nft", "table inet x { chain i { type filter hook input priority 0; policy drop; }; }")
    broker = request.getfixturevalue("broker")
    machine = request.getfixturevalue("join")("lab")
    machine.ipv6_address()
    assert machine.ping("192.168.105.1") and machine.ping("fd12:3456:789a:5::1")
    broker.check_clean = False  # the host's filter stays


def test_the_outside_does_not_reach_machines(outside, join):
    machine = join("lab")
    outside.ip(f"route add 192.168.105.0/24 via {HOST_IPV4}")
    outside.ip(f"-6 route add fd12:3456:789a:5::/64 via {HOST_IPV6}")
    with WhoServer(machine, 80, "machine"):
        assert nobody(outside, machine.address, 80)
        assert nobody(outside, machine.ipv6_address(), 80)


def test_a_host_network_reaches_only_the_host_and_itself(host, outside, join):
    """Also while a shared network makes the host route beside it."""
    first, second, shared = join("closed"), join("closed"), join("lab")
    # A host network gives no route out: take one.
    for machine in first, second:
        machine.ipv6_address()
        machine.ip("route add default via 192.168.107.1")
        machine.ip("-6 route add default via fe80::1 dev eth0")
    outside.ip(f"route add 192.168.107.0/24 via {HOST_IPV4}")
    outside.ip(f"-6 route add fd12:3456:789a:7::/64 via {HOST_IPV6}")
    with WhoServer(outside, 80, "outside"), WhoServer(shared, 80, "shared"):
        assert who(shared, SERVER_IPV4, 80)
        for address in SERVER_IPV4, SERVER_IPV6, OUTSIDE_IPV4, shared.address:
            assert nobody(first, address, 80), address
        assert nobody(first, shared.ipv6_address(), 80)
    with WhoServer(second, 80, "second"):
        assert who(first, second.address, 80) == ("second", first.address)
        assert who(first, second.ipv6_address(), 80) == ("second", first.ipv6_address())
        for namespace in outside, shared:
            assert nobody(namespace, second.address, 80)
            assert nobody(namespace, second.ipv6_address(), 80)
    with WhoServer(host, 80, "host"):
        assert who(first, "192.168.107.1", 80) == ("host", first.address)


def test_networks_are_separate(host, join):
    lab, other = join("lab"), join("other")
    with WhoServer(other, 80, "other"), WhoServer(host, 80, "host"):
        for address in other.address, other.ipv6_address(), "192.168.106.1", "fd12:3456:789a:6::1":
            assert nobody(lab, address, 80), address
            assert who(host, address, 80), address


def test_isolated_machines_reach_all_but_each_other(host, outside, join):
    first, second = join("alone"), join("alone")
    # By way of the gateway, too.
    first.ip(f"route add {second.address} via 192.168.108.1")
    first.ip(f"-6 route add {second.ipv6_address()} via fe80::1 dev eth0")
    with WhoServer(second, 80, "second"):
        assert nobody(first, second.address, 80)
        assert nobody(first, second.ipv6_address(), 80)
        assert who(host, second.address, 80) == ("second", "192.168.108.1")
    with WhoServer(outside, 80, "outside"), WhoServer(host, 80, "host"):
        assert who(first, SERVER_IPV4, 80) == ("outside", HOST_IPV4)
        assert who(first, "192.168.108.1", 80) == ("host", first.address)


def test_without_nat_machines_are_known_by_their_own_addresses(outside, join):
    machine = join("routed")
    machine.ipv6_address()
    outside.ip(f"route add 192.168.109.0/24 via {HOST_IPV4}")
    outside.ip(f"-6 route add fd12:3456:789a:9::/64 via {HOST_IPV6}")
    with WhoServer(outside, 80, "outside"), WhoServer(machine, 80, "machine"):
        assert who(machine, SERVER_IPV4, 80) == ("outside", machine.address)
        assert who(machine, SERVER_IPV6, 80) == ("outside", machine.ipv6_address())
        assert who(outside, machine.address, 80) == ("machine", OUTSIDE_IPV4)
        assert who(outside, machine.ipv6_address(), 80)


def test_traffic_leaves_by_the_external_interface_alone(outside, join):
    with WhoServer(outside, 80, "outside"):
        assert who(join("here"), SERVER_IPV4, 80) == ("outside", HOST_IPV4)
        machine = join("elsewhere")
        machine.ipv6_address()
        for address in SERVER_IPV4, SERVER_IPV6:
            assert refusal(machine, address, 80) in (errno.EHOSTUNREACH, errno.EACCES), address


def test_nothing_comes_to_the_host_by_addresses_of_bridges(host, join):
    """Frames for these go past the bridge's rules, into the host."""
    machine = join("lab")
    with host.entered():
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listener.bind((HOST_IPV4, 1000))
    listener.settimeout(10)

    def send(source, destination):
        payload = ipv4(source, HOST_IPV4, UDP, udp(1000, 1000, b"note"))
        send_frame(machine, payload.hex(), 0x0800, destination)

    with listener:
        for last in range(16):
            for source in OUTSIDE_IPV4, machine.address:
                send(source, f"01:80:c2:00:00:{last:02x}")
        send(machine.address, host.device("vmb-lab")["address"])
        assert listener.recvfrom(100) == (b"note", (machine.address, 1000))
        listener.settimeout(0.1)
        with pytest.raises(TimeoutError):
            listener.recvfrom(100)


def test_the_hosts_loopback_is_its_own(host, join):
    machine = join("lab")
    machine.run("sysctl", "-qw", "net.ipv4.conf.eth0.route_localnet=1")
    machine.ip("route add 127.0.0.2/32 via 192.168.105.1")
    host.run("sysctl", "-qw", "net.ipv4.conf.vmb-lab.route_localnet=1")
    with WhoServer(host, 80, "host"):
        assert who(host, "127.0.0.2", 80)
        assert nobody(machine, "127.0.0.2", 80)


# What a machine sends that only the gateway may: (Ethernet protocol, payload).
ARP_CLAIM = "0001080006040002 020000000000 c0a86901 525400000099 c0a86902"
ARP_CLAIM_IEEE_802 = ARP_CLAIM.replace("0001", "0006", 1)
DHCP_OFFER = "4500001c00000000 4011 0000 c0a86963 ffffffff 0043 0044 0008 0000"
IPV4_OF_GATEWAY = "4500001c00000000 4001 0000 c0a86901 c0a86902 0800 f7ff 0000 0000"
ND_HEADER = "60000000 {length} 3a ff {source} ff020000000000000000000000000001"
LINK_LOCAL = "fe80000000000000505400fffe000099"
GATEWAY_LINK_LOCAL = "fe800000000000000000000000000001"
GATEWAY = "fd123456789a00050000000000000001"


def discovery(kind, body, source=LINK_LOCAL):
    header = ND_HEADER.format(length=f"{4 + len(body.replace(' ', '')) // 2:04x}", source=source)
    return f"{header} {kind} 00 0000 {body}"


ROGUE = {
    "ARP": (0x0806, ARP_CLAIM),
    "ARP of another hardware type": (0x0806, ARP_CLAIM_IEEE_802),
    "DHCP server": (0x0800, DHCP_OFFER),
    "DHCP server at another port": (0x0800, DHCP_OFFER.replace("0043", "1043")),
    "DHCP server, behind options of IPv4": (
        0x0800,
        DHCP_OFFER.replace("4500001c", "46000020").replace("ffffffff", "ffffffff 01010100"),
    ),
    "RARP server": (0x8035, "0001080006040004" + "020000000000 c0a86902" * 2),
    "IPv4 source": (0x0800, IPV4_OF_GATEWAY),
    "VLAN 0": (0x8100, "0000 0806" + ARP_CLAIM),
    "VLAN 0 with a priority": (0x8100, "f000 0806" + ARP_CLAIM),
    "VLAN 0 of a provider": (0x88A8, "0000 0806" + ARP_CLAIM),
    "VLAN 0 in VLAN 0": (0x88A8, "0000 8100 0000 0806" + ARP_CLAIM),
    "router advertisement": (0x86DD, discovery("86", "40000708 00000000 00000000")),
    "redirect": (0x86DD, discovery("89", "00000000" + GATEWAY + GATEWAY)),
    "neighbour advertisement": (0x86DD, discovery("88", "20000000" + GATEWAY)),
    "neighbour advertisement, link-local": (
        0x86DD,
        discovery("88", "20000000" + GATEWAY_LINK_LOCAL),
    ),
    "duplicate address detection": (0x86DD, discovery("87", "00000000" + GATEWAY, "0" * 32)),
    "IPv6 source": (0x86DD, discovery("80", "00000000", GATEWAY)),
    "DHCPv6 server": (
        0x86DD,
        "60000000 0008 11 ff" + LINK_LOCAL + "ff020000000000000000000000000001 0223 0222 0008 0000",
    ),
    "DHCPv6 server at another port": (
        0x86DD,
        "60000000 0008 11 ff" + LINK_LOCAL + "ff020000000000000000000000000001 1223 0222 0008 0000",
    ),
    "ICMP router advertisement": (
        0x0800,
        "4500002400000000 4001 0000 c0a86909 ffffffff 0900 0000 01020708 c0a86909 00000000",
    ),
}


def fragment(kind, inner, offset=1):
    """An IPv6 packet with a fragment header of that next header."""
    header = ND_HEADER.replace(" 3a ", " 2c ")
    length = f"{8 + len(inner.replace(' ', '')) // 2:04x}"
    return header.format(length=length, source=LINK_LOCAL) + f"{kind} 00 {offset:04x} 1234 {inner}"


ADVERTISEMENT = discovery("86", "40000708 00000000 00000000").replace(" ", "")

# What machines read in their own way, and the filter not at all.
NOT_WHOLE = {
    "IPv4, total length 0": (0x0800, DHCP_OFFER.replace("4500001c", "45000000")),
    "IPv4, total length beyond its end": (0x0800, DHCP_OFFER.replace("4500001c", "45000400")),
    "IPv4, header of 16 bytes": (0x0800, DHCP_OFFER.replace("4500001c", "4400001c")),
    "IPv6, payload beyond its end": (0x86DD, ADVERTISEMENT[:8] + "0400" + ADVERTISEMENT[12:]),
    "IPv6, options beyond its end": (
        0x86DD,
        ADVERTISEMENT[:12] + "3c" + ADVERTISEMENT[14:80] + "3aff" + "00" * 14,
    ),
    "IPv6, first fragment without a header": (0x86DD, fragment("3a", "")),
    "IPv6, first fragment with half a chain": (0x86DD, fragment("3c", "")),
    "IPv6, first fragment with options alone": (0x86DD, fragment("3c", "3a00 010400000000")),
    "IPv6, first fragment with a header behind its end": (
        0x86DD,
        fragment("3c", "3a00 010400000000") + "80000000 00000000",
    ),
    "IPv6, fragmented neighbour advertisement": (
        0x86DD,
        fragment("3a", "88000000 20000000" + LINK_LOCAL),
    ),
    "IPv6, authenticated": (
        0x86DD,
        ND_HEADER.replace(" 3a ", " 33 ").format(length="001c", source=LINK_LOCAL)
        + "3a01 0000 00000005 00000001"
        + ADVERTISEMENT[80:],
    ),
    "LLC and SNAP": (36, "aaaa03 000000 0806" + ARP_CLAIM),
    "LLC and SNAP with a tag": (8 + 36, "aaaa03 000000 8100 0000 0806" + ARP_CLAIM),
    "ARP of long addresses": (0x0806, "0001080008040002" + "02" * 20),
    "another protocol": (0x88B5, "00" * 46),
}


def test_a_machine_cannot_act_as_the_gateway(broker, join):
    rogue, victim = join("lab"), join("lab")
    victim.run("sysctl", "-qw", "net.ipv4.conf.eth0.arp_accept=1")
    victim.ipv6_address()
    for claim, (protocol, payload) in {**ROGUE, **NOT_WHOLE}.items():
        before = rogue_packets(broker, "lab")
        send_frame(rogue, payload.replace(" ", ""), protocol)
        wait_for(lambda: rogue_packets(broker, "lab") > before, what=f"the end of: {claim}")
    before = rogue_packets(broker, "lab")
    send_frame(rogue, ARP_CLAIM.replace(" ", "")[:34], 0x0806, least=0)
    wait_for(lambda: rogue_packets(broker, "lab") > before, what="the end of: ARP cut short")
    before = rogue_packets(broker, "lab")
    send_frame(rogue, "00" * 46, 0x0800, source=broker.host.device("vmb-lab")["address"])
    wait_for(lambda: rogue_packets(broker, "lab") > before, what="the end of the host's own frame")
    assert victim.ping("192.168.105.1")
    assert victim.ping("fd12:3456:789a:5::1")


def test_ordinary_machines_are_not_rogue(broker, outside, join):
    machine, second = join("lab"), join("lab")
    outside.start_dns()
    assert machine.ping(second.address)
    assert machine.ping(second.ipv6_address())
    wait_for(lambda: SERVER_IPV4 in machine.resolve("server.test"))
    assert machine.ping(SERVER_IPV4)
    for address in second.address, second.ipv6_address(), "192.168.105.1", SERVER_IPV4:
        machine.run("busybox", "ping", "-c", "1", "-s", "4000", "-W", "5", address)
    send_frame(machine, "0001080006040003" + "00" * 20, 0x8035)  # of QEMU, after a migration
    send_frame(machine, "0005 0806" + ARP_CLAIM.replace(" ", ""), 0x8100)  # in a network of its own
    assert machine.ping(second.address)
    assert rogue_packets(broker, "lab") == 0


def test_machines_serve_where_the_network_does_not(broker, make_machine):
    client = broker.client()
    client.acquire("own")
    server = make_machine(client.attach("own"))
    machine = make_machine(client.attach("own"))
    server.ip("address add 192.168.112.2/24 dev eth0")
    server.serve_addresses("192.168.112.10,192.168.112.20,1h")
    assert machine.dhcp()["ip"].startswith("192.168.112.")
    assert rogue_packets(broker, "own") == 0


def test_rules_are_replaced_after_a_crash(host, broker, join):
    machine = join("lab")
    host.run("nft", "delete", "chain", "inet", "vmnet-broker.networks", "forward")
    host.run("nft", "add", "rule", "inet", "vmnet-broker.networks", "leaving-lab", "drop")
    broker.restart()

    def rules():
        return host.run("nft", "list", "table", "inet", "vmnet-broker.networks").stdout

    wait_for(lambda: "chain forward" in rules())
    assert machine.ping(SERVER_IPV4)


def link_local(place, interface):
    text = place.ip(f"-6 -o address show dev {interface} scope link")
    return re.search(r"inet6 (fe80:[0-9a-f:]+)/", text).group(1)


def udp_socket(place, address, port, interface=None):
    family = socket.AF_INET6 if interface else socket.AF_INET
    with place.entered():
        made = socket.socket(family, socket.SOCK_DGRAM)
        scope = (0, socket.if_nametoindex(interface)) if interface else ()
    made.settimeout(10)
    made.bind((address, port, *scope))
    return made


def test_no_machine_speaks_for_the_host_on_another_link(host, outside, join):
    """Link-local addresses of IPv6 are the same to the kernel's connections on all links."""
    need_filtered_bridges(host, "ip6")
    machine, neighbour = join("lab"), join("lab")
    there = link_local(outside, "eth0")
    here = link_local(host, "eth0")
    machine.ip(f"-6 address add {here}/128 dev eth0 nodad")
    machine.ip(f"-6 neighbour replace {there} lladdr {neighbour.mac_address} dev eth0")
    host.run("nft", "add table ip6 own")
    host.run("nft", "add chain ip6 own input { type filter hook input priority 0; }")
    host.run("nft", "add rule ip6 own input ct state established accept")
    host.run("nft", "add rule ip6 own input udp sport 5000 drop")
    with (
        udp_socket(host, here, 5000, "eth0") as server,
        udp_socket(machine, here, 5000, "eth0") as forger,
        udp_socket(outside, there, 5000, "eth0") as client,
        udp_socket(outside, there, 5001, "eth0") as other,
        udp_socket(neighbour, neighbour.address, 5000) as arrived,
        udp_socket(machine, machine.address, 5000) as following,
    ):
        with machine.entered():
            forger.sendto(b"forged", (there, 5000, 0, socket.if_nametoindex("eth0")))
        following.sendto(b"behind it", (neighbour.address, 5000))
        assert arrived.recv(16) == b"behind it"
        for sender, text in (client, b"let in"), (other, b"allowed"):
            with outside.entered():
                sender.sendto(text, (here, 5000, 0, socket.if_nametoindex("eth0")))
        assert server.recv(16) == b"allowed"
    host.run("nft", "delete table ip6 own")


@pytest.mark.parametrize(
    "command",
    [
        "flush chain inet vmnet-broker.networks outsider-lab",
        "flush chain bridge vmnet-broker.networks tagged-lab",
        "delete element inet vmnet-broker.networks machines_by_group { OTHER }",
    ],
)
def test_nothing_is_lost_while_rules_are_replaced(broker, host, join, command):
    """Those of a network that lacks nothing are, too, when some of another's are missing."""
    host.filter_bridges("ip", 1)  # so that frames between machines meet both tables
    first, second = join("lab"), join("lab")
    broker.client().acquire("other")
    command = command.replace("OTHER", str(BRIDGE_GROUPS | host.device("vmb-other")["ifindex"]))

    def rules():
        return host.run("nft", "--stateless", "list", "ruleset").stdout

    before = rules()
    pings = [
        first.popen("ping", "-nq", "-c", "1000", "-i", "0.004", address, stdout=subprocess.PIPE)
        for address in (second.address, "192.168.105.1", SERVER_IPV4)
    ]
    replaced = 0
    while any(ping.poll() is None for ping in pings):
        host.run("nft", command)
        wait_for(lambda: rules() == before, what="the rules as they were")
        replaced += 1
    assert replaced > 3
    for ping in pings:
        output, _ = ping.communicate()
        assert "1000 packets transmitted, 1000 received" in output, output


@pytest.mark.parametrize(
    "family, name, groups, address",
    [
        ("inet", "machines_by_group", BRIDGE_GROUPS, SERVER_IPV4),
        ("inet", "inputs_by_group", BRIDGE_GROUPS, "192.168.105.1"),
        ("inet", "leaving_by_group", BRIDGE_GROUPS, SERVER_IPV4),
        ("inet", "entering_by_group", BRIDGE_GROUPS, SERVER_IPV4),
        ("bridge", "ports", PORT_GROUPS, SERVER_IPV4),
        ("bridge", "hosts", PORT_GROUPS, SERVER_IPV4),
    ],
)
def test_what_is_in_no_map_is_dropped(broker, host, join, family, name, groups, address):
    """A network of which an element is missing is cut off until it is there again."""
    machine = join("lab")
    machine.ping(address)
    key = groups | host.device("vmb-lab")["ifindex"]
    os.kill(broker.pid, signal.SIGSTOP)
    host.run("nft", f"delete element {family} vmnet-broker.networks {name} {{ {key} }}")
    assert not machine.ping(address, tries=1)
    os.kill(broker.pid, signal.SIGCONT)
    wait_for(lambda: machine.ping(address, tries=1))


def datagrams(source, address, target, port=1000):
    """A socket that sends, from an address, and one that receives."""
    with target.entered():
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("", port))
    receiver.settimeout(5)
    with source.entered():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.bind((address, 0))
    return sender, receiver


def test_a_device_of_the_loopbacks_type_is_another_link(host, join):
    """Whose a TUN device is chooses its type while it is down."""
    join("lab")
    fd = open_tap(host, "own0", flags=IFF_TUN | IFF_NO_PI)
    try:
        fcntl.ioctl(fd, TUNSETLINK, ARPHRD_LOOPBACK)
        host.ip("address add 10.99.0.1/24 dev own0")
        host.ip("link set own0 up")
        with udp_socket(host, "10.99.0.1", 1000) as receiver:
            for source in "192.168.105.77", "10.99.0.77":
                os.write(fd, ipv4(source, "10.99.0.1", UDP, udp(1000, 1000, b"here")))
            assert receiver.recvfrom(16)[1][0] == "10.99.0.77"
    finally:
        os.close(fd)


def test_a_bridge_in_another_group_is_cut_off(broker, host, outside, join):
    """As are packets of others to its machines, until it is in its own again."""
    machine = join("routed")
    outside.ip(f"route add 192.168.109.0/24 via {HOST_IPV4}")
    machine.ip("address add 10.99.0.1/32 dev lo")
    spoofing, listener = datagrams(machine, "10.99.0.1", host)
    entering, receiver = datagrams(outside, OUTSIDE_IPV4, machine)
    with spoofing, listener, entering, receiver:
        entering.connect((machine.address, 1000))
        spoofing.connect((HOST_IPV4, 1000))
        entering.send(b"before")
        assert receiver.recv(16) == b"before"
        os.kill(broker.pid, signal.SIGSTOP)
        host.ip("link set vmb-routed group default")
        entering.send(b"meanwhile")
        spoofing.send(b"from elsewhere")
        assert not machine.ping("192.168.109.1", tries=1)
        os.kill(broker.pid, signal.SIGCONT)
        wait_for(lambda: machine.ping("192.168.109.1", tries=1))
        entering.send(b"afterwards")
        assert receiver.recv(16) == b"afterwards"
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.recv(16)

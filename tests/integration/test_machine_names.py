# SPDX-License-Identifier: Apache-2.0
"""A machine's name and addresses: asked for when it is attached, its own for as long as it is."""

import functools
import itertools
import os
import pathlib
import signal
import socket
import struct

import pytest

from support.dhcp import DhcpClient, mac_of
from support.dns import Resolver
from support.processes import STARTER, children, socket_of
from support.varlink import VarlinkError
from support.wait import wait_for

USER = 65534
CONFIG = {
    "lab": {
        "mode": "shared",
        "subnet": "192.168.150.0/24",
        "ipv6_prefix": "fd12:3456:789a:50::/64",
        "dhcp_reservations": [
            {"mac_address": "52:54:00:00:00:0a", "address": "192.168.150.10", "hostname": "db"}
        ],
    },
    "office": {"mode": "bridged", "external_interface": "br0"},
    "small": {"mode": "host", "subnet": "192.168.151.0/29"},
    "static": {"mode": "shared", "dhcp": False, "router_advertisement": False},
    # dnsmasq takes none of these names as it is.
    "Ab--c": {
        "mode": "host",
        "subnet": "192.168.152.0/24",
        "dhcp_reservations": [
            {"mac_address": "52:54:00:00:00:0b", "address": "192.168.152.10", "hostname": "De--f"}
        ],
    },
}
PREFIX = "fd12:3456:789a:50::"
THIEF = mac_of(1)

pytestmark = pytest.mark.broker(config=CONFIG)


@pytest.fixture
def start(plug_in):
    """Makes a machine of an unprivileged user: start("lab", name="web")."""
    return functools.partial(plug_in, uid=USER)


@pytest.fixture
def refused(broker):
    """What an unprivileged user is told who asks for that: (parameter, reason)."""
    clients = {}

    def ask(network, **options):
        if network not in clients:
            clients[network] = broker.client(uid=USER)
            clients[network].acquire(network)
        with pytest.raises(VarlinkError) as refusal:
            clients[network].attach(network, **options)
        assert refusal.value.error.endswith(".ParameterRefused")
        return refusal.value.parameters["parameter"], refusal.value.parameters["reason"]

    return ask


def wait_until_known(broker, network, address):
    def is_known():
        with open(f"{broker.state_dir}/{network}.leases", encoding="ascii") as file:
            return f" {address} " in file.read()

    wait_for(is_known, what=f"a lease of {address}")


def test_a_name_is_its_machines_alone(broker, start, join):
    neighbour = join("lab", hostname="web")
    with DhcpClient(neighbour) as dhcp, Resolver(neighbour, "192.168.150.1") as resolver:
        resolve = resolver.resolve
        assert resolve("web") == [neighbour.address]
        web = start("lab", name="web")
        # It has not asked for its address yet, and nobody else has the name any more.
        wait_for(lambda: resolve("web") not in ([], [neighbour.address]), what="the name")
        (address,) = resolve("web.lab.internal")
        assert dhcp.get(THIEF, hostname="web") not in (None, address)
        neighbour.dhcp(hostname="WEB")
        assert resolve("web") == [address]
        assert broker.vmnetctl("ip", "lab", "web", check=False).returncode == 1

        web.dhcp(hostname="other")
        assert web.address == address
        assert dhcp.get(THIEF, hostname="web", asked=address) not in (None, address)
        assert resolve("web") == [address]
        assert resolve("other") == []
        assert neighbour.ping("web")
        assert broker.vmnetctl("ip", "--wait", "5", "lab", "web").stdout == address + "\n"

        broker.restart()
        assert broker.vmnetctl("ip", "lab", "web").stdout == address + "\n"
        assert dhcp.get(THIEF, hostname="web", asked=address) not in (None, address)
        web.end(broker, "lab")
        assert broker.vmnetctl("ip", "lab", "web", check=False).returncode == 1

        again = start("lab", name="Web")
        assert again.mac_address == web.mac_address
        assert broker.vmnetctl("ip", "lab", "web", check=False).returncode == 1
        again.dhcp(client=["-x", "lease:600"])
        assert again.address == address
        assert resolve("web") == [address]
        assert broker.vmnetctl("ip", "--wait", "5", "lab", "web").stdout == address + "\n"
        again.end(broker, "lab")
        wait_for(lambda: not resolve("web"), what="the end of the name")
        neighbour.dhcp(hostname="web")
        assert resolve("web") == [neighbour.address]
    assert not [name for name in os.listdir(broker.runtime_dir) if name.endswith(".interface")]


def test_a_key_that_cannot_be_read(broker, start):
    web = start("lab", name="web")
    web.end(broker, "lab")
    web.client.close()
    broker.stop()
    key = f"{broker.state_dir}/key"
    os.rename(key, f"{key}.away")
    os.mkdir(key)
    broker.start()
    with pytest.raises(VarlinkError) as failure:
        start("lab", name="web")
    assert failure.value.error.endswith(".CreateFailed")
    assert failure.value.parameters["reason"] == (
        f"{key}, from which MAC addresses of machines with a name are made, cannot be read: Is a "
        "directory; mend that, or ask for a MAC address, too"
    )
    start("lab", name="web2", macAddress="52:54:00:00:00:77")
    os.rmdir(key)
    os.rename(f"{key}.away", key)
    assert start("lab", name="web").mac_address == web.mac_address


def test_a_signal_that_is_lost(broker, start, join):
    neighbour = join("lab")
    starter = children(broker.pid)[STARTER]
    sending = socket_of(broker.pid, socket.AF_UNIX, socket.SOCK_SEQPACKET)  # to the starter
    with sending, Resolver(neighbour, "192.168.150.1") as resolver:
        os.kill(starter, signal.SIGSTOP)
        wait_for(lambda: " T " in pathlib.Path(f"/proc/{starter}/stat").read_text(encoding="ascii"))
        with pytest.raises(BlockingIOError):
            while True:
                sending.send(b"nothing", socket.MSG_DONTWAIT)
        start("lab", name="web", ipv4Address="192.168.150.30")
        assert resolver.resolve("web") == []
        os.kill(starter, signal.SIGCONT)
        wait_for(lambda: resolver.resolve("web") == ["192.168.150.30"], what="the name")


def test_a_broker_that_starts_takes_nothing_from_the_server(broker, start):
    """What was asked for can be read at any time, also when the broker does not take over."""
    web = start("lab", name="web")
    (asked,) = web.client.inspect("lab")["interfaces"]
    second = broker.host.run(
        broker.host.program("broker/vmnet-broker"),
        f"--config={broker.config_path}",
        f"--socket={broker.socket_path}2",
        f"--state-dir={broker.state_dir}",
        f"--runtime-dir={broker.runtime_dir}",
        check=False,
    )
    assert "another broker works" in second.stderr
    os.kill(*broker.host.processes("dnsmasq"), signal.SIGHUP)
    assert web.dhcp()["ip"] == asked["ipv4Address"]


def test_names_that_are_none_of_idna(broker, start):
    machine = start("Ab--c", name="Gh--i", ipv4Address="192.168.152.20")
    machine.dhcp()
    assert machine.address == "192.168.152.20"
    assert machine.resolve("GH--i") == ["192.168.152.20"]
    assert machine.resolve("De--f.Ab--c.internal") == ["192.168.152.10"]
    assert broker.vmnetctl("ip", "--wait", "5", "Ab--c", "Gh--i").stdout == machine.address + "\n"


def test_an_address_is_given_to_one_alone(broker, start, join):
    neighbour = join("lab")
    with DhcpClient(neighbour) as dhcp:
        # One that has gone still has it leased; its name is its own.
        assert dhcp.get(THIEF, asked="192.168.150.77") == "192.168.150.77"
        machine = start("lab", ipv4Address="192.168.150.77")
        machine.dhcp(hostname="itself")
        assert machine.address == "192.168.150.77"
        assert neighbour.resolve("itself.lab.internal")
        broker.restart()
        assert dhcp.get(THIEF, asked="192.168.150.77") not in (None, "192.168.150.77")
        # It gives it back in order, and has it still.
        machine.run("busybox", "ip", "address", "flush", "dev", "eth0")
        machine.dhcp(client=["-R"])
        assert dhcp.get(mac_of(2), asked="192.168.150.77") not in (None, "192.168.150.77")
        machine.end(broker, "lab")
        others = map(mac_of, itertools.count(3))
        wait_for(
            lambda: dhcp.get(next(others), asked="192.168.150.77") == "192.168.150.77",
            what="the end of the reservation",
        )


def test_who_asks_for_nothing_has_nothing_read_anew(broker, start):
    """A server forgets all that it has looked up."""

    def hosts():
        return os.stat(f"{broker.runtime_dir}/lab.hosts").st_ino

    start("lab").dhcp()
    before = hosts()
    # Its network is repaired.
    start("lab", queues=2).dhcp()
    assert hosts() == before
    start("lab", name="web")
    assert hosts() != before


def test_ip_is_of_the_machine_that_is_there(broker, start, join):
    mac = "52:54:00:00:00:77"
    machine = start("lab", macAddress=mac)
    machine.dhcp()
    first = machine.address
    assert machine.ping("192.168.150.1")
    assert broker.vmnetctl("ip", "--wait", "5", "lab", mac).stdout == first + "\n"
    machine.end(broker, "lab")
    assert broker.vmnetctl("ip", "lab", mac, check=False).returncode == 1
    neighbour = join("lab")
    machine = start("lab", macAddress=mac)
    assert broker.vmnetctl("ip", "lab", mac, check=False).returncode == 1
    # It is its own all the same: others know when it comes back, and could ask before it does.
    with DhcpClient(neighbour) as dhcp:
        assert dhcp.get(THIEF, asked=first) not in (None, first)
    broker.restart()
    assert broker.vmnetctl("ip", "--wait", "1", "lab", mac, check=False).returncode == 1
    machine.dhcp()
    assert machine.address == first
    assert broker.vmnetctl("ip", "--wait", "5", "lab", mac).stdout == first + "\n"


def test_a_name_that_comes_back_has_no_address_before_it_asks(broker, start, join):
    """Whatever the host has heard of its former life."""
    join("lab")  # the network stays
    for _ in range(2):
        web = start("lab", name="web")
        assert web.mac_address not in broker.host.ip("-4 neighbour show")
        assert broker.vmnetctl("ip", "lab", "web", check=False).returncode == 1
        web.dhcp()
        assert web.ping("192.168.150.1")
        assert web.mac_address in broker.host.ip("-4 neighbour show")
        web.end(broker, "lab")


def test_which_machine_is_meant(broker, start):
    """By its name, MAC address or device, before what others call themselves."""
    first = start("lab")
    device = first.client.inspect("lab")["interfaces"][0]["device"]
    first.dhcp()
    liar = start("lab")
    liar.dhcp(hostname=device)
    for word in device, first.mac_address.upper():
        done = broker.vmnetctl("ip", "--wait", "5", "lab", word, uid=USER)
        assert done.stdout == first.address + "\n"
    with DhcpClient(liar) as dhcp:
        assert dhcp.get(THIEF, hostname="nested")
    behind = THIEF.hex(":")
    wait_for(
        lambda: behind in [lease["macAddress"] for lease in broker.inspect("lab")["leases"]],
        what="the lease of a machine behind one",
    )
    for word in "nested", behind:
        for command in ["ip"], ["connect", "22"]:
            done = broker.vmnetctl(command[0], "lab", word, *command[1:], uid=USER, check=False)
            assert f'no machine "{word}" has an address' in done.stderr

    second = start("lab", name=device)
    other = second.client.inspect("lab")["interfaces"][0]["device"]
    for command in ["ip"], ["connect", "22"], ["capture"], ["end", "--yes"]:
        done = broker.vmnetctl(command[0], "lab", device, *command[1:], uid=USER, check=False)
        assert (done.returncode, done.stderr) == (
            1,
            f'vmnetctl: network "lab": more than one machine is "{device}": {device} '
            f"({second.mac_address}, {other}), {first.mac_address} ({device}); say which by its "
            "MAC address\n",
        )
    done = broker.vmnetctl("capture", "lab", "nosuch", uid=USER, check=False)
    assert done.stderr.startswith('vmnetctl: network "lab" has no machine "nosuch"; it has ')


def test_refusals(broker, start, refused, join):
    web = start("lab", name="web", ipv4Address="192.168.150.20", ipv6Address=PREFIX + "20")
    # Its address is made of that, and none of those that are told to be free.
    other = join("lab", macAddress="52:54:00:00:00:0c")
    for options, parameter, reason in (
        (
            {"name": "WEB"},
            "name",
            'name "WEB" is that of a machine on network "lab" already, MAC address '
            f"{web.mac_address}; stop it or choose another",
        ),
        (
            {"name": "db"},
            "name",
            'name "db" is reserved on network "lab" for MAC address 52:54:00:00:00:0a; choose '
            "another",
        ),
        (
            {"name": "wpad"},
            "name",
            'name "wpad" is one that programs look for by themselves, and no machine\'s; choose '
            "another",
        ),
        (
            {"name": "12h"},
            "name",
            'name "12h" means something else to a DHCP server; choose another',
        ),
        (
            {"ipv4Address": "192.168.150.10"},
            "ipv4Address",
            "IPv4 address 192.168.150.10 is reserved for MAC address 52:54:00:00:00:0a on network "
            '"lab"; 192.168.150.11 is free',
        ),
        (
            {"ipv4Address": "192.168.150.20"},
            "ipv4Address",
            f"IPv4 address 192.168.150.20 is that of MAC address {web.mac_address} on network "
            '"lab"; 192.168.150.21 is free',
        ),
        (
            {"ipv4Address": "192.168.150.1"},
            "ipv4Address",
            'IPv4 address 192.168.150.1 is the host\'s on network "lab"; 192.168.150.2 is free',
        ),
        (
            {"ipv4Address": "192.168.150.0"},
            "ipv4Address",
            'IPv4 address 192.168.150.0 is the network\'s own on network "lab"; 192.168.150.2 is '
            "free",
        ),
        (
            {"ipv4Address": "192.168.150.255"},
            "ipv4Address",
            'IPv4 address 192.168.150.255 is the broadcast address on network "lab"; '
            "192.168.150.2 is free",
        ),
        (
            {"ipv4Address": "192.168.151.9"},
            "ipv4Address",
            'IPv4 address 192.168.151.9 is outside of 192.168.150.0/24 on network "lab"; '
            "192.168.150.2 is free",
        ),
        (
            {"ipv4Address": "192.168.150.11", "macAddress": "52:54:00:00:00:0a"},
            "ipv4Address",
            "IPv4 address 192.168.150.11 is not 192.168.150.10, the one of this MAC address on "
            'network "lab"; 192.168.150.11 is free',
        ),
        (
            {"ipv6Address": PREFIX + "20"},
            "ipv6Address",
            f"IPv6 address {PREFIX}20 is that of MAC address {web.mac_address} on network "
            f'"lab"; choose another of {PREFIX}/64',
        ),
        (
            {"ipv6Address": PREFIX + "1"},
            "ipv6Address",
            f'IPv6 address {PREFIX}1 is the host\'s on network "lab"; choose another of '
            f"{PREFIX}/64",
        ),
        (
            {"ipv6Address": "fd00::1"},
            "ipv6Address",
            f'IPv6 address fd00::1 is outside of {PREFIX}/64 on network "lab"; choose one of it',
        ),
    ):
        assert refused("lab", **options) == (parameter, reason)
    wait_for(lambda: broker.inspect("lab")["leases"], what="the broker's knowledge of a lease")
    parameter, reason = refused("lab", ipv4Address=other.address)
    assert parameter == "ipv4Address"
    assert reason.startswith(
        f"IPv4 address {other.address} is leased to MAC address {other.mac_address} on network"
    )
    other.ip("address add 192.168.150.60/24 dev eth0")
    other.run("busybox", "arping", "-U", "-c1", "-w1", "-I", "eth0", "192.168.150.60", check=False)
    wait_until_known(broker, "lab", "192.168.150.60")
    with DhcpClient(other) as dhcp:
        later = dhcp.get(THIEF)
    wait_for(
        lambda: later in [lease["address"] for lease in broker.inspect("lab")["leases"]],
        what="the broker's knowledge of a later lease",
    )
    assert refused("lab", ipv4Address="192.168.150.60") == (
        "ipv4Address",
        f"IPv4 address 192.168.150.60 is leased to MAC address {other.mac_address} on network "
        '"lab"; 192.168.150.61 is free',
    )
    assert refused("static", ipv4Address="192.168.150.20") == (
        "ipv4Address",
        'network "static" gives no such addresses: it would take "dhcp"',
    )
    taken = [start("small", ipv4Address=f"192.168.151.{last}") for last in range(2, 7)]
    assert refused("small", name="sixth") == (
        "ipv4Address",
        'no IPv4 address is free on network "small"; stop a machine, or give the network a '
        'larger "subnet"',
    )
    assert refused("small", ipv4Address="192.168.151.2") == (
        "ipv4Address",
        f"IPv4 address 192.168.151.2 is that of MAC address {taken[0].mac_address} on network "
        '"small"; no other was found',
    )
    broker.host.ip("link add br0 type bridge")
    broker.host.ip("link set br0 up")
    assert refused("office", ipv4Address="192.168.150.20") == (
        "ipv4Address",
        'network "office" is bridged: its machines get their addresses from the outside; ask for '
        "this one there",
    )
    broker.host.ip("link delete br0")
    taken[0].end(broker, "small")
    assert start("small", name="sixth").mac_address


def ask_dhcpv6(machine, identity, temporary=False):
    """The address that a machine gets by DHCPv6 (RFC 8415) under that name, or None."""
    solicit, request, server, addresses, address = 1, 3, 2, 4 if temporary else 3, 5
    times = 0 if temporary else 8

    def option(code, value):
        return struct.pack("!HH", code, len(value)) + value

    def options(message):
        found = {}
        while message:
            code, length = struct.unpack_from("!HH", message)
            found[code], message = message[4 : 4 + length], message[4 + length :]
        return found

    with machine.entered():
        client = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        device = socket.if_nametoindex("eth0")
    own = option(1, b"\0\4" + identity) + option(8, b"\0\0")
    with client:
        client.bind(("::", 546))
        client.settimeout(1)

        def ask(kind, more):
            message = bytes([kind]) + os.urandom(3) + own + more
            for _ in range(10):
                client.sendto(message, ("ff02::1:2", 547, 0, device))
                try:
                    return options(client.recv(4096)[4:])
                except TimeoutError:
                    continue
            raise AssertionError("no answer of a DHCP server")

        answer = ask(solicit, option(addresses, b"abcd" + bytes(times)))
        if addresses in answer:
            wanted = option(server, answer[server]) + option(addresses, answer[addresses])
            answer = ask(request, wanted)
    if addresses not in answer:
        return None
    given = options(answer[addresses][4 + times :])[address]
    return socket.inet_ntop(socket.AF_INET6, given[:16])


def test_an_ipv6_address(broker, start, join):
    """Whatever it calls itself, in each life; others, and what is advertised, are as without."""
    neighbour = join("lab")
    machine = start("lab", name="web", ipv6Address=PREFIX + "77")
    machine.ipv6_address()
    # Longer than any may be; dnsmasq minds it as little as all others do.
    assert ask_dhcpv6(machine, b"one" * 300) == PREFIX + "77"
    assert PREFIX + "77" in neighbour.resolve("web.lab.internal")
    neighbour.ipv6_address()
    assert ask_dhcpv6(neighbour, b"one" * 5) is None
    machine.end(broker, "lab")
    wait_for(
        lambda: PREFIX + "77" not in neighbour.resolve("web.lab.internal"),
        what="the end of the address",
    )
    for identity, temporary in (b"two" * 5, True), (b"three" * 5, False):
        machine = start("lab", ipv6Address=PREFIX + "77")
        machine.ipv6_address()
        assert ask_dhcpv6(machine, identity, temporary) == PREFIX + "77"
        machine.end(broker, "lab")


def test_from_the_command_line(broker):
    """The same command has the same addresses; one that is refused says why."""
    options = ["--name", "web", "--ipv4", "192.168.150.30", "--ipv6", PREFIX + "30"]

    def run(*command, **more):
        return broker.vmnetctl("run", "--network", "lab", *options, "--", *command, **more)

    mac = run("echo", "{mac}").stdout
    assert mac == run("echo", "{mac}").stdout
    inner = [broker.host.program("vmnetctl/vmnetctl"), "run", "--network", "lab", *options, "true"]
    done = run(*inner, check=False)
    assert done.returncode == 125
    assert 'name "web" is that of a machine on network "lab" already' in done.stderr
    label = "it is 1 to 63 of a-z A-Z 0-9 - and neither starts nor ends with -"
    for option, value, why in (
        ("--name", "a.b", f'"a.b" is no machine\'s name: {label}'),
        ("--ipv4", "192.168.150.300", '"192.168.150.300" is no IPv4 address'),
        ("--ipv6", "192.168.150.30", '"192.168.150.30" is no IPv6 address'),
    ):
        done = broker.vmnetctl("run", "--network", "lab", option, value, "true", check=False)
        assert (done.returncode, done.stderr) == (125, f'vmnetctl: network "lab": {why}\n')

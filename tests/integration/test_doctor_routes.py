# SPDX-License-Identifier: Apache-2.0
"""What vmnetctl doctor says of routes, forwarding and subnets: of what leads to the outside."""

import pytest

from support.doctor import PROGRAMS, Trouble, shell
from support.host import HOST_IPV4, OUTSIDE_IPV4
from support.wait import wait_for

UPLINK = """{
  "lab": {
    "mode": "shared",
    "external_interface": "wan",
    "subnet": "10.9.0.0/24",
    "port_forwarding": [
      {
        "protocol": "tcp",
        "external_port": 2222,
        "internal_address": "10.9.0.7",
        "internal_port": 22
      }
    ]
  }
}"""


def uplink(command="true"):
    def make(doctor):
        doctor.host.run(*command.split())
        doctor.broker.configure(UPLINK)
        doctor.broker.vmnetctl("reload", uid=0)
        doctor.broker.client().acquire("lab")

    return make


def forwarding_off(doctor):
    """The host is a router, and somebody does not want its uplink to be of it."""
    doctor.host.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    doctor.broker.client().acquire("default")
    doctor.host.run("sysctl", "-qw", "net.ipv4.conf.eth0.forwarding=0")


def lose_routes(doctor, command):
    doctor.uninstall("dhclient", "dhcpcd", "udhcpc")
    doctor.host.ip("route delete default")
    doctor.host.ip("-6 route delete default")
    doctor.host.run("sh", "-c", command)


def no_route(command="true"):
    return lambda doctor: lose_routes(doctor, command)


def managed(marks, program, arguments):
    """No route, and who gives eth0 its routes is known by marks."""

    def make(doctor):
        lose_routes(doctor, f"ip link set eth0 down && {marks}")
        doctor.program(
            program, f'[ "$*" = "{arguments}" ] && ip route add default via {OUTSIDE_IPV4}'
        )

    return make


def dhcp_client(doctor):
    """eth0 has no address, a DHCP client is there, and outside is its server."""
    lose_routes(doctor, "ip address flush dev eth0")
    doctor.outside.serve_addresses(f"{HOST_IPV4},{HOST_IPV4},1h")
    script = "/usr/share/leased"
    doctor.host.run("tee", script, input=DHCP_SCRIPT)
    doctor.host.run("chmod", "+x", script)
    doctor.program("udhcpc", f'exec busybox udhcpc -s {script} "$@"')
    doctor.host.run("cp", f"{PROGRAMS}/udhcpc", "/usr/sbin")


DHCP_SCRIPT = """#!/bin/sh
[ "$1" = bound ] || exit 0
ip address add "$ip/$mask" dev "$interface" && ip route add default via "$router"
"""


def overlap(text):
    def make(doctor):
        doctor.configure(text)
        doctor.host.ip("address add 10.9.0.7/16 dev eth0")

    return make


def taken_later(doctor):
    """A VPN came up, say."""
    subnet = doctor.broker.client().acquire("default")["ipv4Subnet"]
    doctor.host.ip(f"address add {subnet.replace('.0/', '.7/')} dev eth0")


def no_subnet(doctor):
    doctor.configure(
        '{ "a": { "mode": "host", "subnet": "192.168.0.0/16" },'
        '  "b": { "mode": "host", "subnet": "10.0.0.0/8" },'
        '  "c": { "mode": "host", "subnet": "172.16.0.0/12" },'
        '  "lab": { "mode": "shared" } }'
    )
    doctor.program("choose", """sed -i 's|10[.]0[.]0[.]0/8|10.9.0.0/16|' "$1" """)


def led_elsewhere(doctor, rule):
    """A VPN that has rules of its own, and routes in a table of its own."""
    doctor.host.ip("route add 192.168.0.0/16 dev eth0 table 52")
    doctor.host.ip(f"rule add {rule} lookup 52")
    doctor.broker.configure({"lab": {"mode": "shared", "subnet": "192.168.70.0/24"}})
    doctor.broker.vmnetctl("reload", uid=0)
    doctor.broker.client().acquire("lab")


def no_route_to_machines(doctor):
    """Somebody has deleted both of a network's own, and not even the kernel makes one again."""
    network = doctor.broker.client().acquire("default")
    doctor.host.ip(f"route delete local {network['ipv4Gateway']} dev vmb-default table local")
    doctor.host.ip(f"route delete {network['ipv4Subnet']} dev vmb-default")


NO_ROUTE = "the host has no route to the outside: "
RESERVED = """{ "lab": { "mode": "shared", "subnet": "10.9.0.0/24", "dhcp_reservations": [
    { "mac_address": "52:54:00:00:00:01", "address": "10.9.0.9" } ] } }"""
IN_USE = 'network "lab": subnet 10.9.0.0/24 is in use by eth0'
TROUBLES = {
    "an uplink that is down": Trouble(
        uplink("ip link add wan type veth peer name outside"),
        'network "lab": wan is down, by which alone its machines reach the outside; .*',
        way_out=False,  # wan leads nowhere
    ),
    "no uplink": Trouble(
        uplink(),
        'network "lab": there is no wan, by which alone its machines reach the outside; .*',
        reason="whoever makes it is not known",
    ),
    "forwarding is off": Trouble(
        forwarding_off,
        'network "default": forwarding is switched off for eth0, by which its machines are '
        "answered",
    ),
    "a strict check of where packets come from": Trouble(
        lambda doctor: (
            doctor.configure(UPLINK),
            doctor.host.run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1"),
        ),
        'network "lab": its forwarded ports cannot be reached by eth0, whose reverse path filter '
        "is strict",
    ),
    "settings are read-only": Trouble(
        shell("mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys"),
        "forwarding cannot be switched on, since /proc/sys is read-only",
    ),
    "no route": Trouble(
        no_route(), NO_ROUTE + "none leads over eth0", typed=f"{OUTSIDE_IPV4}\n"
    ),
    "an interface that is down": Trouble(
        no_route("ip link set eth0 down"), NO_ROUTE + "eth0 is down", typed=f"{OUTSIDE_IPV4}\n"
    ),
    "an interface of NetworkManager": Trouble(
        managed("mkdir /run/NetworkManager", "nmcli", "device connect eth0"),
        NO_ROUTE + "eth0 is down",
    ),
    "an interface of systemd-networkd": Trouble(
        managed(
            "mkdir -p /run/systemd/netif/links && echo ADMIN_STATE=configured "
            ">/run/systemd/netif/links/$(cat /sys/class/net/eth0/ifindex)",
            "networkctl",
            "reconfigure eth0",
        ),
        NO_ROUTE + "eth0 is down",
    ),
    "an interface of ifupdown": Trouble(
        managed(
            "mkdir /run/network && echo eth0=eth0 >/run/network/ifstate", "ifup", "--force eth0"
        ),
        NO_ROUTE + "eth0 is down",
    ),
    "no address, and a DHCP client": Trouble(dhcp_client, NO_ROUTE + "none leads over eth0"),
    "no address": Trouble(
        no_route("ip address flush dev eth0"),
        NO_ROUTE + "eth0 has no address, and there is no DHCP client to ask for one",
        reason="nobody here knows an address",
    ),
    "no cable": Trouble(
        lambda doctor: doctor.outside.ip("link set eth0 down"),
        NO_ROUTE + "nothing is connected to eth0",
        reason="the other end is not of this host",
    ),
    "no interface": Trouble(
        shell("ip link delete eth0"),
        "the host has no route to the outside, and no interface that could lead there",
        reason="an interface is not made by a command",
    ),
    "a subnet that was taken": Trouble(
        taken_later,
        r'network "default": subnet (\S+) is in use by eth0, too; it gets another one when its '
        "machines have ended",
        reason="nobody ends other people's machines",
    ),
    "a rule before the network's own route": Trouble(
        lambda doctor: led_elsewhere(doctor, "priority 10 to 192.168.0.0/16"),
        'network "lab": what the host sends to its machines leaves by eth0 and not by '
        "vmb-lab",
    ),
    "no route to the machines": Trouble(
        no_route_to_machines,
        'network "default": cannot give bridge vmb-default the route to its subnet: .*',
    ),
    "a rule before which there is no room": Trouble(
        lambda doctor: led_elsewhere(doctor, "priority 1"),
        'network "lab": what is for its machines is led elsewhere by the routing rule of priority '
        "1, before which there is no room; give that one a higher priority",
        reason="whose rule it is is not known",
    ),
    "a subnet in use": Trouble(
        overlap('{ "lab": { "mode": "shared", "subnet": "10.9.0.0/24" } }'), IN_USE
    ),
    "a subnet in use, with addresses in it": Trouble(
        overlap(RESERVED), IN_USE, env={"EDITOR": "sed -i s/10[.]9[.]/10.11./g"}
    ),
    "no subnet": Trouble(
        no_subnet,
        'network "lab": no subnet is free; give it a "subnet"',
        env={"EDITOR": "choose"},
    ),
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_trouble_is_named_and_mended(doctor, trouble):
    trouble.check(doctor)


def test_a_router_needs_no_settings(doctor):
    host = doctor.host
    host.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    host.run("mount", "--bind", "/proc/sys", "/proc/sys")
    host.run("mount", "-o", "remount,ro,bind", "/proc/sys")
    assert doctor.examine() == {}


def test_a_port_of_the_host_alone_needs_no_way_in(doctor):
    doctor.configure(
        UPLINK.replace('"protocol"', '"external_address": "127.0.0.1", "protocol"')
    )
    doctor.host.run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1")
    assert doctor.examine() == {}


def test_a_port_that_a_machine_asked_for_needs_a_way_in(doctor):
    doctor.host.ip("link add wan up type veth peer name far")
    doctor.host.run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1")
    doctor.broker.configure({"lab": {"mode": "shared", "external_interface": "wan"}})
    doctor.broker.vmnetctl("reload", uid=0)
    client = doctor.broker.client()
    client.acquire("lab")
    says = 'network "lab": its forwarded ports cannot be reached by eth0, whose reverse path '
    private = {"protocol": "tcp", "externalPort": 8080, "externalAddress": "127.0.0.1"}
    public = {"protocol": "tcp", "externalPort": 8081}
    client.attach("lab", openByName=True, portForwarding=[private])
    assert not [problem for problem in doctor.examine() if problem.startswith(says)]
    client.attach("lab", openByName=True, portForwarding=[public])
    doctor.mend(doctor.find(says + "filter is strict"), "", ())
    assert not [problem for problem in doctor.examine() if problem.startswith(says)]


def test_a_rule_for_all_packets_is_no_trouble(doctor):
    led_elsewhere(doctor, "priority 10")
    wait_for(lambda: doctor.examine() == {}, what=doctor.examine)


@pytest.mark.parametrize("keys", ['"mode": "shared"', '"mode": "shared", "subnet": "10.9.0.0/24"'])
def test_a_broader_route_is_no_trouble(doctor, keys):
    doctor.configure(f'{{ "lab": {{ {keys} }} }}')
    doctor.broker.client().acquire("default")
    for subnet in "192.168.0.0/16", "10.0.0.0/8", "172.16.0.0/12":
        doctor.host.ip(f"route add {subnet} dev eth0")
    doctor.host.ip("address add 10.8.0.7/15 dev eth0")
    assert doctor.examine() == {}

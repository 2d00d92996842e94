# SPDX-License-Identifier: Apache-2.0
"""What the administrator or another program breaks is put right, or said."""

import contextlib
import os
import re
import signal
import time

import pytest

from support.echo import WhoServer, who
from support.gate import make_gate, wait_at
from support.groups import BRIDGE_GROUPS, PORT_GROUPS
from support.host import SERVER_IPV4, SERVER_IPV6
from support.varlink import VarlinkError, flat
from support.wait import wait_for


@pytest.fixture
def network(broker):
    """An active network with an interface."""
    client = broker.client()
    described = client.acquire("default")
    with client.attach("default") as attachment:
        described["device"] = attachment.name
        yield described
    client.close()


def has_routes(broker, network):
    """The host finds the machines by the bridge."""
    host, bridge = broker.host, network["bridge"]
    ipv4 = host.ip(f"-4 route show dev {bridge}").replace(" linkdown", "")
    ipv6 = host.ip(f"-6 route show dev {bridge} proto kernel")
    return (
        f"{network['ipv4Subnet']} proto kernel scope link src {network['ipv4Gateway']} \n" == ipv4
        and f"{network['ipv6Prefix']} metric 256" in ipv6
        and "fe80::/64 metric 256" in ipv6
    )


def is_whole(broker, network):
    """The bridge has its addresses and the interface."""
    if network["bridge"] not in broker.host.links():
        return False
    bridge = broker.host.device(network["bridge"])
    addresses = {address["local"] for address in bridge["addr_info"]}
    expected = {
        network["ipv4Gateway"],
        "fe80::1",
        network["ipv6Prefix"].removesuffix("/64") + "1",
    }
    device = broker.host.device(network["device"])
    filters = broker.host.run("tc", "filter", "show", "dev", network["device"], "ingress").stdout
    return (
        addresses == expected
        and has_routes(broker, network)
        and "UP" in bridge["flags"]
        and bridge["group"] == str(BRIDGE_GROUPS | bridge["ifindex"])
        and "UP" in device["flags"]
        and device.get("master") == network["bridge"]
        and device["group"] == str(PORT_GROUPS | bridge["ifindex"])
        and "Redirect to device vmc-default" in filters
        and "UP" in broker.host.device("vmc-default")["flags"]
    )


@pytest.mark.parametrize(
    "breakage",
    [
        "link delete {bridge}",
        "link set {bridge} down",
        "address flush dev {bridge}",
        "address delete {ipv4Gateway}/24 dev {bridge}",
        "address delete fe80::1/64 dev {bridge}",
        "route delete {ipv4Subnet} dev {bridge}",
        "-6 route delete {ipv6Prefix} dev {bridge}",
        "route flush dev {bridge}",
        "-6 route flush dev {bridge}",
        "link set {bridge} name other",
        "link set {bridge} group default",
        "link set {device} nomaster",
        "link set {device} down",
        "link set {device} group default",
        "link delete vmc-default",
        "link set vmc-default down",
    ],
)
def test_repair(broker, network, breakage):
    assert is_whole(broker, network)
    mac = broker.host.device(network["bridge"])["address"]
    broker.host.ip(breakage.format(**network))
    wait_for(lambda: is_whole(broker, network))
    assert "other" not in broker.host.links()
    assert broker.host.device(network["bridge"])["address"] == mac
    assert broker.networks()["default"]["interfaces"] == 1


@pytest.mark.parametrize("part", ["qdisc", "filter"])
def test_frames_are_redirected_again(broker, network, part):
    which = "clsact" if part == "qdisc" else "ingress"
    broker.host.run("tc", part, "delete", "dev", network["device"], which)
    wait_for(lambda: is_whole(broker, network))


def test_another_programs_place_for_filters_is_used(broker, network):
    """Many programs put a qdisc for both ways on each device that there is."""
    os.kill(broker.pid, signal.SIGSTOP)
    broker.host.run("tc", "qdisc", "delete", "dev", network["device"], "clsact")
    broker.host.run("tc", "qdisc", "add", "dev", network["device"], "clsact")
    os.kill(broker.pid, signal.SIGCONT)
    wait_for(lambda: is_whole(broker, network))


@pytest.mark.broker(config={"lab": {"mode": "host", "isolated": True}})
def test_isolation_is_repaired(broker, join):
    one, other = join("lab"), join("lab")
    assert not one.ping(other.address, tries=1)
    for device in broker.host.links():
        if device.startswith("vmt"):
            broker.host.run("bridge", "link", "set", "dev", device, "isolated", "off")
    broker.wait_for_log('network "lab": interface .* was cut off, and is joined again')
    wait_for(lambda: not one.ping(other.address, tries=1))


def test_a_renamed_bridge_is_served_again(broker, join):
    machine = join("default")
    broker.host.ip("link set vmb-default name other")
    wait_for(lambda: machine.ping(SERVER_IPV4, tries=1))
    machine.dhcp()
    join("default")


def test_machines_are_found_again(broker, host, join):
    """NetworkManager has deleted the kernel's route when it took the bridge over."""
    machine = join("default")
    prefix = machine.client.networks()["default"]["ipv6Prefix"]
    address = machine.ipv6_address()
    assert machine.ping(SERVER_IPV4) and machine.ping(SERVER_IPV6)
    host.ip("route flush dev vmb-default")
    host.ip(f"-6 route delete {prefix} dev vmb-default")
    with WhoServer(machine, 80, "machine"):
        wait_for(lambda: who(host, machine.address, 80, timeout=1))
        wait_for(lambda: who(host, address, 80, timeout=1))
    wait_for(lambda: machine.ping(SERVER_IPV4, tries=1) and machine.ping(SERVER_IPV6, tries=1))


@pytest.mark.parametrize("family,metric", [("4", 0), ("6", 256)])
def test_a_route_whose_place_was_taken(broker, network, family, metric):
    subnet = network["ipv4Subnet" if family == "4" else "ipv6Prefix"]
    broker.host.ip(f"-{family} route replace {subnet} dev eth0 metric {metric}")
    wait_for(lambda: is_whole(broker, network))
    broker.host.ip(f"-{family} route delete {subnet} dev eth0")


def test_a_route_that_cannot_be_made_is_said(broker, network):
    """Without the kernel's own of the address there can be none."""
    own = f"local {network['ipv4Gateway']} dev {network['bridge']} table local"
    broker.host.ip(f"route delete {own}")
    broker.host.ip(f"route delete {network['ipv4Subnet']} dev {network['bridge']}")
    broker.wait_for_log('network "default": cannot give bridge vmb-default the route to its subnet')
    assert "the route to its subnet: Invalid argument" in broker.inspect("default")["fault"]
    broker.host.ip(f"route add {own} proto kernel scope host src {network['ipv4Gateway']}")
    broker.wait_for_log('network "default": whole again', timeout=20)
    assert is_whole(broker, network)


def test_routes_that_go_with_their_bridge_are_no_fault(broker):
    network = broker.client().acquire("default")
    broker.host.ip("link delete vmb-default")
    wait_for(lambda: "vmb-default" in broker.host.links() and has_routes(broker, network))
    broker.close_clients()
    broker.wait_until_clean()
    assert "the route to its subnet" not in broker.log()


def test_a_bridge_renamed_between_two_brokers_goes(broker):
    broker.client().acquire("default")
    broker.kill()
    broker.host.ip("link set vmb-default name other")
    broker.start()
    wait_for(lambda: not {"other", "vmb-default"} & set(broker.host.links()))


def test_a_bridge_that_goes_while_its_network_is_made(broker):
    gate = make_gate(broker)
    os.mkfifo(gate)
    client = broker.client()
    client.send("Acquire", {"network": "default"})
    fd = wait_at(gate)
    broker.host.ip("link delete vmb-default")
    os.write(fd, b"go")
    os.close(fd)
    network = flat(client.receive())

    def attach():
        try:
            return client.attach("default")
        except VarlinkError as error:
            assert error.name == "CreateFailed"
            assert error.parameters["reason"] == (
                "bridge vmb-default has been removed just now; try again"
            )
        return None

    with wait_for(attach, what="the repair") as attachment:
        wait_for(lambda: is_whole(broker, {**network, "device": attachment.name}))


@pytest.mark.parametrize(
    "breakage",
    ["ip link set vmb-default down", "ip address flush dev vmb-default", "nft flush ruleset"],
)
def test_what_breaks_while_a_network_is_made(broker, breakage):
    def tables():
        return set(broker.host.run("nft", "list", "tables").stdout.splitlines())

    gate = make_gate(broker)
    os.mkfifo(gate)
    client = broker.client()
    client.send("Acquire", {"network": "default"})
    fd = wait_at(gate)
    wait_for(lambda: len(tables()) == 3, what="its first rules")
    before = tables()
    broker.host.run(*breakage.split())
    os.write(fd, b"go")
    os.close(fd)
    network = flat(client.receive())
    with client.attach("default") as attachment:
        wait_for(lambda: is_whole(broker, {**network, "device": attachment.name}))
        wait_for(lambda: tables() == before, what="its rules")
        assert len(before) == 3


def test_machines_that_end_are_no_fault(broker, plug_in):
    machines = [plug_in("default") for _ in range(5)]
    for machine in machines:
        machine.kill()
    wait_for(lambda: machines[0].client.networks()["default"]["interfaces"] == 0)
    machine = plug_in("default")
    machine.dhcp()
    assert "joined again" not in broker.log()


def test_what_cannot_be_repaired_is_said(broker, network):
    bridge = network["bridge"]
    with broker.paused():
        broker.host.ip(f"link delete {bridge}")
        broker.host.ip(f"link add {bridge} type veth peer name peer0")
    broker.wait_for_log('network "default": a device vmb-default exists already')
    client = broker.client()
    assert client.acquire("default")["active"]
    with pytest.raises(VarlinkError, match="cannot join vmt1 to bridge vmb-default") as raised:
        client.attach("default")
    assert raised.value.name == "CreateFailed"
    broker.host.ip(f"link delete {bridge}")
    broker.wait_for_log('network "default": whole again')
    wait_for(lambda: is_whole(broker, network))


def test_a_repair_is_tried_again(broker):
    """Nobody says that it might work by now."""
    broker.client().acquire("host")
    with broker.paused():
        broker.host.ip("link delete vmb-host")
        broker.host.ip("link add vmb-host type bridge")
    broker.wait_for_log('network "host": a device vmb-host exists already')
    broker.host.ip("link delete vmb-host")
    broker.wait_for_log('network "host": whole again', timeout=20)


def test_a_record_that_cannot_be_written_hinders_no_repair(broker, network):
    away = broker.runtime_dir + "-away"
    os.rename(broker.runtime_dir, away)
    broker.host.ip(f"link delete {network['bridge']}")
    wait_for(lambda: is_whole(broker, network))
    broker.wait_for_log('network "default": cannot write its record in ')
    os.rename(away, broker.runtime_dir)
    broker.wait_for_log('network "default": whole again')


def test_more_notifications_than_fit(broker, network):
    churn = "address add 192.0.2.1/32 dev lo\naddress delete 192.0.2.1/32 dev lo\n"
    with broker.paused():
        broker.host.run("ip", "-batch", "-", input=churn * 3000)
        broker.host.ip(f"address flush dev {network['bridge']}")
    broker.wait_for_log("notifications of the kernel were lost")
    wait_for(lambda: is_whole(broker, network))


MANY_PORTS = {
    "default": {
        "mode": "shared",
        "subnet": "192.168.105.0/24",
        "port_forwarding": [
            {
                "protocol": "tcp",
                "external_port": 20000 + 2 * i,
                "internal_address": "192.168.105.9",
                "internal_port": 80,
            }
            for i in range(1000)
        ],
    },
    "host": {"mode": "host"},
}


def rules_of(broker):
    """The number of the first, which is another when they were made again; None: there are none."""
    command = "nft -a list chain inet vmnet-broker.networks machine-default"
    listed = broker.host.run(*command.split(), check=False)
    found = re.search("drop # handle [0-9]+", listed.stdout)
    return found and found[0]


def take_turns(broker):
    """What the broker has to do meanwhile is done, and what it leads to."""
    for _ in range(3):
        with contextlib.closing(broker.client()) as client:
            client.acquire("host")
        wait_for(lambda: "vmb-host" not in broker.host.links(), what="the end of the network")


@pytest.mark.broker(config=MANY_PORTS)
def test_rules_that_were_made_again_stay(broker):
    """What that is told of, be it much, is no reason to make them again."""
    broker.client().acquire("default")
    broker.host.run("nft", "flush", "ruleset")
    wait_for(lambda: rules_of(broker), what="the rules")
    take_turns(broker)
    rules = rules_of(broker)
    take_turns(broker)
    assert rules_of(broker) == rules
    assert "lost" not in broker.log()


def lose_notifications(broker):
    """Of others' rules, and with them those of what became of the broker's."""
    rules = "add rule inet others chain1 accept\n" * 20000
    others = f"add table inet others\nadd chain inet others chain1\n{rules}"
    with broker.paused():
        broker.host.run("nft", "-f", "-", input=others)
        broker.host.run("nft", "flush", "ruleset")


def test_more_notifications_of_rules_than_fit(broker, join):
    """They are made again, but not as often as such a thing may happen."""
    machine = join("default")
    began = time.monotonic()
    for times in 1, 2:
        lose_notifications(broker)
        wait_for(lambda: rules_of(broker), 20, f"the rules, lost {times} times")
        said = broker.log().count("notifications of nftables were lost; our rules are made again")
        assert said == times
        assert machine.ping(SERVER_IPV4)
    assert time.monotonic() - began > 4

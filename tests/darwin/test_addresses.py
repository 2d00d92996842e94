# SPDX-License-Identifier: Apache-2.0
"""Which addresses a network has on macOS: in its first life, and in those after it."""

import glob
import ipaddress
import json
import os
import socket
import subprocess
import time

import pytest
from statuses import CREATE_FAILURE, VMNET_SUCCESS
from world import BROKER_UID

LAB = {"mode": "shared", "subnet": "10.1.2.0/24", "ipv6_prefix": "fd12:3456:789a:1::/64"}
STILL_TAKEN = "vmnet has not let go of its addresses yet"


def acquire_once(world, name="default"):
    """A whole life of a network: what it was."""
    client = world.wire()
    info = client.acquire(name)["info"]
    client.quit()
    world.wait_for_networks(0)
    return info


def kept(world, name="default"):
    with open(f"{world.state_dir}/{name}.json", encoding="utf-8") as file:
        return json.load(file)


def assert_host_is_there(world, info):
    """The Mac has the network's first address, where its machines look for it."""
    gateway = str(ipaddress.ip_network(info["ipv4_subnet"])[1])
    assert info["ipv4_gateway"] == gateway
    (bridge,) = world.bridges().values()
    assert dict(bridge)["inet"] == gateway


# The host's address


@pytest.mark.parametrize("config", [LAB, {"mode": "shared"}, {"mode": "host"}])
def test_the_host_has_the_first_address_in_each_life(world, config):
    world.configure({"lab": config})
    world.bootstrap()
    for life in range(3):
        client = world.wire()
        info = client.acquire("lab")["info"]
        if life == 0:
            first = info
        assert info == first
        assert_host_is_there(world, info)
        client.quit()
        world.wait_for_networks(0)


def test_what_an_earlier_broker_kept_is_had_again(world):
    with open(f"{world.state_dir}/default.json", "w", encoding="utf-8") as file:
        file.write('{ "ipv4_subnet": "192.168.70.0/24", "ipv6_prefix": "fd12:0:0:1::/64" }')
    os.chmod(f"{world.state_dir}/default.json", 0o644)
    world.bootstrap()
    client = world.wire()
    info = client.acquire("default")["info"]
    assert info["ipv4_subnet"] == "192.168.70.0/24"
    assert info["ipv6_prefix"] == "fd12:0:0:1::/64"
    assert_host_is_there(world, info)


# What is kept across lives


def test_addresses_are_kept(mac):
    first = acquire_once(mac)
    mac.launchd.kill()
    again = mac.wire().acquire("default")["info"]
    assert again["ipv4_subnet"] == first["ipv4_subnet"]
    assert again["ipv6_prefix"] == first["ipv6_prefix"]


def test_addresses_are_kept_when_vmnet_would_choose_others(world):
    world.configure({"one": {"mode": "shared"}, "two": {"mode": "shared"}})
    world.bootstrap()
    one, two = world.wire(), world.wire()
    assert one.acquire("one")["info"]["ipv4_subnet"] == "192.168.64.0/24"
    assert two.acquire("two")["info"]["ipv4_subnet"] == "192.168.65.0/24"
    one.quit()
    two.quit()
    world.wait_for_networks(0)
    # 192.168.64.0/24 is the first that is free now, but not what the network had.
    assert acquire_once(world, "two")["ipv4_subnet"] == "192.168.65.0/24"


def test_a_new_network_leaves_others_what_they_had(world):
    world.configure({"one": {"mode": "shared"}, "two": {"mode": "shared"}})
    world.bootstrap()
    assert acquire_once(world, "one")["ipv4_subnet"] == "192.168.64.0/24"
    # vmnet would choose the same, which nobody has at the moment.
    assert acquire_once(world, "two")["ipv4_subnet"] == "192.168.65.0/24"


def test_a_new_network_gets_what_another_had_rather_than_none(world):
    world.configure({name: {"mode": "shared"} for name in ("one", "two", "three")})
    world.bootstrap()
    assert acquire_once(world, "one")["ipv4_subnet"] == "192.168.64.0/24"
    assert acquire_once(world, "two")["ipv4_subnet"] == "192.168.65.0/24"
    world.take(*(f"192.168.{i}.0/24" for i in range(66, 128)))
    assert acquire_once(world, "three")["ipv4_subnet"] == "192.168.65.0/24"
    # Not what the Mac itself has, nor what nobody has any more.
    world.host("inet en0 192.168.64.9/24", "route utun3 192.168.65.0/24")
    client = world.wire()
    assert "64 subnets" in client.acquire("three")["message"]
    assert world.networks() == []


def test_a_new_network_with_a_prefix_of_its_own_gets_a_subnet_that_is_free(world):
    """... not the Wi-Fi's, nor what another network had, and its ports lead into its prefix."""
    port = {"protocol": "tcp", "external_port": 2222, "internal_address": "fd12:3456:789a:1::a"}
    lab = {"mode": "shared", "ipv6_prefix": LAB["ipv6_prefix"], "port_forwarding": [port]}
    world.configure({"one": {"mode": "shared"}, "lab": lab})
    world.bootstrap()
    assert acquire_once(world, "one")["ipv4_subnet"] == "192.168.64.0/24"
    world.host("inet en0 192.168.65.9/24")
    client = world.wire()
    info = client.acquire("lab")["info"]
    assert info["ipv4_subnet"] == "192.168.66.0/24"
    assert info["ipv6_prefix"] == LAB["ipv6_prefix"]
    (lines,) = world.networks()
    assert ("port_forwarding", "tcp 2222 fd12:3456:789a:1::a 2222") in lines


def test_a_new_network_leaves_others_what_they_are_configured_with(world):
    lab = {"mode": "shared", "subnet": "192.168.64.0/23"}
    world.configure({"default": {"mode": "shared"}, "lab": lab})
    world.bootstrap()
    assert acquire_once(world)["ipv4_subnet"] == "192.168.66.0/24"


def test_a_subnet_that_was_taken_is_replaced_until_it_is_free(mac):
    before = acquire_once(mac)
    mac.take("192.168.64.0/24", "192.168.65.0/24")
    for _ in range(2):
        info = acquire_once(mac)
        assert info["ipv4_subnet"] == "192.168.66.0/24"
        assert info["ipv6_prefix"] == before["ipv6_prefix"]
    mac.wait_for_log(
        'warning: network "default": vmnet refuses its old subnet 192.168.64.0/24; it gets '
        "192.168.66.0/24 until that is free"
    )
    assert "old IPv6 prefix" not in mac.log()
    # What it has instead is as much its own, though another is free by now,
    mac.take("192.168.64.0/24")
    assert acquire_once(mac)["ipv4_subnet"] == "192.168.66.0/24"
    # and it was waited for once, when it could have been about to be free.
    assert mac.log().count(STILL_TAKEN) == 1
    mac.take()
    assert acquire_once(mac) == before
    assert "ipv4_subnet_instead" not in kept(mac)


def test_a_prefix_that_was_taken_is_replaced_until_it_is_free(mac):
    before = acquire_once(mac)
    mac.take(before["ipv6_prefix"])
    after = acquire_once(mac)
    assert after["ipv6_prefix"] != before["ipv6_prefix"]
    assert after["ipv4_subnet"] == before["ipv4_subnet"]
    mac.wait_for_log("vmnet refuses its old IPv6 prefix fd")
    assert "old subnet" not in mac.log()
    assert acquire_once(mac) == after
    mac.take()
    assert acquire_once(mac) == before


def test_both_were_taken(mac):
    before = acquire_once(mac)
    mac.take(before["ipv4_subnet"], before["ipv6_prefix"])
    after = acquire_once(mac)
    assert after["ipv4_subnet"] != before["ipv4_subnet"]
    assert after["ipv6_prefix"] != before["ipv6_prefix"]
    mac.take()
    assert acquire_once(mac) == before


def test_a_kept_subnet_that_another_network_is_configured_with(world):
    world.configure({"default": {"mode": "shared"}})
    world.bootstrap()
    subnet = acquire_once(world)["ipv4_subnet"]
    world.configure({"default": {"mode": "shared"}, "lab": {"mode": "shared", "subnet": subnet}})
    root = world.library(uid=0)
    root.succeed("connect")
    root.succeed("reload")
    lab = world.wire()
    lab.acquire("lab")
    assert world.wire().acquire("default")["info"]["ipv4_subnet"] != subnet
    world.wait_for_log(
        f'network "default": its subnet {subnet} is in use by network "lab" now; it gets '
    )


def test_what_is_kept_is_written_once(mac):
    acquire_once(mac)
    (path,) = glob.glob(f"{mac.state_dir}/*")
    assert kept(mac)["ipv4_subnet"] == "192.168.64.0/24"
    before = os.stat(path).st_ino
    acquire_once(mac)
    assert os.stat(path).st_ino == before


def test_addresses_that_cannot_be_kept_cost_no_network(world):
    os.chmod(world.state_dir, 0o500)
    os.chown(world.state_dir, 0, 0)
    world.bootstrap()
    assert "error" not in world.wire().acquire("default")
    world.wait_for_log('error: network "default": .*cannot be kept')


# A broker that was killed


def test_a_kept_subnet_of_a_killed_broker_moves_and_comes_back(mac):
    client = mac.wire()
    before = client.acquire("default")["info"]
    mac.launchd.kill()
    assert mac.stale_subnets() == ["192.168.64.0/24"]
    for _ in range(2):
        info = acquire_once(mac)
        assert info["ipv4_subnet"] == "192.168.65.0/24"
    mac.wait_for_log('warning: network "default": vmnet refuses its old subnet 192.168.64.0/24')
    mac.free_stale("192.168.64.0/24")
    assert acquire_once(mac) == before


def test_a_configured_subnet_of_a_killed_broker_is_refused_with_the_remedy(world):
    world.configure({"lab": LAB})
    world.bootstrap()
    client = world.wire()
    client.acquire("lab")
    world.launchd.kill()
    assert client.event() == "INTERRUPTED"
    reply = client.acquire("lab")
    assert reply["error"] == CREATE_FAILURE
    assert reply["message"] == (
        "vmnet refuses the network: another network may have its subnet 10.1.2.0/24, or had it "
        'when its broker was killed; choose another "subnet", or restart the Mac '
        "(VMNET_FAILURE), status 1001"
    )
    world.free_stale("10.1.2.0/24")
    assert client.acquire("lab")["info"]["ipv4_subnet"] == "10.1.2.0/24"


# A machine that is started again


CONFIGURED_AND_KEPT = pytest.mark.parametrize(
    "config", [LAB, {"mode": "shared"}], ids=["configured", "kept"]
)


def start_machine(world, config):
    """A client with an interface on a network, another that can take its place, and the network."""
    world.configure({"lab": config})
    world.bootstrap()
    client, again = world.wire(), world.wire()
    info = client.acquire("lab")["info"]
    assert client.run() == VMNET_SUCCESS
    return client, again, info


@CONFIGURED_AND_KEPT
@pytest.mark.parametrize("wait", [True, False], ids=["after", "during"])
def test_a_machine_that_is_restarted_at_its_end_finds_its_subnet(world, config, wait):
    client, again, before = start_machine(world, config)
    client.start_stop()
    if wait:
        client.stopped()
    client.call(command="release", network_name="lab")
    assert again.acquire("lab")["info"] == before
    assert "refuses" not in world.log()


@CONFIGURED_AND_KEPT
def test_a_machine_that_is_restarted_before_its_end_finds_its_subnet(world, config):
    """Its hold ends first. The broker has let go of the network, its interface has not."""
    client, again, before = start_machine(world, config)
    client.call(command="release", network_name="lab")
    start = time.monotonic()
    again.start(command="acquire", network_name="lab")
    world.wait_for_log(STILL_TAKEN)
    client.start_stop()
    assert again.reply()["info"] == before
    assert time.monotonic() - start < 3
    assert "refuses" not in world.log()


def test_a_machine_that_dies_and_is_restarted_finds_its_subnet(mac):
    before = acquire_once(mac)
    for _ in range(20):
        client = mac.wire()
        assert client.acquire("default")["info"] == before
        client.run()
        client.kill()


@CONFIGURED_AND_KEPT
def test_an_interface_that_stays_keeps_nobody_waiting(world, config):
    client, again, _ = start_machine(world, config)
    client.call(command="release", network_name="lab")
    start = time.monotonic()
    reply = again.acquire("lab")
    assert time.monotonic() - start < 3
    if "subnet" in config:
        assert "subnet 10.1.2.0/24" in reply["message"]
    else:
        assert reply["info"]["ipv4_subnet"] == "192.168.65.0/24"
        world.wait_for_log("vmnet refuses its old subnet 192.168.64.0/24; it gets 192.168.65.0/24")


# What the Mac itself uses


@pytest.mark.parametrize(
    "line, user",
    [
        ("inet en0 10.1.2.7/24", "en0"),
        ("inet en0 10.1.0.7/16", "en0"),
        ("inet en7 10.1.2.130/25", "en7"),
        ("inet bridge0 10.1.2.7/24", "bridge0"),
        ("route utun3 10.1.0.0/16", "a route over utun3"),
        ("route utun3 10.0.0.0/8", "a route over utun3"),
        ("route en0 10.1.2.128/25", "a route over en0"),
    ],
)
def test_a_configured_subnet_of_the_mac_is_refused_before_vmnet_is_asked(world, line, user):
    world.configure({"lab": LAB})
    world.host("inet en5 192.168.1.5/24", line)
    world.hold("network_create")
    world.bootstrap()
    client = world.wire()
    reply = client.acquire("lab")
    assert reply["error"] == CREATE_FAILURE
    assert reply["message"] == f'subnet 10.1.2.0/24 is in use by {user}; choose another "subnet"'
    world.host("inet en0 192.168.1.5/24")
    world.let_go("network_create")
    assert client.acquire("lab")["info"]["ipv4_subnet"] == "10.1.2.0/24"


@pytest.mark.parametrize(
    "line",
    [
        "inet en0 10.1.3.7/24",
        "neighbour en0 10.1.2.9",
        "route utun3 0.0.0.0/1",
        "inet bridge100 10.1.2.1/24",
        "route bridge101 10.1.2.0/24",
        "neighbour en0 fd12:3456:789a:1::9",
        "route bridge101 fd12:3456:789a:1::/64",
        "route utun3 fd12:3456:789a:2::/64",
        "route en0 fe80::/64",
    ],
)
def test_what_does_not_keep_a_network_from_its_subnet(world, line):
    """Others' addresses, ARP's routes, halves of the default route, bridges that are vmnet's."""
    world.configure({"lab": LAB})
    world.host(line)
    world.bootstrap()
    assert world.wire().acquire("lab")["info"]["ipv4_subnet"] == "10.1.2.0/24"


@pytest.mark.parametrize(
    "line, user",
    [
        ("inet6 en0 fd12:3456:789a:1::7/64", "en0"),
        ("route utun3 fd12:3456:789a:1::/64", "a route over utun3"),
        ("route utun3 fd12:3456:789a::/48", "a route over utun3"),
        ("route utun3 fd12:3456:789a:1:2::/80", "a route over utun3"),
    ],
)
def test_a_configured_prefix_of_the_mac_is_refused(world, line, user):
    world.configure({"lab": LAB})
    world.host(line)
    world.bootstrap()
    assert world.wire().acquire("lab")["message"] == (
        f'prefix fd12:3456:789a:1::/64 is in use by {user}; choose another "ipv6_prefix"'
    )


def test_a_kept_subnet_of_the_wifi_moves_and_comes_back(mac):
    before = acquire_once(mac)
    mac.host("inet en0 192.168.64.9/24")
    after = acquire_once(mac)
    assert after["ipv4_subnet"] == "192.168.65.0/24"
    assert after["ipv6_prefix"] == before["ipv6_prefix"]
    mac.wait_for_log(
        'warning: network "default": its subnet 192.168.64.0/24 is in use by en0 now; '
        "it gets 192.168.65.0/24"
    )
    # It was not waited for, either: nobody is about to let go of it.
    assert "refuses" not in mac.log() and STILL_TAKEN not in mac.log()
    mac.host("inet en0 192.168.1.9/24")
    assert acquire_once(mac) == before


def test_what_vmnet_chooses_is_not_the_wifis(mac):
    mac.host("inet en0 192.168.64.9/24")
    assert acquire_once(mac)["ipv4_subnet"] == "192.168.65.0/24"


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_port_that_a_program_listens_on_is_refused(world, protocol, family):
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(family, kind) as listener:
        listener.bind(("", 0))
        if protocol == "tcp":
            listener.listen()
        port = listener.getsockname()[1]
        rule = {"protocol": protocol, "external_port": port, "internal_port": 22}
        rule["internal_address"] = "10.1.2.10"
        world.configure({"lab": {**LAB, "port_forwarding": [rule]}})
        world.bootstrap()
        client = world.wire()
        # Whose it is the broker may not know: this is root's.
        assert client.acquire("lab")["message"] == (
            f'{protocol} port {port} is in use by a program; choose another "external_port"'
        )
        assert world.networks() == []
    assert "error" not in client.acquire("lab")


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_program_that_listens_on_one_of_several_ports(world, kind):
    with socket.socket(socket.AF_INET, kind) as listener:
        listener.bind(("", 0))
        if kind == socket.SOCK_STREAM:
            listener.listen()
        port = listener.getsockname()[1]
        rule = {"protocol": "both", "external_port": f"{port - 1}-{port}"}
        rule["internal_address"] = "10.1.2.10"
        world.configure({"lab": {**LAB, "port_forwarding": [rule]}})
        world.bootstrap()
        assert f" port {port} is in use by a program; " in world.wire().acquire("lab")["message"]


LISTEN = """
import socket, sys
listener = socket.socket(socket.AF_INET, getattr(socket, sys.argv[1]))
listener.bind(("", 0))
if sys.argv[1] == "SOCK_STREAM":
    listener.listen()
print(listener.getsockname()[1], flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("protocol, kind", [("tcp", "SOCK_STREAM"), ("udp", "SOCK_DGRAM")])
def test_a_program_of_the_same_user_is_named(world, protocol, kind):
    with subprocess.Popen(
        ["python3", "-c", LISTEN, kind],
        user=BROKER_UID,
        group=BROKER_UID,
        extra_groups=[],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        port = int(program.stdout.readline())
        rule = {"protocol": protocol, "external_port": port, "internal_port": 22}
        rule["internal_address"] = "10.1.2.10"
        world.configure({"lab": {**LAB, "port_forwarding": [rule]}})
        world.bootstrap()
        assert world.wire().acquire("lab")["message"] == (
            f"{protocol} port {port} is in use by python3 (pid {program.pid}); "
            'choose another "external_port"'
        )
        program.stdin.close()

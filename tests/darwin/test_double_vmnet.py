# SPDX-License-Identifier: Apache-2.0
"""The double's vmnet does what Macs were measured to do.

Each test says which fact it stands for, and on which versions of macOS others have measured it.
programs/vmnet.c calls vmnet as it is told to, and nothing of the broker is in between.
"""

import queue
import time

import pytest
from clients import Vmnet
from statuses import FAILURE, MEM_FAILURE
from support.wait import wait_for

SUCCESS = 1000
PACKET_TOO_BIG = 1006
STOP_TIME = 0.09  # seconds


@pytest.fixture
def vmnet(world):
    return world.vmnet()


# Addresses


def test_the_address_passed_is_the_hosts_own(world, vmnet):
    """What set_ipv4_subnet is called with becomes the bridge's address (26.0, 26.1, 26.5)."""
    vmnet.make("a", subnet="192.168.105.1/24")
    vmnet.succeed("start a i")
    (bridge,) = world.bridges().values()
    assert ("inet", "192.168.105.1") in bridge
    assert ("netmask", "255.255.255.0") in bridge
    assert vmnet.reaches("i", "192.168.105.1")


def test_nothing_is_at_the_gateway_of_a_host_that_is_x_y_z_0(world, vmnet):
    """With x.y.z.0 all calls succeed, get returns it, and x.y.z.1 is nobody (26.0, 26.1, 26.5)."""
    vmnet.make("a", subnet="192.168.105.0/24")
    assert vmnet.addresses("a")[0] == "192.168.105.0/24"
    vmnet.succeed("start a i")
    (bridge,) = world.bridges().values()
    assert ("inet", "192.168.105.0") in bridge
    assert not vmnet.reaches("i", "192.168.105.1")
    assert vmnet.reaches("i", "192.168.105.0")


def test_get_returns_the_hosts_address(vmnet):
    """get_ipv4_subnet returns the host's address, not the network's (26.2, 27.0.1)."""
    vmnet.make("a")
    assert vmnet.addresses("a")[0] == "192.168.64.1/24"
    vmnet.make("b", subnet="10.1.2.1/24")
    assert vmnet.addresses("b")[0] == "10.1.2.1/24"


@pytest.mark.parametrize("mode, first", [("shared", 64), ("host", 128)])
def test_the_systems_choice(world, vmnet, mode, first):
    """64 subnets for each kind, ascending; the 65th of a kind fails with 1001 (27.0.1)."""
    # Others have those in the middle.
    world.take(*(f"192.168.{first + i}.0/24" for i in range(2, 63)))
    for i in (0, 1, 63):
        vmnet.make(f"n{i}", mode=mode)
        assert vmnet.addresses(f"n{i}")[0] == f"192.168.{first + i}.1/24"
    assert vmnet.try_make("more", mode=mode) == FAILURE
    other = "host" if mode == "shared" else "shared"
    assert vmnet.try_make("other", mode=other) == SUCCESS


def test_a_creator_that_is_root(world, vmnet):
    """Root's networks are in 192.168.2.0/24 instead (26.x)."""
    world.create_as_root()
    vmnet.make("a")
    assert vmnet.addresses("a")[0] == "192.168.2.1/24"


@pytest.mark.parametrize("subnet", ["8.8.8.1/24", "172.32.0.1/24", "192.0.2.1/24", "100.64.0.1/24"])
def test_a_public_subnet_fails_at_create(vmnet, subnet):
    """A subnet outside the private blocks is taken by the configuration, not by create (27.0)."""
    assert vmnet.try_make("a", subnet=subnet) == FAILURE


@pytest.mark.parametrize(
    "subnet", ["10.1.0.1/16", "172.31.0.1/16", "192.168.0.1/16", "172.16.5.17/28", "10.0.0.1/20"]
)
def test_pinned_subnets_from_16_to_28(vmnet, subnet):
    """Private subnets of these sizes were created (27.0)."""
    vmnet.make("a", subnet=subnet)
    assert vmnet.addresses("a")[0] == subnet


@pytest.mark.parametrize("subnet", ["10.0.0.1/15", "192.168.1.1/29"])
def test_sizes_that_nobody_has_tried_fail(vmnet, subnet):
    """No fact: what was not measured is not to be relied on."""
    assert vmnet.try_make("a", subnet=subnet) == FAILURE


@pytest.mark.parametrize("second", ["10.1.2.1/24", "10.1.2.129/25", "10.1.0.1/16", "10.1.2.9/24"])
def test_the_same_or_overlapping_subnets_fail_at_create(world, vmnet, second):
    """Of a process, and of two: 1001 at create (26.x, 27.0)."""
    vmnet.make("a", subnet="10.1.2.1/24")
    assert vmnet.try_make("b", subnet=second) == FAILURE
    assert world.vmnet().try_make("b", subnet=second) == FAILURE


def test_a_subnet_of_the_macs_own_network_is_taken(world, vmnet):
    """Nothing checks the Mac's own LAN (26.x)."""
    world.host("inet en0 192.168.1.17/24")
    assert vmnet.try_make("a", subnet="192.168.1.1/24") == SUCCESS


def test_a_ula_prefix(vmnet):
    """set_ipv6_prefix takes a ULA /64, and get returns it like that (versions not said)."""
    vmnet.make("a", prefix="fd12:3456:789a:1::")
    assert vmnet.addresses("a")[1] == "fd12:3456:789a:1::/64"


@pytest.mark.parametrize("prefix", ["2001:db8:1:2::", "fe80::"])
def test_another_prefix_fails_at_create(vmnet, prefix):
    """A global prefix is taken by the configuration, not by create."""
    assert vmnet.try_make("a", prefix=prefix) == FAILURE


def test_a_prefix_of_the_systems_choice_is_a_ula(vmnet):
    """As documented: a random ULA prefix, of 64 bits."""
    vmnet.make("a")
    vmnet.make("b")
    prefixes = [vmnet.addresses(name)[1] for name in "ab"]
    assert all(prefix.startswith("fd") and prefix.endswith("::/64") for prefix in prefixes)
    assert prefixes[0] != prefixes[1]


# Refusals


def test_no_nat_in_shared_mode(vmnet):
    """disable_nat44 in shared mode has create fail with 1001 (26.x, one report)."""
    assert vmnet.try_make("a", configure=["no-nat44"]) == FAILURE
    assert vmnet.try_make("b", mode="host", configure=["no-nat44"]) == SUCCESS


def test_a_program_without_the_entitlement(world, vmnet):
    """create returns VMNET_MEM_FAILURE (26.5, 26.6, 27.0.1); a client's interface needs it, too."""
    vmnet.make("a")
    world.unsign("vmnet")
    assert vmnet.try_make("b") == MEM_FAILURE
    assert vmnet.call("start a i")[0] != SUCCESS
    # To get a network over XPC needs none.
    assert vmnet.join("c", vmnet.serialize("a")) == SUCCESS


def test_a_create_that_never_returns(world, vmnet):
    """When InternetSharing hangs every create blocks for ever, of whatever process (27.0)."""
    world.hold("network_create")
    other = world.vmnet()
    for program in (vmnet, other):
        program.call("new shared")
        program.tell("create a")
    for program in (vmnet, other):
        with pytest.raises(queue.Empty):
            program.line(timeout=0.3)
    assert world.networks() == []


def test_255_networks_of_a_process(world, vmnet):
    """The 256th of a process fails (27.0.1)."""
    for i in range(255):
        vmnet.make(f"n{i}", subnet=f"10.0.{i}.1/24")
    assert vmnet.try_make("more", subnet="10.1.0.1/24") == FAILURE
    assert world.vmnet().try_make("other", subnet="10.1.0.1/24") == SUCCESS
    vmnet.succeed("release n0")
    vmnet.make("again", subnet="10.0.0.1/24")


# Whose a network is, and when it ends


def test_a_network_that_was_released_leaves_nothing(vmnet):
    """Its subnet is free at once (versions not said)."""
    for _ in range(3):
        vmnet.make("a", subnet="10.1.2.1/24")
        vmnet.succeed("release a")


@pytest.mark.parametrize("end", ["kill", "exit"])
def test_the_subnets_of_a_maker_that_was_killed_stay_taken(world, vmnet, end):
    """... or that just exits: pinned, they fail with 1001 (26.0.1, 26.5, 27.0)."""
    vmnet.make("a")
    vmnet.make("b", subnet="10.1.2.1/24", prefix="fd12:3456:789a:1::")
    getattr(vmnet, end)()
    again = world.vmnet()
    assert world.networks() == []
    assert sorted(world.stale_subnets()) == ["10.1.2.0/24", "192.168.64.0/24"]
    assert again.try_make("b", subnet="10.1.2.1/24") == FAILURE
    assert again.try_make("b", prefix="fd12:3456:789a:1::") == FAILURE
    # Without one it works, and gets the next.
    again.make("a")
    assert again.addresses("a")[0] == "192.168.65.1/24"


def test_minutes_after_its_makers_death_a_subnet_is_free(world, vmnet):
    """By most reports it is refused for minutes, not for good (26.0.1, 26.5)."""
    vmnet.make("a", subnet="10.1.2.1/24")
    vmnet.make("b", subnet="10.1.3.1/24")
    vmnet.kill()
    world.free_stale("10.1.2.0/24")
    again = world.vmnet()
    assert again.try_make("a", subnet="10.1.2.1/24") == SUCCESS
    assert again.try_make("b", subnet="10.1.3.1/24") == FAILURE


def test_a_restart_frees_all_subnets(world, vmnet):
    """By one report nothing else does (27.0)."""
    vmnet.make("a", subnet="10.1.2.1/24")
    vmnet.succeed("start a i")
    vmnet.kill()
    world.restart()
    assert world.vmnet().try_make("a", subnet="10.1.2.1/24") == SUCCESS


def test_what_others_made_of_a_killed_makers_network_stays_dead(world, vmnet):
    """... also when a new owner makes the same network (26.0.1, 26.5, 27.0)."""
    client = world.vmnet()
    vmnet.make("a", subnet="10.1.2.1/24")
    serialization = vmnet.serialize("a")
    assert client.join("a", serialization) == SUCCESS
    client.succeed("start a before")
    vmnet.kill()
    assert world.bridges() == {}
    world.free_stale("10.1.2.0/24")
    new = world.vmnet()
    new.make("a", subnet="10.1.2.1/24")
    new.succeed("start a i")
    assert client.call("start a after")[0] == FAILURE
    assert not client.reaches("before", "10.1.2.1")
    assert world.vmnet().join("b", serialization) == FAILURE
    # What it had started can be stopped, and hurts nobody.
    client.succeed("stop before")
    assert new.reaches("i", "10.1.2.1")


def test_a_started_interface_keeps_the_network(vmnet):
    """... until about 90 ms after its stop; a pinned create before that fails."""
    vmnet.make("a", subnet="10.1.2.1/24")
    vmnet.succeed("start a i")
    vmnet.succeed("release a")
    assert vmnet.try_make("b", subnet="10.1.2.1/24") == FAILURE
    before = time.monotonic()
    assert vmnet.call("stopping i") == (SUCCESS, "")
    assert vmnet.try_make("b", subnet="10.1.2.1/24") == FAILURE
    assert vmnet.answer() == (SUCCESS, "")
    assert time.monotonic() - before >= STOP_TIME
    # At its completion handler it has let go.
    vmnet.make("b", subnet="10.1.2.1/24")


@pytest.fixture
def client(world, vmnet):
    """Its interface i is all that is left of a network a."""
    client = world.vmnet()
    vmnet.make("a", subnet="10.1.2.1/24")
    assert client.join("a", vmnet.serialize("a")) == SUCCESS
    client.succeed("start a i")
    vmnet.succeed("release a")
    return client


def test_a_clients_interface_keeps_the_network(vmnet, client):
    """Interfaces on what was made of a serialization count like the owner's (26.2)."""
    assert vmnet.try_make("b", subnet="10.1.2.1/24") == FAILURE
    assert client.reaches("i", "10.1.2.1")
    client.succeed("stop i")
    vmnet.make("b", subnet="10.1.2.1/24")


def test_the_interface_of_a_client_that_was_killed(world, vmnet, client):
    """No fact: it goes with its process, as all that a kernel has of one does."""
    client.kill()
    assert world.bridges() == {}
    vmnet.make("b", subnet="10.1.2.1/24")


# Runs


def test_no_bridge_before_the_first_interface(world, vmnet):
    """bridge100 and up come with a network's first interface, and go with its last (27.0)."""
    vmnet.make("a")
    vmnet.make("b")
    assert world.bridges() == {}
    vmnet.succeed("start b i")
    assert list(world.bridges()) == ["bridge100"]
    vmnet.succeed("start a j")
    vmnet.succeed("start a k")
    bridges = world.bridges()
    assert list(bridges) == ["bridge100", "bridge101"]
    assert dict(bridges["bridge101"])["inet"] == "192.168.64.1"
    assert [word for word, _ in bridges["bridge101"]].count("member") == 2
    vmnet.succeed("stop i")
    assert list(world.bridges()) == ["bridge101"]
    vmnet.succeed("stop j")
    assert list(world.bridges()) == ["bridge101"]
    vmnet.succeed("stop k")
    assert world.bridges() == {}


def services(lines):
    return {word: value for word, value in lines if word in ("dhcp_reservation", "port_forwarding")}


def test_reservations_and_forwardings_end_with_the_run(world, vmnet):
    """With its last interface they are gone for good, though the object lives (27.0, 6 of 6)."""
    configured = {
        "dhcp_reservation": "52:54:00:00:00:0a 10.1.2.9",
        "port_forwarding": "tcp 2222 10.1.2.9 22",
    }
    vmnet.make(
        "a", subnet="10.1.2.1/24", configure=["reserve 10.1.2.9", "forward 2222 10.1.2.9"]
    )
    assert services(world.networks()[0]) == configured
    vmnet.succeed("start a i")
    vmnet.succeed("start a j")
    vmnet.succeed("stop i")
    # One interface is enough to keep them.
    assert services(world.bridges()["bridge100"]) == configured
    vmnet.succeed("stop j")
    vmnet.succeed("start a k")
    assert services(world.bridges()["bridge100"]) == {}
    assert services(world.networks()[0]) == {}
    assert vmnet.reaches("k", "10.1.2.1")


def test_each_interface_has_a_mac_address_of_its_own(world, vmnet):
    """As machines need it; 40 interfaces of a process were started (27.0)."""
    vmnet.make("a")
    vmnet.make("b")
    macs = [vmnet.start("ab"[i % 2], f"i{i}")[0] for i in range(40)]
    assert len(set(macs)) == 40
    members = [
        value.split()[1]
        for lines in world.bridges().values()
        for word, value in lines
        if word == "member"
    ]
    assert sorted(members) == sorted(macs)


def test_the_start_of_an_interface_takes_its_time(world, vmnet):
    """19 to 163 ms (27.0); no bridge is there before."""
    vmnet.make("a")
    before = time.monotonic()
    vmnet.succeed("start a i")
    assert time.monotonic() - before >= 0.019
    world.delay("interface_start", 163 - 19)
    before = time.monotonic()
    vmnet.succeed("start a j")
    assert time.monotonic() - before >= 0.163


def test_an_interface_that_cannot_be_started(world, vmnet):
    """Its handler has the status, and it is none; or there is none from the start (vmnet.h)."""
    vmnet.make("a")
    world.refuse("interface_start", MEM_FAILURE)
    assert vmnet.call("start a i") == (MEM_FAILURE, "")
    world.refuse("interface_start", None)
    world.refuse("interface_ref")
    assert vmnet.call("start a j") == (FAILURE, "no interface")
    assert world.bridges() == {}
    vmnet.succeed("release a")
    wait_for(lambda: world.networks() == [])


def test_packets_go_nowhere(vmnet):
    """No fact: a program may write up to the MTU and an Ethernet header, and reads nothing."""
    vmnet.make("a")
    vmnet.succeed("start a i")
    assert vmnet.call("packet i 1514") == (SUCCESS, "0")
    assert vmnet.call("packet i 1515") == (PACKET_TOO_BIG, "")


# Serializations


def test_a_serialization_is_carried_by_hand(world, vmnet):
    """It is a dictionary with one data value, whose bytes alone make the network (26.5)."""
    client = world.vmnet()
    vmnet.make("a", subnet="10.1.2.1/24", prefix="fd12:3456:789a:1::")
    serialization = vmnet.serialize("a")  # aborts when there is more in it
    assert client.join("a", serialization) == SUCCESS
    assert client.addresses("a") == ["10.1.2.1/24", "fd12:3456:789a:1::/64"]


def test_a_serialization_within_another_dictionary(world, vmnet):
    """It may stand in one, as in a reply of the broker's (26.5)."""
    client = world.vmnet()
    vmnet.make("a")
    assert client.join("a", vmnet.serialize("a"), nested=True) == SUCCESS


def test_the_serialization_of_a_network_that_was_released(world, vmnet):
    """As documented: a network lives for as long as its owner's object."""
    vmnet.make("a")
    serialization = vmnet.serialize("a")
    vmnet.succeed("release a")
    assert world.vmnet().join("a", serialization) == FAILURE


@pytest.mark.parametrize("bytes_", ["data=", "data=00", "other=00"])
def test_what_is_no_serialization(vmnet, bytes_):
    """No fact: it is refused."""
    assert vmnet.join("a", bytes_) == Vmnet.INVALID_ARGUMENT

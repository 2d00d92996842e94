# SPDX-License-Identifier: Apache-2.0
"""What vmnetctl shows of networks on several hosts: the hosts, and machines that are on others."""

import json
import socket

import pytest

from support.traffic import echo_server
from support.wait import wait_for

pytestmark = pytest.mark.xdist_group("hosts_inspect")
FABRIC = {"control": "evpn"}
STATIC = pytest.mark.parametrize("shared_fabric", [{"control": "static"}], indirect=True)
BOTH = pytest.mark.parametrize(
    "shared_fabric",
    [{}, {"control": "static"}, {"control": "static", "underlay": "ipv6"}],
    indirect=True,
)
USER = 1234


def vmnetctl(host, *argv):
    """What it prints, for a user."""
    return host.broker.vmnetctl(*argv, uid=USER).stdout


def states(host):
    hosts = json.loads(vmnetctl(host, "inspect", "lab", "--json"))["hosts"]
    return {one["name"]: one["state"] for one in hosts}


def shown(host, machine):
    """What is shown of a machine: its host, first address and name; None: nothing."""
    for one in json.loads(vmnetctl(host, "machines", "--json"))["machines"]:
        if one["macAddress"] == machine.mac_address:
            return one["host"], one["addresses"][:1], one["name"]
    return None


def row(host, machine):
    """Its line in the table: what is below HOST."""
    lines = vmnetctl(host, "machines", "lab").splitlines()
    column = lines[0].index("HOST")
    (line,) = (line for line in lines if machine.mac_address in line)
    return line[column:].split()[0]


def wait_shown(host, machine, *expected):
    wait_for(lambda: shown(host, machine) == expected, 20, lambda: shown(host, machine))


@BOTH
def test_hosts(fabric):
    a = fabric["a"]
    known, unknown = {"evpn": ("known", "unknown"), "static": ("heard", "silent")}[fabric.control]
    assert states(a) == {"a": "own", "b": None, "c": None}
    machine = fabric.join("a")
    assert states(a) == {"a": "own", "b": unknown, "c": unknown}
    other = fabric.join("b")
    fabric.wait_converged(hosts=[a, fabric["b"]])
    assert other.ping(machine.address)
    wait_for(lambda: states(a) == {"a": "own", "b": known, "c": unknown}, 20, lambda: states(a))
    lines = vmnetctl(a, "inspect", "lab").splitlines()
    assert not [line for line in lines if line.startswith("mtu ")]  # the file says nothing of it
    first = lines.index("Hosts") + 1
    addresses = fabric.addresses
    assert [line.split() for line in lines[first : first + 4]] == [
        ["HOST", "ADDRESS", "POOL", "STATE"],
        ["a", addresses["a"], "10.80.1.0/24", "this", "host"],
        ["b", addresses["b"], "10.80.2.0/24", known],
        ["c", addresses["c"], "10.80.3.0/24", unknown],
    ]


def test_a_host_that_goes(fabric):
    for name in "ab":
        fabric.join(name)
    fabric.wait_converged(hosts=[fabric["a"], fabric["b"]])
    fabric["b"].frr.end()
    wait_for(lambda: states(fabric["a"])["b"] == "unknown", 20, lambda: states(fabric["a"]))
    fabric["b"].frr.start()
    wait_for(lambda: states(fabric["a"])["b"] == "known", 20, lambda: states(fabric["a"]))


def test_machines(fabric):
    a = fabric["a"]
    here, there = fabric.join("a", hostname="here"), fabric.join("b", hostname="there")
    wait_shown(a, here, "a", [here.address], "here")
    wait_shown(a, there, "b", [there.address], "there")
    wait_shown(fabric["b"], here, "a", [here.address], "here")
    assert row(a, here) == "a"
    assert row(a, there) == "b"
    inspected = json.loads(vmnetctl(a, "inspect", "lab", "--json"))["machines"]
    assert {one["macAddress"]: one["host"] for one in inspected} == {
        here.mac_address: "a",
        there.mac_address: "b",
    }
    text = vmnetctl(a, "inspect", "lab")
    assert there.mac_address in text[text.index("\nMachines\n") :]


def test_processes(fabric):
    """Of machines of this host, whose devices somebody has open, and of no others."""
    a = fabric["a"]
    there = fabric.join("b")
    process = a.popen(
        *(a.program("vmnetctl/vmnetctl"), "run", "--network", "lab", "--name", "here"),
        *("--", "sleep", "infinity"),
        env=a.broker.environment(),
    )

    def commands():
        listed = json.loads(a.broker.vmnetctl("machines", "--json", uid=0).stdout)["machines"]
        return {one["name"] or one["macAddress"]: one["command"] for one in listed}

    wait_for(lambda: commands() == {"here": "sleep", there.mac_address: None}, 20, commands)
    text = a.broker.vmnetctl("end", "lab", there.mac_address, "--yes", uid=0, check=False).stderr
    assert f'network "lab": machine "{there.mac_address}" is on host "b"' in text
    process.terminate()
    process.wait(30)


@STATIC
def test_machines_of_hosts_that_are_a_list(fabric):
    a = fabric["a"]
    here, there = fabric.join("a", hostname="here"), fabric.join("b", hostname="there")
    assert there.ping(here.address)
    wait_for(lambda: shown(a, there), 20)
    assert shown(a, there)[0] == "b"
    # By the host's own end of the network it has heard of the address.
    a.run("ping", "-c", "1", there.address)
    wait_shown(a, there, "b", [there.address], "there")


@BOTH
def test_there_is_nobody_else(fabric):
    """Neither hosts nor gateways are machines."""
    a = fabric["a"]
    here, there = fabric.join("a"), fabric.join("b")
    fabric.wait_converged(hosts=[a, fabric["b"]])
    assert there.ping(here.address)
    wait_for(lambda: "unknown" not in states(a)["b"], 20)
    wait_for(lambda: shown(a, there), 20)
    listed = json.loads(vmnetctl(a, "machines", "--json"))["machines"]
    assert {one["macAddress"] for one in listed} == {here.mac_address, there.mac_address}


def test_a_machine_that_moves(fabric):
    a = fabric["a"]
    fabric.join("a")
    machine = fabric.join("b", hostname="web")
    fabric.plug_in("c")
    wait_shown(a, machine, "b", [machine.address], "web")
    fabric.move(machine, "c")
    wait_for(lambda: (shown(a, machine) or ())[:2] == ("c", [machine.address]), 20)
    fabric.move(machine, "a")
    wait_for(lambda: (shown(a, machine) or ())[:1] == ("a",), 20)
    listed = json.loads(vmnetctl(a, "machines", "--json"))["machines"]
    assert len([one for one in listed if one["macAddress"] == machine.mac_address]) == 1


@BOTH
def test_its_address(fabric):
    """By its name, which its host knows, and what the kernel knows of its MAC address."""
    a = fabric["a"]
    fabric.join("a", hostname="here")
    there = fabric.join("b", hostname="there")
    address = f"{there.address}\n"
    assert vmnetctl(a, "ip", "lab", "there", "--wait", "20") == address
    a.run("ping", "-c", "1", there.address)
    assert vmnetctl(a, "ip", "lab", there.mac_address, "--wait", "20") == address
    done = a.broker.vmnetctl("ip", "lab", "nobody", check=False)
    assert done.returncode == 1
    assert 'no machine "nobody" has an address' in done.stderr


def test_a_machine_of_this_host_that_has_gone(fabric):
    """Its name is known for as long as its lease, and it is nowhere."""
    machine = fabric.join("a", hostname="gone")
    fabric.plug_in("a")
    assert vmnetctl(fabric["a"], "ip", "lab", "gone") == f"{machine.address}\n"
    fabric.machines.remove(machine)
    machine.close()
    machine.client.close()
    wait_for(lambda: not fabric["a"].broker.vmnetctl("ip", "lab", "gone", check=False).stdout)


def test_a_connection(fabric):
    a = fabric["a"]
    fabric.join("a")
    there = fabric.join("b", hostname="there")
    with echo_server(there, socket.AF_INET) as port:
        done = a.broker.vmnetctl(
            *("connect", "lab", "there", str(port), "--wait", "20"), input="hello", timeout=30
        )
    assert done.stdout == "hello"

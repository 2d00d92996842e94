# SPDX-License-Identifier: Apache-2.0
"""vmnetctl and the examples on macOS, as their users run them."""

import json
import signal
import subprocess

import pytest
from launchd_double import SERVICE
from support.wait import wait_for
from world import USER_UID

VMNETCTL = "vmnetctl/vmnetctl"


def start(world, *argv):
    """Starts a program of the build, as a user."""
    return subprocess.Popen(
        [world.program(argv[0]), *argv[1:]],
        env=world.environment,
        user=USER_UID,
        group=USER_UID,
        extra_groups=[],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def interrupt(process):
    """Ctrl-C, and what the program says until its end."""
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=20)
    assert "Sanitizer" not in errors and "double:" not in errors, errors
    return process.returncode, output, errors


def test_networks(mac):
    client = mac.wire()
    client.acquire("default")
    output = json.loads(mac.run(VMNETCTL, "networks", "--json").stdout)
    networks = output["networks"] if isinstance(output, dict) else output
    assert [(n["configuration"]["name"], n["state"] is not None) for n in networks] == [
        ("default", True),
        ("host", False),
    ]
    assert "192.168.64.0/24" in mac.run(VMNETCTL, "networks").stdout


def test_inspect(mac):
    client = mac.wire()
    client.acquire("shared")
    assert f"{client.pid}" in mac.run(VMNETCTL, "inspect", "default").stdout


def test_hold(mac):
    process = start(mac, VMNETCTL, "hold", "default", "host")
    mac.wait_for_networks(2)
    interrupt(process)
    mac.wait_for_networks(0)


def test_run(mac):
    process = start(mac, VMNETCTL, "run", "--network", "shared", "--", "sleep", "100")
    wait_for(
        lambda: "vmnetctl" in mac.run(VMNETCTL, "inspect", "default").stdout, what="its hold"
    )
    process.terminate()
    process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM
    mac.wait_for_networks(0)
    assert mac.run(VMNETCTL, "run", "--network", "host", "--", "false", check=False).returncode == 1


def test_hold_ends_with_the_broker(mac):
    process = start(mac, VMNETCTL, "hold", "default")
    mac.wait_for_networks(1)
    while process.stdout.readline() != "Held until interrupted.\n":
        assert process.poll() is None
    mac.launchd.kill()
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert errors == (
        "vmnetctl: what was held is held no longer: "
        "the broker cannot be reached, or has ended the connection\n"
    )


def test_the_command_outlives_the_broker(mac):
    process = start(
        mac, VMNETCTL, "run", "--network", "default", "--", "sh", "-c", "echo ready; exec sleep 100"
    )
    assert process.stdout.readline() == "ready\n"
    mac.launchd.kill()
    assert process.stderr.readline() == (
        "vmnetctl: the broker has gone, and with it the networks that the command uses\n"
    )
    assert process.poll() is None
    process.terminate()
    process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM


def test_reload(mac):
    mac.configure({"lab": {"mode": "host"}})
    client = mac.wire()
    client.call(command="list")
    mac.configure({"new": {"mode": "host"}})
    denied = mac.run(VMNETCTL, "reload", check=False)
    assert denied.returncode == 1 and "root" in denied.stderr
    mac.run(VMNETCTL, "reload", uid=0)
    assert "new" in mac.run(VMNETCTL, "networks").stdout


def test_without_a_service(world):
    done = world.run(VMNETCTL, "networks", check=False)
    assert done.returncode == 1
    assert f"launchd knows no service {SERVICE}" in done.stderr


def test_the_example_with_the_library(mac):
    process = start(mac, "examples/client", "shared")
    mac.wait_for_networks(1)
    assert process.stdout.readline() == (
        "network default, subnet 192.168.64.0/24, the host is 192.168.64.1\n"
    )
    assert process.stdout.readline() == (
        "vmnet has it as subnet 192.168.64.0, mask 255.255.255.0\n"
    )
    process.kill()
    process.communicate()
    mac.wait_for_networks(0)


def test_the_example_without_the_library(mac):
    process = start(mac, "examples/client-xpc", "shared")
    line = process.stdout.readline()
    # Beside the broker's own interface there is the example's.
    (bridge,) = mac.bridges().values()
    addresses = [value.split()[1] for word, value in bridge if word == "member"]
    assert len(addresses) == 2
    assert line in [f"MAC address {address}, MTU 1500\n" for address in addresses]
    status, _, errors = interrupt(process)
    assert (status, errors) == (0, "")
    mac.wait_for_networks(0)


@pytest.mark.parametrize(
    "example, message",
    [
        ("client", 'network "shared": vmnet cannot open it: 1001\n'),
        ("client-xpc", "cannot open the network: vmnet says 1001\n"),
    ],
)
def test_an_example_whose_network_vmnet_does_not_open(mac, example, message):
    mac.refuse("create_with_serialization")
    done = mac.run(f"examples/{example}", "shared", check=False)
    assert (done.returncode, done.stderr) == (1, message)
    mac.wait_for_networks(0)


def test_the_example_without_the_library_tells_what_is_wrong(world):
    done = world.run("examples/client-xpc", "shared", check=False)
    assert done.returncode == 1
    assert done.stderr == f"{SERVICE}: no broker answers; is it installed?\n"
    world.bootstrap()
    done = world.run("examples/client-xpc", "nonsense", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith('error 5: no network "nonsense" is configured; ')
    wait_for(lambda: world.transactions() == 0)

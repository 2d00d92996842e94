# SPDX-License-Identifier: Apache-2.0
"""The harness itself, without a broker: what other tests rely on holds."""

import os
import pathlib
import signal
import subprocess

import pytest

from support.host import SERVER_IPV4, SERVER_IPV6, SERVER_NAME, diff
from support.machine import Machine
from support.namespace import Namespace
from support.tap import open_tap
from support.traffic import transfer
from support.varlink import Attachment
from support.wait import wait_for

RUNNER = pathlib.Path(__file__).resolve().parent.parent / "pytest"


@pytest.mark.parametrize(
    "change",
    [
        "ip link add left type bridge",
        "ip address add 192.0.2.1/32 dev lo",
        "ip route add 192.0.2.0/24 via 198.51.100.1",
        "ip -6 route add 2001:db8:9::/64 via 2001:db8:1::1",
        "ip rule add from 192.0.2.1 table 7",
        "nft add table inet left",
        "sysctl -qw net.ipv4.ip_forward=1",
        "sysctl -qw net.ipv6.conf.eth0.accept_ra=2",
    ],
)
def test_what_is_left_is_seen(host, change):
    before = host.snapshot()
    assert diff(before, host.snapshot()) == ""
    host.run(*change.split())
    assert diff(before, host.snapshot()) != ""


def test_a_process_that_is_left_is_seen(host):
    before = host.snapshot()
    host.run("sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 &")
    assert "sleep" in diff(before, host.snapshot())


def test_processes_end_with_their_namespace():
    namespace = Namespace("short-lived")
    namespace.run("sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 &")
    pids = namespace.processes()
    assert pids
    namespace.close()
    # The first process of the run collects them, in its own time.
    wait_for(
        lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), what="the end of all"
    )


def test_signals_end_what_is_started(host):
    for number in signal.SIGHUP, signal.SIGINT, signal.SIGQUIT:
        process = host.popen("sleep", "1000")
        process.send_signal(number)
        assert process.wait(timeout=10) == -number


def test_they_do_whatever_the_runner_ignores(build):
    """As nohup and the background of a script have it."""
    test = f"{__file__}::{test_signals_end_what_is_started.__name__}"
    runner = ["sh", "-c", 'trap "" HUP INT QUIT; exec "$@"', "sh", RUNNER, "--build", build, test]
    done = subprocess.run(runner, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


def test_the_host_reaches_the_outside_and_resolves(host, outside):
    outside.start_dns()
    for address in SERVER_IPV4, SERVER_IPV6:
        host.run("ping", "-c", "1", "-W", "3", address)

    def answer():
        return host.run("busybox", "nslookup", SERVER_NAME, SERVER_IPV4, check=False).stdout

    wait_for(lambda: SERVER_IPV6 in answer(), what="an answer of the server")


def test_commands_run_as_an_unprivileged_user(host):
    assert host.run("id", "-u", uid=12345).stdout == "12345\n"
    assert host.run("id", "-G", uid=12345, groups=[5, 7]).stdout == "12345 5 7\n"
    host.run("test", "-r", host.program("build.ninja"), uid=12345)
    with pytest.raises(AssertionError):
        host.run("ip", "link", "add", "mine", "type", "bridge", uid=12345)


def test_a_machine_gets_an_address_and_moves_data(host, directory, build):
    host.run("sh", "-c", "ip link add br0 type bridge forward_delay 0 && ip link set br0 up")
    host.ip("address add 192.168.64.1/24 dev br0")
    host.serve_addresses("192.168.64.2,192.168.64.254,1h")
    machines = []
    try:
        for number in 1, 2:
            interface = {
                "device": f"tap{number}",
                "macAddress": f"52:54:00:00:00:0{number}",
                "mtu": 1500,
            }
            attachment = Attachment(interface, [open_tap(host, f"tap{number}")], [])
            host.ip(f"link set tap{number} master br0 up")
            tapnet = os.path.join(build, "tests/tools/tapnet")
            machines.append(Machine(f"machine{number}", directory, tapnet, attachment))
        first, second = machines
        for machine in machines:
            assert machine.dhcp()["router"] == "192.168.64.1"
        assert first.address != second.address
        assert first.ping(second.address)
        assert second.ping("192.168.64.1")
        assert transfer(first, second, second.address)
        assert transfer(second, host, "192.168.64.1")
        first.kill()
        wait_for(lambda: "tap1" not in host.links(), what="the end of the first machine's device")
    finally:
        for machine in machines:
            machine.close()

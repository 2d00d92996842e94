# SPDX-License-Identifier: Apache-2.0
"""What machines send and receive, as vmnetctl shows it: "metrics" and "top"."""

import json
import re
import signal
import socket
import subprocess

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from support.schema import check_json
from support.screen import ENTERED, LEFT, SHELL


USER = 1234
FRAME = 1014
FRAMES = 200


def join_named(broker, join, network, name):
    """A machine whose name the broker has heard of."""
    machine = join(network, hostname=name)
    broker.vmnetctl("ip", network, name, "--wait", "30")
    return machine


def families(broker, *argv, uid=USER):
    """{family: {labels' values: value}} of what the real parser makes of it."""
    text = broker.vmnetctl("metrics", *argv, uid=uid).stdout
    assert text.endswith("# EOF\n")
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        found[family.name] = {
            tuple(sample.labels.values()): sample.value for sample in family.samples
        }
    return found


def send_frames(machine, n=FRAMES):
    """Frames that nobody answers: of an EtherType for experiments, to the machine's gateway."""
    with machine.entered():
        sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with sender:
        sender.bind(("eth0", 0x88B5))
        for _ in range(n):
            sender.send(b"\x02" + bytes(11) + b"\x88\xb5" + bytes(FRAME - 14))


def send_datagrams(host, machine, n=FRAMES):
    """From the host, each when the one before has arrived."""
    with machine.entered():
        sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sink, host.entered():
        sink.bind(("", 0))
        sink.settimeout(20)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(n):
                sender.sendto(bytes(FRAME - 42), (machine.address, sink.getsockname()[1]))
                sink.recv(FRAME)


def labels(client, network, machine, name):
    interface = next(
        interface
        for interface in client.inspect(network)["interfaces"]
        if interface["macAddress"] == machine.mac_address
    )
    return (network, name, interface["device"], machine.mac_address, "0")


def test_metrics(broker, join, plug_in):
    web = join_named(broker, join, "default", "web")
    silent = plug_in("host", name="silent")
    client = broker.client()
    # The host knows where it is, or most of what comes at once would be lost.
    assert web.ping(web.lease["router"])
    before = families(broker)
    send_frames(web)
    send_datagrams(broker.host, web, 2 * FRAMES)
    after = families(broker)

    network = ("default", "shared")
    assert after["vmnet_network_up"] == {network: 1, ("host", "host"): 1}
    assert after["vmnet_network_clients"][network] == 1
    assert after["vmnet_network_interfaces"][network] == 1
    assert after["vmnet_network_faulted"][network] == 0
    assert after["vmnet_network_rogue_packets"][network] == 0

    web_labels = labels(client, "default", web, "web")
    silent_labels = labels(client, "host", silent, "silent")
    gained = {}
    for name in after:
        if name.startswith("vmnet_machine_"):
            assert set(after[name]) == {web_labels, silent_labels}
            gained[name] = after[name][web_labels] - before[name][web_labels]
    assert FRAMES <= gained["vmnet_machine_sent_packets"] < 1.5 * FRAMES
    assert 2 * FRAMES <= gained["vmnet_machine_received_packets"] < 2.5 * FRAMES
    assert FRAMES * FRAME <= gained["vmnet_machine_sent_bytes"] < 1.5 * FRAMES * FRAME
    assert 2 <= gained["vmnet_machine_received_bytes"] / FRAMES / FRAME < 2.5
    assert gained["vmnet_machine_sent_dropped_packets"] == 0

    assert families(broker, "host")["vmnet_network_up"] == {("host", "host"): 1}


@pytest.mark.broker(
    config={"lab": {"mode": "host"}, "mine": {"mode": "host", "allow": {"users": ["root"]}}}
)
def test_metrics_are_of_the_networks_that_one_may_have(broker, plug_in):
    plug_in("mine")
    found = families(broker)
    assert found["vmnet_network_up"] == {("lab", "host"): 0}
    assert found["vmnet_network_rogue_packets"] == {}
    assert found["vmnet_machine_sent_bytes"] == {}
    assert ("mine", "host") in families(broker, uid=0)["vmnet_network_up"]


def test_tables_one_after_another(broker, join):
    web = join_named(broker, join, "default", "web")
    db = join_named(broker, join, "host", "db")
    process = broker.host.popen(
        broker.host.program("vmnetctl/vmnetctl"),
        *("top", "-n", "2", "--interval", "1", "--sort", "out"),
        uid=USER,
        env=broker.environment(),
        stdout=subprocess.PIPE,
    )
    while process.poll() is None:
        send_frames(web)
    first, second = process.stdout.read().split("\n\n")
    assert process.returncode == 0
    for table in (first, second):
        head, *rows = (re.split("  +", line.strip()) for line in table.strip().splitlines())
        assert head == [
            *("NETWORK", "MACHINE", "DEVICE", "B/s IN", "B/s OUT", "PACKETS/s IN"),
            "PACKETS/s OUT",
        ]
        assert [row[:2] for row in rows[:2]] == [["default", "(1)"], ["default", "web"]]
        assert sorted(row[1] for row in rows[2:]) == ["(1)", "db"]
        assert rows[1][4][-1] in "kMG" and float(rows[1][4][:-1]) > 0
        assert db.mac_address not in table


def test_json_of_looks(broker, join, screen):
    """On a terminal, too."""
    web = join_named(broker, join, "default", "web")
    argv = ("top", "default", "--json", "-n", "2", "--interval", "1", "--sort", "machine")
    looks = screen(*argv)
    while looks.process.poll() is None:
        send_frames(web)
    assert looks.wait() == 0
    lines = looks.read().splitlines()
    assert len(lines) == 2
    for line in lines:
        check_json("top", line)
        look = json.loads(line)
        assert 1 <= look["seconds"] < 30
        network, machine = look["rates"]
        assert (network["network"], network["machine"]) == ("default", None)
        assert machine["machine"] == "web" and machine["device"].startswith("vmt")
        assert machine["bytesPerSecondOut"] > machine["packetsPerSecondOut"] > 0
        assert network["bytesPerSecondOut"] == machine["bytesPerSecondOut"]


def test_a_screen(broker, join, screen):
    join_named(broker, join, "default", "web")
    join_named(broker, join, "default", "db")
    top = screen("top", "--interval", "1", shell=SHELL)
    top.wait_for(ENTERED)
    assert not top.is_restored()
    head = top.wait_for_screen("db")[1]
    assert re.search(r"\[n\]ETWORK +\[m\]ACHINE .*B/s \[i\]Nv", head)
    top.press("m")
    lines = top.wait_for_screen(r"\[m\]ACHINEv")
    assert [line.split()[1] for line in lines[2:]] == ["(2)", "db", "web"]
    top.press("m")
    lines = top.wait_for_screen(r"\[m\]ACHINE\^")
    assert [line.split()[1] for line in lines[2:]] == ["web", "db", "(2)"]
    # Rates come with the second look.
    top.wait_for_screen(r"web +vmt\d +\d+ ")
    top.resize(4)
    assert len(top.wait_for_screen("web")) == 3
    top.resize(24)
    top.wait_for_screen(r"\(2\)")

    top.press("\x1a")
    top.wait_for(LEFT + ".*stopped")
    assert top.is_restored()
    top.press("\n")
    top.wait_for(ENTERED)
    top.wait_for_screen("web")
    assert not top.is_restored()

    top.press("q")
    top.wait_for(LEFT)
    assert top.wait() == 0
    assert top.is_restored()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_screen_that_is_ended(broker, screen, number):
    top = screen("top", "default")
    top.wait_for_screen("ETWORK")
    if number == signal.SIGINT:
        top.press("\x03")
    else:
        top.process.send_signal(number)
    top.wait_for(LEFT)
    assert top.wait() == -number
    assert top.is_restored()


@pytest.mark.broker(config={"lab": {"mode": "host"}})
def test_what_ends_a_screen_is_said_after_it(broker, screen):
    top = screen("top", "lab", "--interval", "1")
    top.wait_for_screen("ETWORK")
    broker.configure({})
    broker.vmnetctl("reload", uid=0)
    top.wait_for(LEFT + r'.*vmnetctl: no network "lab" is configured')
    assert top.wait() == 1


def test_a_column_that_is_none(broker):
    done = broker.vmnetctl("top", "--sort", "cpu", check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(
        "vmnetctl: --sort takes network, machine, device, in, out, packets-in or packets-out, not "
        '"cpu"\n'
    )

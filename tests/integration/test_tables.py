# SPDX-License-Identifier: Apache-2.0
"""What people see of networks and machines: "networks", "machines", "inspect" and "monitor"."""

import contextlib
import itertools
import json
import os
import pathlib
import re
import signal
import socket
import threading

import pytest
from support.processes import children, is_waiting
from support.schema import check_json
from support.screen import ENTERED, LEFT, SHELL
from support.wait import wait_for

USER = 1234
OTHER = 1235
MAC = "52:54:00:00:00:0a"
PLAIN = {"NO_COLOR": "1"}

# Runs with the descriptor of a machine, under a name that a terminal would act on.
HOSTILE = r"""
import signal
with open("/proc/self/comm", "w", encoding="ascii") as file:
    file.write("\033[2Jevil\n")
signal.pause()
"""


class Running:
    """vmnetctl on the host, whose output is read as it comes."""

    def __init__(self, host, path, environment, *argv, uid):
        self._path = path
        with open(path, "wb") as output:
            self._process = host.popen(
                host.program("vmnetctl/vmnetctl"), *argv, uid=uid, env=environment, stdout=output
            )

    def lines(self):
        return pathlib.Path(self._path).read_text(encoding="utf-8").splitlines()

    def wait_for_line(self, pattern):
        """Waits for a line that has it; returns the line."""
        return wait_for(
            lambda: next((line for line in self.lines() if re.search(pattern, line)), None),
            what=lambda: f"{pattern!r} in {self.lines()}",
        )

    def end(self):
        self._process.terminate()
        self._process.wait(15)


@pytest.fixture
def start(host):
    """Starts vmnetctl; it is ended with the test, and so is what it runs."""
    with contextlib.ExitStack() as stack:
        numbers = itertools.count()

        def make(environment, *argv, uid=USER):
            path = os.path.join(host.directory, f"output{next(numbers)}")
            running = Running(host, path, environment, *argv, uid=uid)
            stack.callback(running.end)
            return running

        yield make


def machines(broker, *argv, uid=USER):
    """{MAC address: machine} as the user is told."""
    listed = json.loads(broker.vmnetctl("machines", *argv, "--json", uid=uid).stdout)["machines"]
    return {machine["macAddress"]: machine for machine in listed}


def rows(text):
    """[{title: cell}] of a table with no empty cell and no space in one."""
    titles, *lines = (re.split("  +", line.strip()) for line in text.splitlines())
    return [dict(zip(titles, line, strict=True)) for line in lines]


def run_machine(broker, start, *command, uid=USER, mac=MAC):
    options = ["--network", "default", "--mac", mac]
    start(broker.environment(), "run", *options, "--", *command, uid=uid)
    return wait_for(
        lambda: (found := machines(broker, uid=uid).get(mac)) and found["pid"] and found,
        what=lambda: machines(broker, uid=uid),
    )


CONFIG = {
    "default": {
        "mode": "shared",
        "description": "For everybody, of whatever kind they are and wherever they come from",
        "subnet": "192.168.64.0/24",
        "dhcp_reservations": [{"mac_address": MAC, "address": "192.168.64.10"}],
        "port_forwarding": [
            {
                "protocol": "tcp",
                "external_address": "127.0.0.1",
                "external_port": 8080,
                "internal_address": "192.168.64.10",
                "internal_port": 80,
            },
            {"protocol": "udp", "external_port": 9, "internal_address": "192.168.64.11"},
        ],
    },
    "host": {"mode": "host"},
}


@pytest.mark.broker(config=CONFIG)
def test_machines(broker, join, screen):
    assert broker.vmnetctl("machines").stdout == "There is no machine.\n"
    limits = {"rateLimitOut": {"bitsPerSecond": 2500000}}
    web = join("default", hostname="web", macAddress=MAC, **limits)
    limits = {f"rateLimit{way}": {"bitsPerSecond": 10**7} for way in ("In", "Out")}
    db = join("host", hostname="db", **limits)
    # It asks its neighbour, the host, which then knows it, too.
    ipv6 = web.ipv6_address()
    state = broker.client().call("DescribeNetwork", network="default")["state"]
    assert web.ping(state["ipv6Gateway"])
    wait_for(lambda: ipv6 in machines(broker)[MAC]["addresses"], what=lambda: machines(broker))

    machine = machines(broker)[MAC]
    assert machine["addresses"][:2] == ["192.168.64.10", ipv6]
    assert [port["externalPort"] for port in machine["portForwarding"]] == [8080]
    assert machine["attachedTimestamp"]
    assert list(machines(broker, "host")) == [db.mac_address]

    table = rows(broker.vmnetctl("ps").stdout)
    assert [(row["NETWORK"], row["NAME"]) for row in table] == [("default", "web"), ("host", "db")]
    assert table[0] == {
        "NETWORK": "default",
        "NAME": "web",
        "ADDRESSES": f"192.168.64.10 {ipv6}",
        "USER": "root",
        "PID": "-",
        "COMMAND": "-",
        "PORTS": "127.0.0.1:8080->80/tcp",
        "LIMITS": "out 2500k",
        "SINCE": table[0]["SINCE"],
        "DEVICE": machine["device"],
        "MAC ADDRESS": MAC,
    }
    assert table[1]["LIMITS"] == "in 10M out 10M"
    assert machine["rateLimitIn"] is None
    assert machine["rateLimitOut"] == {"bitsPerSecond": 2500000, "burstBytes": 65536}
    assert re.fullmatch(r"\d\d:\d\d|\d{4}-\d\d-\d\d", table[0]["SINCE"])
    assert "NETWORK" not in broker.vmnetctl("machines", "host").stdout

    # On a terminal lines fit: IPv4 addresses are whole, and what is least of use is left out.
    lines = []
    for columns in (120, 84, 60):
        terminal = screen("machines", columns=columns)
        assert terminal.wait() == 0
        lines = terminal.text.splitlines()
        assert max(len(line) for line in lines) <= columns
        assert "192.168.64.10" in lines[1] and "…" in lines[1]
    assert "MAC ADDRESS" not in lines[0] and "NAME" in lines[0]


def test_who_runs_a_machine(broker, start):
    """The last of its processes: neither vmnetctl, nor what has started it."""
    mine = run_machine(broker, start, "sh", "-c", "sleep 1000; true")
    wait_for(lambda: machines(broker)[MAC]["command"] == "sleep", what=lambda: machines(broker))
    mine = machines(broker)[MAC]
    with open(f"/proc/{mine['pid']}/comm", encoding="ascii") as file:
        assert file.read() == "sleep\n"
    other = "52:54:00:00:00:0b"
    assert run_machine(broker, start, "sleep", "1000", uid=OTHER, mac=other)["uid"] == OTHER
    assert machines(broker, uid=0)[other]["pid"]

    # Of another user's machine, what the broker and the kernel tell everybody.
    told = machines(broker)[other]
    assert (told["pid"], told["command"], told["uid"]) == (None, None, OTHER)
    assert machines(broker)[MAC]["pid"] == mine["pid"]
    table = rows(broker.vmnetctl("machines", uid=USER).stdout)
    assert [row["PID"] for row in table if row["MAC ADDRESS"] == other] == ["-"]
    os.kill(mine["pid"], signal.SIGTERM)


def test_a_machine_cannot_write_to_the_terminal(broker, start, screen):
    run_machine(broker, start, "/usr/bin/python3", "-c", HOSTILE)
    wait_for(lambda: "evil" in machines(broker)[MAC]["command"])
    for argv in (["machines"], ["inspect", "default"], ["inspect", "default", "--json"]):
        text = broker.vmnetctl(*argv, uid=USER).stdout
        assert "\033" not in text and "[2Jevil" in text
    terminal = screen("machines", columns=80)
    assert terminal.wait() == 0
    assert "\033[2J" not in terminal.text and r"\x1b" in terminal.text


@pytest.mark.broker(
    config={"lab": {"mode": "shared", "external_interface": "eth9"}, "host": {"mode": "host"}}
)
def test_faults(broker, screen, start):
    monitor = start(broker.environment(), "monitor")
    broker.client().acquire("lab")
    fault = wait_for(lambda: broker.inspect("lab").get("fault"), what="a fault")
    table, faults = broker.vmnetctl("networks").stdout.split("\n\n")
    assert re.search(r"^lab +shared +active, faulted  ", table, re.MULTILINE)
    assert faults == f"lab:  {fault}\n"
    text = broker.vmnetctl("inspect", "lab").stdout
    assert re.search(f"^Fault: +{re.escape(fault)}$", text, re.MULTILINE)

    # A fault is red, and what is not active dim; other colours there are none.
    terminal = screen("networks")
    assert terminal.wait() == 0
    assert "\033[31mactive, faulted\033[0m" in terminal.text
    assert f"\033[31m{fault}\033[0m" in terminal.text
    assert "\033[2mhost\033[0m" in terminal.text
    assert set(re.findall(r"\033\[\d+m", terminal.text)) == {"\033[31m", "\033[2m", "\033[0m"}
    for environment in PLAIN, {"TERM": "dumb"}:
        terminal = screen("networks", env=environment)
        assert terminal.wait() == 0
        assert "\033" not in terminal.text

    broker.host.ip("link add eth9 up type veth peer name peer9")
    broker.host.ip("link set peer9 up")
    monitor.wait_for_line(r"  network_mended +lab$")
    broker.host.ip("link delete eth9")
    monitor.wait_for_line(r"  network_faulted +lab  .*eth9")


@pytest.mark.broker(config=CONFIG)
def test_the_configuration_in_force(broker):
    def configuration(network):
        text = broker.vmnetctl("inspect", network).stdout.split("\nConfiguration\n")[1]
        return dict(line.split(maxsplit=1) for line in text.splitlines())

    assert configuration("host")["mode"] == "host"
    assert "subnet" not in configuration("host")
    broker.client().acquire("default")
    before = configuration("default")
    assert before["dhcp_reservations"] == f"mac_address={MAC} address=192.168.64.10"
    assert before["port_forwarding"].startswith(
        "protocol=tcp external_address=127.0.0.1 external_port=8080 "
    )
    assert not any("->" in value for value in before.values())

    changed = {"mode": "shared", "mtu": 1400, "subnet": "192.168.64.0/24", "aliases": ["a", "b"]}
    broker.configure({"default": changed, "host": {"mode": "host", "mtu": 1280}})
    broker.vmnetctl("reload", uid=0)
    after = configuration("default")
    assert after.pop("aliases") == "none -> a, b"
    assert {key: value for key, value in after.items() if before[key] != value} == {
        "description": f"{CONFIG['default']['description']} -> none",
        "mtu": "1500 -> 1400",
        "dhcp_reservations": f"{before['dhcp_reservations']} -> none",
        "port_forwarding": f"{before['port_forwarding']} -> none",
    }
    # One that is not active has what the file has.
    assert configuration("host")["mtu"] == "1280"

    broker.configure({})
    broker.vmnetctl("reload", uid=0)
    text = broker.vmnetctl("inspect", "default").stdout
    assert re.search("^Changed: +the file has no such network any more$", text, re.MULTILINE)


def test_watching_machines(broker, plug_in, screen):
    """Nothing but events has it look again, also those of the next broker."""
    client = broker.client()
    client.acquire("default")
    terminal = screen("machines", "--interval", "3600", env=PLAIN)
    terminal.wait_for(ENTERED)
    assert not terminal.is_restored()
    terminal.wait_for_screen("There is no machine")
    machine = plug_in("default", macAddress=MAC)
    lines = terminal.wait_for_screen(MAC)
    assert lines[0] == "Every 3600 s, and when something happens; q quits"
    assert lines[1].startswith("NETWORK  NAME  ")
    plug_in("default", macAddress="52:54:00:00:00:0b")
    terminal.wait_for_screen("00:0b")
    # More than there is room for is cut.
    terminal.resize(4)
    wait_for(lambda: len(terminal.wait_for_screen("NETWORK")) == 3)
    terminal.resize(24)
    terminal.wait_for_screen("00:0b")
    machine.kill()
    wait_for(lambda: not any(MAC in line for line in terminal.wait_for_screen("00:0b")))

    terminal.press("q")
    terminal.wait_for(LEFT)
    assert terminal.wait() == 0
    assert terminal.is_restored()


@pytest.mark.parametrize("argv", [["networks"], ["inspect", "default"]])
def test_watching_without_a_terminal(broker, start, argv):
    watching = start(broker.environment(), *argv, "--json", "--interval", "1")
    check_json(argv[0], watching.wait_for_line('"state"'))
    broker.restart()
    broker.client().acquire("default")
    check_json(argv[0], watching.wait_for_line('"state": *{'))


def test_what_ends_watching(broker, screen):
    terminal = screen("inspect", "default", "--watch", env=PLAIN)
    terminal.wait_for_screen("Nobody holds it")
    terminal.press("\x03")
    terminal.wait_for(LEFT)
    assert terminal.wait() == -signal.SIGINT
    assert terminal.is_restored()


@pytest.mark.parametrize("argv", [["top"], ["networks"]])
def test_a_broker_that_hangs_keeps_nobody(broker, screen, argv):
    """Who waits for its answer can be ended."""
    terminal = screen(*argv, "--interval", "1", env=PLAIN)
    terminal.wait_for_screen("ETWORK")
    broker.process.send_signal(signal.SIGSTOP)
    wait_for(lambda: is_waiting(terminal.process.pid, "sys_poll"), what="a question")
    terminal.press("\x03")
    terminal.wait_for(LEFT)
    assert terminal.wait() == -signal.SIGINT
    assert terminal.is_restored()
    broker.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_a_broker_that_does_not_answer_keeps_nobody_from_stopping(broker, screen, number):
    """And going on: it hangs, or another one is waited for."""
    terminal = screen("networks", "--interval", "1", shell=SHELL, env=PLAIN)
    terminal.wait_for_screen("NETWORK")
    (process,) = children(terminal.process.pid)
    broker.process.send_signal(number)
    wait_for(lambda: is_waiting(process, "sys_poll"), what="a question")
    terminal.press("\x1a")
    terminal.wait_for(LEFT + ".*stopped")
    assert terminal.is_restored()
    terminal.press("\n")
    terminal.wait_for(ENTERED)
    assert not terminal.is_restored()
    broker.restart()
    terminal.wait_for_screen("NETWORK")
    terminal.press("q")
    assert terminal.wait() == 0
    assert terminal.is_restored()


@contextlib.contextmanager
def telling(path, *events):
    """A broker that has nothing to do but to tell these events."""
    replies = [{"parameters": {}}] + [
        {"parameters": {"event": event}, "continues": True} for event in events
    ]

    def serve():
        connection, _ = listening.accept()
        with connection:
            connection.sendall(b"".join(json.dumps(r).encode() + b"\0" for r in replies))
            while connection.recv(65536):
                pass

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        os.chmod(path, 0o666)
        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join()


def lease_event(kind, address, mac=MAC, network="lab"):
    lease = {"macAddress": mac, "address": address, "hostname": "web"}
    return {"type": f"lease_{kind}", "network": network, "lease": lease}


def test_a_machine_with_another_address_is_one_line(host, start):
    path = os.path.join(host.directory, "telling")
    events = (
        lease_event("removed", "192.168.64.2"),
        lease_event("added", "192.168.64.3"),
        lease_event("removed", "192.168.64.4"),
        lease_event("added", "192.168.64.4", mac="52:54:00:00:00:0b"),
        lease_event("removed", "192.168.64.5"),
    )
    with telling(path, *events):
        monitor = start({**os.environ, "VMNET_BROKER_SOCKET": path}, "monitor")
        monitor.wait_for_line("192.168.64.5")
        lines = [re.split("  +", line, maxsplit=2) for line in monitor.lines()]
        monitor.end()
    assert [line[1:] for line in lines] == [
        ["lease_changed", f"lab  192.168.64.2 -> 192.168.64.3 {MAC} web expires never"],
        ["lease_removed", f"lab  192.168.64.4 {MAC} web expires never"],
        ["lease_added", "lab  192.168.64.4 52:54:00:00:00:0b web expires never"],
        ["lease_removed", f"lab  192.168.64.5 {MAC} web expires never"],
    ]


def test_what_people_type(broker):
    """Other names of subcommands, and ways to ask for help."""
    networks = broker.vmnetctl("networks").stdout
    inspected = broker.vmnetctl("inspect", "host").stdout
    for name in "list", "ls", "status":
        assert broker.vmnetctl(name).stdout == networks
    assert broker.vmnetctl("status", "host").stdout == inspected
    assert broker.vmnetctl("ps", "host").stdout == "There is no machine.\n"
    text = broker.vmnetctl("--help").stdout
    for argv in ["help"], ["-h"]:
        assert broker.vmnetctl(*argv).stdout == text
    text = broker.vmnetctl("run", "--help").stdout
    for argv in ["help", "run"], ["run", "-h"]:
        assert broker.vmnetctl(*argv).stdout == text
    assert broker.vmnetctl("-V").stdout == broker.vmnetctl("--version").stdout

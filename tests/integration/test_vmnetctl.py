# SPDX-License-Identifier: Apache-2.0
"""vmnetctl against the real broker: what it prints, what it returns, what its commands get."""

import contextlib
import fcntl
import json
import os
import pathlib
import pty
import re
import signal
import socket
import subprocess
import sys
import termios

import pytest

from support.schema import check_json
from support.wait import wait_for

USER = 1234
SOURCE = pathlib.Path(__file__).parents[2]


class Running:
    """vmnetctl while it runs: its output is read as it comes, both streams in one."""

    def __init__(self, broker, *argv, uid=USER, **options):
        options.setdefault("env", broker.environment())
        self.path = os.path.join(broker.host.directory, "output")
        with open(self.path, "wb") as output:
            self.process = broker.host.popen(
                broker.host.program("vmnetctl/vmnetctl"),
                *argv,
                uid=uid,
                stdout=output,
                stderr=output,
                **options,
            )

    def output(self):
        return pathlib.Path(self.path).read_text(encoding="utf-8")

    def wait_for_output(self, pattern):
        """Waits until the output has what the pattern says; returns the match."""
        return wait_for(
            lambda: re.search(pattern, self.output(), re.MULTILINE),
            what=lambda: f"{pattern!r} in:\n{self.output()}",
        )

    def send(self, number):
        self.process.send_signal(number)

    def wait(self):
        return self.process.wait(timeout=15)


def fails(done, status=1):
    """What a command that has to fail says on standard error, without the tool's name."""
    assert done.returncode == status, f"status {done.returncode}: {done.stdout}{done.stderr}"
    assert done.stderr.startswith("vmnetctl: ")
    return done.stderr.removeprefix("vmnetctl: ")


def run(broker, *argv, **options):
    """Runs a command on "default" and does not mind its status."""
    return broker.vmnetctl("run", "--network", "default", *argv, check=False, **options)


def test_networks(broker):
    lines = broker.vmnetctl("networks").stdout.splitlines()
    assert lines[0].split() == [
        *("NETWORK", "MODE", "STATE", "SUBNET", "PREFIX", "CLIENTS", "INTERFACES", "DESCRIPTION")
    ]
    assert lines[1].split()[:7] == ["default", "shared", "inactive", "-", "-", "0", "0"]
    assert lines[2].split()[:7] == ["host", "host", "inactive", "-", "-", "0", "0"]
    assert lines[3:] == ["", "No network is held."]
    for line in lines[1:3]:
        assert line.index("inactive") == lines[0].index("STATE")

    client = broker.client(uid=USER)
    client.acquire("default")
    lines = broker.vmnetctl("networks").stdout.splitlines()
    assert lines[1].split()[:4] == ["default", "shared", "active", "192.168.64.0/24"]
    assert len(lines) == 3


@pytest.mark.broker(config={})
def test_no_networks(broker):
    assert broker.vmnetctl("networks").stdout == (
        'There is no network that you may acquire; "vmnetctl doctor" may know why.\n'
    )


def without_null(value):
    """Varlink leaves out what is null."""
    if isinstance(value, dict):
        return {key: without_null(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [without_null(inner) for inner in value]
    return value


def test_json_is_what_the_broker_said(broker):
    client = broker.client(uid=USER)
    client.acquire("default")
    with client.attach("default"):
        networks = json.loads(broker.vmnetctl("networks", "--json").stdout)
        assert without_null(networks["networks"]) == without_null(client.list("ListNetworks"))
        inspection = json.loads(broker.vmnetctl("inspect", "default", "--json").stdout)
        (machine,) = inspection.pop("machines")
        (interface,) = inspection["interfaces"]
        assert machine["device"] == interface["device"]
        # It is of one host.
        assert (inspection.pop("hosts"), machine["host"]) == ([], None)
        told = {
            **client.call("DescribeNetwork", network="default"),
            **{key: client.inspect("default")[key] for key in ("clients", "interfaces", "leases")},
        }
        # It has whole seconds.
        exact = told["interfaces"][0]["attachedTimestamp"]
        assert interface["attachedTimestamp"] == exact // 10**6 * 10**6
        interface["attachedTimestamp"] = exact
        assert without_null(inspection) == without_null(told)


def test_inspect(broker):
    client = broker.client(uid=USER)
    client.acquire("default")
    with client.attach("default", macAddress="52:54:00:12:34:56") as attachment:
        output = broker.vmnetctl("inspect", "default").stdout
        assert re.search(rf"  {attachment.name} +52:54:00:12:34:56$", output, re.MULTILINE)
    assert re.search(rf"^{os.getpid()} +{USER} +\S", output, re.MULTILINE)
    assert re.search(r"^Subnet: +192\.168\.64\.0/24$", output, re.MULTILINE)
    assert re.search(r"^Rogue packets: +0$", output, re.MULTILINE)
    assert "Nobody holds it." in broker.vmnetctl("inspect", "host").stdout


def test_a_command_cannot_write_to_the_terminal(broker):
    def work(client):
        with open("/proc/self/comm", "w", encoding="ascii") as file:
            file.write("\033[2Jevil\n")
        return client.acquire("default")

    broker.client_process(work, uid=0)
    for argv in (("inspect", "default"), ("inspect", "default", "--json")):
        assert "\033" not in broker.vmnetctl(*argv).stdout


@pytest.mark.broker(
    config={"lab": {"mode": "host", "allow": {"users": ["root"]}}, "open": {"mode": "host"}}
)
def test_refusals_say_why(broker):
    assert '"nosuch"' in fails(broker.vmnetctl("inspect", "nosuch", check=False))
    assert '"lab"' in fails(broker.vmnetctl("hold", "open", "lab", uid=USER, check=False))
    assert '"a b"' in fails(broker.vmnetctl("hold", "a b", check=False))
    networks = json.loads(broker.vmnetctl("networks", "--json", uid=USER).stdout)["networks"]
    assert [network["configuration"]["name"] for network in networks] == ["open"]


def test_hold_until_interrupted(broker):
    held = Running(broker, "hold", "default", "host")
    held.wait_for_output("^Held until interrupted.$")
    assert re.search(r"^default +192\.168\.64\.0/24 +192\.168\.64\.1 ", held.output(), re.M)
    networks = broker.networks()
    assert networks["default"]["clients"] == networks["host"]["clients"] == 1
    held.send(signal.SIGINT)
    assert held.wait() == 0
    assert held.output().endswith("Held until interrupted.\n")
    broker.wait_until_clean()


def test_hold_ends_when_nobody_is_told(broker):
    with open("/dev/full", "w", encoding="ascii") as full:
        done = broker.vmnetctl("hold", "default", stdout=full, check=False, timeout=30)
    assert "No space left" in fails(done)


def test_hold_survives_the_broker(broker):
    held = Running(broker, "hold", "default", "host")
    held.wait_for_output("^Held until interrupted.$")
    for _ in range(2):
        broker.restart()
        wait_for(lambda: {n["clients"] for n in broker.networks().values()} == {1})
    held.wait_for_output("^The broker was started again; what was held is held again.$")
    held.send(signal.SIGINT)
    assert held.wait() == 0
    broker.close_clients()
    broker.wait_until_clean()


def test_hold_is_interrupted_while_another_broker_is_waited_for(broker):
    """One that hangs, too."""
    for hangs in False, True:
        held = Running(broker, "hold", "default")
        held.wait_for_output("^Held until interrupted.$")
        broker.kill()
        os.unlink(broker.socket_path)
        with socket.socket(socket.AF_UNIX) as listening, contextlib.ExitStack() as stack:
            if hangs:
                listening.bind(broker.socket_path)
                os.chmod(broker.socket_path, 0o666)
                listening.listen()
                listening.settimeout(20)
                connection = stack.enter_context(listening.accept()[0])
                assert connection.recv(4096)
            held.send(signal.SIGTERM)
            assert held.wait() == 0
            assert held.output().endswith("Held until interrupted.\n")
        broker.start()


def test_hold_ends_without_a_broker(broker):
    held = Running(broker, "hold", "default")
    held.wait_for_output("^Held until interrupted.$")
    broker.stop()
    assert held.wait() == 1
    assert held.output().endswith(
        "vmnetctl: what was held is held no longer: "
        "the broker cannot be reached, or has ended the connection\n"
    )


def test_hold_ends_with_what_the_next_broker_refuses(broker):
    broker.configure({"host": {"mode": "host"}, "lab": {"mode": "host"}})
    broker.restart()
    held = Running(broker, "hold", "host", "lab")
    held.wait_for_output("^Held until interrupted.$")
    broker.configure({"host": {"mode": "host"}})
    broker.restart()
    assert held.wait() == 1
    held.wait_for_output(
        '^vmnetctl: what was held is held no longer: no network "lab" is configured; '
    )
    broker.wait_until_clean()


def test_run_returns_what_the_command_returns(broker):
    assert run(broker, "--", "true").returncode == 0
    assert run(broker, "sh", "-c", "exit 7").returncode == 7
    assert run(broker, "--", "sh", "-c", "exit 2").stderr == ""
    assert run(broker, "--", "sh", "-c", "kill -USR2 $$").returncode == 128 + signal.SIGUSR2
    # A folder of the path that one may not enter would make it a refusal.
    environment = {**broker.environment(), "PATH": "/usr/bin:/bin"}
    assert "nosuch: No such file" in fails(run(broker, "--", "nosuch", env=environment), 127)
    assert "/etc/passwd: Permission" in fails(run(broker, "--", "/etc/passwd"), 126)
    assert '"nosuch"' in fails(
        broker.vmnetctl("run", "--network", "nosuch", "true", check=False), 125
    )
    broker.wait_until_clean()


# Prints "NUMBER TARGET" for each descriptor that it got; the one for the folder is gone by then.
DESCRIPTORS = """
import os
for number in os.listdir("/proc/self/fd"):
    if os.path.exists(f"/proc/self/fd/{number}"):
        print(number, os.readlink(f"/proc/self/fd/{number}"))
"""


def test_the_command_inherits_its_interface_and_nothing_else(broker):
    reader, writer = os.pipe()
    done = run(
        broker,
        *("--queues", "2", "--", sys.executable, "-c", DESCRIPTORS, "{fds}"),
        pass_fds=[reader, writer],
    )
    os.close(reader)
    os.close(writer)
    lines = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    tun = [number for number, target in lines.items() if target.endswith("tun")]
    assert len(tun) == 2
    assert set(lines) == {"0", "1", "2", *tun}


def test_the_words_in_the_command(broker):
    done = broker.vmnetctl(
        *("run", "--mac", "52:54:00:00:00:0a", "--network", "default", "--queues", "3"),
        *("--network", "host", "--mac", "52:54:00:00:00:0b", "--", "echo"),
        *("{fd}", "{fds}", "{fd:host}", "{mac}", "{mac:host}", "{ifname:default}", "{other}"),
    )
    fd, fds, host_fd, mac, host_mac, ifname, other = done.stdout.split()
    assert fds.split(":")[0] == fd and len(fds.split(":")) == 3
    assert host_fd not in fds.split(":")
    assert mac == "52:54:00:00:00:0a" and host_mac == "52:54:00:00:00:0b"
    assert ifname.startswith("vmt")
    assert other == "{other}"


def test_published_ports(broker):
    """As they were given, for the network before them or for all, which cannot have the same."""
    done = broker.vmnetctl(
        *("run", "--publish", "8080:80", "--network", "default", "--publish", "[::]:8080:80/udp"),
        *("--publish", "127.0.0.1:9000-9010:9100-9110/tcp", "--", "sh", "-c"),
        '"$0" inspect default --json',
        broker.host.program("vmnetctl/vmnetctl"),
    )
    (interface,) = json.loads(done.stdout)["interfaces"]
    keys = "protocol", "externalAddress", "internalAddress", "externalPort", "internalPort", "count"
    ipv4, ipv6 = interface["ipv4Address"], interface["ipv6Address"]
    assert [tuple(entry[key] for key in keys) for entry in interface["portForwarding"]] == [
        ("tcp", None, ipv4, 8080, 80, 1),
        ("udp", None, ipv6, 8080, 80, 1),
        ("tcp", "127.0.0.1", ipv4, 9000, 9100, 11),
    ]
    done = broker.vmnetctl(
        *("run", "--publish", "8080:80", "--publish", "[::]:8080:80/udp", "--network", "default"),
        *("--", broker.host.program("vmnetctl/vmnetctl"), "machines"),
    )
    assert "  8080->80/tcp [::]:8080->80/udp  " in done.stdout
    done = broker.vmnetctl(
        *("run", "--publish", "8080:80", "--network", "default", "--network", "host", "true"),
        check=False,
    )
    assert "forwarded ports make no sense" in fails(done, 125)


def test_words_for_what_is_not_there(broker):
    assert "add --vhost" in fails(run(broker, "--", "echo", "{vhostfd}"), 125)
    assert "use {ifname}" in fails(run(broker, "--open-by-name", "--", "echo", "{fd}"), 125)
    assert "--network lab" in fails(run(broker, "--", "echo", "{fd:lab}"), 125)


def test_a_named_device_is_there_for_the_command(broker):
    done = run(broker, "--open-by-name", "--", "ip", "-o", "link", "show", "dev", "{ifname}")
    assert "master vmb-default" in done.stdout
    wait_for(lambda: not any(link.startswith("vmt") for link in broker.host.links()))


# Says which signals it gets, and ends with the second kind.
COMMAND = """
trap 'echo int' INT
trap 'echo end; exit 3' TERM
echo "ready $$"
while :; do sleep 0.05; done
"""


def test_signals_are_sent_on(broker):
    running = Running(broker, "run", "--network", "default", "--", "sh", "-c", COMMAND)
    running.wait_for_output("^ready")
    running.send(signal.SIGINT)
    running.wait_for_output("^int$")
    running.send(signal.SIGTERM)
    assert running.wait() == 3
    assert running.output().endswith("int\nend\n")


def test_a_signal_of_the_terminal_comes_once(broker):
    master, slave = pty.openpty()
    running = Running(
        broker,
        *("run", "--network", "default", "--", "sh", "-c", COMMAND),
        stdin=slave,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(slave)
    running.wait_for_output("^ready")
    os.write(master, b"\x03")
    running.wait_for_output("^int$")
    # What vmnetctl has from the terminal it has before this.
    running.send(signal.SIGTERM)
    assert running.wait() == 3
    assert re.findall("^int$", running.output(), re.MULTILINE) == ["int"]
    os.close(master)


def test_an_ignored_signal_stays_ignored(broker):
    running = Running(
        broker,
        *("run", "--network", "default", "--", "sh", "-c", COMMAND),
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    running.wait_for_output("^ready")
    running.send(signal.SIGHUP)
    running.send(signal.SIGTERM)
    assert running.wait() == 3


def test_the_command_outlives_the_broker(broker):
    running = Running(broker, "run", "--network", "default", "--", "sh", "-c", COMMAND)
    running.wait_for_output("^ready")
    broker.kill()
    running.wait_for_output("^vmnetctl: the broker has gone; the machine keeps its network$")
    broker.start()
    assert broker.networks()["default"]["interfaces"] == 1
    running.send(signal.SIGTERM)
    assert running.wait() == 3


def test_a_broker_that_goes_before_there_is_a_machine_is_followed_by_the_next(broker):
    def connections():
        sockets = pathlib.Path(f"/proc/{broker.pid}/net/unix").read_text(encoding="utf-8")
        return sockets.count(f" {broker.socket_path}\n")

    listening = connections()
    broker.process.send_signal(signal.SIGSTOP)
    running = Running(broker, "run", "--network", "default", "--", "sh", "-c", COMMAND)
    wait_for(lambda: connections() > listening)
    broker.kill()
    broker.start()
    running.wait_for_output("^ready")
    assert broker.networks()["default"]["interfaces"] == 1
    running.send(signal.SIGTERM)
    assert running.wait() == 3


def test_the_command_outlives_vmnetctl(broker):
    running = Running(broker, "run", "--network", "default", "--", "sh", "-c", COMMAND)
    pid = int(running.wait_for_output("^ready (.*)$")[1])
    running.send(signal.SIGKILL)
    running.wait()
    client = broker.client()
    wait_for(lambda: client.networks()["default"]["clients"] == 0)
    assert client.networks()["default"]["interfaces"] == 1
    os.kill(pid, signal.SIGTERM)


def start_monitor(broker, *options):
    """vmnetctl monitor, which has heard of something, and the client that made it happen."""
    output = Running(broker, "monitor", *options)
    client = broker.client(uid=USER)

    def heard():
        client.acquire("host")
        client.release("host")
        return output.output()

    wait_for(heard)
    return output, client


def test_monitor(broker):
    output, client = start_monitor(broker, "--json")
    client.acquire("default")
    output.wait_for_output('"client_acquired","network":"default"')
    for line in output.output().splitlines():
        check_json("monitor", line)
    events = [json.loads(line) for line in output.output().splitlines()]
    event = next(event for event in events if event["network"] == "default")
    assert event["type"] == "network_created"
    assert set(event) == {"type", "network", "client", "interface", "lease", "fault", "time"}
    assert events == sorted(events, key=lambda event: event["time"])
    output.send(signal.SIGTERM)
    assert output.wait() == -signal.SIGTERM


def test_monitor_survives_the_broker(broker):
    output = Running(broker, "monitor")
    client = broker.client(uid=USER)

    def wait_for_event(text, times):
        """Whatever is done before it monitors is missed: so it is done until it is seen."""

        def happens():
            client.acquire("host")
            client.release("host")
            return output.output().count(text) >= times

        wait_for(happens, what=output.output)

    wait_for_event("client_acquired", 1)
    broker.restart()
    output.wait_for_output("  reconnected ")
    client = broker.client(uid=USER)
    wait_for_event("client_acquired", output.output().count("client_acquired") + 1)
    output.send(signal.SIGKILL)
    output.wait()


def test_monitor_for_people(broker):
    output, client = start_monitor(broker)
    client.acquire("default")
    output.wait_for_output(
        r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}  client_acquired +default  "
        rf"pid {os.getpid()} uid {USER} \S"
    )
    with client.attach("default", name="web") as attachment:
        pass
    for event in "attached", "detached":
        output.wait_for_output(
            rf"  interface_{event} +default  {attachment.name} {attachment.mac_address} web$"
        )
    output.send(signal.SIGTERM)
    output.wait()


def test_the_address_of_a_machine(broker, make_machine):
    client = broker.client(uid=USER)
    client.acquire("default")
    machine = make_machine(client.attach("default"))
    waiting = Running(broker, "ip", "default", "db", "--wait", "30")
    assert 'no machine "db"' in fails(broker.vmnetctl("ip", "default", "db", check=False))
    lease = machine.dhcp(hostname="db")
    assert waiting.wait() == 0
    assert waiting.output() == lease["ip"] + "\n"
    for name in "DB", machine.mac_address, machine.mac_address.upper():
        assert broker.vmnetctl("ip", "default", name).stdout == lease["ip"] + "\n"
    assert re.search(
        rf"^{re.escape(lease['ip'])} +{machine.mac_address} +db +\d{{4}}-",
        broker.vmnetctl("inspect", "default").stdout,
        re.MULTILINE,
    )


def test_machines_whose_addresses_are_not_known(broker):
    """Whoever gives them on a bridge of the administrator's."""
    broker.host.ip("link add br0 type bridge")
    broker.configure({"lan": {"mode": "bridged", "external_interface": "br0"}})
    broker.vmnetctl("reload", uid=0)
    for wait in [], ["--wait", "30"]:
        done = broker.vmnetctl("ip", "lan", "db", *wait, check=False, timeout=5)
        assert fails(done) == (
            'network "lan" is bridged: its machines get their addresses from the outside, and the '
            "broker cannot know them\n"
        )
    broker.host.ip("link delete br0")


@pytest.mark.parametrize("mode", ["600", "640"])
@pytest.mark.parametrize("uid", [0, USER])
def test_check_of_a_file_that_the_broker_cannot_read(broker, uid, mode):
    path = "/etc/vmnet-broker/networks.json"
    broker.host.overlay("etc")
    broker.host.run("mkdir", "-p", os.path.dirname(path))
    broker.host.run("tee", path, input="{}")
    broker.host.run("chmod", mode, path)
    assert fails(broker.vmnetctl("check", uid=uid, check=False)) == (
        f"{path} can be read by root only, which the broker is not; chmod it to 0644\n"
    )
    broker.host.run("chmod", "644", path)
    assert broker.vmnetctl("check", uid=uid).stdout == f"{path}: 0 networks, no errors\n"


def test_check_of_a_file_that_a_group_can_read(broker):
    """That may be the broker's."""
    path = "/etc/vmnet-broker/networks.json"
    broker.host.overlay("etc")
    broker.host.run("mkdir", "-p", os.path.dirname(path))
    broker.host.run("tee", path, input="{}")
    broker.host.run("chmod", "640", path)
    broker.host.run("chgrp", str(USER), path)
    assert broker.vmnetctl("check", uid=USER).stdout == f"{path}: 0 networks, no errors\n"


def test_check(broker):
    path = os.path.join(broker.host.directory, "lab.json")
    pathlib.Path(path).write_text('{ "lab": { "mode": "shared" } }\n', encoding="ascii")
    assert broker.vmnetctl("check", path).stdout == f"{path}: 1 network, no errors\n"

    pathlib.Path(path).write_text('{ "lab": { "mode": "host", "mtu": 5 } }\n', encoding="ascii")
    done = broker.vmnetctl("check", path, check=False)
    assert done.returncode == 1 and done.stdout == ""
    message, line, caret = done.stderr.splitlines()
    assert message.startswith(f'{path}:1:35: network "lab": "mtu" ')
    assert line[len(caret) - 1] == "5"

    assert "No such file" in fails(broker.vmnetctl("check", path + "x", check=False))


def test_reload(broker):
    assert "root" in fails(broker.vmnetctl("reload", uid=USER, check=False))
    broker.configure({"lab": {"mode": "host"}})
    broker.vmnetctl("reload", uid=0)
    assert "lab" in broker.vmnetctl("networks").stdout
    broker.configure({"lab": {"mode": "shared", "mtu": 5}, "web": {"mode": "guest"}})
    complaint = fails(broker.vmnetctl("reload", uid=0, check=False))
    assert '"mtu"' in complaint and '"web"' in complaint
    assert "web" not in broker.vmnetctl("networks").stdout


def test_without_a_broker(host):
    path = os.path.join(host.directory, "nobody")
    environment = {**os.environ, "VMNET_BROKER_SOCKET": path}

    def complaint(**options):
        return fails(host.run(host.program("vmnetctl/vmnetctl"), "networks", **options))

    assert complaint(check=False, env=environment) == (
        f"no broker at {path} (from VMNET_BROKER_SOCKET): No such file or directory; "
        f'start one with "vmnet-broker --socket {path}"\n'
    )
    assert complaint(check=False) == (
        "no broker at /run/vmnet-broker/socket: No such file or directory; "
        'start one with "systemctl start vmnet-broker.socket"\n'
    )
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(path)
        os.chmod(path, 0o660)
        assert complaint(check=False, env=environment, uid=USER) == (
            f"permission denied: the broker's socket {path} has mode 0660, owner root and "
            "group root\n"
        )


@pytest.mark.parametrize(
    "argv, complaint",
    [
        ([], 'which subcommand? "vmnetctl --help" lists them'),
        (["network"], "unknown subcommand network; did you mean networks?"),
        (["volume"], 'unknown subcommand volume; "vmnetctl --help" lists them'),
        (["stats"], "unknown subcommand stats; did you mean status?"),
        (["help", "machine"], "unknown subcommand machine; did you mean machines?"),
        (["networks", "--jsn"], "unknown option --jsn; did you mean --json?"),
        (["networks", "--json=1"], "option --json takes no value"),
        (["networks", "-j"], "unknown option -j"),
        (["networks", "default"], "too many arguments"),
        (["inspect"], "NETWORK is missing"),
        (["run", "true"], "--network is missing"),
        (["run", "--network"], "option --network needs a value"),
        (["run", "--network", "a"], "COMMAND is missing"),
        (["run", "--network", "a", "--network", "a", "x"], "--network a is given twice"),
        (
            ["run", "--network", "a", "--queues", "17", "x"],
            '--queues takes a number from 1 to 16, not "17"',
        ),
        *(
            (["run", "--network", "a", "--publish", ports, "x"], f"--publish {ports}: {complaint}")
            for ports, complaint in {
                "80": "the host's port is missing, which leads to the machine's; give both, as in "
                "8080:80",
                "127.0.0.1::80": "the host's port is missing, which leads to the machine's; give "
                "both, as in 8080:80",
                "8080:0": '"0" is no port, which is a number from 1 to 65535, or several in a row '
                "such as 8000-8010",
                "8010-8000:80": '"8010-8000" is no port, which is a number from 1 to 65535, or '
                "several in a row such as 8000-8010",
                "8000-8010:80": "11 of the host's ports cannot lead to 1 of the machine's; give as "
                "many",
                "80:80/sctp": '"sctp" is no protocol whose ports can be published; tcp and udp are',
                "localhost:80:80": '"localhost" is no address of the host; give one such as '
                "127.0.0.1 or [::1]",
                "::1:80:80": '"::1" is no address of the host; give one such as 127.0.0.1 or [::1]',
            }.items()
        ),
    ],
)
def test_wrong_usage(host, argv, complaint):
    done = host.run(host.program("vmnetctl/vmnetctl"), *argv, check=False)
    lines = fails(done, 2).splitlines()
    assert lines[0] == complaint
    assert len(lines) == 1 or lines[1].startswith(f"usage: vmnetctl {argv[0]}")


def subcommands(host):
    help_text = host.run(host.program("vmnetctl/vmnetctl"), "--help").stdout
    return re.findall(r"^  ([a-z]+) ", help_text, re.MULTILINE)


def test_each_subcommand_has_help_and_is_in_the_manual(host):
    vmnetctl = host.program("vmnetctl/vmnetctl")
    manual = (SOURCE / "man/vmnetctl.1").read_text(encoding="utf-8")
    assert "run" in subcommands(host)
    for name in subcommands(host):
        text = host.run(vmnetctl, name, "--help").stdout
        assert text.startswith(f"usage: vmnetctl {name}")
        assert f".It Cm {name}" in manual
        for option in re.findall(r"^  --([a-z]+)", text, re.MULTILINE):
            assert f"Fl -{option}" in manual


def test_an_output_that_takes_nothing_is_a_failure(host):
    with open("/dev/full", "w", encoding="ascii") as full:
        done = host.run(host.program("vmnetctl/vmnetctl"), "--help", stdout=full, check=False)
    assert "No space left" in fails(done)

# SPDX-License-Identifier: Apache-2.0
"""The commands of the documents, run as they stand there, and what they are said to do.

Where a document shows what a command prints, that is what it prints.
"""

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess

import pytest
from commands import RUN
from integration.test_uplink import connect_second_uplink

from support import documents
from support.echo import WhoServer
from support.groups import BRIDGE_GROUPS
from support.host import HOST_IPV4, OUTSIDE_IPV4
from support.managers import Networkd, NetworkManager
from support.wait import wait_for

GUIDE = documents.TOP / "docs/configuration.md"
LAB = {"lab": {"mode": "shared", "subnet": "192.168.105.0/24"}}


class Shell:
    """Runs a test's commands on a host, in a folder of their own, with vmnetctl on their path."""

    def __init__(self, host, names, environment):
        self.host = host
        self.left = list(names)
        self.folder = pathlib.Path(host.directory) / "shell"
        self._texts = {documents.plain(text): text for _, text in documents.commands()}
        programs = self.folder / "programs"
        programs.mkdir(parents=True)
        (programs / "vmnetctl").symlink_to(host.program("vmnetctl/vmnetctl"))
        (self.folder / "scripts").symlink_to(documents.TOP / "scripts")
        (self.folder / "disk.img").write_bytes(bytes(1 << 20))
        self.environment = {
            **environment,
            "HOME": str(self.folder),
            "PATH": f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin",
        }
        self.stand_in("sudo", 'exec "$@"')

    def stand_in(self, name, script):
        path = self.folder / "programs" / name
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)

    def _line(self, command, words):
        self.left.remove(command)
        text = self._texts[command]
        for word, meant in words.items():
            assert word in text
            text = text.replace(word, meant)
        return f"cd {self.folder} && {text}"

    def run(self, command, **words):
        """Runs one of the commands; words: what stands for what the document leaves open.

        Returns what it printed.
        """
        line = self._line(command, words)
        return self.host.run("sh", "-c", line, env=self.environment).stdout

    def start(self, command):
        """The same of one that goes on: its process, whose output is in the file "output"."""
        with open(self.folder / "output", "wb") as output:
            return self.host.popen(
                *("sh", "-c", self._line(command, {})),
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
            )

    def output(self):
        return (self.folder / "output").read_text(encoding="utf-8", errors="replace")

    def start_machine(self, command, broker, network):
        """Starts one, waits until it is on the network, and ends it; returns what it printed."""
        process = self.start(command)
        joined = f"an interface on {network}"
        wait_for(
            lambda: len(broker.inspect(network)["interfaces"]) == 1,
            what=lambda: f"{joined}\n{self.output()}",
        )
        end(process)
        return self.output()


def end(process):
    """With all that it has started."""
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(timeout=20)


@pytest.fixture
def shell(request, host):
    """For the commands that the table has for the test, all of which have to be run."""
    environment = {}
    if "broker" in request.fixturenames:
        environment = request.getfixturevalue("broker").environment()
    names = RUN[request.node.originalname.removeprefix("test_")]
    shell = Shell(host, names, environment)
    yield shell
    assert shell.left == []


def shown(path, command):
    """What a document says that a command prints."""
    texts = [text for kind, text in documents.blocks(path) if kind == "console"]
    (text,) = [text for text in texts if f"$ {command}\n" in text]
    return re.search(rf"^\$ {re.escape(command)}\n((?:[^$].*\n?)*)", text, re.MULTILINE)[1].strip()


def test_machine(shell, broker):
    """README.md, docs/quick-start.md and vmnetctl(1): a machine, and what is to be seen of it."""
    run, *looks, monitor = shell.left
    events = shell.start(monitor)
    wait_for(lambda: len(broker.networks()) == 2)
    process = shell.start(run)
    wait_for(lambda: broker.inspect("default")["interfaces"], what=shell.output)
    networks, inspection, machines, active, holder = [shell.run(look) for look in looks]
    assert re.search(r"^default +shared +active ", networks, re.MULTILINE)
    assert "vmnetctl" in inspection and "Rogue packets" in inspection
    assert re.search(r"^default .* vmt\d+ +([0-9a-f]{2}:){5}[0-9a-f]{2}$", machines, re.MULTILINE)
    assert active == "default\n"
    assert int(holder) == broker.inspect("default")["clients"][0]["pid"]
    end(process)
    end(events)


def test_four_queues(shell, broker):
    process = shell.start(*shell.left)
    (interface,) = wait_for(lambda: broker.inspect("default")["interfaces"], what=shell.output)
    link = json.loads(broker.host.ip(f"-d -j link show {interface['device']}"))[0]
    tap = link["linkinfo"]["info_data"]
    # QEMU disables those that its guest has not asked for yet.
    assert tap["numqueues"] + tap["numdisabled"] == 4
    end(process)


OFFICE = {
    "default": {"mode": "shared", "aliases": ["shared"]},
    "office": {"mode": "bridged", "external_interface": "br0"},
}


@pytest.mark.broker(config=OFFICE)
def test_office(shell, broker, host):
    """docs/migrating.md, with its configuration."""
    broker.check_clean = False  # the bridge is not the broker's
    host.ip("link add br0 type bridge")
    host.ip("link set br0 up")
    process = shell.start(*shell.left)
    wait_for(lambda: broker.inspect("office")["interfaces"], what=shell.output)
    end(process)


def test_named_device(shell, broker):
    """docs/migrating.md: a device for a machine that libvirt starts."""
    process = shell.start(*shell.left)
    (interface,) = wait_for(lambda: broker.inspect("default")["interfaces"], what=shell.output)
    assert (interface["device"], interface["macAddress"]) == ("vmt0", "52:54:00:12:34:56")
    assert interface["device"] in broker.host.links()
    end(process)


def test_try(shell, broker):
    """It is started with the command that it prints, and what it makes for that is removed."""
    for command in list(shell.left):
        process = shell.start(command)
        (interface,) = wait_for(lambda: broker.inspect("default")["interfaces"], what=shell.output)
        seed = re.search(r"file\.dir=([^,]+)", shell.output())[1]
        name = re.search("--name (\\w+)", command)[1]
        assert f"local-hostname: {name}\n" in (pathlib.Path(seed) / "meta-data").read_text()
        assert f"vmnetctl run --network default --name {name} -- qemu-system-" in shell.output()
        assert interface["name"] == name
        end(process)
        wait_for(lambda seed=seed: not os.path.exists(seed), what="the end of its folder")
        wait_for(lambda: not broker.inspect("default")["interfaces"], what="the end of it")


def test_log_in(shell, broker, join):
    """docs/quick-start.md and vmnetctl(1): a machine is reached by its name."""
    machines = {name: join("default", name=name) for name in ("web", "db")}
    shell.environment["LD_LIBRARY_PATH"] = broker.host.find_machines()
    shell.stand_in("ssh", 'for last; do :; done; getent ahostsv4 "${last#*@}"')
    for command in list(shell.left):
        name = re.search("default (\\w+)|(\\w+)\\.default", command)
        address = machines[name[1] or name[2]].address
        expected = " 3 received, 0% packet loss" if "ping" in command else address
        assert expected in shell.run(command)


def test_log_in_by_the_port(shell, join):
    """vmnetctl(1): on a network that only the host reaches."""
    shell.stand_in("ssh", 'eval "${2#ProxyCommand=}"')
    with contextlib.closing(WhoServer(join("host", hostname="db"), 22, "db")):
        assert shell.run(*shell.left).startswith("db ")


@pytest.mark.broker(args=["--config=/etc/vmnet-broker/networks.json"])
def test_configuration(shell, broker, host):
    """docs/configuration.md and vmnet-broker(8): a file is checked, installed and read."""
    host.overlay("etc")
    check, *rest = list(shell.left)
    text = next(text for kind, text in documents.blocks(GUIDE) if kind == "json")
    (shell.folder / "networks.json").write_text(text, encoding="utf-8")
    assert shell.run(check).strip() == shown(GUIDE, check)
    for command in rest:
        shell.run(command)
    assert broker.networks().keys() == {"default", "host"}


@pytest.mark.broker(config={"lab": {"mode": "shared", "external_interface": "eth1"}})
def test_external_interface(shell, broker, host, join):
    """docs/configuration.md shows the routes of such a network."""
    broker.check_clean = False  # the second uplink was not there before
    connect_second_uplink(host)
    join("lab")
    for command in list(shell.left):
        printed = "\n".join(line.rstrip() for line in shell.run(command).splitlines())
        assert printed == shown(GUIDE, command)


def ports(host, bridge):
    """The devices that are in a bridge."""
    listing = host.run("bridge", "link").stdout
    return re.findall(rf"^\d+: (\w+).* master {bridge} ", listing, re.MULTILINE)


def test_br0_by_hand(shell, host):
    for command in list(shell.left):
        shell.run(command)
    assert ports(host, "br0") == ["eth0"]
    wait_for(lambda: host.run("ping", "-c1", "-W1", OUTSIDE_IPV4, check=False).returncode == 0)


def serve_host(host):
    """The host gets its address by DHCP, as most do."""
    host.outside.serve_addresses(f"{HOST_IPV4},{HOST_IPV4},255.255.255.0,1h")


def expect_address_of_br0(host):
    wait_for(lambda: ports(host, "br0") == ["eth0"], what="eth0 in br0")
    wait_for(lambda: HOST_IPV4 in host.ip("-4 address show dev br0"), what="br0's address")


def test_br0_by_networkd(shell, host):
    serve_host(host)
    manager = Networkd(host)
    manager.take("eth0", "10-eth0.network")
    manager.start()
    manager.wait_until_it_has("eth0")
    texts = re.findall(r"`(05-br0\S*)`:\n\n```ini\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert len(texts) == 3
    for name, text in texts:
        manager.write(f"/etc/systemd/network/{name}", text)
    shell.run("networkctl reload")
    expect_address_of_br0(host)
    wait_for(lambda: HOST_IPV4 not in host.ip("-4 address show dev eth0"), what="the move")


def test_br0_by_networkmanager(shell, host):
    serve_host(host)
    manager = NetworkManager(host)
    manager.take_all()
    manager.start()
    manager.wait_until_it_has("eth0")
    for command in list(shell.left):
        shell.run(command)
    expect_address_of_br0(host)


FIREWALLS = documents.TOP / "docs/firewalls.md"
GROUP = "1986134024"  # that of the bridge there


@pytest.mark.broker(config=LAB)
def test_rules(shell, broker, host):
    """docs/firewalls.md shows where the broker's rules stand."""
    broker.check_clean = False  # the rules that are tried are not the broker's
    bridged = shell.left[-1]
    host.run("iptables-nft", "-P", "FORWARD", "DROP")
    broker.client().acquire("lab")
    group = str(BRIDGE_GROUPS | host.device("vmb-lab")["ifindex"])
    for command in shell.left[:-1]:
        expected = shown(FIREWALLS, command).replace(GROUP, group)
        assert shell.run(command).strip() == expected
    shell.run(bridged)
    assert 'iifname "br0" oifname "br0" accept' in host.run("nft", "list", "ruleset").stdout


@pytest.mark.broker(config=LAB)
def test_routes(shell, broker, host, join):
    """docs/troubleshooting.md: what mends routes."""
    broker.check_clean = False  # the rule stays
    behind, rule, flush = list(shell.left)
    join("lab")
    shell.run(behind)
    assert "dev vmb-lab" in host.ip("route get 10.96.0.1")
    shell.run(rule)
    assert "to 192.168.64.0/24 lookup main" in host.ip("rule")
    shell.run(flush, NAME="lab")
    wait_for(lambda: "192.168.105.1/24" in host.ip("address show dev vmb-lab"), what="its address")

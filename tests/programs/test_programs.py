# SPDX-License-Identifier: Apache-2.0
"""Programs of others on networks of the broker's, as docs/programs.md shows it."""

import contextlib
import json
import os
import signal
import socket
import subprocess

import pytest

from support import documents, frame
from support.broker import Broker
from support.golang import run_go
from support.guest import Console
from support.host import SERVER_IPV4
from support.manager import ManagedBroker
from support.namespace import Namespace
from support.need import need
from support.traffic import echo_server, transfer
from support.wait import wait_for

PAGE = documents.TOP / "docs/programs.md"
USER = 65534  # libvirt wants one that has a name
PLUGINS = "/usr/lib/cni"
GOPATH = "/usr/share/gocode"  # where Debian has packages of Go
FROM_GOPATH = {"GO111MODULE": "off", "GOFLAGS": "", "GOPATH": GOPATH}

DOMAIN = """
<domain type='qemu'>
  <name>web</name>
  <memory unit='MiB'>128</memory>
  <os>
    <type machine='q35'>hvm</type>
    <kernel>{guest}/vmlinuz</kernel>
    <initrd>{guest}/initramfs</initrd>
    <cmdline>console=ttyS0 quiet panic=-1</cmdline>
  </os>
  <cpu mode='maximum'/>
  <devices>
    <serial type='unix'><source mode='connect' path='{serial}'/></serial>
    {interface}
  </devices>
</domain>
"""


def block(kind, word):
    """The page's block of that kind that has the word."""
    (text,) = (text for found, text in documents.blocks(PAGE) if found == kind and word in text)
    return text


def command(word):
    (text,) = (text for text in documents.markdown_commands(PAGE) if word in text)
    return text


@pytest.fixture
def broker(request, host):
    """One whose connections a service manager keeps; Broker, as a parameter: none does."""
    broker = getattr(request, "param", ManagedBroker)(host)
    broker.start()
    yield broker
    broker.finish()


class Session:
    """libvirt of a user without root, and one machine of it."""

    def __init__(self, broker):
        self._host = broker.host
        self._folder = os.path.join(self._host.directory, "user")
        os.makedirs(f"{self._folder}/.config/libvirt")
        with open(f"{self._folder}/.config/libvirt/qemu.conf", "w", encoding="ascii") as file:
            file.write('stdio_handler = "file"\n')
        self._serial = socket.socket(socket.AF_UNIX)
        self._serial.setblocking(False)
        self._serial.bind(f"{self._folder}/serial")
        self._serial.listen()
        subprocess.run(["chown", "-R", f"{USER}:{USER}", self._folder], check=True)
        self._environment = {
            **broker.environment(),
            "HOME": self._folder,
            "XDG_RUNTIME_DIR": self._folder,
            "LIBVIRT_DEFAULT_URI": "qemu:///session",
            "PATH": f"{self._host.program('vmnetctl')}:/usr/sbin:/usr/bin:/sbin:/bin",
        }
        self._daemon = self.start("libvirtd")
        wait_for(lambda: os.path.exists(f"{self._folder}/libvirt/libvirt-sock"), what=self.output)

    def output(self):
        with open(f"{self._folder}/output", encoding="utf-8", errors="replace") as file:
            return file.read()

    def start(self, text):
        """Starts a command of the user's; what it prints is in output()."""
        with open(f"{self._folder}/output", "ab") as output:
            return self._host.popen(
                *("sh", "-c", f"cd {self._folder} && exec {text}"),
                uid=USER,
                env=self._environment,
                stdout=output,
                stderr=output,
            )

    def define(self, interface):
        with open(f"{self._folder}/web.xml", "w", encoding="utf-8") as file:
            guest = self._host.program("guest")
            serial = f"{self._folder}/serial"
            file.write(DOMAIN.format(guest=guest, serial=serial, interface=interface))
        assert self.start("virsh define web.xml").wait() == 0, self.output()

    def console(self, starter):
        """The machine's, once the command that starts it has started it."""

        def connection():
            assert starter.poll() is None, self.output()
            with contextlib.suppress(BlockingIOError):
                return self._serial.accept()[0]

        serial = wait_for(connection, what=self.output)
        return serial, Console("web", serial.fileno(), serial.makefile("w", encoding="ascii"))

    def close(self):
        self.start("virsh destroy web").wait()  # where a test has failed
        self._daemon.terminate()
        self._daemon.wait(timeout=20)
        self._serial.close()


@pytest.fixture
def session(broker):
    need("libvirtd")
    need("virt-xml")
    session = Session(broker)
    yield session
    session.close()


def test_libvirt(session, broker, outside, join):
    """The device that the machine has in its XML is another's: it gets its own."""
    neighbour = join("default")
    session.define(block("xml", "ethernet"))
    process = session.start(command("virt-xml"))
    serial, web = session.console(process)
    with serial:
        web.boot().dhcp()
        interfaces = broker.inspect("default")["interfaces"]
        names = {interface["macAddress"]: interface["device"] for interface in interfaces}
        assert names == {neighbour.mac_address: "vmt0", "52:54:00:12:34:56": "vmt1"}
        assert web.ping(neighbour.address)
        web.run("head -c 1000000 /dev/urandom >/tmp/data")
        with echo_server(outside) as port:
            assert web.echoes(SERVER_IPV4, port)
        web.send("poweroff -f")
        assert process.wait(timeout=20) == 0, session.output()
    wait_for(lambda: len(broker.inspect("default")["interfaces"]) == 1, what="the device's end")


@pytest.fixture
def container():
    """A network namespace that a runtime has made."""
    container = Namespace("container")
    yield container
    container.close()


class Runtime:
    """What a runtime has our plugin do for a container."""

    def __init__(self, broker, container):
        self._host = broker.host
        self.network = json.loads(block("json", "cniVersion"))
        (self._plugin,) = self.network.pop("plugins")
        self.environment = {
            **broker.environment(),
            "CNI_CONTAINERID": "web",
            "CNI_NETNS": f"/proc/{container.pid}/ns/net",
            "CNI_IFNAME": "eth0",
            "CNI_PATH": PLUGINS,
        }

    def call(self, command, **more):
        """Returns its status, and what it has printed."""
        done = self._host.run(
            self._host.program(f"cni/{self._plugin['type']}"),
            input=json.dumps({**self.network, **self._plugin, **more}),
            env={**self.environment, "CNI_COMMAND": command},
            check=False,
        )
        return done.returncode, json.loads(done.stdout or "null")

    def run(self, command, **more):
        status, printed = self.call(command, **more)
        assert status == 0, printed
        return printed

    def refused(self, command, **more):
        status, printed = self.call(command, **more)
        assert status == 1
        return printed


@pytest.fixture
def runtime(broker, container):
    need(f"{PLUGINS}/bridge")
    host = broker.host
    daemon = host.popen(*command("dhcp daemon").split(), stderr=subprocess.DEVNULL)
    asks = ("test", "-S", "/run/cni/dhcp.sock")
    wait_for(lambda: host.run(*asks, check=False).returncode == 0, what="CNI's daemon")
    yield Runtime(broker, container)
    daemon.terminate()
    daemon.wait(timeout=20)


@pytest.fixture
def library(runtime, broker, container, build):
    """The runtime of cni.go, by CNI's own library; it takes a command, and prints its result."""
    if not os.path.exists(f"{GOPATH}/src/github.com/containernetworking/cni/libcni"):
        pytest.skip("no golang-github-appc-cni-dev here")
    host = broker.host
    program, conflist, cache = (f"{host.directory}/{name}" for name in ("cni", "conflist", "cache"))
    go = documents.TOP / "tests/programs"
    run_go(build, "build", "-o", program, "cni.go", cwd=go, **FROM_GOPATH)
    with open(conflist, "w", encoding="utf-8") as file:
        file.write(block("json", "cniVersion"))
    paths = f"{host.program('cni')}:{PLUGINS}"
    environment = {**broker.environment(), "CNI_PATH": paths}

    def call(command):
        argv = (program, command, conflist, f"/proc/{container.pid}/ns/net", cache)
        return host.run(*argv, env=environment).stdout

    return call


def holders(broker):
    return [client["command"] for client in broker.inspect("default")["clients"]]


def records(host):
    return host.run("ls", "/run/vmnet-broker-cni").stdout.split()


def claim(container, address):
    """Says in a container, by ARP, that an address is its own."""
    with container.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind(("eth0", 0))
        mac = sender.getsockname()[4]
        sender.send(frame.ethernet(frame.BROADCAST, mac, 0x0806, frame.arp_reply(mac, address)))


def test_cni(library, broker, outside, container, join):
    """A container, a machine and the outside reach each other; then nothing is left."""
    links = broker.host.links()
    added = json.loads(library("ADD"))
    address = added["ips"][0]["address"].partition("/")[0]
    wait_for(
        lambda: [lease["address"] for lease in broker.inspect("default")["leases"]] == [address],
        what="its lease",
    )
    broker.restart()
    assert holders(broker) == ["vmnet-cni-hold"]
    machine = join("default")
    assert transfer(container, machine, machine.address)
    assert transfer(machine, container, address)
    assert transfer(container, outside, SERVER_IPV4)
    claim(container, broker.inspect("default")["network"]["ipv4Gateway"])
    wait_for(lambda: broker.inspect("default")["roguePackets"] == 1, what="the claim's end")
    library("CHECK")
    library("DEL")
    machine.kill()
    machine.client.close()
    wait_for(lambda: broker.host.links() == links, what="the end of their devices")
    assert records(broker.host) == []


@pytest.mark.parametrize("broker", [Broker], indirect=True)
def test_cni_errors(runtime, broker):
    assert runtime.refused("ADD", network="nowhere") == {
        "cniVersion": "1.0.0",
        "code": 7,
        "msg": 'no network "nowhere" is configured; "vmnetctl networks" lists those that are',
        "details": 'it is what the configuration has as "network"',
    }
    runtime.run("DEL")
    assert "no network name" in runtime.refused("ADD", network="../default")["msg"]
    assert runtime.refused("ADD", network=None)["code"] == 7
    assert runtime.refused("REMOVE")["code"] == 4
    assert "none-such" in runtime.refused("ADD", ipam={"type": "none-such"})["msg"]
    assert records(broker.host) == []
    wait_for(lambda: not broker.networks()["default"]["active"], what="the network's end")
    runtime.environment["CNI_CONTAINERID"] = "../web"
    assert runtime.refused("ADD")["code"] == 4
    runtime.environment.update(CNI_CONTAINERID="web", CNI_PATH="/nowhere")
    assert runtime.refused("ADD")["code"] == 50
    broker.stop()
    runtime.environment["CNI_PATH"] = PLUGINS
    assert runtime.refused("ADD")["code"] == 11


def test_cni_bridged(runtime, broker):
    """The plugin "bridge" would change a bridge of the host's own."""
    broker.configure({"office": {"mode": "bridged", "external_interface": "br0"}})
    broker.vmnetctl("reload", uid=0)
    broker.host.ip("link add br0 up type bridge")
    message = runtime.refused("ADD", network="office")["msg"]
    assert message == "network office is the host's own bridge, br0"
    wait_for(lambda: not broker.networks()["office"]["active"], what="the network's end")
    broker.host.ip("link delete br0")
    assert records(broker.host) == []


def test_cni_add_twice(runtime, broker):
    """The second one is refused, and takes nothing away from the first."""
    added = runtime.run("ADD")
    assert runtime.refused("ADD") == {
        "cniVersion": "1.0.0",
        "code": 100,
        "msg": "eth0 of container web is on network default already",
        "details": "remove it first, by DEL",
    }
    runtime.run("CHECK", prevResult=added)
    (client,) = broker.inspect("default")["clients"]
    os.kill(client["pid"], signal.SIGKILL)
    wait_for(lambda: holders(broker) == [], what="the holder's end")
    assert runtime.refused("CHECK", prevResult=added)["code"] == 100
    runtime.run("DEL")
    runtime.run("DEL")
    assert records(broker.host) == []


@pytest.mark.parametrize("broker", [Broker], indirect=True)
def test_cni_without_service_manager(runtime, broker):
    """The next broker's network is held, too."""
    runtime.run("ADD")
    broker.kill()
    broker.start()
    wait_for(lambda: holders(broker) == ["vmnet-cni-hold"], what="the hold")
    runtime.run("DEL")


def test_cni_version(runtime):
    assert runtime.run("VERSION") == {
        "cniVersion": "1.0.0",
        "supportedVersions": ["0.4.0", "1.0.0", "1.1.0"],
    }


def test_cni_garbage(runtime, broker, directory):
    """Containers of the configuration that the runtime does not know lose their holds alone."""
    delegated = os.path.join(directory, "bridge")
    with open(delegated, "w", encoding="ascii") as file:
        file.write(
            "#!/bin/sh\n"
            f"case $CNI_COMMAND in GC | STATUS) exec tee {directory}/$CNI_COMMAND >&2 ;; esac\n"
            f"exec {PLUGINS}/bridge\n"
        )
    os.chmod(delegated, 0o755)
    runtime.environment["CNI_PATH"] = f"/nowhere:{directory}:{PLUGINS}"
    for interface in "eth0", "eth1":
        runtime.environment["CNI_IFNAME"] = interface
        runtime.run("ADD")
    runtime.environment["CNI_IFNAME"] = "eth2"
    runtime.run("ADD", name="other")
    runtime.network["cniVersion"] = "1.1.0"
    valid = [{"containerID": "web", "ifname": "eth1"}]
    runtime.run("GC", **{"cni.dev/valid-attachments": valid})
    assert records(broker.host) == ["other:web:eth2", "vmnet:web:eth1"]
    wait_for(lambda: len(holders(broker)) == 2, what="the holder's end")
    runtime.run("STATUS")
    for command in "GC", "STATUS":
        with open(os.path.join(directory, command), encoding="utf-8") as file:
            assert json.load(file)["type"] == "bridge"
    assert runtime.refused("STATUS", network="nowhere")["code"] == 7
    runtime.run("GC")
    runtime.run("GC", name="other")
    assert records(broker.host) == []

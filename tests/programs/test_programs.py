# SPDX-License-Identifier: Apache-2.0
"""Programs of others on networks of the broker's, as docs/programs.md shows it."""

import contextlib
import json
import os
import socket
import subprocess

import pytest

from support import documents
from support.guest import Console
from support.host import SERVER_IPV4
from support.namespace import Namespace
from support.need import need
from support.traffic import echo_server, transfer
from support.wait import wait_for

PAGE = documents.TOP / "docs/programs.md"
USER = 65534  # libvirt wants one that has a name
PLUGINS = "/usr/lib/cni"

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
        names = {interface["mac_address"]: interface["name"] for interface in interfaces}
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


@pytest.fixture
def runtime(broker, container):
    """What a runtime has CNI's plugin do, on a network that is held: runtime("ADD")."""
    need(f"{PLUGINS}/bridge")
    host = broker.host
    hold = host.popen(
        *(host.program("vmnetctl/vmnetctl"), "hold", "default"),
        uid=USER,
        env=broker.environment(),
        stdout=subprocess.DEVNULL,
    )
    wait_for(lambda: broker.networks()["default"]["active"], what="a network")
    daemon = host.popen(*command("dhcp daemon").split(), stderr=subprocess.DEVNULL)
    asks = ("test", "-S", "/run/cni/dhcp.sock")
    wait_for(lambda: host.run(*asks, check=False).returncode == 0, what="CNI's daemon")
    network = json.loads(block("json", "cniVersion"))
    (plugin,) = network["plugins"]

    def run(verb, **more):
        configuration = {**plugin, "cniVersion": network["cniVersion"], "name": network["name"]}
        done = host.run(
            f"{PLUGINS}/{plugin['type']}",
            input=json.dumps({**configuration, **more}),
            env={
                "CNI_COMMAND": verb,
                "CNI_CONTAINERID": "web",
                "CNI_NETNS": f"/proc/{container.pid}/ns/net",
                "CNI_IFNAME": "eth0",
                "CNI_PATH": PLUGINS,
            },
        )
        return json.loads(done.stdout or "null")

    yield run
    for process in daemon, hold:
        process.terminate()
        process.wait(timeout=20)


def test_cni(runtime, broker, outside, container, join):
    """A container, a machine and the outside reach each other; then nothing is left."""
    links = broker.host.links()
    added = runtime("ADD")
    address = added["ips"][0]["address"].partition("/")[0]
    wait_for(
        lambda: [lease["address"] for lease in broker.inspect("default")["leases"]] == [address],
        what="its lease",
    )
    machine = join("default")
    assert transfer(container, machine, machine.address)
    assert transfer(machine, container, address)
    assert transfer(container, outside, SERVER_IPV4)
    runtime("CHECK", prevResult=added)
    runtime("DEL", prevResult=added)
    machine.kill()
    wait_for(lambda: broker.host.links() == links, what="the end of their devices")

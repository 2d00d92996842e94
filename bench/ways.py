# SPDX-License-Identifier: Apache-2.0
"""Ways by which machines reach each other, their host and the outside: the broker's and others'.

A machine is a descriptor that frames are written to and read from, as a virtual machine monitor
would. Each way has a host of its own, so that all of them can be there at once.
"""

import contextlib
import fcntl
import os
import re
import shutil
import socket
import struct
import subprocess

from support import frame
from support.broker import Broker
from support.host import HOST_IPV4, Host
from support.namespace import Namespace
from support.tap import IFF_MULTI_QUEUE, IFF_NO_PI, IFF_TAP, IFF_VNET_HDR, open_tap
from support.wait import wait_for

SUBNET, GATEWAY = "10.77.0.0/24", "10.77.0.1"
ADDRESSES = "10.77.0.200", "10.77.0.201"
MACS = "52:54:00:00:00:01", "52:54:00:00:00:02"
QUEUES = 2  # where there are several
TAP = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR
TUNSETOFFLOAD, OFFLOADS = 0x400454D0, 3  # TUN_F_CSUM | TUN_F_TSO4
ETHERNET, IPV4 = 14, 20
NEEDS_CHECKSUM = 1  # of the flags of virtio-net's header
ETHERTYPE_ANY = 3


class Machine:
    """One end of a way: what a machine's network device would be."""

    has_virtio = False

    def __init__(self, fd, mac, address, *more_fds):
        self.fd = fd
        self.fds = fd, *more_fds  # a queue each
        self.mac = frame.mac_bytes(mac)
        self.address = address

    def wrap(self, data, _virtio):
        """A frame as it is written; read, it is as long."""
        return data


class TapMachine(Machine):
    """Behind a TAP device, with the header of virtio-net: checksums are left to the host."""

    has_virtio = True

    def __init__(self, fd, mac, address, *more_fds):
        super().__init__(fd, mac, address, *more_fds)
        fcntl.ioctl(fd, TUNSETOFFLOAD, OFFLOADS)

    def wrap(self, data, virtio):
        return virtio + data


class StreamMachine(Machine):
    """Behind a stream, in which a frame's length is before it."""

    def wrap(self, data, _virtio):
        return struct.pack("!I", len(data)) + data


class Way:
    """What all have: a host, its outside, and what is to be ended.

    machines: one or two; gateway: the host's address for them; helpers: the processes that carry
    packets besides the kernel.
    """

    reaches = ("machine", "host", "outside")
    is_bridge = False  # of the kernel's, with TAP devices
    queues = 1  # of each machine
    is_switch = True
    answers_again = True  # the same echo request
    name = ""
    program = None  # what has to be there

    def __init__(self, directory, build):
        if self.program and not shutil.which(self.program):
            raise FileNotFoundError(f"no {self.program}")
        self.directory = os.path.join(directory, re.sub(r"\W+", "-", self.name))
        self.directory += f"-{self.queues}"
        os.mkdir(self.directory, 0o755)
        self.build = build
        self.machines = []
        self.gateway = GATEWAY
        self.gateway_mac = b""
        self.helpers = []
        self._stack = contextlib.ExitStack()
        try:
            self.host = Host(self.directory, build)
            self._stack.callback(self.host.close)
            # As on a host that has no br_netfilter, where other programs do not bring it.
            self.host.filter_bridges("ip", 0)
            self.host.filter_bridges("ip6", 0)
            # A way back without NAT, and no filter on where packets come from.
            self.host.outside.ip(f"route add {SUBNET} via {HOST_IPV4}")
            self._start()
        except BaseException:
            self.close()
            raise

    def _add_taps(self, devices, bridge):
        """devices: the descriptors of each."""
        for fds, mac, address in zip(devices, MACS, ADDRESSES):
            for fd in fds:
                self._stack.callback(os.close, fd)
            self.machines.append(TapMachine(fds[0], mac, address, *fds[1:]))
            self.host.ip(f"neigh replace {address} lladdr {mac} dev {bridge} nud permanent")
        self.gateway_mac = frame.mac_bytes(self.host.device(bridge)["address"])

    def close(self):
        self._stack.close()


class ByHand(Way):
    """A bridge and TAP devices, and no rule."""

    name = "by hand"
    is_bridge = True
    rules = ""

    def _start(self):
        self.host.ip("link add br0 type bridge")
        self.host.ip(f"address add {GATEWAY}/24 dev br0")
        self.host.ip("link set br0 up")
        self.host.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        if self.rules:
            self.host.run("nft", "-f", "-", input=self.rules)
        flags = TAP | IFF_MULTI_QUEUE if self.queues > 1 else TAP
        devices = [
            [open_tap(self.host, f"tap{i}", flags=flags) for _ in range(self.queues)]
            for i in range(len(MACS))
        ]
        for i in range(len(MACS)):
            self.host.ip(f"link set tap{i} master br0 up")
        self._add_taps(devices, "br0")


class Masquerade(ByHand):
    """The same with the rules that a network behind the host's address takes at the least."""

    name = "by hand, with masquerade"
    rules = """
        table ip bench {
            chain forward {
                type filter hook forward priority 0
                iifname br0 accept
                oifname br0 ct state established,related accept
            }
            chain postrouting {
                type nat hook postrouting priority 100
                ip saddr 10.77.0.0/24 oifname != br0 masquerade
            }
        }"""


class Brokered(Way):
    """A network of the broker's beside others, which nobody uses."""

    is_bridge = True
    others = 0

    def _start(self):
        quiet = {"dhcp": False, "dns_proxy": False, "router_advertisement": False}
        config = {"lab": {"mode": "shared", "subnet": SUBNET}}
        for i in range(self.others):
            config[f"other{i}"] = {"mode": "shared", **quiet}
        broker = Broker(self.host, config)
        self._stack.callback(broker.close_clients)
        broker.start()
        client = broker.client()
        for network in config:
            client.acquire(network)
        devices = [
            client.attach("lab", macAddress=mac, queues=self.queues).tap_fds for mac in MACS
        ]
        self._add_taps(devices, "vmb-lab")


def brokered(others):
    """The class of a way with so many other networks."""
    name = f"broker, {others} other networks" if others else "broker"
    return type("Brokered", (Brokered,), {"others": others, "name": name})


def queued(kind):
    """The class of such a way between machines with several queues each."""
    return type("Queued", (kind,), {"queues": QUEUES})


class Copier(Way):
    """A process that does nothing but copy each frame from one machine's socket to the other's."""

    name = "helper that copies"
    is_switch = False
    reaches = ("machine",)

    def _start(self):
        first, second = (socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2))
        for pair, mac, address in zip((first, second), MACS, ADDRESSES):
            for end in pair:
                self._stack.callback(end.close)
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            self.machines.append(Machine(pair[0].fileno(), mac, address))
        fds = first[1].fileno(), second[1].fileno()
        program = os.path.join(self.build, "bench/frames")
        self.helpers = [self.host.popen(program, *fds, pass_fds=fds).pid]


class Vde(Way):
    """vde_switch, with the host behind a TAP device of it."""

    name = program = "vde_switch"
    reaches = ("machine", "host")
    HELLO = struct.Struct("=III")  # magic, version, kind of request
    MAGIC, VERSION, NEW_CONTROL = 0xFEEDFACE, 3, 0

    def _start(self):
        path = os.path.join(self.directory, "switch")
        # It ends at the end of its standard input.
        switch = self.host.popen(
            self.program,
            *("--sock", path, "--tap", "tap0"),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        self._stack.callback(switch.stdin.close)
        wait_for(lambda: os.path.exists(f"{path}/ctl"), what="vde_switch")
        wait_for(lambda: "tap0" in self.host.links(), what="its TAP device")
        self.helpers = [switch.pid]
        self.host.ip(f"address add {GATEWAY}/24 dev tap0")
        self.host.ip("link set tap0 up")
        for mac, address in zip(MACS, ADDRESSES):
            self.machines.append(Machine(self._plug(path, mac), mac, address))
            self.host.ip(f"neigh replace {address} lladdr {mac} dev tap0 nud permanent")
        self.gateway_mac = frame.mac_bytes(self.host.device("tap0")["address"])

    def _plug(self, path, mac):
        """A port, by what libvdeplug says to a switch."""
        own = f"{path}/{mac}"
        data = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._stack.callback(data.close)
        self._stack.callback(control.close)
        data.bind(own)
        control.connect(f"{path}/ctl")
        hello = self.HELLO.pack(self.MAGIC, self.VERSION, self.NEW_CONTROL)
        control.send(hello + struct.pack("=H108s", socket.AF_UNIX, own.encode()) + b"\0")
        reply = control.recv(128)
        data.connect(reply[2:].partition(b"\0")[0].decode())
        return data.fileno()


class Passt(Way):
    """passt, which makes connections of its own of a machine's packets."""

    name = program = "passt"
    answers_again = False
    reaches = ("host", "outside")

    def _start(self):
        path = os.path.join(self.directory, "socket")
        passt = self.host.popen(
            self.program,
            *("--foreground", "--socket", path, "--runas", "0"),
            *("--address", ADDRESSES[0], "--netmask", "24", "--gateway", GATEWAY),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(lambda: os.path.exists(path), what="passt")
        machine = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._stack.callback(machine.close)
        wait_for(lambda: machine.connect_ex(path) == 0, what="passt's socket")
        self.helpers = [passt.pid]
        self.machines = [StreamMachine(machine.fileno(), MACS[0], ADDRESSES[0])]
        self.gateway_mac = bytes.fromhex("020000000001")  # it takes any


class Slirp(Way):
    """slirp4netns, the machine of which is a network namespace."""

    name = program = "slirp4netns"
    reaches = ("host", "outside")

    def _start(self):
        inside = Namespace("slirp")
        self._stack.callback(inside.close)
        self.host.run("sysctl", "-qw", "net.ipv4.ping_group_range=0 2147483647")
        ready, told = os.pipe()
        slirp = self.host.popen(
            self.program,
            *("--configure", "--mtu=1500", f"--ready-fd={told}", inside.pid, "tap0"),
            pass_fds=[told],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(told)
        with os.fdopen(ready, "rb") as file:
            assert file.read(1) == b"1", "slirp4netns did not start"
        with inside.entered():
            machine = socket.socket(
                socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE_ANY)
            )
            machine.bind(("tap0", ETHERTYPE_ANY))
        self._stack.callback(machine.close)
        self.helpers = [slirp.pid]
        mac = inside.device("tap0")["address"]
        self.machines = [Machine(machine.fileno(), mac, "10.0.2.100")]
        self.gateway = "10.0.2.2"
        self.gateway_mac = frame.mac_bytes("52:55:0a:00:02:02")

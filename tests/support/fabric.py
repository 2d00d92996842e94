# SPDX-License-Identifier: Apache-2.0
"""Several hosts on one underlay, each with a broker and, for "evpn", with an FRR of its own.

The hosts are called a, b, c, ...; what is below of them has their number, from 1. Each has its
uplink to an outside of its own as well (support/host.py), and UNDERLAY to all the others.

    with Fabric(directory, build) as fabric:
        fabric.start()
        fabric.wait_converged()
        db = fabric["a"].join("lab")
        fabric.move(db, "b")
"""

import contextlib
import ipaddress
import os
import shutil
import signal
import socket
import string
import struct
import subprocess

from .broker import Broker
from .closing import Closing
from .host import Host
from .machine import Machine
from .namespace import Namespace
from .wait import wait_for

UNDERLAY = "eth1"
WIREGUARD = "wg0"
WIREGUARD_PORT = 51820
PORT = 4789
ALL_MACS = "00:00:00:00:00:00"  # of an entry for what no other is for
STRANGER = 250  # the number of whoever is on the underlay and is none of the hosts
FRR = "/usr/lib/frr"
AS = 65000

# What is converged of a host, and what FRR has to forget: in tests sooner than in a network that
# goes on for years.
TIMERS = """ timers bgp 1 3
 neighbor hosts timers connect 1
"""


def name_of(number):
    letters = string.ascii_lowercase
    return letters[number - 1] if number <= len(letters) else f"h{number}"


def address_of(number, underlay="ipv4"):
    """A host's own on the underlay, which VXLAN packets go to."""
    prefix = {"ipv4": "192.0.2.", "ipv6": "2001:db8:f::", "wireguard": "10.99.0."}[underlay]
    return prefix + (f"{number:x}" if underlay == "ipv6" else f"{number}")


def vxlan_network(hosts, index=0, control="evpn", underlay="ipv4", port=None, **others):
    """A configuration's network over that many hosts: the index-th of several."""
    vxlan = {
        "vni": 4711 + index,
        "control": control,
        **({"port": port} if port else {}),
        "hosts": [
            {
                "name": name_of(number),
                "address": address_of(number, underlay),
                "pool": f"10.{80 + index}.{number}.0/24",
            }
            for number in range(1, hosts + 1)
        ],
    }
    return {
        "mode": "shared",
        "subnet": f"10.{80 + index}.0.0/16",
        "ipv6_prefix": f"fd80:0:0:{index + 1}::/64",
        "vxlan": vxlan,
        **others,
    }


def router_id(own):
    """Of IPv4's form whatever a host's addresses are."""
    return address_of(int(own.rpartition(":")[2], 16)) if ":" in own else own


def frr_config(own, others, more=TIMERS):
    """The whole configuration of a host's FRR. more: further lines of "router bgp"."""
    neighbours = "".join(f" neighbor {address} peer-group hosts\n" for address in others)
    return (
        f"router bgp {AS}\n"
        f" bgp router-id {router_id(own)}\n"
        " no bgp default ipv4-unicast\n"
        " neighbor hosts peer-group\n"
        " neighbor hosts remote-as internal\n"
        f"{neighbours}{more}"
        " address-family l2vpn evpn\n"
        "  neighbor hosts activate\n"
        "  advertise-all-vni\n"
        "  flooding disable\n"
    )


class Frr:
    """zebra and bgpd of a host, each started, stopped and killed at will."""

    def __init__(self, host, config):
        self.host = host
        self.directory = os.path.join(host.directory, "frr")
        self.log_path = os.path.join(self.directory, "log")
        os.mkdir(self.directory)
        for name, text in ("zebra", ""), ("bgpd", config):
            with open(self._path(f"{name}.conf"), "w", encoding="ascii") as file:
                file.write(text)
        for name in "", "zebra.conf", "bgpd.conf":
            shutil.chown(self._path(name), "frr", "frr")
        self.processes = {}

    def _path(self, name):
        return os.path.join(self.directory, name)

    def start(self, *names):
        """Starts those that are named, or both; bgpd looks for zebra again only after 10 s."""
        for name in names or ("zebra", "bgpd"):
            for left in {"zebra": ("zebra.vty", "zserv"), "bgpd": ("bgpd.vty",)}[name]:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._path(left))
            with open(self.log_path, "ab") as log:
                self.processes[name] = self.host.popen(
                    os.path.join(FRR, name),
                    *("-f", self._path(f"{name}.conf")),
                    *("-i", self._path(f"{name}.pid")),
                    *("-z", self._path("zserv")),
                    *("--vty_socket", self.directory),
                    *("-P", "0", "--log", "stdout"),
                    stdout=log,
                    stderr=log,
                )
            wait_for(lambda: self._serves(name), what=lambda: f"{name}; its log:\n{self.log()}")

    def _serves(self, name):
        process = self.processes[name]
        assert process.poll() is None, f"{name}: {process.returncode}\n{self.log()}"
        return all(map(os.path.exists, [self._path(f"{name}.vty"), self._path("zserv")]))

    def end(self, *names, number=signal.SIGTERM):
        """Ends those that are named, or both; killed with SIGKILL they tell nobody."""
        for name in names or ("bgpd", "zebra"):
            self.processes[name].send_signal(number)
        for name in names or ("bgpd", "zebra"):
            self.processes.pop(name).wait(timeout=30)

    def kill(self, *names):
        self.end(*names, number=signal.SIGKILL)

    def pids(self):
        return [process.pid for process in self.processes.values()]

    def vtysh(self, command):
        return self.host.run("vtysh", "--vty_socket", self.directory, "-c", command).stdout

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()


class FabricHost(Host):
    """One of the hosts: its FRR is "frr" and its broker "broker", where it has them."""

    def __init__(self, fabric, number):
        self.number = number
        self.frr = self.broker = None
        self._tapnet = os.path.join(fabric.build, "tests/tools/tapnet")
        self._n_machines = 0
        directory = os.path.join(fabric.directory, name_of(number))
        os.mkdir(directory, 0o755)
        super().__init__(directory, fabric.build, name_of(number))

    def snapshot(self, ignored_processes=()):
        """FRR comes and goes by what a test does with it."""
        frr = self.frr.pids() if self.frr else []
        return super().snapshot([*ignored_processes, *frr])

    def plug_in(self, network, uid=0, name=None, **options):
        """A machine that has no address yet; options are those of Attach.

        The client that attached it is the machine's "client", and this its "host".
        """
        client = self.broker.client(uid=uid)
        client.acquire(network)
        self._n_machines += 1
        name = name or f"{self.name}-machine{self._n_machines}"
        attachment = client.attach(network, **options)
        machine = Machine(name, self.directory, self._tapnet, attachment)
        machine.client, machine.host, machine.network = client, self, network
        return machine

    def join(self, network, hostname=None, client=(), **options):
        """The same with an address. client: further arguments for udhcpc."""
        machine = self.plug_in(network, **options)
        machine.dhcp(hostname=hostname, client=client)
        return machine

    def _destinations(self, network):
        """[(MAC address, address of a host), ...] of the VXLAN device's entries."""
        with self.entered():
            said = subprocess.run(
                ["bridge", "fdb", "show", "dev", f"vmx-{network}"],
                check=False,
                capture_output=True,
                text=True,
            ).stdout
        lines = [line.split() for line in said.splitlines()]
        return [(words[0], words[words.index("dst") + 1]) for words in lines if "dst" in words]

    def floods(self, network):
        """The addresses of the hosts that get what is for everybody."""
        return sorted(host for mac, host in self._destinations(network) if mac == ALL_MACS)

    def whereabouts(self, network):
        """{MAC address: address of its host} of all that are known elsewhere."""
        return {mac: host for mac, host in self._destinations(network) if mac != ALL_MACS}

    def learned(self, network):
        """{IP address: MAC address} of machines elsewhere, as FRR told the kernel."""
        said = self.ip(f"neighbour show dev vmb-{network}", check=False)
        lines = [line.split() for line in said.splitlines() if "extern_learn" in line]
        return {words[0]: words[2] for words in lines}


class Capture(Closing):
    """What passes on a link, from when it is made; a packet is one by IP, without Ethernet."""

    def __init__(self, namespace, device):
        with namespace.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
            self._socket.bind((device, 3))  # all protocols
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._socket.setblocking(False)
        self._packets = []

    def packets(self):
        """All so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._packets.append(self._socket.recv(65536))
        return self._packets

    def frames(self, port=PORT):
        """Those of VXLAN: [(source, destination, VNI, frame), ...]."""
        return [found for found in (vxlan(packet, port) for packet in self.packets()) if found]

    def close(self):
        self._socket.close()


def vxlan(packet, port=PORT):
    """What a packet of IP carries by VXLAN: (source, destination, VNI, frame), or None."""
    family, first, size = {
        4: (socket.AF_INET, 12, 20),
        6: (socket.AF_INET6, 8, 40),
    }.get(packet[0] >> 4 if packet else 0, (None, 0, 0))
    protocol = 9 if family == socket.AF_INET else 6
    if family is None or len(packet) < size + 16 or packet[protocol] != socket.IPPROTO_UDP:
        return None
    if struct.unpack_from("!H", packet, size + 2)[0] != port:
        return None
    width = 4 if family == socket.AF_INET else 16
    addresses = [packet[first + i * width : first + (i + 1) * width] for i in (0, 1)]
    source, destination = (socket.inet_ntop(family, address) for address in addresses)
    vni = int.from_bytes(packet[size + 12 : size + 15], "big")
    return source, destination, vni, packet[size + 16 :]


class Fabric:
    """The hosts and what is between them.

    control: "evpn" or "static"; underlay: "ipv4", "ipv6", or "wireguard" for one over IPv4.
    networks: the configuration's; {"lab": ...} if it is None. brokers: False for hosts without.
    frr: makes the configuration of a host's FRR from (own address, those of the others), or None
    for "evpn" with an FRR of somebody else's.
    broker: further arguments of each Broker.
    """

    def __init__(
        self,
        directory,
        build,
        control="evpn",
        underlay="ipv4",
        hosts=3,
        networks=None,
        brokers=True,
        frr=frr_config,
        **broker,
    ):
        self.directory, self.build = directory, build
        self.control, self.underlay = control, underlay
        self.addresses = {name_of(n): address_of(n, underlay) for n in range(1, hosts + 1)}
        if networks is None:
            networks = {"lab": vxlan_network(hosts, 0, control, underlay)}
        self.networks = networks
        self.machines = []
        self.hosts = []
        self._stranger = None
        self.between = Namespace("underlay")
        try:
            self.between.ip_batch(
                "link add underlay mtu 9000 type bridge forward_delay 0 mcast_snooping 0",
                "link set underlay addrgenmode none up",
            )
            for number in range(1, hosts + 1):
                self.hosts.append(FabricHost(self, number))
                self._connect(self.hosts[-1], self.hosts[-1].name, number)
            if underlay == "wireguard":
                self._encrypt()
            for host in self.hosts:
                own = self.addresses[host.name]
                if control == "evpn" and frr:
                    others = [address for address in self.addresses.values() if address != own]
                    host.frr = Frr(host, frr(own, others))
                if brokers:
                    host.broker = Broker(host, config=networks, **broker)
        except BaseException:
            self.close()
            raise

    def _connect(self, namespace, port, number):
        """A link to all the others, with this number's addresses."""
        self.between.ip_batch(
            f"link add name {port} mtu 9000 type veth peer name {UNDERLAY} mtu 9000 "
            f"netns {namespace.pid}",
            f"link set dev {port} master underlay addrgenmode none up",
        )
        ipv6, link_local = address_of(number, "ipv6"), f"fe80::{number:x}"
        namespace.ip_batch(
            f"address add {address_of(number)}/24 dev {UNDERLAY}",
            f"address add {ipv6}/64 dev {UNDERLAY} nodad",
            f"address add {link_local}/64 dev {UNDERLAY} nodad",
            f"link set {UNDERLAY} mtu 1500 addrgenmode none up",
        )
        namespace.settle(UNDERLAY, ipv6, link_local)

    def _encrypt(self):
        """WireGuard between all hosts, by the kernel's or, where it has none, by a program."""
        keys = {}
        for host in self.hosts:
            private = host.run("wg", "genkey").stdout
            keys[host] = private, host.run("wg", "pubkey", input=private).stdout.strip()
        for host in self.hosts:
            with host.entered():
                made = subprocess.run(
                    ["ip", "link", "add", WIREGUARD, "type", "wireguard"],
                    check=False,
                    stderr=subprocess.DEVNULL,
                )
            if made.returncode != 0:
                silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
                host.popen("wireguard-go", "-f", WIREGUARD, **silent)
                control = f"/run/wireguard/{WIREGUARD}.sock"
                wait_for(
                    lambda: host.run("test", "-S", control, check=False).returncode == 0,
                    what="wireguard-go",
                )
            peers = "".join(
                f"[Peer]\nPublicKey = {keys[other][1]}\n"
                f"Endpoint = {address_of(other.number)}:{WIREGUARD_PORT}\n"
                f"AllowedIPs = {self.addresses[other.name]}/32\n"
                for other in self.hosts
                if other is not host
            )
            own = f"[Interface]\nPrivateKey = {keys[host][0]}ListenPort = {WIREGUARD_PORT}\n"
            host.run("wg", "setconf", WIREGUARD, "/dev/stdin", input=own + peers)
            host.ip_batch(
                f"address add {self.addresses[host.name]}/24 dev {WIREGUARD}",
                f"link set {WIREGUARD} up",
            )

    def __getitem__(self, name):
        return next(host for host in self.hosts if host.name == name)

    def __iter__(self):
        return iter(self.hosts)

    def others(self, host):
        return [other for other in self.hosts if other is not host]

    @property
    def device(self):
        """A host's, with its address on the underlay."""
        return WIREGUARD if self.underlay == "wireguard" else UNDERLAY

    def start(self):
        """Starts what each host has: FRR, and the broker."""
        for host in self.hosts:
            if host.frr:
                host.frr.start()
        for host in self.hosts:
            if host.broker:
                host.broker.start(wait=False)
        for host in self.hosts:
            if host.broker:
                wait_for(host.broker.serves, what=lambda: host.broker.log())

    def own_mac(self, name, network="lab"):
        """A host's own on a network, which is made of its IPv4 address there."""
        hosts = self.networks[network]["vxlan"]["hosts"]
        (pool,) = (ipaddress.ip_network(host["pool"]) for host in hosts if host["name"] == name)
        return ":".join(f"{byte:02x}" for byte in b"vm" + pool[1].packed)

    def known_hosts(self, name, network="lab"):
        """The names of those that FRR has told the kernel of a host about."""
        whereabouts = self[name].whereabouts(network)
        return {
            other
            for other, address in self.addresses.items()
            if other != name and whereabouts.get(self.own_mac(other, network)) == address
        }

    def wait_converged(self, network="lab", hosts=None, timeout=30):
        """Waits until each of the hosts, on which the network is active, knows of the others.

        With "static" none knows of another before it has heard of it.
        """
        hosts = self.hosts if hosts is None else hosts
        names = {host.name for host in hosts}

        def missing():
            for name in names if self.control == "evpn" else ():
                known = self.known_hosts(name, network)
                if not known >= names - {name}:
                    return f"{name} knows {known}"
            return None

        wait_for(lambda: not missing(), timeout, what=lambda: f"{network} on all: {missing()}")

    def wait_known(self, machine, timeout=30, without=()):
        """Waits until FRR has told all other hosts where a machine is, and its address.

        without: the names of hosts that need not know.
        """
        network, mac = machine.network, machine.mac_address
        place = self.addresses[machine.host.name]
        for host in self.others(machine.host):
            if host.name in without:
                continue
            wait_for(
                lambda: host.whereabouts(network).get(mac) == place
                and (not machine.lease or host.learned(network).get(machine.address) == mac),
                timeout,
                what=lambda: f"{machine.name} on {host.name}, where is known: "
                f"{host.whereabouts(network)}, {host.learned(network)}",
            )

    def cut(self, name):
        """The host's link to the others has no carrier."""
        self.between.ip(f"link set dev {name} down")

    def mend(self, name):
        self.between.ip(f"link set dev {name} up")
        self[name].settle(UNDERLAY)

    def lose(self, name, all_of_them=True):
        """The host's packets to and from the others are lost, and it has its carrier."""
        self.between.ip(f"link set dev {name} {'nomaster' if all_of_them else 'master underlay'}")

    def capture(self, name):
        """What passes on a host's link to the others; with WireGuard that is what it encrypted."""
        return Capture(self.between, name)

    def stranger(self):
        """Somebody on the underlay who is none of the hosts."""
        if not self._stranger:
            self._stranger = Namespace("stranger")
            self._connect(self._stranger, "stranger", STRANGER)
        return self._stranger

    def move(self, machine, name, first="detach", **options):
        """A machine goes on at another host, as after a live migration, and says so there.

        first: "detach" here, or "attach" there: then it is attached at both for a moment.
        """
        host = self[name]
        here = machine.client
        client = host.broker.client()
        if first == "attach":
            client.acquire(machine.network)
            attachment = client.attach(machine.network, macAddress=machine.mac_address, **options)
            device = machine.unplug()
        else:
            device = machine.unplug()
            here.close()
            client.acquire(machine.network)
            attachment = client.attach(machine.network, macAddress=machine.mac_address, **options)
        machine.plug_in(device, attachment)
        machine.announce()
        here.close()
        machine.client, machine.host = client, host

    def join(self, name, network="lab", **options):
        """As join() of the host; the machine ends with part() or the fabric."""
        self.machines.append(self[name].join(network, **options))
        return self.machines[-1]

    def plug_in(self, name, network="lab", **options):
        """As plug_in() of the host, likewise."""
        self.machines.append(self[name].plug_in(network, **options))
        return self.machines[-1]

    def part(self):
        """Ends all machines and clients, and waits until no network is active any more."""
        while self.machines:
            self.machines.pop().close()
        for host in self.hosts:
            if host.broker:
                host.broker.close_clients()
        for host in self.hosts:
            if host.broker and host.broker.is_running():
                wait_for(
                    lambda: not any(n["active"] for n in host.broker.networks().values()),
                    what=f"the end of all networks of {host.name}",
                )

    def finish(self):
        """Ends all machines, clients and brokers, and checks that no host has anything of them."""
        while self.machines:
            self.machines.pop().close()
        for host in self.hosts:
            if host.broker and host.broker.process:
                host.broker.finish()

    def close(self):
        for namespace in [*self.machines, *self.hosts, self.between]:
            namespace.close()
        if self._stranger:
            self._stranger.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.finish()
        finally:
            self.close()

# SPDX-License-Identifier: Apache-2.0
"""The host of a test: a namespace with an uplink to an "outside", and what is to be seen in it."""

import contextlib
import difflib
import glob
import json
import os
import re
import socket
import subprocess

from .namespace import Namespace

UPLINK = "eth0"
HOST_IPV4 = "198.51.100.2"
OUTSIDE_IPV4 = "198.51.100.1"
SERVER_IPV4 = "203.0.113.2"
HOST_IPV6 = "2001:db8:1::2"
OUTSIDE_IPV6 = "2001:db8:1::1"
SERVER_IPV6 = "2001:db8:2::2"
SERVER_NAME = "server.test"


class Outside(Namespace):
    """The rest of the world: a router, and behind it one server, which knows names too.

    It has no way back to any network of the host: what it answers has gone through NAT.
    """

    def __init__(self, directory):
        super().__init__("outside")
        self.directory = directory

    def start_dns(self):
        """Serves SERVER_NAME, and nothing else, at the server's addresses."""
        addresses = f"{SERVER_IPV4},{SERVER_IPV6}"
        return self.serve_name(SERVER_NAME, addresses, listen=addresses)


class Host(Namespace):
    """The machine that the broker runs on, as far as the network goes."""

    def __init__(self, directory, build, name="host"):
        """directory: everybody may enter it; build: the directory with the programs."""
        self.directory = directory
        self.build = os.path.join(directory, "build")
        resolv_conf = os.path.join(directory, "resolv.conf")
        os.mkdir(self.build)
        with open(resolv_conf, "w", encoding="ascii") as file:
            file.write(f"nameserver {SERVER_IPV4}\n")
        # The build may be in a directory that other users cannot enter.
        super().__init__(
            name,
            f"mount --bind '{build}' '{self.build}'\n"
            f"mount --bind '{resolv_conf}' /etc/resolv.conf\n",
        )
        self._overlays = set()
        self.outside = Outside(directory)
        self._connect()

    def _connect(self):
        self.ip(f"link add {UPLINK} type veth peer name {UPLINK} netns {self.outside.pid}")
        for namespace, ipv4, ipv6, link_local in (
            (self, HOST_IPV4, HOST_IPV6, "fe80::2"),
            (self.outside, OUTSIDE_IPV4, OUTSIDE_IPV6, "fe80::1"),
        ):
            namespace.ip_batch(
                f"address add {ipv4}/24 dev {UPLINK}",
                f"address add {ipv6}/64 dev {UPLINK} nodad",
                f"address add {link_local}/64 dev {UPLINK} nodad",
                f"link set {UPLINK} addrgenmode none up",
            )
        self.settle(UPLINK, HOST_IPV6, "fe80::2")
        self.outside.settle(UPLINK, OUTSIDE_IPV6, "fe80::1")
        self.outside.ip_batch(
            f"address add {SERVER_IPV4}/32 dev lo", f"address add {SERVER_IPV6}/128 dev lo nodad"
        )
        self.ip_batch(
            f"route add default via {OUTSIDE_IPV4}", f"route add default via {OUTSIDE_IPV6}"
        )

    def program(self, path):
        """A program of the build, at a path that every user here can reach."""
        return os.path.join(self.build, path)

    def overlay(self, *names):
        """What is changed below these of / is changed for this host alone."""
        for name in set(names) - self._overlays:
            self._overlays.add(name)
            self.run(
                "sh",
                "-c",
                f"mkdir -p /run/{name} /run/work/{name} &&"
                f"{{ [ {name} != etc ] || cp /etc/resolv.conf /run/etc; }} && mount -t overlay -o "
                f"lowerdir=/{name},upperdir=/run/{name},workdir=/run/work/{name} overlay /{name}",
            )

    def find_machines(self):
        """Programs find machines by the C library's module, in the folder that is returned."""
        self.overlay("etc")
        line = "hosts: files vmnet_broker [!UNAVAIL=return] dns\n"
        self.run("tee", "/etc/nsswitch.conf", input=line)
        return self.program("nss")

    def start_bus(self):
        """D-Bus, which starts no services: as others' they may end at any time, as polkitd has."""
        self.run("mount", "-t", "tmpfs", "tmpfs", "/usr/share/dbus-1/system-services")
        self.run("mkdir", "-p", "/run/dbus")
        self.run("dbus-daemon", "--system", "--fork", "--nopidfile")

    def filter_bridges(self, family, value):
        """Whether bridges ask the rules of "ip" or "ip6"; False without br_netfilter."""
        setting = f"net/bridge/bridge-nf-call-{family}tables"
        if not os.path.exists(f"/proc/sys/{setting}"):
            return False
        self.run("sysctl", "-qw", f"{setting}={value}")
        return True

    def links(self):
        """The names of the devices."""
        with self.entered():
            return [name for _, name in socket.if_nameindex()]

    def snapshot(self, ignored_processes=()):
        """Everything a broker could leave behind, as {section: [line, ...]}.

        Processes that are ignored are so with those that they have made.
        """
        with self.entered():
            said = self.ip_batch("address", "route show table all", "rule", options="-d -j")
            addresses, routes, rules = said.splitlines()
            return {
                "links and addresses": _json_lines(addresses),
                "routes": _json_lines(routes),
                "rules": _json_lines(rules) + _lines("ip", "-6", "rule"),
                "nftables": _lines("nft", "--stateless", "list", "ruleset"),
                "settings": _settings(),
                "processes": self._process_names(ignored_processes),
            }

    def _process_names(self, ignored):
        names = []
        for pid in self.processes():
            with contextlib.suppress(OSError):
                if pid != os.getpid() and not ancestry(pid) & set(ignored):
                    with open(f"/proc/{pid}/comm", encoding="ascii") as file:
                        names.append(file.read().strip())
        return sorted(names)

    def close(self):
        super().close()
        self.outside.close()


def descriptors(pid):
    """What a process has open, by the names that the kernel has for it."""
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found.append(os.readlink(f"/proc/{pid}/fd/{name}"))
    return found


def ancestry(pid):
    """A process, its parent, and so on."""
    pids = set()
    while pid:
        pids.add(pid)
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            pid = int(re.search(r"^PPid:\t(\d+)$", file.read(), re.MULTILINE)[1])
    return pids


def diff(before, after):
    """What differs between two snapshots, for people; "" when nothing does."""
    lines = []
    for section in before:
        changes = difflib.unified_diff(
            before[section], after[section], "before", "after", lineterm="", n=0
        )
        lines += [f"{section}: {line}" for line in changes if not line.startswith(("---", "+++"))]
    return "\n".join(lines)


def _lines(*argv):
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def _json_lines(text):
    """One line for each object, without what changes by itself."""
    return sorted(json.dumps(_settled(item), sort_keys=True) for item in json.loads(text) if item)


def _settled(value):
    if isinstance(value, dict):
        changing = ("_timer", "_time", "expires")
        return {k: _settled(v) for k, v in value.items() if not k.endswith(changing)}
    if isinstance(value, list):
        return [_settled(item) for item in value]
    return value


def _settings():
    """The settings of IP and its devices; of the namespace that the caller is in."""
    lines = []
    names = glob.glob("/proc/sys/net/ipv[46]/*forward*") + glob.glob(
        "/proc/sys/net/ipv[46]/conf/*/*"
    )
    for name in sorted(names):
        with contextlib.suppress(OSError):
            value = _content(name).decode("ascii").strip()
            lines.append(f"{name.removeprefix('/proc/sys/')} = {value}")
    return lines


def _content(path):
    """That of a small file; open() takes longer than the kernel, and there are hundreds."""
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.read(fd, 4096)
    finally:
        os.close(fd)

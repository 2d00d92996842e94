# SPDX-License-Identifier: Apache-2.0
"""A machine without a kernel of its own: a namespace behind a TAP descriptor.

tapnet stands where QEMU would: it holds the descriptors that the broker passed, and a device
in the machine's own namespace is at their other end.
"""

import json
import os
import re
import subprocess

from .namespace import Namespace
from .wait import wait_for

DEVICE = "eth0"

# What udhcpc says of a lease goes to a file beside the script, one VARIABLE=value a line.
DHCP_SCRIPT = """#!/bin/sh
case "$1" in
deconfig)
	ip -4 address flush dev "$interface"
	;;
bound|renew)
	ip address replace "$ip/$mask" dev "$interface" valid_lft "$lease" preferred_lft "$lease"
	[ -z "$router" ] || ip route replace default via "${router%% *}"
	for server in $dns; do echo "nameserver $server"; done >/run/resolv.conf
	[ -z "$domain" ] || echo "search $domain" >>/run/resolv.conf
	env >"${0%/*}/lease.new"
	mv "${0%/*}/lease.new" "${0%/*}/lease"
	echo "$1" >>"${0%/*}/events"
	;;
esac
"""


class Machine(Namespace):
    """A machine on the network that attachment belongs to; takes over its descriptors."""

    def __init__(self, name, directory, tapnet, attachment):
        self.directory = os.path.join(directory, name)
        os.mkdir(self.directory)
        super().__init__(name)
        self.mac_address = attachment.mac_address
        self.lease = None
        self._lease_path = os.path.join(self.directory, "lease")
        self._events_path = os.path.join(self.directory, "events")
        self._script_path = os.path.join(self.directory, "udhcpc")
        with open(self._script_path, "w", encoding="ascii") as file:
            file.write(DHCP_SCRIPT)
        os.chmod(self._script_path, 0o755)
        self.run("sh", "-c", "touch /run/resolv.conf && echo 127.0.0.1 localhost >/run/hosts")
        self.run("mount", "--bind", "/run/resolv.conf", "/etc/resolv.conf")
        self.run("mount", "--bind", "/run/hosts", "/etc/hosts")
        self._tapnet = self.popen(
            tapnet,
            DEVICE,
            *attachment.tap_fds,
            pass_fds=attachment.tap_fds,
            stdout=subprocess.PIPE,
        )
        attachment.close()
        assert self._tapnet.stdout.readline() == "ready\n", "tapnet did not start"
        self.ip(f"link set {DEVICE} address {self.mac_address} mtu {attachment.mtu} up")

    def dhcp(self, timeout=30, hostname=None, client=()):
        """Gets an address; returns the lease: "ip", "mask", "router", "dns", "lease", "domain"."""
        argv = [*self._dhcp_client(), "-q"]
        if hostname:
            argv += ["-x", f"hostname:{hostname}"]
        self.run(*argv, *client, timeout=timeout)
        return self._read_lease()

    def dhcp_to_stay(self):
        """The same, and renews the lease in time."""
        self.popen(*self._dhcp_client(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: os.path.exists(self._lease_path), what=f"an address of {self.name}")
        return self._read_lease()

    def add_address(self, address):
        """One that is on no link, for whoever has a route there by way of the machine."""
        self.ip(f"address add {address} dev lo" + (" nodad" if ":" in address else ""))
        # The kernel makes the route of an IPv6 address some time later.
        local = f"{'-6' if ':' in address else '-4'} route show table local {address}"
        wait_for(lambda: self.ip(local), what=f"the route of {address}")

    def renewals(self):
        """How often it has renewed its lease."""
        with open(self._events_path, encoding="ascii") as file:
            return file.read().split().count("renew")

    def _dhcp_client(self):
        argv = ["busybox", "udhcpc", "-f", "-i", DEVICE, "-s", self._script_path]
        return [*argv, "-T", "1", "-A", "1"]

    def _read_lease(self):
        with open(self._lease_path, encoding="utf-8") as file:
            lines = (line.rstrip("\n").partition("=") for line in file)
            self.lease = {key: value for key, _, value in lines}
        return self.lease

    @property
    def address(self):
        return self.lease["ip"]

    def ipv6_address(self):
        """The address that it has made from the network's router advertisement."""

        def ready():
            listing = json.loads(self.ip(f"-6 -j address show dev {DEVICE} scope global") or "[]")
            for entry in listing:
                for address in entry.get("addr_info", []):
                    if "local" in address and not address.get("tentative"):
                        return address["local"]
            return None

        return wait_for(ready, what=f"an IPv6 address of {self.name}")

    def ping(self, address, tries=3):
        """Whether one of a few echo requests is answered within its second."""
        argv = ["busybox", "ping", "-c", "1", "-W", "1", address]
        return any(self.run(*argv, check=False).returncode == 0 for _ in range(tries))

    def resolve(self, name, server=None):
        """The addresses of a name, IPv4 and IPv6, by the servers that DHCP gave."""
        argv = ["busybox", "nslookup", name, *([server] if server else [])]
        answer = self.run(*argv, check=False).stdout
        return re.findall(r"^Address(?: \d+)?: +(\S+)$", answer, re.MULTILINE)

    def kill(self):
        """The machine's process is gone without a word; its namespace stays."""
        self._tapnet.kill()
        self._tapnet.wait()

    def end(self, broker, network):
        """It is killed, and the broker knows."""
        self.kill()

        def is_gone():
            interfaces = broker.inspect(network)["interfaces"]
            return self.mac_address not in [i["macAddress"] for i in interfaces]

        wait_for(is_gone, what="the end of an interface")

    def close(self):
        super().close()
        self._tapnet.stdout.close()

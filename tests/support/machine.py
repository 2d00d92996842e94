# SPDX-License-Identifier: Apache-2.0
"""A machine without a kernel of its own: a namespace behind a TAP descriptor.

tapnet stands where QEMU would: it holds the descriptors that the broker passed, and a device
in the machine's own namespace is at their other end.
"""

import os
import re
import signal
import socket
import subprocess

from .frame import BROADCAST, arp_reply, ethernet, mac_bytes
from .namespace import Namespace
from .processes import descriptors_of
from .tap import tap_name
from .wait import wait_for

DEVICE = "eth0"

# linux/if_addr.h, and net/ipv6.h of the kernel's own.
IFA_F_TENTATIVE = 0x40
SCOPE_GLOBAL = 0

OWN_ETC = """
set -e
touch /run/resolv.conf
echo 127.0.0.1 localhost >/run/hosts
mount --bind /run/resolv.conf /etc/resolv.conf
mount --bind /run/hosts /etc/hosts
"""

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
        self.run("busybox", "sh", "-c", OWN_ETC)
        self._tapnet_path = tapnet
        self._tapnet = self._run_tapnet(DEVICE, attachment)
        self.ip(f"link set {DEVICE} address {self.mac_address} mtu {attachment.mtu} up")

    def _run_tapnet(self, device, attachment):
        fds = [*attachment.tap_fds, *([device] if isinstance(device, int) else [])]
        tapnet = self.popen(
            self._tapnet_path,
            device,
            *attachment.tap_fds,
            pass_fds=fds,
            stdout=subprocess.PIPE,
        )
        attachment.close()
        assert tapnet.stdout.readline() == "ready\n", "tapnet did not start"
        return tapnet

    def unplug(self):
        """It is on no network, and does not notice: what moves to another host is so for a while.

        Its device is as it was, with its carrier. Returns what plug_in() wants.
        """
        taps = list(descriptors_of(self._tapnet.pid, "/dev/net/tun"))
        devices = [fd for fd in taps if tap_name(fd) == DEVICE]
        self.kill()
        self._tapnet.stdout.close()
        for fd in set(taps) - set(devices):
            os.close(fd)
        (device,) = devices
        return device

    def plug_in(self, device, attachment):
        """It goes on with what it was attached to now; device: from unplug()."""
        self._tapnet = self._run_tapnet(device, attachment)
        os.close(device)

    def announce(self):
        """Tells all on its link where its address is, as a machine does that has moved."""
        mac, address = mac_bytes(self.mac_address), self.address
        with self.entered():
            sending = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            sending.bind((DEVICE, 0))
        with sending:
            sending.send(ethernet(BROADCAST, mac, 0x0806, arp_reply(mac, address, address)))

    def dhcp(self, timeout=30, hostname=None, client=()):
        """Gets an address; returns the lease: "ip", "mask", "router", "dns", "lease", "domain"."""
        argv = [*self._dhcp_client(), "-q"]
        if hostname:
            argv += ["-x", f"hostname:{hostname}"]
        self.run(*argv, *client, timeout=timeout)
        return self._read_lease()

    def dhcp_to_stay(self):
        """The same, and renews the lease in time."""
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._client = self.popen(*self._dhcp_client(), **silent)
        wait_for(lambda: os.path.exists(self._lease_path), what=f"an address of {self.name}")
        return self._read_lease()

    def renew(self):
        """Asks for the address again, as the client of dhcp_to_stay() does in time.

        A server that has not read yet whose it is refuses that, and gives it when asked anew.
        """
        before = self._events()
        self._client.send_signal(signal.SIGUSR1)
        wait_for(
            lambda: self._events() != before,
            what=lambda: f"an answer to {self.name}: {self._events()}",
        )
        return self._read_lease()

    def add_address(self, address):
        """One that is on no link, for whoever has a route there by way of the machine."""
        self.ip(f"address add {address} dev lo" + (" nodad" if ":" in address else ""))
        # The kernel makes the route of an IPv6 address some time later.
        local = f"{'-6' if ':' in address else '-4'} route show table local {address}"
        wait_for(lambda: self.ip(local), what=f"the route of {address}")

    def renewals(self):
        """How often it has renewed its lease."""
        return self._events().count("renew")

    def _events(self):
        with open(self._events_path, encoding="ascii") as file:
            return file.read().split()

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
            # A process for each look would take more time than the kernel does for the address.
            with open(f"/proc/{self.pid}/net/if_inet6", encoding="ascii") as file:
                for address, _, _, scope, flags, device in map(str.split, file):
                    is_tentative = int(flags, 16) & IFA_F_TENTATIVE
                    if device == DEVICE and int(scope, 16) == SCOPE_GLOBAL and not is_tentative:
                        return socket.inet_ntop(socket.AF_INET6, bytes.fromhex(address))
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

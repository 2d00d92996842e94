# SPDX-License-Identifier: Apache-2.0
"""What users would ask for networks and devices instead of the broker."""

import os
import shutil
import subprocess
import time

from support.wait import wait_for

HELPER = "/usr/lib/qemu/qemu-bridge-helper"
DAEMON = "libvirtd"
LIBVIRT_BRIDGE = "virbench"
# Of the machines that it does not start here; another package brings it.
ADD_USER = """
getent passwd libvirt-qemu >/dev/null || {
    echo libvirt-qemu:x:64055:64055::/:/bin/false >>/etc/passwd
    echo libvirt-qemu:x:64055: >>/etc/group
}"""
# It asks nobody whether an address is free before it offers it, which would take three seconds.
LIBVIRT_NETWORK = f"""
<network xmlns:dnsmasq="http://libvirt.org/schemas/network/dnsmasq/1.0">
  <name>bench</name>
  <forward mode="nat"/>
  <bridge name="{LIBVIRT_BRIDGE}" stp="off" delay="0"/>
  <ip address="10.98.0.1" netmask="255.255.255.0">
    <dhcp><range start="10.98.0.2" end="10.98.0.254"/></dhcp>
  </ip>
  <dnsmasq:options><dnsmasq:option value="no-ping"/></dnsmasq:options>
</network>
"""


def allow_helper(host, bridge):
    """Has qemu-bridge-helper serve that bridge, in files of that host alone."""
    if not os.path.exists(HELPER):
        raise FileNotFoundError(f"no {HELPER}")
    host.overlay("etc")
    host.run("sh", "-c", f"mkdir -p /etc/qemu && echo allow {bridge} >/etc/qemu/bridge.conf")


class Libvirt:
    """A daemon of libvirt's own in a host, in files of that host alone."""

    def __init__(self, host):
        import libvirt  # not everywhere

        self._libvirt = libvirt
        self._host = host
        if not shutil.which(DAEMON):
            raise FileNotFoundError(f"no {DAEMON}")
        host.overlay("etc", "var")
        host.run("sh", "-c", ADD_USER)
        self.start_time = self._start()
        self._network = self._connection.networkDefineXML(LIBVIRT_NETWORK)

    def _start(self):
        """Returns the microseconds until it answers."""
        path = os.path.join(f"/proc/{self._host.pid}/root", "run/libvirt/libvirt-sock")
        start = time.perf_counter()
        self._daemon = self._host.popen(
            DAEMON, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(lambda: os.path.exists(path), what="libvirtd's socket")
        self._connection = self._libvirt.open(f"network:///system?socket={path}")
        return (time.perf_counter() - start) * 1e6

    def create(self):
        """Microseconds."""
        start = time.perf_counter()
        self._network.create()
        return (time.perf_counter() - start) * 1e6

    def remove(self):
        start = time.perf_counter()
        self._network.destroy()
        return (time.perf_counter() - start) * 1e6

    def close(self):
        self._connection.close()
        self._daemon.terminate()
        self._daemon.wait()

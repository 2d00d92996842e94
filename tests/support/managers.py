# SPDX-License-Identifier: Apache-2.0
"""Programs that give a host's interfaces their addresses: the real ones."""

import os
import shutil
import subprocess

import pytest

from .wait import wait_for

DATA = os.path.join(os.path.dirname(__file__), "../../data/managers")


class Manager:
    """One that is started on a host by start(), with what is in its folders by then."""

    def __init__(self, host):
        self._path = shutil.which(self.program, path=f"{os.environ['PATH']}:/lib/systemd")
        if not self._path:
            pytest.skip(f"no {self.program} here")
        self.host = host
        host.overlay("etc", "var")
        # It waits for udev otherwise, which knows no namespaces.
        host.run("mount", "-o", "remount,ro,bind", "/sys")
        host.start_bus()

    def write(self, path, text):
        self.host.run("mkdir", "-p", os.path.dirname(path))
        self.host.run("tee", path, input=text)

    def install(self, path=None):
        """As the broker is installed; path: to another place."""
        path = path or self.installed
        self.host.run("mkdir", "-p", os.path.dirname(path))
        self.host.run("cp", os.path.join(DATA, self.source), path)

    def start(self):
        null = subprocess.DEVNULL
        self.host.popen(self._path, *self.options, stdout=null, stderr=null)

    def wait_until_it_has(self, device):
        wait_for(lambda: self.manages(device), what=f"{self.program} to manage {device}")

    def manages(self, device):
        """Whether it does, once it knows of the device."""
        state = wait_for(lambda: self.state(device), what=f"{self.program} to see {device}")
        return state != "unmanaged"


class Networkd(Manager):
    """systemd-networkd."""

    program = "systemd-networkd"
    options = ()
    source = "networkd.network"
    installed = "/run/systemd/network/05-vmnet-broker.network"

    def __init__(self, host):
        super().__init__(host)
        folders = "/run/systemd/netif/links /run/systemd/netif/leases"
        host.run("sh", "-c", f"mkdir -p {folders} && chown -R systemd-network /run/systemd/netif")

    def take(self, names, file):
        """The administrator has it manage what is called so."""
        self.write(f"/etc/systemd/network/{file}", f"[Match]\nName={names}\n[Network]\nDHCP=yes\n")

    def take_all(self):
        self.take("*", "10-netplan-all.network")

    def state(self, device):
        state = self.host.run(
            *("sed", "-n", "s/^ADMIN_STATE=//p"),
            f"/run/systemd/netif/links/{self.host.device(device)['ifindex']}",
            check=False,
        ).stdout.strip()
        return "" if state in ("pending", "initialized") else state


class NetworkManager(Manager):
    """NetworkManager, which manages what it finds."""

    program = "NetworkManager"
    options = ("--no-daemon",)
    source = "NetworkManager.conf"
    installed = "/run/NetworkManager/conf.d/vmnet-broker.conf"

    def take_all(self):
        """The administrator has it leave out something else, and nothing but that."""
        text = "[keyfile]\nunmanaged-devices=interface-name:other\n"
        self.write("/etc/NetworkManager/conf.d/administrator.conf", text)

    def state(self, device):
        listing = self.host.run("nmcli", "-g", "DEVICE,STATE", "device", check=False).stdout
        return dict(line.split(":", 1) for line in listing.splitlines()).get(device)

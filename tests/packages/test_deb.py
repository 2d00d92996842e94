# SPDX-License-Identifier: Apache-2.0
"""The packages for Debian, as a host of that release has them: installed, used, upgraded while a
machine runs, and removed."""

import os
import subprocess

from support.leavings import snapshot

MACHINE = "/tree/packaging/debian/tests/machine"
INSTALL = ("apt-get", "-y", "-o", "APT::Sandbox::User=root", "install")


def newer(deb, directory):
    """The same package, of a higher version."""
    content = os.path.join(directory, "content")
    subprocess.run(["dpkg-deb", "--raw-extract", deb, content], check=True)
    control = os.path.join(content, "DEBIAN/control")
    subprocess.run(["sed", "-i", "s/^Version: .*/&+newer/", control], check=True)
    path = os.path.join(directory, os.path.basename(deb))
    command = ["dpkg-deb", "-Znone", "--root-owner-group", "--build", content, path]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["rm", "-r", content], check=True)
    return path


def copy_in(host, path):
    """To where whoever installs packages may read it."""
    name = f"/tmp/{os.path.basename(path)}"
    subprocess.run(["cp", path, host.path(name)], check=True)
    return name


def test_life_of_the_packages(debian, debs, directory):
    assert debian.state == "running"
    before = snapshot(debian)  # but for the users, who stay
    broker, library = debs["vmnet-broker"], debs["libvmnet-broker0"]

    installed = [f"/packages/{os.path.basename(path)}" for path in (broker, library)]
    debian.run(*INSTALL, *installed)
    assert debian.run("systemctl", "is-active", "vmnet-broker.socket") == "active\n"
    assert debian.run("systemctl", "is-enabled", "vmnet-broker.socket") == "enabled\n"
    assert "No network is held." in debian.run("vmnetctl", "networks")

    debian.run(MACHINE, TAPNET="/tapnet")

    upgrades = [copy_in(debian, newer(path, directory)) for path in (broker, library)]
    upgrade = f"""
        before=$(systemctl show --value --property=MainPID vmnet-broker.service)
        dnsmasq=$(pgrep -u vmnet-dnsmasq -x dnsmasq)
        {' '.join(INSTALL)} {' '.join(upgrades)}
        [ "$(systemctl show --value --property=MainPID vmnet-broker.service)" != "$before" ]
        [ "$(pgrep -u vmnet-dnsmasq -x dnsmasq)" = "$dnsmasq" ]
    """
    debian.run(MACHINE, "sh", "-euc", upgrade, TAPNET="/tapnet")
    assert "newer" in debian.run("dpkg-query", "-W", "vmnet-broker")

    refused = "! apt-get -y remove vmnet-broker && systemctl is-active vmnet-broker.socket"
    said = debian.run(MACHINE, "sh", "-euc", refused, TAPNET="/tapnet")
    assert "vmnet-broker is in use, by machines of: default (end" in said

    debian.run("apt-get", "-y", "purge", "vmnet-broker", "libvmnet-broker0")
    assert snapshot(debian) == before
    for user in "vmnet-broker", "vmnet-dnsmasq":
        assert "nologin" in debian.run("getent", "passwd", user)

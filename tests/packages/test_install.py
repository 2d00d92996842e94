# SPDX-License-Identifier: Apache-2.0
"""scripts/install as README.md says, where no more of what it needs is than the packages that it
installs: installed, used, upgraded in place while a machine runs, and removed."""

import re

from reader import HOME, SOURCE, printed, quoted

from support.booted import LEFT_OVER
from support.leavings import snapshot

MACHINE = "/tree/packaging/debian/tests/machine"
SCRIPT = f"{SOURCE}/scripts/install"
# A program of somebody's own, by pkg-config alone.
CLIENT = f"""
    cc -o /tmp/client {SOURCE}/examples/client.c $(pkg-config --cflags --libs vmnet-broker)
    timeout 30 /tmp/client default | grep -m 1 '^interface '
"""
BY_NINJA = f"""
    meson install -C {SOURCE}/build-install --no-rebuild
    ninja -C {SOURCE}/build-install uninstall
"""


MODULE = "grep '^hosts:.* vmnet_broker ' /etc/nsswitch.conf"
# An upgrade leaves it so.
TAKE_OUT = "sed -i '/^hosts:/s/ vmnet_broker [^ ]*//' /etc/nsswitch.conf"


def live(host, reader, prefix, install, uninstall):
    """From an installation to its end, each by a line that the user types."""
    said = reader.type(install)
    assert "now vmnetctl doctor:" in said
    assert host.run("systemctl", "is-enabled", "vmnet-broker.socket") == "enabled\n"
    host.run(f"{prefix}/bin/vmnetctl", "check", f"{SOURCE}/data/networks.json")
    host.run(f"{prefix}/bin/vmnet-broker", "--version")
    host.run("sh", "-euc", CLIENT)
    host.run("sh", "-euc", MODULE)

    # As if a version before this one had had a file more.
    older = f"{prefix}/bin/vmnet-older"
    host.run("sh", "-c", f"touch {older} && echo {older} >>{prefix}/share/vmnet-broker/installed")
    if prefix == "/usr":
        reader.use("/disk.img")
        host.run("sh", "-euc", TAKE_OUT)
    has_module = host.run("sh", "-euc", MODULE, check=False)
    host.new_journal()
    host.run(MACHINE, SCRIPT, f"--prefix={prefix}", TAPNET="/tapnet")
    assert host.run("sh", "-euc", MODULE, check=False) == has_module
    assert not re.search(LEFT_OVER, host.new_journal())
    assert older not in snapshot(host)["files"]

    refused = f"! {SCRIPT} --prefix={prefix} --uninstall && systemctl is-active vmnet-broker.socket"
    said = host.run(MACHINE, "sh", "-euc", refused, TAPNET="/tapnet")
    assert "vmnet-broker is in use, by machines of: default (end" in said
    reader.type(uninstall)


def test_life_of_an_installation(debian, reader):
    clone, install = printed("scripts/install").splitlines()
    reader.type(clone, place=HOME)
    uninstall = quoted("scripts/install --uninstall")
    before = snapshot(debian)
    for prefix, option in ("/usr", ""), ("/usr/local", " --prefix=/usr/local"):
        live(debian, reader, prefix, install + option, uninstall + option)
        assert snapshot(debian) == before
        debian.run("sh", "-euc", BY_NINJA)
        assert snapshot(debian) == before

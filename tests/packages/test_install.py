# SPDX-License-Identifier: Apache-2.0
"""scripts/install, out of what a release has, on a copy of this machine: installed, used, upgraded
in place while a machine runs, and removed."""

import pytest

from support.booted import boot_copy
from support.leavings import snapshot
from support.need import need

MACHINE = "/tree/packaging/debian/tests/machine"
SOURCE = "/srv/source"
UNPACK = f"mkdir {SOURCE} && tar -x --strip-components=1 -C {SOURCE} -f /packages/*.orig.tar.gz"
SCRIPT = f"{SOURCE}/scripts/install"
OLDER = "/usr/bin/vmnet-older"


@pytest.fixture
def copy(directory, binds):
    need("systemd-nspawn")
    host = boot_copy(directory, binds)
    yield host
    host.close()


def test_life_of_an_installation(copy):
    copy.run("sh", "-c", UNPACK)
    before = snapshot(copy)

    said = copy.run(SCRIPT, "--no-install", timeout=300, CFLAGS="-O0")
    assert "now vmnetctl doctor:" in said
    assert copy.run("systemctl", "is-enabled", "vmnet-broker.socket") == "enabled\n"

    # As if a version before this one had had a file more.
    copy.run("sh", "-c", f"touch {OLDER} && echo {OLDER} >>/usr/share/vmnet-broker/installed")
    copy.run(MACHINE, SCRIPT, "--no-install", TAPNET="/tapnet")
    assert OLDER not in snapshot(copy)["files"]

    refused = f"! {SCRIPT} --uninstall && systemctl is-active vmnet-broker.socket"
    said = copy.run(MACHINE, "sh", "-euc", refused, TAPNET="/tapnet")
    assert "vmnet-broker is in use, by machines of: default (end" in said

    copy.run(SCRIPT, "--uninstall")
    assert snapshot(copy) == before

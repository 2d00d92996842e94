# SPDX-License-Identifier: Apache-2.0
"""scripts/check-macos, before a Mac sees it.

What it installs is a release of the broker and its tool as they are built on the double, by the
real installer, in a folder with stand-ins for the system's commands (support/mac.py). What it looks
at, bridges above all, is what the double has.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest
from support.broker import SANITIZER_ENVIRONMENT, SANITIZER_REPORT
from support.launchd import Launchd
from support.mac import SOURCE, STAND_INS, VERSION, Mac, dist
from world import REGISTRY

TIMEOUT = 400
FAILURES = re.compile(r"^FAILED: .*", re.MULTILINE)


class CheckedMac(Mac):
    """A Mac that has vmnet, by the double, which takes its time."""

    stand_ins = [name for name in STAND_INS if name != "sleep"]

    def __init__(self, directory, release, build):
        self.built = build
        self.environment = {
            **SANITIZER_ENVIRONMENT,
            "DOUBLE_DIR": "/world",
            "LD_LIBRARY_PATH": "/build/tests/darwin/double",
        }
        super().__init__(directory, release)

    def set_up(self, directory, release):
        super().set_up(directory, release)
        self.mount(self.built, self.root / "build", "--bind")
        self.mount("proc", self.root / "proc", "-t", "proc")
        os.chmod(self.root / "tmp", 0o777)
        for name in REGISTRY:
            (self.root / "world" / name).mkdir(parents=True)
            os.chmod(self.root / "world" / name, 0o777)
        os.chmod(self.root / "world", 0o777)
        (self.root / "world/lock").touch()
        (self.root / "private/etc/passwd").write_text("_vmnetbroker:*:398:398::/var/empty:\n")
        shutil.copy(SOURCE / "scripts/check-macos", self.root / "tmp")

    def start_launchd(self):
        return Launchd(self.root, world="/world", environment=self.environment)

    def check(self):
        """Returns the exit status and what it said."""
        output = self.root / "check-macos.txt"
        script = "exec sh /tmp/check-macos /tmp /build >/check-macos.txt 2>&1"
        environment = {**os.environ, **self.environment}
        try:
            done = self.run("sh", "-c", script, env=environment, timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            pytest.fail(output.read_text())
        return done.returncode, output.read_text()


@pytest.fixture
def mac(directory, build):
    """A Mac with nothing installed, and a release beside it."""
    directory = pathlib.Path(directory)
    built = directory / "build"
    for path, name in {
        "broker/darwin/vmnet-broker": "broker/darwin/vmnet-broker",
        "vmnetctl/vmnetctl": "vmnetctl/vmnetctl",
        f"client/libvmnet-broker.so.{VERSION}": "client/libvmnet-broker.0.dylib",
        "client/libvmnet-broker.a": "client/libvmnet-broker.a",
    }.items():
        (built / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(os.path.join(build, path), built / name)
    mac = CheckedMac(directory, dist(directory / "dist", built), build)
    mac.ends |= {-signal.SIGKILL}  # it kills one, to see what that costs
    yield mac
    mac.close()


def test_all_of_it(mac):
    before = mac.files()
    status, output = mac.check()
    assert status == 0, f"{output}\n{FAILURES.findall(output)}"
    assert output.endswith("\n0 failed\n")
    assert not SANITIZER_REPORT.search(output)
    assert mac.files() == before

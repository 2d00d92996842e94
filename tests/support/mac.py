# SPDX-License-Identifier: Apache-2.0
"""A Mac to install on, as far as the installer can tell: a root directory of its own, in which
tests/macos/stand-in takes the place of what only macOS has."""

import os
import pathlib
import re
import shutil
import signal
import subprocess

from support.launchd import Launchd
from support.wait import wait_for

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
VERSION = re.search("^  version: '(.*)',$", (SOURCE / "meson.build").read_text(), re.MULTILINE)[1]
STAND_IN = SOURCE / "tests/macos/stand-in"
ASK_LAUNCHD = SOURCE / "tests/macos/ask-launchd"
STAND_INS = (
    "chown codesign curl dscl ifconfig launchctl less ls mkdir mv newsyslog "
    "shasum sleep sudo sw_vers uname"
).split()
FOLDERS = [
    "Library/Application Support",
    "Library/LaunchDaemons",
    "Library/Logs",
    "private/etc/manpaths.d",
    "private/etc/newsyslog.d",
    "private/etc/paths.d",
    "private/var/db",
    "private/var/empty",
    "private/var/log",
    "stand-ins/dscl",
    "tmp",
]
FOLDER = "Library/Application Support/vmnet-broker"
LABEL = "com.github.nirs.vmnet-broker"
PLIST = f"Library/LaunchDaemons/{LABEL}.plist"
LOG = "private/var/log/vmnet-broker-install.log"

# vmnetctl, as far as the installer calls it: it prints what a test has prepared, and has launchd
# start the broker, as whoever sends it a message does.
VMNETCTL = f"""#!/bin/sh
case $1 in
networks)
    ask-launchd message {LABEL}
    [ ! -f /stand-ins/silent ] && cat /stand-ins/networks.json
    ;;
inspect) cat "/stand-ins/inspect-$2.json" ;;
check) ! grep -q wrong "$2" ;;
esac
"""

# The broker: it has a transaction, and needs to be asked twice, while its networks are held (that
# there is /stand-ins/held), takes a moment to let go of them, or for ever (/stand-ins/hangs).
BROKER = """#!/usr/bin/python3 -IS
# {}
import os, pathlib, select, signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
transactions = pathlib.Path("/stand-ins/transactions")
held = os.path.exists("/stand-ins/held")
transactions.write_text("1" if held else "0")
for _ in range(2 if held else 1):
    signal.sigwait([signal.SIGTERM])
select.select([], [], [], None if os.path.exists("/stand-ins/hangs") else 0.1)
transactions.write_text("0")
"""


def make_build(directory, broker="a broker"):
    """A build directory: what dist takes from it, with no program in it that would run."""
    for path, content in {
        "broker/darwin/vmnet-broker": BROKER.format(broker),
        "vmnetctl/vmnetctl": VMNETCTL,
        "client/libvmnet-broker.0.dylib": "a library",
        "client/libvmnet-broker.a": "a static library",
    }.items():
        file = directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return directory


def dist(output, *arguments):
    """Runs scripts/dist; returns the directory it filled."""
    command = [SOURCE / "scripts/dist", "--output", output, *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return output


class Mac:
    """root is its root directory, as seen from here."""

    stand_ins = STAND_INS

    def __init__(self, directory, release):
        self.root = root = directory / "root"
        root.mkdir()
        for folder in FOLDERS:
            (root / folder).mkdir(parents=True)
        for link, target in {
            "etc": "private/etc",
            "var": "private/var",
            "bin": "usr/bin",
            "sbin": "usr/sbin",
            "lib": "usr/lib",
            "lib64": "usr/lib64",
        }.items():
            (root / link).symlink_to(target)
        os.chmod(root, 0o755)
        os.chmod(root / "stand-ins", 0o777)
        self.mounts = []
        self.ends = {0, -signal.SIGTERM}  # of a broker: one that has not begun yet just ends
        try:
            self.set_up(directory, release)
            self.launchd = self.start_launchd()
        except BaseException:
            self._unmount(check=False)
            raise

    def set_up(self, directory, release):
        """What is there before the installation."""
        root = self.root
        self._mount_commands(directory / "commands")
        self.pretend("version", "26.1\n")
        self.pretend("entitlements", (SOURCE / "data/entitlements.plist").read_text())
        self.pretend("networks.json", '{\n  "networks": []\n}\n')
        self.pretend("dscl/Users/_www/UniqueID", "400\n")
        self.pretend("dscl/Groups/_www/PrimaryGroupID", "399\n")
        for file in release.iterdir():
            shutil.copy(file, root / "tmp")

    def start_launchd(self):
        return Launchd(self.root)

    def mount(self, what, where, *options):
        """Read-only: this machine's own is never changed or deleted with the test's directory."""
        where.mkdir(exist_ok=True)
        self.mounts.append(where)
        subprocess.run(["mount", *options, "-o", "ro", what, where], check=True)

    def _unmount(self, check=True):
        for where in reversed(self.mounts):
            subprocess.run(["umount", where], check=check)

    def _mount_commands(self, commands):
        """This machine's commands, with the stand-ins before them."""
        (commands / "bin").mkdir(parents=True)
        for name in self.stand_ins:
            shutil.copy(STAND_IN, commands / "bin" / name)
        shutil.copy(ASK_LAUNCHD, commands / "bin")
        # Not /etc/alternatives/awk, where Debian's leads.
        (commands / "bin/awk").symlink_to(os.path.realpath("/usr/bin/awk"))
        self.mount("/usr", self.root / "real", "--bind")
        self.mount("/dev", self.root / "dev", "--bind")
        lower = f"lowerdir={commands}:/usr"
        self.mount("overlay", self.root / "usr", "-t", "overlay", "-o", lower)

    def close(self):
        """A broker that launchd had to kill, whatever for, has cost its subnets."""
        self.launchd.close()
        self._unmount()
        assert not self.launchd.killed, "launchd killed a broker"
        assert {status for _, status in self.launchd.statuses} <= self.ends, self.launchd.statuses

    @property
    def broker(self):
        """The process of the broker, or None."""
        job = self.launchd.jobs.get(LABEL)
        return job and job.process

    @property
    def loaded(self):
        return LABEL in self.launchd.jobs

    def stop_broker(self):
        """It ends by itself, as one does that nobody uses."""
        if self.broker:
            self.broker.terminate()
            wait_for(lambda: not self.broker, what="the broker's end")

    def restart_broker(self, held=False):
        """Another broker, which a message started; held: it has networks, of others."""
        self.stop_broker()
        if held:
            self.pretend("held")
        self.stop_pretending("transactions")
        self.run("ask-launchd", "message", LABEL)
        wait_for(lambda: self.pretends("transactions"), what="the broker")

    def pretend(self, name, content=""):
        """Sets what the stand-ins pretend."""
        file = self.root / "stand-ins" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    def stop_pretending(self, name):
        (self.root / "stand-ins" / name).unlink(missing_ok=True)

    def pretends(self, name):
        return (self.root / "stand-ins" / name).exists()

    def calls(self, command):
        """How a command was called, since forget_calls()."""
        lines = (self.root / "stand-ins/calls").read_text().splitlines()
        return [line for line in lines if line.split()[0] == command]

    def forget_calls(self):
        self.stop_pretending("calls")
        self.stop_pretending("changes")

    def run(self, *command, user=None, timeout=120, **options):
        return subprocess.run(
            ["chroot", *([f"--userspec={user}"] if user else []), self.root, *command],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            **options,
        )

    def tarball(self):
        (tarball,) = (self.root / "tmp").glob("*-macos.tar.gz")
        return f"/tmp/{tarball.name}"

    def install(self, *arguments, shell="sh"):
        return self.run(shell, "/tmp/install-macos", *(arguments or [self.tarball()]))

    def uninstall(self, *arguments):
        return self.run("sh", "/tmp/uninstall-macos", *arguments)

    def files(self):
        """All that is installed or may be changed: type, mode, owner and content by path."""
        found = {}
        for top in ("Library", "private", "stand-ins/dscl"):
            for path in sorted((self.root / top).rglob("*")):
                name = str(path.relative_to(self.root))
                if name == LOG:
                    continue
                status = path.lstat()
                content = None
                if path.is_symlink():
                    content = os.readlink(path)
                elif path.is_file():
                    content = path.read_bytes()
                found[name] = (oct(status.st_mode), status.st_uid, status.st_gid, content)
        return found

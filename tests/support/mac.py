# SPDX-License-Identifier: Apache-2.0
"""A Mac to install on, as far as the installer can tell: a root directory of its own, in which
tests/macos/stand-in takes the place of what only macOS has."""

import os
import pathlib
import shutil
import subprocess

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
STAND_IN = SOURCE / "tests/macos/stand-in"
STAND_INS = "chown codesign curl dscl launchctl ls mkdir mv shasum sleep sw_vers uname".split()
FOLDERS = [
    "Library/Application Support",
    "Library/LaunchDaemons",
    "Library/Logs",
    "private/etc/manpaths.d",
    "private/etc/paths.d",
    "private/var/db",
    "private/var/empty",
    "private/var/log",
    "stand-ins/dscl",
    "tmp",
]
FOLDER = "Library/Application Support/vmnet-broker"
PLIST = "Library/LaunchDaemons/com.github.nirs.vmnet-broker.plist"
LOG = "private/var/log/vmnet-broker-install.log"

# vmnetctl, as far as the installer calls it: it prints what a test has prepared.
VMNETCTL = """#!/bin/sh
case $1 in
networks) [ ! -f /stand-ins/silent ] && cat /stand-ins/networks.json ;;
inspect) cat "/stand-ins/inspect-$2.json" ;;
check) ! grep -q wrong "$2" ;;
esac
"""


def make_build(directory, broker="a broker"):
    """A build directory: what dist takes from it, with no program in it that would run."""
    for path, content in {
        "broker/darwin/vmnet-broker": broker,
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
        self._mount_commands(directory / "commands")
        self.pretend("version", "26.1\n")
        self.pretend("entitlements", (SOURCE / "data/entitlements.plist").read_text())
        self.pretend("networks.json", '{\n  "networks": []\n}\n')
        self.pretend("dscl/Users/_www/UniqueID", "400\n")
        self.pretend("dscl/Groups/_www/PrimaryGroupID", "399\n")
        for file in release.iterdir():
            shutil.copy(file, root / "tmp")

    def _mount(self, what, where, *options):
        where.mkdir(exist_ok=True)
        subprocess.run(["mount", *options, what, where], check=True)
        self.mounts.append(where)

    def _mount_commands(self, commands):
        """This machine's commands, with the stand-ins before them."""
        (commands / "bin").mkdir(parents=True)
        for name in STAND_INS:
            shutil.copy(STAND_IN, commands / "bin" / name)
        # Not /etc/alternatives/awk, where Debian's leads.
        (commands / "bin/awk").symlink_to(os.path.realpath("/usr/bin/awk"))
        self._mount("/usr", self.root / "real", "--bind")
        self._mount("/dev", self.root / "dev", "--bind")
        lower = f"lowerdir={commands}:/usr"
        self._mount("overlay", self.root / "usr", "-t", "overlay", "-o", lower)

    def close(self):
        for where in reversed(self.mounts):
            subprocess.run(["umount", where], check=True)

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

    def run(self, *command, user=None, **options):
        return subprocess.run(
            ["chroot", *([f"--userspec={user}"] if user else []), self.root, *command],
            capture_output=True,
            text=True,
            timeout=60,
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

# SPDX-License-Identifier: Apache-2.0
"""What vmnetctl makes of a Mac's files and programs: "doctor", and "ip" with its leases.

It runs below a root of its own, which is this machine's with a Mac's files over it. Programs of
macOS are stand-ins, which print and return what a test wants.
"""

import contextlib
import os
import re
import subprocess

import pytest
from world import USER_UID

FOLDER = "/Library/Application Support/vmnet-broker"
PLIST = "/Library/LaunchDaemons/com.github.nirs.vmnet-broker.plist"
FIREWALL = "/usr/libexec/ApplicationFirewall/socketfilterfw"
STAND_INS = "/stand-ins"

# What the programs do on a healthy Mac, as shell.
HEALTHY = {
    f"{STAND_INS}/sw_vers": "echo 26.2",
    f"{STAND_INS}/launchctl": "echo running",
    f"{STAND_INS}/codesign": "echo '<key>com.apple.security.virtualization</key><true/>'",
    f"{STAND_INS}/defaults": "exit 1",
    FIREWALL: "echo 'Firewall is disabled. (State = 0)'",
}


class Root:
    """The root that vmnetctl runs below."""

    def __init__(self, mac, directory):
        self.mac = mac
        self.layers = os.path.join(directory, "layers")
        self.path = os.path.join(directory, "root")
        os.mkdir(self.layers)
        os.mkdir(self.path)
        self._mount("tmpfs", "tmpfs", self.layers)
        upper, work = f"{self.layers}/upper", f"{self.layers}/work"
        os.mkdir(upper)
        os.mkdir(work)
        self._mount("overlay", "overlay", self.path, f"lowerdir=/,upperdir={upper},workdir={work}")
        for name in "proc", "dev":
            subprocess.run(["mount", "--rbind", f"/{name}", f"{self.path}/{name}"], check=True)
        for name in mac.build, mac.directory:
            os.makedirs(self.path + name, exist_ok=True)  # /tmp may be a file system of its own
            subprocess.run(["mount", "--bind", name, self.path + name], check=True)

    @staticmethod
    def _mount(kind, source, target, options="defaults"):
        subprocess.run(["mount", "-t", kind, "-o", options, source, target], check=True)

    def close(self):
        subprocess.run(["umount", "--lazy", "--recursive", self.path], check=True)
        subprocess.run(["umount", "--lazy", self.layers], check=True)

    def write(self, path, text, mode=0o644):
        """A file of root's, in folders of root's."""
        os.makedirs(os.path.dirname(self.path + path), exist_ok=True)
        with open(self.path + path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path + path, mode)

    def stand_in(self, path, script):
        self.write(path, f"#!/bin/sh\n{script}\n", 0o755)

    def vmnetctl(self, *argv):
        return subprocess.run(
            ["/usr/sbin/chroot", f"--userspec={USER_UID}:{USER_UID}", self.path]
            + [self.mac.program("vmnetctl/vmnetctl"), *argv],
            env={**self.mac.environment, "PATH": f"{STAND_INS}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )

    def doctor(self):
        """What it finds, as {problem: command}; empty on a healthy Mac."""
        done = self.vmnetctl("doctor")
        findings = re.findall(r"^(?:problem|unknown): (.*)\n    (.*)$", done.stdout, re.MULTILINE)
        assert done.stderr == ""
        assert done.returncode == (1 if findings else 0), done.stdout
        return dict(findings)


@pytest.fixture
def root(mac, directory):
    """A healthy Mac."""
    with contextlib.closing(Root(mac, directory)) as root:
        for path, script in HEALTHY.items():
            root.stand_in(path, script)
        root.write(f"{FOLDER}/vmnet-broker", "")
        root.write(f"{FOLDER}/bin/vmnetctl", "")
        root.write(PLIST, "")
        # There /etc leads to /private/etc.
        root.write("/private/etc/vmnet-broker/.keep", "")
        assert root.doctor() == {}
        yield root


@pytest.mark.parametrize(
    "path, script, problem, command",
    [
        ("sw_vers", "echo 15.5", "^macOS 26 or later is needed, not 15.5$", "softwareupdate"),
        ("sw_vers", "exit 1", "^cannot tell the version of macOS$", "sw_vers"),
        (
            "launchctl",
            "exit 113",
            "^launchd has not loaded the broker's service$",
            f"sudo launchctl bootstrap system {PLIST}",
        ),
        ("codesign", "exit 1", "^the signature of .* is not valid$", "sudo sh install-macos"),
        ("codesign", "echo '<dict/>'", "without the entitlement", "sudo sh install-macos"),
        (
            "defaults",
            "echo '{ Enabled = 1; }'",
            "^Internet Sharing is on",
            "sudo defaults write /Library/Preferences/SystemConfiguration/com.apple.nat NAT",
        ),
        (
            FIREWALL,
            'if [ $# = 1 ]; then echo "enabled"; else echo "$2 is blocked"; fi',
            "^the firewall blocks /usr/libexec/bootpd",
            f"sudo {FIREWALL} --add /usr/libexec/bootpd && sudo {FIREWALL} --unblockapp",
        ),
        (FIREWALL, "exit 1", "^cannot tell the state of the firewall$", FIREWALL),
    ],
)
def test_a_trouble(root, path, script, problem, command):
    root.stand_in(os.path.join(STAND_INS, path), script)
    ((found, remedy),) = root.doctor().items()
    assert re.search(problem, found)
    assert remedy.startswith(command)


def test_a_firewall_that_lets_dhcp_pass(root):
    root.stand_in(FIREWALL, 'if [ $# = 1 ]; then echo "enabled"; else echo "$2 is permitted"; fi')
    assert root.doctor() == {}


def test_no_service(root):
    root.mac.launchd.bootout()
    ((found, remedy),) = root.doctor().items()
    assert found.startswith("the broker does not answer: ")
    assert remedy == "sudo launchctl kickstart -k system/com.github.nirs.vmnet-broker"


@pytest.mark.parametrize("version, noted", [("26.0", True), ("26.1", True), ("26.10", False)])
def test_a_version_that_some_programs_cannot_use(root, version, noted):
    root.stand_in(f"{STAND_INS}/sw_vers", f"echo {version}")
    done = root.vmnetctl("doctor")
    note = (
        f"note: Virtualization.framework of macOS {version} may refuse networks of the broker, "
        "which it takes from 26.2 on\n    softwareupdate --list\n"
    )
    assert (note in done.stdout) == noted
    assert done.returncode == 0
    assert done.stdout.endswith("\nThis host is ready for machines.\n")


FILES = [
    "/",
    "/Library",
    FOLDER,
    f"{FOLDER}/vmnet-broker",
    f"{FOLDER}/bin",
    f"{FOLDER}/bin/vmnetctl",
    "/Library/LaunchDaemons",
    PLIST,
]


@pytest.mark.parametrize("path", FILES)
def test_what_others_can_change(root, path):
    mode = os.stat(root.path + path).st_mode
    os.chmod(root.path + path, mode | 0o020)
    assert root.doctor() == {
        f"{path} can be changed by others than root": (
            f"sudo chown root '{path}' && sudo chmod go-w '{path}'"
        )
    }
    os.chmod(root.path + path, mode)
    os.chown(root.path + path, 1234, -1)
    assert list(root.doctor()) == [f"{path} can be changed by others than root"]


def test_what_an_access_control_list_lets_others_change(root):
    entry = " 0: user:kim allow add_file,delete"
    root.stand_in(f"{STAND_INS}/ls", f"[ $# = 2 ] && [ \"$2\" = '{FOLDER}' ] && echo '{entry}'")
    assert root.doctor() == {
        f"{FOLDER} can be changed by others than root": f"sudo chmod -N '{FOLDER}'"
    }


def test_what_is_missing(root):
    os.unlink(root.path + PLIST)
    assert root.doctor() == {f"{PLIST}: No such file or directory": "sudo sh install-macos"}


def test_the_configuration(root):
    root.write("/etc/vmnet-broker/networks.json", '{ "lab": { "mode": "bridged" } }')
    ((found, remedy),) = root.doctor().items()
    assert "has mistakes, of which the first is: network \"lab\"" in found
    assert remedy == "${EDITOR:-vi} /etc/vmnet-broker/networks.json && vmnetctl reload"


LEASES = """{
	name=db
	ip_address=192.168.64.9
	hw_address=1,52:54:0:0:0:a
	identifier=1,52:54:0:0:0:a
	lease=0x6a0f2c40
}
{
	name=db
	ip_address=192.168.64.5
	hw_address=1,52:54:0:0:0:a
	identifier=1,52:54:0:0:0:a
	lease=0x6a0f2c41
}
{
	name=db
	ip_address=192.168.105.7
	hw_address=1,52:54:0:0:0:b
	lease=0x6a0f2c99
}
{
	name=web
	ip_address=192.168.64.6
	hw_address=ff,f1:f5:dd:7f:0:2:0:0:ab:11
	lease=0x6a0f2c41
}
"""


@pytest.mark.parametrize(
    "machine, address",
    [
        ("db", "192.168.64.5"),
        ("DB", "192.168.64.5"),
        ("52:54:00:00:00:0a", "192.168.64.5"),
        ("web", "192.168.64.6"),
        ("52:54:00:00:00:0b", None),
        ("nosuch", None),
    ],
)
def test_the_address_of_a_machine(root, machine, address):
    root.write("/var/db/dhcpd_leases", LEASES)
    client = root.mac.wire()
    client.acquire("default")
    done = root.vmnetctl("ip", "default", machine)
    if address:
        assert (done.returncode, done.stdout) == (0, f"{address}\n")
    else:
        assert done.returncode == 1
        assert done.stderr == (
            f'vmnetctl: network "default": no machine "{machine}" has an address\n'
        )


def test_no_leases_yet(root):
    client = root.mac.wire()
    client.acquire("default")
    done = root.vmnetctl("ip", "default", "db")
    assert done.returncode == 1 and "no machine" in done.stderr

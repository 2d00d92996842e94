# SPDX-License-Identifier: Apache-2.0
"""What vmnetctl makes of a Mac's files and programs: "doctor", and what it finds by leases.

It runs below a root of its own, which is this machine's with a Mac's files over it. Programs of
macOS are stand-ins, which print and return what a test wants.
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import threading

import pytest
from support.schema import check_json
from world import USER_UID

from support.namespace import Namespace

SERVICE = "com.github.nirs.vmnet-broker"
LOG = "/Library/Logs/vmnet-broker/vmnet-broker.log"
FOLDER = "/Library/Application Support/vmnet-broker"
PLIST = "/Library/LaunchDaemons/com.github.nirs.vmnet-broker.plist"
FIREWALL = "/usr/libexec/ApplicationFirewall/socketfilterfw"
STAND_INS = "/stand-ins"

# A launchctl that knows the service as switched off; fails when asked for something else.
PRINT_DISABLED = (
    f"[ \"$*\" = 'print-disabled system' ] && echo '\t\"{SERVICE}\" => disabled'"
)

# What the programs do on a healthy Mac, as shell.
HEALTHY = {
    f"{STAND_INS}/sw_vers": "echo 26.2",
    f"{STAND_INS}/launchctl": "echo running",
    f"{STAND_INS}/codesign": "echo '<key>com.apple.security.virtualization</key><true/>'",
    f"{STAND_INS}/defaults": "exit 1",
    FIREWALL: "echo 'Firewall is disabled. (State = 0)'",
    "/sbin/route": "echo '  interface: en0'",
    "/usr/sbin/arp": "true",
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
            timeout=60,
            check=False,
        )

    def doctor(self, kind="problem|unknown"):
        """What it finds, as {problem: command or ""}; empty on a healthy Mac."""
        done = self.vmnetctl("doctor")
        findings = re.findall(
            r"^(problem|unknown|note): (.*)(?:\n    (.*))?$", done.stdout, re.MULTILINE
        )
        assert done.stderr == ""
        assert done.returncode == (1 if {f[0] for f in findings} - {"note"} else 0), done.stdout
        return {said: command for found, said, command in findings if found in kind.split("|")}


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
        yield root


def test_a_healthy_mac(root):
    assert root.doctor("problem|unknown|note") == {}


@pytest.mark.parametrize(
    "path, script, problem, command",
    [
        (
            "sw_vers",
            "echo 15.5",
            "^macOS 26 or later is needed, not 15.5; see System Settings > .* Software Update$",
            "",
        ),
        ("sw_vers", "exit 1", "^cannot tell the version of macOS$", "sw_vers"),
        (
            "launchctl",
            "exit 113",
            "^launchd has not loaded the broker's service$",
            f"sudo launchctl bootstrap system {PLIST}",
        ),
        (
            "launchctl",
            f"{PRINT_DISABLED} || exit 113",
            "^the broker's service is switched off in launchd$",
            f"sudo launchctl enable system/{SERVICE} && sudo launchctl bootstrap system {PLIST}",
        ),
        (
            "launchctl",
            f"{PRINT_DISABLED} || exit 0",
            "^the broker's service is switched off in launchd$",
            f"sudo launchctl enable system/{SERVICE}",
        ),
        ("codesign", "exit 1", "^the signature of .* is not valid$", "sudo sh install-macos"),
        ("codesign", "echo '<dict/>'", "without the entitlement", "sudo sh install-macos"),
        (
            FIREWALL,
            'if [ $# = 1 ]; then echo "enabled"; else echo "$2 is blocked"; fi',
            "^the firewall blocks /usr/libexec/bootpd, .* System Settings > .* Firewall > Options$",
            "",
        ),
        (FIREWALL, "exit 1", "^cannot tell the state of the firewall$", FIREWALL),
    ],
)
def test_a_trouble(root, path, script, problem, command):
    root.stand_in(os.path.join(STAND_INS, path), script)
    ((found, remedy),) = root.doctor().items()
    assert re.search(problem, found)
    assert remedy.startswith(command) if command else remedy == ""


@pytest.mark.parametrize(
    "path, script, note",
    [
        (
            f"{STAND_INS}/defaults",
            "echo '{ Enabled = 1; }'",
            "Internet Sharing is on, and takes DHCP and NAT for itself; where machines get no "
            "address, switch it off in System Settings > General > Sharing",
        ),
        (
            "/sbin/route",
            "echo 'destination: default'; echo '  interface: utun4'; echo '      flags: <UP>'",
            "this Mac's way to the outside leads over utun4, a VPN's, which can break NAT for "
            "machines; where they do not reach the outside, have it use no exit node",
        ),
    ],
)
def test_what_may_be_in_the_way(root, path, script, note):
    root.stand_in(path, script)
    assert root.doctor("note|problem|unknown") == {note: ""}


@pytest.mark.parametrize("state", ["enabled", "false"])
def test_a_service_that_is_switched_on(root, state):
    root.stand_in(f"{STAND_INS}/launchctl", f"echo '\t\"{SERVICE}\" => {state}'")
    assert root.doctor() == {}


def test_a_mac_without_a_way_to_the_outside(root):
    root.stand_in("/sbin/route", "echo 'route: writing to routing socket: not in table' >&2")
    assert root.doctor("note|problem|unknown") == {}


FORWARDING = """{ "lab": {
  "mode": "shared",
  "subnet": "192.168.105.0/24",
  "port_forwarding": [
    { "protocol": "tcp", "external_port": 2222, "internal_address": "192.168.105.10",
      "internal_port": 22 }
  ]
} }
"""


@pytest.mark.parametrize("version, noted", [("26.6", True), ("27.0", False)])
def test_forwarded_ports_and_the_loopback(root, version, noted):
    root.write("/etc/vmnet-broker/networks.json", FORWARDING)
    root.stand_in(f"{STAND_INS}/sw_vers", f"echo {version}")
    note = (
        "forwarded ports are not reached by the loopback of this Mac itself before macOS 27; "
        "programs here connect to the machine's own address and port, see vmnetctl ip"
    )
    assert root.doctor("note|problem|unknown") == ({note: ""} if noted else {})


def test_a_vmnet_that_hangs(root):
    root.mac.hold("network_create")
    ((found, remedy),) = root.doctor().items()
    assert re.fullmatch(
        'network "default": vmnet has not made it for 5 s; if that goes on, only a restart of '
        "the Mac helps",
        found,
    )
    assert remedy == ""
    root.mac.let_go("network_create")
    root.mac.wait_for_networks(0)
    assert root.doctor() == {}


def test_a_broker_that_hangs(root):
    root.mac.wire().call(command="list")
    broker = root.mac.broker
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        ((found, remedy),) = root.doctor().items()
    finally:
        os.kill(broker.pid, signal.SIGCONT)
    assert found == f"the broker has not answered for 15 s; see {LOG}"
    assert remedy == ""


def test_networks_that_cannot_be_made(root):
    root.mac.refuse("network_create")
    found = root.doctor()
    assert len(found) == 2
    for (sentence, remedy), network in zip(sorted(found.items()), ["default", "host"]):
        assert sentence.startswith(f'network "{network}": vmnet refuses the network')
        assert remedy == ""


def test_a_subnet_that_is_taken(root):
    """By a broker that was killed, say."""
    root.mac.configure({"lab": {"mode": "shared", "subnet": "192.168.105.0/24"}})
    root.mac.run("vmnetctl/vmnetctl", "reload", uid=0)
    assert root.doctor() == {}
    root.mac.wait_for_networks(0)
    root.mac.take("192.168.105.0/24")
    ((found, remedy),) = root.doctor().items()
    assert found.startswith('network "lab": vmnet refuses the network')
    assert remedy == ""


def test_networks_are_tried_and_left_as_they_were(root):
    client = root.mac.wire()
    client.acquire("default")
    network = root.mac.network()
    assert root.doctor() == {}
    root.mac.wait_for_networks(1)
    assert root.mac.network() == network
    assert root.mac.log().count('network "host": created') >= 1
    assert root.mac.log().count('network "default": created') == 1


def test_a_firewall_that_lets_dhcp_pass(root):
    root.stand_in(FIREWALL, 'if [ $# = 1 ]; then echo "enabled"; else echo "$2 is permitted"; fi')
    assert root.doctor() == {}


def test_no_service(root):
    root.mac.launchd.bootout()
    ((found, remedy),) = root.doctor().items()
    assert found.startswith("the broker does not answer: ")
    assert found.endswith(f"; see {LOG}")
    assert remedy == ""
    # The reason is enough.
    root.stand_in(f"{STAND_INS}/launchctl", "exit 113")
    assert list(root.doctor()) == ["launchd has not loaded the broker's service"]


@pytest.mark.parametrize("version, noted", [("26.0", True), ("26.1", True), ("26.10", False)])
def test_a_version_that_some_programs_cannot_use(root, version, noted):
    root.stand_in(f"{STAND_INS}/sw_vers", f"echo {version}")
    note = (
        "machines of Virtualization.framework take no network of another program in macOS "
        f"{version}, so that only programs that start an interface by themselves can use the "
        "broker's; they do from 26.2 on, see System Settings > General > Software Update"
    )
    assert root.doctor("note|problem|unknown") == ({note: ""} if noted else {})
    assert root.vmnetctl("doctor").stdout.endswith("\nThis host is ready for machines.\n")


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


# Machines that identify themselves by something else than their MAC addresses.
UNNAMED = """{
	ip_address=192.168.64.20
	hw_address=ff,f1:f5:dd:7f:0:2:0:0:ab:11
	lease=0x6a0f2c41
}
{
	ip_address=192.168.64.21
	hw_address=ff,f1:f5:dd:7f:0:2:0:0:ab:11
	lease=0x6a0f2c42
}
{
	ip_address=192.168.64.22
	hw_address=1,52:54:0:0:0:1d
	lease=0x6a0f2c43
}
{
	ip_address=192.168.64.23
	hw_address=1,52:54:0:0:0:1e
	lease=0x6a0f2c40
}
"""
ARP = """\
? (10.0.0.9) at 52:54:0:0:0:1a on en0 ifscope [ethernet]
? (192.168.64.1) at fe:e2:6c:1:2:64 on bridge100 ifscope permanent [bridge]
? (192.168.64.19) at (incomplete) on bridge100 ifscope [bridge]
? (192.168.64.20) at 52:54:0:0:0:1a on bridge100 ifscope [bridge]
? (192.168.64.21) at 52:54:0:0:0:1a on bridge100 ifscope [bridge]
? (192.168.64.22) at 52:54:0:0:0:1c on bridge100 ifscope [bridge]
? (192.168.64.30) at 52:54:0:0:0:1b on bridge100 ifscope [bridge]
? (192.168.128.31) at 52:54:0:0:0:1f on bridge101 ifscope [bridge]
"""


@pytest.mark.parametrize(
    "machine, address",
    [
        ("52:54:00:00:00:1a", "192.168.64.21"),  # the newest of its leases
        ("52:54:00:00:00:1b", "192.168.64.30"),  # no lease
        ("52:54:00:00:00:1d", "192.168.64.22"),  # by its lease, whatever the table has left
        ("52:54:00:00:00:1e", "192.168.64.23"),  # not in the table
        ("52:54:00:00:00:1f", None),  # on another network
        ("52:54:00:00:00:2a", None),
    ],
)
@pytest.mark.parametrize("leases", [True, False])
def test_the_address_of_a_machine_without_its_mac_address(root, machine, address, leases):
    root.stand_in("/usr/sbin/arp", f"[ \"$*\" = -an ] && cat <<'END'\n{ARP}END")
    if leases:
        root.write("/var/db/dhcpd_leases", UNNAMED)
    elif address:
        # As the table has it, the first of several.
        address = {"1a": "192.168.64.20", "1b": address}.get(machine[-2:])
    root.mac.wire().acquire("default")
    done = root.vmnetctl("ip", "default", machine)
    assert (done.returncode, done.stdout) == ((0, f"{address}\n") if address else (1, ""))


def greet(listener):
    listener.settimeout(20)
    connection, _ = listener.accept()
    with connection:
        connection.sendall(b"welcome")


def test_a_port_of_a_machine(root):
    """What has the machine's address here is a network of nobody else's."""
    root.write("/var/db/dhcpd_leases", LEASES)
    root.mac.wire().acquire("default")
    with contextlib.closing(Namespace("machine")) as machine, machine.entered():
        machine.ip("address add 192.168.64.5/32 dev lo")
        with socket.create_server(("192.168.64.5", 0)) as listener:
            answer = threading.Thread(target=greet, args=(listener,))
            answer.start()
            done = root.vmnetctl("connect", "default", "db", str(listener.getsockname()[1]))
            answer.join()
    assert (done.returncode, done.stdout, done.stderr) == (0, "welcome", "")
    done = root.vmnetctl("connect", "default", "nosuch", "22")
    assert done.returncode == 1 and 'no machine "nosuch" has an address' in done.stderr


LIVING = """{
	name=web
	ip_address=192.168.64.40
	hw_address=1,52:54:0:0:0:20
	lease=0xffffffff
}
{
	name=gone
	ip_address=192.168.64.41
	hw_address=1,52:54:0:0:0:21
	lease=0x6a0f2c41
}
{
	name=old
	ip_address=192.168.64.30
	hw_address=1,52:54:0:0:0:1b
	lease=0x6a0f2c41
}
{
	name=other
	ip_address=192.168.64.20
	hw_address=1,52:54:0:0:0:22
	lease=0x6a0f2c41
}
"""


def test_machines(root):
    """By leases that have not ended, and by the ARP table without the host itself."""
    root.stand_in("/usr/sbin/arp", f"[ \"$*\" = -an ] && cat <<'END'\n{ARP}END")
    root.write("/var/db/dhcpd_leases", LIVING)
    root.mac.wire().acquire("default")
    text = root.vmnetctl("machines", "--json").stdout
    check_json("machines", text)
    found = [
        (machine["name"], machine["addresses"], machine["macAddress"])
        for machine in json.loads(text)["machines"]
    ]
    assert found == [
        ("old", ["192.168.64.30"], "52:54:00:00:00:1b"),
        ("web", ["192.168.64.40"], "52:54:00:00:00:20"),
        (None, ["192.168.64.20"], "52:54:00:00:00:1a"),
        (None, ["192.168.64.21"], "52:54:00:00:00:1a"),
        (None, ["192.168.64.22"], "52:54:00:00:00:1c"),
    ]
    assert root.vmnetctl("machines", "host").stdout == "There is no machine.\n"


def test_no_leases_yet(root):
    client = root.mac.wire()
    client.acquire("default")
    done = root.vmnetctl("ip", "default", "db")
    assert done.returncode == 1 and "no machine" in done.stderr

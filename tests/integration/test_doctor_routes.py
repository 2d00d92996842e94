# SPDX-License-Identifier: Apache-2.0
"""vmnetctl doctor: each kind of trouble is named, and the command under it mends it."""

import contextlib
import os
import re
import shutil
import signal
import subprocess

import pytest

from support.echo import WhoServer, nobody, who
from support.host import HOST_IPV4, OUTSIDE_IPV4, SERVER_IPV4
from support.namespace import Namespace
from support.wait import wait_for

CONFIG_FILE = "/etc/vmnet-broker/networks.json"
SOURCE = os.path.join(os.path.dirname(__file__), "../..")
ZONE = os.path.join(SOURCE, "data/firewalld/vmnet-broker.xml")
USER = 1234
USERS = (0, USER)
ONLY_ROOT = "only root may look at packet filters"
PROGRAMS = "/run/programs"  # what a host has beside what the tests need


def need(program):
    if not shutil.which(program):
        pytest.skip(f"no {program} here")


class Doctor:
    """A host whose doctor is asked, and whose administrator does what it says."""

    def __init__(self, broker):
        self.broker = broker
        self.host = broker.host
        self.outside = broker.host.outside
        # What is changed in these is changed for this host alone.
        for name in "etc", "usr", "var":
            self.host.run(
                "sh",
                "-c",
                f"mkdir -p /run/{name} /run/work/{name} && mount -t overlay -o "
                f"lowerdir=/{name},upperdir=/run/{name},workdir=/run/work/{name} overlay /{name}",
            )
        self.host.run("mkdir", PROGRAMS)
        self.program("systemctl", f'echo "$@" >>{PROGRAMS}/asked')
        self.program("vmnetctl", f'exec {self.host.program("vmnetctl/vmnetctl")} "$@"')
        self.program(
            "vmnet-broker",
            f'exec {self.host.program("broker/vmnet-broker")} '
            f'--state-dir={broker.state_dir} --runtime-dir={broker.runtime_dir} "$@"',
        )
        self.services = {"restart vmnet-broker.service": self.restart_broker}

    def program(self, name, text):
        """Installs a program."""
        path = f"{PROGRAMS}/{name}"
        self.host.run("tee", path, input=f"#!/bin/sh\n{text}\n")
        self.host.run("chmod", "+x", path)

    def uninstall(self, *names):
        """Whatever the machine has that the tests run on, this host has not."""
        for name in names:
            for folder in "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin":
                self.host.run("rm", "-f", f"{folder}/{name}")

    def configure(self, text):
        self.host.run("mkdir", "-p", os.path.dirname(CONFIG_FILE))
        self.host.run("tee", CONFIG_FILE, input=text)

    def restart_broker(self):
        if self.broker.is_running():
            self.broker.stop()
        self.broker.start()

    def examine(self, uid=0):
        """What there is to say: {problem: command, or None}; empty on a healthy host."""
        done = self.broker.vmnetctl("doctor", check=False, uid=uid)
        findings = dict(
            re.findall(r"^(?:problem|unknown): (.*)(?:\n    (.*))?$", done.stdout, re.MULTILINE)
        )
        assert done.returncode == (1 if findings else 0), done.stdout + done.stderr
        assert not done.stderr
        if uid:
            assert findings.pop(ONLY_ROOT) == "sudo vmnetctl doctor"
        return findings

    def find(self, pattern, uid=0):
        """Waits for the one problem that there is to be this one; returns its command."""

        def look():
            findings = self.examine(uid)
            return len(findings) == 1 and re.fullmatch(pattern, *findings) and findings

        findings = wait_for(look, 20, lambda: f"{pattern!r}, not {self.examine(uid)}")
        return next(iter(findings.values()))

    def do(self, command, **options):
        """Runs a command as it was printed, by the administrator's shell."""
        path = f"{PROGRAMS}:{os.environ['PATH']}"
        options.setdefault("stdin", subprocess.DEVNULL)
        # Not pipes: what it leaves running would keep them open.
        process = self.host.popen(
            *("sh", "-c", command),
            env={**self.broker.environment(), "PATH": path, **options.pop("env", {})},
            **options,
        )
        return process

    def mend(self, command, typed="", env=()):
        process = self.do(command, env=dict(env), stdin=subprocess.PIPE)
        process.communicate(typed, timeout=30)
        assert process.returncode == 0, command
        with contextlib.suppress(AssertionError):
            for asked in self.host.run("cat", f"{PROGRAMS}/asked").stdout.splitlines():
                self.services[asked]()
        wait_for(
            lambda: self.examine() == {},
            20,
            lambda: f"health after {command!r}: {self.examine()}",
        )


@pytest.fixture
def doctor(broker):
    broker.check_clean = False  # what the tests do to the host goes with it
    doctor = Doctor(broker)
    assert doctor.examine() == {}
    assert doctor.examine(USER) == {}
    return doctor


class Trouble:
    """One kind: make(doctor) makes it.

    says: what the doctor says of it, to all of these users.
    reason: why no command mends it, and none is printed.
    tried: the command that is printed, and why it cannot be run here.
    typed, env: what the administrator types, and has in the environment.
    """

    def __init__(self, make, says, users=USERS, reason=None, tried=None, typed="", env=()):
        self.make, self.says, self.users = make, says, users
        self.reason, self.tried, self.typed, self.env = reason, tried, typed, env


def shell(command):
    return lambda doctor: doctor.host.run("sh", "-c", command)


def configuration(text, command="true"):
    def make(doctor):
        doctor.configure(text)
        doctor.host.run(*command.split(), CONFIG_FILE)

    return make


# The broker


def no_broker(doctor):
    doctor.broker.stop()


BROKER = {
    "no broker": Trouble(no_broker, r"no broker at /.*/socket: No such file or directory"),
    "no permission for the socket": Trouble(
        lambda doctor: os.chmod(doctor.broker.socket_path, 0o600),
        "no broker at /.*/socket: Permission denied",
        users=(USER,),
    ),
    "no permission for its directory": Trouble(
        lambda doctor: os.chmod(doctor.broker.directory, 0o700),
        "no broker at /.*/socket: Permission denied",
        users=(USER,),
    ),
}


def damaged_state(doctor):
    """What the broker makes when it starts is gone, and missed by the next repair."""
    doctor.broker.client().acquire("default")
    shutil.rmtree(doctor.broker.state_dir)
    doctor.host.ip("link delete vmb-default")


def full_disk(doctor):
    broker = doctor.broker
    broker.stop()
    doctor.host.run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", broker.state_dir)
    broker.start()
    doctor.host.run("sh", "-c", f"dd if=/dev/zero of={broker.state_dir}/filler || true")
    broker.client().acquire("default")


def occupied_name_server(doctor):
    """Somebody has taken the port while the network's own server was away."""
    broker, host = doctor.broker, doctor.host
    gateway = broker.client().acquire("default")["ipv4_gateway"]
    os.kill(broker.pid, signal.SIGSTOP)
    os.kill(*host.processes("dnsmasq"), signal.SIGKILL)
    # A process that was killed has its sockets for a moment longer.
    wait_for(lambda: not host.run("ss", "-Hlntu", "src", f"{gateway}:53").stdout)
    serve_names(doctor, "--pid-file=", "--bind-interfaces", f"--listen-address={gateway}")
    os.kill(broker.pid, signal.SIGCONT)


UPLINK = """{
  "lab": {
    "mode": "shared",
    "external_interface": "wan",
    "subnet": "10.9.0.0/24",
    "port_forwarding": [
      {
        "protocol": "tcp",
        "external_port": 2222,
        "internal_address": "10.9.0.7",
        "internal_port": 22
      }
    ]
  }
}"""


def uplink(command="true"):
    def make(doctor):
        doctor.host.run(*command.split())
        doctor.broker.configure(UPLINK)
        doctor.broker.vmnetctl("reload", uid=0)
        doctor.broker.client().acquire("lab")

    return make


FAULTS = {
    "an uplink that is down": Trouble(
        uplink("ip link add wan type veth peer name outside"),
        'network "lab": wan is down, by which alone its machines reach the outside; .*',
    ),
    "no uplink": Trouble(
        uplink(),
        'network "lab": there is no wan, by which alone its machines reach the outside; .*',
        reason="whoever makes it is not known",
    ),
    "what the broker makes at its start": Trouble(
        damaged_state, r'network "default": dnsmasq\'s files in .*: No such file or directory'
    ),
    "a full disk": Trouble(
        full_disk,
        r'network "default": its addresses cannot be kept in .*: No space left on device',
        reason="what may go, only people know",
    ),
    "the name server's port": Trouble(
        occupied_name_server,
        r'network "default": dnsmasq cannot be started: .*: '
        r"dnsmasq \(pid \d+\) has port 53 of 192\.168\.\d+\.1",
        users=(0,),  # others may not see whose it is
    ),
}

# The configuration file

REFUSED = f"{CONFIG_FILE} is refused: only root may own and write it"
CONFIGURATION = {
    "a file of another user": Trouble(configuration("{}", f"chown {USER}"), REFUSED),
    "a file that its group writes": Trouble(configuration("{}", "chmod g+w"), REFUSED),
    "a file that others write": Trouble(configuration("{}", "chmod o+w"), REFUSED),
    "a file that the broker cannot read": Trouble(
        configuration("{}", "chmod 600"),
        f"{CONFIG_FILE} can be read by root only, which the broker is not",
    ),
    "a mistake": Trouble(
        configuration('{ "lab": { "mode": "guest" } }'),
        f'{CONFIG_FILE} has mistakes, of which the first is: network "lab": "mode" .*',
        env={"EDITOR": "sed -i s/guest/shared/"},
    ),
}

# Programs and devices


def uninstall_dnsmasq(doctor):
    """It can be installed again, whatever the package is called."""
    doctor.host.run("sh", "-c", f"cp $(command -v dnsmasq) {PROGRAMS}/package")
    doctor.uninstall("dnsmasq")
    for manager in "apt-get", "dnf", "zypper", "pacman", "apk":
        doctor.program(
            manager, f'[ "$2" != "${{2#dnsmasq}}" ] && cp {PROGRAMS}/package /usr/sbin/dnsmasq'
        )


def serve_names(doctor, *options):
    """A name server that the administrator has started."""
    server = doctor.host.popen(
        *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv"),
        *("--user=root", *options),
    )
    wait_for(lambda: f"pid={server.pid}," in doctor.host.run("ss", "-ltnp").stdout)
    return server


def serve_names_everywhere(doctor):
    serve_names(doctor, "--pid-file=")


def serve_names_as_a_service(doctor):
    """The distribution's own, which reads /etc/dnsmasq.d."""
    options = ("--conf-dir=/etc/dnsmasq.d", "--pid-file=/run/dnsmasq/dnsmasq.pid")
    doctor.host.run("mkdir", "-p", "/run/dnsmasq", "/etc/dnsmasq.d")
    server = serve_names(doctor, *options)

    def restart():
        server.terminate()
        server.wait()
        serve_names(doctor, *options)

    doctor.services["restart dnsmasq"] = restart


EVERYWHERE = (
    r" listens on port 53 of every address, which leaves none for the networks' own name "
    r"servers; have it listen on its own addresses only, or end it"
)
TUN = "/dev/net/tun, which interfaces are made from"
PROGRAM_TROUBLES = {
    "no dnsmasq": Trouble(
        uninstall_dnsmasq, "dnsmasq, which gives addresses and names, is missing"
    ),
    "a name server on every address": Trouble(
        serve_names_everywhere, r"dnsmasq \(pid \d+\)" + EVERYWHERE, users=(0,)
    ),
    "the distribution's name server on every address": Trouble(
        serve_names_as_a_service, r"dnsmasq \(pid \d+\)" + EVERYWHERE, users=(0,)
    ),
    "no /dev/net/tun": Trouble(
        shell("mount -t tmpfs tmpfs /dev/net"), TUN + ": No such file or directory"
    ),
    "no driver for it": Trouble(
        shell("mount -t tmpfs tmpfs /dev/net && mount -t tmpfs tmpfs /sys/class/misc"),
        TUN + ": No such file or directory",
        tried=("modprobe tun", "the kernel has it, and cannot load it again"),
    ),
    "/dev/net/tun for root alone": Trouble(
        shell(
            "chmod 600 /dev/net/tun && mkdir -p /run/systemd/system &&"
            "echo vmnet-broker:x:990:990::/:/bin/false >>/etc/passwd"
        ),
        TUN + ", is closed to the broker's user vmnet-broker",
    ),
    "/dev/net/tun for nobody": Trouble(
        shell("mount -t tmpfs -o nodev tmpfs /dev/net && mknod /dev/net/tun c 10 200"),
        TUN + ", is denied even to root: whoever runs this container has to allow it",
        users=(0,),  # the others need no permission for it
        reason="whatever keeps the device from this host is not of this host",
    ),
}

# Routes and forwarding


def forwarding_off(doctor):
    """The host is a router, and somebody does not want its uplink to be of it."""
    doctor.host.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    doctor.broker.client().acquire("default")
    doctor.host.run("sysctl", "-qw", "net.ipv4.conf.eth0.forwarding=0")


def lose_routes(doctor, command):
    doctor.uninstall("dhclient", "dhcpcd", "udhcpc")
    doctor.host.ip("route delete default")
    doctor.host.ip("-6 route delete default")
    doctor.host.run("sh", "-c", command)


def no_route(command="true"):
    return lambda doctor: lose_routes(doctor, command)


def managed(marks, program, arguments):
    """No route, and who gives eth0 its routes is known by marks."""

    def make(doctor):
        lose_routes(doctor, f"ip link set eth0 down && {marks}")
        doctor.program(
            program, f'[ "$*" = "{arguments}" ] && ip route add default via {OUTSIDE_IPV4}'
        )

    return make


def dhcp_client(doctor):
    """eth0 has no address, a DHCP client is there, and outside is its server."""
    lose_routes(doctor, "ip address flush dev eth0")
    doctor.outside.serve_addresses(f"{HOST_IPV4},{HOST_IPV4},1h")
    script = "/usr/share/leased"
    doctor.host.run("tee", script, input=DHCP_SCRIPT)
    doctor.host.run("chmod", "+x", script)
    doctor.program("udhcpc", f'exec busybox udhcpc -s {script} "$@"')
    doctor.host.run("cp", f"{PROGRAMS}/udhcpc", "/usr/sbin")


DHCP_SCRIPT = """#!/bin/sh
[ "$1" = bound ] || exit 0
ip address add "$ip/$mask" dev "$interface" && ip route add default via "$router"
"""

NO_ROUTE = "the host has no route to the outside: "
ROUTES = {
    "forwarding is off": Trouble(
        forwarding_off,
        'network "default": forwarding is switched off for eth0, by which its machines are '
        "answered",
    ),
    "a strict check of where packets come from": Trouble(
        lambda doctor: (
            doctor.configure(UPLINK),
            doctor.host.run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1"),
        ),
        'network "lab": its forwarded ports cannot be reached by eth0, whose reverse path filter '
        "is strict",
    ),
    "settings are read-only": Trouble(
        shell("mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys"),
        "forwarding cannot be switched on, since /proc/sys is read-only",
    ),
    "no route": Trouble(
        no_route(), NO_ROUTE + "none leads over eth0", typed=f"{OUTSIDE_IPV4}\n"
    ),
    "an interface that is down": Trouble(
        no_route("ip link set eth0 down"), NO_ROUTE + "eth0 is down", typed=f"{OUTSIDE_IPV4}\n"
    ),
    "an interface of NetworkManager": Trouble(
        managed("mkdir /run/NetworkManager", "nmcli", "device connect eth0"),
        NO_ROUTE + "eth0 is down",
    ),
    "an interface of systemd-networkd": Trouble(
        managed(
            "mkdir -p /run/systemd/netif/links && echo ADMIN_STATE=configured "
            ">/run/systemd/netif/links/$(cat /sys/class/net/eth0/ifindex)",
            "networkctl",
            "reconfigure eth0",
        ),
        NO_ROUTE + "eth0 is down",
    ),
    "an interface of ifupdown": Trouble(
        managed(
            "mkdir /run/network && echo eth0=eth0 >/run/network/ifstate", "ifup", "--force eth0"
        ),
        NO_ROUTE + "eth0 is down",
    ),
    "no address, and a DHCP client": Trouble(dhcp_client, NO_ROUTE + "none leads over eth0"),
    "no address": Trouble(
        no_route("ip address flush dev eth0"),
        NO_ROUTE + "eth0 has no address, and there is no DHCP client to ask for one",
        reason="nobody here knows an address",
    ),
    "no cable": Trouble(
        lambda doctor: doctor.outside.ip("link set eth0 down"),
        NO_ROUTE + "nothing is connected to eth0",
        reason="the other end is not of this host",
    ),
    "no interface": Trouble(
        shell("ip link delete eth0"),
        "the host has no route to the outside, and no interface that could lead there",
        reason="an interface is not made by a command",
    ),
}

# Subnets


def overlap(text):
    def make(doctor):
        doctor.configure(text)
        doctor.host.ip("address add 10.9.0.7/16 dev eth0")

    return make


def taken_later(doctor):
    """A VPN came up, say."""
    subnet = doctor.broker.client().acquire("default")["ipv4_subnet"]
    doctor.host.ip(f"address add {subnet.replace('.0/', '.7/')} dev eth0")


def no_subnet(doctor):
    doctor.configure('{ "lab": { "mode": "shared" } }')
    doctor.host.ip("route add 192.168.0.0/16 dev eth0")
    doctor.program("choose", """sed -i 's|"shared"|"shared", "subnet": "10.9.0.0/24"|' "$1" """)


RESERVED = """{ "lab": { "mode": "shared", "subnet": "10.9.0.0/24", "dhcp_reservations": [
    { "mac_address": "52:54:00:00:00:01", "address": "10.9.0.9" } ] } }"""
IN_USE = 'network "lab": subnet 10.9.0.0/24 is in use by eth0'
SUBNETS = {
    "a subnet that was taken": Trouble(
        taken_later,
        r'network "default": subnet (\S+) is in use by eth0, too; it gets another one when its '
        "machines have ended",
        reason="nobody ends other people's machines",
    ),
    "a subnet in use": Trouble(
        overlap('{ "lab": { "mode": "shared", "subnet": "10.9.0.0/24" } }'), IN_USE
    ),
    "a subnet in use, with addresses in it": Trouble(
        overlap(RESERVED), IN_USE, env={"EDITOR": "sed -i s/10[.]9[.]/10.11./g"}
    ),
    "no subnet": Trouble(
        no_subnet,
        'network "lab": no subnet is free; give it a "subnet"',
        env={"EDITOR": "choose"},
    ),
}

# Packet filters


def owned_table(doctor):
    owner = doctor.host.popen("nft", "-i", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    owner.stdin.write(
        "table inet x { flags owner; "
        "chain f { type filter hook forward priority 0; policy drop; }; }\n"
    )
    owner.stdin.flush()


def filtered_bridge(doctor):
    """Docker has frames on the administrator's bridge filtered."""
    need("iptables-nft")
    if not doctor.host.filter_bridges("ip", 1):
        pytest.skip("no br_netfilter")
    doctor.configure('{ "lan": { "mode": "bridged", "external_interface": "br0" } }')
    doctor.host.ip("link add br0 type bridge")
    for rule in "-P FORWARD DROP", "-N DOCKER-USER", "-A FORWARD -j DOCKER-USER":
        doctor.host.run("iptables-nft", *rule.split())


def old_filter(*rules):
    def make(doctor):
        need("iptables-legacy")
        for rule in rules:
            if doctor.host.run("iptables-legacy", *rule.split(), check=False).returncode:
                pytest.skip("this kernel has no older filter")

    return make


OLD_FORWARD = r"iptables-legacy \(chain FORWARD\) stops packets from machines to the outside"
OLD_INPUT = r"iptables-legacy \(chain INPUT\) stops machines' requests for addresses and names"
FILTERS = {
    "a table that has an owner": Trouble(
        owned_table,
        r"nft \(table inet x, chain f\) stops packets from machines to the outside.*; it keeps "
        r"the table for itself, and has to let pass what comes from and goes to vmb-\*",
        users=(0,),
        reason="the kernel lets nobody but the owner change it",
    ),
    "a joined bridge that is filtered": Trouble(
        filtered_bridge,
        r'network "lan": Docker \(table ip filter, chain FORWARD\) stops frames on br0, since '
        r"br_netfilter has bridges ask packet filters",
        users=(0,),
    ),
    "forwarding, by the older filter": Trouble(
        old_filter("-P FORWARD DROP"), OLD_FORWARD, users=(0,)
    ),
    "forwarding, by its last rule": Trouble(
        old_filter("-A FORWARD -i eth0 -j ACCEPT", "-A FORWARD -j REJECT"), OLD_FORWARD, users=(0,)
    ),
    "input, by the older filter": Trouble(
        old_filter("-P INPUT DROP", "-I INPUT -i eth0 -j ACCEPT"), OLD_INPUT, users=(0,)
    ),
}

TROUBLES = {
    **BROKER,
    **FAULTS,
    **CONFIGURATION,
    **PROGRAM_TROUBLES,
    **ROUTES,
    **SUBNETS,
    **FILTERS,
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_trouble_is_named_and_mended(doctor, trouble):
    trouble.make(doctor)
    commands = {doctor.find(trouble.says, uid) for uid in trouble.users}
    assert len(commands) == 1
    (command,) = commands
    if trouble.reason:
        assert not command
    elif trouble.tried:
        assert command == trouble.tried[0]
    else:
        doctor.mend(command, trouble.typed, trouble.env)


def test_no_service(broker, doctor):
    """The broker is looked for where the service would have it."""
    done = doctor.host.run(
        *("env", "-u", "VMNET_BROKER_SOCKET", f"{PROGRAMS}/vmnetctl", "doctor"), check=False
    )
    assert done.returncode == 1
    assert done.stdout.startswith(
        "problem: no broker at /run/vmnet-broker/socket: No such file or directory\n"
        "    systemctl enable --now vmnet-broker.socket\n"
    )
    assert done.stdout.endswith(
        "1 problem; under each is the command that mends it, where there is one.\n"
    )


def test_rules_that_went_while_the_broker_was_away(broker, doctor, join):
    """Docker, say, has made its own again."""
    need("iptables-nft")
    for rule in "-P FORWARD DROP", "-N DOCKER-USER", "-A FORWARD -j DOCKER-USER":
        broker.host.run("iptables-nft", *rule.split())
    machine = join("default")
    broker.kill()
    broker.host.run("iptables-nft", "-F", "FORWARD")
    findings = doctor.examine()
    assert len(findings) == 2
    assert "Docker (table ip filter, chain FORWARD) stops packets from machines to the outside" in (
        problem.partition(" and (br_netfilter)")[0] for problem in findings
    )
    doctor.mend(findings.popitem()[1])
    assert machine.ping(SERVER_IPV4)


def test_requests_that_are_stopped(broker, doctor, join):
    join("default")
    broker.kill()
    broker.host.run(
        "nft", "table inet x { chain y { type filter hook input priority 0; policy drop; }; }"
    )
    findings = doctor.examine()
    problem, command = findings.popitem()
    assert problem == (
        "a packet filter (table inet x, chain y) stops machines' requests for addresses and names"
    )
    doctor.mend(command)


def test_firewalld_that_keeps_its_table(broker, doctor):
    """Its table has an owner, who alone can make use of the zone."""
    doctor.program(
        "firewalld",
        "mkfifo /run/firewalld && exec nft -i <>/run/firewalld",
    )
    doctor.program(
        "firewall-cmd",
        f'[ "$1" = --reload ] && cmp {ZONE} /etc/firewalld/zones/vmnet-broker.xml && '
        "echo 'insert rule inet firewalld filter_FORWARD iifname vmb-* accept' >/run/firewalld",
    )
    doctor.host.popen(f"{PROGRAMS}/firewalld", stdout=subprocess.DEVNULL)
    wait_for(lambda: doctor.host.run("test", "-p", "/run/firewalld", check=False).returncode == 0)
    doctor.host.run(
        "tee",
        "/run/firewalld",
        input="table inet firewalld { flags owner; "
        "chain filter_FORWARD { type filter hook forward priority 10; reject; }; }\n",
    )
    command = doctor.find(r"firewalld \(table inet firewalld, chain filter_FORWARD\) stops .*")
    zone = command.split()[1]
    doctor.host.run("mkdir", "-p", os.path.dirname(zone), "/etc/firewalld/zones")
    doctor.host.run("cp", ZONE, zone)
    doctor.mend(command)


def test_containers_stay_closed_by_the_older_filter(broker, doctor, join):
    """Beside a Docker that uses it: machines get out, and nowhere else; also when it restarts."""
    host, outside = broker.host, broker.host.outside
    need("iptables-legacy")
    if host.run("iptables-legacy", "-P", "FORWARD", "DROP", check=False).returncode:
        pytest.skip("this kernel has no older filter")

    def start_docker():
        for rule in "-i docker0 ! -o docker0 -j ACCEPT", "-o docker0 -j DOCKER":
            host.run("iptables-legacy", *f"-I FORWARD {rule}".split())

    host.run("iptables-legacy", "-N", "DOCKER")
    start_docker()
    doctor.mend(doctor.find(OLD_FORWARD))
    container = Namespace("container")
    try:
        host.ip("link add docker0 type bridge")
        host.ip("address add 172.17.0.1/16 dev docker0")
        host.ip("link set docker0 up")
        host.ip(f"link add veth0 master docker0 type veth peer name eth0 netns {container.pid}")
        host.ip("link set veth0 up")
        container.ip("address add 172.17.0.2/16 dev eth0")
        container.ip("link set eth0 up")
        container.ip("route add default via 172.17.0.1")
        machine = join("default")
        with WhoServer(container, 80, "container"), WhoServer(outside, 80, "outside"):
            wait_for(lambda: who(host, "172.17.0.2", 80), what="the container")
            for _ in range(2):
                assert who(machine, SERVER_IPV4, 80) == ("outside", HOST_IPV4)
                assert nobody(machine, "172.17.0.2", 80)
                start_docker()
        assert doctor.examine() == {}
    finally:
        container.close()

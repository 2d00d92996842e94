#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Does everything at once that can go wrong, while two machines go on undisturbed.

Clients of several users acquire, attach, send, release, crash and are killed at random. The broker
is killed or restarted at random, and what it made is broken by hand. All along two machines that
were started at the beginning ping each other, their host and the outside, and hold TCP connections
through NAT, by a forwarded port and by one that a machine has asked for: not one packet may be
lost. At the end the host has to be as it was before.
"""

import argparse
import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

from support.broker import Broker  # noqa: E402
from support.forwarded import FORWARDED, MAC, PORT  # noqa: E402
from support.host import HOST_IPV4, OUTSIDE_IPV4, SERVER_IPV4, UPLINK, Host, diff  # noqa: E402
from support.isolate import isolate  # noqa: E402
from support.machine import Machine  # noqa: E402
from support.varlink import Client, VarlinkError  # noqa: E402
from support.wait import wait_for  # noqa: E402

CONFIG = {
    "default": {**FORWARDED, "aliases": ["shared"]},
    "lab": {"mode": "host"},
    "extra": {"mode": "shared", "isolated": True, "external_interface": UPLINK},
    "wide": {
        "mode": "shared",
        "subnet": "10.80.0.0/16",
        "ipv6_prefix": "fd80:0:0:1::/64",
        "vxlan": {
            "vni": 4711,
            "control": "static",
            "hosts": [
                {"name": "a", "address": HOST_IPV4, "pool": "10.80.1.0/24"},
                {"name": "b", "address": OUTSIDE_IPV4, "pool": "10.80.2.0/24"},
            ],
        },
    },
}
FORWARDING = "net.ipv4.conf.vmb-extra.forwarding"
USERS = (20001, 20002, 20003, 20004)
VPN_TABLE = 4711
NETWORKS_TABLE = str(0x77000000)
ECHO_PORT = 7
ECHO_PAUSE = 0.02  # seconds between the messages of a connection that is held
ECHO_TIMEOUT = 20
# What a client may be told while the broker is killed and its networks are broken by hand.
EXPECTED = {"CreateFailed", "NotAcquired", "LimitExceeded", "ParameterRefused"}
# Ports that clients ask for all the time, each of which one machine has at a time.
PORTS = range(4000, 4008)


class Actor:
    """One user's client, badly behaved, in a process of its own."""

    def __init__(self, path, uid, seed):
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                self.path, self.uid, self.random = path, uid, random.Random(seed)
                self.fds = []
                status = self._live()
            finally:
                os._exit(status)

    def _live(self):
        """Until it is killed, or has crashed by itself (status 0)."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        while True:
            try:
                with Client(self.path, self.uid, timeout=60) as client:
                    while self._act(client):
                        pass
            except (EOFError, OSError):
                wait_for(self._is_broker_there, 60)  # it is being killed
            except VarlinkError as error:
                if error.name not in EXPECTED:
                    print(f"torture: user {self.uid} was told: {error}", file=sys.stderr)
                    return 1
            for fd in self.fds:
                os.close(fd)
            self.fds = []

    def _is_broker_there(self):
        with contextlib.suppress(OSError):
            Client(self.path, self.uid).close()
            return True
        return False

    def _act(self, client):
        """One thing that a client does; whether the connection is to be used further."""
        network = self.random.choice(list(CONFIG))
        action = self.random.randrange(10)
        if action < 3:
            client.acquire(network)
        elif action == 3:
            client.acquire(network)
            options = {"queues": self.random.choice((1, 1, 2))}
            if network == "default":
                asked = {"protocol": "both", "externalPort": self.random.choice(PORTS)}
                options["portForwarding"] = self.random.choice(([], [asked]))
            self._use(client.attach(network, **options))
        elif action == 4:
            client.acquire(network)
            client.attach(network, openByName=True)
        elif action == 5:
            client.acquire(network)
            client.release(network)
        elif action == 6:
            client.networks()
            client.inspect(network)
        elif action == 7:
            client.send_raw(b'{"method": "com.github.nirs.vmnetbroker.Acq')
            return False
        elif action == 8:
            client.send("Acquire", {"network": network})
            return False
        else:
            os._exit(0)
        return True

    def _use(self, attachment):
        """Sends frames to everybody, and keeps the interface for a while."""
        self.fds += attachment.tap_fds + attachment.vhost_fds
        mac = bytes.fromhex(attachment.mac_address.replace(":", ""))
        frame = bytes(10) + b"\xff" * 6 + mac + b"\x80\x35" + bytes(60)
        for _ in range(self.random.randrange(20)):
            with contextlib.suppress(OSError):
                os.write(attachment.tap_fds[0], frame)
        while len(self.fds) > 6:
            os.close(self.fds.pop(0))


class Echo(threading.Thread):
    """A TCP connection that is held from the beginning to the end."""

    def __init__(self, client, server, address, forwarded=None):
        """forwarded: the port that leads to the server's port 22."""
        super().__init__(daemon=True)
        self.what = f"TCP from {client.name} to {address}"
        self.error = None
        self.round_trips = 0
        self.over = threading.Event()
        with server.entered():
            listener = socket.create_server(("", 22 if forwarded else 0))
        with client.entered():
            self.socket = socket.socket()
        with listener:
            self.socket.settimeout(ECHO_TIMEOUT)
            self.socket.connect((address, forwarded or listener.getsockname()[1]))
            self.peer, _ = listener.accept()
        self.peer.settimeout(ECHO_TIMEOUT)

    def run(self):
        try:
            while not self.over.wait(ECHO_PAUSE):
                word = self.round_trips.to_bytes(8, "big")
                for sender, receiver in ((self.socket, self.peer), (self.peer, self.socket)):
                    sender.sendall(word)
                    if receiver.recv(8, socket.MSG_WAITALL) != word:
                        raise OSError("other bytes came")
                self.round_trips += 1
        except OSError as error:
            self.error = error

    def finish(self):
        self.over.set()
        self.join()
        self.socket.close()
        self.peer.close()


class Ping:
    """Echo requests five times a second from the beginning to the end."""

    def __init__(self, source, name, address):
        self.what = f"ping from {name} to {address}"
        self.process = source.popen(
            "ping", "-n", "-q", "-i", "0.2", address, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.sent = self.received = 0

    def finish(self):
        self.process.send_signal(signal.SIGINT)
        output, _ = self.process.communicate(timeout=20)
        found = re.search(r"(\d+) packets transmitted, (\d+) received", output)
        self.sent, self.received = int(found[1]), int(found[2])


class Torture:
    def __init__(self, directory, build, seed):
        self.random = random.Random(seed)
        self.host = Host(directory, build)
        self.tapnet = os.path.join(build, "tests/tools/tapnet")
        self.broker = Broker(self.host, CONFIG)
        self.actors = []
        self.machines = []
        self.pings = []
        self.echoes = []
        self.figures = dict.fromkeys(
            (
                "broker killed",
                "broker restarted",
                "clients",
                "clients killed",
                "visiting machines",
                "faults",
            ),
            0,
        )
        self.failures = []
        self.whole = {}

    def start(self):
        self.broker.start()
        one = self._machine("one", USERS[0], macAddress=MAC)
        asked = {"protocol": "tcp", "externalPort": PORT + 1, "internalPort": 22}
        two = self._machine("two", USERS[0], portForwarding=[asked])
        for machine in self.machines:
            machine.dhcp_to_stay()
        for machine, name, address in (
            (one, "one", two.address),
            (two, "two", one.lease["router"]),
            (one, "one", SERVER_IPV4),
            (two, "two", OUTSIDE_IPV4),
            (self.host, "the host", one.address),
        ):
            self.pings.append(Ping(machine, name, address))
        self.echoes.append(Echo(one, self.host.outside, SERVER_IPV4))
        self.echoes.append(Echo(two, one, one.address))
        self.echoes.append(Echo(self.host.outside, one, HOST_IPV4, PORT))
        self.echoes.append(Echo(self.host.outside, two, HOST_IPV4, PORT + 1))
        with self._hold_all():
            self.whole = self._services()
        # All processes are forked before the first thread starts.
        for uid in USERS:
            for _ in range(2):
                self._start_actor(uid)
        for echo in self.echoes:
            echo.start()

    def _machine(self, name, uid, **options):
        client = self.broker.client(uid=uid)
        client.acquire("default")
        attachment = client.attach("default", **options)
        machine = Machine(name, self.host.directory, self.tapnet, attachment)
        self.machines.append(machine)
        return machine

    def _start_actor(self, uid):
        self.actors.append((Actor(self.broker.socket_path, uid, self.random.random()), uid))
        self.figures["clients"] += 1

    def run(self, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.random.choice(
                (
                    self.kill_broker,
                    self.restart_broker,
                    self.kill_client,
                    self.break_something,
                    self.visit,
                )
            )()
            self._look_after_actors()
            self._look_at_probes()
            if self.failures:
                return

    def kill_broker(self):
        self.broker.restart()
        self.figures["broker killed"] += 1

    def restart_broker(self):
        """As an upgrade does."""
        self.broker.stop()
        self.broker.start()
        self.figures["broker restarted"] += 1

    def kill_client(self):
        actor, _ = self.random.choice(self.actors)
        os.kill(actor.pid, signal.SIGKILL)
        self.figures["clients killed"] += 1

    def visit(self):
        """A machine that comes, is served as ever, and goes."""
        number = self.figures["visiting machines"] = self.figures["visiting machines"] + 1
        machine = self._machine(f"visitor{number}", self.random.choice(USERS))
        machine.dhcp()
        for address in (machine.lease["router"], SERVER_IPV4, self.machines[0].address):
            if not machine.ping(address):
                self.failures.append(f"{machine.name} did not reach {address}")
        self.machines.remove(machine)
        machine.close()

    def break_something(self):
        """Somebody breaks what the broker made; it has to be whole again within seconds."""
        self.figures["faults"] += 1
        client = self._hold_all()
        self._wait_until_whole("repair after a broker was killed")
        fault = self.random.choice(
            (
                self._kill_dnsmasq,
                self._delete_rules,
                self._delete_routing,
                self._delete_route,
                self._lead_elsewhere,
                self._switch_off_forwarding,
                self._delete_address,
                self._delete_bridge,
                self._break_the_way_to_hosts,
            )
        )
        fault()
        self._wait_until_whole(f"repair after {fault.__name__}")
        client.close()

    def _hold_all(self):
        client = self.broker.client()
        for network in CONFIG:
            client.acquire(network)
        return client

    def _wait_until_whole(self, what):
        """With all networks held: they are what they were at the start."""
        wait_for(
            lambda: self._services() == self.whole,
            20,
            lambda: f"{what}\n{diff(self.whole, self._services())}",
        )

    def _services(self):
        """What all networks together have on the host while they are held."""
        rules = self.host.run("nft", "--stateless", "list", "ruleset").stdout
        # The group goes by the bridge's index, and so does the order of what is in a map.
        rules = re.sub(r"\b198\d{7}\b( : (?=goto|jump))?", "", rules)
        rules = re.sub(r"elements = |[{},]", "\n", rules)
        addresses = self.host.run("ip", "-br", "address", "show", "type", "bridge").stdout
        servers = [
            pid for pid in self.host.processes() if _command(pid).startswith("dnsmasq")
        ]
        return {
            "rules": sorted(
                line.strip()
                for line in rules.splitlines()
                if not any(f"th dport {port} dnat" in line for port in PORTS)
            ),
            "routing": self._routing(),
            "routes": self._routes(),
            "addresses": sorted(" ".join(line.split()[::2]) for line in addresses.splitlines()),
            "way": self._way_to_hosts(),
            "dnsmasq": [str(len(servers))],
            "forwarding": [self.host.run("sysctl", FORWARDING, check=False).stdout],
        }

    def _way_to_hosts(self):
        """The devices of "wide", and where the host finds machines on others."""
        ports = json.loads(self.host.ip("-j link show master vmb-wide") or "[]")
        routes = self.host.ip("route show dev vmh-wide proto kernel", check=False)
        return sorted(
            f"{port['ifname']} {'UP' in port['flags']}"
            for port in ports
            if port["ifname"] in ("vmx-wide", "vmp-wide")
        ) + routes.splitlines()

    def _routing(self):
        """The policy routing of "extra"; where other networks are comes to it a moment later.

        What led to all of them beside a VPN means nothing any more, and goes with them.
        """
        lines = []
        for family in "-4", "-6":
            lines += self.host.ip(f"{family} rule show pref 118").splitlines()
            routes = self.host.ip(f"{family} -j route show table all proto 118")
            lines += [
                f"{route['dst']} {route['dev']}"
                for route in json.loads(routes or "[]")
                if route["dev"] in (UPLINK, "vmb-extra") and route["table"] != NETWORKS_TABLE
            ]
        return sorted(lines)

    def _routes(self):
        """To the machines of all networks."""
        return sorted(
            f"{route['dst']} {route['dev']}"
            for family in ("-4", "-6")
            for route in json.loads(self.host.ip(f"{family} -j route show proto kernel") or "[]")
            if route["dev"].startswith("vmb-")
        )

    def _kill_dnsmasq(self):
        servers = [pid for pid in self.host.processes() if _command(pid).startswith("dnsmasq")]
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.random.choice(servers), signal.SIGKILL)

    def _delete_rules(self):
        """Not those of "default": without them the kernel ends NAT, and what passes is lost."""
        network = self.random.choice(("lab", "extra"))
        kind = self.random.choice(("machine", "leaving", "entering", "input", "gateway"))
        self.host.run("nft", "flush", "chain", "inet", "vmnet-broker.networks", f"{kind}-{network}")

    def _delete_routing(self):
        family = self.random.choice(("-4", "-6"))
        for rule in json.loads(self.host.ip(f"{family} -j rule show pref 118")):
            self.host.ip(f"{family} rule delete pref 118")
            self.host.ip(f"{family} route flush table {rule['table']}")

    def _delete_route(self):
        """The one that the kernel has made with the address."""
        family = self.random.choice(("-4", "-6"))
        routes = self.host.ip(f"{family} -j route show proto kernel dev vmb-lab")
        for route in json.loads(routes or "[]"):
            self.host.ip(f"{family} route delete {route['dst']} dev vmb-lab")

    def _lead_elsewhere(self):
        """As a VPN does that comes and goes, but into a table without a route."""
        family = self.random.choice(("-4", "-6"))
        self.host.ip(f"{family} rule add pref 100 lookup {VPN_TABLE}")
        wait_for(
            lambda: ":\tfrom all lookup" in self.host.ip(f"{family} rule show pref 99"),
            20,
            lambda: f"what goes ahead of the VPN's\n{self.host.ip(f'{family} rule show')}",
        )
        self.host.ip(f"{family} rule delete pref 100")

    def _switch_off_forwarding(self):
        self.host.run("sysctl", "-qw", f"{FORWARDING}=0")

    def _delete_address(self):
        """ip looks whether it is gone, and gives up when the broker was quicker ten times."""
        self.host.run("ip", "-4", "address", "flush", "dev", "vmb-lab", check=False)

    def _delete_bridge(self):
        self.host.ip("link delete vmb-lab")

    def _break_the_way_to_hosts(self):
        device = self.random.choice(("vmx-wide", "vmh-wide", "vmp-wide"))
        self.host.ip(self.random.choice((f"link delete {device}", f"link set {device} down")))

    def _look_after_actors(self):
        """Those that have crashed or were killed are replaced."""
        for actor, uid in list(self.actors):
            pid, status = os.waitpid(actor.pid, os.WNOHANG)
            if pid == 0:
                continue
            self.actors.remove((actor, uid))
            if status not in (0, signal.SIGKILL):
                self.failures.append(f"a client of user {uid} failed with status {status}")
            self._start_actor(uid)

    def _look_at_probes(self):
        self.failures += [f"{echo.what}: {echo.error}" for echo in self.echoes if echo.error]
        for ping in self.pings:
            if ping.process.poll() is not None:
                self.failures.append(f"{ping.what} has ended")

    def finish(self):
        for echo in self.echoes:
            echo.finish()
            self.figures["TCP round trips"] = (
                self.figures.get("TCP round trips", 0) + echo.round_trips
            )
        self._look_at_probes()
        for actor, _ in self.actors:
            os.kill(actor.pid, signal.SIGKILL)
            os.waitpid(actor.pid, 0)
        for ping in self.pings:
            ping.finish()
            if ping.sent != ping.received or not ping.sent:
                self.failures.append(f"{ping.what}: {ping.sent} sent, {ping.received} received")
        self.figures["packets sent"] = sum(ping.sent for ping in self.pings)
        self.figures["packets lost"] = sum(ping.sent - ping.received for ping in self.pings)
        self.figures["leases renewed"] = sum(machine.renewals() for machine in self.machines)
        self.close_machines()
        with contextlib.redirect_stdout(None):
            self.broker.finish()

    def close_machines(self):
        while self.machines:
            self.machines.pop().close()

    def close(self):
        self.close_machines()
        self.host.close()


def _command(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build", help="the build directory (default: build)")
    parser.add_argument("--seconds", type=int, default=3600, help="how long (default: an hour)")
    parser.add_argument("--seed", type=int, default=None, help="to repeat the choices of a run")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("torture: needs root, for network namespaces")
    seed = random.randrange(1 << 32) if options.seed is None else options.seed
    isolate()
    print(f"torture: {options.seconds} s, seed {seed}", flush=True)
    directory = tempfile.mkdtemp(prefix="vmnet-broker-torture-")
    os.chmod(directory, 0o755)
    torture = Torture(directory, os.path.abspath(options.build), seed)
    try:
        torture.start()
        torture.run(options.seconds)
        torture.finish()
    except Exception:
        traceback.print_exc()
        status = torture.broker.process.poll()
        state = "runs" if status is None else f"ended with {status}"
        log = torture.broker.log()[-8000:]
        print(f"The broker {state}, and its log ends:", log, sep="\n", file=sys.stderr)
        return 1
    finally:
        torture.close()
        shutil.rmtree(directory)
    for name, value in torture.figures.items():
        print(f"{name}: {value}")
    for failure in torture.failures:
        print(f"FAILED: {failure}")
    print(f"{0 if torture.failures else 1} passed, {1 if torture.failures else 0} failed")
    return 1 if torture.failures else 0


sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""What clients wait for: networks, holds, devices, the start of a command and of the broker."""

import contextlib
import os
import subprocess
import time

from blocked import Watch
from peers import HELPER, LIBVIRT_BRIDGE, Libvirt, allow_helper
from support import frame
from support.broker import Broker
from support.dhcp import COOKIE, DISCOVER
from support.host import Host
from support.manager import ManagedBroker
from support.rivals import Rival, create_and_destroy
from support.wait import wait_for

CONFIG = {
    "default": {"mode": "shared", "max_interfaces": 1023},
    "busy": {"mode": "shared"},  # the rival's
}
MACHINE_MAC = frame.mac_bytes("52:54:00:12:34:56")  # as in requests.c
SHOWN = "date", "+%s%N"  # a command that says when it runs, in nanoseconds
CREATED, OFFERED = "network created", "network to first DHCP offer"
REMOVED, READY = "last hold of a network released, to all removed", "start to ready"
HOLD, ATTACH = "acquire", "attach"
ATTACH_BESIDE = "attach, while networks come and go"
RUN, WITHOUT = "vmnetctl run, to its command", "broker's attach, and the command without vmnetctl"
MANAGED = "broker, under a service manager"
MILLISECONDS = {CREATED, OFFERED, REMOVED, READY}
OWN = 1  # the number of the network that is made by hand


def discover():
    """What a machine writes to its TAP device to ask for an address."""
    head = bytes([1, 1, 6, 0]) + b"\1\2\3\4" + b"\0\0\x80\0" + bytes(16)
    message = head + MACHINE_MAC.ljust(16, b"\0") + bytes(192) + COOKIE
    message += bytes([53, 1, DISCOVER, 255])
    packet = frame.ipv4("0.0.0.0", "255.255.255.255", frame.UDP, frame.udp(68, 67, message))
    return bytes(10) + frame.ethernet(frame.BROADCAST, MACHINE_MAC, 0x0800, packet)


class Requests:
    """bench/requests, which takes the time of what it is told to do."""

    def __init__(self, host, broker, directory, build):
        path = os.path.join(directory, "discover")
        with open(path, "wb") as file:
            file.write(discover())
        self._process = host.popen(
            os.path.join(build, "bench/requests"),
            directory,
            path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=broker.environment(),
        )

    def ask(self, *words):
        """Microseconds."""
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{' '.join(map(str, words))} failed; see above")
        return float(answer)

    def close(self):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


class Bench:
    """A host with the broker, another one in which the same is done by hand, and libvirt's."""

    def __init__(self, options, results, directory, stack):
        self.options = options
        self.results = results
        self.host = self.make_host("host", directory, stack)
        self.broker = Broker(self.host, CONFIG)
        stack.callback(self.broker.close_clients)
        self.broker.start()
        self.bare = self.make_host("bare", directory, stack)
        self.ask = self.make_requests(self.bare, self.broker, directory, stack)
        self.ask_managed = self._start_managed(directory, stack)
        self.has_helper = self._try("qemu-bridge-helper", allow_helper, self.bare, f"bench{OWN}")
        others = self.make_host("libvirt", directory, stack)
        self.libvirt = self._try("libvirt", Libvirt, others)
        if self.libvirt:
            stack.callback(self.libvirt.close)
            self.ask_libvirt = self.make_requests(others, self.broker, others.directory, stack)

    def _start_managed(self, directory, stack):
        """A broker that a service manager has started, and has what outlives it."""
        host = self.make_host("managed", directory, stack)
        broker = ManagedBroker(host, config=CONFIG)
        stack.callback(broker.listener.close)
        stack.callback(broker.manager.close)
        stack.callback(broker.close_clients)
        broker.start()
        client = self.make_host("managed-client", directory, stack)
        return self.make_requests(client, broker, client.directory, stack)

    def make_requests(self, host, broker, directory, stack):
        requests = Requests(host, broker, directory, self.options.build)
        stack.callback(requests.close)
        return requests.ask

    def make_host(self, name, directory, stack):
        own = os.path.join(directory, name)
        os.mkdir(own, 0o755)
        host = Host(own, self.options.build)
        stack.callback(host.close)
        return host

    def _try(self, what, make, *arguments):
        """What make returns, or True; None when it cannot be had here."""
        try:
            return make(*arguments) or True
        except Exception as error:  # noqa: libvirt's own among them, which may not be there
            self.results.skip(what, error)
            return None

    def rounds(self, quick, full):
        return self.options.rounds or (quick if self.options.quick else full)

    def add(self, measure, contestant, microseconds):
        if measure in MILLISECONDS:
            self.results.add(measure, "ms", contestant, microseconds / 1000)
        else:
            self.results.add(measure, "µs", contestant, microseconds)


def _life(bench, contestant, create, offer, remove):
    """A network's: made, first offer to a machine on it, gone."""
    created = create()
    bench.add(CREATED, contestant, created)
    bench.add(OFFERED, contestant, created + offer())
    bench.add(REMOVED, contestant, remove())


def _lives(bench):
    ask = bench.ask
    for _ in range(bench.rounds(15, 100)):
        _life(
            bench,
            "bare",
            lambda: ask("bare-create", OWN),
            lambda: ask("bare-offer", f"bench{OWN}"),
            lambda: ask("bare-remove", OWN),
        )
        _life(
            bench,
            "broker",
            lambda: ask("broker-create", "default"),
            lambda: ask("broker-offer", "default"),
            lambda: ask("broker-remove", "default"),
        )
        if bench.libvirt:
            _life(
                bench,
                "libvirt",
                bench.libvirt.create,
                lambda: bench.ask_libvirt("bare-offer", LIBVIRT_BRIDGE),
                bench.libvirt.remove,
            )


def _attaches(bench, measure, rounds):
    for _ in range(rounds):
        bench.add(measure, "bare", bench.ask("bare-attach", f"bench{OWN}"))
        bench.add(measure, "broker", bench.ask("broker-attach", "default"))
        if bench.has_helper:
            taken = bench.ask("helper-attach", f"bench{OWN}", HELPER)
            bench.add(measure, "qemu-bridge-helper", taken)


def _holds(bench):
    """With a network there."""
    for _ in range(bench.rounds(100, 400)):
        bench.add(HOLD, "bare", bench.ask("bare-hold"))
        bench.add(HOLD, "broker", bench.ask("broker-hold", "default"))
        bench.add(HOLD, MANAGED, bench.ask_managed("broker-hold", "default"))
    _attaches(bench, ATTACH, bench.rounds(100, 200))
    bench.ask("drop")
    with _beside_networks(bench.broker):
        _attaches(bench, ATTACH_BESIDE, bench.rounds(100, 400))
    bench.ask("drop")


@contextlib.contextmanager
def _beside_networks(broker):
    """Inside, another user makes and removes a network in a loop."""
    rival = Rival(create_and_destroy, broker.socket_path)
    try:
        wait_for(rival.done, what="the first network of the rival")
        yield
    finally:
        rival.close()


def _time_to_exec(*prefix, env=None):
    """Microseconds from the start of a command line to the end of it that says the time."""
    start = time.time_ns()
    done = subprocess.run([*prefix, *SHOWN], stdout=subprocess.PIPE, check=True, env=env)
    return (int(done.stdout) - start) / 1000


def _runs(bench):
    """A command with a device: by vmnetctl, and by who makes a device and starts it itself."""
    vmnetctl = os.path.join(bench.options.build, "vmnetctl/vmnetctl")
    prefix = vmnetctl, "run", "--network", "default", "--"
    for _ in range(bench.rounds(20, 100)):
        alone = _time_to_exec()
        attached = bench.ask("bare-attach", f"bench{OWN}")
        bench.add(RUN, "bare", attached + alone)
        taken = _time_to_exec(*prefix, env=bench.broker.environment())
        bench.add(RUN, "broker", taken)
        attached = bench.ask("broker-attach", "default")
        bench.add(RUN, WITHOUT, attached + alone)
    bench.ask("drop")


def _start_to_ready(broker):
    """Microseconds until it answers."""
    start = time.perf_counter()
    broker.start(wait=False)
    while not broker.serves():
        pass
    return (time.perf_counter() - start) * 1e6


def _starts(bench, directory, stack):
    """With no network there."""
    host = bench.make_host("start", directory, stack)
    broker = Broker(host, CONFIG)
    for _ in range(bench.rounds(10, 50)):
        start = time.perf_counter()
        host.run("true")
        bench.add(READY, "a process that does nothing", (time.perf_counter() - start) * 1e6)
        bench.add(READY, "broker", _start_to_ready(broker))
        broker.stop()
    if bench.libvirt:
        bench.add(READY, "libvirt", bench.libvirt.start_time)


def _watched(bench, directory, stack):
    """The same asked of a broker whose loop is watched, which takes some time itself."""
    host, elsewhere = (
        bench.make_host(name, directory, stack) for name in ("watched", "watched-client")
    )
    watch = Watch(host)
    broker = Broker(host, CONFIG, prefix=watch.prefix)
    stack.callback(broker.close_clients)
    broker.start()
    ask = bench.make_requests(elsewhere, broker, elsewhere.directory, stack)

    def ask_often(request, quick, full):
        for _ in range(bench.rounds(quick, full)):
            ask(request, "default")

    for _ in range(bench.rounds(10, 50)):
        for request in "create", "offer", "remove":
            ask(f"broker-{request}", "default")
    watch.record(bench.results, "networks come and go")
    ask("broker-create", "default")
    ask_often("broker-hold", 100, 1000)
    watch.record(bench.results, "holds come and go")
    ask_often("broker-attach", 100, 400)
    watch.record(bench.results, "attaches")
    ask("drop")
    with _beside_networks(broker):
        ask_often("broker-attach", 100, 400)
        ask("drop")
    watch.record(bench.results, ATTACH_BESIDE)


def measure(options, results, directory):
    with contextlib.ExitStack() as stack:
        bench = Bench(options, results, directory, stack)
        _lives(bench)
        bench.ask("bare-create", OWN)
        bench.ask("broker-create", "default")
        bench.ask_managed("broker-create", "default")
        _holds(bench)
        _runs(bench)
        _starts(bench, directory, stack)
        _watched(bench, directory, stack)

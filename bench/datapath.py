# SPDX-License-Identifier: Apache-2.0
"""What a packet costs on its way, by the broker's networks, by hand and by others' helpers.

The processor's time of who writes and reads it, in whose context the kernel carries it, and that of
the helper, if there is one. It is hardly more when others work on the same machine.
"""

import contextlib
import os
import select
import socket
import struct
import subprocess

from support import frame
from support.host import SERVER_IPV4
from ways import (
    ETHERNET,
    IPV4,
    NEEDS_CHECKSUM,
    QUEUES,
    ByHand,
    Copier,
    Masquerade,
    Passt,
    Slirp,
    Vde,
    brokered,
    queued,
)

SOURCE_PORT, PORT = 5001, 5000
PLAIN = bytes(10)  # the header of virtio-net when there is nothing to say
SMALL, FULL = 18, 1472  # payloads of UDP that make frames of 60 and 1514 bytes
ECHOED = 20  # an answer is known by its length
SEGMENT_PAYLOAD, SEGMENT = 44 * 1460, 1460
UDP_CHECKSUM = ETHERNET + IPV4 + 6  # which may be completed on the way
TCP_HEADER, GSO_TCPV4 = 20, 1
ICMP, TCP = 1, 6
BATCH = 64  # what every queue on the way has room for
SEGMENTS_AT_ONCE = 8
QUEUED_AT_ONCE = 32  # in each: the broker gives a machine as many frames as with one queue
SECONDS_A_TURN = 0.03
PATIENCE_SECONDS = 1  # for a packet that is to arrive
CALIBRATING, COUNT_MAX = 16, 20000
OWN = "host's own, to outside, 60 bytes"
PAYLOAD = "machine to machine, payload"
QUEUED = f"60 bytes, {QUEUES} queues"
FLOWS_TRIED = 64  # of which each queue gets some
SEGMENTS, FRAMES = "segments of 64 KiB", "frames of 1514 bytes"
BRIDGES_FILTERED = "/proc/sys/net/bridge/bridge-nf-call-iptables"


class Run:
    """Packets of one kind by one way: where they are written and read, and what they are.

    streams: one, or several at a time, each of a source, a target, and a packet.
    """

    def __init__(self, way, streams, length, batch=BATCH):
        self.way = way
        self.streams = streams
        self.length = length
        self.batch = batch
        self.count = batch

    def calibrate(self):
        """How many take about as long as a turn may."""
        self.once()  # what is learned from the first packet is known from now on
        self.count *= CALIBRATING
        taken = self.once()["processor"] * self.count
        turns = min(COUNT_MAX / self.count, SECONDS_A_TURN * 1e9 / taken)
        self.count *= max(1, int(turns))

    def once(self):
        """Nanoseconds of each clock for a packet that arrives; RuntimeError when some do not."""
        before = sum(map(_processor_time, self.way.helpers))
        processes = [self._start(*ends) for *ends, _ in self.streams]
        for process, (_, _, packet) in zip(processes, self.streams):
            process.stdin.write(packet)
            process.stdin.close()  # now it begins
        taken = [self._end(process) for process in processes]
        used = sum(map(_processor_time, self.way.helpers)) - before
        used += sum(processor for processor, _, _ in taken)
        return {
            "processor": used / sum(arrived for _, _, arrived in taken),
            "wall": 1 / sum(arrived / wall for _, wall, arrived in taken),
        }

    def _start(self, source, target):
        numbers = source, target, self.length, self.batch, self.count
        return subprocess.Popen(
            [os.path.join(self.way.build, "bench/frames"), *map(str, numbers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds={source, target},
        )

    def _end(self, process):
        with process:
            told = process.stdout.read()
        if process.returncode != 0:
            raise RuntimeError(f"frames: status {process.returncode}")
        processor, wall, arrived = map(int, told.split())
        if arrived < 0.9 * self.count:
            raise RuntimeError(f"{arrived} of {self.count} packets arrived")
        return processor, wall, arrived


class FilteredRun(Run):
    """Bridges ask the rules of IP, too, as where Docker is."""

    def once(self):
        with self.way.host.entered():
            _write(BRIDGES_FILTERED, "1")
        try:
            return super().once()
        finally:
            with self.way.host.entered():
                _write(BRIDGES_FILTERED, "0")


def _write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _processor_time(pid):
    """Of all threads of a process so far, in nanoseconds."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total


def _datagram(machine, destination, mac, size, ports=(SOURCE_PORT, PORT)):
    """A frame of UDP with the checksum left to the host where there is a header to say so."""
    body = frame.udp(*ports, bytes(size))
    pseudo = frame.pseudo_sum(
        frame.ipv4(machine.address, destination, frame.UDP, body), frame.UDP, len(body)
    )
    if machine.has_virtio:
        sum_ = pseudo
    else:
        sum_ = frame.checksum(struct.pack("!H", pseudo) + body)
    body = frame.udp(*ports, bytes(size), sum_)
    data = frame.ipv4(machine.address, destination, frame.UDP, body)
    virtio = struct.pack("<BBHHHH", NEEDS_CHECKSUM, 0, 0, 0, ETHERNET + IPV4, 6)
    return machine.wrap(frame.ethernet(mac, machine.mac, 0x0800, data), virtio)


def _segment(machine, other):
    """64 KiB of TCP, which the host hands on whole."""
    header = struct.pack("!HHIIBBHHH", 1, 2, 0, 0, 5 << 4, 0x10, 0, 0, 0)
    data = frame.ipv4(machine.address, other.address, TCP, header + bytes(SEGMENT_PAYLOAD))
    pseudo = frame.pseudo_sum(data, TCP, TCP_HEADER + SEGMENT_PAYLOAD)
    data = data[: IPV4 + 16] + struct.pack("!H", pseudo) + data[IPV4 + 18 :]
    headers = ETHERNET + IPV4 + TCP_HEADER
    checksum = ETHERNET + IPV4, 16  # where it begins, and its place from there
    virtio = struct.pack("<BBHHHH", NEEDS_CHECKSUM, GSO_TCPV4, headers, SEGMENT, *checksum)
    return machine.wrap(frame.ethernet(other.mac, machine.mac, 0x0800, data), virtio)


def _where(fds, packet):
    """By which of them it arrives; None when it does not."""
    head = packet[len(PLAIN) : len(PLAIN) + UDP_CHECKSUM]
    while True:
        readable, _, _ = select.select(fds, [], [], PATIENCE_SECONDS)
        if not readable:
            return None
        for fd in readable:
            if os.read(fd, len(packet))[len(PLAIN) :].startswith(head):
                return fd


def _echo_request(machine, destination, mac):
    body = struct.pack("!BBHHH", 8, 0, 0, 1, 1) + bytes(ECHOED)
    body = body[:2] + struct.pack("!H", frame.checksum(body)) + body[4:]
    data = frame.ipv4(machine.address, destination, ICMP, body)
    return machine.wrap(frame.ethernet(mac, machine.mac, 0x0800, data), PLAIN)


class Course:
    """The runs of one way, by measure."""

    def __init__(self, way, stack):
        self.way = way
        self._stack = stack
        self.runs = {}
        self._lesson = None
        if "machine" in way.reaches:
            self._between_machines()
        if "host" in way.reaches:
            self._to("host", way.host, way.gateway)
        if "outside" in way.reaches:
            self._to("outside", way.host.outside, SERVER_IPV4)
        if way.is_bridge and way.queues == 1:
            self._own_packets()

    def learn(self):
        """The switch learns where the second machine is, which it forgets after some minutes."""
        if self._lesson:
            os.write(*self._lesson)

    def _add(self, name, length, *streams, batch=BATCH, kind=Run):
        if len(streams) > 1:
            batch = QUEUED_AT_ONCE
        self.runs[name] = kind(self.way, streams, length, batch)

    def _between_machines(self):
        first, second = self.way.machines
        if self.way.is_switch:
            self._lesson = second.fd, _datagram(second, first.address, first.mac, SMALL)
        if self.way.queues > 1:
            streams = list(self._between_queues())
            self._add(f"machine to machine, {QUEUED}", len(streams[0][2]), *streams)
            return
        small, full = (
            _datagram(first, second.address, second.mac, size) for size in (SMALL, FULL)
        )
        ends = first.fd, second.fd
        self._add("machine to machine, 60 bytes", len(small), (*ends, small))
        if self.way.is_bridge:
            if os.path.exists(BRIDGES_FILTERED):
                name = "machine to machine, 60 bytes, with br_netfilter"
                self._add(name, len(small), (*ends, small), kind=FilteredRun)
            segment = _segment(first, second)
            self._add(SEGMENTS, len(segment), (*ends, segment), batch=SEGMENTS_AT_ONCE)
        self._add(FRAMES, len(full), (*ends, full))

    def _between_queues(self):
        """A stream from each queue to another one, to which the kernel leads by a hash."""
        self.learn()
        first, second = self.way.machines
        sources = dict(zip(second.fds, first.fds))
        for flow in range(1, FLOWS_TRIED):
            ports = SOURCE_PORT + flow, PORT
            packet = _datagram(first, second.address, second.mac, SMALL, ports)
            os.write(first.fd, packet)
            target = _where(second.fds, packet)
            if target in sources:
                yield sources.pop(target), target, packet

    def _to(self, what, namespace, address):
        if self.way.queues > 1:
            streams = self._streams_to(namespace, address)
            self._add(f"machine to {what}, {QUEUED}", SMALL, *streams)
            return
        self._add(f"machine to {what}, 60 bytes", SMALL, *self._streams_to(namespace, address))
        if not self.way.answers_again:
            return
        machine = self.way.machines[0]
        packet = _echo_request(machine, address, self.way.gateway_mac)
        stream = machine.fd, machine.fd, packet
        self._add(f"round trip to {what}", len(packet), stream, batch=1)

    def _streams_to(self, namespace, address):
        """One from each queue, to a socket of its own."""
        machine = self.way.machines[0]
        for number, fd in enumerate(machine.fds):
            ports = SOURCE_PORT, PORT + number
            packet = _datagram(machine, address, self.way.gateway_mac, SMALL, ports)
            yield fd, self._receiver(namespace, PORT + number), packet

    def _receiver(self, namespace, port):
        with namespace.entered():
            receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._stack.callback(receiver.close)
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        receiver.bind(("", port))
        return receiver.fileno()

    def _own_packets(self):
        ((_, receiver, _),) = self.runs["machine to outside, 60 bytes"].streams
        with self.way.host.entered():
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._stack.callback(sender.close)
        sender.connect((SERVER_IPV4, PORT))
        self._add(OWN, SMALL, (sender.fileno(), receiver, bytes(SMALL)))


def _record(results, measure, way, taken):
    """The processor's time for all; the rate for what is in a stream, the time for a round trip."""
    if measure.startswith("round trip"):
        results.add(measure, "µs", way.name, taken["wall"] / 1000)
        return
    if measure in (SEGMENTS, FRAMES):
        bits = 8 * (SEGMENT_PAYLOAD if measure == SEGMENTS else FULL)
        name = f"{way.name}, {measure}"
        results.add(PAYLOAD, "ms of the processor a Gbit", name, taken["processor"] / bits * 1e3)
        results.add(PAYLOAD, "Gbit/s", name, bits / taken["wall"])
        return
    results.add(measure, "ns of the processor a packet", way.name, taken["processor"])
    results.add(measure, "packets a second", way.name, 1e9 / taken["wall"])


def _courses(kinds, measures, options, results, directory, stack):
    """Every way that can be had here, with the runs that begin well on it."""
    for kind in kinds:
        try:
            way = kind(directory, options.build)
        except (OSError, AssertionError, RuntimeError) as error:
            results.skip(kind.name, error)
            continue
        stack.callback(way.close)
        course = Course(way, stack)
        course.learn()
        if measures:
            course.runs = {name: course.runs[name] for name in measures}
        for measure, run in list(course.runs.items()):
            try:
                run.calibrate()
            except RuntimeError as error:
                results.skip(f"{measure} by {way.name}", error)
                del course.runs[measure]
        yield course


def turns(options):
    """How often each way has its turn."""
    return options.rounds or (25 if options.quick else 101)


def take_turns(kinds, options, results, directory, measures=None):
    """All runs, or those of some measures, in turn, so that all of them see the same machine.

    Yields the turn's number, the measure, the way, and what was taken.
    """
    with contextlib.ExitStack() as stack:
        courses = list(_courses(kinds, measures, options, results, directory, stack))
        measures = list(dict.fromkeys(name for course in courses for name in course.runs))
        for turn in range(turns(options)):
            for course in courses:
                course.learn()
            for name in measures:
                running = [course for course in courses if name in course.runs]
                for course in running[turn % len(running) :] + running[: turn % len(running)]:
                    try:
                        yield turn, name, course.way, course.runs[name].once()
                    except RuntimeError as error:
                        results.skip(f"a turn of {name} by {course.way.name}", error)


def measure(options, results, directory):
    results.compare_to(ByHand.name, OWN)
    counts = (0, 20) if options.quick else (0, 20, 200)
    kinds = [Masquerade, ByHand, *map(brokered, counts), Copier, Vde, Passt, Slirp]
    kinds += map(queued, (Masquerade, ByHand, brokered(0)))
    for _, name, way, taken in take_turns(kinds, options, results, directory):
        _record(results, name, way, taken)

# SPDX-License-Identifier: Apache-2.0
"""Captures of machines: who may, what they show, and that nothing is left of them."""

import contextlib
import errno
import fcntl
import os
import pathlib
import pty
import re
import signal
import struct
import subprocess
import time

import pytest

from support import frame
from support.host import HOST_IPV4, OUTSIDE_IPV4
from support.processes import is_waiting
from support.tap import TUNGETIFF, TUNSETPERSIST
from support.varlink import VarlinkError
from support.wait import wait_for

USER, OTHER = 1234, 1235
CONFIG = {
    "lab": {"mode": "shared", "subnet": "192.168.105.0/24"},
    "office": {"mode": "bridged", "external_interface": "br0"},
}
TUNSETOFFLOAD, TUN_F_CSUM, TUN_F_TSO4 = 0x400454D0, 1, 2
FRAMES = 1024  # that wait for a reader

pytestmark = pytest.mark.broker(config=CONFIG)


class Capture:
    """The open device of a capture."""

    def __init__(self, broker, network, device, uid=USER):
        with broker.client(uid=uid) as client:
            reply = client.call("Capture", network=network, device=device)
            self.fd = client.fds[reply["tapFileDescriptor"]]
        request = bytearray(40)
        fcntl.ioctl(self.fd, TUNGETIFF, request)
        self.device = request[:16].rstrip(b"\0").decode()

    def packets(self):
        """With their headers, all that have come."""
        packets = []
        try:
            while True:
                packets.append(os.read(self.fd, 1 << 17))
        except BlockingIOError:
            return packets

    def frames(self):
        return [packet[10:] for packet in self.packets()]

    def close(self):
        os.close(self.fd)


def note(text, source, destination=frame.BROADCAST):
    packet = frame.datagram("192.168.105.77", "192.168.105.78", text)
    return frame.carry(destination, frame.mac_bytes(source.mac_address), packet)


def mirrors(host, device):
    """The devices that a machine's frames are mirrored to, each as often as there are filters."""
    shown = "".join(
        host.run("tc", "filter", "show", "dev", device, way).stdout for way in ("ingress", "egress")
    )
    words = shown.split()
    return [words[i + 3].rstrip(")") for i, word in enumerate(words) if word == "Mirror"]


@pytest.fixture
def machines(broker):
    """One of a user's and one of another's, on one network."""
    with broker.client(uid=USER) as client, broker.client(uid=OTHER) as other:
        client.acquire("lab")
        other.acquire("lab")
        with client.attach("lab") as one, other.attach("lab") as two:
            yield one, two


def refusal(broker, uid, **parameters):
    with broker.client(uid=uid) as client, pytest.raises(VarlinkError) as caught:
        client.call("Capture", **parameters)
    return caught.value


def test_both_ways_over_a_kill(broker, host, machines):
    """A user's own machine: also what the network drops, and for as long as it is captured."""
    one, two = machines
    capture = Capture(broker, "lab", one.name)
    assert sorted(mirrors(host, one.name)) == [capture.device] * 2
    link = host.device(capture.device)
    assert "master" not in link and link["txqlen"] == FRAMES and not link["addr_info"]

    def exchange(text):
        for_bridge = bytes.fromhex("0180c2000003")
        frame.write(one.tap_fds[0], note(text + b" out", one))
        frame.write(one.tap_fds[0], note(text + b" dropped", one, for_bridge))
        frame.write(two.tap_fds[0], note(text + b" in", two, frame.mac_bytes(one.mac_address)))
        frame.wait_for_frame(one.tap_fds[0], lambda each: text + b" in" in each)
        return [each[42:] for each in capture.frames() if text in each]

    assert exchange(b"first") == [b"first out", b"first dropped", b"first in"]
    broker.kill()
    assert exchange(b"second") == [b"second out", b"second dropped", b"second in"]
    broker.start()
    wait_for(lambda: sorted(mirrors(host, one.name)) == [capture.device] * 2)
    assert exchange(b"third") == [b"third out", b"third dropped", b"third in"]
    broker.kill()
    capture.close()
    wait_for(lambda: capture.device not in host.links())
    broker.start()
    wait_for(lambda: not mirrors(host, one.name), what="the filters' end")
    assert broker.inspect("lab")["network"]["interfaces"] == 2


def test_who_may(broker, machines):
    one, two = machines
    error = refusal(broker, USER, network="lab", device=two.name)
    assert error.name == "NotAllowed" and error.parameters["reason"] == (
        f'the machine with device {two.name} on network "lab" is user {OTHER}\'s, and only that '
        "user and root may capture it"
    )
    error = refusal(broker, USER, network="lab", device="vmt9")
    assert error.name == "ParameterRefused" and error.parameters == {
        "parameter": "device",
        "reason": 'network "lab" has no machine with device vmt9; "vmnetctl machines lab" lists '
        "those that it has",
    }
    captures = [Capture(broker, "lab", one.name) for _ in range(8)]
    error = refusal(broker, USER, network="lab", device=one.name)
    assert error.name == "LimitExceeded"
    assert error.parameters["limit"] == "captures_per_user" and error.parameters["value"] == 8
    captures += [Capture(broker, "lab", each.name, uid=0) for each in machines]
    captures[0].close()
    wait_for(lambda: mirrors(broker.host, one.name).count(captures[0].device) == 0)
    frame.write(one.tap_fds[0], note(b"for all", one))
    frame.wait_for_frame(two.tap_fds[0], lambda each: b"for all" in each)
    for capture in captures[1:]:
        assert sum(b"for all" in each for each in capture.frames()) == 1, capture.device
        capture.close()
    wait_for(lambda: not mirrors(broker.host, one.name))


def test_frames_are_whole(broker, machines):
    """Longer ones than a link takes: neither the host nor the machine's sender cuts them."""
    one, two = machines
    fcntl.ioctl(two.tap_fds[0], TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4)
    capture = Capture(broker, "lab", one.name)
    packet = frame.ipv4(
        "192.168.105.77", "192.168.105.78", 6, bytes(12) + b"\x50\x10" + bytes(6) + b"x" * 8000
    )
    sent = frame.carry(frame.mac_bytes(two.mac_address), frame.mac_bytes(one.mac_address), packet)
    header = struct.pack("<BBHHHH", 1, 1, 54, 1460, 34, 16)
    os.write(one.tap_fds[0], header + sent)
    packets = wait_for(lambda: [each for each in capture.packets() if len(each) > 8000])
    assert packets == [header[:2] + packets[0][2:10] + sent]
    assert packets[0][4:10] == header[4:]
    capture.close()


def test_a_reader_that_does_not_read(broker, host, machines):
    """It loses frames, and nobody else does."""
    one, two = machines
    capture = Capture(broker, "lab", one.name)
    for i in range(FRAMES + 100):
        frame.write(one.tap_fds[0], note(b"frame %05d" % i, one))
        frame.wait_for_frame(two.tap_fds[0], lambda each, i=i: b"frame %05d" % i in each)
    lost = pathlib.Path("/sys/class/net", capture.device, "statistics/tx_dropped")
    assert int(host.run("cat", str(lost)).stdout) >= 100
    capture.close()


def echo_requests(host):
    """Those that the host has got."""
    names, values = (
        line.split()
        for line in host.run("cat", "/proc/net/snmp").stdout.splitlines()
        if line.startswith("Icmp:")
    )
    return int(values[names.index("InEchos")])


def test_nothing_gets_anywhere_by_it(broker, host, machines):
    """Neither what is written to the device, nor the device itself after its reader."""
    one, _ = machines
    capture = Capture(broker, "lab", one.name)
    source = bytes.fromhex("525400000001")
    packet = frame.ipv4(OUTSIDE_IPV4, HOST_IPV4, 1, bytes.fromhex("0800f7ff00000000"))
    heard = echo_requests(host)
    mac = frame.mac_bytes(host.device(capture.device)["address"])
    os.write(capture.fd, bytes(10) + frame.carry(mac, source, packet))
    host.run("ping", "-c", "1", HOST_IPV4)
    assert echo_requests(host) == heard + 1
    assert not [each for each in capture.frames() if mac in each[:12]]
    fcntl.ioctl(capture.fd, TUNSETPERSIST, 1)
    capture.close()
    wait_for(lambda: capture.device not in host.links())
    assert not mirrors(host, one.name)


def test_it_ends_with_its_machine(broker, host):
    with broker.client(uid=USER) as client:
        client.acquire("lab")
        with client.attach("lab") as one, client.attach("lab") as two:
            ended = Capture(broker, "lab", one.name)
            robbed = Capture(broker, "lab", two.name)
            one.close()
            host.run("tc", "filter", "delete", "dev", two.name, "egress")
            for capture in ended, robbed:
                wait_for(lambda device=capture.device: device not in host.links())
                with pytest.raises(OSError) as caught:
                    capture.packets()
                assert caught.value.errno == errno.EBADFD
                capture.close()
            wait_for(lambda: not mirrors(host, two.name))


def test_a_device_of_an_older_broker(broker, host, machines):
    """Its filters are for one way alone."""
    device = machines[0].name
    broker.kill()
    host.run("tc", "qdisc", "delete", "dev", device, "clsact")
    host.run("tc", "qdisc", "add", "dev", device, "ingress")
    broker.start()
    error = refusal(broker, USER, network="lab", device=device)
    assert error.name == "CreateFailed" and error.parameters["reason"] == (
        "the machine's device was made by an older broker, which could not capture; start the "
        "machine again"
    )


# vmnetctl


def blocks(data):
    """The blocks of a pcapng file: (type, body)."""
    while data:
        kind, length = struct.unpack_from("=II", data)
        assert struct.unpack_from("=I", data, length - 4)[0] == length
        yield kind, data[8 : length - 4]
        data = data[length:]


def options(data):
    found = {}
    while data:
        code, length = struct.unpack_from("=HH", data)
        found[code] = data[4 : 4 + length]
        data = data[4 + (length + 3) // 4 * 4 :]
    return found


def packets_of(data):
    """(whether the machine sent it, nanoseconds, frame) of each packet."""
    for kind, body in blocks(data):
        if kind == 6:
            high, low, length, original = struct.unpack_from("=IIII", body, 4)
            assert length == original
            flags = options(body[20 + (length + 3) // 4 * 4 :])[2]
            yield struct.unpack("=I", flags)[0] == 2, high << 32 | low, body[20 : 20 + length]


@contextlib.contextmanager
def running(broker, *argv, uid=USER):
    """vmnetctl while it runs, from when it has said what it does, and its standard output."""
    reader, writer = os.pipe()
    process = broker.host.popen(
        broker.host.program("vmnetctl/vmnetctl"),
        *argv,
        uid=uid,
        stdout=writer,
        stderr=subprocess.PIPE,
        env=broker.environment(),
    )
    os.close(writer)
    with open(reader, "rb", buffering=0) as output:
        try:
            process.said = process.stderr.readline()
            yield process, output
        finally:
            process.kill()
            process.communicate()


def test_capture_is_pcapng(broker, host, machines):
    """Both ways, with the host's checksums complete, and over a kill of the broker."""
    one, two = machines
    mac = one.mac_address
    with running(broker, "capture", "lab", mac) as (process, pipe):
        assert process.said == f'Capturing {mac} ({one.name}) on network "lab" until interrupted.\n'
        wait_for(lambda: mirrors(host, one.name))
        before = time.time_ns()
        packet = frame.datagram("192.168.105.77", "192.168.105.78", b"to be completed")
        pseudo = frame.pseudo_sum(packet, frame.UDP, len(packet) - 20)
        left = packet[:26] + struct.pack("!H", pseudo) + packet[28:]
        source, destination = frame.mac_bytes(mac), frame.mac_bytes(two.mac_address)
        frame.write(one.tap_fds[0], frame.carry(destination, source, left), 34, 6)
        frame.write(two.tap_fds[0], note(b"an answer", two, source))
        frame.wait_for_frame(one.tap_fds[0], lambda each: b"an answer" in each)
        broker.kill()
        frame.write(one.tap_fds[0], note(b"after the broker", one))
        frame.write(one.tap_fds[0], note(b"the last", one))
        output = b""
        while b"the last" not in output:
            output += pipe.read(65536)
        process.send_signal(signal.SIGTERM)
        output += pipe.readall()
        errors = process.communicate(timeout=20)[1]
    (first, section), (second, interface), *frames, (end, _) = blocks(output)
    assert (first, second, end) == (0x0A0D0D0A, 1, 5) and {kind for kind, _ in frames} == {6}
    assert process.returncode == 0
    assert errors == f"{len(frames)} frames captured, 0 lost.\n"
    assert options(section[16:])[4].startswith(b"vmnetctl ")
    named = options(interface[8:])
    assert named[2] == one.name.encode() and named[3] == f"{mac} ({one.name})".encode()
    assert named[6] == source and named[9] == b"\x09"
    packets = [each for each in packets_of(output) if each[2][26:30] == packet[12:16]]
    assert packets[0][2] == frame.carry(destination, source, packet)
    assert [sent for sent, _, _ in packets] == [True, False, True, True]
    times = [before, *(nanoseconds for _, nanoseconds, _ in packets), time.time_ns()]
    assert times == sorted(times)
    path = pathlib.Path(host.directory, "machine.pcapng")
    path.write_bytes(output)
    shown = host.run("tcpdump", "-r", str(path), "-nvv").stdout
    assert shown.count("192.168.105.77.5000 > 192.168.105.78.5000: [udp sum ok]") == 4
    broker.start()


def test_capture_ends(broker, host, machines):
    """At a signal, with its reader, and with the machine."""
    one, _ = machines

    def captured(pipe):
        wait_for(lambda: mirrors(host, one.name))
        frame.write(one.tap_fds[0], note(b"seen", one))
        assert pipe.read(65536)

    with running(broker, "capture", "lab", one.name) as (process, pipe):
        captured(pipe)
        process.send_signal(signal.SIGINT)
        assert re.search(r"^\d+ frames? captured, 0 lost\.$", process.communicate(timeout=20)[1])
        assert process.returncode == 0
    with running(broker, "capture", "lab", one.name, "--count", "1") as (process, pipe):
        captured(pipe)
        assert process.communicate(timeout=20)[1] == "1 frame captured, 0 lost.\n"
    with running(broker, "capture", "lab", one.name) as (process, pipe):
        captured(pipe)
        pipe.close()
        assert process.wait(timeout=20) == 0
    with running(broker, "capture", "lab", one.name) as (process, pipe):
        captured(pipe)
        one.close()
        assert process.wait(timeout=20) == 0
    wait_for(lambda: not [name for name in host.links() if name.startswith("vmt-cap")])


def test_a_signal_ends_a_capture_that_nobody_reads(host, broker, machines):
    one, _ = machines
    with running(broker, "capture", "lab", one.name) as (process, pipe):
        wait_for(lambda: mirrors(host, one.name))
        frame.write(one.tap_fds[0], note(b"read", one))
        while b"read" not in pipe.read(65536):
            pass
        writer = os.open(f"/proc/{process.pid}/fd/1", os.O_WRONLY | os.O_NONBLOCK)
        with open(writer, "wb", buffering=0) as output:
            while output.write(b"x"):
                pass
        frame.write(one.tap_fds[0], note(b"not read", one))
        wait_for(lambda: is_waiting(process.pid, "pipe_write"))
        process.send_signal(signal.SIGINT)
        assert re.search(r"^\d+ frames? captured, 0 lost\.$", process.communicate(timeout=20)[1])
        assert process.returncode == 0


def test_capture_refuses(broker, machines):
    one, two = machines

    def fails(*argv):
        done = broker.vmnetctl("capture", *argv, uid=USER, check=False)
        assert done.returncode == 1 and not done.stdout
        return done.stderr

    listed = ", ".join(sorted(f"{each.mac_address} ({each.name})" for each in machines))
    said = fails("lab", "web")
    head, _, names = said.partition(" it has ")
    assert head == 'vmnetctl: network "lab" has no machine "web";'
    assert ", ".join(sorted(names.strip().split(", "))) == listed
    assert fails("lab", two.name) == (
        f'vmnetctl: the machine with device {two.name} on network "lab" is user '
        f"{OTHER}'s, and only that user and root may capture it\n"
    )
    leader, terminal = pty.openpty()
    program = broker.host.program("vmnetctl/vmnetctl")
    process = broker.host.popen(
        *(program, "capture", "lab", one.name), stdout=terminal, stderr=subprocess.PIPE
    )
    assert process.communicate(timeout=20)[1] == (
        'vmnetctl: frames are not text for a terminal; add "| tcpdump -r -", '
        '"| wireshark -k -i -" or "> FILE"\n'
    )
    assert process.returncode == 1
    os.close(leader)
    os.close(terminal)

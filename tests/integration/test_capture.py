# SPDX-License-Identifier: Apache-2.0
"""Captures of machines: who may, what they show, and that nothing is left of them."""

import errno
import fcntl
import os
import pathlib
import struct

import pytest

from support import frame
from support.host import HOST_IPV4, OUTSIDE_IPV4
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

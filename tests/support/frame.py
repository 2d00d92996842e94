# SPDX-License-Identifier: Apache-2.0
"""Frames as they go through an open TAP device: with the header of virtio-net before them."""

import contextlib
import ipaddress
import os
import select
import struct
import time

BROADCAST = b"\xff" * 6
UDP, ICMPV6 = 17, 58


def mac_bytes(text):
    return bytes.fromhex(text.replace(":", ""))


def checksum(data):
    """Of the internet's protocols."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ethernet(destination, source, protocol, payload):
    return destination + source + struct.pack("!H", protocol) + payload


def arp_reply(mac, address, target="0.0.0.0"):
    sender, target = (ipaddress.ip_address(each).packed for each in (address, target))
    return bytes.fromhex("0001080006040002") + mac + sender + BROADCAST + target


def ipv4(source, destination, protocol, payload, fragment=0x4000):
    addresses = b"".join(ipaddress.ip_address(each).packed for each in (source, destination))
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, fragment, 64, protocol, 0)
    sum_ = struct.pack("!H", checksum(header + addresses))
    return header[:10] + sum_ + addresses + payload


def ipv6(source, destination, protocol, payload, hops=255):
    addresses = b"".join(ipaddress.ip_address(each).packed for each in (source, destination))
    return struct.pack("!IHBB", 6 << 28, len(payload), protocol, hops) + addresses + payload


def udp(source, destination, payload, sum_=0):
    return struct.pack("!HHHH", source, destination, 8 + len(payload), sum_) + payload


def pseudo_sum(packet, protocol, length):
    """What a sender leaves in the checksum's place when another is to complete it."""
    addresses = packet[12:20] if packet[0] >> 4 == 4 else packet[8:40]
    return checksum(addresses + struct.pack("!II", length, protocol)) ^ 0xFFFF


def datagram(source, destination, payload, port=5000):
    """A whole packet of UDP, of either family, from a port to the same."""
    make = ipv6 if ":" in source else ipv4
    body = udp(port, port, payload)
    pseudo = pseudo_sum(make(source, destination, UDP, body), UDP, len(body))
    sum_ = checksum(struct.pack("!H", pseudo) + body)
    return make(source, destination, UDP, udp(port, port, payload, sum_))


def carry(destination, source, packet):
    """The frame of an IP packet, by the version in its first byte."""
    return ethernet(destination, source, 0x0800 if packet[0] >> 4 == 4 else 0x86DD, packet)


def write(fd, frame, start=None, offset=0):
    """start, offset: of the checksum that the host is to complete."""
    if start is None:
        header = bytes(10)
    else:
        header = struct.pack("<BBHHHH", 1, 0, 0, 0, start, offset)
    os.write(fd, header + frame)


def write_completed(fd, frame, at, value):
    """Sends a frame whose checksum the host is to complete at this place, and that is this value.

    The last two bytes of the frame make it come out so.
    """
    assert len(frame) % 2 == at % 2 == 0
    others = checksum(frame[at:-2]) ^ 0xFFFF
    frame = frame[:-2] + struct.pack("!H", ((~value & 0xFFFF) - others) % 0xFFFF)
    assert checksum(frame[at:]) == value
    write(fd, frame, at, 0)


def read_all(fd, seconds=0.3):
    """The frames that come until none has for a while."""
    frames = []
    while select.select([fd], [], [], seconds)[0]:
        with contextlib.suppress(BlockingIOError):
            frames.append(os.read(fd, 70000)[10:])
    return frames


def wait_for_frame(fd, wanted, seconds=10):
    """The first frame for which wanted(frame) is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if select.select([fd], [], [], 0.1)[0]:
            frame = os.read(fd, 70000)[10:]
            if wanted(frame):
                return frame
    raise AssertionError("no such frame came")

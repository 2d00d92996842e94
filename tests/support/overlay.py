# SPDX-License-Identifier: Apache-2.0
"""Frames between the hosts of support/fabric.py, by whoever wants to be one of them."""

import ipaddress
import socket
import struct

from .fabric import PORT, Capture
from .frame import carry, datagram, mac_bytes
from .wait import wait_for

VNI = 4711
HOSTS_PORT = 800  # one of those that hosts' packets come from
NOTE = struct.pack("!H", 5000)  # the port of datagram()


def own(host, index=0):
    """A host's own on a network: (IPv4, IPv6, MAC)."""
    ipv4 = f"10.{80 + index}.{host.number}.1"
    packed = ipaddress.ip_address(ipv4).packed
    mac = ":".join(f"{byte:02x}" for byte in b"vm" + packed)
    groups = f"{packed[:2].hex()}:{packed[2:].hex()}"
    return ipv4, str(ipaddress.ip_address(f"fd80:0:0:{index + 1}::{groups}")), mac


def encapsulated(frame, vni=VNI):
    return struct.pack("!II", 0x08000000, vni << 8) + frame


def note(machine, text):
    """A frame for a machine that nobody on its link has asked for; text tells it from others."""
    packet = datagram("10.80.3.99", machine.address, text.encode())
    return carry(mac_bytes(machine.mac_address), mac_bytes("52:54:00:00:00:99"), packet)


def send(namespace, destination, payload, port=HOSTS_PORT, source=None, uid=0, to=PORT):
    """Sends a datagram to the hosts' port, which is to, as the user uid."""
    namespace.run(
        "/usr/bin/python3",
        "-c",
        "import socket, sys\n"
        "source, port, destination, payload = sys.argv[1:]\n"
        "family = socket.AF_INET6 if ':' in destination else socket.AF_INET\n"
        "sender = socket.socket(family, socket.SOCK_DGRAM)\n"
        "sender.bind((source, int(port)))\n"
        f"sender.sendto(bytes.fromhex(payload), (destination, {to}))\n",
        source or "",
        port,
        destination,
        payload.hex(),
        uid=uid,
    )


class Listening(Capture):
    """What a machine gets; used for notes."""

    def __init__(self, machine):
        super().__init__(machine, "eth0")

    def notes(self):
        """What was written by note(), or likewise."""
        return [p[28:].decode() for p in self.packets() if p[9:10] == b"\x11" and p[20:22] == NOTE]

    def wait_for(self, text):
        """Everything that was sent before is there as well, if it is to come at all."""
        wait_for(lambda: text in self.notes(), what=lambda: f"{text!r} in {self.notes()}")


def rogue_packets(host, network="lab"):
    return host.broker.inspect(network)["roguePackets"]


def send_frame(machine, frame):
    with machine.entered():
        sending = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        sending.bind(("eth0", 0))
    with sending:
        sending.send(frame)


def discovery(kind, source, target, flags=0x20000000):
    """A message of neighbour discovery; its checksum matters to nobody here."""
    body = struct.pack("!BBHI", kind, 0, 0, flags) + ipaddress.ip_address(target).packed
    header = struct.pack("!IHBB", 6 << 28, len(body), 58, 255)
    addresses = ipaddress.ip_address(source).packed + ipaddress.ip_address("ff02::1").packed
    return header + addresses + body

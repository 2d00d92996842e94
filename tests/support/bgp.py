# SPDX-License-Identifier: Apache-2.0
"""A speaker of BGP that tells of hosts and machines that are not there, by EVPN.

It says what it is given and listens to nothing: RFC 4271, RFC 7432, RFC 8365.
"""

import ipaddress
import itertools
import socket
import struct
import threading

from .closing import Closing

PORT = 179
OPEN, UPDATE, NOTIFICATION, KEEPALIVE = 1, 2, 3, 4
EVPN = 25, 70  # AFI, SAFI
INGRESS_REPLICATION = 6
VXLAN = 8
HOLD_SECONDS = 90
MESSAGE_MAX = 4096


def distinguisher(vtep):
    return struct.pack("!H4sH", 1, socket.inet_aton(vtep), 2)


def inclusive(vtep):
    """The route of a host that wants frames for everybody."""
    body = distinguisher(vtep) + struct.pack("!IB4s", 0, 32, socket.inet_aton(vtep))
    return bytes([3, len(body)]) + body


def machine(vtep, vni, mac, address):
    """The route of a machine that a host has."""
    ip = ipaddress.ip_address(address).packed
    body = distinguisher(vtep) + bytes(10) + struct.pack("!IB6sB", 0, 48, mac, 8 * len(ip))
    body += ip + vni.to_bytes(3, "big")
    return bytes([2, len(body)]) + body


def attribute(flags, kind, value):
    return struct.pack("!BBH", flags | 0x10, kind, len(value)) + value


class Speaker(Closing):
    """A session of internal BGP, from an address of a namespace to a speaker that waits for it."""

    def __init__(self, namespace, own, peer, number):
        with namespace.entered():
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.bind((own, 0))
        self._socket.settimeout(30)
        self._socket.connect((peer, PORT))
        self._number = number
        capabilities = struct.pack("!BBHBB", 1, 4, EVPN[0], 0, EVPN[1])
        capabilities += struct.pack("!BBI", 65, 4, number)
        parameter = bytes([2, len(capabilities)]) + capabilities
        router = socket.inet_aton(own)
        head = struct.pack("!BHH4sB", 4, number, HOLD_SECONDS, router, len(parameter))
        self._send(OPEN, head + parameter)
        assert self._receive()[0] == OPEN
        self._send(KEEPALIVE)
        assert self._receive()[0] == KEEPALIVE
        self._ends = threading.Event()
        self._keeper = threading.Thread(target=self._keep_alive, daemon=True)
        self._keeper.start()

    def _send(self, kind, body=b""):
        self._socket.sendall(b"\xff" * 16 + struct.pack("!HB", 19 + len(body), kind) + body)

    def _read(self, size):
        data = b""
        while len(data) < size:
            more = self._socket.recv(size - len(data))
            assert more, "the other end has closed the session"
            data += more
        return data

    def _receive(self):
        size, kind = struct.unpack("!16xHB", self._read(19))
        body = self._read(size - 19)
        assert kind != NOTIFICATION, f"notification {body[:2].hex()}: {body[2:]}"
        return kind, body

    def _keep_alive(self):
        """Reads all that is said, and says that it is there."""
        self._socket.settimeout(HOLD_SECONDS / 9)
        while not self._ends.is_set():
            try:
                self._receive()
            except TimeoutError:
                self._send(KEEPALIVE)
            except (OSError, AssertionError):
                return

    def tell(self, vtep, vni, routes, tunnel=False):
        """Routes that lead to a host, in as few messages as they fit into."""
        community = struct.pack("!BBHI", 0, 2, self._number, vni)
        community += struct.pack("!BBIH", 3, 12, 0, VXLAN)
        common = attribute(0x40, 1, b"\0") + attribute(0x40, 2, b"")
        common += attribute(0x40, 5, struct.pack("!I", 100)) + attribute(0xC0, 16, community)
        if tunnel:
            label = vni.to_bytes(3, "big")
            value = bytes([0, INGRESS_REPLICATION]) + label + socket.inet_aton(vtep)
            common += attribute(0xC0, 22, value)
        head = struct.pack("!HBB4sB", *EVPN, 4, socket.inet_aton(vtep), 0)
        room = MESSAGE_MAX - 19 - 4 - len(common) - 4 - len(head)
        routes = iter(routes)
        at_once = room // 51  # of a machine with an IPv6 address
        while some := list(itertools.islice(routes, at_once)):
            attributes = common + attribute(0x80, 14, head + b"".join(some))
            self._send(UPDATE, struct.pack("!HH", 0, len(attributes)) + attributes)

    def close(self):
        self._ends.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._keeper.join()
        self._socket.close()

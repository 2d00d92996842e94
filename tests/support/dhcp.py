# SPDX-License-Identifier: Apache-2.0
"""A DHCP client for any number of machines, over one device: what leaves it are broadcasts."""

import os
import socket
import struct

from .closing import Closing

SERVER, CLIENT = 67, 68
COOKIE = b"\x63\x82\x53\x63"
FQDN_IN_WIRE_FORMAT = 4
DISCOVER, OFFER, REQUEST, ACK, NAK = 1, 2, 3, 5, 6


def mac_of(number):
    """A MAC address for each number."""
    return bytes([0x52, 0x54]) + struct.pack("!I", number)


class DhcpClient(Closing):
    hardware_type = 1  # Ethernet

    def __init__(self, namespace, device="eth0"):
        with namespace.entered():
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self._socket.bind(("", CLIENT))
        self._socket.settimeout(1)

    def _send(self, transaction, mac, kind, options):
        kind_and_length = self.hardware_type, len(mac)
        header = struct.pack("!BBBB4sHH16x", 1, *kind_and_length, 0, transaction, 0, 0x8000)
        message = header + mac.ljust(16, b"\0") + bytes(192) + COOKIE + bytes([53, 1, kind])
        for code, value in options.items():
            message += bytes([code, len(value)]) + value
        self._socket.sendto(message + b"\xff", ("255.255.255.255", SERVER))

    def _receive(self, transaction):
        """The kind of the answer, the address, and the options."""
        while True:
            message = self._socket.recv(2048)
            if message[4:8] != transaction or message[0] != 2:
                continue
            options, rest = {}, message[240:]
            while rest and rest[0] != 255:
                if rest[0] == 0:
                    rest = rest[1:]
                    continue
                options[rest[0]] = rest[2 : 2 + rest[1]]
                rest = rest[2 + rest[1] :]
            return options[53][0], message[16:20], options

    def _exchange(self, mac, kind, options, tries=10):
        for _ in range(tries):
            transaction = os.urandom(4)
            self._send(transaction, mac, kind, options)
            try:
                return self._receive(transaction)
            except TimeoutError:
                continue
        raise AssertionError(f"no answer of a DHCP server for {mac.hex(':')}")

    def get(self, mac, hostname=None, asked=None, tries=10, fqdn=None, seconds=None):
        """An address, as a machine gets one that has none; or None when it is refused.

        seconds: how long it wants it for.
        fqdn: a name that it gives by option 81 (RFC 4702), in the encoding of DNS.
        """
        options = {12: hostname.encode()} if hostname else {}
        if fqdn:
            labels = (bytes([len(label)]) + label.encode() for label in fqdn.split("."))
            options[81] = bytes([FQDN_IN_WIRE_FORMAT, 0, 0]) + b"".join(labels) + b"\0"
        if seconds:
            options[51] = struct.pack("!I", seconds)
        if asked:
            options[50] = socket.inet_aton(asked)
        kind, address, offered = self._exchange(mac, DISCOVER, options, tries)
        assert kind == OFFER
        options.update({50: address, 54: offered[54]})
        kind, address, _ = self._exchange(mac, REQUEST, options, tries)
        return socket.inet_ntoa(address) if kind == ACK else None

    def ask(self, mac, hostname, address):
        """Asks for an address and a name, and waits for no answer."""
        options = {12: hostname.encode(), 50: socket.inet_aton(address)}
        self._send(os.urandom(4), mac, REQUEST, options)

    def close(self):
        self._socket.close()

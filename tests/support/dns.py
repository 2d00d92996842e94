# SPDX-License-Identifier: Apache-2.0
"""A resolver that costs no process: many names asked of one server."""

import itertools
import socket
import struct

from .closing import Closing

A, IN = 1, 1


class Resolver(Closing):
    def __init__(self, namespace, server):
        with namespace.entered():
            family = socket.AF_INET6 if ":" in server else socket.AF_INET
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.connect((server, 53))
        self._socket.settimeout(1)
        self._numbers = itertools.count(1)

    def resolve(self, name, tries=5):
        """The IPv4 addresses of a name."""
        labels = (label.encode() for label in name.split("."))
        question = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
        question += struct.pack("!HH", A, IN)
        for _ in range(tries):
            number = next(self._numbers)
            self._socket.send(struct.pack("!HHHHHH", number, 0x100, 1, 0, 0, 0) + question)
            try:
                while (answer := self._socket.recv(512))[:2] != struct.pack("!H", number):
                    pass
            except TimeoutError:
                continue
            return self._addresses(answer, 12 + len(question))
        raise AssertionError(f"no answer of the name server for {name}")

    @staticmethod
    def _addresses(answer, position):
        found = []
        for _ in range(struct.unpack_from("!H", answer, 6)[0]):
            # The name of each record is a reference to the question.
            kind, _, _, length = struct.unpack_from("!HHIH", answer, position + 2)
            position += 12 + length
            if kind == A:
                found.append(socket.inet_ntoa(answer[position - 4 : position]))
        return found

    def close(self):
        self._socket.close()

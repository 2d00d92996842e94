# SPDX-License-Identifier: Apache-2.0
"""Servers that say who asked, and what one hears from them."""

import socket
import threading

from .closing import Closing
from .namespace import Namespace


class WhoServer(Closing):
    """Answers every connection or datagram with its own name and the address it came from."""

    def __init__(self, namespace: Namespace, port, name, protocol="tcp", address="::"):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
        self._name = name
        with namespace.entered():
            self._socket = socket.socket(family, kind)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if address == "::":
            self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self._socket.bind((address, port))
        if protocol == "tcp":
            self._socket.listen()
        self._socket.settimeout(0.05)
        self._stopping = threading.Event()
        serve = self._serve_tcp if protocol == "tcp" else self._serve_udp
        self._thread = threading.Thread(target=serve)
        self._thread.start()

    def _answer(self, peer):
        return f"{self._name} {peer[0].removeprefix('::ffff:')}".encode()

    def _serve_tcp(self):
        while not self._stopping.is_set():
            try:
                connection, peer = self._socket.accept()
            except TimeoutError:
                continue
            with connection:
                connection.sendall(self._answer(peer))

    def _serve_udp(self):
        while not self._stopping.is_set():
            try:
                _, peer = self._socket.recvfrom(16)
            except TimeoutError:
                continue
            self._socket.sendto(self._answer(peer), peer)

    def close(self):
        self._stopping.set()
        self._thread.join()
        self._socket.close()


def who(namespace, address, port, protocol="tcp", timeout=3):
    """What a WhoServer answers there: (its name, the address it saw), or None."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with namespace.entered():
        client = socket.socket(family, kind)
    with client:
        client.settimeout(timeout)
        try:
            client.connect((address, port))
            if protocol == "udp":
                client.send(b"who?")
            answer = client.recv(256)
        except OSError:
            return None
    return tuple(answer.decode().split()) or None


def nobody(namespace, address, port, protocol="tcp"):
    """Whether no WhoServer answers there. An answer would not take a second."""
    return who(namespace, address, port, protocol, timeout=1) is None

# SPDX-License-Identifier: Apache-2.0
"""Real traffic between namespaces, from this process."""

import contextlib
import os
import re
import socket
import subprocess
import tempfile
import threading

from .wait import wait_for


@contextlib.contextmanager
def echo_server(namespace, family=socket.AF_INET, timeout=20):
    """Sends back what one client sends; gives the port."""
    with namespace.entered():
        listener = socket.create_server(("", 0), family=family)
    listener.settimeout(timeout)
    echo = threading.Thread(target=_echo, args=(listener, timeout))
    echo.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)  # wakes an accept() that is still waiting
        echo.join()
        listener.close()


def transfer(client, server, address, size=1 << 20, timeout=20):
    """Sends random bytes by TCP from one namespace to another's address, and back again.

    Raises OSError when there is no connection; returns whether the same bytes came back.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    payload = os.urandom(size)
    with echo_server(server, family, timeout) as port:
        with client.entered():
            connection = socket.socket(family, socket.SOCK_STREAM)
        with connection:
            connection.settimeout(timeout)
            connection.connect((address, port))
            sender = threading.Thread(target=_send, args=(connection, payload))
            sender.start()
            received = _receive(connection)
            sender.join()
    return received == payload


def _echo(listener, timeout):
    try:
        connection, _ = listener.accept()
    except OSError:
        return
    with connection:
        connection.settimeout(timeout)
        while data := connection.recv(65536):
            connection.sendall(data)


def _send(connection, payload):
    connection.sendall(payload)
    connection.shutdown(socket.SHUT_WR)


def _receive(connection):
    parts = []
    while data := connection.recv(65536):
        parts.append(data)
    return b"".join(parts)


class Pings:
    """Echo requests that one namespace sends to an address, one after the other, until closed."""

    def __init__(self, namespace, address, interval=0.02):
        self._name = f"{namespace.name} to {address}"
        self._file = tempfile.TemporaryFile("w+")  # closed in close()
        self._process = namespace.popen(
            "ping", "-n", "-i", str(interval), address, stdout=self._file, stderr=subprocess.STDOUT
        )
        self.wait_for_more(1)

    def _answered(self):
        """The numbers of those that were answered."""
        self._file.flush()
        text = os.pread(self._file.fileno(), 1 << 24, 0).decode()
        return set(map(int, re.findall(r"bytes from .* icmp_seq=(\d+) ", text)))

    def wait_for_more(self, number=10, timeout=30):
        """Waits until so many more of them were answered."""
        before = len(self._answered())
        wait_for(
            lambda: len(self._answered()) >= before + number, timeout, f"answers, {self._name}"
        )

    def lost(self):
        """How many were not answered until now, of those before one that was."""
        self.wait_for_more()
        answered = self._answered()
        return max(answered) - len(answered)

    def close(self):
        self._process.kill()
        self._process.wait()
        self._file.close()

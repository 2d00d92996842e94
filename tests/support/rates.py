# SPDX-License-Identifier: Apache-2.0
"""As much traffic as passes from one namespace to another, from this process."""

import contextlib
import select
import socket
import threading
import time

DATAGRAM = b"x" * 1400
PIECE = b"x" * 65536
QUIET = 2  # seconds in which nothing came: all that is to come has


def pour(sender, receiver, address, kind=socket.SOCK_STREAM, seconds=0.6):
    """Sends as fast as it can. Returns the bytes that came, and within how many seconds."""
    with contextlib.ExitStack() as stack:
        with receiver.entered():
            listener = stack.enter_context(socket.socket(socket.AF_INET, kind))
        listener.bind(("", 0))
        if kind == socket.SOCK_STREAM:
            listener.listen()
        with sender.entered():
            source = stack.enter_context(socket.socket(socket.AF_INET, kind))
        source.settimeout(20)
        source.connect((address, listener.getsockname()[1]))
        sink = listener
        if kind == socket.SOCK_STREAM:
            sink = stack.enter_context(listener.accept()[0])
        start = time.monotonic()
        thread = threading.Thread(target=_send, args=(source, kind, start + seconds))
        thread.start()
        received, end = _receive(sink, start)
        thread.join()
    return received, end - start


def _send(source, kind, deadline):
    with contextlib.suppress(OSError):
        while time.monotonic() < deadline:
            source.send(PIECE if kind == socket.SOCK_STREAM else DATAGRAM)
    if kind == socket.SOCK_STREAM:
        source.shutdown(socket.SHUT_WR)


def _receive(sink, start):
    received, end = 0, start
    while select.select([sink], [], [], QUIET)[0]:
        data = sink.recv(1 << 20)
        if not data:
            break
        received += len(data)
        end = time.monotonic()
    return received, end

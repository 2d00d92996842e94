#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The shortest complete client, without a library: what goes over the socket.

    ./client.py default

acquires a network, attaches an interface to it, and keeps both until Ctrl-C.
The protocol is Varlink (varlink.org): a call is a JSON object that ends with a
NUL byte, and so is its reply. What can be called is written down in
com.github.nirs.vmnetbroker.varlink. Any language that has Unix sockets, JSON
and recvmsg() can do the same.
"""

import json
import os
import signal
import socket
import sys

INTERFACE = "com.github.nirs.vmnetbroker"


def call(connection, method, **parameters):
    """Makes one call. Returns the reply's parameters and the descriptors that came with it."""
    message = {"method": f"{INTERFACE}.{method}", "parameters": parameters}
    connection.sendall(json.dumps(message).encode() + b"\0")

    # Descriptors come with the first byte of the reply that they belong to. There is one reply
    # for each call, so what was received ends where the reply does.
    received, descriptors = b"", []
    while not received.endswith(b"\0"):
        data, fds, _, _ = socket.recv_fds(connection, 65536, 16)
        if not data:
            sys.exit("the broker has closed the connection")
        received += data
        descriptors += fds
    reply = json.loads(received[:-1])

    if "error" in reply:
        # The name says to programs what was wrong, the reason says it to people.
        sys.exit(reply.get("parameters", {}).get("reason", reply["error"]))
    return reply["parameters"], descriptors


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else "default"
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    path = os.environ.get("VMNET_BROKER_SOCKET") or "/run/vmnet-broker/socket"
    try:
        connection.connect(path)
    except OSError as error:
        sys.exit(f"{path}: {error.strerror}")

    # The reply comes when the network is usable. From here on it stays, until we go.
    reply, _ = call(connection, "Acquire", network=name)
    print(f"network {reply['configuration']['name']}, subnet {reply['state']['ipv4Subnet']}")

    # tapFileDescriptors are indexes into the descriptors of the reply, one for each queue.
    reply, descriptors = call(connection, "Attach", network=name)
    interface = reply["interface"]
    tap = descriptors[reply["tapFileDescriptors"][0]]
    print(f"interface {interface['device']}, MAC address {interface['macAddress']}")

    # A descriptor that a virtual machine monitor is to inherit needs os.set_inheritable(tap,
    # True), and subprocess.run(..., pass_fds=[tap]) does that by itself.
    print(f"descriptor {tap}: each frame starts with a virtio-net header")

    print("Press Ctrl-C to let go.", flush=True)
    # The end of the connection is the end of the hold, however it comes.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pause()


if __name__ == "__main__":
    main()

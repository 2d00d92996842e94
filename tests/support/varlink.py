# SPDX-License-Identifier: Apache-2.0
"""A Varlink client over the bare socket, which can also do what no client should."""

import array
import contextlib
import json
import os
import socket
import struct

from .closing import Closing

INTERFACE = "com.github.nirs.vmnetbroker"
METRICS = "io.systemd.Metrics"
INSPECTED = ("fault", "roguePackets")  # of a state, what inspect() has beside the network
MAX_FDS = 253  # of one message, by the kernel


class VarlinkError(Exception):
    """The error of a reply. name is without the interface where it is the broker's own."""

    def __init__(self, error, parameters):
        self.error = error
        self.name = error.removeprefix(INTERFACE + ".")
        self.parameters = parameters
        super().__init__(f"{error} {json.dumps(parameters)}")


def flat(reply):
    """What a reply has of a network, in one object: its state goes before its configuration."""
    state = {"clients": 0, "interfaces": 0, **(reply["state"] or {})}
    for key in INSPECTED:
        state.pop(key, None)
    return {
        **reply["configuration"],
        **state,
        "active": reply["state"] is not None,
        "changed": reply["removed"] or reply["nextConfiguration"] is not None,
    }


class Attachment(Closing):
    """An attached interface and its open devices."""

    def __init__(self, interface, tap_fds, vhost_fds):
        self.interface = interface
        self.name = interface["device"]
        self.mac_address = interface["macAddress"]
        self.mtu = interface["mtu"]
        self.tap_fds = tap_fds
        self.vhost_fds = vhost_fds

    def close(self):
        while self.tap_fds:
            os.close(self.tap_fds.pop())
        while self.vhost_fds:
            os.close(self.vhost_fds.pop())


@contextlib.contextmanager
def as_user(uid, gid=None, groups=()):
    """Inside, what the kernel tells of this process is another, unprivileged user.

    The number is enough: no such user needs to exist.
    """
    saved = os.getgroups()
    os.setgroups(list(groups))
    os.setegid(uid if gid is None else gid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(saved)


class Client(Closing):
    """A connection to the broker, made as the user uid."""

    def __init__(self, path, uid=0, gid=None, groups=(), timeout=20):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self._received = b""
        self._taken = 0  # bytes of messages before that
        self._fds = []  # (position of a byte of their message, descriptor)
        try:
            with as_user(uid, gid, groups):
                self.socket.connect(path)
        except OSError:
            self.socket.close()
            raise

    def fileno(self):
        return self.socket.fileno()

    def server_pid(self):
        """The process that listens."""
        credentials = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return struct.unpack("iII", credentials)[0]

    def send_raw(self, data, fds=(), flags=0):
        """Sends bytes as they are, with descriptors if there are any."""
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        sent = self.socket.sendmsg([data], control, flags)
        if sent < len(data):  # to send nothing fails, too, when the broker has ended the connection
            self.socket.sendall(data[sent:])

    def send(self, method, parameters=None, **flags):
        """Sends a call and does not wait for the reply. flags: more, oneway."""
        if "." not in method:
            method = f"{INTERFACE}.{method}"
        message = {"method": method, **flags}
        if parameters is not None:
            message["parameters"] = parameters
        self.send_raw(json.dumps(message).encode() + b"\0")

    def receive_message(self):
        """The next message whole, as (object, descriptors). EOFError at the end."""
        while b"\0" not in self._received:
            size = array.array("i").itemsize * MAX_FDS
            data, control, _, _ = self.socket.recvmsg(65536, socket.CMSG_SPACE(size))
            for level, kind, payload in control:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    numbers = array.array("i")
                    numbers.frombytes(payload[: len(payload) - len(payload) % numbers.itemsize])
                    # What is received at once ends with the message that they came with.
                    position = self._taken + len(self._received) + len(data) - 1
                    self._fds += [(position, number) for number in numbers]
            if not data:
                raise EOFError("the broker has closed the connection")
            self._received += data
        text, _, self._received = self._received.partition(b"\0")
        self._taken += len(text) + 1
        fds = [fd for position, fd in self._fds if position < self._taken]
        del self._fds[: len(fds)]
        return json.loads(text), fds

    def receive(self):
        """The next reply's parameters; raises VarlinkError. Descriptors go to self.fds."""
        message, self.fds = self.receive_message()
        self.continues = message.get("continues", False)
        if "error" in message:
            raise VarlinkError(message["error"], message.get("parameters", {}))
        return message.get("parameters", {})

    def receive_list(self):
        """The same of all replies of a method that lists, without one that has nothing."""
        replies = []
        self.continues = True
        while self.continues:
            replies.append(self.receive())
        return [reply for reply in replies if reply]

    def receive_networks(self):
        return [flat(reply) for reply in self.receive_list()]

    def call(self, method, parameters=None, **keywords):
        """One call and its reply's parameters. A parameter of None is left out."""
        parameters = {**(parameters or {}), **keywords}
        self.send(method, {k: v for k, v in parameters.items() if v is not None})
        return self.receive()

    def acquire(self, network):
        return flat(self.call("Acquire", network=network))

    def release(self, network):
        return self.call("Release", network=network)

    def networks(self):
        """By their names."""
        return {network["name"]: network for network in map(flat, self.list("ListNetworks"))}

    def list(self, method, **parameters):
        """All replies of a method that lists, without one that has nothing."""
        self.send(method, parameters, more=True)
        return self.receive_list()

    def inspect(self, network):
        """All about a network, by the calls that it takes."""
        reply = self.call("DescribeNetwork", network=network)

        def listed(method, field):
            return [one[field] for one in self.list(method, network=network)]

        return {
            "network": flat(reply),
            **{key: value for key, value in (reply["state"] or {}).items() if key in INSPECTED},
            "clients": listed("ListClients", "client"),
            "interfaces": listed("ListInterfaces", "interface"),
            "leases": listed("ListLeases", "lease"),
        }

    def attach(self, network, **options):
        """options: the other parameters of Attach."""
        reply = self.call("Attach", network=network, **options)
        return Attachment(
            reply["interface"],
            [self.fds[index] for index in reply["tapFileDescriptors"]],
            [self.fds[index] for index in reply["vhostFileDescriptors"]],
        )

    def monitor(self):
        """Starts monitoring; next_event() returns one event after the other.

        None is missed from now on: the reply to the call before tells that this one is next.
        """
        self.send("org.varlink.service.GetInfo")
        self.send("Monitor", {}, more=True)
        self.receive()

    def next_event(self):
        return self.receive()["event"]

    def is_closed(self):
        """The broker has closed the connection; what it sent before is thrown away."""
        self.socket.setblocking(False)
        try:
            while data := self.socket.recv(65536):
                self._received += data
            return True
        except BlockingIOError:
            return False
        except ConnectionError:
            return True

    def close(self):
        for _, fd in self._fds:
            os.close(fd)
        self._fds = []
        self.socket.close()

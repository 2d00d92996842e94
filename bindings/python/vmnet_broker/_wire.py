# SPDX-License-Identifier: Apache-2.0
"""Varlink, without a socket: what is sent, and what is made of what comes.

Every name of data/com.github.nirs.vmnetbroker.varlink that is sent or received is in this file,
or is a value of an enumeration in _types.py.
"""

from __future__ import annotations

import array
import collections
import dataclasses
import json
import os
import re
import socket
from typing import Any, Callable, Generic, Optional, TypeVar

from ._errors import (
    BrokerError,
    ConnectionFailed,
    CreateFailure,
    InternalError,
    InvalidReply,
    InvalidRequest,
    NotAllowed,
    NotFound,
    about,
)
from ._types import (
    Client,
    Event,
    EventType,
    Inspection,
    Interface,
    InterfaceInfo,
    Lease,
    Mode,
    NetworkInfo,
)

PROTOCOL = "com.github.nirs.vmnetbroker."
SERVICE = "org.varlink.service."
INVALID_PARAMETER = SERVICE + "InvalidParameter"
ERRORS: dict[str, type[BrokerError]] = {
    PROTOCOL + "NetworkNotFound": NotFound,
    PROTOCOL + "NotAllowed": NotAllowed,
    PROTOCOL + "NotAcquired": InvalidRequest,
    PROTOCOL + "CreateFailed": CreateFailure,
    PROTOCOL + "LimitExceeded": InternalError,
    PROTOCOL + "InvalidConfiguration": CreateFailure,
    PROTOCOL + "ParameterRefused": InvalidRequest,
    PROTOCOL + "Internal": InternalError,
    INVALID_PARAMETER: InvalidRequest,
}

MESSAGE_MAX = 16 << 20  # bytes
FDS_MAX = 32  # a TAP and a vhost-net descriptor for each of 16 queues
NETWORK_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}")

T = TypeVar("T")


def address() -> str:
    """Where the broker is looked for: the socket's path."""
    return os.environ.get("VMNET_BROKER_SOCKET") or "/run/vmnet-broker/socket"


def check_name(name: str) -> None:
    """Made before a call: what is no name need not be text that can be sent."""
    if not NETWORK_NAME.fullmatch(name):
        raise InvalidRequest(
            f'"{name}" is no network name: it is 1 to 63 of a-z A-Z 0-9 . _ - and starts with a '
            "letter or digit",
            name,
            field="network",
        )


def lost(network: Optional[str]) -> ConnectionFailed:
    """The error of a call whose connection has ended."""
    sentence = (
        "the broker has ended the connection; try again, and with fewer connections at a time if "
        "there are many"
    )
    return ConnectionFailed(about(network, sentence), network)


def unreachable(error: OSError, path: str) -> ConnectionFailed:
    """The error of a connection that was not made."""
    return ConnectionFailed(f"{path}: {error.strerror or error}")


class Object:
    """One of JSON, taken apart member by member. ValueError: one is not as it should be."""

    def __init__(self, members: Any) -> None:
        if not isinstance(members, dict):
            raise ValueError
        self.members: dict[str, Any] = members

    def optional(self, name: str, kind: type[T]) -> Optional[T]:
        """None: it is missing, or null."""
        value = self.members.get(name)
        # A bool is an int, for Python.
        if value is not None and type(value) is not kind:
            raise ValueError
        return value

    def required(self, name: str, kind: type[T]) -> T:
        value = self.optional(name, kind)
        if value is None:
            raise ValueError
        return value

    def number(self, name: str) -> int:
        """0 or more."""
        value = self.required(name, int)
        if value < 0:
            raise ValueError
        return value

    def optional_number(self, name: str) -> Optional[int]:
        return None if self.members.get(name) is None else self.number(name)

    def object(self, name: str) -> Object:
        return Object(self.members.get(name))

    def optional_item(self, name: str, take: Callable[[Object], T]) -> Optional[T]:
        return None if self.members.get(name) is None else take(self.object(name))

    def items(self, name: str, take: Callable[[Object], T]) -> list[T]:
        return [take(Object(item)) for item in self.required(name, list)]


def take_network(o: Object) -> NetworkInfo:
    return NetworkInfo(
        name=o.required("name", str),
        description=o.optional("description", str),
        mode=Mode(o.required("mode", str)),
        active=o.required("active", bool),
        ipv4_subnet=o.optional("ipv4_subnet", str),
        ipv4_gateway=o.optional("ipv4_gateway", str),
        ipv6_prefix=o.optional("ipv6_prefix", str),
        mtu=o.number("mtu"),
        bridge=o.optional("bridge", str),
        clients=o.number("clients"),
        interfaces=o.number("interfaces"),
        changed=o.optional("changed", bool) or False,
    )


def take_interface(o: Object) -> InterfaceInfo:
    return InterfaceInfo(
        name=o.required("name", str),
        mac_address=o.required("mac_address", str),
        mtu=o.number("mtu"),
        vnet_header=o.required("vnet_header", bool),
    )


def take_client(o: Object) -> Client:
    return Client(pid=o.number("pid"), uid=o.number("uid"), command=o.required("command", str))


def take_lease(o: Object) -> Lease:
    return Lease(
        mac_address=o.required("mac_address", str),
        address=o.required("address", str),
        hostname=o.optional("hostname", str),
        expires=o.optional_number("expires"),
    )


def take_inspection(o: Object) -> Inspection:
    return Inspection(
        network=take_network(o.object("network")),
        clients=o.items("clients", take_client),
        interfaces=o.items("interfaces", take_interface),
        leases=o.items("leases", take_lease),
        fault=o.optional("fault", str),
        rogue_packets=o.optional_number("rogue_packets"),
    )


def take_event(reply: Object) -> Event:
    o = reply.object("event")
    return Event(
        type=EventType(o.required("type", str)),
        network=o.required("network", str),
        interface=o.optional_item("interface", take_interface),
        client=o.optional_item("client", take_client),
        lease=o.optional_item("lease", take_lease),
    )


def take_fds(o: Object, name: str, fds: list[int]) -> list[int]:
    """Takes descriptors by their indexes. Each can be had once: fds gets -1 for it."""
    taken = []
    for index in o.required(name, list):
        if type(index) is not int or not 0 <= index < len(fds) or fds[index] < 0:
            raise ValueError
        taken.append(fds[index])
        fds[index] = -1
    return taken


@dataclasses.dataclass(frozen=True)
class Call(Generic[T]):
    """A call, and what its reply is taken apart by."""

    message: bytes
    network: Optional[str]
    take: Callable[[Object, Received], T]


def _message(method: str, parameters: dict[str, Any], more: bool = False) -> bytes:
    message: dict[str, Any] = {"method": method, "parameters": parameters}
    if more:
        message["more"] = True
    return json.dumps(message).encode() + b"\0"


def list_networks() -> Call[list[NetworkInfo]]:
    message = _message(PROTOCOL + "ListNetworks", {})
    return Call(message, None, lambda reply, _: reply.items("networks", take_network))


def inspect(name: str) -> Call[Inspection]:
    check_name(name)
    message = _message(PROTOCOL + "Inspect", {"network": name})
    return Call(message, name, lambda reply, _: take_inspection(reply))


def acquire(name: str) -> Call[NetworkInfo]:
    check_name(name)
    message = _message(PROTOCOL + "Acquire", {"network": name})
    return Call(message, name, lambda reply, _: take_network(reply.object("network")))


def release(name: str) -> Call[None]:
    message = _message(PROTOCOL + "Release", {"network": name})
    return Call(message, name, lambda reply, _: None)


def reload() -> Call[None]:
    return Call(_message(PROTOCOL + "Reload", {}), None, lambda reply, _: None)


def attach(
    name: str, mac_address: Optional[str], queues: int, vhost: bool, named: bool
) -> Call[Interface]:
    parameters = {"network": name, "queues": queues, "vhost": vhost, "named": named}
    if mac_address is not None:
        parameters["mac_address"] = mac_address

    def take(reply: Object, received: Received) -> Interface:
        if received.lost_fds:
            sentence = (
                "this process has no room for the interface's descriptors; raise its limit of "
                "open files"
            )
            raise InternalError(about(name, sentence), name)
        left = received.fds.copy()
        interface = Interface(
            take_interface(reply.object("interface")),
            take_fds(reply, "tap_fds", left),
            take_fds(reply, "vhost_fds", left),
        )
        # Programs count on their number of queues.
        taps, vhosts = len(interface.tap_fds), len(interface.vhost_fds)
        if taps != (0 if named else queues) or vhosts not in (0, queues):
            raise ValueError
        received.fds = [fd for fd in left if fd >= 0]
        return interface

    return Call(_message(PROTOCOL + "Attach", parameters), name, take)


def monitor() -> Call[None]:
    """Its reply tells that the monitor is the next call that the broker serves.

    That is not answered before the first event; the call before it is.
    """
    message = _message(SERVICE + "GetInfo", {}) + _message(PROTOCOL + "Monitor", {}, more=True)
    return Call(message, None, lambda reply, _: None)


def next_event() -> Call[Event]:
    return Call(b"", None, lambda reply, _: take_event(reply))


class Received:
    """What has come of a connection, and was not taken yet."""

    def __init__(self) -> None:
        self.fds: list[int] = []
        self.lost_fds = False  # some could not be taken
        self._text = b""
        self._messages: collections.deque[bytes] = collections.deque()

    def read(self, connection: socket.socket) -> None:
        """Reads once. EOFError: the connection has ended."""
        # socket.recv_fds() takes no flags.
        fds = array.array("i")
        data, ancillary, flags, _ = connection.recvmsg(
            65536, socket.CMSG_SPACE(FDS_MAX * fds.itemsize), socket.MSG_CMSG_CLOEXEC
        )
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
        self.fds += fds
        self.lost_fds |= bool(flags & socket.MSG_CTRUNC)
        if not data:
            raise EOFError
        *messages, self._text = (self._text + data).split(b"\0")
        self._messages.extend(messages)
        if len(self._text) > MESSAGE_MAX:
            raise ValueError

    def has_message(self) -> bool:
        return bool(self._messages)

    def take(self, call: Call[T]) -> T:
        """Makes of the next message what the call's reply is. ValueError: it is none."""
        reply = Object(json.loads(self._messages.popleft()))
        parameters = Object(reply.optional("parameters", dict) or {})
        name = reply.optional("error", str)
        if name is not None:
            raise refusal(name, parameters, call.network)
        try:
            return call.take(parameters, self)
        except ValueError:
            raise InvalidReply.plain(call.network) from None

    def close_fds(self) -> None:
        """Closes the descriptors that were not taken."""
        for fd in self.fds:
            os.close(fd)
        self.fds, self.lost_fds = [], False


def refusal(name: str, parameters: Object, network: Optional[str]) -> BrokerError:
    """An error of the broker's."""

    def text(key: str) -> str:
        value = parameters.members.get(key)
        return value if isinstance(value, str) else ""

    field = text("parameter") or text("limit")
    reason = text("reason")
    message = f"the broker answered with {name}; it may be of another version"
    if reason:
        message = about(network, reason)
    elif network is not None and field and name == INVALID_PARAMETER:
        message = f'network "{network}": the broker does not take this "{field}"'
    return ERRORS.get(name, InvalidReply)(message, network, name, field)

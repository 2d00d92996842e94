# SPDX-License-Identifier: Apache-2.0
"""Varlink, without a socket: what is sent, and what is made of what comes.

Every name of data/com.github.nirs.vmnetbroker.varlink that is sent or received is in this file,
or is a value of an enumeration in _types.py.
"""

from __future__ import annotations

import array
import collections
import dataclasses
import ipaddress
import json
import os
import re
import socket
from typing import Any, Callable, Generic, Iterable, Optional, TypeVar, Union

from ._errors import (
    BrokerError,
    ConnectionFailed,
    CreateFailure,
    Ended,
    InternalError,
    InvalidReply,
    InvalidRequest,
    NotAllowed,
    NotFound,
    about,
)
from ._types import (
    Allow,
    AllowPortForwarding,
    Capture,
    Client,
    DhcpReservation,
    Event,
    EventType,
    Interface,
    InterfaceInfo,
    Lease,
    Mode,
    NetworkConfiguration,
    NetworkInfo,
    PortForwarding,
    Protocol,
    RateLimit,
    Vxlan,
    VxlanHost,
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
    PROTOCOL + "Ended": Ended,
    PROTOCOL + "Internal": InternalError,
    INVALID_PARAMETER: InvalidRequest,
}

# What parameters have to be: the broker names only the one that is not so.
FORMS = {
    "macAddress": "it is a machine's own address, like 52:54:00:12:34:56",
    "name": "it is 1 to 63 of a-z A-Z 0-9 - and neither starts nor ends with -",
    "ipv4Address": "it is an address like 192.168.64.10",
    "ipv6Address": "it is an address like fd12:3456:789a:1::10",
    "portForwarding": "ports are 1 to 65535, and both addresses of one family",
    "rateLimitIn": "it is more than 0 bits per second",
    "rateLimitOut": "it is more than 0 bits per second",
    "queues": "they are 1 to 16",
    "device": "it is the host's name of a machine's device",
}

MESSAGE_MAX = 16 << 20  # bytes
FDS_MAX = 32  # a TAP and a vhost-net descriptor for each of 16 queues
NETWORK_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}")
MICROSECONDS = 1_000_000  # of a second

T = TypeVar("T")
IPv4 = Union[str, ipaddress.IPv4Address]
IPv6 = Union[str, ipaddress.IPv6Address]


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
        return [take(Object(item)) for item in self.optional(name, list) or []]

    def texts(self, name: str) -> list[str]:
        items = self.optional(name, list) or []
        if not all(isinstance(item, str) for item in items):
            raise ValueError
        return items

    def boolean(self, name: str) -> bool:
        return self.optional(name, bool) or False


def take_forwarding(o: Object) -> PortForwarding:
    return PortForwarding(
        external_port=o.number("externalPort"),
        internal_port=o.optional_number("internalPort"),
        protocol=Protocol(o.required("protocol", str)),
        external_address=o.optional("externalAddress", str),
        internal_address=o.optional("internalAddress", str),
        count=o.optional_number("count"),
    )


def take_rate_limit(o: Object) -> RateLimit:
    return RateLimit(o.number("bitsPerSecond"), o.optional_number("burstBytes"))


def take_reservation(o: Object) -> DhcpReservation:
    return DhcpReservation(
        mac_address=o.required("macAddress", str),
        address=o.required("address", str),
        hostname=o.optional("hostname", str),
    )


def take_host(o: Object) -> VxlanHost:
    return VxlanHost(
        name=o.required("name", str),
        address=o.required("address", str),
        pool=o.required("pool", str),
    )


def take_vxlan(o: Object) -> Vxlan:
    return Vxlan(
        vni=o.number("vni"),
        control=o.required("control", str),
        port=o.number("port"),
        hosts=o.items("hosts", take_host),
    )


def take_allowed_ports(o: Object) -> AllowPortForwarding:
    return AllowPortForwarding(o.required("addresses", str), o.number("fromPort"))


def take_allow(o: Object) -> Allow:
    return Allow(o.texts("users"), o.texts("groups"))


def take_configuration(o: Object) -> NetworkConfiguration:
    return NetworkConfiguration(
        name=o.required("name", str),
        aliases=o.texts("aliases"),
        description=o.optional("description", str),
        mode=Mode(o.required("mode", str)),
        subnet=o.optional("subnet", str),
        ipv6_prefix=o.optional("ipv6Prefix", str),
        external_interface=o.optional("externalInterface", str),
        mtu=o.number("mtu"),
        nat44=o.boolean("nat44"),
        nat66=o.boolean("nat66"),
        dhcp=o.boolean("dhcp"),
        dns_proxy=o.boolean("dnsProxy"),
        router_advertisement=o.boolean("routerAdvertisement"),
        vxlan=o.optional_item("vxlan", take_vxlan),
        dhcp_reservations=o.items("dhcpReservations", take_reservation),
        port_forwarding=o.items("portForwarding", take_forwarding),
        allow_port_forwarding=o.optional_item("allowPortForwarding", take_allowed_ports),
        rate_limit_in=o.optional_item("rateLimitIn", take_rate_limit),
        rate_limit_out=o.optional_item("rateLimitOut", take_rate_limit),
        isolated=o.boolean("isolated"),
        link_local=o.boolean("linkLocal"),
        bypass_kill_switch=o.boolean("bypassKillSwitch"),
        allow=o.optional_item("allow", take_allow),
        max_interfaces=o.optional_number("maxInterfaces") or 0,
    )


def take_network(reply: Object) -> NetworkInfo:
    """Of a reply to DescribeNetwork, or one that has the same."""
    configuration = take_configuration(reply.object("configuration"))
    following = reply.optional_item("nextConfiguration", take_configuration)
    removed = reply.boolean("removed")
    active = reply.members.get("state") is not None
    state = reply.object("state") if active else Object({})
    return NetworkInfo(
        name=configuration.name,
        description=configuration.description,
        mode=configuration.mode,
        active=active,
        ipv4_subnet=state.optional("ipv4Subnet", str),
        ipv4_gateway=state.optional("ipv4Gateway", str),
        ipv6_prefix=state.optional("ipv6Prefix", str),
        ipv6_gateway=state.optional("ipv6Gateway", str),
        mtu=state.number("mtu") if active else configuration.mtu,
        bridge=state.optional("bridge", str),
        clients=state.number("clients") if active else 0,
        interfaces=state.number("interfaces") if active else 0,
        changed=removed or following is not None,
        removed=removed,
        fault=state.optional("fault", str),
        rogue_packets=state.optional_number("roguePackets"),
        configuration=configuration,
        next_configuration=following,
    )


def take_interface(o: Object) -> InterfaceInfo:
    return InterfaceInfo(
        device=o.required("device", str),
        name=o.optional("name", str),
        mac_address=o.required("macAddress", str),
        ipv4_address=o.optional("ipv4Address", str),
        ipv6_address=o.optional("ipv6Address", str),
        port_forwarding=o.items("portForwarding", take_forwarding),
        rate_limit_in=o.optional_item("rateLimitIn", take_rate_limit),
        rate_limit_out=o.optional_item("rateLimitOut", take_rate_limit),
        mtu=o.number("mtu"),
        vnet_header=o.required("vnetHeader", bool),
        uid=o.number("uid"),
        attached=o.number("attachedTimestamp") / MICROSECONDS,
    )


def take_client(o: Object) -> Client:
    return Client(pid=o.number("pid"), uid=o.number("uid"), command=o.required("command", str))


def take_lease(o: Object) -> Lease:
    expires = o.optional_number("expiresTimestamp")
    return Lease(
        mac_address=o.required("macAddress", str),
        address=o.required("address", str),
        hostname=o.optional("hostname", str),
        expires=None if expires is None else expires / MICROSECONDS,
    )


def take_event(reply: Object) -> Event:
    o = reply.object("event")
    return Event(
        type=EventType(o.required("type", str)),
        network=o.required("network", str),
        interface=o.optional_item("interface", take_interface),
        client=o.optional_item("client", take_client),
        lease=o.optional_item("lease", take_lease),
        fault=o.optional("fault", str),
    )


def take_fd(index: Any, fds: list[int]) -> int:
    """Takes a descriptor by its index. Each can be had once: fds gets -1 for it."""
    if type(index) is not int or not 0 <= index < len(fds) or fds[index] < 0:
        raise ValueError
    taken, fds[index] = fds[index], -1
    return taken


def take_fds(o: Object, name: str, fds: list[int]) -> list[int]:
    return [take_fd(index, fds) for index in o.required(name, list)]


@dataclasses.dataclass(frozen=True)
class Call(Generic[T]):
    """A call, and what its reply is taken apart by; with lists each of its replies, till the last.

    What take() makes of that one is the call's result.
    """

    message: bytes
    network: Optional[str]
    take: Callable[[Object, Received], T]
    lists: bool = False


def _message(method: str, parameters: dict[str, Any], more: bool = False) -> bytes:
    message: dict[str, Any] = {"method": method, "parameters": parameters}
    if more:
        message["more"] = True
    return json.dumps(message).encode() + b"\0"


def _list(
    method: str, network: Optional[str], member: str, take: Callable[[Object], T]
) -> Call[list[T]]:
    """Takes what has the member, if there is one.

    After one that is not understood the others are received, too: the next call gets replies of
    its own.
    """
    items: list[T] = []
    wrong: list[ValueError] = []

    def add(reply: Object, received: Received) -> list[T]:
        try:
            if reply.members.get(member) is not None:
                items.append(take(reply))
        except ValueError as error:
            wrong.append(error)
        if wrong and not received.continues:
            raise wrong[0]
        return items

    parameters = {} if network is None else {"network": network}
    return Call(_message(PROTOCOL + method, parameters, more=True), network, add, lists=True)


def _list_of(name: str, method: str, member: str, take: Callable[[Object], T]) -> Call[list[T]]:
    """Lists what belongs to a network."""
    check_name(name)
    return _list(method, name, member, lambda reply: take(reply.object(member)))


def list_networks() -> Call[list[NetworkInfo]]:
    return _list("ListNetworks", None, "configuration", take_network)


def list_clients(name: str) -> Call[list[Client]]:
    return _list_of(name, "ListClients", "client", take_client)


def list_interfaces(name: str) -> Call[list[InterfaceInfo]]:
    return _list_of(name, "ListInterfaces", "interface", take_interface)


def list_leases(name: str) -> Call[list[Lease]]:
    return _list_of(name, "ListLeases", "lease", take_lease)


def describe(name: str) -> Call[NetworkInfo]:
    check_name(name)
    message = _message(PROTOCOL + "DescribeNetwork", {"network": name})
    return Call(message, name, lambda reply, _: take_network(reply))


def acquire(name: str) -> Call[NetworkInfo]:
    check_name(name)
    message = _message(PROTOCOL + "Acquire", {"network": name})
    return Call(message, name, lambda reply, _: take_network(reply))


def release(name: str) -> Call[None]:
    message = _message(PROTOCOL + "Release", {"network": name})
    return Call(message, name, lambda reply, _: None)


def reload() -> Call[None]:
    return Call(_message(PROTOCOL + "Reload", {}), None, lambda reply, _: None)


def _forwarding_parameters(forwarding: PortForwarding) -> dict[str, Any]:
    return _given(
        protocol=forwarding.protocol.value,
        externalAddress=forwarding.external_address,
        externalPort=forwarding.external_port,
        internalAddress=forwarding.internal_address,
        internalPort=forwarding.internal_port,
        count=forwarding.count,
    )


def _rate_parameters(limit: Optional[RateLimit]) -> Optional[dict[str, Any]]:
    if limit is None:
        return None
    return _given(bitsPerSecond=limit.bits_per_second, burstBytes=limit.burst_bytes)


def _given(**parameters: Any) -> dict[str, Any]:
    """What is None is left out."""
    return {key: value for key, value in parameters.items() if value is not None}


def attach(
    network: str,
    *,
    mac_address: Optional[str],
    name: Optional[str],
    ipv4_address: Optional[IPv4],
    ipv6_address: Optional[IPv6],
    port_forwarding: Iterable[PortForwarding],
    rate_limit_in: Optional[RateLimit],
    rate_limit_out: Optional[RateLimit],
    queues: int,
    vhost: bool,
    open_by_name: bool,
) -> Call[Interface]:
    parameters = _given(
        network=network,
        macAddress=mac_address,
        name=name,
        ipv4Address=None if ipv4_address is None else str(ipv4_address),
        ipv6Address=None if ipv6_address is None else str(ipv6_address),
        portForwarding=[_forwarding_parameters(item) for item in port_forwarding] or None,
        rateLimitIn=_rate_parameters(rate_limit_in),
        rateLimitOut=_rate_parameters(rate_limit_out),
        queues=queues,
        vhost=vhost,
        openByName=open_by_name,
    )

    def take(reply: Object, received: Received) -> Interface:
        left = received.all_fds(network)
        interface = Interface(
            take_interface(reply.object("interface")),
            take_fds(reply, "tapFileDescriptors", left),
            take_fds(reply, "vhostFileDescriptors", left),
        )
        # Programs count on their number of queues.
        taps, vhosts = len(interface.tap_fds), len(interface.vhost_fds)
        if taps != (0 if open_by_name else queues) or vhosts not in (0, queues):
            raise ValueError
        received.fds = [fd for fd in left if fd >= 0]
        return interface

    return Call(_message(PROTOCOL + "Attach", parameters), network, take)


def capture(network: str, device: str) -> Call[Capture]:
    check_name(network)

    def take(reply: Object, received: Received) -> Capture:
        left = received.all_fds(network)
        taken = Capture(take_fd(reply.members.get("tapFileDescriptor"), left))
        received.fds = [fd for fd in left if fd >= 0]
        return taken

    message = _message(PROTOCOL + "Capture", {"network": network, "device": device})
    return Call(message, network, take)


def end(network: str, device: Optional[str]) -> Call[None]:
    check_name(network)
    message = _message(PROTOCOL + "End", _given(network=network, device=device))
    return Call(message, network, lambda reply, _: None)


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
        self.continues = False  # the last reply is not its call's last
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
        self.continues = reply.boolean("continues")
        parameters = Object(reply.optional("parameters", dict) or {})
        name = reply.optional("error", str)
        if name is not None:
            raise refusal(name, parameters, call.network)
        try:
            return call.take(parameters, self)
        except ValueError:
            raise InvalidReply.plain(call.network) from None

    def all_fds(self, network: str) -> list[int]:
        """A copy of those that came with the reply."""
        if self.lost_fds:
            sentence = (
                "this process has no room for the descriptors of the reply; raise its limit of "
                "open files"
            )
            raise InternalError(about(network, sentence), network)
        return self.fds.copy()

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
        if field in FORMS:
            message += f": {FORMS[field]}"
    return ERRORS.get(name, InvalidReply)(message, network, name, field)

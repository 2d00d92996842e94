# SPDX-License-Identifier: Apache-2.0
"""What the broker tells, as values."""

from __future__ import annotations

import dataclasses
import enum
import os
from typing import Any, Optional

FRAME_MAX = 1 << 17  # bytes


class Mode(enum.Enum):
    """How a network is connected."""

    SHARED = "shared"  # to the outside, behind the host's address
    HOST = "host"  # to the host and each other only
    BRIDGED = "bridged"  # to the physical network itself


class Protocol(enum.Enum):
    """Protocols whose ports are forwarded."""

    TCP = "tcp"
    UDP = "udp"
    TCP_AND_UDP = "both"


@dataclasses.dataclass(frozen=True)
class PortForwarding:
    """Ports of the host that lead to a machine."""

    external_port: int  # the first one
    internal_port: Optional[int] = None  # the first one; None: external_port
    protocol: Protocol = Protocol.TCP
    external_address: Optional[str] = None  # of the host; None: all, "::": all of IPv6
    # Of the machine; None: what its interface has, of the external address's family, or IPv4.
    internal_address: Optional[str] = None
    count: Optional[int] = None  # how many in a row; None: 1


@dataclasses.dataclass(frozen=True)
class RateLimit:
    """How much may pass in the long run."""

    bits_per_second: int
    burst_bytes: Optional[int] = None  # what may pass at once before; None: the broker chooses


@dataclasses.dataclass(frozen=True)
class VxlanHost:
    """One of the hosts that a network is on."""

    name: str
    address: str  # at which the others reach it
    pool: str  # CIDR; the part of the subnet that it gives to its machines


@dataclasses.dataclass(frozen=True)
class Vxlan:
    """What joins the hosts that a network is on."""

    vni: int
    control: str  # who tells the hosts of each other's machines: "evpn" or "static"
    port: int
    hosts: list[VxlanHost]


@dataclasses.dataclass(frozen=True)
class DhcpReservation:
    """An address that one machine has for good."""

    mac_address: str
    address: str
    hostname: Optional[str]


@dataclasses.dataclass(frozen=True)
class AllowPortForwarding:
    """Which ports may be forwarded at the wish of whoever attaches a machine and is not root."""

    addresses: str  # of the host: "any", "loopback" or "none"
    from_port: int  # the lowest one


@dataclasses.dataclass(frozen=True)
class Allow:
    """Who may acquire a network, by names or numbers."""

    users: list[str]
    groups: list[str]


@dataclasses.dataclass(frozen=True)
class NetworkConfiguration:
    """A network as it is configured: the keys of networks.json."""

    name: str
    aliases: list[str]
    description: Optional[str]
    mode: Mode
    subnet: Optional[str]  # None: the broker chooses
    ipv6_prefix: Optional[str]  # the same
    external_interface: Optional[str]  # None: by the host's routes
    mtu: int  # 0: what fits into the way to the other hosts
    nat44: bool
    nat66: bool
    dhcp: bool
    dns_proxy: bool
    router_advertisement: bool
    vxlan: Optional[Vxlan]  # None: it is on this host alone
    dhcp_reservations: list[DhcpReservation]
    port_forwarding: list[PortForwarding]
    allow_port_forwarding: Optional[AllowPortForwarding]  # which others machines may have
    rate_limit_in: Optional[RateLimit]  # of machines that ask for none
    rate_limit_out: Optional[RateLimit]  # the same
    isolated: bool
    link_local: bool
    bypass_kill_switch: bool
    allow: Optional[Allow]  # None: everyone
    max_interfaces: int


@dataclasses.dataclass(frozen=True)
class NetworkInfo:
    """A configured network. Addresses and the bridge are None while it is not active."""

    name: str
    description: Optional[str]
    mode: Mode
    active: bool  # exists in the operating system now
    ipv4_subnet: Optional[str]  # CIDR, "192.168.64.0/24"; None too if it has none
    ipv4_gateway: Optional[str]  # the host's own address on it
    ipv6_prefix: Optional[str]  # CIDR; None too if it has none
    ipv6_gateway: Optional[str]  # the host's own address on it
    mtu: int  # bytes of payload in the largest frame
    bridge: Optional[str]  # the host's device that joins the members
    clients: int  # connections that hold it
    interfaces: int  # machines' interfaces on it
    changed: bool  # the file has another version of it, for its next life, or none
    removed: bool  # the file has none
    fault: Optional[str]  # what is wrong with it now, a sentence
    # Frames in which a machine posed as the network's DHCP server, router or gateway, which were
    # all dropped. None: nothing counts them, as in lists.
    rogue_packets: Optional[int]
    configuration: NetworkConfiguration  # as it was made with, or will be, with defaults
    next_configuration: Optional[NetworkConfiguration]  # the file's; None: the same, or none


@dataclasses.dataclass(frozen=True)
class Client:
    """A connection that holds a network."""

    pid: int
    uid: int
    command: str


@dataclasses.dataclass(frozen=True)
class InterfaceInfo:
    """One virtual machine's port on a network."""

    device: str  # the host's name of it
    name: Optional[str]  # what the machine is called there; None: nothing was asked for
    mac_address: str  # what the machine's own device should use
    ipv4_address: Optional[str]  # given to it by DHCP, and to nobody else
    ipv6_address: Optional[str]  # the same
    port_forwarding: list[PortForwarding]  # those that it asked for
    rate_limit_in: Optional[RateLimit]  # to the machine
    rate_limit_out: Optional[RateLimit]  # from the machine
    mtu: int
    vnet_header: bool  # packets carry a virtio-net header
    uid: int  # who attached it
    attached: float  # seconds since 1970-01-01 00:00:00 UTC


@dataclasses.dataclass(frozen=True)
class Lease:
    """An address given to a machine."""

    mac_address: str
    address: str
    hostname: Optional[str]
    expires: Optional[float]  # seconds since 1970-01-01 00:00:00 UTC; None: never


@dataclasses.dataclass(frozen=True)
class Inspection:
    """All about one network."""

    network: NetworkInfo
    clients: list[Client]
    interfaces: list[InterfaceInfo]
    leases: list[Lease]


class EventType(enum.Enum):
    """What has happened."""

    NETWORK_CREATED = "network_created"
    NETWORK_REMOVED = "network_removed"
    NETWORK_FAULTED = "network_faulted"
    NETWORK_MENDED = "network_mended"
    CLIENT_ACQUIRED = "client_acquired"
    CLIENT_RELEASED = "client_released"
    INTERFACE_ATTACHED = "interface_attached"
    INTERFACE_DETACHED = "interface_detached"
    LEASE_ADDED = "lease_added"
    LEASE_REMOVED = "lease_removed"
    UNKNOWN = "unknown"  # of a newer broker

    @classmethod
    def _missing_(cls, value: object) -> EventType:
        return cls.UNKNOWN


@dataclasses.dataclass(frozen=True)
class Event:
    """What has happened, to which network; the others are None unless it is about one."""

    type: EventType
    network: str
    interface: Optional[InterfaceInfo]
    client: Optional[Client]
    lease: Optional[Lease]
    fault: Optional[str]  # of NETWORK_FAULTED: all that is wrong, a sentence


class Interface:
    """An attached interface. It stays for as long as a descriptor of it is open in some process.

    tap_fds are the open device, one descriptor per queue: frames that start with a struct
    virtio_net_hdr. vhost_fds are one per queue, or none. None of them is inherited unless asked
    for: pass_fds of subprocess does so.
    """

    def __init__(self, info: InterfaceInfo, tap_fds: list[int], vhost_fds: list[int]) -> None:
        self.info = info
        self.tap_fds = tap_fds
        self.vhost_fds = vhost_fds

    @property
    def device(self) -> str:
        """The host's name of it."""
        return self.info.device

    @property
    def mac_address(self) -> str:
        """What the machine's own device should use."""
        return self.info.mac_address

    def fileno(self) -> int:
        """The descriptor of the first queue; an interface that is opened by its name has none."""
        return self.tap_fds[0]

    def close(self) -> None:
        """Closes the descriptors, and does nothing the second time."""
        for fd in self.tap_fds + self.vhost_fds:
            os.close(fd)
        self.tap_fds, self.vhost_fds = [], []

    def __enter__(self) -> Interface:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


class Capture:
    """What a machine sends and gets, until close() or the machine's end.

    The descriptor does not block: select.select() or an event loop tells when there is a frame.
    Those for which a slow reader leaves no room are lost.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        """The descriptor."""
        return self._fd

    def read(self) -> Optional[bytes]:
        """A frame, with a struct virtio_net_hdr of 10 bytes before it; None: none has come.

        OSError: the machine has ended.
        """
        try:
            return os.read(self._fd, FRAME_MAX)
        except BlockingIOError:
            return None

    def close(self) -> None:
        """Ends it, and does nothing the second time."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

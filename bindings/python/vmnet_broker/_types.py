# SPDX-License-Identifier: Apache-2.0
"""What the broker tells, as values."""

from __future__ import annotations

import dataclasses
import enum
import os
from typing import Any, Optional


class Mode(enum.Enum):
    """How a network is connected."""

    SHARED = "shared"  # to the outside, behind the host's address
    HOST = "host"  # to the host and each other only
    BRIDGED = "bridged"  # to the physical network itself


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
    mtu: int  # bytes of payload in the largest frame
    bridge: Optional[str]  # the host's device that joins the members
    clients: int  # connections that hold it
    interfaces: int  # machines' interfaces on it
    changed: bool  # the configuration has another version of it, for its next life


@dataclasses.dataclass(frozen=True)
class Client:
    """A connection that holds a network."""

    pid: int
    uid: int
    command: str


@dataclasses.dataclass(frozen=True)
class InterfaceInfo:
    """One virtual machine's port on a network."""

    name: str  # the host's name of the device
    mac_address: str  # what the machine's own device should use
    mtu: int
    vnet_header: bool  # packets carry a virtio-net header


@dataclasses.dataclass(frozen=True)
class Lease:
    """An address given to a machine."""

    mac_address: str
    address: str
    hostname: Optional[str]
    expires: Optional[int]  # seconds since 1970-01-01 00:00:00 UTC; None: never


@dataclasses.dataclass(frozen=True)
class Inspection:
    """All about one network."""

    network: NetworkInfo
    clients: list[Client]
    interfaces: list[InterfaceInfo]
    leases: list[Lease]
    fault: Optional[str]  # what is wrong with it now, a sentence
    # Frames in which a machine posed as the network's DHCP server, router or gateway, which were
    # all dropped. None: nothing counts them.
    rogue_packets: Optional[int]


class EventType(enum.Enum):
    """What has happened."""

    NETWORK_CREATED = "network_created"
    NETWORK_REMOVED = "network_removed"
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
    """What has happened, to which network; the last three are None unless it is about one."""

    type: EventType
    network: str
    interface: Optional[InterfaceInfo]
    client: Optional[Client]
    lease: Optional[Lease]


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
    def name(self) -> str:
        """The host's name of the device."""
        return self.info.name

    @property
    def mac_address(self) -> str:
        """What the machine's own device should use."""
        return self.info.mac_address

    def fileno(self) -> int:
        """The descriptor of the first queue; a named interface has none."""
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

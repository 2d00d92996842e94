# SPDX-License-Identifier: Apache-2.0
"""Networks of vmnet-broker for virtual machines, by name.

    with vmnet_broker.acquire("default") as network, network.attach() as interface:
        subprocess.run([..., f"fd={interface.fileno()}"], pass_fds=interface.tap_fds)

vmnet_broker.aio has the same for asyncio, and vmnet_broker.pytest_plugin fixtures for tests.
"""

from ._client import Broker, Monitor, Network, acquire
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
)
from ._types import (
    Allow,
    AllowPortForwarding,
    Capture,
    Client,
    DhcpReservation,
    Event,
    EventType,
    Inspection,
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
from ._wire import address

__all__ = [
    "Allow",
    "AllowPortForwarding",
    "Broker",
    "BrokerError",
    "Capture",
    "Client",
    "ConnectionFailed",
    "CreateFailure",
    "DhcpReservation",
    "Ended",
    "Event",
    "EventType",
    "Inspection",
    "Interface",
    "InterfaceInfo",
    "InternalError",
    "InvalidReply",
    "InvalidRequest",
    "Lease",
    "Mode",
    "Monitor",
    "Network",
    "NetworkConfiguration",
    "NetworkInfo",
    "NotAllowed",
    "NotFound",
    "PortForwarding",
    "Protocol",
    "RateLimit",
    "Vxlan",
    "VxlanHost",
    "acquire",
    "address",
]

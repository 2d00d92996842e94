# SPDX-License-Identifier: Apache-2.0
"""A way out that is narrower than the network, where nobody hears what is too long for it."""

import pytest

from support.host import HOST_IPV4, HOST_IPV6, SERVER_IPV4, SERVER_IPV6, UPLINK
from support.traffic import transfer

CONFIG = {
    "lab": {"mode": "shared"},
    "routed": {
        "mode": "shared",
        "nat44": False,
        "nat66": False,
        "subnet": "192.168.109.0/24",
        "ipv6_prefix": "fd12:3456:789a:9::/64",
    },
}
SIZE = 200_000

pytestmark = [pytest.mark.broker(config=CONFIG), pytest.mark.usefixtures("narrow")]


def lose_errors(namespace):
    """No packet that says that another was too long comes in."""
    namespace.run(
        "nft",
        "table inet lost { chain input { type filter hook input priority 0;"
        "icmp type destination-unreachable drop; icmpv6 type packet-too-big drop; }; }",
    )


@pytest.fixture
def narrow(host, outside):
    """What is longer is lost on the host's way in, and the server does not hear of it."""
    host.ip(f"link set {UPLINK} mtu 1420")
    # Segments that were left to the device to cut would come through in one.
    outside.ip(f"link set {UPLINK} gso_max_segs 1")
    lose_errors(outside)


@pytest.mark.parametrize("ipv6", [False, True])
def test_connections_to_the_outside(outside, join, ipv6):
    machine = join("lab")
    lose_errors(machine)
    machine.ipv6_address()
    assert transfer(machine, outside, SERVER_IPV6 if ipv6 else SERVER_IPV4, SIZE)


@pytest.mark.parametrize("ipv6", [False, True])
def test_connections_from_the_outside(outside, join, ipv6):
    machine = join("routed")
    lose_errors(machine)
    outside.ip(f"route add 192.168.109.0/24 via {HOST_IPV4}")
    outside.ip(f"-6 route add fd12:3456:789a:9::/64 via {HOST_IPV6}")
    address = machine.ipv6_address()
    assert transfer(outside, machine, address if ipv6 else machine.address, SIZE)

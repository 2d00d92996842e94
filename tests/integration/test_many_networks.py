# SPDX-License-Identifier: Apache-2.0
"""More networks than a user has instances of inotify, and what one costs the others."""

import pytest

from support.host import SERVER_IPV4, SERVER_NAME
from support.wait import wait_for

NETWORKS = 140
# Unasked advertisements would wake its dnsmasq.
QUIET = {"mode": "shared", "router_advertisement": False}


def switches(pid):
    """How often a process has gone to sleep."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        found = [line.split()[1] for line in file if line.startswith("voluntary_ctxt_switches")]
    return int(found[0])


@pytest.mark.broker(config={f"n{i}": QUIET for i in range(NETWORKS)})
def test_many_networks(broker, host, outside, join):
    """The last is served, and the first one's dnsmasq slept while the others were made."""
    outside.start_dns()
    client = broker.client(timeout=120)
    client.acquire("n0")
    (first,) = host.processes("dnsmasq")
    client.acquire("n1")
    before = switches(first)
    for i in range(2, NETWORKS - 1):
        client.acquire(f"n{i}")
    assert switches(first) - before < 10
    machine = join(f"n{NETWORKS - 1}")
    wait_for(lambda: SERVER_IPV4 in machine.resolve(SERVER_NAME))
    client.close()
    wait_for(lambda: sum(link.startswith("vmb-") for link in host.links()) == 1, 60)


def test_servers_outlast_lost_addresses(broker, host, plug_in):
    """A dnsmasq is told of what its own bridge has lost and has got back."""
    client = broker.client()
    bridge = client.acquire("default")["bridge"]
    (server,) = host.processes("dnsmasq")
    before = host.device(bridge)["addr_info"]
    host.ip(f"address flush dev {bridge}")

    def addresses():
        return sorted(info["local"] for info in host.device(bridge)["addr_info"])

    wait_for(lambda: addresses() == sorted(info["local"] for info in before), what="its addresses")
    machine = plug_in("default")
    machine.dhcp(hostname="web")
    assert machine.ipv6_address()
    assert machine.address in machine.resolve("web")
    assert host.processes("dnsmasq") == [server]

# SPDX-License-Identifier: Apache-2.0
"""More networks than a user has instances of inotify, and what one costs the others."""

import contextlib
import os
import re

import pytest

from support.counts import Strace
from support.host import SERVER_IPV4, SERVER_NAME
from support.need import need
from support.wait import wait_for

NETWORKS = 140
LEAVING = 24
# Unasked advertisements would wake its dnsmasq.
QUIET = {"mode": "shared", "router_advertisement": False}


def switches(pid):
    """How often a process has given up the processor by itself."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        found = [line.split()[1] for line in file if line.startswith("voluntary_ctxt_switches")]
    return int(found[0])


@pytest.mark.broker(config={f"n{i}": QUIET for i in range(NETWORKS)})
def test_many_networks(broker, host, outside, join):
    """The last is served, and the first one's dnsmasq rested while the others were made."""
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
    wait_for(lambda: sum(link.startswith("vmb-") for link in host.links()) == 1, 180)


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


@pytest.mark.broker(config={f"n{i}": QUIET for i in range(30)})
def test_networks_share_their_looks(broker):
    """What is looked at every few seconds is looked at for all of them at once."""
    client = broker.client()
    for i in range(30):
        client.acquire(f"n{i}")
    threads = os.listdir(f"/proc/{broker.pid}/task")

    def all_switches():
        return sum(switches(thread) for thread in threads)

    with contextlib.ExitStack() as stack:
        for i in range(30):
            stack.enter_context(client.attach(f"n{i}"))
        start = switches(broker.pid)
        wait_for(lambda: switches(broker.pid) > start + 4, what="what that leaves to be done")
        start, before = switches(broker.pid), all_switches()
        wait_for(lambda: switches(broker.pid) >= start + 6, what="looks")
        assert all_switches() - before < 30


def bridges(host):
    return [link for link in host.links() if link.startswith("vmb-")]


@pytest.fixture
def leaving(broker):
    """A client whose end is that of all networks."""
    client = broker.client()
    for i in range(LEAVING):
        client.acquire(f"n{i}")
    return client


leave_together = pytest.mark.broker(config={f"n{i}": QUIET for i in range(LEAVING)})


@leave_together
def test_networks_end_at_once(broker, host, leaving):
    """The kernel waits for each request to remove devices, however many these are."""
    need("strace")
    with Strace(broker.pid, broker.directory) as strace:
        leaving.close()
        wait_for(lambda: not bridges(host), what="the end of all bridges")
    with open(strace.path, encoding="utf-8", errors="replace") as file:
        requests = re.findall(r"sendmsg\(.*nlmsg_type=(?:RTM_DELLINK|0x11)\b", file.read())
    assert 0 < len(requests) <= LEAVING / 4


@leave_together
def test_killed_while_many_end(broker, host, leaving):
    """The next broker removes the others."""
    leaving.close()
    wait_for(lambda: len(bridges(host)) < LEAVING, what="the end of the first")
    broker.kill()
    assert bridges(host)
    broker.start()
    broker.wait_until_clean()


@leave_together
def test_what_one_has_lost_keeps_no_other(broker, host, leaving):
    """An administrator has removed devices of some, and uses a chain of one."""
    broker.kill()
    leaving.close()
    for device in "vmc-n3", "vmb-n5", "vmc-n7", "vmb-n7":
        host.ip(f"link delete {device}")
    table = "inet vmnet-broker.networks"
    host.run("nft", f"add chain {table} mine; add rule {table} mine goto machine-n9")
    broker.start()
    broker.wait_for_log('network "n9": not all of it can be removed: nftables keeps its rules')
    wait_for(lambda: not bridges(host) and not host.processes("dnsmasq"), what="their end")
    assert not [link for link in host.links() if link.startswith("vmc-")]
    chains = re.findall(r"chain \S+-(n\d+) ", host.run("nft", "list", "ruleset").stdout)
    assert set(chains) == {"n9"}
    host.run("nft", f"delete chain {table} mine")
    broker.restart()
    broker.wait_until_clean()

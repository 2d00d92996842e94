# SPDX-License-Identifier: Apache-2.0
"""The broker is killed at a hundred points while it makes networks and writes what they have.

What a client was once told of a network stays true, and no file is ever found half written.
"""

import json
import os
import random

import pytest

from support.varlink import flat
from support.wait import random_moment

KILLS = 100
# More than are made, each for the first time.
NETWORKS = [f"n{i}" for i in range(2 * KILLS)]
# Without a service, so that much of their making is to write files.
NETWORK = {"mode": "host", "dhcp": False, "dns_proxy": False, "router_advertisement": False}
KEPT = ("ipv4_subnet", "ipv6_prefix")  # of a record


def told(network):
    return [network["ipv4Subnet"], network["ipv6Prefix"]]


def kept_addresses(record):
    return [record[key] for key in KEPT]


def acquire_until_killed(broker, names, seed):
    """Kills the broker while it makes these networks; returns what it told of them before."""
    client = broker.client()
    for name in names:
        client.send("Acquire", {"network": name})
    random_moment(seed, 0.15)
    broker.kill()
    known = {}
    try:
        for name in names:
            known[name] = told(flat(client.receive()))
    except (EOFError, ConnectionError):
        pass
    client.close()
    return known


def records(directory):
    """{network: what its file has}; every file is whole."""
    found = {}
    for name in os.listdir(directory):
        network, _, kind = name.rpartition(".")
        if kind == "json":
            with open(os.path.join(directory, name), encoding="utf-8") as file:
                found[network] = json.load(file)
    return found


@pytest.mark.broker(config=dict.fromkeys(NETWORKS, NETWORK))
def test_killed_at_any_point(broker):
    seed = random.Random(4)
    names = iter(NETWORKS)
    wanted, known, kept = [], {}, {}
    for _ in range(KILLS):
        wanted += [next(names) for _ in range(2 - len(wanted))]
        known.update(acquire_until_killed(broker, wanted, seed))
        wanted = [name for name in wanted if name not in known]
        records(broker.runtime_dir)
        now = records(broker.state_dir)
        # Each is whole from the first, and none is ever written again, or lost.
        assert {name: now[name] for name in kept} == kept
        assert all({"bridge_mac", *KEPT} <= set(record) for record in now.values())
        kept = now
        broker.start()
    assert 0 < len(known) < len(NETWORKS), "all points were the same"
    print(f"{KILLS} kills: {len(kept)} networks had their file, {len(known)} were told")
    client = broker.client()
    for name, before in kept.items():
        addresses = kept_addresses(before)
        assert told(client.acquire(name)) == addresses == known.get(name, addresses)
        client.release(name)
    assert "damaged" not in broker.log()

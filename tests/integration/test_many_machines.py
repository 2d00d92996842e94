# SPDX-License-Identifier: Apache-2.0
"""Fifty machines on one network, that all come at once and all know each other."""

from concurrent.futures import ThreadPoolExecutor

from support.dns import Resolver
from support.wait import wait_for

MACHINES = 50


def test_fifty_machines(broker, plug_in):
    machines = [plug_in("default") for _ in range(MACHINES)]
    names = [f"node{i}" for i in range(MACHINES)]
    with ThreadPoolExecutor(MACHINES) as threads:
        list(threads.map(lambda m, name: m.dhcp(hostname=name), machines, names))
    addresses = {name: [machine.address] for name, machine in zip(names, machines)}
    assert len({machine.address for machine in machines}) == MACHINES

    for machine in machines:
        with Resolver(machine, machine.lease["dns"]) as resolver:
            assert {name: resolver.resolve(name) for name in names} == addresses
            assert resolver.resolve("node7.default.internal") == addresses["node7"]

    def leases():
        found = broker.inspect("default")["leases"]
        return {lease["hostname"]: [lease["address"]] for lease in found}

    wait_for(lambda: leases() == addresses, what="what the broker says of them")
    for machine, neighbour in zip(machines, machines[1:]):
        assert machine.ping(neighbour.address)

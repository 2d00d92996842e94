# SPDX-License-Identifier: Apache-2.0
"""What requests ask of the kernel, as scripts/check counts it: other load does not matter."""

import contextlib
import os

import pytest  # what is counted with is of the tests
from control import MANAGED
from support.broker import Broker
from support.counts import NETWORKS, count_acquires, count_requests
from support.host import Host
from support.manager import ManagedBroker

CALLS = "system calls: {}"
QUICK_ROUNDS, ROUNDS = 2, 5


def _count(broker, rounds):
    """Yields requests, and how many system calls they took each time."""
    for first, _ in count_acquires(broker, rounds):
        yield "acquire", first[0] // len(NETWORKS)
    for name, numbers in count_requests(broker, rounds).items():
        for calls, _ in numbers:
            yield name, calls


def measure(options, results, directory):
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    config = {name: {"mode": "shared"} for name in (*NETWORKS, "more")}
    for name, kind in (("broker", Broker), (MANAGED, ManagedBroker)):
        own = os.path.join(directory, kind.__name__)
        os.mkdir(own, 0o755)
        with contextlib.closing(Host(own, options.build)) as host:
            broker = kind(host, config=config)
            broker.start()
            try:
                for request, calls in _count(broker, rounds):
                    results.add(CALLS.format(request), "number", name, calls)
            except pytest.skip.Exception as reason:
                results.skip(f"system calls of the {name}", reason)
            broker.close_clients()
            broker.stop()

# SPDX-License-Identifier: Apache-2.0
"""What is aimed at, and how it is figured out of what was measured."""

import re
import statistics

from blocked import BLOCKED
from control import ATTACH, ATTACH_BESIDE, HOLD, MANAGED, OFFERED, READY, REMOVED, RUN, WITHOUT
from counted import CALLS
from datapath import OWN, PAYLOAD, SEGMENTS
from results import ratio, tail, tenths
from scale import ENDING, IDLE, NETWORK, SERVERS, WAKEUPS
from ways import ByHand, Masquerade

KINDS = "machine to machine", "machine to host", "machine to outside"
OTHERS = re.compile(r"broker, (\d+) other networks")
KIB_OF_MIB = 1024


def _of(contestant, base, measure):
    """The ratio of one to another."""

    def figure(results):
        values = results.values(measure)
        return ratio(values[contestant], values[base])

    return figure


def _of_tails(contestant, base, measure):
    def figure(results):
        values = results.values(measure)
        return tail(values[contestant]) / tail(values[base])

    return figure


def _with_others(measure):
    """With the most other networks to none."""

    def figure(results):
        values = results.values(measure)
        most = max((name for name in values if OTHERS.match(name)), key=_others)
        return ratio(values[most], values["broker"])

    return figure


def _others(name):
    return int(OTHERS.match(name)[1])


def _median(contestant, measure):
    return lambda results: statistics.median(results.values(measure)[contestant])


def _least(contestant, measure):
    return lambda results: min(results.values(measure)[contestant])


def _last_network(results):
    first, last = tenths(results.series(NETWORK)["broker"])
    return last / first


def _blocked(results):
    return max(value for values in results.values(BLOCKED).values() for value in values)


def _beyond_attach(results):
    values = results.values(RUN)
    pairs = zip(values["broker"], values[WITHOUT])
    return statistics.median(taken - without for taken, without in pairs) / 1000


def _first(measure):
    """Of the first contestant, or in the first state."""
    return lambda results: next(iter(results.values(measure).values()))[0]


def _memory_each(results):
    """Of a network more, from the first one on."""
    sizes = {name: of[0] for name, of in results.values(IDLE).items()}
    (many,) = (name for name in sizes if name.endswith(" networks"))
    return (sizes[many] - sizes["one network"]) * KIB_OF_MIB / (int(many.split()[0]) - 1)


def _servers(results):
    return results.values(SERVERS)["one network"][0]


def _wakeups_of_servers(results):
    return results.values(WAKEUPS)["broker's dnsmasq"][0]


def _packets():
    """A packet's cost: with networks, and beside what is made by hand."""
    for kind in KINDS:
        yield f"{kind}, most other networks to none", _with_others(f"{kind}, 60 bytes"), 1.03, ""
    for kind in KINDS:
        figure = _of("broker", Masquerade.name, f"{kind}, 60 bytes")
        yield f"{kind}, to by hand with masquerade", figure, 1.10, ""
    segments = (f"{name}, {SEGMENTS}" for name in ("broker", Masquerade.name))
    yield "64 KiB between machines, to by hand with masquerade", _of(*segments, PAYLOAD), 1.03, ""
    yield "the host's own, to without a broker", _of("broker", ByHand.name, OWN), 1.01, ""


# What, its figure, the most that it is to be where that is known, and the unit of both, if any.
TARGETS = (
    *_packets(),
    ("attach, to bare", _of("broker", "bare", ATTACH), 1.15, ""),
    ("attach beside networks, to bare", _of("broker", "bare", ATTACH_BESIDE), 1.2, ""),
    ("the same, 99th percentiles", _of_tails("broker", "bare", ATTACH_BESIDE), 1.2, ""),
    ("acquire under a service manager, to bare", _of(MANAGED, "bare", HOLD), 2, ""),
    ("system calls of an acquire", _least(MANAGED, CALLS.format("acquire")), 5, ""),
    ("system calls of an attach", _least(MANAGED, CALLS.format("attach")), 30, ""),
    ("system calls of a network", _least(MANAGED, CALLS.format("create")), 300, ""),
    ("network to first DHCP offer, to bare", _of("broker", "bare", OFFERED), 1.1, ""),
    ("creation of the last networks, to the first", _last_network, 2, ""),
    ("last hold released, to bare", _of("broker", "bare", REMOVED), 1.1, ""),
    ("the loop blocked, longest", _blocked, 1, "ms"),
    ("vmnetctl run, beyond the attach", _beyond_attach, 1, "ms"),
    ("resident memory, idle", _first(IDLE), 4, "MiB"),
    ("resident memory of a network more", _memory_each, 8, "KiB"),
    ("processes of a network", _servers, None, ""),
    ("wake-ups of the broker, idle", _first(WAKEUPS), 0, ""),
    ("wake-ups of all dnsmasq, idle", _wakeups_of_servers, None, ""),
    ("start to ready", _median("broker", READY), 3, "ms"),
    ("stop with all networks", _first(ENDING), 1000, "ms"),
)


def evaluate(results):
    """Each that something was measured for."""
    found = []
    for what, figure, most, unit in TARGETS:
        try:
            value = figure(results)
        except (KeyError, ValueError, StopIteration):
            continue  # another part has it
        met = None if most is None else value <= most
        found.append({"what": what, "unit": unit, "figure": value, "target": most, "met": met})
    return found

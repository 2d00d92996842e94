# SPDX-License-Identifier: Apache-2.0
"""Where a packet's cost goes: that of the broker's network whole, less without one part of it.

Beside that, what a host pays by hand for connections that are tracked, and for an empty hook.
"""

import fcntl
import os
import signal

from datapath import OWN, take_turns
from ways import ByHand, Masquerade, brokered

TABLE, GUARD = "vmnet-broker.networks", "vmnet-broker"
TUNDETACHFILTER, FILTER_SIZE = 0x401054D6, 16
MEASURES = (
    *(f"machine to {what}, 60 bytes" for what in ("machine", "host", "outside")),
    OWN,
)
Whole = brokered(0)


def _rules(way, rules):
    way.host.run("nft", "-f", "-", input=rules)


def _without_chain(family, name, table=TABLE):
    def take(way):
        _rules(way, f"flush chain {family} {table} {name}\ndelete chain {family} {table} {name}")

    return take


def _without_rules(family, name):
    return lambda way: _rules(way, f"flush chain {family} {TABLE} {name}")


def _with(family, *hooks, rule=""):
    chains = [f"chain {hook} {{ type filter hook {hook} priority 1; {rule}; }}" for hook in hooks]
    return lambda way: _rules(way, f"table {family} bench {{ {'; '.join(chains)}; }}")


def _for_ports(*words):
    def take(way):
        for port in way.host.links():
            if port.startswith("vmt"):
                way.host.run("tc", *words[:2], "dev", port, "ingress", *words[2:])

    return take


def _without_device_filter(way):
    for machine in way.machines:
        fcntl.ioctl(machine.fd, TUNDETACHFILTER, bytes(FILTER_SIZE))


def _without_nat(way):
    for name in ("masqueraded", "postrouting"):
        _without_chain("inet", name)(way)


def _bare(way):
    _rules(way, "flush ruleset")
    _for_ports("qdisc", "delete")(way)
    _without_device_filter(way)


# What is taken from a network of the broker's.
PARTS = {
    "all of these, and what tracks connections": _bare,
    "filters of a port": _for_ports("qdisc", "delete"),
    "of them, checksums completed by another device": _for_ports("filter", "delete", "pref", 2),
    "filter of a machine's device": _without_device_filter,
    "bridge prerouting: what machines may send": _without_chain("bridge", "prerouting"),
    "of it, the rules": _without_rules("bridge", "prerouting"),
    "bridge input: what the host takes": _without_chain("bridge", "input"),
    "spoofed: addresses from where they are": _without_chain("inet", "spoofed"),
    "input: what is for the host": _without_chain("inet", "input"),
    "forward: through the host": _without_chain("inet", "forward"),
    "forward: of the guard": _without_chain("inet", "forward", GUARD),
    "advertised: routes to the network": _without_chain("inet", "advertised"),
    "postrouting and masqueraded: NAT": _without_nat,
    "of them, masqueraded: nothing leaves without": _without_chain("inet", "masqueraded"),
    "nothing: how far two like networks differ": lambda way: None,
}

# What is put to a bridge by hand.
ADDED = {
    "by hand: an empty hook, bridge prerouting": _with("bridge", "prerouting"),
    "by hand: and one more, bridge input": _with("bridge", "prerouting", "input"),
    "by hand: an empty hook, inet prerouting": _with("inet", "prerouting"),
    "by hand: empty hooks, inet output and postrouting": _with("inet", "output", "postrouting"),
    "by hand: connections tracked": _with("inet", "prerouting", rule="ct state invalid"),
}


def _changed(kind, name, change):
    """A class of ways that are as the kind's, and then changed; a broker mends none of it."""

    def start(self):
        kind._start(self)
        for pid in self.host.processes("vmnet-broker"):
            os.kill(pid, signal.SIGSTOP)
        change(self)

    return type("Changed", (kind,), {"_start": start, "name": name})


def measure(options, results, directory):
    kinds = [Masquerade, ByHand, Whole]
    kinds += [_changed(Whole, name, change) for name, change in PARTS.items()]
    kinds += [_changed(ByHand, name, change) for name, change in ADDED.items()]
    turns = {}
    for turn, measure, way, taken in take_turns(kinds, options, results, directory, MEASURES):
        turns.setdefault((turn, measure), {})[way.name] = taken["processor"]
    for (_, measure), taken in turns.items():
        _record(results, f"{measure}, its parts", taken)


def _record(results, measure, taken):
    """Differences within a turn."""
    for name in (Whole.name, *PARTS, ByHand.name, Masquerade.name, *ADDED):
        if name not in taken:
            continue
        if name in PARTS:
            value = taken[Whole.name] - taken[name]
        elif name in ADDED:
            value = taken[name] - taken[ByHand.name]
        else:
            value = taken[name]
        results.add(measure, "ns of the processor a packet", name, value)

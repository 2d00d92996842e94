# SPDX-License-Identifier: Apache-2.0
"""Does the steps of a case of conformance/ with the binding for Python: driver.py sync|asyncio

The steps come on standard input, what came of them goes to standard output: driver.c.
"""

import asyncio
import dataclasses
import enum
import json
import os
import re
import sys

import vmnet_broker
from vmnet_broker import aio

EVENT_TIMEOUT = 20  # seconds


def plain(value):
    """A value of the binding as the protocol has it."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return int(value)  # times
    if dataclasses.is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return value


def network(info):
    """Without its configuration, and what is not counted in lists."""
    value = plain(info)
    for key in ("configuration", "next_configuration", "rogue_packets"):
        del value[key]
    return value


def inspection(found):
    value = plain(found)
    rogue_packets = value["network"]["rogue_packets"]
    return {**value, "network": network(found.network), "rogue_packets": rogue_packets}


def configuration(value):
    """One as the protocol has it, or None."""
    if isinstance(value, list):
        return [configuration(item) for item in value]
    if isinstance(value, dict):
        named = {re.sub("_(.)", lambda m: m[1].upper(), key): v for key, v in value.items()}
        return {key: configuration(v) for key, v in named.items() if v is not None}
    return value


def given(port_forwarding=(), **options):
    """Options as attach() takes them."""
    for key in ("rate_limit_in", "rate_limit_out"):
        if key in options:
            options[key] = vmnet_broker.RateLimit(**options[key])
    forwardings = [
        vmnet_broker.PortForwarding(protocol=vmnet_broker.Protocol(p.pop("protocol")), **p)
        for p in port_forwarding
    ]
    return {"port_forwarding": forwardings, **options}


def describe_fds(**fds):
    """What the descriptors are."""
    return {
        **{key: [os.readlink(f"/proc/self/fd/{fd}") for fd in value] for key, value in fds.items()},
        "inheritable": sum(os.get_inheritable(fd) for value in fds.values() for fd in value),
    }


def describe(interface):
    fds = describe_fds(tap=interface.tap_fds, vhost=interface.vhost_fds)
    return {"interface": plain(interface.info), **fds}


class Waiting:
    """The binding for callers that wait, as a coroutine has it: those never wait."""

    @staticmethod
    async def open(monitors):
        return vmnet_broker.Monitor() if monitors else vmnet_broker.Broker()

    @staticmethod
    async def finish(result):
        return result

    @staticmethod
    async def event(monitor):
        return monitor.next_event(EVENT_TIMEOUT)


class Asyncio:
    """The binding for asyncio."""

    @staticmethod
    async def open(monitors):
        return await (aio.monitor() if monitors else aio.connect())

    @staticmethod
    async def finish(result):
        return await result

    @staticmethod
    async def event(monitor):
        return await asyncio.wait_for(monitor.next_event(), EVENT_TIMEOUT)


class Driver:
    def __init__(self, binding):
        self.binding = binding
        self.connections = {}
        self.networks = {}
        self.interfaces = []

    async def step(self, step):
        try:
            return {"reply": await self.make(step.pop("call"), step.pop("on"), **step)}
        except vmnet_broker.BrokerError as error:
            return {
                "error": {
                    "status": error.status,
                    "message": error.message,
                    "name": error.name,
                    "field": error.field,
                }
            }

    async def make(self, call, on, network=None, **options):
        made = await self.ask(call, on, network)
        return await self.act(call, on, network, options) if made is None else made

    async def ask(self, call, on, name):
        """What tells something; None: another call."""
        finish = self.binding.finish
        if on not in self.connections:
            self.connections[on] = await self.binding.open(call == "monitor")
        broker = self.connections[on]
        if call == "list":
            return {"networks": [network(info) for info in await finish(broker.networks())]}
        if call == "configurations":
            networks = await finish(broker.networks())
            return {
                "configurations": [configuration(plain(info.configuration)) for info in networks],
                "next": [configuration(plain(info.next_configuration)) for info in networks],
            }
        if call == "inspect":
            return inspection(await finish(broker.inspect(name)))
        if call == "describe":
            return {"network": network(await finish(broker.describe(name)))}
        if call in ("clients", "interfaces", "leases"):
            return {call: plain(await finish(getattr(broker, call)(name)))}
        return None

    async def act(self, call, on, name, options):
        finish, broker = self.binding.finish, self.connections[on]
        if call == "acquire":
            acquired = self.networks[on, name] = await finish(broker.acquire(name))
            return {"network": network(acquired.info)}
        if call == "release":
            await finish(self.networks[on, name].release())
        elif call == "reload":
            await finish(broker.reload())
        elif call == "attach":
            interface = await finish(self.networks[on, name].attach(**given(**options)))
            self.interfaces.append(interface)
            return describe(interface)
        elif call == "detach":
            self.interfaces.pop().close()
        elif call == "capture":
            with await finish(broker.capture(name, self.device(options))) as capture:
                return describe_fds(capture=[capture.fileno()])
        elif call == "end":
            await finish(broker.end(name))
        elif call == "end_interface":
            await finish(broker.end(name, self.device(options)))
        elif call == "close":
            self.connections.pop(on).close()
        elif call == "event":
            return plain(await self.binding.event(broker))
        else:
            assert call == "monitor", call
        return {}

    def device(self, options):
        """The one that is named, or that of the interface that was attached last."""
        return options["device"] if "device" in options else self.interfaces[-1].device


async def main():
    driver = Driver({"sync": Waiting, "asyncio": Asyncio}[sys.argv[1]])
    results = [await driver.step(step) for step in json.load(sys.stdin)]
    json.dump(results, sys.stdout)
    for closed in [*driver.interfaces, *driver.connections.values()]:
        closed.close()


asyncio.run(main())

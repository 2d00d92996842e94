# SPDX-License-Identifier: Apache-2.0
"""Does the steps of a case of conformance/ with the binding for Python: driver.py sync|asyncio

The steps come on standard input, what came of them goes to standard output: driver.c.
"""

import asyncio
import dataclasses
import enum
import json
import os
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
    if dataclasses.is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return value


def describe(interface):
    """An interface, and what its descriptors are."""
    fds = interface.tap_fds + interface.vhost_fds
    return {
        "interface": plain(interface.info),
        "tap": [os.readlink(f"/proc/self/fd/{fd}") for fd in interface.tap_fds],
        "vhost": [os.readlink(f"/proc/self/fd/{fd}") for fd in interface.vhost_fds],
        "inheritable": sum(os.get_inheritable(fd) for fd in fds),
    }


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
        finish = self.binding.finish
        if on not in self.connections:
            self.connections[on] = await self.binding.open(call == "monitor")
        broker = self.connections[on]
        if call == "list":
            return {"networks": plain(await finish(broker.networks()))}
        if call == "inspect":
            return plain(await finish(broker.inspect(network)))
        if call == "acquire":
            acquired = self.networks[on, network] = await finish(broker.acquire(network))
            return {"network": plain(acquired.info)}
        if call == "release":
            await finish(self.networks[on, network].release())
        elif call == "reload":
            await finish(broker.reload())
        elif call == "attach":
            interface = await finish(self.networks[on, network].attach(**options))
            self.interfaces.append(interface)
            return describe(interface)
        elif call == "detach":
            self.interfaces.pop().close()
        elif call == "close":
            self.connections.pop(on).close()
        elif call == "event":
            return plain(await self.binding.event(broker))
        else:
            assert call == "monitor", call
        return {}


async def main():
    driver = Driver({"sync": Waiting, "asyncio": Asyncio}[sys.argv[1]])
    results = [await driver.step(step) for step in json.load(sys.stdin)]
    json.dump(results, sys.stdout)
    for closed in [*driver.interfaces, *driver.connections.values()]:
        closed.close()


asyncio.run(main())

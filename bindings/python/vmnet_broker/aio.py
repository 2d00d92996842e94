# SPDX-License-Identifier: Apache-2.0
"""The same for asyncio.

    async with await vmnet_broker.aio.acquire("default") as network:
        with await network.attach() as interface:
            ...

A call that is cancelled goes on without its caller, and what it gets is given back.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import (
    Any,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Optional,
    TypeVar,
    Union,
)

from . import _wire
from ._errors import BrokerError, InvalidReply
from ._types import (
    Capture,
    Client,
    Event,
    Inspection,
    Interface,
    InterfaceInfo,
    Lease,
    NetworkInfo,
    PortForwarding,
    RateLimit,
)

__all__ = ["Broker", "Monitor", "Network", "acquire", "connect", "monitor"]

T = TypeVar("T")


async def _keep(_: Any) -> None:
    """Undoes nothing."""


async def _close(opened: Union[Interface, Capture]) -> None:
    opened.close()


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class _Connection:
    """Makes one call at a time."""

    def __init__(self, connected: socket.socket) -> None:
        self._lock = asyncio.Lock()
        self._received = _wire.Received()
        self._socket = connected
        self._tasks: set[asyncio.Task[Any]] = set()  # the loop alone would forget them
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @classmethod
    async def open(cls, path: Optional[str]) -> _Connection:
        path = path or _wire.address()
        new = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        new.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(new, path)
        except OSError as error:
            new.close()
            raise _wire.unreachable(error, path) from error
        except BaseException:
            new.close()
            raise
        return cls(new)

    def close(self) -> None:
        _set(self._closed)
        self._end()

    def _end(self) -> None:
        if self._socket.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()

    async def finish(
        self, work: Coroutine[Any, Any, T], undo: Callable[[T], Awaitable[None]] = _keep
    ) -> T:
        """Waits for work, which goes on without a caller; undo then gives back what it got."""
        task = self._start(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._start(self._give_back(task, undo))
            raise

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    @staticmethod
    async def _give_back(task: asyncio.Task[T], undo: Callable[[T], Awaitable[None]]) -> None:
        with contextlib.suppress(BrokerError):
            await undo(await task)

    async def call(self, call: _wire.Call[T]) -> T:
        """Makes a call, and is not to be cancelled."""
        async with self._lock:
            try:
                await self._send(call.message)
                while True:
                    await self._wait_for_message()
                    result = self._received.take(call)
                    if not call.lists or not self._received.continues:
                        return result
            except (EOFError, OSError) as error:
                self._end()
                raise _wire.lost(call.network) from error
            except (ValueError, RecursionError):
                self._end()
                raise InvalidReply.plain(call.network) from None
            finally:
                self._received.close_fds()

    async def _send(self, message: bytes) -> None:
        # A broker that ends the connection may have said why: that is for the receiver to find.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            await asyncio.get_running_loop().sock_sendall(self._socket, message)

    async def wait(self) -> None:
        """Waits for a message. What is wrong with it is for call() to find.

        What has come in part stays, also when this is cancelled.
        """
        async with self._lock:
            with contextlib.suppress(EOFError, OSError, ValueError):
                await self._wait_for_message()

    async def _wait_for_message(self) -> None:
        while not self._received.has_message():
            try:
                self._received.read(self._socket)
            except BlockingIOError:
                await self._wait_for_input()

    async def _wait_for_input(self) -> None:
        loop = asyncio.get_running_loop()
        readable = loop.create_future()
        loop.add_reader(self._socket, _set, readable)
        try:
            await asyncio.wait({readable, self._closed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if self._socket.fileno() >= 0:
                loop.remove_reader(self._socket)


class Broker:
    """A connection to the broker: see connect(). Holds are taken on one, and end with it."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._lock = asyncio.Lock()  # of the holds
        self._holds: dict[str, int] = {}  # how many Networks stand for each

    async def networks(self) -> list[NetworkInfo]:
        """The networks that this user may acquire, active or not, by name."""
        return await self._finish(_wire.list_networks())

    async def describe(self, name: str) -> NetworkInfo:
        """About one network itself, which need not be held. name may be an alias, as always."""
        return await self._finish(_wire.describe(name))

    async def clients(self, name: str) -> list[Client]:
        """The connections that hold a network."""
        return await self._finish(_wire.list_clients(name))

    async def interfaces(self, name: str) -> list[InterfaceInfo]:
        """Those that are attached to a network."""
        return await self._finish(_wire.list_interfaces(name))

    async def leases(self, name: str) -> list[Lease]:
        """The addresses that a network's machines have by DHCP."""
        return await self._finish(_wire.list_leases(name))

    async def inspect(self, name: str) -> Inspection:
        """All of these, one after the other."""
        return Inspection(
            await self.describe(name),
            await self.clients(name),
            await self.interfaces(name),
            await self.leases(name),
        )

    async def acquire(self, name: str) -> Network:
        """Takes a hold on a network; returns when it is usable. name may be an alias.

        A connection has one hold on a network, which is given back when each of the Networks
        that were acquired of it is released.
        """
        return await self._connection.finish(self._acquire(_wire.acquire(name)), Network.release)

    async def _acquire(self, call: _wire.Call[NetworkInfo]) -> Network:
        async with self._lock:
            info = await self._connection.call(call)
            self._holds[info.name] = self._holds.get(info.name, 0) + 1
        return Network(self, info)

    async def _release(self, name: str) -> None:
        async with self._lock:
            self._holds[name] -= 1
            if self._holds[name] == 0:
                await self._connection.call(_wire.release(name))

    async def _finish(
        self, call: _wire.Call[T], undo: Callable[[T], Awaitable[None]] = _keep
    ) -> T:
        return await self._connection.finish(self._connection.call(call), undo)

    async def reload(self) -> None:
        """Has the broker read its configuration again. Root only."""
        await self._finish(_wire.reload())

    async def capture(self, network: str, device: str) -> Capture:
        """What a machine of this user's sends and gets from now on; for root, of any user's."""
        return await self._finish(_wire.capture(network, device), _close)

    async def end(self, network: str, device: Optional[str] = None) -> None:
        """Ends a network, or one interface: as vmnet_broker.Broker.end()."""
        await self._finish(_wire.end(network, device))

    def close(self) -> None:
        """Ends the connection, and with it every hold of it. Interfaces that are open stay."""
        self._connection.close()

    async def __aenter__(self) -> Broker:
        return self

    async def __aexit__(self, *_: Any) -> None:
        self.close()


class Network:
    """A hold on a network: it stays until release(), or the connection's end."""

    def __init__(self, broker: Broker, info: NetworkInfo) -> None:
        self.info = info  # as it was when it was acquired
        self._broker = broker
        self._released = False
        self._owner = False  # the connection is this network's alone

    @property
    def name(self) -> str:
        """Its own name, also where it was acquired by an alias."""
        return self.info.name

    async def attach(
        self,
        *,
        mac_address: Optional[str] = None,
        name: Optional[str] = None,
        ipv4_address: Optional[_wire.IPv4] = None,
        ipv6_address: Optional[_wire.IPv6] = None,
        port_forwarding: Iterable[PortForwarding] = (),
        rate_limit_in: Optional[RateLimit] = None,
        rate_limit_out: Optional[RateLimit] = None,
        queues: int = 1,
        vhost: bool = False,
        open_by_name: bool = False,
    ) -> Interface:
        """Attaches an interface: what is asked for is as with vmnet_broker.Network.attach()."""
        call = _wire.attach(
            self.name,
            mac_address=mac_address,
            name=name,
            ipv4_address=ipv4_address,
            ipv6_address=ipv6_address,
            port_forwarding=port_forwarding,
            rate_limit_in=rate_limit_in,
            rate_limit_out=rate_limit_out,
            queues=queues,
            vhost=vhost,
            open_by_name=open_by_name,
        )
        return await self._broker._finish(call, _close)

    async def release(self) -> None:
        """Gives the hold back, and does nothing the second time."""
        if self._released:
            return
        self._released = True
        try:
            connection = self._broker._connection
            await connection.finish(self._broker._release(self.name))
        finally:
            if self._owner:
                self._broker.close()

    async def __aenter__(self) -> Network:
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.release()


async def connect(path: Optional[str] = None) -> Broker:
    """Connects to the broker. path: as of vmnet_broker.Broker."""
    return Broker(await _Connection.open(path))


async def acquire(name: str, path: Optional[str] = None) -> Network:
    """Connects to the broker and acquires a network, whose release ends the connection, too."""
    broker = await connect(path)
    try:
        network = await broker.acquire(name)
    except BaseException:
        broker.close()
        raise
    network._owner = True
    return network


class Monitor:
    """Receives events, on a connection of its own: see monitor()."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    async def next_event(self) -> Event:
        """Waits for the next event. None is lost when this is cancelled."""
        await self._connection.wait()
        return await self._connection.call(_wire.next_event())

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            yield await self.next_event()

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    async def __aenter__(self) -> Monitor:
        return self

    async def __aexit__(self, *_: Any) -> None:
        self.close()


async def monitor(path: Optional[str] = None) -> Monitor:
    """Receives what happens from now on. The broker ends one that does not take its events."""
    connection = await _Connection.open(path)
    try:
        await connection.call(_wire.monitor())
    except BaseException:
        connection.close()
        raise
    return Monitor(connection)

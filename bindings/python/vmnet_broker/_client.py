# SPDX-License-Identifier: Apache-2.0
"""Connections for a caller that waits."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any, Iterable, Iterator, Optional, TypeVar

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

T = TypeVar("T")


class _Connection:
    """Makes one call at a time."""

    def __init__(self, path: Optional[str], timeout: Optional[float]) -> None:
        path = path or _wire.address()
        self._timeout = timeout
        self._lock = threading.Lock()
        self._received = _wire.Received()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise _wire.unreachable(error, path) from error

    def close(self) -> None:
        # Wakes up whoever waits for it.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def call(self, call: _wire.Call[T]) -> T:
        with self._lock:
            try:
                self._socket.settimeout(self._timeout)
                self._send(call.message)
                while True:
                    while not self._received.has_message():
                        self._received.read(self._socket)
                    result = self._received.take(call)
                    if not call.lists or not self._received.continues:
                        return result
            except BrokerError:
                raise
            except BaseException as error:
                # What comes now would be taken for the reply to another call.
                self.close()
                reason = self._reason(error, call.network)
                if reason is error:
                    raise
                raise reason from error
            finally:
                self._received.close_fds()

    def _send(self, message: bytes) -> None:
        # A broker that ends the connection may have said why: that is for the receiver to find.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(message)

    @staticmethod
    def _reason(error: BaseException, network: Optional[str]) -> BaseException:
        """What the caller is told."""
        if isinstance(error, socket.timeout):
            return TimeoutError("the broker has not answered in time")
        if isinstance(error, (EOFError, OSError)):
            return _wire.lost(network)
        if isinstance(error, (ValueError, RecursionError)):
            return InvalidReply.plain(network)
        return error

    def wait_for_message(self, timeout: Optional[float]) -> bool:
        """False: none has come in time. What is wrong with it is for call() to find."""
        with self._lock:
            try:
                self._socket.settimeout(timeout)
                while not self._received.has_message():
                    self._received.read(self._socket)
            except (socket.timeout, BlockingIOError):
                return False
            except (EOFError, OSError, ValueError):
                pass
            return True


class Broker:
    """A connection to the broker. Holds are taken on one, and end with it.

    path: the socket; None: what VMNET_BROKER_SOCKET says, or the usual one.
    timeout: seconds that a call may take; the connection ends with one that takes longer, and
        with one that a signal's handler interrupts by an exception.

    Several threads may use it; they wait for each other.
    """

    def __init__(self, path: Optional[str] = None, timeout: Optional[float] = None) -> None:
        self._connection = _Connection(path, timeout)
        self._lock = threading.Lock()  # of the holds
        self._holds: dict[str, int] = {}  # how many Networks stand for each

    def networks(self) -> list[NetworkInfo]:
        """The networks that this user may acquire, active or not, by name."""
        return self._connection.call(_wire.list_networks())

    def describe(self, name: str) -> NetworkInfo:
        """About one network itself, which need not be held. name may be an alias, as always."""
        return self._connection.call(_wire.describe(name))

    def clients(self, name: str) -> list[Client]:
        """The connections that hold a network."""
        return self._connection.call(_wire.list_clients(name))

    def interfaces(self, name: str) -> list[InterfaceInfo]:
        """Those that are attached to a network."""
        return self._connection.call(_wire.list_interfaces(name))

    def leases(self, name: str) -> list[Lease]:
        """The addresses that a network's machines have by DHCP."""
        return self._connection.call(_wire.list_leases(name))

    def inspect(self, name: str) -> Inspection:
        """All of these, one after the other."""
        return Inspection(
            self.describe(name), self.clients(name), self.interfaces(name), self.leases(name)
        )

    def acquire(self, name: str) -> Network:
        """Takes a hold on a network; returns when it is usable. name may be an alias.

        A connection has one hold on a network, which is given back when each of the Networks
        that were acquired of it is released.
        """
        with self._lock:
            info = self._connection.call(_wire.acquire(name))
            self._holds[info.name] = self._holds.get(info.name, 0) + 1
        return Network(self, info)

    def _attach(self, call: _wire.Call[Interface]) -> Interface:
        return self._connection.call(call)

    def _release(self, name: str) -> None:
        with self._lock:
            self._holds[name] -= 1
            if self._holds[name] == 0:
                self._connection.call(_wire.release(name))

    def reload(self) -> None:
        """Has the broker read its configuration again. Root only."""
        self._connection.call(_wire.reload())

    def capture(self, network: str, device: str) -> Capture:
        """What a machine of this user's sends and gets from now on; for root, of any user's."""
        return self._connection.call(_wire.capture(network, device))

    def end(self, network: str, device: Optional[str] = None) -> None:
        """Ends a network whoever uses it: its interfaces, and all holds with their connections.

        The next call on such a connection raises Ended; a hold of this one is released.

        device: of one machine, whose interface ends alone.

        Only for root, or when all that ends is the caller's own user's.
        """
        self._connection.call(_wire.end(network, device))

    def close(self) -> None:
        """Ends the connection, and with it every hold of it. Interfaces that are open stay."""
        self._connection.close()

    def __enter__(self) -> Broker:
        return self

    def __exit__(self, *_: Any) -> None:
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

    def attach(
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
        """Attaches an interface, which is all that for as long as it lives.

        mac_address: None: the broker chooses, the same for the same network, user and name.
        name: of the machine: a DNS label that no other one there has.
        ipv4_address, ipv6_address: of the network, and free; None: DHCP's choice.
        port_forwarding: ports of the host that are to lead to it.
        rate_limit_in, rate_limit_out: to the machine and from it; None: the configuration's.
        queues: 1 to 16.
        vhost: open /dev/vhost-net too, once per queue, where the host has it.
        open_by_name: a device that the caller's user can open by its name. It goes when the hold
            does, and no descriptor comes with it.
        """
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
        return self._broker._attach(call)

    def release(self) -> None:
        """Gives the hold back, and does nothing the second time."""
        if self._released:
            return
        self._released = True
        try:
            self._broker._release(self.name)
        finally:
            if self._owner:
                self._broker.close()

    def __enter__(self) -> Network:
        return self

    def __exit__(self, *_: Any) -> None:
        self.release()


def acquire(name: str, path: Optional[str] = None, timeout: Optional[float] = None) -> Network:
    """Connects to the broker and acquires a network, whose release ends the connection, too."""
    broker = Broker(path, timeout)
    try:
        network = broker.acquire(name)
    except BaseException:
        broker.close()
        raise
    network._owner = True
    return network


class Monitor:
    """Receives events, on a connection of its own: none is missed of what happens from now on.

    The broker ends one that does not take its events.
    """

    def __init__(self, path: Optional[str] = None) -> None:
        self._connection = _Connection(path, None)
        try:
            self._connection.call(_wire.monitor())
        except BaseException:
            self.close()
            raise

    def next_event(self, timeout: Optional[float] = None) -> Optional[Event]:
        """Waits for the next event, for up to so many seconds; None: none has come."""
        if not self._connection.wait_for_message(timeout):
            return None
        return self._connection.call(_wire.next_event())

    def __iter__(self) -> Iterator[Event]:
        while True:
            event = self.next_event()
            assert event is not None  # without a timeout it waits
            yield event

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

# SPDX-License-Identifier: Apache-2.0
"""Router advertisements: what a machine is told that asks for one, and what is in it."""

import json
import socket
import struct
import time

from .wait import wait_for

SOLICITATION, ADVERTISEMENT = 133, 134
PREFIX, MTU, DNS_SERVERS = 3, 5, 25
ALL_NODES, ALL_ROUTERS = "ff02::1", "ff02::2"


class Advertisement:
    """router: the address it came from; lifetime: seconds that it is a router for, or 0."""

    def __init__(self, router, message):
        self.router, self.message = router, message
        self.lifetime = struct.unpack_from("!H", message, 6)[0]
        self.prefixes, self.mtu, self.dns_servers = [], None, []
        rest = message[16:]
        while rest:
            self._take(rest[0], rest[: 8 * rest[1]])
            rest = rest[8 * rest[1] :]

    def _take(self, kind, option):
        if kind == PREFIX:
            prefix = socket.inet_ntop(socket.AF_INET6, option[16:32])
            self.prefixes.append(f"{prefix}/{option[2]}")
        elif kind == MTU:
            self.mtu = struct.unpack_from("!I", option, 4)[0]
        elif kind == DNS_SERVERS:
            self.dns_servers += [
                socket.inet_ntop(socket.AF_INET6, option[i : i + 16])
                for i in range(8, len(option), 16)
            ]


def solicit(namespace, device="eth0", tries=10):
    """Asks for an advertisement; None when nobody has answered any of the tries within 0.5 s.

    Waits for the device's link-local address first: who asks from another one is answered from
    another one, as no router may.
    """

    def has_link_local():
        listing = json.loads(namespace.ip(f"-6 -j address show dev {device} scope link") or "[]")
        found = [address for entry in listing for address in entry.get("addr_info", [])]
        return any("local" in address and not address.get("tentative") for address in found)

    wait_for(has_link_local, what=f"a link-local address of {namespace.name}")
    with namespace.entered():
        asking = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        index = socket.if_nametoindex(device)
    with asking:
        asking.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        for _ in range(tries):
            asking.sendto(struct.pack("!BBHI", SOLICITATION, 0, 0, 0), (ALL_ROUTERS, 0, 0, index))
            answer = _receive(asking, time.monotonic() + 0.5)
            if answer:
                return answer
    return None


def router_advertisement(lifetime):
    """The message of one who is a router, for lifetime seconds, or is none any more."""
    return struct.pack("!BBHBBHII", ADVERTISEMENT, 0, 0, 64, 0, lifetime, 0, 0)


def advertise(namespace, message, device="eth0"):
    """Sends an advertisement to all on the device's link."""
    with namespace.entered():
        sending = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        index = socket.if_nametoindex(device)
    with sending:
        sending.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        sending.sendto(message, (ALL_NODES, 0, 0, index))


def _receive(asking, deadline):
    while (left := deadline - time.monotonic()) > 0:
        asking.settimeout(left)
        try:
            message, address = asking.recvfrom(2048)
        except TimeoutError:
            break
        if message[0] == ADVERTISEMENT:
            return Advertisement(address[0].partition("%")[0], message)
    return None

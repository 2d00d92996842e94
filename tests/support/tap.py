# SPDX-License-Identifier: Apache-2.0
"""TAP devices by name, as a program opens them that takes no descriptor."""

import fcntl
import os
import struct

from .varlink import as_user

TUNSETIFF = 0x400454CA
TUNSETPERSIST = 0x400454CB
TUNSETLINK = 0x400454CD
TUNGETIFF = 0x800454D2
ARPHRD_LOOPBACK = 772
IFF_TUN, IFF_TAP, IFF_MULTI_QUEUE, IFF_NO_PI, IFF_VNET_HDR = 0x0001, 0x0002, 0x0100, 0x1000, 0x4000


def open_tap(host, name, uid=0, flags=IFF_TAP | IFF_NO_PI | IFF_VNET_HDR):
    """Opens the host's device as the user uid, or makes it. Returns a descriptor."""
    with host.entered():
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    try:
        with as_user(uid):
            fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
    except OSError:
        os.close(fd)
        raise
    return fd


def _request(fd):
    request = bytearray(40)
    fcntl.ioctl(fd, TUNGETIFF, request)
    return request


def tap_name(fd):
    """That of an open device."""
    return _request(fd)[:16].rstrip(b"\0").decode()


def tap_flags(fd):
    """IFF_* of an open device."""
    return struct.unpack_from("H", _request(fd), 16)[0]

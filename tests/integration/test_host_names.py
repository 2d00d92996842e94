# SPDX-License-Identifier: Apache-2.0
"""Names of machines on the host (nss/): by the module of the C library, and by the hook of
systemd-resolved."""

import base64
import ctypes
import errno
import os
import signal
import socket
import struct
import sys

import pytest

from support.host import SERVER_IPV4, SERVER_IPV6
from support.varlink import Client
from support.wait import wait_for

USER = 1234
LONG = "a-network-whose-name-is-too-long-for-a-link"
CONFIG = {
    "lab": {
        "mode": "shared",
        "subnet": "192.168.105.0/24",
        "ipv6_prefix": "fd12:3456:789a:5::/64",
    },
    "a..b-": {"mode": "host", "subnet": "192.168.106.0/24"},
    LONG: {"mode": "host", "subnet": "192.168.107.0/24"},
}
MODULE = "libnss_vmnet_broker.so.2"
# What programs do in threads of theirs leaves nothing open.
MANY = """
import concurrent.futures, os, socket, sys
def find(_):
    try:
        return socket.getaddrinfo(sys.argv[1], None)[0][4][0]
    except socket.gaierror as error:
        return error.errno
find(0)
before = len(os.listdir("/proc/self/fd"))
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    found = set(pool.map(find, range(200)))
assert len(os.listdir("/proc/self/fd")) == before
print(*found)
"""
UNAVAIL, TRYAGAIN = -1, -2  # as nss.h has them
HOOK = "io.systemd.Resolve.Hook"
A, TXT, AAAA = 1, 16, 28  # as DNS has them
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3
PASSED_ON = (None, [])

pytestmark = pytest.mark.broker(config=CONFIG)


class Names:
    """What programs of the host find, which are an unprivileged user's."""

    def __init__(self, host):
        self.host = host
        self.environment = {**os.environ, "LD_LIBRARY_PATH": host.find_machines()}

    def run(self, *argv):
        return self.host.run(*argv, uid=USER, check=False, env=self.environment)

    def find(self, name, database="ahosts"):
        """All addresses, in order."""
        lines = self.run("getent", database, name).stdout.splitlines()
        return list(dict.fromkeys(line.split()[0] for line in lines))


@pytest.fixture
def names(broker):
    return Names(broker.host)


def test_machines_are_found(names, broker, join):
    web = join("lab", hostname="web")
    ipv6 = web.ipv6_address()
    wait_for(lambda: ipv6 in names.find("web.lab.internal"), what="both addresses")
    assert set(names.find("web.lab.internal")) == {web.address, ipv6}
    for name in "Web.LAB.Internal", "web.lab.internal.":
        assert web.address in names.find(name)
    assert names.find("web.lab.internal", "ahostsv4") == [web.address]
    assert names.find("web.lab.internal", "ahostsv6")[0] == ipv6
    assert names.find("web.lab.internal", "hosts") == [ipv6]
    assert names.find("gateway.lab.internal", "ahostsv4") == ["192.168.105.1"]
    named = join("lab", hostname="other", name="mail")
    assert names.find("mail.lab.internal", "ahostsv4") == [named.address]
    broker.kill()
    assert names.find("mail.lab.internal", "ahostsv4") == [named.address]
    broker.start()
    assert names.find("mail.lab.internal", "ahostsv4") == [named.address]
    for network, domain in ("a..b-", "ab"), (LONG, LONG):
        machine = join(network, hostname="db")
        assert names.find(f"db.{domain}.internal") == [machine.address]


def test_nobody_else_is_asked_about_a_network(names, join, outside):
    """And of what is none, this module knows nothing."""
    lies = ("none.lab.internal", "web.lab.internal", "x.cloud.internal", "a.web.lab.internal")
    outside.dnsmasq(
        "--bind-interfaces",
        f"--listen-address={SERVER_IPV4},{SERVER_IPV6}",
        *(f"--host-record={name},203.0.113.9" for name in lies),
    )
    wait_for(lambda: names.find("x.cloud.internal") == ["203.0.113.9"], what="the outside")
    web = join("lab", hostname="web")
    assert names.find("web.lab.internal", "ahostsv4") == [web.address]
    assert not names.find("none.lab.internal")
    assert names.find("x.cloud.internal") == ["203.0.113.9"]
    web.kill()
    web.client.close()
    wait_for(lambda: names.find("web.lab.internal") == ["203.0.113.9"], what="the network's end")


def test_a_server_that_says_nothing_is_waited_for_a_while(names, join):
    join("lab", hostname="web")
    (server,) = names.host.processes("dnsmasq")
    os.kill(server, signal.SIGSTOP)
    try:
        assert names.run("timeout", "5", "getent", "ahosts", "web.lab.internal").returncode == 2
    finally:
        os.kill(server, signal.SIGCONT)


def test_threads_leave_nothing_open(names, join):
    web = join("lab", hostname="web")
    found = names.run(sys.executable, "-c", MANY, "web.lab.internal").stdout.split()
    assert web.address in found and not {"-2", "-3"} & set(found)
    # Of a network that is there and a machine that is not.
    assert names.run(sys.executable, "-c", MANY, "db.lab.internal").stdout == "-2\n"


class Host(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("aliases", ctypes.POINTER(ctypes.c_char_p)),
        ("family", ctypes.c_int),
        ("length", ctypes.c_int),
        ("addresses", ctypes.POINTER(ctypes.c_void_p)),
    )


def test_buffers_may_be_too_small(names, join, build):
    """Of whatever size: what does not fit is said, and nothing is written behind."""
    web = join("lab", hostname="web")
    module = ctypes.CDLL(os.path.join(build, "nss", MODULE))
    look_up = module._nss_vmnet_broker_gethostbyname2_r
    host, error, host_error = Host(), ctypes.c_int(), ctypes.c_int()
    buffer = ctypes.create_string_buffer(b"\xaa" * 512)

    def find(name, size):
        room = (buffer, ctypes.c_size_t(size), ctypes.byref(error), ctypes.byref(host_error))
        with names.host.entered():
            return look_up(name, socket.AF_INET, ctypes.byref(host), *room)

    assert find(b"web.other.internal", 512) == UNAVAIL
    sizes = iter(range(512))
    while find(b"web.lab.internal", size := next(sizes)) == TRYAGAIN:
        assert error.value == errno.ERANGE
        assert set(buffer.raw[size:512]) == {0xAA}
    assert host.name == b"web.lab.internal" and not host.aliases[0]
    assert set(buffer.raw[size:512]) == {0xAA}
    address = ctypes.string_at(host.addresses[0], host.length)
    assert socket.inet_ntoa(address) == web.address and not host.addresses[1]


@pytest.fixture
def hook(broker, directory):
    """Where systemd-resolved would connect."""
    path = os.path.join(directory, "hook")
    program = broker.host.program("nss/vmnet-broker-names")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        os.chmod(path, 0o666)
        process = broker.host.popen("sh", "-c", 'exec "$0" 3<&0', program, stdin=listener)
    yield path
    process.kill()
    process.wait()


def send_question(client, name, *types):
    question = [{"key": {"class": 1, "type": one, "name": name}} for one in types]
    client.send(f"{HOOK}.ResolveRecord", {"question": question})


def ask(client, name, *types):
    """What a question is answered: its code, and the addresses."""
    send_question(client, name, *types)
    reply = client.receive()
    wire = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    addresses = []
    for answer in reply.get("answer", []):
        record = base64.b64decode(answer["raw"], validate=True)
        assert record.startswith(wire)
        kind, internet, _, length = struct.unpack_from(">HHIH", record, len(wire))
        address = record[len(wire) + 10 :]
        assert kind in types and internet == 1 and length == len(address)
        family = socket.AF_INET if kind == A else socket.AF_INET6
        addresses.append(socket.inet_ntop(family, address))
    return reply.get("rcode"), addresses


def test_the_hook_of_systemd_resolved(broker, hook, join):
    with Client(hook) as client, Client(hook) as other, Client(hook, uid=USER) as stranger:
        assert client.call(f"{HOOK}.QueryFilter")["filterDomains"] == ["internal"]
        assert ask(client, "web.lab.internal", A) == PASSED_ON
        web = join("lab", hostname="web")
        both = {web.address, web.ipv6_address()}
        wait_for(
            lambda: set(ask(client, "web.lab.internal", A, AAAA)[1]) == both, what="both addresses"
        )
        assert ask(client, "Web.LAB.internal", A) == (NOERROR, [web.address])
        assert ask(client, "web.lab.internal", TXT) == (NOERROR, [])
        assert ask(client, "none.lab.internal", A, AAAA) == (NXDOMAIN, [])
        for name in "web.host.internal", "lab.internal", "web.lab.internal.example":
            assert ask(client, name, A, AAAA) == PASSED_ON
        wait_for(stranger.is_closed, what="the end of who may not ask")

        (server,) = broker.host.processes("dnsmasq")
        os.kill(server, signal.SIGSTOP)
        try:
            send_question(client, "web.lab.internal", A)
            # Who asks for something else does not wait.
            assert ask(other, "web.host.internal", A) == PASSED_ON
            assert client.receive() == {"rcode": SERVFAIL, "answer": []}
        finally:
            os.kill(server, signal.SIGCONT)
        web.kill()
        web.client.close()
        wait_for(lambda: ask(client, "web.lab.internal", A) == PASSED_ON, what="the network's end")

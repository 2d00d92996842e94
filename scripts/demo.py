# SPDX-License-Identifier: Apache-2.0
"""The demonstration itself; scripts/demo prepares it.

It stands on what the tests use: a host and the world outside of it in namespaces, a real broker,
and real machines that are started by vmnetctl.
"""

import argparse
import contextlib
import http.server
import os
import shutil
import signal
import sys
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tests"))

from support.broker import Broker  # noqa: E402
from support.guest import Guest  # noqa: E402
from support.host import HOST_IPV4, SERVER_IPV4, SERVER_NAME, Host  # noqa: E402
from support.isolate import isolate  # noqa: E402
from support.wait import wait_for  # noqa: E402

ALICE, BOB = 2001, 2002
BRIDGE = "vmb-default"
START = time.monotonic()


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


class Step:
    """One line of the demonstration: what was done, how it went and when."""

    def __init__(self, text):
        self.text = text
        self.detail = ""

    def __enter__(self):
        return self

    def _mark(self, held):
        text = "ok" if held else "FAILED"
        if not sys.stdout.isatty():
            return f"{text:6}"
        return f"\033[{32 if held else 31}m{text:6}\033[0m"

    def __exit__(self, kind, _value, _traceback):
        print(
            f"{time.monotonic() - START:6.1f} s  {self._mark(kind is None)}  {self.text}"
            + (f": {self.detail}" if self.detail else ""),
            flush=True,
        )


class PeerAddress(http.server.BaseHTTPRequestHandler):
    """The server outside: tells each client the address that it came from."""

    def do_GET(self):
        body = self.client_address[0].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def start_server(outside, stack):
    """The server's web service and its names."""
    outside.start_dns()
    with outside.entered():
        server = http.server.ThreadingHTTPServer((SERVER_IPV4, 80), PeerAddress)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    stack.callback(server.server_close)
    stack.callback(server.shutdown)


def show(text):
    for line in text.rstrip().splitlines():
        print(f"{'':18}{line}".rstrip())


def start_machines(broker, kvm, stack):
    """Both boot at the same time; the network is made by the first."""
    with Step(f"alice, user {ALICE} without root, starts a machine by vmnetctl run") as step:
        alice = Guest(broker, uid=ALICE, kvm=kvm, name="alice")
        stack.callback(alice.close)
        wait_for(lambda: BRIDGE in broker.host.links(), 15, f"{BRIDGE}\n{alice.log()}")
        wait_for(lambda: broker.client().networks()["default"]["active"], 15, "the network")
        network = broker.client().networks()["default"]
        step.detail = f'network "default" came up as {BRIDGE}, {network["ipv4Subnet"]}'
    with Step(f"bob, user {BOB}, starts another on the same network"):
        bob = Guest(broker, uid=BOB, kvm=kvm, name="bob")
        stack.callback(bob.close)
    for guest in alice, bob:
        with Step(f"{guest.name}'s machine runs") as step:
            guest.boot()
            step.detail = "Linux " + guest.output("uname -r")
        with Step(f"{guest.name}'s machine asks for an address by DHCP") as step:
            guest.ip, seconds = guest.dhcp()
            step.detail = f"{guest.ip} after {seconds:.1f} s"
    expect(alice.ip != bob.ip, "two machines with one address")
    return alice, bob, network


def show_traffic(alice, bob, network):
    for guest, other in (alice, bob), (bob, alice):
        for name, address in (
            (f"{other.name}'s", other.ip),
            ("the host", network["ipv4Gateway"]),
            ("the server outside", SERVER_IPV4),
        ):
            with Step(f"{guest.name}'s machine reaches {name}, {address}"):
                expect(guest.ping(address), "no answer")
        with Step(f"{guest.name}'s machine resolves {SERVER_NAME}") as step:
            addresses = guest.resolve(SERVER_NAME)
            expect(SERVER_IPV4 in addresses, f"resolved to {addresses}")
            step.detail = SERVER_IPV4
        with Step(f"{guest.name}'s machine asks the server by HTTP who is there") as step:
            seen = guest.output(f"wget -q -O - http://{SERVER_NAME}/")
            expect(seen == HOST_IPV4, f"the server saw {seen}")
            step.detail = f"{seen}, the host's own address: NAT"


def show_death(broker, alice, bob):
    bob.run(f"ping -i 0.2 {SERVER_IPV4} >/tmp/ping & echo $! >/tmp/pid")
    with Step("alice's machine is killed with SIGKILL") as step:
        status = alice.kill()
        expect(status == 128 + signal.SIGKILL, f"vmnetctl ended with status {status}")
        wait_for(lambda: broker.client().networks()["default"]["interfaces"] == 1, 10, "its end")
        step.detail = "its interface and its hold are gone"
    with Step("bob's machine keeps its network") as step:
        replies = "grep -c 'bytes from' /tmp/ping"
        seen = int(bob.run(replies, check=False)[1])
        wait_for(lambda: int(bob.run(replies, check=False)[1]) >= seen + 5, 20, "more replies")
        bob.run("kill -INT $(cat /tmp/pid)")
        summary = wait_for(
            lambda: bob.run("grep transmitted /tmp/ping", check=False)[1].strip(), 10, "ping's end"
        )
        expect(", 0% packet loss" in summary, summary)
        step.detail = f"ping all along: {summary}"


def demonstrate(directory, build, kvm, stack):
    with Step("a host in a namespace of its own, and outside of it a server") as step:
        host = Host(directory, build)
        stack.callback(host.close)
        start_server(host.outside, stack)
        step.detail = f"{SERVER_NAME}, {SERVER_IPV4}"
    with Step("the broker is started: nothing but its socket is there"):
        broker = Broker(host, args=[])
        stack.callback(broker.close_clients)
        broker.start()
        stack.callback(lambda: sys.exc_info()[0] and show(broker.log()))
        broker.wait_until_clean()
    alice, bob, network = start_machines(broker, kvm, stack)
    show_traffic(alice, bob, network)
    with Step("vmnetctl networks and vmnetctl inspect, as bob sees them"):
        tables = [
            broker.vmnetctl("networks", uid=BOB).stdout,
            broker.vmnetctl("inspect", "default", uid=BOB).stdout,
        ]
    show("\n\n".join(table.rstrip() for table in tables))
    show_death(broker, alice, bob)
    with Step("bob's machine is powered off"):
        status = bob.poweroff()
        expect(status == 0, f"vmnetctl ended with status {status}")
    with Step("the host is as it was before") as step:
        broker.close_clients()
        broker.wait_until_clean()
        step.detail = "compared: " + ", ".join(broker.snapshot())
    with Step("the broker ends when asked to"):
        broker.stop()
        broker.wait_until_clean()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kvm", action="store_true")
    parser.add_argument("build")
    options = parser.parse_args()
    isolate()
    directory = tempfile.mkdtemp(prefix="vmnet-broker-demo-")
    os.chmod(directory, 0o755)
    try:
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, directory)
            demonstrate(directory, os.path.abspath(options.build), options.kvm, stack)
    except KeyboardInterrupt:
        print("interrupted")
        return 130
    except Exception as error:  # whatever did not hold is the demonstration's result
        print(f"\n{error}\n\nThe demonstration failed.")
        return 1
    print(f"\nEverything held, in {time.monotonic() - START:.0f} s.")
    return 0


sys.exit(main())

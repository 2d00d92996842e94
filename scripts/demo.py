# SPDX-License-Identifier: Apache-2.0
"""The demonstration itself; scripts/demo prepares it.

It stands on what the tests use: a host and the world outside of it in namespaces, a real broker,
and real machines that are started by vmnetctl. What is shown as typed is what is run.
"""

import argparse
import contextlib
import os
import shutil
import signal
import sys
import tempfile

import demo_hosts
from demo_parts import (
    Chapter,
    Terminal,
    environment_of,
    expect,
    seconds,
    show,
    show_start,
    terminal,
)

from support.broker import Broker
from support.echo import WhoServer
from support.guest import Guest
from support.host import HOST_IPV4, SERVER_NAME, Host
from support.isolate import isolate
from support.wait import wait_for

ALICE, BOB = 2001, 2002
PUBLISH = ["--publish", "8080:80"]
PAGE = "Hello, this is web"
PINGS = 300
INTRODUCTION = """
vmnet-broker: machines with names, a port of the host, and a broker that is killed

The host is a namespace, and so is the world outside of it. What is typed by whom is
shown as it is run, but for "...": that is where the broker keeps its files here, and
what the machines boot."""


class World:
    """The host, its broker and its users, and what is outside."""

    def __init__(self, directory, build, kvm, stack):
        self._kvm = kvm
        self._stack = stack
        self.host = Host(directory, build)
        stack.callback(self.host.close)
        self.host.outside.start_dns()
        stack.enter_context(WhoServer(self.host.outside, 7, "you come from"))
        self.broker = Broker(self.host, args=[])
        stack.callback(self.broker.close_clients)
        stack.callback(lambda: sys.exc_info()[0] and show(self.broker.log()))
        environment = environment_of(self.broker)
        self.root = terminal("root#", self.host, 0, environment)
        self.alice = terminal("alice$", self.host, ALICE, environment)
        self.bob = terminal("bob$", self.host, BOB, environment)
        self.outside = terminal("outside$", self.host.outside, BOB, environment)

    def n_interfaces(self):
        return len(self.broker.inspect("default")["interfaces"])

    def rules(self):
        return self.host.run("nft", "list", "ruleset").stdout

    def start_broker(self):
        self.root.show("vmnet-broker ... &")
        self.broker.start()

    def start_machine(self, user, uid, name, options=()):
        options = ["--name", name, *options]
        guest = Guest(self.broker, uid=uid, kvm=self._kvm, name=name, options=options)
        self._stack.callback(guest.close)
        show_start(user, guest)
        guest.terminal = Terminal(f"{name}#", guest.output)
        return guest


def serve_page(web):
    """Once it runs; returns its address."""
    web.boot()
    address, _ = web.dhcp()
    web.terminal.type(f"echo '{PAGE}' >/tmp/index.html && httpd -p 80 -h /tmp")
    return address


def start_machines(world):
    with Chapter("Alice, who is not root, starts a machine, and Bob another on the same network."):
        web = world.start_machine(world.alice, ALICE, "web", PUBLISH)
        db = world.start_machine(world.bob, BOB, "db")
        address = serve_page(web)
        db.boot()
        expect(db.dhcp()[0] != address, "two machines with one address")
        world.alice.type("vmnetctl machines default", "web")
    return web, db, address


def show_traffic(world, db):
    with Chapter("Machines find each other by name, and so does the host."):
        db.terminal.type("wget -q -O - http://web.default.internal", PAGE)
        world.alice.type("curl -sS http://web.default.internal", PAGE)
    with Chapter("Port 8080 of the host leads to port 80 of Alice's, for as long as it runs."):
        world.outside.type(f"curl -sS http://{HOST_IPV4}:8080", PAGE)
    with Chapter(f"Machines reach the outside, which sees the host's address, {HOST_IPV4}."):
        db.terminal.type(f"nc {SERVER_NAME} 7", f"from {HOST_IPV4}")


def show_death(world, web, db):
    """Of a machine, and while it is started again of the broker; returns the machine."""
    broker = world.broker
    with Chapter("Alice's machine is killed: its interface and port go. She starts it again."):
        (pid,) = web.pids()
        world.alice.type(f"kill -9 {pid}")
        status = web.wait()
        expect(status == 128 + signal.SIGKILL, f"vmnetctl ended with status {status}")
        wait_for(lambda: "8080" not in world.rules(), 10, "the end of its port")
        expect(world.n_interfaces() == 1, "its interface is still there")
        world.outside.type(f"curl -sS http://{HOST_IPV4}:8080", "Failed to connect", check=False)
        web = world.start_machine(world.alice, ALICE, "web", PUBLISH)
        wait_for(lambda: world.n_interfaces() == 2, 10, "its interface")
    with Chapter("Meanwhile the broker is killed, and another takes over. No packet is lost."):
        db.terminal.type(f"ping -c {PINGS} -i 0.01 {SERVER_NAME} >/tmp/ping &")

        def replies():
            return int(db.run("grep -c 'bytes from' /tmp/ping", check=False)[1])

        wait_for(lambda: replies() > 5, 10, "replies")
        world.root.type(f"kill -9 {broker.pid}")
        broker.process.wait()
        world.start_broker()
        world.bob.type("vmnetctl machines default", "web")
        expect(replies() < PINGS, "The ping has ended before the broker was there again.")
        wait_for(lambda: db.succeeds("grep -q transmitted /tmp/ping"), 20, "the end of the ping")
        db.terminal.type("tail -n 2 /tmp/ping", f"{PINGS} packets received, 0% packet loss")
    return web


def demonstrate(directory, build, kvm, stack):
    print(INTRODUCTION)
    with Chapter("The broker is started: nothing is there of it but its socket."):
        world = World(directory, build, kvm, stack)
        broker = world.broker
        world.start_broker()
        broker.wait_until_clean()
    web, db, address = start_machines(world)
    show_traffic(world, db)
    web = show_death(world, web, db)
    with Chapter("Alice's machine has its address again, its name and its port."):
        expect(serve_page(web) == address, "another address")
        world.alice.type("vmnetctl ip default web --wait 10", address)
        world.alice.type("curl -sS http://web.default.internal", PAGE)
        world.outside.type(f"curl -sS http://{HOST_IPV4}:8080", PAGE)
    with Chapter("The machines are switched off, and the host is as it was before."):
        for guest in web, db:
            guest.terminal.show("poweroff -f")
            status = guest.poweroff()
            expect(status == 0, f"vmnetctl ended with status {status}")
        broker.close_clients()
        broker.wait_until_clean()
        show("compared: " + ", ".join(broker.snapshot()))
        world.root.show(f"kill {broker.pid}")
        broker.stop()
        broker.wait_until_clean()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kvm", action="store_true")
    parser.add_argument("--hosts", type=int, default=1)
    parser.add_argument("build")
    options = parser.parse_args()
    isolate()
    directory = tempfile.mkdtemp(prefix="vmnet-broker-demo-")
    os.chmod(directory, 0o755)
    try:
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, directory)
            build = os.path.abspath(options.build)
            if options.hosts > 1:
                demo_hosts.demonstrate(directory, build, options.kvm, stack, options.hosts)
            else:
                demonstrate(directory, build, options.kvm, stack)
    except KeyboardInterrupt:
        print("interrupted")
        return 130
    except Exception as error:  # whatever did not hold is the demonstration's result
        print(f"\n{error}\n\nThe demonstration failed.")
        return 1
    print(f"\nEverything held, in {seconds():.0f} s.")
    return 0


sys.exit(main())

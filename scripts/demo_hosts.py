# SPDX-License-Identifier: Apache-2.0
"""scripts/demo --hosts N: machines on one network, whichever of the hosts they run on."""

import contextlib
import json
import os
import re
import socket

from demo_parts import Chapter, Terminal, environment_of, expect, show, show_start, terminal

from support.fabric import Fabric, frr_config
from support.guest import Guest
from support.wait import wait_for

ALICE = 2001
PAGE = "Hello, this is web"
MACS = {name: f"52:54:00:00:00:0{n}" for n, name in enumerate(["web", "ci", "db"], 1)}
URL = "http://web.lab.internal"
PINGS, INTERVAL = 100, 0.1
MIGRATION_PORT = 4444
INTRODUCTION = """
vmnet-broker on {hosts} hosts: machines on one network, one that moves, and a host that dies

Each host is a namespace with a broker and an FRR of its own; what they have in common is a
link, and a configuration file. What is typed by whom on which host is shown as it is run,
but for "...": that is where programs keep their files here, and what the machines boot."""


class Monitor:
    """QEMU's, of a machine that runs on a host."""

    def __init__(self, site, path):
        self._socket = socket.socket(socket.AF_UNIX)
        wait_for(lambda: self._socket.connect_ex(path) == 0, what=path)
        self._file = self._socket.makefile("rw")
        self._file.readline()
        self._call("qmp_capabilities")
        self.terminal = Terminal(f"{site.name} (qemu)", self._type)

    def _call(self, command, **arguments):
        self._file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._file.flush()
        while "event" in (answer := json.loads(self._file.readline())):
            pass
        return answer["return"]

    def _type(self, line, check):
        return self._call("human-monitor-command", **{"command-line": line})

    def quit(self):
        with contextlib.suppress(ValueError, OSError):  # there is no answer
            self.terminal.type("quit")

    def status(self):
        return self._call("query-migrate").get("status")

    def close(self):
        self._file.close()
        self._socket.close()


class Site:
    """A host, and who types there."""

    def __init__(self, world, host):
        self._world = world
        self.host, self.broker, self.name = host, host.broker, host.name
        environment = environment_of(host.broker)
        self.root = terminal(f"root@{self.name}#", host, 0, environment)
        self.alice = terminal(f"alice@{self.name}$", host, ALICE, environment)

    def start_programs(self):
        self.root.show("zebra ... & bgpd ... & vmnet-broker ... &")
        self.host.frr.start()
        self.broker.start()

    def start_machine(self, name, incoming=()):
        """Its monitor is "monitor", its terminal "terminal"."""
        path = os.path.join(self.host.directory, f"{name}.qmp")
        guest = Guest(
            self.broker,
            ["lab"],
            uid=ALICE,
            kvm=self._world.kvm,
            name=name,
            options=["--name", name, "--mac", MACS[name]],
            machine=["-qmp", f"unix:{path},server=on,wait=off", *incoming],
        )
        self._world.stack.callback(guest.close)
        show_start(self.alice, guest, self.host.directory)
        guest.monitor = Monitor(self, path)
        self._world.stack.callback(guest.monitor.close)
        guest.terminal = Terminal(f"{name}#", guest.output)
        return guest


class World:
    """The hosts, and what is between them."""

    def __init__(self, directory, build, kvm, stack, hosts):
        self.kvm, self.stack = kvm, stack
        self.fabric = stack.enter_context(contextlib.closing(Fabric(directory, build, hosts=hosts)))
        for host in self.fabric:
            os.chmod(host.directory, 0o777)  # the sockets of Alice's machines are there
        self.sites = [Site(self, host) for host in self.fabric]


def show_files(world):
    own, *others = world.fabric.addresses.values()
    root = world.sites[0].root
    with Chapter("All hosts have the same configuration, and each finds itself in it."):
        root.show("cat /etc/vmnet-broker/networks.json")
        text = json.dumps(world.fabric.networks, indent=2)
        one_line = lambda found: " ".join(found[0].split())  # noqa: E731
        show(re.sub(r'\{\s+"name"[^}]*\}', one_line, text))
    with Chapter("FRR tells them of each other's machines: to each, the others are named."):
        root.show("cat /etc/frr/frr.conf")
        show(frr_config(own, others))


def start_machines(world):
    first, second, *_ = world.sites
    with Chapter("Alice, who is not root, starts two machines on one host, and one on another."):
        for site in world.sites:
            site.start_programs()
        web, ci, db = (
            first.start_machine("web"),
            first.start_machine("ci"),
            second.start_machine("db"),
        )
        for guest in web, ci, db:
            guest.boot()
            guest.dhcp()
        web.terminal.type(f"echo '{PAGE}' >/tmp/index.html && httpd -p 80 -h /tmp")
        world.fabric.wait_converged(hosts=[first.host, second.host])
    return web, ci, db


def show_names(world, web, db):
    first, second, *_ = world.sites
    with Chapter("All are neighbours, and known by their names on all hosts."):
        db.terminal.type(f"ping -c 2 {web.address()}", "2 packets received")
        wait_for(lambda: db.succeeds(f"wget -q -O - {URL}"), 20, "the name of a machine elsewhere")
        db.terminal.type(f"wget -q -O - {URL}", PAGE)
        db.terminal.type(f"wget -q -O - http://web.{first.name}.lab.internal", PAGE)
        second.alice.type(f"curl -sS {URL}", PAGE)
        second.alice.type("vmnetctl machines lab", "db")


def start_ping(db, address):
    db.terminal.type(f"ping -c {PINGS} -i {INTERVAL} {address} >/tmp/ping &")
    db.run("until grep -q 'bytes from' /tmp/ping; do sleep 0.1; done")


def end_ping(db):
    """How many packets were lost."""
    wait_for(lambda: db.succeeds("grep -q transmitted /tmp/ping"), 60, "the end of the ping")
    db.terminal.type("tail -n 2 /tmp/ping")
    numbers = re.search(r"(\d+) packets transmitted, (\d+) packets", db.output("cat /tmp/ping"))
    return int(numbers[1]) - int(numbers[2])


def show_move(world, web, db):
    *_, last = world.sites
    address = web.address()
    with Chapter("The first machine moves to a third host while it runs, and another pings it."):
        there = f"tcp:{world.fabric.addresses[last.name]}:{MIGRATION_PORT}"
        moved = last.start_machine("web", ["-incoming", there])
        world.fabric.wait_converged()
        start_ping(db, address)
        web.monitor.terminal.type(f"migrate -d {there}")
        wait_for(lambda: web.monitor.status() in ("completed", "failed"), 60, "the machine's move")
        expect(web.monitor.status() == "completed", "QEMU could not move it")
        web.monitor.quit()
        expect(web.wait() == 0, "QEMU did not end well")
        n_lost = end_ping(db)
        expect(n_lost * INTERVAL < 1, f"{n_lost} packets were lost: the machine was away for 1 s")
    with Chapter("It has its address still, also when it asks the new host for one, and its name."):
        moved.terminal.type("udhcpc -f -n -q -i eth0 -s /bin/dhcp", address)
        db.terminal.type(f"wget -q -O - {URL}", PAGE)
        last.alice.type("vmnetctl machines lab", "web")
    return moved


def show_death(world, ci, db, web):
    first, second, *_ = world.sites
    address = ci.address()
    with Chapter("The first host dies. Machines of the others do not notice."):
        start_ping(db, web.address())
        print(f"  {first.name} is switched off", flush=True)
        world.fabric.cut(first.name)
        first.host.frr.kill()
        first.broker.kill()
        ci.kill()
        expect(end_ping(db) == 0, "packets were lost")

        def known():
            return world.fabric.known_hosts(second.name)

        wait_for(lambda: first.name not in known(), 30, f"the end of {first.name}")
    with Chapter("Its machine is started again on another host, and has its address and its name."):
        ci = second.start_machine("ci")
        ci.boot()
        expect(ci.dhcp()[0] == address, f"another address than {address}")
        db.terminal.type("ping -c 2 ci.lab.internal", "2 packets received")
    return ci


def end(world, guests):
    first, *rest = world.sites
    with Chapter("The machines are switched off, and the hosts that live are as they were before."):
        for guest in guests:
            guest.terminal.show("poweroff -f")
            status = guest.poweroff()
            expect(status == 0, f"vmnetctl ended with status {status}")
        for site in rest:
            site.broker.wait_until_clean()
            show(f"{site.name} compared: " + ", ".join(site.broker.snapshot()))
            site.root.show(f"kill {site.broker.pid}")
            site.broker.stop()
            site.broker.wait_until_clean()


def demonstrate(directory, build, kvm, stack, hosts):
    print(INTRODUCTION.format(hosts=hosts))
    world = World(directory, build, kvm, stack, hosts)
    show_files(world)
    web, ci, db = start_machines(world)
    show_names(world, web, db)
    web = show_move(world, web, db)
    ci = show_death(world, ci, db, web)
    end(world, [web, ci, db])

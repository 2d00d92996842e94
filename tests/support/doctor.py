# SPDX-License-Identifier: Apache-2.0
"""vmnetctl doctor on a host that has a trouble, and its administrator."""

import contextlib
import os
import re
import subprocess

from support.host import SERVER_IPV4, SERVER_NAME
from support.wait import wait_for

CONFIG_FILE = "/etc/vmnet-broker/networks.json"
USER = 1234
USERS = (0, USER)
ONLY_ROOT = "only root may look at packet filters"
PROGRAMS = "/run/programs"  # what a host has beside what the tests need


class Doctor:
    """A host whose doctor is asked, and whose administrator does what it says."""

    def __init__(self, broker, make_machine):
        self.broker = broker
        self.make_machine = make_machine
        self.host = broker.host
        self.outside = broker.host.outside
        self.host.overlay("etc", "usr", "var")
        self.host.run("mkdir", PROGRAMS)
        self.program("systemctl", f'echo "$@" >>{PROGRAMS}/asked')
        self.program("vmnetctl", f'exec {self.host.program("vmnetctl/vmnetctl")} "$@"')
        self.program(
            "vmnet-broker",
            f'exec {self.host.program("broker/vmnet-broker")} '
            f'--state-dir={broker.state_dir} --runtime-dir={broker.runtime_dir} "$@"',
        )
        self.services = {"restart vmnet-broker.service": self.restart_broker}

    def program(self, name, text):
        """Installs a program."""
        path = f"{PROGRAMS}/{name}"
        self.host.run("tee", path, input=f"#!/bin/sh\n{text}\n")
        self.host.run("chmod", "+x", path)

    def uninstall(self, *names):
        """Whatever the machine has that the tests run on, this host has not."""
        for name in names:
            for folder in "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin":
                self.host.run("rm", "-f", f"{folder}/{name}")

    def configure(self, text):
        self.host.run("mkdir", "-p", os.path.dirname(CONFIG_FILE))
        self.host.run("tee", CONFIG_FILE, input=text)

    def restart_broker(self):
        if self.broker.is_running():
            self.broker.stop()
        self.broker.start()

    def examine(self, uid=0):
        """What there is to say: {problem: command, or None}; empty on a healthy host."""
        done = self.broker.vmnetctl("doctor", check=False, uid=uid)
        findings = dict(
            re.findall(r"^(?:problem|unknown): (.*)(?:\n    (.*))?$", done.stdout, re.MULTILINE)
        )
        assert done.returncode == (1 if findings else 0), done.stdout + done.stderr
        assert not done.stderr, done.stderr
        if uid:
            assert findings.pop(ONLY_ROOT) == "sudo vmnetctl doctor"
        return findings

    def find(self, pattern, uid=0):
        """Waits for the one problem that there is to be this one; returns its command."""

        def look():
            findings = self.examine(uid)
            return len(findings) == 1 and re.fullmatch(pattern, *findings) and findings

        findings = wait_for(look, 20, lambda: f"{pattern!r}, not {self.examine(uid)}")
        return next(iter(findings.values()))

    def do(self, command, **options):
        """Runs a command as it was printed, by the administrator's shell."""
        path = f"{PROGRAMS}:{os.environ['PATH']}"
        options.setdefault("stdin", subprocess.DEVNULL)
        # Not pipes: what it leaves running would keep them open.
        process = self.host.popen(
            *("sh", "-c", command),
            env={**self.broker.environment(), "PATH": path, **options.pop("env", {})},
            **options,
        )
        return process

    def mend(self, command, typed="", env=()):
        process = self.do(command, env=dict(env), stdin=subprocess.PIPE)
        process.communicate(typed, timeout=30)
        assert process.returncode == 0, command
        with contextlib.suppress(AssertionError):
            for asked in self.host.run("cat", f"{PROGRAMS}/asked").stdout.splitlines():
                self.services[asked]()
        wait_for(
            lambda: self.examine() == {},
            20,
            lambda: f"health after {command!r}: {self.examine()}",
        )
    def check_machines(self, way_out=True):
        """A network that is made now has machines with addresses, and names and a way out."""
        with self.broker.client() as client:
            networks = client.networks()
            network = "default" if "default" in networks else "lab"
            client.acquire(network)
            machine = self.make_machine(client.attach(network))
            lease = machine.dhcp()
            assert machine.ping(lease["router"])
            if way_out:
                wait_for(lambda: SERVER_IPV4 in machine.resolve(SERVER_NAME), what="a name")
                assert machine.ping(SERVER_IPV4)
            machine.kill()


class Trouble:
    """One kind: make(doctor) makes it.

    says: what the doctor says of it, to all of these users.
    reason: why no command mends it, and none is printed.
    tried: the command that is printed, and why it cannot be run here.
    typed, env: what the administrator types, and has in the environment.
    way_out: whether machines have one, when it is mended.
    """

    def __init__(
        self, make, says, users=USERS, reason=None, tried=None, typed="", env=(), way_out=True
    ):
        self.make, self.says, self.users, self.way_out = make, says, users, way_out
        self.reason, self.tried, self.typed, self.env = reason, tried, typed, env

    def check(self, doctor):
        """The doctor names it, and the command that is printed mends it."""
        self.make(doctor)
        commands = {doctor.find(self.says, uid) for uid in self.users}
        assert len(commands) == 1, commands
        (command,) = commands
        if self.reason:
            assert not command, command
        elif self.tried:
            assert command == self.tried[0], command
        else:
            doctor.mend(command, self.typed, self.env)
            doctor.check_machines(self.way_out)


def shell(command):
    return lambda doctor: doctor.host.run("sh", "-c", command)

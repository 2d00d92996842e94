# SPDX-License-Identifier: Apache-2.0
"""A Mac in a folder: what is in it, and what runs in it.

double/double.h says what is in the folder, and what the broker and the clients make of it.
launchd_double.py has the broker run; clients.py has the clients.
"""

import contextlib
import fcntl
import glob
import json
import os
import re
import subprocess

from clients import TIMEOUT, Library, Vmnet, Wire
from launchd_double import PLIST, Launchd
from statuses import FAILURE
from support.broker import SANITIZER_ENVIRONMENT, SANITIZER_REPORT
from support.wait import wait_for

BROKER_UID = 4242  # as _vmnetbroker: nobody in particular
USER_UID = 4243
REGISTRY = ("networks", "interfaces", "bridges")
BRIDGES = "tests/darwin/bridges"


class World:
    """The folder, what is in it, and what runs in it."""

    def __init__(self, directory, build):
        self.directory = os.path.join(directory, "world")
        self.build = os.path.join(directory, "build")
        self.config_path = os.path.join(directory, "networks.json")
        self.state_dir = os.path.join(directory, "state")
        self.log_path = os.path.join(directory, "broker.log")
        self.args = []
        self.program_of_broker = "broker/darwin/vmnet-broker"
        self.plist = PLIST
        self.user_of_broker = BROKER_UID
        self.launchd = None
        self._clients = []
        for path in (self.directory, self.state_dir):
            os.mkdir(path)
            os.chown(path, BROKER_UID, BROKER_UID)
        # Of the whole Mac: each user's processes change it.
        for name in REGISTRY:
            os.mkdir(self.path(name))
            os.chmod(self.path(name), 0o777)
        with open(self.path("lock"), "wb"):
            pass
        # The build may be in a directory that other users cannot enter. Read-only: what is in
        # the test's directory is deleted with it.
        os.mkdir(self.build)
        subprocess.run(["mount", "--bind", "-o", "ro", build, self.build], check=True)
        self.environment = {
            **os.environ,
            **SANITIZER_ENVIRONMENT,
            "DOUBLE_DIR": self.directory,
        }

    def close(self):
        """Ends everything; what was left behind, or died of a mistake, fails the test."""
        try:
            for client in self._clients:
                client.close()
            if self.launchd:
                self.launchd.bootout(in_order=True)
        finally:
            subprocess.run(["umount", "--lazy", self.build], check=True)
        assert not SANITIZER_REPORT.search(self.log()), self.log()
        assert "double:" not in self.log(), self.log()

    def path(self, name):
        return os.path.join(self.directory, name)

    def program(self, path):
        return os.path.join(self.build, path)

    # The broker

    def configure(self, config):
        """Writes the configuration: an object, or a text as it is."""
        text = config if isinstance(config, str) else json.dumps(config, indent=2)
        with open(self.config_path, "w", encoding="utf-8") as file:
            file.write(text)

    def bootstrap(self, *args):
        """Makes the service known; the broker starts with the first message."""
        self.args = list(args) or self.args
        self.launchd = Launchd(self)

    @property
    def broker(self):
        """The process of the broker, which has to run or start."""
        return wait_for(lambda: self.launchd.process, what=f"a broker; the log:\n{self.log()}")

    def log(self):
        """All that brokers have logged."""
        if not os.path.exists(self.log_path):
            return ""
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait_for_log(self, pattern):
        return wait_for(
            lambda: re.search(pattern, self.log(), re.MULTILINE),
            what=lambda: f"log line {pattern!r}; the log:\n{self.log()}",
        )

    def transactions(self):
        if not os.path.exists(self.path("transactions")):
            return 0
        with open(self.path("transactions"), encoding="ascii") as file:
            return int(file.read() or 0)

    # vmnet

    @contextlib.contextmanager
    def _registry(self):
        """Nobody changes networks, interfaces and bridges meanwhile."""
        with open(self.path("lock"), "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _read(self, folder):
        """{path: (lines as pairs of first word and others, whether a process has it)}."""
        found = {}
        for path in sorted(glob.glob(self.path(f"{folder}/*"))):
            with open(path, encoding="ascii") as file:
                lines = [line.partition(" ")[::2] for line in file.read().splitlines()]
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    found[path] = lines, False
                except BlockingIOError:
                    found[path] = lines, True
        return found

    def networks(self):
        """The networks that exist now, each as [(first word of a line, the others)]."""
        with self._registry():
            return [lines for lines, alive in self._read("networks").values() if alive]

    def stale_subnets(self):
        """What killed processes have left behind, and is taken."""
        with self._registry():
            return [
                dict(lines)["subnet"]
                for lines, alive in self._read("networks").values()
                if not alive and ("released", "") not in lines
            ]

    def free_stale(self, subnet):
        """Minutes after its maker was killed the system lets go of a subnet, or a prefix."""
        with self._registry():
            for path, (lines, alive) in self._read("networks").items():
                if not alive and subnet in (dict(lines)["subnet"], dict(lines)["prefix"]):
                    os.unlink(path)

    def restart(self):
        """The Mac restarts: all that was taken is free. Nothing may run any more."""
        with self._registry():
            for folder in REGISTRY:
                for path, (_, alive) in self._read(folder).items():
                    assert not alive, path
                    os.unlink(path)

    def bridges(self):
        """{name: [(first word of a line, the others)]} of the bridges there are now."""
        self.run(BRIDGES)
        with self._registry():
            return {
                os.path.basename(path): lines for path, (lines, _) in self._read("bridges").items()
            }

    def network(self):
        """The only network that exists now, with the last of each kind of line."""
        (lines,) = self.networks()
        return dict(lines)

    def wait_for_networks(self, count):
        wait_for(
            lambda: len(self.networks()) == count,
            what=lambda: f"{count} networks; the log:\n{self.log()[-3000:]}",
        )

    def refuse(self, call, status=FAILURE):
        """From now on a call of vmnet fails; with None it works again."""
        path = self.path(f"refuse-{call}")
        if status is None:
            os.unlink(path)
            return
        with open(path, "w", encoding="ascii") as file:
            file.write(f"{status}\n")

    def delay(self, call, milliseconds):
        """From now on a call of vmnet takes longer."""
        with open(self.path(f"delay-{call}"), "w", encoding="ascii") as file:
            file.write(f"{milliseconds}\n")

    def hold(self, call):
        """From now on a call of vmnet waits, until let_go()."""
        with open(self.path(f"hold-{call}"), "w", encoding="ascii"):
            pass

    def let_go(self, call):
        os.unlink(self.path(f"hold-{call}"))

    def take(self, *addresses):
        """Something else on this Mac has these subnets and prefixes."""
        with open(self.path("taken"), "w", encoding="ascii") as file:
            file.writelines(f"{address}\n" for address in addresses)

    def unsign(self, *programs):
        """These programs are signed without the entitlement."""
        with open(self.path("unsigned"), "w", encoding="ascii") as file:
            file.writelines(f"{program}\n" for program in programs)

    def create_as_root(self):
        """What makes networks from now on is root, for vmnet."""
        with open(self.path("creator-is-root"), "w", encoding="ascii"):
            pass

    def host(self, *lines):
        """What the Mac itself has from now on: double.h has the form of a line."""
        with open(self.path("host"), "w", encoding="ascii") as file:
            file.writelines(f"{line}\n" for line in lines)

    # Clients

    def vmnet(self, uid=BROKER_UID):
        """A program that calls vmnet by itself: programs/vmnet.c."""
        self._clients.append(Vmnet(self, uid, ()))
        return self._clients[-1]

    def wire(self, uid=USER_UID, groups=()):
        """A client written to the wire: programs/wire.c."""
        self._clients.append(Wire(self, uid, groups))
        return self._clients[-1]

    def library(self, uid=USER_UID, groups=()):
        """A client of the library: programs/library.c."""
        self._clients.append(Library(self, uid, groups))
        return self._clients[-1]

    def run(self, *argv, uid=USER_UID, check=True, **options):
        """Runs a program of the build to its end."""
        done = subprocess.run(
            [self.program(argv[0]), *argv[1:]],
            env=self.environment,
            user=uid,
            group=uid,
            extra_groups=[],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
            **options,
        )
        assert not SANITIZER_REPORT.search(done.stderr), done.stderr
        assert "double:" not in done.stderr, done.stderr
        assert not check or done.returncode == 0, (done.returncode, done.stdout, done.stderr)
        return done

# SPDX-License-Identifier: Apache-2.0
"""A Mac in a folder: launchd's part of the double, the broker it starts, and clients.

double/double.h says what is in the folder, and what the broker and the clients make of it.
"""

import contextlib
import fcntl
import glob
import json
import os
import plistlib
import queue
import re
import select
import socket
import subprocess
import threading
import time

from support.broker import SANITIZER_ENVIRONMENT, SANITIZER_REPORT
from support.wait import wait_for

SERVICE = "com.github.nirs.vmnet-broker"
PLIST = os.path.join(os.path.dirname(__file__), "../../data", f"{SERVICE}.plist")
BROKER_UID = 4242  # as _vmnetbroker: nobody in particular
USER_UID = 4243
TIMEOUT = 20
REGISTRY = ("networks", "interfaces", "bridges")
BRIDGES = "tests/darwin/bridges"

# vmnet.h
VMNET_SUCCESS = 1000
FAILURE = 1001
MEM_FAILURE = 1002
STATUSES = range(1001, 1011)

# vmnet-broker.h
SUCCESS = 0
XPC_FAILURE = 1
INVALID_REPLY = 2
NOT_ALLOWED = 3
INVALID_REQUEST = 4
NOT_FOUND = 5
CREATE_FAILURE = 6
INTERNAL_ERROR = 7


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


class Launchd:
    """Listens for the service, and runs a broker whenever there is a message and none runs.

    As launchd was measured to: a job that ran for less than 10 s is started again only
    10 s after its start, and messages wait for it. These seconds are shorter here, but for a
    broker that has failed. One that is to end has ExitTimeOut, 5 s unless its plist says
    otherwise, from SIGTERM to SIGKILL; with EnableTransactions one without a transaction gets
    SIGKILL at once.
    """

    SECOND = 0.01  # of those that a job has to run
    RUN_TIME = 10

    def __init__(self, world):
        self._world = world
        self._path = world.path(f"{SERVICE}.socket")
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(self._path)
        os.chmod(self._path, 0o666)
        self._listener.listen(1024)
        self._wake = os.pipe()
        with open(world.plist, "rb") as file:
            plist = plistlib.load(file)
        self.exit_timeout = plist.get("ExitTimeOut", 5)
        self._has_transactions = plist.get("EnableTransactions", False)
        self.process = None  # the broker that runs
        self.statuses = []  # of those that have ended
        self.starts = []  # when each was started
        self.expected = set()  # pids of those that are not to end well
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        while not self._is_woken([self._listener], None):
            # Before: who is served knows of the start.
            self.starts.append(time.monotonic())
            with open(self._world.log_path, "ab") as log:
                process = self._start(log)
            self.process = process
            status = process.wait()
            self.process = None
            self.statuses.append((process.pid, status))
            second = self.SECOND if status <= 0 else 1
            rest = self.starts[-1] + self.RUN_TIME * second - time.monotonic()
            if self._is_woken([], max(rest, 0)):
                return

    def _is_woken(self, others, timeout):
        """Waits for any of the others to be ready. Returns whether the service is to end."""
        ready, _, _ = select.select([*others, self._wake[0]], [], [], timeout)
        return self._wake[0] in ready

    def _start(self, log):
        world = self._world
        if os.path.exists(world.path("transactions")):
            os.unlink(world.path("transactions"))
        return subprocess.Popen(
            [
                world.program(world.program_of_broker),
                f"--config={world.config_path}",
                f"--state-dir={world.state_dir}",
                "--verbose",
                *world.args,
            ],
            env={
                **world.environment,
                "DOUBLE_SERVICE": SERVICE,
                "DOUBLE_LISTENER": str(self._listener.fileno()),
            },
            pass_fds=[self._listener.fileno()],
            user=world.user_of_broker,
            group=world.user_of_broker,
            extra_groups=[],
            stderr=log,
        )

    def kill(self):
        """The broker dies without a word."""
        process = self._world.broker
        self.expected.add(process.pid)
        process.kill()
        self.wait_for_end(process)

    def wait_for_end(self, process):
        """Waits until this broker has ended, in order unless it was killed."""
        wait_for(
            lambda: process.pid in dict(self.statuses),
            timeout=TIMEOUT,
            what=lambda: f"the broker's end; the log:\n{self._world.log()}",
        )

    def _end(self, process):
        """As launchd ends a job."""
        if self._has_transactions and self._world.transactions() == 0:
            self.expected.add(process.pid)
            process.kill()
            return
        process.terminate()
        try:
            process.wait(timeout=self.exit_timeout)
        except subprocess.TimeoutExpired:
            self.expected.add(process.pid)
            process.kill()

    def bootout(self, in_order=False):
        """The service is known no more, and launchd ends its broker.

        in_order: the broker is asked, and waited for, before that.
        """
        if os.path.exists(self._path):
            os.unlink(self._path)
        if self._listener.fileno() < 0:
            return
        os.write(self._wake[1], b"x")
        process = self.process
        if process and in_order:
            process.terminate()
            try:
                process.wait(timeout=TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
        elif process:
            self._end(process)
        self._thread.join()
        self._listener.close()
        for fd in self._wake:
            os.close(fd)
        bad = [s for s in self.statuses if s[1] != 0 and s[0] not in self.expected]
        assert not bad, (bad, self._world.log()[-5000:])


class Client:
    """A client's process, which is told what to do line by line."""

    program = ""

    def __init__(self, world, uid, groups):
        self.world = world
        self.uid = uid
        self.process = subprocess.Popen(
            [world.program(self.program)],
            env=world.environment,
            user=uid,
            group=uid,
            extra_groups=list(groups),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._lines = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    @property
    def pid(self):
        return self.process.pid

    def tell(self, line):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def line(self, timeout=TIMEOUT):
        """The next line of its output."""
        line = self._lines.get(timeout=timeout)
        assert line is not None, f"the client ended: {self._end()}"
        return line

    def has_line(self):
        return not self._lines.empty()

    def _end(self):
        status = self.process.wait(timeout=TIMEOUT)
        self._reader.join()
        errors = self.process.stderr.read()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                pipe.close()
            except BrokenPipeError:
                pass
        return status, errors

    def finish(self):
        """Waits for its end, which is to be a good one, with nothing left behind."""
        status, errors = self._end()
        assert (status, errors) == (0, ""), (status, errors)

    def exit(self):
        """It exits as it stands."""
        self.process.stdin.close()
        self.finish()

    def kill(self):
        self.process.kill()
        self._end()

    def close(self):
        if not self.process.stdout.closed:
            self.kill()


def plain(value):
    """A value of the wire's JSON without its types."""
    ((kind, content),) = value.items()
    if kind == "array":
        return [plain(item) for item in content]
    if kind == "dictionary":
        return {key: plain(item) for key, item in content.items()}
    return content


class Vmnet(Client):
    """programs/vmnet.c."""

    program = "tests/darwin/vmnet"
    SUCCESS = 1000
    INVALID_ARGUMENT = 1003

    def answer(self):
        """Status, and text."""
        status, _, text = self.line().rstrip("\n").partition(" ")
        return int(status), text

    def call(self, line):
        self.tell(line)
        return self.answer()

    def succeed(self, line):
        """The text of a call that has to succeed."""
        status, text = self.call(line)
        assert status == self.SUCCESS, (line, status, text)
        return text

    def try_make(self, name, mode="shared", subnet=None, prefix=None, configure=()):
        """Makes a network, and returns the status of that. What comes before has to succeed."""
        self.succeed(f"new {mode}")
        if subnet:
            self.succeed(f"subnet {subnet}")
        if prefix:
            self.succeed(f"prefix {prefix}")
        for line in configure:
            self.succeed(line)
        return self.call(f"create {name}")[0]

    def make(self, name, **options):
        assert self.try_make(name, **options) == self.SUCCESS

    def addresses(self, name):
        """[the host's address with the length of its mask, the prefix]"""
        return self.succeed(f"addresses {name}").split()

    def serialize(self, name):
        """The one value of a network's serialization, as KEY=BYTES."""
        return self.succeed(f"serialize {name}")

    def join(self, name, serialization, nested=False):
        """Makes a network of a serialization, and returns the status."""
        return self.call(f"join {name} {serialization}{' nested' if nested else ''}")[0]

    def start(self, network, interface):
        """(MAC address, MTU) of an interface"""
        mac, mtu = self.succeed(f"start {network} {interface}").split()
        return mac, int(mtu)

    def reaches(self, interface, address):
        """Whether the Mac answers to what is on the interface."""
        self.tell(f"ping {interface} {address}")
        return self.line().strip() == "1"


class Wire(Client):
    """programs/wire.c. Replies are kept as they came, with types, in self.typed."""

    program = "tests/darwin/wire"

    def __init__(self, world, uid, groups):
        super().__init__(world, uid, groups)
        self.events = []
        self.typed = None

    @staticmethod
    def _request(keys):
        return " ".join(
            f"{key}={value if ':' in value else f'string:{value}'}" for key, value in keys.items()
        )

    def _next(self, wanted):
        """The next line of a kind; events that come before it are kept."""
        while True:
            ((kind, content),) = json.loads(self.line()).items()
            if kind == wanted:
                return content
            assert kind == "event", (kind, content)
            self.events.append(content)

    def start(self, **keys):
        """Sends a request; reply() waits for the reply."""
        self.tell(f"call {self._request(keys)}".rstrip())

    def reply(self):
        """A dictionary, "INTERRUPTED" or "INVALID"."""
        self.typed = self._next("reply")
        if isinstance(self.typed, str):
            return self.typed
        return {key: plain(value) for key, value in self.typed.items()}

    def call(self, **keys):
        self.start(**keys)
        return self.reply()

    def acquire(self, name):
        return self.call(command="acquire", network_name=name)

    def post(self, **keys):
        """Sends a request that wants no reply."""
        self.tell(f"post {self._request(keys)}")

    def join(self):
        """The subnet of the network that the last reply brought, or a status of vmnet."""
        self.tell("join")
        return self._next("join")

    def run(self):
        """Starts an interface on that network, as a machine does: a status of vmnet."""
        self.tell("run")
        return self._next("run")

    def start_stop(self):
        """Stops it, as a machine does that ends; stopped() waits for that."""
        self.tell("stop")

    def stopped(self):
        return self._next("stop")

    def event(self):
        """The next event: a dictionary, "INTERRUPTED" or "INVALID"."""
        event = self.events.pop(0) if self.events else self._next("event")
        if isinstance(event, str):
            return event
        return {key: plain(value) for key, value in event.items()}

    def quit(self):
        """Ends the connection, and the program in order."""
        self.tell("quit")
        self.finish()


class Library(Client):
    """programs/library.c."""

    program = "tests/darwin/library"

    def start(self, *words):
        self.tell(" ".join(str(word) for word in words))

    def answer(self):
        """Status, and text."""
        status, _, text = self.line().rstrip("\n").partition(" ")
        return int(status), text

    def call(self, *words):
        self.start(*words)
        return self.answer()

    def succeed(self, *words):
        """The text of a call that has to succeed."""
        status, text = self.call(*words)
        assert status == SUCCESS, (words, status, text)
        return text

    def acquire(self, name):
        """The network, as a dictionary of texts."""
        text = self.succeed("acquire", name)
        return dict(word.split("=", 1) for word in text.split(" ") if "=" in word)


# SPDX-License-Identifier: Apache-2.0
"""Clients, each a process of tests/darwin/programs that is told what to do."""

import json
import queue
import subprocess
import threading

from statuses import SUCCESS

TIMEOUT = 20  # seconds, for a line or an end


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


def plain(value):
    """A value of the wire's JSON without its types."""
    ((kind, content),) = value.items()
    if kind == "array":
        return [plain(item) for item in content]
    if kind == "dictionary":
        return {key: plain(item) for key, item in content.items()}
    return content


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

# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the service manager: it listens for the broker, and keeps what it is given."""

import array
import os
import select
import socket
import threading

from .broker import Broker
from .wait import wait_for

MAX_FDS = 16

# Puts the descriptors where the broker looks for them: argv is their numbers, and the command.
PASS_FDS = """
import os, sys
fds = [int(fd) for fd in sys.argv[1].split(",")]
above = [os.dup(fd) for fd in fds]
while min(above) < 3 + len(fds):
    above = [os.dup(fd) for fd in above]
for number, fd in enumerate(above, 3):
    os.dup2(fd, number)
os.closerange(3 + len(fds), 1024)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execvp(sys.argv[2], sys.argv[2:])
"""


class Manager:
    """Takes notifications (sd_notify(3)), and keeps descriptors by their names."""

    def __init__(self, directory):
        self.path = os.path.join(directory, "notify")
        self.stored = {}
        self.states = []
        self.status = None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        os.chmod(self.path, 0o666)
        self._quiet = threading.Event()
        self._reads = threading.Event()
        self._reads.set()
        self._thread = threading.Thread(target=self._receive_all, daemon=True)
        self._thread.start()

    def _receive_all(self):
        size = socket.CMSG_SPACE(MAX_FDS * array.array("i").itemsize)
        while True:
            data, control, _, _ = self._socket.recvmsg(4096, size)
            self._reads.wait()
            fds = array.array("i")
            for _, _, payload in control:
                fds.frombytes(payload)
            if data == b"END=1":
                return
            if data == b"QUIET=1":
                self._quiet.set()
            else:
                self._notified(data.decode(), list(fds))

    def _notified(self, text, fds):
        fields = dict(line.split("=", 1) for line in text.splitlines())
        name = fields.get("FDNAME")
        if "FDSTORE" in fields:
            (self.stored[name],) = fds
        elif "FDSTOREREMOVE" in fields:
            if name in self.stored:
                os.close(self.stored.pop(name))
        elif "STATUS" in fields:
            self.status = fields["STATUS"]
        else:
            self.states += fields.keys()

    def _send(self, data):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(data, self.path)

    def stop_reading(self):
        """Until read_on(): what it was about to read is taken note of then, in order."""
        self._reads.clear()

    def read_on(self):
        self._reads.set()

    def settle(self):
        """All that has been sent is taken in; what has hung up is not kept any longer."""
        self._quiet.clear()
        self._send(b"QUIET=1")
        assert self._quiet.wait(timeout=10), "the manager's thread has ended"
        for name, fd in list(self.stored.items()):
            poll = select.poll()
            poll.register(fd, 0)
            if poll.poll(0):
                os.close(self.stored.pop(name))

    def close(self):
        self.read_on()
        self._send(b"END=1")
        self._thread.join()
        self._socket.close()
        for fd in self.stored.values():
            os.close(fd)
        self.stored = {}


class ManagedBroker(Broker):
    """A broker that is started on its manager's socket, with what the manager keeps."""

    def __init__(self, host, **options):
        super().__init__(host, **options)
        self.manager = Manager(self.directory)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.socket_path)
        self.listener.listen(1024)
        os.chmod(self.socket_path, 0o666)

    def start(self, **options):
        self.manager.settle()
        passed = {"varlink": self.listener.fileno(), **self.manager.stored}
        self.env.update(
            NOTIFY_SOCKET=self.manager.path,
            LISTEN_FDS=str(len(passed)),
            LISTEN_FDNAMES=":".join(passed),
        )
        numbers = ",".join(map(str, passed.values()))
        self.prefix = ["/usr/bin/python3", "-c", PASS_FDS, numbers]
        self.manager.states.clear()
        super().start(pass_fds=list(passed.values()), **options)

    def serves(self):
        # The socket is the manager's: to be connected says nothing.
        return "READY" in self.manager.states

    def _sleeps(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(") ")[2].startswith("S")

    def wait_for_rest(self):
        """A client may have its reply before the broker has noted that it was sent."""
        wait_for(self._sleeps, what="the broker's rest")

    def kill(self):
        self.wait_for_rest()
        super().kill()

    def stop_and_start(self):
        """As "systemctl restart" does."""
        self.stop()
        self.start()

    def finish(self):
        try:
            super().finish()
            self.manager.settle()
            assert not self.manager.stored, f"still kept: {list(self.manager.stored)}"
        finally:
            self.manager.close()
            self.listener.close()

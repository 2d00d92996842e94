# SPDX-License-Identifier: Apache-2.0
"""launchd's part of the double: it listens for the service, and starts and ends the broker."""

import os
import plistlib
import select
import socket
import subprocess
import threading
import time

from support.wait import wait_for

SERVICE = "com.github.nirs.vmnet-broker"
PLIST = os.path.join(os.path.dirname(__file__), "../../data", f"{SERVICE}.plist")
TIMEOUT = 20  # seconds, for an end in order


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

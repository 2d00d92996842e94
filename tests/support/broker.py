# SPDX-License-Identifier: Apache-2.0
"""A real broker in a host, with files of its own, and a look at what it leaves."""

import contextlib
import json
import os
import re
import signal
import traceback

from .host import diff
from .schema import check_json
from .varlink import Client
from .wait import wait_for

SANITIZER_REPORT = re.compile(
    r"(Address|Leak|Thread|Memory|UndefinedBehavior)Sanitizer|: runtime error: "
)
SANITIZER_ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:abort_on_error=0",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}


class ClientProcess:
    """A client that is a process of its own, so that it can crash."""

    def __init__(self, connect, work):
        """Forks; the child runs work(client) and waits to be killed."""
        reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self._child(connect, work, writer)
        os.close(writer)
        with os.fdopen(reader, encoding="utf-8") as file:
            self.result = json.loads(file.read() or "null")
        if self.result is None:
            os.waitpid(self.pid, 0)
            raise AssertionError("the client's process failed; see its standard error")

    @staticmethod
    def _child(connect, work, writer):
        try:
            client = connect()
            with os.fdopen(writer, "w", encoding="utf-8") as file:
                json.dump({"value": work(client)}, file)
            signal.pause()
        except BaseException:  # noqa: the parent's tests must not go on in this process
            traceback.print_exc()
        finally:
            os._exit(1)

    def kill(self, number=signal.SIGKILL):
        if self.pid:
            os.kill(self.pid, number)
            os.waitpid(self.pid, 0)
            self.pid = 0


class Broker:
    """vmnet-broker, started, stopped and killed at will.

    config: an object for networks.json, a text that is written as it is, or None for no file.
    """

    def __init__(self, host, config=None, args=(), env=None, prefix=()):
        self.host = host
        self.args = list(args)
        self.env = dict(env or {})
        self.prefix = list(prefix)
        self.wrapper = []  # the same, and behind it: what a service manager starts
        self.directory = os.path.join(host.directory, "broker")
        self.config_path = os.path.join(self.directory, "networks.json")
        self.socket_path = os.path.join(self.directory, "socket")
        self.state_dir = os.path.join(self.directory, "state")
        self.runtime_dir = os.path.join(self.directory, "run")
        self.log_path = os.path.join(self.directory, "log")
        self.process = None
        self.check_clean = True  # that the host is as before, at the end
        self._clients = []
        for path in (self.directory, self.state_dir, self.runtime_dir):
            os.mkdir(path, 0o755)
        self.configure(config)
        self.before = host.snapshot()

    def configure(self, config):
        """Writes the configuration file, which a running broker reads only when told to."""
        if config is None:
            if os.path.exists(self.config_path):
                os.unlink(self.config_path)
            return
        text = config if isinstance(config, str) else json.dumps(config, indent=2)
        with open(self.config_path, "w", encoding="utf-8") as file:
            file.write(text)

    def start(self, wait=True, **options):
        """Starts it and waits until it can be connected to."""
        argv = [
            *self.prefix,
            *self.wrapper,
            self.host.program("broker/vmnet-broker"),
            f"--config={self.config_path}",
            f"--socket={self.socket_path}",
            f"--state-dir={self.state_dir}",
            f"--runtime-dir={self.runtime_dir}",
            "--verbose",
            *self.args,
        ]
        environment = {**os.environ, **SANITIZER_ENVIRONMENT, **self.env}
        with open(self.log_path, "ab") as log:
            self.process = self.host.popen(*argv, stderr=log, env=environment, **options)
        if wait:
            wait_for(self._is_ready, what=lambda: f"the broker's start; its log:\n{self.log()}")

    def _is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the broker ended: {self.process.returncode}\n{self.log()}")
        return self.serves()

    def serves(self):
        try:
            with Client(self.socket_path) as client:
                # A program that the last one was about to start may have its socket still.
                return client.server_pid() == self.process.pid
        except OSError:
            return False

    @property
    def pid(self):
        return self.process.pid

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def log(self):
        """All that it has logged so far, over all its lives."""
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait_for_log(self, pattern, timeout=30):
        """Waits until a line of the log matches; returns the match."""
        return wait_for(
            lambda: re.search(pattern, self.log(), re.MULTILINE),
            timeout,
            lambda: f"log line {pattern!r}; the log:\n{self.log()}",
        )

    def stop(self):
        """Asks it to end; that has to succeed."""
        self.process.terminate()
        status = self.process.wait(timeout=60)
        assert status == 0, f"the broker ended with status {status}\n{self.log()}"

    @contextlib.contextmanager
    def paused(self):
        """Inside, it hears of nothing, and what is asked of it waits."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def restart(self):
        """Kills it without warning and starts the next one."""
        self.kill()
        self.start()

    def client(self, uid=0, gid=None, groups=(), **options):
        """A connection, made as that user; closed at the end of the test at the latest."""
        client = Client(self.socket_path, uid, gid, groups, **options)
        self._clients.append(client)
        return client

    def networks(self):
        """What a client that has nothing else to ask is told of all networks."""
        with self.client() as client:
            return client.networks()

    def inspect(self, network):
        """The same of one."""
        with self.client() as client:
            return client.inspect(network)

    def client_process(self, work, uid=0, gid=None, groups=()):
        """A client in a process of its own: work(client) is done when this returns.

        What work returns has to be JSON; it is the result's "value".
        """
        process = ClientProcess(lambda: Client(self.socket_path, uid, gid, groups), work)
        self._clients.append(process)
        return process

    def vmnetctl(self, *argv, uid=65534, check=True, **options):
        """Runs vmnetctl to its end, as an unprivileged user."""
        options.setdefault("env", self.environment())
        done = self.host.run(
            self.host.program("vmnetctl/vmnetctl"), *argv, uid=uid, check=check, **options
        )
        if "--json" in argv and done.returncode == 0:
            check_json(argv[0], done.stdout)
        return done

    def environment(self):
        """What a client's process needs to find the broker."""
        return {**os.environ, **SANITIZER_ENVIRONMENT, "VMNET_BROKER_SOCKET": self.socket_path}

    def snapshot(self):
        """The host without the broker's own processes, and the files that it keeps for a life."""
        ignored = [self.pid] if self.is_running() else []
        state = self.host.snapshot(ignored)
        state["files"] = sorted(os.listdir(self.runtime_dir))
        return state

    def wait_until_clean(self, timeout=15):
        """Waits until the host looks as it did before the broker was started."""
        wait_for(
            self.is_clean,
            timeout,
            lambda: "the host as it was before:\n" + self._left(),
        )

    def is_clean(self):
        return not self._left()

    def _left(self):
        """What differs of the host from how it was before the broker was started."""
        return diff({**self.before, "files": []}, self.snapshot())

    def close_clients(self):
        for client in self._clients:
            if isinstance(client, ClientProcess):
                client.kill()
            else:
                client.close()
        self._clients = []

    def finish(self):
        """Ends all clients and the broker, and checks that nothing is left of them."""
        self.close_clients()
        try:
            if self.check_clean:
                if not self.is_running():
                    self.start()
                self.wait_until_clean()
            if self.is_running():
                self.stop()
        finally:
            print(self.log())
        if self.check_clean:
            self.wait_until_clean()
        report = SANITIZER_REPORT.search(self.log())
        assert not report, f"a sanitizer has found something:\n{self.log()}"

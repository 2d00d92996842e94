# SPDX-License-Identifier: Apache-2.0
"""launchd of a Mac that is a folder: the services that launchctl's stand-in tells it of.

It runs what a property list says, as the user that dscl's stand-in knows, when a message comes,
and ends it as the system was measured to: at bootout a job that has EnableTransactions and no
transaction is killed at once, another one asked with SIGTERM, and killed when its ExitTimeOut is
over. Whoever was killed so is in "killed". A job that ran for less than MINIMUM_SECONDS is started
again only when those are over.

A message is a connection to SERVICE.socket in the double's world (tests/darwin/double/double.h),
or a call of "ask-launchd message LABEL" by a program of the folder that only stands in for one.
What "launchctl print" says of a service is in /stand-ins/services, for as long as it is loaded.
"""

import json
import os
import pathlib
import plistlib
import select
import socket
import subprocess
import threading
import time

EXIT_TIMEOUT = 5  # unless the property list has another
MINIMUM_SECONDS = 0.5  # the system's are 10
TICK_SECONDS = 0.02

# What launchctl exits with.
OK, NO_PROCESS, IO_ERROR, IN_PROGRESS, USAGE, NOT_FOUND = 0, 3, 5, 36, 64, 113


class Job:
    """A service: what launchd knows of it."""

    def __init__(self, path, plist):
        self.path = path
        self.plist = plist
        self.listeners = {}
        self.process = None
        self.started = None
        self.wanted = False  # a message waits
        self.deadline = None  # of the process, once launchd has asked it to end
        self.leaving = False

    @property
    def transactional(self):
        return self.plist.get("EnableTransactions", False)


class Launchd:
    """root: the Mac's. world: the double's folder as the Mac's programs see it, None without."""

    def __init__(self, root, world=None, environment=None):
        self.root = pathlib.Path(root)
        self.world = world
        self.environment = environment or {}
        self.jobs = {}
        self.killed = []  # pids of those that launchd killed
        self.statuses = []  # (pid, status) of those that ended
        self._ending = threading.Event()
        self._control = socket.socket(socket.AF_UNIX)
        self._control.bind(str(self.root / "stand-ins/launchd"))
        self._control.listen(16)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while not self._ending.is_set():
            listeners = [
                listener
                for job in self.jobs.values()
                if not job.process and not job.leaving
                for listener in job.listeners.values()
            ]
            ready, _, _ = select.select([self._control, *listeners], [], [], TICK_SECONDS)
            for job in list(self.jobs.values()):
                job.wanted |= any(listener in ready for listener in job.listeners.values())
                self._tend(job)
            if self._control in ready:
                self._answer()

    def close(self):
        """Ends what runs: that is the test's end, and none of launchd's doing."""
        self._ending.set()
        self._thread.join()
        for job in self.jobs.values():
            if job.process:
                job.process.kill()
                job.process.wait()
            self._forget(job)
        self._control.close()

    # Processes

    def _tend(self, job):
        now = time.monotonic()
        ended = job.process and job.process.poll() is not None
        if ended:
            self.statuses.append((job.process.pid, job.process.returncode))
            job.process = job.deadline = None
        if job.process and job.deadline is not None and now >= job.deadline:
            self.killed.append(job.process.pid)
            job.process.kill()
            job.deadline = None
        if job.leaving and not job.process:
            self._forget(job)
            del self.jobs[job.plist["Label"]]
            return
        if job.wanted and not job.process:
            if not job.started or now >= job.started + MINIMUM_SECONDS:
                self._start(job)
        # Where another one was started, nobody has seen that there was none.
        if ended and not job.process:
            self._publish(job)

    def _number(self, kind, name, key):
        file = self.root / "stand-ins/dscl" / kind / name / key
        return int(file.read_text()) if file.exists() else None

    def _start(self, job):
        user = self._number("Users", job.plist["UserName"], "UniqueID")
        group = self._number("Groups", job.plist["GroupName"], "PrimaryGroupID")
        job.wanted = False
        job.started = time.monotonic()
        if user is None or group is None:
            return
        environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", **self.environment}
        for service, listener in job.listeners.items():
            environment["DOUBLE_SERVICE"] = service
            environment["DOUBLE_LISTENER"] = str(listener.fileno())
        # The system opens the log as the service's user, too.
        log = job.plist.get("StandardErrorPath", "/dev/null")
        job.process = subprocess.Popen(
            ["chroot", f"--userspec={user}:{group}", "--groups=", self.root, "/bin/sh", "-c"]
            + ['exec 2>>"$0" && exec "$@"', log, *job.plist["ProgramArguments"]],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[listener.fileno() for listener in job.listeners.values()],
        )
        self._publish(job)

    def _service_file(self, job):
        return self.root / "stand-ins/services" / job.plist["Label"]

    def _publish(self, job):
        """What launchctl prints."""
        pid = f"\tpid = {job.process.pid}\n" if job.process else ""
        file = self._service_file(job)
        file.parent.mkdir(exist_ok=True)
        new = file.with_suffix(".new")
        new.write_text(f"system/{file.name} = {{\n\tpath = {job.path}\n{pid}}}\n")
        new.rename(file)

    def _transactions(self):
        folder = self.root / (self.world or "/stand-ins").lstrip("/")
        file = folder / "transactions"
        return int(file.read_text() or 0) if file.exists() else 0

    def _listen(self, job):
        if not self.world:
            return
        for service in job.plist.get("MachServices", {}):
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            path = self.root / self.world.lstrip("/") / f"{service}.socket"
            listener.bind(str(path))
            os.chmod(path, 0o666)
            listener.listen(64)
            job.listeners[service] = listener

    def _forget(self, job):
        self._service_file(job).unlink()
        for listener in job.listeners.values():
            os.unlink(listener.getsockname())
            listener.close()

    # launchctl

    def _answer(self):
        connection, _ = self._control.accept()
        with connection:
            arguments = json.loads(connection.makefile().readline())
            command = self.COMMANDS.get(arguments[0])
            unknown = (USAGE, f"launchd's double knows no {arguments[0]}\n")
            status, text = command(self, *arguments[1:]) if command else unknown
            try:
                connection.sendall(f"{status}\n{text}".encode())
            except BrokenPipeError:
                pass  # whoever asked was ended

    def _find(self, target):
        return self.jobs.get(target.rpartition("/")[2])

    def _bootstrap(self, _domain, path):
        file = self.root / path.lstrip("/")
        status = file.stat() if file.exists() else None
        # launchd takes no service that anybody but root could have written.
        if not status or status.st_uid != 0 or status.st_mode & 0o022:
            return IO_ERROR, "Bootstrap failed: 5: Input/output error\n"
        plist = plistlib.loads(file.read_bytes())
        if plist["Label"] in self.jobs:
            return IO_ERROR, "Bootstrap failed: 5: Input/output error\n"
        job = self.jobs[plist["Label"]] = Job(path, plist)
        self._listen(job)
        self._publish(job)
        return OK, ""

    def _bootout(self, target):
        job = self._find(target)
        if not job:
            return NO_PROCESS, "Boot-out failed: 3: No such process\n"
        job.leaving = True
        self._tend(job)
        if not job.process:
            return OK, ""
        if job.transactional and not self._transactions():
            job.deadline = 0
        elif job.deadline is None:
            job.process.terminate()
            job.deadline = time.monotonic() + job.plist.get("ExitTimeOut", EXIT_TIMEOUT)
        return IN_PROGRESS, "Boot-out failed: 36: Operation now in progress\n"

    def _message(self, label):
        job = self._find(label)
        if not job:
            return NOT_FOUND, ""
        job.wanted |= not job.process
        self._tend(job)
        return OK, ""

    COMMANDS = {
        "bootstrap": _bootstrap,
        "bootout": _bootout,
        "message": _message,
    }

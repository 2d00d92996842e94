# SPDX-License-Identifier: Apache-2.0
"""A host that systemd has booted: a root in memory, in namespaces of its own by systemd-nspawn."""

import os
import shlex
import signal
import subprocess

from .wait import wait_for

# A place for cgroups that systemd of every release takes, whatever this machine has; and nothing of
# the service manager of this machine, which has no part in it.
# sh -c START sh PLACE ARCHIVE OPTION...
START = """
place=$1 archive=$2
shift 2
umount -R /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
group=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)/$(basename "$place")
mkdir "$group"
echo 0 >"$group/cgroup.procs"
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs "$place"
mkdir "$place/root"
tar -x -C "$place/root" -f "$archive"
exec systemd-nspawn --quiet --directory="$place/root" --boot --register=no --keep-unit \
    --private-network --console=read-only --machine=vmnet-broker-test \
    --system-call-filter="landlock_add_rule landlock_create_ruleset landlock_restrict_self" \
    "$@"
"""
REMOVE_GROUP = """
mount -t cgroup2 cgroup2 "$1"
name=$(sed -n 's/^0:://p' /proc/self/cgroup)/$(basename "$1")
find "$1$name" -depth -type d -exec rmdir {} +
"""
PRIVATE = "/run/systemd/private"  # where systemd answers
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "DEBIAN_FRONTEND": "noninteractive",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
}
LEFT_OVER = "left-over|remains running"  # as systemd says of processes
POWER_OFF = signal.SIGRTMIN + 4  # as systemd has it


class Booted:
    """A running one, of a root in an archive. binds: {path here: path there}."""

    def __init__(self, directory, archive, binds):
        self._place = os.path.join(directory, os.path.basename(directory))
        self._console = os.path.join(directory, "console")
        os.mkdir(self._place)
        options = [f"--bind-ro={here}:{there}" for here, there in binds.items()]
        with open(self._console, "w", encoding="utf-8") as console:
            self._nspawn = subprocess.Popen(
                ["unshare", "--mount", "sh", "-euc", START, "sh", self._place, archive, *options],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
            )
        self._leader = wait_for(self._find_leader, 60, "systemd")
        self.state = self.run("systemctl", "is-system-running", "--wait", check=False).strip()

    def console(self):
        with open(self._console, encoding="utf-8") as file:
            return file.read()

    def _find_leader(self):
        """The child that has become systemd, and answers."""
        assert self._nspawn.poll() is None, self.console()
        pid = self._nspawn.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            children = file.read().split()
        ready = (child for child in children if os.path.exists(f"/proc/{child}/root{PRIVATE}"))
        return next(ready, None)

    def path(self, path):
        """Where a file of it is seen from here."""
        return f"/proc/{self._leader}/root{path}"

    def run(self, *argv, check=True, timeout=120, **environment):
        """Runs a command there as root; returns what it printed."""
        done = subprocess.run(
            ["nsenter", f"--target={self._leader}", "--all", *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
            env=ENVIRONMENT | environment,
        )
        assert not check or done.returncode == 0, (
            f"{shlex.join(argv)}: status {done.returncode}\n{done.stdout}\n{self._journal()}"
        )
        return done.stdout

    def run_here(self, *argv):
        """Runs a program of this machine on the network of that host; returns what it printed."""
        command = ["nsenter", f"--target={self._leader}", "--net", *argv]
        return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout

    def new_journal(self):
        """What is in the journal since this was last asked for."""
        command = "journalctl --sync; journalctl --no-pager --cursor-file=/tmp/cursor"
        return self.run("sh", "-euc", command)

    def _journal(self):
        return self.run("journalctl", "--no-pager", "--lines=60", check=False)

    def close(self):
        os.kill(int(self._leader), POWER_OFF)
        self._nspawn.wait(60)
        self._remove_group()

    def _remove_group(self):
        command = ["unshare", "--mount", "sh", "-euc", REMOVE_GROUP, "sh", self._place]
        subprocess.run(command, check=True)

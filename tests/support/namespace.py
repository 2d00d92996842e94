# SPDX-License-Identifier: Apache-2.0
"""Network namespaces that always go: with the runner, and with whatever still runs in them."""

import contextlib
import json
import os
import signal
import subprocess

from .isolate import enter_network
from .wait import wait_for

# Its own /sys shows its own devices; its own /run hides the services of the real host; and
# /dev/net/tun is everybody's, as on most distributions.
SETUP = """
set -e
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 tmpfs /run
mknod -m 666 /run/tun c 10 200
[ -e /dev/net/tun ] || { mkdir -p /dev/net; : >/dev/net/tun; }
mount --bind /run/tun /dev/net/tun
ip link set lo up
echo ready
exec cat
"""


def _name(pid):
    with open(f"/proc/{pid}/comm", encoding="ascii") as file:
        return file.read().strip()


def _finish(command, shown=None, check=True, timeout=30, **options):
    """Runs a command to its end; shown is what a failure calls it."""
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    if "input" not in options:
        options.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run(command, text=True, timeout=timeout, **options)
    if check and done.returncode != 0:
        raise AssertionError(
            f"{' '.join(map(str, shown or command))}: status {done.returncode}\n"
            f"{done.stdout}{done.stderr}"
        )
    return done


class Namespace:
    """A network namespace and a mount namespace, held by a process that ends with the runner."""

    def __init__(self, name, setup=""):
        self.name = name
        self._children = []
        self._holder = subprocess.Popen(
            # busybox does all of it in one program.
            ["unshare", "--net", "--mount", "busybox", "sh", "-c", setup + SETUP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        if self._holder.stdout.readline() != b"ready\n":
            raise RuntimeError(f"no namespace for {name}")
        self.pid = self._holder.pid
        self._netns = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._inode = os.fstat(self._netns).st_ino

    @contextlib.contextmanager
    def entered(self):
        """Inside, sockets that are made and processes that are started belong to this network."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            enter_network(self._netns)
            yield self
        finally:
            enter_network(home)
            os.close(home)

    def command(self, argv, uid=None, gid=None, groups=()):
        """The command line that runs argv here, as the user uid where one is given."""
        process = f"/proc/{self.pid}"
        prefix = ["nsenter", f"--net={process}/ns/net", f"--mount={process}/ns/mnt"]
        # Those of a chroot, where this is one.
        prefix += [f"--root={process}/root", f"--wd={process}/cwd"]
        if uid is not None:
            gid = uid if gid is None else gid
            lists = f"--groups={','.join(map(str, groups))}" if groups else "--clear-groups"
            prefix += ["setpriv", f"--reuid={uid}", f"--regid={gid}", lists]
        return [*prefix, "--", *map(str, argv)]

    def run(self, *argv, uid=None, gid=None, groups=(), check=True, timeout=30, **options):
        """Runs a command here to its end; its output is text."""
        return _finish(self.command(argv, uid, gid, groups), argv, check, timeout, **options)

    def popen(self, *argv, uid=None, gid=None, groups=(), **options):
        """Starts a command here; it is killed with the namespace at the latest."""
        options.setdefault("stdin", subprocess.DEVNULL)
        # Ctrl-C is for the runner, which ends the rest in its order.
        options.setdefault("start_new_session", True)
        process = subprocess.Popen(self.command(argv, uid, gid, groups), text=True, **options)
        self._children.append(process)
        return process

    def dnsmasq(self, *options):
        """Starts a dnsmasq here that knows of nothing but its options."""
        return self.popen(
            "dnsmasq",
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--no-resolv",
            "--no-hosts",
            "--user=root",
            "--pid-file=",
            "--leasefile-ro",
            *options,
            stderr=subprocess.DEVNULL,
        )

    def serve_addresses(self, *ranges):
        """Starts a server of DHCP, and of what IPv6 has for it: ranges as dnsmasq has them."""
        return self.dnsmasq(
            "--port=0",
            "--no-ping",
            "--dhcp-authoritative",
            "--enable-ra",
            *(f"--dhcp-range={addresses}" for addresses in ranges),
        )

    def serve_name(self, name, addresses, listen):
        """Starts a name server that knows one name; addresses and listen separate by commas."""
        return self.dnsmasq(
            "--bind-interfaces", f"--listen-address={listen}", f"--host-record={name},{addresses}"
        )

    def ip(self, arguments, **options):
        """ip(8), its arguments in one text; in this network, with the files of the runner."""
        with self.entered():
            return _finish(["ip", *arguments.split()], **options).stdout

    def ip_batch(self, *commands, options=""):
        """Several commands of ip(8), by one process."""
        return self.ip(f"{options} -batch -", input="\n".join(commands))

    def device(self, name):
        """What ip(8) knows of a device and its addresses."""
        return json.loads(self.ip(f"-d -j address show dev {name}"))[0]

    def settle(self, device, *addresses):
        """Waits for what the kernel does some time after a device is up and has its addresses.

        It makes those of IPv6 routes of their own, and tells the device's routes of its carrier.
        """

        def has_settled():
            said = self.ip_batch(f"link show dev {device}", "route show table all")
            known = [line for line in said.splitlines() if f" dev {device} " in line]
            return "state UP" in said and not any("linkdown" in line for line in known) and all(
                any(line.startswith(f"local {address} ") for line in known) for address in addresses
            )

        wait_for(has_settled, what=f"{device} of {self.name}")

    def processes(self, command=None):
        """The ids of the processes that live here (of that name), the holder excepted."""
        found = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) == self.pid:
                continue
            with contextlib.suppress(OSError):
                if os.stat(f"/proc/{entry}/ns/net").st_ino == self._inode and (
                    command in (None, _name(entry))
                ):
                    found.append(int(entry))
        return found

    def close(self):
        """Ends every process here, and with the last one the namespace."""

        def all_ended():
            for pid in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for child in self._children:
                child.poll()
            return not self.processes()

        wait_for(all_ended, what=f"the end of all processes in {self.name}")
        for child in self._children:
            child.wait()
        self._holder.stdin.close()
        self._holder.wait()
        self._holder.stdout.close()
        os.close(self._netns)

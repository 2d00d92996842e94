# SPDX-License-Identifier: Apache-2.0
"""A real machine: QEMU, started by vmnetctl run as a user without root.

The program in it (tests/machines/init) is spoken to by its serial port.
"""

import contextlib
import os
import re
import select
import signal
import subprocess
import time

READY = "#ready"
STATUS = re.compile(r"\n#status (\d+)\n")


class GuestError(AssertionError):
    """A machine did not answer, or a command in it failed."""


class Console:
    """The program in a running machine, by its serial port. The devices are eth0, eth1, ..."""

    def __init__(self, name, output, commands):
        """output: an open descriptor; commands: a file to write text to."""
        self.name = name
        self._output = output
        self._commands = commands
        self._received = ""
        os.set_blocking(output, False)

    def _end(self):
        """What there is to say of the machine's end."""
        return ""

    def send(self, command):
        """Has the machine run a line of shell, and does not wait."""
        self._commands.write(command + "\n")
        self._commands.flush()

    def _read(self, deadline, what):
        """Adds to what was received; fails when nothing comes in time."""
        readable, _, _ = select.select([self._output], [], [], max(0, deadline - time.monotonic()))
        if not readable:
            raise GuestError(f"{self.name}: no answer in time: {what}\n{self._received}")
        data = os.read(self._output, 65536)
        if not data:
            raise GuestError(f"{self.name} has ended{self._end()}: {what}\n{self._received}")
        self._received += data.decode(errors="replace").replace("\r", "")

    def boot(self, timeout=60):
        """Waits until the machine takes commands."""
        deadline = time.monotonic() + timeout
        while READY + "\n" not in self._received:
            self._read(deadline, "boot")
        self._received = ""
        return self

    def run(self, command, check=True, timeout=30):
        """Runs a line of shell in the machine; returns (status, output)."""
        self.send(command)
        deadline = time.monotonic() + timeout
        while not (found := STATUS.search(self._received)):
            self._read(deadline, command)
        output, self._received = self._received[: found.start()], self._received[found.end() :]
        status = int(found[1])
        if check and status != 0:
            raise GuestError(f"{self.name}: {command}: status {status}\n{output}")
        return status, output

    def output(self, command, **options):
        return self.run(command, **options)[1].strip()

    def succeeds(self, command, **options):
        return self.run(command, check=False, **options)[0] == 0

    def dhcp(self, device="eth0", timeout=15):
        """Gets a lease; returns the address and how many seconds it took."""
        hostname = f"-x hostname:{self.name}"
        start = time.monotonic()
        self.run(
            f"udhcpc -f -n -q -i {device} -s /bin/dhcp -t {timeout} -T 1 {hostname}",
            timeout=timeout + 15,
        )
        seconds = time.monotonic() - start
        return self.address(device), seconds

    def address(self, device="eth0"):
        text = self.output(f"ip -4 -o address show dev {device}")
        return re.search(r"inet (\S+)/", text)[1]

    def ping(self, address, tries=3):
        """Whether one of a few echo requests is answered within its second."""
        return any(self.succeeds(f"ping -c 1 -W 1 {address}") for _ in range(tries))

    def resolve(self, name):
        """The name's addresses, by the servers that DHCP gave."""
        _, answer = self.run(f"nslookup {name}", check=False)
        return re.findall(r"^Address(?: \d+)?: +(\S+)$", answer, re.MULTILINE)

    def echoes(self, address, port):
        """Sends /tmp/data of the machine there; whether the same comes back."""
        sent = self.output("sha256sum </tmp/data")
        return self.output(f"nc {address} {port} </tmp/data | sha256sum", timeout=60) == sent


class Guest(Console):
    """A running machine of QEMU's with a device on each of its networks."""

    def __init__(
        self,
        broker,
        networks=("default",),
        uid=65534,
        kvm=False,
        queues=1,
        name="guest",
        options=(),
        machine=(),
    ):
        """options: further ones of vmnetctl run, for the last of the networks; machine: QEMU's."""
        self.uid = uid
        self._log_path = os.path.join(broker.host.directory, f"{name}.log")
        program = broker.host.program("vmnetctl/vmnetctl")
        arguments = ["run", f"--queues={queues}"] if queues > 1 else ["run"]
        for network in networks:
            arguments += ["--network", network]
        qemu = self._qemu(broker.host, networks, kvm, queues)
        self.arguments = [*arguments, *options, "--", *qemu, *machine]
        with open(self._log_path, "w", encoding="ascii") as log:
            self._process = broker.host.popen(
                program,
                *self.arguments,
                uid=uid,
                env=broker.environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        super().__init__(name, self._process.stdout.fileno(), self._process.stdin)

    def _end(self):
        self._process.wait()
        return f" with status {self._process.returncode}\n{self.log()}"

    @staticmethod
    def _qemu(host, networks, kvm, queues):
        argv = [
            "qemu-system-x86_64",
            "-nodefaults",
            "-display",
            "none",
            "-no-reboot",
            "-machine",
            "q35,accel=" + ("kvm" if kvm else "tcg"),
            "-cpu",
            "host" if kvm else "max",
            "-smp",
            str(queues),
            "-m",
            "128",
            "-serial",
            "stdio",
            "-kernel",
            host.program("guest/vmlinuz"),
            "-initrd",
            host.program("guest/initramfs"),
            "-append",
            "console=ttyS0 quiet panic=-1",
        ]
        for index, network in enumerate(networks):
            of = f":{network}" if index else ""
            fd, mac = f"{{fd{of}}}", f"{{mac{of}}}"
            device = f"virtio-net-pci,netdev=n{index},mac={mac},romfile="
            if queues > 1:
                fd = f"{{fds{of}}}"
                device += f",mq=on,vectors={2 * queues + 2}"
            argv += ["-netdev", f"tap,id=n{index},{'fds' if queues > 1 else 'fd'}={fd}"]
            argv += ["-device", device]
        return argv

    def log(self):
        """What vmnetctl and QEMU had to say."""
        with open(self._log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def pids(self):
        """The machine itself, once it has been started."""
        children = f"/proc/{self._process.pid}/task/{self._process.pid}/children"
        with open(children, encoding="ascii") as file:
            return [int(pid) for pid in file.read().split()]

    def wait(self):
        """For its end; returns vmnetctl's exit status."""
        return self._process.wait(timeout=20)

    def kill(self):
        """SIGKILL to the machine itself; returns vmnetctl's exit status."""
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)
        return self.wait()

    def poweroff(self):
        """Lets the machine end by itself; returns vmnetctl's exit status."""
        self.send("poweroff -f")
        return self.wait()

    def close(self):
        if self._process.poll() is None:
            with contextlib.suppress(OSError):
                self.kill()
            self._process.kill()
            self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

# SPDX-License-Identifier: Apache-2.0
"""vmnetctl on a terminal."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios

from support.broker import SANITIZER_REPORT
from support.wait import wait_for

USER = 1234
ENTERED = r"\x1b\[\?1049h\x1b\[\?25l"
LEFT = r"\x1b\[\?25h\x1b\[\?1049l"

# A shell with jobs: it says that its job was stopped, and continues it after a line.
SHELL = ["sh", "-mc", '"$@" || { echo stopped; read -r line; fg; }', "sh"]


class Screen:
    """A subcommand of vmnetctl on a terminal."""

    def __init__(self, broker, *argv, shell=(), lines=24, columns=120, uid=USER, env=None):
        self._master, slave = pty.openpty()
        self.resize(lines, columns)
        self.before = termios.tcgetattr(slave)
        self._slave = slave
        self.text = ""
        self.process = subprocess.Popen(
            broker.host.command(
                [*shell, broker.host.program("vmnetctl/vmnetctl"), *argv], uid
            ),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**broker.environment(), "TERM": "xterm", **(env or {})},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.set_blocking(self._master, False)

    def resize(self, lines, columns=120):
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def press(self, keys):
        os.write(self._master, keys.encode())

    def read(self):
        try:
            self.text += os.read(self._master, 65536).decode()
        except BlockingIOError:
            pass
        return self.text

    def wait_for(self, pattern):
        """Waits until what has come since the last match matches; returns the match."""
        match = wait_for(
            lambda: re.search(pattern, self.read(), re.DOTALL), what=lambda: repr(self.text)
        )
        self.text = self.text[match.end() :]
        return match

    def wait_for_screen(self, pattern):
        """Waits for a whole text with that in it; returns its lines."""
        text = self.wait_for(rf"\x1b\[H\x1b\[J([^\x1b]*{pattern}[^\x1b]*)\r\n(?=\x1b|$)")[1]
        return text.split("\r\n")

    def is_restored(self):
        return termios.tcgetattr(self._slave) == self.before

    def wait(self):
        status = self.process.wait(timeout=15)
        self.read()
        assert not SANITIZER_REPORT.search(self.text)
        return status

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self._slave)
        os.close(self._master)

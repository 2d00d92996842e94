# SPDX-License-Identifier: Apache-2.0
"""How a demonstration is shown: what is claimed, who types what where, and whether it held."""

import os
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tests"))
START = time.monotonic()


def seconds():
    return time.monotonic() - START


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def show(text):
    for line in text.rstrip().splitlines():
        print(f"      {line}".rstrip(), flush=True)


class Chapter:
    """What is claimed, before it is shown, and whether it held."""

    def __init__(self, claim):
        self._claim = claim

    def __enter__(self):
        print(f"\n{self._claim}\n", flush=True)

    def __exit__(self, kind, _value, _traceback):
        text = "FAILED" if kind else "ok"
        if sys.stdout.isatty():
            text = f"\033[{31 if kind else 32}m{text}\033[0m"
        print(f"  {text}, after {seconds():.1f} s", flush=True)


class Terminal:
    """Somebody's: what is typed there is shown and run, and what it prints is shown, too."""

    def __init__(self, prompt, run):
        """run: runs a line of shell there, and returns its output; it raises for check."""
        self._prompt = prompt
        self._run = run

    def show(self, line):
        print(f"  {self._prompt} {line}", flush=True)

    def type(self, line, expected="", check=True):
        self.show(line)
        output = self._run(line, check=check).strip()
        show(output)
        expect(expected in output, f"It should have said: {expected}")


def environment_of(broker):
    """What users have there, as if it were all installed."""
    return {
        **broker.environment(),
        "PATH": f"{broker.host.program('vmnetctl')}:{os.environ['PATH']}",
        "LD_LIBRARY_PATH": broker.host.find_machines(),
    }


def terminal(prompt, place, uid, environment):
    """Of a user in a namespace."""

    def run(line, check):
        options = {"env": environment, "stderr": subprocess.STDOUT, "check": check}
        return place.run("sh", "-c", line, uid=uid, **options).stdout

    return Terminal(prompt, run)


def show_start(user, guest, folder=None):
    """How a user has started a machine, in a few lines; folder: where files of the machine are."""
    words = ["vmnetctl", *guest.arguments]
    if folder:
        words = [word.replace(folder, "...") for word in words]
    program, network = words.index("--") + 1, words.index("-netdev")
    device = words.index("-device", network) + 2  # and what is behind it
    lines = [words[:program], [words[program], "..."], words[network:device], words[device:]]
    lines = [line for line in lines if line]
    lines[-1].append("&")
    user.show(" \\\n        ".join(map(" ".join, lines)))

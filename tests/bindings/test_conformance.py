# SPDX-License-Identifier: Apache-2.0
"""The library and all bindings, held to the same by conformance/*.json.

A file is a list of cases. A case has a "name", and

- "config": the networks.json of a real broker, and "uid", the user (12345), or
- "exchanges" with a broker that only says what stands there: after "requests" have come, it
  sends a "reply", or a "text" that is none, with "descriptors"; after the last the connection
  ends. So it is known what is sent, and what becomes of a reply that no broker should give.

Its "steps" are done by a process of each binding, in turn: a "call", its arguments, and "on"
which connection ("client"), which is made when it is first used. A step has a "reply" or an
"error", by the names of vmnet-broker.h; a configuration is as the protocol has it. Of an
attached interface "tap" and "vhost" are what the kernel calls the descriptors, and "inheritable"
is how many a new program would get. {"~": X} is a value whose text is a match of X; all else has
to be equal, and nothing may be missing or more.

{"=": NAME} is that of values.json, with what stands beside it in place of what that has. In a
list {"*": N} is so many of what stands beside it.

The library has no "name" and "field" of an error.
"""

import contextlib
import copy
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import threading

import pytest

from support.broker import SANITIZER_ENVIRONMENT, Broker

HERE = pathlib.Path(__file__).parent
VALUES = json.loads((HERE / "values.json").read_text(encoding="utf-8"))
BINDINGS = ["C", "Go", "Python", "asyncio"]
USER = 12345


def written_out(value):
    """The value without short forms."""
    if isinstance(value, dict):
        own = {key: written_out(item) for key, item in value.items() if key not in ("=", "*")}
        return {**written_out(VALUES[value["="]]), **own} if "=" in value else own
    if isinstance(value, list):
        written = []
        for item in value:
            times = item.get("*", 1) if isinstance(item, dict) else 1
            written += [written_out(item)] * times
        return written
    return value


def cases(kind):
    """Those that have a "config", or "exchanges"."""
    return [
        pytest.param(written_out(case), id=f"{path.stem}: {case['name']}")
        for path in sorted(HERE.glob("conformance/*.json"))
        for case in json.loads(path.read_text(encoding="utf-8"))
        if kind in case
    ]


@pytest.fixture(scope="session")
def driver(programs, go, python_path):
    """The command of a binding's driver: driver(binding, the build directory as it is seen)."""
    go("build", "-o", programs / "driver-go", ".", cwd=HERE / "go")
    shutil.copy(HERE / "driver.py", programs)
    python = ["env", f"PYTHONPATH={python_path}", sys.executable, "-B", programs / "driver.py"]

    def command(binding, build):
        return {
            "C": [os.path.join(build, "tests/bindings/driver")],
            "Go": [programs / "driver-go"],
            "Python": [*python, "sync"],
            "asyncio": [*python, "asyncio"],
        }[binding]

    return command


def differences(expected, found, where=""):
    """What is not as it should be, a line each."""
    if isinstance(expected, dict) and expected.keys() == {"~"}:
        good = found is not None and re.fullmatch(expected["~"], str(found))
        return [] if good else [f"{where}: {found!r} is no {expected['~']}"]
    if isinstance(expected, dict) and isinstance(found, dict) and expected.keys() == found.keys():
        pairs = [(key, expected[key], found[key]) for key in expected]
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        pairs = [(i, *pair) for i, pair in enumerate(zip(expected, found))]
    elif type(expected) is type(found) and expected == found:
        return []
    else:
        return [f"{where}: {found!r} instead of {expected!r}"]
    return [line for key, *pair in pairs for line in differences(*pair, f"{where}/{key}")]


def steps_of(case):
    """What a driver is to do, and what is to come of it."""
    steps = [{"on": "client", **step} for step in copy.deepcopy(case["steps"])]
    expected = [
        {key: step.pop(key) for key in ("reply", "error") if key in step} for step in steps
    ]
    return json.dumps(steps), expected


def check(binding, expected, output):
    if binding == "C":
        for outcome in expected:
            for key in ("name", "field"):
                outcome.get("error", {}).pop(key, None)
    wrong = differences(expected, json.loads(output), binding)
    assert not wrong, "\n".join(wrong)


class Script(threading.Thread):
    """A broker for one client that says what stands in its exchanges."""

    def __init__(self, path, exchanges):
        super().__init__()
        self.exchanges = exchanges
        self.differences = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen()
        self.start()

    def run(self):
        self._listener.settimeout(20)
        connection, _ = self._listener.accept()
        connection.settimeout(20)
        with connection, connection.makefile("rb") as file, contextlib.suppress(ConnectionError):
            for number, exchange in enumerate(self.exchanges):
                for expected in exchange.get("requests", []):
                    request = self._read(file)
                    self.differences += differences(expected, request, f"exchange {number}")
                self._answer(connection, exchange)
        self._listener.close()

    @staticmethod
    def _read(file):
        """A request, without the parameters that are null, as if they were missing."""
        text = b""
        while not text.endswith(b"\0"):
            byte = file.read(1)
            if not byte:
                return "the end"
            text += byte
        request = json.loads(text[:-1])
        given = request["parameters"].items()
        return {**request, "parameters": {k: v for k, v in given if v is not None}}

    @staticmethod
    def _answer(connection, exchange):
        text = exchange.get("text")
        if "reply" in exchange:
            text = json.dumps(exchange["reply"]) + "\0"
        if text is not None:
            fds = [os.open(path, os.O_RDWR) for path in exchange.get("descriptors", [])]
            socket.send_fds(connection, [text.encode()], fds)
            for fd in fds:
                os.close(fd)


@pytest.mark.parametrize("case", cases("config"))
def test_with_the_broker(case, host, driver):
    broker = Broker(host, config=case["config"])
    broker.start()
    try:
        for binding in BINDINGS:
            steps, expected = steps_of(case)
            done = host.run(
                *driver(binding, host.build),
                uid=case.get("uid", USER),
                env=broker.environment(),
                input=steps,
                check=False,
            )
            assert (done.returncode, done.stderr) == (0, ""), binding
            check(binding, expected, done.stdout)
            broker.wait_until_clean()
    finally:
        broker.finish()


@pytest.mark.parametrize("binding", BINDINGS)
@pytest.mark.parametrize("case", cases("exchanges"))
def test_with_what_a_broker_should_not_say(case, binding, directory, build, driver):
    path = os.path.join(directory, "socket")
    script = Script(path, case["exchanges"])
    steps, expected = steps_of(case)
    done = subprocess.run(
        driver(binding, build),
        env={**os.environ, **SANITIZER_ENVIRONMENT, "VMNET_BROKER_SOCKET": path},
        input=steps,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    script.join()
    assert (done.returncode, done.stderr) == (0, "")
    assert script.differences == []
    check(binding, expected, done.stdout)

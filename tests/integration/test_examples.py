# SPDX-License-Identifier: Apache-2.0
"""The examples do what they say, as users without privilege."""

import pathlib
import re
import signal
import subprocess
import sys

import pytest

from support.wait import wait_for

SOURCE = pathlib.Path(__file__).parents[2]
USER = 1234


@pytest.fixture(params=["client", "client.py"])
def example(request, host, directory):
    """The command of each example, where every user can read it."""
    if request.param == "client":
        return [host.program("examples/client")]
    copy = pathlib.Path(directory) / request.param
    copy.write_bytes((SOURCE / "examples" / request.param).read_bytes())
    return [sys.executable, str(copy)]


def test_example(broker, example, directory):
    path = pathlib.Path(directory) / "output"
    with path.open("wb") as output:
        process = broker.host.popen(
            *example, "default", uid=USER, env=broker.environment(), stdout=output
        )
    wait_for(lambda: "Press Ctrl-C" in path.read_text(encoding="utf-8"))
    text = path.read_text(encoding="utf-8")
    assert "network default, subnet 192.168.64.0/24" in text
    inspection = broker.inspect("default")
    assert inspection["clients"][0]["pid"] == process.pid
    interface = inspection["interfaces"][0]
    assert f"interface {interface['device']}, MAC address {interface['macAddress']}" in text
    assert re.search(r"descriptor \d", text)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=10) == -signal.SIGINT
    broker.wait_until_clean()


def test_example_without_a_network(broker, example):
    done = broker.host.run(*example, "nosuch", check=False, env=broker.environment())
    assert done.returncode == 1
    assert '"nosuch"' in done.stderr and "Traceback" not in done.stderr


def test_example_without_a_broker(host, example):
    done = host.run(*example, check=False)
    assert done.returncode == 1
    assert "/run/vmnet-broker/socket" in done.stderr and "Traceback" not in done.stderr


def test_the_manual_page_has_an_example_that_compiles(directory):
    manual = (SOURCE / "man/vmnet-broker.3").read_text(encoding="utf-8")
    example = re.search(r"^\.Bd -literal\n(.*?)^\.Ed$", manual, re.MULTILINE | re.DOTALL)[1]
    path = pathlib.Path(directory) / "example.c"
    path.write_text(example.replace("\\e", "\\"), encoding="utf-8")
    subprocess.run(
        ["cc", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", f"-I{SOURCE}/include", path],
        check=True,
    )

# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests of bindings/: where a user finds them, and the compiler of Go."""

import functools
import os
import pathlib
import shutil
import tempfile

import pytest

from support.golang import run_go

SOURCE = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="session")
def programs():
    """A directory that every user may enter, for what is made once; the source may be in none."""
    with tempfile.TemporaryDirectory(prefix="vmnet-broker-") as path:
        os.chmod(path, 0o755)
        yield pathlib.Path(path)


@pytest.fixture(scope="session")
def go(build):
    """go("vet", "./...", cwd=folder), without a compiler of C."""
    return functools.partial(run_go, build, CGO_ENABLED="0")


@pytest.fixture(scope="session")
def python_path(programs):
    """What PYTHONPATH has to be for the binding."""
    package = "vmnet_broker"
    shutil.copytree(SOURCE / "bindings/python" / package, programs / "python" / package)
    return str(programs / "python")

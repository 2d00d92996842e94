# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests of bindings/: where a user finds them, and the compiler of Go."""

import fcntl
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from support.need import need

SOURCE = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="session")
def programs():
    """A directory that every user may enter, for what is made once; the source may be in none."""
    with tempfile.TemporaryDirectory(prefix="vmnet-broker-") as path:
        os.chmod(path, 0o755)
        yield pathlib.Path(path)


@pytest.fixture(scope="session")
def go(build):
    """Runs go in a folder, without the world: go("vet", "./...", cwd=folder)."""
    need("go")

    def run(*arguments, cwd, **variables):
        environment = {
            **os.environ,
            "CGO_ENABLED": "0",
            "GOCACHE": f"{build}/go-cache",
            "GOFLAGS": "-mod=mod",
            "GOPROXY": "off",
            **variables,
        }
        with open(f"{build}/go-lock", "wb") as lock:
            # What one of several processes has compiled, the others find.
            fcntl.flock(lock, fcntl.LOCK_EX)
            done = subprocess.run(
                ["go", *map(str, arguments)],
                cwd=cwd,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def python_path(programs):
    """What PYTHONPATH has to be for the binding."""
    package = "vmnet_broker"
    shutil.copytree(SOURCE / "bindings/python" / package, programs / "python" / package)
    return str(programs / "python")

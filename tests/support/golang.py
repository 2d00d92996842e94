# SPDX-License-Identifier: Apache-2.0
"""The compiler of Go, for the bindings."""

import fcntl
import os
import subprocess

from .need import need


def run_go(build, *arguments, cwd, **variables):
    """Runs go in a folder, without the world, and returns what it printed; variables: of its
    environment. What one of several processes has compiled, the others find."""
    need("go")
    environment = {
        **os.environ,
        "GOCACHE": f"{build}/go-cache",
        "GOFLAGS": "-mod=mod",
        "GOPROXY": "off",
        **variables,
    }
    with open(f"{build}/go-lock", "wb") as lock:
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

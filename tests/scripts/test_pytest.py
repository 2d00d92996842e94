# SPDX-License-Identifier: Apache-2.0
"""What tests/pytest says of a build directory that is none."""

import pathlib
import subprocess

TOP = pathlib.Path(__file__).resolve().parent.parent.parent


def test_a_build_that_is_not_there():
    done = subprocess.run(
        [TOP / "tests/pytest", "--build", "nosuch", "tests/integration"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        "tests/pytest: nosuch is no build directory; meson setup makes one\n",
    )

# SPDX-License-Identifier: Apache-2.0
"""What scripts/demo is asked for, before it installs or builds anything."""

import pathlib
import subprocess

import pytest

DEMO = pathlib.Path(__file__).parents[2] / "scripts/demo"


def demo(tmp_path, *arguments):
    """By somebody who counts as root, on a system that can install nothing."""
    (tmp_path / "id").write_text("#!/bin/sh\necho 0\n")
    (tmp_path / "id").chmod(0o755)
    path = f"{tmp_path}:/usr/sbin:/usr/bin:/sbin:/bin"
    return subprocess.run(
        [DEMO, "--no-install", *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": path},
    )


@pytest.mark.parametrize("number", ["2", "10", "x", "", "-3", "3x"])
def test_a_wrong_number_of_hosts(tmp_path, number):
    done = demo(tmp_path, "--hosts", number)
    assert done.returncode == 1
    assert done.stderr == f'demo: --hosts needs a number from 3 to 9, not "{number}"\n'


def test_no_number_of_hosts(tmp_path):
    assert 'not ""' in demo(tmp_path, "--hosts").stderr


def test_help(tmp_path):
    done = demo(tmp_path, "--hosts", "3", "--help")
    assert done.returncode == 0 and "--hosts N" in done.stdout
    assert demo(tmp_path, "--nonsense").returncode == 2

# SPDX-License-Identifier: Apache-2.0
"""What the scripts install, and when; and whose is what they leave."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
USER = 1234


@pytest.fixture
def tree(tmp_path):
    """Scripts on a system that has git and Python, and can install nothing."""
    shutil.copytree(TOP / "scripts", tmp_path / "scripts")
    programs = {
        "id": "echo 0",
        "dpkg-query": 'case "$*" in *git | *python3) echo installed ;; esac',
        "apt-cache": "exit 0",
        "apt-get": f'echo "$*" >>{tmp_path}/asked; exit 1',
        "sudo": f"echo sudo >>{tmp_path}/asked; exit 1",
    }
    for name, text in programs.items():
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    return tmp_path


def check(tree, *arguments):
    path = f"{tree}/bin:{os.environ['PATH']}"
    return subprocess.run(
        [tree / "scripts/check", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": path},
    )


def shell(text):
    """What a shell says that has scripts/common.sh."""
    command = f'set -eu; top={TOP}; . "$top/scripts/common.sh"; {text}'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("--wrong", "unrecognized arguments: --wrong"),
        ("nosuch", "argument STAGE: invalid choice: 'nosuch'"),
        ("--fuzz-seconds=x", "argument --fuzz-seconds: invalid int value: 'x'"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_installed(tree, argument, says):
    done = check(tree, "spelling", argument)
    assert done.returncode == 2
    assert f"scripts/check: error: {says}" in done.stderr
    assert not (tree / "asked").exists()


@pytest.mark.parametrize(
    ("stages", "packages"),
    [("spelling", "codespell"), ("manuals format", "clang-format-14 groff-base mandoc")],
)
def test_a_stage_installs_its_own(tree, stages, packages):
    done = check(tree, *stages.split())
    assert done.returncode == 1
    assert sorted(done.stdout.removeprefix("installing").split()) == packages.split()
    assert (tree / "asked").exists()


def test_nothing_is_installed_unasked(tree):
    assert check(tree, "--no-install", "--help").returncode == 0
    assert not (tree / "asked").exists()


def test_every_stage_says_what_it_needs():
    program = [sys.executable, "-B", TOP / "scripts/check.py", "--list"]
    stages = subprocess.run(program, capture_output=True, text=True, check=True).stdout.split()
    assert len(stages) > 20
    for stage in stages:
        shell(f"packages_of {stage}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root leaves what is root's")
def test_what_root_has_made_is_the_owners(tree):
    for path in tree.rglob("*"):
        os.chown(path, USER, USER, follow_symlinks=False)
    os.chown(tree, USER, USER)
    (tree / "build-check/check").mkdir(parents=True)
    os.symlink("/etc/passwd", tree / "build-check/link")
    check(tree, "spelling")
    left = [tree, *tree.rglob("*")]
    assert {path.lstat().st_uid for path in left} == {USER}
    assert tree / "build-check/check" in left
    assert os.stat("/etc/passwd").st_uid == 0

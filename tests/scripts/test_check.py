# SPDX-License-Identifier: Apache-2.0
"""scripts/check runs a few tests that have failed once more, and says which passed only then."""

import pathlib
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "scripts"))

from checks import tools  # noqa: E402

TESTS = """
import os

import pytest

@pytest.mark.parametrize("n", range({unsteady}))
def test_unsteady(n):
    if not os.path.exists(f"seen{{n}}"):
        open(f"seen{{n}}", "w").close()
        assert False, "not yet"

@pytest.mark.parametrize("n", range({bad}))
def test_bad(n):
    assert False, "never"

def test_good():
    assert not os.path.exists("good")
    open("good", "w").close()

def test_skipped():
    pytest.skip("no reason")
"""


class Log:
    """Has pytest itself run the tests, where tests/pytest would need root."""

    def __init__(self, directory):
        self.directory = directory
        self.junit_path = str(directory / "tests.xml")
        self.cache_path = str(directory / "cache")

    def run(self, python, _runner, _build, *arguments):
        done = subprocess.run(
            [python, "-m", "pytest", "-c", TOP / "tests/pytest.ini", *arguments],
            cwd=self.directory,
            capture_output=True,
            check=False,
        )
        return done.returncode, done.stdout


@pytest.fixture
def run(tmp_path):
    def run(*arguments, **numbers):
        (tmp_path / "test_it.py").write_text(TESTS.format(**numbers))
        return tools.pytest(Log(tmp_path), "test_it.py", *arguments)

    return run


def test_one_that_passes_then(run):
    result = run(unsteady=1, bad=0)
    assert (result.passed, result.failed, result.unsteady) == (2, 0, 1)
    assert "failed at first: test_unsteady[0]: AssertionError: not yet" in result.notes


def test_one_that_fails_again(run, monkeypatch):
    if tools.TESTS_AT_ONCE:
        monkeypatch.setattr(tools, "TESTS_AT_ONCE", ["--numprocesses=1", "--dist=loadgroup"])
    result = run(*tools.TESTS_AT_ONCE, unsteady=1, bad=1)
    assert (result.passed, result.failed, result.skipped, result.unsteady) == (2, 1, 1, 1)
    assert any(note.startswith("failed: test_bad[0]: ") for note in result.notes)


def test_too_many_for_chance(run):
    result = run(unsteady=tools.REPEATED_MAX + 1, bad=0)
    assert (result.passed, result.failed, result.unsteady) == (1, tools.REPEATED_MAX + 1, 0)


def test_none(run):
    result = run(unsteady=0, bad=0)
    assert (result.passed, result.failed, result.unsteady) == (1, 0, 0)

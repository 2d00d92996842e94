# SPDX-License-Identifier: Apache-2.0
"""What docs/architecture.md says of the tree, and the pictures, are true of it."""

import pathlib
import re
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).parents[2]
LINES = (TOP / "docs/architecture.md").read_text(encoding="utf-8").split("\n")
HOUSE = ["base", "broker", "client", "config", "host", "vmnetctl", "wire"]
FILES = [*TOP.glob("*/*.[ch]"), *TOP.glob("*/*/*.[ch]"), *TOP.glob("*/*/*/*.[ch]")]


def paths(text):
    """Those from the top of the tree: no file of the host's, no "STATE_DIR/NAME.json"."""
    return re.findall(r"`([a-z][\w.-]*/[\w./-]*)`", text)


def defines(text, function):
    """At the beginning of a line, where calls are not."""
    return re.search(rf"^\w[^;\n]*\b{function}\(|^{function}\(", text, re.MULTILINE)


def test_every_path_exists():
    named = set(paths("\n".join(LINES)))
    assert len(named) > 60
    here = [TOP, TOP / "broker/linux"]  # whose rooms are called by their short names, too
    assert {path for path in named if not any((top / path).exists() for top in here)} == set()


def test_every_function_is_in_a_file_that_is_named_beside_it():
    wrong = []
    for line in LINES:
        sources = [TOP / path for path in paths(line) if (TOP / path).is_file()]
        text = "\n".join(path.read_text(encoding="utf-8") for path in sources or FILES)
        functions = re.findall(r"`(\w+)\(\)`", line)
        wrong += [f"{function}: {line}" for function in functions if not defines(text, function)]
    assert wrong == []


@pytest.mark.parametrize("name", ["architecture", "picture"])
def test_the_picture_is_what_its_text_draws(name):
    script, text = TOP / "scripts/picture.py", TOP / f"docs/{name}.txt"
    drawn = subprocess.run([sys.executable, "-B", script, text], check=True, capture_output=True)
    assert drawn.stdout == (TOP / f"docs/{name}.svg").read_bytes()


def test_every_folder_of_sources_is_in_the_picture():
    picture = (TOP / "docs/architecture.txt").read_text(encoding="utf-8")
    house = [path.parent.relative_to(TOP) for path in FILES]
    rooms = {path for path in house if path.parts[0] in HOUSE and path.parts[1:] != ("linux",)}
    missing = {path for path in rooms if f"{path.name}/" not in picture}
    assert len(rooms) > 10 and missing == set()

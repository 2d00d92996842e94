# SPDX-License-Identifier: Apache-2.0
"""scripts/check knows a comment that names a source which is not there."""

import pathlib
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "scripts"))

from checks.comments import wrong_names  # noqa: E402

TREE = {"broker/linux/worker.h": [], "tests/unit/test.h": [], "scripts/check.py": []}


def look(*lines, file="host/link.c"):
    return wrong_names({**TREE, file: [*lines]})


def test_a_source_of_the_tree_that_is_renamed():
    """Nothing is wrong with the sources, and then one has another name."""
    texts = {
        str(path.relative_to(TOP)): path.read_text().split("\n")
        for folder in ("base", "broker", "client", "config", "host", "wire")
        for path in (TOP / folder).rglob("*.[ch]")
    }
    firewalls = texts["broker/linux/firewall/foreign_firewalls.c"]
    number = next(n for n, line in enumerate(firewalls, 1) if "host/ruleset.h" in line)
    assert wrong_names(texts) == []
    texts["host/rules.h"] = texts.pop("host/ruleset.h")
    assert (
        f"broker/linux/firewall/foreign_firewalls.c:{number}: there is no host/ruleset.h"
        in wrong_names(texts)
    )


@pytest.mark.parametrize(
    "line",
    [
        "/* See broker/linux/worker.h. */",
        "/* See linux/worker.h, or worker.h: (worker.h). */",
        "// worker.h",
        "/* By scripts/check.py. */",
        "/* As <linux/if_tun.h> and <grp.h> have it. */",
        "/* FOLDER.name, /etc/resolv.conf, a.cpp, worker.hpp */",
        '#include "gone.h"',
        'text = "gone.c"; /* of what was */',
        "/* Those in https://example.com/gone.c */",
    ],
)
def test_what_may_be(line):
    assert look(line) == []


@pytest.mark.parametrize("name", ["gone.c", "host/worker.h", "orker.h", "gone.py", "gone.m"])
def test_what_may_not_be(name):
    assert look("", f"int a; /* See {name}. */") == [f"host/link.c:2: there is no {name}"]
    assert look("/*", " * The first line,", f" * and {name}'s.", " */") == [
        f"host/link.c:3: there is no {name}"
    ]
    assert look(f"// ({name})", file="tests/unit/test.h") != []

# SPDX-License-Identifier: Apache-2.0
"""The interface file is the protocol's manual: nothing in it is without a word about it."""

import pathlib
import re

import pytest

TOP = pathlib.Path(__file__).parents[2]
LINES = (TOP / "data/com.github.nirs.vmnetbroker.varlink").read_text(encoding="utf-8").split("\n")


@pytest.mark.parametrize(("what", "least"), [(r"(type|method|error) ", 15), (r"  \w+: ", 50)])
def test_everything_has_a_comment(what, least):
    found = [(above, line) for above, line in zip(LINES, LINES[1:]) if re.match(what, line)]
    assert len(found) > least
    assert [line for above, line in found if not above.lstrip().startswith("#")] == []


def test_every_field_is_on_a_line_of_its_own():
    assert [line for line in LINES if re.search(r"\(\w+: |, \w+: ", line) and "#" not in line] == []

# SPDX-License-Identifier: Apache-2.0
"""Every command of every document is in the table, and the table has no others."""

from commands import NOT_RUN, RUN, RUN_ELSEWHERE

from support.documents import TEXTS, COMMANDS, MARKDOWN, TOP, blocks, commands, name, plain

LISTS = [*RUN.values(), *RUN_ELSEWHERE.values(), *NOT_RUN.values()]


def test_a_block_says_what_is_in_it():
    kinds = {(name(path), kind) for path in MARKDOWN for kind, _ in blocks(path)}
    assert [entry for entry in kinds if entry[1] not in (None, *COMMANDS, *TEXTS)] == []


def test_every_command_is_in_the_table():
    known = {command for commands in LISTS for command in commands}
    shown = commands()
    assert len(shown) > 100
    assert [entry for entry in shown if plain(entry[1]) not in known] == []


def test_the_table_has_no_others():
    shown = {plain(command) for _, command in commands()}
    assert [command for commands in LISTS for command in commands if command not in shown] == []


def test_the_tests_that_are_named_are_there():
    for where in RUN_ELSEWHERE:
        path, _, test = where.partition("::")
        assert f"def {test}(" in (TOP / path).read_text(encoding="utf-8")
    examples = (TOP / "tests/documents/test_examples.py").read_text(encoding="utf-8")
    assert [test for test in RUN if f"def test_{test}(" not in examples] == []

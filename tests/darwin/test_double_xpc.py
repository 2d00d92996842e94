# SPDX-License-Identifier: Apache-2.0
"""What clients that nobody here wrote may call of XPC is there, and does what is documented.

programs/xpc.c calls it, in parts; each checks by itself, and nothing of it may be left over.
"""

import pytest

PROGRAM = "tests/darwin/xpc"
PARTS = [
    "values",
    "containers",
    "looks",
    "errors",
    "descriptors",
    "unanswered",
    "created",
    "context",
    "waits",
]


@pytest.mark.parametrize("part", PARTS)
def test_part(world, part):
    world.run(PROGRAM, part)


def test_each_type_and_a_descriptor_reach_the_other_side(world):
    world.program_of_broker = PROGRAM
    world.bootstrap()
    world.run(PROGRAM, "talk")

# SPDX-License-Identifier: Apache-2.0
"""The fixtures of the tests of the macOS sources.

tests/pytest runs them, with a build of the double:

    CC=clang meson setup -Ddouble=true -Db_sanitize=address,undefined -Db_lundef=false build-double
    ninja -C build-double && sudo tests/pytest --build=build-double tests/darwin
"""

import pytest
from world import World


@pytest.fixture
def world(directory, build):
    """A Mac without the service; world.bootstrap() adds that."""
    world = World(directory, build)
    yield world
    world.close()


@pytest.fixture
def mac(world):
    """A Mac with the service, which nobody has configured."""
    world.bootstrap()
    return world

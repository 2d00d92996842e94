# SPDX-License-Identifier: Apache-2.0
"""The fixtures of the tests of what a Mac installs."""

import pathlib

import pytest

from support.mac import Mac, dist, make_build


@pytest.fixture(scope="session")
def release(tmp_path_factory):
    """A release of this tree, made of files that are no programs."""
    return dist(tmp_path_factory.mktemp("dist"), make_build(tmp_path_factory.mktemp("build")))


@pytest.fixture
def mac(directory, release):
    mac = Mac(pathlib.Path(directory), release)
    yield mac
    mac.close()

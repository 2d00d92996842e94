# SPDX-License-Identifier: Apache-2.0
"""The fixtures of the tests of packages. What they look at has been made before: by
scripts/package-deb, and by make-root as build-roots/RELEASE.tar."""

import glob
import os
import platform
import subprocess

import pytest
from reader import Reader, make_clone

from support.booted import Booted
from support.contents import installed
from support.need import need

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))


def pytest_addoption(parser):
    parser.addoption(
        "--release",
        default=platform.freedesktop_os_release().get("VERSION_CODENAME"),
        help="of Debian or Ubuntu that packages are tried in (default: this machine's)",
    )


@pytest.fixture(scope="session")
def debs():
    """The packages, as {name: path}."""
    paths = glob.glob(f"{TOP}/build-packages/*.deb")
    assert paths, "there are no packages; run scripts/package-deb"
    return {os.path.basename(path).partition("_")[0]: path for path in paths}


@pytest.fixture(scope="session")
def changes():
    """The list of all that was made with them."""
    (path,) = glob.glob(f"{TOP}/build-packages/*.changes")
    return path


@pytest.fixture(scope="session")
def expected(build):
    """All that is to be in packages, by their common names."""
    return installed(build)


@pytest.fixture(scope="session")
def tapnet(tmp_path_factory):
    """The program, for a host that has no library of sanitizers, and maybe an older C library."""
    path = tmp_path_factory.mktemp("tapnet") / "tapnet"
    subprocess.run(["cc", "-static", "-o", path, f"{TOP}/tests/tools/tapnet.c"], check=True)
    return str(path)


@pytest.fixture(scope="session")
def disk(build):
    """What a machine starts from, like a cloud image."""
    path = f"{build}/guest/disk.img"
    assert os.path.exists(path), f"there is no disk: run tests/machines/make-disk {build}/guest"
    return path


@pytest.fixture(scope="session")
def clone(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("clone") / "clone")
    make_clone(path)
    return path


@pytest.fixture
def binds(tapnet, disk, clone):
    """What a booted host has of here: the packages in /packages, the tree in /tree."""
    return {
        TOP: "/tree",
        tapnet: "/tapnet",
        f"{TOP}/build-packages": "/packages",
        disk: "/disk.img",
        clone: "/clone",
    }


@pytest.fixture
def debian(request, directory, binds):
    """A booted host of a release; elsewhere than on Debian there may be no root of it."""
    need("systemd-nspawn")
    release = request.config.getoption("release")
    archive = f"{TOP}/build-roots/{release}.tar"
    if not os.path.exists(archive):
        is_debian = platform.freedesktop_os_release()["ID"] == "debian"
        stop = pytest.fail if is_debian else pytest.skip
        stop(f"there is no root: tests/packages/make-root {release} {archive}")
    host = Booted(directory, archive, binds)
    yield host
    host.close()


@pytest.fixture
def latest(request):
    """Such a host, if its systemd is to have what is in no stable release yet."""
    if request.config.getoption("release") != "forky":
        pytest.skip("needs systemd 260: --release forky")
    return request.getfixturevalue("debian")


@pytest.fixture
def reader(debian):
    """Who does there what README.md says."""
    return Reader(debian)

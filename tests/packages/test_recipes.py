# SPDX-License-Identifier: Apache-2.0
"""Packages of others, by the recipes in packaging: built, their contents compared, their needs."""

import glob
import json
import os
import re
import shutil

import pytest

from support.contents import common_set, run
from support.need import need

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
PACKAGING = f"{TOP}/packaging"
ARCHIVE = f"{TOP}/build-packages/vmnet-broker_*.orig.tar.gz"
QUICK = {"CFLAGS": "-O0"}
pytestmark = pytest.mark.xdist_group("recipes")

# By the name that meson knows it by: what it is called by Debian, by Arch Linux and by Nix.
DEPENDENCIES = {
    "jansson": ("libjansson-dev", "jansson", "jansson"),
    "libcap": ("libcap-dev", "libcap", "libcap"),
    "libnftables": ("libnftables-dev", "nftables", "nftables"),
    "libnl-3.0": ("libnl-3-dev", "libnl", "libnl"),
    "libnl-route-3.0": ("libnl-route-3-dev", "libnl", "libnl"),
    "libseccomp": ("libseccomp-dev", "libseccomp", "libseccomp"),
    "libsystemd": ("libsystemd-dev", "systemd-libs", "systemd"),
}


def read(path):
    with open(f"{PACKAGING}/{path}", encoding="utf-8") as file:
        return file.read()


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The folder of a release's source; beside it what scripts/dist makes of the recipes."""
    (archive,) = glob.glob(ARCHIVE)
    version = re.search(r"_(.*)\.orig", archive)[1]
    folder = tmp_path_factory.mktemp("release")
    shutil.copy(archive, folder / f"vmnet-broker-{version}.tar.gz")
    for recipe in "rpm/vmnet-broker.spec", "arch/PKGBUILD", "arch/vmnet-broker.install":
        text = read(recipe).replace("@VERSION@", version).replace("'@SHA256@'", "'SKIP'")
        (folder / os.path.basename(recipe)).write_text(text)
    return folder


def test_rpm(source, expected):
    need("rpmbuild")
    run(
        "rpmbuild",
        "-bb",
        "--nodeps",
        f"--define=_topdir {source}/rpm",
        f"--define=_sourcedir {source}",
        "--define=debug_package %{nil}",
        source / "vmnet-broker.spec",
        **QUICK,
    )
    rpms = glob.glob(f"{source}/rpm/RPMS/*/*.rpm")
    names = run("rpm", "--query", "--queryformat=%{NAME}\\n", "--package", *rpms).split()
    assert sorted(names) == [f"vmnet-broker{part}" for part in ("", "-devel", "-libs", "-static")]
    files = run("rpm", "--query", "--list", "--package", *rpms).splitlines()
    folders = {os.path.dirname(file) for file in files} | {"/etc/vmnet-broker"}
    assert common_set(set(files) - folders) == expected


def test_arch(source, expected, directory):
    """By Arch's own tool, as a user; what it depends on is not there."""
    need("makepkg")
    for file in source.iterdir():
        if file.is_file():
            shutil.copy(file, directory)
    run("chown", "-R", "nobody", directory)
    as_nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    command = ["env", "-C", directory, "makepkg", "--nodeps", "--skipinteg"]
    run(*as_nobody, *command, HOME=directory, PACMAN="true", PKGEXT=".pkg.tar", **QUICK)
    (package,) = glob.glob(f"{directory}/*.pkg.tar*")
    assert common_set(run("tar", "-t", "-a", "-f", package).splitlines()) == expected


def test_nix(tmp_path):
    need("nix-instantiate")
    store = {"NIX_STORE_DIR": f"{tmp_path}/store", "NIX_STATE_DIR": f"{tmp_path}/state"}
    for file in "default", "module":
        run("nix-instantiate", "--parse", f"{PACKAGING}/nix/{file}.nix", **store)
    version = run("nix-instantiate", "--eval", f"{PACKAGING}/nix/version.nix", **store)
    (archive,) = glob.glob(ARCHIVE)
    assert f'"{re.search(r"_(.*).orig", archive)[1]}"' in version


def test_dependencies(build):
    """Each recipe names what meson asks for."""
    asked = json.loads(run("meson", "introspect", "--dependencies", build))
    tests_only = {"cmocka", "threads", "libblocksruntime"}
    assert {d["name"] for d in asked if d["name"]} - tests_only == set(DEPENDENCIES)
    spec = set(re.findall(r"pkgconfig\((.*?)\)", read("rpm/vmnet-broker.spec")))
    assert spec == set(DEPENDENCIES)
    control, pkgbuild, nix = (
        set(re.findall(r"[\w.-]+", read(path)))
        for path in ("debian/control", "arch/PKGBUILD", "nix/default.nix")
    )
    for debian, arch, nixpkgs in DEPENDENCIES.values():
        assert debian in control and arch in pkgbuild and nixpkgs in nix

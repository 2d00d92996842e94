# SPDX-License-Identifier: Apache-2.0
"""scripts/dist: what a release consists of, twice the same."""

import hashlib
import re
import shutil
import subprocess
import tarfile

import pytest
from support.mac import SOURCE, VERSION, dist, make_build


def contents(directory):
    return {file.name: file.read_bytes() for file in directory.iterdir()}


def test_reproducible(tmp_path, release):
    again = dist(tmp_path / "dist", make_build(tmp_path / "build"))
    assert contents(again) == contents(release)


def test_sums(release):
    check = ["sha256sum", "--check", "--quiet", "SHA256SUMS"]
    subprocess.run(check, cwd=release, check=True)
    listed = {line.split()[1] for line in (release / "SHA256SUMS").read_text().splitlines()}
    assert listed == {file.name for file in release.iterdir()} - {"SHA256SUMS"}


def test_macos_archive(release):
    with tarfile.open(release / f"vmnet-broker-{VERSION}-macos.tar.gz") as archive:
        members = archive.getmembers()
    assert {member.name.split("/")[0] for member in members} == {f"vmnet-broker-{VERSION}-macos"}
    for member in members:
        assert (member.uid, member.gid) == (0, 0), member.name
        assert member.issym() or not member.mode & 0o022, member.name
    names = [member.name.partition("/")[2] for member in members]
    for name in (
        "networks.json",
        "vmnet-broker/bin/vmnetctl",
        "vmnet-broker/share/man/man1/vmnetctl.1",
        "vmnet-broker/vmnet-broker",
    ):
        assert name in names


def test_installer_knows_its_archive(release):
    archive = release / f"vmnet-broker-{VERSION}-macos.tar.gz"
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    script = (release / "install-macos").read_text()
    assert f"\nversion='{VERSION}'\nsha256='{digest}'\n" in script
    assert "@" not in script.replace('"$@"', "").replace("\t@*)", "")


def test_cask_knows_its_installer(release):
    digest = hashlib.sha256((release / "install-macos").read_bytes()).hexdigest()
    cask = (release / "vmnet-broker.rb").read_text()
    assert f'\n  version "{VERSION}"\n  sha256 "{digest}"\n' in cask
    assert "@" not in cask


def test_recipes_know_their_source(release):
    digest = hashlib.sha256((release / f"vmnet-broker-{VERSION}.tar.gz").read_bytes()).hexdigest()
    recipes = [release / name for name in ("PKGBUILD", "vmnet-broker.install", "vmnet-broker.spec")]
    pkgbuild, script, spec = (recipe.read_text() for recipe in recipes)
    assert f"\nsha256sums=('{digest}')\n" in pkgbuild
    assert f"\npkgver={VERSION}\n" in pkgbuild
    assert re.search(rf"^Version: +{re.escape(VERSION)}$", spec, re.MULTILINE)
    assert "@" not in pkgbuild + script + spec


@pytest.mark.skipif(not shutil.which("ruby"), reason="ruby is not installed")
def test_cask_is_ruby(release):
    done = subprocess.run(
        ["ruby", "-wc", release / "vmnet-broker.rb"], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("Syntax OK\n", "")


def test_source_archive(tmp_path, release):
    with tarfile.open(release / f"vmnet-broker-{VERSION}.tar.gz") as archive:
        names = set(archive.getnames())
    listed = subprocess.run(
        ["git", "-C", SOURCE, "ls-tree", "-r", "--name-only", "HEAD"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert {f"vmnet-broker-{VERSION}/{name}" for name in listed.stdout.splitlines()} <= names


def test_nothing_built(tmp_path):
    command = [SOURCE / "scripts/dist", "--output", tmp_path, tmp_path / "missing"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "; build first" in done.stderr
    assert not list(tmp_path.iterdir())

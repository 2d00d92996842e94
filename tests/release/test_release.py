# SPDX-License-Identifier: Apache-2.0
"""scripts/release: the same from the same commit, in another folder and at another time."""

import hashlib
import json
import os
import re
import shutil
import subprocess

import pytest

from support.mac import SOURCE, VERSION

RELEASED = f"## [{VERSION}] - 2026-01-02"
NOTES = "### Added\n\n- What users notice."
SBOM = f"vmnet-broker-{VERSION}.spdx.json"
SOURCE_ARCHIVE = f"vmnet-broker-{VERSION}.tar.gz"
RECIPES = ["vmnet-broker.install", "vmnet-broker.spec"]
FILES = ["PKGBUILD", "SHA256SUMS", SBOM, SOURCE_ARCHIVE, *RECIPES]
# Whose commits they are, and when, does not depend on who runs this.
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z",
    "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z",
}


def run(*command, folder, check=True):
    return subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, check=check, capture_output=True, text=True
    )


def git(folder, *arguments):
    return run("git", "-c", "safe.directory=*", *map(str, arguments), folder=folder).stdout


def copy_of_the_tree(folder):
    """The files of this tree as they are now, committed or not."""
    listed = git(SOURCE, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        if not (SOURCE / name).exists():
            continue
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(SOURCE / name, folder / name, follow_symlinks=False)


def repository(folder):
    """A tree of its own that is ready for a release, with one commit."""
    copy_of_the_tree(folder)
    changelog = folder / "CHANGELOG.md"
    text = changelog.read_text(encoding="utf-8")
    changelog.write_text(
        re.sub(r"^## \[.*?(?=^\[)", f"{RELEASED}\n\n{NOTES}\n\n", text, flags=re.M | re.S),
        encoding="utf-8",
    )
    git(folder, "init", "--quiet")
    commit_as(folder)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "All of it")
    return folder


def commit_as(folder):
    git(folder, "config", "user.name", "Somebody")
    git(folder, "config", "user.email", "somebody@example.org")


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return repository(tmp_path_factory.mktemp("original"))


@pytest.fixture
def tree(tmp_path, original):
    """One that a test may change."""
    git(tmp_path, "clone", "--quiet", original, "tree")
    commit_as(tmp_path / "tree")
    return tmp_path / "tree"


def release(folder, *options, check=True):
    output = folder.parent / f"files-of-{folder.name}"
    command = [folder / "scripts/release", *options, "--output", output]
    done = run(*command, folder=folder, check=check)
    if check:
        return {file.name: file.read_bytes() for file in output.iterdir()}
    return done


def test_the_same_twice(tmp_path, tree):
    again = repository(tmp_path / "another/folder")
    for path in again.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    files = release(tree, "--no-sign")
    assert sorted(files) == FILES
    assert release(again, "--no-sign") == files
    show = ["cat-file", "tag", f"v{VERSION}"]
    tags = [git(folder, *show) for folder in (tree, again)]
    assert tags[0] == tags[1]
    assert tags[0].endswith(f"{NOTES}\n\n{files['SHA256SUMS'].decode()}")


def test_programs_are_the_same_twice(tmp_path):
    """In two folders; what the optimizer takes is not worth the time."""
    installed = []
    for name in "one", "another/folder":
        folder = tmp_path / name / "source"
        copy_of_the_tree(folder)
        root = tmp_path / name / "root"
        options = ["--buildtype=plain", "--prefix=/usr", "-Dtests=false"]
        run("meson", "setup", "build", *options, folder=folder)
        run("meson", "install", "-C", "build", f"--destdir={root}", folder=folder)
        paths = [path for path in root.rglob("*") if path.is_file()]
        installed.append({str(path.relative_to(root)): path.read_bytes() for path in paths})
    one, other = installed
    assert {"usr/bin/vmnetctl", "usr/bin/vmnet-broker"} < one.keys()
    assert one.keys() == other.keys()
    assert [name for name in one if one[name] != other[name]] == []


def test_signed(tmp_path, tree):
    """By whatever key git has; here one of ssh's."""
    key = tmp_path / "key"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key, folder=tmp_path)
    public = (tmp_path / "key.pub").read_text(encoding="utf-8")
    (tmp_path / "signers").write_text(f"somebody@example.org {public}", encoding="utf-8")
    for name, value in (
        ("gpg.format", "ssh"),
        ("user.signingkey", key),
        ("gpg.ssh.allowedSignersFile", tmp_path / "signers"),
    ):
        git(tree, "config", name, value)
    release(tree)
    shown = run("git", "tag", "--verify", f"v{VERSION}", folder=tree)
    assert "Good" in shown.stderr and f"{SOURCE_ARCHIVE}\n" in shown.stdout


def test_without_a_key_nothing_is_tagged(tree):
    git(tree, "config", "gpg.program", "/bin/false")
    assert release(tree, check=False).returncode != 0
    assert git(tree, "tag") == ""


def uncommitted(tree):
    (tree / "new").write_text("", encoding="utf-8")


def tagged(tree):
    git(tree, "tag", f"v{VERSION}")


def no_section(tree):
    replace(tree, RELEASED, "## [Unreleased]")


def no_date(tree):
    replace(tree, RELEASED, f"## [{VERSION}]")


def nothing_said(tree):
    replace(tree, NOTES, "")


def replace(tree, old, new):
    path = tree / "CHANGELOG.md"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    git(tree, "commit", "--quiet", "--all", "--message", "Another changelog")


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (uncommitted, "not everything is committed"),
        (tagged, f"there is a tag v{VERSION} already"),
        (no_section, f"no section of {VERSION} with a date"),
        (no_date, f"no section of {VERSION} with a date"),
        (nothing_said, f"says nothing of {VERSION}"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_refused(tree, prepare, said):
    prepare(tree)
    before = git(tree, "tag")
    done = release(tree, "--no-sign", check=False)
    assert done.returncode == 1
    assert said in done.stderr
    assert git(tree, "tag") == before


def test_notes(tree):
    assert run(tree / "scripts/release", "--notes", folder=tree).stdout == f"{NOTES}\n\n"


def test_sbom(tree):
    files = release(tree, "--no-sign")
    document = json.loads(files[SBOM])
    assert (document["spdxVersion"], document["dataLicense"]) == ("SPDX-2.3", "CC0-1.0")
    assert document["creationInfo"]["created"] == "2026-01-02T03:04:05Z"
    packages = {package["name"]: package for package in document["packages"]}
    source = packages[SOURCE_ARCHIVE]
    digest = hashlib.sha256(files[SOURCE_ARCHIVE]).hexdigest()
    assert source["checksums"] == [{"algorithm": "SHA256", "checksumValue": digest}]
    assert source["versionInfo"] == VERSION
    linked = "jansson libcap libnftables libnl-3.0 libseccomp libsystemd".split()
    assert set(packages) == {SOURCE_ARCHIVE, "dnsmasq", *linked}
    ids = {package["SPDXID"] for package in packages.values()} | {"SPDXRef-DOCUMENT"}
    for relation in document["relationships"]:
        assert {relation["spdxElementId"], relation["relatedSpdxElement"]} <= ids
    kinds = [relation["relationshipType"] for relation in document["relationships"]]
    assert (kinds.count("DESCRIBES"), kinds.count("DYNAMIC_LINK")) == (1, len(linked))
    for package in packages.values():
        assert re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", package["SPDXID"])

# SPDX-License-Identifier: Apache-2.0
"""What is in the packages for Debian: all that "meson install" installs, and nothing else."""

import re
import subprocess

from support.contents import common_set, run
from support.need import need


def listed_deb(path):
    """Of regular files and links: folders end with a slash."""
    archive = subprocess.run(["dpkg-deb", "--fsys-tarfile", path], check=True, capture_output=True)
    names = subprocess.run(["tar", "-t"], input=archive.stdout, check=True, capture_output=True)
    return names.stdout.decode().splitlines()


def test_deb(debs, expected):
    listed = [name for path in debs.values() for name in listed_deb(path)]
    assert common_set(listed) == expected
    assert {name for name in debs if not name.endswith("-dbgsym")} == {
        "libnss-vmnet-broker",
        "libvmnet-broker-dev",
        "libvmnet-broker0",
        "vmnet-broker",
    }


def test_lintian(changes):
    need("lintian")
    said = run("lintian", "--profile=debian", "--allow-root", "--fail-on=error,warning", changes)
    assert not re.findall(r"^[EW]: .*", said, re.MULTILINE)


def test_apparmor(debs, tmp_path):
    """The rules, within a profile as the administrator's file has them."""
    need("apparmor_parser")
    run("dpkg-deb", "--extract", debs["vmnet-broker"], tmp_path)
    rules = (tmp_path / "usr/share/vmnet-broker/apparmor-dnsmasq").read_text()
    profile = f"profile dnsmasq /usr/sbin/dnsmasq {{\n{rules}\n}}\n"
    (tmp_path / "profile").write_text(profile)
    run("apparmor_parser", "-Q", "--skip-cache", tmp_path / "profile")

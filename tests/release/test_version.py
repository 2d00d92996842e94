# SPDX-License-Identifier: Apache-2.0
"""The version is in meson.build; where it is written down once more it is the same."""

import re
import subprocess

from support.mac import SOURCE, VERSION

# Files that have to name it, each with the pattern of the places.
NAMED = {
    "meson.build": r"^  version: '([^']+)',$",
    "bindings/python/pyproject.toml": r'^version = "([^"]+)"$',
}
# A version, and no part of an address.
LITERAL = re.compile(rf"(?<![\d.]){re.escape(VERSION)}(?![\d.])")
# What has come with which version.
MAY_NAME = ["CHANGELOG.md", "packaging/debian/libvmnet-broker0.symbols"]


def test_the_same_everywhere():
    for name, pattern in NAMED.items():
        text = (SOURCE / name).read_text(encoding="utf-8")
        assert set(re.findall(pattern, text, re.MULTILINE)) == {VERSION}, name


def test_nowhere_else():
    command = ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others"]
    command += ["--exclude-standard", "--", ":!tests/config", ":!tests/fuzz"]
    listed = subprocess.run(command, cwd=SOURCE, check=True, capture_output=True, text=True)
    found = []
    for name in listed.stdout.splitlines():
        path = SOURCE / name
        if name in MAY_NAME or name in NAMED or not path.is_file():
            continue
        if LITERAL.search(path.read_text(encoding="utf-8", errors="replace")):
            found.append(name)
    assert found == []

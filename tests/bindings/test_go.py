# SPDX-License-Identifier: Apache-2.0
"""bindings/go on Linux: its own tests and examples. Those of macOS are in tests/darwin."""

import pathlib
import re
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).parents[2]
MODULE = SOURCE / "bindings/go"
PACKAGE = MODULE / "vmnet_broker"
DRIVER = SOURCE / "tests/bindings/go"
USER = 12345


def test_format(go):
    assert go is not None
    done = subprocess.run(
        ["gofmt", "-l", MODULE, DRIVER], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""


@pytest.mark.parametrize("folder", [MODULE, DRIVER], ids=["module", "driver"])
def test_vet(go, folder):
    go("vet", "./...", cwd=folder)


def test_needs_the_standard_library_only(go):
    assert go("list", "-m", "all", cwd=MODULE).split() == [
        "github.com/nirs/vmnet-broker/bindings/go"
    ]


def test_tests_and_examples(broker, go, programs):
    tests = programs / "go-tests"
    go("test", "-c", "-o", tests, "./vmnet_broker", cwd=MODULE)
    done = broker.host.run(tests, "-test.v", uid=USER, env=broker.environment(), check=False)
    assert done.returncode == 0, done.stdout
    written = sum(
        len(re.findall(r"^func (?:Test|Example)", path.read_text(encoding="utf-8"), re.MULTILINE))
        for path in PACKAGE.glob("*_test.go")
        if "_darwin" not in path.name
    )
    assert done.stdout.count("--- PASS") == written > 0
    broker.wait_until_clean()


@pytest.mark.parametrize("imported", ["bindings/go", "go"])
def test_the_program_of_the_readme(broker, go, directory, imported):
    folder = pathlib.Path(directory) / "program"
    folder.mkdir()
    text = (MODULE / "README.md").read_text(encoding="utf-8")
    program = re.search(r"^```go\n(package main\n.*?)^```$", text, re.M | re.S)[1]
    (folder / "main.go").write_text(program.replace("bindings/go", imported), encoding="utf-8")
    name = f"github.com/nirs/vmnet-broker/{imported}"
    (folder / "go.mod").write_text(
        f"module program\n\ngo 1.19\n\nrequire {name} v0.0.0\n\nreplace {name} => {MODULE}\n",
        encoding="utf-8",
    )
    go("build", "-o", "program", cwd=folder)
    done = broker.host.run(folder / "program", uid=USER, env=broker.environment())
    told = r"default 192\.168\.64\.0/24 web [0-9a-f:]{17}\n/dev/net/tun\n"
    assert re.fullmatch(told, done.stdout)
    broker.wait_until_clean()

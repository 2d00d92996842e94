# SPDX-License-Identifier: Apache-2.0
"""The half of bindings/go that is for macOS: compiled as it is, and run, on the double."""

import functools
import pathlib
import platform
import re
import shutil
import subprocess

import pytest

from support.golang import run_go
from world import USER_UID

HERE = pathlib.Path(__file__).parent
SOURCE = HERE.parents[1]
MODULE = SOURCE / "bindings/go"

# What the compiler of C is told, beyond what conn_darwin.go says.
FLAGS = """package vmnet_broker

/*
#cgo CFLAGS: -D__APPLE__ -U__linux__ -fblocks
#cgo CFLAGS: -I{source}/include -isystem {here}/double/include -isystem {here}/sdk/include
#cgo LDFLAGS: -L{build}/client -L{build}/tests/darwin/double -ldouble -lBlocksRuntime
#cgo LDFLAGS: -Wl,-rpath,{build}/client:{build}/tests/darwin/double
#cgo LDFLAGS: -Wl,--allow-shlib-undefined
*/
import "C"
"""


@pytest.fixture
def package(world, build):
    """The package as it is on macOS, by names that this system's compiler takes."""
    copy = pathlib.Path(world.directory).parent / "go"
    shutil.copytree(MODULE, copy, ignore=shutil.ignore_patterns("*_linux*"))
    for path in copy.rglob("*_darwin*"):
        path.rename(path.with_name(path.name.replace("_darwin", "_double")))
    flags = FLAGS.format(source=SOURCE, here=HERE, build=world.build)
    (copy / "vmnet_broker/flags.go").write_text(flags, encoding="utf-8")
    return copy


@pytest.fixture
def go(package, build):
    """go("vet", "./...") in the package, with the compiler that the double is made by."""
    return functools.partial(run_go, build, cwd=package, CC="clang", CGO_ENABLED="1")


def test_tests_and_examples(mac, go, package):
    go("vet", "./...")
    go("test", "-c", "-o", "tests", "./vmnet_broker")
    # Go is not made with the sanitizers that the library and the double are.
    runtime = subprocess.run(
        ["clang", f"-print-file-name=libclang_rt.asan-{platform.machine()}.so"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    done = subprocess.run(
        [package / "tests", "-test.v"],
        # What Go has of the library's, no one finds who looks for leaks.
        env={**mac.environment, "LD_PRELOAD": runtime, "ASAN_OPTIONS": "detect_leaks=0"},
        user=USER_UID,
        group=USER_UID,
        extra_groups=[],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    written = sum(
        len(re.findall(r"^func (?:Test|Example)", path.read_text(encoding="utf-8"), re.MULTILINE))
        for path in package.rglob("*_test.go")
    )
    assert done.stdout.count("--- PASS") == written > 0

# SPDX-License-Identifier: Apache-2.0
"""bindings/swift, as far as there is no Swift: its half in C, and what the other calls of it."""

import pathlib
import re
import subprocess

import pytest
from test_module import DARWIN, OBJECTIVE_C, WARNINGS

SOURCE = pathlib.Path(__file__).parents[2]
PACKAGE = SOURCE / "bindings/swift"
TARGET = PACKAGE / "Sources/CVmnetBroker"
HEADER = (SOURCE / "include/vmnet-broker.h").read_text(encoding="utf-8")


def without_comments(text):
    return re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL)


@pytest.fixture(params=sorted(path.name for path in PACKAGE.rglob("*.swift")))
def swift(request):
    """The text of each source in Swift."""
    (path,) = PACKAGE.rglob(request.param)
    return without_comments(path.read_text(encoding="utf-8"))


def test_the_target_in_c_is_the_whole_library(build, directory):
    # As the package manager compiles it: every source, with its public headers and its own folder.
    objects = []
    for number, source in enumerate(sorted(TARGET.rglob("*.c"))):
        objects.append(f"{directory}/{number}.o")
        subprocess.run(
            ["clang", *DARWIN, *WARNINGS[:3], "-D_GNU_SOURCE", "-std=c17"]
            + [f"-I{TARGET}/include", f"-I{TARGET}", "-c", str(source), "-o", objects[-1]],
            check=True,
        )
    library = f"{directory}/library.so"
    subprocess.run(
        ["clang", "-shared", "-Wl,--no-undefined", *objects, f"-L{build}/tests/darwin/double"]
        + ["-ldouble", "-lBlocksRuntime", "-o", library],
        check=True,
    )
    shown = subprocess.run(
        ["nm", "--dynamic", "--defined-only", "--format=just-symbols", library],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    of_linux = r"^#ifdef __linux__$.*?^#endif /\* __linux__ \*/$"
    here = re.sub(of_linux, "", HEADER, flags=re.MULTILINE | re.DOTALL)
    declared = re.findall(r"\b(vmnet_broker_\w+)\(", without_comments(here))
    assert declared and set(declared) <= set(shown)


def test_the_target_in_c_is_a_module(directory):
    done = subprocess.run(
        ["clang", *DARWIN, *OBJECTIVE_C, *WARNINGS, f"-fmodules-cache-path={directory}/modules"]
        + [f"-fmodule-map-file={TARGET}/include/module.modulemap", "-fsyntax-only", "-"],
        input="@import CVmnetBroker;\nstruct vmnet_broker *connection;\n",
        text=True,
        check=False,
    )
    assert done.returncode == 0


def test_every_target_has_its_folder():
    package = without_comments((PACKAGE / "Package.swift").read_text(encoding="utf-8"))
    targets = re.findall(r"\.target\(name: \"(\w+)\"", package)
    tests = re.findall(r"\.testTarget\(name: \"(\w+)\"", package)
    assert sorted(targets) == sorted(path.name for path in (PACKAGE / "Sources").iterdir())
    assert sorted(tests) == sorted(path.name for path in (PACKAGE / "Tests").iterdir())


def test_what_is_called_is_declared(swift):
    used = set(re.findall(r"\b(?:vmnet_broker|VMNET_BROKER)_\w+", swift))
    assert used <= set(re.findall(r"\w+", without_comments(HEADER)))


def test_the_codes_of_errors_are_the_statuses():
    text = (PACKAGE / "Sources/VmnetBroker/VmnetBroker.swift").read_text(encoding="utf-8")
    codes = {
        re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper(): number
        for name, number in re.findall(r"\bcase (\w+) = (\d+)", text)
    }
    enumeration = HEADER[HEADER.index("typedef enum") : HEADER.index("} vmnet_broker_return_t")]
    of_linux = re.compile("#ifdef __linux__.*?#endif", re.DOTALL)
    statuses = dict(re.findall(r"VMNET_BROKER_(\w+) = (\d+)", of_linux.sub("", enumeration)))
    assert statuses.pop("SUCCESS") == "0"
    assert codes == statuses

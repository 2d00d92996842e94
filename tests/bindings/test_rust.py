# SPDX-License-Identifier: Apache-2.0
"""bindings/rust: what its page says to type makes a program that gets a device of a real broker."""

import os
import re
import subprocess

import pytest

from support.documents import TOP, blocks, markdown_commands
from support.need import need

PAGE = TOP / "bindings/rust/README.md"
HEADER = "/usr/include/vmnet-broker.h"
USER = 12345


@pytest.fixture(scope="session")
def rust(programs, build):
    """The folder of the program, and what starts it there."""
    need("bindgen")
    need("rustc")
    folder = programs / "rust"
    folder.mkdir()
    (program,) = (text for kind, text in blocks(PAGE) if kind == "rust")
    (folder / "main.rs").write_text(program, encoding="utf-8")
    bindgen, compile_and_start = markdown_commands(PAGE)
    assert HEADER in bindgen
    compile_it, start = compile_and_start.split(" && ")
    for command in bindgen.replace(HEADER, f"{TOP}/include/vmnet-broker.h"), compile_it:
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=folder,
            env={**os.environ, "PKG_CONFIG_PATH": f"{build}/meson-uninstalled"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    return folder, start.split()


@pytest.fixture
def run(rust, broker):
    """run(network): the program, of a user."""
    folder, (program, _) = rust
    # It is not made with the sanitizers that the library is.
    runtime = subprocess.run(
        ["cc", "-print-file-name=libasan.so"], check=True, capture_output=True, text=True
    )
    environment = {
        **broker.environment(),
        "ASAN_OPTIONS": "detect_leaks=0",
        "LD_LIBRARY_PATH": f"{broker.host.build}/client",
        "LD_PRELOAD": runtime.stdout.strip(),
    }
    return lambda network: broker.host.run(
        folder / program, network, uid=USER, env=environment, check=False
    )


def test_the_program_of_the_readme(rust, run, broker):
    _, (_, network) = rust
    done = run(network)
    assert re.fullmatch(r"descriptor \d+, MAC address [0-9a-f:]{17}\n", done.stdout), done.stderr
    done = run("nowhere")
    assert done.returncode == 1
    assert 'no network \\"nowhere\\" is configured' in done.stderr
    broker.wait_until_clean()

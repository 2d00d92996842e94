# SPDX-License-Identifier: Apache-2.0
"""libvmnet-broker: as programs use it, and as it is installed."""

import os
import re
import shlex
import subprocess

import pytest

from support.wait import wait_for

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
HEADER = os.path.join(TOP, "include/vmnet-broker.h")
USER = 12345
CONFIG = {"lab": {"mode": "host"}, "closed": {"mode": "host", "allow": {"groups": ["54321"]}}}

with_broker = pytest.mark.broker(config=CONFIG)
installs = pytest.mark.xdist_group("installs")


@pytest.fixture
def library(broker):
    """Runs tests/tools/library with these arguments, as a user, and returns what it prints."""

    def run(*arguments):
        program = broker.host.program("tests/tools/library")
        return broker.host.run(program, *arguments, uid=USER, env=broker.environment()).stdout

    return run


@with_broker
def test_threads_with_a_connection_each(library):
    assert library("threads", "lab", 8) == "next descriptor 3\n"


@with_broker
def test_the_broker_s_end(broker):
    program = broker.host.program("tests/tools/library")
    with broker.host.popen(
        program, "gone", "lab", uid=USER, env=broker.environment(), stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == "ready 0\n"
        broker.kill()
        ended = (
            '1 network "lab": the broker has ended the connection; try again, and with fewer '
            "connections at a time if there are many\n"
        )
        assert process.stdout.read() == ended * 2
        assert process.wait() == 0


@with_broker
def test_nothing_is_inherited(library):
    assert library("inherit", "lab") == "4\n"


@with_broker
def test_monitor(library):
    assert library("monitor", "lab").splitlines() == [
        "network_created lab -1",
        f"client_acquired lab {USER}",
        f"client_released lab {USER}",
        "network_removed lab -1",
    ]


@with_broker
def test_sentences(broker, library):
    assert library("acquire", "lab") == "0 \n"
    assert library("acquire", "lost") == (
        '5 no network "lost" is configured; "vmnetctl networks" lists those that are\n'
    )
    assert library("acquire", "closed") == (
        '3 network "closed" may be acquired only by group "54321" and root\n'
    )
    assert library("acquire", "no name").startswith('4 "no name" is no network name: ')
    wait_for(lambda: not broker.networks()["lab"]["active"], what="the network's end")


def test_without_a_broker(host, directory):
    environment = {**os.environ, "VMNET_BROKER_SOCKET": f"{directory}/nowhere"}
    program = host.program("tests/tools/library")
    done = host.run(program, "acquire", "lab", uid=USER, env=environment, check=False)
    assert (done.returncode, done.stdout) == (1, "1 No such file or directory\n")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """What "meson install" puts where: a tree of its own, from a build of its own."""
    directory = tmp_path_factory.mktemp("installed")
    root, build = f"{directory}/root", f"{directory}/build"
    options = [f"--prefix={root}", "--libdir=lib", "--buildtype=plain", "-Dtests=false"]
    for argv in (
        ["meson", "setup", *options, build, TOP],
        ["ninja", "-C", build],
        ["meson", "install", "-C", build],
    ):
        subprocess.run(argv, check=True, capture_output=True)
    return root


def pkg_config(root, *arguments):
    environment = {**os.environ, "PKG_CONFIG_PATH": f"{root}/lib/pkgconfig"}
    done = subprocess.run(
        ["pkg-config", *arguments, "vmnet-broker"],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    return shlex.split(done.stdout)


def symbols(path, *options):
    done = subprocess.run(
        ["nm", "--defined-only", "--extern-only", *options, path],
        check=True,
        capture_output=True,
        text=True,
    )
    return {
        line.split()[-1].partition("@")[0]
        for line in done.stdout.splitlines()
        if re.match(r"[0-9a-f]+ [^A] ", line)
    }


def calls(text):
    """What is declared in a header without comments, in its order."""
    return list(dict.fromkeys(re.findall(r"\b(vmnet_broker_\w+)\(", text)))


def declared():
    """The calls of the header that there are on Linux."""
    preprocessed = subprocess.run(
        ["cc", "-E", "-P", HEADER], check=True, capture_output=True, text=True
    )
    return set(calls(preprocessed.stdout))


@installs
def test_the_library_shows_what_the_header_declares(installed):
    shown = symbols(f"{installed}/lib/libvmnet-broker.so", "--dynamic")
    assert shown == declared()
    # What a static library cannot hide has names that nobody else takes.
    assert all(
        name.startswith("vmnet_broker_") for name in symbols(f"{installed}/lib/libvmnet-broker.a")
    )


@pytest.mark.parametrize("macro", ["Nm", "F[no]", "It Fn"], ids=["name", "synopsis", "description"])
def test_the_manual_page_has_every_call_in_the_header_s_order(macro):
    with open(f"{TOP}/man/vmnet-broker.3", encoding="utf-8") as file:
        manual = file.read()
    with open(HEADER, encoding="utf-8") as file:
        header = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.DOTALL)
    beginning, _, description = manual.partition("\n.Sh DESCRIPTION")
    text = description if macro == "It Fn" else beginning
    named = re.findall(rf"^\.{macro} (vmnet_broker_\w+)", text, re.MULTILINE)
    assert named == calls(header)


@installs
@pytest.mark.parametrize("static", [False, True], ids=["shared", "static"])
def test_a_program_needs_no_flag_but_pkg_config_s(installed, directory, static):
    flags = pkg_config(installed, "--cflags", "--libs", *(["--static"] if static else []))
    if static:
        flags = [flag.replace("-lvmnet-broker", "-l:libvmnet-broker.a") for flag in flags]
    program = f"{directory}/client"
    source = f"{TOP}/examples/client.c"
    subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", source, *flags, "-o", program], check=True)
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": f"{installed}/lib",
        "VMNET_BROKER_SOCKET": f"{directory}/nowhere",
    }
    done = subprocess.run([program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"{directory}/nowhere" in done.stderr
    needed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    assert ("libvmnet-broker" in needed) == (not static)


@installs
def test_a_program_that_imports_the_module_needs_no_header(installed, directory):
    program = f"{directory}/program"
    subprocess.run(
        ["clang", "-xc", "-", "-fmodules", f"-fmodules-cache-path={directory}/modules"]
        + [f"-I{installed}/include", f"-L{installed}/lib", "-lvmnet-broker", "-o", program],
        input="#pragma clang module import VmnetBroker\n"
        "int main(void) { return vmnet_broker_strerror(VMNET_BROKER_SUCCESS)[0] != 's'; }\n",
        text=True,
        check=True,
    )
    subprocess.run([program], env={"LD_LIBRARY_PATH": f"{installed}/lib"}, check=True)


@pytest.mark.parametrize("language", ["c", "c++"])
def test_the_header_stands_alone(language):
    standard = {"c": "c99", "c++": "c++11"}[language]
    warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    subprocess.run(
        ["cc", "-x", language, f"-std={standard}", *warnings, "-fsyntax-only", "-"],
        input=f'#include "{HEADER}"\nint main(void) {{ return 0; }}\n',
        text=True,
        check=True,
    )

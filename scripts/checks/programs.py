# SPDX-License-Identifier: Apache-2.0
"""The stages that build the project and run what came out."""

import concurrent.futures
import glob
import os
import platform
import random
import re
import tempfile
import threading

from .tools import (
    BUILDS,
    DOUBLE,
    FUZZED,
    LOGS,
    PLAIN,
    PROCESSORS,
    SANITIZED,
    TESTS_AT_ONCE,
    Failure,
    Result,
    gently,
    meson_test,
    pytest,
    stage,
)


# In tenths: the service is to stay under 2.0.
EXPOSURE_MAX = 19


@stage
def build(checks, log):
    """gcc with sanitizers, gcc without, clang with fuzz targets, clang with the macOS sources"""
    result = Result()
    for directory in BUILDS:
        try:
            checks.build(directory, log)
            result.add(True, directory)
        except Failure as error:
            result.add(False, str(error))
    return result


@stage
def unit(checks, log):
    """unit tests, with sanitizers"""
    checks.build(SANITIZED, log)
    return meson_test(log, SANITIZED, "unit")


@stage(longest=True)
def integration(checks, log):
    """the real broker in network namespaces, with sanitizers"""
    checks.build(SANITIZED, log)
    return pytest(log, "tests/integration", "-m", "not timed", *TESTS_AT_ONCE)


@stage
def documents(checks, log):
    """the commands that the documents show, run as they stand there"""
    checks.build(SANITIZED, log)
    return pytest(log, "tests/documents/test_examples.py", *TESTS_AT_ONCE)


@stage(last=True)
def timing(checks, log):
    """those of them that take the time, with nothing beside them"""
    checks.build(SANITIZED, log)
    return pytest(log, "tests/integration", "-m", "timed")


@stage
def shortage(checks, log):
    """the real broker, without memory now and then; sanitizers have memory of their own"""
    checks.build(PLAIN, log)
    seed = os.environ.setdefault("VMNET_BROKER_SHORTAGE_SEED", str(random.randrange(1 << 32)))
    result = pytest(log, "tests/integration/test_shortage.py", *TESTS_AT_ONCE, build=PLAIN)
    result.notes.append(f"VMNET_BROKER_SHORTAGE_SEED={seed}")
    return result


@stage
def instructions(checks, log):
    """how many of them requests take, by valgrind; sanitizers have their own"""
    checks.build(PLAIN, log)
    return pytest(log, "tests/integration/test_costs.py", "-k", "instructions", build=PLAIN)


@stage
def machines(checks, log):
    """real machines in QEMU, attached by vmnetctl"""
    checks.build(SANITIZED, log)
    _make_image(log)
    return pytest(log, "tests/machines")


@stage(beside=True)
def programs(checks, log):
    """programs of others on networks of the broker's: libvirt, and plugins of CNI"""
    checks.build(SANITIZED, log)
    _make_image(log)
    return pytest(log, "tests/programs")


# Stages that run beside each other need the same one.
_making_image = threading.Lock()


def _make_image(log):
    """What test machines boot."""
    with _making_image:
        status, _ = log.run("tests/machines/make-image", f"{SANITIZED}/guest")
    if status != 0:
        raise Failure("there is nothing for test machines to boot")


@stage
def torture(checks, log):
    """machines that go on undisturbed for half a minute while everything around them breaks"""
    checks.build(SANITIZED, log)
    status, output = log.run("tests/torture.py", f"--build={SANITIZED}", "--seconds=30")
    result = Result()
    result.add(status == 0, "\n".join(re.findall(r"^FAILED: .*", output, re.MULTILINE)))
    result.notes += re.findall(r"^(?:broker killed|packets lost): \d+", output, re.MULTILINE)
    return result


@stage(beside=True)
def darwin(checks, log):
    """the macOS sources as real processes, on a double of the system's libraries"""
    checks.build(DOUBLE, log)
    return pytest(log, "tests/darwin", *TESTS_AT_ONCE, build=DOUBLE)


@stage(beside=True)
def bindings(checks, log):
    """the bindings for Go, Python and Rust, with a real broker"""
    checks.build(SANITIZED, log)
    return pytest(log, "tests/bindings", *TESTS_AT_ONCE)


@stage(beside=True)
def macos(_checks, log):
    """the build for macOS, and a look at what comes out"""
    result = Result()
    status, output = log.run("scripts/build-macos")
    result.add(status == 0, f"scripts/build-macos ended with status {status}")
    return result


@stage(beside=True)
def installer(checks, log):
    """what a release is made of, twice the same, and its installer for macOS"""
    checks.build(SANITIZED, log)
    return pytest(log, "tests/macos", "tests/release", *TESTS_AT_ONCE)


@stage
def fuzz(checks, log):
    """each fuzz target for a while (--fuzz-seconds)"""
    checks.build(FUZZED, log)
    targets = [os.path.basename(f)[:-2] for f in checks.files("tests/fuzz/*.c")]
    if not targets:
        raise Failure("there are no fuzz targets")
    result = Result()
    with gently() as pool:
        for target, (status, output) in zip(
            targets, pool.map(lambda target: _fuzz(checks, log, target), targets)
        ):
            result.add(status == 0, f"{target}: input kept in {LOGS}")
            runs = re.search(r"number_of_executed_units: (\d+)", output)
            if status == 0 and runs:
                result.notes.append(f"{target}: {runs[1]} inputs")
    return result


def _fuzz(checks, log, target):
    seeds = f"tests/fuzz/corpus/{target}"
    with tempfile.TemporaryDirectory() as found:
        return log.run(
            f"{FUZZED}/tests/fuzz/{target}",
            f"-max_total_time={checks.options.fuzz_seconds}",
            "-timeout=20",
            "-print_final_stats=1",
            "-verbosity=1",
            f"-artifact_prefix={LOGS}/{target}-",
            found,
            *([seeds] if os.path.isdir(seeds) else []),
        )


@stage(beside=True)
def valgrind(checks, log):
    """compiled unit tests under valgrind, without sanitizers (leaks are for the sanitizers)"""
    checks.build(PLAIN, log)
    return meson_test(log, PLAIN, "compiled", valgrind=True)


@stage(beside=True)
def install(checks, log):
    """installed files, and the example compiled against them by pkg-config alone"""
    checks.build(PLAIN, log)
    result = Result()
    with tempfile.TemporaryDirectory() as root:
        status, _ = log.run("meson", "install", "-C", PLAIN, "--no-rebuild", f"--destdir={root}")
        result.add(status == 0, "meson install")
        for name in (
            "vmnet-broker",
            "vmnetctl",
            "libvmnet-broker.so",
            "libvmnet-broker.a",
            "vmnet-broker.h",
            "VmnetBroker/module.modulemap",
            "vmnet-broker.pc",
            "vmnet-broker.service",
            "vmnet-broker.socket",
            "share/vmnet-broker/apparmor-dnsmasq",
            "lib/systemd/network/05-vmnet-broker.network",
            "lib/NetworkManager/conf.d/vmnet-broker.conf",
        ):
            found = glob.glob(f"{root}/**/{name}", recursive=True)
            result.add(found, f"{name} is not installed")
        _check_symbols(root, log, result)
        _compile_example(root, log, result)
    return result


def _check_symbols(root, log, result):
    for library in glob.glob(f"{root}/**/libvmnet-broker.so", recursive=True):
        _, output = log.run("nm", "--dynamic", "--defined-only", "--format=just-symbols", library)
        # The version script's own names are symbols too: VMNET_BROKER_1.
        leaked = [s for s in output.split() if not s.lower().startswith("vmnet_broker_")]
        result.add(output and not leaked, f"the library exports {' '.join(leaked) or 'nothing'}")


def _compile_example(root, log, result):
    """For each way to link: the shared library, and the static one."""
    for pc in glob.glob(f"{root}/**/vmnet-broker.pc", recursive=True):
        environment = {
            **os.environ,
            "PKG_CONFIG_SYSROOT_DIR": root,
            "PKG_CONFIG_PATH": os.path.dirname(pc),
        }
        status, flags = log.run(
            "pkg-config", "--cflags", "--libs", "vmnet-broker", env=environment
        )
        result.add(status == 0, "pkg-config vmnet-broker")
        status, _ = log.run(
            "cc", "-Werror", "-o", f"{root}/client", "examples/client.c", *flags.split()
        )
        result.add(status == 0, "examples/client.c does not compile by pkg-config alone")


@stage(beside=True)
def package(checks, log):
    """packages of each kind; those for Debian, and scripts/install, on a host that systemd boots"""
    checks.build(SANITIZED, log)
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    steps = (
        ("scripts/package-deb", "--no-install"),
        ("tests/packages/make-root", release, f"build-roots/{release}.tar"),  # mostly waits
    )
    with concurrent.futures.ThreadPoolExecutor() as pool:
        (status, _), _ = pool.map(lambda step: log.run(*step), steps)
    if status != 0:
        raise Failure(f"{steps[0][0]} ended with status {status}")
    _make_image(log)
    log.run("tests/machines/make-disk", f"{SANITIZED}/guest")
    # The tests say what it means that there is no root, or no disk.
    return pytest(log, "tests/packages", *TESTS_AT_ONCE)


@stage(beside=True)
def exposure(checks, log):
    """what systemd says of the services' sandboxes: an exposure under 2.0"""
    checks.build(PLAIN, log)
    result = Result()
    for service in "vmnet-broker", "vmnet-broker-dnsmasq", "vmnet-broker-names":
        status, output = log.run(
            "systemd-analyze",
            "security",
            "--no-pager",
            "--offline=true",
            f"--threshold={EXPOSURE_MAX}",
            f"{PLAIN}/data/{service}.service",
        )
        result.add(status == 0, f"the exposure of {service} is not under 2.0")
        result.notes += re.findall(r"exposure level for [^ ]+: \d+\.\d+", output)
    return result

# SPDX-License-Identifier: Apache-2.0
"""Runs every check of the project, or those that are named, and sums them up.

What is counted comes from what the tools reported: a test case, a file that was checked, a
target that was fuzzed. The exit status is 1 when anything has failed.
"""

import argparse
import concurrent.futures
import dataclasses
import fnmatch
import glob
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

TOP = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
PROCESSORS = len(os.sched_getaffinity(0))
TIMEOUT = 1200  # of one tool, seconds
SHOWN_LINES = 200  # of the output of what has failed
LOGS = "build-check/check"

# The directories that are built, and how: (compiler, meson's options).
SANITIZED = "build-check"
PLAIN = "build-plain"
FUZZED = "build-fuzz"
DOUBLE = "build-double"
SANITIZERS = ["-Db_sanitize=address,undefined", "-Db_lundef=false"]
BUILDS = {
    SANITIZED: ("gcc", ["-Dwerror=true", *SANITIZERS]),
    PLAIN: ("gcc", ["-Dwerror=true"]),
    FUZZED: ("clang", ["-Dwerror=true", "-Dfuzz=true", "-Db_lto=false", *SANITIZERS]),
    DOUBLE: ("clang", ["-Dwerror=true", "-Ddouble=true", *SANITIZERS]),
}
VALGRIND = "valgrind --quiet --error-exitcode=99 --leak-check=no"


class Failure(Exception):
    """A check could not be made at all."""


class Skip(Exception):
    """A check cannot be made here, for the reason given."""


@dataclasses.dataclass
class Result:
    """What came out of a stage; notes are for people: each failure, each reason to skip."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    notes: list = dataclasses.field(default_factory=list)

    def add(self, held, note):
        """Counts one check that has passed, or has not and why."""
        if held:
            self.passed += 1
        else:
            self.failed += 1
            self.notes.append(f"failed: {note}")


class Log:
    """The output of one stage: kept in a file, shown when the stage fails."""

    def __init__(self, name):
        os.makedirs(LOGS, exist_ok=True)
        self.path = os.path.join(LOGS, f"{name}.log")
        with open(self.path, "w", encoding="utf-8"):
            pass

    def write(self, text):
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(text)

    def run(self, *argv, timeout=TIMEOUT, **options):
        """Runs a tool; returns its exit status and output, which is in the log too."""
        self.write(f"$ {shlex.join(argv)}\n")
        status, output = self.run_quietly(*argv, timeout=timeout, **options)
        self.write(output)
        return status, output

    def run_quietly(self, *argv, timeout=TIMEOUT, **options):
        """The same, and the caller writes to the log what is worth it."""
        try:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=timeout,
                check=False,
                **options,
            )
        except FileNotFoundError as error:
            raise Skip(f"{argv[0]} is not installed") from error
        except subprocess.TimeoutExpired as error:
            self.write(str(error.output))
            raise Failure(f"{argv[0]} took more than {timeout} s") from error
        return done.returncode, done.stdout

    def tail(self):
        with open(self.path, encoding="utf-8") as file:
            lines = file.read().splitlines()
        return "\n".join(f"    {line}" for line in lines[-SHOWN_LINES:])


class Checks:
    """What the stages share: options, the list of files, and what was built."""

    def __init__(self, options):
        self.options = options
        self._built = {}
        self._files = None

    def build(self, directory, log):
        """Builds one of BUILDS, once."""
        if directory not in self._built:
            self._built[directory] = self._build(directory, log)
        if not self._built[directory]:
            raise Failure(f"{directory} could not be built")

    def _build(self, directory, log):
        compiler, options = BUILDS[directory]
        exists = os.path.exists(f"{directory}/build.ninja")
        setup = ["meson", "configure", directory] if exists else ["meson", "setup", directory]
        environment = {**os.environ, "CC": compiler}
        return (
            log.run(*setup, *options, env=environment)[0] == 0
            and log.run("ninja", "-C", directory)[0] == 0
        )

    def files(self, *patterns):
        """The project's files of these patterns; "*" goes through directories."""
        if self._files is None:
            self._files = self._list_files()
        found = [f for f in self._files if any(fnmatch.fnmatch(f, p) for p in patterns)]
        return sorted(found)

    @staticmethod
    def _list_files():
        """By git, whoever owns the clone; a release has no other files to begin with."""
        with tempfile.NamedTemporaryFile("w") as config:
            config.write("[safe]\n\tdirectory = *\n")
            config.flush()
            done = subprocess.run(
                ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                env={**os.environ, "GIT_CONFIG_GLOBAL": config.name},
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode != 0:
            raise Failure(f"git ls-files: {done.stderr.strip()}")
        return [file for file in done.stdout.split("\0") if os.path.isfile(file)]


def junit(path):
    """The counts of a report that a test runner wrote."""
    if not os.path.exists(path):
        raise Failure(f"the tests wrote no {path}")
    result = Result()
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        name = ".".join(filter(None, (case.get("classname"), case.get("name"))))
        skipped = case.find("skipped")
        if skipped is not None:
            result.skipped += 1
            result.notes.append(f"skipped: {name}: {skipped.get('message') or 'no reason given'}")
        else:
            result.add(case.find("failure") is None and case.find("error") is None, name)
    return result


def meson_test(log, directory, suite, valgrind=False):
    """Runs a suite; a runner that failed without a failed case counts as one."""
    name = f"check-{suite}"
    report = f"{directory}/meson-logs/{name}{'-valgrind' if valgrind else ''}.junit.xml"
    status, _ = log.run(
        "meson",
        "test",
        f"--suite={suite}",
        f"--logbase={name}",
        "--print-errorlogs",
        "--no-rebuild",
        *([f"--wrap={VALGRIND}", "--timeout-multiplier=20"] if valgrind else []),
        "-C",
        directory,
    )
    result = junit(report)
    if status != 0 and not result.failed:
        result.add(False, f"meson test ended with status {status}")
    return result


def pytest(log, *paths, build=SANITIZED):
    report = f"{LOGS}/{os.path.basename(paths[0])}.xml"
    status, _ = log.run(
        "/usr/bin/python3", "tests/pytest", f"--build={build}", f"--junitxml={report}", *paths
    )
    result = junit(report)
    if status not in (0, 5) and not result.failed:
        result.add(False, f"pytest ended with status {status}")
    return result


def each_file(log, files, *command):
    """Runs a command for each file, several at a time."""
    if not files:
        raise Failure("there are no files to check")
    log.write(f"$ {shlex.join(command)} FILE\n")
    result = Result()
    with concurrent.futures.ThreadPoolExecutor(PROCESSORS) as pool:
        outcomes = pool.map(lambda file: log.run_quietly(*command, file), files)
        for file, (status, output) in zip(files, outcomes):
            result.add(status == 0, file)
            if status != 0:
                log.write(f"{file}: status {status}\n{output}")
    return result


STAGES = {}


def stage(function):
    """A stage of the check: its name is the function's, its help what is written there."""
    STAGES[function.__name__] = function
    return function


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


@stage
def integration(checks, log):
    """the real broker in network namespaces, with sanitizers"""
    checks.build(SANITIZED, log)
    return pytest(log, "tests/integration")


@stage
def machines(checks, log):
    """real machines in QEMU, attached by vmnetctl"""
    checks.build(SANITIZED, log)
    status, _ = log.run("tests/machines/make-image", f"{SANITIZED}/guest")
    if status != 0:
        raise Failure("there is nothing for test machines to boot")
    return pytest(log, "tests/machines")


@stage
def torture(checks, log):
    """machines that go on undisturbed for a minute while everything around them breaks"""
    checks.build(SANITIZED, log)
    status, output = log.run("tests/torture.py", f"--build={SANITIZED}", "--seconds=60")
    result = Result()
    result.add(status == 0, "\n".join(re.findall(r"^FAILED: .*", output, re.MULTILINE)))
    result.notes += re.findall(r"^(?:broker killed|packets lost): \d+", output, re.MULTILINE)
    return result


@stage
def darwin(checks, log):
    """the macOS sources as real processes, on a double of the system's libraries"""
    checks.build(DOUBLE, log)
    return pytest(log, "tests/darwin", build=DOUBLE)


@stage
def macos(_checks, log):
    """the build for macOS, and a look at what comes out"""
    result = Result()
    status, output = log.run("scripts/build-macos")
    result.add(status == 0, f"scripts/build-macos ended with status {status}")
    return result


@stage
def installer(checks, log):
    """what a release for macOS is made of, and its installer"""
    checks.build(SANITIZED, log)
    return pytest(log, "tests/macos")


@stage
def fuzz(checks, log):
    """each fuzz target for a while (--fuzz-seconds)"""
    checks.build(FUZZED, log)
    targets = [os.path.basename(f)[:-2] for f in checks.files("tests/fuzz/*.c")]
    if not targets:
        raise Failure("there are no fuzz targets")
    result = Result()
    with concurrent.futures.ThreadPoolExecutor(PROCESSORS) as pool:
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


@stage
def valgrind(checks, log):
    """unit tests under valgrind, without sanitizers (leaks are for the sanitizers)"""
    checks.build(PLAIN, log)
    return meson_test(log, PLAIN, "unit", valgrind=True)


@stage
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
            "vmnet-broker.pc",
            "vmnet-broker.service",
            "vmnet-broker.socket",
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


@stage
def format(checks, log):
    """clang-format 14"""
    if not shutil.which("clang-format-14"):
        raise Skip("clang-format-14 is not installed, and other versions format otherwise")
    files = checks.files("*.c", "*.h", "*.m")
    return each_file(log, files, "clang-format-14", "--dry-run", "-Werror")


@stage
def tidy(checks, log):
    """clang-tidy"""
    # Unit tests run, under two checkers of memory; the analyser does not know their assertions.
    files = set(checks.files("*.c")) - set(checks.files("tests/unit/*", "tests/darwin/*"))
    result = Result()
    for directory in (FUZZED, DOUBLE):
        checks.build(directory, log)
        with open(f"{directory}/compile_commands.json", encoding="utf-8") as file:
            compiled = file.read()
        found = sorted(file for file in files if f"../{file}" in compiled)
        files -= set(found)
        tidied = each_file(
            log, found, "clang-tidy", "--quiet", "--warnings-as-errors=*", f"-p={directory}"
        )
        result.passed += tidied.passed
        result.failed += tidied.failed
        result.notes += tidied.notes
    return result


@stage
def cppcheck(checks, log):
    """cppcheck"""
    files = checks.files("broker/*.c", "client/*.c", "vmnetctl/*.c", "examples/*.c", "bench/*.c")
    files = [file for file in files if "/darwin/" not in file and "-xpc" not in file]
    return each_file(
        log,
        files,
        "cppcheck",
        "--quiet",
        "--std=c11",
        "--enable=warning,performance,portability",
        "--inline-suppr",
        "--error-exitcode=1",
        "--suppress=missingIncludeSystem",
        "-D_GNU_SOURCE",
        *(f"--include={file}" for file in glob.glob("/usr/include/**/sys/queue.h", recursive=True)),
        '-DVMNET_BROKER_VERSION="0"',
        '-DFIREWALLD_ZONE=""',
        "-Iinclude",
    )


@stage
def spelling(checks, log):
    """codespell"""
    files = checks.files("*")
    _, output = log.run("codespell", "--config=.codespellrc", *files)
    wrong = set(re.findall(r"^(?:\./)?([^:]+):\d+: ", output, re.MULTILINE))
    result = Result()
    for file in files:
        result.add(file not in wrong, file)
    return result


@stage
def manuals(checks, log):
    """mandoc -T lint"""
    return each_file(log, checks.files("man/*.[1-8]"), "mandoc", "-T", "lint", "-W", "warning")


@stage
def shell(checks, log):
    """shellcheck"""
    files = []
    for file in checks.files("*"):
        with open(file, "rb") as content:
            first = content.readline()
        if re.match(rb"#! ?(/usr)?/bin/(env )?(ba)?sh\b", first):
            files.append(file)
    return each_file(log, files, "shellcheck", "--external-sources", "--source-path=SCRIPTDIR")


@stage
def python(checks, log):
    """Python sources compile"""
    program = "import sys; compile(open(sys.argv[1]).read(), sys.argv[1], 'exec')"
    return each_file(log, checks.files("*.py"), "/usr/bin/python3", "-Werror", "-c", program)


# Inputs and outputs of tests, and a text that is not ours.
GIVEN = ["*/corpus/*", "tests/config/*", "LICENSE"]

# What must not be in any line of some files: (what it is, the files, the pattern, exceptions).
HYGIENE = [
    ("unfinished work", ["*"], r"\b(TODO|FIXME|XXX)\b", ["scripts/check.py"]),
    ("white space at the end of a line", ["*"], r"[ \t\r]$", []),
    ("a path of somebody's machine", ["*"], r"/(home|Users)/[a-z]+/|/root/\w", []),
    (
        "a fixed wait",
        ["tests/*"],
        r"\btime\.sleep\(|\bu?sleep\(",
        ["tests/support/wait.py", "tests/darwin/double/*"],  # a system takes its time
    ),
    (
        "a condition on the system",
        ["broker/*.[ch]", "vmnetctl/*.[ch]", "client/*.[ch]"],
        r"#\s*(el)?if.*__(linux|APPLE)__",
        ["*/linux/*", "*/darwin/*"],
    ),
    ("a long line", ["*.c", "*.h", "*.py", "*.sh"], r"^.{101}", ["tests/darwin/sdk/*"]),
]
LICENSED = ["*.c", "*.h", "*.m", "*.py", "*.sh", "*meson.build", "meson_options.txt", "scripts/*"]


@stage
def hygiene(checks, log):
    """licence lines, and what no file may have"""
    result = Result()
    texts = {}
    for file in checks.files("*"):
        if any(fnmatch.fnmatch(file, pattern) for pattern in GIVEN):
            continue
        with open(file, encoding="utf-8", errors="replace") as content:
            texts[file] = content.read().split("\n")
    for what, patterns, expression, exceptions in HYGIENE:
        files = set(checks.files(*patterns)) - set(checks.files(*exceptions))
        hits = [
            f"{file}:{number}: {what}: {line.strip()}"
            for file in sorted(files & texts.keys())
            for number, line in enumerate(texts[file], 1)
            if re.search(expression, line)
        ]
        log.write("".join(f"{hit}\n" for hit in hits))
        result.add(not hits, f"{what}: {len(hits)} lines")
    missing = [
        file
        for file in checks.files(*LICENSED)
        if file in texts and "SPDX-License-Identifier: Apache-2.0" not in "".join(texts[file][:3])
    ]
    log.write("".join(f"{file}: no SPDX line\n" for file in missing))
    result.add(not missing, f"no SPDX line: {len(missing)} files")
    return result


def run_stage(name, checks):
    """Runs one stage; whatever happens in it becomes a result."""
    log = Log(name)
    start = time.monotonic()
    try:
        result = STAGES[name](checks, log)
    except Skip as reason:
        result = Result(skipped=1, notes=[f"skipped: {reason}"])
    except Failure as reason:
        result = Result(failed=1, notes=[f"failed: {reason}"])
    if result.passed + result.failed + result.skipped == 0:
        result.add(False, "nothing was checked")
    return result, time.monotonic() - start, log


def line(name, result, seconds):
    state = "FAILED" if result.failed else "ok" if result.passed else "skipped"
    return (
        f"{state:8}{name:12}{result.passed:6} passed{result.failed:5} failed"
        f"{result.skipped:5} skipped{seconds:8.1f} s"
    )


def arguments():
    stages = "\n".join(f"  {name:12}{function.__doc__}" for name, function in STAGES.items())
    parser = argparse.ArgumentParser(
        prog="scripts/check",
        description="Checks everything, or the stages that are named. Needs root.",
        epilog=f"stages:\n{stages}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--fuzz-seconds", type=int, default=60, help="for each fuzz target (default: 60)"
    )
    parser.add_argument("--no-install", action="store_true", help="use what is installed")
    parser.add_argument("stages", nargs="*", metavar="STAGE", choices=[*STAGES, []])
    return parser.parse_args()


def main():
    options = arguments()
    os.chdir(TOP)
    checks = Checks(options)
    results = []
    for name in options.stages or STAGES:
        result, seconds, log = run_stage(name, checks)
        results.append((name, result, seconds))
        print(line(name, result, seconds), flush=True)
        for note in result.notes:
            print(f"        {note}", flush=True)
        if result.failed:
            print(f"{log.tail()}\n", flush=True)
    print("\nsummary")
    for name, result, seconds in results:
        print(line(name, result, seconds))
    passed, failed, skipped = (
        sum(getattr(result, what) for _, result, _ in results)
        for what in ("passed", "failed", "skipped")
    )
    print(f"\n{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


try:
    sys.exit(main())
except KeyboardInterrupt:
    sys.exit("interrupted")

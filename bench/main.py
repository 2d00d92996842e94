# SPDX-License-Identifier: Apache-2.0
"""Measures the broker beside bare system calls, and beside what users would take instead.

All in network namespaces, contestants in turn; prints medians, quartiles and ratios.
"""

import argparse
import contextlib
import importlib
import os
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tests"))

import tables  # noqa: E402
from results import Results, write  # noqa: E402
from support.isolate import isolate  # noqa: E402
from targets import evaluate  # noqa: E402

PRIORITY = -15  # of all contestants, so that others on this machine are in the way less
PARTS = "datapath", "control", "scale", "counted", "fairness"
ALONE = ("profile",)  # only when it is asked for


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="in three minutes")
    parser.add_argument(
        "--only", choices=PARTS + ALONE, action="append", help="this part; may be repeated"
    )
    parser.add_argument("--rounds", type=int, help="how often each contestant has its turn")
    parser.add_argument("--json", metavar="FILE", help="write the results there")
    parser.add_argument("--markdown", metavar="FILE", help="have that end with the tables")
    parser.add_argument("--plots", metavar="DIR", help="draw the plots there, as SVG")
    parser.add_argument("--build", metavar="DIR", help="measure that build instead of making one")
    parser.add_argument("--no-install", action="store_true", help="use what is installed")
    return parser.parse_args()


def draw(summary, directory, results):
    """Matplotlib is loaded when all is measured, and need not be there."""
    try:
        plot = importlib.import_module("plot")
    except ImportError as error:
        results.skip("plots", error)
        return
    plot.draw(summary, directory)


def main():
    options = arguments()
    options.build = os.path.abspath(options.build)
    parts = options.only or (PARTS[:-1] if options.quick else PARTS)
    isolate()
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
    results = Results()
    directory = tempfile.mkdtemp(prefix="vmnet-broker-bench-")
    # In memory, as /run is, where services have their files and sockets.
    mount = ["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", directory]
    subprocess.run(mount, check=True)
    try:
        for part in parts:
            start = time.monotonic()
            own = os.path.join(directory, part)
            os.mkdir(own, 0o755)
            importlib.import_module(part).measure(options, results, own)
            print(f"{part}: {time.monotonic() - start:.0f} s", flush=True)
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)
        os.rmdir(directory)
    summary = {**results.summary(), "targets": evaluate(results)}
    lines = list(tables.tables(summary, " ".join(["scripts/bench"] + ["--quick"] * options.quick)))
    print("\n".join(["", *lines]))
    if options.json:
        write(summary, options.json)
    if options.markdown:
        tables.write(lines, options.markdown)
    if options.plots:
        draw(summary, options.plots, results)


main()

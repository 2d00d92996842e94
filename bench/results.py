# SPDX-License-Identifier: Apache-2.0
"""What was measured: values by measure and contestant, their medians, and the machine."""

import itertools
import json
import os
import platform
import re
import statistics
import subprocess

PACKAGES = (
    "dnsmasq-base",
    "nftables",
    "qemu-system-common",
    "libvirt-daemon",
    "vde2",
    "passt",
    "slirp4netns",
)


ROUNDS_OF_A_TAIL = 100


class Results:
    """Values that were taken in turn; ratios are to a measure's first contestant, or that named."""

    def __init__(self):
        self._values = {}
        self._bases = {}
        self._series = {}
        self._skipped = {}

    def add(self, measure, unit, contestant, value):
        self._values.setdefault((measure, unit), {}).setdefault(contestant, []).append(value)

    def compare_to(self, contestant, measure):
        """Whom the ratios of a measure are to."""
        self._bases[measure] = contestant

    def add_point(self, measure, unit, contestant, number, value):
        """Of a series: what it was with so many."""
        contestants = self._series.setdefault((measure, unit), {})
        contestants.setdefault(contestant, []).append([number, value])

    def skip(self, what, why):
        """Said once for each thing that cannot be measured here."""
        if what not in self._skipped:
            self._skipped[what] = str(why)
            print(f"skipped: {what}: {why}", flush=True)

    def summary(self):
        """All of it, as it goes into a file."""
        return {
            "machine": machine(),
            "measures": [
                {
                    "measure": measure,
                    "unit": unit,
                    "contestants": _summarize(contestants, self._bases.get(measure)),
                }
                for (measure, unit), contestants in self._values.items()
            ],
            "series": [
                {"measure": measure, "unit": unit, "contestants": contestants}
                for (measure, unit), contestants in self._series.items()
            ],
            "skipped": self._skipped,
        }


def _summarize(contestants, base):
    base = contestants.get(base) or next(iter(contestants.values()))
    return {name: _statistics(values, base) for name, values in contestants.items()}


def _statistics(values, base):
    """The ratio is of what was taken in the same turn; of medians where there were not as many."""
    low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    pairs = zip(values, base) if len(values) == len(base) else [(middle, statistics.median(base))]
    ratios = [value / other for value, other in pairs if other]
    return {
        "median": middle,
        "quartiles": [low, high],
        "99th_percentile": sorted(values)[int(len(values) * 0.99)],
        "ratio": statistics.median(ratios) if ratios else None,
        "rounds": len(values),
    }


def machine():
    """What all this was measured on."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = re.search(r"^model name\s*: (.*)$", file.read(), re.MULTILINE)
    with open("/proc/meminfo", encoding="ascii") as file:
        memory = int(re.search(r"^MemTotal: +(\d+) kB", file.read(), re.MULTILINE)[1])
    return {
        "processor": model[1] if model else platform.machine(),
        "processors": len(os.sched_getaffinity(0)),
        "memory_mib": memory // 1024,
        "load": os.getloadavg()[0],
        "kernel": platform.release(),
        "system": platform.freedesktop_os_release()["PRETTY_NAME"],
        "versions": {name: version for name in PACKAGES if (version := _version(name))},
    }


def _version(package):
    try:
        done = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Version}", package],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return None
    return done.stdout


def print_tables(summary):
    """For people: the tables as they stand in docs/performance.md."""
    about = summary["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    print(
        f"\n{about['processors']} processors ({about['processor']}), {about['memory_mib']} MiB,"
        f" load {about['load']:.1f}; {about['system']}, Linux {about['kernel']}; {versions}"
    )
    once = [entry for entry in summary["measures"] if _was_taken_once(entry)]
    often = [entry for entry in summary["measures"] if entry not in once]
    for measure in dict.fromkeys(entry["measure"] for entry in often):
        _print_table(measure, [entry for entry in often if entry["measure"] == measure])
    for _, group in itertools.groupby(once, lambda entry: tuple(entry["contestants"])):
        _print_states(list(group))
    if summary["series"]:
        print("\n| | unit | who | the first ones | the last ones | how many | ratio |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
    for entry in summary["series"]:
        for name, points in entry["contestants"].items():
            _print_series(f"{entry['measure']} | {entry['unit']} | {name}", points)


def _was_taken_once(entry):
    return all(of["rounds"] == 1 for of in entry["contestants"].values())


def _print_table(measure, entries):
    """A measure in all its units, a row for each contestant: medians and ratios.

    With quartiles, and the 99th percentile of times that were taken often enough.
    """
    print(f"\n| {measure} | {' | '.join(entry['unit'] + ' | ratio' for entry in entries)} |")
    print(f"|{' --- |' * (1 + 2 * len(entries))}")
    for name in entries[0]["contestants"]:
        shown = []
        for entry in entries:
            of = entry["contestants"][name]
            low, high = map(number, of["quartiles"])
            tail = of["rounds"] >= ROUNDS_OF_A_TAIL and entry["unit"] in ("ms", "µs")
            spread = f"{low} - {high}" + f"; {number(of['99th_percentile'])}" * tail
            shown += [f"{number(of['median'])} ({spread})", _ratio(of["ratio"])]
        print(f"| {name} | {' | '.join(shown)} |")


def _print_states(entries):
    """Measures that have the same contestants, a row for each."""
    names = list(entries[0]["contestants"])
    print(f"\n| | {' | '.join(names)} | last to first |")
    print(f"|{' --- |' * (len(names) + 2)}")
    for entry in entries:
        values = [entry["contestants"][name] for name in names]
        shown = " | ".join(number(of["median"]) for of in values)
        print(f"| {entry['measure']}, {entry['unit']} | {shown} | {_ratio(values[-1]['ratio'])} |")


def _print_series(what, points):
    """Medians of the first tenth and of the last one."""
    tenth = max(1, len(points) // 10)
    first, last = (
        statistics.median(value for _, value in some) for some in (points[:tenth], points[-tenth:])
    )
    shown = number(first), number(last), points[-1][0], _ratio(last / first)
    print(f"| {what} | {' | '.join(map(str, shown))} |")


def _ratio(value):
    return "" if value is None else f"{value:.2f}"


def number(value):
    """Three figures."""
    if value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def write(summary, path):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(summary, file, indent=1)
        file.write("\n")

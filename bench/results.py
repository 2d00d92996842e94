# SPDX-License-Identifier: Apache-2.0
"""What was measured: values by measure and contestant, their medians, and the machine."""

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


class Results:
    """Values that were taken in turn; ratios are to a measure's first contestant, or that named."""

    def __init__(self):
        self._values = {}
        self._bases = {}
        self._series = {}
        self._skipped = {}

    def add(self, measure, unit, contestant, value):
        self._values.setdefault((measure, unit), {}).setdefault(contestant, []).append(value)

    def values(self, measure, unit=None):
        """Of each contestant, as they were taken; of the first unit where none is named."""
        for (known, of), contestants in self._values.items():
            if known == measure and unit in (None, of):
                return contestants
        return {}

    def series(self, measure):
        """Of each contestant, [number, value]."""
        return {name: of for (name, _), of in self._series.items()}.get(measure, {})

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
    low, middle, high = _quartiles(values)
    return {
        "median": middle,
        "quartiles": [low, high],
        "99th_percentile": tail(values),
        "ratio": ratio(values, base),
        "rounds": len(values),
    }


def _quartiles(values):
    if len(values) == 1:
        return values * 3
    return statistics.quantiles(values, n=4, method="inclusive")


def tail(values):
    """The 99th percentile."""
    return sorted(values)[int(len(values) * 0.99)]


def ratio(values, base):
    """Of what was taken in the same turn; of medians where there were not as many. Or None."""
    pairs = [(statistics.median(values), statistics.median(base))]
    if len(values) == len(base):
        pairs = zip(values, base)
    ratios = [value / other for value, other in pairs if other]
    return statistics.median(ratios) if ratios else None


def tenths(points):
    """Of a series: medians of the first tenth and of the last one."""
    some = max(1, len(points) // 10)
    return [statistics.median(v for _, v in of) for of in (points[:some], points[-some:])]


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


def write(summary, path):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(summary, file, indent=1)
        file.write("\n")

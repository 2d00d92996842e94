# SPDX-License-Identifier: Apache-2.0
"""Draws what was measured, as SVG; the same results give the same bytes."""

import os
import re

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot  # noqa: E402
from tables import number  # noqa: E402

BROKER = re.compile(r"broker(?:, (\d+) other networks)?$")
HAND = "by hand, with masquerade"
PACKETS = {
    "machine to machine, 60 bytes": "machine to machine",
    "machine to host, 60 bytes": "machine to host",
    "machine to outside, 60 bytes": "machine to outside",
    "host's own, to outside, 60 bytes": "the host's own, to outside",
}
WAITS = ("attach", "network to first DHCP offer")
OWN_COLOUR, OTHERS_COLOUR = "#1f77b4", "#9a9a9a"
STYLE = {"svg.hashsalt": "vmnet-broker", "svg.fonttype": "none", "font.size": 9}


def _measures(summary):
    """The contestants of each measure; of several units, the first one's."""
    found = {}
    for entry in summary["measures"]:
        found.setdefault(entry["measure"], (entry["unit"], entry["contestants"]))
    return found


def _save(figure, path):
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    with open(path, encoding="utf-8") as file:
        lines = [line.rstrip() for line in file]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def _draw_packets(measures, path):
    """Cost of a packet by the number of other networks, beside the same by hand."""
    figure, all_axes = pyplot.subplots(1, len(PACKETS), figsize=(10, 2.8), sharey=True)
    for axes, (measure, title) in zip(all_axes, PACKETS.items()):
        _, contestants = measures[measure]
        points = sorted(
            (int(match[1] or 0), of["median"])
            for name, of in contestants.items()
            if (match := BROKER.match(name))
        )
        axes.plot(*zip(*points), marker="o", color=OWN_COLOUR, label="broker")
        axes.axhline(contestants[HAND]["median"], color=OTHERS_COLOUR, ls="--", label=HAND)
        axes.set_title(title, fontsize=9)
        axes.set_xlabel("other networks")
    all_axes[0].set_ylim(0, 1.1 * max(axes.get_ylim()[1] for axes in all_axes))
    all_axes[0].set_ylabel("ns of the processor\na packet of 60 bytes")
    all_axes[0].legend(frameon=False, fontsize=8, loc="lower left")
    _save(figure, path)


def _draw_waits(measures, path):
    """What takes the time, beside bare system calls and other programs."""
    figure, all_axes = pyplot.subplots(1, len(WAITS), figsize=(10, 1.9))
    for axes, measure in zip(all_axes, WAITS):
        unit, contestants = measures[measure]
        names = list(contestants)[::-1]
        medians = [contestants[name]["median"] for name in names]
        colours = [OWN_COLOUR if name == "broker" else OTHERS_COLOUR for name in names]
        bars = axes.barh(names, medians, color=colours)
        axes.bar_label(bars, [f" {number(median)}" for median in medians])
        axes.set_title(measure, fontsize=9)
        axes.set_xlabel(f"{unit}, median")
        axes.margins(x=0.15)
    _save(figure, path)


def draw(summary, directory):
    """Writes what can be drawn of it into the directory."""
    measures = _measures(summary)
    with matplotlib.rc_context(STYLE):
        if measures.keys() >= PACKETS.keys():
            _draw_packets(measures, os.path.join(directory, "performance-packets.svg"))
        if measures.keys() >= set(WAITS):
            _draw_waits(measures, os.path.join(directory, "performance-waits.svg"))

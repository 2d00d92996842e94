# SPDX-License-Identifier: Apache-2.0
"""Figures of one run: those that README.md and the table of targets have are the other tables'."""

import re

from support.documents import TOP

README = " ".join((TOP / "README.md").read_text(encoding="utf-8").split())
WAYS = "machine to machine", "machine to host", "machine to outside"


def tables(path):
    """Those of a document, as {title of the first column: {first cell of a row: the others}}."""
    found = {}
    for table in re.findall(r"(?:^\|.*\n)+", path.read_text(encoding="utf-8"), re.MULTILINE):
        cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()]
        found.setdefault(cells[0][0], {}).update({row[0]: row[1:] for row in cells[2:]})
    return found


RUN = tables(TOP / "docs/performance.md")
TARGETS = RUN[""]


def figure(measure, who, column=0):
    """The number that a cell begins with: a median, or a ratio."""
    return float(re.match(r"[\d.,]+", RUN[measure][who][column])[0].replace(",", ""))


def test_targets():
    shown = {f"{way}, to by hand with masquerade": f"{way}, 60 bytes" for way in WAYS}
    shown |= {f"{name}, to bare": name for name in ("attach", "network to first DHCP offer")}
    for target, measure in shown.items():
        assert float(TARGETS[target][0]) == figure(measure, "broker", 1), target


def test_readme():
    offer, payload = "network to first DHCP offer", "machine to machine, payload"
    ratios = [figure(f"{way}, 60 bytes", "broker", 1) for way in WAYS]
    for said in (
        f"{min(ratios):.1f} to {max(ratios):.1f} times what it costs by hand",
        f"DHCP offer in {figure(offer, 'broker'):.0f} ms, and libvirt's in "
        f"{figure(offer, 'libvirt'):.0f}.",
        f"An attach takes {figure('attach', 'broker') / 1000:.1f} ms, and "
        f"{figure('attach', 'qemu-bridge-helper') / 1000:.1f} by qemu-bridge-helper",
        f"takes {figure(payload, 'broker, segments of 64 KiB'):.0f} ms of the processor, and "
        f"{figure(payload, 'helper that copies, frames of 1514 bytes'):.0f} ms by a process",
    ):
        assert said in README

# SPDX-License-Identifier: Apache-2.0
"""What was measured, as tables for people and for docs/performance.md."""

import itertools
import re
import textwrap

from results import tenths

ROUNDS_OF_A_TAIL = 100
WIDTH = 100
# In a document: what is behind it is of the last run.
MARK = "<!-- scripts/bench --markdown writes what follows. -->\n"
UPSTREAM = re.compile(r"(?:\d+:)?([^-+]*?)(?:\.[0-9a-f]{7})?(?:[-+].*)?$")  # of Debian's versions


def write(lines, path):
    """Has the document end with them."""
    with open(path, encoding="utf-8") as file:
        before, mark, _ = file.read().partition(MARK)
    if not mark:
        raise ValueError(f"{path} has no line {MARK.strip()}")
    with open(path, "w", encoding="utf-8") as file:
        file.write(before + mark + "\n" + "\n".join(lines) + "\n")


def tables(summary, command):
    """The lines of all."""
    yield from _about(summary["machine"], command)
    if summary["targets"]:
        yield from _targets(summary["targets"])
    once = [entry for entry in summary["measures"] if _was_taken_once(entry)]
    often = [entry for entry in summary["measures"] if entry not in once]
    for measure in dict.fromkeys(entry["measure"] for entry in often):
        yield from _table(measure, [entry for entry in often if entry["measure"] == measure])
    for _, group in itertools.groupby(once, lambda entry: tuple(entry["contestants"])):
        yield from _states(list(group))
    if summary["series"]:
        yield from ("", "| | unit | who | the first ones | the last ones | how many | ratio |")
        yield "| --- | --- | --- | --- | --- | --- | --- |"
    for entry in summary["series"]:
        for name, points in entry["contestants"].items():
            yield _series(f"{entry['measure']} | {entry['unit']} | {name}", points)


def _about(machine, command):
    versions = ", ".join(
        f"{name} {UPSTREAM.match(version)[1]}" for name, version in machine["versions"].items()
    )
    yield from (f"`{command}`:", "")
    yield from _item(
        f"{machine['processors']} processors ({machine['processor']}), {machine['memory_mib']} MiB,"
        f" load {machine['load']:.1f}; {machine['system']}, Linux {machine['kernel']}"
    )
    yield from _item(versions)
    yield from ("", "In brackets are the quartiles, and the 99th percentile of times that were")
    yield "taken a hundred times."


def _item(text):
    return textwrap.wrap(text, WIDTH, initial_indent="- ", subsequent_indent="  ")


def _targets(targets):
    yield from ("", "| | | target | met |", "| --- | --- | --- | --- |")
    for of in targets:
        unit = f" {of['unit']}" if of["unit"] else ""
        row = of["what"], number(of["figure"]) + unit
        if of["target"] is not None:
            row += f"{of['target']:,}{unit}", "yes" if of["met"] else "no"
        else:
            row += "", ""
        yield f"| {' | '.join(row)} |"


def _was_taken_once(entry):
    return all(of["rounds"] == 1 for of in entry["contestants"].values())


def _table(measure, entries):
    """A measure in all its units, a row for each contestant: medians and ratios.

    With quartiles, and the 99th percentile of times that were taken often enough.
    """
    yield ""
    yield f"| {measure} | {' | '.join(entry['unit'] + ' | ratio' for entry in entries)} |"
    yield f"|{' --- |' * (1 + 2 * len(entries))}"
    for name in entries[0]["contestants"]:
        shown = []
        for entry in entries:
            of = entry["contestants"][name]
            low, high = map(number, of["quartiles"])
            tail = of["rounds"] >= ROUNDS_OF_A_TAIL and entry["unit"] in ("ms", "µs")
            spread = f"{low} - {high}" + f"; {number(of['99th_percentile'])}" * tail
            shown += [f"{number(of['median'])} ({spread})", _ratio(of["ratio"])]
        yield f"| {name} | {' | '.join(shown)} |"


def _states(entries):
    """Measures that have the same contestants, a row for each."""
    names = list(entries[0]["contestants"])
    yield ""
    yield f"| | {' | '.join(names)} | last to first |"
    yield f"|{' --- |' * (len(names) + 2)}"
    for entry in entries:
        values = [entry["contestants"][name] for name in names]
        shown = " | ".join(number(of["median"]) for of in values)
        yield f"| {entry['measure']}, {entry['unit']} | {shown} | {_ratio(values[-1]['ratio'])} |"


def _series(what, points):
    first, last = tenths(points)
    shown = number(first), number(last), points[-1][0], _ratio(last / first)
    return f"| {what} | {' | '.join(map(str, shown))} |"


def _ratio(value):
    return "" if value is None else f"{value:.2f}"


def number(value):
    """Three figures."""
    if value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"

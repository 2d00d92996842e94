# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/protocol.md have everything that the wires have, and nothing else."""

import re

from support.documents import TOP

TEXT = (TOP / "docs/protocol.md").read_text(encoding="utf-8")
VARLINK = (TOP / "data/com.github.nirs.vmnetbroker.varlink").read_text(encoding="utf-8")
XPC = (TOP / "wire/xpc_protocol.h").read_text(encoding="utf-8")
HEADER = (TOP / "include/vmnet-broker.h").read_text(encoding="utf-8")
LINUX, MACOS = re.split(r"^## macOS: XPC$", TEXT, flags=re.MULTILINE)


def table(part, title):
    """The rows of the table below a heading, without that of the titles: their cells."""
    text = re.search(rf"^### {title}$(.*?)(?=^##|\Z)", part, re.MULTILINE | re.DOTALL)[1]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:]]


def quoted(cell):
    return re.findall(r"`([^`]+)`", cell)


def fields(text):
    return re.findall(r"^  (\w+): ", text, re.MULTILINE)


def test_methods():
    methods = re.findall(r"^method (\w+)\(([^)]*)\) -> \(([^)]*)\)$", VARLINK, re.MULTILINE)
    assert len(methods) == len(re.findall(r"^method ", VARLINK, re.MULTILINE)) > 5
    rows = {
        quoted(method)[0]: (quoted(takes), quoted(gives))
        for method, takes, gives, _ in table(LINUX, "Methods")
    }
    assert rows == {method: (fields(takes), fields(gives)) for method, takes, gives in methods}


def test_errors_of_varlink():
    errors = re.findall(r"^error (\w+) \((.*?)^\)$", VARLINK, re.MULTILINE | re.DOTALL)
    assert len(errors) == len(re.findall(r"^error ", VARLINK, re.MULTILINE)) > 5
    rows = {quoted(error)[0]: quoted(beside) for error, beside, _ in table(LINUX, "Errors")}
    assert rows == {
        error: [field for field in fields(text) if field != "reason"] for error, text in errors
    }
    assert {error for row in table(LINUX, "Methods") for error in quoted(row[3])} < set(rows)


def test_commands():
    names = re.findall(r'define COMMAND_\w+ "(\w+)"', XPC)
    lines = dict(re.findall(r'^ \*\t"(\w+)"(.*)$', XPC, re.MULTILINE))
    assert list(lines) == names and len(names) > 5
    rows = {quoted(row[0])[0]: quoted(row[1]) + quoted(row[2]) for row in table(MACOS, "Commands")}
    assert rows == {name: re.findall(KEY, line) for name, line in lines.items()}


# In the header's table, where the message of a "monitor" is no key.
KEY = re.compile(r"\b(?:network_name|network|info|networks|clients|fault)\b")


def test_keys():
    keys = re.findall(r'define KEY_\w+ "(\w+)" /\* (\w+)', XPC)
    assert len(keys) == XPC.count("#define KEY_") > 20
    kinds = {key: row[1] for row in table(MACOS, "Keys") for key in quoted(row[0])}
    assert set(kinds) == {key for key, _ in keys}
    assert [(key, kind) for key, kind in keys if kind not in kinds[key]] == []


def test_errors_of_xpc():
    codes = re.findall(r"^\t(VMNET_BROKER_\w+) = (\d+),$", HEADER, re.MULTILINE)
    rows = {quoted(row[1])[0]: row[0] for row in table(MACOS, "Errors")}
    assert rows == {name: number for name, number in codes if 2 < int(number) < 8}
    assert len(rows) == 5

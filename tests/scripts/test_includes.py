# SPDX-License-Identifier: Apache-2.0
"""scripts/check knows an include that runs the wrong way."""

import pathlib
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "scripts"))

from checks.includes import (  # noqa: E402
    MAY_ALSO_INCLUDE,
    MAY_INCLUDE,
    wrong_guards,
    wrong_includes,
)

PAIRS = [(folder, other) for folder, others in MAY_INCLUDE.items() for other in others]


def look(file, *lines, beside=()):
    return wrong_includes({file: [*lines], **{other: [] for other in beside}})


def test_an_include_of_the_tree_turned_round():
    """Nothing is wrong with the sources of a network, and then one of the firewall's is."""
    texts = {
        str(path.relative_to(TOP)): path.read_text().split("\n")
        for folder in ("firewall", "network")
        for path in (TOP / "broker/linux" / folder).glob("*.[ch]")
    }
    bridge = texts["broker/linux/network/bridge.c"]
    assert '#include "broker/linux/firewall/firewall.h"' in bridge
    assert wrong_includes(texts) == []
    firewall = texts["broker/linux/firewall/firewall.c"]
    firewall.insert(4, '#include "broker/linux/network/bridge.h"')
    assert wrong_includes(texts) == [
        "broker/linux/firewall/firewall.c:5: broker/linux/firewall may not include "
        "broker/linux/network"
    ]


@pytest.mark.parametrize("folder, other", PAIRS)
def test_one_direction_only(folder, other):
    if other == "include":
        assert look(f"{folder}/a.c", "#include <a.h>", beside=["include/a.h"]) == []
    else:
        assert look(f"{folder}/a.c", f'#include "{other}/a.h"') == []
    assert look(f"{other}/a.h", "", f'#include "{folder}/a.h"') == [
        f"{other}/a.h:2: {other} may not include {folder}"
    ]


@pytest.mark.parametrize("file", MAY_ALSO_INCLUDE)
def test_what_one_source_may_its_folder_may_not(file):
    folder = str(pathlib.PurePath(file).parent)
    for other in MAY_ALSO_INCLUDE[file]:
        assert look(file, f'#include "{other}/a.h"') == []
        assert look(f"{folder}/worker.c", f'#include "{other}/a.h"') != []


def test_who_does_not_know_each_other():
    parts = [f"broker/linux/{part}" for part in ("dnsmasq", "firewall", "routing", "varlink")]
    for part in parts:
        for other in set(parts) - {part}:
            assert look(f"{part}/a.c", f'#include "{other}/a.h"') != []
    for folder in MAY_INCLUDE:
        if folder != "broker/linux/varlink":
            assert look(f"{folder}/a.c", '#include "broker/linux/varlink/a.h"') != []


@pytest.mark.parametrize(
    "file, line",
    [
        ("host/a.c", '#include "a.h"'),  # of the folder
        ("host/a.c", '#include "host/made.h"'),  # of the build
        ("host/a.c", "#include <linux/netlink.h>"),
        ("host/a.c", '/* #include "broker/broker.h" */'),
        ("tests/unit/a.c", '#include "broker/broker.h"'),
        ("host/a.txt", '#include "broker/broker.h"'),
    ],
)
def test_what_may_be(file, line):
    assert look(file, line) == []


@pytest.mark.parametrize(
    "file, line",
    [
        ("broker/linux/a.c", '  #  include "../interface.h"'),  # not by the path from the top
        ("broker/a.c", '#include "linux/linux.h"'),
        ("base/a.h", '#include "tests/unit/test.h"'),
        ("broker/linux/new/a.c", '#include "base/log.h"'),  # nobody has said what it may
        ("examples/a.m", '#import "wire/xpc_protocol.h"'),
        ("broker/a.c", '#include "vmnet-broker.h"'),
    ],
)
def test_what_may_not_be(file, line):
    assert look(file, line, beside=["include/vmnet-broker.h"]) != []


def test_a_guard_is_the_path():
    """Or the second of two headers that are called alike is not read."""
    right = {"broker/linux/network/network.h": ["#ifndef VMNET_BROKER_LINUX_NETWORK_NETWORK_H"]}
    assert wrong_guards(right) == []
    assert wrong_guards({"broker/network.h": ["#ifndef VMNET_BROKER_LINUX_NETWORK_NETWORK_H"]}) == [
        "broker/network.h: its guard is to be VMNET_BROKER_NETWORK_H"
    ]

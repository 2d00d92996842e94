# SPDX-License-Identifier: Apache-2.0
"""What the completions of shells offer, each by the shell itself."""

import os
import pathlib
import re

import pytest

from support.fabric import vxlan_network
from support.need import need
from support.wait import wait_for

COMPLETIONS = pathlib.Path(__file__).parents[2] / "data/completions"

BASH = """
. "$1/vmnetctl.bash"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_vmnetctl
printf '%s\\n' "${COMPREPLY[@]}"
"""
FISH = """
source $argv[1]/vmnetctl.fish
complete -C "$argv[2..]"; or true
"""
# What its own functions would offer, were there a terminal: they leave out what does not fit.
ZSH = """
_describe() {
	[[ $1 != -o ]] || shift
	print -l -- ${${(P)2}%%:*} ${${4#\\(}%%:*}
}
compadd() { print -l -- $@[2,-1]; }
_files() { print -l -- $words[CURRENT]*(N); }
source=$1/_vmnetctl
shift
words=("$@") CURRENT=$#
. $source || true
"""


class Shell:
    """One that finds vmnetctl."""

    def __init__(self, broker, name):
        need(name)
        self._host, self._name = broker.host, name
        directory = os.path.dirname(broker.host.program("vmnetctl/vmnetctl"))
        self._environment = broker.environment()
        # The search for leaks may wait for ever below zsh, which blocks signals.
        self._environment["ASAN_OPTIONS"] = "detect_leaks=0"
        self._environment["PATH"] = f"{directory}:{self._environment['PATH']}"

    def _run(self, script, *arguments):
        named = [] if self._name == "fish" else [self._name]
        argv = (self._name, "-c", script, *named, COMPLETIONS, "vmnetctl", *arguments)
        return self._host.run(*argv, env=self._environment).stdout

    def complete(self, *words):
        """What is offered for the last of the words, in order."""
        offered = self._run({"bash": BASH, "fish": FISH, "zsh": ZSH}[self._name], *words)
        # Of fish's, explanations are behind a tab.
        names = [line.partition("\t")[0] for line in offered.splitlines()]
        return sorted(name for name in names if name and name.startswith(words[-1]))


@pytest.fixture(params=["bash", "zsh", "fish"])
def shell(request, broker):
    return Shell(broker, request.param)


def test_subcommands_and_options(shell, host):
    usage = host.run(host.program("vmnetctl/vmnetctl"), "--help").stdout
    subcommands = set(re.findall(r"^  ([a-z]+) ", usage, re.MULTILINE))
    assert "run" in subcommands
    assert set(shell.complete("")) - {"--help", "--version"} == subcommands
    assert shell.complete("ins") == ["inspect"]
    assert shell.complete("inspect", "--") == ["--help", "--interval", "--json", "--watch"]
    assert shell.complete("help", "ins") == ["inspect"]
    assert shell.complete("cleanup", "--d") == ["--dry-run"]
    assert shell.complete("top", "--sort", "packets-") == ["packets-in", "packets-out"]
    options = shell.complete("run", "--network", "default", "--")
    assert {"--vhost", "--rate-in", "--rate-out"} <= set(options)


def test_networks(shell):
    for words in (
        *(["hold"], ["hold", "default"], ["inspect"], ["ip"], ["run", "--network"]),
        *(["top"], ["metrics"], ["connect"], ["machines"], ["ps"], ["status"]),
    ):
        assert shell.complete(*words, "") == ["default", "host"]
        assert shell.complete(*words, "h") == ["host"]
    for words in (["inspect", "default"], ["run", "--vhost"], ["run", "--mac"], ["reload"]):
        assert "default" not in shell.complete(*words, "")


@pytest.mark.broker(config={"lab": vxlan_network(3), "office": {"mode": "shared"}})
def test_names_of_hosts_are_not_those_of_networks(shell):
    assert shell.complete("inspect", "") == ["lab", "office"]


def test_machines(shell, broker, make_machine):
    client = broker.client()
    client.acquire("default")
    assert shell.complete("ip", "default", "") == []
    for name in ("web-1", "db.east"):
        make_machine(client.attach("default")).dhcp(hostname=name)
    wait_for(lambda: len(client.inspect("default")["leases"]) == 2, what="the leases")
    names = sorted(lease["hostname"] for lease in client.inspect("default")["leases"])
    assert shell.complete("ip", "default", "") == names
    assert shell.complete("ip", "default", "w") == ["web-1"]
    for subcommand in "connect", "capture", "end":
        assert shell.complete(subcommand, "default", "w") == ["web-1"]
        assert not set(names) & set(shell.complete(subcommand, "default", "web-1", ""))
    # One without a name by its device.
    with client.attach("default") as attachment:
        assert shell.complete("end", "default", "") == sorted([*names, attachment.name])
    assert shell.complete("ip", "host", "") == []
    assert shell.complete("inspect", "default", "w") == []


def test_files(shell, broker):
    path = os.path.join(broker.host.directory, "a-file")
    pathlib.Path(path).touch()
    (offered,) = shell.complete("check", path[:-2])
    assert offered.endswith("a-file")

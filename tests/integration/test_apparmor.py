# SPDX-License-Identifier: Apache-2.0
"""What AppArmor's profile of dnsmasq has to allow is all that dnsmasq opens of the broker's."""

import glob
import os
import re
import shutil

import pytest

from support.broker import Broker
from support.host import SERVER_IPV4, SERVER_NAME
from support.wait import wait_for

RULES = "apparmor-dnsmasq"
# Every program's, and in the profile.
SYSTEM = ("/dev/", "/etc/", "/lib", "/proc/", "/usr/")
CALL = re.compile(r'^(\w+)\((?:\w+, )?"([^"]*)", (.*)\) += \d', re.MULTILINE)


@pytest.fixture
def broker(host):
    """One whose processes, dnsmasq among them, are looked at all the time."""
    trace = f"{host.directory}/trace"
    # A file for each: in one, a call is in two parts when another process's comes between.
    strace = ("strace", "-D", "-ff", "-qq", "-e", "trace=execve,openat,inotify_add_watch")
    # What finds leaks does not work in a process that is looked at.
    environment = {"ASAN_OPTIONS": "detect_leaks=0"}
    broker = Broker(host, prefix=(*strace, "-o", trace), env=environment)
    broker.trace = trace
    broker.start()
    yield broker
    broker.check_clean = False  # the processes that look end with it
    broker.finish()


def opened(trace):
    """The files that dnsmasq has opened, as {(path, permissions)}."""
    files = set()
    for path in glob.glob(f"{trace}.*"):
        with open(path, encoding="utf-8") as file:
            calls = CALL.findall(file.read())
        if any(call == "execve" and "/dnsmasq" in path for call, path, _ in calls):
            files |= {
                (path, "rw" if "O_RDWR" in rest else "w" if "O_WRONLY" in rest else "r")
                for call, path, rest in calls
                if call != "execve"
            }
    return files


def read_rules(build):
    """As [(glob, permissions)]."""
    with open(f"{build}/data/{RULES}", encoding="ascii") as file:
        return [line.rstrip(",\n").split() for line in file if line.startswith("/")]


def matches(path, glob):
    special = {"*": "[^/]*", "{": "(?:", "}": ")", ",": "|"}
    return re.fullmatch("".join(special.get(c, re.escape(c)) for c in glob), path)


def test_rules_allow_what_dnsmasq_opens(broker, build, host, outside, join):
    outside.start_dns()
    machine = join("default")
    assert SERVER_IPV4 in machine.resolve(SERVER_NAME)
    with open(os.path.join(host.directory, "resolv.conf"), "w", encoding="ascii") as file:
        file.write("nameserver 192.0.2.1\n")
    wait_for(lambda: not machine.resolve(SERVER_NAME), what="other name servers")

    rules = read_rules(build)
    places = {
        broker.runtime_dir: "/run/vmnet-broker",
        broker.state_dir: "/var/lib/vmnet-broker",
        host.program("broker"): os.path.dirname(rules[-1][0]),
    }
    denied = set()
    files = {(path, mode) for path, mode in opened(broker.trace) if not path.startswith(SYSTEM)}
    for path, mode in files:
        installed = path + "/" * os.path.isdir(path)
        for folder, place in places.items():
            installed = installed.replace(folder, place)
        if not any(matches(installed, glob) and mode in allowed for glob, allowed in rules):
            denied.add((installed, mode))
    assert len(files) >= 5  # configuration, resolvers, their folder, leases, what is preloaded
    assert denied == set()


def test_rules_are_read_by_apparmor(build, host):
    if not shutil.which("apparmor_parser"):
        pytest.skip("no apparmor_parser here")
    profile = f'profile dnsmasq /usr/sbin/dnsmasq {{ include if exists "{build}/data/{RULES}" }}\n'
    parser = ("apparmor_parser", "--skip-kernel-load", "--skip-cache")
    host.run(*parser, input=profile)
    understood = host.run(*parser, "--debug", input=profile).stdout
    for glob, _ in read_rules(build):
        assert f"({glob})" in understood

# SPDX-License-Identifier: Apache-2.0
"""What the broker may still do once it serves."""

import contextlib
import os
import re

import pytest

from support.broker import Broker
from support.host import descriptors
from support.varlink import VarlinkError
from support.wait import wait_for

SERVICE_UID = 29001
CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_NET_RAW = 10, 12, 13
NEEDED = 1 << CAP_NET_BIND_SERVICE | 1 << CAP_NET_ADMIN | 1 << CAP_NET_RAW
NEEDED_NAMES = "CAP_NET_ADMIN CAP_NET_BIND_SERVICE CAP_NET_RAW"
SYSTEM_FILES = ("/etc/passwd", "/etc/group")


def status(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def capabilities(pid):
    return {int(status(pid)[name], 16) for name in ("CapPrm", "CapEff", "CapInh", "CapBnd")}


def are_all_threads_filtered(pid):
    threads = os.listdir(f"/proc/{pid}/task")
    return {status(f"{pid}/task/{thread}")["Seccomp"] for thread in threads} == {"2"}


def forker(broker):
    """The process that makes those that run libnftables."""
    with open(f"/proc/{broker.pid}/task/{broker.pid}/children", encoding="ascii") as file:
        return int(file.read())


def sockets_and_devices(pid):
    names = descriptors(pid)
    return {name for name in names if name.startswith("socket:") or name == "/dev/net/tun"}


def dnsmasq(broker):
    (pid,) = broker.host.processes("dnsmasq")
    return pid


@pytest.fixture
def service_broker(host):
    """A broker on a host where the service was installed, and only root may open /dev/net/tun."""
    lines = {
        "/etc/passwd": f"vmnet-broker:x:{SERVICE_UID}:{SERVICE_UID}::/:/usr/sbin/nologin\n",
        "/etc/group": f"vmnet-broker:x:{SERVICE_UID}:\n",
    }
    for path in SYSTEM_FILES:
        copy = os.path.join(host.directory, os.path.basename(path))
        with open(path, encoding="utf-8") as system, open(copy, "w", encoding="utf-8") as file:
            file.write(system.read() + lines[path])
        host.run("mount", "--bind", copy, path)
    host.run("chmod", "600", "/dev/net/tun")
    broker = Broker(host, prefix=["setpriv", "--groups=0,4,6"])
    broker.start()
    broker.wait_for_log("serving$")
    yield broker
    broker.finish()


def test_the_service_user_has_three_capabilities(service_broker):
    process = status(service_broker.pid)
    for name in "Uid", "Gid", "Groups":
        assert set(process[name].split()) == {str(SERVICE_UID)}
    assert capabilities(service_broker.pid) == {NEEDED}
    assert process["NoNewPrivs"] == "1"
    assert are_all_threads_filtered(service_broker.pid)


def test_the_unit_gives_the_same(build):
    with open(os.path.join(build, "data/vmnet-broker.service"), encoding="utf-8") as file:
        settings = file.read().splitlines()
    assert {
        "User=vmnet-broker",
        f"AmbientCapabilities={NEEDED_NAMES}",
        f"CapabilityBoundingSet={NEEDED_NAMES}",
        "NoNewPrivileges=yes",
    } <= set(settings)


def test_the_service_user_does_all_there_is_to_do(service_broker):
    client = service_broker.client(uid=1001)
    client.acquire("default")
    server = dnsmasq(service_broker)
    assert status(server)["Uid"].split()[0] == str(SERVICE_UID)
    assert capabilities(server) <= {NEEDED}
    with client.attach("default") as attachment:
        assert attachment.tap_fds
    named = client.attach("default", named=True)
    assert named.name in service_broker.host.links()


def test_what_a_broker_of_root_left_is_the_service_users(service_broker):
    service_broker.client().acquire("default")
    service_broker.close_clients()
    service_broker.stop()
    for name in os.listdir(service_broker.state_dir):
        os.chown(os.path.join(service_broker.state_dir, name), 0, 0)
    service_broker.start()
    service_broker.client().acquire("default")
    owners = {
        os.stat(os.path.join(service_broker.state_dir, name)).st_uid
        for name in os.listdir(service_broker.state_dir)
    }
    assert owners == {SERVICE_UID}


def test_without_a_service_user_root_has_little_left(broker):
    client = broker.client()
    client.acquire("default")  # it serves: the filter is set, too
    kept = capabilities(broker.pid)
    assert len(kept) == 1
    assert bin(kept.pop()).count("1") == 6
    server = dnsmasq(broker)
    assert status(server)["Uid"].split()[0] != "0"
    assert int(status(server)["CapEff"], 16) & ~NEEDED == 0
    assert are_all_threads_filtered(broker.pid)


def test_what_it_starts_has_no_descriptors_of_others(broker):
    """Nor has it the calls that the broker has not."""
    client = broker.client(uid=1001)
    client.acquire("default")
    with client.attach("default"):
        brokers = sockets_and_devices(broker.pid)
        assert brokers
        for pid in forker(broker), dnsmasq(broker):
            assert not sockets_and_devices(pid) & {*brokers, "/dev/net/tun"}
            assert are_all_threads_filtered(pid)


def test_dnsmasq_may_do_less_than_the_broker(host, directory):
    """Whatever its capabilities are: a stand-in tries."""
    os.symlink(os.path.join(host.build, "tests/tools/lesser"), os.path.join(directory, "dnsmasq"))
    broker = Broker(host)
    broker.prefix = ["env", f"PATH={directory}:/usr/sbin:/usr/bin:/sbin:/bin"]
    broker.start()
    with pytest.raises(VarlinkError) as error:
        broker.client().acquire("default")
    assert re.search(
        "rtnetlink open, raw open, nfnetlink refused, packets refused, tap refused",
        error.value.parameters["reason"],
    )
    broker.finish()


def test_a_forbidden_system_call_ends_the_broker_and_is_named(host):
    module = os.path.join(host.build, "tests/tools/forbidden.so")
    options = os.environ.get("ASAN_OPTIONS", "")
    broker = Broker(host)
    broker.env = {
        "LD_PRELOAD": module,
        "ASAN_OPTIONS": f"{options}:verify_asan_link_order=0:detect_leaks=0",
    }
    broker.start(wait=False)

    def has_ended():
        with contextlib.suppress(OSError):
            broker.client()
        return not broker.is_running()

    wait_for(has_ended, what=lambda: f"the broker's end\n{broker.log()}")
    assert re.search(r"a system call outside of the filter: swapoff \(\d+\)", broker.log())
    broker.env = {}
    broker.start()
    broker.finish()

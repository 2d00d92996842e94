# SPDX-License-Identifier: Apache-2.0
"""vmnetctl cleanup: what a broker left is removed without one, and nothing else."""

import contextlib
import os
import pathlib
import random
import socket
import subprocess
import sys

import pytest

from support.fabric import vxlan_network
from support.host import HOST_IPV4, UPLINK, diff
from support.wait import random_moment, wait_for

CONFIG = {
    "default": {"mode": "shared"},
    "lab": {"mode": "host", "isolated": True},
    "lan": {"mode": "bridged", "external_interface": "br0"},
    "out": {"mode": "shared", "external_interface": UPLINK},
    "far": vxlan_network(2, control="static"),
}
CONFIG["far"]["vxlan"]["hosts"][0]["address"] = HOST_IPV4
# Another program's filter, in which rules of the broker's stand, and a VPN's routes.
FILTER = """
table inet theirs {
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established accept
	}
	chain input {
		type filter hook input priority filter; policy drop;
		iifname "lo" accept
	}
}
"""


LIMIT = {"bitsPerSecond": 16_000_000, "burstBytes": 65536}
LIMITS = {"rateLimitIn": LIMIT, "rateLimitOut": LIMIT}
TAKE = """
import signal, socket
taken = socket.socket(socket.AF_UNIX)
taken.bind("\\0com.github.nirs.vmnet-broker")
print("taken", flush=True)
signal.pause()
"""
# Called like the broker's, and with something else in them.
OTHERS = {
    "networks.json": '{\n  "config": {\n    "mode": "shared"\n  }\n}\n',
    "addresses.json": '{\n  "bridge": "vmb-default"\n}\n',
    "mine.hosts": "192.168.105.2 web\n",
    "mine.names": "192.168.105.2 web\n",
    "mine.resolv.conf": "nameserver 192.0.2.1\n",
}


def fails(done):
    assert done.returncode == 1, done.stdout
    return done.stderr


@pytest.fixture
def cleanup(broker):
    broker.check_clean = False  # the bridge and the filter were not there before

    def run(*argv, uid=0, check=True):
        folder = f"--runtime-dir={broker.runtime_dir}"
        return broker.vmnetctl("cleanup", folder, *argv, uid=uid, check=check)

    return run


@contextlib.contextmanager
def listening(broker):
    """As systemd does for a broker that it is to start."""
    os.unlink(broker.socket_path)
    with broker.host.entered(), socket.socket(socket.AF_UNIX) as server:
        server.bind(broker.socket_path)
        server.listen()
        yield
    os.unlink(broker.socket_path)


@pytest.fixture
def before(broker):
    """The host with what is others', while there is no network."""
    broker.host.ip("link add br0 address 02:00:00:00:00:01 type bridge")
    broker.host.ip("link set br0 addrgenmode none up")
    broker.host.ip("link add port0 type veth peer name port1")
    for port in "port0", "port1":
        broker.host.ip(f"link set {port} addrgenmode none up")
    broker.host.ip("link set port0 master br0")
    broker.host.settle("br0")
    broker.host.run("nft", "-f", "-", input=FILTER)
    broker.host.ip("rule add priority 5270 lookup 52")
    broker.host.ip("-6 rule add priority 5270 lookup 52")
    return broker.snapshot()


def assert_as(before, broker):
    """The host becomes what it was: what the broker had started as its own ends by itself."""
    wait_for(
        lambda: not diff(before, broker.snapshot()), what=lambda: diff(before, broker.snapshot())
    )


def acquire_all(broker):
    client = broker.client()
    for network in CONFIG:
        client.acquire(network)
    return client


@pytest.mark.broker(config=CONFIG)
def test_all_that_a_killed_broker_left(broker, before, cleanup, join, plug_in):
    client = acquire_all(broker)
    client.attach("lab", openByName=True).close()
    join("default", name="web", **LIMITS)
    plug_in("lan")
    with broker.client() as capturing:
        (device,) = (i["device"] for i in broker.inspect("default")["interfaces"])
        reply = capturing.call("Capture", network="default", device=device)
        capture = capturing.fds[reply["tapFileDescriptor"]]
    assert {name[:5] for name in broker.host.links()} >= {"vmtr-", "vmt-c"}
    running = fails(cleanup(check=False))
    assert running.startswith("vmnetctl: a broker runs here, and removes by itself what nobody")
    assert 'and "vmnetctl end NETWORK" ends them' in running
    broker.kill()

    def left():
        """What is there, but for the state of a device that may still settle."""
        now = broker.snapshot()
        return broker.host.links(), now["nftables"], now["rules"], now["processes"], now["files"]


    assert fails(cleanup(uid=1234, check=False)) == (
        'vmnetctl: only root can clean up; run "sudo vmnetctl cleanup"\n'
    )
    *used, remedy = fails(cleanup(check=False)).splitlines()
    assert sorted(line.split('"')[1] for line in used) == ["default", "lan"]
    assert remedy == (
        'vmnetctl: end these machines first, by "vmnetctl end NETWORK" while a broker runs, or '
        "take their networks from them with --force; what would go --dry-run shows"
    )
    with listening(broker):
        assert "is started by the first program that wants one" in fails(cleanup(check=False))
    before_it = left()
    planned = cleanup("--dry-run").stdout
    assert left() == before_it

    done = cleanup("--force")
    print(done.stdout)
    for what in "of a capture", "of a limit", "to other hosts", "of the host itself":
        assert f", {what}\n" in done.stdout
    os.close(capture)
    assert_as(before, broker)
    kinds = {line.split()[1] for line in done.stdout.splitlines()}
    assert kinds >= {"device", "process", "forwarding", "routing", "table", "bridge", "file"}
    assert done.stdout.splitlines() == planned.replace("would remove", "removed").splitlines()
    assert cleanup().stdout == "There is nothing left of a broker.\n"

    broker.start()
    assert acquire_all(broker).networks()["default"]["active"]


@pytest.mark.broker(config=CONFIG)
def test_files_of_others(broker, cleanup):
    broker.client().acquire("default")
    broker.kill()
    for folder in broker.state_dir, broker.runtime_dir:
        for name, text in OTHERS.items():
            pathlib.Path(folder, name).write_text(text, encoding="ascii")
    names = os.listdir(broker.state_dir)
    for folder in broker.state_dir, broker.runtime_dir:
        cleanup(f"--runtime-dir={folder}")
        assert OTHERS.keys() <= set(os.listdir(folder))
    assert sorted(os.listdir(broker.state_dir)) == sorted(names)
    assert "default.json" in names
    assert "default.json" not in os.listdir(broker.runtime_dir)


@pytest.mark.broker(config=CONFIG)
def test_a_lock_that_is_another_programs(broker, cleanup):
    broker.stop()
    taken = broker.host.popen(sys.executable, "-c", TAKE, uid=1234, stdout=subprocess.PIPE)
    assert taken.stdout.readline() == "taken\n"
    broker.start()
    broker.client().acquire("default")
    assert fails(cleanup(check=False)).startswith("vmnetctl: a broker runs here, or is started by")
    broker.kill()
    hides = fails(cleanup(check=False))
    assert hides.startswith("vmnetctl: a program that is no broker has taken the name @com.github")
    taken.kill()
    taken.wait()
    assert "removed bridge" in cleanup().stdout


@pytest.mark.broker(config=CONFIG)
def test_a_broker_that_was_killed_at_its_work(broker, before, cleanup):
    seed = random.Random(16)
    for _ in range(5):
        client = broker.client()
        for network in CONFIG:
            client.send("Acquire", {"network": network})
        random_moment(seed, 0.6)
        broker.kill()
        cleanup()
        assert_as(before, broker)
        broker.start()

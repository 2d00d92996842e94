# SPDX-License-Identifier: Apache-2.0
"""The daemon on macOS: signals, configuration, who is allowed, the log."""

import os
import re
import signal
import subprocess
import time

import pytest
from launchd_double import SERVICE
from statuses import CREATE_FAILURE, NOT_ALLOWED, NOT_FOUND, SUCCESS
from world import USER_UID


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_broker_that_is_not_used_stops(mac, number):
    client = mac.wire()
    client.call(command="list")
    broker = mac.broker
    broker.send_signal(number)
    mac.launchd.wait_for_end(broker)
    assert client.event() == "INTERRUPTED"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_networks_in_use_keep_the_broker(mac, number):
    one, two = mac.wire(), mac.wire()
    one.acquire("shared")
    two.acquire("shared")
    broker = mac.broker
    broker.send_signal(number)
    mac.wait_for_log(
        rf'warning: network "default": asked to stop, but it is used by wire \(pid {two.pid}, '
        rf"uid {USER_UID}\), wire \(pid {one.pid}, uid {USER_UID}\); the broker stops when they "
        "are done, or when asked again"
    )
    # It serves as before,
    assert "error" not in mac.wire().acquire("host")
    assert "runs as root" not in mac.log()
    assert one.join() == "192.168.64.1"
    # until it is asked again.
    broker.send_signal(number)
    mac.launchd.wait_for_end(broker)
    assert one.event() == "INTERRUPTED"
    assert mac.networks() == []
    assert mac.transactions() == 0
    assert mac.log().endswith("vmnet-broker: info: stopped\n")


def test_a_broker_that_is_told_twice_leaves_nothing_taken(mac):
    """Every interface is stopped, and every network let go of, before it ends."""
    client = mac.wire()
    for name in ("default", "host"):
        client.acquire(name)
    mac.delay("interface_stop", 200)
    broker = mac.broker
    broker.terminate()
    mac.wait_for_log("asked to stop")
    broker.terminate()
    mac.launchd.wait_for_end(broker)
    assert mac.stale_subnets() == []
    assert mac.bridges() == {}
    assert mac.log().count(": removed") == 2


def test_a_broker_in_use_ends_in_order_before_launchd_kills_it(mac):
    """launchd asks once, and waits for ExitTimeOut."""
    client = mac.wire()
    client.acquire("shared")
    start = time.monotonic()
    mac.launchd.bootout()
    seconds = time.monotonic() - start
    assert re.search(r"asked to stop, .*, or when asked again, or in 20 s", mac.log())
    assert mac.log().endswith("vmnet-broker: info: stopped\n")
    assert mac.stale_subnets() == []
    # Making a network, and removing it, may each hang for 10 s.
    assert 15 < seconds < mac.launchd.exit_timeout - 2 * 10


def test_a_broker_that_runs_as_root_warns(world):
    world.user_of_broker = 0
    world.bootstrap()
    world.wire().acquire("default")
    world.wait_for_log("warning: runs as root, for whom vmnet chooses other subnets")


@pytest.mark.parametrize("end", ["release", "kill"])
def test_a_broker_asked_to_stop_does_so_after_the_last_hold(mac, end):
    client = mac.wire()
    client.acquire("shared")
    broker = mac.broker
    broker.terminate()
    mac.wait_for_log("asked to stop")
    if end == "release":
        client.post(command="release", network_name="shared")
    else:
        client.kill()
    mac.launchd.wait_for_end(broker)
    assert mac.networks() == []


def test_stop_while_a_network_is_made(mac):
    mac.hold("network_create")
    client = mac.wire()
    client.start(command="acquire", network_name="default")
    mac.wait_for_log("asks vmnet for it")
    broker = mac.broker
    broker.terminate()
    mac.wait_for_log("asked to stop")
    broker.terminate()
    mac.wait_for_log("stopping")
    mac.let_go("network_create")
    mac.launchd.wait_for_end(broker)
    assert client.reply() == "INTERRUPTED"
    assert mac.networks() == []


def test_the_runtime_announces_the_end(mac):
    """Of peers that are told so no request comes any more; what they hold is theirs as before."""
    client = mac.wire()
    client.acquire("shared")
    broker = mac.broker
    broker.send_signal(signal.SIGUSR2)
    # Some later connection is served as ever, and the old one holds what it held.
    reply = mac.wire().call(command="inspect", network_name="default")
    assert [holder["pid"] for holder in reply["clients"]] == [client.pid]
    client.kill()
    mac.wait_for_networks(0)
    assert mac.launchd.process is broker


# The configuration


def test_reload(world):
    world.configure({"lab": {"mode": "shared", "subnet": "10.1.2.0/24"}})
    world.bootstrap()
    client = world.library()
    client.succeed("connect")
    client.acquire("lab")
    world.configure({"lab": {"mode": "shared", "subnet": "10.1.3.0/24"}, "new": {"mode": "host"}})
    world.broker.send_signal(signal.SIGHUP)
    world.wait_for_log('network "new": added to the configuration')
    # What is active keeps what it has until its end.
    network = client.acquire("lab")
    assert (network["subnet"], network["changed"]) == ("10.1.2.0/24", "1")
    client.succeed("release", "lab")
    assert client.acquire("lab")["subnet"] == "10.1.3.0/24"
    assert client.acquire("new")["mode"] == "1"


def test_reload_by_a_client(world):
    world.configure({"lab": {"mode": "shared"}})
    world.bootstrap()
    user, root = world.library(), world.library(uid=0)
    user.succeed("connect")
    root.succeed("connect")
    assert user.call("reload")[0] == NOT_ALLOWED
    world.configure({"new": {"mode": "shared"}})
    root.succeed("reload")
    assert user.succeed("list") == "new:inactive"
    world.configure({"broken": {"mode": "nonsense"}})
    status, sentence = root.call("reload")
    assert status == CREATE_FAILURE
    assert world.config_path in sentence and '"broken"' in sentence
    # Nothing has changed.
    assert user.succeed("list") == "new:inactive"
    assert user.call("acquire", "lab")[0] == NOT_FOUND


def refusal(client, network):
    """What the broker says of its configuration, as an existing program would hear it."""
    reply = client.call(command="acquire", network_name=network)
    assert reply["error"] == CREATE_FAILURE
    return reply["message"]


@pytest.mark.parametrize(
    "key, value",
    [
        ("mode", "bridged"),
        ("isolated", True),
        ("link_local", True),
        ("bypass_kill_switch", True),
        ("allow_port_forwarding", {}),
        ("max_interfaces", 7),
        ("vxlan", {}),
    ],
)
def test_what_macos_has_not_is_an_error_that_says_so(world, key, value):
    network = {"mode": "shared", "external_interface": "en0", key: value}
    world.configure({"lab": network})
    world.bootstrap()
    refused = refusal(world.wire(), "lab")
    assert re.search(f'network "lab": .*"{key}".*macOS', refused)
    assert refused.removeprefix("the configuration cannot be used: ").split(";")[0] in world.log()


def test_a_file_of_another_user_is_refused(world):
    world.configure({"lab": {"mode": "shared"}})
    os.chown(world.config_path, USER_UID, USER_UID)
    world.bootstrap()
    client = world.wire()
    assert "is not owned by root; chown it to root; see" in refusal(client, "lab")
    assert client.call(command="list")["networks"] == []


def test_a_file_that_is_mended_is_served(world):
    """By the same broker, that clients have started, and are connected to."""
    world.configure('{ "lab": { "mode": "shred", "mtu": 5 } }')
    world.bootstrap()
    client = world.wire()
    assert f'{world.config_path}:1:20: network "lab": "mode" must be' in refusal(client, "lab")
    assert "(and 1 more)" in refusal(client, "lab")
    broker = world.broker
    world.configure({"lab": {"mode": "shared"}})
    broker.send_signal(signal.SIGHUP)
    world.wait_for_log("the configuration can be used now")
    assert "error" not in client.acquire("lab")
    assert world.broker is broker


# Who is allowed


@pytest.fixture
def groups(directory):
    """The system's file of groups, with one that "nobody" is a member of."""
    path = os.path.join(directory, "group")
    with open("/etc/group", encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{text}vmnet-lab:x:7777:games,nobody\n")
    subprocess.run(["mount", "--bind", path, "/etc/group"], check=True)
    yield
    subprocess.run(["umount", "/etc/group"], check=True)


def test_allow(world, groups):
    world.configure(
        {
            "by-user": {"mode": "host", "allow": {"users": ["games"]}},
            "by-group": {"mode": "host", "allow": {"groups": ["vmnet-lab"]}},
            "by-primary": {"mode": "host", "allow": {"groups": [str(USER_UID)]}},
            "by-none": {"mode": "host", "allow": {"users": [], "groups": []}},
        }
    )
    world.bootstrap()
    expected = {
        5: {"by-user", "by-group"},  # games
        65534: {"by-group"},  # nobody
        USER_UID: {"by-primary"},  # in no file of users
        0: {"by-user", "by-group", "by-primary", "by-none"},
    }
    for uid, names in expected.items():
        client = world.library(uid=uid)
        client.succeed("connect")
        listed = {word.split(":")[0] for word in client.succeed("list").split()}
        assert listed == names, uid
        for name in ("by-user", "by-group", "by-primary", "by-none"):
            status, _ = client.call("acquire", name)
            assert status == (SUCCESS if name in names else NOT_ALLOWED), (uid, name)


# The log


def test_the_unified_log_has_what_standard_error_has(mac):
    client = mac.wire()
    client.acquire("shared")
    with open(mac.path("log"), encoding="utf-8") as file:
        lines = file.read().splitlines()
    assert f'{SERVICE} 00 network "default": created' in lines
    assert f"{SERVICE} 00 ready" in lines
    mac.refuse("network_create")
    client.acquire("host")
    with open(mac.path("log"), encoding="utf-8") as file:
        assert f'{SERVICE} 10 network "host": cannot be created: ' in file.read()


def test_a_file_that_is_full_is_left_to_the_unified_log(mac):
    """newsyslog renames it, and the broker writes on."""
    size = 16 << 20
    client = mac.wire()
    client.acquire("default")
    with open(mac.log_path, "rb+") as file:
        file.truncate(size)
    client.acquire("host")
    client.call(command="release", network_name="host")
    mac.wait_for_networks(1)
    with open(mac.log_path, "rb") as file:
        file.seek(size)
        assert file.read() == (
            b"vmnet-broker: warning: this file is full; the unified log has what follows\n"
        )
    with open(mac.path("log"), encoding="utf-8") as file:
        assert f'{SERVICE} 00 network "host": created' in file.read()
    with open(mac.log_path, "rb+") as file:
        file.truncate(0)


def test_a_client_that_takes_no_events_is_disconnected(mac):
    watcher, client, other = mac.wire(), mac.wire(), mac.wire()
    watcher.call(command="monitor")
    client.acquire("host")
    watcher.process.send_signal(signal.SIGSTOP)
    while f"pid {watcher.pid}) takes none of its events" not in mac.log():
        for _ in range(50):
            # Whose network it is stays: nothing is made, and all are events.
            other.post(command="acquire", network_name="host")
            other.post(command="release", network_name="host")
        other.call(command="list")
    # Nobody else notices.
    assert client.acquire("host")["info"]["clients"] == 1
    watcher.process.send_signal(signal.SIGCONT)
    while watcher.event() != "INTERRUPTED":
        pass

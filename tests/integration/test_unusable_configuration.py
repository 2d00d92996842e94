# SPDX-License-Identifier: Apache-2.0
"""A configuration file that cannot be used when the broker starts: it serves what there is."""

import os
import shutil
import signal

import pytest

from support.host import SERVER_IPV4
from support.varlink import VarlinkError
from support.wait import wait_for

USER = 1234
LAB = {"lab": {"mode": "shared", "allow": {"users": [USER]}}, "other": {"mode": "host"}}
WRONG = """{
  "lab": { "mode": "shared", "subnett": "192.168.105.0/24" },
  "new": { "mode": "host", "mtu": 5 }
}
"""
REMEDY = '; see "vmnetctl check", and run "vmnetctl reload" once it is mended'

pytestmark = pytest.mark.broker(config=LAB)


def refusal(client, call, network):
    with pytest.raises(VarlinkError) as raised:
        call(client, network)
    assert raised.value.name == "InvalidConfiguration"
    return raised.value.parameters["reason"]


def acquire(client, network):
    return client.acquire(network)


def inspect(client, network):
    return client.inspect(network)


def start_with(broker, text):
    broker.stop()
    broker.configure(text)
    broker.start()


def test_what_clients_are_told(broker):
    start_with(broker, WRONG)
    client = broker.client(uid=USER)
    expected = (
        f'the configuration cannot be used: {broker.config_path}:2:30: network "lab": "subnett" '
        f'is an unknown key; did you mean "subnet"? (and 1 more){REMEDY}'
    )
    for call in acquire, inspect:
        assert refusal(client, call, "lab") == expected
    assert client.networks() == {}
    done = broker.vmnetctl("hold", "lab", uid=USER, check=False)
    assert (done.returncode, done.stderr) == (1, f"vmnetctl: {expected}\n")
    # The log has all of it, once, however often it was asked for.
    assert broker.log().count(f"{broker.config_path}:2:30: ") == 1
    assert broker.log().count(f"{broker.config_path}:3:35: ") == 1


@pytest.mark.parametrize("reload", ["signal", "vmnetctl"])
def test_it_serves_once_the_file_is_mended(broker, reload):
    start_with(broker, WRONG)
    client = broker.client(uid=USER)
    broker.configure(WRONG.replace("subnett", "subnet"))
    done = broker.vmnetctl("reload", uid=0, check=False)
    assert done.returncode == 1
    assert f"{broker.config_path}:3:35: " in done.stderr
    assert f"{broker.config_path}:3:35: " in refusal(client, acquire, "lab")
    broker.configure(LAB)
    if reload == "signal":
        os.kill(broker.pid, signal.SIGHUP)
        broker.wait_for_log("the configuration can be used now")
    else:
        broker.vmnetctl("reload", uid=0)
    assert client.acquire("lab")["active"]


def unreadable(path):
    shutil.chown(path, USER)


def writable(path):
    os.chmod(path, 0o666)


def folder(path):
    os.unlink(path)
    os.mkdir(path)


@pytest.mark.parametrize(
    "spoil, what",
    [
        (unreadable, "is not owned by root; chown it to root"),
        (writable, "can be written by others than root; chmod it to 0644"),
        (folder, "is not a regular file"),
    ],
)
def test_a_file_that_is_refused(broker, spoil, what):
    broker.stop()
    spoil(broker.config_path)
    broker.start()
    reason = refusal(broker.client(), acquire, "lab")
    assert reason == f"the configuration cannot be used: {broker.config_path}: {what}{REMEDY}"


def test_machines_of_a_broker_that_crashed(broker, host, plug_in):
    """What they use is watched, and repaired, and goes with the last of them."""
    machine = plug_in("lab")
    machine.dhcp()
    machine.client.close()
    broker.configure(WRONG)
    broker.restart()
    broker.wait_for_log('network "lab": adopted from an earlier broker')
    assert machine.ping(SERVER_IPV4)
    (server,) = host.processes("dnsmasq")
    os.kill(server, signal.SIGKILL)
    machine.dhcp()
    host.ip("link delete vmb-lab")
    wait_for(lambda: machine.ping(SERVER_IPV4, tries=1))

    # Whom its record allows may have it, and nobody else.
    user, other = broker.client(uid=USER), broker.client(uid=USER + 1)
    with pytest.raises(VarlinkError) as raised:
        other.acquire("lab")
    assert raised.value.name == "NotAllowed"
    assert other.networks() == {}
    networks = user.networks()
    assert list(networks) == ["lab"]
    assert networks["lab"]["active"] and not networks["lab"]["changed"]
    user.acquire("lab")
    user.release("lab")
    machine.kill()
    wait_for(lambda: user.networks() == {}, what="the end of the network")
    refusal(user, acquire, "lab")


def test_started_on_demand_it_goes_when_nobody_is_there(broker):
    broker.args.append("--idle-exit=1")
    start_with(broker, WRONG)
    client = broker.client()
    refusal(client, acquire, "lab")
    client.close()
    assert broker.process.wait(timeout=20) == 0
    assert "nobody needs a network; exiting" in broker.log()

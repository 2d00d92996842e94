# SPDX-License-Identifier: Apache-2.0
"""The configuration is read again while machines run: by SIGHUP, by Reload, by vmnetctl reload."""

import os
import re
import signal
import socket

import pytest

from support.echo import WhoServer, nobody, who
from support.host import HOST_IPV4, SERVER_IPV4
from support.varlink import VarlinkError, as_user
from support.wait import wait_for

BEFORE = {
    "lab": {"mode": "shared", "subnet": "192.168.105.0/24"},
    "going": {"mode": "host"},
    "same": {"mode": "host"},
}
AFTER = {
    "lab": {"mode": "host", "subnet": "192.168.205.0/24", "mtu": 1400},
    "same": {"mode": "host"},
    "new": {"mode": "host", "aliases": ["newest"]},
}
WRONG = """{
  "lab": { "mode": "shared", "subnett": "192.168.105.0/24" },
  "new": { "mode": "host", "mtu": 5 }
}
"""

pytestmark = pytest.mark.broker(config=BEFORE)


def by_signal(broker):
    """What went wrong is in the log alone."""
    seen = len(broker.log())
    os.kill(broker.pid, signal.SIGHUP)
    pattern = r"(?s)(has errors:.*|(?:added to|changed in|removed from) the configuration\n.*)"
    found = wait_for(lambda: re.search(pattern, broker.log()[seen:]), what="a reload")
    return found[0] if found[0].startswith("has errors") else None


def by_call(broker):
    try:
        broker.client().call("Reload")
    except VarlinkError as error:
        assert error.name == "InvalidConfiguration"
        return error.parameters["reason"]
    return None


def by_vmnetctl(broker):
    done = broker.vmnetctl("reload", uid=0, check=False)
    assert (done.returncode == 0) == (not done.stderr)
    return done.stderr or None


WAYS = pytest.mark.parametrize("reload", [by_signal, by_call, by_vmnetctl])


def lost(network):
    """Is it one that nobody knows of any more."""
    return pytest.raises(VarlinkError, match=f"NetworkNotFound.*{network}")


@WAYS
def test_what_is_read_anew(broker, outside, join, reload):
    machine = join("lab")
    holder = broker.client(uid=12345)
    holder.acquire("going")
    broker.configure(AFTER)
    assert reload(broker) is None
    for line in (
        'network "lab": changed in the configuration',
        'network "lab": active: keeps the configuration it was created with',
        'network "going": removed from the configuration',
        'network "new": added to the configuration',
    ):
        broker.wait_for_log(re.escape(line))
    assert 'network "same": ' not in broker.log()

    # What is active stays as it is, and takes machines, until it ends.
    networks = holder.networks()
    assert {name for name in networks if networks[name]["changed"]} == {"lab", "going"}
    assert networks["lab"]["ipv4Subnet"] == "192.168.105.0/24"
    assert networks["lab"]["mtu"] == 1500
    assert "active, changed" in broker.vmnetctl("networks").stdout
    said = broker.vmnetctl("inspect", "lab").stdout
    assert re.search("^mtu +1500 -> 1400$", said, re.MULTILINE) and "Removed:" not in said
    said = broker.vmnetctl("inspect", "going").stdout
    assert re.search("^Removed: +the configuration has it no more$", said, re.MULTILINE)
    second = join("lab")
    assert second.ping(machine.address)
    with WhoServer(outside, 80, "outside"):
        assert who(machine, SERVER_IPV4, 80) == ("outside", HOST_IPV4)
    assert holder.acquire("newest")["name"] == "new"

    holder.release("going")
    for each in machine, second:
        each.kill()
        each.client.close()
    wait_for(lambda: "going" not in holder.networks(), what="the end of a removed network")
    with lost("going"):
        holder.acquire("going")
    wait_for(lambda: not holder.networks()["lab"]["active"], what="the end of a changed network")
    third = join("lab")
    assert third.address.startswith("192.168.205.")
    with WhoServer(outside, 80, "outside"):
        assert nobody(third, SERVER_IPV4, 80)
    assert holder.networks()["lab"]["changed"] is False


@WAYS
@pytest.mark.parametrize("text", [WRONG, "", None], ids=["wrong", "empty", "refused"])
def test_what_is_wrong_changes_nothing(broker, reload, text):
    client = broker.client()
    client.acquire("lab")
    before = client.networks()
    broker.configure(text if text is not None else AFTER)
    if text is None:
        os.chmod(broker.config_path, 0o666)
    reason = reload(broker)
    assert reason and broker.config_path in reason
    if text == WRONG:
        assert f'{broker.config_path}:2:30: network "lab": "subnett"' in reason
        assert 'did you mean "subnet"?' in reason
        assert f'{broker.config_path}:3:35: network "new": "mtu"' in reason
    assert client.networks() == before
    with lost("new"):
        client.acquire("new")
    client.acquire("going")


def test_a_file_that_is_gone(broker):
    """Then there are the two networks that there are without one."""
    client = broker.client()
    client.acquire("lab")
    broker.configure(None)
    assert by_call(broker) is None
    assert set(client.networks()) == {"lab", "default", "host"}
    client.release("lab")
    wait_for(lambda: set(client.networks()) == {"default", "host"})


def test_who_is_allowed_may_change(broker):
    """Who holds a network by then keeps it; who asks is measured by the file of its life."""
    holder, other = broker.client(uid=12345), broker.client(uid=12346)
    holder.acquire("lab")
    broker.configure({"lab": {**BEFORE["lab"], "allow": {"users": [12346]}}})
    assert by_call(broker) is None
    assert holder.networks()["lab"]["changed"] is True
    holder.attach("lab").close()
    holder.close()
    wait_for(lambda: not other.networks()["lab"]["active"], what="its end")
    assert other.acquire("lab")
    with pytest.raises(VarlinkError) as refused:
        broker.client(uid=12345).acquire("lab")
    assert refused.value.name == "NotAllowed"


@pytest.mark.parametrize("allow", [{}, {"allow": {"users": ["root"]}}])
@pytest.mark.parametrize("name", ["lab", "ci"])
@pytest.mark.broker(config={"lab": {"mode": "host", "aliases": ["ci"]}})
def test_a_name_that_another_network_has_now(broker, name, allow):
    """Who holds a network goes on to call it as before, also where the other is not for him."""
    client = broker.client(uid=12345)
    client.acquire(name)
    broker.configure({"new": {"mode": "host", "aliases": ["lab", "ci"], **allow}})
    broker.client().call("Reload")
    client.attach(name).close()
    client.release(name)
    with pytest.raises(VarlinkError, match="NotAllowed" if allow else "NotAcquired"):
        client.release(name)
    wait_for(lambda: "lab" not in broker.networks(), what="its removal")


def with_port(subnet):
    port = {
        "protocol": "tcp",
        "external_port": 2222,
        "internal_address": f"{subnet}.10",
        "internal_port": 22,
    }
    return {"mode": "shared", "subnet": f"{subnet}.0/24", "port_forwarding": [port]}


@pytest.mark.broker(config={"lab": with_port("192.168.105")})
def test_a_port_that_leads_to_another_network_now(broker):
    holder, client = broker.client(), broker.client()
    holder.acquire("lab")
    broker.configure({"new": with_port("192.168.106")})
    client.call("Reload")
    with pytest.raises(VarlinkError) as caught:
        client.acquire("new")
    assert caught.value.name == "CreateFailed"
    assert caught.value.parameters["reason"] == (
        'tcp port 2222 still leads to network "lab", as it was configured before; '
        "end that network's use first"
    )
    holder.close()
    assert wait_for(lambda: client.networks().keys() == {"new"}, what="the end of the other")
    assert client.acquire("new")


def with_ports(subnet, **ports):
    network = with_port(subnet)
    network["port_forwarding"][0].update(ports)
    return network


@pytest.mark.broker(config={"lab": with_ports("192.168.105", external_address="127.0.0.1")})
def test_ports_that_some_of_lead_to_another_network_now(broker):
    """The error names those that do; at another address of the host there are none."""
    broker.client().acquire("lab")
    client = broker.client()
    several = {"protocol": "both", "external_port": "2220-2223"}
    broker.configure({"new": with_ports("192.168.106", **several)})
    client.call("Reload")
    with pytest.raises(VarlinkError, match=r"tcp port 2222 at 127\.0\.0\.1 still leads to network"):
        client.acquire("new")
    broker.configure({"new": with_ports("192.168.106", **several, external_address="127.0.0.2")})
    client.call("Reload")
    assert client.acquire("new")


FARAWAY = 54321  # the number of the user that tests/tools/faraway.c knows


@pytest.fixture
def gate(broker):
    """The accounts of this host are far away, and nobody is told of one while this file is there.

    A module that the C library asks for them makes calls that serving does not take.
    """
    gate = os.path.join(broker.directory, "gate")
    nsswitch = os.path.join(broker.directory, "nsswitch.conf")
    with open(nsswitch, "w", encoding="ascii") as file:
        file.write("passwd: files faraway\ngroup: files faraway\n")
    broker.stop()
    broker.env.update(
        FARAWAY_GATE=gate,
        LD_LIBRARY_PATH=os.path.dirname(broker.host.program("tests/tools/libnss_faraway.so.2")),
    )
    mount = 'mount --bind "$0" /etc/nsswitch.conf && exec "$@"'
    broker.prefix = ["unshare", "--mount", "sh", "-c", mount, nsswitch]
    broker.start()
    # It looks up its own users before it serves.
    wait_for(lambda: broker.log().count("serving") == 2, what="the broker's start")
    return gate


@pytest.mark.parametrize("by_signal", [False, True])
def test_names_that_are_looked_up_far_away(broker, gate, by_signal):
    """The reload waits for them, and nobody else does."""
    holder = broker.client(uid=FARAWAY)
    broker.configure({"same": {"mode": "host", "allow": {"users": ["faraway"]}}})
    with open(gate, "w", encoding="ascii"):
        pass
    reloading = [broker.client() for _ in range(1 if by_signal else 3)]
    if by_signal:
        os.kill(broker.pid, signal.SIGHUP)
    else:
        for client in reloading:
            client.send("Reload")
    assert holder.acquire("going")["active"]
    assert "removed from the configuration" not in broker.log()
    os.unlink(gate)
    broker.wait_for_log('network "going": removed from the configuration')
    if not by_signal:
        for client in reloading:
            assert client.receive() == {}
    assert holder.acquire("same")["active"]
    with pytest.raises(VarlinkError, match="NotAllowed"):
        broker.client(uid=12345).acquire("same")


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGALRM])
def test_a_look_up_that_does_not_end(broker, gate, end):
    """It is given up, by an alarm, or falls with the module; the next one is another's."""
    broker.configure({"same": {"mode": "host", "allow": {"users": ["faraway"]}}})
    with open(gate, "w", encoding="ascii"):
        pass
    reloading = broker.client()
    reloading.send("Reload")
    looking = wait_for(lambda: [two for one in children(broker.pid) for two in children(one)])
    os.kill(looking[0], end)
    reason = "timed out" if end == signal.SIGALRM else "No child processes"
    with pytest.raises(VarlinkError, match=f"cannot be looked up: .*{reason}"):
        reloading.receive()
    assert broker.networks()["going"]
    os.unlink(gate)
    assert broker.client().call("Reload") == {}
    assert "going" not in broker.networks()


def test_a_name_that_is_nobodys_far_away(broker, gate):
    broker.configure({"same": {"mode": "host", "allow": {"users": ["faraway", "nobody's"]}}})
    with pytest.raises(VarlinkError, match="InvalidConfiguration.*a user of this host"):
        broker.client().call("Reload")
    assert broker.networks()["going"]


def test_a_port_of_a_user_far_away(broker, gate):
    with broker.host.entered(), as_user(FARAWAY):
        taken = socket.create_server(("0.0.0.0", 0))
    with taken:
        forwarding = {"protocol": "tcp", "external_port": taken.getsockname()[1]}
        forwarding.update(internal_address="192.168.105.5", internal_port=80)
        network = {"mode": "shared", "subnet": "192.168.105.0/24"}
        broker.configure({"lab": {**network, "port_forwarding": [forwarding]}})
        broker.client().call("Reload")
        with pytest.raises(VarlinkError, match="in use by a program of user 54321"):
            broker.client().acquire("lab")
    assert broker.networks()

# SPDX-License-Identifier: Apache-2.0
"""A broker that ends leaves what machines use, and the next one takes it over."""

import errno
import json
import os
import re
import signal
import socket
import subprocess

import pytest

from support.echo import WhoServer, who
from support.forwarded import FORWARDED, MAC, PORT
from support.host import HOST_IPV4, OUTSIDE_IPV4, SERVER_IPV4
from support.older_rules import name_bridges, replace_rules
from support.processes import is_waiting
from support.tap import open_tap
from support.varlink import VarlinkError, as_user
from support.wait import wait_for

LAB = {"lab": {"mode": "host", "subnet": "10.20.30.0/24"}}
OTHER = {"mode": "shared", "subnet": "192.168.106.0/24"}
STALE = [
    ("inet", "outsiders4", "10.20.40.0/24", "outsider"),
    ("bridge", "ports", "0x766dffff", "frames"),
]
CLAIM = "\0com.github.nirs.vmnet-broker"


def attached(broker, network, **options):
    """A machine's descriptors, of a client that has gone."""
    client = broker.client(uid=1001)
    client.acquire(network)
    attachment = client.attach(network, **options)
    client.close()
    return attachment


def test_after_a_crash_an_interface_keeps_its_network(broker):
    with attached(broker, "default") as attachment:
        client = broker.client()
        before = client.networks()["default"]
        broker.restart()
        after = broker.networks()["default"]
        assert {**after, "clients": 0} == {**before, "clients": 0}
        found = broker.inspect("default")["interfaces"]
        assert [interface["device"] for interface in found] == [attachment.name]
        assert found[0]["macAddress"] == attachment.mac_address
        joined = broker.client().acquire("default")
        assert joined["ipv4Subnet"] == before["ipv4Subnet"]
        broker.close_clients()
    broker.wait_until_clean()


def test_a_bridge_that_stays_is_not_touched(broker):
    def snapshot():
        state = broker.host.snapshot([broker.pid])
        return [state[key] for key in ("links and addresses", "routes", "settings")]

    with attached(broker, "default"):
        wait_for(lambda: broker.inspect("default")["interfaces"])
        broker.host.settle("vmb-default")
        before = snapshot()
        for _ in range(3):
            broker.restart()
            assert snapshot() == before
    broker.wait_until_clean()


def test_a_broker_that_stops_leaves_what_machines_use(broker):
    with attached(broker, "default") as attachment:
        client = broker.client()
        client.acquire("host")
        broker.stop()
        links = broker.host.links()
        assert "vmb-default" in links and attachment.name in links
        assert "vmb-host" not in links
        broker.start()
        assert len(broker.inspect("default")["interfaces"]) == 1
    broker.wait_until_clean()


def test_what_nobody_uses_is_removed_at_the_start(broker):
    for network in "default", "host":
        broker.client().acquire(network)
    broker.kill()
    broker.close_clients()
    assert "vmb-default" in broker.host.links()
    broker.start()
    broker.wait_until_clean()


def test_an_interface_that_ended_meanwhile(broker):
    attachment = attached(broker, "default")
    broker.kill()
    attachment.close()
    broker.start()
    broker.wait_until_clean()


@pytest.mark.broker(config={**LAB, "other": {"mode": "host"}})
def test_the_configuration_has_lost_the_network(broker):
    with attached(broker, "lab") as attachment:
        broker.kill()
        broker.configure({"other": {"mode": "host"}})
        broker.start()
        client = broker.client()
        described = client.inspect("lab")
        assert described["network"]["ipv4Subnet"] == "10.20.30.0/24"
        assert [i["device"] for i in described["interfaces"]] == [attachment.name]
        client.close()
    broker.wait_until_clean()
    wait_for(lambda: "lab" not in broker.networks(), what="the end of the network")


@pytest.mark.broker(config=LAB)
def test_the_configuration_has_changed(broker):
    with attached(broker, "lab"):
        broker.kill()
        broker.configure({"lab": {"mode": "host", "subnet": "10.20.40.0/24", "mtu": 1400}})
        broker.start()
        network = broker.networks()["lab"]
        assert network["ipv4Subnet"] == "10.20.30.0/24"
        assert network["mtu"] == 1500
    broker.close_clients()
    broker.wait_until_clean()
    assert broker.client().acquire("lab")["ipv4Subnet"] == "10.20.40.0/24"


def connect(client, server, address, port, listen_port):
    """A connection's two ends."""
    with server.entered():
        listener = socket.create_server(("", listen_port))
    with client.entered():
        one = socket.socket()
    with listener:
        one.settimeout(5)
        one.connect((address, port))
        other, _ = listener.accept()
    other.settimeout(5)
    return one, other


def is_open(connection):
    for sender, receiver in connection, reversed(connection):
        sender.sendall(b"still there?")
        assert receiver.recv(12, socket.MSG_WAITALL) == b"still there?"
    return True


def make_older(broker):
    """What the next broker finds is not what it would have made, and its record knows more."""
    path = os.path.join(broker.runtime_dir, "lab")
    with open(f"{path}.json", encoding="utf-8") as file:
        record = json.load(file)
    with open(f"{path}.json", "w", encoding="utf-8") as file:
        json.dump({**record, "unheard_of": {"number": 1}}, file)
    with open(f"{path}.dnsmasq.conf", "a", encoding="utf-8") as file:
        file.write("# of another version\n")
    replace_rules(broker.host, {"lab": FORWARDED["subnet"]})


@pytest.mark.broker(config={"lab": FORWARDED})
@pytest.mark.parametrize("ending", ["stop", "kill"])
@pytest.mark.parametrize("earlier", ["same", "older"])
@pytest.mark.parametrize("configuration", ["same", "lost"])
def test_connections_stay_open(broker, host, outside, join, ending, earlier, configuration):
    """Through NAT and by forwarded ports; new ones are made as ever."""

    def rules():
        return sorted(host.run("nft", "--stateless", "list", "ruleset").stdout.splitlines())

    machine = join("lab", macAddress=MAC)
    before, servers = rules(), host.processes("dnsmasq")
    connections = [
        connect(machine, outside, SERVER_IPV4, 7, 7),
        connect(outside, machine, HOST_IPV4, PORT, 22),
    ]
    getattr(broker, ending)()
    if earlier == "older":
        make_older(broker)
    if configuration == "lost":
        broker.configure({"other": {"mode": "host"}})
    assert all(map(is_open, connections))
    broker.start()
    broker.wait_for_log('network "lab": adopted')
    wait_for(lambda: rules() == before, what="its rules")
    assert all(map(is_open, connections))
    for end in (end for connection in connections for end in connection):
        end.close()
    with WhoServer(machine, 22, "machine"):
        assert who(outside, HOST_IPV4, PORT) == ("machine", OUTSIDE_IPV4)
    machine.dhcp()
    stays = earlier == "same"
    wait_for(lambda: (host.processes("dnsmasq") == servers) == stays, what="its dnsmasq")


def have_own_tables(host):
    replace_rules(host, {"lab": FORWARDED["subnet"], "other": OTHER["subnet"]})


def are_named(host):
    name_bridges(host, ("lab", "other"))


@pytest.mark.broker(config={"lab": FORWARDED, "other": OTHER})
@pytest.mark.parametrize("older", [have_own_tables, are_named])
def test_an_older_brokers_rules_are_replaced_without_a_loss(broker, host, join, older):
    """Those of one network after the other's."""
    machines = [join("lab"), join("lab"), join("other"), join("other")]
    broker.kill()
    older(host)
    pings = [
        machine.popen("ping", "-nq", "-i", "0.002", "-w", "30", address, stdout=subprocess.PIPE)
        for machine, neighbour in zip(machines, [machines[1], None, machines[3], None], strict=True)
        for address in (SERVER_IPV4, machine.lease["router"], neighbour and neighbour.address)
        if address
    ]
    for machine in machines:
        assert machine.ping(SERVER_IPV4)
    broker.start()
    for network in "lab", "other":
        broker.wait_for_log(f'network "{network}": adopted')

    def tables():
        return host.run("nft", "list", "tables").stdout

    def maps():
        return host.run("nft", "list", "maps").stdout

    wait_for(lambda: not re.search("vmnet-broker-(lab|other)$", tables(), re.MULTILINE))
    wait_for(lambda: "ifname : verdict" not in maps(), what="the end of maps by names")
    assert tables().count("vmnet-broker.networks") == 2
    for machine in machines:
        assert machine.ping(SERVER_IPV4)
    for ping in pings:
        ping.send_signal(signal.SIGINT)
        output, _ = ping.communicate()
        sent, received = re.search(r"(\d+) packets transmitted, (\d+) received", output).groups()
        assert 0 < int(sent) <= int(received) + 1, output  # the last is on its way

    def rules():
        return host.run("nft", "list", "chain", "inet", "vmnet-broker.networks", "leaving").stdout

    wait_for(lambda: "drop" in rules(), what="what drops the packets of bridges in no map")


@pytest.mark.broker(config={**LAB, "other": OTHER})
def test_elements_of_another_broker_are_removed(broker, host, join):
    """What a bridge of this name had, and a subnet that is its no more."""
    machine = join("lab")
    broker.kill()
    for family, name, key, kind in STALE:
        element = f"{{ {key} : goto {kind}-lab }}"
        host.run("nft", f"add element {family} vmnet-broker.networks {name} {element}")

    def elements(name, family="inet"):
        return host.run("nft", "list", "map", family, "vmnet-broker.networks", name).stdout

    assert "10.20.40.0/24" in elements("outsiders4")
    broker.start()
    for family, name, _, _ in STALE:
        wait_for(lambda: elements(name, family).count("-lab") == 1, what=name)
    assert machine.ping("10.20.30.1")
    broker.client().acquire("other")
    broker.close_clients()
    machine.kill()
    wait_for(lambda: not broker.networks()["lab"]["active"])
    broker.client().acquire("other")
    assert "lab" not in host.run("nft", "list", "ruleset").stdout


def test_the_record_is_lost(broker):
    with attached(broker, "default"):
        broker.kill()
        os.unlink(os.path.join(broker.runtime_dir, "default.json"))
        broker.start()
        assert len(broker.inspect("default")["interfaces"]) == 1
        assert broker.networks()["default"]["ipv4Subnet"] == "192.168.64.0/24"
        broker.close_clients()
    broker.wait_until_clean()


@pytest.mark.broker(config=LAB)
def test_a_dnsmasq_of_an_earlier_version(broker, host, plug_in):
    """One that ran as the broker's user is replaced."""
    machine = plug_in("lab")
    machine.dhcp()
    address = machine.address
    broker.kill()
    os.kill(*host.processes("dnsmasq"), signal.SIGKILL)
    wait_for(lambda: not host.processes("dnsmasq"))
    path = os.path.join(broker.runtime_dir, "lab.dnsmasq")
    with open(f"{path}.conf", "r+", encoding="utf-8") as file:
        own = f"user=root\npid-file={path}.pid\n"
        text = file.read().replace("keep-in-foreground\npid-file\n", own)
        file.seek(0)
        file.write(text.replace("bind-interfaces", "bind-dynamic"))
    host.run("dnsmasq", f"--conf-file={path}.conf")
    (earlier,) = host.processes("dnsmasq")
    broker.start()
    wait_for(lambda: host.processes("dnsmasq") not in ([], [earlier]), what="the next one")
    assert len(host.processes("dnsmasq")) == 1
    machine.dhcp()
    assert machine.address == address


@pytest.mark.broker(config=LAB)
@pytest.mark.parametrize("used", [True, False])
def test_a_dnsmasq_without_its_files(broker, host, plug_in, used):
    """It is replaced, or ended."""
    machine = plug_in("lab")
    broker.kill()
    for name in os.listdir(broker.runtime_dir):
        if ".dnsmasq." in name:
            os.unlink(f"{broker.runtime_dir}/{name}")
    if used:
        broker.start()
        wait_for(lambda: os.path.exists(f"{broker.runtime_dir}/lab.dnsmasq.pid"))
        machine.dhcp()
        wait_for(lambda: len(host.processes("dnsmasq")) == 1)
        assert "fault" not in broker.inspect("lab")
    else:
        machine.kill()


@pytest.mark.broker(config=LAB)
def test_record_and_configuration_are_lost(broker):
    with attached(broker, "lab") as attachment:
        broker.kill()
        os.unlink(os.path.join(broker.runtime_dir, "lab.json"))
        broker.configure({"other": {"mode": "host"}})
        broker.start()
        broker.wait_for_log('network "lab": .* its record is lost')
        assert attachment.name in broker.host.links()
        assert "vmb-lab" in broker.host.links()
    wait_for(lambda: attachment.name not in broker.host.links())
    broker.restart()
    broker.wait_until_clean()


def test_record_and_bridge_are_lost(broker):
    """Of what is left the rules tell."""
    broker.client().acquire("default")
    broker.kill()
    broker.close_clients()
    os.unlink(os.path.join(broker.runtime_dir, "default.json"))
    broker.host.ip("link delete vmb-default")
    broker.start()
    broker.wait_until_clean()


def test_record_and_addresses_are_lost(broker):
    with attached(broker, "default") as attachment:
        broker.kill()
        for directory in broker.runtime_dir, broker.state_dir:
            os.unlink(os.path.join(directory, "default.json"))
        broker.start()
        client = broker.client()
        with pytest.raises(VarlinkError, match="machines use what an earlier broker left of it"):
            client.acquire("default")
        assert broker.host.device(attachment.name)["master"] == "vmb-default"
    wait_for(lambda: attachment.name not in broker.host.links())
    assert client.acquire("default")["active"]


def test_the_bridge_went_meanwhile(broker):
    with attached(broker, "default") as attachment:
        broker.kill()
        broker.host.ip("link delete vmb-default")
        broker.start()

        def is_joined():
            return broker.host.device(attachment.name).get("master") == "vmb-default"

        wait_for(is_joined)
    broker.wait_until_clean()


def test_a_crash_between_a_bridge_and_its_alias(broker):
    """The record was there first, and the MAC address says whose the bridge is."""
    client = broker.client()
    client.acquire("default")
    broker.kill()
    broker.close_clients()
    broker.host.run("ip", "link", "set", "vmb-default", "alias", "")
    broker.start()
    broker.wait_until_clean()


def test_a_named_interface_that_nobody_has_open(broker):
    client = broker.client(uid=1001)
    client.acquire("default")
    attachment = client.attach("default", openByName=True)
    broker.kill()
    client.close()
    assert attachment.name in broker.host.links()
    broker.start()
    broker.wait_until_clean()


def test_a_named_interface_goes_when_its_program_ends(broker):
    client = broker.client(uid=1001)
    client.acquire("default")
    attachment = client.attach("default", openByName=True)
    fd = open_tap(broker.host, attachment.name, 1001)
    broker.restart()
    client.close()
    assert len(broker.inspect("default")["interfaces"]) == 1
    assert attachment.name in broker.host.links()
    os.close(fd)
    broker.wait_until_clean()


def test_networks_of_the_host_are_not_ours(broker):
    broker.kill()
    broker.host.ip("link add vmb-other type bridge")
    broker.host.ip("link set vmb-other alias not-the-brokers")
    broker.start()
    works = broker.client()
    works.acquire("default")
    works.close()
    assert "vmb-other" in broker.host.links()
    broker.host.ip("link delete vmb-other")


def test_one_broker_in_a_network_namespace(broker):
    argv = [broker.host.program("broker/vmnet-broker")]
    done = broker.host.run(
        *argv, f"--socket={broker.socket_path}", f"--config={broker.config_path}",
        f"--state-dir={broker.state_dir}", f"--runtime-dir={broker.runtime_dir}", check=False,
    )
    assert done.returncode == 1
    assert f"another broker serves at {broker.socket_path}" in done.stderr
    done = broker.host.run(
        *argv, f"--socket={broker.socket_path}2", f"--config={broker.config_path}",
        f"--state-dir={broker.state_dir}", f"--runtime-dir={broker.runtime_dir}", check=False,
    )
    assert done.returncode == 1
    assert "another broker works in this network namespace; stop it first" in done.stderr
    assert broker.networks()


def test_a_program_that_has_the_last_brokers_sockets_is_waited_for(broker):
    """As one has that was about to be started when the broker was killed."""
    broker.stop()
    with broker.host.entered():
        sockets = [socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)]
        sockets[1].bind(CLAIM)
    listening, claim = sockets
    listening.bind(broker.socket_path)
    listening.listen()
    broker.start(wait=False)
    with claim:
        with listening:
            listening.accept()[0].close()
        wait_for(lambda: is_waiting(broker.pid, "poll"), what="another look at the claim")
    wait_for(lambda: broker.log().count("serving") == 2, what="the second broker")
    assert broker.networks()


def test_nobody_reaches_the_claim(broker):
    """What can be connected to can be sent descriptors, whose end may take for ever."""
    for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET:
        with broker.host.entered(), socket.socket(socket.AF_UNIX, kind) as client:
            with pytest.raises(OSError) as refused:
                client.connect(CLAIM)
        assert refused.value.errno in (errno.ECONNREFUSED, errno.EPROTOTYPE)


def test_a_claim_of_a_program_that_is_no_broker(broker):
    broker.stop()
    with broker.host.entered(), as_user(65534):
        claim = socket.socket(socket.AF_UNIX)
    with claim:
        with broker.host.entered():
            claim.bind(CLAIM)
        broker.start()
        broker.wait_for_log(f"a program that is no broker has taken the name @{CLAIM[1:]}")
        assert broker.networks()

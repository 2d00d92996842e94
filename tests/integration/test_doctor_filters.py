# SPDX-License-Identifier: Apache-2.0
"""What vmnetctl doctor says of packet filters: those of others, that stop machines."""

import os
import re
import subprocess

import pytest

from support.doctor import PROGRAMS, Trouble
from support.echo import WhoServer, nobody, who
from support.host import HOST_IPV4, SERVER_IPV4
from support.namespace import Namespace
from support.need import need, need_filtered_bridges
from support.wait import wait_for

SOURCE = os.path.join(os.path.dirname(__file__), "../..")
ZONE = os.path.join(SOURCE, "data/firewalld/vmnet-broker.xml")


def owned_table(rule):
    def make(doctor):
        owner = doctor.host.popen("nft", "-i", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        owner.stdin.write(
            "table inet x { flags owner; "
            f"chain f {{ type filter hook forward priority 0; policy drop; {rule} }}; }}\n"
        )
        owner.stdin.flush()

    return make


def filtered_bridge(doctor):
    """Docker has frames on the administrator's bridge filtered."""
    need("iptables-nft")
    need_filtered_bridges(doctor.host, "ip")
    doctor.configure('{ "lan": { "mode": "bridged", "external_interface": "br0" } }')
    doctor.host.ip("link add br0 type bridge")
    for rule in "-P FORWARD DROP", "-N DOCKER-USER", "-A FORWARD -j DOCKER-USER":
        doctor.host.run("iptables-nft", *rule.split())


def old_filter(*rules):
    def make(doctor):
        need("iptables-legacy")
        for rule in rules:
            if doctor.host.run("iptables-legacy", *rule.split(), check=False).returncode:
                pytest.skip("this kernel has no older filter")

    return make


OLD_FORWARD = r"iptables-legacy \(chain FORWARD\) stops packets from machines to the outside"
OLD_INPUT = r"iptables-legacy \(chain INPUT\) stops machines' requests for addresses and names"
OLD_OUTPUT = (
    r"iptables-legacy \(chain OUTPUT\) stops answers to machines' requests for addresses and names"
)
KEPT = (
    r"nft \(table inet x, chain f\) stops packets from machines to the outside.*; it keeps "
    r"the table for itself, and has to let pass what comes from and goes to vmb-\*"
)
TROUBLES = {
    "a table that has an owner": Trouble(
        owned_table(""), KEPT, users=(0,), reason="the kernel lets nobody but the owner change it"
    ),
    "a joined bridge that is filtered": Trouble(
        filtered_bridge,
        r'network "lan": Docker \(table ip filter, chain FORWARD\) stops frames on br0, since '
        r"br_netfilter has bridges ask packet filters",
        users=(0,),
    ),
    "forwarding, by the older filter": Trouble(
        old_filter("-P FORWARD DROP"), OLD_FORWARD, users=(0,)
    ),
    "forwarding, by its last rule": Trouble(
        old_filter("-A FORWARD -i eth0 -j ACCEPT", "-A FORWARD -j REJECT"), OLD_FORWARD, users=(0,)
    ),
    "input, by the older filter": Trouble(
        old_filter("-P INPUT DROP", "-I INPUT -i eth0 -j ACCEPT"), OLD_INPUT, users=(0,)
    ),
    "output, by the older filter": Trouble(
        old_filter("-P OUTPUT DROP", "-I OUTPUT -o lo -j ACCEPT"),
        OLD_OUTPUT,
        users=(0,),
        way_out=False,  # the host has none, and may ask its own name servers nothing
    ),
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_trouble_is_named_and_mended(doctor, trouble):
    trouble.check(doctor)


def test_rules_that_went_while_the_broker_was_away(broker, doctor, join):
    """Docker, say, has made its own again."""
    need("iptables-nft")
    for rule in "-P FORWARD DROP", "-N DOCKER-USER", "-A FORWARD -j DOCKER-USER":
        broker.host.run("iptables-nft", *rule.split())
    machine = join("default")
    broker.kill()
    broker.host.run("iptables-nft", "-F", "FORWARD")
    findings = doctor.examine()
    assert len(findings) == 2
    assert "Docker (table ip filter, chain FORWARD) stops packets from machines to the outside" in (
        problem.partition(" and (br_netfilter)")[0] for problem in findings
    )
    doctor.mend(findings.popitem()[1])
    assert machine.ping(SERVER_IPV4)


@pytest.mark.parametrize(
    "hook, what",
    [
        ("input", "machines' requests for addresses and names"),
        ("output", "answers to machines' requests for addresses and names"),
    ],
)
def test_requests_that_are_stopped(broker, doctor, join, hook, what):
    join("default")
    broker.kill()
    broker.host.run(
        "nft", f"table inet x {{ chain y {{ type filter hook {hook} priority 0; policy drop; }}; }}"
    )
    findings = doctor.examine()
    problem, command = findings.popitem()
    assert problem == f"a packet filter (table inet x, chain y) stops {what}"
    doctor.mend(command)
    doctor.check_machines(way_out=False)  # to the host itself it is closed


def test_firewalld_that_keeps_its_table(broker, doctor):
    """Its table has an owner, who alone can make use of the zone."""
    doctor.program(
        "firewalld",
        "mkfifo /run/firewalld && exec nft -i <>/run/firewalld",
    )
    doctor.program(
        "firewall-cmd",
        f'[ "$1" = --reload ] && cmp {ZONE} /etc/firewalld/zones/vmnet-broker.xml && '
        "echo 'insert rule inet firewalld filter_FORWARD iifname vmb-* accept' >/run/firewalld",
    )
    doctor.host.popen(f"{PROGRAMS}/firewalld", stdout=subprocess.DEVNULL)
    wait_for(lambda: doctor.host.run("test", "-p", "/run/firewalld", check=False).returncode == 0)
    doctor.host.run(
        "tee",
        "/run/firewalld",
        input="table inet firewalld { flags owner; "
        "chain filter_FORWARD { type filter hook forward priority 10; reject; }; }\n",
    )
    command = doctor.find(r"firewalld \(table inet firewalld, chain filter_FORWARD\) stops .*")
    zone = command.split()[1]
    doctor.host.run("mkdir", "-p", os.path.dirname(zone), "/etc/firewalld/zones")
    doctor.host.run("cp", ZONE, zone)
    doctor.mend(command)
    doctor.check_machines(way_out=False)  # this firewalld lets no answers back


def test_containers_stay_closed_by_the_older_filter(broker, doctor, join):
    """Beside a Docker that uses it: machines get out, and nowhere else; also when it restarts."""
    host, outside = broker.host, broker.host.outside
    need("iptables-legacy")
    if host.run("iptables-legacy", "-P", "FORWARD", "DROP", check=False).returncode:
        pytest.skip("this kernel has no older filter")

    def start_docker():
        for rule in "-i docker0 ! -o docker0 -j ACCEPT", "-o docker0 -j DOCKER":
            host.run("iptables-legacy", *f"-I FORWARD {rule}".split())

    host.run("iptables-legacy", "-N", "DOCKER")
    start_docker()
    doctor.mend(doctor.find(OLD_FORWARD))
    container = Namespace("container")
    try:
        host.ip("link add docker0 type bridge")
        host.ip("address add 172.17.0.1/16 dev docker0")
        host.ip("link set docker0 up")
        host.ip(f"link add veth0 master docker0 type veth peer name eth0 netns {container.pid}")
        host.ip("link set veth0 up")
        container.ip("address add 172.17.0.2/16 dev eth0")
        container.ip("link set eth0 up")
        container.ip("route add default via 172.17.0.1")
        machine = join("default")
        with WhoServer(container, 80, "container"), WhoServer(outside, 80, "outside"):
            wait_for(lambda: who(host, "172.17.0.2", 80), what="the container")
            for _ in range(2):
                assert who(machine, SERVER_IPV4, 80) == ("outside", HOST_IPV4)
                assert nobody(machine, "172.17.0.2", 80)
                start_docker()
        assert doctor.examine() == {}
    finally:
        container.close()


def test_a_chain_within_a_rule(doctor, broker):
    """It has a name that nobody can ask for. libnftables warns that it has no JSON for it."""
    owned_table("ip saddr 10.0.0.1 jump { accept; };")(doctor)

    def is_said():
        said = broker.vmnetctl("doctor", uid=0, check=False).stdout
        return re.search(KEPT, " ".join(said.split()))

    wait_for(is_said, what="what the doctor says of the table")

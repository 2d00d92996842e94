# SPDX-License-Identifier: Apache-2.0
"""All networks have their rules in the same tables: what is one's is none of the others'."""

import os
import re
import signal

import pytest

from support.echo import WhoServer, who
from support.forwarded import FORWARDED, PORT
from support.host import HOST_IPV4, SERVER_IPV4
from support.namespace import Namespace
from support.wait import wait_for

TABLE = "vmnet-broker.networks"
OTHER = {"mode": "shared", "subnet": "192.168.106.0/24"}

pytestmark = pytest.mark.broker(config={"lab": FORWARDED, "other": OTHER})


def run_nft(place, text):
    place.run("nft", "-f", "-", input=text)


def left_of(host, network):
    """Lines of all rules that have to do with it."""
    rules = host.run("nft", "list", "ruleset").stdout
    return [line for line in rules.splitlines() if re.search(rf"-{network}\b", line)]


def elements_of(host, family, network):
    """Where the network's elements are, and what they are found by."""
    rules = host.run("nft", "list", "table", family, TABLE).stdout
    for name, elements in re.findall(r"map (\w+) \{.*?elements = \{(.*?)\}", rules, re.DOTALL):
        for element in elements.split(","):
            key, verdict = element.strip().split(" : ")
            if verdict.endswith(f"-{network}"):
                yield name, key


@pytest.mark.parametrize("record", ["record", "no record"])
def test_chains_that_nothing_leads_to_are_found(broker, host, join, record):
    """The broker was killed between two steps of a removal."""
    machine = join("lab")
    join("other")
    broker.kill()
    machine.kill()
    for family in "inet", "bridge":
        for name, key in list(elements_of(host, family, "lab")):
            run_nft(host, f"delete element {family} {TABLE} {name} {{ {key} }}")
    if record == "no record":
        os.unlink(os.path.join(broker.runtime_dir, "lab.json"))
        host.ip("link delete vmb-lab")
    broker.start()
    wait_for(lambda: not left_of(host, "lab"), what=lambda: f"no {left_of(host, 'lab')}")


@pytest.mark.parametrize("subnet", ["192.168.104.0/22", "192.168.105.0/25"])
def test_an_element_in_the_way_is_replaced(broker, host, join, subnet):
    """The network had another subnet, in an earlier life."""
    machine = join("lab")
    broker.kill()
    run_nft(
        host,
        f"delete element inet {TABLE} outsiders4 {{ 192.168.105.0/24 }}\n"
        f"add element inet {TABLE} outsiders4 {{ {subnet} : goto outsider-lab }}\n",
    )
    broker.start()
    wait_for(
        lambda: ("outsiders4", "192.168.105.0/24") in elements_of(host, "inet", "lab"),
        what="the network's own element",
    )
    assert machine.ping(SERVER_IPV4)


def test_ranges_beside_each_other_go_alone(broker, host, join):
    machine, other = join("lab"), join("other")
    broker.kill()
    run_nft(
        host,
        f"add element inet {TABLE} outsiders4 {{ 192.168.104.0/24 : goto outsider-lab }}\n"
        f"add element inet {TABLE} outsiders4 {{ 192.168.107.0/24 : goto outsider-other }}\n",
    )
    broker.start()

    def subnets(network):
        return [key for name, key in elements_of(host, "inet", network) if name == "outsiders4"]

    wait_for(lambda: subnets("lab") == ["192.168.105.0/24"], what="lab's own element alone")
    wait_for(lambda: subnets("other") == ["192.168.106.0/24"], what="the other's own alone")
    assert machine.ping(SERVER_IPV4)
    machine.kill()
    machine.client.close()
    wait_for(lambda: not left_of(host, "lab"), what="the end of its rules")
    assert subnets("other") == ["192.168.106.0/24"]
    assert other.ping(SERVER_IPV4)


def test_a_chain_that_somebody_uses_does_nothing_any_more(broker, host, outside, join):
    """The kernel keeps it: what led packets to it, and its rules, have gone."""
    client = broker.client()
    client.acquire("lab")
    join("other")
    mine = f"add chain inet {TABLE} mine\nadd rule inet {TABLE} mine goto machine-lab\n"
    run_nft(host, mine)
    client.close()
    broker.wait_for_log('network "lab": not all of it can be removed: nftables keeps its rules')
    with WhoServer(host, PORT, "host"):
        assert who(outside, HOST_IPV4, PORT)
    assert not list(elements_of(host, "inet", "lab"))
    run_nft(host, f"delete chain inet {TABLE} mine")
    broker.restart()
    wait_for(lambda: not left_of(host, "lab"), what="the end of its chains")


def test_the_last_network_is_known_by_its_chains(broker, host, join):
    """Maps that somebody has emptied do not make another network the last one."""
    machine = join("lab")
    client = broker.client()
    client.acquire("other")
    table = host.run("nft", "-a", "list", "table", "inet", TABLE).stdout.splitlines()[0]
    os.kill(broker.pid, signal.SIGSTOP)
    client.close()
    run_nft(host, f"flush map inet {TABLE} machines_by_group\nflush map bridge {TABLE} ports\n")
    os.kill(broker.pid, signal.SIGCONT)
    broker.wait_for_log('network "other": removed')
    wait_for(lambda: machine.ping(SERVER_IPV4, tries=1), what="the way out")
    assert host.run("nft", "-a", "list", "table", "inet", TABLE).stdout.splitlines()[0] == table


NAMES = ["a", "a-b", "b", "rogue", "input", "a--b", "x" * 63, "0.1"]


@pytest.mark.broker(config={name: {"mode": "shared"} for name in NAMES})
def test_names_that_are_parts_of_others(broker, host, join):
    machines = {name: join(name) for name in NAMES}
    for name in "a-b", "rogue":
        gone = machines.pop(name)
        gone.kill()
        gone.client.close()
        broker.wait_for_log(f'network "{name}": removed')
        kinds = re.findall(rf"chain (\S+)-{name} ", host.run("nft", "list", "ruleset").stdout)
        assert not [kind for kind in kinds if "-" not in kind]
    for name, machine in machines.items():
        assert machine.ping(SERVER_IPV4), name


def test_a_list_that_was_kept_can_be_loaded(host, join):
    """By an administrator's file, at the next boot: no bridge is there yet."""
    join("lab")
    rules = host.run("nft", "list", "ruleset").stdout
    boot = Namespace("boot")
    try:
        boot.ip("link add eth0 type veth peer name eth1")
        run_nft(boot, rules)
    finally:
        boot.close()

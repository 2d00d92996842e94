# SPDX-License-Identifier: Apache-2.0
"""Real machines of users without root: what they are promised of their networks."""

import os
import re

import pytest

from support.host import HOST_IPV4, SERVER_IPV4, SERVER_NAME
from support.traffic import echo_server
from support.wait import wait_for

ALICE, BOB = 2001, 2002
WEB = {"uid": ALICE, "name": "alice", "options": ["--name", "web", "--publish", "8080:80"]}


def expect_page(broker, web, neighbour):
    """Everybody has it from the machine called "web": by its name, and by its port of the host."""
    address = "http://web.default.internal"
    web.run("echo hello >/tmp/index.html && httpd -p 80 -h /tmp")
    assert neighbour.output(f"wget -q -O - {address}") == "hello"
    host, names = broker.host, {**os.environ, "LD_LIBRARY_PATH": broker.host.find_machines()}
    assert host.run("curl", "-sS", address, uid=BOB, env=names).stdout == "hello\n"
    assert host.outside.run("curl", "-sS", f"http://{HOST_IPV4}:8080").stdout == "hello\n"


def test_machines_of_two_users_share_a_network(broker, outside, make_guest):
    outside.start_dns()
    alice = make_guest(**WEB)
    bob = make_guest(uid=BOB, name="bob")
    for guest in alice, bob:
        guest.boot()
        guest.ip, _ = guest.dhcp()
    assert alice.ip != bob.ip

    network = broker.inspect("default")
    gateway = network["network"]["ipv4Gateway"]
    assert {client["uid"] for client in network["clients"]} == {ALICE, BOB}
    for guest, other in (alice, bob), (bob, alice):
        for address in other.ip, gateway, SERVER_IPV4:
            assert guest.ping(address), f"{guest.name} does not reach {address}"
        assert SERVER_IPV4 in guest.resolve(SERVER_NAME)

    alice.run("head -c 2000000 /dev/urandom >/tmp/data")
    with echo_server(broker.host) as port:
        assert alice.echoes(gateway, port)
    with echo_server(outside) as port:
        assert alice.echoes(SERVER_IPV4, port)
    bob.run("nc -l -p 7 -e cat >/dev/null & echo")
    wait_for(lambda: ":7 " in bob.output("netstat -ltn"), what="a listening machine")
    assert alice.echoes(bob.ip, 7)

    expect_page(broker, alice, bob)
    assert alice.kill() == 128 + 9
    assert bob.ping(SERVER_IPV4)

    # The same command again, which finds another broker; and it outlives that one, too.
    broker.restart()
    again = make_guest(**WEB).boot()
    broker.restart()
    assert again.dhcp()[0] == alice.ip
    expect_page(broker, again, bob)
    for guest in again, bob:
        assert guest.poweroff() == 0
    broker.wait_until_clean()


@pytest.mark.broker(config={"default": {"mode": "shared"}, "closed": {"mode": "host"}})
def test_a_host_network_is_closed(broker, make_machine, make_guest):
    client = broker.client()
    client.acquire("default")
    shared = make_machine(client.attach("default"))
    shared.dhcp()
    assert shared.ping(SERVER_IPV4)

    guests = [make_guest(networks=["closed"]) for _ in range(2)]
    for guest in guests:
        guest.boot()
        guest.ip, _ = guest.dhcp()
    first, second = guests
    gateway = client.inspect("closed")["network"]["ipv4Gateway"]
    assert first.ping(gateway)
    assert first.ping(second.ip)
    # Whatever a machine does to its own routes.
    first.run(f"ip route replace default via {gateway}")
    for address in SERVER_IPV4, HOST_IPV4.rpartition(".")[0] + ".1", shared.address:
        assert not first.ping(address, tries=1), f"reaches {address}"
    assert not shared.ping(first.ip, tries=1)


def test_each_queue_of_a_machine_is_used(broker, make_guest):
    guest = make_guest(queues=2).boot()
    guest.dhcp()
    assert guest.output("ls -d /sys/class/net/eth0/queues/rx-* | wc -l") == "2"
    (interface,) = broker.inspect("default")["interfaces"]
    details = broker.host.ip(f"-d link show {interface['device']}")
    assert re.search(r"multi_queue", details)

    gateway = broker.networks()["default"]["ipv4Gateway"]
    guest.run("head -c 1000000 /dev/urandom >/tmp/data")

    def used():
        with echo_server(broker.host) as port:
            assert guest.echoes(gateway, port)
        table = guest.output("grep -E 'virtio.-(input|output)' /proc/interrupts")
        counts = {line.split()[-1]: sum(map(int, line.split()[1:3])) for line in table.splitlines()}
        return counts and all(counts.values())

    # Which queue a connection goes by is the kernel's choice.
    wait_for(used, 60, "packets on both queues")

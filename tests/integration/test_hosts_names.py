# SPDX-License-Identifier: Apache-2.0
"""Names of machines on other hosts, and whose address is of which host."""

import ipaddress
import os
import socket

import pytest

from support.fabric import vxlan_network
from support.wait import wait_for

RESERVED = {"mac_address": "52:54:00:00:00:77", "address": "10.80.2.77", "hostname": "db"}
LAB = vxlan_network(3, dhcp_reservations=[RESERVED])
GATEWAY = "10.80.0.1"

FABRIC = {"networks": {"lab": LAB}}

pytestmark = pytest.mark.xdist_group("test_hosts_names")


def own(number):
    """What a host has beside the gateway's addresses."""
    return {f"10.80.{number}.1", f"fd80::1:0:0:a50:{number}01"}


def names_of(address, machine):
    """By reverse lookup, as any resolver does it."""
    argv = ["busybox", "nslookup", address, GATEWAY]
    said = machine.run(*argv, check=False).stdout
    return {line.split("name = ")[1] for line in said.splitlines() if "name = " in line}


def found(machine, name):
    """Addresses by the gateway, without the server's own."""
    return set(machine.resolve(name, GATEWAY)) - {GATEWAY, f"{GATEWAY}:53", f"[{GATEWAY}]:53"}


def wait_found(machine, name, *addresses, timeout=30):
    wait_for(
        lambda: found(machine, name) == set(addresses),
        timeout,
        what=lambda: f"{name} from {machine.name}: {found(machine, name)}, not {addresses}",
    )


def read_anew(host):
    """The host's server is told to."""
    with open(f"{host.broker.runtime_dir}/lab.dnsmasq.pid", encoding="ascii") as file:
        host.run("kill", "-HUP", file.read().strip())


def test_a_machine_has_its_names_on_all_hosts(fabric):
    web = fabric.join("a", hostname="web")
    asking = [fabric.join(name) for name in "abc"]
    ipv6 = web.ipv6_address()
    for machine in asking:
        for name in "web", "web.lab.internal", "WEB.a.lab.internal":
            wait_found(machine, name, web.address, ipv6)
        assert not found(machine, "web.b.lab.internal")
        assert names_of(web.address, machine) == {"web.lab.internal"}
        assert "web.lab.internal" in names_of(ipv6, machine)
        for number, name in enumerate("abc", 1):
            assert found(machine, f"{name}.lab.internal") == own(number)


def test_hosts_themselves_find_machines(fabric):
    web = fabric.join("a", hostname="web")
    fabric.join("b")
    for host in fabric["a"], fabric["b"]:
        env = {**os.environ, "LD_LIBRARY_PATH": host.find_machines()}
        for name in "web.lab.internal", "web.a.lab.internal", "WEB.a.lab.internal.":
            argv = ["getent", "ahostsv4", name]
            wait_for(
                lambda: web.address in host.run(*argv, env=env, check=False).stdout.split(),
                what=f"{name} on {host.name}",
            )
    gone = "web.lab.a.internal", "deep.web.a.lab.internal", ".lab.internal", "a.internal"
    for name in gone:
        assert host.run("getent", "ahostsv4", name, env=env, check=False).stdout == ""


def test_names_outlive_a_broker(fabric):
    """Its server reads what the last one has written, whenever it is told to."""
    web = fabric.join("a", hostname="web")
    asking = fabric.join("c")
    wait_found(asking, "web", web.address, web.ipv6_address())
    fabric["c"].broker.restart()
    read_anew(fabric["c"])
    assert found(asking, "web") == {web.address, web.ipv6_address()}


def test_a_name_that_goes(fabric):
    web = fabric.join("a", hostname="web")
    asking = fabric.join("b")
    wait_found(asking, "web", web.address, web.ipv6_address())
    web.dhcp(hostname="other")
    wait_found(asking, "other", web.address, web.ipv6_address())
    assert not found(asking, "web")


def test_a_name_on_two_hosts(fabric):
    """Each host has its own; elsewhere it is the first's."""
    webs = {name: fabric.join(name, hostname="web") for name in "ab"}
    asking = {name: fabric.join(name) for name in "abc"}
    fabric.join("b", hostname="mark")
    for name, whose in ("a", "a"), ("b", "b"), ("c", "a"):
        web = webs[whose]
        wait_for(lambda: found(asking[name], "mark"), what="what the hosts tell")
        wait_found(asking[name], "web", web.address, web.ipv6_address())
        assert names_of(webs["b"].address, asking["c"]) == set()
        for other in "ab":
            wait_found(
                asking[name],
                f"web.{other}.lab.internal",
                webs[other].address,
                webs[other].ipv6_address(),
            )


def test_a_name_whose_machine_is_somewhere_else_now(fabric):
    """A lease keeps its name when its machine has gone, but not from one that is there."""
    first = fabric.join("a", hostname="runner")
    asking = {name: fabric.join(name) for name in "abc"}
    wait_found(asking["c"], "runner", first.address, first.ipv6_address())
    first.close()
    first.client.close()
    fabric.machines.remove(first)
    second = fabric.join("b", hostname="runner")
    for machine in asking.values():
        wait_found(machine, "runner", second.address, second.ipv6_address())
    wait_found(asking["c"], "runner.a.lab.internal")


def test_a_dead_host(fabric):
    """It delays no names but its own machines', which are nowhere after a while."""
    lost = fabric.join("b", hostname="lost")
    asking = fabric.join("a")
    other = fabric.join("c", hostname="other")
    wait_found(asking, "lost", lost.address, lost.ipv6_address())
    wait_found(asking, "other", other.address, other.ipv6_address())
    fabric.cut("b")
    try:
        asking.popen("busybox", "nslookup", "lost.b.lab.internal", GATEWAY)
        for name in "other", "other.c.lab.internal", "b.lab.internal":
            assert asking.run("busybox", "timeout", "2", "busybox", "nslookup", name, GATEWAY)
        wait_found(asking, "lost", timeout=60)
        assert found(asking, "other")
    finally:
        fabric.mend("b")
    wait_found(asking, "lost", lost.address, lost.ipv6_address(), timeout=60)


@pytest.mark.parametrize("name", ["gateway", "db", "b", "localhost", "wpad"])
def test_a_machine_does_not_get_what_is_not_its_own(fabric, name):
    liar = fabric.join("a", hostname=name)
    honest = fabric.join("a", hostname="honest")
    asking = fabric.join("c")
    wait_found(asking, "honest", honest.address, honest.ipv6_address())
    for asked in name, f"{name}.lab.internal", f"{name}.a.lab.internal":
        assert not {liar.address, liar.ipv6_address()} & found(asking, asked)
    assert found(asking, "b.lab.internal") == own(2)
    leases = fabric["a"].broker.inspect("lab")["leases"]
    assert not [lease for lease in leases if lease.get("hostname") == name]


def test_another_host_does_not_give_what_is_not_its_own(fabric):
    """Whatever is in its zone."""
    db = fabric.join("a", macAddress=RESERVED["mac_address"])
    local = fabric.join("a", hostname="local")
    asking, _ = fabric.join("a"), fabric.join("c")
    broker = fabric["c"].broker
    broker.kill()
    names = "gateway", "db", "b", "local", "wpad", "good"
    with open(f"{broker.runtime_dir}/lab.names", "w", encoding="ascii") as file:
        file.writelines(f"10.80.3.66 {name}.c.lab.internal\n" for name in names)
        file.write("192.0.2.66 good.c.lab.internal\n10.80.3.66 deep.good.c.lab.internal\n")
    read_anew(fabric["c"])
    wait_found(asking, "good", "10.80.3.66")
    assert found(asking, "gateway.lab.internal") == {"fd80:0:0:1::1"}
    assert db.address in found(asking, "db.lab.internal")
    assert found(asking, "b.lab.internal") == own(2)
    assert local.address in found(asking, "local.lab.internal")
    for name in names[:-1]:
        assert "10.80.3.66" not in found(asking, name)
    for name in "wpad", "deep", "deep.good":
        assert not found(asking, f"{name}.lab.internal")
    broker.start()
    wait_found(asking, "good")


def test_reservations_hold_on_every_host(fabric):
    asking = fabric.join("c")
    for name in "ab":
        machine = fabric.join(name, macAddress=RESERVED["mac_address"])
        assert machine.address == RESERVED["address"]
        assert found(asking, "db") == {machine.address}
        wait_for(
            lambda: machine.address in found(asking, f"db.{name}.lab.internal"),
            what=f"the reserved name on {name}",
        )
        machine.close()
        fabric.machines.remove(machine)
        machine.client.close()


def test_each_host_gives_of_its_own_pool(fabric):
    given = [fabric.join(name).address for name in "abcabc"]
    assert len(set(given)) == len(given)
    for address, host in zip(given, LAB["vxlan"]["hosts"] * 2):
        assert ipaddress.ip_address(address) in ipaddress.ip_network(host["pool"])


def zone_of(host, server, source):
    """What a server says to who asks for a whole zone: its code, and whether it has records."""
    question = b"\0\1\0\0\0\1\0\0\0\0\0\0\1a\3lab\10internal\0\0\xfc\0\1"
    with host.entered(), socket.create_server((source, 0)) as asking:
        asking.close()
        with socket.create_connection((server, 53), 3, (source, 0)) as connection:
            connection.send(len(question).to_bytes(2, "big") + question)
            answer = connection.recv(512)
    return answer[5] & 15, int.from_bytes(answer[8:10], "big") > 0


def test_the_zone_is_for_the_other_hosts_alone(fabric):
    machine, _ = fabric.join("a"), fabric.join("b")
    wait_for(lambda: zone_of(fabric["b"], "10.80.1.1", "10.80.2.1") == (0, True), what="a's zone")
    with pytest.raises(TimeoutError):
        zone_of(machine, "10.80.1.1", machine.address)
    # dnsmasq refuses it; since 2.91 there is nothing in the answer.
    said, has_names = zone_of(machine, GATEWAY, machine.address)
    assert said in (0, 5) and not has_names


def test_a_broker_that_is_killed(fabric):
    """Names stay, and the next broker goes on with them, also while it has not asked all hosts."""
    kept = fabric.join("c", hostname="kept")
    asking = fabric.join("b")
    fabric.join("a")
    wait_found(asking, "kept", kept.address, kept.ipv6_address())
    broker = fabric["b"].broker
    broker.kill()
    fabric.join("a", hostname="new")
    assert found(asking, "kept")
    broker.start()
    wait_for(lambda: found(asking, "new"), what="the name that is new")
    assert found(asking, "kept")
    kept.dhcp(hostname="renamed")
    wait_found(asking, "renamed", kept.address, kept.ipv6_address())
    assert not found(asking, "kept")

# SPDX-License-Identifier: Apache-2.0
"""Addresses: given at once, kept, reserved, and never used up by machines that have gone."""

import contextlib
import ipaddress
import itertools
import os
import subprocess
import threading
import time

import pytest

from support.dhcp import DhcpClient, mac_of
from support.wait import wait_for

RESERVED_MAC = "52:54:00:00:00:0a"
RESERVED = "192.168.105.10"
CONFIG = {
    "lab": {
        "mode": "shared",
        "subnet": "192.168.105.0/24",
        "mtu": 1400,
        "dhcp_reservations": [
            {"mac_address": RESERVED_MAC, "address": RESERVED, "hostname": "db"},
            {"mac_address": "52:54:00:00:00:0b", "address": "192.168.105.11"},
        ],
    },
    "closed": {"mode": "host"},
    "tiny": {"mode": "host", "subnet": "10.1.2.0/29"},
    "large": {"mode": "host", "subnet": "10.128.0.0/9"},
    "silent": {"mode": "shared", "dhcp": False},
    "nameless": {"mode": "shared", "dns_proxy": False},
}

pytestmark = pytest.mark.broker(config=CONFIG)


def leases(broker, network):
    """{address: lease}"""
    return {lease["address"]: lease for lease in broker.inspect(network)["leases"]}


@contextlib.contextmanager
def asking_for_ever(machine):
    """Inside, the machine asks for other names all the time, more often than leases settle."""
    end = threading.Event()

    def ask():
        with DhcpClient(machine) as client:
            for turn in itertools.count():
                if end.wait(0.004):
                    return
                number = turn % 140
                client.ask(mac_of(number), f"m{turn}", f"192.168.105.{100 + number}")

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def test_what_a_machine_is_told(join):
    lease = join("lab").lease
    assert ipaddress.ip_address(lease["ip"]) in ipaddress.ip_network("192.168.105.0/24")
    assert lease["mask"] == "24"
    assert lease["router"] == lease["dns"] == lease["serverid"] == "192.168.105.1"
    assert lease["domain"] == "lab.internal"
    assert lease["lease"] == "3600"
    assert lease["broadcast"] == "192.168.105.255"


def test_the_mtu_is_told(join):
    machine = join("lab", client=["-O", "mtu"])
    assert machine.lease["mtu"] == "1400"


def test_a_host_network_gives_no_way_out(join):
    lease = join("closed").lease
    assert "router" not in lease
    assert lease["dns"] == lease["serverid"]


def test_without_dns_none_is_told(join):
    assert "dns" not in join("nameless").lease


def test_without_dhcp_nobody_answers(broker, make_machine):
    client = broker.client()
    client.acquire("silent")
    machine = make_machine(client.attach("silent"))
    with pytest.raises(subprocess.TimeoutExpired):
        machine.dhcp(timeout=2)


@pytest.mark.timed
def test_the_first_machine_has_its_address_within_a_second(broker, make_machine):
    """The first request of the first machine is answered: nothing has to be sent twice."""
    for _ in range(3):
        client = broker.client()
        client.acquire("lab")
        machine = make_machine(client.attach("lab"))
        start = time.monotonic()
        machine.dhcp(client=["-A", "20", "-T", "20"])
        assert time.monotonic() - start < 1
        machine.kill()
        client.close()
        wait_for(lambda: not broker.networks()["lab"]["active"], what="its removal")


def test_leases_are_seen(broker, join):
    monitor = broker.client()
    monitor.monitor()
    machine = join("lab", hostname="web")

    def seen():
        event = monitor.next_event()
        return event["lease"] if event["type"] == "lease_added" else None

    event = wait_for(seen)
    lease = leases(broker, "lab")[machine.address]
    assert lease == event
    assert lease["macAddress"] == machine.mac_address
    assert lease["hostname"] == "web"
    assert 3500 < lease["expiresTimestamp"] / 1e6 - time.time() <= 3600


def test_a_machine_that_never_stops_asking_hides_no_lease(broker, join):
    monitor = broker.client()
    monitor.monitor()
    with asking_for_ever(join("lab")):
        machine = join("lab")

        def is_told():
            """What the next event says of its lease, if anything."""
            event = monitor.next_event()
            is_its = event.get("lease", {}).get("address") == machine.address
            return event["type"] if is_its else None

        assert wait_for(is_told, what="its lease") == "lease_added"
        end = time.monotonic() + 3
        monitor.socket.settimeout(3)
        with contextlib.suppress(TimeoutError):
            while time.monotonic() < end:
                assert is_told() is None


def test_leases_that_are_half_written_are_not_read(broker, join):
    """Their server may be interrupted in the midst of them for longer than it takes to settle."""
    machine = join("lab")
    wait_for(lambda: machine.address in leases(broker, "lab"))
    monitor = broker.client()
    monitor.monitor()
    path = os.path.join(broker.state_dir, "lab.leases")
    with open(path, encoding="ascii") as file:
        text = file.read()
    os.truncate(path, 20)
    end = time.monotonic() + 0.5
    wait_for(lambda: time.monotonic() > end or machine.address not in leases(broker, "lab"))
    with open(path, "a", encoding="ascii") as file:
        file.write(text[20:] + text.replace(machine.address, "192.168.105.250"))
    event = monitor.next_event()
    assert (event["type"], event["lease"]["address"]) == ("lease_added", "192.168.105.250")
    assert machine.address in leases(broker, "lab")


def test_a_machine_that_comes_back_has_its_old_address(broker, join):
    """After the network was gone, too, and though it has a neighbour by then."""
    first = join("lab", macAddress="52:54:00:00:01:01")
    first.kill()
    first.client.close()
    wait_for(lambda: not broker.networks()["lab"]["active"], what="its removal")
    join("lab")
    assert join("lab", macAddress="52:54:00:00:01:01").address == first.address


CLIENT_ID = "ff32393ee6000200000ab11c33a9b5a6a8b7e5"


def test_clones_have_addresses_of_their_own(broker, join):
    """One image gives all of its machines one client id; the MAC address says who asks."""
    same = ["-x", f"0x3d:{CLIENT_ID}"]
    first, second = (join("lab", client=same) for _ in range(2))
    assert first.address != second.address
    assert first.ping(second.address)
    now = wait_for(lambda: (now := leases(broker, "lab")) and len(now) == 2 and now)
    for machine in first, second:
        assert now[machine.address]["macAddress"] == machine.mac_address


def write_leases(broker, network, lines):
    with open(f"{broker.state_dir}/{network}.leases", "w", encoding="ascii") as file:
        file.writelines(f"{int(time.time()) + 3600} {line}\n" for line in lines)


def test_leases_that_were_written_with_client_ids(broker, join):
    """An earlier version's: a machine has its own again, and when they are short one gives way."""
    client_id = bytes.fromhex(CLIENT_ID).hex(":")
    write_leases(
        broker,
        "tiny",
        (f"52:54:00:00:01:0{n} 10.1.2.{n} m{n} {client_id[:-1]}{n}" for n in range(2, 7)),
    )
    same = ["-x", f"0x3d:{CLIENT_ID}"]
    assert join("tiny", macAddress="52:54:00:00:01:05", client=same).address == "10.1.2.5"
    assert join("tiny").address != "10.1.2.5"


def test_a_reserved_address_is_for_nobody_else(broker, join):
    machine = join("lab")
    with DhcpClient(machine) as client:
        for number in range(100, 120):
            assert client.get(mac_of(number), asked=RESERVED) != RESERVED
    owner = join("lab", macAddress=RESERVED_MAC)
    assert owner.address == RESERVED
    wait_for(lambda: leases(broker, "lab").get(RESERVED, {}).get("hostname") == "db")


def test_many_machines_at_once(broker, make_machine):
    client = broker.client()
    client.acquire("large")
    machines = [make_machine(client.attach("large")) for _ in range(10)]
    clients = [
        machine.popen("busybox", "udhcpc", "-fq", "-A1", "-i", "eth0", "-s", machine._script_path)
        for machine in machines
    ]
    for process in clients:
        assert process.wait(timeout=30) == 0
    wait_for(lambda: len(leases(broker, "large")) == 10)
    macs = {lease["macAddress"] for lease in leases(broker, "large").values()}
    assert macs == {machine.mac_address for machine in machines}


def test_addresses_do_not_run_out(broker, join):
    """2,000 machines that each come once, while one stays and one comes back."""
    staying = join("lab")
    returning = join("lab", macAddress="52:54:00:00:01:01")
    with DhcpClient(staying) as client:
        for number in range(2000):
            assert client.get(mac_of(1000 + number), hostname=f"m{number}"), f"machine {number}"

    def are_there():
        now = leases(broker, "lab")
        macs = [now.get(machine.address, {}).get("macAddress") for machine in (staying, returning)]
        # Others that could come back are there still.
        return macs == [staying.mac_address, returning.mac_address] and len(now) > 150

    wait_for(are_there)


def test_the_smallest_subnet_is_not_used_up(join):
    machine = join("tiny")
    with DhcpClient(machine) as client:
        for number in range(10):
            assert client.get(mac_of(number)) not in (None, machine.address)


@pytest.mark.broker(config={"lab": {"mode": "host", "subnet": "10.1.2.0/24"}})
def test_a_subnet_that_gets_smaller(broker, join):
    """What was leased in the former one is nobody's, and nobody minds how much that was."""
    machine = join("lab", hostname="former")
    with DhcpClient(machine) as client:
        for number in range(20):
            assert client.get(mac_of(number))
    machine.kill()
    machine.client.close()
    wait_for(lambda: not broker.networks()["lab"]["active"], what="its removal")
    broker.configure({"lab": {"mode": "host", "subnet": "10.1.3.0/29"}})
    broker.client().call("Reload")
    machine = join("lab")
    wait_for(lambda: leases(broker, "lab").keys() == {machine.address})
    assert not machine.resolve("former")


def test_leases_of_very_many_machines_that_have_gone(broker, join):
    """With all of them a server would take a minute to start, and others would wait for it."""
    with open(f"{broker.state_dir}/large.leases", "w", encoding="ascii") as file:
        for number in range(60000):
            mac, address = mac_of(number).hex(":"), ipaddress.ip_address("10.128.1.0") + number
            file.write(f"{int(time.time()) + 3600} {mac} {address} m{number} *\n")
    machine = join("large")
    wait_for(lambda: machine.address in leases(broker, "large"))
    assert len(leases(broker, "large")) <= 4096


def test_a_machine_behind_a_machine_keeps_its_address(broker, join):
    """Whoever is heard of on the bridge is there, though it has no interface of its own."""
    machine = join("tiny")
    machine.ip("link add link eth0 name inner type macvlan mode bridge")
    machine.ip("link set inner address 52:54:00:00:02:02 up")
    with DhcpClient(machine) as client, DhcpClient(machine, "inner") as inner:
        address = inner.get(bytes.fromhex("525400000202"))
        for number in range(10):
            assert client.get(mac_of(number)) not in (None, machine.address, address)
            machine.run("busybox", "arping", "-c1", "-w1", "-I", "inner", "10.1.2.1", check=False)

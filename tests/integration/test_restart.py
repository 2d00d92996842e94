# SPDX-License-Identifier: Apache-2.0
"""A service manager keeps the connections of clients: they do not notice a restart."""

import array
import fcntl
import os
import signal
import termios

import pytest

from support.gate import make_gate, wait_at
from support.manager import ManagedBroker
from support.varlink import VarlinkError, flat
from support.wait import wait_for

LAB = {"lab": {"mode": "host", "subnet": "10.20.30.0/24"}, "other": {"mode": "host"}}

@pytest.fixture
def broker(request, host):
    mark = request.node.get_closest_marker("broker")
    broker = ManagedBroker(host, **(mark.kwargs if mark else {"config": LAB}))
    broker.start()
    yield broker
    broker.finish()


@pytest.fixture(params=["stopped", "killed"])
def restart(request, broker):
    """Both ways to restart the broker."""
    return broker.stop_and_start if request.param == "stopped" else broker.restart


def has_read_all(client):
    """The broker has taken what the client has sent."""
    unread = array.array("i", [0])
    fcntl.ioctl(client.fileno(), termios.TIOCOUTQ, unread)
    return unread[0] == 0


def bridge_index(broker, name):
    return broker.host.device(name)["ifindex"]


def inspected(client, network):
    """What it is told, with the clients in an order of our own."""
    found = client.inspect(network)
    found["clients"].sort(key=lambda client: client["uid"])
    return found


def is_active(broker, network):
    return broker.networks()[network]["active"]


def test_holds_go_on(broker, restart):
    first, second = broker.client(uid=1001), broker.client(uid=1002)
    for network in "lab", "other":
        first.acquire(network)
    second.acquire("lab")
    before = inspected(first, "lab")
    index = bridge_index(broker, "vmb-lab")
    for _ in range(2):
        restart()
        assert inspected(first, "lab") == before
        assert bridge_index(broker, "vmb-lab") == index
    first.release("lab")
    assert [client["uid"] for client in second.inspect("lab")["clients"]] == [1002]
    restart()
    with pytest.raises(VarlinkError, match="NotAcquired"):
        first.release("lab")
    second.release("lab")
    wait_for(lambda: not is_active(broker, "lab"))
    assert is_active(broker, "other")


def test_many_connections(broker, restart):
    clients = [broker.client(uid=1000 + number % 3) for number in range(120)]
    for client in clients[::2]:
        client.acquire("lab")
    restart()
    assert all(client.networks()["lab"]["clients"] == 60 for client in clients)
    for client in clients[::2]:
        client.release("lab")
    wait_for(lambda: not is_active(broker, "lab"))


def test_the_end_of_a_connection_still_ends_its_hold(broker, restart):
    client = broker.client()
    client.acquire("lab")
    restart()
    assert is_active(broker, "lab")
    client.close()
    wait_for(lambda: not is_active(broker, "lab"))


def test_a_client_that_leaves_meanwhile(broker):
    staying, leaving = broker.client(), broker.client()
    staying.acquire("other")
    leaving.acquire("lab")
    broker.kill()
    leaving.close()
    broker.start()
    wait_for(lambda: not is_active(broker, "lab"))
    assert staying.networks()["other"]["clients"] == 1
    # Of those that have ended nothing is kept.
    assert len([name for name in os.listdir(broker.runtime_dir) if name.endswith(".client")]) == 1


def test_new_clients_wait_for_the_next_broker(broker):
    broker.stop()
    client = broker.client()
    client.send("ListNetworks", more=True)
    broker.start()
    assert len(client.receive_networks()) == 2


def test_calls_between_the_brokers(broker, restart):
    client = broker.client()
    client.acquire("lab")
    broker.wait_for_rest()
    broker.process.send_signal(signal.SIGSTOP)
    client.send("ListNetworks", more=True)
    broker.process.send_signal(signal.SIGKILL)
    broker.process.wait(timeout=20)
    broker.start()
    assert client.receive_networks()[0]["clients"] == 1
    restart()
    assert client.networks()["lab"]["clients"] == 1


def test_what_was_called_before_the_end_is_served(broker):
    client = broker.client()
    broker.process.send_signal(signal.SIGSTOP)
    for _ in range(20):
        client.send("ListNetworks", more=True)
    client.send("Acquire", {"network": "lab"})
    broker.process.send_signal(signal.SIGTERM)
    broker.process.send_signal(signal.SIGCONT)
    broker.process.wait(timeout=20)
    broker.start()
    for _ in range(20):
        assert len(client.receive_networks()) == 2
    assert flat(client.receive())["name"] == "lab"
    assert client.networks()["lab"]["clients"] == 1


def test_monitors_go_on(broker, restart):
    monitor = broker.client(uid=1001)
    monitor.monitor()
    client = broker.client(uid=1002)
    client.acquire("lab")
    assert monitor.next_event()["type"] == "network_created"
    assert monitor.next_event()["type"] == "client_acquired"
    for _ in range(2):
        restart()
        client.acquire("other")
        assert monitor.next_event()["type"] == "network_created"
        assert monitor.next_event()["type"] == "client_acquired"
        client.release("other")
        assert monitor.next_event()["type"] == "client_released"
        assert monitor.next_event()["type"] == "network_removed"
    client.close()
    assert monitor.next_event()["type"] == "client_released"
    assert monitor.next_event()["type"] == "network_removed"


def test_a_named_interface_stays_with_its_hold(broker, restart):
    client, other = broker.client(uid=1001), broker.client(uid=1002)
    for holder in client, other:
        holder.acquire("lab")
    name = client.attach("lab", openByName=True).name
    restart()
    assert name in broker.host.links()
    assert [interface["device"] for interface in other.inspect("lab")["interfaces"]] == [name]
    client.release("lab")
    wait_for(lambda: name not in broker.host.links())
    wait_for(lambda: other.inspect("lab")["interfaces"] == [])


def test_machines_and_holds(broker, restart):
    client = broker.client(uid=1001)
    client.acquire("lab")
    with client.attach("lab") as attachment:
        restart()
        found = client.inspect("lab")
        assert [interface["device"] for interface in found["interfaces"]] == [attachment.name]
        assert len(found["clients"]) == 1
        with client.attach("lab") as second:
            assert second.name != attachment.name
        client.release("lab")
    wait_for(lambda: not is_active(broker, "lab"))


@pytest.fixture
def gate(broker):
    return make_gate(broker)


def test_a_call_under_way_gets_an_error(broker, gate):
    client = broker.client()
    client.acquire("other")
    os.mkfifo(gate)
    client.send("Acquire", {"network": "lab"})
    fd = wait_at(gate)
    broker.kill()
    os.close(fd)
    broker.start()
    with pytest.raises(VarlinkError, match="the broker was restarted meanwhile; try again"):
        client.receive()
    assert client.networks()["other"]["clients"] == 1
    assert client.acquire("lab")["active"]


def test_a_call_under_way_is_answered_by_a_broker_that_stops(broker, gate):
    client = broker.client()
    os.mkfifo(gate)
    client.send("Acquire", {"network": "lab"})
    fd = wait_at(gate)
    broker.process.terminate()
    os.close(fd)
    with pytest.raises(VarlinkError, match="CreateFailed"):
        client.receive()
    broker.process.wait(timeout=20)
    broker.start()
    assert client.acquire("lab")["active"]


def test_half_a_message(broker, restart):
    client, other = broker.client(), broker.client()
    client.acquire("lab")
    other.acquire("other")
    client.send_raw(b'{"method": ')
    wait_for(lambda: has_read_all(client))
    restart()
    broker.wait_for_log("is disconnected: the broker was restarted in the midst of a message")
    wait_for(client.is_closed)
    wait_for(lambda: not is_active(broker, "lab"))
    assert other.networks()["other"]["clients"] == 1


@pytest.mark.parametrize("call", ["ListNetworks", "Acquire"])
@pytest.mark.parametrize("moment", ["KILLED_READING", "KILLED_SENDING"])
def test_a_message_on_its_way_through_the_broker(broker, call, moment):
    """Nobody knows where it was, so the connection ends: its client must not wait for ever."""
    path = os.path.join(broker.directory, "killed")
    broker.stop()
    broker.env.update(
        {moment: path},
        LD_PRELOAD=broker.host.program("tests/tools/killed.so"),
        ASAN_OPTIONS="verify_asan_link_order=0:detect_leaks=0",
    )
    broker.start()
    client, other = broker.client(), broker.client()
    other.acquire("other")
    with open(path, "w", encoding="ascii"):
        if call == "Acquire":
            client.send(call, {"network": "lab"})
        else:
            client.send(call, more=True)
    assert broker.process.wait(timeout=20) == -signal.SIGKILL
    broker.start()
    wait_for(client.is_closed)
    wait_for(lambda: not is_active(broker, "lab"))
    assert other.networks()["other"]["clients"] == 1


def test_one_that_cannot_go_on_ends_no_network_of_others(broker, restart):
    """Whichever of them the next broker comes to first."""
    clients = [broker.client() for _ in range(9)]
    for client in clients:
        client.acquire("lab")
    index = bridge_index(broker, "vmb-lab")
    for client in clients[::2]:
        client.send_raw(b'{"method": ')
        wait_for(lambda: has_read_all(client))
    restart()
    for client in clients[::2]:
        wait_for(client.is_closed)
    assert all(client.networks()["lab"]["clients"] == 4 for client in clients[1::2])
    assert bridge_index(broker, "vmb-lab") == index


def test_a_network_that_cannot_be_adopted(broker):
    client, other = broker.client(), broker.client()
    client.acquire("lab")
    client.acquire("other")
    other.acquire("other")
    broker.kill()
    os.unlink(os.path.join(broker.runtime_dir, "lab.json"))
    broker.configure({"other": {"mode": "host"}})
    broker.start()
    broker.wait_for_log("is disconnected: a network that it holds could not be taken over")
    wait_for(client.is_closed)
    assert other.networks()["other"]["clients"] == 1


def test_a_network_of_which_all_but_the_hold_is_lost(broker):
    client = broker.client()
    client.acquire("lab")
    broker.kill()
    os.unlink(os.path.join(broker.runtime_dir, "lab.json"))
    broker.host.ip("link delete vmb-lab")
    broker.start()
    assert client.inspect("lab")["network"]["ipv4Subnet"] == "10.20.30.0/24"
    wait_for(lambda: "vmb-lab" in broker.host.links())


def test_what_a_client_holds_is_damaged(broker):
    client = broker.client()
    client.acquire("lab")
    broker.kill()
    (path,) = [name for name in os.listdir(broker.runtime_dir) if name.endswith(".client")]
    with open(os.path.join(broker.runtime_dir, path), "w", encoding="ascii") as file:
        file.write('{"holds": [{"network": ".."}]}')
    broker.start()
    broker.wait_for_log("is disconnected: what it holds cannot be read")
    wait_for(client.is_closed)


def test_a_release_that_could_not_be_written_is_with_what_comes_next(broker):
    client = broker.client()
    client.acquire("lab")
    client.acquire("other")
    (name,) = [name for name in os.listdir(broker.runtime_dir) if name.endswith(".client")]
    in_the_way = os.path.join(broker.runtime_dir, f"{name}.new")
    os.mkdir(in_the_way)
    client.release("other")
    broker.wait_for_log("cannot be written")
    os.rmdir(in_the_way)
    client.acquire("lab")
    broker.restart()
    with pytest.raises(VarlinkError, match="NotAcquired"):
        client.release("other")


def test_the_configuration_has_lost_the_network(broker, restart):
    client = broker.client(uid=1001)
    client.acquire("lab")
    broker.configure({"other": {"mode": "host"}})
    restart()
    assert client.inspect("lab")["network"]["ipv4Subnet"] == "10.20.30.0/24"
    client.release("lab")
    wait_for(lambda: "lab" not in client.networks())


def test_leases_are_known_at_once(broker, restart, make_machine):
    """Whoever has asked meanwhile is answered as before."""
    client = broker.client(uid=1001)
    client.acquire("lab")
    machine = make_machine(client.attach("lab"))
    machine.dhcp(hostname="first")
    leases = wait_for(lambda: client.inspect("lab")["leases"], what="the lease")
    for _ in range(3):
        restart()
        assert client.inspect("lab")["leases"] == leases
    broker.kill()
    client.send("ListLeases", {"network": "lab"}, more=True)
    broker.start()
    assert [reply["lease"] for reply in client.receive_list()] == leases


def test_the_manager_has_a_line_for_people(broker):
    def says(line):
        wait_for(lambda: broker.manager.status == line, 10, lambda: broker.manager.status)

    says("0 active networks, 0 machine interfaces, 0 faults")
    client = broker.client()
    client.acquire("lab")
    says("1 active network, 0 machine interfaces, 0 faults")
    client.acquire("other")
    with client.attach("lab"):
        says("2 active networks, 1 machine interface, 0 faults")
        broker.host.run("sysctl", "-qw", "net.ipv6.conf.vmb-lab.disable_ipv6=1")
        says("2 active networks, 1 machine interface, 1 fault")
        broker.host.run("sysctl", "-qw", "net.ipv6.conf.vmb-lab.disable_ipv6=0")
    says("2 active networks, 0 machine interfaces, 0 faults")


def test_a_manager_that_does_not_read(broker):
    """Nobody waits for it; what it has not taken it is told later, in order."""
    broker.manager.stop_reading()
    clients = [broker.client(uid=1001) for _ in range(600)]
    for client in clients:
        assert client.acquire("lab")["active"]
    for client in clients[20:]:
        client.close()
    wait_for(lambda: len(broker.inspect("lab")["clients"]) == 20, what="the end of the others")
    os.kill(broker.pid, signal.SIGHUP)
    broker.manager.read_on()
    wait_for(lambda: "READY" in broker.manager.states[1:], what="the end of the reload")
    assert broker.manager.states == ["READY", "RELOADING", "MONOTONIC_USEC", "READY"]
    broker.manager.settle()
    assert len(broker.manager.stored) == 20
    broker.stop_and_start()
    for client in clients[:20]:
        assert client.acquire("lab")["clients"] == 20


def test_a_broker_that_stops_has_told_its_manager_all(broker):
    broker.manager.stop_reading()
    clients = [broker.client(uid=1001) for _ in range(600)]
    for client in clients:
        assert client.acquire("lab")["active"]
    os.kill(broker.pid, signal.SIGTERM)
    broker.wait_for_log("stopping")
    broker.wait_for_rest()
    broker.manager.read_on()
    broker.process.wait(timeout=20)
    broker.start()
    for client in clients:
        assert client.networks()["lab"]["clients"] == 600

# SPDX-License-Identifier: Apache-2.0
"""What breaks on the host is made good within seconds, or said once, and the broker lives.

Bridges and addresses that are removed by hand are in test_network_repair.py, resolvers that
change in test_dns.py.
"""

import contextlib
import os
import re
import resource
import shutil
import signal
import socket
import time

import pytest

from support.dns import Resolver
from support.host import OUTSIDE_IPV4, SERVER_IPV4, UPLINK
from support.processes import ACCOUNTS, FORKER, STARTER, children
from support.varlink import VarlinkError, as_user, flat
from support.wait import wait_for

SUSPENDED_SECONDS = 5
RIVAL = 4321
LOOKS_SECONDS = 9  # in which it is looked whether a dnsmasq serves, thrice if it seems not to


def fault(broker, network="default"):
    """What "vmnetctl inspect" says is wrong, or None."""
    text = broker.vmnetctl("inspect", network).stdout
    found = re.search(r"^Fault: +(.*)$", text, re.MULTILINE)
    return found and found[1]


def wait_for_fault(broker, pattern, network="default"):
    """Waits until the network has such a fault; returns it."""
    return wait_for(
        lambda: re.fullmatch(pattern, fault(broker, network) or ""),
        20,
        lambda: f"fault {pattern!r} instead of {fault(broker, network)!r}; {broker.log()}",
    )[0]


def leases_of(broker):
    """The addresses that the broker says are given."""
    return [lease["address"] for lease in broker.inspect("default")["leases"]]


def wait_until_whole(broker, network="default"):
    wait_for(lambda: fault(broker, network) is None, 20, "the end of the fault")


def pass_time(seconds):
    """For what has to stay as it is."""
    end = time.monotonic() + seconds
    wait_for(lambda: time.monotonic() > end, seconds + 1)


def is_logged_once(broker, text):
    return broker.log().count(text) == 1


# dnsmasq


@pytest.fixture
def programs(directory):
    """A directory for a broker to find dnsmasq in."""
    path = os.path.join(directory, "programs")
    os.mkdir(path)
    os.symlink(shutil.which("dnsmasq"), os.path.join(path, "dnsmasq"))
    return path


def test_dnsmasq_killed(broker, host, join):
    machine = join("default")
    (server,) = host.processes("dnsmasq")
    os.kill(server, signal.SIGKILL)
    machine.dhcp()
    assert host.processes("dnsmasq") != [server]
    wait_until_whole(broker)


def test_dnsmasq_hangs(broker, host, join):
    machine = join("default")
    (server,) = host.processes("dnsmasq")
    os.kill(server, signal.SIGSTOP)
    machine.dhcp()
    assert host.processes("dnsmasq") != [server]
    assert is_logged_once(broker, "its dnsmasq has stopped serving; it is killed")
    wait_until_whole(broker)


def test_dnsmasq_that_has_nothing_to_do_is_left_alone(broker, host, join):
    join("default")
    servers = host.processes("dnsmasq")
    pass_time(LOOKS_SECONDS)
    assert host.processes("dnsmasq") == servers


def test_dnsmasq_uninstalled(broker, host, programs, join):
    broker.stop()
    broker.prefix = ["env", f"PATH={programs}"]
    broker.start()
    machine = join("default")
    os.rename(os.path.join(programs, "dnsmasq"), os.path.join(programs, "away"))
    os.kill(*host.processes("dnsmasq"), signal.SIGKILL)
    text = wait_for_fault(broker, "dnsmasq cannot be started: No such file.*install.*")
    pass_time(2)  # while it is tried again
    assert is_logged_once(broker, text)
    os.rename(os.path.join(programs, "away"), os.path.join(programs, "dnsmasq"))
    machine.dhcp()
    wait_until_whole(broker)


def occupy(host, address, kind, port=53, uid=RIVAL):
    """Takes a port of dnsmasq's, for somebody."""
    with host.entered(), as_user(uid):
        other = socket.socket(socket.AF_INET, kind)

    def is_bound():
        with contextlib.suppress(OSError):
            other.bind((address, port))
        return other.getsockname()[1] == port

    # A process that was killed has its sockets for a moment longer.
    wait_for(is_bound)
    if kind == socket.SOCK_STREAM:
        other.listen()
    return other


def taken_by_rival(port):
    """What is said of it: a broker with few capabilities cannot see whose sockets are whose."""
    return f"Address already in use; a program of user {RIVAL} has port {port}"


@pytest.mark.parametrize(
    "kind, port", [(socket.SOCK_STREAM, 53), (socket.SOCK_DGRAM, 53), (socket.SOCK_DGRAM, 67)]
)
def test_dnsmasq_finds_its_port_taken(broker, host, kind, port):
    client = broker.client()
    with occupy(host, "0.0.0.0", kind, port):
        with pytest.raises(VarlinkError, match=taken_by_rival(port)) as raised:
            client.acquire("default")
        assert raised.value.name == "CreateFailed"
    client.acquire("default")


@pytest.fixture
def service(host):
    """The directory of a control group as systemd makes one for a service."""
    path = f"/sys/fs/cgroup/rival-{os.getpid()}.service"
    host.run("mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup")
    host.run("mkdir", "-p", f"{path}/part")
    yield path
    host.run("rmdir", f"{path}/part", path)


def test_a_service_that_has_the_port_is_named(broker, host, service):
    client = broker.client()
    command = f"echo 0 >{service}/part/cgroup.procs; exec dnsmasq --keep-in-foreground --user=root"
    rival = host.popen("sh", "-c", f"{command} --conf-file=/dev/null --no-resolv --pid-file=")
    wait_for(lambda: host.run("ss", "-Hlnt", "src", "0.0.0.0:53").stdout)
    with pytest.raises(VarlinkError) as raised:
        client.acquire("default")
    rival.terminate()
    rival.wait()
    assert raised.value.parameters["reason"].endswith(
        f"Address already in use; a program of user 0 in {os.path.basename(service)} has port 53"
    )
    client.acquire("default")


def test_dnsmasq_loses_its_port(broker, host, join):
    """To a program that has it of this address, not to one that has it of another."""
    machine = join("default")
    os.kill(broker.pid, signal.SIGSTOP)
    os.kill(*host.processes("dnsmasq"), signal.SIGKILL)
    wait_for(lambda: not host.processes("dnsmasq"))
    other = occupy(host, "127.0.0.53", socket.SOCK_STREAM, uid=0)
    with other, occupy(host, machine.lease["router"], socket.SOCK_DGRAM):
        os.kill(broker.pid, signal.SIGCONT)
        text = wait_for_fault(broker, f"dnsmasq cannot be started: .*{taken_by_rival(53)}")
    machine.dhcp()
    wait_until_whole(broker)
    assert is_logged_once(broker, text)


# Rules and forwarding


@pytest.mark.parametrize(
    "command",
    [
        "delete table inet vmnet-broker.networks",
        "flush table inet vmnet-broker.networks",
        "delete table bridge vmnet-broker.networks",
        "flush map inet vmnet-broker.networks leaving_by_group",
        "flush map inet vmnet-broker.networks masquerade4",
        "flush map bridge vmnet-broker.networks ports",
        "flush chain bridge vmnet-broker.networks frames-default",
        "delete table inet vmnet-broker",
        "flush ruleset",
    ],
)
def test_rules_removed(broker, host, join, command):
    def rules():
        return host.run("nft", "--stateless", "list", "ruleset").stdout

    machine = join("default")
    broker.client().acquire("host")
    before = rules()
    host.run("nft", *command.split())
    wait_for(lambda: sorted(rules().splitlines()) == sorted(before.splitlines()))
    assert machine.ping(SERVER_IPV4)
    wait_until_whole(broker)


@pytest.mark.parametrize(
    "settings",
    [
        ["conf/vmb-default/forwarding=0"],
        [f"conf/{UPLINK}/forwarding=0"],
        ["conf/all/forwarding=1", "conf/all/forwarding=0"],
    ],
)
def test_forwarding_switched_off(broker, host, join, settings):
    machine = join("default")
    for setting in settings:
        name, _, value = setting.partition("=")
        host.run("sh", "-c", f"echo {value} >/proc/sys/net/ipv4/{name}")
    wait_for(lambda: machine.ping(SERVER_IPV4, tries=1))
    wait_until_whole(broker)


def test_forwarding_cannot_be_switched_on(broker, host, join):
    """A repair that is about something else does not end the fault."""
    machine = join("default")
    os.kill(broker.pid, signal.SIGSTOP)
    host.run("sh", "-c", "echo 0 >/proc/sys/net/ipv4/conf/vmb-default/forwarding")
    host.run("mount", "--bind", "/proc/sys", "/proc/sys")
    host.run("mount", "-o", "remount,ro,bind", "/proc/sys")
    host.run("nft", "flush", "ruleset")
    os.kill(broker.pid, signal.SIGCONT)
    text = wait_for_fault(
        broker,
        "net.ipv4.conf.vmb-default.forwarding has to be 1, and cannot be set: Read-only file "
        r"system \(a new interface has it from net.ipv4.conf.default.forwarding\)",
    )
    host.ip("link set vmb-default down")
    wait_for(lambda: machine.ping(machine.lease["router"], tries=1))
    pass_time(1)
    assert fault(broker) == text
    host.run("umount", "/proc/sys")
    wait_for(lambda: machine.ping(SERVER_IPV4, tries=1), 20)
    wait_until_whole(broker)
    assert is_logged_once(broker, f'error: network "default": {text}')


def test_ipv6_switched_off(broker, host, join):
    """All else is repaired meanwhile."""
    setting = "/proc/sys/net/ipv6/conf/vmb-default/disable_ipv6"
    machine = join("default")
    before = host.ip("-6 address show dev vmb-default scope global")
    host.run("sh", "-c", f"echo 1 >{setting}")
    text = wait_for_fault(broker, "IPv6 is switched off for bridge vmb-default; switch it on .*")
    host.run("nft", "flush", "ruleset")
    wait_for(lambda: machine.ping(SERVER_IPV4, tries=1))
    host.run("sh", "-c", f"echo 0 >{setting}")
    wait_until_whole(broker)
    assert host.ip("-6 address show dev vmb-default scope global") == before
    assert is_logged_once(broker, f'error: network "default": {text}')


def test_the_uplink_changes(broker, host, outside, join):
    machine = join("default")
    assert machine.ping(SERVER_IPV4)
    host.ip(f"link add eth1 type veth peer name eth1 netns {outside.pid}")
    for namespace, address in (host, "192.0.2.2"), (outside, "192.0.2.1"):
        namespace.ip(f"address add {address}/24 dev eth1")
        namespace.ip("link set eth1 up")
    host.ip("route replace default via 192.0.2.1")
    host.ip(f"link set {UPLINK} down")
    wait_for(lambda: machine.ping(SERVER_IPV4, tries=1))
    host.ip(f"link set {UPLINK} up")
    host.ip(f"route replace default via {OUTSIDE_IPV4}")
    wait_for(lambda: machine.ping(SERVER_IPV4, tries=1))
    host.ip("link delete eth1")
    broker.check_clean = False  # the uplink has lost addresses on its way


# Files


def mount_state(broker, options):
    broker.host.run("mount", "-t", "tmpfs", "-o", options, "tmpfs", broker.state_dir)


def test_the_state_directory_is_full(broker, make_machine):
    mount_state(broker, "size=64k")
    filler = os.path.join(broker.state_dir, "filler")
    broker.host.run("sh", "-c", f"head -c 65536 /dev/zero >{filler}")
    client = broker.client()
    client.acquire("default")
    text = wait_for_fault(broker, "its addresses cannot be kept in .*: No space left on device")
    machine = make_machine(client.attach("default"))
    machine.dhcp()
    wait_for_fault(broker, re.escape(text))
    assert is_logged_once(broker, text)
    broker.host.run("rm", filler)
    wait_until_whole(broker)


def test_several_faults_at_a_time(broker, host, programs):
    """Each is said once, and stays until it has ended, whatever becomes of the others."""
    broker.stop()
    broker.prefix = ["env", f"PATH={programs}"]
    broker.start()
    mount_state(broker, "size=64k")
    filler = os.path.join(broker.state_dir, "filler")
    host.run("sh", "-c", f"head -c 65536 /dev/zero >{filler}")
    broker.client().acquire("default")
    full = wait_for_fault(broker, "its addresses cannot be kept in .*: No space left on device")
    os.rename(os.path.join(programs, "dnsmasq"), os.path.join(programs, "away"))
    os.kill(*host.processes("dnsmasq"), signal.SIGKILL)
    both = wait_for_fault(broker, f"dnsmasq cannot be started: .*; {re.escape(full)}")
    # A look at the bridge, which is well, and at what is written down.
    host.ip("link set vmb-default down")
    wait_for(lambda: "UP" in host.ip("link show dev vmb-default"))
    pass_time(2)
    assert fault(broker) == both
    os.rename(os.path.join(programs, "away"), os.path.join(programs, "dnsmasq"))
    wait_for_fault(broker, re.escape(full))
    # One that keeps all from being repaired that is not only written down.
    os.kill(broker.pid, signal.SIGSTOP)
    host.ip("link delete vmb-default")
    host.ip("link add vmb-default type veth peer name peer0")
    os.kill(broker.pid, signal.SIGCONT)
    wait_for_fault(broker, f"a device vmb-default exists already.*; {re.escape(full)}")
    host.ip("link delete vmb-default")
    wait_for_fault(broker, re.escape(full))
    assert is_logged_once(broker, f"error: network \"default\": {full}")
    assert is_logged_once(broker, "error: network \"default\": dnsmasq cannot be started")
    host.run("rm", filler)
    wait_until_whole(broker)
    broker.close_clients()
    wait_for(lambda: "vmb-default" not in host.links())


def test_the_state_directory_is_read_only(broker):
    client = broker.client()
    client.networks()  # it serves: the directory is its own by now
    mount_state(broker, "ro")
    with pytest.raises(VarlinkError, match="Read-only file system") as raised:
        client.acquire("default")
    assert raised.value.name == "CreateFailed"
    broker.host.run("umount", broker.state_dir)
    assert client.acquire("default")["active"]


def test_the_state_directory_is_removed(broker, host, join):
    """A network that is active does not need it; a new life does."""
    machine = join("default")
    away = broker.state_dir + "-away"
    os.rename(broker.state_dir, away)
    shutil.rmtree(away)
    lost = "its addresses cannot be kept in .*: No such file or directory"
    wait_for_fault(
        broker, f"its dnsmasq and leases cannot be watched: No such file or directory; {lost}"
    )
    machine.dhcp()
    os.kill(*host.processes("dnsmasq"), signal.SIGKILL)
    wait_for_fault(broker, f"dnsmasq's files: No such file or directory; {lost}")
    assert machine.ping(SERVER_IPV4)
    os.mkdir(broker.state_dir)
    machine.dhcp()
    wait_until_whole(broker)
    # Of what is written there from now on the broker hears.
    wait_for(lambda: machine.address in leases_of(broker))


def test_the_leases_are_removed(broker, host, join):
    join("default")
    servers = host.processes("dnsmasq")
    os.unlink(os.path.join(broker.state_dir, "default.leases"))
    broker.wait_for_log('network "default": its leases were removed; its dnsmasq is started again')
    wait_for(lambda: host.processes("dnsmasq") not in ([], servers))
    machine = join("default")
    wait_for(lambda: machine.address in leases_of(broker))
    assert fault(broker) is None


def test_runtime_files_are_removed(broker, host, join):
    machine = join("default")
    for name in os.listdir(broker.runtime_dir):
        os.unlink(os.path.join(broker.runtime_dir, name))
    os.kill(*host.processes("dnsmasq"), signal.SIGKILL)
    machine.dhcp()
    assert machine.ping(SERVER_IPV4)


def test_what_cannot_be_removed_is_told(broker):
    client = broker.client()
    client.acquire("default")
    record = os.path.join(broker.runtime_dir, "default.json")

    def is_in_the_way():
        os.unlink(record)
        try:
            os.mkdir(record)
        except FileExistsError:
            return False  # it has just been written again
        return True

    wait_for(is_in_the_way)
    client.release("default")
    broker.wait_for_log('"default": removed')
    told = broker.log().count(f"not all of it can be removed: record in {broker.runtime_dir}")
    assert told == 1
    os.rmdir(record)
    broker.wait_until_clean()


# The broker's own means


def test_the_broker_is_out_of_descriptors(broker):
    client = broker.client()
    subnet = client.acquire("default")["ipv4Subnet"]
    client.release("default")
    broker.wait_for_log('"default": removed')
    client.acquire("host")
    before = resource.prlimit(broker.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(broker.pid, resource.RLIMIT_NOFILE, (3, before[1]))
    with pytest.raises(VarlinkError, match="Too many open files"):
        client.acquire("default")
    with pytest.raises(VarlinkError, match="Too many open files"):
        client.attach("host")
    assert client.networks()["host"]["active"]
    resource.prlimit(broker.pid, resource.RLIMIT_NOFILE, before)
    assert client.acquire("default")["ipv4Subnet"] == subnet
    client.attach("host").close()


def test_a_dnsmasq_that_cannot_be_watched(broker, host, join):
    machine = join("default")
    client = machine.client
    limit = resource.prlimit(broker.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(broker.pid, resource.RLIMIT_NOFILE, (3, limit[1]))
    host.ip("link set vmb-default down")
    expected = "its dnsmasq and leases cannot be watched: Too many open files; "
    wait_for(lambda: client.inspect("default").get("fault", "").startswith(expected), 20)
    resource.prlimit(broker.pid, resource.RLIMIT_NOFILE, limit)
    wait_until_whole(broker)
    os.kill(*host.processes("dnsmasq"), signal.SIGKILL)
    machine.dhcp()


def test_nftables_is_killed(broker):
    client = broker.client()
    client.acquire("default")
    before = children(broker.pid)
    forker = before[FORKER]
    for runner in children(forker):
        with contextlib.suppress(ProcessLookupError):  # it ends when it has nothing to do
            os.kill(runner, signal.SIGKILL)
    wait_for(lambda: not children(forker), what="the end of libnftables' process")
    client.acquire("host")
    assert children(broker.pid) == before


def test_nftables_hangs(broker, host, directory):
    """It is killed; who has asked for the network is told, and nobody else notices."""
    path = os.path.join(directory, "hang")
    broker.stop()
    broker.prefix = ["env", f"LD_PRELOAD={host.program('tests/tools/hang.so')}", f"HANG={path}"]
    broker.env = {"ASAN_OPTIONS": "verify_asan_link_order=0"}
    broker.start()
    with open(path, "w", encoding="ascii"):
        client, other = broker.client(timeout=30), broker.client()
    client.send("Acquire", {"network": "host"})
    wait_for(lambda: not os.path.exists(path), what="the start of libnftables")
    assert set(other.networks()) == {"default", "host"}
    with pytest.raises(VarlinkError, match="nftables has ended"):
        client.receive()
    broker.wait_until_clean()
    client.acquire("host")


def is_reading_a_pipe(pid):
    with open(f"/proc/{pid}/stack", encoding="ascii") as file:
        return "pipe_read" in file.read()


DNS_ALONE = {"default": {"mode": "shared", "dhcp": False, "router_advertisement": False}}


@pytest.mark.parametrize(
    "killed",
    [
        pytest.param(False, id="goes on"),
        pytest.param(True, id="killed"),
        # Its dnsmasq needs no capability, and would go on without what it asks for.
        pytest.param(True, id="killed, DNS alone", marks=pytest.mark.broker(config=DNS_ALONE)),
    ],
)
def test_nothing_is_served_before_the_rules_are_there(broker, host, killed):
    """dnsmasq is ready by then, and neither serves without them nor outlives the broker."""
    broker.wait_for_log("serving")
    forker = children(broker.pid)[FORKER]
    wait_for(lambda: not children(forker), what="the end of libnftables' process")
    os.kill(forker, signal.SIGSTOP)
    client = broker.client(timeout=30)
    client.send("Acquire", {"network": "default"})
    (server,) = wait_for(lambda: host.processes("dnsmasq"), what="dnsmasq's start")
    wait_for(lambda: is_reading_a_pipe(server), what="dnsmasq's sockets")
    with Resolver(host, host.device("vmb-default")["addr_info"][0]["local"]) as resolver:
        with pytest.raises(AssertionError, match="no answer"):
            resolver.resolve("gateway", tries=1)
        if killed:
            broker.kill()
            wait_for(lambda: not host.processes("dnsmasq"), what="dnsmasq's end")
            broker.start()
            return
        os.kill(forker, signal.SIGCONT)
        assert flat(client.receive())["active"]
        assert host.processes("dnsmasq") == [server]
        assert resolver.resolve("gateway")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("helper, does", [(STARTER, "starts dnsmasq"), (FORKER, "runs nftables")])
def test_a_process_that_it_needs_fails(broker, join, number, helper, does):
    """Nothing can be done without it, but to begin anew; machines do not notice."""
    machine = join("default")
    pid = children(broker.pid)[helper]
    wait_for(lambda: helper == STARTER or not children(pid), what="the end of libnftables' process")
    os.kill(pid, number)
    with contextlib.suppress(EOFError, ConnectionError), broker.client(timeout=30) as client:
        client.acquire("host")
    wait_for(lambda: not broker.is_running(), what="the broker's end")
    assert f"the process that {does} has ended or hangs" in broker.log()
    if number == signal.SIGSTOP and helper == STARTER:
        os.kill(pid, signal.SIGCONT)
    broker.start()
    broker.wait_for_log('"default": adopted')
    assert machine.ping(SERVER_IPV4)
    broker.client().acquire("host")


def test_the_process_that_looks_up_users_is_killed(broker):
    broker.wait_for_log("serving")
    os.kill(children(broker.pid)[ACCOUNTS], signal.SIGKILL)
    broker.configure({"host": {"mode": "host", "allow": {"users": ["root"]}}})
    client = broker.client()
    for _ in range(2):
        with pytest.raises(VarlinkError, match="InvalidConfiguration.*cannot be looked up"):
            client.call("Reload")
    assert "users and groups has ended; restart the broker" in broker.log()
    broker.configure({"host": {"mode": "host", "allow": {"users": [1000]}}})
    client.call("Reload")
    assert broker.client(uid=1000).acquire("host")["active"]


@pytest.mark.parametrize("helper", [STARTER, ACCOUNTS, FORKER])
def test_the_broker_ends_beside_a_process_that_is_stopped(broker, helper):
    broker.wait_for_log("serving")
    pid = children(broker.pid)[helper]
    os.kill(pid, signal.SIGSTOP)
    broker.stop()
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


# Time


def test_nothing_asks_for_the_time_of_day(broker):
    """A clock that is stepped is nothing to a program that does not look at it."""
    symbols = broker.host.run("nm", "--dynamic", "--undefined-only", broker.host.program(
        "broker/vmnet-broker")).stdout
    assert "clock_gettime" in symbols
    assert not re.search(r"\b(time|gettimeofday|ftime|timespec_get)\b(?!_)", symbols)


def test_nothing_waits_for_a_time_of_day(broker, join):
    join("default")
    folder = f"/proc/{broker.pid}/fdinfo"
    clocks = set()
    for name in os.listdir(folder):
        with contextlib.suppress(OSError), open(f"{folder}/{name}", encoding="ascii") as file:
            clocks.update(re.findall(r"^clockid: (\d+)$", file.read(), re.MULTILINE))
    assert clocks == {str(time.CLOCK_MONOTONIC)}


def test_suspend_and_resume(broker, host, join):
    machine, other = join("default"), join("host")
    everything = [*host.processes(), *machine.processes(), *other.processes()]
    for pid in everything:
        os.kill(pid, signal.SIGSTOP)
    try:
        pass_time(SUSPENDED_SECONDS)
    finally:
        for pid in everything:
            os.kill(pid, signal.SIGCONT)
    servers = host.processes("dnsmasq")
    assert machine.ping(SERVER_IPV4)
    assert other.ping(other.address)
    machine.dhcp()
    assert host.processes("dnsmasq") == servers
    wait_until_whole(broker)

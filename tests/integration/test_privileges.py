# SPDX-License-Identifier: Apache-2.0
"""What the broker may still do once it serves."""

import contextlib
import ctypes
import os
import re
import resource
import shutil
import signal
import socket

import pytest

from support.broker import Broker
from support.host import UPLINK, descriptors
from support.processes import children, is_waiting, socket_of
from support.varlink import VarlinkError
from support.wait import wait_for

SERVICE_UID = 29001
DNSMASQ_UID = 29002
USED_UP_UID = 29003
LIBC = ctypes.CDLL(None)
CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_NET_RAW = 10, 12, 13
OF_BROKER = 1 << CAP_NET_ADMIN
OF_STARTER = 1 << CAP_NET_BIND_SERVICE | 1 << CAP_NET_RAW
USERS = {"vmnet-broker": SERVICE_UID, "vmnet-dnsmasq": DNSMASQ_UID}


def status(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def capabilities(pid, *names):
    """Which it has, and can get: all of the same set."""
    (found,) = {int(status(pid)[name], 16) for name in names or ("CapPrm", "CapEff", "CapBnd")}
    return found


def are_all_threads_filtered(pid):
    threads = os.listdir(f"/proc/{pid}/task")
    return {status(f"{pid}/task/{thread}")["Seccomp"] for thread in threads} == {"2"}


def helpers(broker):
    """What starts dnsmasq, what looks up users, and what makes those that run libnftables."""
    starter, accounts, forker = children(broker.pid)
    # Until it waits to be asked it gives up what it does not need.
    wait_for(lambda: is_waiting(accounts, "recv"), what="a process that is ready")
    return starter, accounts, forker


def ids(pid, name="Uid"):
    return set(map(int, status(pid)[name].split()))


def sockets_and_devices(pid):
    names = descriptors(pid)
    return {name for name in names if name.startswith("socket:") or name == "/dev/net/tun"}


def dnsmasq(broker):
    (pid,) = broker.host.processes("dnsmasq")
    return pid


def install_users(host, users=USERS):
    """As systemd-sysusers does."""
    lines = {
        "/etc/passwd": [f"{name}:x:{uid}:{uid}::/:/bin/false" for name, uid in users.items()],
        "/etc/group": [f"{name}:x:{uid}:" for name, uid in users.items()],
    }
    for path, added in lines.items():
        copy = os.path.join(host.directory, os.path.basename(path))
        with open(path, encoding="utf-8") as system, open(copy, "w", encoding="utf-8") as file:
            file.write(system.read() + "\n".join([*added, ""]))
        host.run("mount", "--bind", copy, path)


@pytest.fixture
def service_broker(host):
    """A broker on a host where the service was installed, and only root may open /dev/net/tun."""
    install_users(host)
    host.run("chmod", "600", "/dev/net/tun")
    broker = Broker(host, prefix=["setpriv", "--groups=0,4,6"])
    broker.start()
    broker.wait_for_log("serving$")
    yield broker
    broker.finish()


@pytest.fixture
def without_inotify(host):
    """A user for dnsmasq, who has all that the kernel lets one have of inotify."""
    install_users(host, {**USERS, "vmnet-dnsmasq": USED_UP_UID})
    ready, taken = os.pipe()
    pid = os.fork()
    if pid == 0:
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        os.setresuid(USED_UP_UID, USED_UP_UID, USED_UP_UID)
        while LIBC.inotify_init1(0) >= 0:
            pass
        os.write(taken, b"x")
        signal.pause()
        os._exit(1)
    os.read(ready, 1)
    yield
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(ready)
    os.close(taken)


@pytest.mark.usefixtures("without_inotify")
def test_inotify_is_used_up(broker):
    """A dnsmasq asks the host's resolvers, and needs none: there are fewer than networks."""
    assert broker.client().acquire("default")["active"]
    assert broker.inspect("default").get("fault") is None


def test_the_service_user_has_one_capability(service_broker):
    starter, accounts, forker = helpers(service_broker)
    for pid in service_broker.pid, forker:
        assert ids(pid) == ids(pid, "Gid") == {SERVICE_UID}
        assert ids(pid, "Groups") == {SERVICE_UID, DNSMASQ_UID}
        assert capabilities(pid) == OF_BROKER
        assert capabilities(pid, "CapInh", "CapAmb") == 0
    assert ids(starter) == ids(starter, "Gid") == ids(starter, "Groups") == {DNSMASQ_UID}
    assert capabilities(starter) == OF_STARTER
    assert capabilities(accounts, "CapPrm", "CapEff", "CapInh", "CapAmb") == 0
    assert status(accounts)["NoNewPrivs"] == "1"  # what it is bound to it cannot get
    for pid in service_broker.pid, starter, forker:
        assert status(pid)["NoNewPrivs"] == "1"
        assert are_all_threads_filtered(pid)


def test_others_of_its_user_cannot_look_into_it(service_broker):
    """Nor into the processes that it has started."""
    service_broker.client().acquire("default")
    processes = [service_broker.pid, *helpers(service_broker), dnsmasq(service_broker)]
    for pid in processes:
        uid = ids(pid).pop()
        for name in "mem", "environ":
            done = service_broker.host.run("cat", f"/proc/{pid}/{name}", uid=uid, check=False)
            assert "Permission denied" in done.stderr


def unit(build, name):
    """The settings of a unit, each as a line."""
    with open(os.path.join(build, f"data/{name}.service"), encoding="utf-8") as file:
        return set(file.read().splitlines())


@pytest.mark.parametrize(
    "name, user, needed",
    [
        ("vmnet-broker", "vmnet-broker", "CAP_NET_ADMIN"),
        ("vmnet-broker-dnsmasq", "vmnet-dnsmasq", "CAP_NET_BIND_SERVICE CAP_NET_RAW"),
    ],
)
def test_the_units_give_the_same(build, name, user, needed):
    assert {
        f"User={user}",
        f"AmbientCapabilities={needed}",
        f"CapabilityBoundingSet={needed}",
        "NoNewPrivileges=yes",
    } <= unit(build, name)
    assert user in USERS


def test_the_second_unit_stops_neither_the_broker_nor_itself_for_good(build):
    """Its socket may be stopped while the broker serves, and it may start any number of times."""
    broker = unit(build, "vmnet-broker")
    assert "Wants=vmnet-broker-dnsmasq.socket" in broker
    assert "Requires=vmnet-broker.socket" in broker
    assert "StartLimitIntervalSec=0" in unit(build, "vmnet-broker-dnsmasq")


def does_all_there_is_to_do(broker):
    client = broker.client(uid=1001)
    client.acquire("default")
    server = dnsmasq(broker)
    assert ids(server) == {DNSMASQ_UID}
    assert capabilities(server, "CapPrm", "CapEff", "CapInh", "CapAmb") == 0
    with client.attach("default") as attachment:
        assert attachment.tap_fds
    named = client.attach("default", openByName=True)
    assert named.name in broker.host.links()
    os.kill(server, signal.SIGKILL)
    wait_for(lambda: broker.host.processes("dnsmasq") not in ([], [server]))


def test_the_service_user_does_all_there_is_to_do(service_broker):
    does_all_there_is_to_do(service_broker)


def install_program(build, path):
    """As a package does: another file, of the same name."""
    copied = shutil.copy(os.path.join(build, "broker/vmnet-broker-dnsmasq"), f"{path}.new")
    os.rename(copied, path)


def becomes_what_is_installed(broker, service, build, path):
    """For the next broker, which has a server to start."""

    def starts_one():
        (server,) = broker.host.processes("dnsmasq")
        broker.kill()
        with contextlib.suppress(ProcessLookupError):  # one that has no leave to serve has ended
            os.kill(server, signal.SIGKILL)
        broker.start()
        broker.client().acquire("default")
        wait_for(lambda: broker.host.processes("dnsmasq") not in ([], [server]))
        return os.stat(f"/proc/{service.pid}/exe")

    install_program(build, path)
    assert os.path.samestat(starts_one(), os.stat(path))
    os.unlink(path)  # its end would leave dnsmasqs over
    starts_one()
    assert os.readlink(f"/proc/{service.pid}/exe") == f"{path} (deleted)"
    install_program(build, path)
    with open(path, "ab"):  # it cannot be run yet
        assert not os.path.samestat(starts_one(), os.stat(path))
    assert os.path.samestat(starts_one(), os.stat(path))


def test_two_services_do_the_same(host, build):
    """As under systemd, where what starts dnsmasq is a service of its own."""
    install_users(host)
    prefixes = [
        ["setpriv", f"--reuid={uid}", f"--regid={uid}", f"--groups={DNSMASQ_UID}"]
        + [f"--{kind}=-all,{needed}" for kind in ("inh-caps", "ambient-caps", "bounding-set")]
        for uid, needed in (
            (SERVICE_UID, "+net_admin"),
            (DNSMASQ_UID, "+net_bind_service,+net_raw"),
        )
    ]
    broker = Broker(host, prefix=prefixes[0])
    for path in broker.directory, broker.state_dir, broker.runtime_dir:
        os.chown(path, SERVICE_UID, SERVICE_UID)
    broker.start(wait=False)
    assert broker.process.wait(timeout=10) == 1
    socket_path = os.path.join(broker.directory, "run", "dnsmasq.socket")
    program = os.path.join(broker.directory, "vmnet-broker-dnsmasq")
    install_program(build, program)
    os.symlink(host.program("broker/vmnet-dnsmasq.so"), f"{broker.directory}/vmnet-dnsmasq.so")
    broker.wait_for_log(f"{socket_path}: No such file.*; start the broker by systemd, or as root")

    def start_service():
        service = host.popen(
            "systemd-socket-activate",
            "--seqpacket",
            f"--listen={socket_path}",
            *prefixes[1],
            program,
        )
        wait_for(lambda: os.path.exists(socket_path))
        os.chown(socket_path, SERVICE_UID, SERVICE_UID)
        return service

    starter = start_service()
    broker.start()
    does_all_there_is_to_do(broker)
    becomes_what_is_installed(broker, starter, build, program)
    # Whose they are not, what others of its user may look at.
    (serving,) = children(starter.pid)
    assert are_all_threads_filtered(serving)
    for pid in broker.pid, starter.pid, serving, *host.processes("dnsmasq"):
        wait_for(lambda: os.stat(f"/proc/{pid}/mem").st_uid == 0)
    starter.kill()
    starter.wait()
    with pytest.raises(VarlinkError) as error:
        broker.client().acquire("host")
    assert re.search(
        r'refused \("systemctl start vmnet-broker-dnsmasq\.socket" mends it\)$',
        error.value.parameters["reason"],
    )
    os.unlink(socket_path)
    (server,) = host.processes("dnsmasq")  # it runs on
    starter = start_service()
    os.kill(server, signal.SIGKILL)
    wait_for(lambda: host.processes("dnsmasq") not in ([], [server]))
    # It hangs: its late answers are not taken for others.
    (serving,) = children(starter.pid)
    os.kill(serving, signal.SIGSTOP)
    with pytest.raises(VarlinkError):
        broker.client(timeout=60).acquire("host")
    os.kill(serving, signal.SIGCONT)
    broker.client().acquire("host")
    with open(f"{broker.runtime_dir}/host.dnsmasq.pid", encoding="ascii") as file:
        assert int(file.read()) in host.processes("dnsmasq")
    assert len(host.processes("dnsmasq")) == 2
    # It has ended, and is started again: what is no longer wanted ends all the same.
    starter.kill()
    starter.wait()
    os.unlink(socket_path)
    starter = start_service()
    broker.close_clients()
    wait_for(lambda: not host.processes("dnsmasq"), what="its end")
    starter.kill()
    starter.wait()
    broker.check_clean = False
    broker.finish()


def test_what_a_broker_of_root_left_is_the_service_users(service_broker):
    service_broker.client().acquire("default")
    service_broker.close_clients()
    service_broker.stop()
    for name in os.listdir(service_broker.state_dir):
        os.chown(os.path.join(service_broker.state_dir, name), 0, 0)
    service_broker.start()
    service_broker.client().acquire("default")
    owners = {
        os.stat(os.path.join(service_broker.state_dir, name)).st_uid
        for name in os.listdir(service_broker.state_dir)
    }
    assert owners == {SERVICE_UID}


def test_without_a_service_user_root_has_little_left(broker):
    client = broker.client()
    client.acquire("default")  # it serves: the filter is set, too
    assert capabilities(broker.pid) == OF_BROKER
    server = dnsmasq(broker)
    assert 0 not in ids(server) | ids(server, "Groups")
    assert capabilities(server, "CapPrm", "CapEff", "CapInh", "CapAmb") == 0
    assert are_all_threads_filtered(broker.pid)


def test_what_it_starts_has_no_descriptors_of_others(broker):
    """Nor has it the calls that the broker has not."""
    client = broker.client(uid=1001)
    client.acquire("default")
    with client.attach("default"):
        brokers = sockets_and_devices(broker.pid)
        assert brokers
        _, accounts, forker = helpers(broker)
        for pid in *helpers(broker), dnsmasq(broker):
            assert not sockets_and_devices(pid) & {*brokers, "/dev/net/tun"}
        for pid in forker, dnsmasq(broker):
            assert are_all_threads_filtered(pid)
        # Modules of others' run there: they may make any call, with nothing behind it.
        assert int(status(accounts)["CapPrm"], 16) == 0


@pytest.mark.parametrize("installed", [True, False])
def test_what_a_dnsmasq_that_was_taken_over_may_do(host, directory, installed):
    """A stand-in tries: it may write its leases, and that is all."""
    if installed:
        install_users(host)
    broker = Broker(host, config={name: {"mode": "host"} for name in ("lab", "other")})
    broker.prefix = ["env", f"PATH={directory}:/usr/sbin:/usr/bin:/sbin:/bin"]
    broker.start()
    broker.client().acquire("other")
    os.symlink(os.path.join(host.build, "tests/tools/lesser"), os.path.join(directory, "dnsmasq"))
    with broker.client() as client, pytest.raises(VarlinkError) as error:
        client.acquire("lab")
    assert re.search(r"may: lab\.leases;$", error.value.parameters["reason"].strip())
    broker.finish()


def test_a_dnsmasq_that_was_taken_over_is_no_router_outside(service_broker):
    """With the socket by which it is one on its own network."""
    host = service_broker.host
    client = service_broker.client()
    client.acquire("default")
    (bridge,) = (name for name in host.links() if name.startswith("vmb-"))
    advertisement = bytes.fromhex("86000000 40000708 00000000 00000000")
    of_icmpv6 = socket_of(dnsmasq(service_broker), socket.AF_INET6, socket.SOCK_RAW)
    with client.attach("default"), of_icmpv6 as taken:
        with host.entered():
            outside, inside = map(socket.if_nametoindex, (UPLINK, bridge))
        taken.sendto(advertisement, ("ff02::1", 0, 0, inside))
        with pytest.raises(PermissionError):
            taken.sendto(advertisement, ("ff02::1", 0, 0, outside))


def test_what_starts_dnsmasq_has_not_what_it_needs(host):
    """As in a container: a broker that could make no network does not say that it serves."""
    broker = Broker(host, prefix=["setpriv", "--bounding-set=-net_bind_service"])
    broker.start(wait=False)
    assert broker.process.wait(timeout=30) == 1
    assert "cannot make the process that starts dnsmasq" in broker.log()
    broker.prefix = []
    broker.finish()


def test_a_forbidden_system_call_ends_the_broker_and_is_named(host):
    module = os.path.join(host.build, "tests/tools/forbidden.so")
    options = os.environ.get("ASAN_OPTIONS", "")
    broker = Broker(host)
    broker.env = {
        "LD_PRELOAD": module,
        "ASAN_OPTIONS": f"{options}:verify_asan_link_order=0:detect_leaks=0",
    }
    broker.start(wait=False)

    def has_ended():
        with contextlib.suppress(OSError):
            broker.client()
        return not broker.is_running()

    wait_for(has_ended, what=lambda: f"the broker's end\n{broker.log()}")
    assert re.search(r"a system call outside of the filter: swapoff \(\d+\)", broker.log())
    broker.env = {}
    broker.start()
    broker.finish()

# SPDX-License-Identifier: Apache-2.0
"""The protocol, as its interface file says and as varlink.org does, with the real broker."""

import fcntl
import glob
import json
import os
import shutil
import struct
import subprocess
import time

import pytest

from support.varlink import INTERFACE, METRICS, VarlinkError, flat
from support.wait import wait_for

INTERFACE_FILE = os.path.join(
    os.path.dirname(__file__), "../../data/com.github.nirs.vmnetbroker.varlink"
)
TUNGETIFF = 0x800454D2
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR, IFF_MULTI_QUEUE = 0x0002, 0x1000, 0x4000, 0x0100
USER, FRIEND, STRANGER = 12345, 12346, 12347
GROUP = 54321

CONFIG = {
    "lab": {"mode": "host", "description": "The lab", "aliases": ["labor"]},
    "other": {"mode": "host"},
    "closed": {"mode": "host", "allow": {"users": [str(USER)], "groups": [str(GROUP)]}},
    "small": {"mode": "host", "max_interfaces": 1},
}

pytestmark = pytest.mark.broker(config=CONFIG)


def error_of(call, *arguments, **keywords):
    with pytest.raises(VarlinkError) as caught:
        call(*arguments, **keywords)
    return caught.value


def monitor(broker, **user):
    client = broker.client(**user)
    client.monitor()
    return client


def events_until(client, last):
    """The events up to the first of this type, as (type, network)."""
    events = []
    while not events or events[-1][0] != last:
        event = client.next_event()
        events.append((event["type"], event["network"]))
    return events


def test_the_service_describes_itself(broker):
    client = broker.client(uid=USER)
    info = client.call("org.varlink.service.GetInfo")
    assert info["product"] == "vmnet-broker"
    assert info["interfaces"] == ["org.varlink.service", INTERFACE, METRICS]
    for interface in info["interfaces"]:
        reply = client.call("org.varlink.service.GetInterfaceDescription", interface=interface)
        path = os.path.join(os.path.dirname(INTERFACE_FILE), f"{interface}.varlink")
        with open(path, encoding="utf-8") as file:
            assert reply["description"] == file.read()


def test_acquire_tells_what_the_network_is(broker, host):
    client = broker.client(uid=USER)
    network = client.acquire("labor")
    assert network["name"] == "lab"
    assert network["mode"] == "host"
    assert network["description"] == "The lab"
    assert network["active"] is True
    assert network["clients"] == 1
    assert network["interfaces"] == 0
    assert network["mtu"] == 1500
    assert network["changed"] is False
    addresses = json.loads(host.ip(f"-j -4 address show dev {network['bridge']}"))
    (address,) = addresses[0]["addr_info"]
    assert network["ipv4Gateway"] == address["local"]
    assert network["ipv4Subnet"].endswith(f"/{address['prefixlen']}")
    assert client.networks()["lab"] == network
    assert client.inspect("lab")["network"] == network


def test_a_second_acquire_takes_no_second_hold(broker):
    client = broker.client(uid=USER)
    assert client.acquire("lab") == client.acquire("lab")
    assert client.networks()["lab"]["clients"] == 1
    assert client.release("lab") == {}
    assert error_of(client.release, "lab").name == "NotAcquired"


def test_inspect_tells_who_holds_a_network(broker):
    first, second = broker.client(uid=USER), broker.client(uid=FRIEND)
    first.acquire("lab")
    second.acquire("lab")
    inspection = broker.client(uid=STRANGER).inspect("lab")
    assert sorted(client["uid"] for client in inspection["clients"]) == [USER, FRIEND]
    assert {client["pid"] for client in inspection["clients"]} == {os.getpid()}
    with open("/proc/self/comm", encoding="ascii") as file:
        command = file.read().strip()
    assert {client["command"] for client in inspection["clients"]} == {command}
    assert inspection["interfaces"] == []
    assert inspection["leases"] == []
    assert inspection.get("fault") is None


def test_who_is_not_allowed_is_told_who_is(broker):
    error = error_of(broker.client(uid=STRANGER).acquire, "closed")
    assert error.name == "NotAllowed"
    assert error.parameters == {
        "network": "closed",
        "reason": 'network "closed" may be acquired only by user "12345", group "54321" and root',
    }
    for user in {"uid": USER}, {"uid": STRANGER, "groups": [GROUP]}, {"uid": 0}:
        assert broker.client(**user).acquire("closed")["name"] == "closed"
    assert "closed" in broker.client(uid=USER).networks()
    assert "closed" not in broker.client(uid=STRANGER).networks()
    assert error_of(broker.client(uid=STRANGER).inspect, "closed").name == "NotAllowed"


def test_errors(broker):
    client = broker.client(uid=USER)
    error = error_of(client.acquire, "lost")
    assert error.name == "NetworkNotFound"
    assert error.parameters["network"] == "lost"
    assert '"vmnetctl networks"' in error.parameters["reason"]
    assert error_of(client.attach, "lab").name == "NotAcquired"
    assert error_of(client.release, "lab").name == "NotAcquired"
    client.acquire("small")
    attachment = client.attach("small", macAddress="52:54:00:12:34:56")
    error = error_of(client.attach, "small")
    assert (error.name, error.parameters["limit"]) == ("LimitExceeded", "max_interfaces")
    client.acquire("lab")
    with client.attach("lab", macAddress="52:54:00:12:34:56") as other:
        error = error_of(client.attach, "lab", macAddress="52:54:00:12:34:56")
        assert (error.name, error.parameters["parameter"]) == ("ParameterRefused", "macAddress")
        assert "52:54:00:12:34:56" in error.parameters["reason"]
        assert other.mac_address == attachment.mac_address
    attachment.close()


@pytest.mark.parametrize(
    "method, parameters, wrong",
    [
        ("Acquire", {}, "network"),
        ("Acquire", {"network": 7}, "network"),
        ("Acquire", {"network": "$(reboot)"}, "network"),
        ("Acquire", {"network": "../../etc/passwd"}, "network"),
        ("Acquire", {"network": "lab\n}"}, "network"),
        ("Acquire", {"network": "lab", "force": True}, "force"),
        ("Attach", {"network": "lab", "macAddress": "01:00:5e:00:00:01"}, "macAddress"),
        ("Attach", {"network": "lab", "macAddress": "52:54:00:12:34:56 "}, "macAddress"),
        ("Attach", {"network": "lab", "queues": 17}, "queues"),
        ("Attach", {"network": "lab", "queues": 2**62}, "queues"),
        ("Attach", {"network": "lab", "vhost": "true"}, "vhost"),
        ("Attach", {"network": "lab", "name": "web.lab"}, "name"),
        ("Attach", {"network": "lab", "ipv4Address": "10.0.0"}, "ipv4Address"),
        ("Attach", {"network": "lab", "portForwarding": [{"protocol": "tcp"}]}, "portForwarding"),
        ("Attach", {"network": "lab", "rateLimitOut": {"bitsPerSecond": 0}}, "rateLimitOut"),
    ],
)
def test_parameters_are_checked(broker, method, parameters, wrong):
    error = error_of(broker.client(uid=USER).call, method, parameters)
    assert error.error == "org.varlink.service.InvalidParameter"
    assert error.parameters == {"parameter": wrong}


def test_what_there_is_not(broker):
    client = broker.client(uid=USER)
    for method, name, parameters in (
        ("org.example.Call", "InterfaceNotFound", {"interface": "org.example"}),
        (f"{INTERFACE}.Call", "MethodNotFound", {"method": f"{INTERFACE}.Call"}),
    ):
        error = error_of(client.call, method)
        assert (error.error, error.parameters) == (f"org.varlink.service.{name}", parameters)
    assert error_of(client.call, "Monitor").error == "org.varlink.service.ExpectedMore"


def test_calls_of_one_connection_are_answered_in_order(broker):
    client = broker.client(uid=USER)
    client.send("Acquire", {"network": "lab"})
    client.send("Acquire", {"network": "other"})
    client.send("Attach", {"network": "lab"})
    client.send("Release", {"network": "lost"})
    client.send("Release", {"network": "other"})
    client.send("ListNetworks", more=True)
    assert flat(client.receive())["name"] == "lab"
    assert flat(client.receive())["name"] == "other"
    assert client.receive()["tapFileDescriptors"] == [0]
    assert len(client.fds) == 1
    os.close(client.fds.pop())
    assert error_of(client.receive).name == "NetworkNotFound"
    assert client.receive() == {}
    networks = {network["name"]: network for network in client.receive_networks()}
    assert networks["lab"]["active"]


def test_oneway_calls_have_no_reply(broker):
    client = broker.client(uid=USER)
    client.send("Acquire", {"network": "lab"}, oneway=True)
    client.send("Acquire", {"network": "lost"}, oneway=True)
    client.send("Attach", {"network": "lab"}, oneway=True)
    client.send("Nothing", oneway=True)
    network = client.networks()["lab"]
    assert network["clients"] == 1
    # An interface that nobody has the descriptors of goes by itself.
    wait_for(lambda: not client.inspect("lab")["interfaces"], what="the end of the interface")


def test_more_may_be_asked_of_any_method(broker):
    client = broker.client(uid=USER)
    client.send("DescribeNetwork", {"network": "lab"}, more=True)
    message, _ = client.receive_message()
    assert message["parameters"]["configuration"]["name"] == "lab"
    assert not message.get("continues", False)


def test_lists_have_one_object_a_reply(broker):
    client = broker.client(uid=USER)
    client.acquire("lab")
    for method in ("ListNetworks", "ListClients", "ListInterfaces", "ListLeases"):
        parameters = {} if method == "ListNetworks" else {"network": "lab"}
        error = error_of(client.call, method, parameters)
        assert error.error == "org.varlink.service.ExpectedMore"
    client.send("ListNetworks", more=True)
    names = []
    continues = True
    while continues:
        message, _ = client.receive_message()
        names.append(message["parameters"]["configuration"]["name"])
        continues = message.get("continues", False)
    assert names == sorted(CONFIG)
    client.send("ListInterfaces", {"network": "lab"}, more=True)
    assert client.receive_message()[0] == {"parameters": {}}
    error = error_of(client.list, "ListLeases", network="lost")
    assert error.name == "NetworkNotFound"


def metrics(client):
    """{(family, network): value}; network is None in totals."""
    return {
        (one["name"], one.get("object")): one["value"] for one in client.list(f"{METRICS}.List")
    }


def test_metrics_are_of_what_the_caller_may_know(broker):
    client = broker.client(uid=USER)
    client.acquire("lab")
    client.acquire("closed")
    families = client.list(f"{METRICS}.Describe")
    assert {family["type"] for family in families} == {"gauge"}
    assert all(family["description"] for family in families)
    with client.attach("lab"):
        of_user, of_stranger = metrics(client), metrics(broker.client(uid=STRANGER))
    assert {name for name, _ in of_user} == {family["name"] for family in families}
    networks = {network for _, network in of_user if network}
    assert networks == set(CONFIG)
    assert {network for _, network in of_stranger if network} == networks - {"closed"}
    for name, network, of_both in (
        ("ActiveNetworks", None, (2, 1)),
        ("Clients", None, (2, 1)),
        ("Interfaces", None, (1, 1)),
        ("Faults", None, (0, 0)),
        ("NetworkActive", "lab", (1, 1)),
        ("NetworkActive", "other", (0, 0)),
        ("NetworkClients", "lab", (1, 1)),
        ("NetworkInterfaces", "lab", (1, 1)),
        ("NetworkFaults", "lab", (0, 0)),
    ):
        key = (f"{INTERFACE}.{name}", network)
        assert (of_user[key], of_stranger[key]) == of_both, key
    assert error_of(client.call, f"{METRICS}.List").error == "org.varlink.service.ExpectedMore"


def test_metrics_of_many_networks_come_once(broker):
    """In several parts, each behind the last one's end."""
    broker.configure({f"net-{number:03}": {"mode": "host"} for number in range(300)})
    client = broker.client()
    assert client.call("Reload") == {}
    listed = [(one["name"], one.get("object", "")) for one in client.list(f"{METRICS}.List")]
    assert listed == sorted(set(listed))
    assert len(listed) == 4 * 300 + 4


def test_a_configuration_and_the_next_one(broker):
    client = broker.client(uid=USER)
    client.acquire("lab")
    before = client.call("DescribeNetwork", network="labor")
    assert before["configuration"]["aliases"] == ["labor"]
    assert (before["nextConfiguration"], before["removed"]) == (None, False)
    broker.configure({"lab": {**CONFIG["lab"], "mtu": 1400}, "other": {"mode": "host"}})
    assert broker.client().call("Reload") == {}
    described = client.call("DescribeNetwork", network="lab")
    assert described["configuration"] == before["configuration"]
    assert described["nextConfiguration"] == {**before["configuration"], "mtu": 1400}
    broker.configure({"other": {"mode": "host"}})
    assert broker.client().call("Reload") == {}
    described = client.call("DescribeNetwork", network="lab")
    assert (described["nextConfiguration"], described["removed"]) == (None, True)
    assert described["state"] == before["state"]


def test_an_interface_has_what_was_asked_for(broker):
    client = broker.client(uid=USER)
    client.acquire("lab")
    begun = time.time()
    with client.attach("lab", name="web", rateLimitIn={"bitsPerSecond": 10**7}) as attachment:
        (interface,) = client.inspect("lab")["interfaces"]
        assert interface == attachment.interface
        assert (interface["name"], interface["uid"]) == ("web", USER)
        assert interface["rateLimitIn"]["bitsPerSecond"] == 10**7
        assert begun <= interface["attachedTimestamp"] / 1e6 <= time.time()


def flags_of(fd):
    request = fcntl.ioctl(fd, TUNGETIFF, struct.pack("16sH22x", b"", 0))
    name, flags = struct.unpack("16sH22x", request)
    return name.rstrip(b"\0").decode(), flags


@pytest.mark.parametrize("queues", [None, 1, 4, 16])
def test_attach_passes_open_devices(broker, queues):
    client = broker.client(uid=USER)
    bridge = client.acquire("lab")["bridge"]
    events = monitor(broker, uid=USER)
    with client.attach("lab", queues=queues, macAddress="52:54:00:ab:cd:ef") as attachment:
        assert attachment.mac_address == "52:54:00:ab:cd:ef"
        assert attachment.mtu == 1500
        assert attachment.interface["vnetHeader"] is True
        assert len(attachment.tap_fds) == (queues or 1)
        assert attachment.vhost_fds == []
        for fd in attachment.tap_fds:
            name, flags = flags_of(fd)
            assert name == attachment.name
            expected = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR
            assert flags & expected == expected
            assert bool(flags & IFF_MULTI_QUEUE) == ((queues or 1) > 1)
        (interface,) = client.inspect("lab")["interfaces"]
        assert interface == attachment.interface
        assert broker.host.device(attachment.name)["master"] == bridge
    # The broker has kept no copy: the device goes with the client's.
    assert events_until(events, "interface_detached") == [
        ("interface_attached", "lab"),
        ("interface_detached", "lab"),
    ]
    assert client.inspect("lab")["interfaces"] == []


def test_an_interface_outlives_its_connection(broker):
    client = broker.client(uid=USER)
    client.acquire("lab")
    attachment = client.attach("lab")
    client.close()
    other = broker.client(uid=USER)
    network = other.networks()["lab"]
    assert (network["active"], network["interfaces"]) == (True, 1)
    attachment.close()
    wait_for(lambda: not other.networks()["lab"]["active"], what="the end of the network")


def test_generated_addresses_differ(broker):
    client = broker.client(uid=USER)
    client.acquire("lab")
    attachments = [client.attach("lab") for _ in range(20)]
    addresses = {attachment.mac_address for attachment in attachments}
    assert len(addresses) == 20
    for address in addresses:
        assert int(address[:2], 16) & 3 == 2  # locally administered, unicast
    for attachment in attachments:
        attachment.close()


def test_monitor_tells_a_network_s_life(broker):
    events = monitor(broker, uid=STRANGER)
    client = broker.client(uid=USER)
    client.acquire("lab")
    client.attach("lab").close()
    assert events_until(events, "interface_detached") == [
        ("network_created", "lab"),
        ("client_acquired", "lab"),
        ("interface_attached", "lab"),
        ("interface_detached", "lab"),
    ]
    client.close()
    assert events_until(events, "network_removed") == [
        ("client_released", "lab"),
        ("network_removed", "lab"),
    ]


def test_monitor_tells_only_what_one_may_know(broker):
    friend, stranger = monitor(broker, uid=USER), monitor(broker, uid=STRANGER)
    client = broker.client(uid=USER)
    client.acquire("closed")
    client.acquire("lab")
    created = "network_created"
    assert events_until(friend, created)[-1] == (created, "closed")
    assert events_until(stranger, created)[-1] == (created, "lab")


def test_reload(broker):
    root, user = broker.client(uid=0), broker.client(uid=USER)
    user.acquire("lab")
    error = error_of(user.call, "Reload")
    assert (error.name, error.parameters["network"]) == ("NotAllowed", "")
    broker.configure({"lab": {"mode": "host", "description": "Another"}, "new": {"mode": "host"}})
    assert root.call("Reload") == {}
    networks = user.networks()
    assert set(networks) == {"lab", "new"}
    assert networks["lab"]["description"] == "The lab"
    assert networks["lab"]["changed"] is True
    broker.configure('{ "lab": { "mode": "hots" } }')
    error = error_of(root.call, "Reload")
    assert error.name == "InvalidConfiguration"
    assert 'network "lab"' in error.parameters["reason"]
    assert set(user.networks()) == {"lab", "new"}


@pytest.fixture
def go_client(directory):
    """A program made with the Go generator for Varlink, from the interface file."""
    goroot = "/usr/share/gocode"
    if not shutil.which("go") or not glob.glob(f"{goroot}/src/github.com/varlink/go"):
        pytest.skip("needs Debian's golang and golang-github-varlink-go-dev")
    package = os.path.join(directory, "go/src/comgithubnirsvmnetbroker")
    os.makedirs(package)
    shutil.copy(INTERFACE_FILE, package)
    environment = {
        **os.environ,
        "GO111MODULE": "off",
        "GOFLAGS": "",
        "GOPATH": f"{directory}/go:{goroot}",
        "GOCACHE": f"{directory}/cache",
    }

    def run(*argv, cwd=directory):
        subprocess.run(argv, check=True, cwd=cwd, env=environment)

    generator = "github.com/varlink/go/cmd/varlink-go-interface-generator"
    run("go", "build", "-o", "generator", generator)
    run(f"{directory}/generator", os.path.basename(INTERFACE_FILE), cwd=package)
    shutil.copy(os.path.join(os.path.dirname(__file__), "client.go"), directory)
    run("go", "build", "-o", "client", "client.go")
    return os.path.join(directory, "client")


def test_an_independent_client(broker, go_client):
    done = broker.host.run(go_client, broker.socket_path, "lab", uid=USER)
    found = json.loads(done.stdout)
    assert found["Product"] == "vmnet-broker"
    assert INTERFACE in found["Interfaces"]
    with open(INTERFACE_FILE, encoding="utf-8") as file:
        assert found["Description"] == file.read()
    assert found["Networks"] == sorted(CONFIG)
    assert found["Acquired"]["clients"] == 1
    assert [client["uid"] for client in found["Clients"]] == [USER]
    assert found["Events"] == [
        "network_created",
        "client_acquired",
        "client_released",
        "network_removed",
    ]
    assert 'no network "lost" is configured' in found["NotFound"]
    assert found["NotAcquired"] == "lab"
    assert found["Refused"] == "queues"

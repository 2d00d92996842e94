# SPDX-License-Identifier: Apache-2.0
"""What an interface may send and get in the long run, by traffic.

More than that never passes, however loaded the host is; that it may be less there is no fault.
"""

import json
import socket

import pytest

from support.host import SERVER_IPV4
from support.rates import pour
from support.varlink import VarlinkError
from support.wait import wait_for

RATE, BURST = 16_000_000, 65536
LIMIT = {"bitsPerSecond": RATE, "burstBytes": BURST}
LIMITS = {"rateLimitIn": LIMIT, "rateLimitOut": LIMIT}
GATEWAY = "192.168.105.1"
CONFIG = {
    "lab": {"mode": "shared", "subnet": "192.168.105.0/24"},
    "slow": {
        "mode": "shared",
        "rate_limit_in": {"bits_per_second": RATE},
        "rate_limit_out": {"bits_per_second": RATE // 2, "burst_bytes": BURST},
    },
    "office": {"mode": "bridged", "external_interface": "br0"},
}

pytestmark = pytest.mark.broker(config=CONFIG)


def is_limited(sender, receiver, address, kind=socket.SOCK_STREAM, limit=RATE):
    """Whether no more came than what may pass at once, and then the rate."""
    received, seconds = pour(sender, receiver, address, kind)
    print(f"{received} bytes in {seconds:.2f} s, {limit / 1e6} Mbit/s")
    assert received > BURST / 4, "hardly anything passes"
    return received <= BURST + limit / 8 * seconds


def buckets(host, device):
    """The rates that a device is limited to, in bytes per second."""
    listing = json.loads(host.run("tc", "-j", "qdisc", "show", "dev", device).stdout)
    return [qdisc["options"]["rate"] for qdisc in listing if qdisc["kind"] == "tbf"]


def limiter(host, device):
    return f"vmtr-{host.device(device)['ifindex']}"


def is_whole(host, device):
    names = {device, limiter(host, device)}
    return names <= set(host.links()) and all(buckets(host, name) for name in names)


def device_of(broker, network, machine):
    (device,) = (
        interface["device"]
        for interface in broker.inspect(network)["interfaces"]
        if interface["macAddress"] == machine.mac_address
    )
    return device


@pytest.mark.parametrize("queues", [1, 2])
def test_what_is_asked_for(broker, host, outside, join, queues):
    machine = join("lab", queues=queues, **LIMITS)
    neighbour = join("lab")
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        assert is_limited(machine, host, GATEWAY, kind)
        assert is_limited(machine, outside, SERVER_IPV4, kind)
        assert is_limited(host, machine, machine.address, kind)
    assert is_limited(machine, neighbour, neighbour.address)
    assert is_limited(neighbour, machine, machine.address)
    assert not is_limited(neighbour, host, GATEWAY)
    assert not buckets(host, device_of(broker, "lab", neighbour))


def test_what_is_asked_for_stays(broker, host, outside, join):
    """Whoever takes it away, and whichever broker is there: for as long as the machine is."""
    machine = join("lab", **LIMITS)
    device = device_of(broker, "lab", machine)
    other = limiter(host, device)
    for command in (
        f"qdisc delete dev {device} root",
        f"qdisc delete dev {other} root",
        f"qdisc replace dev {other} root pfifo",
    ):
        host.run("tc", *command.split())
        wait_for(lambda: is_whole(host, device), what=command)
    host.ip(f"link delete {other}")
    wait_for(lambda: is_whole(host, device))
    assert is_limited(machine, outside, SERVER_IPV4)
    broker.kill()
    assert is_limited(machine, outside, SERVER_IPV4)
    host.run("tc", "qdisc", "delete", "dev", device, "root")
    host.ip(f"link delete {other}")
    broker.start()
    wait_for(lambda: is_whole(host, device))
    (interface,) = broker.inspect("lab")["interfaces"]
    assert (interface["rateLimitIn"], interface["rateLimitOut"]) == (LIMIT, LIMIT)
    assert is_limited(machine, outside, SERVER_IPV4)
    assert is_limited(host, machine, machine.address)
    machine.kill()
    wait_for(lambda: other not in host.links())


def test_one_that_ends_without_a_broker(broker, host, join):
    machine, neighbour = join("lab", **LIMITS), join("lab", **LIMITS)
    other = limiter(host, device_of(broker, "lab", machine))
    stays = device_of(broker, "lab", neighbour)
    broker.kill()
    machine.kill()
    assert other in host.links()
    broker.start()
    wait_for(lambda: other not in host.links())
    assert is_whole(host, stays)


def test_a_network_s_own(broker, host, outside, join):
    machine = join("slow")
    device = device_of(broker, "slow", machine)
    (interface,) = broker.inspect("slow")["interfaces"]
    assert interface["rateLimitIn"] == {"bitsPerSecond": RATE, "burstBytes": RATE // 8 // 20}
    assert interface["rateLimitOut"] == {"bitsPerSecond": RATE // 2, "burstBytes": BURST}
    assert buckets(host, device) == [RATE // 8]
    assert buckets(host, limiter(host, device)) == [RATE // 16]
    assert is_limited(machine, outside, SERVER_IPV4, limit=RATE // 2)
    # What it asks for counts, and what it does not ask for is the network's.
    fast = join("slow", rateLimitOut={"bitsPerSecond": 10 * RATE})
    device = device_of(broker, "slow", fast)
    assert buckets(host, device) == [RATE // 8]
    assert buckets(host, limiter(host, device)) == [10 * RATE // 8]


def test_of_a_bridge_of_the_host(broker, host, plug_in):
    broker.check_clean = False  # the bridge stays
    host.ip("link add br0 type bridge")
    host.ip("address add 10.77.0.1/24 dev br0")
    host.ip("link set br0 up")
    machine = plug_in("office", **LIMITS)
    machine.ip("address add 10.77.0.2/24 dev eth0")
    assert is_limited(machine, host, "10.77.0.1")
    assert is_limited(host, machine, "10.77.0.2")


@pytest.mark.parametrize("parameter", ["rateLimitIn", "rateLimitOut"])
@pytest.mark.parametrize(
    "limit",
    [
        {"bitsPerSecond": 999},
        {"bitsPerSecond": 10**12 + 1},
        {"bitsPerSecond": RATE, "burstBytes": 65535},
        {"bitsPerSecond": RATE, "burstBytes": (1 << 26) + 1},
    ],
)
def test_what_cannot_be_kept(broker, parameter, limit):
    client = broker.client()
    client.acquire("lab")
    with pytest.raises(VarlinkError) as caught:
        client.attach("lab", **{parameter: limit})
    assert caught.value.name == "ParameterRefused"
    assert caught.value.parameters["parameter"] == parameter
    assert caught.value.parameters["reason"] == (
        "a rate can be limited to between 1000 and 1000000000000 bits per second, with bursts of "
        "65536 to 67108864 bytes"
    )

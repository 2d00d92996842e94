# SPDX-License-Identifier: Apache-2.0
"""A network that is on several hosts: how one finds itself, and what it and its machines have."""

import os

import pytest

from support.host import HOST_IPV4, HOST_IPV6, OUTSIDE_IPV4, OUTSIDE_IPV6
from support.varlink import VarlinkError

ELSEWHERE = "192.0.2.9"  # by way of the outside
LOOPBACK = "192.0.2.1"
GATEWAY_MAC = "76:6d:0a:50:00:01"


def lab(own=HOST_IPV4, other=OUTSIDE_IPV4, **more):
    hosts = [
        {"name": "b", "address": other, "pool": "10.80.2.0/24"},
        {"name": "a", "address": own, "pool": "10.80.1.0/29"},
    ]
    return {
        "lab": {
            "mode": "host",
            "subnet": "10.80.0.0/16",
            "ipv6_prefix": "fd80:0:0:1::/64",
            "vxlan": {"vni": 4711, "control": "static", "hosts": hosts},
            **more,
        }
    }


def make(broker, config):
    """The network's state; it is gone again, and the host as it was."""
    broker.before = broker.host.snapshot([broker.pid])
    broker.configure(config)
    client = broker.client()
    client.call("Reload")
    state = client.acquire("lab")
    client.close()
    broker.wait_until_clean()
    return state


def refusal(broker, config):
    with pytest.raises(VarlinkError) as raised:
        make(broker, config)
    broker.close_clients()
    return raised.value.parameters["reason"]


@pytest.mark.broker(config=lab())
def test_what_a_host_and_its_machines_have(broker, attach):
    named = {attach(name=f"m{i}").interface["ipv4Address"] for i in range(5)}
    assert named == {f"10.80.1.{i}" for i in range(2, 7)}
    with pytest.raises(VarlinkError) as raised:
        attach(name="m5")
    assert 'give this host a larger "pool"' in raised.value.parameters["reason"]
    state = broker.networks()["lab"]
    assert (state["ipv4Subnet"], state["ipv4Gateway"]) == ("10.80.0.0/16", "10.80.0.1")
    assert (state["ipv6Prefix"], state["ipv6Gateway"]) == ("fd80:0:0:1::/64", "fd80:0:0:1::1")
    assert state["mtu"] == 1450
    assert broker.host.device(state["bridge"])["address"] == GATEWAY_MAC


@pytest.mark.broker(config=lab(own=LOOPBACK))
def test_the_next_broker_knows_which_host_it_is(broker, host, attach):
    host.ip(f"address add {LOOPBACK}/32 dev lo")
    attach()
    broker.kill()
    host.ip(f"address delete {LOOPBACK}/32 dev lo")
    broker.start()
    assert attach(name="web").interface["ipv4Address"].startswith("10.80.1.")


@pytest.mark.broker(config=lab())
def test_a_network_whose_record_is_lost(broker, attach):
    attach()
    broker.kill()
    os.unlink(os.path.join(broker.runtime_dir, "lab.json"))
    broker.start()
    assert attach(name="web").interface["ipv4Address"].startswith("10.80.1.")
    assert broker.networks()["lab"]["mtu"] == 1450


def test_the_mtu_is_what_fits_into_the_underlay(broker, host):
    assert make(broker, lab(HOST_IPV6, OUTSIDE_IPV6))["mtu"] == 1430
    assert make(broker, lab(mtu=1400))["mtu"] == 1400
    assert refusal(broker, lab(mtu=1451)) == (
        '"mtu" 1451 is too large, as that of the way to host "b" is 1500, of which VXLAN takes '
        "50; choose 1450 on all hosts, or remove it"
    )
    assert refusal(broker, lab(HOST_IPV6, OUTSIDE_IPV6, mtu=1431)) == (
        '"mtu" 1431 is too large, as that of the way to host "b" is 1500, of which VXLAN takes '
        "70; choose 1430 on all hosts, or remove it"
    )
    host.ip(f"route add {ELSEWHERE} via {OUTSIDE_IPV4} mtu 1400")
    assert make(broker, lab(other=ELSEWHERE))["mtu"] == 1350
    host.ip(f"route replace {ELSEWHERE} via {OUTSIDE_IPV4} mtu 1329")
    assert refusal(broker, lab(other=ELSEWHERE)) == (
        'the MTU of the way to host "b" is 1329, which leaves less than the 1280 that a network '
        "needs; raise it to at least 1330"
    )
    host.ip("link set eth0 mtu 9000")
    assert make(broker, lab())["mtu"] == 8950
    assert make(broker, lab(HOST_IPV6, OUTSIDE_IPV6))["mtu"] == 8930
    host.ip("link set eth0 mtu 65535")
    assert make(broker, lab())["mtu"] == 65485


def test_the_mtu_without_a_way_to_the_others(broker, host):
    host.ip("link set eth0 mtu 1600")
    host.ip("route delete default")
    assert make(broker, lab(other=ELSEWHERE))["mtu"] == 1550
    host.ip(f"address add {LOOPBACK}/32 dev lo")
    assert make(broker, lab(own=LOOPBACK, other=ELSEWHERE))["mtu"] == 1450
    assert make(broker, lab(own=LOOPBACK))["mtu"] == 1550


def test_a_host_that_is_none_of_them(broker, host):
    said = refusal(broker, lab(own=LOOPBACK))
    assert said == (
        'none of its hosts has an address of this host; add this one to the "hosts" of "vxlan", '
        "or the address of one to this host"
    )
    host.ip(f"address add {LOOPBACK}/32 dev lo")
    said = refusal(broker, lab(own=LOOPBACK, other=HOST_IPV4))
    assert said == (
        'the addresses of its hosts "b" and "a" are both this host\'s; give each host of "vxlan" '
        "one of its own"
    )

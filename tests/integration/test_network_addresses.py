# SPDX-License-Identifier: Apache-2.0
"""A network keeps its addresses for life, unless somebody else has taken them since."""

import os
import shutil

import pytest

from support.varlink import VarlinkError


def addresses(broker, network):
    """What the network has in one more life."""
    client = broker.client()
    described = client.acquire(network)
    link = broker.host.device(described["bridge"])
    client.close()
    broker.wait_until_clean()
    return described["ipv4_subnet"], described["ipv6_prefix"], link["address"]


def test_kept_across_lives_and_brokers(broker):
    first = addresses(broker, "default")
    assert addresses(broker, "default") == first
    broker.stop()
    broker.start()
    assert addresses(broker, "default") == first
    other = addresses(broker, "host")
    assert not set(first) & set(other)


def test_a_subnet_is_kept_for_an_inactive_network(broker):
    assert addresses(broker, "default")[0] == "192.168.64.0/24"
    assert addresses(broker, "host")[0] == "192.168.65.0/24"
    assert addresses(broker, "default")[0] == "192.168.64.0/24"


def test_a_subnet_that_was_taken_meanwhile(broker):
    subnet, prefix, mac = addresses(broker, "default")
    broker.host.ip("route add 192.168.64.128/25 via 198.51.100.1")
    before = broker.before
    broker.before = broker.host.snapshot([broker.pid])
    assert addresses(broker, "default") == ("192.168.65.0/24", prefix, mac)
    broker.wait_for_log(
        rf"network \"default\": its subnet {subnet} is in use by a route over eth0 now; "
        "it gets 192.168.65.0/24"
    )
    broker.host.ip("route delete 192.168.64.128/25")
    broker.before = before
    assert addresses(broker, "default")[0] == "192.168.65.0/24"


def test_a_prefix_that_was_taken_meanwhile(broker):
    subnet, prefix, mac = addresses(broker, "default")
    taken = prefix.replace("::/64", "::77/64")
    broker.host.ip(f"address add {taken} dev eth0 nodad")
    broker.host.settle("eth0", taken.removesuffix("/64"))
    before = broker.before
    broker.before = broker.host.snapshot([broker.pid])
    after = addresses(broker, "default")
    assert after[0] == subnet and after[1] != prefix and after[2] == mac
    broker.host.ip(f"address delete {taken} dev eth0")
    broker.before = before


@pytest.mark.broker(config={"lab": {"mode": "host"}})
def test_a_configured_subnet_goes_first(broker):
    before = addresses(broker, "lab")
    broker.configure({"lab": {"mode": "host", "subnet": "10.1.2.0/28"}})
    broker.client().call("Reload")
    assert addresses(broker, "lab") == ("10.1.2.0/28", *before[1:])


def test_damage_costs_nobody_the_network(broker):
    first = addresses(broker, "default")
    path = os.path.join(broker.state_dir, "default.json")
    with open(path, "w", encoding="ascii") as file:
        file.write("{")
    assert addresses(broker, "default")[0] == first[0]
    assert os.path.exists(path + ".damaged")


def test_a_state_directory_that_is_gone(broker):
    first = addresses(broker, "default")
    shutil.rmtree(broker.state_dir)
    with pytest.raises(VarlinkError) as raised:
        broker.client().acquire("default")
    assert broker.state_dir in raised.value.parameters["reason"]
    os.mkdir(broker.state_dir)
    broker.close_clients()
    assert addresses(broker, "default")[0] == first[0]


def test_without_ipv6(broker):
    broker.host.run("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")
    client = broker.client()
    assert client.acquire("default").get("ipv6_prefix") is None
    with client.attach("default"):
        pass
    client.close()
    broker.host.run("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=0")

# SPDX-License-Identifier: Apache-2.0
"""docs/several-hosts.md: its configurations are those that work, on hosts that have them."""

import json
import re
import subprocess

import pytest

from support import documents
from support.fabric import WIREGUARD, Fabric, address_of, vxlan_network
from support.need import need_fabric
from support.wait import wait_for

PAGE = documents.TOP / "docs/several-hosts.md"
FIRST = address_of(1)
# What is of the system, and not here: the service is started by what it runs.
STAND_INS = {"sudo": 'exec "$@"', "systemctl": 'exec /usr/lib/frr/frrinit.sh "$1"'}


def block(kind, *words):
    """The text of that kind with all of the words in it."""
    (text,) = (
        text
        for found, text in documents.blocks(PAGE)
        if found == kind and all(word in text for word in words)
    )
    return text + "\n"


def exchange(text, one, other):
    """The same of another host: each of two addresses stands where the other did."""
    return re.sub(
        rf"\b({re.escape(one)}|{re.escape(other)})\b",
        lambda found: other if found[0] == one else one,
        text,
    )


def frr_of(own):
    return exchange(block("text", "router bgp", "192.0.2.3"), FIRST, own)


@pytest.fixture
def make_fabric(directory, build):
    """Makes it as the class does, and starts it."""
    fabrics = []

    def make(**options):
        need_fabric(**options)
        fabrics.append(Fabric(directory, build, **options))
        return fabrics[-1]

    yield make
    for fabric in fabrics:
        fabric.finish()
        fabric.close()


class Page:
    """The commands of the page, as one types them on a host."""

    def __init__(self, host):
        self._host = host
        self._environment = host.broker.environment()
        self._environment["PATH"] = f"/run/stand-ins:{host.program('vmnetctl')}:/usr/sbin:/usr/bin"
        host.overlay("etc")
        host.run("mkdir", "/run/stand-ins", "/etc/vmnet-broker")
        for name, script in STAND_INS.items():
            host.run("tee", f"/run/stand-ins/{name}", input=f"#!/bin/sh\n{script}\n")
            host.run("chmod", "755", f"/run/stand-ins/{name}")

    def type(self, command, **options):
        assert command in documents.markdown_commands(PAGE)
        return self._host.run("sh", "-c", command, env=self._environment, **options)


def test_set_up(make_fabric):
    networks = json.loads(block("json"))
    fabric = make_fabric(networks=networks, frr=None)
    fabric.start()
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}  # FRR keeps them open
    pages = {}
    for host in fabric:
        page = pages[host] = Page(host)
        host.run("tee", "/etc/vmnet-broker/networks.json", input=json.dumps(networks))
        host.run("tee", "/etc/frr/frr.conf", input=frr_of(fabric.addresses[host.name]))
        page.type("sudo sed -i 's/^bgpd=no/bgpd=yes/' /etc/frr/daemons")
        page.type("sudo systemctl restart frr", **silent)
        page.type("sudo vmnetctl reload")
    machines = [fabric.join(host.name) for host in fabric]
    fabric.wait_converged()
    for machine in machines:
        fabric.wait_known(machine)
        assert machine.ping(machines[0].address) or machine is machines[0]
    page = pages[fabric["a"]]
    summary = page.type("sudo vtysh -c 'show bgp l2vpn evpn summary'").stdout
    states = re.findall(r"^(192\.0\.2\.\d) .* (\w+) +\d+ \S+$", summary, re.MULTILINE)
    assert [address for address, state in states if state.isdigit()] == ["192.0.2.2", "192.0.2.3"]
    vnis = page.type("sudo vtysh -c 'show evpn vni'").stdout
    assert re.search(r"^4711 +L2 +vmx-lab ", vnis, re.MULTILINE)
    assert machines[1].mac_address in fabric["b"].broker.vmnetctl("inspect", "lab").stdout
    page.type("vmnetctl inspect lab")
    digest = "sha256sum /etc/vmnet-broker/networks.json"
    assert len({page.type(digest).stdout for page in pages.values()}) == 1
    for host in fabric:
        host.broker.check_clean = False  # FRR has processes of its own there


def test_route_reflectors(make_fabric):
    """Two of four hosts; the others have sessions with these alone."""

    def frr(own, others):
        if own in (address_of(1), address_of(2)):
            return exchange(block("text", "route-reflector-client"), FIRST, own)
        text = exchange(block("text", "router bgp", "192.0.2.3"), FIRST, own)
        text = "".join(line for line in text.splitlines(True) if "peer-group hosts" not in line)
        reflectors = "".join(f" neighbor {address_of(n)} peer-group hosts\n" for n in (1, 2))
        return text.replace(" address-family", f"{reflectors} address-family")

    fabric = make_fabric(hosts=4, frr=frr)
    fabric.start()
    machines = [fabric.join(host.name) for host in fabric]
    fabric.wait_converged()
    for machine in machines:
        fabric.wait_known(machine)
    assert machines[2].ping(machines[3].address)
    fabric["a"].frr.kill()
    fabric.wait_known(fabric.join("d"), without="a")
    assert machines[2].ping(machines[3].address)


def test_wireguard(make_fabric):
    text = block("ini")
    need_fabric(underlay="wireguard")
    networks = {"lab": vxlan_network(3, control="static", underlay="wireguard")}
    fabric = make_fabric(control="static", networks=networks)
    pages = [Page(host) for host in fabric]
    keys = [page.type("wg genkey").stdout.strip() for page in pages]
    public = [page.type("wg pubkey", input=key).stdout.strip() for page, key in zip(pages, keys)]
    for number, (host, page) in enumerate(zip(fabric, pages)):
        # The first host's file, whose place this one takes.
        order = list(range(3))
        order[0], order[number] = number, 0
        own = text
        for network in "192.0.2.", "10.99.0.":
            own = exchange(own, f"{network}1", f"{network}{number + 1}")
        own = own.replace("KEY-OF-A", keys[number], 1)
        own = own.replace("PUBLIC-KEY-OF-B", public[order[1]])
        own = own.replace("PUBLIC-KEY-OF-C", public[order[2]])
        host.run("mkdir", "-p", "/etc/wireguard")
        host.run("tee", f"/etc/wireguard/{WIREGUARD}.conf", input=own)
        page.type("wg-quick up wg0", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for host in fabric:
        host.broker.check_clean = False
    fabric.start()
    machines = [fabric.join(host.name) for host in fabric]
    assert "mtu 1370 " in machines[0].ip("link show eth0")
    with fabric.capture("a") as wire:
        for machine in machines[1:]:
            assert machines[0].ping(machine.address)
        assert wire.packets() and not wire.frames()
    wait_for(lambda: "latest handshake" in fabric["c"].run("wg").stdout, what="a handshake")

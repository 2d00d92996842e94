# SPDX-License-Identifier: Apache-2.0
"""What vmnetctl doctor says of a host that has a network with others."""

import os
import re

import pytest

from support.doctor import CONFIG_FILE, PROGRAMS, USER, Doctor
from support.fabric import AS, UNDERLAY, Fabric, vxlan_network
from support.frame import mac_bytes
from support.need import FRR_OVER_IPV6, frr_version, need_fabric
from support.wait import wait_for

LAB = 'network "lab": '
SHOW_SESSIONS = 'vtysh -c "show bgp l2vpn evpn summary"'
STOPPED = "FRR's {} does not run, without which this host is not told of machines on others"


class FabricDoctor(Doctor):
    """That of the first host; its FRR is a service, which vtysh finds."""

    def __init__(self, fabric):
        self.fabric = fabric
        super().__init__(fabric["a"].broker, None)
        self.host.run("mkdir", "-p", os.path.dirname(CONFIG_FILE), "/etc/frr")
        self.host.run("ln", "-s", self.broker.config_path, CONFIG_FILE)
        if self.host.frr:
            self.host.run("mv", "/usr/bin/vtysh", "/usr/bin/vtysh-of-frr")
            vtysh = f'exec vtysh-of-frr --vty_socket {self.host.frr.directory} "$@"'
            self.host.run("tee", "/usr/bin/vtysh", input=f"#!/bin/sh\n{vtysh}\n")
            self.host.run("chmod", "+x", "/usr/bin/vtysh")
            self.services["restart frr.service"] = self.restart_frr

    def restart_frr(self):
        frr = self.host.frr
        if frr.processes:
            frr.end(*frr.processes)
        frr.start()

    def program_of_user(self, name, text):
        """The editor that the administrator has."""
        self.program(name, text)
        return {"EDITOR": f"{PROGRAMS}/{name}"}


@pytest.fixture
def make(directory, build):
    fabrics = []

    def make_doctor(control="evpn", active=True, **options):
        options = {"hosts": 2, "control": control, **options}
        need_fabric(control)
        fabric = Fabric(directory, build, **options)
        fabrics.append(fabric)
        fabric.start()
        doctor = FabricDoctor(fabric)
        if active:
            for host in fabric:
                host.broker.client().acquire("lab")
        return doctor

    yield make_doctor
    for fabric in fabrics:
        fabric.close()


def note(doctor, pattern):
    """Waits until there is such a note."""
    wait_for(
        lambda: pattern in doctor.broker.vmnetctl("doctor", check=False, uid=0).stdout,
        20,
        lambda: doctor.broker.vmnetctl("doctor", check=False, uid=0).stdout,
    )


@pytest.mark.parametrize(
    "control, underlay", [("evpn", "ipv4"), ("static", "ipv4"), ("evpn", "ipv6")]
)
def test_health(make, control, underlay):
    need_fabric(control, underlay)
    doctor = make(control, underlay=underlay)
    wait_for(lambda: doctor.examine() == {}, 20, doctor.examine)
    wait_for(lambda: doctor.examine(USER) == {}, 20, lambda: doctor.examine(USER))


def test_modules_that_are_not_installed(make):
    doctor = make("static", active=False)
    folder = f"/lib/modules/{os.uname().release}"
    doctor.host.run("sh", "-c", "mkdir -p /lib/modules && mount -t tmpfs tmpfs /lib/modules")
    doctor.host.run("mount", "-t", "tmpfs", "tmpfs", "/sys/module")
    doctor.host.run("mkdir", folder)
    names = ("act_mirred", "bridge", "cls_bpf", "ifb", "nf_tables", "nft_fib_inet", "sch_ingress")
    built_in = "".join(f"kernel/net/{name}.ko\n" for name in names)
    doctor.host.run("tee", f"{folder}/modules.builtin", input=built_in)
    command = doctor.find("the kernel has no veth, vxlan, which networks are made with")
    for manager in "apt-get", "dnf":
        added = "kernel/drivers/net/vxlan/vxlan.ko.xz: kernel/drivers/net/veth.ko.xz:"
        doctor.program(manager, f"cd {folder} && printf '%s\\n' {added} >modules.dep")
    doctor.mend(command)
    doctor.broker.configure({"lab": {"mode": "shared"}})
    doctor.host.run("rm", f"{folder}/modules.dep")
    assert doctor.examine() == {}


def test_no_address_of_the_list(make):
    doctor = make("static", active=False)
    doctor.host.ip(f"address delete 192.0.2.1/24 dev {UNDERLAY}")
    doctor.host.ip(f"address add 192.0.2.7/24 dev {UNDERLAY}")
    command = doctor.find(LAB + "none of its hosts' addresses is this host's")
    env = doctor.program_of_user("edit", "sed -i --follow-symlinks s/192[.]0[.]2[.]1/192.0.2.7/ $1")
    doctor.mend(command, env=env.items())


def test_two_addresses_of_the_list(make):
    doctor = make("static", active=False, hosts=3)
    doctor.host.ip(f"address add 192.0.2.3/24 dev {UNDERLAY}")
    command = doctor.find(LAB + 'the addresses of its hosts "a" and "c" are both this host\'s')
    env = doctor.program_of_user("edit", "sed -i --follow-symlinks s/192[.]0[.]2[.]3/192.0.2.7/ $1")
    doctor.mend(command, env=env.items())


def test_a_narrow_underlay(make):
    doctor = make("static")
    note(doctor, LAB + "its machines' MTU is 1450, which fits into the 1500 of the way to host")
    doctor.host.ip(f"link set {UNDERLAY} mtu 1400")
    command = doctor.find(
        LAB + 'with its MTU of 1450 packets to host "b" are of up to 1500 bytes, and 1400 is the '
        'most that gets there; all of them have to get there, or it needs an "mtu" of 1350'
    )
    doctor.mend(command)


def test_an_mtu_that_is_too_large(make):
    networks = {"lab": vxlan_network(2, 0, "static", mtu=1500)}
    doctor = make("static", active=False, networks=networks)
    command = doctor.find(
        LAB + 'with its MTU of 1500 packets to host "b" are of up to 1550 bytes, and 1500 is .*'
    )
    doctor.mend(command)
    doctor.broker.client().acquire("lab")


def drop(host, hook, rule):
    chain = f"chain f {{ type filter hook {hook} priority 0; {rule}; }};"
    host.run("nft", f"table inet x {{ {chain} }}")


RULES = {
    "input": "udp dport 4789 drop",
    "output": "oifname eth1 udp dport 4789 ip daddr 192.0.2.2 drop",
}


@pytest.mark.parametrize("hook", RULES)
def test_a_packet_filter(make, hook):
    doctor = make("static")
    drop(doctor.host, hook, RULES[hook])
    way = {"input": "in from", "output": "to"}[hook]
    says = (
        LAB + f"a packet filter (table inet x, chain f) stops what goes {way} "
        'host "b", to UDP port 4789'
    )
    wait_for(lambda: says in doctor.examine(), 20, doctor.examine)
    doctor.mend(doctor.examine()[says])


CLOSED = {
    "nft": "nft 'table inet x { chain f { type filter hook input priority 0; policy drop; "
    "ct state established,related accept; iif lo accept; tcp dport 22 accept; }; }'",
    "iptables": "iptables-nft -P INPUT DROP && iptables-nft -A INPUT -m conntrack "
    "--ctstate ESTABLISHED,RELATED -j ACCEPT && iptables-nft -A INPUT -i lo -j ACCEPT",
}


@pytest.mark.parametrize("command", CLOSED.values(), ids=CLOSED)
def test_a_packet_filter_that_the_broker_opens(make, command):
    doctor = make("static")
    doctor.host.run("sh", "-c", command)
    wait_for(lambda: doctor.examine() == {}, 20, doctor.examine)
    # Without what the broker has put into it, and what that finds to be done.
    doctor.broker.kill()
    chain = "inet x f" if command.startswith("nft") else "ip filter INPUT"
    rules = doctor.host.run("nft", "-a", "list", "chain", *chain.split()).stdout
    for handle in re.findall(r"4789 .*vmnet-broker lab.* handle (\d+)", rules):
        doctor.host.run("nft", "delete", "rule", *chain.split(), "handle", handle)
    says = 'stops what goes in from host "b", to UDP port 4789'
    assert [problem for problem in doctor.examine() if says in problem]
    doctor.broker.start()
    wait_for(lambda: doctor.examine() == {}, 20, doctor.examine)


@pytest.mark.parametrize("daemon", ["zebra", "bgpd"])
def test_frr_is_stopped(make, daemon):
    doctor = make()
    doctor.host.frr.end(daemon)
    says = STOPPED.format(daemon)
    wait_for(lambda: says in doctor.examine(), 20, doctor.examine)
    doctor.mend(doctor.examine()[says])


def test_bgpd_is_not_to_be_started(make):
    doctor = make()
    doctor.host.run("tee", "/etc/frr/daemons", input="bgpd=no\nospfd=no\n")
    doctor.host.frr.end("bgpd")
    says = STOPPED.format("bgpd")
    wait_for(lambda: says in doctor.examine(), 20, doctor.examine)
    doctor.mend(doctor.examine()[says])
    assert doctor.host.run("cat", "/etc/frr/daemons").stdout == "bgpd=yes\nospfd=no\n"


def test_frr_tells_nobody(make):
    doctor = make()
    doctor.host.frr.vtysh(
        "configure terminal\nrouter bgp\naddress-family l2vpn evpn\nno advertise-all-vni"
    )
    says = 'FRR runs without "advertise-all-vni", and tells nobody of machines'
    wait_for(lambda: says in doctor.examine(), 20, doctor.examine)
    doctor.mend(doctor.examine()[says])
    assert "advertise-all-vni" in doctor.host.run("cat", "/etc/frr/frr.conf").stdout


def test_frr_floods(make):
    """Beside the broker, to the same hosts; the doctor of either of both says so."""
    doctor = make()
    for host in doctor.fabric:
        host.frr.vtysh(
            "configure terminal\nrouter bgp\naddress-family l2vpn evpn\n"
            "flooding head-end-replication"
        )
    wait_for(lambda: doctor.host.floods("lab") == [doctor.fabric.addresses["b"]] * 2)
    says = 'FRR runs without "flooding disable", and frames for everybody come twice'
    doctor.mend(doctor.examine()[says])
    assert doctor.host.floods("lab") == [doctor.fabric.addresses["b"]]
    assert "flooding disable" in doctor.host.run("cat", "/etc/frr/frr.conf").stdout


OLD_FRR = (
    LAB + "FRR {} knows no VXLAN over IPv6, so that each frame for a machine elsewhere goes to "
    "all hosts; it takes FRR 10.6 or newer, or in the file of all hosts addresses of IPv4, or "
    '"control": "static"'
)


def need_old_frr():
    version = frr_version()
    if version >= FRR_OVER_IPV6:
        pytest.skip("FRR knows VXLAN over IPv6 here")
    return "{}.{}".format(*version)


def test_frr_that_knows_no_ipv6(make):
    version = need_old_frr()
    doctor = make(active=False, underlay="ipv6")
    command = doctor.find(re.escape(OLD_FRR.format(version)))
    env = doctor.program_of_user("edit", "sed -i --follow-symlinks s/evpn/static/ $1")
    doctor.mend(command, env=env.items())


def test_frames_of_frr_that_knows_no_ipv6(make):
    """Hosts hear of each other's machines, but not where these are: the third gets each frame."""
    version = need_old_frr()
    doctor = make(hosts=3, underlay="ipv6")
    fabric = doctor.fabric
    machine, other = fabric.join("a"), fabric.join("b")
    wait_for(lambda: other.address in doctor.host.learned("lab"), 20)
    with fabric.capture("c") as capture:
        assert machine.ping(other.address, tries=10)
        destination = mac_bytes(other.mac_address)
        assert [frame for *_, frame in capture.frames() if frame.startswith(destination)]
    assert doctor.host.whereabouts("lab") == {}
    assert list(doctor.examine()) == [OLD_FRR.format(version)]


def test_versions_of_frr(make):
    """What vtysh prints of one that is as old as any here, with another version."""
    need_old_frr()
    doctor = make(underlay="ipv6")
    doctor.host.run("mv", "/usr/bin/vtysh", "/usr/bin/vtysh-of-this-version")
    for version, said in ("10.5.3", "10.5"), ("10.6.1", None), ("10.10-dev", None), ("11.0", None):
        vtysh = f'vtysh-of-this-version "$@" | sed "s/^FRRouting [^ ]*/FRRouting {version}/"'
        doctor.host.run("tee", "/usr/bin/vtysh", input=f"#!/bin/sh\n{vtysh}\n")
        doctor.host.run("chmod", "+x", "/usr/bin/vtysh")
        if said:
            doctor.find(re.escape(OLD_FRR.format(said)))
        else:
            note(doctor, LAB + 'FRR has not told of host "b" (2001:db8:f::2), where the network')
            assert doctor.examine() == {}, version


def test_frr_has_no_bgp(make):
    """Whose numbers and neighbours are the administrator's, so that no command mends it."""
    doctor = make(active=False)
    doctor.host.frr.vtysh(f"configure terminal\nno router bgp {AS}")
    command = doctor.find(
        'FRR has no "router bgp" with "address-family l2vpn evpn", and tells nobody of machines'
    )
    assert command == ""


def test_no_frr(make):
    doctor = make(active=False)
    doctor.host.frr.end()
    doctor.uninstall("vtysh")
    command = doctor.find("FRR, which tells this host of machines on others, is missing")
    assert command.endswith(" install frr")


def test_only_root_may_ask_frr(make):
    doctor = make(active=False)
    command = doctor.find("only root may ask FRR what it tells of networks", uid=USER)
    assert command == "sudo vmnetctl doctor"


def test_a_host_that_is_not_known(make):
    doctor = make(hosts=3)
    doctor.fabric.wait_converged()
    doctor.fabric["c"].frr.end()
    sessions = doctor.host.run("sh", "-c", SHOW_SESSIONS).stdout
    assert re.search(r"^192[.]0[.]2[.]2 .* \d+:\d+:\d+ ", sessions, re.M), sessions
    assert re.search(r"^192[.]0[.]2[.]3 .* (Active|Connect|Idle) ", sessions, re.M), sessions
    note(doctor, LAB + 'FRR has not told of host "c" (192.0.2.3), where the network may not')


def test_a_host_that_is_silent(make):
    doctor = make("static", hosts=3, active=False)
    for name in "ab":
        doctor.fabric[name].broker.client().acquire("lab")
    note(doctor, LAB + 'nothing has come from host "c" (192.0.2.3), where the network may not')
    wait_for(lambda: doctor.examine() == {}, 20, doctor.examine)


def test_no_other_host_is_known(make):
    doctor = make(active=False)
    doctor.broker.client().acquire("lab")
    says = LAB + "none of its other hosts is known: "

    def commands():
        return [command for problem, command in doctor.examine().items() if says in problem]

    wait_for(commands, 40, doctor.examine)
    assert commands() == [SHOW_SESSIONS]


def test_files_that_differ(make):
    doctor = make()
    other = doctor.fabric["b"].broker
    other.close_clients()
    wait_for(lambda: not other.networks()["lab"]["active"])
    networks = {"lab": {**doctor.fabric.networks["lab"], "description": "Another"}}
    other.configure(networks)
    other.vmnetctl("reload", uid=0)
    other.client().acquire("lab")
    says = (
        LAB + 'the file of host "b" says something else of it than this host\'s: '
        f"compare the two {CONFIG_FILE}"
    )
    wait_for(lambda: doctor.examine() == {says: ""}, 20, doctor.examine)


def test_a_host_that_does_not_answer(make):
    doctor = make("static")
    wait_for(lambda: doctor.examine() == {}, 20, doctor.examine)
    drop(doctor.fabric["b"], "input", RULES["input"])
    doctor.find(LAB + 'host "b" is known, and does not answer by the network: .*')

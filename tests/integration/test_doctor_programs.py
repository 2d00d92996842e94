# SPDX-License-Identifier: Apache-2.0
"""What vmnetctl doctor says of programs and devices that are missing, or in the way."""

import os
import re
import signal

import pytest

from support.doctor import PROGRAMS, USER, Trouble, shell
from support.wait import wait_for


def uninstall_dnsmasq(doctor):
    """It can be installed again, whatever the package is called."""
    doctor.host.run("sh", "-c", f"cp $(command -v dnsmasq) {PROGRAMS}/package")
    doctor.uninstall("dnsmasq")
    for manager in "apt-get", "dnf", "zypper", "pacman", "apk":
        doctor.program(
            manager, f'[ "$2" != "${{2#dnsmasq}}" ] && cp {PROGRAMS}/package /usr/sbin/dnsmasq'
        )


def lack_a_module(doctor):
    """Its distribution has what this kernel lacks in another package."""
    folder = f"/lib/modules/{os.uname().release}"
    doctor.host.run("sh", "-c", "mkdir -p /lib/modules && mount -t tmpfs tmpfs /lib/modules")
    doctor.host.run("mount", "-t", "tmpfs", "tmpfs", "/sys/module")
    doctor.host.run("mkdir", folder)
    names = ("act_mirred", "bridge", "cls_bpf", "nf_tables", "nft_fib_inet")
    built_in = "".join(f"kernel/net/{name}.ko\n" for name in names)
    doctor.host.run("tee", f"{folder}/modules.builtin", input=built_in)
    for manager in "apt-get", "dnf":
        doctor.program(
            manager,
            f'[ "$2" != "${{2#*modules-}}" ] && cd {folder} && '
            "echo kernel/net/sch_ingress.ko.xz: >modules.dep && "
            "echo kernel/drivers/net/ifb.ko.xz: >>modules.dep",
        )


def enforce_a_profile(doctor):
    """AppArmor's, as apparmor_parser loads it; the kernel shows who is root what is enforced."""
    host, profile = doctor.host, "/etc/apparmor.d/usr.sbin.dnsmasq"
    host.run("mkdir", "-p", os.path.dirname(LOCAL_PART))
    host.run("tee", profile, input="# /run/vmnet-broker/ is not known.\n")
    host.run("mount", "-t", "tmpfs", "tmpfs", "/sys/kernel/security")
    host.run("mkdir", os.path.dirname(ENFORCED))
    host.run("tee", ENFORCED, input="lsb_release (enforce)\n/usr/sbin/dnsmasq (enforce)\n")
    host.run("chmod", "400", ENFORCED)
    doctor.program("apparmor_parser", f'[ "$*" = "-r {profile}" ]')


def serve(doctor, *options):
    """A name server, or another kind, that the administrator has started."""
    server = doctor.host.popen(
        *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv"),
        *("--user=root", *options),
    )
    wait_for(lambda: f"pid={server.pid}," in doctor.host.run("ss", "-lntup").stdout)
    return server


def occupied_name_server(doctor):
    """Somebody has taken the port while the network's own server was away."""
    broker, host = doctor.broker, doctor.host
    gateway = broker.client().acquire("default")["ipv4Gateway"]
    os.kill(broker.pid, signal.SIGSTOP)
    os.kill(*host.processes("dnsmasq"), signal.SIGKILL)
    # A process that was killed has its sockets for a moment longer.
    wait_for(lambda: not host.run("ss", "-Hlntu", "src", f"{gateway}:53").stdout)
    serve(doctor, "--pid-file=", "--bind-interfaces", f"--listen-address={gateway}")
    os.kill(broker.pid, signal.SIGCONT)


def serve_names_everywhere(doctor):
    serve(doctor, "--pid-file=")


def serve_as_a_service(*options, configuration=""):
    """The distribution's own, which reads /etc/dnsmasq.d."""
    file = "/run/dnsmasq/dnsmasq.pid"
    options = (*options, "--conf-dir=/etc/dnsmasq.d", f"--pid-file={file}")

    def make(doctor):
        doctor.host.run("mkdir", "-p", "/run/dnsmasq", "/etc/dnsmasq.d")
        doctor.host.run("tee", "/etc/dnsmasq.d/own.conf", input=configuration)
        servers = []

        def start():
            server = serve(doctor, *options)
            # Without this file it would be no service; it has all of its sockets by then.
            wait_for(lambda: doctor.host.run("cat", file, check=False).stdout == f"{server.pid}\n")
            servers.append(server)

        def restart():
            servers[-1].terminate()
            servers[-1].wait()
            start()

        start()
        doctor.services["restart dnsmasq"] = restart

    return make


EVERYWHERE = (
    r" listens on port 53 of every address, which leaves none for the networks' own name "
    r"servers; have it listen on its own addresses only, or end it"
)
LOCAL_PART = "/etc/apparmor.d/local/usr.sbin.dnsmasq"
ENFORCED = "/sys/kernel/security/apparmor/profiles"
NOT_KNOWN = "AppArmor denies dnsmasq the broker's files, which its profile does not know"
TUN = "/dev/net/tun, which interfaces are made from"
TROUBLES = {
    "the name server's port": Trouble(
        occupied_name_server,
        r'network "default": dnsmasq cannot be started: .*: '
        r"dnsmasq \(pid \d+\) has port 53 of 192\.168\.\d+\.1",
        users=(0,),  # others may not see whose it is
    ),
    "no dnsmasq": Trouble(
        uninstall_dnsmasq, "dnsmasq, which gives addresses and names, is missing"
    ),
    "modules that are not installed": Trouble(
        lack_a_module, "the kernel has no ifb, sch_ingress, which networks are made with"
    ),
    "a name server on every address": Trouble(
        serve_names_everywhere, r"dnsmasq \(pid \d+\)" + EVERYWHERE, users=(0,)
    ),
    "the distribution's name server on every address": Trouble(
        serve_as_a_service(), r"dnsmasq \(pid \d+\)" + EVERYWHERE, users=(0,)
    ),
    "the distribution's name server on every new address": Trouble(
        serve_as_a_service(configuration="bind-dynamic\n"),
        "the host's dnsmasq takes port 53 of each new address, also of those that are for "
        "networks' own name servers",
    ),
    "a DHCP server that shares with nobody": Trouble(
        serve_as_a_service("--port=0", "--dhcp-range=10.99.0.2,10.99.0.9"),
        r"dnsmasq \(pid \d+\) shares port 67 with nobody, which leaves none for the networks' own "
        r"DHCP servers; have it share the port, or end it",
        users=(0,),
    ),
    "an enforced profile": Trouble(enforce_a_profile, NOT_KNOWN, users=(0,)),
    "no /dev/net/tun": Trouble(
        shell("mount -t tmpfs tmpfs /dev/net"), TUN + ": No such file or directory"
    ),
    "no driver for it": Trouble(
        shell("mount -t tmpfs tmpfs /dev/net && mount -t tmpfs tmpfs /sys/class/misc"),
        TUN + ": No such file or directory",
        tried=("modprobe tun", "the kernel has it, and cannot load it again"),
    ),
    "/dev/net/tun for root alone": Trouble(
        shell(
            "chmod 600 /dev/net/tun && mkdir -p /run/systemd/system &&"
            "echo vmnet-broker:x:990:990::/:/bin/false >>/etc/passwd"
        ),
        TUN + ", is closed to the broker's user vmnet-broker",
    ),
    "/dev/net/tun for nobody": Trouble(
        shell("mount -t tmpfs -o nodev tmpfs /dev/net && mknod /dev/net/tun c 10 200"),
        TUN + ", is denied even to root: whoever runs this container has to allow it",
        users=(0,),  # the others need no permission for it
        reason="whatever keeps the device from this host is not of this host",
    ),
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_trouble_is_named_and_mended(doctor, trouble):
    trouble.check(doctor)


def test_the_host_goes_on_with_its_name_server(doctor):
    """Whichever of the two is started first, or again: each has its own addresses."""
    serve_as_a_service("--address=/own.test/192.0.2.7")(doctor)
    doctor.mend(doctor.find(r"dnsmasq \(pid \d+\)" + EVERYWHERE))
    for _ in range(3):
        doctor.check_machines()
        doctor.services["restart dnsmasq"]()
        doctor.check_machines()
        doctor.restart_broker()
        asked = doctor.host.run("busybox", "nslookup", "own.test", "127.0.0.1", check=False)
        assert "192.0.2.7" in asked.stdout


def rules(text):
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_rules_for_packages_are_those_that_are_printed(doctor, build):
    """Included where a package may, they are all that is needed."""
    enforce_a_profile(doctor)
    with open(f"{build}/data/apparmor-dnsmasq", encoding="ascii") as file:
        text = file.read()
    doctor.mend(doctor.find(NOT_KNOWN))
    assert rules(text) == rules(doctor.host.run("cat", LOCAL_PART).stdout)

    doctor.host.run("tee", LOCAL_PART, input=re.search(r"include .*\n", text)[0])
    assert doctor.examine() == {}


def test_whether_a_profile_is_enforced_is_for_root_to_see(doctor):
    enforce_a_profile(doctor)
    assert doctor.examine(USER) == {
        "only root may look whether AppArmor's profile of dnsmasq, which does not know the "
        "broker's files, is enforced": "sudo vmnetctl doctor"
    }
    doctor.host.run("tee", ENFORCED, input="dnsmasq (complain)\ndnsmasq//helper (enforce)\n")
    assert doctor.examine() == {}

# SPDX-License-Identifier: Apache-2.0
"""The packages for Debian, as a host of that release has them: built, installed and used as
README.md says, upgraded while a machine runs, and removed."""

import glob
import os
import re
import subprocess

from reader import HOME, SOURCE, printed, quoted

from support.booted import LEFT_OVER
from support.documents import plain
from support.leavings import snapshot

STARTER = "/usr/libexec/vmnet-broker-dnsmasq"
TESTS = "/tree/packaging/debian/tests"  # those of autopkgtest
MACHINE = f"{TESTS}/machine"
REGISTERED = "/run/varlink/registry/com.github.nirs.vmnetbroker"
REPORTS = "/run/systemd/report/com.github.nirs.vmnetbroker"
NAMES = "/tree/tests/packages/names"
INSTALL = ("apt-get", "-y", "-o", "APT::Sandbox::User=root", "install")
RESTART = """
vmnetctl hold default >/dev/null 2>&1 &
until vmnetctl networks | grep '^default .* active '; do sleep 0.1; done
for _ in 1 2 3; do
    systemctl restart vmnet-broker
    vmnetctl networks | grep '^default .* active .* 1 '
done
until systemctl status vmnet-broker | grep 'Status: "1 active network, '; do sleep 0.1; done
kill $!
"""


# As any user: what systemd collects of all services.
REPORT = """
report="setpriv --reuid=nobody --regid=nogroup --clear-groups /usr/lib/systemd/systemd-report"
vmnetctl hold default >/dev/null 2>&1 &
until $report --no-legend metrics com.github.nirs.vmnetbroker.NetworkClients |
    grep ' default  *-  *1$'; do sleep 0.1; done
kill $!
$report --no-legend describe com.github.nirs.vmnetbroker | grep 'ActiveNetworks  *gauge '
varlinkctl list-registry | grep '^com.github.nirs.vmnetbroker '
"""
# Where nobody may tell systemd-resolved of networks: a machine's name, also after all is started
# again that answers for it, and names that are no machine's.
HOOK = """
find() { setpriv --reuid=nobody --regid=nogroup --clear-groups getent ahostsv4 "$1" || echo "$1?"; }
systemctl restart systemd-resolved
[ -z "$(resolvectl domain vmb-default | sed 's/.*: *//')" ]
address=$(vmnetctl ip default guest)
for service in '' vmnet-broker.service vmnet-broker-names.service systemd-resolved.service; do
    [ -z "$service" ] || systemctl restart $service
    find guest.default.internal | grep "^$address "
done
find none.default.internal | grep '?$'
find guest.other.internal | grep '?$'
resolvectl query guest.default.internal | grep 'Data from: .*hook'
"""


def newer(deb, directory):
    """The same package, of a higher version."""
    content = os.path.join(directory, "content")
    subprocess.run(["dpkg-deb", "--raw-extract", deb, content], check=True)
    control = os.path.join(content, "DEBIAN/control")
    subprocess.run(["sed", "-i", "s/^Version: .*/&+newer/", control], check=True)
    path = os.path.join(directory, os.path.basename(deb))
    command = ["dpkg-deb", "-Znone", "--root-owner-group", "--build", content, path]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["rm", "-r", content], check=True)
    return path


def copy_in(host, path):
    """To where whoever installs packages may read it."""
    name = f"/tmp/{os.path.basename(path)}"
    subprocess.run(["cp", path, host.path(name)], check=True)
    return name


def install(host, *paths):
    host.run(*INSTALL, *(f"/packages/{os.path.basename(path)}" for path in paths))


def test_life_of_the_packages(debian, reader, directory):
    assert debian.state == "running"
    build, install_them = printed("scripts/package-deb").splitlines()
    reader.type(build, place=HOME)
    assert install_them in plain(reader.type("scripts/package-deb --help"))
    before = snapshot(debian)  # but for the users, who stay
    reader.type(install_them)
    assert debian.run("systemctl", "is-active", "vmnet-broker.socket") == "active\n"
    assert debian.run("systemctl", "is-enabled", "vmnet-broker.socket") == "enabled\n"
    assert "No network is held." in debian.run("vmnetctl", "networks")
    for link in REGISTERED, REPORTS:
        assert debian.run("readlink", link) == "/run/vmnet-broker/socket\n"

    debian.run(MACHINE, TAPNET="/tapnet")
    reader.use("/disk.img")

    built = debian.path(f"{SOURCE}/build-packages")
    paths = glob.glob(f"{built}/vmnet-broker_*.deb") + glob.glob(f"{built}/libvmnet-broker0_*.deb")
    upgrades = [copy_in(debian, newer(path, directory)) for path in paths]
    upgrade = f"""
        starter=$(systemctl show --value --property=MainPID vmnet-broker-dnsmasq.service)
        before=$(systemctl show --value --property=MainPID vmnet-broker.service)
        dnsmasq=$(pgrep -u vmnet-dnsmasq -x dnsmasq)
        {' '.join(INSTALL)} {' '.join(upgrades)}
        [ "$(systemctl show --value --property=MainPID vmnet-broker.service)" != "$before" ]
        [ "$(pgrep -u vmnet-dnsmasq -x dnsmasq)" = "$dnsmasq" ]
        [ "$(systemctl show --value --property=MainPID vmnet-broker-dnsmasq.service)" = "$starter" ]
        until [ /proc/$starter/exe -ef {STARTER} ]; do sleep 0.1; done
    """
    debian.new_journal()
    debian.run(MACHINE, "sh", "-euc", upgrade, TAPNET="/tapnet")
    journal = debian.new_journal()
    assert journal.count("Stopped vmnet-broker.service") == 1
    assert not re.search(LEFT_OVER, journal)
    assert "newer" in debian.run("dpkg-query", "-W", "vmnet-broker")

    refused = "! apt-get -y remove vmnet-broker && systemctl is-active vmnet-broker.socket"
    said = debian.run(MACHINE, "sh", "-euc", refused, TAPNET="/tapnet")
    assert "vmnet-broker is in use, by machines of: default (end" in said

    reader.type(quoted("sudo apt-get purge"), answer="y")
    assert snapshot(debian) == before
    for link in REGISTERED, REPORTS:
        debian.run("test", "!", "-L", link)
    for user in "vmnet-broker", "vmnet-dnsmasq":
        assert "nologin" in debian.run("getent", "passwd", user)


def test_restart_with_an_active_network(debian, debs):
    """Connections and networks go on, systemd finds nothing left over, and machines have names."""
    install(debian, debs["vmnet-broker"], debs["libvmnet-broker0"], debs["libvmnet-broker-dev"])
    debian.run("env", "--chdir=/tree", f"{TESTS}/client", AUTOPKGTEST_TMP="/tmp")
    debian.run("sh", "-euc", RESTART)
    journal = debian.new_journal()
    assert journal.count("Stopped vmnet-broker.service") == 3
    assert not re.search(LEFT_OVER, journal)
    debian.run(MACHINE, NAMES, TAPNET="/tapnet")
    # With the network systemd-resolved has lost what it knew of it.
    assert "default.internal" not in debian.run("resolvectl", "domain")


def test_what_newer_systemd_asks(latest, debs):
    install(latest, debs["vmnet-broker"], debs["libvmnet-broker0"])
    latest.run("sh", "-euc", REPORT)
    latest.run("systemctl", "mask", "--runtime", "--now", "polkit.service")
    latest.run(MACHINE, "sh", "-euc", HOOK, TAPNET="/tapnet")
    assert "guest.default.internal" not in latest.run(
        "getent", "hosts", "guest.default.internal", check=False
    )
    latest.run("systemctl", "stop", "vmnet-broker.socket")
    assert latest.run("pgrep", "vmnet-broker-na", check=False) == ""

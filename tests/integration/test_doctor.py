# SPDX-License-Identifier: Apache-2.0
"""vmnetctl doctor: each kind of trouble is named, and the command under it mends it."""

import os
import re
import shutil

import pytest

CONFIG_FILE = "/etc/vmnet-broker/networks.json"


@pytest.fixture
def doctor(broker):
    """Runs the doctor as root: {problem: command}; empty on a healthy host."""
    broker.check_clean = False  # what the tests do to the host goes with it
    # What is changed below /etc is changed for this host alone.
    broker.host.run(
        "sh",
        "-c",
        "mkdir /run/etc /run/work &&"
        "mount -t overlay -o lowerdir=/etc,upperdir=/run/etc,workdir=/run/work overlay /etc",
    )

    def examine(**options):
        options.setdefault("uid", 0)
        done = broker.vmnetctl("doctor", check=False, **options)
        findings = re.findall(r"^(?:problem|unknown): (.*)\n    (.*)$", done.stdout, re.MULTILINE)
        assert done.returncode == (1 if findings else 0), done.stdout + done.stderr
        return dict(findings)

    assert examine() == {}
    return examine


def only(findings):
    """The one problem that there is, and its command."""
    assert len(findings) == 1, findings
    return next(iter(findings.items()))


def mend(broker, findings, problem):
    """The one problem that there is has to be this one; does what its command says."""
    found, command = only(findings)
    assert re.search(problem, found), found
    broker.host.run("sh", "-c", command, env=broker.environment())


def write_configuration(broker, text):
    broker.host.run("mkdir", "-p", os.path.dirname(CONFIG_FILE))
    broker.host.run("tee", CONFIG_FILE, input=text)


def test_no_broker(broker, doctor):
    broker.stop()
    problem, command = only(doctor())
    assert problem == f"no broker at {broker.socket_path}: No such file or directory"
    assert command == "systemctl enable --now vmnet-broker.socket"
    broker.start()


def test_no_permission_for_the_socket(broker, doctor):
    os.chmod(broker.socket_path, 0o600)
    findings = doctor(uid=1234)
    findings.pop("only root may look at packet filters")
    mend(broker, findings, "^no broker at .*: Permission denied$")
    assert list(doctor(uid=1234)) == ["only root may look at packet filters"]


def test_no_way_out(broker, doctor):
    broker.host.ip("route delete default")
    problem, command = only(doctor())
    assert problem == "the host has no route to the outside: Network is unreachable"
    broker.host.run("sh", "-c", command.replace("GATEWAY", "198.51.100.1"))
    assert doctor() == {}


def test_no_tun(broker, doctor):
    broker.host.run("mount", "-t", "tmpfs", "tmpfs", "/dev/net")
    mend(broker, doctor(), "^/dev/net/tun, which interfaces are made from: No such file")
    assert doctor() == {}


def test_no_dnsmasq(broker, doctor):
    broker.host.run("mount", "--bind", "/dev/null", shutil.which("dnsmasq"))
    problem, command = only(doctor())
    assert problem == "dnsmasq, which gives addresses and names, is missing"
    assert "install dnsmasq" in command


def test_a_name_server_on_every_address(broker, doctor):
    server = broker.host.popen(
        *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file="),
        *("--no-resolv", "--user=root"),
    )
    broker.host.run("sh", "-c", "while ! ss -ltn | grep -q :53; do sleep 0.01; done")
    problem, command = only(doctor())
    assert problem.startswith("a program listens on port 53 of every address")
    assert "dnsmasq" in broker.host.run("sh", "-c", command).stdout
    server.terminate()
    server.wait()


def test_settings_that_are_read_only(broker, doctor):
    broker.host.run(
        "sh", "-c", "mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys"
    )
    mend(broker, doctor(), "^forwarding cannot be switched on, since /proc/sys is read-only$")
    assert doctor() == {}


@pytest.mark.parametrize("change", ["chown 1234", "chmod g+w", "chmod o+w"])
def test_a_configuration_that_others_can_write(broker, doctor, change):
    write_configuration(broker, "{}")
    broker.host.run(*change.split(), CONFIG_FILE)
    mend(broker, doctor(), f"^{CONFIG_FILE} is refused: only root may own and write it$")
    assert doctor() == {}


def test_a_configuration_that_the_broker_cannot_read(broker, doctor):
    write_configuration(broker, "{}")
    broker.host.run("chmod", "0600", CONFIG_FILE)
    mend(broker, doctor(), f"^{CONFIG_FILE} can be read by root only, which the broker is not$")
    assert doctor() == {}


def test_a_configuration_with_mistakes(broker, doctor):
    write_configuration(broker, '{ "lab": { "mode": "guest" } }')
    problem, command = only(doctor())
    assert problem.startswith(
        f'{CONFIG_FILE} has mistakes, of which the first is: network "lab": "mode" '
    )
    assert command == "vmnetctl check"


def test_a_subnet_in_use(broker, doctor):
    write_configuration(broker, '{ "lab": { "mode": "shared", "subnet": "10.9.0.0/24" } }')
    broker.host.ip("address add 10.9.0.7/16 dev eth0")
    problem, command = only(doctor())
    assert problem == 'network "lab": subnet 10.9.0.0/24 is in use by eth0'
    edit, reload = command.split(" && ")
    assert reload == "vmnetctl reload"
    broker.host.run("sh", "-c", edit)
    assert doctor() == {}


def test_a_subnet_that_the_network_itself_uses(broker, doctor):
    text = '{ "lab": { "mode": "host", "subnet": "10.9.0.0/24" } }'
    broker.configure(text)
    broker.vmnetctl("reload", uid=0)
    write_configuration(broker, text)
    broker.client().acquire("lab")
    assert doctor() == {}


@pytest.fixture
def left_bridge(broker):
    """The bridge of a network that no broker looks after."""
    broker.host.ip("link add vmb-left type bridge")


def test_forwarding_and_input_that_others_drop(broker, left_bridge, doctor):
    broker.host.run(
        "nft",
        "table inet filter {"
        "chain forward { type filter hook forward priority 0; policy drop; };"
        "chain input { type filter hook input priority 0; ct state established accept; drop; };"
        "}",
    )
    findings = doctor()
    assert len(findings) == 2, findings
    for problem, command in findings.items():
        assert problem.startswith("a packet filter (table inet filter, chain ")
        broker.host.run("sh", "-c", command)
    assert doctor() == {}


def test_a_filter_that_lets_everything_pass(broker, doctor):
    broker.host.run("nft", "table ip x { chain y { type filter hook forward priority 0; }; }")
    assert doctor() == {}


@pytest.mark.skipif(not shutil.which("iptables-nft"), reason="no iptables here")
def test_the_rules_of_docker(broker, left_bridge, doctor):
    for rule in "-P FORWARD DROP", "-N DOCKER-USER", "-A FORWARD -j DOCKER-USER":
        broker.host.run("iptables-nft", *rule.split())
    mend(broker, doctor(), r"^Docker \(table ip filter, chain FORWARD\) stops packets from ")
    assert doctor() == {}


@pytest.mark.skipif(not shutil.which("iptables-legacy"), reason="no iptables here")
def test_the_rules_of_the_older_filter(broker, doctor):
    if broker.host.run("iptables-legacy", "-P", "FORWARD", "DROP", check=False).returncode:
        pytest.skip("this kernel has no older filter")
    mend(broker, doctor(), r"^iptables-legacy \(chain FORWARD\) stops packets from machines")
    assert doctor() == {}
    broker.host.run("iptables-legacy", "-P", "INPUT", "DROP")
    mend(broker, doctor(), r"^iptables-legacy \(chain INPUT\) stops machines' requests")
    assert doctor() == {}


def test_what_only_root_may_see(broker, doctor):
    assert doctor(uid=1234) == {"only root may look at packet filters": "sudo vmnetctl doctor"}

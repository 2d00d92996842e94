# SPDX-License-Identifier: Apache-2.0
"""What becomes of each key on each system: no key is ignored without a word.

For every key that there is, in the schema and in the parser, there is an answer here for Linux and
for macOS: values that are in force, values that are refused and by which words, and what is said
in the documents where a value does less than it would elsewhere.
"""

import json
import os
import pathlib
import re
import subprocess
from typing import NamedTuple

import pytest

TOP = pathlib.Path(__file__).parent / "../.."
SCHEMA = json.loads((TOP / "data/networks.schema.json").read_text())["definitions"]
GUIDE = (TOP / "docs/configuration.md").read_text()
MANUAL = (TOP / "man/vmnet-broker-networks.json.5").read_text()

PROGRAMS = {"Linux": os.environ["VMNETCTL"], "macOS": os.environ["VMNETCTL_MACOS"]}


class Answer(NamedTuple):
    """What a system makes of a key."""

    takes: list = []
    refuses: dict = {}  # a value as JSON: what is said of it
    said: str = ""  # the words of all the documents


def same(*values):
    return {"Linux": Answer([*values]), "macOS": Answer([*values])}


SUBNET_LENGTH = "must be of a length from /16 to /28, not /"
SUBNET_PRIVATE = "must be private on macOS, of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16"

VXLAN = {
    "vni": 7,
    "control": "evpn",
    "hosts": [
        {"name": "a", "address": "192.0.2.1", "pool": "192.168.105.16/28"},
        {"name": "b", "address": "192.0.2.2", "pool": "192.168.105.64/26"},
    ],
}

ANSWERS = {
    "mode": {
        "Linux": Answer(["shared", "host", "bridged"]),
        "macOS": Answer(
            ["shared", "host"],
            {'"bridged"': 'cannot be "bridged" on macOS; choose "shared" or "host"'},
        ),
    },
    "description": same("The lab's machines"),
    "aliases": same(["test"]),
    "subnet": {
        "Linux": Answer(["10.0.0.0/8", "10.0.0.0/29", "198.51.100.0/24"]),
        "macOS": Answer(
            ["10.0.0.0/16", "172.16.0.0/28", "192.168.105.0/24"],
            {
                '"10.0.0.0/15"': f"{SUBNET_LENGTH}15",
                '"10.0.0.0/29"': f"{SUBNET_LENGTH}29",
                '"198.51.100.0/24"': SUBNET_PRIVATE,
                '"172.32.0.0/16"': SUBNET_PRIVATE,
            },
            "private and from /16 to /28",
        ),
    },
    "ipv6_prefix": {
        "Linux": Answer(["fd12:3456:789a:1::/64", "2001:db8:1:2::/64"]),
        "macOS": Answer(
            ["fd12:3456:789a:1::/64"],
            {'"2001:db8:1:2::/64"': "must be unique local on macOS, of fd00::/8"},
            "of fd00::/8",
        ),
    },
    "external_interface": same("en0"),
    "mtu": {
        "Linux": Answer([1280, 1500, 65535], said="at most 65521"),
        "macOS": Answer([1280, 1500, 65535], said="only 1500 has been measured"),
    },
    "nat44": {
        "Linux": Answer([True, False]),
        "macOS": Answer(
            [True],
            {
                "false": 'cannot be false in a "shared" network on macOS; remove it, or choose '
                'mode "host", which has no way to the outside'
            },
        ),
    },
    "nat66": same(True, False),
    "dhcp": same(True, False),
    "dns_proxy": {
        "Linux": Answer([True, False]),
        "macOS": Answer([True, False], said="knows no names of machines"),
    },
    "router_advertisement": same(True, False),
    "vxlan": {
        "Linux": Answer([VXLAN]),
        "macOS": Answer(refuses={"{}": "cannot be had on macOS; remove it"}),
    },
    "vxlan.vni": {
        "Linux": Answer([1, 2**24 - 1]),
        "macOS": Answer(refuses={"1": "cannot be had on macOS; remove it"}),
    },
    "vxlan.control": {
        "Linux": Answer(["evpn", "static"]),
        "macOS": Answer(refuses={'"evpn"': "cannot be had on macOS; remove it"}),
    },
    "vxlan.port": {
        "Linux": Answer([1024, 65535]),
        "macOS": Answer(refuses={"4789": "cannot be had on macOS; remove it"}),
    },
    "vxlan.hosts": {
        "Linux": Answer([VXLAN["hosts"]]),
        "macOS": Answer(refuses={"[]": "cannot be had on macOS; remove it"}),
    },
    "vxlan.hosts[].name": {
        "Linux": Answer(["one", "2-b"]),
        "macOS": Answer(refuses={'"one"': "cannot be had on macOS; remove it"}),
    },
    "vxlan.hosts[].address": {
        "Linux": Answer(["192.0.2.3", "10.0.0.1"]),
        "macOS": Answer(refuses={'"192.0.2.3"': "cannot be had on macOS; remove it"}),
    },
    "vxlan.hosts[].pool": {
        "Linux": Answer(["192.168.105.32/30", "192.168.105.128/25"]),
        "macOS": Answer(refuses={'"192.168.105.32/30"': "cannot be had on macOS; remove it"}),
    },
    "dhcp_reservations": same([]),
    "dhcp_reservations[].mac_address": same("52:54:00:00:00:0b"),
    "dhcp_reservations[].address": same("192.168.105.11"),
    "dhcp_reservations[].hostname": {
        "Linux": Answer(["db"]),
        "macOS": Answer(
            refuses={
                '"db"': "cannot be had on macOS, whose DNS knows no names of machines; remove it"
            },
        ),
    },
    "port_forwarding": {
        "Linux": Answer([[]]),
        "macOS": Answer([[]], said="not reached by the loopback of the Mac itself before macOS 27"),
    },
    "port_forwarding[].protocol": same("tcp", "udp", "both"),
    "port_forwarding[].external_address": {
        "Linux": Answer(["127.0.0.1", "192.0.2.1"]),
        "macOS": Answer(refuses={'"127.0.0.1"': "cannot be had on macOS; remove it"}),
    },
    "port_forwarding[].external_port": same(1, 65535, "1-100"),
    "port_forwarding[].internal_address": same("192.168.105.10", "fd12:3456:789a:1::10"),
    "port_forwarding[].internal_port": same(1, 65535, "80-80"),
    "allow_port_forwarding": {
        "Linux": Answer([{}]),
        "macOS": Answer(refuses={"{}": "cannot be had on macOS; remove it"}),
    },
    "allow_port_forwarding.addresses": {
        "Linux": Answer(["any", "loopback", "none"]),
        "macOS": Answer(refuses={'"any"': "cannot be had on macOS; remove it"}),
    },
    "allow_port_forwarding.from_port": {
        "Linux": Answer([1, 65535]),
        "macOS": Answer(refuses={"1024": "cannot be had on macOS; remove it"}),
    },
    "isolated": {
        "Linux": Answer([True, False]),
        "macOS": Answer([False], {"true": "cannot be had on macOS; remove it"}),
    },
    "link_local": {
        "Linux": Answer([True, False]),
        "macOS": Answer(
            refuses={
                "true": "cannot be had on macOS; remove it",
                "false": "cannot be had on macOS; remove it",
            }
        ),
    },
    "bypass_kill_switch": {
        "Linux": Answer([True, False]),
        "macOS": Answer(
            refuses={
                "true": "cannot be had on macOS; remove it",
                "false": "cannot be had on macOS; remove it",
            }
        ),
    },
    "allow": same({}),
    "allow.users": same(["root"]),
    "allow.groups": same(["daemon"]),
    "rate_limit_in": {
        "Linux": Answer([{"bits_per_second": 1000}]),
        "macOS": Answer(refuses={"{}": "cannot be had on macOS; remove it"}),
    },
    "rate_limit_out": {
        "Linux": Answer([{"bits_per_second": 10**12}]),
        "macOS": Answer(refuses={"{}": "cannot be had on macOS; remove it"}),
    },
    # The same in the other one.
    "rate_limit_in.bits_per_second": {
        "Linux": Answer([1000, 10**12]),
        "macOS": Answer(refuses={"1000": "cannot be had on macOS; remove it"}),
    },
    "rate_limit_in.burst_bytes": {
        "Linux": Answer([65536, 1 << 26]),
        "macOS": Answer(refuses={"65536": "cannot be had on macOS; remove it"}),
    },
    "max_interfaces": {
        "Linux": Answer([1, 1023]),
        "macOS": Answer(refuses={"256": "cannot be had on macOS; remove it"}),
    },
}

# What a key is in, where it is not the network itself.
LISTED = {
    "dhcp_reservations": {"mac_address": "52:54:00:00:00:0a", "address": "192.168.105.10"},
    "port_forwarding": {
        "protocol": "tcp",
        "external_port": 80,
        "internal_address": "192.168.105.10",
        "internal_port": 80,
    },
}

OBJECTS = {"rate_limit_in": {"bits_per_second": 1000}, "vxlan": VXLAN}

# What is refused as a whole, with all that is in it.
WHOLE = {
    "allow_port_forwarding.addresses",
    "allow_port_forwarding.from_port",
    "rate_limit_in.bits_per_second",
    "rate_limit_in.burst_bytes",
    *(key for key in ANSWERS if key.startswith("vxlan.")),
}


def schema_keys():
    """Each key of the schema: its path as above, and its description."""
    network = SCHEMA["network"]["properties"]
    nested = {
        "dhcp_reservations[]": SCHEMA["reservation"]["properties"],
        "port_forwarding[]": SCHEMA["forwarding"]["properties"],
        "allow": network["allow"]["properties"],
        "rate_limit_in": SCHEMA["rate_limit"]["properties"],
        "vxlan": network["vxlan"]["properties"],
        "vxlan.hosts[]": SCHEMA["vxlan_host"]["properties"],
        "allow_port_forwarding": network["allow_port_forwarding"]["properties"],
    }
    keys = {key: value.get("description", "") for key, value in network.items()}
    for path, properties in nested.items():
        for key, value in properties.items():
            keys[f"{path}.{key}"] = value.get("description", "")
    return keys


def parser_keys():
    """The keys of the parser's tables, without what they are in."""
    sources = sorted(TOP.glob("config/*.c"))
    text = "".join(path.read_text() for path in sources)
    return re.findall(r'\{\s*"(\w+)",\s*(?:config_)?read_\w+,', text)


def network_with(key, value):
    """A network that is right but for the key, maybe."""
    if key.startswith("vxlan.hosts[]."):
        one, other = VXLAN["hosts"]
        return network_with("vxlan.hosts", [{**one, key.rpartition(".")[2]: value}, other])
    container, _, inner = key.partition("[].")
    if key == "mode":
        bridge = {"external_interface": "br0"} if value == "bridged" else {}
        return {"mode": value, **bridge}
    network = {
        "mode": "shared",
        "subnet": "192.168.105.0/24",
        "ipv6_prefix": "fd12:3456:789a:1::/64",
    }
    if inner:
        network[container] = [{**LISTED[container], inner: value}]
    elif "." in key:
        container, _, inner = key.partition(".")
        network[container] = {**OBJECTS.get(container, {}), inner: value}
    else:
        network[key] = value
    return network


def check(directory, system, network):
    """What the system says of a network: nothing, or a sentence with its place."""
    (directory / "networks.json").write_text(json.dumps({"lab": network}))
    done = subprocess.run(
        [PROGRAMS[system], "check", "networks.json"],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == (1 if done.stderr else 0)
    return done.stderr.partition("\n")[0]


def is_otherwise(answer):
    return bool(answer.refuses or answer.said)


def cells(system):
    """The column of the guide's table: {key: text}."""
    rows = re.findall(r"^\| `(\S+)` \| (.*) \| (.*) \|$", GUIDE, re.MULTILINE)
    return {row[0]: row[1 if system == "Linux" else 2] for row in rows}


def words(text):
    return " ".join(text.split())


def test_every_key_has_an_answer():
    assert ANSWERS.keys() == schema_keys().keys()
    assert sorted(parser_keys()) == sorted(re.split(r"\.", key)[-1] for key in ANSWERS)
    for key, answers in ANSWERS.items():
        assert answers.keys() == PROGRAMS.keys(), key
        assert all(answer.takes or answer.refuses for answer in answers.values()), key


@pytest.mark.parametrize("system", PROGRAMS)
@pytest.mark.parametrize("key", ANSWERS)
def test_a_key_is_taken_or_refused(tmp_path, key, system):
    answer = ANSWERS[key][system]
    for value in answer.takes:
        assert check(tmp_path, system, network_with(key, value)) == ""
    for text, message in answer.refuses.items():
        said = check(tmp_path, system, network_with(key, json.loads(text)))
        path = key.partition(".")[0] if key in WHOLE else key.replace("[]", "[0]")
        assert re.fullmatch(rf'networks\.json:1:\d+: network "lab": "{re.escape(path)}" (.*)', said)
        assert said.endswith(f'"{path}" {message}')


@pytest.mark.parametrize("system", PROGRAMS)
def test_the_guide_says_the_same(system):
    column = cells(system)
    assert column.keys() == ANSWERS.keys()
    for key, text in column.items():
        answer = ANSWERS[key][system]
        assert (text != "yes") == is_otherwise(answer), key
        assert ("error" in text) == bool(answer.refuses), key
        assert answer.said in text, key


def test_the_manual_says_the_same():
    section = MANUAL.partition(".Ss On macOS\n")[2].partition("\n.Ss ")[0]
    items = {
        key: words(text)
        for key, text in re.findall(r"^\.It Cm (\w+)\n(.*?)(?=^\.It|^\.El)", section, re.M | re.S)
    }
    otherwise = {
        key.rpartition(".")[2]: answers["macOS"]
        for key, answers in ANSWERS.items()
        if is_otherwise(answers["macOS"]) and not key.startswith("vxlan.")
    }
    assert items.keys() == otherwise.keys()
    for key, answer in otherwise.items():
        assert ("error" in items[key].lower()) == bool(answer.refuses), key
        assert answer.said in items[key], key
    for answers in ANSWERS.values():
        assert answers["Linux"].said in words(MANUAL)


def test_the_schema_says_the_same():
    for key, description in schema_keys().items():
        answers = ANSWERS[key]
        otherwise = any(is_otherwise(answer) for answer in answers.values())
        assert bool(re.search(r"\(Linux\)|macOS", description)) == otherwise, key
        assert all(answer.said in description for answer in answers.values()), key

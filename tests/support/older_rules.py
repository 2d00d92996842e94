# SPDX-License-Identifier: Apache-2.0
"""Older brokers' rules: two tables of each network, with a chain in each hook; maps by names."""

import re

from support.groups import PORT_GROUPS

_TABLES = """
table inet vmnet-broker-{network} {{
    chain machine {{
        ip daddr 127.0.0.0/8 drop
        ip saddr != 0.0.0.0 ip saddr != {subnet} drop
        ip6 saddr != :: ip6 saddr != fe80::/10 drop
    }}
    chain spoofed {{
        type filter hook prerouting priority raw; policy accept;
        iifname "vmb-{network}" goto machine
        iifname "lo" accept
        ip saddr {subnet} drop
    }}
    chain input {{
        type filter hook input priority filter; policy accept;
        iifname "lo" accept
        iifname "vmb-{network}" accept
        ct direction reply accept
        ip daddr {subnet} drop
    }}
    chain leaving {{
        oifname "vmb-{network}" accept
        oifname "vmb-*" drop
        accept
    }}
    chain entering {{
        iifname "vmb-*" drop
        ct state established,related accept
        ct status dnat accept
        drop
    }}
    chain forward {{
        type filter hook forward priority filter; policy accept;
        iifname "vmb-{network}" goto leaving
        oifname "vmb-{network}" goto entering
    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        oifname "lo" accept
        oifname "vmb-{network}" accept
        ip saddr {subnet} masquerade
    }}
    chain masqueraded {{
        type filter hook postrouting priority srcnat + 1; policy accept;
        oifname "lo" accept
        oifname "vmb-{network}" accept
        ip saddr {subnet} drop
    }}
}}
table bridge vmnet-broker-{network} {{
    counter rogue {{
    }}
    chain rogue {{
        counter name "rogue" drop
    }}
    chain prerouting {{
        type filter hook prerouting priority filter; policy accept;
        iifgroup != {group:#x} accept
        ether saddr {mac} goto rogue
        ip saddr {gateway} goto rogue
        udp sport 67 goto rogue
    }}
    chain input {{
        type filter hook input priority filter; policy accept;
        iifgroup {group:#x} ether daddr & 01:00:00:00:00:00 == 00:00:00:00:00:00 \
ether daddr != {mac} goto rogue
    }}
}}
"""


def _take_from_group(host, network):
    """No older broker has put a bridge into one."""
    host.ip(f"link set vmb-{network} group default")


def name_bridges(host, networks):
    """Has the rules of all networks know bridges by their names."""
    table = "table inet vmnet-broker.networks"
    text = host.run("nft", "list", *table.split()).stdout
    text = re.sub(r"\b\d{10} : (goto|jump) (\w+)-(\w+)", r'"vmb-\3" : \1 \2-\3', text)
    text = re.sub(r"ifgroup \d+/16", 'ifname "vmb-*"', text)
    text = text.replace("ifgroup", "ifname").replace("devgroup", "ifname").replace("_by_group", "")
    host.run("nft", "-f", "-", input=f"delete {table}\n{text}")
    for network in networks:
        _take_from_group(host, network)


def replace_rules(host, subnets):
    """Puts the rules of all networks, by their subnets, into tables of the older kind."""
    text = "delete table inet vmnet-broker.networks\ndelete table bridge vmnet-broker.networks\n"
    for network, subnet in subnets.items():
        bridge = host.device(f"vmb-{network}")
        text += _TABLES.format(
            network=network,
            subnet=subnet,
            gateway=subnet.replace(".0/24", ".1"),
            mac=bridge["address"],
            group=PORT_GROUPS | bridge["ifindex"],
        )
        _take_from_group(host, network)
    host.run("nft", "-f", "-", input=text)

# SPDX-License-Identifier: Apache-2.0
"""What a test needs of this machine; without it the test is skipped, and says why."""

import json
import os
import re
import shutil
import subprocess

import pytest

from .fabric import FRR

FRR_OVER_IPV6 = 10, 6
WIREGUARD = ["unshare", "--net", "ip", "link", "add", "type", "wireguard"]


def need(program):
    if not shutil.which(program):
        pytest.skip(f"no {program} here")


def frr_version():
    """As (major, minor)."""
    bgpd = [f"{FRR}/bgpd", "--version"]
    said = subprocess.run(bgpd, check=True, capture_output=True, text=True).stdout
    return tuple(map(int, re.match(r"bgpd version (\d+)\.(\d+)", said).groups()))


def need_fabric(control="evpn", underlay="ipv4", **_):
    """What hosts need that are on a network together: support/fabric.py."""
    if control == "evpn":
        need("vtysh")
        if underlay == "ipv6" and frr_version() < FRR_OVER_IPV6:
            pytest.skip("FRR knows no VXLAN over IPv6 here")
    if underlay == "wireguard":
        need("wg")
        if subprocess.run(WIREGUARD, check=False, capture_output=True).returncode != 0:
            need("wireguard-go")


def need_plain(build, why):
    """Programs without AddressSanitizer."""
    with open(os.path.join(build, "meson-info/intro-buildoptions.json"), encoding="utf-8") as file:
        options = {option["name"]: option["value"] for option in json.load(file)}
    if "address" in options["b_sanitize"]:
        pytest.skip(why)


def need_filtered_bridges(host, *families):
    """The rules of "ip" or "ip6" see what bridges pass between their ports."""
    for family in families:
        if not host.filter_bridges(family, 1):
            pytest.skip("br_netfilter is not there")

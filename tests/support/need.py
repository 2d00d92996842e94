# SPDX-License-Identifier: Apache-2.0
"""What a test needs of this machine; without it the test is skipped, and says why."""

import json
import os
import shutil
import subprocess

import pytest

WIREGUARD = ["unshare", "--net", "ip", "link", "add", "type", "wireguard"]


def need(program):
    if not shutil.which(program):
        pytest.skip(f"no {program} here")


def need_fabric(control="evpn", underlay="ipv4", **_):
    """What hosts need that are on a network together: support/fabric.py."""
    if control == "evpn":
        need("vtysh")
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

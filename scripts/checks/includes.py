# SPDX-License-Identifier: Apache-2.0
"""Who may include whom: what a folder's sources stand on, and nothing else.

A header's guard is its path: two that are called alike may meet in one source.

A file of the own folder is included by its name alone, any other by its path from the top.
"""

import os
import re

# Beside its own, a folder may include what is in these. What is not here may be included by none.
MAY_INCLUDE = {
    "base": [],
    "wire": [],
    "config": ["base"],
    "host": ["base"],
    "broker": ["base", "config"],
    "broker/darwin": ["base", "config", "broker", "wire"],
    "broker/linux": ["base", "config", "broker"],
    "broker/linux/dnsmasq": ["base", "config", "host", "broker", "broker/linux"],
    "broker/linux/firewall": ["base", "config", "host", "broker", "broker/linux"],
    "broker/linux/routing": ["base", "config", "host", "broker", "broker/linux"],
    "broker/linux/network": [
        *("base", "config", "host", "broker", "broker/linux"),
        *("broker/linux/dnsmasq", "broker/linux/firewall", "broker/linux/routing"),
        "broker/linux/vxlan",
    ],
    "broker/linux/vxlan": ["base", "config", "host", "broker", "broker/linux"],
    "broker/linux/varlink": ["base", "config", "wire", "broker", "broker/linux"],
    "include": [],
    "client": ["base", "include"],
    "client/darwin": ["base", "wire", "include", "client"],
    "client/linux": ["base", "wire", "include", "client"],
    "vmnetctl": ["base", "config", "include"],
    "vmnetctl/darwin": ["base", "config", "include", "vmnetctl"],
    "vmnetctl/linux": ["base", "config", "host", "include", "vmnetctl"],
    "cni": ["base", "host", "include"],
    "nss": ["base", "host"],
    "examples": ["include"],
}

# Sources that may more than their folder.
MAY_ALSO_INCLUDE = {
    # It puts the parts together, which do not know each other.
    "broker/linux/platform.c": [
        *("host", "broker/linux/dnsmasq", "broker/linux/firewall"),
        *("broker/linux/network", "broker/linux/varlink"),
    ],
    # Which group a port is in, for the rules.
    "cni/cni.c": ["broker/linux/firewall"],
    # Who starts dnsmasq is to be there before privileges are not.
    "broker/linux/privilege.c": ["broker/linux/dnsmasq"],
}

FOLDERS = {folder.split("/")[0] for folder in MAY_INCLUDE}
INCLUDE = re.compile(r'\s*#\s*(?:include|import)\s*(?:"([^"]+)"|<([^>]+)>)')


def included_folder(folder, quoted, name, files):
    """Where an include leads, or None: out of the project."""
    if "/" not in name and f"include/{name}" in files:
        return "include"
    if not quoted:
        return None
    return os.path.dirname(name) or folder


def wrong_includes(texts):
    """Looks at {file: its lines}; returns a line for each include that may not be."""
    wrong = []
    for file in sorted(texts):
        folder = os.path.dirname(file)
        if folder.split("/")[0] not in FOLDERS or not file.endswith((".c", ".h", ".m")):
            continue
        may = {folder, *MAY_INCLUDE.get(folder, []), *MAY_ALSO_INCLUDE.get(file, [])}
        for number, line in enumerate(texts[file], 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            other = included_folder(folder, match[1], match[1] or match[2], texts)
            if other is not None and other not in may:
                wrong.append(f"{file}:{number}: {folder} may not include {other}")
    return wrong


def wrong_guards(texts):
    """Looks at {file: its lines}; returns a line for each header whose guard is not its path."""
    wrong = []
    for file in sorted(texts):
        if os.path.dirname(file) not in MAY_INCLUDE or not file.endswith(".h"):
            continue
        guard = "VMNET_" + re.sub(r"\W", "_", file).upper()
        if f"#ifndef {guard}" not in texts[file] and not file.startswith("include/"):
            wrong.append(f"{file}: its guard is to be {guard}")
    return wrong

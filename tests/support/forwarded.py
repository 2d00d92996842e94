# SPDX-License-Identifier: Apache-2.0
"""A network with a port of the host's that leads to port 22 of a machine."""

MAC, ADDRESS, PORT = "52:54:00:00:00:0a", "192.168.105.10", 2222
FORWARDED = {
    "mode": "shared",
    "subnet": "192.168.105.0/24",
    "dhcp_reservations": [{"mac_address": MAC, "address": ADDRESS}],
    "port_forwarding": [
        {
            "protocol": "tcp",
            "external_port": PORT,
            "internal_address": ADDRESS,
            "internal_port": 22,
        }
    ],
}

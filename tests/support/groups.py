# SPDX-License-Identifier: Apache-2.0
"""Groups of links, with the index of a bridge each: broker/linux/firewall/firewall.h has them."""

PORT_GROUPS = 0x766D0000
BRIDGE_GROUPS = 0x76620000

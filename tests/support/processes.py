# SPDX-License-Identifier: Apache-2.0
"""The processes that a broker of root has made, in their order."""

STARTER, ACCOUNTS, FORKER = range(3)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]

# SPDX-License-Identifier: Apache-2.0
"""Real machines, as fixtures."""

import os

import pytest

from support.guest import Guest


@pytest.fixture
def make_guest(broker, build):
    """Starts machines, at the same time if asked one after the other: make_guest(**options).

    They have booted when boot() returns. VMNET_BROKER_KVM=1 in the environment runs them by KVM.
    """
    assert os.path.exists(os.path.join(build, "guest/initramfs")), (
        f"there is nothing to boot: run tests/machines/make-image {build}/guest"
    )
    guests = []

    def make(**options):
        options.setdefault("name", f"guest{len(guests) + 1}")
        options.setdefault("kvm", os.environ.get("VMNET_BROKER_KVM") == "1")
        guests.append(Guest(broker, **options))
        return guests[-1]

    yield make
    for guest in guests:
        guest.close()

# SPDX-License-Identifier: Apache-2.0
"""What vmnetctl doctor says of programs that manage the broker's devices."""

import pytest

from support.managers import Networkd, NetworkManager


def first_of_all_files(doctor):
    """Sorted by name, the administrator's is before the broker's."""
    manager = Networkd(doctor.host)
    manager.take("vmb-* vmc-* vmx-* vmh-* vmp-* vmt*", "00-all.network")
    manager.install()
    return manager


def not_read(doctor):
    """The broker was installed, and nobody has told NetworkManager."""
    return NetworkManager(doctor.host)


@pytest.mark.parametrize("make", [first_of_all_files, not_read], ids=lambda make: make.__name__)
def test_managed_devices(doctor, join, make):
    manager = make(doctor)
    join("default")
    manager.start()
    manager.wait_until_it_has("vmb-default")
    says = rf"{manager.program} manages vm\S+, a device of the broker's, and may take its .*"
    commands = {doctor.find(says, uid) for uid in (0, 1234)}
    (command,) = commands
    manager.install(command.split()[1])
    doctor.mend(command)
    doctor.check_machines(way_out=False)  # eth0 is its, too, and is not set up here
    assert not manager.manages("vmb-default")

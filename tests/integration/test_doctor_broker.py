# SPDX-License-Identifier: Apache-2.0
"""What vmnetctl doctor says of the broker, what it keeps, and its configuration."""

import os

import pytest

from support.doctor import CONFIG_FILE, PROGRAMS, USER, Trouble


def configuration(text, command="true"):
    def make(doctor):
        doctor.configure(text)
        doctor.host.run(*command.split(), CONFIG_FILE)

    return make


def no_broker(doctor):
    doctor.broker.stop()


def damaged_state(doctor):
    """What the broker makes when it starts is gone, and missed by the next repair."""
    doctor.broker.client().acquire("default")
    # Away and whole: in a directory that is being emptied the broker may just write a file.
    os.rename(doctor.broker.state_dir, f"{doctor.broker.state_dir}.gone")
    doctor.host.ip("link delete vmb-default")


def full_disk(doctor):
    broker = doctor.broker
    broker.stop()
    doctor.host.run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", broker.state_dir)
    broker.start()
    doctor.host.run("sh", "-c", f"dd if=/dev/zero of={broker.state_dir}/filler || true")
    broker.client().acquire("default")


REFUSED = f"{CONFIG_FILE} is refused: only root may own and write it"
TROUBLES = {
    "no broker": Trouble(no_broker, r"no broker at /.*/socket: No such file or directory"),
    "no permission for the socket": Trouble(
        lambda doctor: os.chmod(doctor.broker.socket_path, 0o600),
        "no broker at /.*/socket: Permission denied",
        users=(USER,),
    ),
    "no permission for its directory": Trouble(
        lambda doctor: os.chmod(doctor.broker.directory, 0o700),
        "no broker at /.*/socket: Permission denied",
        users=(USER,),
    ),
    "what the broker makes at its start": Trouble(
        damaged_state, r'network "default": dnsmasq\'s files in .*: No such file or directory'
    ),
    "a full disk": Trouble(
        full_disk,
        r'network "default": its addresses cannot be kept in .*: No space left on device',
        reason="what may go, only people know",
    ),
    "a file of another user": Trouble(configuration("{}", f"chown {USER}"), REFUSED),
    "a file that its group writes": Trouble(configuration("{}", "chmod g+w"), REFUSED),
    "a file that others write": Trouble(configuration("{}", "chmod o+w"), REFUSED),
    "a file that the broker cannot read": Trouble(
        configuration("{}", "chmod 600"),
        f"{CONFIG_FILE} can be read by root only, which the broker is not",
    ),
    "a file that root's group can read": Trouble(
        configuration("{}", "chmod 640"),
        f"{CONFIG_FILE} can be read by root only, which the broker is not",
    ),
    "a mistake": Trouble(
        configuration('{ "lab": { "mode": "guest" } }'),
        f'{CONFIG_FILE} has mistakes, of which the first is: network "lab": "mode" .*',
        env={"EDITOR": "sed -i s/guest/shared/"},
    ),
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_trouble_is_named_and_mended(doctor, trouble):
    trouble.check(doctor)


def test_no_service(broker, doctor):
    """The broker is looked for where the service would have it."""
    done = doctor.host.run(
        *("env", "-u", "VMNET_BROKER_SOCKET", f"{PROGRAMS}/vmnetctl", "doctor"), check=False
    )
    assert done.returncode == 1
    assert done.stdout.startswith(
        "problem: no broker at /run/vmnet-broker/socket: No such file or directory\n"
        "    systemctl enable --now vmnet-broker.socket\n"
    )
    assert done.stdout.endswith(
        "1 problem; under each is the command that mends it, where there is one.\n"
    )

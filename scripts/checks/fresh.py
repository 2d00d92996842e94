# SPDX-License-Identifier: Apache-2.0
"""The stage that installs on a system where nothing is but what scripts/install installs."""

import shutil

from .root import fresh_root
from .tools import Result, stage

# A program of somebody's own, by pkg-config alone: it starts, and there is no broker.
CLIENT = (
    "cc -o /client examples/client.c $(pkg-config --cflags --libs vmnet-broker); "
    "said=$(/client 2>&1) || [ $? -eq 1 ]; echo \"$said\" | grep ^/run/vmnet-broker/socket:"
)


# Connections, networks and their servers go on, and systemd has nothing to say of it.
RESTART = """
trap 'journalctl --no-pager' EXIT
vmnetctl hold default &
until vmnetctl networks | grep '^default .* active '; do sleep 0.1; done
for _ in 1 2 3; do
	systemctl restart vmnet-broker
	vmnetctl networks | grep '^default .* active .* 1 '
done
until systemctl status vmnet-broker | grep 'Status: "1 active network, '; do sleep 0.1; done
! journalctl --no-pager | grep -e left-over -e 'remains running'
"""
BOOTED = ["systemd-sysv", "dbus", "iproute2"]


def _needed(log):
    """Those that scripts/install installs."""
    text = ". scripts/packages; echo $PACKAGES_BUILD $PACKAGES_RUN"
    return log.run_quietly("sh", "-c", text)[1].split()


@stage(beside=True)
def fresh(checks, log):
    """an install on a fresh system, from no more packages than scripts/install installs"""
    result = Result()
    with fresh_root(log, _needed(log)) as root:
        for file in checks.files("*"):
            shutil.copy(file, root.path(f"/source/{file}"))

        def holds(what, text):
            status, _ = root.run(log, "sh", "-ec", f"cd /source; {text}")
            result.add(status == 0, what)
            return status == 0

        # These programs hardly run: what an optimizer takes is not worth it.
        setup = "meson setup build --prefix=/usr -Dtests=false -Doptimization=0"
        copy = "DESTDIR=/image meson install -C build"  # uninstalled is what comes after it
        for prefix, install in (
            ("/usr", f"{setup}; {copy}; meson install -C build"),
            ("/usr/local", "meson configure build --prefix=/usr/local; meson install -C build"),
        ):
            if not holds(f"{prefix}: {install}", install):
                break
            for program in "vmnetctl check data/networks.json", "vmnet-broker --version":
                holds(f"{prefix}: {program}", f"{prefix}/bin/{program}")
            holds(f"{prefix}: a client of the library", CLIENT)
            holds(f"{prefix}: uninstall", "ninja -C build uninstall; rm -f /client")
            holds(f"{prefix}: something is left", f"! find {prefix} /usr -name '*vmnet-*' | grep .")
        result.add(_restarts(root, log), "a restart with an active network")
    return result


def _restarts(built, log):
    """As a service, on a system that is booted."""
    with fresh_root(log, [*_needed(log), *BOOTED]) as root:
        shutil.copytree(built.path("/image/usr"), root.path("/usr"), dirs_exist_ok=True)
        prepare = "systemd-sysusers && systemctl enable vmnet-broker.socket"
        return root.run(log, "sh", "-c", prepare)[0] == 0 and root.boot(log, RESTART)

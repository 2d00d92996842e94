# SPDX-License-Identifier: Apache-2.0
"""The stage that installs on a system where nothing is but what README.md names."""

import shutil

from .root import fresh_root
from .tools import Result, stage

# A program of somebody's own, by pkg-config alone: it starts, and there is no broker.
CLIENT = (
    "cc -o /client examples/client.c $(pkg-config --cflags --libs vmnet-broker); "
    "said=$(/client 2>&1) || [ $? -eq 1 ]; echo \"$said\" | grep ^/run/vmnet-broker/socket:"
)


def _needed(log):
    """Those that README.md names, as a test sees to."""
    text = ". scripts/packages; echo $PACKAGES_BUILD $PACKAGES_RUN"
    return log.run_quietly("sh", "-c", text)[1].split()


@stage(beside=True)
def fresh(checks, log):
    """an install on a fresh system, from no more packages than README.md names"""
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
        for prefix, install in (
            ("/usr", f"{setup}; meson install -C build"),
            ("/usr/local", "meson configure build --prefix=/usr/local; meson install -C build"),
        ):
            if not holds(f"{prefix}: {install}", install):
                break
            for program in "vmnetctl check data/networks.json", "vmnet-broker --version":
                holds(f"{prefix}: {program}", f"{prefix}/bin/{program}")
            holds(f"{prefix}: a client of the library", CLIENT)
            holds(f"{prefix}: uninstall", "ninja -C build uninstall; rm -f /client")
            holds(f"{prefix}: something is left", f"! find {prefix} /usr -name '*vmnet-*' | grep .")
    return result

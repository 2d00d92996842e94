# SPDX-License-Identifier: Apache-2.0
"""The demonstration holds what it says; scripts/demo itself would install and build first."""

import os
import pathlib
import subprocess

from support.need import need_fabric

SCRIPT = pathlib.Path(__file__).parents[2] / "scripts/demo.py"


def test_several_hosts(build):
    need_fabric()
    kvm = ["--kvm"] if os.environ.get("VMNET_BROKER_KVM") == "1" else []
    argv = ["/usr/bin/python3", "-B", str(SCRIPT), *kvm, "--hosts=3", build]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Everything held" in done.stdout and "FAILED" not in done.stdout

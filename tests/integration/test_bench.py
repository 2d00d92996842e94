# SPDX-License-Identifier: Apache-2.0
"""scripts/bench measures what it is for, so that it does when somebody needs it."""

import json
import pathlib
import subprocess

import pytest

TOP = pathlib.Path(__file__).parents[2]
MEASURES = {
    "datapath": {
        "machine to machine, 60 bytes",
        "machine to machine, payload",
        "machine to host, 60 bytes",
        "machine to outside, 60 bytes",
        "round trip to host",
        "round trip to outside",
        "host's own, to outside, 60 bytes",
    },
    "control": {
        "network created",
        "network to first DHCP offer",
        "last hold of a network released, to all removed",
        "acquire",
        "attach",
        "attach, while networks come and go",
        "vmnetctl run, to its command",
        "start to ready",
    },
    "scale": {
        "memory of the broker's processes",
        "processes of dnsmasq",
        "asked to end, to ended",
        "attach, the Nth",
        "network created, the Nth",
    },
}


def bench(build, part, path):
    options = "--quick", "--rounds=1", f"--only={part}", f"--json={path}", f"--build={build}"
    done = subprocess.run(
        [TOP / "scripts/bench", "--no-install", *options],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("part", MEASURES)
def test_a_part(build, tmp_path, part):
    output, found = bench(build, part, tmp_path / "results.json")
    assert found["machine"]["kernel"] in output
    measures = {entry["measure"]: entry for entry in found["measures"] + found["series"]}
    assert MEASURES[part] <= measures.keys()
    for entry in found["measures"]:
        for contestant, of in entry["contestants"].items():
            low, high = of["quartiles"]
            assert 0 <= low <= of["median"] <= high, contestant
            assert of["rounds"] >= 1
    if part != "scale":
        assert all(
            any(name.startswith("broker") for name in entry["contestants"])
            and len(entry["contestants"]) > 1
            for entry in found["measures"]
        )
    for entry in found["series"]:
        assert {"bare", "broker"} == entry["contestants"].keys()

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
        "machine to machine, 60 bytes, 2 queues",
        "machine to host, 60 bytes, 2 queues",
        "machine to outside, 60 bytes, 2 queues",
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
        "the loop blocked, longest",
    },
    "scale": {
        "memory of the broker's processes",
        "processes of dnsmasq",
        "asked to end, to ended",
        "attach, the Nth",
        "network created, the Nth",
        "client connected, and acquired, the Nth",
        "memory of the broker's first process, resident, idle",
        "wake-ups of idle processes, a machine on each network",
        "the loop blocked, longest",
    },
    "counted": {
        "system calls: acquire",
        "system calls: attach",
        "system calls: create",
    },
}
# By the part that they are figured out from.
TARGETS = {"datapath": 8, "control": 9, "scale": 8, "counted": 3}
MARK = "<!-- scripts/bench --markdown writes what follows. -->\n"
OF_WATCHED = "the loop blocked, longest", "the same with what others had of the processors"


def bench(build, part, path, *more):
    options = "--quick", "--rounds=1", f"--only={part}", f"--json={path}", f"--build={build}"
    options += more
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
    document = tmp_path / "document.md"
    document.write_text(f"Before.\n{MARK}The last run's.\n", encoding="utf-8")
    output, found = bench(build, part, tmp_path / "results.json", f"--markdown={document}")
    before, _, after = document.read_text(encoding="utf-8").partition(MARK)
    assert before == "Before.\n"
    assert after.strip() in output
    assert "The last run's." not in after
    assert len(found["targets"]) == TARGETS[part]
    assert all(f"| {target['what']} | " in after for target in found["targets"])
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
            if entry["measure"] not in OF_WATCHED
        )
    for entry in found["series"]:
        assert {"bare", "broker"} == entry["contestants"].keys()

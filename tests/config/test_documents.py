# SPDX-License-Identifier: Apache-2.0
"""Every configuration that a document shows is one that the parser and the schema take."""

import json
import os
import pathlib
import re
import subprocess
import textwrap

import jsonschema
import pytest

TOP = pathlib.Path(__file__).parent / "../.."
SCHEMA = json.loads((TOP / "data/networks.schema.json").read_text())
GUIDE = (TOP / "docs/configuration.md").read_text()
MIGRATING = (TOP / "docs/migrating.md").read_text()
MANUAL = (TOP / "man/vmnet-broker-networks.json.5").read_text()

EXAMPLES = [
    *re.findall(r"^```json\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL),
    *re.findall(r"^ +```json\n(.*?)^ +```$", MIGRATING, re.MULTILINE | re.DOTALL),
    *re.findall(r"^\.Bd -literal -offset indent\n(\{.*?)^\.Ed$", MANUAL, re.MULTILINE | re.DOTALL),
]
MISTAKES = """\
{
  "lab": {
    "mode": "shared",
    "sbunet": "192.168.105.0/24",
    "mtu": 100
  }
}
"""


def check(directory, text):
    (directory / "networks.json").write_text(text)
    return subprocess.run(
        [os.environ["VMNETCTL"], "check", "networks.json"],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("text", EXAMPLES)
def test_example(tmp_path, text):
    done = check(tmp_path, text)
    assert (done.returncode, done.stderr) == (0, "")
    jsonschema.Draft7Validator(SCHEMA).validate(json.loads(text))


def test_every_key_has_an_example():
    networks = [network for text in EXAMPLES for network in json.loads(text).values()]
    shown = {key for network in networks for key in network}
    assert shown == set(SCHEMA["definitions"]["network"]["properties"])


def test_mistakes_are_shown_as_they_are(tmp_path):
    said = check(tmp_path, MISTAKES).stderr
    assert said.count("\n") == 6
    assert said in GUIDE
    assert said in textwrap.dedent(MANUAL)

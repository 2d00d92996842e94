# SPDX-License-Identifier: Apache-2.0
"""The JSON schema and the parser say the same of the same networks.

What the parser says is in the .txt beside each bad file (tests/unit/config/test_config.c
compares that to the letter). What a schema cannot say is in beyond-schema.txt,
one network a line: exactly those pass the schema and not the parser.
"""

import json
import pathlib
import re

import jsonschema
import pytest

HERE = pathlib.Path(__file__).parent
SCHEMA = json.loads((HERE / "../../data/networks.schema.json").read_text())

GOOD = sorted([*HERE.glob("good/*.json"), *HERE.glob("linux/*.json")])
BAD = sorted(
    path
    for path in HERE.glob("bad/*.json")
    if not path.name.startswith("syntax-")  # no JSON at all
)


def name_of(path):
    return f"{path.parent.name}/{path.stem}"


def beyond_schema():
    """The networks, as (file, network), that only the parser refuses."""
    lines = (HERE / "beyond-schema.txt").read_text().splitlines()
    return {tuple(line.split()[:2]) for line in lines if line and not line.startswith("#")}


def validator(definition):
    return jsonschema.Draft7Validator({**SCHEMA, **SCHEMA["definitions"][definition]})


def refused_by_schema(networks):
    name, network = validator("name"), validator("network")
    return {
        key for key, value in networks.items()
        if not (name.is_valid(key) and network.is_valid(value))
    }


def refused_by_parser(path):
    said = path.with_suffix(".txt").read_text()
    return set(re.findall(r'^[^ ]+:\d+:\d+: network "(.*?)": ', said, re.MULTILINE))


def shown(key):
    """A network's name as the parser's messages show it."""
    return re.sub(r"[\x00-\x1f]", "?", key)


def test_the_schema_is_one():
    jsonschema.Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", GOOD, ids=name_of)
def test_good(path):
    jsonschema.Draft7Validator(SCHEMA).validate(json.loads(path.read_text()))


@pytest.mark.parametrize("path", BAD, ids=name_of)
def test_bad(path):
    networks = json.loads(path.read_text())
    beyond = {network for file, network in beyond_schema() if file == name_of(path)}
    if not isinstance(networks, dict):
        assert not jsonschema.Draft7Validator(SCHEMA).is_valid(networks)
        return
    by_schema = {shown(key) for key in refused_by_schema(networks)}
    assert by_schema.isdisjoint(beyond)
    assert by_schema | beyond == refused_by_parser(path)
    assert jsonschema.Draft7Validator(SCHEMA).is_valid(networks) == (not by_schema)


def test_beyond_schema_names_files():
    assert {file for file, _ in beyond_schema()} <= {name_of(path) for path in BAD}

# SPDX-License-Identifier: Apache-2.0
"""What vmnetctl prints with --json against its schema, which names every key in tests."""

import json
import pathlib

import jsonschema

TOP = pathlib.Path(__file__).parents[2]
NAMES = {"list": "networks", "ls": "networks", "ps": "machines"}


def _strict(value):
    """Without the leave to have more keys."""
    if isinstance(value, list):
        return [_strict(item) for item in value]
    if not isinstance(value, dict):
        return value
    strict = {key: _strict(item) for key, item in value.items()}
    return {**strict, "additionalProperties": False} if "required" in strict else strict


SCHEMA = _strict(json.loads((TOP / "data/vmnetctl.schema.json").read_text(encoding="utf-8")))


def check_json(subcommand, text):
    """That what a subcommand has printed, as one object, is what the schema says of it."""
    schema = {**SCHEMA, "anyOf": [{"$ref": f"#/definitions/{NAMES.get(subcommand, subcommand)}"}]}
    jsonschema.Draft7Validator(schema).validate(json.loads(text))

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is documented of the event sources is what they check, and the published schemas are fresh."""

from __future__ import annotations

import ast
import json
from typing import Any

import jsonschema
import pytest
import yaml

from ansible_collections.appsec.perimeter.plugins.module_utils._eda import findings, waf_events
from ansible_collections.appsec.perimeter.plugins.module_utils._eda.arguments import Argument, checked, schema
from tests.conftest import ROOT

SOURCES = ROOT / "extensions" / "eda" / "plugins" / "event_source"
TABLES = {"waf_events": waf_events.TABLE, "findings": findings.TABLE}
RULEBOOKS = sorted((ROOT / "extensions" / "eda" / "rulebooks").glob("*.yml"))
TYPES = {"strings": "list", "duration": "str"}


def literal(source: str, name: str) -> Any:
    tree = ast.parse((SOURCES / f"{source}.py").read_text())
    texts = {
        node.targets[0].id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    return yaml.safe_load(texts[name])


def test_each_source_has_a_table() -> None:
    assert sorted(TABLES) == sorted(path.stem for path in SOURCES.glob("*.py"))


@pytest.mark.parametrize("source", TABLES)
def test_each_option_is_documented_as_it_is_checked(source: str) -> None:
    documented = literal(source, "DOCUMENTATION")["options"]
    assert sorted(documented) == sorted(TABLES[source])
    for name, argument in TABLES[source].items():
        option = documented[name]
        assert option["type"] == TYPES.get(argument.type, argument.type) or name == "filters", name
        assert set(option.get("choices") or ()) == set(argument.choices), name
        assert default_of(option, argument) == argument.default, name
        assert not argument.env or argument.env in str(option["description"]), name


def default_of(option: dict[str, Any], argument: Argument) -> Any:
    if option.get("default") is None:
        return None
    return (
        checked({"x": option["default"]}, {"x": argument}, {})["x"]
        if argument.type != "strings"
        else tuple(option["default"])
    )


@pytest.mark.parametrize("source", TABLES)
def test_the_published_schema_is_fresh(source: str) -> None:
    path = ROOT / "docs" / "schemas" / "eda" / f"{source}.json"
    fresh = json.loads(json.dumps(schema(TABLES[source])))
    assert json.loads(path.read_text()) == fresh, "run: python docs/schemas/write.py"


def arguments_in(sources: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    pairs = [(name, given) for source in sources for name, given in source.items() if name.startswith("appsec.")]
    return [(name.rpartition(".")[2], given) for name, given in pairs]


@pytest.mark.parametrize("source", TABLES)
def test_examples_are_accepted(source: str) -> None:
    examples = arguments_in(literal(source, "EXAMPLES"))
    assert examples
    for name, given in examples:
        assert name == source
        checked(given, TABLES[source], {})
        jsonschema.validate(given, schema(TABLES[source]))


@pytest.mark.parametrize("path", RULEBOOKS, ids=lambda path: path.stem)
def test_the_sources_of_rulebooks_are_accepted(path: Any) -> None:
    for rules in yaml.safe_load(path.read_text()):
        for name, given in arguments_in(rules["sources"]):
            checked(given, TABLES[name], {})
        assert all(source.get("name") for source in rules["sources"])


def test_both_sources_find_the_collection_in_the_same_way() -> None:
    texts = [(SOURCES / f"{name}.py").read_text() for name in TABLES]
    one, other = (text[text.index("COLLECTION = ") : text.index("async def main")] for text in texts)
    assert one == other

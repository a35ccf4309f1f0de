# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What repeats in the documentation of modules is written by a tool, and is fresh."""

from __future__ import annotations

import dataclasses
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate import webapp_fields
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.resource.field import text_list
from ansible_collections.appsec.perimeter.plugins.module_utils._reconcile.spec import option_spec
from tests.tools import doc_blocks, module_docs

MODULES = module_docs.ROOT / "plugins" / "modules"


def options_of(text: str) -> dict[str, Any]:
    document = yaml.safe_load("\n".join(doc_blocks.read_section(text, "DOCUMENTATION")))
    options: dict[str, Any] = document["options"]
    return options


def test_the_modules_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert module_docs.main(["--check"]) == 0, capsys.readouterr().out


def test_what_was_changed_by_hand_is_found_and_written_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in MODULES.glob("*.py"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    changes = (
        ("qualys_was_webapp", "Entries to add to O(uris)", "Uris to add to O(uris)"),
        ("qualys_was_auth_records", "Name of the certificate.", "The certificate's name."),
        ("scutum_alert_info", "Statistics of the task.", "Its price."),
    )
    for module, old, new in changes:
        path = tmp_path / f"{module}.py"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert module_docs.main(["--check"], tmp_path) == 1
    named = [line.partition(" ")[0] for line in capsys.readouterr().out.splitlines()]
    assert named == sorted(f"{module}.py" for module, _old, _new in changes)
    assert module_docs.main([], tmp_path) == 0
    assert all((tmp_path / path.name).read_bytes() == path.read_bytes() for path in MODULES.glob("*.py"))


def test_a_new_list_is_one_field_and_one_description() -> None:
    path = MODULES / "qualys_was_webapp.py"
    fields = (*webapp_fields.FIELDS, text_list("swaggers", "swaggers", "Swagger"))
    text = path.read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="no description of swaggers"):
        module_docs.with_companions(text, fields)
    new = "  swaggers:\n    description:\n      - Descriptions of an API.\n    type: list\n    elements: str\n"
    described = text.replace("  use_robots:\n", f"{new}  use_robots:\n")
    one = module_docs.with_companions(described, fields)
    names = list(options_of(one))
    at = names.index("swaggers")
    assert names[at : at + 5] == ["swaggers", "swaggers_mode", "swaggers_add", "swaggers_remove", "use_robots"]
    resource = dataclasses.replace(module_docs.RESOURCES[0], fields=fields)
    many = module_docs.with_entries((MODULES / "qualys_was_webapps.py").read_text(encoding="utf-8"), one, resource)
    entry = options_of(many)["webapps"]["suboptions"]
    assert entry["swaggers_remove"]["description"] == [
        "Entries to remove from O(webapps[].swaggers); missing ones are ignored."
    ]


@pytest.mark.parametrize("resource", module_docs.RESOURCES, ids=lambda resource: resource.module)
def test_every_option_of_a_field_is_documented_as_it_is_checked(resource: module_docs.Resource) -> None:
    documented = options_of((MODULES / f"{resource.module}.py").read_text(encoding="utf-8"))
    for name, spec in option_spec(resource.fields).items():
        for key in ("type", "elements", "choices", "default"):
            assert documented[name].get(key) == spec.get(key), (name, key)


def test_what_is_not_written_stays_to_the_letter() -> None:
    lines = textwrap.dedent("""\
        # About the first.
        first:
          description: "One"   # by hand

        # About the second.
        second: {type: int}
        """).splitlines()
    found = doc_blocks.blocks(lines)
    assert list(found) == ["first", "second"]
    assert [line for block in found.values() for line in block] == lines


VALUES = (
    {"description": ["Says O(a.b=c): " + "word " * 40 + "end."], "type": "list", "default": []},
    {"description": "One: two # three", "sample": [{"a": 1, "b": [1, 2]}, {"a": None, "b": []}]},
    {"sample": {"yes": "yes", "number": "012", "empty": "", "quote": '"', "time": "2026-01-31T00:00:00Z"}},
    {"sample": {"x": {"y": 1}, "z": {}}},
    {"sample": ["a, b", "- c", "{d}", "e: f", "@g", "null", "é"]},
)  # fmt: skip


@pytest.mark.parametrize("value", VALUES)
def test_what_is_written_is_read_back(value: dict[str, Any]) -> None:
    lines = doc_blocks.write("key", value, 2)
    assert max(map(len, lines)) <= doc_blocks.WIDTH
    assert yaml.safe_load("\n".join(lines)) == {"key": value}

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters of the role catalog; what is behind them is tested beside it, in tests/unit."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible.parsing.dataloader import DataLoader

from ansible_collections.appsec.perimeter.plugins.filter.catalog import FilterModule
from ansible_collections.appsec.perimeter.plugins.module_utils._catalog import text as text_room
from tests.sandbox.qualys import hostile

FILTERS = FilterModule().filters()
SIDECARS = Path(__file__).resolve().parents[2] / "plugins" / "filter"
SHOP = {"name": "shop", "url": "https://shop.example.com/"}


def filters_of(file: str) -> dict[str, Any]:
    """The filters of a file in plugins/filter."""
    module = importlib.import_module(f"ansible_collections.appsec.perimeter.plugins.filter.{file}")
    return dict(module.FilterModule().filters())


def read_back(text: str) -> Any:
    """What Ansible makes of the text, as plain data."""
    # PyYAML takes no text that Ansible has marked.
    return DataLoader().load("".join(text))


@pytest.mark.parametrize("name", [text for text in hostile.ALL if text == text.strip()])
def test_every_name_survives(name: str) -> None:
    text = FILTERS["to_catalog"]([{"id": 1, "name": name, "attributes": {name: name}}], "webapps")
    assert read_back(text) == {"webapps": [{"name": name, "attributes": {name: name}}]}


@pytest.mark.parametrize(
    "name",
    [
        "yes", "2026-01-01", "2026-01-01\t10:00:00", "1.0", "null", "~", "0x1f", "1_000", "#", "- a", "a: b", "'", "!x",
        "!unsafe x", "a\n\n b", "<<", "=",
    ],
)  # fmt: skip
def test_names_that_look_like_something_else_stay_texts(name: str) -> None:
    text = FILTERS["to_catalog"]([{"id": 1, "name": name}], "webapps")
    assert read_back(text) == {"webapps": [{"name": name}]}
    assert FILTERS["catalog_text_problems"]([text], ["a.yml"]) == []


def test_what_is_written_is_read_without_problems() -> None:
    content = read_back(FILTERS["to_catalog"]([{"id": 1, **SHOP, "tags": []}], "webapps", True))
    assert FILTERS["from_catalog"]([content], ["a.yml"]) == {
        "entries": {"webapps": [SHOP | {"tags": []}]},
        "problems": [],
    }


def test_problems_come_as_data() -> None:
    found = FILTERS["from_catalog"]([{"webapps": [SHOP | {"tgas": 1}]}], ["a.yml"])
    assert found["problems"] == ["a.yml: webapps[0] ('shop'): tgas is not an option. Did you mean tags?"]


def test_a_catalog_beside_an_estate() -> None:
    records = [{"id": 1, **SHOP}, {"id": 2, "name": "old", "url": "https://old.example.com/"}]
    assert FILTERS["catalog_orphans"](records, [SHOP]) == [records[1]]
    assert FILTERS["catalog_to_check"]([SHOP], records) == []
    entries = [SHOP | {"auth_records": ["new"]}]
    assert FILTERS["catalog_pending"](entries, "webapps", {"auth_records": [{"name": "new", "id": None}]}) == {
        "entries": [SHOP | {"auth_records": []}],
        "waiting": [{"id": None, "name": "shop", "fields": {"auth_records": ["new"]}}],
        "missing": [],
    }
    parts = {"webapps": {"count": 1, "result": {}, "orphans": records[1:], "deleted": []}}
    found = FILTERS["catalog_summary"](parts, ["webapps"])
    assert found["counts"] == {"webapps": {"create": 0, "update": 0, "delete": 0, "unchanged": 1, "orphans": 1}}


def test_files_are_looked_at_before_ansible_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "ünicode.yml"
    path.write_text("webapps:\n  - name: 0755\n", encoding="utf-8")
    assert FILTERS["catalog_encoding_problems"]([str(path)]) == []
    content = path.read_text(encoding="utf-8")
    assert FILTERS["catalog_text_problems"]([content], [str(path)]) == [
        f"{path}: line 2: webapps[0].name must be text, but YAML reads a number. Put it in quotes."
    ]
    assert FILTERS["catalog_places"]([content, content], [str(path), "b.yml"]) == {
        "webapps": [f"{path}: line 2", "b.yml: line 2"]
    }
    path.write_text("webapps: []", encoding="utf-16")
    assert FILTERS["catalog_encoding_problems"]([str(path)]) == [f"{path} is not UTF-8 text. Save it as UTF-8."]
    with pytest.raises(AnsibleFilterError, match="cannot be read"):
        FILTERS["catalog_encoding_problems"]([str(tmp_path / "nowhere.yml")])
    done = {"results": [{"action": "create", "failed": False, "name": "****"}]}
    assert FILTERS["catalog_created"](done, [SHOP]) == [{"name": "shop", "id": None, "was": None}]


def test_an_unknown_kind_and_a_missing_library_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AnsibleFilterError, match="webapp is not a kind of a catalog"):
        FILTERS["to_catalog"]([], "webapp")
    monkeypatch.setattr(text_room, "HAS_YAML", False)
    for name, arguments in (
        ("to_catalog", ([], "webapps")),
        ("catalog_text_problems", (["a: 1"], ["a.yml"])),
        ("catalog_places", (["a: 1"], ["a.yml"])),
    ):
        with pytest.raises(AnsibleFilterError, match="PyYAML"):
            FILTERS[name](*arguments)


def test_each_filter_is_documented() -> None:
    documented = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in SIDECARS.glob("*.yml")}
    # Other files beside this role's have filters too, and one documentation file stands for one filter of any.
    assert documented.keys() == {name for path in SIDECARS.glob("*.py") for name in filters_of(path.stem)}
    assert FILTERS.keys() <= documented.keys()
    assert all(documents["DOCUMENTATION"]["name"] == name for name, documents in documented.items())

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An estate as YAML; what Ansible reads from it is in tests/controller/test_catalog_filters.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import yaml

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import MissingLibrary
from ansible_collections.appsec.perimeter.plugins.module_utils._catalog import text as text_room
from ansible_collections.appsec.perimeter.plugins.module_utils._catalog import write
from ansible_collections.appsec.perimeter.plugins.module_utils._catalog.write import entries_of
from ansible_collections.appsec.perimeter.plugins.plugin_utils._catalog_kinds import KINDS

WEBAPPS = next(kind for kind in KINDS if kind.name == "webapps")


def written(records: Sequence[dict[str, Any]]) -> str:
    """The text of a catalog file."""
    return write.to_yaml(entries_of(records, WEBAPPS), WEBAPPS)


def test_what_may_be_a_template_is_marked() -> None:
    tags = ["{% if %}", "{# #}", "{ plain }", "#jinja2: x", "a\nb", "(a)", "'", "a#b", "100%", "[[ x ]]"]
    text = written([{"id": 1, "name": "{{ 7 * 7 }}", "tags": tags, "attributes": {"{{ 7 }}": "{{ 8 }}"}}])
    assert text.count("!unsafe") == 13
    assert '!unsafe "{{ 7 }}": !unsafe "{{ 8 }}"' in text


def test_what_is_certainly_data_is_readable() -> None:
    record = {"id": 1, "name": "Zürich 2, b_2-c.d", "url": "https://a.example:8080/x?y=1&z=a+b@c"}
    assert "unsafe" not in written([record | {"attributes": {"予約 1": "yes"}}])


def test_records_are_ordered_and_options_are_in_the_order_of_the_module() -> None:
    records = [
        {"id": 2, "tags": ["b"], "url": "https://b/", "name": "b", "created": "x", "comments": ["by hand"]},
        {"id": 1, "name": "a", "url": "https://a/", "tags": [], "scope": None, "sub_domain": ""},
    ]
    assert written(records) == write.HEADER + (
        "webapps:\n  - name: a\n    url: https://a/\n  - name: b\n    url: https://b/\n    tags:\n      - b\n"
    )
    assert written(records) == written(records[::-1])


def test_empty_lists_are_written_when_asked_for() -> None:
    record = {"id": 1, "name": "a", "tags": [], "attributes": {}, "scope": None}
    assert entries_of([record], WEBAPPS, empty=True) == [{"name": "a", "scope": "ALL", "tags": [], "attributes": {}}]


def test_names_that_do_not_tell_a_record_have_an_id() -> None:
    names = ["same", "same ", "", "alone"]
    entries = entries_of([{"id": index, "name": name} for index, name in enumerate(names)], WEBAPPS)
    assert entries == [{"id": 2}, {"name": "alone"}, {"id": 0, "name": "same"}, {"id": 1}]


def test_a_value_in_blanks_hides_no_field() -> None:
    record = {"id": 1, "name": "a", "domains": ["x.test ", "y.test"], "sub_domain": " s.test"}
    assert entries_of([record], WEBAPPS) == [{name: record[name] for name in ("name", "domains", "sub_domain")}]


def test_members_that_are_not_set_are_left_out() -> None:
    record = {"id": 1, "name": "a", "default_scanner": {"type": "EXTERNAL", "friendly_name": None}}
    assert entries_of([record], WEBAPPS)[0]["default_scanner"] == {"type": "EXTERNAL"}


def test_equal_lists_are_written_out_each_time() -> None:
    tags = ["prod"]
    text = written([{"id": 1, "name": "a", "tags": tags}, {"id": 2, "name": "b", "tags": tags}])
    assert "&id" not in text
    assert yaml.safe_load(text)["webapps"][1]["tags"] == tags


def test_without_pyyaml_the_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_room, "HAS_YAML", False)
    with pytest.raises(MissingLibrary, match="PyYAML"):
        written([])
    with pytest.raises(MissingLibrary, match="PyYAML"):
        text_room.text_problems("a: 1", "a.yml")

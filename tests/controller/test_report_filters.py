# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters that turn findings in a play into text; the writers behind them are tested in tests/unit."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.appsec.perimeter.plugins.filter.report import FilterModule
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report import factory, format_kit

FILTERS = FilterModule().filters()
SIDECARS = Path(__file__).resolve().parents[2] / "plugins" / "filter"
CHECKED = ("sarif", "junit", "gitlab", "ocsf")


@pytest.mark.parametrize("name", CHECKED)
@pytest.mark.parametrize("case", format_kit.CASES)
def test_the_text_passes_its_validator(name: str, case: str) -> None:
    format_kit.CHECKS[name](FILTERS[f"to_{name}"](format_kit.CASES[case]()))


def test_csv_and_markdown() -> None:
    rows = list(csv.DictReader(io.StringIO(FILTERS["to_csv"]([factory.finding()]).removeprefix("\ufeff"))))
    assert [row["title"] for row in rows] == ["SQL injection"]
    assert "SQL injection" in FILTERS["to_markdown"]([factory.finding()], "My title")
    assert "# My title" in FILTERS["to_markdown"]([factory.finding()], title="My title")
    assert "No findings" in FILTERS["to_markdown"]([])


@pytest.mark.parametrize(
    ("value", "cell"),
    [("=1+1", "'=1+1"), ("@x", "'@x"), (None, ""), (5, "5"), (-5, "'-5"), ("a\nb", "a\\nb"), ("plain", "plain")],
)
def test_one_cell(value: Any, cell: str) -> None:
    assert FILTERS["to_csv_safe"](value) == cell


@pytest.mark.parametrize("wrong", [None, "text", {"id": 1}, [1], 5])
def test_anything_else_is_refused_in_a_sentence(wrong: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="to_sarif takes a list of findings"):
        FILTERS["to_sarif"](wrong)


def test_a_title_that_looks_like_a_template_is_text() -> None:
    title = "{{ lookup('pipe', 'touch /tmp/pwned') }}"
    for name in CHECKED:
        assert "{{ lookup(" in FILTERS[f"to_{name}"]([factory.finding(title=title)]).replace("\\{", "{").replace(
            "\\(", "("
        )


@pytest.mark.parametrize("name", FILTERS)
def test_the_sidecar_documents_the_filter(name: str) -> None:
    page = yaml.safe_load((SIDECARS / f"{name}.yml").read_text(encoding="utf-8"))
    assert page["DOCUMENTATION"]["name"] == name
    assert f"appsec.perimeter.{name}" in page["EXAMPLES"]

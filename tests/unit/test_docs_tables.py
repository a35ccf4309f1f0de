# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of the guide on findings are what the field table of the code gives."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.findings.finding_fields import FIELDS
from ansible_collections.appsec.perimeter.plugins.module_utils._records.model import Finding, Manifest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docsite_tables", ROOT / "docs" / "docsite" / "tables.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(tables: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert tables.main(["--check"]) == 0, capsys.readouterr().out


def test_every_field_has_a_meaning_and_nothing_else_has(tables: ModuleType) -> None:
    assert set(tables.FINDING) == set(Finding.__annotations__)
    assert set(tables.MANIFEST) == set(Manifest.__annotations__)


def test_every_field_of_ours_in_the_field_table_is_explained(tables: ModuleType) -> None:
    assert {entry.ours for entry in FIELDS.values() if entry.ours} <= set(tables.FINDING)
    assert {vendor for vendors in tables.COMPOSED.values() for vendor in vendors} <= set(FIELDS)


def test_a_page_that_is_out_of_date_is_found(
    tables: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "findings_and_reports.rst"
    page.write_text(tables.PAGE.read_text(encoding="utf-8").replace("``uniqueId``", "``unique_id``"), encoding="utf-8")
    monkeypatch.setattr(tables, "PAGE", page)
    assert tables.main(["--check"]) == 1
    assert "out of date" in capsys.readouterr().out
    assert tables.main([]) == 0
    assert tables.main(["--check"]) == 0

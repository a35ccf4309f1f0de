# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A value of a wrong type is never taken for one that is missing, in what people write and in what exports hold."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import PolicyError
from ansible_collections.appsec.perimeter.plugins.module_utils._gate.policy.schemas import SCHEMAS
from ansible_collections.appsec.perimeter.plugins.module_utils._gate.policy.validate import validate
from ansible_collections.appsec.perimeter.plugins.module_utils._records.files.types import FINDING, MANIFEST, SCAN
from tests.unit.plugins.module_utils._gate.gate_kit import DROP, NOW, Folder, finding, image, policy, scan

WRONG: list[Any] = [True, 5.9, -1, "x\n", ["finished"], {"finished": 1}]
ANY = policy(limits=policy()["limits"], scope={"authentication": "any", "min_links": 0})
IMAGES = {"schema": 1, "images": {"limits": {"critical": 0, "high": 5}}}


def _wrong_for(fits: Any) -> list[Any]:
    return [value for value in WRONG if not fits(value)]


@pytest.mark.parametrize("field", sorted(SCAN))
def test_a_scan_with_a_value_of_a_wrong_type_does_not_pass(field: str, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert _wrong_for(SCAN[field])
    for value in _wrong_for(SCAN[field]):
        assert folder.gate([], scans=[scan(**{field: value})], policy=ANY).values["verdict"] != "pass", value
        only = folder.gate(files=[], scans=[image(**{field: value})], policy=IMAGES)
        assert only.values["verdict"] != "pass", value


@pytest.mark.parametrize("field", sorted(MANIFEST))
def test_a_manifest_with_a_value_of_a_wrong_type_does_not_pass(field: str, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for value in _wrong_for(MANIFEST[field]):
        files = [folder.snapshot([finding(severity="low")], **{field: value})]
        assert folder.gate(files=files).values["verdict"] == "inconclusive", value


@pytest.mark.parametrize("field", sorted(FINDING))
def test_a_finding_with_a_value_of_a_wrong_type_does_not_pass(field: str, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for value in _wrong_for(FINDING[field]):
        values = folder.gate([finding(severity="low", **{field: value})]).values
        assert values["verdict"] == "inconclusive", value
        assert "findings_mistyped" in {item["code"] for item in values["reasons"]}, value


def test_tags_of_a_wrong_type_do_not_pass(tmp_path: Path) -> None:
    rules = policy(limits=DROP, rules=[{"name": "a", "tags": {"include": ["prod"]}}], may_exclude_all=["shop"])
    for tags in ("prod", {"prod": 1}, [["prod"]], [{"name": "prod"}], True):
        asset = {"id": "4711", "name": "shop", "tags": tags}
        assert Folder(tmp_path).gate([finding(asset=asset)], policy=rules).values["verdict"] == "inconclusive", tags


def test_counts_of_an_image_that_are_no_whole_numbers_do_not_pass(tmp_path: Path) -> None:
    for amount in (5.9, True, None, [], "5.9", -1):
        seen = image(counts={"critical": 0, "high": amount})
        values = Folder(tmp_path).gate(files=[], scans=[seen], policy=IMAGES).values
        assert values["verdict"] == "inconclusive", amount


def _patterns(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str) and schema["pattern"].endswith("$"):
            yield schema
        for item in schema.values():
            yield from _patterns(item)
    elif isinstance(schema, list):
        for item in schema:
            yield from _patterns(item)


GOOD = ("24h", "2026-11-20", "name", "79", "shop")


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_no_form_allows_a_line_break_behind_it(name: str) -> None:
    for schema in _patterns(SCHEMAS[name]):
        form = {"pattern": schema["pattern"]}
        good = [text for text in GOOD if _is_accepted(text, form)]
        assert good, schema["pattern"]
        if schema["pattern"] != "^[^*]+$":
            assert not any(_is_accepted(text + "\n", form) for text in good), schema["pattern"]


def _is_accepted(text: str, form: dict[str, Any]) -> bool:
    try:
        validate(text, form, "policy")
    except PolicyError:
        return False
    return True


def test_a_duration_with_a_line_break_behind_it_is_refused_wherever_it_stands(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert folder.gate([], max_scan_age="24h\n").values["verdict"] == "policy_error"
    for changes in (
        {"scope": {"max_scan_age": "24h\n"}},
        {"sla": {"high": "24h\n"}},
        {"waivers": {"expiring_within": "24h\n"}},
        {"rules": [{"name": "a", "older_than": "24h\n"}]},
    ):
        assert folder.gate([], policy=policy(**changes)).values["verdict"] == "policy_error", changes


def test_a_limit_that_is_no_whole_number_is_refused_wherever_it_stands(tmp_path: Path) -> None:
    for changes in (
        {"limits": {"all": {"vulnerability": {"high": 5.9}}}},
        {"sla": {"high": 5.9}},
        {"rules": [{"name": "a", "limit": 5.9}]},
        {"waivers": {"max_days": {"high": 5.9}}},
        {"waivers": {"max_findings": 5.9}},
        {"images": {"limits": {"high": 5.9}}},
        {"scope": {"min_links": 5.9}},
    ):
        assert Folder(tmp_path).gate([], policy=policy(**changes)).values["verdict"] == "policy_error", changes


def repeated(record: Any, field: str, worse: str, better: str) -> str:
    """A record as text in which a field is there twice: the worse value first, so that most readers see the better."""
    text = json.dumps({**record, field: "HERE"})
    return text.replace(f'"{field}": "HERE"', f'"{field}": {worse}, "{field}": {better}')


@pytest.mark.parametrize("compact", [False, True])
@pytest.mark.parametrize(
    ("field", "worse", "better"),
    [
        ("severity", '"critical"', '"info"'),
        ("status", '"new"', '"fixed"'),
        ("kind", '"vulnerability"', '"information"'),
        ("asset", '{"id": "4711", "name": "shop"}', '{"id": "4712", "name": "other"}'),
    ],
)
def test_a_finding_that_says_two_things_does_not_pass(
    tmp_path: Path, field: str, worse: str, better: str, compact: bool
) -> None:
    line = repeated(finding(severity="critical"), field, worse, better)
    result = Folder(tmp_path).gate([line.replace(": ", ":").replace(", ", ",") if compact else line])
    assert (result.values["verdict"], result.values["exit_code"]) == ("inconclusive", 11)


def test_a_manifest_that_says_two_things_does_not_pass(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    path = folder.snapshot([])
    manifest = Path(f"{path}.manifest.json")
    for field, worse, better in (("complete", "false", "true"), ("announced_after", "9", "0")):
        kept = manifest.read_text(encoding="utf-8")
        manifest.write_text(repeated(json.loads(kept), field, worse, better), encoding="utf-8")
        assert folder.gate(files=[path]).values["verdict"] == "inconclusive"
        manifest.write_text(kept, encoding="utf-8")
    assert folder.gate(files=[path]).values["verdict"] == "pass"


@pytest.mark.parametrize("name", ["scans.json", "scans.ndjson"])
def test_a_scan_that_says_two_things_does_not_pass(tmp_path: Path, name: str) -> None:
    folder = Folder(tmp_path)
    for field, worse, better in (("conclusive", "false", "true"), ("status", '"running"', '"finished"')):
        path = folder.write(name, repeated(scan(), field, worse, better) + "\n")
        assert folder.gate([], scans=[path]).values["verdict"] == "inconclusive"
    assert folder.gate([], scans=[folder.write(name, json.dumps(scan()))]).values["verdict"] == "pass"


def test_a_match_that_says_two_things_does_not_pass(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    match = {"record": "match", "schema": 1, "finding": {"unique_id": "uuid-1"}}
    path = Path(folder.write("matches.ndjson", repeated(match, "outcome", '"allowed"', '"blocked"')))
    os.utime(path, (NOW.timestamp(),) * 2)
    rules = policy(blocked_by_waf="exclude")
    result = folder.gate([finding()], matches=[str(path)], policy=rules)
    assert result.values["verdict"] == "fail"
    assert "matches_unreadable" in {item["code"] for item in result.values["reasons"]}

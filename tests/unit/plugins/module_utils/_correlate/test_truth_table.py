# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every row of the truth table comes out as it was written by hand, from NDJSON and from a lake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._records.attack_families import event_columns
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._correlate import truth_table
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils.correlate_kit import (
    correlate,
    event,
    finding,
    lake_folder,
    lines,
    snapshot,
)

ROWS: list[truth_table.Row] = [
    *truth_table.TABLE,
    *((name, ours, [theirs], truth_table.UNOBSERVED) for name, ours, theirs in truth_table.LOOKALIKES),
]
NAMES = [name for name, *_rest in ROWS]


def placed(value: Any, host: str) -> Any:
    """The same with the host of a row."""
    if isinstance(value, dict):
        return {name: placed(item, host) for name, item in value.items()}
    if isinstance(value, list):
        return [placed(item, host) for item in value]
    return value.replace("HOST!upper", host.upper()).replace("HOST", host) if isinstance(value, str) else value


def written() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    findings, events = [], []
    for number, (_name, ours, theirs, _expected) in enumerate(ROWS):
        host = f"row{number}.example.com"
        findings.append(placed(finding(number, "https://HOST/search?q=1") | ours, host))
        for place, item in enumerate(theirs):
            url = item.get("url", "https://HOST/search?q=2")
            event_id = f"{number}-{item.get('id', place)}"
            events.append(placed(event(number, url, host="HOST") | item | {"id": event_id}, host))
    return findings, events


def by_number(path: Path) -> dict[int, dict[str, Any]]:
    found = [json.loads(line) for line in path.read_bytes().splitlines()]
    return {int(match["finding"]["id"]): match for match in found}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("truth")
    findings, events = written()
    file, log = snapshot(folder / "findings.ndjson", findings), folder / "events.ndjson"
    log.write_bytes(lines(events))
    correlate(folder, findings=[file], events=[log], scanner_sources=truth_table.SCANNER_SOURCES)
    return by_number(folder / "matches.ndjson")


@pytest.mark.parametrize(("number", "row"), list(enumerate(ROWS)), ids=NAMES)
def test_a_finding_and_its_events(found: dict[int, dict[str, Any]], number: int, row: truth_table.Row) -> None:
    _name, _ours, theirs, expected = row
    match = found[number]
    assert match["class"] == expected
    count = match["events"]["count"]
    assert (count > 0) is (expected != truth_table.UNOBSERVED)
    assert match["outcome"] == (None if expected in ("unobserved", "scanner_only") else match["outcome"])
    if expected == truth_table.BLOCKED:
        assert match["outcome"] == "blocked"
    elif expected == truth_table.ATTACKED:
        assert match["outcome"] in ("allowed", "mixed")
    assert len(match["events"]["ids"]) == count <= len(theirs)


def test_the_table_is_as_large_as_it_was_asked_for() -> None:
    assert len(truth_table.TABLE) >= 60
    assert len(truth_table.LOOKALIKES) >= 30
    assert len(set(NAMES)) == len(NAMES)


def test_a_lake_says_the_same(tmp_path: Path, found: dict[int, dict[str, Any]]) -> None:
    findings, events = written()
    # The lake keeps the newest content of each event.
    newest = {item["id"]: item | event_columns(item)._asdict() for item in events}
    folder = lake_folder(tmp_path / "lake", newest.values())
    file = snapshot(tmp_path / "findings.ndjson", findings)
    correlate(tmp_path, findings=[file], events=[folder], scanner_sources=truth_table.SCANNER_SOURCES)
    assert by_number(tmp_path / "matches.ndjson") == found

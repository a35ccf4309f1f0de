# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changed between two snapshots is written once, as records with the whole finding, and nothing else is."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import FileError, OptionError
from ansible_collections.appsec.perimeter.plugins.module_utils._records.changes import CHANGES
from ansible_collections.appsec.perimeter.plugins.module_utils._records.files import snapshot_reader
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.stream import stream_id
from tests.unit.plugins.module_utils._report import factory
from tests.unit.plugins.module_utils.changes_kit import DAY, Changes, Record, finding, text

IGNORED = {"reason": "Risk accepted", "by": "a", "at": None, "until": None, "comment": None}
FIXED: Record = {"status": "fixed", "fixed_at": "2026-11-20T00:00:00Z"}


@pytest.fixture
def changes(tmp_path: Path) -> Changes:
    return Changes(tmp_path)


def pairs() -> dict[str, tuple[Record | None, Record | None]]:
    """For each word one finding, before and after."""
    return {
        "new": (None, finding(1)),
        "reopened": (finding(2, **FIXED), finding(2, status="reopened")),
        "escalated": (finding(3, severity="medium"), finding(3, severity="critical")),
        "fixed": (finding(4), finding(4, **FIXED)),
        "gone": (finding(5), None),
        "protected": (finding(6), finding(6, status="protected")),
        "ignored": (finding(7), finding(7, ignored=IGNORED)),
        "reactivated": (finding(8, ignored=IGNORED), finding(8)),
        "lowered": (finding(9, severity="high"), finding(9, severity="low")),
        "changed": (finding(10, detection_score=40), finding(10, detection_score=95)),
    }


def test_each_change_is_one_record_with_the_whole_finding(changes: Changes) -> None:
    before = [item for item, _after in pairs().values() if item]
    after = [item for _before, item in pairs().values() if item]
    first = changes.run(before)
    assert first.changed
    assert first.values["changes"] == {word: 7 if word == "new" else 0 for word in CHANGES}
    second = changes.run(after)
    assert second.values["changes"] == dict.fromkeys(CHANGES, 1)
    (name,) = second.values["segments"]
    assert name == "dt=2026-11-21/20261121T000000Z-20261121T090000Z.ndjson"
    written = [json.loads(line) for line in (changes.dest / name).read_text().splitlines()]
    assert {record["change"] for record in written} == set(CHANGES)
    for record in written:
        earlier, later = pairs()[record["change"]]
        assert (record["record"], record["schema"], record["source"]) == ("change", 1, "qualys")
        assert record["at"] == "2026-11-21T09:00:00Z"
        # Of one that is gone, everything is known but its evidence.
        assert record["finding"] == (later or {**(earlier or {}), "evidence": []})
        assert (record["before"] is None) == (earlier is None)
        assert record["knowledge"] is None
    assert written[-1]["change"] == "gone"
    assert next(item for item in written if item["change"] == "escalated")["before"] == {
        "state": "open", "severity": "medium",
    }  # fmt: skip
    assert len({record["key"] for record in changes.written()}) == len(changes.written())
    assert (stream_id(changes.dest) or "").startswith("qualys/finding_changes/")


def test_what_each_scan_renews_is_no_change(changes: Changes) -> None:
    changes.run([finding(1, status="new")])
    later: Record = {
        "status": "open", "last_seen": "2026-11-21T00:00:00Z", "last_tested": "2026-11-21T00:00:00Z", "times_seen": 99,
        "evidence": [factory.evidence(payload="other")],
    }  # fmt: skip
    result = changes.run([finding(1, **later)])
    assert not result.changed
    assert result.values["records"] == 0
    assert changes.words() == [("new", "1")]


def test_the_same_snapshot_twice_writes_nothing(changes: Changes) -> None:
    path = changes.snapshot([finding(1), finding(2)])
    assert changes.run(path).changed
    segments = changes.written()
    again = changes.run(path)
    assert not again.changed
    assert (again.values["records"], again.values["segments"], again.warnings) == (0, [], [])
    assert changes.written() == segments


def test_check_mode_predicts_and_writes_nothing(changes: Changes) -> None:
    path = changes.snapshot([finding(1), finding(2)])
    predicted = changes.run(path, check=True)
    assert predicted.changed
    assert not changes.dest.exists()
    assert not changes.state.exists()
    done = changes.run(path)
    assert predicted.values == {**done.values, "segments": []}
    path = changes.snapshot([finding(1, **FIXED)])
    before = changes.files()
    predicted = changes.run(path, check=True)
    assert changes.files() == before
    assert predicted.values["changes"]["gone"] == predicted.values["changes"]["fixed"] == 1
    assert changes.run(path).values["changes"] == predicted.values["changes"]
    assert not changes.run(path, check=True).changed


def test_the_first_snapshot_may_be_remembered_only(changes: Changes) -> None:
    result = changes.run([finding(1), finding(2)], initial="none", webapps=factory.webapps(3))
    assert not result.changed
    assert changes.written() == []
    result = changes.run([finding(1), finding(3)], initial="none", webapps=factory.webapps(3))
    assert changes.words() == [("new", "3"), ("gone", "2")]
    assert result.values["webapps"] == 0
    assert result.warnings == []


def test_two_findings_of_one_identity_both_count(changes: Changes) -> None:
    twin = finding(1)
    changes.run([twin, {**twin, "id": "1b"}])
    assert changes.words() == [("new", "1"), ("new", "1b")]
    result = changes.run([twin])
    assert result.values["changes"]["gone"] == 1
    assert len({record["key"] for record in changes.written()}) == 3


def test_a_snapshot_may_say_the_same_as_one_long_ago(changes: Changes) -> None:
    for findings in ([finding(1)], [], [finding(1)], []):
        changes.run(findings)
    assert [word for word, _id in changes.words()] == ["new", "gone", "new", "gone"]
    keys = [(record["key"], record["content"]) for record in changes.written()]
    assert len(set(keys)) == 4


def test_applications_are_records_with_their_risk_score(changes: Changes) -> None:
    apps: list[Record] = [
        {
            "id": 100,
            "name": "Shop DE",
            "url": "https://shop.example.de",
            "risk_score": 410,
            "tags": [{"name": "b"}, "a"],
        },
        {"id": 101, "name": "Idle", "url": None, "risk_score": None},
    ]
    result = changes.run([finding(1), finding(2, severity="low")], webapps=apps)
    assert result.values["webapps"] == 2
    shop = next(record for record in changes.written() if record["record"] == "webapp")
    assert (shop["change"], shop["id"], shop["risk_score"], shop["tags"]) == ("new", "100", 410, ["a", "b"])
    assert shop["open"] == {"critical": 1, "high": 0, "medium": 0, "low": 1, "info": 0, "unknown": 0}
    assert {record["risk_score"] for record in changes.written() if record["record"] == "change"} == {410}
    # Without them, they stay as they are; a file of them is read too.
    assert not changes.run([finding(1), finding(2, severity="low")]).changed
    path = changes.folder / "webapps.json"
    path.write_text(json.dumps({"webapps": [{**apps[0], "risk_score": 800}], "total": 1}))
    result = changes.run([finding(1), finding(2, severity="low")], webapps=str(path))
    assert result.values["webapps"] == 2
    told = {record["id"]: record["change"] for record in changes.written()[-2:]}
    assert told == {"100": "changed", "101": "gone"}
    (again,) = [record for record in changes.written() if record.get("risk_score") == 800]
    assert again["key"] != shop["key"]


@pytest.mark.parametrize("webapps", [5, {"webapps": []}, ["shop"], [{"name": "no id"}]])
def test_something_else_than_applications_is_refused(changes: Changes, webapps: Any) -> None:
    with pytest.raises(OptionError, match=r"^webapps"):
        changes.run([finding(1)], webapps=webapps)


def test_the_knowledge_base_is_part_of_a_change(changes: Changes) -> None:
    entry = {
        "qid": 150003, "title": "SQL injection", "diagnosis": "<p>Input <script>alert(1)</script>reaches SQL.</p>",
        "solution_text": "x" * 30_000, "cves": ["cve-2024-0001", "no"], "patchable": False,
    }  # fmt: skip
    path = changes.folder / "knowledge.json"
    path.write_text(json.dumps({"record": "knowledge", "schema": 1, "source": "qualys", "entries": [entry]}))
    changes.run([finding(1), finding(2, rule_id="0")], knowledge=str(path))
    known, unknown = (record["knowledge"] for record in changes.written())
    assert known["cves"] == ["CVE-2024-0001"]
    assert known["diagnosis"] == "Input reaches SQL."
    assert len(known["solution"]) == 20_001
    assert unknown is None
    with pytest.raises(FileError, match="knowledge"):
        changes.run([finding(1)], knowledge=str(changes.folder / "nowhere.json"))


def test_hostile_texts_stay_data(changes: Changes) -> None:
    hostile = factory.hostile_findings()
    # A source is the first part of names on the disk.
    changes.run(hostile)
    assert [record["finding"]["id"] for record in changes.written()] == [
        item["id"].replace("\ud800", "?") for item in hostile if item["ignored"] is None
    ]
    changes.run([])
    assert [word for word, _id in changes.words()].count("gone") == len(factory.PAYLOADS)
    odd = Changes(changes.folder / "odd")
    odd.folder.mkdir()
    path = odd.snapshot([finding(1)], source="../../etc/passwd\n::error::x", filters=[{"field": "../x"}])
    odd.run(path)
    assert {item.parent for item in odd.state.rglob("*.json")} == {odd.state / "changes"}


def test_options_of_the_files(changes: Changes) -> None:
    changes.run([finding(1)], compress=True, segment_mode="0640", retain_days=5)
    (path,) = changes.dest.glob("dt=*/*")
    assert path.name.endswith(".ndjson.gz")
    assert path.stat().st_mode & 0o777 == 0o640
    for hidden in (changes.state / "changes").iterdir():
        assert hidden.stat().st_mode & 0o777 == 0o600
    changes.now += 10 * DAY
    result = changes.run([finding(2)], compress=True, retain_days=5)
    assert result.values["stats"]["removed"] == 1
    assert [word for word, _id in changes.words()] == ["new", "gone"]


def test_memory_holds_no_findings(changes: Changes, monkeypatch: pytest.MonkeyPatch) -> None:
    # The room for the longest manifest, which is reserved and not used.
    monkeypatch.setattr(snapshot_reader, "LINE_LIMIT", 1 << 20)
    bulk = {"evidence": [factory.evidence(response="r" * 20_000)]}
    path = changes.snapshot([finding(number, **bulk) for number in range(2_000)])
    changes.run(path)
    path = changes.snapshot([finding(number, severity="high", **bulk) for number in range(1_000)])
    tracemalloc.start()
    result = changes.run(path)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert result.values["changes"]["lowered"] == result.values["changes"]["gone"] == 1_000
    # Forty megabytes of findings, of which a few are in memory at a time.
    assert peak < 8 << 20


def test_times_are_those_of_the_snapshots(changes: Changes) -> None:
    changes.run([finding(1)])
    assert changes.run([]).values["position"] == text(changes.now)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changed in the findings: each change comes once, in whatever process, and each time with the same identity."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    FileError,
    IncompleteRead,
    StateError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._eda.finding_feed import FindingFeed
from ansible_collections.appsec.perimeter.plugins.module_utils._eda.findings import TABLE
from ansible_collections.appsec.perimeter.plugins.module_utils._eda.steps import Step
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.source import Identity

DEFAULTS = {name: argument.default for name, argument in TABLE.items()}
IDENTITY = Identity(source="qualys_was", account="me", stream="findings", parameters={})


def finding(name: str, severity: str = "high", status: str = "open", **fields: Any) -> dict[str, Any]:
    return {
        "record": "finding", "schema": 1, "source": "qualys_was", "id": name, "unique_id": name, "fingerprint": None,
        "kind": "vulnerability", "severity": severity, "status": status, "ignored": None,
        "first_seen": "2026-01-01T00:00:00Z", "title": f"T {name}", **fields,
    }  # fmt: skip


class Rules:
    """A rulebook that is started again and again, and a scanner whose findings change."""

    def __init__(self, folder: Path, **arguments: Any) -> None:
        self.folder = folder
        self.arguments = {**DEFAULTS, **arguments}
        self.findings: list[dict[str, Any]] = []
        self.complete = True
        self.cut = ""
        (folder / "eda").mkdir(exist_ok=True)
        self.start()

    def start(self) -> None:
        self.feed = FindingFeed(IDENTITY, self.arguments, self.folder)
        self.feed.begin()

    def export(self, path: Path) -> Result:
        path.write_text("".join(json.dumps(line) + "\n" for line in self.findings) + self.cut)
        return Result(changed=True, values={"complete": self.complete})

    def steps(self) -> list[Step]:
        return [step for batch in self.feed.poll(self.export) for step in batch]

    def confirm(self, steps: list[Step]) -> None:
        for step in steps:
            step.done()
        self.feed.write()

    def look(self, *findings: dict[str, Any]) -> list[tuple[str, str]]:
        self.findings = list(findings)
        steps = self.steps()
        self.confirm(steps)
        return told(steps)


def told(steps: list[Step]) -> list[tuple[str, str]]:
    return [(step.event["identity"].split(":")[-1], step.event["change"]) for step in steps if step.event]


def test_what_is_there_at_first_is_no_change(tmp_path: Path) -> None:
    rules = Rules(tmp_path)
    assert rules.look(finding("a"), finding("b")) == []
    assert rules.look(finding("a"), finding("b"), finding("c")) == [("c", "new")]
    rules.start()
    assert rules.look(finding("a"), finding("b"), finding("c")) == []


def test_each_kind_of_change(tmp_path: Path) -> None:
    rules = Rules(tmp_path, changes=["new", "reopened", "escalated", "lowered", "fixed", "gone", "ignored"])
    rules.look(finding("a"), finding("b", "low"), finding("c", status="fixed"), finding("d"), finding("e"))
    ignored = finding("e", ignored={"reason": "x", "by": None, "at": None, "until": None, "comment": None})
    assert rules.look(finding("a", status="fixed"), finding("b", "high"), finding("c"), ignored) == [
        ("a", "fixed"), ("b", "escalated"), ("c", "reopened"), ("e", "ignored"), ("d", "gone"),
    ]  # fmt: skip
    assert rules.look(finding("a", status="fixed"), finding("b", "low"), finding("c"), ignored) == [("b", "lowered")]


def test_the_event_has_the_finding_and_what_was_before(tmp_path: Path) -> None:
    rules = Rules(tmp_path)
    rules.look(finding("a", "low"))
    rules.findings = [finding("a", "critical", title="{{ lookup('pipe', 'id') }}")]
    (step,) = (step for step in rules.steps() if step.event)
    assert step.event is not None
    assert step.event["before"] == {"state": "open", "severity": "low"}
    assert step.event["finding"]["title"] == "{ { lookup('pipe', 'id') }}"
    assert step.event["meta"] == {"uuid": step.key}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"initial": "all"}, ["a", "b"]),
        ({"initial": "since", "since": "2026-02-01T00:00:00Z"}, ["b"]),
        ({"initial": "all", "severities": ["critical"]}, ["b"]),
        ({"initial": "all", "where": "title == 'T a'"}, ["a"]),
        ({"initial": "all", "changes": ["fixed"]}, []),
    ],
)
def test_what_a_first_look_gives(tmp_path: Path, arguments: dict[str, Any], expected: list[str]) -> None:
    rules = Rules(tmp_path, **arguments)
    there = [finding("a"), finding("b", "critical", first_seen="2026-03-01T00:00:00Z"), finding("c", status="fixed")]
    assert rules.look(*there) == [(name, "new") for name in expected]
    rules.start()
    assert rules.look(*there) == []


def test_what_was_not_confirmed_comes_again_with_the_same_uuid(tmp_path: Path) -> None:
    rules = Rules(tmp_path, initial="since", since="2026-02-01T00:00:00Z")
    late = {"first_seen": "2026-03-01T00:00:00Z"}
    rules.findings = [finding("old"), *(finding(f"n{number}", **late) for number in range(10))]
    first = rules.steps()
    rules.confirm(first[:4])
    rules.start()
    again = rules.steps()
    # The first look did not come to its end, so what is older than since is still no change.
    assert [step.key for step in again if step.event] == [step.key for step in first[4:] if step.event]


def test_the_same_change_later_is_another_event(tmp_path: Path) -> None:
    rules = Rules(tmp_path)
    rules.look(finding("a", status="fixed"))
    uuids = set()
    for _time in range(3):
        rules.findings = [finding("a")]
        steps = rules.steps()
        rules.confirm(steps)
        assert told(steps) == [("a", "reopened")]
        uuids |= {step.key for step in steps if step.event}
        assert rules.look(finding("a", status="fixed")) == []
        rules.start()
    assert len(uuids) == 3


def test_two_findings_with_one_identity_both_count(tmp_path: Path) -> None:
    rules = Rules(tmp_path)
    rules.look(finding("a"))
    assert len(rules.look(finding("a"), finding("a"))) == 1


def test_what_is_not_complete_is_not_compared(tmp_path: Path) -> None:
    rules = Rules(tmp_path, changes=["gone"])
    rules.look(finding("a"), finding("b"))
    rules.complete, rules.findings = False, []
    with pytest.raises(IncompleteRead, match="not compared"):
        rules.steps()
    rules.complete = True
    assert rules.look(finding("a")) == [("b", "gone")]


def test_a_snapshot_that_cannot_be_read_back_changes_nothing(tmp_path: Path) -> None:
    rules = Rules(tmp_path)
    rules.findings, rules.cut = [finding("a")], "{"
    with pytest.raises(FileError):
        rules.steps()
    rules.cut = ""
    assert rules.look(finding("a")) == []
    rules.start()
    assert rules.look(finding("a"), finding("b")) == [("b", "new")]


def test_the_journal_is_folded_into_the_findings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{FindingFeed.__module__.rpartition('.')[0]}.finding_baseline._JOURNAL_LEAST", 5)
    rules = Rules(tmp_path)
    names = [f"f{number}" for number in range(30)]
    for count in range(1, 31):
        rules.look(*map(finding, names[:count]))
        rules.start()
        assert len(rules.feed._baseline.known) == count
    (journal,) = (path for path in (tmp_path / "eda").glob("*.json") if not path.name.endswith(".findings.json"))
    assert json.loads(journal.read_text())["generation"] > 1


def test_a_journal_that_is_older_than_the_findings_changes_nothing(tmp_path: Path) -> None:
    rules = Rules(tmp_path)
    rules.look(finding("a"))
    rules.look(finding("a"), finding("b"))
    path = rules.feed._baseline.path
    document = json.loads(path.read_text())
    document |= {"generation": 0, "changes": dict.fromkeys(document["changes"])}
    path.write_text(json.dumps(document))
    rules.start()
    assert "qualys_was\0u:a" in rules.feed._baseline.known


def test_files_of_another_stream_are_refused(tmp_path: Path) -> None:
    rules = Rules(tmp_path)
    rules.look(finding("a"))
    own = rules.feed._baseline.path
    rules.arguments["consumer"] = "second"
    other = FindingFeed(IDENTITY, rules.arguments, tmp_path)
    other._baseline.path.with_suffix(".findings.json").write_bytes(own.with_suffix(".findings.json").read_bytes())
    with pytest.raises(StateError, match="belongs to another stream"):
        other.begin()

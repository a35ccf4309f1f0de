# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of findings, files and scans never decides, and neither does a variable that is set and empty."""

from __future__ import annotations

import itertools
import random
import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from tests.conftest import ROOT
from tests.unit.plugins.module_utils._gate.gate_kit import DROP, Folder, Record, ago, finding, policy, scan
from tests.unit.plugins.module_utils._gate.situation_kit import SHARED, Situation
from tests.unit.plugins.module_utils._gate.test_situations import SITUATIONS

SEED = 20261120


class Shuffled(Folder):
    """A folder in which nothing has the order in which it was given."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._dice = random.Random(SEED)

    def _mixed(self, items: list[Any]) -> list[Any]:
        mixed = list(reversed(items))
        if len(mixed) > 2:
            self._dice.shuffle(mixed)
        return mixed

    def snapshot(self, findings: list[Any], name: str = "findings.ndjson", **changes: Any) -> str:
        return super().snapshot(self._mixed(findings), name, **changes)

    def gate(self, findings: list[Any] | None = None, **options: Any) -> Result:
        for option in ("files", "scans", "matches"):
            if isinstance(options.get(option), list):
                options[option] = self._mixed(options[option])
        return super().gate(findings, **options)


@pytest.mark.parametrize(("name", "verdict", "situation"), SITUATIONS, ids=[name for name, *_rest in SITUATIONS])
def test_a_situation_has_its_verdict_in_another_order(
    name: str, verdict: str, situation: Situation, tmp_path: Path
) -> None:
    assert situation(Shuffled(tmp_path)).values["verdict"] == verdict


EVERY_VARIABLE = sorted(
    {
        name
        for path in (ROOT / "plugins").rglob("*.py")
        for name in re.findall(
            r"\"((?:PERIMETER|QUALYS|CBC|CSP|SCUTUM|EDGECAST|INDUSFACE|XDG)_[A-Z_]+)\"", path.read_text("utf-8")
        )
    }
    | {
        name
        for folder in ("roles", "playbooks")
        for path in (ROOT / folder).rglob("*.yml")
        for name in re.findall(r"env', *'([A-Z_]+)'", path.read_text("utf-8"))
    }
)


def test_every_situation_has_its_verdict_with_every_variable_of_the_environment_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CI systems turn a missing variable into empty text, which must not move a verdict."""
    assert len(EVERY_VARIABLE) > 60
    for name in EVERY_VARIABLE:
        monkeypatch.setenv(name, "")
    wrong = {}
    for number, (name, verdict, situation) in enumerate(SITUATIONS):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = situation(Folder(folder)).values["verdict"]
        if found != verdict:
            wrong[name] = found
    assert wrong == {}


def _twin(number: int, severity: str, **changes: Any) -> Record:
    return finding(number, **{**SHARED, "severity": severity, "status": "open", **changes})


TWINS: list[tuple[str, list[str], list[Record], str]] = [
    ("known and worse", ["high"], [_twin(1, "high"), _twin(2, "critical")], "fail"),
    ("known and milder", ["high"], [_twin(1, "high"), _twin(2, "low")], "pass"),
    ("both known", ["high", "low"], [_twin(1, "high"), _twin(2, "low")], "pass"),
    ("worse and known", ["high", "low"], [_twin(1, "critical"), _twin(2, "high")], "fail"),
    ("both milder", ["critical", "high"], [_twin(1, "medium"), _twin(2, "low")], "pass"),
    ("one reopened", ["high"], [_twin(1, "high"), _twin(2, "high", status="reopened")], "fail"),
    ("one waived severity less", ["high", "high"], [_twin(1, "high"), _twin(2, "low")], "pass"),
    ("three on two places", ["high", "low"], [_twin(1, "high"), _twin(2, "low"), _twin(3, "high")], "fail"),
    (
        "the one with a limit is left without a place",
        ["high"],
        [_twin(1, "high"), _twin(2, "high", kind="sensitive_content")],
        "fail",
    ),
]


@pytest.mark.parametrize(("name", "before", "now", "verdict"), TWINS, ids=[name for name, *_rest in TWINS])
def test_findings_of_one_identity_have_their_verdict_in_any_order(
    name: str, before: list[str], now: list[Record], verdict: str, tmp_path: Path
) -> None:
    folder, seen = Folder(tmp_path), set()
    folder.adopt([_twin(number, severity) for number, severity in enumerate(before, 7)])
    judged = policy(limits={"new": {"vulnerability": {"critical": 0, "high": 0}, "sensitive_content": {"low": 0}}})
    for order in itertools.permutations(now):
        values = folder.gate(list(order), baseline=str(folder.baseline), policy=judged).values
        states = tuple(sorted((item["id"], item["state"], item["decision"]) for item in values["explain"]))
        seen.add((values["verdict"], repr(values["counts"]), states))
    assert {word for word, *_rest in seen} == {verdict}
    assert len(seen) == 1


def test_a_limit_above_zero_counts_the_same_in_any_order(tmp_path: Path) -> None:
    """One place, one that is reopened and one that is open: one of them is new, and not both."""
    folder = Folder(tmp_path)
    folder.adopt([_twin(7, "high")])
    one = policy(limits={"new": {"vulnerability": {"high": 1}}})
    for order in itertools.permutations([_twin(1, "high"), _twin(2, "high", status="reopened")]):
        values = folder.gate(list(order), baseline=str(folder.baseline), policy=one).values
        assert (values["verdict"], values["counts"]["new"]) == ("pass", 1)


def test_the_baseline_is_the_same_whatever_the_order(tmp_path: Path) -> None:
    found = [_twin(1, "low"), _twin(2, "critical"), _twin(3, "high")]
    written = set()
    for order in itertools.permutations(found):
        folder = Folder(tmp_path)
        folder.adopt(list(order))
        written.add(folder.baseline.read_text(encoding="utf-8"))
    assert len(written) == 1


def test_two_exports_of_one_moment_give_the_same_verdict_in_any_order(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    files = [
        folder.snapshot([finding()], name="a.ndjson"),
        folder.snapshot([finding(status="fixed")], name="b.ndjson"),
    ]
    assert len({folder.gate(files=list(order)).values["verdict"] for order in itertools.permutations(files)}) == 1


def test_of_two_scans_of_one_moment_the_doubtful_one_counts_in_any_order(tmp_path: Path) -> None:
    scans = [scan(), scan(status="running", end_reason=None, conclusive=False, ended=None)]
    for order in itertools.permutations(scans):
        assert Folder(tmp_path).gate([], scans=list(order)).values["verdict"] == "inconclusive"


def test_an_application_under_two_names_with_other_rules_is_inconclusive_in_any_order(tmp_path: Path) -> None:
    strict = policy(limits=DROP, sla={"high": "9d"}, applications=[{"match": ["shop"], "sla": {"high": "1h"}}])
    named = {"id": "4711", "name": "shop"}
    for other in ({"id": "4711", "name": "store"}, {"id": "4711", "name": None}):
        found = [finding(asset=named, first_seen=ago(days=1)), finding(2, asset=other, first_seen=ago(days=1))]
        scans = {"scope": {"scans": "optional"}}
        verdicts = {
            Folder(tmp_path).gate(list(order), scans=[], policy={**strict, **scans}).values["verdict"]
            for order in itertools.permutations(found)
        }
        assert "pass" not in verdicts, other

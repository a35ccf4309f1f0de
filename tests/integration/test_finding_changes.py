# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From real exports to a SIEM: what changes at the service between two exports arrives once, and nothing else does."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.integration.conftest import login_to
from tests.integration.in_process import run_tasks
from tests.integration.runner import PREFIX, Ansible, Run
from tests.sandbox import Sandbox

EXAMPLE = ROOT / "docs" / "examples" / "findings" / "changes_to_siem.yml"
GUIDE = ROOT / "docs" / "docsite" / "rst" / "findings_to_siem.rst"
HERE = "{{ playbook_dir }}"
OPEN = ("NEW", "ACTIVE", "REOPENED")


@pytest.fixture
def estate() -> Iterator[Sandbox]:
    with Sandbox(webapps=6, findings=80, switches={"clock": "real"}) as running:
        yield running
        assert running.counters.internal_errors == 0


def risks(estate: Sandbox) -> list[Any]:
    """The vulnerabilities that are open and not ignored, by their ids."""
    found = [item for _key, item in sorted(estate.qualys.findings.items()) if item["type"] == "VULNERABILITY"]
    return [item for item in found if item["status"] in OPEN and not item.get("isIgnored")]


def move(estate: Sandbox) -> dict[str, int]:
    """Change a few findings at the service; returns how many changes of each kind that makes."""
    fixed, gone, worse, scored = risks(estate)[:4]
    fixed["status"], fixed["fixedDate"] = "FIXED", fixed["lastTestedDate"]
    del estate.qualys.findings[gone["id"]]
    before, worse["severity"] = worse["severity"], 5 if worse["severity"] < 5 else 1
    scored["detectionScore"] = (scored.get("detectionScore") or 0) % 100 + 1
    return {"fixed": 1, "gone": 1, "escalated" if worse["severity"] > before else "lowered": 1, "changed": 1}


def compared(folder: Path, estate: Sandbox, *, detail: str = "verbose", **options: Any) -> Run:
    """Export and compare: in check mode, and then in earnest, twice."""
    changes = {"findings": f"{HERE}/findings.ndjson.gz", "dest": f"{HERE}/changes", **options}
    steps = [("check", changes, True), ("run", changes, False), ("again", changes, False)]
    export = {"dest": f"{HERE}/findings.ndjson.gz", "detail": detail}
    tasks: list[Any] = [{"name": "export", f"{PREFIX}qualys_was_finding_export": export}]
    tasks += [{"name": name, f"{PREFIX}finding_changes": given, "check_mode": check} for name, given, check in steps]
    return run_tasks(folder, tasks, login_to(estate) | {"PERIMETER_STATE_DIR": str(folder / "state")}, estate)


def written(folder: Path) -> list[dict[str, Any]]:
    lines = [line for path in sorted((folder / "changes").glob("dt=*/*")) for line in path.read_bytes().splitlines()]
    return [json.loads(line) for line in lines]


def test_what_changes_between_two_exports(estate: Sandbox, tmp_path: Path) -> None:
    webapps = [{"id": key, "name": app["name"], "risk_score": 5} for key, app in estate.qualys.webapps.items()]
    first = compared(tmp_path, estate, webapps=webapps)
    new = first["run"]["changes"]["new"]
    assert new >= len(risks(estate))
    assert (first["run"]["webapps"], first["run"]["records"]) == (6, new + 6)
    expected = move(estate)
    second = compared(tmp_path, estate, webapps=webapps)
    found = {word: count for word, count in second["run"]["changes"].items() if count}
    assert found == expected
    for run in (first, second):
        assert [run[name].changed for name in ("check", "run", "again")] == [True, True, False]
        assert run["check"]["changes"] == run["run"]["changes"]
        assert not run["run"].result.get("warnings")
        assert len(run["run"]["segments"]) == 1
    records = written(tmp_path)
    assert Counter(item["change"] for item in records if item["record"] == "change") == Counter(new=new) + Counter(
        expected
    )
    assert len({item["key"] for item in records}) == len(records)
    gone = next(item for item in records if item["change"] == "gone")
    assert gone["finding"]["title"]
    assert gone["risk_score"] == 5
    # Open findings are a part of what is told about an application.
    assert second["run"]["webapps"] == len(
        {item["id"] for item in records if item["record"] == "webapp" and item["change"] == "changed"}
    )


def test_another_account_or_detail_is_refused(estate: Sandbox, tmp_path: Path) -> None:
    compared(tmp_path, estate)
    other = compared(tmp_path, estate, detail="summary")
    assert [other[name].failed for name in ("check", "run", "again")] == [True, True, True]
    assert "detail differs" in other["run"]["msg"]
    with Sandbox(webapps=6, findings=80) as elsewhere:
        assert "account differs" in compared(tmp_path, elsewhere)["run"]["msg"]


def test_the_example_brings_each_change_once(ansible: Ansible, estate: Sandbox) -> None:
    folder, receivers = ansible.folder, estate.receivers
    environment = login_to(estate) | {
        "PERIMETER_STATE_DIR": str(folder / "state"), "EXAMPLE_FINDINGS": str(folder), "EXAMPLE_SPLUNK": estate.url,
        "PERIMETER_SPLUNK_TOKEN": receivers.settings.hec_token,
        "PERIMETER_SQL_DATABASE_URL": f"sqlite:///{folder}/siem.db",
    }  # fmt: skip
    runs = []
    for number in range(2):
        results = folder / f"{number}.jsonl"
        run = ansible.program(
            "ansible-playbook", "-i", "localhost,", str(EXAMPLE), environment=environment, results=results
        )
        assert run.status == 0, run.output
        runs.append(run)
        if not number:
            expected = move(estate)
    first, second = ({result.task: result for result in run.results} for run in runs)
    assert {word: count for word, count in second["Write what changed"]["changes"].items() if count} == expected
    for results in (first, second):
        records = results["Write what changed"]["records"]
        assert results["Write all of it to the database"]["delivered"] == records
        told = results["Send to Splunk what got worse"]
        assert told["delivered"] + told["filtered"] == records
    sent = [event["event"] for event in receivers.events]
    assert len(sent) == sum(results["Send to Splunk what got worse"]["delivered"] for results in (first, second))
    assert {(item["record"], item["change"]) for item in sent} <= {("change", "new"), ("change", "escalated")}
    assert {item["finding"]["severity"] for item in sent} == {"critical", "high"}
    assert all(isinstance(item["risk_score"], (int, float)) for item in sent)
    assert any(item["knowledge"] and item["knowledge"]["solution"] for item in sent)


def test_the_guide_shows_the_example() -> None:
    shown = textwrap.indent(EXAMPLE.read_text(encoding="utf-8").removeprefix("---\n"), "   ")
    assert shown in GUIDE.read_text(encoding="utf-8")

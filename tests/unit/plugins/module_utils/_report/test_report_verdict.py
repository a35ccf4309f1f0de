# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict of a gate in Markdown, which is what the page of a pipeline shows."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import OptionError
from ansible_collections.appsec.perimeter.plugins.module_utils._gate.decide.advice import next_steps
from ansible_collections.appsec.perimeter.plugins.module_utils._report.inputs.gate_view import GateView
from ansible_collections.appsec.perimeter.plugins.module_utils._report.run import run
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report import factory
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report import format_kit as kit

HOSTILE = "<script>|`x`\n::error::a ##vso[task.complete] [b](http://c) @all\n```\n# d"


def reason(message: str, application: str | None = None, verdict: str = "fail", code: str = "limit") -> dict[str, Any]:
    """One reason of a verdict."""
    return {"code": code, "verdict": verdict, "application": application, "rule": None, "message": message}


def section(**document: Any) -> list[str]:
    """The lines about a verdict, in a report of one finding."""
    found = {"verdict": "fail", "exit_code": 10, **document}
    content = kit.render("markdown", kit.report_of([factory.finding()], gate=GateView(found, {})))
    return content[content.index("## Verdict of the gate") : content.index("## Overview")].splitlines()


def test_a_reason_that_applications_share_is_there_once_with_their_names() -> None:
    shared = [reason("too many", f"app{number}") for number in range(8)]
    lines = section(
        reasons=[*shared, reason("one", "shop"), reason("all"), reason("seen", verdict="pass", code="note")]
    )
    assert [line for line in lines if line.startswith("- ")] == [
        "- too many (app0, app1, app2, app3, app4 and 3 more)", "- shop: one", "- all", "- seen (note)",
    ]  # fmt: skip


def test_what_exclusions_took_is_a_table_and_no_note() -> None:
    taken = [{"name": f"exclude\\[{number}]", "reason": HOSTILE, "findings": number} for number in range(30)]
    lines = section(exclusions=taken, reasons=[reason("exclude[1] left out 1 finding", None, "pass", "exclusion_took")])
    head = lines.index("### Exclusions")
    rows = [line for line in lines[head:] if line.startswith("| ")]
    assert rows[0] == "| Exclusion | Findings | Reason |"
    assert len(rows) == 22
    assert {line.count("|") for line in rows} == {4}
    assert "The first 20 of 29 exclusions." in lines
    assert "took" not in "".join(lines[:head])


def test_what_to_do_next_can_be_copied() -> None:
    judged = {"decision": "fail", "decided_by": "rule:limits.new", "severity": "high"}
    explained = [{**judged, "unique_id": 'a"b#1::c', "fingerprint": None, "id": "1"}]
    steps = next_steps("fail", dt.date(2026, 3, 1), explained)
    lines = section(next_steps=steps)
    first, last = lines.index("```yaml"), lines.index("```")
    (waiver,) = yaml.safe_load("\n".join(lines[first + 1 : last]))
    assert waiver["match"]["unique_ids"] == ['a"b#1::c']
    assert "- Fix the findings that broke a rule, and scan again." in lines[:first]
    assert len(section(next_steps=["again"] * 500)) < 40


@pytest.mark.parametrize("step", [HOSTILE, f"  - {HOSTILE}", "    ```", "  ::error::x", "  ##vso[x]", "  - @all"])
def test_hostile_steps_are_text(step: str) -> None:
    lines = section(next_steps=["Do it.", step], reasons=[reason(HOSTILE, HOSTILE), reason(HOSTILE, "b")])
    assert "```yaml" not in lines
    for line in lines:
        assert not line or line.startswith(("- ", "## ", "### ", "**")), line
        assert "<" not in line
        assert "##vso" not in line
        assert "@all" not in line
        assert "](" not in line


def test_a_verdict_without_anything_judged_is_a_short_page_and_no_other_format(tmp_path: Path) -> None:
    document = {"record": "gate", "schema": 1, "verdict": "policy_error", "exit_code": 12, "explain_file": None}
    document |= {"reasons": [reason("gate_scan: ture", None, "policy_error")], "next_steps": ["Mend it."]}
    (tmp_path / "gate.json").write_text(json.dumps(document), encoding="utf-8")
    summary = tmp_path / "summary.md"
    params = {"gate": str(tmp_path / "gate.json"), "title": "Shop", "findings": []}
    run({**params, "outputs": {"markdown": str(summary)}}, False)
    content = summary.read_text(encoding="utf-8")
    assert content.startswith("# Shop\n")
    assert "(code 12)" in content
    assert "- gate\\_scan: ture" in content
    assert "- Mend it." in content
    # Nothing was looked at, so nothing is said about findings.
    assert "finding" not in content.lower()
    assert [line for line in content.splitlines() if line.startswith("## ")] == ["## Verdict of the gate"]
    with pytest.raises(OptionError, match="`findings` is empty"):
        run({**params, "outputs": {"markdown": str(summary), "html": str(tmp_path / "a.html")}}, False)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit of several services, and what it works out beside the report: attacks, the history, the changes."""

from __future__ import annotations

import json

from tests.integration.log_kit import environment, log_sandbox
from tests.integration.runner import Ansible
from tests.integration.test_audit import CANARY, Audited, Auditor, announce_too_many, figures, summary, task


def test_a_service_that_fails_is_named_and_does_not_stop_the_others(ansible: Ansible) -> None:
    services = {
        "audit_services": "qualys, edgecast,scutum", "audit_logs_directory": str(ansible.folder / "logs"),
        "audit_correlate": True, "audit_history": True, "audit_changes": str(ansible.folder / "changes"),
    }  # fmt: skip
    with log_sandbox(webapps=4, findings=30, switches={"clock": "real"}) as sandbox:
        audit = Auditor(ansible, sandbox)
        right = environment(sandbox, ansible.folder / "state")
        known = {"PERIMETER_AUDIT_SCANNER_SOURCES": "networks: [192.0.2.0/24]"}
        failed = audit(environment=right | known | {"SCUTUM_API_KEY": CANARY}, audit_lookback="1d", **services)
        whole = audit(environment=right, audit_lookback="1d", **services)
        again = audit(environment=right, audit_lookback="1d", **services)
        nowhere = right | {"PERIMETER_DATABASE_URL": "nosuch://database/x"}
        lacking = audit(environment=nowhere, audit_lookback="1d", **services)
    assert failed.run.status == 2, failed.run.output
    message = str(task(failed.run, "Fail when the audit is not complete")["msg"])
    assert message.startswith("The audit is not complete: Scutum WAF failed: ")
    assert CANARY not in failed.run.output
    # The next run compares with the last complete one, so that this one leaves no JSON report.
    assert {"report.html", "report.md", "report.csv"} <= set(failed.contents)
    assert "report.json" not in failed.contents
    assert "Scutum WAF could not be read" in failed.text("report.html")
    # Both were begun before Qualys was read.
    order = [result.task for result in whole.run.results]
    begun, read, ended = (
        next(place for place, name in enumerate(order) if name.endswith(words))
        for words in ("Collect from Scutum WAF", "Read the applications that were scanned", "Wait for Scutum WAF")
    )
    assert begun < read < ended
    assert "Edgecast WAF: " in summary(failed)
    assert "Scutum WAF: FAILED; the report says why." in summary(failed)
    assert figures(failed)["failed"] == ["scutum"]
    assert figures(failed)["events"]["total"] > 0

    assert whole.run.status == 0, whole.run.output
    assert [item["source"] for item in whole.report["attacks"]["services"]] == ["edgecast", "scutum"]
    assert [item["state"] for item in whole.report["services"]] == ["complete"] * 3
    assert whole.report["summary"]["total"] == 30
    matches = [json.loads(line) for line in whole.text("matches.ndjson").splitlines()]
    assert {match["record"] for match in matches} == {"match"}
    words = "Find out which findings are under attack"
    assert "scanner_sources" not in str(task(failed.run, words)["warnings"])
    assert "scanner_sources is empty" in str(task(whole.run, words)["warnings"])
    # A finding that is ignored has a match too; the report counts those that are open.
    assert 0 < sum(whole.report["summary"]["attacked"].values()) <= len(matches)
    # The same data as that of the run that failed for another service.
    assert len(whole.report["history"]["trend"]) == 1
    # What logs in is recorded by its name and its type, one search and one look at each.
    first = task(failed.run, "Record the findings in their history")["recorded"]
    assert first["auth_records"] == len(sandbox.qualys.auth_records.ids) > 0
    assert failed.asked["GET /qps/rest/3.0/get/was/webappauthrecord/<id>"] == first["auth_records"]
    parts = {"form": {"type"}, "server": {"ssl_only"}, "oauth2": {"grant_type"}}
    for item in task(failed.run, "Read names and types of the authentication records")["auth_records"]:
        assert set(item) == {"id", "name", *parts}
        assert all(set(item[part] or ()) <= left for part, left in parts.items())
    assert list((ansible.folder / "changes").glob("dt=*/*.ndjson"))
    # The same data once more: neither the history nor the stream grows.
    assert len(again.report["history"]["trend"]) == 1
    assert not task(again.run, "Record the findings in their history")["changed"]
    assert not task(again.run, "Write what changed about the findings")["changed"]
    assert lacking.run.status == 2
    assert "The findings were not recorded in their history: " in str(
        task(lacking.run, "Fail when an optional result beside the report failed")["msg"]
    )
    assert "The findings were not recorded in their history" in lacking.text("report.html")


def _notes(audited: Audited) -> list[str]:
    """The notes of a report, of which an incomplete one has no JSON."""
    return [line.removeprefix("- ") for line in audited.text("report.md").splitlines() if line.startswith("- ")]


def test_the_history_has_what_is_complete(ansible: Ansible) -> None:
    services = {"audit_logs_directory": str(ansible.folder / "logs"), "audit_history": True, "audit_lookback": "3d"}
    with log_sandbox(webapps=4, findings=30, switches={"clock": "real"}) as sandbox:
        audit = Auditor(ansible, sandbox)
        known = environment(sandbox, ansible.folder / "state")
        announce_too_many(sandbox)
        sandbox.faults.add(
            kind="response_code", match={"route": "/search/was/webappauthrecord"}, code="UNAUTHORIZED", times=-1
        )  # fmt: skip
        partly = audit(
            environment=known, audit_services="qualys,indusface", audit_require_complete=False, **services
        )  # fmt: skip
        alone = audit(
            environment=known, audit_services="indusface", audit_require_complete=False,
            audit_changes=str(ansible.folder / "changes"), **services,
        )  # fmt: skip
    assert partly.run.status == 0, partly.run.output
    recorded = task(partly.run, "Record the findings in their history")["recorded"]
    assert recorded["findings"] > 0
    assert (recorded["webapps"], recorded["auth_records"]) == (4, 0)
    assert any(note.startswith("The authentication records could not be read") for note in _notes(partly))
    assert any("so they were not recorded in the history" in note for note in _notes(partly))

    assert alone.run.status == 0, alone.run.output
    assert task(alone.run, "Record the findings in their history")["trend"]
    assert [note for note in alone.report["notes"] if "history" in note] == []
    assert [
        note.split(": ")[1] for note in alone.report["notes"] if note.startswith("The changes of the findings")
    ] == ["it requires the findings of Qualys, which audit_services does not name."]

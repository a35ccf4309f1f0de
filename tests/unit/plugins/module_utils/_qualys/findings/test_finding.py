# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings are ignored, activated, given another severity and retested: what differs, one by one, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    IncompleteRead,
    NotFound,
    OptionError,
    PartialFailure,
    PerimeterError,
    TransportError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api import targets
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import QualysClient
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.findings.finding import run
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from tests.sandbox import Sandbox

from ...qualys_kit import client_of, routes
from ..life import finding_options, ids_of, living, plain_findings, shared_living

__all__ = ["living", "shared_living"]

IGNORE = {"state": "ignored", "reason": "FALSE_POSITIVE"}
SUCCESS = '{"ServiceResponse": {"responseCode": "SUCCESS", "count": 1}}'


def go(sandbox: Sandbox, *, check: bool = False, connection: dict[str, Any] | None = None, **options: Any) -> Result:
    with client_of(sandbox, **(connection or {})) as client:
        return run(finding_options(**options), client, check)


def diff_of(result: Result) -> list[dict[str, Any]]:
    assert isinstance(result.diff, list)
    return result.diff


def refused(sandbox: Sandbox, kind: type[PerimeterError], words: str, **options: Any) -> PerimeterError:
    with pytest.raises(kind, match=words) as caught:
        go(sandbox, **options)
    assert caught.value.hint
    assert sandbox.counters.writes == 0
    return caught.value


# Four runs

USES: dict[str, dict[str, Any]] = {
    "ignore": IGNORE | {"comment": 'reviewed <b> & "quoted" ü', "reactivate_in": 30},
    "ignore-until": IGNORE | {"reason": "RISK_ACCEPTED", "reactivate_date": "2099-01-31"},
    "severity": {"severity": 1, "severity_comment": "behind a VPN"},
    "both": IGNORE | {"severity": 1},
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_four_runs(living: Sandbox, use: dict[str, Any]) -> None:
    ids = [record["id"] for record in plain_findings(living, 30) if record["severity"] != 1][:3]
    predicted = go(living, check=True, ids=ids, **use)
    assert predicted.changed
    assert living.counters.writes == 0
    first = go(living, ids=ids, **use)
    assert first.changed
    assert first.warnings == []
    assert [item["actions"] for item in first.values["results"]] == [
        item["actions"] for item in predicted.values["results"]
    ]
    for told, found in zip(predicted.values["findings"], first.values["findings"], strict=True):
        assert told["severity"] == found["severity"]
        assert (told["ignored"] or {}).get("reason") == (found["ignored"] or {}).get("reason")
        assert (told["ignored"] or {}).get("comment") == (found["ignored"] or {}).get("comment")
    assert predicted.diff == first.diff
    for check in (False, True):
        living.reset_counters()
        again = go(living, check=check, ids=ids, **use)
        assert (again.changed, again.diff) == (False, [])
        assert living.counters.writes == 0


def test_ignored_is_shown_with_reason_comment_and_end(living: Sandbox) -> None:
    [record] = plain_findings(living, 1)
    result = go(living, ids=[record["id"]], comment="reviewed", reactivate_in=30, **IGNORE)
    ignored = result.values["findings"][0]["ignored"]
    assert ignored["reason"] == "FALSE_POSITIVE"
    assert ignored["comment"] == "reviewed"
    assert ignored["until"] is not None
    assert record["isIgnored"] is True
    assert result.diff == [
        {
            "before": {"state": "active"},
            "after": {
                "state": "ignored",
                "reason": "FALSE_POSITIVE",
                "comment": "reviewed",
                "reactivate_in": 30,
                "reactivate_date": None,
            },
            "before_header": f"finding {record['id']} ({record['name']})",
            "after_header": f"finding {record['id']} ({record['name']})",
        }
    ]


def test_active_takes_ignoring_back(living: Sandbox) -> None:
    records = plain_findings(living, 2)
    go(living, ids=ids_of(records), **IGNORE)
    result = go(living, ids=ids_of(records), state="active")
    assert [item["actions"] for item in result.values["results"]] == [["activate"]] * 2
    assert [item["ignored"] for item in result.values["findings"]] == [None, None]
    assert not any(record["isIgnored"] for record in records)
    assert not go(living, ids=ids_of(records), state="active").changed


def test_only_those_that_differ_are_written(living: Sandbox) -> None:
    records = plain_findings(living, 4)
    go(living, ids=ids_of(records[:2]), **IGNORE)
    living.reset_counters()
    result = go(living, ids=ids_of(records), **IGNORE)
    assert [item["changed"] for item in result.values["results"]] == [False, False, True, True]
    assert sorted(routes(living, "ignore")) == [
        f"POST /qps/rest/3.0/ignore/was/finding/{key}" for key in ids_of(records[2:])
    ]


def test_another_reason_keeps_comment_and_end(living: Sandbox) -> None:
    [record] = plain_findings(living, 1)
    go(living, ids=[record["id"]], comment="as agreed", reactivate_date="2099-01-31", **IGNORE)
    go(living, ids=[record["id"]], state="ignored", reason="RISK_ACCEPTED")
    assert record["ignoredReason"] == "RISK_ACCEPTED"
    assert record["ignoredComment"] == "as agreed"
    assert record["reactivateDate"].startswith("2099-01-31")


def test_an_empty_comment_removes_it(living: Sandbox) -> None:
    [record] = plain_findings(living, 1)
    go(living, ids=[record["id"]], comment="as agreed", **IGNORE)
    assert go(living, ids=[record["id"]], comment="", **IGNORE).changed
    assert "ignoredComment" not in record
    assert not go(living, ids=[record["id"]], comment="", **IGNORE).changed


def test_severity_is_edited_and_restored(living: Sandbox) -> None:
    record = next(item for item in plain_findings(living, 20) if item["severity"] == 3)
    edited = go(living, ids=[record["id"]], severity=5, severity_comment="customer data")
    found = edited.values["findings"][0]
    assert (found["severity"], found["original_severity"]) == ("critical", "3")
    assert not go(living, ids=[record["id"]], severity=5).changed
    assert go(living, ids=[record["id"]], severity=4).changed
    assert record["severityComment"] == "customer data"
    restored = go(living, ids=[record["id"]], restore_severity=True)
    assert restored.values["results"][0]["actions"] == ["restoreSeverity"]
    assert restored.values["findings"][0]["severity"] == "medium"
    assert not go(living, ids=[record["id"]], restore_severity=True).changed


# Which findings


def test_unique_ids_and_numbers_mean_the_same_findings(living: Sandbox) -> None:
    first, second = plain_findings(living, 2)
    ids = [first["id"], first["uniqueId"], second["uniqueId"].upper(), second["id"]]
    result = go(living, ids=ids, **IGNORE)
    assert [item["id"] for item in result.values["results"]] == [str(first["id"]), str(second["id"])]
    assert len(routes(living, "ignore/")) == 2


def test_ids_are_looked_up_in_bounded_lists(living: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "IDS_PER_SEARCH", 4)
    records = plain_findings(living, 9)
    result = go(living, check=True, ids=ids_of(records), **IGNORE)
    assert [item["id"] for item in result.values["results"]] == [str(key) for key in ids_of(records)]
    assert len(routes(living, "search/was/finding")) == 3


def test_a_filter_is_resolved_to_ids(living: Sandbox) -> None:
    wanted = plain_findings(living, 1)[0]["qid"]
    filters = [{"field": "qid", "value": wanted}, {"field": "type", "value": "VULNERABILITY"}]
    matching = [item for item in living.qualys.findings.values() if item["qid"] == wanted]
    result = go(living, filters=filters, max_changes=len(matching), **IGNORE)
    assert len(result.values["results"]) == len(matching)
    assert all(item["isIgnored"] for item in matching)
    assert all(path.rsplit("/", 1)[1].isdigit() for path in routes(living, "/ignore/"))


def test_the_ceiling_counts_what_would_change(living: Sandbox) -> None:
    records = plain_findings(living, 5)
    filters = [{"field": "id", "value": ids_of(records)}]
    go(living, ids=ids_of(records[:4]), **IGNORE)
    living.reset_counters()
    refused(
        living,
        OptionError,
        "filters would change 1 findings, more than max_changes \\(0\\)",
        filters=filters,
        max_changes=0,
        **IGNORE,
    )
    assert go(living, filters=filters, max_changes=1, **IGNORE).changed


def test_a_filter_that_matches_nothing_changes_nothing(living: Sandbox) -> None:
    result = go(living, filters=[{"field": "qid", "value": 1}], max_changes=0, retest=True)
    assert (result.changed, result.values["findings"], result.error) == (False, [], None)


def test_an_incomplete_listing_is_refused(living: Sandbox) -> None:
    living.faults.add({"match": {"route": "count/was/finding"}, "kind": "wrong_count", "n": 2, "times": -1})
    filters = [{"field": "type", "value": "VULNERABILITY"}]
    refused(living, IncompleteRead, "findings and sent", filters=filters, max_changes=999, **IGNORE)


def test_ids_that_do_not_exist_are_named(living: Sandbox) -> None:
    [record] = plain_findings(living, 1)
    missing = [str(number) for number in range(1, 12)]
    error = refused(
        living, NotFound, "Qualys has no finding 1, 2, 3, .*, 10, …", ids=[record["id"], *missing], **IGNORE
    )
    assert "Nothing was changed" in error.hint
    refused(living, NotFound, "no finding 00000000-", ids=["00000000-0000-4000-a000-000000000000"], **IGNORE)


BAD: dict[str, tuple[str, dict[str, Any]]] = {
    "nothing": ("The task asks for no change", {}),
    "no-reason": ("requires reason", {"state": "ignored"}),
    "comment-alone": ("comment is only allowed with state: ignored", {"severity": 3, "comment": "x"}),
    "reason-active": ("reason is only allowed with state: ignored", {"state": "active", "reason": "FALSE_POSITIVE"}),
    "severity-comment": ("severity_comment is only allowed with severity", IGNORE | {"severity_comment": "x"}),
    "both-severities": ("cannot be combined", {"severity": 3, "restore_severity": True}),
    "days": ("not a valid number of days", IGNORE | {"reactivate_in": 0}),
    "both-ends": ("cannot be combined", IGNORE | {"reactivate_in": 1, "reactivate_date": "2099-01-31"}),
    "past": ("in the past", IGNORE | {"reactivate_date": "2001-01-31"}),
    "no-date": ("not a valid date", IGNORE | {"reactivate_date": ""}),
    "timeout": ("wait_timeout: -1", {"retest": True, "wait_timeout": -1}),
    "interval": ("poll_interval: 0", {"retest": True, "poll_interval": 0}),
}


@pytest.mark.parametrize(("words", "options"), BAD.values(), ids=BAD)
def test_contradictions_are_refused_before_anything_is_sent(living: Sandbox, words: str, options: Any) -> None:
    refused(living, OptionError, words, ids=[1], **options)
    assert living.counters.requests == 0


SELECTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "none": ("Either ids or filters", {}),
    "empty": ("Either ids or filters", {"ids": [], "filters": []}),
    "both": ("Either ids or filters", {"ids": [1], "filters": [{"field": "qid", "value": 1}]}),
    "no-ceiling": ("filters requires max_changes", {"filters": [{"field": "qid", "value": 1}]}),
    "negative": ("max_changes: -1", {"ids": [1], "max_changes": -1}),
    "word": ("not a valid id of a finding: 'shop'", {"ids": ["shop"]}),
    "digits": ("not a valid id", {"ids": ["١٢"]}),
    "field": ("color is not a known search field", {"filters": [{"field": "color", "value": 1}], "max_changes": 1}),
}


@pytest.mark.parametrize(("words", "options"), SELECTIONS.values(), ids=SELECTIONS)
def test_unclear_selections_are_refused_before_anything_is_sent(living: Sandbox, words: str, options: Any) -> None:
    refused(living, OptionError, words, **IGNORE, **options)
    assert living.counters.requests == 0


@pytest.mark.parametrize(("word", "options"), [("ignored", IGNORE), ("retested", {"retest": True})])
def test_information_gathered_is_refused_by_id(living: Sandbox, word: str, options: dict[str, Any]) -> None:
    info = next(item for item in living.qualys.findings.values() if item["type"] == "INFORMATION_GATHERED")
    [other] = plain_findings(living, 1)
    error = refused(living, OptionError, f"cannot be {word}: {info['id']}", ids=[other["id"], info["id"]], **options)
    assert "type" in error.hint


# Trouble


def test_one_refusal_does_not_hide_the_others(living: Sandbox) -> None:
    records = plain_findings(living, 3)
    path = f"ignore/was/finding/{records[1]['id']}"
    living.faults.add({"match": {"route": path}, "kind": "response_code", "code": "UNAUTHORIZED", "message": "no"})
    result = go(living, ids=ids_of(records), **IGNORE)
    assert isinstance(result.error, PartialFailure)
    assert f"1 of 3 findings failed; the first is {records[1]['id']}" in result.error.message
    assert [item["failed"] for item in result.values["results"]] == [False, True, False]
    assert result.values["results"][1]["error"]["code"] == "UNAUTHORIZED"
    assert [bool(item["ignored"]) for item in result.values["findings"]] == [True, False, True]
    assert len(diff_of(result)) == 2


def test_what_was_done_before_a_failure_is_told(living: Sandbox) -> None:
    record = next(item for item in plain_findings(living, 20) if item["severity"] != 1)
    living.faults.add({"match": {"route": "ignore/was"}, "kind": "response_code", "code": "OTHER_ERROR"})
    result = go(living, ids=[record["id"]], severity=1, **IGNORE)
    [item] = result.values["results"]
    assert (item["changed"], item["failed"], item["actions"]) == (True, True, ["editSeverity"])
    assert list(diff_of(result)[0]["after"]) == ["severity", "severity_comment"]


@pytest.mark.parametrize("fault", ["apply_then_reset", "truncated_json"])
@pytest.mark.parametrize("use", [IGNORE | {"reactivate_in": 3}, {"severity": 1}], ids=["ignore", "severity"])
def test_a_write_in_doubt_is_settled_by_looking(living: Sandbox, fault: str, use: dict[str, Any]) -> None:
    record = next(item for item in plain_findings(living, 20) if item["severity"] != 1)
    living.faults.add({"match": {"route": f"/was/finding/{record['id']}"}, "kind": fault})
    result = go(living, ids=[record["id"]], **use)
    assert result.error is None
    assert result.changed
    assert living.counters.writes == 1


def test_a_write_that_never_shows_stays_in_doubt(living: Sandbox) -> None:
    [record] = plain_findings(living, 1)
    living.faults.add({"match": {"route": "ignore/was"}, "kind": "reset"})
    result = go(living, ids=[record["id"]], **IGNORE)
    [item] = result.values["results"]
    assert item["error"]["kind"] == "ambiguous_write"
    assert living.counters.writes == 1
    assert not record.get("isIgnored")


def test_what_certainly_was_not_sent_is_no_doubt(living: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsent(*_args: Any) -> Any:
        raise TransportError("refused", sent=False)

    monkeypatch.setattr(QualysClient, "write", unsent)
    [record] = plain_findings(living, 1)
    for use in (IGNORE, {"retest": True}):
        result = go(living, ids=[record["id"]], **use)
        assert result.values["results"][0]["error"]["kind"] == "connection"


def test_wrong_credentials_end_it_all_and_lose_no_result(living: Sandbox) -> None:
    records = plain_findings(living, 5)
    match = {"route": "ignore/was"}
    living.faults.add({"match": match, "kind": "response_code", "code": "INVALID_CREDENTIALS", "skip": 2})
    result = go(living, ids=ids_of(records), connection={"max_connections": 1}, **IGNORE)
    assert [item["changed"] for item in result.values["results"]] == [True, True, False, False, False]
    assert {item["error"]["kind"] for item in result.values["results"][2:]} == {"authentication"}
    assert [bool(item["ignored"]) for item in result.values["findings"]] == [True, True, False, False, False]
    assert living.counters.writes == 3
    assert "could not be read again" in result.warnings[0]
    assert isinstance(result.error, PartialFailure)


def test_what_is_accepted_but_does_not_show_is_told(living: Sandbox) -> None:
    [record] = plain_findings(living, 1)
    living.faults.add({"match": {"route": "ignore/was"}, "kind": "status", "status": 200, "body": SUCCESS})
    result = go(living, ids=[record["id"]], **IGNORE)
    assert result.warnings == [f"Qualys accepted ignore of finding {record['id']}, but does not show it."]
    assert (result.changed, result.diff) == (False, [])
    assert [(item["changed"], item["actions"]) for item in result.values["results"]] == [(False, [])]


def test_what_shows_beside_it_is_a_change(living: Sandbox) -> None:
    record = next(item for item in plain_findings(living, 20) if item["severity"] != 1)
    living.faults.add({"match": {"route": "ignore/was"}, "kind": "status", "status": 200, "body": SUCCESS})
    result = go(living, ids=[record["id"]], severity=1, **IGNORE)
    assert result.changed
    assert [item["actions"] for item in result.values["results"]] == [["editSeverity"]]


def test_a_finding_that_vanishes_is_told(living: Sandbox) -> None:
    [record] = plain_findings(living, 1)
    match = {"route": "search/was/finding"}
    living.faults.add({"match": match, "kind": "status", "status": 200, "body": SUCCESS, "skip": 1})
    result = go(living, ids=[record["id"]], **IGNORE)
    assert result.warnings == [f"Finding {record['id']} vanished after it was changed."]


# Retest


def test_a_retest_is_started_and_waited_for(living: Sandbox) -> None:
    living.switches["retest_outcome"] = "fixed"
    records = plain_findings(living, 2)
    result = go(living, ids=ids_of(records), retest=True)
    assert result.changed
    assert result.error is None
    assert [item["actions"] for item in result.values["results"]] == [["retest"], ["retest"]]
    assert {item["retest"]["status"] for item in result.values["findings"]} == {"retested"}
    assert {item["retest"]["finding_status"] for item in result.values["findings"]} == {"FIXED"}
    assert {item["status"] for item in result.values["findings"]} == {"fixed"}


def test_a_second_retest_is_a_second_retest(living: Sandbox) -> None:
    [record] = plain_findings(living, 1)
    for run_number in (1, 2):
        result = go(living, ids=[record["id"]], retest=True)
        assert result.changed
        assert result.values["findings"][0]["retest"]["status"] == "retested"
        assert len(routes(living, "/retest/was")) == run_number


def test_a_retest_under_way_is_adopted(living: Sandbox) -> None:
    [record] = plain_findings(living, 1)
    started = go(living, ids=[record["id"]], retest=True, wait_timeout=0)
    assert started.changed
    assert started.error is None
    assert started.values["findings"][0]["retest"]["status"] == "under_retest"
    living.switches["retest_polls"] = 3
    adopted = go(living, ids=[record["id"]], retest=True)
    assert not adopted.changed
    assert adopted.error is None
    assert adopted.values["findings"][0]["retest"]["status"] == "retested"
    assert len(routes(living, "/retest/was")) == 1


def test_check_mode_starts_no_retest(living: Sandbox) -> None:
    [record] = plain_findings(living, 1)
    result = go(living, check=True, ids=[record["id"]], retest=True)
    assert result.changed
    assert diff_of(result)[0]["after"] == {"retest": "UNDER_RETEST"}
    assert living.counters.writes == 0


def test_a_retest_that_takes_too_long_fails_and_goes_on(living: Sandbox) -> None:
    living.switches["retest_polls"] = 999
    [record] = plain_findings(living, 1)
    result = go(living, ids=[record["id"]], retest=True, wait_timeout=0.05, poll_interval=0.02)
    assert result.error is not None
    assert result.error.code == "UNDER_RETEST"
    assert "did not end within 0.05 seconds" in result.error.message
    assert result.values["findings"][0]["retest"]["status"] == "under_retest"
    assert result.changed


def test_a_canceled_retest_fails(living: Sandbox) -> None:
    living.switches["retest_outcome"] = "canceled"
    [record] = plain_findings(living, 1)
    result = go(living, ids=[record["id"]], retest=True)
    assert result.error is not None
    assert result.error.code == "CANCELED"
    assert result.values["findings"][0]["retest"]["status"] == "canceled"


def test_a_retest_in_doubt_is_settled_by_looking(living: Sandbox) -> None:
    [record] = plain_findings(living, 1)
    living.faults.add({"match": {"route": "/retest/was"}, "kind": "apply_then_reset"})
    result = go(living, ids=[record["id"]], retest=True)
    assert result.error is None
    assert len(routes(living, "/retest/was")) == 1


def test_a_retest_that_somebody_else_starts_meanwhile_is_adopted(living: Sandbox) -> None:
    [record] = plain_findings(living, 1)
    answer = (
        '{"ServiceResponse": {"responseCode": "INVALID_REQUEST", "responseErrorDetails": {"errorMessage": "busy"}}}'
    )
    living.faults.add({"match": {"route": "/retest/was"}, "kind": "apply_then_status", "status": 200, "body": answer})
    result = go(living, ids=[record["id"]], retest=True)
    assert (result.error, result.changed) == (None, False)


def test_a_retest_that_is_refused_fails(living: Sandbox) -> None:
    [record] = plain_findings(living, 1)
    living.faults.add({"match": {"route": "/retest/was"}, "kind": "response_code", "code": "UNAUTHORIZED"})
    result = go(living, ids=[record["id"]], retest=True)
    assert result.error is not None
    assert result.error.code == "UNAUTHORIZED"
    assert not result.changed


def test_a_retest_that_cannot_be_watched_fails(living: Sandbox) -> None:
    [record] = plain_findings(living, 1)
    living.faults.add({"match": {"route": "retestStatus"}, "kind": "response_code", "skip": 1, "times": -1})
    result = go(living, ids=[record["id"]], retest=True)
    assert result.error is not None
    assert result.changed
    assert result.values["findings"][0]["retest"]["status"] == "no_retest"


def test_an_empty_answer_about_a_retest_is_no_answer(living: Sandbox) -> None:
    [record] = plain_findings(living, 1)
    living.faults.add({"match": {"route": "retestStatus"}, "kind": "status", "status": 200, "body": SUCCESS})
    refused(living, PerimeterError, "without a record", ids=[record["id"]], retest=True)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a scan ends, and what that proves: nothing but a known good pair of words counts as finished."""

from __future__ import annotations

import collections
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans.scan_fields import (
    END_WORDS,
    FIELDS,
    RUNNING_WORDS,
    scan_record,
    standing,
    standing_of,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans.scan_wait import _ENDS, judged
from ansible_collections.appsec.perimeter.plugins.module_utils._records.model import Scan
from tests.sandbox import Sandbox

from ...scan_kit import Scans

# status, resultsStatus, authStatus, whether a login was asked for; end_reason (None: goes on), conclusive, status
ENDS: list[tuple[Any, Any, Any, bool, str | None, bool, str]] = [
    ("FINISHED", "FINISHED", "NONE", False, "finished", True, "finished"),
    ("FINISHED", "SUCCESSFUL", "NOT_USED", False, "finished", True, "finished"),
    ("finished", " successful ", None, False, "finished", True, "finished"),
    ("FINISHED", "FINISHED", "SUCCESSFUL", True, "finished", True, "finished"),
    ("FINISHED", "FINISHED", None, True, "finished", True, "finished"),
    ("FINISHED", "FINISHED", "FAILED", False, "finished", True, "finished"),
    ("FINISHED", "FINISHED", "FAILED", True, "authentication_failed", False, "finished"),
    ("FINISHED", "SUCCESSFUL", "PARTIAL", True, "authentication_failed", False, "finished"),
    ("FINISHED", "FINISHED", "NOT_USED", True, "authentication_failed", False, "finished"),
    ("FINISHED", "FINISHED", "NONE", True, "authentication_failed", False, "finished"),
    ("FINISHED", "NO_HOST_ALIVE", "NONE", False, "no_host_alive", False, "finished"),
    ("FINISHED", "NO_HOST_ALIVE", "FAILED", True, "no_host_alive", False, "finished"),
    ("FINISHED", "NO_WEB_SERVICE", "NONE", False, "no_web_service", False, "finished"),
    ("FINISHED", "SERVICE_ERROR", "NONE", False, "service_error", False, "finished"),
    ("FINISHED", "TIME_LIMIT_REACHED", "NONE", False, "time_limit", False, "finished"),
    ("FINISHED", "TIME_LIMIT_EXCEEDED", "SUCCESSFUL", True, "time_limit", False, "finished"),
    ("FINISHED", "SCAN_RESULTS_INVALID", "NONE", False, "error", False, "finished"),
    ("FINISHED", "SCAN_INTERNAL_ERROR", "NONE", False, "error", False, "finished"),
    ("FINISHED", "CANCELED", "NONE", False, "cancelled", False, "finished"),
    ("FINISHED", "CANCELED_WITH_RESULTS", "NONE", False, "cancelled", False, "finished"),
    ("FINISHED", "SCAN_NOT_LAUNCHED", "NONE", False, "not_launched", False, "finished"),
    ("FINISHED", "SCANNER_NOT_AVAILABLE", "NONE", False, "scanner_not_available", False, "finished"),
    ("FINISHED", "NOT_USED", "NONE", False, "error", False, "finished"),
    ("FINISHED", "DELETED", "NONE", False, "error", False, "finished"),
    ("CANCELED", "CANCELED", "NONE", False, "cancelled", False, "cancelled"),
    ("CANCELLED", "CANCELLED", "NONE", False, "cancelled", False, "cancelled"),
    ("CANCELED", "CANCELED_WITH_RESULTS", "SUCCESSFUL", True, "cancelled", False, "cancelled"),
    ("CANCELED", "FINISHED", "SUCCESSFUL", True, "cancelled", False, "cancelled"),
    ("CANCELED", "SUCCESSFUL", None, False, "cancelled", False, "cancelled"),
    ("CANCELED", None, None, False, "cancelled", False, "cancelled"),
    ("CANCELED", "NO_HOST_ALIVE", None, False, "cancelled", False, "cancelled"),
    ("CANCELED", "TIME_LIMIT_REACHED", "NONE", False, "time_limit", False, "failed"),
    ("ERROR", "ERROR", "NONE", False, "error", False, "failed"),
    ("ERROR", None, None, False, "error", False, "failed"),
    ("ERROR", "FINISHED", None, False, "error", False, "failed"),
    ("ERROR", "SOMETHING_NEW", None, False, "error", False, "failed"),
    ("ERROR", "SCAN_NOT_LAUNCHED", "NONE", False, "not_launched", False, "failed"),
    ("ERROR", "SCANNER_NOT_AVAILABLE", "NONE", False, "scanner_not_available", False, "failed"),
    ("ERROR", "SCAN_INTERNAL_ERROR", "NONE", False, "error", False, "failed"),
    ("SCAN_NOT_LAUNCHED", "SCAN_NOT_LAUNCHED", None, False, "not_launched", False, "failed"),
    ("SCANNER_NOT_AVAILABLE", None, None, False, "scanner_not_available", False, "failed"),
    ("TIME_LIMIT_EXCEEDED", "FINISHED", None, False, "time_limit", False, "failed"),
    ("SUBMITTED", "SUBMITTED", "NONE", False, None, False, "running"),
    ("RUNNING", "FINISHED", "SUCCESSFUL", True, None, False, "running"),
    ("RUNNING", "NO_HOST_ALIVE", None, False, None, False, "running"),
    ("PROCESSING", "PROCESSING", "NONE", False, None, False, "running"),
    ("CANCELING", "CANCELING", "NONE", False, None, False, "running"),
    ("FINISHED", "TO_BE_PROCESSED", "NONE", False, None, False, "finished"),
    ("FINISHED", "PROCESSING", "NONE", False, None, False, "finished"),
    ("FINISHED", "CANCELING", "NONE", False, None, False, "finished"),
    ("FINISHED", None, None, False, None, False, "finished"),
    ("FINISHED", "ALL_IS_WELL", "NONE", False, None, False, "finished"),
    ("PAUSED", "FINISHED", "NONE", False, None, False, "unknown"),
    (None, None, None, False, None, False, "unknown"),
    ("", "", "", False, None, False, "unknown"),
]


@pytest.mark.parametrize(("status", "results", "auth", "login", "reason", "conclusive", "ours"), ENDS)
def test_the_end_of_a_scan(
    status: Any, results: Any, auth: Any, login: bool, reason: str | None, conclusive: bool, ours: str
) -> None:
    found = standing(status, results, auth, authenticated=login)
    assert (found.end_reason, found.conclusive, found.status) == (reason, conclusive, ours)
    raw = {"id": 1, "status": status, "summary": {"resultsStatus": results, "authStatus": auth}}
    scan = scan_record(raw, authenticated=login)
    assert (scan["end_reason"], scan["conclusive"], scan["status"]) == (reason, conclusive, ours)
    # A scan fails the task exactly when it has ended and proves nothing.
    error = judged(scan)
    assert (error is not None) == (reason not in (None, "finished"))
    if error is not None:
        assert error.hint
        assert "Scan 1 " in error.message


def test_every_end_has_words_and_every_result_word_of_the_vendor_is_known() -> None:
    assert set(_ENDS) == set(END_WORDS.values()) - {"finished"} | {"authentication_failed"}
    assert not RUNNING_WORDS & set(END_WORDS)


def test_unknown_words_are_reported_and_end_nothing() -> None:
    counter: collections.Counter[str] = collections.Counter()
    scan_record({"id": 1, "status": "PAUSED" * 50}, unknown=counter)
    scan_record({"id": 1, "status": "FINISHED", "summary": {"resultsStatus": "MAYBE"}}, unknown=counter)
    assert counter == {"status=" + ("PAUSED" * 50)[:40]: 1, "results_status=MAYBE": 1}
    assert not standing_of({"status": "PAUSED"}).over


def test_a_record_has_every_key_whatever_is_missing() -> None:
    hostile = {"id": 7, "target": "x", "summary": [], "profile": 3, "launchedBy": "me", "launchedDate": {}}
    for raw in ({}, {"id": 7}, hostile):
        assert set(scan_record(raw)) == set(Scan.__annotations__) - {"raw", "details"}
    assert {entry.ours for entry in FIELDS} <= set(Scan.__annotations__)


OUTCOMES = {
    "finished": ("finished", True),
    "successful": ("finished", True),
    "no_host_alive": ("no_host_alive", False),
    "no_web_service": ("no_web_service", False),
    "service_error": ("service_error", False),
    "scan_results_invalid": ("error", False),
    "time_limit_reached": ("time_limit", False),
    "time_limit_exceeded": ("time_limit", False),
    "scan_not_launched": ("not_launched", False),
    "scanner_not_available": ("scanner_not_available", False),
    "error": ("error", False),
    "internal_error": ("error", False),
    "canceled": ("cancelled", False),
    "canceled_with_results": ("cancelled", False),
    "auth_failed": ("authentication_failed", False),
    "auth_partial": ("authentication_failed", False),
}


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_trap_32_every_end_state_ends_the_waiting(sandbox: Sandbox, outcome: str) -> None:
    sandbox.switches["scan_outcome"] = outcome
    scans = Scans(sandbox)
    result = scans(auth_record="default")
    reason, conclusive = OUTCOMES[outcome]
    scan = result.values["scan"]
    assert (scan["end_reason"], scan["conclusive"]) == (reason, conclusive)
    assert result.changed
    assert (result.error is None) == conclusive
    assert result.error is None or result.error.kind == "scan_inconclusive"
    assert len(scans.clock.slept) <= 3


def test_trap_2_a_cancelled_scan_with_no_findings_is_no_success(sandbox: Sandbox) -> None:
    sandbox.switches["scan_outcome"] = "canceled"
    result = Scans(sandbox)()
    assert result.error is not None
    assert (result.values["scan"]["status"], result.values["scan"]["conclusive"]) == ("cancelled", False)


def test_a_scan_without_login_does_not_fail_for_want_of_one(sandbox: Sandbox) -> None:
    sandbox.switches["auth_word_unused"] = "NOT_USED"
    result = Scans(sandbox)()
    assert (result.error, result.values["scan"]["auth_status"]) == (None, "NOT_USED")


def test_a_finished_scan_that_crawled_nothing_is_told(sandbox: Sandbox) -> None:
    sandbox.switches["scan_outcome"] = "no_links"
    result = Scans(sandbox)()
    assert result.error is None
    assert "crawled no link" in result.warnings[0]

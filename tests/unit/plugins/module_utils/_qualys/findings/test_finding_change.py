# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a finding lacks of what a task wants, whichever way Qualys tells about reactivation and edited severities."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import OptionError
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.findings.finding_change import wish_of

from ..life import finding_options

NOW = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)
IGNORE = {"state": "ignored", "reason": "RISK_ACCEPTED"}
IGNORED = {"id": 1, "isIgnored": "true", "ignoredReason": "RISK_ACCEPTED", "ignoredDate": "2026-10-01T13:00:00Z"}


def operations(raw: dict[str, Any], **options: Any) -> list[str]:
    return [step.operation for step in wish_of(finding_options(**options), now=NOW).steps({"severity": "3", **raw})]


TIMERS: dict[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    "not asked": ({}, {"reactivateDate": "2026-10-31T00:00:00Z"}, True),
    "days as sent": ({"reactivate_in": 30}, {"reactivateIn": 30}, True),
    "days as text": ({"reactivate_in": 30}, {"reactivateIn": "30"}, True),
    "days count down, date tells": (
        {"reactivate_in": 30},
        {"reactivateIn": 2, "reactivateDate": "2026-10-31T00:00:00Z"},
        True,
    ),
    "date only, to the hour": ({"reactivate_in": 30}, {"reactivateDate": "2026-10-31T13:00:00Z"}, True),
    "other days": ({"reactivate_in": 31}, {"reactivateIn": 30, "reactivateDate": "2026-10-31T13:00:00Z"}, False),
    "no timer": ({"reactivate_in": 30}, {}, False),
    "date": ({"reactivate_date": "2026-12-24"}, {"reactivateDate": "2026-12-24T09:00:00Z"}, True),
    "other date": ({"reactivate_date": "2026-12-24"}, {"reactivateDate": "2026-12-25T00:00:00Z"}, False),
    "no date": ({"reactivate_date": "2026-12-24"}, {"reactivateIn": 30}, False),
    "nonsense": ({"reactivate_date": "2026-12-24"}, {"reactivateDate": "soon"}, False),
}


@pytest.mark.parametrize(("options", "raw", "same"), TIMERS.values(), ids=TIMERS)
def test_ends_are_compared(options: dict[str, Any], raw: dict[str, Any], same: bool) -> None:
    assert operations({**IGNORED, **raw}, **IGNORE, **options) == ([] if same else ["ignore"])


def test_what_is_there_is_sent_again() -> None:
    held = {**IGNORED, "ignoredComment": "as agreed", "reactivateIn": "30"}
    [step] = wish_of(finding_options(state="ignored", reason="FALSE_POSITIVE"), now=NOW).steps(held)
    assert step.data == {"ignoredReason": "FALSE_POSITIVE", "ignoredComment": "as agreed", "reactivateIn": 30}


SEVERITIES: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "same": ({"severity": 3}, {}, []),
    "same, never edited, comment": ({"severity": 3, "severity_comment": "x"}, {}, []),
    "other": ({"severity": 4}, {}, ["editSeverity"]),
    "edited, same comment": (
        {"severity": 3, "severity_comment": "x"},
        {"originalSeverity": "5", "severityComment": "x"},
        [],
    ),
    "edited, other comment": ({"severity": 3, "severity_comment": "y"}, {"originalSeverity": "5"}, ["editSeverity"]),
    "edited, comment to go": ({"severity": 3, "severity_comment": ""}, {"originalSeverity": "5"}, []),
    "restore": ({"restore_severity": True}, {"originalSeverity": "5"}, ["restoreSeverity"]),
    "restore what was restored": ({"restore_severity": True}, {"originalSeverity": "3"}, []),
    "restore what never was edited": ({"restore_severity": True}, {}, []),
}


@pytest.mark.parametrize(("options", "raw", "expected"), SEVERITIES.values(), ids=SEVERITIES)
def test_severities_are_compared(options: dict[str, Any], raw: dict[str, Any], expected: list[str]) -> None:
    assert operations(raw, **options) == expected


def test_a_prediction_keeps_the_first_original_severity() -> None:
    [step] = wish_of(finding_options(severity=1), now=NOW).steps({"severity": "3", "originalSeverity": "5"})
    assert step.predict({"severity": "3", "name": "n"}) == {"severity": "1", "originalSeverity": "5", "name": "n"}


def test_a_finding_that_does_not_say_so_is_not_ignored() -> None:
    assert operations({}, state="active") == []
    assert operations({"isIgnored": "false"}, state="active") == []
    assert operations({"isIgnored": "true"}, state="active") == ["activate"]


def test_a_date_without_time_is_that_day_in_utc() -> None:
    assert (
        wish_of(finding_options(**IGNORE, reactivate_date="2026-12-24"), now=NOW).reactivate_date
        == "2026-12-24T00:00:00Z"
    )
    with pytest.raises(OptionError, match="in the past"):
        wish_of(finding_options(**IGNORE, reactivate_date="2026-11-01T12:00:00Z"), now=NOW)

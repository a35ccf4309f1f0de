# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a scan can end (docs/vendors/qualys_was.md 12.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..switches import RETEST_OUTCOMES

Outcome = str | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class End:
    """One way to end: the words, how much was looked at, and what changes among the findings.

    ``finds`` is all, part or none; ``stages`` counts the states before the end (1: SUBMITTED only).
    """

    status: str
    results: str
    last: str = ""
    auth: str = ""
    finds: str = "all"
    stages: int = 3
    links: int = 120
    fixed: int = 1
    new: int = 1
    reopened: int = 0


_NOTHING: dict[str, Any] = {"finds": "none", "links": 0, "fixed": 0, "new": 0}
_PART: dict[str, Any] = {"finds": "part", "links": 60, "fixed": 0, "new": 0}

ENDS: dict[str, End] = {
    "finished": End("FINISHED", "FINISHED"),
    "successful": End("FINISHED", "SUCCESSFUL"),
    "no_host_alive": End("FINISHED", "NO_HOST_ALIVE", **_NOTHING),
    "no_web_service": End("FINISHED", "NO_WEB_SERVICE", **_NOTHING),
    "service_error": End("FINISHED", "SERVICE_ERROR", **_NOTHING),
    "scan_results_invalid": End("FINISHED", "SCAN_RESULTS_INVALID", **_NOTHING),
    "time_limit_reached": End("FINISHED", "TIME_LIMIT_REACHED", **_PART),
    "time_limit_exceeded": End("FINISHED", "TIME_LIMIT_EXCEEDED", "TIME_LIMIT_EXCEEDED", **_PART),
    "scan_not_launched": End("ERROR", "SCAN_NOT_LAUNCHED", "SCAN_NOT_LAUNCHED", stages=1, **_NOTHING),
    "scanner_not_available": End("ERROR", "SCANNER_NOT_AVAILABLE", "SCANNER_NOT_AVAILABLE", stages=1, **_NOTHING),
    "error": End("ERROR", "ERROR", stages=2, **_NOTHING),
    "internal_error": End("ERROR", "SCAN_INTERNAL_ERROR", stages=2, **_NOTHING),
    "canceled": End("CANCELED", "CANCELED", stages=2, **_NOTHING),
    "canceled_with_results": End("CANCELED", "CANCELED_WITH_RESULTS", stages=2, **_PART),
    "auth_failed": End("FINISHED", "FINISHED", auth="FAILED", links=9, fixed=0, new=0, finds="part"),
    "auth_partial": End("FINISHED", "FINISHED", auth="PARTIAL", fixed=0, finds="part"),
    "no_links": End("FINISHED", "FINISHED", **_NOTHING),
}

_OVERRIDES = {"links": int, "fixed": int, "new": int, "reopened": int}
_WORDS = {"status": "status", "resultsStatus": "results", "authStatus": "auth", "lastStatus": "last"}


def checked(outcome: Outcome) -> End:
    """The end that is meant; raises ValueError for an unknown one."""
    if isinstance(outcome, str):
        outcome = {"outcome": outcome}
    if not isinstance(outcome, Mapping):
        raise ValueError("an outcome is a name or an object")
    name = str(outcome.get("outcome", "finished"))
    if name not in ENDS:
        raise ValueError(f"unknown outcome {name}; known: {', '.join(sorted(ENDS))}")
    changes: dict[str, Any] = {}
    for key, value in outcome.items():
        if key in _OVERRIDES:
            changes[key] = _OVERRIDES[key](value)
        elif key in _WORDS:
            changes[_WORDS[key]] = str(value)
        elif key != "outcome":
            known = ", ".join(["outcome", *_OVERRIDES, *_WORDS])
            raise ValueError(f"an outcome has no {key}; known: {known}")
    return replace(ENDS[name], **changes)


__all__ = ["ENDS", "RETEST_OUTCOMES", "End", "Outcome", "checked"]

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scans: the field table, the meaning of Qualys' words, and the conversion to :class:`Scan`.

This module is private to the collection and may change at any time.

See docs/vendors/qualys_was.md 12.3.

The end of a scan has two parts: ``status`` says that it is over, ``summary.resultsStatus`` whether it reached anything.
A finished scan without a live host has no findings and proves nothing, so only a known good pair counts as finished.
"""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from ..._records.model import SCHEMA, EndReason, Scan, ScanStatus
from ..._records.times import canonical_time
from ..api.shapes import SOURCE, Raw, number, text, user_name

RESOURCE = "wasscan"
SUMMARY, FULL = "summary", "full"
"""Levels of reads, cheapest first: search, get."""

KINDS = {"VULNERABILITY": "vulnerability", "DISCOVERY": "discovery"}

RUNNING_WORDS = frozenset({"SUBMITTED", "RUNNING", "PROCESSING", "TO_BE_PROCESSED", "CANCELING"})

END_WORDS: dict[str, EndReason] = {
    # Which of these two a healthy scan has differs between tenants (docs/vendors/qualys_was.md 12.3).
    "FINISHED": "finished",
    "SUCCESSFUL": "finished",
    "NO_HOST_ALIVE": "no_host_alive",
    "NO_WEB_SERVICE": "no_web_service",
    "TIME_LIMIT_REACHED": "time_limit",
    "TIME_LIMIT_EXCEEDED": "time_limit",
    "CANCELED": "cancelled",
    "CANCELED_WITH_RESULTS": "cancelled",
    "SCAN_NOT_LAUNCHED": "not_launched",
    "SCANNER_NOT_AVAILABLE": "scanner_not_available",
    "SERVICE_ERROR": "service_error",
    "ERROR": "error",
    "SCAN_INTERNAL_ERROR": "error",
    "SCAN_RESULTS_INVALID": "error",
    "NOT_USED": "error",
    "DELETED": "error",
}
"""The reason for each word of ``resultsStatus``, most of which also occur as ``status``."""

_SPELLINGS = {"CANCELLED": "CANCELED", "CANCELLING": "CANCELING", "CANCELLED_WITH_RESULTS": "CANCELED_WITH_RESULTS"}
_NOT_LOGGED_IN = frozenset({"FAILED", "PARTIAL", "NOT_USED", "NONE"})
"""Values of ``authStatus`` which mean that a scan with credentials was not, or not always, logged in."""


@dataclasses.dataclass(frozen=True)
class ScanStanding:
    """The state of a scan.

    Attributes:
        status: our word for the vendor's status.
        over: whether the vendor's status is final.
        end_reason: how the scan ended; None if it has not ended, or its results are not available yet.
        unknown: unknown words of the vendor, as ``field=WORD``.
    """

    status: ScanStatus
    over: bool
    end_reason: EndReason | None
    unknown: tuple[str, ...] = ()

    @property
    def conclusive(self) -> bool:
        """Whether the scan allows a conclusion."""
        return self.end_reason == "finished"


def _word(value: t.Any) -> str | None:
    word = (text(value) or "").strip().upper()
    return _SPELLINGS.get(word, word) or None


def standing(status: t.Any, results: t.Any, auth: t.Any, *, authenticated: bool) -> ScanStanding:
    """Return the state of a scan for three values of the vendor.

    Args:
        status: ``status``.
        results: ``summary.resultsStatus``.
        auth: ``summary.authStatus``.
        authenticated: whether the scan has an authentication record.
    """
    state, outcome = _word(status), _word(results)
    if state is None or state in RUNNING_WORDS:
        return ScanStanding("running" if state else "unknown", False, None)
    if state not in END_WORDS:
        # An unknown word may mean anything, so the scan does not count as ended.
        return ScanStanding("unknown", False, None, (f"status={state[:40]}",))
    if END_WORDS[state] != "finished":
        reason = _worse(END_WORDS[state], outcome)
        return ScanStanding("cancelled" if reason == "cancelled" else "failed", True, reason)
    return _finished(outcome, _word(auth), authenticated=authenticated)


def _worse(reason: EndReason, outcome: str | None) -> EndReason:
    """Return the more specific of two reasons for a failure. A good or unknown second word changes nothing."""
    refined = END_WORDS.get(outcome or "", "finished")
    if refined == "finished" or (reason != "error" and (reason, refined) != ("cancelled", "time_limit")):
        return reason
    return refined


def _finished(outcome: str | None, auth: str | None, *, authenticated: bool) -> ScanStanding:
    if outcome is None or outcome in RUNNING_WORDS:
        # The scan is over, but its results are not available yet.
        return ScanStanding("finished", True, None)
    if outcome not in END_WORDS:
        return ScanStanding("finished", True, None, (f"results_status={outcome[:40]}",))
    reason = END_WORDS[outcome]
    if reason == "finished" and authenticated and auth in _NOT_LOGGED_IN:
        reason = "authentication_failed"
    return ScanStanding("finished", True, reason)


def part(raw: Raw, *path: str) -> t.Any:
    """Return the value at a path of nested objects; None if one is missing."""
    value: t.Any = raw
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def has_credentials(raw: Raw) -> bool:
    """Return whether a scan has an authentication record."""
    return bool(part(raw, "target", "webAppAuthRecord"))


def standing_of(raw: Raw, *, authenticated: bool | None = None) -> ScanStanding:
    """Return the state of a scan from any of Qualys' three answers about it.

    Args:
        raw: the scan, from get, search or status.
        authenticated: whether the scan has an authentication record; None to take this from ``raw``.
    """
    return standing(
        raw.get("status"),
        part(raw, "summary", "resultsStatus"),
        part(raw, "summary", "authStatus"),
        authenticated=has_credentials(raw) if authenticated is None else authenticated,
    )


def _named(value: t.Any) -> str | None:
    return (text(value.get("name")) or text(value.get("id"))) if isinstance(value, dict) else None


@dataclasses.dataclass(frozen=True)
class ScanField:
    """One field: its path at Qualys, our name, the conversion, and the cheapest read that includes it."""

    path: tuple[str, ...]
    ours: str
    read: t.Callable[[t.Any], t.Any]
    appears: str = SUMMARY


FIELDS: tuple[ScanField, ...] = (
    ScanField(("id",), "id", text),
    ScanField(("name",), "name", text),
    ScanField(("reference",), "reference", text),
    ScanField(("type",), "kind", lambda value: KINDS.get(_word(value) or "", "unknown")),
    ScanField(("mode",), "mode", text),
    ScanField(("profile",), "profile", _named),
    ScanField(("launchedDate",), "time", lambda value: canonical_time(text(value))),
    ScanField(("endScanDate",), "ended", lambda value: canonical_time(text(value)), FULL),
    ScanField(("scanDuration",), "duration", number, FULL),
    ScanField(("status",), "status_native", text),
    ScanField(("summary", "resultsStatus"), "results_status", text),
    ScanField(("summary", "authStatus"), "auth_status", text),
    ScanField(("summary", "linksCrawled"), "links_crawled", number, FULL),
    ScanField(("summary", "nbRequests"), "requests_sent", number, FULL),
    ScanField(("launchedBy",), "launched_by", user_name),
)
"""The fields that are converted individually; ``asset``, ``status`` and ``end_reason`` depend on several fields."""


def scan_record(
    raw: Raw, *, authenticated: bool | None = None, unknown: collections.Counter[str] | None = None
) -> Scan:
    """Convert one scan. Never fails on a value: an unknown value becomes None or ``unknown``, and is counted.

    Args:
        raw: the scan, from get, search or status.
        authenticated: as for :func:`standing_of`.
        unknown: counts unknown words.
    """
    where = standing_of(raw, authenticated=authenticated)
    if unknown is not None:
        unknown.update(where.unknown)
    record: dict[str, t.Any] = {"record": "scan", "schema": SCHEMA, "source": SOURCE}
    record |= {entry.ours: entry.read(part(raw, *entry.path)) for entry in FIELDS}
    web_app = part(raw, "target", "webApp") or {}
    record |= {
        "asset": {
            "id": text(part(web_app, "id")),
            "name": text(part(web_app, "name")),
            "url": text(part(web_app, "url")),
            "tags": [],
        },
        "status": where.status,
        "end_reason": where.end_reason,
        "conclusive": where.conclusive,
        "counts": None,
        "malware": None,
    }
    return t.cast(Scan, record)

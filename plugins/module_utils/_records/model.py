# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The normalised records that every vendor room produces and every consumer reads.

This module is private to the collection and may change at any time.

Records are plain dictionaries with types, not objects: a million of them become one line of NDJSON each, and converting
each record would be most of the cost. Every key is always present; a value that the vendor does not supply is None (or
an empty list).
"""

from __future__ import annotations

import typing as t

SCHEMA = 1
"""Version of the record layout; each line has it as ``schema``."""

Severity = t.Literal["critical", "high", "medium", "low", "info", "unknown"]
FindingKind = t.Literal["vulnerability", "sensitive_content", "information", "unknown"]
FindingStatus = t.Literal["new", "open", "reopened", "fixed", "protected", "retesting", "unknown"]

SEVERITIES: tuple[Severity, ...] = ("critical", "high", "medium", "low", "info", "unknown")
"""Worst first. ``unknown`` is last only for display: the gate counts it as critical."""

STATUSES: tuple[FindingStatus, ...] = ("new", "reopened", "open", "retesting", "protected", "fixed", "unknown")
OPEN_STATUSES: frozenset[str] = frozenset({"new", "open", "reopened", "retesting", "unknown"})
"""Statuses of findings that are open. An unknown status counts as open."""


class Asset(t.TypedDict):
    """What was scanned. ``tags`` are tag names, sorted."""

    id: str | None
    name: str | None
    url: str | None
    tags: list[str]


class Ignored(t.TypedDict):
    """Why a finding is ignored at its vendor. Times are UTC, ISO-8601 with ``Z``."""

    reason: str | None
    by: str | None
    at: str | None
    until: str | None
    comment: str | None


class Owasp(t.TypedDict):
    """One OWASP Top 10 category. ``code`` is the number in its list, 1 to 10."""

    code: int | None
    name: str | None
    url: str | None


class Wasc(t.TypedDict):
    """One WASC threat class."""

    code: int | None
    name: str | None
    url: str | None


class Evidence(t.TypedDict):
    """One request and response that showed the finding. They contain attacks: never execute or render them."""

    payload: str | None
    method: str | None
    url: str | None
    headers: str | None
    body: str | None
    response: str | None
    result: str | None
    authenticated: bool | None


class Finding(t.TypedDict):
    """One finding. Times are UTC, ISO-8601 with ``Z``; ids are text, whatever the vendor uses."""

    record: t.Literal["finding"]
    schema: int
    source: str
    id: str
    unique_id: str | None
    rule_id: str | None
    title: str | None
    kind: FindingKind
    severity: Severity
    severity_native: str | None
    original_severity: str | None
    cvss_score: float | None
    cvss_vector: str | None
    detection_score: float | None
    status: FindingStatus
    ignored: Ignored | None
    asset: Asset
    url: str | None
    method: str | None
    parameter: str | None
    first_seen: str | None
    last_seen: str | None
    last_tested: str | None
    fixed_at: str | None
    times_seen: int | None
    cwe: list[int]
    owasp: list[Owasp]
    wasc: list[Wasc]
    group: str | None
    finding_type: str | None
    potential: bool | None
    external_ref: str | None
    patch: str | None
    ssl: dict[str, t.Any] | None
    evidence: list[Evidence]
    fingerprint: str
    details: t.NotRequired[dict[str, t.Any]]
    raw: t.NotRequired[t.Any]


ScanStatus = t.Literal["running", "finished", "cancelled", "failed", "unknown"]
EndReason = t.Literal[
    "finished",
    "no_host_alive",
    "no_web_service",
    "authentication_failed",
    "time_limit",
    "cancelled",
    "not_launched",
    "scanner_not_available",
    "service_error",
    "error",
    "still_running",
]
"""How a scan ended. Only ``finished`` allows a conclusion: after any other end, the scan may have tested nothing."""


class SeverityCounts(t.TypedDict):
    """The number of vulnerabilities of each severity."""

    critical: int
    high: int
    medium: int
    low: int
    info: int
    unknown: t.NotRequired[int]


class Scan(t.TypedDict):
    """One scan. Times are UTC, ISO-8601 with ``Z``; ``id`` is None only for a scan that check mode predicts.

    ``status`` is the scan's state, and ``end_reason`` how it ended, which is None until that is known. ``conclusive``
    is True only when the scan tested the whole application as requested: an inconclusive scan proves nothing to a gate.
    ``counts`` and ``malware`` are None if they were not read.
    """

    record: t.Literal["scan"]
    schema: int
    source: str
    id: str | None
    name: str | None
    reference: str | None
    kind: t.Literal["vulnerability", "discovery", "unknown"]
    mode: str | None
    profile: str | None
    asset: Asset
    time: str | None
    ended: str | None
    duration: int | None
    status: ScanStatus
    status_native: str | None
    results_status: str | None
    auth_status: str | None
    end_reason: EndReason | None
    conclusive: bool
    links_crawled: int | None
    requests_sent: int | None
    launched_by: str | None
    counts: SeverityCounts | None
    malware: int | None
    details: t.NotRequired[dict[str, t.Any]]
    raw: t.NotRequired[t.Any]


IMAGE_SOURCES: tuple[str, ...] = ("carbon_black",)
"""Sources whose scans are of container images, and have counts instead of findings."""

Action = t.Literal["blocked", "alerted", "allowed", "challenged", "redirected", "unknown"]
"""What a firewall did. ``alerted``: it reported the attack and let it pass. ``redirected``: it sent another answer."""

STOPPED: frozenset[str] = frozenset({"blocked", "challenged", "redirected"})
"""Actions that kept an attack from its target. With any other action, ``unknown`` included, it may have reached it."""


class SubEvent(t.TypedDict):
    """One rule that an event violated, in the vendor's order.

    ``score`` is what this rule added to ``total_score``. ``matched_value`` may be attack text or a person's secret: it
    is None unless sensitive data is kept.
    """

    rule_id: str | None
    message: str | None
    severity: Severity
    severity_native: str | None
    score: int | None
    total_score: int | None
    matched_on: str | None
    matched_value: str | None


class Event(t.TypedDict):
    """One event of a web firewall. ``time`` is UTC, ISO-8601 with ``Z``; ids are text, whatever the vendor uses.

    ``details`` has the fields that only this vendor supplies, under our names; the vendor's field table lists them.
    """

    record: t.Literal["event"]
    schema: int
    source: str
    id: str
    time: str | None
    action: Action
    action_native: str | None
    client_ip: str | None
    country: str | None
    host: str | None
    url: str | None
    path: str | None
    method: str | None
    user_agent: str | None
    referer: str | None
    categories: list[str]
    rule_ids: list[str]
    message: str | None
    severity: Severity
    severity_native: str | None
    profile: str | None
    sub_events: list[SubEvent]
    details: dict[str, t.Any]
    raw: t.NotRequired[t.Any]


Gap = t.TypedDict(
    "Gap",
    {
        "record": t.Literal["gap"],
        "schema": int,
        "source": str,
        "stream": str,
        "from": str,
        "to": str,
        "reason": str,
    },
)
"""A span of a stream that was not read and will not be read. Times are UTC; ``from`` is inclusive, ``to`` exclusive."""


MatchClass = t.Literal["attacked_not_blocked", "blocked", "scanner_only", "unobserved"]
MATCH_CLASSES: tuple[MatchClass, ...] = ("attacked_not_blocked", "blocked", "scanner_only", "unobserved")
"""What the events say about a finding, most important first. ``unobserved`` only means that no event was seen."""


class MatchedFinding(t.TypedDict):
    """The finding of a match."""

    source: str
    id: str | None
    unique_id: str | None


class MatchedEvents(t.TypedDict):
    """The events that match a finding. ``ids`` has at most 20: events that were not stopped first, newest first."""

    count: int
    first: str | None
    last: str | None
    ids: list[str]


Match = t.TypedDict(
    "Match",
    {
        "record": t.Literal["match"],
        "schema": int,
        "finding": MatchedFinding,
        "class": MatchClass,
        "outcome": t.Optional[t.Literal["blocked", "allowed", "mixed"]],
        "strength": t.Optional[t.Literal["parameter", "path"]],
        "family": t.Optional[str],
        "events": MatchedEvents,
        "sources": list[str],
        "host_events": int,
    },
)
"""What the events of web firewalls say about one finding. Times are UTC, ISO-8601 with ``Z``.

``outcome`` is None unless there were events that did not come from scanners. ``sources`` has at most 10 client
addresses, those that got through first. ``host_events`` counts other events on the same host, which do not concern the
finding.
"""


class Manifest(t.TypedDict):
    """What a snapshot file contains, stored beside it as ``<dest>.manifest.json``. Times are UTC, ISO-8601 with ``Z``.

    ``complete`` is True only when every record that the vendor announced is in the file. ``assets`` are the ids of its
    applications. ``since`` is set for feeds, which are never complete snapshots. ``account`` identifies the owner of
    the findings: the service, and a hash of the user or client. Manifests of older releases do not have it.
    """

    record: t.Literal["manifest"]
    schema: int
    source: str
    stream: str
    file: str
    compressed: bool
    filters: list[dict[str, t.Any]]
    detail: str
    since: str | None
    started: str
    finished: str
    announced_before: int
    announced_after: int
    records: int
    complete: bool
    assets: list[str]
    unknown_values: dict[str, int]
    bytes: int
    sha256: str
    account: t.NotRequired[str]

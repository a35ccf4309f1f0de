# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The field table of findings: vendor name, our name, conversion, and the reads that include the field.

This module is private to the collection and may change at any time.

See docs/vendors/qualys_was.md 11.2. The table drives parsing, the documentation of ``qualys_was_finding_info`` and
tests.
"""

from __future__ import annotations

import dataclasses
import typing as t
from urllib.parse import unquote

from ..._records.times import canonical_time
from ..api.shapes import Raw, decimal, items, number, score, text, truth, word_of

SUMMARY, VERBOSE, GET = "summary", "verbose", "full"
"""Levels of reads, cheapest first: search, verbose search, get. Each includes the fields of the cheaper ones."""

RESOURCE = "finding"
PAGE_SIZES = {SUMMARY: 1000, VERBOSE: 300, GET: 50}
"""Records per page. Verbose findings have 3 kB or more each, so 300 of them make about a megabyte. Full findings are
fetched individually, and small pages spread them over the connections."""


@dataclasses.dataclass(frozen=True)
class FindingField:
    """One field.

    Attributes:
        ours: key in the Finding; None if one of our fields is composed of several vendor fields, see ``normalise``.
        read: converts the vendor's value; None if ``normalise`` handles it.
        appears: the cheapest read that includes the field.
        always: False if some findings lack the field, such as information-gathered ones.
    """

    ours: str | None
    read: t.Callable[[t.Any], t.Any] | None
    appears: str
    always: bool = True


def identifier(value: t.Any) -> str | None:
    """Return an id as text: some ids are numbers, some are UUIDs."""
    return None if value is None else word_of(value)


def moment(value: t.Any) -> str | None:
    """Return a time in canonical form."""
    return canonical_time(text(value))


def parameter(value: t.Any) -> str | None:
    """Return the name of a parameter, which Qualys sends URL-encoded."""
    name = text(value)
    return unquote(name) if name else name


def numbers(collection: t.Any) -> list[int]:
    """Return the numbers of a collection."""
    return [found for item in items(collection) if (found := number(item)) is not None]


def categories(collection: t.Any) -> list[dict[str, t.Any]]:
    """Return OWASP or WASC entries: code, name, url."""
    return [
        {"code": number(item.get("code")), "name": text(item.get("name")), "url": text(item.get("url"))}
        for item in items(collection)
        if isinstance(item, dict)
    ]


def ssl_data(value: t.Any) -> Raw | None:
    """Return the TLS scan result without list wrappers."""
    return _plain(value) if isinstance(value, dict) else None


def _plain(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        if "list" in value and set(value) <= {"count", "list"}:
            return [_plain(item) for item in items(value)]
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


FIELDS: dict[str, FindingField] = {
    "id": FindingField("id", identifier, SUMMARY),
    "uniqueId": FindingField("unique_id", text, SUMMARY),
    "qid": FindingField("rule_id", identifier, SUMMARY),
    "detectionScore": FindingField("detection_score", score, SUMMARY, always=False),
    "name": FindingField("title", text, SUMMARY, always=False),
    "type": FindingField("kind", None, SUMMARY),
    "potential": FindingField("potential", truth, SUMMARY),
    "findingType": FindingField("finding_type", text, SUMMARY),
    "group": FindingField("group", text, VERBOSE, always=False),
    "cwe": FindingField("cwe", numbers, VERBOSE, always=False),
    "owasp": FindingField("owasp", categories, VERBOSE, always=False),
    "wasc": FindingField("wasc", categories, VERBOSE, always=False),
    "param": FindingField("parameter", parameter, SUMMARY, always=False),
    "function": FindingField(None, None, VERBOSE, always=False),
    "content": FindingField(None, None, VERBOSE, always=False),
    "resultList": FindingField("evidence", None, VERBOSE, always=False),
    "severity": FindingField("severity", None, SUMMARY),
    "originalSeverity": FindingField("original_severity", identifier, SUMMARY, always=False),
    "severityComment": FindingField(None, None, SUMMARY, always=False),
    "editedSeverityUser": FindingField(None, None, SUMMARY, always=False),
    "editedSeverityDate": FindingField(None, None, SUMMARY, always=False),
    "url": FindingField("url", text, SUMMARY, always=False),
    "status": FindingField("status", None, SUMMARY, always=False),
    "firstDetectedDate": FindingField("first_seen", moment, SUMMARY),
    "lastDetectedDate": FindingField("last_seen", moment, SUMMARY),
    "lastTestedDate": FindingField("last_tested", moment, SUMMARY),
    "fixedDate": FindingField("fixed_at", moment, SUMMARY, always=False),
    "updatedDate": FindingField(None, None, SUMMARY, always=False),
    "timesDetected": FindingField("times_seen", number, SUMMARY, always=False),
    "webApp": FindingField("asset", None, SUMMARY),
    "isIgnored": FindingField("ignored", None, SUMMARY, always=False),
    "ignoredReason": FindingField(None, None, SUMMARY, always=False),
    "ignoredBy": FindingField(None, None, SUMMARY, always=False),
    "ignoredDate": FindingField(None, None, SUMMARY, always=False),
    "ignoredComment": FindingField(None, None, SUMMARY, always=False),
    "reactivateIn": FindingField(None, None, SUMMARY, always=False),
    "reactivateDate": FindingField(None, None, SUMMARY, always=False),
    "externalRef": FindingField("external_ref", text, SUMMARY, always=False),
    "patch": FindingField("patch", identifier, SUMMARY, always=False),
    "cvssV3": FindingField(None, None, VERBOSE, always=False),
    "history": FindingField(None, None, VERBOSE, always=False),
    "sslData": FindingField("ssl", ssl_data, GET, always=False),
    "retest": FindingField(None, None, GET, always=False),
}
"""Fields without a name of ours are only part of ``raw``, or of one of the composed fields."""

DIRECT: dict[str, tuple[str, t.Callable[[t.Any], t.Any]]] = {
    vendor: (entry.ours, entry.read) for vendor, entry in FIELDS.items() if entry.ours and entry.read
}
"""The fields that are converted individually."""

KINDS = {
    "VULNERABILITY": "vulnerability",
    "SENSITIVE_CONTENT": "sensitive_content",
    "INFORMATION_GATHERED": "information",
}
SEVERITY_LEVELS = {"5": "critical", "4": "high", "3": "medium", "2": "low", "1": "info"}
STATUS_WORDS = {
    "NEW": "new",
    "ACTIVE": "open",
    "REOPENED": "reopened",
    "FIXED": "fixed",
    "PROTECTED": "protected",
    "RETESTING": "retesting",
}


def cvss_score(value: t.Any) -> float | None:
    """Return the CVSS 3 base score."""
    return decimal(value.get("base")) if isinstance(value, dict) else None


def cvss_vector(value: t.Any) -> str | None:
    """Return the attack vector, a word such as Network: Qualys sends no other part of the vector."""
    return text(value.get("attackVector")) if isinstance(value, dict) else None

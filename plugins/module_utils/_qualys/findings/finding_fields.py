# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The field table of findings: vendor name, our name, how it is read, and where it appears.

This module is private to the collection and may change at any time.

See docs/vendors/qualys_was.md 11.2.

It drives parsing, the documentation of ``qualys_was_finding_info`` and the tests.
"""

from __future__ import annotations

import dataclasses
import typing as t
from urllib.parse import unquote

from ..._records.times import canonical_time
from ..api.shapes import Raw, decimal, items, number, score, text, truth, word_of

SUMMARY, VERBOSE, GET = "summary", "verbose", "full"
"""The reads, cheapest first: search, verbose search, get. Each holds what the ones before it hold."""

RESOURCE = "finding"
PAGE_SIZES = {SUMMARY: 1000, VERBOSE: 300, GET: 50}
"""Records a page. Verbose findings have 3 kB and more each, so that a page stays near a megabyte; full ones are fetched
one by one, so that small pages spread them over the connections."""


@dataclasses.dataclass(frozen=True)
class FindingField:
    """One field.

    Attributes:
        ours: key in the Finding; None when several vendor fields make up one of ours, see ``normalise``.
        read: converts the vendor's value; None when ``normalise`` handles it.
        appears: the cheapest read that has it.
        always: False when information-gathered findings, or some others, lack it.
    """

    ours: str | None
    read: t.Callable[[t.Any], t.Any] | None
    appears: str
    always: bool = True


def identifier(value: t.Any) -> str | None:
    """An id as text: some are numbers, some are UUIDs, and none is calculated with."""
    return None if value is None else word_of(value)


def moment(value: t.Any) -> str | None:
    """A date in canonical form."""
    return canonical_time(text(value))


def parameter(value: t.Any) -> str | None:
    """The parameter's name, which arrives URL-encoded."""
    name = text(value)
    return unquote(name) if name else name


def numbers(collection: t.Any) -> list[int]:
    """A list of bare numbers."""
    return [found for item in items(collection) if (found := number(item)) is not None]


def categories(collection: t.Any) -> list[dict[str, t.Any]]:
    """OWASP or WASC entries: code, name, url."""
    return [
        {"code": number(item.get("code")), "name": text(item.get("name")), "url": text(item.get("url"))}
        for item in items(collection)
        if isinstance(item, dict)
    ]


def ssl_data(value: t.Any) -> Raw | None:
    """The TLS scan result, with its list wrappers removed."""
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
"""Fields with no name of ours are kept by ``include_raw`` only, or feed one of the composed fields."""

DIRECT: dict[str, tuple[str, t.Callable[[t.Any], t.Any]]] = {
    vendor: (entry.ours, entry.read) for vendor, entry in FIELDS.items() if entry.ours and entry.read
}
"""The fields that are copied one to one."""

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
    """The CVSS 3 base score."""
    return decimal(value.get("base")) if isinstance(value, dict) else None


def cvss_vector(value: t.Any) -> str | None:
    """The attack vector, which is all that Qualys gives of the vector: a word such as Network."""
    return text(value.get("attackVector")) if isinstance(value, dict) else None

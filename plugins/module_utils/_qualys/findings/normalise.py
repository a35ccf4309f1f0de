# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converts Qualys' findings to :class:`Finding` (docs/vendors/qualys_was.md 11.2 to 11.5).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import collections
import typing as t

from ..._records.fingerprint import fingerprint
from ..._records.model import Asset, Evidence, Finding, Ignored
from ..._records.redact import redact_text
from ..._records.redaction.values import MARKER
from ..._records.times import canonical_time
from ..._vendor.blank import blank_finding
from ..api.shapes import SOURCE, Raw, decoded, decoded_loosely, items, text, truth, user_name
from .finding_fields import DIRECT, KINDS, SEVERITY_LEVELS, STATUS_WORDS, cvss_score, cvss_vector

_LISTS = ("cwe", "owasp", "wasc", "evidence")
_BLANK: dict[str, t.Any] = {
    **{name: value for name, value in blank_finding(SOURCE).items() if name not in _LISTS},
    # Without assumptions: if Qualys does not return kind, status or application, they are unknown.
    "kind": "unknown",
    "status": "unknown",
    "asset": None,
}


class FindingNormaliser:
    """Converts findings, and counts unknown values. Each thread needs its own.

    Args:
        keep_sensitive: whether to keep cookies, credentials and matched personal data in the evidence.
        include_raw: whether to add the unchanged vendor object as ``raw``.
        raw_as: converts ``raw``; :func:`json.dumps` for a file, so that query engines agree on one schema.
    """

    def __init__(
        self,
        *,
        keep_sensitive: bool = False,
        include_raw: bool = False,
        raw_as: t.Callable[[Raw], t.Any] = dict,
    ) -> None:
        self._keep = keep_sensitive
        self._include_raw = include_raw
        self._raw_as = raw_as
        self.unknown: collections.Counter[str] = collections.Counter()
        self._assets: dict[t.Any, tuple[t.Any, Asset]] = {}

    def finding(self, raw: Raw) -> Finding:
        """Convert one finding. Never fails on a value: an unknown value becomes None or ``unknown``, and is counted."""
        record = _BLANK | {name: [] for name in _LISTS}
        for vendor, value in raw.items():
            direct = DIRECT.get(vendor)
            if direct is not None:
                record[direct[0]] = direct[1](value)
        self._classify(record, raw)
        record["ignored"] = _ignored(raw)
        record["asset"] = self._asset(raw.get("webApp"))
        record["cvss_score"] = cvss_score(raw.get("cvssV3"))
        record["cvss_vector"] = cvss_vector(raw.get("cvssV3"))
        self._add_evidence(record, raw)
        # Imported findings have no rule, so their title is part of the fingerprint.
        extra = record["title"] if record["rule_id"] in (None, "0") else None
        record["fingerprint"] = fingerprint(
            SOURCE,
            record["asset"]["id"],
            record["rule_id"],
            record["url"],
            None,  # the method is part of the evidence, which a summary lacks and whose order may change
            record["parameter"],
            extra,
        )
        if not self._keep:
            # Redacted after the evidence, which often has the same URL: redact_text remembers its results.
            record["url"] = redact_text(record["url"])
        if self._include_raw:
            record["raw"] = self._raw_as(raw)
        return t.cast(Finding, record)

    def _classify(self, record: dict[str, t.Any], raw: Raw) -> None:
        record["kind"] = self._known("type", raw.get("type"), KINDS)
        native = text(raw.get("severity"))
        record["severity_native"] = native
        record["severity"] = self._known("severity", native, SEVERITY_LEVELS)
        if record["original_severity"] is not None:
            # Also in our words, so that a gate, for example, need not know Qualys' numbers.
            before = self._known("originalSeverity", record["original_severity"], SEVERITY_LEVELS)
            record["details"] = {"original_severity": before}
        status = raw.get("status")
        # Information-gathered findings have no status, and count as open.
        record["status"] = (
            "open"
            if status is None and record["kind"] == "information"
            else self._known("status", status, STATUS_WORDS)
        )

    def _known(self, field: str, value: t.Any, table: dict[str, str]) -> str:
        word = table.get(value) if isinstance(value, str) else None
        if word is None:
            # Cut, so that an unexpected long value does not fill the counter.
            self.unknown[f"{field}={str(value)[:40]}"] += 1
            return "unknown"
        return word

    def _asset(self, web_app: t.Any) -> Asset:
        """Return the result of :func:`_asset`, made once per application: thousands of findings have the same one."""
        key = web_app.get("id") if isinstance(web_app, dict) else None
        if not isinstance(key, (int, str)):
            return _asset(web_app)
        known = self._assets.get(key)
        if known is None or known[0] != web_app:
            known = self._assets[key] = (web_app, _asset(web_app))
        return known[1]

    def _add_evidence(self, record: dict[str, t.Any], raw: Raw) -> None:
        hide_result = not self._keep and record["kind"] == "sensitive_content"
        evidence = [
            self._evidence(result, payload, hide_result)
            for result in items(raw.get("resultList"))
            if isinstance(result, dict)
            for payload in items(result.get("payloads"))
            if isinstance(payload, dict)
        ]
        record["evidence"] = evidence
        if evidence:
            record["method"] = evidence[0]["method"]

    def _evidence(self, result: Raw, payload: Raw, hide_result: bool) -> Evidence:
        request = payload.get("request")
        request = request if isinstance(request, dict) else {}
        clean = _as_is if self._keep else redact_text
        response = text(payload.get("response"))
        matched = text(payload.get("payloadResult"))
        return {
            "payload": clean(text(payload.get("payload"))),
            "method": text(request.get("method")),
            "url": clean(text(request.get("link"))),
            "headers": self._decoded(request.get("headers")),
            "body": self._decoded(request.get("body")),
            # The match is the personal data itself, and the response contains it somewhere.
            "response": MARKER if hide_result and response else clean(response),
            "result": MARKER if hide_result and matched else clean(matched),
            "authenticated": truth(result.get("authentication")),
        }

    def _decoded(self, value: t.Any) -> str | None:
        """Return a part of a request, decoded from base64 and redacted."""
        shown = decoded(value)
        if self._keep:
            return shown
        loose = decoded_loosely(value)
        if loose != shown:
            # Data that is not UTF-8 stays base64, in which redaction would not find a secret, so it is searched
            # decoded.
            clean = redact_text(loose)
            if clean != loose:
                return clean
        return redact_text(shown)


def _as_is(value: str | None) -> str | None:
    return value


def _asset(web_app: t.Any) -> Asset:
    if not isinstance(web_app, dict):
        return {"id": None, "name": None, "url": None, "tags": []}
    tags = (text(tag.get("name")) for tag in items(web_app.get("tags")) if isinstance(tag, dict))
    return {
        "id": text(web_app.get("id")),
        "name": text(web_app.get("name")),
        "url": text(web_app.get("url")),
        "tags": sorted(name for name in tags if name),
    }


def _ignored(raw: Raw) -> Ignored | None:
    if not truth(raw.get("isIgnored")):
        return None
    return {
        "reason": text(raw.get("ignoredReason")),
        "by": user_name(raw.get("ignoredBy")),
        "at": canonical_time(text(raw.get("ignoredDate"))),
        "until": canonical_time(text(raw.get("reactivateDate"))),
        "comment": text(raw.get("ignoredComment")),
    }

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads the results of a scan, in either of Qualys' formats (docs/vendors/qualys_was.md 12.4).

This module is private to the collection and may change at any time.

In JSON the results are in the usual envelope; in XML they are a ``WasScan`` without envelope. The request asks for
JSON, but an answer in XML is accepted too, and converted to the form of the JSON.
"""

from __future__ import annotations

import typing as t
import xml.etree.ElementTree as ET

from ..._base.errors import BadResponse
from ..._http.response import Response
from ..._http.retry import OK, RETRY_AS, Verdict
from ..._records.model import SeverityCounts
from ..._records.redact import redact_text, redact_url
from ..._records.redaction.values import MARKER
from ..api.client import QualysClient
from ..api.envelope import judge, refusal
from ..api.safe_xml import parse_xml, root_name
from ..api.shapes import Raw, decoded_loosely, items, number, text, truth
from ..findings.finding_fields import SEVERITY_LEVELS, parameter
from .scan_fields import RESOURCE, part

_ELEMENT = "WasScan"
_KINDS: tuple[tuple[str, str, str, str], ...] = (
    ("vulnerabilities", "vulns", "nbVulns", "vulnerability"),
    ("sensitive_contents", "sensitiveContents", "nbScs", "sensitive_content"),
    ("information", "igs", "nbIgs", "information"),
)
"""Our name, the vendor's list, the prefix of its statistics, and the kind of its findings."""

_GROUPINGS: tuple[tuple[str, str, str, str], ...] = (
    ("by_group", "byGroup", "GroupStat", "group"),
    ("by_owasp", "byOwasp", "OwaspStat", "owasp"),
    ("by_wasc", "byWasc", "WascStat", "wasc"),
)


def download(client: QualysClient, scan_id: int | str) -> Raw:
    """Return a scan with its results, in the form of Qualys' JSON.

    Raises:
        VendorError: the scan does not exist, or is still running.
        BadResponse: the answer has neither of the two formats.
    """
    path = f"download/was/{RESOURCE}/{scan_id}"
    response = client.request("GET", f"/qps/rest/3.0/{path}", lambda answer: _judge(answer, path))
    found = response.memo.get("scan")
    if found is None:
        data = response.memo["envelope"].get("data")
        entry = data[0] if isinstance(data, list) and data else data
        found = entry.get(_ELEMENT) if isinstance(entry, dict) else None
    if not isinstance(found, dict):
        raise BadResponse(f"Qualys answered {path} without a scan.", hint="Run again; the fault may be temporary.")
    return found


def _judge(response: Response, path: str) -> Verdict:
    """Return the verdict on the answer. A scan in XML is stored in ``response.memo["scan"]``."""
    root = root_name(response.body) if response.body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") else None
    if response.status >= 500 or root not in (_ELEMENT, "ServiceResponse"):
        return judge(response, path, idempotent=True)
    try:
        document = parse_xml(response.body)
    except ValueError as error:
        return RETRY_AS(BadResponse(f"Qualys' {path} was answered with {error}.", hint="Run again."))
    if root == _ELEMENT:
        response.memo["scan"] = _plain(document)
        return OK
    envelope = _plain(document)
    code = text(envelope.get("responseCode")) if isinstance(envelope, dict) else None
    if code != "SUCCESS":
        raise refusal(code, envelope if isinstance(envelope, dict) else {}, path)
    response.memo["envelope"] = envelope
    return OK


def _plain(element: ET.Element) -> t.Any:
    """Return an element in the form of Qualys' JSON: members, lists of single-key objects, ``value`` and attributes."""
    children = list(element)
    if element.tag == "list":
        return [{child.tag: _plain(child)} for child in children]
    if children:
        members: Raw = {}
        for child in children:
            value = _plain(child)
            if child.tag in members:
                # A repeated element is a list without a wrapper.
                held = members[child.tag]
                members[child.tag] = [*held, value] if isinstance(held, list) else [held, value]
            else:
                members[child.tag] = value
        return members
    if element.attrib:
        return {**element.attrib, "value": element.text or ""}
    return element.text


def entries(collection: t.Any, item: str) -> list[Raw]:
    """Return the objects in a collection of any form: ``list``, plain list, repeated or single element."""
    if isinstance(collection, list):
        found = [entry.get(item, entry) if isinstance(entry, dict) else entry for entry in collection]
    elif isinstance(collection, dict) and item in collection:
        held = collection[item]
        found = held if isinstance(held, list) else [held]
    else:
        found = items(collection)
    return [entry for entry in found if isinstance(entry, dict)]


def _levels(stats: t.Any, prefix: str) -> SeverityCounts | None:
    if not isinstance(stats, dict) or not any(f"{prefix}Level{level}" in stats for level in range(1, 6)):
        return None
    counted = {word: number(stats.get(f"{prefix}Level{level}")) or 0 for level, word in SEVERITY_LEVELS.items()}
    return t.cast(SeverityCounts, counted)


def result_counts_of(raw: Raw) -> SeverityCounts | None:
    """Return the number of vulnerabilities per severity, from the statistics or else the list; None without either."""
    counted = _levels(part(raw, "stats", "global"), "nbVulns")
    if counted is not None:
        return counted
    if "vulns" not in raw:
        return None
    found = [SEVERITY_LEVELS.get(text(item.get("severity")) or "") for item in entries(raw["vulns"], "WasScanVuln")]
    if None in found:
        return None
    return t.cast(SeverityCounts, {word: found.count(word) for word in SEVERITY_LEVELS.values()})


class ResultsReader:
    """Converts the results of scans to our form.

    Args:
        keep_sensitive: whether to keep cookies, credentials and matched personal data.
    """

    def __init__(self, *, keep_sensitive: bool = False) -> None:
        self._keep = keep_sensitive

    def results(self, raw: Raw) -> dict[str, t.Any]:
        """Return statistics and findings. Lists that Qualys omits are empty."""
        stats = part(raw, "stats")
        found: dict[str, t.Any] = {"counts": {}}
        for ours, vendor, prefix, kind in _KINDS:
            found["counts"][ours] = _levels(part(stats or {}, "global"), prefix)
            item = {"vulns": "WasScanVuln", "sensitiveContents": "WasScanSensitiveContent", "igs": "WasScanIg"}[vendor]
            found[ours] = [self._finding(entry, kind) for entry in entries(raw.get(vendor), item)]
        for ours, vendor, item, label in _GROUPINGS:
            found[ours] = [
                {"name": text(entry.get(label)), "total": number(entry.get("nbTotal")), "counts": _levels(entry, "nb")}
                for entry in entries(part(stats or {}, vendor), item)
            ]
        return found

    def _finding(self, raw: Raw, kind: str) -> dict[str, t.Any]:
        severity = text(raw.get("severity"))
        hide = not self._keep and kind == "sensitive_content"
        instances = entries(raw.get("instances"), "WasScanVulnInstance")
        return {
            "rule_id": text(raw.get("qid")),
            "title": text(raw.get("title")),
            "kind": kind,
            "severity": SEVERITY_LEVELS.get(severity or "", "unknown"),
            "severity_native": severity,
            "url": self._url(text(raw.get("uri"))),
            "parameter": parameter(raw.get("param")),
            # The match is the personal data itself.
            "content": MARKER if hide and raw.get("content") else self._clean(text(raw.get("content"))),
            "data": self._clean(_decoded(raw.get("data"))),
            "instances": [self._instance(instance, hide=hide) for instance in instances],
        }

    def _instance(self, raw: Raw, *, hide: bool) -> dict[str, t.Any]:
        payloads = entries(raw.get("payloads"), "WasScanVulnPayload")
        return {
            "authenticated": truth(raw.get("authenticated")),
            "form": self._url(text(raw.get("form"))),
            "payloads": [
                {
                    "payload": self._clean(text(payload.get("payload"))),
                    "result": MARKER
                    if hide and payload.get("result")
                    else self._clean(_decoded(payload.get("result"))),
                }
                for payload in payloads
            ],
        }

    def _clean(self, value: str | None) -> str | None:
        return value if self._keep else redact_text(value)

    def _url(self, value: str | None) -> str | None:
        return value if self._keep else redact_url(value)


def _decoded(value: t.Any) -> str | None:
    """Return a text, decoded if its attribute says that it is base64."""
    if isinstance(value, dict) and truth(value.get("base64")):
        return decoded_loosely(value)
    return text(value)

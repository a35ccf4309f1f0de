# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorded request and response of a finding as HTTP messages: method, headers, status.

This module is private to the collection and may change at any time.

Evidence is text that a scanner recorded, or that an attacker made it record. Values of headers that carry secrets are
always masked here, whatever the options of the export were, and bodies are left out: many people can read these files.
"""

from __future__ import annotations

import re
import typing as t

from ..._records.model import Evidence, Finding
from ..._records.redaction.names import names_secret
from ..._records.redaction.values import MARKER
from .. import text

HEADERS = 50
NO_STATUS = 0
"""Status code of a response whose status line was not recorded."""
_NAME, _VALUE, _URL, _WORDS = 100, 500, 2000, 500
_STATUS = re.compile(r"\s*HTTP/\d(?:\.\d)? (\d{3})(?: ([^\r\n]{0,200}))?")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}):[ \t]*(.*)")
_LINE_END = re.compile(r"\r\n|\n|\r")
_HEAD_CHARACTERS = 8192


class RecordedHeader(t.TypedDict):
    """A header of a request or response."""

    name: str
    value: str


class RecordedRequest(t.TypedDict):
    """The request."""

    headers: list[RecordedHeader]
    method: str
    url: str


class RecordedResponse(t.TypedDict):
    """The response; ``status_code`` is ``NO_STATUS`` when it was not recorded."""

    headers: list[RecordedHeader]
    reason_phrase: str
    status_code: int


class HttpEvidence(t.TypedDict):
    """The first recorded exchange of a finding; no member is missing, even when nothing was recorded."""

    summary: str
    request: RecordedRequest
    response: RecordedResponse


def evidence_of(finding: Finding) -> HttpEvidence:
    """The first exchange that was recorded for a finding.

    Args:
        finding: a finding; without evidence, its own method and address are the request.
    """
    item = finding["evidence"][0] if finding["evidence"] else None
    url = (item and item["url"]) or finding["url"] or finding["asset"]["url"]
    method = (item and item["method"]) or finding["method"]
    request = RecordedRequest(
        headers=_headers(item["headers"]) if item else [],
        method=text.line(method, 20) or "GET",
        url=text.line(url, _URL) or "unknown",
    )
    return HttpEvidence(summary=_summary(finding, item), request=request, response=_response(item))


def _summary(finding: Finding, item: Evidence | None) -> str:
    if item is None:
        return "The scanner recorded neither a request nor a response."
    facts = (("Parameter", finding["parameter"]), ("Payload", item["payload"]))
    lines = [f"{label}: {text.line(value, _WORDS)}" for label, value in facts if value]
    if len(finding["evidence"]) > 1:
        lines.append(f"The first of {len(finding['evidence'])} recorded exchanges.")
    return "\n".join(lines) or "The request as the scanner recorded it."


def _response(item: Evidence | None) -> RecordedResponse:
    recorded = (item and item["response"]) or ""
    status = _STATUS.match(recorded)
    if status is None:
        return RecordedResponse(headers=[], reason_phrase="", status_code=NO_STATUS)
    headers = _headers(recorded[status.end() : _HEAD_CHARACTERS].lstrip("\r\n"))
    return RecordedResponse(
        headers=headers, reason_phrase=text.line((status[2] or "").strip(), 200), status_code=int(status[1])
    )


def _headers(block: str | None) -> list[RecordedHeader]:
    """The headers at the start of a text, up to an empty line or a line that is not a header."""
    found: list[RecordedHeader] = []
    for line in _LINE_END.split((block or "")[:_HEAD_CHARACTERS]):
        header = _HEADER.fullmatch(line)
        if header is None or len(found) == HEADERS:
            break
        name = header[1]
        value = MARKER if names_secret(name) else text.line(header[2].strip(), _VALUE)
        found.append(RecordedHeader(name=text.line(name, _NAME), value=value))
    return found

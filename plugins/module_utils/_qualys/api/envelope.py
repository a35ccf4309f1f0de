# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The envelope of every answer, and the meaning of its ``responseCode`` (docs/vendors/qualys_was.md 3.2, 4).

This module is private to the collection and may change at any time.

``responseCode`` decides, never the HTTP status alone: Qualys answers most errors, wrong credentials included, with 200.
"""

from __future__ import annotations

import typing as t

from ..._base.errors import AuthenticationFailed, BadResponse, NotFound, PerimeterError, TransportError, VendorError
from ..._http.response import Response
from ..._http.retry import ACCEPT, OK, RETRY_AS, THROTTLED, Verdict
from ..._records.codec import loads
from .safe_xml import parse_xml, root_name
from .shapes import Raw, text

_AUTHENTICATION = frozenset({"INVALID_CREDENTIALS", "AUTH_CREDENTIALS_NEEDED"})
_MISSING = frozenset({"NOT_FOUND", "UNKNOWN_OBJECT"})
_SAYS_NOTHING = frozenset({"SUCCESS", "OTHER_ERROR", "UNIDENTIFIED_PRODUCER"})
"""Codes that do not explain an HTTP status of 409."""
_HINTS = {
    "INVALID_CREDENTIALS": "Check username and password (or client_id and client_secret), and the platform.",
    "AUTH_CREDENTIALS_NEEDED": "Give username and password, or client_id and client_secret.",
    "UNAUTHORIZED": "The account needs the permission API Access, and the WAS permission for this operation.",
    "UNAUTHORIZED_DESTINATION_APPS": "The account has no permission for this Qualys module.",
    "EVALUATION_EXPIRED": "The Qualys subscription has expired.",
    "OPERATION_NOT_SUPPORTED": "This subscription does not offer the operation.",
    "INVALID_URL": "Check api_url: Qualys' API does not know the path.",
    "JMS_SERVER_DOWN": "The Qualys platform has a fault; try again later.",
    "RMI_SERVER_DOWN": "The Qualys platform has a fault; try again later.",
}
Parse = t.Callable[[bytes], "Raw | None"]

_LONGEST_QUOTE = 300
"""Longest part of a vendor's message that is quoted, in characters: the message may repeat a value of any length."""


def envelope_of(body: bytes) -> Raw | None:
    """Return the envelope of an answer in JSON, or None if it has none."""
    try:
        document = loads(body)
    except ValueError:
        return None
    envelope = document.get("ServiceResponse") if isinstance(document, dict) else None
    return envelope if isinstance(envelope, dict) and "responseCode" in envelope else None


def is_success(envelope: Raw) -> bool:
    """Return whether Qualys reports success."""
    return text(envelope.get("responseCode")) == "SUCCESS"


def judge(response: Response, path: str, *, idempotent: bool, parse: Parse = envelope_of) -> Verdict:
    """Return the verdict on an answer. The envelope of a success is stored in ``response.memo["envelope"]``.

    Args:
        response: the answer.
        path: the call, for messages.
        idempotent: False for a write, which may have happened if its answer cannot be parsed.
        parse: returns the envelope of a body, as :func:`envelope_of` does.

    Raises:
        AuthenticationFailed, NotFound, VendorError: Qualys refused the request.
        BadResponse: an error that does not come from Qualys, such as the 404 page of another server.
        TransportError: the answer to a write has both the status of an exceeded limit and SUCCESS, so it is unknown
            whether the write happened.
    """
    envelope = parse(response.body) or _parse_xml(response.body, idempotent=idempotent)
    code = None if envelope is None else text(envelope.get("responseCode"))
    if response.status in (409, 429) and code == "SUCCESS" and not idempotent:
        # Not repeated, because a second create could make a second record. The caller checks whether it happened.
        raise TransportError(f"Qualys answered {path} with HTTP {response.status} and SUCCESS.")
    if response.status == 429 or (response.status == 409 and (code is None or code in _SAYS_NOTHING)):
        # The rate limit or the concurrency limit. The request had no effect.
        return THROTTLED()
    if envelope is None:
        return _unreadable(response, path, idempotent=idempotent)
    if is_success(envelope):
        response.memo["envelope"] = envelope
        return ACCEPT if response.status >= 400 else OK
    error = refusal(code, envelope, path)
    if response.status == 401 and not isinstance(error, AuthenticationFailed):
        # Whatever the code is, the status says that the credentials were refused, and these are never tried again.
        error = AuthenticationFailed(error.message, hint=error.hint or _HINTS["INVALID_CREDENTIALS"], code=code)
    if response.status >= 500 and idempotent and not isinstance(error, AuthenticationFailed):
        return RETRY_AS(error)
    raise error


def _parse_xml(body: bytes, *, idempotent: bool) -> Raw | None:
    """Return an envelope in XML, in which Qualys sends some errors whatever format was asked for; None if there is
    none.

    Only the ids of records are read, which is all that callers need from the answer to a write. A read needs the
    records themselves, so a success in XML does not count as an answer to it.
    """
    try:
        if root_name(body) != "ServiceResponse":
            return None
        root = parse_xml(body)
    except ValueError:
        return None
    code = root.findtext("responseCode")
    if code is None or (code == "SUCCESS" and idempotent):
        return None
    details = root.find("responseErrorDetails")
    records = root.find("data")
    return {
        "responseCode": code,
        "responseErrorDetails": {} if details is None else {item.tag: item.text for item in details},
        "data": [] if records is None else [{item.tag: {"id": item.findtext("id")}} for item in records],
    }


def _unreadable(response: Response, path: str, *, idempotent: bool) -> Verdict:
    if response.status >= 500 or response.status == 401 or (response.status == 202 and idempotent):
        return OK
    what = _what_came(response.body)
    if response.status >= 400:
        raise BadResponse(
            f"Qualys' {path} was answered with HTTP {response.status} and {what}.",
            hint="Check api_url (or platform), and any proxy in between.",
        )
    if not idempotent:
        return RETRY_AS(TransportError(f"{path} was answered with {what}."))
    return RETRY_AS(
        BadResponse(
            f"Qualys' {path} was answered with {what}.",
            hint="Check api_url (or platform), and any proxy in between; or try again later.",
        )
    )


def _what_came(body: bytes) -> str:
    start = body[:200].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "an HTML page instead of JSON"
    if start.startswith(b"<"):
        return "XML instead of JSON"
    if start.startswith(b"{"):
        return "JSON that is cut short or is not an envelope"
    return "an empty body" if not start else "something that is not JSON"


def refusal(code: str | None, envelope: Raw, path: str) -> PerimeterError:
    """Return the error for an envelope without SUCCESS, which may have no details at all."""
    details = envelope.get("responseErrorDetails")
    details = details if isinstance(details, dict) else {}
    said = _sentence(details.get("errorMessage"))
    message = f"Qualys answered {path} with {code or 'no responseCode'}{': ' + said if said else '.'}"
    hint = _HINTS.get(code or "") or _sentence(details.get("errorResolution"))
    if code in _AUTHENTICATION:
        return AuthenticationFailed(message, hint=hint, code=code)
    kind = NotFound if code in _MISSING else VendorError
    return kind(message, hint=hint, code=code)


def _sentence(value: t.Any) -> str:
    words = " ".join((text(value) or "").split())
    if len(words) > _LONGEST_QUOTE:
        words = words[:_LONGEST_QUOTE] + "…"
    return words if not words or words.endswith((".", "!", "?", "…")) else words + "."

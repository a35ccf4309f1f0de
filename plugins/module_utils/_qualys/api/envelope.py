# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The envelope around every answer, and what its ``responseCode`` means (docs/vendors/qualys_was.md 3.2, 4).

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
"""Codes that do not say why a request was answered with 409."""
_HINTS = {
    "INVALID_CREDENTIALS": "Check username and password (or client_id and client_secret), and the platform.",
    "AUTH_CREDENTIALS_NEEDED": "Give username and password, or client_id and client_secret.",
    "UNAUTHORIZED": "The account needs the permission API Access, and the WAS permission for this operation.",
    "UNAUTHORIZED_DESTINATION_APPS": "The account has no permission for this module of Qualys.",
    "EVALUATION_EXPIRED": "The Qualys subscription has expired.",
    "OPERATION_NOT_SUPPORTED": "This subscription does not offer the operation.",
    "INVALID_URL": "Check api_url: the path is not one of Qualys' API.",
    "JMS_SERVER_DOWN": "The Qualys platform has a fault; try again later.",
    "RMI_SERVER_DOWN": "The Qualys platform has a fault; try again later.",
}
Parse = t.Callable[[bytes], "Raw | None"]

_LONGEST_QUOTE = 300
"""Characters of a vendor's message that are quoted; it may echo a value of any length."""


def envelope_of(body: bytes) -> Raw | None:
    """The envelope of an answer, or None when the answer has none."""
    try:
        document = loads(body)
    except ValueError:
        return None
    envelope = document.get("ServiceResponse") if isinstance(document, dict) else None
    return envelope if isinstance(envelope, dict) and "responseCode" in envelope else None


def is_success(envelope: Raw) -> bool:
    """Whether Qualys did what it was asked for."""
    return text(envelope.get("responseCode")) == "SUCCESS"


def judge(response: Response, path: str, *, idempotent: bool, parse: Parse = envelope_of) -> Verdict:
    """What an answer amounts to. A good one leaves its envelope in ``response.memo["envelope"]``.

    Args:
        response: the answer.
        path: the call, for messages.
        idempotent: False for a write, whose unreadable answer leaves it in doubt.
        parse: returns the envelope of a body, as :func:`envelope_of` does.

    Raises:
        AuthenticationFailed, NotFound, VendorError: the vendor's refusal.
        BadResponse: a refusal that is not Qualys' own, such as the 404 page of another server.
        TransportError: a write was answered with a limit and a success at once, so that it is in doubt.
    """
    envelope = parse(response.body) or _parse_xml(response.body, idempotent=idempotent)
    code = None if envelope is None else text(envelope.get("responseCode"))
    if response.status in (409, 429) and code == "SUCCESS" and not idempotent:
        # Whether it was carried out is for the caller to look at: sent again, a create could make a second record.
        raise TransportError(f"Qualys answered {path} with HTTP {response.status} and SUCCESS.")
    if response.status == 429 or (response.status == 409 and (code is None or code in _SAYS_NOTHING)):
        # The limit of calls, or of calls at the same time: the request was not carried out.
        return THROTTLED()
    if envelope is None:
        return _unreadable(response, path, idempotent=idempotent)
    if is_success(envelope):
        response.memo["envelope"] = envelope
        return ACCEPT if response.status >= 400 else OK
    error = refusal(code, envelope, path)
    if response.status == 401 and not isinstance(error, AuthenticationFailed):
        # Whatever the code is, the status says that it is about the credentials, which are not tried again.
        error = AuthenticationFailed(error.message, hint=error.hint or _HINTS["INVALID_CREDENTIALS"], code=code)
    if response.status >= 500 and idempotent and not isinstance(error, AuthenticationFailed):
        return RETRY_AS(error)
    raise error


def _parse_xml(body: bytes, *, idempotent: bool) -> Raw | None:
    """An envelope in XML, which some errors come in whatever was asked for.

    Of records only their ids are read, which is all that the answer to a write has to say. A read needs the records
    themselves, so that a success in XML is no answer to it.
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
            hint="Check api_url (or platform), and any proxy between here and there.",
        )
    if not idempotent:
        return RETRY_AS(TransportError(f"{path} was answered with {what}."))
    return RETRY_AS(
        BadResponse(
            f"Qualys' {path} was answered with {what}.",
            hint="Check api_url (or platform), and any proxy between here and there; or try again later.",
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
    return "nothing" if not start else "something that is not JSON"


def refusal(code: str | None, envelope: Raw, path: str) -> PerimeterError:
    """The error for an envelope that does not say SUCCESS. Details may be missing altogether."""
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

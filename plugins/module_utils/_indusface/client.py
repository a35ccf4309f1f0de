# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Client of Indusface's scan log export: one call, without pages (docs/vendors/indusface_was.md 2 to 5).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import typing as t

from .._base.errors import AuthenticationFailed, BadResponse, PerimeterError, RedirectRefused, VendorError
from .._http.environment import require, with_environment
from .._http.governor import Governor
from .._http.session import HttpSession
from .._http.settings import HttpSettings, check_base_url, settings_from
from .._vendor.client import Raw, Session, VendorClient, VendorConnection

PATH = "/client/v1/fetch-s3-logs"
PER_SECONDS = 1.0
"""Seconds between two calls. This is our own limit; none is documented (docs/vendors/indusface_was.md 5)."""

KEY_HINT = (
    "Check access_key and secret_key. An account has one pair of keys at a time, and a new pair ends the old one: they"
    " may have been replaced in the portal."
)
_PAGE_HINT = f"Check api_url: a login page, a proxy or another service may answer there. {KEY_HINT}"
_AGENT_HINT = "The protection in front of the service may reject the user agent: try another one in user_agent."
_REFUSED = re.compile(r"unauthori[sz]ed|(?:access|secret|api)\s*key|forbidden|credential", re.IGNORECASE)
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\U0010ffff]+")

DEFAULT_URL = "https://was.indusface.com"
"""The vendor documents http, which would expose the keys (docs/vendors/indusface_was.md 2)."""

ENVIRONMENT = {
    "api_url": "INDUSFACE_WAS_URL",
    "access_key": "INDUSFACE_WAS_ACCESS_KEY",
    "secret_key": "INDUSFACE_WAS_SECRET_KEY",
}
_PORTAL_HINT = "The portal shows both keys once: Settings, Scan Log Config, API Key Based, Generate Key."


@dataclasses.dataclass(frozen=True)
class IndusfaceConnection(VendorConnection):
    """Resolved connection. ``user_agent`` replaces the collection's own when it is set."""

    access_key: str = dataclasses.field(repr=False)
    secret_key: str = dataclasses.field(repr=False)
    user_agent: str | None = None


def resolve(params: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> IndusfaceConnection:
    """The connection that the options and the environment describe.

    Raises:
        OptionError: something is missing, or ``api_url`` is not an address or uses plain http to another machine.
    """
    options = with_environment(params, environ, ENVIRONMENT)
    return IndusfaceConnection(
        api_url=check_base_url(options["api_url"] or DEFAULT_URL, bool(params.get("allow_http"))),
        access_key=require(options, "access_key", ENVIRONMENT, _PORTAL_HINT),
        secret_key=require(options, "secret_key", ENVIRONMENT, _PORTAL_HINT),
        user_agent=params.get("user_agent") or None,
    )


@dataclasses.dataclass(frozen=True)
class Days:
    """One day, or a range of days with both ends included."""

    first: dt.date
    last: dt.date

    def query(self) -> tuple[tuple[str, str], ...]:
        """The parameters: ``date`` for one day, ``fromDate`` and ``toDate`` for several. Never both at once."""
        if self.first == self.last:
            return (("date", self.first.isoformat()),)
        return ("fromDate", self.first.isoformat()), ("toDate", self.last.isoformat())

    def __contains__(self, day: dt.date) -> bool:
        return self.first <= day <= self.last


@dataclasses.dataclass(frozen=True)
class Answer:
    """Scan logs as they arrived, and the vendor's message about them."""

    rows: list[Raw]
    message: str | None


class IndusfaceClient(VendorClient[IndusfaceConnection]):
    """One account at Indusface WAS."""

    def __init__(
        self, connection: IndusfaceConnection, settings: HttpSettings, *, session: Session = HttpSession
    ) -> None:
        headers = {"accessKey": connection.access_key, "secretKey": connection.secret_key}
        if connection.user_agent:
            headers["User-Agent"] = connection.user_agent
        super().__init__(
            connection,
            settings,
            governor=Governor(1, calls=1, per_seconds=PER_SECONDS),
            session=session,
            vendor="Indusface",
            headers=headers,
            words=_words,
            auth_hint=KEY_HINT,
            page_hint=_PAGE_HINT,
            check=_answer,
        )

    def scan_logs(self, days: Days) -> Answer:
        """Return the scan logs of these days. A day without scan logs is not an error.

        Raises:
            AuthenticationFailed: the keys were refused, by status or in the body; the run is stopped.
            VendorError: the vendor refused the request; ``code`` is the HTTP status, or the ``status`` of the body.
            RedirectRefused, BadResponse: the answer does not come from the export.
        """
        try:
            return _answer(self.api.get(PATH, days.query()))
        except RedirectRefused as error:
            raise _with_hint(error, KEY_HINT) from None
        except VendorError as error:
            raise _with_hint(error, _AGENT_HINT if error.code == "406" else "") from None


def _answer(body: t.Any) -> Answer:
    result = body.get("result") if isinstance(body, dict) else None
    if not isinstance(result, dict):
        raise BadResponse("Indusface answered without a result.", hint=_PAGE_HINT)
    rows = result.get("data")
    status, error = body.get("status"), result.get("error")
    # A day without data has status "OK" and an error text, so the text decides (docs/vendors/indusface_was.md 3.2).
    empty = isinstance(error, str) and "no data" in error.lower()
    if str(status).upper() != "OK" or (error and not empty):
        raise _refusal(str(status), _words(body) or "no reason given")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadResponse("Indusface answered without a list of scan logs (result.data).", hint=_PAGE_HINT)
    message = error if empty else result.get("success")
    return Answer(rows, message if isinstance(message, str) else None)


def _refusal(status: str, words: str) -> PerimeterError:
    status, shown = (_UNPRINTABLE.sub(" ", text)[:300].strip().rstrip(".") for text in (status, words))
    message = f"Indusface answered with status {status[:40]!r}: {shown}."
    if _REFUSED.search(words):
        return AuthenticationFailed(message, hint=KEY_HINT, code=status[:40])
    return VendorError(message, hint="Check the options of the task.", code=status[:40])


def _with_hint(error: PerimeterError, hint: str) -> PerimeterError:
    if hint:
        error.hint = f"{error.hint} {hint}".strip()
    return error


def _words(body: t.Any) -> str | None:
    """The error text of an answer: ``result.error``, or ``errorMessages`` as in the vendor's other API."""
    if not isinstance(body, dict):
        return None
    result, messages = body.get("result"), body.get("errorMessages")
    if isinstance(result, dict) and isinstance(result.get("error"), str):
        return str(result["error"])
    if isinstance(messages, list):
        return ", ".join(str(message) for message in messages)
    message = body.get("message")
    return message if isinstance(message, str) else None


def connect(params: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> IndusfaceClient:
    """Return the client that the options of a task and the environment describe. Sends nothing.

    Raises:
        OptionError: an option is missing or malformed.
    """
    return IndusfaceClient(resolve(params, environ), settings_from(params))

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of a service that answers in JSON, for vendors whose answers need no parser of their own.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import typing as t
from urllib.parse import quote

from .._base.errors import AuthenticationFailed, BadResponse, NotFound, PerimeterError, VendorError
from .response import Response, header_time_of
from .retry import ACCEPT, OK, THROTTLED, Verdict, parse_wait
from .session import HttpSession

Loads = t.Callable[[bytes], t.Any]
Query = t.Sequence[tuple[str, str]]
Look = t.Callable[[Response], t.Optional[Verdict]]
"""Judges an answer before the general rules; None leaves it to them."""
_SHOWN = 300
"""Longest quote of a vendor's error text in a message, in characters."""
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\U0010ffff]+")


class JsonApi:
    """Calls of one service.

    Args:
        http: the session.
        base_url: scheme, host and port.
        vendor: the name for messages, such as ``Edgecast``.
        headers: sent with each call, credentials included.
        loads: parses a body; ``_records.codec.loads``.
        words: returns the vendor's error text from a parsed error body, or None.
        auth_hint: what to do about refused credentials.
        pause: seconds to wait after a 429 that names no time; None for a growing back-off.
        page_hint: what to do about a web page, or anything else that is not JSON, in place of an answer.
        check: raises the error for a parsed answer that is a refusal although its status is 2xx. Its errors are treated
            like any other refusal: secrets are masked, and refused credentials stop the run.
    """

    def __init__(
        self,
        http: HttpSession,
        base_url: str,
        *,
        vendor: str,
        headers: t.Mapping[str, str],
        loads: Loads,
        words: t.Callable[[t.Any], str | None],
        auth_hint: str,
        pause: t.Callable[[], float] | None = None,
        check: t.Callable[[t.Any], object] | None = None,
        page_hint: str = "Check api_url: a login page, a proxy or another service may answer there.",
    ) -> None:
        self._http = http
        self._base_url = base_url
        self._vendor = vendor
        self._headers = {"Accept": "application/json", **headers}
        self._loads = loads
        self._words = words
        self._auth_hint = auth_hint
        self._pause = pause
        self._check = check
        self._page_hint = page_hint
        self._date: str | None = None

    def server_time(self) -> dt.datetime | None:
        """The ``Date`` of the newest answer, UTC; None when there was none, or it cannot be read."""
        return header_time_of(self._date)

    def get(
        self,
        path: str,
        query: Query = (),
        *,
        headers: t.Mapping[str, str] | None = None,
        look: Look | None = None,
        loads: Loads | None = None,
    ) -> t.Any:
        """Read by GET.

        Args:
            path: absolute path, percent-encoded where needed.
            query: names and values, not encoded, in the order in which they are sent.
            headers: headers that are added to those of every call, or replace them.
            look: judges answers in a way that only this call needs. With the verdict ``ACCEPT``, the call returns
                ``response.memo["json"]``, which ``look`` may set, or None.
            loads: parses the body of a good answer in place of the session's parser; its result is returned.

        Raises:
            AuthenticationFailed: 401 or 403; the run is stopped.
            NotFound: 404.
            VendorError: any other refusal (4xx); ``code`` is the status.
            BadResponse: the answer is not JSON.
        """
        return self._call("GET", path, query, None, headers, look, loads)

    def search(
        self, path: str, body: t.Any, *, headers: t.Mapping[str, str] | None = None, look: Look | None = None
    ) -> t.Any:
        """Search by POST with a JSON body, which is repeated like a read. Raises the errors of ``get``."""
        data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        return self._call("POST", path, (), data, {"Content-Type": "application/json", **(headers or {})}, look)

    def _call(
        self,
        method: str,
        path: str,
        query: Query,
        body: bytes | None,
        headers: t.Mapping[str, str] | None,
        look: Look | None,
        loads: Loads | None = None,
    ) -> t.Any:
        def classify(response: Response) -> Verdict:
            verdict = None if look is None else look(response)
            return self.judge(response, loads) if verdict is None else verdict

        response = self._http.request(
            method,
            self._base_url + path + query_text(query),
            headers=self._headers | dict(headers or {}),
            body=body,
            idempotent=True,
            classify=classify,
        )
        return response.memo.get("json")

    def judge(self, response: Response, loads: Loads | None = None) -> Verdict:
        """Judge an answer, and store its parsed body in ``response.memo``."""
        self._date = response.headers.get("date", self._date)
        if 200 <= response.status < 300 and response.status != 202:
            response.memo["json"] = self._parsed(response, loads or self._loads)
            if self._check is not None:
                self._check(response.memo["json"])
            return ACCEPT
        if response.status in (401, 403):
            raise AuthenticationFailed(
                f"{self._vendor} refused the credentials (HTTP {response.status}){self._quoted(response)}.",
                hint=f"Nothing more was sent, so that the account is not locked. {self._auth_hint}",
                code=str(response.status),
            )
        if 400 <= response.status < 500 and response.status not in (408, 409, 425, 429):
            raise self._refusal(response)
        if response.status == 429 and self._pause is not None and parse_wait(response.headers) is None:
            return THROTTLED(self._pause())
        return OK

    def _refusal(self, response: Response) -> PerimeterError:
        kind = NotFound if response.status == 404 else VendorError
        message = f"{self._vendor} refused the request (HTTP {response.status}){self._quoted(response)}."
        return kind(message, hint="Check the options of the task.", code=str(response.status))

    def _parsed(self, response: Response, loads: Loads) -> t.Any:
        try:
            return loads(response.body)
        except ValueError as error:
            html = response.body.lstrip()[:1] == b"<"
            what = "a web page" if html else f"something that is not JSON ({type(error).__name__} at {_place(error)})"
            raise BadResponse(
                f"{self._vendor} answered with {what}.",
                hint=self._page_hint,
            ) from None

    def _quoted(self, response: Response) -> str:
        """The vendor's error text, shortened and printable: it may contain anything. Web pages are not quoted."""
        try:
            words = self._words(self._loads(response.body))
        except (TypeError, AttributeError):
            words = None
        except ValueError:
            plain = response.body.lstrip()[:1] != b"<"
            words = response.body[: 4 * _SHOWN].decode("utf-8", "replace") if plain else None
        text = _UNPRINTABLE.sub(" ", words or "").strip()
        return f": {text[:_SHOWN].rstrip('.')}" if text else ""


def query_text(query: Query) -> str:
    """A query string with its question mark, or an empty text. Every reserved character is percent-encoded."""
    pairs = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query)
    return f"?{pairs}" if pairs else ""


def segment(text: str) -> str:
    """One path segment, percent-encoded, slashes and dots included where they would change the path."""
    encoded = quote(text, safe="")
    return encoded if encoded.strip(".") else encoded.replace(".", "%2E")


def _place(error: ValueError) -> str:
    position = getattr(error, "pos", None)
    return "an unknown place" if position is None else f"character {position}"

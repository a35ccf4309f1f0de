# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Login of VMware Cloud: a token, kept until shortly before it expires (docs/vendors/carbon_black.md 2).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import base64
import math
import re
import threading
import time
import typing as t
from urllib.parse import urlencode

from .._base.errors import AuthenticationFailed, BadResponse
from .._http.response import Response
from .._http.retry import OK, Verdict
from .._http.session import HttpSession
from .._records.codec import loads
from .connection import Connection

MARGIN = 60.0
"""Seconds before the end of its life in which a token is no longer used."""
ASSUMED_LIFE = 600.0
"""Seconds, for a token that does not say how long it lives."""
_HINT = "Check csp_client_id and csp_client_secret, or csp_api_token, and csp_url."
_SENDABLE = re.compile(r"[\x21-\x7e]+")


class CspToken:
    """The token of one run, shared by its threads."""

    def __init__(
        self, connection: Connection, http: HttpSession, *, clock: t.Callable[[], float] = time.monotonic
    ) -> None:
        self._connection = connection
        self._http = http
        self._clock = clock
        self._lock = threading.Lock()
        self._use_until = -math.inf
        self._value = ""
        self.fetched: tuple[str, ...] = ()

    def get(self) -> str:
        """A token that is good for a while.

        Raises:
            AuthenticationFailed: the login was refused.
            BadResponse: the answer is not a token.
        """
        with self._lock:
            if self._clock() >= self._use_until:
                asked = self._clock()
                self._value, life = self._fetch()
                self.fetched += (self._value,)
                self._http.protect(self._value)
                self._use_until = asked + life - min(MARGIN, life / 2)
            return self._value

    def forget(self, value: str) -> None:
        """Do not use this token again: it was refused although its time was not over."""
        with self._lock:
            if self._value == value:
                self._use_until = -math.inf

    def _fetch(self) -> tuple[str, float]:
        known = self._connection
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if known.csp_api_token is not None:
            path, form = "/csp/gateway/am/api/auth/api-tokens/authorize", {"api_token": known.csp_api_token}
        else:
            path, form = "/csp/gateway/am/api/auth/token", {"grant_type": "client_credentials"}
            login = f"{known.csp_client_id}:{known.csp_client_secret}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(login).decode('ascii')}"
        response = self._http.request(
            "POST",
            f"{known.csp_url}{path}",
            headers=headers,
            body=urlencode(form).encode(),
            idempotent=True,
            classify=_judge,
        )
        return _token(response)


def _judge(response: Response) -> Verdict:
    # Raised from here, a refusal stops all threads before another one asks with the same login.
    if response.status in (400, 401, 403):
        raise AuthenticationFailed(
            f"VMware Cloud refused the login (HTTP {response.status}).", hint=_HINT, code=str(response.status)
        )
    return OK


def _token(response: Response) -> tuple[str, float]:
    try:
        body = loads(response.body)
    except ValueError:
        body = None
    token = body.get("access_token") if isinstance(body, dict) else None
    if response.status != 200 or not isinstance(token, str) or not _SENDABLE.fullmatch(token):
        raise BadResponse(f"VMware Cloud answered the login with HTTP {response.status} and no token.", hint=_HINT)
    life = body.get("expires_in") if isinstance(body, dict) else None
    usable = isinstance(life, (int, float)) and not isinstance(life, bool) and life > 0
    return token, float(life) if usable and life is not None else ASSUMED_LIFE

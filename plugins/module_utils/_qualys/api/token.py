# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""OAuth2 client credentials: a token from the gateway, kept until shortly before it expires.

This module is private to the collection and may change at any time.

See docs/vendors/qualys_was.md 2.3.
"""

from __future__ import annotations

import base64
import math
import re
import threading
import time
import typing as t

from ..._base.errors import AuthenticationFailed, BadResponse
from ..._http.response import Response
from ..._http.retry import OK, Verdict
from ..._records.codec import loads
from .connection import Connection
from .shapes import Raw, decimal

if t.TYPE_CHECKING:
    from ..._http.session import HttpSession

MARGIN = 60.0
"""Seconds before the end of its life in which a token is no longer used: a long request must not outlive it."""

_TOKEN = re.compile(r"[\w-]+\.[\w-]+\.[\w-]*", re.ASCII)

ASSUMED_LIFE = 600.0
"""Seconds, for a token that does not say how long it lives; the life of these tokens is not documented."""


class TokenSource:
    """The token of one run, shared by its threads."""

    def __init__(
        self, connection: Connection, http: HttpSession, *, clock: t.Callable[[], float] = time.monotonic
    ) -> None:
        self._connection = connection
        self._http = http
        self._clock = clock
        self._lock = threading.Lock()
        self._use_until = -math.inf
        self.value = ""
        self.fetched: tuple[str, ...] = ()

    def get(self) -> str:
        """A token that is good for at least a minute, or half of its life if that is shorter.

        Raises:
            AuthenticationFailed: the gateway refused the client.
            BadResponse: the gateway's answer is not a token.
        """
        with self._lock:
            if self._clock() >= self._use_until:
                asked = self._clock()
                self.value = self._fetch()
                self.fetched += (self.value,)
                self._http.protect(self.value)
                life = _life(self.value, time.time())
                self._use_until = asked + life - min(MARGIN, life / 2)
            return self.value

    def forget(self, value: str) -> None:
        """Do not use this token again: it was refused although its time was not over."""
        with self._lock:
            if self.value == value:
                self._use_until = -math.inf

    def _fetch(self) -> str:
        response = self._http.request(
            "POST",
            f"{self._connection.gateway_url}/auth/oidc",
            headers={
                "clientId": self._connection.client_id or "",
                "clientSecret": self._connection.client_secret or "",
                "Content-Type": "application/x-www-form-urlencoded",
            },
            body=b"",
            idempotent=True,
            classify=_judge,
        )
        token = response.body.decode("ascii", "replace").strip()
        if response.status not in (200, 201) or not _looks_like_token(token):
            raise BadResponse(
                f"The Qualys gateway answered {response.status} without a token.",
                hint="Check client_id, client_secret and gateway_url.",
            )
        return token


def _judge(response: Response) -> Verdict:
    # Raised from here, a refusal stops all threads before another one asks with the same credentials.
    if response.status in (401, 403):
        raise AuthenticationFailed("The Qualys gateway refused the client.", hint="Check client_id and client_secret.")
    return OK


def _looks_like_token(text: str) -> bool:
    return _TOKEN.fullmatch(text) is not None


def _life(token: str, now: float) -> float:
    """For how many seconds a fresh token may be used.

    Args:
        token: what the gateway sent a moment ago.
        now: seconds since 1970 by the clock of this machine, which only counts if the token does not say when it was
            issued: between two clocks there may be any difference.
    """
    claims = _claims(token)
    expires, issued = decimal(claims.get("exp")), decimal(claims.get("iat"))
    if expires is None:
        return ASSUMED_LIFE
    life = expires - (now if issued is None else issued)
    # Nobody issues a token that is over: our clock is wrong.
    return life if life > 0 or issued is not None else ASSUMED_LIFE


def _claims(token: str) -> Raw:
    payload = token.split(".")[1]
    try:
        claims = loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}

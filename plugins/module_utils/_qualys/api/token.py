# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""OAuth2 client credentials: a token from the gateway, reused until shortly before it expires.

This module is private to the collection and may change at any time.

See docs/vendors/qualys_was.md 2.3.
"""

from __future__ import annotations

import base64
import re
import time

from ..._base.errors import AuthenticationFailed, BadResponse
from ..._http.response import Response
from ..._http.retry import OK, Verdict
from ..._http.session import HttpSession
from ..._records.codec import loads
from ..._vendor.token import ASSUMED_LIFE, Token
from .connection import QualysConnection
from .shapes import Raw, decimal

_TOKEN = re.compile(r"[\w-]+\.[\w-]+\.[\w-]*", re.ASCII)


class TokenSource(Token):
    """Fetches tokens from the gateway."""

    def __init__(self, connection: QualysConnection, http: HttpSession) -> None:
        super().__init__(http)
        self._connection = connection

    def _fetch(self) -> tuple[str, float]:
        response = self.http.request(
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
                f"The Qualys gateway answered with HTTP {response.status} and without a token.",
                hint="Check client_id, client_secret and gateway_url.",
            )
        return token, _life(token, time.time())


def _judge(response: Response) -> Verdict:
    # Raised here, the refusal stops all threads before another one sends the same credentials.
    if response.status in (401, 403):
        raise AuthenticationFailed(
            "The Qualys gateway refused the credentials.", hint="Check client_id and client_secret."
        )
    return OK


def _looks_like_token(text: str) -> bool:
    return _TOKEN.fullmatch(text) is not None


def _life(token: str, now: float) -> float:
    """Return for how many seconds a new token may be used.

    Args:
        token: the token that the gateway has just sent.
        now: seconds since 1970 by the clock of this machine. Only used if the token has no time of issue, because the
            clocks of the two machines may differ.
    """
    claims = _claims(token)
    expires, issued = decimal(claims.get("exp")), decimal(claims.get("iat"))
    if expires is None:
        return ASSUMED_LIFE
    life = expires - (now if issued is None else issued)
    # A token that seems expired when it is issued means that this machine's clock is wrong.
    return life if life > 0 or issued is not None else ASSUMED_LIFE


def _claims(token: str) -> Raw:
    payload = token.split(".")[1]
    try:
        claims = loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Basic and Bearer authentication, and the two token endpoints (docs/vendors/qualys_was.md 2.3)."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import threading
import time
from urllib.parse import parse_qs

from ..wire import Reply, Request
from .envelope import Refusal
from .world import World


def _b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Authenticator:
    """Knows the accepted login and the tokens given out."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._expiry: dict[str, tuple[float, str]] = {}
        self._serial = 0

    def check(self, request: Request) -> None:
        """Raises Refusal when the request carries no or wrong credentials."""
        scheme, _space, value = request.headers.get("authorization", "").partition(" ")
        if not value:
            raise Refusal("AUTH_CREDENTIALS_NEEDED", "Authentication credentials are needed.", "Send credentials.")
        if scheme.lower() == "basic" and self.basic_ok(request):
            return
        if scheme.lower() == "bearer" and self._token_ok(request, value.strip()):
            return
        raise Refusal("INVALID_CREDENTIALS", "Authentication has failed.", "Verify user name and password.")

    def basic_ok(self, request: Request) -> bool:
        """Whether the Basic credentials are the accepted ones."""
        scheme, _space, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            login = base64.b64decode(value.strip(), validate=True)
        except binascii.Error:
            return False
        settings = self._world.settings
        return hmac.compare_digest(login, f"{settings.username}:{settings.password}".encode())

    def _token_ok(self, request: Request, token: str) -> bool:
        if request.headers.get("request-source") != "gateway":
            return False
        with self._lock:
            expiry, kind = self._expiry.get(token, (0.0, ""))
        if kind == "user" and self._world.switches["user_token_for_was"] == "reject":
            return False
        return time.monotonic() < expiry

    def _new_token(self, subject: str, kind: str) -> str:
        life = self._world.switches.number("token_life_s")
        now = int(time.time())
        with self._lock:
            self._serial += 1
            claims = {"sub": subject, "iat": now, "exp": now + life, "jti": f"sandbox-{self._serial}"}
            head = _b64url(json.dumps({"alg": "RS256", "typ": "JWT"}).encode())
            body = _b64url(json.dumps(claims).encode())
            token = f"{head}.{body}.{_b64url(f'signature-{self._serial}'.encode())}"
            self._expiry[token] = (time.monotonic() + life, kind)
        return token

    def revoke_all(self) -> None:
        """No token is good any more."""
        with self._lock:
            self._expiry.clear()

    def token_for_user(self, request: Request) -> Reply:
        """``POST /auth``: a token for user name and password."""
        form = {name: values[0] for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
        settings = self._world.settings
        good = form.get("username") == settings.username and form.get("password") == settings.password
        if not good or form.get("token") != "true":
            return _denied()
        return Reply(201, [self._new_token(settings.username, "user").encode()], "text/plain;charset=UTF-8")

    def token_for_client(self, request: Request) -> Reply:
        """``POST /auth/oidc``: a token for client id and secret, sent as headers."""
        settings = self._world.settings
        client, secret = request.headers.get("clientid", ""), request.headers.get("clientsecret", "")
        if client != settings.client_id or secret != settings.client_secret:
            return _denied()
        return Reply(200, [self._new_token(settings.client_id, "client").encode()], "text/plain;charset=UTF-8")


def _denied() -> Reply:
    body = json.dumps({"timestamp": 0, "status": 401, "error": "Unauthorized", "message": "Access denied"})
    return Reply(401, [body.encode()], "application/json", failed_auth=True)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service's room: routing, authentication, rate limit, answers."""

from __future__ import annotations

import base64
import json
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs

from ..faults import Fault
from ..log_room import LogRoom, json_reply
from ..wire import Reply, Request
from .rows import CLUSTERS, HOSTS, NAMESPACES, Row, make_row, seeded
from .search import Refused, facets, ordered, row_test, window

_PATH = re.compile(r"/containers/v1beta/orgs/([^/]+)/inventory/scan_logs/(metadata|_search|_facet)")
_AUTHORIZE = "/csp/gateway/am/api/auth/api-tokens/authorize"
_TOKEN = "/csp/gateway/am/api/auth/token"


@dataclass(slots=True)
class CarbonBlackSettings:
    """What can be chosen at start."""

    records: int = 500
    """How many records are seeded, over the days before the start."""
    days: float = 14
    burst: int = 0
    """How many more share one second in the middle of these days."""
    org_key: str = "ABCD1234"
    api_id: str = "APIID00001"
    api_secret_key: str = "SECRETSECRETSECRET000001"
    forbidden_id: str = "APIID00403"
    """An API id, with the same secret, that lacks the permission."""
    csp_client_id: str = "csp-client"
    csp_client_secret: str = "csp-client-secret"
    csp_api_token: str = "csp-api-token-000001"


class CarbonBlack(LogRoom[CarbonBlackSettings]):
    """Room of the service, and of the login of VMware Cloud."""

    PATHS = ("/containers/v1beta/", "/csp/gateway/")

    def reset(self) -> None:
        """State back to the seed."""
        with self.lock:
            self._anchor = self.clock.anchor
            # Made anew when somebody asks: most tests are about another service.
            self.__dict__.pop("rows", None)
            self._number = self.settings.records + self.settings.burst
            self._arrivals: deque[float] = deque()
            self._blocked_until = 0.0
            self._tokens: set[str] = set()
            self._token_number = 0

    @cached_property
    def rows(self) -> list[Row]:
        """All rows, in the order in which they came to be."""
        made = seeded(self.settings.records, self.settings.days, self.settings.burst, self._anchor)
        return [replace(row, shown=dict(row.shown)) for row in made]

    def controls(self) -> dict[str, Callable[..., None]]:
        """Rows can be added and removed, and tokens withdrawn, while clients read."""
        return {
            "carbon_black/add": self.add_rows,
            "carbon_black/add_twins": self.add_twins,
            "carbon_black/delete_newest": self.delete_newest,
            "carbon_black/revoke_tokens": self.revoke_tokens,
        }

    def add_rows(self, count: int, seconds_ago: float = 0.0, step_s: float = 0.0) -> None:
        """More rows: the first was scanned so long before now, each further one ``step_s`` earlier."""
        now = self.clock.now().replace(microsecond=0)
        with self.lock:
            for place in range(count):
                self.rows.append(make_row(self._number, now - timedelta(seconds=int(seconds_ago + step_s * place))))
                self._number += 1

    def add_twins(self, count: int = 1) -> None:
        """For each of the newest rows another one of the same image, digest, second and source, with other counts."""
        with self.lock:
            for row in sorted(self.rows, key=lambda row: row.time)[-count:]:
                summary = {"CRITICAL": {"amount": 4000 + len(self.rows)}}
                self.rows.append(replace(row, shown={**row.shown, "vulnerabilities_summary": summary}))

    def delete_newest(self, count: int) -> None:
        """The newest rows are gone."""
        with self.lock:
            for row in sorted(self.rows, key=lambda row: row.time, reverse=True)[:count]:
                self.rows.remove(row)

    def revoke_tokens(self) -> None:
        """No token that was given out is good any more."""
        with self.lock:
            self._tokens.clear()

    def enter(self, _request: Request) -> Reply | None:
        """Calls of an address count; those while it is blocked extend the block (docs/vendors/carbon_black.md 9.2)."""
        limit = self.switches.number("carbon_black_rate_limit")
        if not limit:
            return None
        length = self.switches.number("carbon_black_rate_limit_window_s")
        now = time.monotonic()
        with self.lock:
            while self._arrivals and self._arrivals[0] <= now - length:
                self._arrivals.popleft()
            if now < self._blocked_until or len(self._arrivals) >= limit:
                self._blocked_until = max(now, self._blocked_until) + length
                self._arrivals.clear()
                wait = str(max(1, round(self._blocked_until - now)))
                return self._error(429, "rate limit exceeded", retry_after=wait)
            self._arrivals.append(now)
        return None

    def answer(self, request: Request, faults: Mapping[str, Fault]) -> Reply:
        """Perform the request."""
        try:
            if request.path in (_AUTHORIZE, _TOKEN):
                return self._login(request)
            return self._answer(request, faults.get("data"))
        except Refused as error:
            reply = self._error(error.status, str(error))
            reply.failed_auth = error.status in (401, 403)
            return reply

    def _answer(self, request: Request, fault: Fault | None) -> Reply:
        match = _PATH.fullmatch(request.path)
        if match is None:
            raise Refused(404, "no such resource")
        self._authenticate(request)
        if match[1] != self.settings.org_key:
            raise Refused(404, "unknown organization")
        if request.method != ("GET" if match[2] == "metadata" else "POST"):
            raise Refused(405, "method not allowed")
        with self.lock:
            if match[2] == "metadata":
                return self._metadata()
            body = _body(request)
            if fault is not None and fault.kind == "mutate_between_pages":
                self._mutate(body, fault)
            test = row_test(body, self.switches, self.clock.now())
            found = [row for row in self.rows if test(row)]
            if match[2] == "_facet":
                return json_reply(200, {"terms": facets(found, body.get("terms"), self.switches)}, self.clock)
            return self._search(body, found, fault)

    def _search(self, body: Mapping[str, Any], found: list[Any], fault: Fault | None) -> Reply:
        _known(body, {"query", "criteria", "start", "rows", "sort"})
        start, rows = window(body, self.switches)
        listed = ordered(found, body.get("sort", []))
        number = len(listed)
        shown = [row.shown for row in listed[start : start + rows]]
        if self.switches.on("carbon_black_num_found_capped"):
            number = min(number, 10_000)
        if fault is not None and fault.kind == "wrong_count":
            number = max(0, number + int(fault.args.get("n", 1)))
        elif fault is not None and fault.kind == "half_page":
            shown = shown[: len(shown) // 2]
        elif fault is not None and fault.kind == "duplicate_record" and start:
            shown = [listed[start - 1].shown, *shown]
        return json_reply(200, {"num_found": number, "results": shown}, self.clock)

    def _metadata(self) -> Reply:
        if self.switches["carbon_black_metadata"] == "missing":
            return json_reply(200, {"clusters": []}, self.clock)
        body = {"clusters": list(CLUSTERS), "namespaces": list(NAMESPACES), "hostnames": list(HOSTS)}
        return json_reply(200, body, self.clock)

    def _mutate(self, body: Mapping[str, Any], fault: Fault) -> None:
        """Rows appear or vanish among those that match, at the oldest or the newest side."""
        test = row_test(body, self.switches, self.clock.now())
        found = sorted((row for row in self.rows if test(row)), key=lambda row: row.time)
        count = int(fault.args.get("n", 1))
        oldest = fault.args.get("where", "seen") == "seen"
        if fault.args.get("action") == "delete":
            gone = found[:count] if oldest else found[-count:]
            self.rows = [row for row in self.rows if all(row is not other for other in gone)]
        elif found:
            at = found[0].time if oldest else found[-1].time
            for _place in range(count):
                self.rows.append(make_row(self._number, at))
                self._number += 1

    # Who asks

    def _authenticate(self, request: Request) -> None:
        bearer = request.headers.get("authorization", "")
        if bearer:
            if bearer.removeprefix("Bearer ") in self._tokens:
                return
            raise Refused(401, "token invalid or expired")
        secret, _slash, api_id = request.headers.get("x-auth-token", "").partition("/")
        if secret == self.settings.api_secret_key and api_id == self.settings.forbidden_id:
            raise Refused(403, "missing permission workloads.container.image")
        if (secret, api_id) != (self.settings.api_secret_key, self.settings.api_id):
            raise Refused(401, "user is not authorized")

    def _login(self, request: Request) -> Reply:
        if request.method != "POST":
            raise Refused(405, "method not allowed")
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        if request.path == _AUTHORIZE:
            good = form.get("api_token", form.get("refresh_token")) == self.settings.csp_api_token
        else:
            login = base64.b64encode(
                f"{self.settings.csp_client_id}:{self.settings.csp_client_secret}".encode()
            ).decode()
            good = request.headers.get("authorization") == f"Basic {login}"
            good = good and form.get("grant_type") == "client_credentials"
        if not good:
            raise Refused(400 if request.path == _AUTHORIZE else 401, "invalid_grant")
        with self.lock:
            self._token_number += 1
            token = f"csp-token-{self._token_number:06d}-{self.seed}"
            self._tokens.add(token)
        life = self.switches.number("carbon_black_token_life_s")
        return json_reply(200, {"access_token": token, "token_type": "bearer", "expires_in": life}, self.clock)

    def _error(self, status: int, message: str, **headers: str) -> Reply:
        shapes = {
            "message": {"error_code": str(status), "message": message},
            "error_message": {"error_message": message},
            "reason": {"reason": message},
        }
        return json_reply(status, shapes[self.switches["carbon_black_error_shape"]], self.clock, **headers)

    def failure(self, _request: Request, code: str, message: str, _resolution: str) -> Reply:
        """An error body for the fault ``response_code``."""
        return self._error(400, f"{code} {message}".strip())


def _body(request: Request) -> dict[str, Any]:
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise Refused(400, "Content-Type must be application/json")
    try:
        body = json.loads(request.body)
    except ValueError:
        raise Refused(400, "the body is not JSON") from None
    if not isinstance(body, dict):
        raise Refused(400, "the body must be an object")
    return body


def _known(body: Mapping[str, Any], names: set[str]) -> None:
    unknown = sorted(set(body) - names)
    if unknown:
        raise Refused(400, f"unknown {', '.join(unknown)}")

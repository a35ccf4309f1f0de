# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Client of Carbon Black Cloud's container scan logs: authentication, endpoints, error mapping.

This module is private to the collection and may change at any time.

See docs/vendors/carbon_black.md 2 to 5, 9.
"""

from __future__ import annotations

import base64
import dataclasses
import re
import typing as t
from urllib.parse import urlencode

from .._base.errors import AuthenticationFailed, BadResponse, NotFound, OptionError, VendorError
from .._http.environment import require, with_environment
from .._http.governor import Governor
from .._http.jsonapi import Look
from .._http.response import Response
from .._http.retry import ACCEPT, OK, RETRY_AS, THROTTLED, Verdict, parse_wait
from .._http.session import HttpSession
from .._http.settings import HttpSettings, check_base_url, settings_from
from .._records.codec import loads
from .._records.coerce import mapping, number
from .._vendor.client import Raw, VendorClient, VendorConnection
from .._vendor.token import ASSUMED_LIFE, Token

MAX_ROWS = 10_000
"""Ceiling of ``rows``, and of ``start`` and ``rows`` together (docs/vendors/carbon_black.md 6.2)."""
DEFAULT_WAIT = 60.0
"""Seconds to wait after a 429 that states no time (docs/vendors/carbon_black.md 9.2)."""

_AUTH_HINT = (
    "Check api_id and api_secret_key, or the csp_ options, and org_key. With HTTP 403 the access level lacks READ of"
    " workloads.container.image, or for facets CREATE."
)

_LOGIN_HINT = "Check csp_client_id and csp_client_secret, or csp_api_token, and csp_url."
_SENDABLE = re.compile(r"[\x21-\x7e]+")

CSP_URL = "https://console.cloud.vmware.com"

ENVIRONMENT = {
    "api_url": "CBC_URL",
    "org_key": "CBC_ORG_KEY",
    "api_id": "CBC_API_ID",
    "api_secret_key": "CBC_API_SECRET_KEY",
    "csp_url": "CSP_URL",
    "csp_client_id": "CSP_CLIENT_ID",
    "csp_client_secret": "CSP_CLIENT_SECRET",
    "csp_api_token": "CSP_API_TOKEN",
}

_KEY = ("api_id", "api_secret_key")
_CLIENT = ("csp_client_id", "csp_client_secret")
_TOKEN = ("csp_api_token",)
_ALTERNATIVES = ((_KEY, _CLIENT), (_KEY, _TOKEN), (_CLIENT, _TOKEN))
_ORG_KEY = re.compile(r"[0-9A-Za-z_-]{1,64}")


@dataclasses.dataclass(frozen=True)
class CarbonBlackConnection(VendorConnection):
    """Resolved connection: one of API key, client of VMware Cloud, and API token of VMware Cloud is set."""

    org_key: str
    api_id: str | None = None
    api_secret_key: str | None = dataclasses.field(default=None, repr=False)
    csp_url: str | None = None
    csp_client_id: str | None = None
    csp_client_secret: str | None = dataclasses.field(default=None, repr=False)
    csp_api_token: str | None = dataclasses.field(default=None, repr=False)


def resolve(params: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> CarbonBlackConnection:
    """The connection that the options and the environment describe.

    Raises:
        OptionError: something is missing or malformed, or two ways to log in are given.
    """
    options = with_environment(params, environ, ENVIRONMENT, _ALTERNATIVES)
    allow_http = bool(params.get("allow_http"))
    api_url = _address(
        require(options, "api_url", ENVIRONMENT, "It is the address of the console."), allow_http, "api_url"
    )
    org_key = require(options, "org_key", ENVIRONMENT)
    if not _ORG_KEY.fullmatch(org_key):
        raise OptionError("org_key is not the key of an organisation.", hint="The console shows it, such as ABCD1234.")
    way = _way(options)
    for name in way:
        require(options, name, ENVIRONMENT, f"{' and '.join(way)} go together." if len(way) > 1 else "")
    if way == _KEY:
        return CarbonBlackConnection(api_url, org_key, **{name: options[name] for name in _KEY})
    csp_url = _address(options["csp_url"] or CSP_URL, allow_http, "csp_url")
    return CarbonBlackConnection(api_url, org_key, csp_url=csp_url, **{name: options[name] for name in way})


def _way(options: t.Mapping[str, str | None]) -> tuple[str, ...]:
    ways = [way for way in (_KEY, _CLIENT, _TOKEN) if any(options[name] for name in way)]
    if len(ways) > 1:
        raise OptionError(
            f"{' and '.join(ways[0])} cannot be combined with {' and '.join(ways[1])}.",
            hint="Give one way to log in, as options or in the environment.",
        )
    return ways[0] if ways else _KEY


def _address(text: str, allow_http: bool, name: str) -> str:
    """Check an address, which the console shows with and without the scheme."""
    return check_base_url(text if "://" in text else f"https://{text}", allow_http, name=name)


class CspToken(Token):
    """A token of VMware Cloud."""

    def __init__(self, connection: CarbonBlackConnection, http: HttpSession) -> None:
        super().__init__(http)
        self._connection = connection

    def _fetch(self) -> tuple[str, float]:
        known = self._connection
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if known.csp_api_token is not None:
            path, form = "/csp/gateway/am/api/auth/api-tokens/authorize", {"api_token": known.csp_api_token}
        else:
            path, form = "/csp/gateway/am/api/auth/token", {"grant_type": "client_credentials"}
            login = f"{known.csp_client_id}:{known.csp_client_secret}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(login).decode('ascii')}"
        response = self.http.request(
            "POST",
            f"{known.csp_url}{path}",
            headers=headers,
            body=urlencode(form).encode(),
            idempotent=True,
            classify=_judge,
        )
        return _token_of(response)


def _judge(response: Response) -> Verdict:
    # Raised here, a refusal stops all threads before another one sends the same login.
    if response.status in (400, 401, 403):
        raise AuthenticationFailed(
            f"VMware Cloud refused the login (HTTP {response.status}).", hint=_LOGIN_HINT, code=str(response.status)
        )
    return OK


def _token_of(response: Response) -> tuple[str, float]:
    try:
        body = loads(response.body)
    except ValueError:
        body = None
    token = body.get("access_token") if isinstance(body, dict) else None
    if response.status != 200 or not isinstance(token, str) or not _SENDABLE.fullmatch(token):
        raise BadResponse(
            f"VMware Cloud answered the login with HTTP {response.status} and no token.", hint=_LOGIN_HINT
        )
    life = number(mapping(body).get("expires_in")) or 0
    return token, life if life > 0 else ASSUMED_LIFE


@dataclasses.dataclass(frozen=True)
class ScanLogPage:
    """One page of a search. ``num_found`` is how many rows match in all."""

    rows: list[Raw]
    num_found: int


class CarbonBlackClient(VendorClient[CarbonBlackConnection]):
    """One organisation. Calls go one at a time, as all of an address are counted (docs/vendors/carbon_black.md 9.2)."""

    def __init__(self, connection: CarbonBlackConnection, settings: HttpSettings) -> None:
        super().__init__(
            connection,
            settings,
            governor=Governor(1),
            token=lambda http: CspToken(connection, http) if connection.csp_url else None,
            vendor="Carbon Black Cloud",
            headers={},
            words=_words,
            auth_hint=_AUTH_HINT,
        )
        self._base = f"/containers/v1beta/orgs/{connection.org_key}/inventory/scan_logs"

    def search(self, body: Raw) -> ScanLogPage:
        """One page of the scan logs (docs/vendors/carbon_black.md 4).

        Args:
            body: criteria, query, sort, and always start and rows, because the service's own default is 20 rows.

        Raises:
            NotFound: wrong address or organisation, or the product is not enabled.
            VendorError: the search was refused.
        """
        deep = body["start"] + body["rows"] > MAX_ROWS
        answer = self._ask(
            lambda headers, look: self.api.search(f"{self._base}/_search", body, headers=headers, look=look), deep
        )
        rows = answer.get("results") if isinstance(answer, dict) else None
        found = answer.get("num_found") if isinstance(answer, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise BadResponse("Carbon Black Cloud answered a search without a list of results.")
        if not isinstance(found, int) or isinstance(found, bool):
            raise BadResponse("Carbon Black Cloud answered a search without num_found.")
        return ScanLogPage(rows, found)

    def facets(self, body: Raw) -> list[Raw]:
        """Return counts by field, in the service's order (docs/vendors/carbon_black.md 5)."""
        answer = self._ask(
            lambda headers, look: self.api.search(f"{self._base}/_facet", body, headers=headers, look=look)
        )
        terms = answer.get("terms") if isinstance(answer, dict) else None
        if not isinstance(terms, list):
            raise BadResponse("Carbon Black Cloud answered facets without terms.")
        return [term for term in terms if isinstance(term, dict)]

    def metadata(self) -> Raw:
        """Return clusters, namespaces and host names (docs/vendors/carbon_black.md 3)."""
        answer = self._ask(lambda headers, look: self.api.get(f"{self._base}/metadata", headers=headers, look=look))
        if not isinstance(answer, dict):
            raise BadResponse("Carbon Black Cloud answered metadata with something that is not an object.")
        return answer

    def _ask(self, call: t.Callable[[dict[str, str], Look], t.Any], deep: bool = False) -> t.Any:
        """Send a call with the credentials. A token may be revoked early, so a refused one is renewed once."""
        try:
            if self.token is None:
                key = f"{self.connection.api_secret_key}/{self.connection.api_id}"
                return call({"X-AUTH-TOKEN": key}, self._look(deep))
            refused: list[bool] = []
            token = self.token.get()
            answer = call({"Authorization": f"Bearer {token}"}, self._look(deep, refused))
            if refused:
                self.token.forget(token)
                answer = call({"Authorization": f"Bearer {self.token.get()}"}, self._look(deep))
            return answer
        except NotFound as error:
            error.hint = "Check api_url and org_key, and that Container Security is enabled for the organisation."
            raise

    def _look(self, deep: bool, refused: list[bool] | None = None) -> Look:
        """Judge answers that are special here: the service's rate limit, 500, and a token that may be renewed."""
        faults = 0

        def look(response: Response) -> Verdict | None:
            nonlocal faults
            if response.status == 401 and refused is not None:
                refused.append(True)
                return ACCEPT
            if response.status == 429 and parse_wait(response.headers) is None:
                return THROTTLED(DEFAULT_WAIT)
            if response.status == 500:
                faults += 1
                if faults > 1:
                    raise _fault(deep)
                return RETRY_AS(_fault(deep))
            return None

        return look


def _fault(deep: bool) -> VendorError:
    beyond = "start and rows reach beyond 10,000, which the service may refuse with this answer."
    hint = beyond if deep else "Try again later."
    return VendorError("Carbon Black Cloud answered with a fault (HTTP 500), again.", hint=hint, code="500")


def _words(body: t.Any) -> str | None:
    """The service's error text; where it appears is not documented (docs/vendors/carbon_black.md 9.1)."""
    if not isinstance(body, dict):
        return body if isinstance(body, str) else None
    names = ("message", "error_message", "error", "reason")
    return next((body[name] for name in names if isinstance(body.get(name), str)), None)


def connect(params: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> CarbonBlackClient:
    """Return the client that the options of a task and the environment describe. Sends nothing.

    Raises:
        OptionError: an option is missing, malformed or contradicts another.
    """
    return CarbonBlackClient(resolve(params, environ), settings_from(params))

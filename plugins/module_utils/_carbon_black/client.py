# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Client of Carbon Black Cloud's container scan logs: authentication, endpoints, error mapping.

This module is private to the collection and may change at any time.

See docs/vendors/carbon_black.md 2 to 5, 9.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

from .._base.errors import BadResponse, NotFound, VendorError
from .._http.governor import Governor
from .._http.jsonapi import JsonApi, Look
from .._http.response import Response
from .._http.retry import ACCEPT, RETRY_AS, THROTTLED, Verdict, parse_wait
from .._http.session import HttpSession
from .._http.settings import HttpSettings, settings_from
from .._records.codec import loads
from .connection import Connection, resolve
from .token import CspToken

Raw = dict[str, t.Any]
MAX_ROWS = 10_000
"""Ceiling of ``rows``, and of ``start`` and ``rows`` together (docs/vendors/carbon_black.md 6.2)."""
DEFAULT_WAIT = 60.0
"""Seconds to wait after a 429 that names no time (docs/vendors/carbon_black.md 9.2)."""

_AUTH_HINT = (
    "Check api_id and api_secret_key, or the csp_ options, and org_key. With HTTP 403 the access level lacks READ of"
    " workloads.container.image, or for facets CREATE."
)


@dataclasses.dataclass(frozen=True)
class Page:
    """One page of a search. ``num_found`` is how many rows match in all."""

    rows: list[Raw]
    num_found: int


class CarbonBlackClient:
    """One organisation. Calls go one at a time, as all of an address are counted (docs/vendors/carbon_black.md 9.2)."""

    def __init__(self, connection: Connection, settings: HttpSettings) -> None:
        self.connection = connection
        self.http = HttpSession(settings, governor=Governor(1), secrets=connection.secrets())
        self._base = f"/containers/v1beta/orgs/{connection.org_key}/inventory/scan_logs"
        self._token = CspToken(connection, self.http) if connection.csp_url else None
        self._api = JsonApi(
            self.http,
            connection.api_url,
            vendor="Carbon Black Cloud",
            headers={},
            loads=loads,
            words=_words,
            auth_hint=_AUTH_HINT,
        )

    def __enter__(self) -> CarbonBlackClient:
        return self

    def __exit__(self, *_details: object) -> None:
        self.http.close()

    def secrets(self) -> tuple[str, ...]:
        """Every credential, and every token that was fetched so far."""
        return (*self.connection.secrets(), *(self._token.fetched if self._token is not None else ()))

    def server_time(self) -> dt.datetime | None:
        """The ``Date`` of the newest answer, UTC; None when there was none, or it cannot be read."""
        return self._api.server_time()

    def search(self, body: Raw) -> Page:
        """One page of the scan logs (docs/vendors/carbon_black.md 4).

        Args:
            body: criteria, query, sort, and always start and rows: the service's own default is 20 rows.

        Raises:
            NotFound: wrong address or organisation, or the product is not enabled.
            VendorError: the search was refused.
        """
        deep = body["start"] + body["rows"] > MAX_ROWS
        answer = self._ask(
            lambda headers, look: self._api.search(f"{self._base}/_search", body, headers=headers, look=look), deep
        )
        rows = answer.get("results") if isinstance(answer, dict) else None
        found = answer.get("num_found") if isinstance(answer, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise BadResponse("Carbon Black Cloud answered a search without a list of results.")
        if not isinstance(found, int) or isinstance(found, bool):
            raise BadResponse("Carbon Black Cloud answered a search without num_found.")
        return Page(rows, found)

    def facets(self, body: Raw) -> list[Raw]:
        """Counts by field, in the service's order (docs/vendors/carbon_black.md 5)."""
        answer = self._ask(
            lambda headers, look: self._api.search(f"{self._base}/_facet", body, headers=headers, look=look)
        )
        terms = answer.get("terms") if isinstance(answer, dict) else None
        if not isinstance(terms, list):
            raise BadResponse("Carbon Black Cloud answered facets without terms.")
        return [term for term in terms if isinstance(term, dict)]

    def metadata(self) -> Raw:
        """Clusters, namespaces and host names (docs/vendors/carbon_black.md 3)."""
        answer = self._ask(lambda headers, look: self._api.get(f"{self._base}/metadata", headers=headers, look=look))
        if not isinstance(answer, dict):
            raise BadResponse("Carbon Black Cloud answered metadata with something that is not an object.")
        return answer

    def _ask(self, call: t.Callable[[dict[str, str], Look], t.Any], deep: bool = False) -> t.Any:
        """Send with the credentials. A token may be withdrawn before its time, so a refused one is renewed, once."""
        try:
            if self._token is None:
                key = f"{self.connection.api_secret_key}/{self.connection.api_id}"
                return call({"X-AUTH-TOKEN": key}, self._look(deep))
            refused: list[bool] = []
            token = self._token.get()
            answer = call({"Authorization": f"Bearer {token}"}, self._look(deep, refused))
            if refused:
                self._token.forget(token)
                answer = call({"Authorization": f"Bearer {self._token.get()}"}, self._look(deep))
            return answer
        except NotFound as error:
            error.hint = "Check api_url and org_key, and that Container Security is enabled for the organisation."
            raise

    def _look(self, deep: bool, refused: list[bool] | None = None) -> Look:
        """What is special here: the service's rate limit, 500, and a token that may be renewed."""
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
    hint = "start and rows reach beyond 10,000, which the service may refuse so." if deep else "Try again later."
    return VendorError("Carbon Black Cloud answered with a fault (HTTP 500), again.", hint=hint, code="500")


def _words(body: t.Any) -> str | None:
    """The service's own words; where they stand is not documented (docs/vendors/carbon_black.md 9.1)."""
    if not isinstance(body, dict):
        return body if isinstance(body, str) else None
    names = ("message", "error_message", "error", "reason")
    return next((body[name] for name in names if isinstance(body.get(name), str)), None)


def connect(params: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> CarbonBlackClient:
    """The client that the options of a task, and the environment, describe. Sends nothing.

    Raises:
        OptionError: an option is missing, malformed or contradicts another.
    """
    return CarbonBlackClient(resolve(params, environ), settings_from(params))

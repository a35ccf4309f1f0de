# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Client of Scutum's defence log API: two calls that share a limit of 25 in five minutes.

This module is private to the collection and may change at any time.

See docs/vendors/scutum_waf.md 2 to 6.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

from .._base.errors import BadResponse, NotFound, RateLimited, VendorError
from .._http.environment import require, with_environment
from .._http.governor import Governor
from .._http.response import Response
from .._http.retry import Verdict
from .._http.session import HttpSession
from .._http.settings import HttpSettings, check_base_url, settings_from
from .._records.codec import dumps
from .._vendor.client import Raw, Session, VendorClient, VendorConnection
from .fields import japan_text

LIST, DETAIL = "/api/v1/alert", "/api/v1/alert_detail"
CALLS, PER_SECONDS = 25, 300.0
"""Calls within this many seconds, for list and detail together (docs/vendors/scutum_waf.md 5)."""

RESERVED = 5
"""Calls that are reserved for listings when there is no time to wait for more."""

AUTH_HINT = (
    "Check api_key; check that it was issued for this scutum_host and scutum_id; and check in the console that this"
    " machine's address may call the API."
)

DEFAULT_URL = "https://api.scutum.jp"
ENVIRONMENT = {
    "api_url": "SCUTUM_URL",
    "api_key": "SCUTUM_API_KEY",
    "scutum_host": "SCUTUM_HOST",
    "scutum_id": "SCUTUM_ID",
}
_CONSOLE_HINT = "The console of Scutum shows it, and issues a key for each host."


@dataclasses.dataclass(frozen=True)
class ScutumConnection(VendorConnection):
    """Resolved connection. ``host`` is the FQDN that the key was issued for, ``id`` the console id of that FQDN."""

    api_key: str = dataclasses.field(repr=False)
    host: str
    id: str


def resolve(params: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> ScutumConnection:
    """The connection that the options and the environment describe.

    Raises:
        OptionError: something is missing, or ``api_url`` is not a valid address.
    """
    options = with_environment(params, environ, ENVIRONMENT)
    return ScutumConnection(
        api_url=check_base_url(options["api_url"] or DEFAULT_URL, bool(params.get("allow_http"))),
        api_key=require(options, "api_key", ENVIRONMENT, _CONSOLE_HINT),
        host=require(options, "scutum_host", ENVIRONMENT, _CONSOLE_HINT),
        id=require(options, "scutum_id", ENVIRONMENT, _CONSOLE_HINT),
    )


@dataclasses.dataclass(frozen=True)
class AlertQuery:
    """What a listing asks for. It is frozen: a marker carries none of it, so each page has to repeat it exactly.

    Attributes:
        order: ``asc`` or ``desc``, by time.
        start: inclusive; None for the oldest log that is kept.
        end: exclusive. Always set, because a moving "now" would differ from page to page.
        ip: one source address, or None.
    """

    order: str
    start: dt.datetime | None
    end: dt.datetime
    ip: str | None = None

    def query(self) -> tuple[tuple[str, str], ...]:
        """The parameters of the list call, without host, id and marker."""
        pairs = [("time_order", self.order)]
        if self.start is not None:
            pairs.append(("from", japan_text(self.start)))
        pairs.append(("to", japan_text(self.end)))
        if self.ip is not None:
            pairs.append(("ip", self.ip))
        return tuple(pairs)


@dataclasses.dataclass(frozen=True)
class AlertPage:
    """One page of the list. ``marker`` is None on the last one; ``whole`` says whether ``count`` rows are there."""

    rows: list[Raw]
    marker: str | None
    whole: bool


class ScutumClient(VendorClient[ScutumConnection]):
    """One host at Scutum."""

    def __init__(self, connection: ScutumConnection, settings: HttpSettings, *, session: Session = HttpSession) -> None:
        self.max_wait = settings.max_wait
        self.governor = Governor(1, calls=CALLS, per_seconds=PER_SECONDS)
        self._listed = False
        super().__init__(
            connection,
            settings,
            governor=self.governor,
            session=session,
            vendor="Scutum",
            headers={"X-Scutum-API-Key": connection.api_key},
            words=_words,
            auth_hint=AUTH_HINT,
            pause=self.governor.clear_in,
        )

    def page(self, listing: AlertQuery, marker: str | None = None) -> AlertPage:
        """One page of at most 1000 alerts.

        Raises:
            VendorError: the parameters or the marker were refused; ``code`` is the status.
            BadResponse: the answer is not a page, or announces more logs without a marker.
        """
        query = (*self._who(), *listing.query())
        answer = self.api.get(LIST, (*query, ("marker", marker)) if marker else query)
        self._listed = True
        return _page(answer)

    def detail(self, log_id: str, *, spare: bool = False) -> Raw | None:
        """Return one alert with its recorded request and response; None when it does not exist or is over a year old.

        Args:
            log_id: id of the alert.
            spare: whether the run can do without it. Then a fault or a throttled call is not retried, and once a list
                was read, a 403 concerns this call and not the credentials.

        Raises:
            VendorError: the call was refused; ``code`` is the status.
            RateLimited: the service asked to slow down, or ``max_wait`` is used up.
        """
        try:
            answer = self.api.get(
                DETAIL, (*self._who(), ("log_id", log_id)), look=self._look_at_spare if spare else None
            )
        except NotFound:
            return None
        if not isinstance(answer, dict):
            raise BadResponse("Scutum answered a detail call with something that is not an object.")
        return answer

    def _look_at_spare(self, response: Response) -> Verdict | None:
        status = response.status
        if status == 429:
            raise RateLimited("Scutum asked to slow down (HTTP 429).", code="429")
        if status >= 500 or (status == 403 and self._listed):
            raise VendorError(f"Scutum refused a detail (HTTP {status}).", code=str(status))
        return None

    def has_spare_call(self, needed: int = 0) -> bool:
        """Whether one more call leaves enough for more important calls.

        Either they all fit before anybody has to wait, or the rest of ``max_wait`` covers their wait.

        Args:
            needed: the minimum number of those calls.
        """
        budget = self.governor.budget
        left = self.max_wait if budget is None else budget.left
        after = left - self.governor.due_in()
        room, reserved = self.governor.room() or 0, max(RESERVED, needed)
        if room > reserved:
            return True
        # In the worst case a wait takes a whole window of the rate limit, and a little more.
        later = CALLS * int(after // (PER_SECONDS + 1))
        return after >= max(PER_SECONDS, self.max_wait / 2) and room + later > reserved

    def _who(self) -> tuple[tuple[str, str], ...]:
        return ("host", self.connection.host), ("id", self.connection.id)


def _page(answer: t.Any) -> AlertPage:
    rows = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadResponse("Scutum answered a list call with something that is not a page of logs.")
    count = answer.get("count")
    whole = not isinstance(count, int) or count == len(rows)
    # Only "truncated" ends the pages: there may be a marker although nothing follows (docs/vendors/scutum_waf.md 6.1).
    truncated = answer.get("truncated")
    if not isinstance(truncated, bool):
        raise BadResponse(
            "Scutum does not say whether more logs follow: truncated is neither true nor false.",
            hint="Nothing of this window was kept. Try again later.",
        )
    if not truncated:
        return AlertPage(rows, None, whole)
    marker = answer.get("next_marker")
    if not isinstance(marker, str) or not marker:
        raise BadResponse(
            "Scutum says that more logs follow (truncated), and gives no next_marker.",
            hint="Ask for a shorter time; a page holds at most 1000 logs.",
        )
    return AlertPage(rows, marker, whole)


def _words(body: t.Any) -> str:
    """The error text. The format of error bodies is not documented, so an unknown one is shown unchanged."""
    if isinstance(body, dict):
        for name in ("message", "error", "errorMessage"):
            if isinstance(body.get(name), str):
                return str(body[name])
    return body if isinstance(body, str) else dumps(body).decode()


def connect(params: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> ScutumClient:
    """Return the client that the options of a task and the environment describe. Sends nothing.

    Raises:
        OptionError: an option is missing or malformed.
    """
    return ScutumClient(resolve(params, environ), settings_from(params))

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Client of the Edgecast WAF event logs: authentication, endpoints, error mapping.

This module is private to the collection and may change at any time.

See docs/vendors/edgecast_waf.md 2 to 4.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
import typing as t

from .._base.errors import BadResponse, NotFound, OptionError, VendorError
from .._http.environment import require, with_environment
from .._http.jsonapi import Look, segment
from .._http.response import Response
from .._http.retry import ACCEPT, RETRY_AS, Verdict
from .._http.settings import HttpSettings, check_base_url, settings_from
from .._records.codec import loads
from .._records.coerce import whole
from .._vendor.client import Raw, VendorClient, VendorConnection
from .fields import event_id_of

MAX_PAGE_SIZE = 1000
"""Ceiling of ``page_size`` (docs/vendors/edgecast_waf.md 3.1)."""

_AUTH_HINT = (
    "Check token and account_number; the user of the token needs the permission for GET in its API access (HTTP 403)."
)
_WINDOW_HINT = "Check account_number, and that start_time is not more than 30 days ago: older events are gone."

DEFAULT_URL = "https://api.transactcdn.com"

ENVIRONMENT = {
    "api_url": "EDGECAST_URL",
    "account_number": "EDGECAST_ACCOUNT_NUMBER",
    "token": "EDGECAST_TOKEN",
}

_ACCOUNT = re.compile(r"[0-9A-Za-z-]{1,40}")

Filters = dict[str, t.Union[str, list[str]]]
"""Field name as the vendor shows it, to one value or several, of which one must match."""

_FILTER_HINT = "Give an object such as {Host: [www.example.com, secure.example.com], Profile Name: My Profile}."


@dataclasses.dataclass(frozen=True)
class EdgecastConnection(VendorConnection):
    """Resolved connection. ``account_number`` is text: its leading zeros count."""

    account_number: str
    token: str = dataclasses.field(repr=False)


def resolve(params: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> EdgecastConnection:
    """The connection that the options and the environment describe.

    Raises:
        OptionError: something is missing or malformed.
    """
    options = with_environment(params, environ, ENVIRONMENT)
    account = require(options, "account_number", ENVIRONMENT)
    if not _ACCOUNT.fullmatch(account):
        raise OptionError(
            "account_number is not the number of an account.",
            hint="Give the letters and digits that the control center shows, in quotes, such as '0001'.",
        )
    # Some pages of the vendor print the token with its scheme.
    token = re.sub(r"\Atok:\s*", "", require(options, "token", ENVIRONMENT), flags=re.IGNORECASE)
    return EdgecastConnection(
        api_url=check_base_url(options["api_url"] or DEFAULT_URL, bool(params.get("allow_http"))),
        account_number=account,
        token=token,
    )


def check_filters(given: t.Any) -> Filters:
    """Return the filters of a task, with numbers as text; empty if there are none.

    Raises:
        OptionError: the value is not an object whose values are texts or lists of texts.
    """
    if not given:
        return {}
    if not isinstance(given, t.Mapping):
        raise OptionError("event_filters must be an object: field names with their values.", hint=_FILTER_HINT)
    filters: Filters = {}
    for name, value in given.items():
        if not isinstance(name, str) or not name.strip():
            raise OptionError("event_filters: the name of a field is empty.", hint=_FILTER_HINT)
        if isinstance(value, (list, tuple)):
            if not value:
                raise OptionError(f"event_filters: {name} has an empty list.", hint=_FILTER_HINT)
            filters[name] = [_filter_text(name, item) for item in value]
        else:
            filters[name] = _filter_text(name, value)
    return filters


def _filter_text(name: str, value: t.Any) -> str:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise OptionError(
        f"event_filters: {name} needs a text that is not empty, or a list of such texts.", hint=_FILTER_HINT
    )


@dataclasses.dataclass(frozen=True)
class Bounds:
    """A frozen span of time, UTC, in whole seconds, as the service requires."""

    start: dt.datetime
    end: dt.datetime

    def query(self) -> list[tuple[str, str]]:
        """The span as parameters. They have no zone; the service reads them as UTC."""
        return [("start_time", f"{self.start:%Y-%m-%dT%H:%M:%S}"), ("end_time", f"{self.end:%Y-%m-%dT%H:%M:%S}")]


@dataclasses.dataclass(frozen=True)
class EventPage:
    """One page. ``page_of`` is how many there are at this moment; it may be 0 when there are no events.

    ``events`` are the vendor's objects, unless a reader has converted them; then ``own`` has their ids.
    """

    events: list[t.Any]
    number: int
    page_of: int
    time_from: float | None
    time_to: float | None
    own: frozenset[int] | None = None

    def ids(self) -> frozenset[int]:
        """Numbers that stand for the events' ids: texts would be megabytes for each span that is read."""
        return frozenset(hash(event_id_of(raw)) for raw in self.events) if self.own is None else self.own


Read = t.Callable[[bytes], "EventPage | None"]
"""Makes a page of an answer itself; None for what has to be judged as usual."""


class EdgecastClient(VendorClient[EdgecastConnection]):
    """One account. Safe to be used from many threads. Every call raises the errors of ``_http``."""

    def __init__(self, connection: EdgecastConnection, settings: HttpSettings) -> None:
        super().__init__(
            connection,
            settings,
            vendor="Edgecast",
            headers={"Authorization": f"TOK:{connection.token}"},
            words=_words,
            auth_hint=_AUTH_HINT,
        )
        self.workers = settings.max_connections
        self._base = f"/v2/mcc/customers/{connection.account_number}/waf/eventlogs"

    def page(
        self, bounds: Bounds, filters: Filters, number: int, page_size: int, *, read: Read | None = None
    ) -> EventPage:
        """One page of the events in a span of time (docs/vendors/edgecast_waf.md 3.1).

        Args:
            bounds: the span; both ends are always sent, because the service's default of 24 hours moves between
            requests. filters: field name to the values that match.
            number: from 1.
            page_size: 1 to 1000.
            read: makes the page of a good answer.

        Raises:
            VendorError: refused. With filters, a fault of the server (HTTP 500) is attributed to them.
        """
        query = bounds.query()
        if filters:
            query.append(("filters", json.dumps(filters, ensure_ascii=False, separators=(",", ":"))))
        query += [("page", str(number)), ("page_size", str(page_size))]
        try:
            body = self.api.get(self._base, query, look=self._look(with_filters=bool(filters)), loads=_with(read))
        except VendorError as error:
            if error.code == "400":
                error.hint = _WINDOW_HINT
            raise
        return body if isinstance(body, EventPage) else page_of(body, number)

    def count(self, bounds: Bounds) -> int:
        """Return the number of events in a span; filters are not documented here (docs/vendors/edgecast_waf.md 3.5)."""
        body = self.api.get(f"{self._base}/count", bounds.query(), look=self._look())
        number = body.get("count") if isinstance(body, dict) else None
        if not isinstance(number, int) or isinstance(number, bool):
            raise BadResponse("Edgecast answered count without a number.")
        return number

    def event(self, event_id: str) -> Raw | None:
        """Return one event by ``Event ID``, ``id`` or the id on a block page (docs/vendors/edgecast_waf.md 3.3).

        Returns:
            None when there is no such event, for which the vendor documents three different answers.
        """
        try:
            body = self.api.get(f"{self._base}/{segment(event_id)}", look=self._look(may_be_empty=True))
        except NotFound:
            return None
        except VendorError as error:
            if error.code != "400":
                raise
            self.fields()  # an unknown account number gives 400 too, but here as well
            return None
        event = body.get("event") if isinstance(body, dict) else None
        return event if isinstance(event, dict) and event else None

    def fields(self) -> list[Raw]:
        """Return the fields that filters may name: name, data_type, description (docs/vendors/edgecast_waf.md 3.4)."""
        body = self.api.get(f"{self._base}/fields", look=self._look())
        fields = body.get("fields") if isinstance(body, dict) else None
        if not isinstance(fields, list):
            raise BadResponse("Edgecast answered fields without a list of fields.")
        return [field for field in fields if isinstance(field, dict)]

    def _look(self, *, with_filters: bool = False, may_be_empty: bool = False) -> Look:
        """Judge answers that are special here: 500 for wrong filters, and answers without a body."""
        faults = 0

        def look(response: Response) -> Verdict | None:
            nonlocal faults
            if with_filters and response.status == 500:
                faults += 1
                if faults > 1:
                    raise _filter_error()
                return RETRY_AS(_filter_error())
            if may_be_empty and response.status in (200, 204) and not response.body.strip():
                return ACCEPT
            return None

        return look


def _filter_error() -> VendorError:
    return VendorError(
        "Edgecast answered a request with event_filters with HTTP 500, which is its answer to wrong filters.",
        hint="Check the names and values in event_filters; fields: true lists the names.",
        code="500",
    )


def _with(read: Read | None) -> t.Callable[[bytes], t.Any] | None:
    """Parse an answer with a reader, and as usual if the reader returns None."""
    if read is None:
        return None

    def parse(body: bytes) -> t.Any:
        page = read(body)
        return loads(body) if page is None else page

    return parse


def page_of(body: t.Any, asked: int) -> EventPage:
    """The page that a parsed answer is.

    Raises:
        BadResponse: the answer has no list of events.
    """
    events = body.get("events") if isinstance(body, dict) else None
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise BadResponse(
            "Edgecast answered without a list of events.", hint="Check api_url: another service may answer there."
        )
    return EventPage(
        events=events,
        number=asked if (told := whole(body.get("page"))) is None else told,
        page_of=1 if (told := whole(body.get("page_of"))) is None else told,
        time_from=_seconds(body.get("time_from")),
        time_to=_seconds(body.get("time_to")),
    )


def _seconds(value: t.Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _words(body: t.Any) -> str | None:
    """The vendor's error text, which is in ``errors`` or ``Message`` (docs/vendors/edgecast_waf.md 4)."""
    if not isinstance(body, dict):
        return body if isinstance(body, str) else None
    errors = body.get("errors")
    for error in errors if isinstance(errors, list) else ():
        if isinstance(error, dict) and isinstance(error.get("message"), str):
            return t.cast(str, error["message"])
    return next((body[name] for name in ("Message", "message") if isinstance(body.get(name), str)), None)


def connect(params: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> EdgecastClient:
    """Return the client that the options of a task and the environment describe. Sends nothing.

    Raises:
        OptionError: an option is missing or malformed.
    """
    return EdgecastClient(resolve(params, environ), settings_from(params))

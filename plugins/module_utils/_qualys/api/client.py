# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Client of the Qualys WAS API: authentication, endpoints, pages (docs/vendors/qualys_was.md 2 to 4, 6).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import base64
import dataclasses
import pathlib
import typing as t

from ..._base.errors import AuthenticationFailed, BadResponse, NotFound, VendorError
from ..._http.governor import SharedPlaces
from ..._http.response import Response
from ..._http.retry import ACCEPT, Verdict
from ..._http.session import HttpSession
from ..._http.settings import HttpSettings, settings_from
from ..._records.codec import dumps
from .connection import QualysConnection, resolve
from .criteria import Criterion
from .envelope import Parse, envelope_of, judge
from .shapes import Raw, number, truth
from .shared_limit import LockDirectory
from .token import TokenSource
from .xml import Node, service_request

JSON = "application/json"
XML = "application/xml"
MAX_PAGE = 1000
"""Ceiling of ``limitResults`` (docs/vendors/qualys_was.md 6.1)."""

_PLACES = {"tag": ("2.0", "am")}
"""API version and module of the objects whose paths do not start with ``3.0/was`` (docs/vendors/qualys_was.md 2.1)."""

Judge = t.Callable[[Response], Verdict]
"""Returns the verdict on an answer, as :func:`.envelope.judge` does, and stores what it parsed in ``response.memo``."""


@dataclasses.dataclass(frozen=True)
class SearchPage:
    """One page of a search. ``last_id`` is the cursor; None if there is no further page."""

    records: list[Raw]
    last_id: int | None


class QualysClient:
    """One account at one Qualys platform. Safe for use by many threads.

    Every call raises the errors of :class:`.HttpSession` and of :func:`.envelope.judge`.
    """

    def __init__(
        self, connection: QualysConnection, settings: HttpSettings, *, shared: SharedPlaces | None = None
    ) -> None:
        self.connection = connection
        self.workers = settings.max_connections
        self._basic = _basic_value(connection)
        self._token: TokenSource | None = None
        self.http = HttpSession(settings, shared=shared, secrets=self.secrets())
        if connection.client_id:
            self._token = TokenSource(connection, self.http)

    @property
    def threads(self) -> int:
        """The number of threads for many small reads.

        A thread that waits before a retry uses no connection, so with only as many threads as connections, each retry
        would leave a connection idle. For large pages use ``workers``: each thread keeps a page in memory.
        """
        return 1 if self.workers == 1 else 2 * self.workers

    def __enter__(self) -> QualysClient:
        return self

    def __exit__(self, *_details: object) -> None:
        self.http.close()

    def secrets(self) -> tuple[str, ...]:
        """Return every credential, also in the form in which it is sent, and every token that was fetched so far."""
        tokens = self._token.fetched if self._token is not None else ()
        return (*self.connection.secrets(), *((self._basic,) if self._basic else ()), *tokens)

    # Reads

    def count(self, resource: str, criteria: t.Sequence[Criterion]) -> int:
        """Return how many records match.

        Raises:
            BadResponse: the answer has no count.
        """
        api, module = place_of(resource)
        path = f"count/{module}/{resource}"
        count = number(self._read("POST", path, _search_body(criteria, {}), api=api).get("count"))
        if count is None:
            raise BadResponse(f"Qualys answered {path} without a count.")
        return count

    def page(
        self,
        resource: str,
        criteria: t.Sequence[Criterion],
        *,
        limit: int,
        verbose: bool = False,
        offset: int | None = None,
    ) -> SearchPage:
        """Read one page of a search, ascending by id.

        Args:
            resource: object name in the path, such as ``webapp``.
            criteria: the criteria; all must match.
            limit: page size, 1 to 1000.
            verbose: whether to ask for the long form of each record.
            offset: one-based index of the first record.
        """
        preferences: dict[str, t.Any] = {"limitResults": limit}
        if verbose:
            preferences["verbose"] = "true"
        if offset is not None:
            preferences["startFromOffset"] = offset
        api, _module = place_of(resource)
        path = search_path(resource)
        return page_of(self._read("POST", path, _search_body(criteria, preferences), api=api), path)

    def search(
        self, resource: str, criteria: t.Sequence[Criterion], *, limit: int, verbose: bool, parse: Parse
    ) -> None:
        """Read one page as :meth:`page` does, but return nothing: ``parse`` processes the body.

        Args:
            resource: object name in the path.
            criteria: the criteria; all must match.
            limit: page size, 1 to 1000.
            verbose: whether to ask for the long form of each record.
            parse: receives the body of each answer, and returns its envelope, with or without the records, or None.
        """
        preferences: dict[str, t.Any] = {"limitResults": limit, **({"verbose": "true"} if verbose else {})}
        body = _search_body(criteria, preferences)
        self._read("POST", search_path(resource), body, api=place_of(resource)[0], parse=parse)

    def get(self, resource: str, record_id: int | str) -> Raw | None:
        """Return one record in full, or None if it does not exist.

        Three different answers mean that it does not exist (docs/vendors/qualys_was.md 4.3).
        """
        api, module = place_of(resource)
        path = f"get/{module}/{resource}/{record_id}"
        try:
            envelope = self._read("GET", path, None, api=api)
        except NotFound:
            return None
        except VendorError as error:
            if error.code == "INVALID_REQUEST":
                return None
            raise
        records = page_of(envelope, path).records
        return records[0] if records else None

    def ask(self, method: str, operation: str, resource: str, record_id: int | str) -> list[Raw]:
        """Send another read about one record, such as ``retestStatus`` (docs/vendors/qualys_was.md 11.7)."""
        path = f"{operation}/was/{resource}/{record_id}"
        return page_of(self._read(method, path, None), path).records

    # Writes

    def write(
        self, operation: str, resource: str, data: t.Mapping[str, Node] | None, record_id: int | str | None = None
    ) -> list[Raw]:
        """Send a create, update, delete or another write. It is never repeated once the server may have received it.

        Args:
            operation: the first part of the path, such as ``update``.
            resource: object name in the path.
            data: the content of ``<data>``; None sends no body, as some operations require.
            record_id: the record; None for a create.

        Returns:
            The records in the answer; for an update only their ids.

        Raises:
            TransportError: the connection failed; ``sent`` is True if the write may have happened.
        """
        path = f"{operation}/was/{resource}" + (f"/{record_id}" if record_id is not None else "")
        body = None if data is None else service_request(data)
        return page_of(self._call("POST", path, body, XML, idempotent=False), path).records

    # Transport

    def _read(self, method: str, path: str, body: bytes | None, *, api: str = "3.0", parse: Parse = envelope_of) -> Raw:
        return self._call(method, path, body, JSON, idempotent=True, api=api, parse=parse)

    def _call(
        self,
        method: str,
        path: str,
        body: bytes | None,
        content_type: str,
        *,
        idempotent: bool,
        api: str = "3.0",
        parse: Parse = envelope_of,
    ) -> Raw:
        response = self.request(
            method,
            f"/qps/rest/{api}/{path}",
            lambda response: judge(response, path, idempotent=idempotent, parse=parse),
            body=body,
            content_type=content_type,
            idempotent=idempotent,
        )
        return t.cast(Raw, response.memo["envelope"])

    def request(
        self,
        method: str,
        target: str,
        judged_by: Judge,
        *,
        body: bytes | None = None,
        content_type: str = JSON,
        accept: str = JSON,
        idempotent: bool = True,
    ) -> Response:
        """Send a request with the credentials, and return the answer in any format.

        Args:
            method: HTTP method.
            target: path and query.
            judged_by: returns the verdict on each complete answer.
            body: request body.
            content_type: media type of the body.
            accept: media type that the answer should have.
            idempotent: False for a write.
        """
        url = f"{self.connection.api_url}{target}"
        headers = {"Accept": accept, "X-Requested-With": "appsec.perimeter"}
        if body is not None:
            headers["Content-Type"] = content_type
        if self._token is None:
            authorization = {"Authorization": f"Basic {self._basic}"}
            return self._send(method, url, headers | authorization, body, judged_by, idempotent=idempotent)
        return self._send_with_token(self._token, method, url, headers, body, judged_by, idempotent=idempotent)

    def _send(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes | None,
        judged_by: Judge,
        *,
        idempotent: bool,
        renewable: bool = False,
    ) -> Response:
        def classify(response: Response) -> Verdict:
            try:
                verdict = judged_by(response)
            except AuthenticationFailed:
                if not renewable:
                    raise
            else:
                if not renewable or response.status != 401:
                    return verdict
            response.memo["refused"] = True
            return ACCEPT

        return self.http.request(method, url, headers=headers, body=body, idempotent=idempotent, classify=classify)

    def _send_with_token(
        self,
        tokens: TokenSource,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes | None,
        judged_by: Judge,
        *,
        idempotent: bool,
    ) -> Response:
        """Send a request with a token, and repeat it once with a new token if the token was refused.

        A token may be revoked before it expires. Writes are repeated too: a request with a refused token has no effect.
        """

        def send(*, renewable: bool) -> tuple[Response, str]:
            token = tokens.get()
            bearer = {"Authorization": f"Bearer {token}", "request-source": "gateway"}
            return self._send(
                method, url, headers | bearer, body, judged_by, idempotent=idempotent, renewable=renewable
            ), token

        response, token = send(renewable=True)
        if "refused" in response.memo:
            tokens.forget(token)
            response, _token = send(renewable=False)
        return response


def place_of(resource: str) -> tuple[str, str]:
    """Return API version and module of an object."""
    return _PLACES.get(resource, ("3.0", "was"))


def _basic_value(connection: QualysConnection) -> str | None:
    if connection.username is None:
        return None
    return base64.b64encode(f"{connection.username}:{connection.password}".encode()).decode("ascii")


def _search_body(criteria: t.Sequence[Criterion], preferences: dict[str, t.Any]) -> bytes:
    request: dict[str, t.Any] = {}
    if criteria:
        request["filters"] = {"Criteria": list(criteria)}
    if preferences:
        request["preferences"] = preferences
    return dumps({"ServiceRequest": request})


def search_path(resource: str) -> str:
    """Return the path of a search, without API version."""
    return f"search/{place_of(resource)[1]}/{resource}"


def page_of(envelope: Raw, path: str) -> SearchPage:
    """Return the records and the cursor of an envelope, which has no ``data`` if there are no records.

    See docs/vendors/qualys_was.md 3.2.

    Raises:
        BadResponse: ``data`` is not a list of records, or the cursor for further records is missing.
    """
    data = envelope.get("data") or []
    if not isinstance(data, list):
        raise BadResponse(f"Qualys answered {path} with data that is not a list.")
    records: list[Raw] = []
    for entry in data:
        record = next(iter(entry.values()), None) if isinstance(entry, dict) and len(entry) == 1 else None
        if not isinstance(record, dict):
            raise BadResponse(f"Qualys answered {path} with an entry that is not a record.")
        records.append(record)
    if not truth(envelope.get("hasMoreRecords")):
        return SearchPage(records, None)
    last_id = number(envelope.get("lastId"))
    if last_id is None and records:
        last_id = number(records[-1].get("id"))
    if last_id is None:
        raise BadResponse(f"Qualys announced more records for {path}, but its answer has no lastId.")
    return SearchPage(records, last_id)


def connect(params: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> QualysClient:
    """Return a client for the options of a task and the environment. Sends nothing.

    Raises:
        OptionError: an option is missing, malformed or contradicts another.
        StateError: the directory ``shared_limit`` cannot be used.
    """
    connection, settings = resolve(params, environ), settings_from(params)
    folder = params.get("shared_limit")
    shared = None
    if folder:
        place = pathlib.Path(folder).expanduser()
        shared = LockDirectory(place, connection.account(), settings.max_connections)
    return QualysClient(connection, settings, shared=shared)

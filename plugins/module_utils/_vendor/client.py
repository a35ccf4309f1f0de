# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client of a service that answers in JSON: where it is, its session, its calls, its credentials.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

from .._http.governor import Governor
from .._http.jsonapi import JsonApi
from .._http.session import HttpSession
from .._http.settings import HttpSettings
from .._records.codec import loads
from .token import Token

Raw = dict[str, t.Any]
"""An object as a vendor sent it."""


@dataclasses.dataclass(frozen=True)
class VendorConnection:
    """Where a service is, and who asks. A vendor adds its own fields, and marks its credentials with ``repr=False``."""

    api_url: str

    def secrets(self) -> tuple[str, ...]:
        """Return every value that must never be shown: each field that is left out of the representation."""
        values = (getattr(self, field.name) for field in dataclasses.fields(self) if not field.repr)
        return tuple(value for value in values if value)


C = t.TypeVar("C", bound=VendorConnection)
Session = t.Callable[..., HttpSession]


class VendorClient(t.Generic[C]):
    """One account at one service.

    Args:
        connection: where the service is, and the credentials.
        settings: the connection options.
        governor: the limits of the service; None if only those of the settings apply.
        token: makes the token from the session, if the service requires one.
        session: makes the session; replaced in tests that control time.
        calls: the arguments of :class:`JsonApi` for this service.
    """

    def __init__(
        self,
        connection: C,
        settings: HttpSettings,
        *,
        governor: Governor | None = None,
        token: t.Callable[[HttpSession], Token | None] = lambda _http: None,
        session: Session = HttpSession,
        **calls: t.Any,
    ) -> None:
        self.connection = connection
        self.http = session(settings, governor=governor, secrets=connection.secrets())
        self.token = token(self.http)
        self.api = JsonApi(self.http, connection.api_url, loads=loads, **calls)

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_details: object) -> None:
        self.http.close()

    def secrets(self) -> tuple[str, ...]:
        """Return every credential, and every token that was fetched so far."""
        return (*self.connection.secrets(), *(self.token.fetched if self.token is not None else ()))

    def server_time(self) -> dt.datetime | None:
        """Return the ``Date`` of the newest answer, UTC; None when it had none, or it cannot be parsed."""
        return self.api.server_time()

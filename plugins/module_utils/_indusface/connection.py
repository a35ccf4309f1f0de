# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Indusface WAS is and who asks (docs/vendors/indusface_was.md 2).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .._http.environment import require, with_environment
from .._http.settings import check_base_url

DEFAULT_URL = "https://was.indusface.com"
"""The vendor's page prints http, which would expose the keys (docs/vendors/indusface_was.md 2)."""

ENVIRONMENT = {
    "api_url": "INDUSFACE_WAS_URL",
    "access_key": "INDUSFACE_WAS_ACCESS_KEY",
    "secret_key": "INDUSFACE_WAS_SECRET_KEY",
}
_HINT = "The portal shows both keys once: Settings, Scan Log Config, API Key Based, Generate Key."


@dataclasses.dataclass(frozen=True)
class Connection:
    """Resolved connection. ``user_agent`` replaces the collection's own when it is set."""

    api_url: str
    access_key: str = dataclasses.field(repr=False)
    secret_key: str = dataclasses.field(repr=False)
    user_agent: str | None = None

    def secrets(self) -> tuple[str, ...]:
        """Every value that must never be shown."""
        return self.access_key, self.secret_key


def resolve(params: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> Connection:
    """The connection that the options and the environment describe.

    Raises:
        OptionError: something is missing, or ``api_url`` is not an address or uses plain http to another machine.
    """
    options = with_environment(params, environ, ENVIRONMENT)
    return Connection(
        api_url=check_base_url(options["api_url"] or DEFAULT_URL, bool(params.get("allow_http"))),
        access_key=require(options, "access_key", ENVIRONMENT, _HINT),
        secret_key=require(options, "secret_key", ENVIRONMENT, _HINT),
        user_agent=params.get("user_agent") or None,
    )

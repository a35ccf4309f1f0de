# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Scutum is and who asks: a key belongs to one host and the console id of that host.

This module is private to the collection and may change at any time.

See docs/vendors/scutum_waf.md 2.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .._http.environment import require, with_environment
from .._http.settings import check_base_url

DEFAULT_URL = "https://api.scutum.jp"
ENVIRONMENT = {
    "api_url": "SCUTUM_URL",
    "api_key": "SCUTUM_API_KEY",
    "scutum_host": "SCUTUM_HOST",
    "scutum_id": "SCUTUM_ID",
}
_HINT = "The console of Scutum shows it, and issues a key for each host."


@dataclasses.dataclass(frozen=True)
class Connection:
    """Resolved connection. ``host`` is the FQDN that the key was issued for, ``id`` the console id of that FQDN."""

    api_url: str
    api_key: str = dataclasses.field(repr=False)
    host: str
    id: str

    def secrets(self) -> tuple[str, ...]:
        """Every value that must never be shown."""
        return (self.api_key,)


def resolve(params: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> Connection:
    """The connection that the options and the environment describe.

    Raises:
        OptionError: something is missing, or ``api_url`` is not an address.
    """
    options = with_environment(params, environ, ENVIRONMENT)
    return Connection(
        api_url=check_base_url(options["api_url"] or DEFAULT_URL, bool(params.get("allow_http"))),
        api_key=require(options, "api_key", ENVIRONMENT, _HINT),
        host=require(options, "scutum_host", ENVIRONMENT, _HINT),
        id=require(options, "scutum_id", ENVIRONMENT, _HINT),
    )

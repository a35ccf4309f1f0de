# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Carbon Black Cloud is and who asks: an API key, or a login of VMware Cloud (docs/vendors/carbon_black.md 2).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from .._base.errors import OptionError
from .._http.environment import require, with_environment
from .._http.settings import check_base_url

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
class Connection:
    """Resolved connection: one of API key, client of VMware Cloud, and API token of VMware Cloud is set."""

    api_url: str
    org_key: str
    api_id: str | None = None
    api_secret_key: str | None = dataclasses.field(default=None, repr=False)
    csp_url: str | None = None
    csp_client_id: str | None = None
    csp_client_secret: str | None = dataclasses.field(default=None, repr=False)
    csp_api_token: str | None = dataclasses.field(default=None, repr=False)

    def secrets(self) -> tuple[str, ...]:
        """Every value that must never be shown."""
        found = (self.api_secret_key, self.csp_client_secret, self.csp_api_token)
        return tuple(secret for secret in found if secret)


def resolve(params: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> Connection:
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
        return Connection(api_url, org_key, **{name: options[name] for name in _KEY})
    csp_url = _address(options["csp_url"] or CSP_URL, allow_http, "csp_url")
    return Connection(api_url, org_key, csp_url=csp_url, **{name: options[name] for name in way})


def _way(options: t.Mapping[str, str | None]) -> tuple[str, ...]:
    ways = [way for way in (_KEY, _CLIENT, _TOKEN) if any(options[name] for name in way)]
    if len(ways) > 1:
        raise OptionError(
            f"{' and '.join(ways[0])} cannot be combined with {' and '.join(ways[1])}.",
            hint="Give one way to log in, as options or in the environment.",
        )
    return ways[0] if ways else _KEY


def _address(text: str, allow_http: bool, name: str) -> str:
    """The console shows its address with and without the scheme."""
    return check_base_url(text if "://" in text else f"https://{text}", allow_http, name=name)

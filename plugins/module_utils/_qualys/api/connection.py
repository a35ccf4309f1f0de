# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection: platforms, credentials, environment variables (docs/vendors/qualys_was.md 2.2, 2.3).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t

from ..._base.errors import OptionError
from ..._http import environment
from ..._http.settings import check_base_url
from ..._vendor.client import VendorConnection

_HOSTS: dict[str, tuple[str, str]] = {
    "qg1": ("qualysapi.qualys.com", "gateway.qg1.apps.qualys.com"),
    "qg2": ("qualysapi.qg2.apps.qualys.com", "gateway.qg2.apps.qualys.com"),
    "qg3": ("qualysapi.qg3.apps.qualys.com", "gateway.qg3.apps.qualys.com"),
    "qg4": ("qualysapi.qg4.apps.qualys.com", "gateway.qg4.apps.qualys.com"),
    "eu1": ("qualysapi.qualys.eu", "gateway.qg1.apps.qualys.eu"),
    "eu2": ("qualysapi.qg2.apps.qualys.eu", "gateway.qg2.apps.qualys.eu"),
    "eu3": ("qualysapi.qg3.apps.qualys.it", "gateway.qg3.apps.qualys.it"),
    "in1": ("qualysapi.qg1.apps.qualys.in", "gateway.qg1.apps.qualys.in"),
    "ca1": ("qualysapi.qg1.apps.qualys.ca", "gateway.qg1.apps.qualys.ca"),
    "ae1": ("qualysapi.qg1.apps.qualys.ae", "gateway.qg1.apps.qualys.ae"),
    "uk1": ("qualysapi.qg1.apps.qualys.co.uk", "gateway.qg1.apps.qualys.co.uk"),
    "au1": ("qualysapi.qg1.apps.qualys.com.au", "gateway.qg1.apps.qualys.com.au"),
    "ksa1": ("qualysapi.qg1.apps.qualysksa.com", "gateway.qg1.apps.qualysksa.com"),
}
"""API server and gateway of each platform. WAS calls go to the API server, tokens come from the gateway."""

_ALIASES = {"us1": "qg1", "us2": "qg2", "us3": "qg3", "us4": "qg4"}
PLATFORMS: tuple[str, ...] = (*_HOSTS, *_ALIASES)

ENVIRONMENT = {
    "platform": "QUALYS_WAS_PLATFORM",
    "api_url": "QUALYS_WAS_URL",
    "username": "QUALYS_WAS_USERNAME",
    "password": "QUALYS_WAS_PASSWORD",
    "client_id": "QUALYS_WAS_CLIENT_ID",
    "client_secret": "QUALYS_WAS_CLIENT_SECRET",
    "gateway_url": "QUALYS_WAS_GATEWAY_URL",
}

_ALTERNATIVES: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("platform",), ("api_url",)),
    (("username", "password"), ("client_id", "client_secret")),
)
"""Pairs of alternative options. If the task gives one alternative, environment variables of the other are ignored."""


@dataclasses.dataclass(frozen=True)
class QualysConnection(VendorConnection):
    """The connection. Either user name and password, or client id, client secret and gateway are set."""

    username: str | None = None
    password: str | None = dataclasses.field(default=None, repr=False)
    client_id: str | None = None
    client_secret: str | None = dataclasses.field(default=None, repr=False)
    gateway_url: str | None = None

    def account(self) -> str:
        """Return an identifier of the account without the user name: the URL of the service and a hash of the user."""
        user = self.client_id or self.username or ""
        return f"{self.api_url} {hashlib.sha256(user.encode('utf-8', 'replace')).hexdigest()[:16]}"


def with_environment(params: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> dict[str, str | None]:
    """Return the connection options; those that the task does not give are taken from the environment."""
    return environment.with_environment(params, environ, ENVIRONMENT, _ALTERNATIVES)


def resolve(params: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> QualysConnection:
    """Return the connection for the options and the environment.

    Raises:
        OptionError: an option is missing or invalid, or two alternatives are both given.
    """
    options = with_environment(params, environ)
    _refuse_both_ways(options)
    allow_http = bool(params.get("allow_http"))
    api_url, gateway_url = _servers(options)
    if options["client_id"] or options["client_secret"]:
        return _token_connection(options, api_url, gateway_url, allow_http)
    for name in ("username", "password"):
        if not options[name]:
            raise _missing(name, "Or use client_id and client_secret.")
    return QualysConnection(
        api_url=check_base_url(api_url, allow_http), username=options["username"], password=options["password"]
    )


def _token_connection(
    options: t.Mapping[str, str | None], api_url: str, gateway_url: str | None, allow_http: bool
) -> QualysConnection:
    for name in ("client_id", "client_secret"):
        if not options[name]:
            raise _missing(name, "client_id and client_secret are used together.")
    if not gateway_url:
        raise OptionError(
            "gateway_url is required with client_id when api_url is given, because tokens come from the gateway.",
            hint="Give gateway_url, or platform instead of api_url.",
        )
    return QualysConnection(
        api_url=check_base_url(api_url, allow_http),
        client_id=options["client_id"],
        client_secret=options["client_secret"],
        gateway_url=check_base_url(gateway_url, allow_http, name="gateway_url"),
    )


def _servers(options: t.Mapping[str, str | None]) -> tuple[str, str | None]:
    if options["api_url"]:
        return options["api_url"], options["gateway_url"]
    platform = (options["platform"] or "").lower()
    if not platform:
        raise _missing("platform", "Or give api_url.")
    platform = _ALIASES.get(platform, platform)
    if platform not in _HOSTS:
        raise OptionError(
            f"platform: {platform} is not a Qualys platform.",
            hint=f"Use one of {', '.join(PLATFORMS)}, or give api_url.",
        )
    api_host, gateway_host = _HOSTS[platform]
    return f"https://{api_host}", options["gateway_url"] or f"https://{gateway_host}"


def _refuse_both_ways(options: t.Mapping[str, str | None]) -> None:
    for one, other in _ALTERNATIVES:
        if any(options[name] for name in one) and any(options[name] for name in other):
            raise OptionError(
                f"{' and '.join(one)} cannot be combined with {' and '.join(other)}.",
                hint=f"Give one of them, as options or in {', '.join(ENVIRONMENT[name] for name in one + other)}.",
            )


def _missing(name: str, hint: str) -> OptionError:
    return OptionError(f"{name} is missing.", hint=f"Give {name}, or set {ENVIRONMENT[name]}. {hint}")

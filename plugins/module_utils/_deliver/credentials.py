# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The credentials of the sinks: from the task, or from the environment variables of that very sink.

This module is private to the collection and may change at any time.

Each sink has variables of its own, so that a token of one receiver never travels to another one.
"""

from __future__ import annotations

import typing as t
from urllib.parse import unquote, urlsplit

from .._http.environment import Way, with_environment

VARIABLES: dict[str, dict[str, str]] = {
    "splunk_hec": {"token": "PERIMETER_SPLUNK_TOKEN"},
    "elasticsearch": {
        "api_key": "PERIMETER_ELASTICSEARCH_API_KEY",
        "username": "PERIMETER_ELASTICSEARCH_USERNAME",
        "password": "PERIMETER_ELASTICSEARCH_PASSWORD",
    },
    "webhook": {"token": "PERIMETER_WEBHOOK_TOKEN", "signature_secret": "PERIMETER_WEBHOOK_SIGNATURE_SECRET"},
    "sql": {"database_url": "PERIMETER_SQL_DATABASE_URL"},
    "syslog": {},
}
"""Sink option to environment variable, for each kind of sink."""
_ALTERNATIVES: list[tuple[Way, Way]] = [(("api_key",), ("username", "password"))]
_SECRET = ("token", "api_key", "password", "signature_secret", "database_url")

Options = t.Mapping[str, t.Any]


def sink_options(params: Options, environ: t.Mapping[str, str]) -> dict[str, t.Any]:
    """The sink options that are set, with the credentials that the task left open taken from the environment."""
    given = {name: value for name, value in (params.get("sink_options") or {}).items() if value is not None}
    kind = params["sink"]
    alternatives = _ALTERNATIVES if kind == "elasticsearch" else ()
    merged = with_environment(given, environ, VARIABLES[kind], alternatives)
    return given | {name: value for name, value in merged.items() if value is not None}


def secrets(params: Options, environ: t.Mapping[str, str]) -> tuple[str, ...]:
    """Every value that must never be shown: the credentials, and the password inside a database URL."""
    options = sink_options(params, environ)
    found = [str(options[name]) for name in _SECRET if options.get(name)]
    if options.get("username") and options.get("password"):
        found.append(f"{options['username']}:{options['password']}")
    if options.get("database_url"):
        password = _password_in(str(options["database_url"]))
        found += [password, unquote(password)] if password else []
    return tuple(found)


def _password_in(url: str) -> str | None:
    try:
        return urlsplit(url).password
    except ValueError:
        return None

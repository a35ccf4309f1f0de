# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The credentials of the sinks: from the task, or from the environment variables of that kind of sink.

This module is private to the collection and may change at any time.

Each kind of sink has its own variables, so that the token of one receiver is never sent to another.

The URL of a webhook is itself a credential: whoever has it may post. Other URLs are shown without their secret parts,
because an error that does not name its address is of little help.
"""

from __future__ import annotations

import re
import typing as t
from urllib.parse import parse_qsl, urlsplit

from .._base.masking import MIN_LENGTH
from .._database.secrets import HOST, secrets_in
from .._http.environment import Way, with_environment

VARIABLES: dict[str, dict[str, str]] = {
    "splunk_hec": {"token": "PERIMETER_SPLUNK_TOKEN"},
    "elasticsearch": {
        "api_key": "PERIMETER_ELASTICSEARCH_API_KEY",
        "username": "PERIMETER_ELASTICSEARCH_USERNAME",
        "password": "PERIMETER_ELASTICSEARCH_PASSWORD",
    },
    "webhook": {
        "url": "PERIMETER_WEBHOOK_URL",
        "token": "PERIMETER_WEBHOOK_TOKEN",
        "signature_secret": "PERIMETER_WEBHOOK_SIGNATURE_SECRET",
    },
    "sql": {"database_url": "PERIMETER_SQL_DATABASE_URL"},
    "syslog": {},
}
"""Sink option to environment variable, for each kind of sink."""
_ALTERNATIVES: list[tuple[Way, Way]] = [(("api_key",), ("username", "password"))]
_SECRET = ("token", "api_key", "password", "signature_secret")
_RECEIVER_URL = re.compile(rf"https?://{HOST}(?:\?(?P<query>[^#]*))?")
"""An HTTP receiver's URL that every parser splits in the same way."""
_PART_LENGTH = 8
"""Shorter parts of an address are words such as ``waf``, which also occur elsewhere."""

Options = t.Mapping[str, t.Any]


def sink_options(params: Options, environ: t.Mapping[str, str]) -> dict[str, t.Any]:
    """The sink options that are set, with credentials that the task omits taken from the environment."""
    given = {name: value for name, value in (params.get("sink_options") or {}).items() if value is not None}
    kind = params["sink"]
    alternatives = _ALTERNATIVES if kind == "elasticsearch" else ()
    merged = with_environment(given, environ, VARIABLES[kind], alternatives)
    return given | {name: value for name, value in merged.items() if value is not None}


def secrets(params: Options, environ: t.Mapping[str, str]) -> tuple[str, ...]:
    """Every value that must never be shown: the credentials, and the secret parts of an address."""
    options = sink_options(params, environ)
    found = [str(options[name]) for name in _SECRET if options.get(name)]
    if options.get("username") and options.get("password"):
        found.append(f"{options['username']}:{options['password']}")
    for name, inside in (
        ("url", _in_webhook if params["sink"] == "webhook" else _in_url),
        ("database_url", secrets_in),
    ):
        if options.get(name):
            address = str(options[name])
            parts = inside(address)
            found += [address] if parts is None else parts
    return tuple(dict.fromkeys(found))


def shown(params: Options, environ: t.Mapping[str, str]) -> tuple[str, ...]:
    """Addresses of which at most a part is secret, and which Ansible would mask as a whole."""
    options, hidden = sink_options(params, environ), secrets(params, environ)
    addresses = [str(options[name]) for name in ("url", "database_url") if options.get(name)]
    return tuple(address for address in addresses if address not in hidden)


def _in_url(url: str) -> list[str] | None:
    """The secrets in the address of a receiver, its query and its parts; None if they cannot be determined."""
    match = _RECEIVER_URL.fullmatch(url.strip())
    query = (match and match["query"]) or ""
    if match is None or 0 < len(query) < MIN_LENGTH:
        return None
    values = [value for _name, value in parse_qsl(query)]
    return [query, *(value for value in values if len(value) >= _PART_LENGTH)] if query else []


def _in_webhook(url: str) -> list[str]:
    """The address, and those of its parts that may be the key by themselves."""
    try:
        path = urlsplit(url.strip()).path
    except ValueError:
        path = ""
    pieces = [piece for piece in path.split("/") if any(letter.isdigit() for letter in piece)]
    return [url, *(text for text in (path, *pieces) if len(text) >= _PART_LENGTH), *(_in_url(url) or [])]

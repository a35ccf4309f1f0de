# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kit keeps every vendor's credentials secret, starts records with every key, and counts within bounds."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._records.model import Event, Finding, Scan
from ansible_collections.appsec.perimeter.plugins.module_utils._vendor import blank
from ansible_collections.appsec.perimeter.plugins.module_utils._vendor.normaliser import Normaliser
from ansible_collections.appsec.perimeter.plugins.module_utils._vendor.token import Token

ROOMS = "ansible_collections.appsec.perimeter.plugins.module_utils"
OPTIONAL = {"details", "raw"}
LOGINS: list[tuple[str, dict[str, str], set[str]]] = [
    ("_edgecast", {"account_number": "0001", "token": "tok: s1"}, {"s1"}),
    ("_scutum", {"api_key": "s1", "scutum_host": "www.example.jp", "scutum_id": "A1"}, {"s1"}),
    ("_indusface", {"access_key": "s1", "secret_key": "s2"}, {"s1", "s2"}),
    ("_carbon_black", {"api_url": "cbc.example", "org_key": "A1", "api_id": "i", "api_secret_key": "s1"}, {"s1"}),
    (
        "_carbon_black",
        {"api_url": "cbc.example", "org_key": "A1", "csp_client_id": "i", "csp_client_secret": "s1"},
        {"s1"},
    ),
    ("_carbon_black", {"api_url": "cbc.example", "org_key": "A1", "csp_api_token": "s1"}, {"s1"}),
]


@pytest.mark.parametrize(("room", "options", "secrets"), LOGINS)
def test_a_connection_tells_its_secrets_to_masking_and_to_nobody_else(
    room: str, options: dict[str, str], secrets: set[str]
) -> None:
    connection = importlib.import_module(f"{ROOMS}.{room}.client").resolve(options, {})
    assert set(connection.secrets()) == secrets
    assert not any(repr(secret) in repr(connection) for secret in secrets)


@pytest.mark.parametrize(
    ("make", "model"), [(blank.blank_event, Event), (blank.blank_finding, Finding), (blank.blank_scan, Scan)]
)
def test_a_blank_record_has_every_key_and_shares_nothing(make: Any, model: Any) -> None:
    record = make("vendor")
    assert set(record) | OPTIONAL == set(model.__annotations__) | OPTIONAL
    assert record["source"] == "vendor"
    shared = [name for name, value in record.items() if isinstance(value, (list, dict)) and value is make("x")[name]]
    assert shared == []


def test_unknown_words_are_counted_apart_up_to_a_bound() -> None:
    normaliser = Normaliser()
    for number in range(300):
        normaliser._count_value("field", f"{number}" + "x" * 100)
    normaliser._count_value("field", None)
    assert len(normaliser.unknown) == 101
    assert normaliser.unknown["others"] == 200
    assert max(map(len, normaliser.unknown)) == len("field=") + 40


class Sample(Token):
    """Tokens that live for a hundred seconds."""

    def _fetch(self) -> tuple[str, float]:
        return f"token-{len(self.fetched)}", 100.0


class Http:
    """Remembers what it protects."""

    def __init__(self) -> None:
        self.protected: list[str] = []

    def protect(self, value: str) -> None:
        self.protected.append(value)


def test_a_token_is_renewed_before_it_expires_and_each_stays_secret() -> None:
    now, http = [0.0], Http()
    token = Sample(http, clock=lambda: now[0])  # type: ignore[arg-type]
    assert [token.get(), token.get()] == ["token-0", "token-0"]
    now[0] = 49.0
    assert token.get() == "token-0"
    now[0] = 50.0
    assert token.get() == "token-1"
    token.forget("token-0")  # another thread has renewed it already
    assert token.get() == "token-1"
    token.forget("token-1")
    assert token.get() == "token-2"
    assert token.fetched == ("token-0", "token-1", "token-2") == tuple(http.protected)

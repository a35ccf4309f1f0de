# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials: each sink has its own variables, the task beats them, and none is ever shown."""

from __future__ import annotations

import itertools
import pathlib
import typing as t

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import AuthenticationFailed
from ansible_collections.appsec.perimeter.plugins.module_utils._deliver.credentials import (
    VARIABLES,
    secrets,
    shown,
    sink_options,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._deliver.run import secrets_of, shown_of
from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import DELIVER
from ansible_collections.appsec.perimeter.plugins.module_utils._module.runner import run_local_module
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from ansible_collections.appsec.perimeter.plugins.modules import deliver
from tests.sandbox import Sandbox
from tests.unit.plugins.module_utils.deliver_kit import event, http_options, records, sink
from tests.unit.plugins.module_utils.qualys_kit import run_main

ALL = {variable: f"canary-{variable}" for variables in VARIABLES.values() for variable in variables.values()}


def options(kind: str, **given: t.Any) -> dict[str, t.Any]:
    return sink_options({"sink": kind, "sink_options": given}, ALL)


def test_no_two_sinks_share_a_variable() -> None:
    for one, other in itertools.combinations(VARIABLES.values(), 2):
        assert not set(one.values()) & set(other.values())
    module = pathlib.Path(deliver.__file__).read_text()
    assert "run_local_module(DELIVER, run, secrets_of, shown_of)" in module
    assert [name for name in ALL if f"E({name})" not in module] == []


@pytest.mark.parametrize("kind", sorted(VARIABLES))
def test_each_sink_takes_its_own_variables_only(kind: str) -> None:
    assert options(kind) == {name: f"canary-{variable}" for name, variable in VARIABLES[kind].items()}


def test_what_the_task_gives_beats_the_environment() -> None:
    assert options("webhook", token="mine", signature_secret=None) == {
        "url": "canary-PERIMETER_WEBHOOK_URL",
        "token": "mine",
        "signature_secret": "canary-PERIMETER_WEBHOOK_SIGNATURE_SECRET",
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"api_key": "mine"}, {"api_key": "mine"}),
        (
            {"username": "alice", "password": "mine"},
            {"username": "alice", "password": "mine"},
        ),
        ({"username": "alice"}, {"username": "alice", "password": "canary-PERIMETER_ELASTICSEARCH_PASSWORD"}),
    ],
)
def test_one_way_to_log_in_silences_the_other(given: dict[str, str], expected: dict[str, str]) -> None:
    assert options("elasticsearch", **given) == expected


SHOWN = {
    "postgresql://waf@db.example.com:5433/waf?sslmode=require": (),
    "postgresql://waf:canary-1@db.example.com/waf?password=canary-2": ("canary-1", "canary-2"),
    "postgresql://waf:canary%2F1@db.example.com/waf?x=canary+2": ("canary%2F1", "canary/1", "canary+2", "canary 2"),
    "sqlite:////srv/perimeter/events.db": (),
}  # fmt: skip


@pytest.mark.parametrize("url", SHOWN)
def test_of_the_url_of_a_database_only_the_secrets_are_masked(url: str) -> None:
    params = {"sink": "sql", "sink_options": {"database_url": url}}
    assert secrets(params, {}) == SHOWN[url]
    assert shown(params, {}) == (url,)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://waf:canary/pw@db.example.com/waf",
        "postgresql://waf:canary@pw@db.example.com/waf",
        "postgresql://waf:canary#pw@db.example.com/waf",
        "postgresql://waf:can@db.example.com/waf",
        "postgresql://canary:pw",
        "canary",
    ],
)
def test_a_url_that_is_not_understood_or_whose_secret_is_too_short_is_masked_as_a_whole(url: str) -> None:
    for sink_kind, option in (("sql", "database_url"), ("splunk_hec", "url"), ("elasticsearch", "url")):
        params = {"sink": sink_kind, "sink_options": {option: url}}
        assert url in secrets(params, {})
        assert shown(params, {}) == ()


def test_the_url_of_a_webhook_is_a_credential_and_that_of_others_is_none_but_for_its_query() -> None:
    url = "https://hooks.example.com/services/T0/canary-1?key=canary-2"
    hidden = secrets({"sink": "webhook", "sink_options": {}}, {"PERIMETER_WEBHOOK_URL": url})
    assert hidden == (url, "/services/T0/canary-1", "canary-1", "key=canary-2", "canary-2")
    assert shown({"sink": "webhook", "sink_options": {"url": url}}, {}) == ()
    params = {"sink": "elasticsearch", "sink_options": {"url": url}}
    assert (secrets(params, {}), shown(params, {})) == (("key=canary-2", "canary-2"), (url,))


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("webhook", {"url": "https://hooks.example.com/services/canary-1", "port": "canary"}),
        ("sql", {"database_url": "postgresql://waf:canary-1@db/waf", "port": "no number"}),
    ],
)
def test_a_task_that_is_refused_before_it_begins_shows_no_address(kind: str, given: dict[str, str]) -> None:
    ran = run_main(deliver.main, {"spool": "/nowhere", "sink": kind, "sink_options": given}, verbosity=4)
    assert ran.failed
    assert "canary-1" not in ran.printed


def test_the_options_that_are_no_secret_are_shown_and_an_error_names_its_database(tmp_path: pathlib.Path) -> None:
    given = {"database_url": "postgresql://waf:canary-pw@127.0.0.1:1/waf"}
    arguments = {"spool": str(tmp_path), "sink": "sql", "sink_options": given}

    def fail(_params: t.Any, _check_mode: bool) -> Result:
        target = sink("sql", given)
        target.send(records(event(1)))
        raise AssertionError

    ran = run_main(lambda: run_local_module(DELIVER, fail, secrets_of, shown_of), arguments, verbosity=4)
    assert ran.failed
    assert "canary" not in ran.printed
    assert "sql: postgresql+psycopg://127.0.0.1:1/waf#perimeter_records failed (OperationalError:" in ran.printed
    assert "nothing listens at that address and port" in ran.printed


def test_the_splunk_token_of_the_environment_stays_away_from_a_webhook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERIMETER_SPLUNK_TOKEN", "sandbox_webhook_token")
    with Sandbox(webapps=1, findings=0) as sandbox:
        given = http_options(sandbox, "webhook") | {"token": None}
        target = sink("webhook", given)
        with pytest.raises(AuthenticationFailed):
            target.send(records(event(1)))
        target.close()
        monkeypatch.setenv("PERIMETER_WEBHOOK_TOKEN", "sandbox_webhook_token")
        target = sink("webhook", given)
        assert target.send(records(event(1))).delivered == 1
        target.close()


@pytest.mark.parametrize("kind", sorted(VARIABLES))
@pytest.mark.parametrize("url", ["canary-whole", "postgresql://waf:canary%2Fpw@db.example.com/waf"])
def test_what_comes_from_the_environment_is_masked_by_the_module(
    kind: str, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    for name, value in (ALL | {"PERIMETER_SQL_DATABASE_URL": url}).items():
        monkeypatch.setenv(name, value)
    hidden = [*secrets({"sink": kind}, ALL | {"PERIMETER_SQL_DATABASE_URL": url})]
    if kind == "elasticsearch":
        hidden.remove("canary-PERIMETER_ELASTICSEARCH_USERNAME:canary-PERIMETER_ELASTICSEARCH_PASSWORD")

    def leak(_params: t.Any, _check_mode: bool) -> Result:
        return Result(values={"leak": [*hidden, f"say {' '.join(hidden)}."]})

    arguments = {"spool": str(tmp_path), "sink": kind, "sink_options": {}}
    ran = run_main(lambda: run_local_module(DELIVER, leak, secrets_of), arguments, verbosity=4)
    assert not ran.failed
    assert bool(hidden) is (kind != "syslog")
    assert "canary" not in ran.printed

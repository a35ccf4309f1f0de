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
    sink_options,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._deliver.run import secrets_of
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
    assert "run_local_module(DELIVER, run, secrets_of)" in module
    assert [name for name in ALL if f"E({name})" not in module] == []


@pytest.mark.parametrize("kind", sorted(VARIABLES))
def test_each_sink_takes_its_own_variables_only(kind: str) -> None:
    assert options(kind) == {name: f"canary-{variable}" for name, variable in VARIABLES[kind].items()}


def test_what_the_task_gives_beats_the_environment() -> None:
    assert options("webhook", token="mine", signature_secret=None) == {
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

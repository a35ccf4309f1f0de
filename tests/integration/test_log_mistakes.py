# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes with the modules for logs: one clear message each, and nothing is lost.

The modules run in this process, as a playbook would add nothing to what they say, but where a library is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.in_process import run_tasks
from tests.integration.log_kit import EXPORTS, VARIABLES, assert_documented, environment, log_sandbox
from tests.integration.runner import PREFIX, Ansible, Task
from tests.integration.test_bad_input import assert_clear
from tests.sandbox import Sandbox

EDGECAST, SCUTUM, INDUSFACE, CARBON, FACETS = (
    "edgecast_waf_event_info",
    "scutum_alert_info",
    "indusface_scan_log_info",
    "carbon_black_scan_log_info",
    "carbon_black_scan_log_facet_info",
)
EXPORT, DELIVER, GATE = EXPORTS["edgecast"], "deliver", "gate"
BY_SERVICE = {"edgecast": EDGECAST, "scutum": SCUTUM, "indusface": INDUSFACE, "carbon_black": CARBON}
MUST = {"indusface": {"date": "2026-01-31"}}
WITH_DEFAULT = {("edgecast", "api_url"), ("scutum", "api_url"), ("indusface", "api_url")}
"""Connection options that need not be given."""


@dataclass(frozen=True)
class Mistake:
    """A task that must fail, and words that its message must have."""

    module: str
    options: Mapping[str, Any]
    words: tuple[str, ...]


def _sink(sink: str, **options: Any) -> dict[str, Any]:
    return {"spool": "{{ playbook_dir }}/good", "sink": sink, "sink_options": options}


def _dest(**options: Any) -> dict[str, Any]:
    return {"dest": "{{ playbook_dir }}/new", "first_run": "lookback"} | options


SPAN = {"start_time": "2026-01-01", "end_time": "2026-01-02"}
MISTAKES = {
    "time": Mistake(EDGECAST, {**SPAN, "end_time": "noon"}, ("end_time", "noon", "2026-01-31T08:00:00")),
    "half a span": Mistake(EDGECAST, {"start_time": "2026-01-01"}, ("start_time", "end_time")),
    "span backwards": Mistake(EDGECAST, {**SPAN, "end_time": "2025-12-31"}, ("start_time", "end_time")),
    "page size": Mistake(EDGECAST, {"page_size": 1001}, ("page_size", "1000", "1001")),
    "event filters": Mistake(EDGECAST, {"event_filters": {"Host": []}}, ("event_filters", "Host", "www.example.com")),
    "event and span": Mistake(EDGECAST, {**SPAN, "event_id": "1"}, ("event_id", "start_time", "mutually exclusive")),
    "query": Mistake(EDGECAST, {"query": "[].{"}, ("query",)),
    "scutum time": Mistake(SCUTUM, {"from": "01/02/2026"}, ("from", "01/02/2026", "2026-")),
    "network": Mistake(SCUTUM, {"ip": "10.0.0.0/8"}, ("ip", "10.0.0.0/8", "one address")),
    "log and limit": Mistake(SCUTUM, {"log_id": "1", "limit": 3}, ("log_id", "limit", "mutually exclusive")),
    "both dates": Mistake(
        INDUSFACE, {"date": "2026-01-31", "from_date": "2026-01-01", "to_date": "2026-01-02"}, ("date", "from_date")
    ),
    "no date": Mistake(INDUSFACE, {}, ("date", "from_date")),
    "wrong date": Mistake(INDUSFACE, {"date": "31.01.2026"}, ("date", "31.01.2026", "YYYY-MM-DD")),
    "criteria": Mistake(CARBON, {"criteria": {"cluster": "x"}}, ("criteria", "cluster", "clusters", "scan_time")),
    "two scan times": Mistake(
        CARBON, {"criteria": {"scan_time": {"range": "-1w"}, "time_range": {"range": "-1w"}}},
        ("criteria", "scan_time", "time_range"),
    ),
    "scan time": Mistake(CARBON, {"criteria": {"scan_time": {"range": "1 week"}}}, ("scan_time.range", "-2w")),
    "rows": Mistake(CARBON, {"rows": 10001}, ("rows", "10000", "10001")),
    "facet rows": Mistake(FACETS, {"rows": 0}, ("rows",)),
    "two logins": Mistake(CARBON, {"api_id": "a", "csp_client_id": "b"}, ("api_id", "csp_client_id")),
    "dest is a file": Mistake(EXPORT, _dest(dest="{{ playbook_dir }}/file"), ("dest", "/file")),
    "dest under a file": Mistake(EXPORT, _dest(dest="{{ playbook_dir }}/file/x"), ("dest", "/file")),
    "another stream": Mistake(
        EXPORT, _dest(dest="{{ playbook_dir }}/good", event_filters={"Host": "x"}), ("dest", "/good", "event_filters")
    ),
    "lookback": Mistake(EXPORT, _dest(lookback="a week"), ("lookback", "a week")),
    "backfill": Mistake(EXPORT, _dest(backfill={"from": "2026-01-02", "to": "2026-01-01"}), ("backfill.from",)),
    "mode": Mistake(EXPORT, _dest(segment_mode="0444"), ("segment_mode", "0444")),
    "criteria with a span": Mistake(
        EXPORTS["carbon_black"], _dest(criteria={"scan_time": {"range": "-1w"}}), ("criteria", "scan_time")
    ),
    "no spool": Mistake(DELIVER, {**_sink("sql"), "spool": "{{ playbook_dir }}/none"}, ("spool", "dest")),
    "empty spool": Mistake(DELIVER, {**_sink("sql"), "spool": "{{ playbook_dir }}"}, ("spool", "dest")),
    "no database": Mistake(DELIVER, _sink("sql"), ("sink_options.database_url", "sqlite:")),
    "other database": Mistake(DELIVER, _sink("sql", database_url="mysql://h/d"), ("sink_options.database_url",)),
    "no address": Mistake(DELIVER, _sink("webhook"), ("sink_options.url",)),
    "plain http": Mistake(DELIVER, _sink("webhook", url="http://example.com"), ("sink_options.url", "allow_http")),
    "no token": Mistake(DELIVER, _sink("splunk_hec", url="http://127.0.0.1:1"), ("sink_options.token",)),
    "no index": Mistake(DELIVER, _sink("elasticsearch", url="http://127.0.0.1:1"), ("sink_options.index",)),
    "no host": Mistake(DELIVER, _sink("syslog"), ("sink_options.host",)),
    "plain syslog": Mistake(DELIVER, _sink("syslog", host="example.com", tls=False), ("tls", "allow_http")),
    "policy": Mistake(GATE, {"policy": {"schema": 1, "limit": {}}, "dest": "{{ playbook_dir }}/gate.json"},
                      ("policy", "limit")),
}  # fmt: skip


@pytest.fixture
def logs() -> Iterator[Sandbox]:
    """Small logs of all four services."""
    with log_sandbox() as running:
        yield running


def test_mistakes(tmp_path: Path, logs: Sandbox) -> None:
    """Each is told in one sentence that names the option, and nothing is sent."""
    folder = tmp_path
    (folder / "file").write_text("mine", encoding="utf-8")
    good: Task = {"name": "good", PREFIX + EXPORT: _dest(dest="{{ playbook_dir }}/good", lookback="1d")}
    state = {"PERIMETER_STATE_DIR": str(folder / "other-state")}
    tasks = [{"name": name, PREFIX + item.module: dict(item.options)} for name, item in MISTAKES.items()]
    lost: list[Task] = [
        {"name": "no position", PREFIX + EXPORT: {"dest": "{{ playbook_dir }}/new"}, "environment": state},
        {"name": "position is lost", PREFIX + EXPORT: {"dest": "{{ playbook_dir }}/good"}, "environment": state},
    ]
    run = run_tasks(folder, [good, *tasks, *lost], environment(logs, folder / "state"), logs)
    assert "Traceback" not in run.output
    requests = run["good"].counters["requests"]
    for name, item in MISTAKES.items():
        assert_clear(run[name], *item.words)
        assert run[name].counters["requests"] == requests, f"{name} sent something"
        if "error" in run[name].result:
            assert_documented(item.module, run[name])
    assert_clear(run["no position"], "position", "first_run", "lookback", "now")
    assert_clear(run["position is lost"], "position", "good", "records up to", "first_run", "state_dir")
    assert (folder / "file").read_text(encoding="utf-8") == "mine"
    assert not (folder / "new").exists()


def test_what_is_missing(tmp_path: Path, logs: Sandbox) -> None:
    """Each part of a connection is named with its variable."""
    missing = [
        (service, option, variable)
        for service, options in VARIABLES.items()
        for option, variable in options.items()
        if (service, option) not in WITH_DEFAULT
    ]
    tasks: list[Task] = [
        {"name": f"{service} {option}", PREFIX + BY_SERVICE[service]: MUST.get(service, {}), "environment": {name: ""}}
        for service, option, name in missing
    ]
    run = run_tasks(tmp_path, tasks, environment(logs, tmp_path / "state"), logs)
    for service, option, variable in missing:
        result = run[f"{service} {option}"]
        assert_clear(result, f"{option} is missing", f"set {variable}")
        assert_documented(BY_SERVICE[service], result)
    assert logs.counters.requests == 0


def test_missing_libraries(ansible: Ansible, logs: Sandbox) -> None:
    """Each is told in Ansible's own words."""
    shims = {name: _shim(ansible.folder, name) for name in ("requests", "jmespath", "sqlalchemy", "psycopg")}
    spool = ansible.folder / "good"
    need: list[tuple[str, str, dict[str, Any]]] = [
        ("requests", EDGECAST, {}),
        ("requests", EXPORT, _dest()),
        ("requests", DELIVER, _sink("webhook", url=f"{logs.url}/hook")),
        ("jmespath", EDGECAST, {"query": "[]"}),
        ("sqlalchemy", DELIVER, _sink("sql", database_url="sqlite:///x.db")),
        ("psycopg", DELIVER, _sink("sql", database_url="postgresql://me:pa55word@127.0.0.1/x")),
    ]
    tasks: list[Task] = [
        {"name": f"{library} {module}", PREFIX + module: options, "environment": {"PYTHONPATH": shims[library]}}
        for library, module, options in need
    ]
    good: Task = {"name": "good", PREFIX + EXPORT: _dest(dest=str(spool), lookback="1d")}
    ignoring: list[Task] = [{**task, "ignore_errors": True} for task in tasks]
    run = ansible.play([good, *ignoring], environment=environment(logs, ansible.folder / "state"), counters=logs.url)
    assert run.status == 0, run.output
    for library, module, _options in need:
        result = run[f"{library} {module}"]
        assert result.failed, result
        assert f"Failed to import the required Python library ({library})" in result["msg"]
        assert result["error"]["kind"] == "missing_library"
        assert "pa55word" not in str(result.result)
    assert run.results[-1].counters["requests"] == run["good"].counters["requests"]


def _shim(folder: Path, library: str) -> str:
    """A folder that makes Python believe that a library is not installed."""
    place = folder / f"without-{library}"
    place.mkdir()
    text = f'raise ModuleNotFoundError("No module named {library!r}", name={library!r})\n'
    (place / f"{library}.py").write_text(text, encoding="utf-8")
    return str(place)

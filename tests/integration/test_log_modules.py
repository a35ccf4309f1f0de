# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules for logs as a playbook runs them: queries, collections, deliveries, and the keys of their results.

Each process costs seconds, so that one playbook answers many questions.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.log_kit import (
    EXPORTS,
    GROUP,
    INFOS,
    SERVICES,
    VARIABLES,
    assert_documented,
    environment,
    log_sandbox,
    logins,
)
from tests.integration.runner import PREFIX, Ansible, Run, Task
from tests.sandbox import Sandbox

DAYS = {"from_date": "{{ first_day }}", "to_date": "{{ last_day }}"}
QUERIES: dict[str, dict[str, Any]] = {
    "edgecast_waf_event_info": {"limit": 3, "query": "[].host"},
    "scutum_alert_info": {"limit": 3, "query": "[].id"},
    "indusface_scan_log_info": {**DAYS, "limit": 2, "query": "[].title"},
    "carbon_black_scan_log_info": {"limit": 3, "query": "[].name"},
    "carbon_black_scan_log_facet_info": {"fields": ["sources", "clusters"], "rows": 2},
    "carbon_black_scan_log_metadata_info": {},
}
WHOLE: dict[str, dict[str, Any]] = {
    "edgecast_waf_event_info": {"include_raw": True},
    "scutum_alert_info": {"include_raw": True},
    "indusface_scan_log_info": {**DAYS, "include_raw": True},
    "carbon_black_scan_log_info": {"include_raw": True},
    "carbon_black_scan_log_facet_info": {},
    "carbon_black_scan_log_metadata_info": {},
}
MAIN_KEY = {
    "edgecast_waf_event_info": "events",
    "scutum_alert_info": "alerts",
    "indusface_scan_log_info": "findings",
    "carbon_black_scan_log_info": "scan_logs",
}
COUNTERS = ("collected", "delivered", "duplicate", "quarantined")


@pytest.fixture
def logs() -> Iterator[Sandbox]:
    """Small logs of all four services."""
    with log_sandbox() as running:
        yield running


def test_queries(ansible: Ansible, logs: Sandbox) -> None:
    """Each query by the environment, in check mode too, and by the vendor's group while the environment is wrong."""
    groups: dict[str, dict[str, Any]] = {f"{GROUP}{name}": {**options} for name, options in logins(logs).items()}
    # The limit of connections comes by the group of all vendors.
    groups[f"{GROUP}all"] = {"timeout": 20, "max_connections": 1}
    wrong = {name: "wrong" for names in VARIABLES.values() for name in names.values()}
    tasks: list[Task] = []
    for module in INFOS:
        tasks.append({"name": f"environment {module}", PREFIX + module: QUERIES[module]})
        tasks.append(
            {"name": f"group {module}", PREFIX + module: WHOLE[module], "module_defaults": groups, "environment": wrong}
        )
    tasks += [
        {"name": "check", PREFIX + "edgecast_waf_event_info": {"limit": 3}, "check_mode": True},
        {"name": "fields", PREFIX + "edgecast_waf_event_info": {"fields": True}},
        {"name": "page", PREFIX + "edgecast_waf_event_info": {"page": 2, "page_size": 5}},
        {"name": "one", PREFIX + "edgecast_waf_event_info": {
            "event_id": "{{ all_edgecast_waf_event_info.events[0].details.event_id }}"}},
        {"name": "detail", PREFIX + "scutum_alert_info": {"log_id": "{{ all_scutum_alert_info.alerts[0].id }}"}},
        {"name": "nothing", PREFIX + "indusface_scan_log_info": {"date": "2020-01-01"}},
    ]  # fmt: skip
    for task in tasks:
        if str(task["name"]).startswith("group "):
            task["register"] = "all_" + str(task["name"]).removeprefix("group ")
    run = ansible.play(tasks, environment=environment(logs, ansible.folder / "state"), vars=_days())
    assert run.status == 0, run.output
    for task in tasks:
        result = run[task["name"]]
        assert_documented(_module_of(task), result)
        assert not result.changed
        assert not result.result.get("warnings"), result.result
    check_queries(run)
    assert logs.counters.failed_auth == 0
    assert not (ansible.folder / "state").exists(), "a query keeps nothing"


def _days() -> dict[str, str]:
    today = dt.datetime.now(dt.UTC).date()
    return {"first_day": str(today - dt.timedelta(days=3)), "last_day": str(today)}


def _module_of(task: Task) -> str:
    return next(key.removeprefix(PREFIX) for key in task if key.startswith(PREFIX))


def check_queries(run: Run) -> None:
    """What the queries found."""
    for module, key in MAIN_KEY.items():
        some, everything = run[f"environment {module}"], run[f"group {module}"]
        assert some["truncated"] is True, module
        assert everything["truncated"] is False, module
        assert all(isinstance(item, str) for item in some[key]), "the query made texts of records"
        assert all(item["schema"] == 1 and "raw" in item for item in everything[key]), module
        if module != "indusface_scan_log_info":
            assert len(some[key]) == 3
            assert everything["total"] == len(everything[key])
    assert len(run["environment indusface_scan_log_info"]["scan_logs"]) == 2
    facets = run["environment carbon_black_scan_log_facet_info"]["facets"]
    assert [facet["field"] for facet in facets] == ["sources", "clusters"]
    assert all(len(facet["buckets"]) <= 2 for facet in facets)
    assert run["environment carbon_black_scan_log_metadata_info"]["clusters"]
    assert run["check"]["events"]
    assert {"name", "data_type", "description"} <= set(run["fields"]["fields"][0])
    assert len(run["page"]["events"]) == 5
    whole = run["group edgecast_waf_event_info"]["events"]
    assert run["one"]["events"][0]["id"] == whole[0]["id"]
    assert run["detail"]["alert"]["details"]["detail"] == "read"
    assert (run["nothing"]["scan_logs"], run["nothing"]["total"]) == ([], 0)


RECEIVERS: dict[str, dict[str, Any]] = {
    "sql": {"database_url": "sqlite:///{{ playbook_dir }}/logs.db"},
    "webhook": {"url": "{{ url }}/hook", "token": "{{ hook_token }}", "signature_secret": "{{ signature }}"},
    "splunk_hec": {"url": "{{ url }}", "token": "{{ hec_token }}", "index": "waf"},
    "elasticsearch": {"url": "{{ url }}", "api_key": "{{ api_key }}", "index": "waf"},
}


def export(name: str, service: str, folder: str = "logs", **options: Any) -> Task:
    """A task that collects a service."""
    first = {"dest": f"{{{{ playbook_dir }}}}/{folder}/{service}", "first_run": "lookback", "lookback": "1d"}
    return {"name": f"{name} {service}", PREFIX + EXPORTS[service]: first | options}


def delivery(name: str, sink: str, **keywords: Any) -> Task:
    """A task that delivers the events of Edgecast."""
    options = {"spool": "{{ playbook_dir }}/logs/edgecast", "sink": sink, "sink_options": RECEIVERS[sink]}
    return {"name": f"{name} {sink}", PREFIX + "deliver": options, **keywords}


def _collecting_tasks() -> list[Task]:
    tasks: list[Task] = []
    for service in SERVICES:
        elsewhere = {"state_dir": "{{ playbook_dir }}/untouched-state"}
        tasks += [
            {**export("check first", service, "untouched", **elsewhere), "check_mode": True},
            export("first", service),
            export("again", service),
        ]
    for sink in RECEIVERS:
        tasks += [delivery("check", sink, check_mode=True), delivery("first", sink), delivery("again", sink)]
    late = {"url": "{{ url }}/_sandbox/edgecast/add", "method": "POST", "body_format": "json", "body": [4, 200, 1]}
    tasks.append({"name": "four events arrive late", "ansible.builtin.uri": late})
    tasks.append({**export("check later", "edgecast"), "check_mode": True})
    tasks.append(delivery("check later", "sql", check_mode=True))
    return tasks


def test_collections_and_deliveries(ansible: Ansible, logs: Sandbox) -> None:
    """Collected and delivered: the second run changes nothing, check mode foretells the first and leaves no file."""
    receivers = logs.receivers.settings
    variables = {
        "url": logs.url, "hook_token": receivers.webhook_token, "signature": receivers.signature_secret,
        "hec_token": receivers.hec_token, "api_key": receivers.api_key,
    }  # fmt: skip
    tasks = _collecting_tasks()
    run = ansible.play(
        tasks, environment=environment(logs, ansible.folder / "state"), counters=logs.url, vars=variables
    )
    assert run.status == 0, run.output
    for task in tasks:
        if "ansible.builtin.uri" not in task:
            assert_documented(_module_of(task), run[task["name"]])
            assert not run[task["name"]].result.get("warnings"), run[task["name"]].result
    check_collections(run, ansible.folder)
    check_deliveries(run, logs, ansible.folder)


def lines_of(folder: Path) -> list[dict[str, Any]]:
    """Every record in a stream directory."""
    return [json.loads(line) for path in sorted(folder.glob("dt=*/*")) for line in path.read_bytes().splitlines()]


def check_collections(run: Run, folder: Path) -> None:
    """What the collections did."""
    for service in SERVICES:
        foretold, first, again = (run[f"{name} {service}"] for name in ("check first", "first", "again"))
        stored = lines_of(folder / "logs" / service)
        assert (foretold.changed, first.changed, again.changed) == (True, True, False), service
        assert foretold["records"] == first["records"] == len(stored) > 0, service
        assert (foretold["segments"], again["segments"], again["records"]) == ([], [], 0), service
        assert all((folder / "logs" / service / name).exists() for name in first["segments"]), service
        assert first["complete"] is again["complete"] is True, service
    later = run["check later edgecast"]
    assert (later.changed, later["records"], later["segments"]) == (True, 4, [])
    assert not (folder / "untouched").exists()
    assert not [path for path in (folder / "untouched-state").rglob("*") if path.is_file()]


def check_deliveries(run: Run, logs: Sandbox, folder: Path) -> None:
    """What the receivers have, each record once."""
    records = len(lines_of(folder / "logs" / "edgecast"))
    before = run["again carbon_black"].counters
    assert run["check sql"].counters["writes"] == before["writes"], "nothing was sent in check mode"
    for sink in RECEIVERS:
        foretold, first, again = (run[f"{name} {sink}"] for name in ("check", "first", "again"))
        assert (foretold.changed, first.changed, again.changed) == (True, True, False), sink
        assert [first[name] for name in COUNTERS] == [foretold[name] for name in COUNTERS] == [records, records, 0, 0]
        assert [again[name] for name in COUNTERS] == [0, 0, 0, 0], sink
        assert again["totals"] == {"delivered": records, "duplicate": 0, "dropped": 0, "quarantined": 0, "filtered": 0}
        assert first["complete"] is True
        assert first["quarantine"] is None
        assert again.counters["writes"] == first.counters["writes"], "nothing was sent again"
    with contextlib.closing(sqlite3.connect(folder / "logs.db")) as connection:
        assert connection.execute("select count(*) from perimeter_records").fetchone() == (records,)
    assert len({hook["delivery_id"] for hook in logs.receivers.hooks}) == len(logs.receivers.hooks) == records
    assert len(logs.receivers.events) == len(logs.receivers.documents) == records
    assert run["check later sql"].changed is False, "what check mode collects is in no file"

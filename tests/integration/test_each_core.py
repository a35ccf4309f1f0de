# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each module, role and playbook once, through ansible-playbook: all that the ansible-core at hand can change.

The sessions for other versions of ansible-core run this file instead of most others. A module, a role or a playbook
that is missing here is an error.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.integration.conftest import login_to
from tests.integration.log_kit import EXPORTS, GROUP, VARIABLES, assert_documented, environment, log_sandbox, logins
from tests.integration.runner import PREFIX, Ansible, Run, Task
from tests.integration.test_bad_input import assert_clear
from tests.sandbox import Sandbox
from tests.tools import workbench

CANARY = "Cnry-each-core/&<x>"
HEADER, LOGIN, SCRIPT = "Cnry-header/&<y>", "Cnry-login/&<z>", "Cnry-script/&<s>"
APP, SHOP = "Storefront (prod)", {"name": "shop & <friends>", "url": "https://shop.example.com/?a=1&b=2"}
TODAY = dt.datetime.now(dt.UTC).date()
FORM = {
    "type": "STANDARD",
    "fields": [{"name": "username", "value": "scanner"}, {"name": "password", "value": LOGIN, "secured": True}],
}
WEEKLY = {"start": "2030-01-07T02:00:00Z", "recurrence": {"type": "WEEKLY", "days": ["MONDAY"]}}
FIRST_RUN = {"first_run": "lookback", "lookback": "1d"}
WORST = [{"field": "webApp.name", "value": APP}, {"field": "type", "value": "VULNERABILITY"}]
HERE = "{{ playbook_dir }}"

READS: dict[str, tuple[dict[str, Any], str]] = {
    "carbon_black_scan_log_facet_info": ({"fields": ["sources", "clusters"], "rows": 2}, "facets"),
    "carbon_black_scan_log_info": ({"criteria": {"time_range": {"range": "-2w"}}, "limit": 3}, "scan_logs"),
    "carbon_black_scan_log_metadata_info": ({}, "clusters"),
    "doctor_info": ({"core_version": "{{ ansible_version.full }}"}, "checks"),
    "edgecast_waf_event_info": ({"limit": 3, "query": "[].host"}, "events"),
    "indusface_scan_log_info": ({"from_date": str(TODAY - dt.timedelta(days=3)), "to_date": str(TODAY)}, "scan_logs"),
    "qualys_kb_info": ({"qids": [150001, 150012]}, "entries"),
    "qualys_was_auth_record_info": ({"detail": "full", "limit": 3}, "auth_records"),
    "qualys_was_finding_info": ({"filters": [{"field": "severity", "value": [4, 5]}], "limit": 2}, "findings"),
    "qualys_was_option_profile_info": ({"name": "CI quick"}, "option_profiles"),
    "qualys_was_scan_info": ({"limit": 2}, "scans"),
    "qualys_was_schedule_info": ({}, "schedules"),
    "qualys_was_tag_info": ({"name": "prod"}, "tags"),
    "qualys_was_webapp_info": ({"detail": "full", "limit": 3, "query": "[].name"}, "webapps"),
    "scutum_alert_info": ({"limit": 3, "include_raw": True}, "alerts"),
}
"""One query of each module that only reads, and the key of what it finds."""

WRITES: dict[str, dict[str, Any]] = {
    "qualys_was_webapp": {
        **SHOP, "tags": ["prod"], "default_scanner": {"type": "EXTERNAL"}, "headers": [f"X-Token: {HEADER}"],
        "url_excludelist": ["https://shop.example.com/logout", {"value": r"^/export/\d+$", "regex": True}],
        "attributes": {"cost": "R&D <lab>"}, "crawling_scripts": [{"name": "login.html", "data": SCRIPT}],
    },
    "qualys_was_webapps": {"webapps": [{"name": "Checkout (prod)", "tags_add": ["sox"]}, {"name": APP}]},
    "qualys_was_auth_record": {"name": "new & <login>", "form": FORM, "tags": ["prod"]},
    "qualys_was_auth_records": {"auth_records": [{"name": "bulk login", "form": FORM}]},
    "qualys_was_schedule": {"name": "nightly & <x>", "webapp": APP, "profile": "CI quick", **WEEKLY},
    "qualys_was_scan": {"webapp": APP, "profile": "CI quick", "name": "each core", "poll_interval": "0.01s"},
    "qualys_was_selenium_script": {"webapp_id": 410002, "script_id": 55999, "dest": f"{HERE}/login.html"},
    "qualys_was_finding": {
        "filters": WORST, "max_changes": 99, "state": "ignored", "reason": "RISK_ACCEPTED", "comment": "a & <b>",
    },
    "qualys_was_report": {
        "name": "each core", "targets": {"webapps": [APP]}, "dest": f"{HERE}/report.pdf", "poll_interval": "0.01s",
    },
    "qualys_was_finding_export": {"dest": f"{HERE}/findings.ndjson.gz"},
    **{module: {"dest": f"{HERE}/logs/{service}", **FIRST_RUN} for service, module in EXPORTS.items()},
    "deliver": {
        "spool": f"{HERE}/logs/edgecast", "sink": "sql",
        "sink_options": {"database_url": f"sqlite:///{HERE}/logs.db"},
    },
    "finding_changes": {"findings": f"{HERE}/findings.ndjson.gz", "dest": f"{HERE}/changes"},
    "lake": {
        "streams": [f"{HERE}/logs/edgecast"], "snapshots": [f"{HERE}/findings.ndjson.gz"], "dest": f"{HERE}/lake",
    },
    "report": {"findings": [f"{HERE}/findings.ndjson.gz"], "outputs": {
        "html": f"{HERE}/report.html", "sarif": f"{HERE}/report.sarif"}},
    "correlate": {
        "findings": [f"{HERE}/findings.ndjson.gz"], "dest": f"{HERE}/matches.ndjson",
        "events": [f"{HERE}/logs/{service}" for service in ("edgecast", "scutum")], "window": "30d",
        "scanner_sources": {"networks": ["64.39.96.0/20"]},
    },
    "gate": {
        "findings": [f"{HERE}/findings.ndjson.gz"], "matches": [f"{HERE}/matches.ndjson"],
        "dest": f"{HERE}/gate.json", "report_only": True,
        "policy": {"schema": 1, "limits": {"all": {"vulnerability": {"critical": 0}}}},
    },
    "history": {
        "findings": [f"{HERE}/findings.ndjson.gz"], "database_url": f"sqlite:///{HERE}/history.db", "horizon": "7d",
        "policy": {"critical": 7}, "dest": f"{HERE}/history.json",
    },
    "qualys_was_webapp_purge": {"ids": [410001]},
}  # fmt: skip
"""One use of each module that changes something, in the order of their needs."""

NEEDS_A_FILE = ("deliver", "lake", "finding_changes", "report", "correlate", "gate", "history")
"""What reads a file that another module has written; in check mode that one was run before."""
DIFFERENCES = {
    "qualys_was_webapp": ("shop & <friends>", "prod", "VALUE_REDACTED"),
    "qualys_was_webapps": ("sox",),
    "qualys_was_auth_record": ("new & <login>", "STANDARD"),
    "qualys_was_auth_records": ("bulk login",),
    "qualys_was_schedule": ("nightly & <x>", "WEEKLY"),
    "qualys_was_finding": ("RISK_ACCEPTED", "a & <b>"),
    "qualys_was_webapp_purge": ("410001",),
}
"""What the difference of a module shows."""

MISTAKES: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "no such option": ("carbon_black_scan_log_metadata_info", {"limt": 1}, ("limt", "Supported parameters include")),
    "no such suboption": (
        "qualys_was_finding_info", {"filters": [{"field": "qid", "valeu": 1}]}, ("valeu", "filters", "operator"),
    ),
    "needed suboption": ("qualys_was_finding_info", {"filters": [{"value": 1}]}, ("field", "filters")),
    "wrong choice": ("qualys_was_webapp", {**SHOP, "scope": "NOTHING"}, ("scope", "NOTHING", "DOMAINS")),
    "needed together": ("qualys_was_webapp", {"url": SHOP["url"]}, ("id", "name")),
    "exclusive": ("scutum_alert_info", {"log_id": "1", "limit": 3}, ("log_id", "limit", "mutually exclusive")),
    "of the module": ("qualys_was_webapp_info", {"filters": [{"field": "colour", "value": 1}]}, ("colour", "name")),
    "of the vendor": ("qualys_was_webapp", {"id": 999, "tags": ["prod"]}, ("999",)),
}  # fmt: skip
"""Mistakes with options, each of another kind."""


@dataclass(frozen=True)
class Done:
    """One run of all modules or all playbooks."""

    run: Run
    sandbox: Sandbox


def _tasks() -> list[Task]:
    # Each module once in a new Python, as a user's; between the oldest and the newest version that makes no difference.
    new = {"vars": {"ansible_python_interpreter": sys.executable}} if "TEST_NEW_PYTHON" in os.environ else {}
    reads: list[Task] = [{"name": name, PREFIX + name: options, **new} for name, (options, _key) in READS.items()]
    writes: list[Task] = []
    for name, options in WRITES.items():
        writes += [
            {"name": f"check {name}", PREFIX + name: options, "check_mode": True},
            {"name": name, PREFIX + name: options, **new},
        ]
    return [*reads, *writes]


def _groups(sandbox: Sandbox) -> dict[str, dict[str, Any]]:
    """The logins, by the groups of the vendors, and what all vendors share."""
    qualys = {"api_url": sandbox.url, "username": sandbox.username, "password": CANARY}
    given = {"qualys": qualys, **logins(sandbox)}
    return {f"{GROUP}{name}": options for name, options in given.items()} | {f"{GROUP}all": {"timeout": 20}}


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory, collections_path: Path) -> Iterator[Done]:
    """All modules in one playbook, whose logins come by the groups of the vendors."""
    switches = {"clock": "real", "retest_polls": 0}
    with log_sandbox(webapps=12, findings=150, password=CANARY, switches=switches) as sandbox:
        app = sandbox.qualys.webapps[410002]
        app["crawlingScripts"] = [{"id": 55999, "name": "login.html", "data": SCRIPT}]
        folder = tmp_path_factory.mktemp("modules")
        run = Ansible(folder, collections_path).play(
            _tasks(), arguments=["-vvvv", "--diff"], counters=sandbox.url, module_defaults=_groups(sandbox),
            environment={"PERIMETER_STATE_DIR": str(folder / "state")},
        )  # fmt: skip
        assert run.status == 0, run.output[-4000:]
        yield Done(run, sandbox)


def test_every_module_is_run() -> None:
    assert {PREFIX + name for name in (*READS, *WRITES)} == set(workbench.module_names())


@pytest.mark.parametrize("name", READS)
def test_a_query_finds_something_and_changes_nothing(modules: Done, name: str) -> None:
    result = modules.run[name]
    assert not result.failed
    assert not result.changed
    assert result[READS[name][1]]
    assert result.counters["writes"] == 0
    assert_documented(name, result)


@pytest.mark.parametrize("name", WRITES)
def test_check_mode_foretells_the_change_and_makes_none(modules: Done, name: str) -> None:
    check, first = modules.run[f"check {name}"], modules.run[name]
    assert (check.failed, first.failed) == (False, False)
    assert (check.changed, first.changed) == (True, True)
    before = modules.run.results[modules.run.results.index(check) - 1]
    assert check.counters["writes"] == before.counters["writes"]
    assert set(check.result) - {"diff"} <= set(first.result) | {"diff"} | set(_of_files())
    assert_documented(name, first)


def _of_files() -> tuple[str, ...]:
    return ("owner", "group", "mode", "size", "state", "uid", "gid")


@pytest.mark.parametrize("name", DIFFERENCES)
def test_the_difference_is_shown_and_foretold(modules: Done, name: str) -> None:
    check, first = modules.run[f"check {name}"], modules.run[name]
    assert check["diff"] == first["diff"]
    for part in first["diff"] if isinstance(first["diff"], list) else [first["diff"]]:
        assert {"before", "after"} <= set(part)
    printed = modules.run.stdout.split(f"TASK [{name}] ")[1].split("\nTASK [")[0]
    assert [line for line in printed.splitlines() if line.startswith(("+", "-"))]
    for word in DIFFERENCES[name]:
        assert word in printed


def test_a_mistake_is_told_in_one_clear_message(ansible: Ansible) -> None:
    tasks: list[Task] = [
        {"name": name, PREFIX + module: options, "ignore_errors": True}
        for name, (module, options, _words) in MISTAKES.items()
    ]
    # What Ansible says of this one is different in each version, and not always clear.
    tasks.append({"name": "type", PREFIX + "edgecast_waf_event_info": {"limit": "many"}, "ignore_errors": True})
    with log_sandbox(webapps=2, password=CANARY) as sandbox:
        run = ansible.play(tasks, module_defaults=_groups(sandbox))
        assert sandbox.counters.writes == 0
    for name, (_module, _options, words) in MISTAKES.items():
        assert_clear(run[name], *words)
    assert run["type"].failed
    assert "limit" in run["type"]["msg"]
    assert_quiet(run)
    assert CANARY not in run.output


def test_what_was_written_is_what_the_options_say(modules: Done) -> None:
    state, folder = modules.sandbox.qualys, modules.run.folder
    app = next(record for record in state.webapps.values() if record["name"] == SHOP["name"])
    assert (app["url"], app["headers"]) == (SHOP["url"], [f"X-Token: {HEADER}"])
    assert app["crawlingScripts"][0]["data"] == SCRIPT
    assert [(item["value"], item["regex"]) for item in app["urlExcludelist"]] == [
        ("https://shop.example.com/logout", False), (r"^/export/\d+$", True),
    ]  # fmt: skip
    record = next(item for item in state.auth_records.values() if item["name"] == "new & <login>")
    assert record["formRecord"]["fields"][1]["value"] == LOGIN
    assert (folder / "login.html").read_text(encoding="utf-8") == SCRIPT
    assert (folder / "report.pdf").read_bytes().startswith(b"%PDF")
    assert json.loads((folder / "gate.json").read_bytes())["verdict"] == modules.run["gate"]["verdict"]
    assert {item["record"] for item in modules.run["lake"]["written"]} == {"event", "finding", "snapshot"}
    assert all((folder / "lake" / item["path"]).stat().st_size for item in modules.run["lake"]["written"])
    assert modules.run["deliver"]["delivered"] == modules.run[EXPORTS["edgecast"]]["records"] > 0


def test_modules_give_no_warning_no_deprecation_and_no_secret(modules: Done) -> None:
    assert_quiet(modules.run)
    output = modules.run.output
    assert "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER" in output
    services = [secret for options in logins(modules.sandbox).values() for name, secret in options.items()
                if re.search("secret|token|api_key|access_key", name)]  # fmt: skip
    for secret in (CANARY, HEADER, LOGIN, SCRIPT, *services):
        assert secret not in output
        assert secret not in json.dumps([result.result for result in modules.run.results], ensure_ascii=False)
    assert modules.sandbox.counters.snapshot()["internal_errors"] == 0


def assert_quiet(run: Run) -> None:
    """Nobody is warned but by a gate that says why it is closed; and nothing will be gone one day."""
    said = {text for result in run.results if "verdict" in result.result for text in result.result.get("warnings", [])}
    # Ansible tells the same thing once.
    assert run.output.count("[WARNING]") == len(said), re.findall(r"\[WARNING\].*", run.output)
    assert not re.search(r"DEPRECATION|DEPRECATED|Traceback", run.output), run.output
    for result in run.results:
        assert "verdict" in result.result or not result.result.get("warnings"), result
        assert not result.result.get("deprecations"), result


PLAYBOOKS = (
    "doctor", "import_estate", "apply", "drift", "audit", "report", "scan", "collect", "gate", "retest_attacked",
)  # fmt: skip
"""In an order in which each finds what it needs."""
ELSEWHERE = ("awx_setup",)
"""What needs the collection of AWX, which comes with a large package: tests/awx runs it."""


@pytest.fixture(scope="module")
def playbooks(tmp_path_factory: pytest.TempPathFactory, collections_path: Path) -> Iterator[Done]:
    """All playbooks of the collection, one after the other, in one run."""
    folder = tmp_path_factory.mktemp("playbooks")
    with log_sandbox(webapps=6, findings=40, switches={"clock": "real"}) as sandbox:
        variables: Mapping[str, Any] = {
            "catalog_path": str(folder / "catalog"), "catalog_drift_report": str(folder / "drift.json"),
            "audit_directory": str(folder / "audit"), "audit_services": ["qualys", "edgecast"], "audit_lookback": "1d",
            # A stream has one directory, whoever reads it.
            "audit_logs_directory": str(folder / "logs"),
            "report_source": str(folder / "audit"), "report_directory": str(folder / "report"),
            "report_events": [str(folder / "logs" / "edgecast")],
            "collect_logs_directory": str(folder / "logs"), "collect_logs_sources": list(VARIABLES),
            "collect_logs_first_run": "lookback", "collect_logs_lookback": "1d",
            "collect_logs_receivers": [{"sink": "sql"}],
            "gate_webapps": [APP], "gate_directory": str(folder / "gate"), "gate_report_only": True,
            "gate_policy": {"schema": 1, "limits": {"all": {"vulnerability": {"critical": 0}}}},
            "gate_formats": ["html", "junit"], "scan_profile": "CI quick", "scan_poll_interval": "0.1s",
            # Nothing is open there, so that nothing is retested.
            "retest_attacked_event": {
                "host": "nowhere.example.net", "path": "/", "sub_events": [{"matched_on": "ARGS:q"}]
            },
        }  # fmt: skip
        logs = environment(sandbox, folder / "state")
        run = Ansible(folder, collections_path).program(
            "ansible-playbook", "-i", "localhost,", "-e", json.dumps(variables),
            *(PREFIX + name for name in PLAYBOOKS),
            environment=logs | login_to(sandbox) | {
                "PERIMETER_SQL_DATABASE_URL": f"sqlite:///{folder}/logs.db",
                # As a variable it would be that of the gate's own scan, too.
                "PERIMETER_SCAN_WEBAPPS": json.dumps(["410001"]),
            },
            results=folder / "playbooks.jsonl",
        )  # fmt: skip
        yield Done(run, sandbox)


def test_every_playbook_and_every_role_is_run(playbooks: Done) -> None:
    assert sorted((*PLAYBOOKS, *ELSEWHERE)) == sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))
    for role in sorted({path.name for path in (ROOT / "roles").iterdir()} - set(ELSEWHERE)):
        assert f"TASK [{PREFIX}{role} : " in playbooks.run.stdout, role


def test_playbooks_end_well_and_leave_their_files(playbooks: Done) -> None:
    run, folder = playbooks.run, playbooks.run.folder
    assert run.status == 0, run.output
    assert_quiet(run)
    assert {path.name for path in (folder / "catalog").iterdir()} >= {"auth_records.yml", "webapps.yml"}
    assert json.loads((folder / "drift.json").read_bytes())["objects"] == []
    assert json.loads((folder / "audit" / "report.json").read_bytes())["summary"]["total"] == 40
    report = json.loads((folder / "report" / "report.json").read_bytes())
    assert report["summary"]["total"] == 40
    assert report["attacks"]["total"] > 0
    assert all(list((folder / "logs" / service).glob("dt=*/*.ndjson*")) for service in VARIABLES)
    assert (folder / "logs.db").stat().st_size > 0
    gate = json.loads((folder / "gate" / "gate.json").read_bytes())
    assert gate["verdict"] in ("pass", "fail")
    assert {"report.html", "junit.xml"} <= {path.name for path in (folder / "gate").iterdir()}
    assert playbooks.sandbox.counters.writes == 2, "a scan, and that of the gate"

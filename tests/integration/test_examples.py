# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks under docs/examples/qualys_was: each runs as it is, does what it says, and does it once.

They stand for what the documentation page of qualysdk promises, and more; the guide qualys_was_operations says which
example stands for which operation.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.conftest import login_to
from tests.integration.runner import Ansible, Run, TaskResult
from tests.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples" / "qualys_was"
GUIDE = ROOT / "docs" / "docsite" / "rst" / "qualys_was_operations.rst"
LIST = ROOT.parent / "shared" / "apis" / "qualys-was.md"

ON_THE_PAGE = {
    "count_webapps": ["webapps_count"],
    "get_webapps": ["webapps_list"],
    "get_webapp_details": ["webapp_details"],
    "get_webapps_verbose": ["webapps_verbose"],
    "create_webapp": ["webapp_create"],
    "update_webapp": ["webapp_update"],
    "delete_webapp": ["webapp_delete"],
    "purge_webapp": ["webapp_purge"],
    "get_selenium_script": ["selenium_script"],
    "count_/get_/details/verbose authentication records": ["auth_records_read"],
    "create_authentication_record": [
        "auth_record_create_form",
        "auth_record_create_server",
        "auth_record_create_oauth2",
    ],
    "delete_authentication_record": ["auth_record_delete"],
    "count_findings / get_findings / get_finding_details / get_findings_verbose": ["findings_read"],
    "CLI: findings to XLSX": ["findings_to_spreadsheet"],
}
IN_THE_CODE = {
    "count_scans": ["scans_read"],
    "get_scans": ["scans_read"],
    "get_scan_details": ["scans_read"],
    "get_scans_verbose": ["scans_read"],
    "launch_scan": ["scan_launch"],
    "cancel_scan": ["scan_cancel"],
    "get_scan_status": ["scans_read"],
    "scan_again": ["scan_again"],
    "delete_scan": ["scan_delete"],
    "get_scan_results": ["scan_results"],
}
IN_NEITHER = {
    "auth record update": ["auth_record_update"],
    "finding ignore": ["finding_ignore"],
    "finding activate": ["finding_activate"],
    "finding severity": ["finding_severity", "finding_restore_severity"],
    "finding retest": ["finding_retest"],
    "schedules": ["schedule", "schedules_read", "schedule_delete"],
    "option profiles": ["option_profiles"],
    "reports": ["report"],
    "tags-by-name": ["tags"],
    "knowledge base": ["knowledge_base"],
}
BEYOND_THE_LIST = {"knowledge base"}
ROWS = ON_THE_PAGE | IN_THE_CODE | IN_NEITHER

ONCE, TWICE = 1, 2
PASSWORD, NEW_PASSWORD = "p4ss & <True> ü", "an0ther & <False> ü"
ENVIRONMENT = {
    "EXAMPLE_SHOP_PASSWORD": PASSWORD,
    "EXAMPLE_NEW_PASSWORD": NEW_PASSWORD,
    "EXAMPLE_KEY_PASSPHRASE": "passphr4se & <x>",
    "EXAMPLE_CLIENT_SECRET": "cl1ent & <secret>",
}
PEM = "-----BEGIN CERTIFICATE-----\nY2VydGlmaWNhdGUgZm9yIGV4YW1wbGVz\n-----END CERTIFICATE-----\n"
WEBAPP, RECORD, FINDING = "was/webapp", "was/webappauthrecord", "was/finding"


@dataclass(frozen=True)
class Step:
    """One example: how often it runs, and which calls that write it makes when it runs first.

    Attributes:
        file: its name without the suffix.
        runs: ONCE for what only reads, and for actions; TWICE when the second run must change nothing.
        writes: calls that write, such as ``update/was/webapp``, and how many.
        always: tasks that change something each time, as their option says.
        local: whether it changes a file here.
    """

    file: str
    runs: int = ONCE
    writes: dict[str, int] = field(default_factory=dict)
    always: tuple[str, ...] = ()
    local: bool = False


BUILD = (
    Step("tags"),
    Step("option_profiles"),
    Step("auth_record_create_form", TWICE, {f"create/{RECORD}": 4}),
    Step("auth_record_create_server", TWICE, {f"create/{RECORD}": 2}),
    Step("auth_record_create_oauth2", TWICE, {f"create/{RECORD}": 4}),
    Step("auth_records_read"),
    Step("auth_record_update", TWICE, {f"update/{RECORD}": 2}, always=("The password was changed",)),
    Step("webapp_create", TWICE, {f"create/{WEBAPP}": 1}),
    Step("selenium_script", local=True),
    Step("webapp_update", TWICE, {f"update/{WEBAPP}": 1}),
    Step("webapps_count"),
    Step("webapps_list"),
    Step("webapp_details"),
    Step("webapps_verbose"),
    Step("schedule", TWICE, {"create/was/wasscanschedule": 1}),
    Step("schedules_read"),
    Step("scan_launch", TWICE, {"launch/was/wasscan": 1}),
    Step("scans_read"),
    Step("scan_results"),
    Step("findings_read"),
    Step("knowledge_base", local=True),
    Step("finding_severity", TWICE, {f"editSeverity/{FINDING}": 1}),
    Step("finding_restore_severity", TWICE, {f"restoreSeverity/{FINDING}": 1}),
    Step("finding_ignore", TWICE, {f"ignore/{FINDING}": 10}),
    Step("findings_to_spreadsheet", local=True),
)
CLEAR = (
    Step("finding_activate", TWICE, {f"activate/{FINDING}": 10}),
    Step("finding_retest", ONCE, {f"retest/{FINDING}": 1}),
    Step("report", ONCE, {"create/was/report": 1, "delete/was/report": 1}),
    Step("scan_again", ONCE, {"launch/was/wasscan": 1}),
    Step("scan_cancel", TWICE, {"cancel/was/wasscan": 1}),
    Step("scan_delete", TWICE, {"delete/was/wasscan": 1}),
    Step("webapp_purge", TWICE, {f"purge/{WEBAPP}": 1}),
    Step("schedule_delete", TWICE, {"delete/was/wasscanschedule": 1}),
    Step("webapp_delete", TWICE, {f"delete/{WEBAPP}": 1}),
    Step("auth_record_delete", TWICE, {f"delete/{RECORD}": 10}),
)
"""In the order of their needs: a scan makes the findings, and only what is not used can be deleted."""


def playbook(name: str) -> list[dict[str, Any]]:
    """The plays of an example."""
    plays: list[dict[str, Any]] = yaml.safe_load((EXAMPLES / f"{name}.yml").read_text(encoding="utf-8"))
    return plays


def tasks_of(name: str) -> list[dict[str, Any]]:
    """The tasks of an example."""
    return [task for play in playbook(name) for task in play["tasks"]]


class Examples:
    """Runs examples against one sandbox, many in one process."""

    def __init__(self, ansible: Ansible, sandbox: Sandbox) -> None:
        self._ansible = ansible
        self.sandbox = sandbox
        self.folder = ansible.folder

    def play(self, steps: tuple[Step, ...]) -> dict[str, TaskResult]:
        """Run them in order and judge each; what the first run of each task gave, by the name of the task."""
        sequence = [step for step in steps for _run in range(step.runs)]
        variables = {
            "output_directory": str(self.folder),
            "certificate_file": str(self.folder / "scanner.pem"),
            "poll_interval": "0.01s",
            "poll_seconds": 0.01,
        }
        results = self.folder / "results.jsonl"
        results.unlink(missing_ok=True)
        before = self.sandbox.counters.snapshot()
        steering = {
            "TEST_COUNTERS": self.sandbox.url,
            "PERIMETER_STATE_DIR": str(self.folder / "state"),
            "ANSIBLE_PIPELINING": "true",
        }
        run = self._ansible.program(
            "ansible-playbook", "-i", "localhost,", "-e", json.dumps(variables),
            *(str(EXAMPLES / f"{step.file}.yml") for step in sequence),
            environment=login_to(self.sandbox) | ENVIRONMENT | steering, results=results,
        )  # fmt: skip
        assert run.status == 0, run.output
        return judged(sequence, run, before)


def judged(sequence: list[Step], run: Run, counters: dict[str, Any]) -> dict[str, TaskResult]:
    """Compare each run of an example with what it may do."""
    first: dict[str, TaskResult] = {}
    rest = iter([*run.results, None])
    result = next(rest)
    seen: set[str] = set()
    for step in sequence:
        again, part = step.file in seen, []
        seen.add(step.file)
        for task in tasks_of(step.file):
            assert result is not None, f"{step.file} did not run to its end"
            assert result.task == task["name"], step.file
            part.append(result)
            first.setdefault(result.task, result)
            result = next(rest)
        check(step, part, counters, again)
        counters = part[-1].counters
    assert result is None
    return first


def check(step: Step, part: list[TaskResult], before: dict[str, Any], again: bool) -> None:
    """One run of one example: its writes, and what its tasks say."""
    written = writes_between(before, part[-1].counters)
    changed = {result.task for result in part if result.changed}
    assert part[-1].counters["internal_errors"] == 0
    assert [result["warnings"] for result in part if result.result.get("warnings")] == [], step.file
    if again:
        assert changed == set(step.always), f"{step.file} changes something when it is run again"
        assert sum(written.values()) == len(step.always), f"{step.file} writes when it is run again: {written}"
    else:
        assert written == step.writes, step.file
        assert bool(changed) == (step.local or bool(step.writes)), step.file


def writes_between(before: dict[str, Any], after: dict[str, Any]) -> dict[str, int]:
    """Calls that write, as ``operation/module/object``, and how many there were between two looks at the counters."""
    done = Counter(after["by_route"])
    done.subtract(before["by_route"])
    reads = ("count", "search", "get", "status", "download", "downloadSeleniumScript", "retestStatus")
    named = {re.sub(r"^\w+ /qps/rest/[\d.]+/|/<id>$", "", route): number for route, number in done.items() if number}
    found = {
        route: number for route, number in named.items() if route.split("/")[0] not in reads and "/api/" not in route
    }
    assert sum(found.values()) == after["writes"] - before["writes"]
    return found


@pytest.fixture
def examples(ansible: Ansible) -> Iterator[Examples]:
    """A small estate, whose next scan finds a dozen things."""
    (ansible.folder / "scanner.pem").write_text(PEM, encoding="utf-8")
    with Sandbox(webapps=6, findings=20, switches={"retest_polls": 0, "clock": "real"}) as running:
        running.qualys.next_scan_outcome({"outcome": "finished", "new": 12, "fixed": 0})
        yield Examples(ansible, running)


def test_examples_do_what_they_say(examples: Examples) -> None:
    state, folder = examples.sandbox.qualys, examples.folder
    built = examples.play(BUILD)
    app = next(record for record in state.webapps.values() if record["name"] == "Example shop")
    check_webapp(app, state)
    check_records(state)
    check_reads(built)
    assert "<td>/basket</td>" in (folder / "basket.html").read_text(encoding="utf-8")
    assert (folder / "findings.csv").read_text(encoding="utf-8").count("\n") > 12
    assert len(json.loads((folder / "knowledge.json").read_bytes())["entries"]) > 1
    [schedule] = [record for record in state.schedules.values() if record["name"] == "Example schedule"]
    assert schedule["target"]["webApp"]["id"] == app["id"]
    ignored = [record for record in state.findings.values() if record.get("ignoredComment", "").startswith("Agreed")]
    assert {(record["ignoredReason"], record["webApp"]["id"]) for record in ignored} == {("RISK_ACCEPTED", app["id"])}

    others = set(state.webapps) - {app["id"]}
    cleared = examples.play(CLEAR)
    assert cleared["Findings of the shop are retested"]["findings"][0]["retest"]["finding_status"]
    assert (folder / "report.pdf").read_bytes().startswith(b"%PDF")
    assert cleared["The same scan is launched again"]["scan"]["id"] != built["The shop was scanned"]["scan"]["id"]
    [purged] = cleared["The shop starts over without scan data"]["purged"]
    assert (purged["id"], purged["findings"]) == (app["id"], 12)
    assert not state.findings_of(app["id"])
    assert set(state.webapps) == others
    assert not [record for record in state.auth_records.values() if record["name"].startswith("Example")]
    assert not [record for record in state.schedules.values() if record["name"] == "Example schedule"]


def check_webapp(app: Any, state: Any) -> None:
    """What create and update have made of the application."""
    assert state.option_profiles[app["defaultProfile"]["id"]]["name"] == "CI quick"
    assert [state.auth_records[key]["name"] for key in app["authRecords"]] == ["Example gateway login"]
    assert {item["name"]: item["value"] for item in app["attributes"]} == {
        "Business Unit": "Retail",
        "Cost Center": "CC-1001",
    }
    assert app["uris"] == ["https://shop.example.com/admin?lang=en&theme=dark"]
    assert [item["regex"] for item in app["urlExcludelist"]] == [False, True]
    assert app["useSitemap"] is True


def check_records(state: Any) -> None:
    """Every kind of login arrived, with its secret byte for byte."""
    records = {record["name"]: record for record in state.auth_records.values()}
    fields = {item["name"]: item["value"] for item in records["Example shop login"]["formRecord"]["fields"]}
    assert fields == {"username": "scanner", "password": NEW_PASSWORD}
    assert records["Example shop login"]["formRecord"]["sslOnly"] is False
    gateway = records["Example gateway login"]["serverRecord"]["fields"]
    assert [(item["type"], item["password"]) for item in gateway] == [
        (kind, PASSWORD) for kind in ("BASIC", "DIGEST", "NTLM")
    ]
    certificate = records["Example certificate login"]["serverRecord"]["certificate"]
    assert certificate["passphrase"] == ENVIRONMENT["EXAMPLE_KEY_PASSPHRASE"]
    assert records["Example script login"]["formRecord"]["seleniumScript"]["regex"] == "Log ?out"
    grants = {record["oauth2Record"]["grantType"] for record in records.values()
              if record["name"].startswith("Example") and record.get("oauth2Record")}  # fmt: skip
    assert grants == {"AUTH_CODE", "IMPLICIT", "PASSWORD", "CLIENT_CREDS"}


def check_reads(built: dict[str, TaskResult]) -> None:
    """Every reading example found something, so that it shows something."""
    assert built["Find the tag"]["total"] == 1
    assert built["Read the option profile with its settings"]["option_profiles"][0]["max_crawl_requests"] > 0
    assert built["Count the records"]["total"] == 22
    assert built["Show one record in detail"]["auth_records"][0]["form"]["type"] == "STANDARD"
    assert len(built["Read all records in full detail"]["auth_records"]) == 22
    assert built["Count the web applications with the tag"]["total"] >= 2
    assert len(built["List the first web applications"]["webapps"]) == 7
    assert built["Read it in full"]["webapps"][0]["name"] == "Example shop"
    assert built["Read every web application with the tag in full"]["webapps"][0]["scope"]
    assert "Example shop" in {item["webapp"] for item in built["List the active schedules"]["schedules"]}
    assert built["Show how the scan ended"].result["scanned.scan.end_reason"] == "finished"
    assert [item["status"] for item in built["List the scans of the web application"]["scans"]] == ["finished"]
    assert built["Show one scan and how it stands"]["scans"][0]["conclusive"] is True
    assert sum(built["Download what the scan found"]["scans"]["vulnerabilities"].values()) == 12
    assert built["Count the open findings of severity four and five"]["total"] > 0
    assert built["List the findings that were not ignored"]["total"] == 12
    assert built["Show one finding with its TLS data"]["findings"][0]["title"]
    assert built["List the worst findings with their evidence"]["findings"][0]["payload"]


def test_every_example_is_run() -> None:
    on_disk = sorted(path.stem for path in EXAMPLES.iterdir())
    assert sorted(step.file for step in (*BUILD, *CLEAR)) == on_disk
    assert sorted({name for files in ROWS.values() for name in files}) == on_disk
    names = [task["name"] for name in on_disk for task in tasks_of(name)]
    assert len(names) == len(set(names)), "a task is told from the others by its name"


def test_examples_hold_no_credential_and_use_full_names() -> None:
    for name in sorted(path.stem for path in EXAMPLES.iterdir()):
        text = (EXAMPLES / f"{name}.yml").read_text(encoding="utf-8")
        assert not re.search(r"api_url|^ +username: .*@|no_log: false", text), name
        for secret in re.findall(r"(?:password|passphrase|client_secret|contents): *(\S.*)", text):
            assert "{{" in secret, f"{name}: {secret}"
        for task in tasks_of(name):
            assert [key for key in task if key.startswith(("appsec.perimeter.", "ansible.builtin."))], task


def listed_rows(text: str) -> tuple[set[str], set[str], set[str]]:
    """The operations that the list of qualysdk names: on its page, in its code only, in neither."""
    section = text.partition("\n## 9.")[2].partition("\n---")[0]
    cells = [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("| ")][1:]
    lines = {
        line.split(":")[0]: line.split(":", 1)[1].strip(" .") for line in section.splitlines() if line[:3] == "In "
    }
    code, neither = (set(lines[key].split(", ")) for key in sorted(lines, key=lambda key: "neither" in key))
    words = {part for item in neither for part in expanded(item)}
    return {cell.split(" (")[0] for cell in cells}, code, words


def expanded(item: str) -> list[str]:
    """``finding ignore/activate`` as two items."""
    head, _space, tail = item.partition(" ")
    return [f"{head} {word}" for word in tail.split("/")] if "/" in tail else [item]


@pytest.mark.skipif(not LIST.exists(), reason="the list is stored beside the repository, and is not part of it")
def test_every_row_of_the_list_has_an_example() -> None:
    page, code, neither = listed_rows(LIST.read_text(encoding="utf-8"))
    assert page == set(ON_THE_PAGE)
    assert code == set(IN_THE_CODE)
    assert neither == set(IN_NEITHER) - BEYOND_THE_LIST


def test_the_guide_says_which_example_stands_for_which_row() -> None:
    entries = [entry.split("\n     - ") for entry in GUIDE.read_text(encoding="utf-8").split("\n   * - ")[1:]]
    rows = {cells[0].strip("`"): (cells[1], cells[2].split("\n\n")[0]) for cells in entries if len(cells) == 3}
    shown = {
        row: (re.findall(r"``(\w+)\.yml``", last), modules) for row, (modules, last) in rows.items() if ".yml" in last
    }
    assert {row: files for row, (files, _modules) in shown.items()} == ROWS
    for row, (files, modules) in shown.items():
        used = {key for name in files for task in tasks_of(name) for key in task if key.startswith("appsec.")}
        named = re.findall(r":ansplugin:`([\w.]+)#module`", modules)
        assert named, row
        assert set(named) <= used, row


def test_examples_are_in_the_artifact() -> None:
    ignored = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["build_ignore"]
    assert not [pattern for pattern in ignored if pattern.split("/")[0] == "docs"]
    assert os.access(EXAMPLES, os.R_OK)

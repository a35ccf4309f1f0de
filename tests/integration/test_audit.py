# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit as a user runs it: ``ansible-playbook appsec.perimeter.audit`` against the sandbox."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.integration.runner import Ansible, Run, TaskResult
from tests.sandbox import Sandbox

PLAYBOOK = "appsec.perimeter.audit"
FILES = {
    "findings.ndjson.gz",
    "findings.ndjson.gz.manifest.json",
    "knowledge.json",
    "report.csv",
    "report.html",
    "report.json",
    "report.md",
}
CANARY = "Cnry-audit+pass/w0rd="


class Auditor:
    """Runs the playbook with one sandbox and one directory."""

    def __init__(self, ansible: Ansible, login: dict[str, str]) -> None:
        self._ansible = ansible
        self._login = login
        self._serial = 0
        self.directory = ansible.folder / "audit"

    def __call__(self, *arguments: str, environment: dict[str, str] | None = None, **variables: Any) -> Run:
        """One run; variables become extra vars."""
        self._serial += 1
        extra = {"audit_directory": str(self.directory)} | variables
        return self._ansible.program(
            "ansible-playbook",
            PLAYBOOK,
            "--extra-vars",
            json.dumps({name: value for name, value in extra.items() if value is not None}),
            *arguments,
            environment=self._login | (environment or {}),
            results=self._ansible.folder / f"audit-{self._serial}.jsonl",
        )

    def report(self) -> dict[str, Any]:
        """The JSON report."""
        content: dict[str, Any] = json.loads((self.directory / "report.json").read_text(encoding="utf-8"))
        return content

    def text(self, name: str) -> str:
        """One of the files."""
        return (self.directory / name).read_text(encoding="utf-8")

    def files(self) -> set[str]:
        """What is in the directory; empty when it does not exist."""
        return {path.name for path in self.directory.iterdir()} if self.directory.is_dir() else set()


@pytest.fixture
def audit(ansible: Ansible, login: dict[str, str]) -> Auditor:
    return Auditor(ansible, login)


def task(run: Run, name: str) -> TaskResult:
    """What came of a task of the role; newer versions of ansible-core put the name of the role before it."""
    return next(result for result in run.results if result.task.endswith(name))


def recap(run: Run) -> dict[str, int]:
    """The numbers of the last line."""
    line = re.search(r"^localhost +: (.+)$", run.stdout, re.MULTILINE)
    assert line, run.output
    return {name: int(count) for name, count in (item.split("=") for item in line[1].split())}


def summary(run: Run) -> str:
    """What the role sums up."""
    return "\n".join(task(run, "Sum up")["msg"])


def figures(run: Run) -> dict[str, Any]:
    """What the role hands to later jobs."""
    handed: dict[str, Any] = task(run, "Hand the figures to the jobs that follow")["ansible_stats"]["data"][
        "audit_result"
    ]
    return handed


def error(run: Run) -> str:
    """The message of the task that failed."""
    assert run.status == 2, run.output
    (failed,) = [result for result in run.results if result.failed]
    return str(failed["msg"])


def announce_too_many(sandbox: Sandbox) -> None:
    """Let the server announce more findings than it sends."""
    sandbox.faults.add(kind="wrong_count", match={"route": "/count/was/finding"}, n=7, times=-1)


def finding_text(sandbox: Sandbox) -> list[str]:
    """Titles and URLs of all findings: what must not be printed."""
    records = list(sandbox.qualys.findings.values())
    found = {str(record.get(name)) for record in records for name in ("name", "url") if record.get(name)}
    return [text for text in found if len(text) > 8]


def test_the_first_run_writes_everything_and_sums_up_in_numbers(audit: Auditor, sandbox: Sandbox) -> None:
    run = audit()
    assert run.status == 0, run.output
    assert audit.files() == FILES
    assert all(path.stat().st_mode & 0o077 == 0 for path in (audit.directory, *audit.directory.iterdir()))
    report = audit.report()
    assert report["summary"]["total"] == 300 == len(report["findings"])
    assert "Applications: 24 in scope" in summary(run)
    assert f"Open risks: {report['summary']['states']['open']:,} (" in summary(run)
    assert "nothing to compare with" in summary(run)
    assert "other filters" not in summary(run)
    assert sandbox.counters.writes == 0
    lines = gzip.decompress((audit.directory / "findings.ndjson.gz").read_bytes()).splitlines()
    assert len(lines) == 300
    assert [text for text in finding_text(sandbox) if text in run.output] == []
    assert "[WARNING]" not in run.output


def test_what_later_jobs_get_is_small_and_made_of_numbers(audit: Auditor) -> None:
    run = audit()
    result = figures(run)
    assert result["complete"] is True
    assert (result["applications"], result["findings"]) == (24, 300)
    assert result["open"] == sum(result["open_by_severity"].values()) == audit.report()["summary"]["states"]["open"]
    assert result["report"] == str(audit.directory / "report.html")
    assert len(json.dumps(result)) < 1000
    # Every tenth application of the sandbox was never scanned.
    assert result["applications_never_scanned"] == 2
    assert "Never scanned (2): " in audit.text("report.md")


def test_the_second_run_changes_nothing_and_the_third_tells_what_changed(audit: Auditor, sandbox: Sandbox) -> None:
    audit()
    again = audit()
    assert recap(again)["changed"] == 0
    assert "no difference to the last run" in summary(again)

    first = next(iter(sandbox.qualys.findings.values()))["webApp"]["id"]
    with sandbox.qualys.lock:
        of_first = [key for key, item in sandbox.qualys.findings.items() if item["webApp"]["id"] == first]
        sandbox.qualys.findings.remove_many(of_first)
    before = {item["unique_id"] for item in audit.report()["findings"]}
    third = audit()
    changes = audit.report()["changes"]
    gone = changes["counts"]["gone"]
    assert recap(third)["changed"] == 2
    assert gone > 0
    assert f"Changes: {gone} gone." in summary(third)
    assert len(before) - len(audit.report()["findings"]) == len(of_first)
    assert "Since the previous run" in audit.text("report.html")


def test_check_mode_reads_and_writes_nothing(audit: Auditor, sandbox: Sandbox) -> None:
    run = audit("--check")
    assert run.status == 0, run.output
    assert not audit.directory.exists()
    assert "a real run would write" in "\n".join(task(run, "Show what a real run would do")["msg"])

    audit()
    before = {path.name: (path.stat().st_mtime_ns, path.stat().st_ino) for path in audit.directory.iterdir()}
    run = audit("--check", "--diff")
    assert recap(run)["changed"] == 0
    assert "would only bring the time in the report up to date" in "\n".join(
        task(run, "Show what a real run would do")["msg"]
    )
    assert {path.name: (path.stat().st_mtime_ns, path.stat().st_ino) for path in audit.directory.iterdir()} == before
    assert sandbox.counters.writes == 0


def test_filters_set_the_scope_of_applications_and_findings(audit: Auditor, sandbox: Sandbox) -> None:
    tag = next(tag for tag in sandbox.qualys.tags.values() if tag["name"] == "prod")
    tagged = {str(app["id"]) for app in sandbox.qualys.webapps.values() if tag["id"] in app["tags"]}
    run = audit(
        audit_webapp_filters=[{"field": "tags.name", "value": "prod"}],
        audit_finding_filters=[{"field": "type", "value": "VULNERABILITY"}],
    )
    assert run.status == 0, run.output
    report = audit.report()
    assert {app["id"] for app in report["webapps"]} == tagged
    assert {item["asset"]["id"] for item in report["findings"]} <= tagged
    assert {item["kind"] for item in report["findings"]} == {"vulnerability"}
    fields = [item["field"] for item in report["manifests"][0]["filters"]]
    assert fields == ["webApp.tags.name", "type"]


def test_a_filter_that_findings_do_not_have_goes_by_the_ids(audit: Auditor) -> None:
    run = audit(audit_webapp_filters=[{"field": "url", "operator": "CONTAINS", "value": "checkout"}])
    assert run.status == 0, run.output
    report = audit.report()
    ids = {app["id"] for app in report["webapps"]}
    assert ids
    assert {item["asset"]["id"] for item in report["findings"]} <= ids
    (criterion,) = report["manifests"][0]["filters"]
    assert criterion["field"] == "webApp.id"
    assert set(criterion["value"].split(",")) == ids


def test_an_application_that_comes_is_no_other_scope(audit: Auditor, sandbox: Sandbox) -> None:
    shops = [{"field": "url", "operator": "CONTAINS", "value": "checkout"}]
    audit(audit_webapp_filters=shops)
    before = {app["id"] for app in audit.report()["webapps"]}
    with sandbox.qualys.lock:
        key = next(key for key in sandbox.qualys.webapps.ids if str(key) not in before)
        sandbox.qualys.webapps[key]["url"] = "https://new.example.com/checkout"
    run = audit(audit_webapp_filters=shops)
    assert {app["id"] for app in audit.report()["webapps"]} == before | {str(key)}
    assert audit.report()["changes"]["same_scope"] is True
    assert "other filters" not in summary(run)
    # Another title of the filter is another scope, and said to be one.
    assert "other filters" in summary(audit(audit_webapp_filters=[{**shops[0], "value": "https"}]))


def test_a_report_that_says_something_else_is_a_change(audit: Auditor, sandbox: Sandbox) -> None:
    audit()
    assert recap(audit())["changed"] == 0
    # Nothing happens to the findings: an application without any gets a name, and a file is lost.
    with sandbox.qualys.lock:
        found = {item["webApp"]["id"] for item in sandbox.qualys.findings.values()}
        key = next(key for key in sandbox.qualys.webapps.ids if key not in found)
        sandbox.qualys.webapps[key]["name"] = "Renamed"
    assert recap(audit())["changed"] == 1
    (audit.directory / "report.csv").unlink()
    assert recap(audit())["changed"] == 1
    assert recap(audit())["changed"] == 0


def test_the_report_says_what_the_rules_mean(audit: Auditor, sandbox: Sandbox) -> None:
    run = audit("-v")
    assert "rules explained" in summary(run)
    explained = audit.report()["knowledge"]
    assert len(explained) > 5
    assert sum(bool(rule["solution"]) for rule in explained) > 5
    assert "What it means and how to fix it" in audit.text("report.html")
    assert "## How to fix" in audit.text("report.md")
    # The texts travel in a file only.
    assert [rule["rule_id"] for rule in explained if (rule["solution"] or "-" * 99)[:60] in run.output] == []
    asked = sandbox.counters.snapshot()["by_route"]
    assert asked["GET /api/2.0/fo/knowledge_base/vuln"] == 1


def test_without_the_right_to_the_knowledge_base_the_audit_goes_on(audit: Auditor, sandbox: Sandbox) -> None:
    sandbox.switches["kb_permission"] = "denied"
    run = audit()
    assert run.status == 0, run.output
    assert audit.files() == FILES - {"knowledge.json"}
    assert "could not be read; the report says why" in summary(run)
    assert any("The knowledge base could not be read" in note for note in audit.report()["notes"])
    assert audit.report()["knowledge"] is None
    assert recap(audit())["changed"] == 0

    sandbox.switches["kb_permission"] = "granted"
    # The file of the knowledge base, and the report that now has it.
    assert recap(audit())["changed"] == 2
    assert audit.report()["knowledge"]


def test_the_knowledge_base_can_be_left_out(audit: Auditor, sandbox: Sandbox) -> None:
    run = audit(environment={"PERIMETER_AUDIT_KNOWLEDGE": "false"})
    assert run.status == 0, run.output
    assert "Knowledge base: not asked." in summary(run)
    assert audit.files() == FILES - {"knowledge.json"}
    assert not [route for route in sandbox.counters.snapshot()["by_route"] if "knowledge_base" in route]


def test_an_empty_scope_is_an_error(audit: Auditor) -> None:
    message = error(audit(audit_webapp_filters=[{"field": "name", "value": "there is no such application"}]))
    assert message.startswith("No web application matches audit_webapp_filters")


def test_inputs_come_from_the_environment_too(audit: Auditor, ansible: Ansible) -> None:
    run = audit(
        audit_directory=None,
        environment={
            "PERIMETER_AUDIT_DIRECTORY": "relative/place",
            "PERIMETER_AUDIT_TITLE": "Northwind",
            "PERIMETER_AUDIT_WEBAPP_FILTERS": '[{"field": "tags.name", "value": "prod"}]',
            "PERIMETER_TIMEOUT": "7",
            "PERIMETER_VALIDATE_CERTS": "false",
        },
    )
    assert run.status == 0, run.output
    audit.directory = ansible.folder / "relative" / "place"
    assert audit.report()["title"] == "Northwind"
    assert 0 < len(audit.report()["webapps"]) < 24


@pytest.mark.parametrize(
    ("environment", "variables", "words"),
    [
        ({"PERIMETER_RETRIES": "-2"}, {}, "retries must be at least 0, not -2."),
        ({"PERIMETER_RETRIES": "-2"}, {"perimeter_retries": -3}, "retries must be at least 0, not -3."),
        ({"PERIMETER_CLIENT_CERT": "/nowhere.pem"}, {}, "client_cert cannot be read: /nowhere.pem"),
    ],
    ids=["environment", "variable-first", "path"],
)
def test_connection_settings_reach_the_modules(
    audit: Auditor, environment: dict[str, str], variables: dict[str, int], words: str
) -> None:
    assert words in error(audit(environment=environment, **variables))


def test_an_incomplete_snapshot_is_reported_and_fails(audit: Auditor, sandbox: Sandbox) -> None:
    audit()
    complete = audit.text("report.json")
    announce_too_many(sandbox)
    message = error(audit())
    assert message.startswith("The audit is not complete: Qualys announced 307 findings and sent 300.")
    assert "Incomplete data" in audit.text("report.html")
    assert "Incomplete data" in audit.text("report.md")
    # The next run compares with this one, so it stays that of the last complete run.
    assert audit.text("report.json") == complete

    accepted = audit(audit_require_complete=False)
    assert accepted.status == 0, accepted.output
    assert figures(accepted)["complete"] is False


def test_a_wrong_password_is_one_clear_sentence(audit: Auditor, sandbox: Sandbox) -> None:
    run = audit("-vvvv", environment={"QUALYS_WAS_PASSWORD": CANARY})
    message = error(run)
    assert "INVALID_CREDENTIALS" in message
    assert "\n" not in message
    assert audit.files() == set()
    assert sandbox.counters.failed_auth == 1
    assert CANARY not in run.output


def test_missing_credentials_say_which_variable_to_set(audit: Auditor) -> None:
    message = error(audit(environment={"QUALYS_WAS_USERNAME": ""}))
    assert "QUALYS_WAS_USERNAME" in message


def test_a_directory_that_cannot_be_made_is_named(audit: Auditor, ansible: Ansible, sandbox: Sandbox) -> None:
    (ansible.folder / "file").write_text("in the way", encoding="utf-8")
    message = error(audit(audit_directory=str(ansible.folder / "file" / "audit")))
    assert message.startswith("audit_directory: ")
    assert str(ansible.folder / "file" / "audit") in message
    # Found before anything was asked.
    assert sandbox.counters.requests == 0


def test_no_secret_is_printed_or_written(ansible: Ansible) -> None:
    with Sandbox(webapps=4, findings=40, password=CANARY) as sandbox:
        login = {
            "QUALYS_WAS_URL": sandbox.url,
            "QUALYS_WAS_USERNAME": sandbox.username,
            "QUALYS_WAS_PASSWORD": CANARY,
        }
        audit = Auditor(ansible, login)
        run = audit("-vvvv", "--diff")
    assert run.status == 0, run.output
    assert CANARY not in run.output
    for path in audit.directory.iterdir():
        content = path.read_bytes()
        assert CANARY.encode() not in (gzip.decompress(content) if path.suffix == ".gz" else content)


def test_hostile_text_is_never_a_template(audit: Auditor, sandbox: Sandbox, ansible: Ansible) -> None:
    trap = ansible.folder / "executed"
    template = "{{ lookup('ansible.builtin.pipe', 'touch " + str(trap) + "') }}{{ 7 * 191 }}"
    with sandbox.qualys.lock:
        app = next(iter(sandbox.qualys.webapps.values()))
        app["name"] = template
        sandbox.qualys.webapps[app["id"]] = app
        finding = next(iter(sandbox.qualys.findings.values()))
        finding["name"] = template
        sandbox.qualys.findings[finding["id"]] = finding
    run = audit("-v")
    assert run.status == 0, run.output
    assert not trap.exists()
    report = audit.report()
    assert template in {app["name"] for app in report["webapps"]}
    assert template in {item["title"] for item in report["findings"]}
    assert "1337" not in summary(run)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        (
            {"audit_webapp_filters": [{"value": "prod"}]},
            "missing required arguments: field found in audit_webapp_filters",
        ),
        ({"audit_require_complete": "perhaps"}, "audit_require_complete"),
        ({"audit_finding_filters": [{"field": "severity", "valeu": 5}]}, "valeu"),
    ],
    ids=["no-field", "no-boolean", "misspelt"],
)
def test_a_wrong_variable_is_named_before_anything_is_sent(
    audit: Auditor, sandbox: Sandbox, variables: dict[str, Any], words: str
) -> None:
    run = audit(**variables)
    (failed,) = [result for result in run.results if result.failed]
    assert words in json.dumps(failed.result.get("argument_errors", []))
    assert sandbox.counters.requests == 0


def test_an_unknown_filter_field_is_named(audit: Auditor) -> None:
    assert "filters: colour is not a field" in error(audit(audit_webapp_filters=[{"field": "colour", "value": "red"}]))


def test_the_role_works_in_a_play_of_ones_own(ansible: Ansible, login: dict[str, str]) -> None:
    directory = ansible.folder / "own"
    run = ansible.play(
        [
            {
                "name": "Audit",
                "ansible.builtin.include_role": {"name": "appsec.perimeter.audit"},
                "vars": {"audit_directory": str(directory), "audit_title": "My own"},
            }
        ],
        environment={name: value for name, value in login.items() if name != "QUALYS_WAS_URL"},
        module_defaults={"group/appsec.perimeter.qualys": {"api_url": login["QUALYS_WAS_URL"], "max_connections": 2}},
    )
    assert run.status == 0, run.output
    assert (Path(directory) / "report.html").is_file()

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit as a user runs it: ``ansible-playbook appsec.perimeter.audit`` against the sandbox.

A run costs seconds, so that most tests look at the runs of one story: an estate that is audited again and again, while
something happens to it. What came of each run is kept, with the directory as it was then.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import login_to
from tests.integration.runner import Ansible, Run, Task, TaskResult
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
SHOPS = [{"field": "url", "operator": "CONTAINS", "value": "checkout"}]


@dataclass(frozen=True)
class Audited:
    """One run, and its directory as it was then.

    Attributes:
        run: the run.
        contents: of each file.
        modes: of the directory and each file.
        stamps: of each file the time and the number, which another write would change.
        asked: how often the run took each route of the sandbox.
        writes: how many calls of the run were to write.
    """

    run: Run
    contents: dict[str, bytes]
    modes: tuple[int, ...]
    stamps: dict[str, tuple[int, int]]
    asked: dict[str, int]
    writes: int

    def text(self, name: str) -> str:
        """One of the files."""
        return self.contents[name].decode("utf-8")

    @property
    def report(self) -> dict[str, Any]:
        """The JSON report."""
        content: dict[str, Any] = json.loads(self.contents["report.json"])
        return content


class Auditor:
    """Runs the playbook with one sandbox and one directory."""

    def __init__(self, ansible: Ansible, sandbox: Sandbox) -> None:
        self.folder = ansible.folder
        self.directory = ansible.folder / "audit"
        self._ansible = ansible
        self._sandbox = sandbox
        self._serial = 0

    def __call__(self, *arguments: str, environment: dict[str, str] | None = None, **variables: Any) -> Audited:
        """One run; variables become extra vars. The sandbox counts from its start."""
        self._serial += 1
        self._sandbox.reset_counters()
        extra = {"audit_directory": str(self.directory)} | variables
        run = self._ansible.program(
            "ansible-playbook",
            PLAYBOOK,
            "--extra-vars",
            json.dumps({name: value for name, value in extra.items() if value is not None}),
            *arguments,
            environment=login_to(self._sandbox) | (environment or {}),
            results=self._ansible.folder / f"audit-{self._serial}.jsonl",
        )
        return self._look(run)

    def _look(self, run: Run) -> Audited:
        paths = sorted(self.directory.iterdir()) if self.directory.is_dir() else []
        status = {path.name: path.stat() for path in paths}
        counters = self._sandbox.counters.snapshot()
        return Audited(
            run,
            {path.name: path.read_bytes() for path in paths},
            tuple(path.stat().st_mode for path in ([self.directory, *paths] if paths else [])),
            {name: (found.st_mtime_ns, found.st_ino) for name, found in status.items()},
            counters["by_route"],
            counters["writes"],
        )


@pytest.fixture
def audit(ansible: Ansible, sandbox: Sandbox) -> Auditor:
    return Auditor(ansible, sandbox)


def task(run: Run, name: str) -> TaskResult:
    """What came of a task of the role; newer versions of ansible-core put the name of the role before it."""
    return next(result for result in run.results if result.task.endswith(name))


def recap(audited: Audited) -> dict[str, int]:
    """The numbers of the last line."""
    line = re.search(r"^localhost +: (.+)$", audited.run.stdout, re.MULTILINE)
    assert line, audited.run.output
    return {name: int(count) for name, count in (item.split("=") for item in line[1].split())}


def summary(audited: Audited) -> str:
    """What the role sums up."""
    return "\n".join(task(audited.run, "Sum up")["msg"])


def foretold(audited: Audited) -> str:
    """What the role says in check mode."""
    return "\n".join(task(audited.run, "Show what a real run would do")["msg"])


def figures(audited: Audited) -> dict[str, Any]:
    """What the role hands to later jobs."""
    handed: dict[str, Any] = task(audited.run, "Hand the figures to the jobs that follow")["ansible_stats"]["data"][
        "audit_result"
    ]
    return handed


def error(audited: Audited) -> str:
    """The message of the task that failed."""
    assert audited.run.status == 2, audited.run.output
    (failed,) = [result for result in audited.run.results if result.failed]
    return str(failed["msg"])


def announce_too_many(sandbox: Sandbox) -> None:
    """Let the server announce more findings than it sends."""
    sandbox.faults.add(kind="wrong_count", match={"route": "/count/was/finding"}, n=7, times=-1)


def finding_text(sandbox: Sandbox) -> list[str]:
    """Titles and URLs of all findings: what must not be printed."""
    records = list(sandbox.qualys.findings.values())
    found = {str(record.get(name)) for record in records for name in ("name", "url") if record.get(name)}
    return [text for text in found if len(text) > 8]


@dataclass(frozen=True)
class Story:
    """The same estate, audited again and again.

    Attributes:
        texts: titles and URLs of all findings at the start.
        foretold: in check mode, before there is a directory.
        first: writes everything; ``-v``.
        again: nothing has happened.
        foretold_again: in check mode with ``--diff``, when nothing has happened.
        renamed: an application without findings has another name.
        lost: a file is missing.
        quiet: nothing has happened once more.
        gone: the findings of one application are gone, ``removed`` of them.
        incomplete: the server announces more findings than it sends.
        accepted: the same, and the user accepts it.
    """

    texts: list[str]
    foretold: Audited
    first: Audited
    again: Audited
    foretold_again: Audited
    renamed: Audited
    lost: Audited
    quiet: Audited
    gone: Audited
    removed: int
    incomplete: Audited
    accepted: Audited


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, collections_path: Path) -> Iterator[Story]:
    with Sandbox(webapps=24, findings=300) as sandbox:
        audit = Auditor(Ansible(tmp_path_factory.mktemp("story"), collections_path), sandbox)
        yield Story(
            texts=finding_text(sandbox),
            foretold=audit("--check"),
            first=audit("-v"),
            again=audit(),
            foretold_again=audit("--check", "--diff"),
            renamed=_after(_rename_one, sandbox, audit),
            lost=_after(lambda _sandbox: (audit.directory / "report.csv").unlink(), sandbox, audit),
            quiet=audit(),
            removed=_remove_findings_of_one(sandbox),
            gone=audit(),
            incomplete=_after(announce_too_many, sandbox, audit),
            accepted=audit(audit_require_complete=False),
        )


def _after(happening: Any, sandbox: Sandbox, audit: Auditor) -> Audited:
    """Something happens, and then a run."""
    happening(sandbox)
    return audit()


def _rename_one(sandbox: Sandbox) -> None:
    """An application without any finding gets a name."""
    with sandbox.qualys.lock:
        found = {item["webApp"]["id"] for item in sandbox.qualys.findings.values()}
        key = next(key for key in sandbox.qualys.webapps.ids if key not in found)
        sandbox.qualys.webapps[key]["name"] = "Renamed"


def _remove_findings_of_one(sandbox: Sandbox) -> int:
    with sandbox.qualys.lock:
        first = next(iter(sandbox.qualys.findings.values()))["webApp"]["id"]
        of_first = [key for key, item in sandbox.qualys.findings.items() if item["webApp"]["id"] == first]
        sandbox.qualys.findings.remove_many(of_first)
    return len(of_first)


def test_the_first_run_writes_everything_and_sums_up_in_numbers(story: Story) -> None:
    first, run = story.first, story.first.run
    assert run.status == 0, run.output
    assert set(first.contents) == FILES
    assert len(first.modes) == 1 + len(FILES)
    assert all(mode & 0o077 == 0 for mode in first.modes)
    assert first.report["summary"]["total"] == 300 == len(first.report["findings"])
    assert "Applications: 24 in scope" in summary(first)
    assert f"Open risks: {first.report['summary']['states']['open']:,} (" in summary(first)
    assert "nothing to compare with" in summary(first)
    assert "other filters" not in summary(first)
    assert first.writes == 0
    assert len(gzip.decompress(first.contents["findings.ndjson.gz"]).splitlines()) == 300
    assert [text for text in story.texts if text in run.output] == []
    assert "[WARNING]" not in run.output


def test_what_later_jobs_get_is_small_and_made_of_numbers(story: Story) -> None:
    result, first = figures(story.first), story.first
    assert result["complete"] is True
    assert (result["applications"], result["findings"]) == (24, 300)
    assert result["open"] == sum(result["open_by_severity"].values()) == first.report["summary"]["states"]["open"]
    assert Path(result["report"]).parts[-2:] == ("audit", "report.html")
    assert Path(result["report"]).is_file()
    assert len(json.dumps(result)) < 1000
    # Every tenth application of the sandbox was never scanned.
    assert result["applications_never_scanned"] == 2
    assert "Never scanned (2): " in first.text("report.md")


def test_the_second_run_changes_nothing_and_a_later_one_tells_what_changed(story: Story) -> None:
    assert recap(story.again)["changed"] == 0
    assert "no difference to the last run" in summary(story.again)

    before = {item["unique_id"] for item in story.quiet.report["findings"]}
    gone = story.gone.report["changes"]["counts"]["gone"]
    assert recap(story.gone)["changed"] == 2
    assert gone > 0
    assert f"Changes: {gone} gone." in summary(story.gone)
    assert len(before) - len(story.gone.report["findings"]) == story.removed
    assert "Since the previous run" in story.gone.text("report.html")


def test_check_mode_reads_and_writes_nothing(story: Story) -> None:
    run = story.foretold.run
    assert run.status == 0, run.output
    assert (story.foretold.contents, story.foretold.modes) == ({}, ())
    assert "a real run would write" in foretold(story.foretold)

    assert recap(story.foretold_again)["changed"] == 0
    assert "would only update the time in the report" in foretold(story.foretold_again)
    assert story.foretold_again.stamps == story.again.stamps
    assert story.foretold.writes == story.foretold_again.writes == 0


def test_filters_set_the_scope_and_inputs_come_from_the_environment_too(audit: Auditor, sandbox: Sandbox) -> None:
    tag = next(tag for tag in sandbox.qualys.tags.values() if tag["name"] == "prod")
    tagged = {str(app["id"]) for app in sandbox.qualys.webapps.values() if tag["id"] in app["tags"]}
    audit.directory = audit.folder / "relative" / "place"
    audited = audit(
        audit_directory=None,
        audit_finding_filters=[{"field": "type", "value": "VULNERABILITY"}],
        environment={
            "PERIMETER_AUDIT_DIRECTORY": "relative/place",
            "PERIMETER_AUDIT_TITLE": "Northwind",
            "PERIMETER_AUDIT_WEBAPP_FILTERS": '[{"field": "tags.name", "value": "prod"}]',
            "PERIMETER_AUDIT_KNOWLEDGE": "false",
            "PERIMETER_TIMEOUT": "7",
            "PERIMETER_VALIDATE_CERTS": "false",
        },
    )
    assert audited.run.status == 0, audited.run.output
    report = audited.report
    assert report["title"] == "Northwind"
    assert 0 < len(report["webapps"]) < 24
    assert {app["id"] for app in report["webapps"]} == tagged
    assert {item["asset"]["id"] for item in report["findings"]} <= tagged
    assert {item["kind"] for item in report["findings"]} == {"vulnerability"}
    fields = [item["field"] for item in report["manifests"][0]["filters"]]
    assert fields == ["webApp.tags.name", "type"]
    # The knowledge base can be left out.
    assert "Knowledge base: not read." in summary(audited)
    assert set(audited.contents) == FILES - {"knowledge.json"}
    assert not [route for route in audited.asked if "knowledge_base" in route]


def test_a_filter_that_findings_do_not_have_goes_by_the_ids_and_a_new_one_is_no_other_scope(
    audit: Auditor, sandbox: Sandbox
) -> None:
    first = audit(audit_webapp_filters=SHOPS)
    assert first.run.status == 0, first.run.output
    before = {app["id"] for app in first.report["webapps"]}
    assert before
    assert {item["asset"]["id"] for item in first.report["findings"]} <= before
    (criterion,) = first.report["manifests"][0]["filters"]
    assert criterion["field"] == "webApp.id"
    assert set(criterion["value"].split(",")) == before

    with sandbox.qualys.lock:
        key = next(key for key in sandbox.qualys.webapps.ids if str(key) not in before)
        sandbox.qualys.webapps[key]["url"] = "https://new.example.com/checkout"
    second = audit(audit_webapp_filters=SHOPS)
    assert {app["id"] for app in second.report["webapps"]} == before | {str(key)}
    assert second.report["changes"]["same_scope"] is True
    assert "other filters" not in summary(second)
    # Another value of the filter is another scope, and said to be one.
    assert "other filters" in summary(audit(audit_webapp_filters=[{**SHOPS[0], "value": "https"}]))


def test_a_report_that_says_something_else_is_a_change(story: Story) -> None:
    # Nothing happens to the findings: an application without any gets a name, and a file is lost.
    assert recap(story.again)["changed"] == 0
    assert recap(story.renamed)["changed"] == 1
    assert recap(story.lost)["changed"] == 1
    assert recap(story.quiet)["changed"] == 0


def test_the_report_says_what_the_rules_mean(story: Story) -> None:
    first = story.first
    assert "rules explained" in summary(first)
    explained = first.report["knowledge"]
    assert len(explained) > 5
    assert sum(bool(rule["solution"]) for rule in explained) > 5
    assert "What it means and how to fix it" in first.text("report.html")
    assert "## How to fix" in first.text("report.md")
    # The texts travel in a file only.
    assert [rule["rule_id"] for rule in explained if (rule["solution"] or "-" * 99)[:60] in first.run.output] == []
    assert first.asked["GET /api/2.0/fo/knowledge_base/vuln"] == 1


def test_without_the_right_to_the_knowledge_base_the_audit_goes_on(audit: Auditor, sandbox: Sandbox) -> None:
    sandbox.switches["kb_permission"] = "denied"
    denied = audit()
    assert denied.run.status == 0, denied.run.output
    assert set(denied.contents) == FILES - {"knowledge.json"}
    assert "could not be read; the report says why" in summary(denied)
    assert any("The knowledge base could not be read" in note for note in denied.report["notes"])
    assert denied.report["knowledge"] is None
    assert recap(audit())["changed"] == 0

    sandbox.switches["kb_permission"] = "granted"
    granted = audit()
    # The file of the knowledge base, and the report that now has it.
    assert recap(granted)["changed"] == 2
    assert granted.report["knowledge"]


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


def test_an_incomplete_snapshot_is_reported_and_fails(story: Story) -> None:
    left = 300 - story.removed
    assert error(story.incomplete).startswith(
        f"The audit is not complete: Qualys announced {left + 7} findings and sent {left}."
    )
    assert "Incomplete data" in story.incomplete.text("report.html")
    assert "Incomplete data" in story.incomplete.text("report.md")
    # The next run compares with this one, so it stays that of the last complete run.
    assert story.incomplete.text("report.json") == story.gone.text("report.json")

    assert story.accepted.run.status == 0, story.accepted.run.output
    assert figures(story.accepted)["complete"] is False


def test_a_wrong_password_is_one_clear_sentence(audit: Auditor, sandbox: Sandbox) -> None:
    audited = audit("-vvvv", environment={"QUALYS_WAS_PASSWORD": CANARY})
    message = error(audited)
    assert "INVALID_CREDENTIALS" in message
    assert "\n" not in message
    assert audited.contents == {}
    assert sandbox.counters.failed_auth == 1
    assert CANARY not in audited.run.output


def test_missing_credentials_say_which_variable_to_set(audit: Auditor) -> None:
    message = error(audit(environment={"QUALYS_WAS_USERNAME": ""}))
    assert "QUALYS_WAS_USERNAME" in message


def test_no_secret_is_printed_or_written_and_hostile_text_is_never_a_template(ansible: Ansible) -> None:
    trap = ansible.folder / "executed"
    template = "{{ lookup('ansible.builtin.pipe', 'touch " + str(trap) + "') }}{{ 7 * 191 }}"
    with Sandbox(webapps=4, findings=40, password=CANARY) as sandbox:
        with sandbox.qualys.lock:
            app = next(iter(sandbox.qualys.webapps.values()))
            app["name"] = template
            sandbox.qualys.webapps[app["id"]] = app
            finding = next(iter(sandbox.qualys.findings.values()))
            finding["name"] = template
            sandbox.qualys.findings[finding["id"]] = finding
        audited = Auditor(ansible, sandbox)("-vvvv", "--diff")
    assert audited.run.status == 0, audited.run.output
    assert CANARY not in audited.run.output
    assert audited.contents
    for name, content in audited.contents.items():
        assert CANARY.encode() not in (gzip.decompress(content) if name.endswith(".gz") else content)
    assert not trap.exists()
    assert template in {app["name"] for app in audited.report["webapps"]}
    assert template in {item["title"] for item in audited.report["findings"]}
    assert "1337" not in summary(audited)


WRONG_VARIABLES: dict[str, tuple[dict[str, Any], str]] = {
    "no-field": (
        {"audit_webapp_filters": [{"value": "prod"}]},
        "missing required arguments: field found in audit_webapp_filters",
    ),
    "no-boolean": ({"audit_require_complete": "perhaps"}, "audit_require_complete"),
    "misspelt": ({"audit_finding_filters": [{"field": "severity", "valeu": 5}]}, "valeu"),
}
NO_SUCH_APPLICATION = [{"field": "name", "value": "there is no such application"}]
OWN = "a play of ones own"


@dataclass(frozen=True)
class Plays:
    """The role, included several times by one play of ones own: the results of each part, by its name."""

    run: Run
    parts: dict[str, list[TaskResult]]

    def failure(self, name: str) -> TaskResult:
        """The task that failed in a part."""
        (failed,) = [result for result in self.parts[name] if result.failed]
        return failed

    def requests(self, name: str) -> int:
        """How many requests a part made."""
        return int(self.parts[name][-1].counters["requests"] - self.parts[name][0].counters["requests"])


@pytest.fixture(scope="module")
def plays(tmp_path_factory: pytest.TempPathFactory, collections_path: Path) -> Plays:
    ansible = Ansible(tmp_path_factory.mktemp("plays"), collections_path)
    (ansible.folder / "file").write_text("in the way", encoding="utf-8")
    directory = str(ansible.folder / "own")
    parts: dict[str, dict[str, Any]] = {
        **{name: {"audit_directory": directory, **given} for name, (given, _words) in WRONG_VARIABLES.items()},
        "empty scope": {"audit_directory": directory, "audit_webapp_filters": NO_SUCH_APPLICATION},
        "unknown field": {
            "audit_directory": directory, "audit_webapp_filters": [{"field": "colour", "value": "red"}],
        },
        "file in the way": {"audit_directory": str(ansible.folder / "file" / "audit")},
        OWN: {"audit_directory": directory, "audit_title": "My own"},
    }  # fmt: skip
    tasks: list[Task] = []
    for name, variables in parts.items():
        role = {"name": name, "ansible.builtin.include_role": {"name": PLAYBOOK}, "vars": variables}
        tasks.append({"name": f"part {name}", "ansible.builtin.debug": {"msg": name}})
        rescue = {"ansible.builtin.debug": {"msg": "rescued"}}
        tasks.append({"block": [role], "rescue": [rescue]} if name != OWN else role)
    with Sandbox(webapps=24, findings=300) as sandbox:
        login = {name: value for name, value in login_to(sandbox).items() if name != "QUALYS_WAS_URL"}
        groups = {"group/appsec.perimeter.qualys": {"api_url": sandbox.url, "max_connections": 2}}
        run = ansible.play(tasks, environment=login, counters=sandbox.url, module_defaults=groups)
    return Plays(run, _parts(run))


def _parts(run: Run) -> dict[str, list[TaskResult]]:
    found: dict[str, list[TaskResult]] = {}
    for result in run.results:
        if result.task.startswith("part "):
            part = found.setdefault(result.task.removeprefix("part "), [])
        part.append(result)
    return found


def test_an_empty_scope_is_an_error(plays: Plays) -> None:
    assert str(plays.failure("empty scope")["msg"]).startswith("No web application matches audit_webapp_filters")


def test_a_directory_that_cannot_be_made_is_named(plays: Plays) -> None:
    message = str(plays.failure("file in the way")["msg"])
    assert message.startswith("audit_directory: ")
    assert str(plays.run.folder / "file" / "audit") in message
    # Found before anything was asked.
    assert plays.requests("file in the way") == 0


@pytest.mark.parametrize("name", WRONG_VARIABLES)
def test_a_wrong_variable_is_named_before_anything_is_sent(plays: Plays, name: str) -> None:
    assert WRONG_VARIABLES[name][1] in json.dumps(plays.failure(name).result.get("argument_errors", []))
    assert plays.requests(name) == 0


def test_an_unknown_filter_field_is_named(plays: Plays) -> None:
    assert "filters: colour is not a known search field" in str(plays.failure("unknown field")["msg"])


def test_the_role_works_in_a_play_of_ones_own(plays: Plays) -> None:
    assert plays.run.status == 0, plays.run.output
    assert not [result for result in plays.parts[OWN] if result.failed]
    assert (plays.run.folder / "own" / "report.html").is_file()


def test_a_service_that_there_is_not_is_refused_before_any_request(audit: Auditor, sandbox: Sandbox) -> None:
    audited = audit(audit_services=["qualys", "cloudflare"])
    assert "audit_services: name at least one of qualys, edgecast" in error(audited)
    assert audited.asked == {}

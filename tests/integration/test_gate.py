# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate as a pipeline runs it: ``ansible-playbook appsec.perimeter.gate`` against the sandbox, and then the code.

Each process costs seconds, so that one run answers several questions.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ansible_collections.appsec.perimeter.plugins.module_utils._gate.decide.gate_json import (
    UNFINISHED,
    Order,
    document_of,
)
from tests.conftest import ROOT
from tests.integration.conftest import login_to
from tests.integration.runner import BIN, Ansible, Run, TaskResult
from tests.sandbox import Sandbox
from tests.sandbox.qualys.kb import CATALOG

PLAYBOOK = "appsec.perimeter.gate"
CANARY = "Cnry-gate+pass/w0rd="
STRICT = {"schema": 1, "name": "strict", "limits": {"all": {"vulnerability": {"critical": 0}}}}
LENIENT = {"schema": 1, "missing_baseline": "adopt", "limits": {"new": {"vulnerability": {"critical": 0}}}}
ENDS = {
    "finished": ("pass", None),
    "canceled": ("inconclusive", "scan_failed"),
    "no_host_alive": ("inconclusive", "scan_failed"),
    "auth_failed": ("inconclusive", "authentication_failed"),
    "time_limit_reached": ("inconclusive", "cut_short"),
    "no_links": ("inconclusive", "nothing_crawled"),
}
"""What the sandbox does, the verdict of that application, and the problem that decides."""


class Gate:
    """Runs the playbook with one sandbox and one directory."""

    def __init__(self, ansible: Ansible, sandbox: Sandbox) -> None:
        self.ansible = ansible
        self.sandbox = sandbox
        self.directory = ansible.folder / "gate"
        self.environment = login_to(sandbox) | {"PERIMETER_SCAN_POLL_INTERVAL": "0.2s", "ANSIBLE_PIPELINING": "true"}
        self._serial = 0

    def __call__(self, *arguments: str, environment: dict[str, str] | None = None, **variables: Any) -> Run:
        """One run; variables become extra vars, those that are None are left to the environment."""
        self._serial += 1
        usual = {"gate_webapps": self.names(1), "gate_run_id": "run-7", "gate_formats": []}
        extra = {name: value for name, value in (usual | variables).items() if value is not None}
        return self.ansible.program(
            "ansible-playbook", PLAYBOOK, "--extra-vars", json.dumps(extra), *arguments,
            environment=self.environment | (environment or {}),
            results=self.ansible.folder / f"gate-{self._serial}.jsonl",
        )  # fmt: skip

    def apps(self, count: int) -> list[int]:
        """Ids of the first applications."""
        return sorted(self.sandbox.qualys.webapps.ids)[:count]

    def names(self, count: int) -> list[str]:
        """Their names."""
        return [self.sandbox.qualys.webapps[key]["name"] for key in self.apps(count)]

    def document(self) -> dict[str, Any]:
        """What a job reads."""
        content: dict[str, Any] = json.loads((self.directory / "gate.json").read_text(encoding="utf-8"))
        schema = json.loads((ROOT / "docs/schemas/gate/gate.json").read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator(schema).validate(content)
        return content


@pytest.fixture
def gate(ansible: Ansible) -> Iterator[Gate]:
    """Eight applications that can all be scanned; times are those of this machine, as the gate judges ages."""
    with Sandbox(webapps=8, findings=80, password=CANARY) as sandbox:
        sandbox.switches["clock"] = "real"
        profile = {"id": min(sandbox.qualys.option_profiles.ids)}
        for key in sandbox.qualys.webapps.ids:
            sandbox.qualys.webapps[key]["defaultProfile"] = profile
        yield Gate(ansible, sandbox)
        assert sandbox.counters.snapshot()["internal_errors"] == 0


def task(run: Run, name: str) -> TaskResult:
    """What came of a task; newer versions of ansible-core put the name of the role before it."""
    return next(result for result in reversed(run.results) if result.task.endswith(name))


def summary(run: Run) -> str:
    """What the role sums up."""
    return "\n".join(task(run, "Sum up")["msg"])


def error(run: Run) -> str:
    """The message of the task that failed last."""
    assert run.status == 2, run.output
    return str([result for result in run.results if result.failed][-1]["msg"])


def assert_short_summary(gate: Gate, code: int) -> None:
    """Nothing was judged, and the page of the pipeline says so."""
    content = (gate.directory / "summary.md").read_text(encoding="utf-8")
    assert f"(code {code})**" in content
    assert "### Next steps" in content
    assert "finding" not in content.partition("### Next steps")[2]
    assert not (gate.directory / "report.html").exists()


def exit_code(gate: Gate, run_id: str = "run-7") -> int:
    """What the shared script makes of the file."""
    job = ROOT / "roles/gate/files/gate_job"
    command = [str(BIN / "python"), "-I", str(job), "exit", str(gate.directory / "gate.json"), run_id]
    return subprocess.run(command, capture_output=True, check=False).returncode


def test_each_end_of_a_scan_gives_the_verdict_of_its_application(gate: Gate) -> None:
    apps = gate.apps(len(ENDS) + 1)
    with gate.sandbox.qualys.lock:
        # The last application has no finding at all, and is judged all the same.
        findings = gate.sandbox.qualys.findings
        findings.remove_many([key for key, item in findings.items() if item["webApp"]["id"] in (apps[0], apps[-1])])
    nothing = {"outcome": "finished", "new": 0}
    ends: list[Any] = [nothing, *list(ENDS)[1:], nothing]
    gate.sandbox.qualys.next_scan_outcome(*ends)
    # A waiver of an application that allows no conclusion; that it is used is known only once the findings are read.
    today = dt.datetime.now(dt.UTC).date()
    created, tomorrow = today.isoformat(), (today + dt.timedelta(days=1)).isoformat()
    waiver = {
        "id": "W1", "match": {"applications": [str(apps[1])]}, "type": "mitigated", "owner": "a", "reason": "b",
        "ticket": "c", "created": created, "expires": tomorrow,
    }  # fmt: skip
    run = gate(
        gate_webapps=gate.names(len(apps)),
        gate_policy={**STRICT, "waivers": {"strict": True}},
        gate_waivers={"schema": 1, "waivers": [waiver]},
        # One after the other, since the ends are told in the order of the launches.
        perimeter_max_connections=1,
    )
    document = gate.document()
    assert (document["verdict"], document["exit_code"], exit_code(gate)) == ("inconclusive", 11, 11), run.output
    found = {app["id"]: (app["verdict"], next(iter(app["problems"]), None)) for app in document["applications"]}
    expected = dict(zip(map(str, apps), [*ENDS.values(), ("pass", None)], strict=True))
    assert found == expected
    assert "The gate is closed: inconclusive (code 11)" in error(run)
    ended = task(run, "Hand the verdict to the jobs that follow")["ansible_stats"]["data"]["gate_result"]
    assert ended["exit_code"] == 11
    assert ended["applications"] == {key: verdict for key, (verdict, _problem) in expected.items()}
    lines = (gate.directory / "scans.ndjson").read_text(encoding="utf-8").splitlines()
    # No login was asked for, so that the end of the fourth is a good one, and only its login is not.
    words = "finished cancelled no_host_alive finished time_limit finished finished"
    assert [json.loads(line)["end_reason"] for line in lines] == words.split()
    assert all(path.stat().st_mode & 0o077 == 0 for path in (gate.directory, *gate.directory.iterdir()))


def test_a_pass_moves_the_baseline_and_a_lost_page_is_no_pass(gate: Gate) -> None:
    # On the first day there is not even the directory.
    baseline = gate.ansible.folder / "state" / "baseline" / "baseline.json"
    common = {"gate_policy": LENIENT, "gate_baseline": str(baseline)}
    run = gate(**common, gate_baseline_update=True)
    assert run.status == 0, run.output
    assert (exit_code(gate), exit_code(gate, "run-8"), gate.document()["run_id"]) == (0, 20, "run-7")
    assert summary(run).startswith("Verdict: pass (code 0), run run-7.")
    frozen = baseline.read_bytes()

    # The same scan once more, without launching one, but not all that was announced arrives.
    gate.sandbox.faults.add(kind="wrong_count", match={"route": "/count/was/finding"}, n=7, times=-1)
    gate.sandbox.reset_counters()
    run = gate(**common, gate_scan=False, gate_run_id="run-8")
    document = gate.document()
    assert (document["verdict"], document["run_id"], exit_code(gate, "run-8")) == ("inconclusive", "run-8", 11)
    assert {"incomplete", "snapshot_unusable"} <= {item["code"] for item in document["reasons"]}
    assert gate.sandbox.counters.writes == 0
    assert baseline.read_bytes() == frozen


def test_the_time_is_up(gate: Gate) -> None:
    gate.sandbox.switches.update({"progress": "clock", "scan_seconds": "600"})
    broken = {"gate_formats": ["html"], "gate_catalog": ["/nowhere"]}
    run = gate(gate_policy=STRICT, gate_timeout="3s", gate_report_only=True, **broken)
    assert run.status == 0, run.output
    # The verdict stands, whatever becomes of the reports.
    assert "The reports are missing: " in summary(run)
    document = gate.document()
    assert (document["verdict"], document["report_only"]) == ("inconclusive", True)
    assert "scan_running" in document["applications"][0]["problems"]
    assert "has not ended" in summary(run)


def test_without_credentials_the_file_says_so(gate: Gate) -> None:
    gate.directory.mkdir()
    (gate.directory / "gate.json").write_text('{"record": "gate", "verdict": "pass", "exit_code": 0}', encoding="utf-8")
    wrong = {"QUALYS_WAS_PASSWORD": "wrong-" + CANARY}
    run = gate("-vvv", environment=wrong, gate_policy=STRICT, gate_formats=["html", "markdown"])
    document = gate.document()
    assert (document["verdict"], document["run_id"], exit_code(gate)) == ("platform_error", "run-7", 20)
    # The same keys as the module writes, in their types.
    order = Order(Path("gate.json"), "run-7", document["started"])
    blank_document = document_of(order, UNFINISHED)
    assert {name: type(value) for name, value in document.items() if name not in ("finished", "error")} == {
        name: type(value) for name, value in blank_document.items() if name not in ("finished", "error")
    }
    assert "INVALID_CREDENTIALS" in document["reasons"][0]["message"]
    assert "INVALID_CREDENTIALS" in error(run)
    assert gate.sandbox.counters.writes == 0
    assert CANARY not in run.output + json.dumps(document)
    assert_short_summary(gate, 20)


def test_a_wrong_policy_is_told_before_anything_is_launched(gate: Gate) -> None:
    gate.directory.mkdir()
    (gate.directory / "summary.md").write_text("pass", encoding="utf-8")
    run = gate(gate_policy={**STRICT, "limit": {}}, gate_formats=["html", "markdown"])
    assert (gate.document()["verdict"], exit_code(gate)) == ("policy_error", 12)
    assert error(run).startswith("The gate is closed: policy_error (code 12). policy: ")
    assert gate.sandbox.counters.requests == 0
    assert_short_summary(gate, 12)


def test_a_baseline_that_cannot_be_written_is_told_before_anything_is_launched(gate: Gate) -> None:
    (gate.ansible.folder / "file").write_text("", encoding="utf-8")
    baseline = str(gate.ansible.folder / "file" / "state" / "baseline.json")
    run = gate(gate_policy=LENIENT, gate_baseline=baseline, gate_baseline_update=True)
    assert (gate.document()["verdict"], exit_code(gate)) == ("platform_error", 20)
    assert "baseline: " in error(run)
    assert gate.sandbox.counters.requests == 0


LISTS = ("webapps", "webapp_filters", "finding_filters", "findings", "scans", "matches", "notes", "formats", "catalog")
SWITCHES = ("scan", "baseline_update", "report_only", "knowledge")
MISTAKES: dict[str, tuple[dict[str, Any], dict[str, str], list[str]]] = {
    "a word": ({"gate_scan": "perhaps"}, {}, ["gate_scan"]),
    "a mapping": (
        {"gate_webapp_filters": [{"value": 1}], "gate_formats": {"html": 1}}, {},
        ["gate_webapp_filters", "gate_formats"],
    ),
    "texts that are not YAML": (
        dict.fromkeys(("gate_webapps", "gate_formats")),
        {f"PERIMETER_GATE_{name.upper()}": "[shop" for name in LISTS},
        [f"PERIMETER_GATE_{name.upper()}: the text is not YAML" for name in LISTS],
    ),
    "typos in switches": (
        {}, {f"PERIMETER_GATE_{name.upper()}": "ture" for name in SWITCHES}, [f"gate_{name}" for name in SWITCHES],
    ),
    "a number": ({"gate_formats": None}, {"PERIMETER_GATE_FORMATS": "5"}, ["gate_formats: 5 is not a format"]),
    "a slice": ({"awx_job_slice_count": 2, "gate_formats": ["markdown"]}, {}, ["gate cannot run as a sliced job"]),
    "a duration of the scan": ({}, {"PERIMETER_SCAN_POLL_INTERVAL": "5 minutes"}, ["poll_interval"]),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_variable_removes_the_old_verdict_and_is_told(gate: Gate, mistake: str) -> None:
    variables, environment, told = MISTAKES[mistake]
    gate.directory.mkdir()
    (gate.directory / "gate.json").write_text('{"record": "gate", "verdict": "pass", "exit_code": 0}', encoding="utf-8")
    run = gate(gate_policy=STRICT, environment=environment, **variables)
    document = gate.document()
    assert (document["verdict"], document["run_id"], exit_code(gate)) == ("policy_error", "run-7", 12)
    message = document["reasons"][0]["message"]
    # A long message is cut in the file, and not where it was said first.
    said = next(str(result["msg"]) for result in run.results if result.failed)
    assert [words for words in told if words not in said] == []
    assert "\n" not in message
    assert message in error(run)
    assert gate.sandbox.counters.writes == 0
    # A page of a pipeline shows it, unless it is not wanted. Formats that nobody can read are no such wish.
    if variables.get("gate_formats", []) != []:
        assert_short_summary(gate, 12)
    else:
        assert not (gate.directory / "summary.md").exists()


def test_the_role_checks_each_type_that_its_specification_leaves_to_it() -> None:
    spec = yaml.safe_load((ROOT / "roles/gate/meta/argument_specs.yml").read_text(encoding="utf-8"))
    types = yaml.safe_load((ROOT / "roles/gate/vars/main.yml").read_text(encoding="utf-8"))["_gate_types"]
    options = spec["argument_specs"]["main"]["options"]
    # A policy and waivers are a path or a mapping, which the module checks.
    assert {name for name, item in options.items() if item["type"] == "raw"} == {*types, "gate_policy", "gate_waivers"}
    assert {item["type"] for item in options.values()} == {"raw", "str", "path"}
    assert {name for name, item in types.items() if item != {"type": "bool"}} == {f"gate_{name}" for name in LISTS}


def test_check_mode_launches_and_writes_nothing(gate: Gate) -> None:
    run = gate("--check", "--diff", gate_policy=STRICT)
    assert "check mode comes to no conclusion" in error(run)
    assert "A real run would launch a scan for each of the 1 applications" in run.output
    assert gate.sandbox.counters.writes == 0
    assert not gate.directory.exists()


def test_an_application_that_nobody_knows_is_no_pass(gate: Gate) -> None:
    run = gate(gate_webapps=["no such application"], gate_policy=STRICT)
    assert "there is no web application called no such application" in error(run)
    assert (gate.document()["verdict"], exit_code(gate)) == ("platform_error", 20)


def test_the_program_of_the_job_ends_with_the_code_and_obeys_no_finding(gate: Gate, tmp_path: Path) -> None:
    trap = tmp_path / "executed"
    template = "{{ lookup('ansible.builtin.pipe', 'touch " + str(trap) + "') }}{{ 7 * 191 }}"
    app = gate.apps(1)[0]
    with gate.sandbox.qualys.lock:
        hostile = [item for item in gate.sandbox.qualys.findings.values() if item["webApp"]["id"] == app][:2]
        names = (template, "##vso[task.complete result=Succeeded;]ok\n::stop-commands::x")
        for item, name in zip(hostile, names, strict=True):
            # Nothing can be worse, so that it is among the five that are shown.
            item.update(name=name, severity="5", status="NEW", type="VULNERABILITY", isIgnored="false")
            gate.sandbox.qualys.findings[item["id"]] = item
    # One rule that exists and was not found, and one that nobody has ever heard of.
    found = {item["qid"] for item in gate.sandbox.qualys.findings.values() if item["webApp"]["id"] == app}
    exists = min({template.qid for template in CATALOG} - {int(qid) for qid in found})
    out = {"reason": "not ours", "rule_ids": {"include": [exists, 149999]}}
    (tmp_path / "gate.yml").write_text(json.dumps({**STRICT, "exclude": [out]}), encoding="utf-8")
    # Empty is unset: what a CI system makes of a missing variable switches nothing off.
    empty = ("PERIMETER_GATE_SCAN", "PERIMETER_PROXY", "PERIMETER_TIMEOUT", "PERIMETER_VALIDATE_CERTS")
    empty += ("PERIMETER_GATE_TIMEOUT", "PERIMETER_GATE_WEBAPP_FILTERS", "PERIMETER_GATE_DIRECTORY")
    variables = {
        "PERIMETER_RUN_ID": "4711",
        "PERIMETER_GATE_WEBAPPS": json.dumps([str(app)]),
        "PERIMETER_GATE_POLICY": "gate.yml",
        "PERIMETER_GATE_WAIVERS": "waivers.yml",
        "PERIMETER_GATE_FORMATS": '["html", "markdown", "junit", "gitlab", "gitlab_annotations"]',
        **dict.fromkeys(empty, ""),
    }
    base = gate.ansible.environment() | {"TEST_RESULTS": os.devnull}
    environment = base | gate.environment | variables | {"PATH": f"{BIN}:{base['PATH']}"}
    exit_command = f"python -I '{ROOT}/roles/gate/files/gate_job' exit gate/gate.json \"$PERIMETER_RUN_ID\""
    script = ["set -eu", "rm -rf gate", "ansible-playbook appsec.perimeter.gate || true", exit_command]

    def work() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", "\n".join(script)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    done = work()
    assert done.returncode == 10, done.stdout + done.stderr
    assert "The verdict of the gate is fail (code 10)." in done.stdout
    assert "limits.all.vulnerability.critical" in done.stdout
    assert "touch " in done.stdout, "the hostile title should be among the worst"
    assert not trap.exists()
    assert "1337" not in done.stdout
    assert "##vso[" not in done.stdout
    assert [line for line in done.stdout.splitlines() if line.lstrip().startswith("::")] == []
    written = ("junit.xml", "gl-dast-report.json", "gl-annotations.json", "report.html", "summary.md", "knowledge.json")
    assert [name for name in written if not (tmp_path / "gate" / name).stat().st_size] == []
    assert "The reports are missing" not in done.stdout
    # Without being told to, it read how the rules are fixed, and the reports say so.
    assert "Solution:" in (tmp_path / "gate" / "junit.xml").read_text(encoding="utf-8")
    listed = json.loads((tmp_path / "gate" / "gl-dast-report.json").read_text())["vulnerabilities"]
    assert any(item.get("solution") for item in listed)
    # It scanned, found no waivers, and says what to do next.
    assert gate.sandbox.counters.writes == 1
    assert "Warning: there is no file waivers.yml, so no waiver is in force" in done.stdout
    assert (
        "rule_ids.include names 149999, which no finding, no scan and no entry of the knowledge base has" in done.stdout
    )
    assert "Next: Fix the findings that broke a rule, and scan again." in done.stdout
    assert "- id: W-" in done.stdout
    # A playbook that cannot even begin leaves no verdict, and the one of the run before is gone.
    environment["ANSIBLE_COLLECTIONS_PATH"] = str(tmp_path / "nowhere")
    done = work()
    assert done.returncode == 20, done.stdout + done.stderr
    assert not (tmp_path / "gate").exists()
    assert "it cannot be read: No such file or directory" in done.stdout


def test_the_role_scan_alone_tells_how_each_scan_ended_and_fails_for_one_that_proves_nothing(gate: Gate) -> None:
    ids = [str(key) for key in gate.apps(3)]
    gate.sandbox.qualys.next_scan_outcome("finished", "no_web_service", "finished")
    dest = gate.ansible.folder / "ends" / "scans.ndjson"
    variables = {
        "scan_webapps": ids[:1],
        "scan_webapp_filters": [{"field": "id", "operator": "IN", "value": ",".join(ids[1:])}],
        "scan_name": "weekly",
        "scan_max_running": 1,
        "scan_dest": str(dest),
    }
    tasks = [{"ansible.builtin.include_role": {"name": "appsec.perimeter.scan"}, "vars": variables}]
    run = gate.ansible.play(tasks, environment=gate.environment)
    assert "1 of 3 scans have no conclusive result" in error(run)
    scans = [json.loads(line) for line in dest.read_text(encoding="utf-8").splitlines()]
    assert [(scan["asset"]["id"], scan["end_reason"]) for scan in scans] == list(
        zip(ids, ["finished", "no_web_service", "finished"], strict=True)
    )
    assert gate.sandbox.counters.writes == 3
    handed = task(run, "Hand the results to the jobs that follow")["ansible_stats"]["data"]["scan_result"]
    assert (handed["applications"], handed["conclusive"], handed["end_reasons"][ids[1]]) == (3, 2, "no_web_service")
    assert summary(run).splitlines()[1].startswith(f"Application {ids[1]}: scan ")

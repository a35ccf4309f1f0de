# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each playbook under ansible-runner, from a private data directory with the project skeleton, as AWX would call it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ansible_runner
import pytest
from ansible_runner.utils import get_callback_dir

from tests.conftest import ROOT
from tests.ee.conftest import BIN
from tests.integration.conftest import login_to
from tests.integration.log_kit import environment, log_sandbox
from tests.integration.runner import WARM, base_environment, kept_environment, warm_interpreter
from tests.integration.warm.launcher import FIXED_AT_START
from tests.sandbox import Sandbox

PROJECT = ROOT / "docs" / "awx" / "project"
APPS = 5
SMALL = 2000
"""Bytes. Artifacts travel to every job that follows in a workflow."""


@dataclass(frozen=True)
class Job:
    """What AWX keeps of a job."""

    status: str
    output: str
    stats: dict[str, Any]


def run_job(
    folder: Path, installed: Path, sandbox: Sandbox, playbook: str, *, project: Path = PROJECT, **variables: Any
) -> Job:
    """Run one playbook of a project.

    Args:
        folder: the private data directory, which is made.
        installed: where the collection is installed.
        sandbox: all five services.
        playbook: of the project, without its ending.
        project: what the project has; the skeleton unless told otherwise.
        variables: extra variables, as a survey gives them.
    """
    shutil.copytree(project, folder / "project")
    (folder / "env").mkdir()
    credentials = environment(sandbox, folder.parent / "state") | login_to(sandbox)
    given = base_environment(folder / "of-the-job", installed) | kept_environment(installed) | credentials
    # The callback of the tests keeps payloads; what it writes is not read here, as AWX has callbacks of its own.
    given["TEST_RESULTS"] = os.devnull
    given["PATH"] = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    if WARM:
        keep_warm(folder, given)
    (folder / "env" / "envvars").write_text(json.dumps(given), encoding="utf-8")
    (folder / "env" / "extravars").write_text(json.dumps(variables), encoding="utf-8")
    with pytest.MonkeyPatch.context() as environ:
        # It hands its own environment on, and no Python is warm for other variables that take effect at its start.
        for name in [name for name in os.environ if name.startswith(FIXED_AT_START)]:
            environ.delenv(name)
        done = ansible_runner.run(
            private_data_dir=str(folder), playbook=f"{playbook}.yml", inventory="localhost,", quiet=True, ident="job"
        )
    stats: dict[str, Any] = {}
    for event in (folder / "artifacts" / "job" / "job_events").glob("*.json"):
        told = json.loads(event.read_text(encoding="utf-8"))
        stats |= told.get("event_data", {}).get("artifact_data") or {}
    return Job(done.status, (folder / "artifacts" / "job" / "stdout").read_text(encoding="utf-8"), stats)


def keep_warm(folder: Path, given: dict[str, str]) -> None:
    """Let a job find an ``ansible-playbook`` first, and a Python for modules, that have started already.

    Args:
        folder: the private data directory.
        given: the variables of the job, to which this adds.
    """
    modules = warm_interpreter("modules", given)
    # Read while Ansible is imported, so it has to be what ansible-runner makes of it.
    callbacks = os.pathsep.join((given["ANSIBLE_CALLBACK_PLUGINS"], get_callback_dir()))
    playbooks = warm_interpreter("playbooks", given, ANSIBLE_CALLBACK_PLUGINS=callbacks)
    program = folder / "bin" / "ansible-playbook"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {playbooks} {BIN / program.name} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    given["PATH"] = f"{program.parent}{os.pathsep}{given['PATH']}"
    given |= {"ANSIBLE_PYTHON_INTERPRETER": modules, "TEST_INTERPRETER": modules}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with log_sandbox(webapps=APPS, findings=40, switches={"clock": "real", "scan_polls": "0"}) as running:
        yield running


def variables_of(folder: Path) -> dict[str, dict[str, Any]]:
    """Playbooks with the variables that their job templates give, in an order in which each finds what it needs."""
    catalog = {"catalog_path": str(folder / "catalog"), "catalog_drift_report": str(folder / "drift.json")}
    return {
        "doctor": {},
        "import_estate": catalog,
        "apply": catalog,
        "drift": catalog,
        "audit": {"audit_directory": str(folder / "audit")},
        "report": {"report_source": str(folder / "audit"), "report_directory": str(folder / "report")},
        "scan": {"scan_webapps": ["410001"], "scan_profile": "CI quick", "scan_dest": str(folder / "one.ndjson")},
        "collect": {
            "collect_logs_directory": str(folder / "logs"), "collect_logs_sources": ["edgecast"],
            "collect_logs_first_run": "lookback", "collect_logs_lookback": "1d",
        },
        "gate": {
            "gate_webapps": ["410001"], "gate_directory": str(folder / "gate"), "gate_scan": False,
            "gate_report_only": True,
            "gate_policy": {"schema": 1, "limits": {"all": {"vulnerability": {"critical": 0}}}},
        },
    }  # fmt: skip


def test_each_playbook_runs_as_a_job_and_leaves_small_artifacts(
    tmp_path: Path, installed: Path, sandbox: Sandbox
) -> None:
    jobs = variables_of(tmp_path)
    assert set(jobs) == {path.stem for path in PROJECT.glob("*.yml")}
    for name, variables in jobs.items():
        job = run_job(tmp_path / name, installed, sandbox, name, **variables)
        assert job.status == "successful", f"{name}\n{job.output[-3000:]}"
        if name != "import_estate":
            assert any(key.endswith("_result") for key in job.stats), name
        assert len(json.dumps(job.stats)) < SMALL, name
        for secret in (sandbox.password, sandbox.edgecast.settings.token):
            assert secret not in job.output + json.dumps(job.stats)


def test_jobs_of_patterns_run_with_what_their_surveys_offer(tmp_path: Path, installed: Path, sandbox: Sandbox) -> None:
    """The project of a pattern is the collection itself. Only the volume is elsewhere, and an application is named."""
    project = installed / "ansible_collections" / "appsec" / "perimeter"
    given = {"gate_webapps": "410001", "gate_report_only": "true"}
    stats: dict[str, Any] = {}
    for name in ("nightly_audit", "release_gate"):
        folder = project / "extensions" / "patterns" / name
        resources = json.loads((folder / "meta" / "pattern.json").read_bytes())["aap_resources"]
        for template in resources["controller_job_templates"]:
            answers = {question["variable"]: question.get("default") for question in template["survey"]["spec"]} | given
            volume = ("/var/lib/appsec.perimeter", str(tmp_path))
            variables = {key: str(value).replace(*volume) for key, value in answers.items()}
            playbook = f"extensions/patterns/{name}/playbooks/{Path(template['playbook']).stem}"
            private = tmp_path / f"{name}-{Path(playbook).name}"
            job = run_job(private, installed, sandbox, playbook, project=project, **variables, scan_profile="CI quick")
            assert job.status == "successful", f"{name}\n{job.output[-3000:]}"
            stats |= job.stats
    assert stats["gate_result"]["verdict"] in ("pass", "fail"), "judged by the policy of the pattern"
    assert (tmp_path / "audit" / "report.html").stat().st_size
    assert (tmp_path / "report" / "report.html").stat().st_size
    assert (tmp_path / "gate" / "gate.json").stat().st_size


SLICED: dict[str, dict[str, Any]] = {
    "scan": {"scan_webapp_filters": [{"field": "id", "operator": "GREATER", "value": 0}], "scan_profile": "CI quick"},
    "audit": {},
}


@pytest.mark.parametrize("name", SLICED)
def test_two_slices_do_each_application_once(name: str, tmp_path: Path, installed: Path) -> None:
    with log_sandbox(webapps=APPS, findings=40, switches={"scan_polls": "0"}) as own:
        places = {"scan_dest": str(tmp_path / "scans.ndjson"), "audit_directory": str(tmp_path / "audit")}
        jobs = [
            run_job(
                tmp_path / f"slice{number}", installed, own, name, awx_job_slice_number=number, awx_job_slice_count=2,
                **{key: value for key, value in places.items() if key.startswith(name)}, **SLICED[name],
            )
            for number in (1, 2)
        ]  # fmt: skip
        assert [job.status for job in jobs] == ["successful"] * 2, jobs[0].output[-2000:] + jobs[1].output[-2000:]
        assert [job.stats[f"{name}_result"]["applications"] for job in jobs] in ([2, 3], [3, 2])
        if name == "scan":
            # A scan of each application that none had before, in one file for each slice.
            files = [tmp_path / f"scans-{number}-of-2.ndjson" for number in (1, 2)]
            lines = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
            assert sorted(int(line["asset"]["id"]) for line in lines) == sorted(own.qualys.webapps)
            assert own.counters.writes == 2, "one launch for each slice"
        else:
            reports = [
                json.loads((tmp_path / "audit" / f"slice-{n}-of-2" / "report.json").read_bytes()) for n in (1, 2)
            ]
            assert sum(report["summary"]["total"] for report in reports) == len(own.qualys.findings)


def test_what_is_whole_refuses_to_be_sliced_before_any_request(
    tmp_path: Path, installed: Path, sandbox: Sandbox
) -> None:
    jobs = {name: given for name, given in variables_of(tmp_path).items() if name not in ("doctor", "audit", "scan")}
    sandbox.reset_counters()
    slices = {"awx_job_slice_count": 2, "awx_job_slice_number": 1}
    jobs["gate"]["gate_report_only"] = False
    for name, given in jobs.items():
        job = run_job(tmp_path / f"sliced-{name}", installed, sandbox, name, **given, **slices)
        assert job.status == "failed", name
        assert f"{name} cannot run as a sliced job" in " ".join(job.output.split()), job.output
    assert sandbox.counters.requests == 0

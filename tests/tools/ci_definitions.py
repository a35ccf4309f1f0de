# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interprets the ready files of ``docs/ci`` like their CI systems: commands, shells and variables.

The values that a CI system would insert for expressions are in a table; an expression that is not in it is an error, so
that new expressions are noticed.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "ci"
FILES = {
    "github": "github/.github/workflows/security-gate.yml",
    "gitlab": "gitlab/.gitlab-ci.yml",
    "azure": "azure/template/security-gate.yml",
    "jenkins": "jenkins/Jenkinsfile",
}
"""The file with the commands for each system."""
CREDENTIALS = ("QUALYS_WAS_PLATFORM", "QUALYS_WAS_USERNAME", "QUALYS_WAS_PASSWORD")


@dataclass(frozen=True)
class Context:
    """One run of a job.

    Attributes:
        repository: address of the repository without ``.git``.
        number: number of the pull request; None for the job of the main branch.
        run: number of the run.
        temp: folder for temporary files that the CI system provides.
        workspace: folder in which the job starts.
        settings: values of secrets and variables by name.
    """

    repository: str
    number: int | None
    run: int
    temp: Path
    workspace: Path
    settings: Mapping[str, str]


@dataclass(frozen=True)
class Step:
    """Commands that run in one shell, with all variables from the definition."""

    shell: tuple[str, ...]
    script: str
    environment: dict[str, str]


def text_of(system: str) -> str:
    """The definition for a system, as text."""
    return (FOLDER / FILES[system]).read_text(encoding="utf-8")


def steps_of(system: str, context: Context) -> list[Step]:
    """The steps that run until there is a verdict: the installation, and the job itself."""
    readers: dict[str, Callable[[Context], list[Step]]] = {
        "github": _github,
        "gitlab": _gitlab,
        "azure": _azure,
        "jenkins": _jenkins,
    }
    return readers[system](context)


def report_of(system: str, context: Context) -> Path:
    """The folder with the files to upload."""
    inside = context.temp / "security-gate" / "report"
    return inside if system in ("github", "azure") else context.workspace / "gate-report"


def _load(system: str) -> Any:
    return yaml.safe_load(text_of(system))


def _github(context: Context) -> list[Step]:
    job = _load("github")["jobs"]["gate"]
    change = context.number is not None
    server, _slash, name = context.repository.partition("//")[2].partition("/")
    origin = context.repository.partition("//")[0] + "//" + server
    table = {
        "github.event_name == 'pull_request_target' && format('refs/pull/{0}/head', github.event.number)"
        " || github.ref": f"refs/pull/{context.number}/head" if change else "refs/heads/main",
        "github.server_url": origin,
        "github.repository": name,
        "!github.event.repository.private": "false",
        "github.run_id": str(context.run),
        "github.run_attempt": "1",
        "secrets.PERIMETER_BASELINE_TOKEN || github.token": context.settings["token"],
        **{f"secrets.{name}": context.settings[name] for name in CREDENTIALS},
        "vars.PERIMETER_GATE_WEBAPPS": context.settings["PERIMETER_GATE_WEBAPPS"],
    }

    def fill(value: Any) -> str:
        return re.sub(r"\$\{\{ *(.*?) *\}\}", lambda found: table[" ".join(found[1].split())], str(value))

    common = {key: fill(value) for key, value in job["env"].items()}
    common |= {"RUNNER_TEMP": str(context.temp), "GITHUB_WORKSPACE": str(context.workspace)}
    chosen = [step for step in job["steps"] if step["name"] in ("Install", "Scan, decide, report")]
    return [
        Step(
            ("bash", "-e", "-c"), step["run"], common | {key: fill(value) for key, value in step.get("env", {}).items()}
        )
        for step in chosen
    ]


def _gitlab(context: Context) -> list[Step]:
    job = _load("gitlab")["security_gate"]
    change, main = job["rules"]
    given = {
        "CI_DEFAULT_BRANCH": "main",
        "CI_COMMIT_BRANCH": "main",
        "CI_MERGE_REQUEST_IID": str(context.number),
        "CI_PROJECT_URL": context.repository,
        "CI_PROJECT_VISIBILITY": "private",
        "CI_PROJECT_DIR": str(context.workspace),
        "CI_JOB_ID": str(context.run),
        "CI_PIPELINE_ID": str(context.run),
        "CI_JOB_TOKEN": context.settings["token"],
        "TMPDIR": str(context.temp),
    }
    own = job["variables"] | (main if context.number is None else change)["variables"]
    expanded = {name: string.Template(value).substitute(given) for name, value in own.items()}
    settings = {name: context.settings[name] for name in (*CREDENTIALS, "PERIMETER_GATE_WEBAPPS")}
    script = "\n".join([*job["before_script"], *job["script"]])
    return [Step(("bash", "-e", "-o", "pipefail", "-c"), script, given | settings | expanded)]


def _azure(context: Context) -> list[Step]:
    (job,) = _load("azure")["jobs"]
    ref = "refs/heads/main" if context.number is None else f"refs/pull/{context.number}/merge"
    table = {
        "Agent.TempDirectory": str(context.temp),
        "Build.SourceBranch": ref,
        "Build.Repository.Uri": context.repository + ".git",
        "Build.BuildId": str(context.run),
        "System.JobAttempt": "1",
        "System.AccessToken": context.settings["token"],
        **{name: context.settings[name] for name in CREDENTIALS},
    }

    def fill(value: str) -> str:
        return re.sub(r"\$\(([\w.]+)\)", lambda found: table[found[1]], value)

    # A variable of a group that is not secret is visible in every step.
    common = {"PERIMETER_GATE_WEBAPPS": context.settings["PERIMETER_GATE_WEBAPPS"]}
    common |= {item["name"]: fill(item["value"]) for item in job["variables"] if "name" in item}
    chosen = [step for step in job["steps"] if step.get("displayName") in ("Install", "Scan, decide, report")]
    return [
        Step(("bash", "-c"), step["script"], common | {key: fill(value) for key, value in step.get("env", {}).items()})
        for step in chosen
    ]


def _jenkins(context: Context) -> list[Step]:
    text = text_of("jenkins")
    ref = "refs/heads/main" if context.number is None else f"refs/pull/{context.number}/head"
    table = {
        "env.CHANGE_ID ? 'refs/pull/' + env.CHANGE_ID + '/head' : 'refs/heads/' + env.BRANCH_NAME": ref,
        "env.WORKSPACE_TMP": str(context.temp),
        "env.WORKSPACE": str(context.workspace),
        "env.BUILD_TAG": f"jenkins-shop-{context.run}",
    }
    block = text[text.index("    environment {") : text.index("    stages {")]
    common = {}
    for name, quote, value in re.findall(r"^ +([A-Z_]+) = (['\"])(.*)\2$", block, re.MULTILINE):
        filled = re.sub(r"\$\{(.*?)\}", lambda found: table[found[1]], value) if quote == '"' else value
        common[name] = filled
    # Whoever installs the file has to edit these two lines.
    common["REPOSITORY"] = context.repository + ".git"
    common["PERIMETER_GATE_WEBAPPS"] = context.settings["PERIMETER_GATE_WEBAPPS"]
    secrets = {name: context.settings[name] for name in CREDENTIALS[1:]} | {
        "PERIMETER_JOB_TOKEN": context.settings["token"]
    }
    # Groovy removes a backslash at the end of a line, together with the line break.
    install, job = (part.replace("\\\n", "") for part in re.findall(r"sh '''\n(.*?)'''", text, re.DOTALL))
    shell = ("sh", "-xe", "-c")
    return [Step(shell, install, common), Step(shell, job, common | secrets)]

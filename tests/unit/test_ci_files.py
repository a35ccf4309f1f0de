# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ready files for CI systems: the script that ends the job, and what all of the files have to do."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

FOLDER = ROOT / "docs" / "ci"
SCRIPT = FOLDER / "gate-exit.py"
FILES = ("github-actions.yml", "gitlab-ci.yml", "azure-pipelines.yml", "Jenkinsfile")
VERDICT: dict[str, Any] = {
    "record": "gate",
    "schema": 1,
    "run_id": "812",
    "started": "2026-11-01T00:00:00Z",
    "finished": "2026-11-01T00:00:01Z",
    "verdict": "pass",
    "exit_code": 0,
    "report_only": False,
    "check_mode": False,
    "reasons": [],
}


def end(path: Path, *arguments: str) -> tuple[int, str]:
    """Code and output of the script. ``-I``: it needs nothing but Python itself."""
    command = [sys.executable, "-I", str(SCRIPT), str(path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def write(folder: Path, content: object) -> Path:
    path = folder / "gate.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("verdict", "code"),
    [("pass", 0), ("fail", 10), ("inconclusive", 11), ("policy_error", 12), ("platform_error", 20)],
)
def test_a_verdict_of_this_run_is_the_code(tmp_path: Path, verdict: str, code: int) -> None:
    path = write(tmp_path, {**VERDICT, "verdict": verdict, "exit_code": code})
    found, output = end(path, "812")
    assert (found, f"is {verdict} (code {code})" in output) == (code, True)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "null",
        "[" * 100_000,
        "[]",
        '"pass"',
        "\ufeff" + json.dumps(VERDICT),
        {**VERDICT, "run_id": "813"},
        {**VERDICT, "run_id": 812},
        {**VERDICT, "run_id": None},
        {**VERDICT, "finished": None},
        {**VERDICT, "check_mode": True},
        {**VERDICT, "record": "finding"},
        {**VERDICT, "schema": 2},
        {**VERDICT, "verdict": "PASS"},
        {**VERDICT, "verdict": ["pass"]},
        {**VERDICT, "verdict": "fail"},
        {**VERDICT, "exit_code": 10},
        {**VERDICT, "exit_code": False},
        {**VERDICT, "exit_code": "0"},
        {"exit_code": 0, "verdict": "pass"},
    ],
    ids=lambda content: json.dumps(content)[:30],
)
def test_anything_else_closes_the_gate(tmp_path: Path, content: object) -> None:
    code, output = end(write(tmp_path, content), "812")
    assert code == 20
    assert "platform_error (code 20)" in output


def test_without_a_file_or_a_run_id_the_gate_is_closed(tmp_path: Path) -> None:
    assert end(tmp_path / "gate.json", "812")[0] == 20
    assert end(tmp_path, "812")[0] == 20
    path = write(tmp_path, VERDICT)
    assert [end(path)[0], end(path, "")[0], end(path, "812", "more")[0]] == [20, 20, 20]
    assert end(write(tmp_path, {**VERDICT, "run_id": ""}), "")[0] == 20


def test_what_is_printed_is_obeyed_by_nobody(tmp_path: Path) -> None:
    hostile = "a\n::error::b ##vso[task.complete result=Succeeded;] \x1b[31m \u202e ##[section]"
    reasons = [{"application": hostile, "message": hostile}, {"message": 7}, "x", *[{}] * 20]
    code, output = end(write(tmp_path, {**VERDICT, "verdict": "fail", "exit_code": 10, "reasons": reasons}), "812")
    assert code == 10
    assert output.isascii()
    assert [word for word in ("::", "##", "\x1b") if word in output] == []
    assert len(output.splitlines()) <= 6
    code, output = end(write(tmp_path, {**VERDICT, "run_id": hostile}), "812")
    assert (code, "::" in output, len(output.splitlines())) == (20, False, 1)


@pytest.mark.parametrize("name", FILES)
def test_each_file_deletes_decides_and_ends_with_the_code_in_this_order(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not re.match(r"\s*(#|//)", line)]
    deletes, plays, ends = (
        [place for place, line in enumerate(lines) if words in line]
        for words in (
            "rm -rf gate",
            "ansible-playbook appsec.perimeter.gate || true",
            'python3 ci/gate-exit.py gate/gate.json "$PERIMETER_RUN_ID"',
        )
    )
    assert (len(plays), len(ends)) == (1, 1)
    assert max(deletes) < plays[0] < ends[0]
    # Nothing may hide the code.
    assert not re.search(r"gate-exit\.py.*(\|\||&&|;|\|)", text)
    assert "PERIMETER_RUN_ID" in text
    # Credentials come from the store of the CI system, and through the environment only.
    assert not re.search(r"ansible-playbook[^\n]*(-e|--extra-vars|PASSWORD)", text)
    assert not re.search(r"QUALYS_WAS_PASSWORD\s*[:=]\s*['\"]?\w", text.replace("'QUALYS_WAS_PASSWORD'", ""))


def test_github_gives_the_secrets_to_one_step_and_always_comes_to_the_verdict() -> None:
    job = yaml.safe_load((FOLDER / "github-actions.yml").read_text(encoding="utf-8"))["jobs"]["gate"]
    holders = [step["name"] for step in job["steps"] if "secrets." in json.dumps(step)]
    assert holders == ["Scan, decide, report"]
    assert "secrets." not in json.dumps({name: value for name, value in job.items() if name != "steps"})
    last = job["steps"][-1]
    assert (last["name"], last["if"], "continue-on-error" in last) == ("Verdict", "${{ !cancelled() }}", False)
    deletes = [step["name"] for step in job["steps"]].index("Delete what an earlier run left")
    # What the repository itself brings along is deleted as well.
    assert job["steps"][deletes - 1]["name"] == "Check out"


def test_azure_gives_the_secrets_to_one_step_and_the_same_run_id_to_both() -> None:
    (job,) = yaml.safe_load((FOLDER / "azure-pipelines.yml").read_text(encoding="utf-8"))["jobs"]
    with_secrets = [step for step in job["steps"] if "QUALYS_WAS_PASSWORD" in json.dumps(step)]
    assert [step["displayName"] for step in with_secrets] == ["Scan, decide, report"]
    last = job["steps"][-1]
    assert (last["displayName"], last["condition"], last.get("continueOnError")) == ("Verdict", "not(canceled())", None)
    assert last["env"]["PERIMETER_RUN_ID"] == with_secrets[0]["env"]["PERIMETER_RUN_ID"]


def test_the_jenkinsfile_is_balanced_and_lets_groovy_see_no_secret() -> None:
    text = (FOLDER / "Jenkinsfile").read_text(encoding="utf-8")
    code = re.sub(r"//.*|'[^'\n]*'|\"[^\"\n]*\"", "", text)
    for left, right in ("{}", "()", "[]"):
        assert code.count(left) == code.count(right)
    blocks = re.findall(r"^    (\w+) ?\{|^(pipeline) \{", text, re.MULTILINE)
    assert [one or other for one, other in blocks] == ["pipeline", "agent", "options", "environment", "stages", "post"]
    commands = re.findall(r"\bsh (.)", text)
    assert commands
    assert set(commands) == {"'"}
    inside = text[text.index("withCredentials") : text.index("stage('Verdict')")]
    assert inside.count("sh '") == 1


@pytest.mark.parametrize("name", FILES)
def test_the_formats_and_variables_are_those_of_the_role(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    defaults = "".join(
        (ROOT / "roles" / role / "defaults" / "main.yml").read_text(encoding="utf-8") for role in ("gate", "scan")
    )
    named = set(re.findall(r"\bPERIMETER_[A-Z_]+\b", text))
    assert named
    assert named <= set(re.findall(r"\bPERIMETER_[A-Z_]+\b", defaults))
    files = yaml.safe_load((ROOT / "roles/gate/vars/main.yml").read_text(encoding="utf-8"))["_gate_files"]
    (formats,) = re.findall(r"PERIMETER_GATE_FORMATS\D*?(\[.*?\])", text, re.DOTALL)
    assert set(json.loads(formats)) <= set(files)
    used = set(re.findall(r"\bgate/([a-z][\w.-]*\.(?!json\b)\w+|gl-[\w.-]+)", text))
    assert used <= {files[item] for item in json.loads(formats)}

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ready folders for CI systems: the program that ends a job, and what all of the definitions have to do."""

from __future__ import annotations

import datetime as dt
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.appsec.perimeter.plugins.module_utils._gate.policy.policy import load_policy
from ansible_collections.appsec.perimeter.plugins.module_utils._gate.policy.waivers import load_waivers
from ansible_collections.appsec.perimeter.plugins.module_utils._records.verdicts import CODES
from tests.conftest import ROOT
from tests.tools.ci_definitions import CREDENTIALS, FILES, FOLDER, Context, Step, steps_of, text_of

SCRIPT = ROOT / "roles" / "gate" / "files" / "gate_job"
SYSTEMS = tuple(FILES)
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
    command = [sys.executable, "-I", str(SCRIPT), "exit", str(path), *arguments]
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


def test_the_program_knows_the_codes_of_the_gate() -> None:
    found = runpy.run_path(str(SCRIPT / "ending.py"))
    assert found["CODES"] == CODES
    assert found["BROKEN"] == CODES["platform_error"]


def steps(system: str, number: int | None = None) -> list[Step]:
    """What a job of a system runs, with settings that tell where they end up."""
    names = (*CREDENTIALS, "PERIMETER_GATE_WEBAPPS", "token")
    settings = {name: f"<{name}>" for name in names}
    context = Context("https://git.test/shop", number, 812, Path("/temp"), Path("/workspace"), settings)
    return steps_of(system, context)


def commands(script: str) -> str:
    """A script with each command on one line."""
    return re.sub(r"\\\n\s*", "", script)


@pytest.mark.parametrize("system", SYSTEMS)
def test_no_definition_checks_code_out_or_runs_in_its_folder(system: str) -> None:
    text = text_of(system)
    assert "actions/checkout" not in text
    assert "git clone" not in text
    nothing = {
        "github": "pull_request_target:",
        "gitlab": "GIT_STRATEGY: none",
        "azure": "- checkout: none",
        "jenkins": "skipDefaultCheckout()",
    }
    assert nothing[system] in text
    whole = "\n".join(step.script for step in steps(system))
    assert whole.count('cd "$WORK"') == 2
    assert whole.index('rm -rf "$WORK"') < whole.index('cd "$WORK"') < whole.index("venv/bin/python -I -m pip")
    # Python that obeys no variable, user or folder; Ansible and pip that read no settings of anybody's.
    for line in commands(whole).splitlines():
        if re.search(r"\bpython3?\b", line) and "==" not in line:
            assert re.search(r"\bpython3? -I\b", line), line
        if "ansible-galaxy" in line:
            assert line.startswith("env -i "), line
            assert "ANSIBLE_CONFIG=" in line, line
        if "-m pip" in line:
            assert " --isolated " in line


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_is_installed_is_pinned_and_the_same_everywhere(system: str) -> None:
    whole = "\n".join(step.script for step in steps(system))
    listed = re.search(r"<<'END'\n(.*?)\nEND\n", whole, re.DOTALL)
    assert listed is not None
    wanted = commands((FOLDER / "requirements.txt").read_text(encoding="utf-8")).strip()
    assert re.sub(r"\\|\s+", " ", listed[1]).split() == re.sub(r"\s+", " ", wanted).split()
    for line in wanted.splitlines():
        assert re.fullmatch(r"[a-z0-9-]+==[0-9a-z.]+( --hash=sha256:[0-9a-f]{64}){1,2}", " ".join(line.split()))
    assert {"ansible-core", "requests", "jmespath", "pyyaml"} <= {line.split("==")[0] for line in wanted.splitlines()}
    assert "--require-hashes -r requirements.txt" in commands(whole)
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    assert re.search(rf"collection install +appsec\.perimeter:=={re.escape(version)} ", commands(whole))
    for action, remark in re.findall(r"uses: (\S+)(.*)", text_of(system)):
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action)
        assert re.fullmatch(r" # v[0-9.]+", remark)


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_job_is_one_command_whose_code_nothing_hides(system: str) -> None:
    last = commands(steps(system)[-1].script).strip().splitlines()[-1]
    assert last.startswith('venv/bin/python -I "$job" run ')
    assert not re.search(r"\|\||&&|;|\|", last)
    passed = last.split(" --pass ")[1].split()
    # What could lead the credentials elsewhere, or change what is judged, is not taken from the environment.
    assert set(CREDENTIALS) < set(passed)
    risky = "URL|PROXY|CERT|CA_PATH|POLICY|WAIVERS|BASELINE|REPORT_ONLY|GATE_SCAN|FINDINGS|FILTERS|ANSIBLE"
    assert not [name for name in passed if re.search(risky, name)]
    # Credentials come from the store of the CI system, and through the environment only.
    assert "PASSWORD" not in last.split(" --pass ")[0]
    assert "TOKEN" not in last


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("number", [None, 7])
def test_the_job_is_given_all_that_it_names(system: str, number: int | None) -> None:
    found = steps(system, number)
    given = {name: value for step in found for name, value in step.environment.items()}
    last = commands(found[-1].script)
    set_here = set(re.findall(r"(?:^|export |\s)(\w+)=", "\n".join(step.script for step in found), re.MULTILINE))
    named = set(re.findall(r"\$\{?(\w+)", last)) | set(last.split(" --pass ")[1].split())
    assert named - set_here - set(given) - {"PERIMETER_BASELINE_TOKEN"} == set()
    wanted = "refs/heads/main" if number is None else r"refs/(pull|merge-requests)/7/(head|merge)"
    assert re.fullmatch(wanted, given["REF"])
    assert given["REPOSITORY"].startswith("https://git.test/shop")
    assert given["BRANCH"] == "main"


@pytest.mark.parametrize("system", ["github", "azure", "jenkins"])
def test_the_credentials_reach_one_step(system: str) -> None:
    install, job = steps(system)
    secret = {f"<{name}>" for name in (*CREDENTIALS[1:], "token")}
    assert not secret & set(install.environment.values())
    assert secret <= set(job.environment.values())


def test_gitlab_limits_the_credentials_to_one_environment_and_the_job_to_sources_that_nobody_can_steer() -> None:
    job = yaml.safe_load(text_of("gitlab"))["security_gate"]
    assert job["environment"] == {"name": "security-gate", "action": "access"}
    assert job["resource_group"] == "security-gate"
    change, main = job["rules"]
    assert "$CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_PROJECT_ID" in change["if"], "a fork gets nothing"
    assert "(push|schedule)" in main["if"], "a pipeline that somebody starts by hand may have variables of theirs"


def test_github_gives_a_fork_nothing_and_requires_a_job_that_is_never_skipped() -> None:
    definition = yaml.safe_load(text_of("github"))
    # YAML 1.1 takes the key "on" for true.
    assert set(definition[True]) == {"push", "pull_request_target", "workflow_dispatch"}
    assert definition["permissions"] == {}
    gate, verdict = definition["jobs"]["gate"], definition["jobs"]["verdict"]
    assert "github.event.pull_request.head.repo.full_name == github.repository" in gate["if"]
    assert (gate["environment"], gate["concurrency"]["cancel-in-progress"]) == ("security-gate", False)
    assert "secrets." not in json.dumps({name: value for name, value in gate.items() if name != "steps"})
    assert [step["name"] for step in gate["steps"] if "secrets." in json.dumps(step)] == ["Scan, decide, report"]
    assert (verdict["if"], verdict["needs"]) == ("always()", "gate")
    assert verdict["steps"][0]["run"] == 'test "$RESULT" = success'
    assert "secrets." not in json.dumps(verdict)
    # No expression stands in a script, where its text would be commands.
    assert not [step for step in gate["steps"] if "${{" in step.get("run", "")]


def test_azure_does_everything_in_the_template_that_its_variables_require() -> None:
    definition = yaml.safe_load((FOLDER / "azure" / "azure-pipelines.yml").read_text(encoding="utf-8"))
    assert definition["extends"] == {"template": "security-gate.yml@templates"}
    assert definition["lockBehavior"] == "sequential"
    assert definition["trigger"]["branches"]["include"] == ["main"]
    (job,) = yaml.safe_load(text_of("azure"))["jobs"]
    given = {item["name"] for item in job["variables"] if "name" in item}
    # A variable of the pipeline's own file is overridden by one of the job.
    assert {"WORK", "KEEP", "BRANCH", "REF", "REPOSITORY", "PUBLIC", "PERIMETER_RUN_ID"} <= given


def test_the_jenkinsfile_is_balanced_and_lets_groovy_see_no_secret() -> None:
    text = text_of("jenkins")
    without_scripts = re.sub(r"'''.*?'''", "", text, flags=re.DOTALL)
    code = re.sub(r"//.*|'[^'\n]*'|\"[^\"\n]*\"", "", without_scripts.replace("https://", ""))
    for left, right in ("{}", "()", "[]"):
        assert code.count(left) == code.count(right)
    blocks = re.findall(r"^    (\w+) ?\{|^(pipeline) \{", text, re.MULTILINE)
    assert [one or other for one, other in blocks] == ["pipeline", "agent", "options", "environment", "stages", "post"]
    assert re.findall(r"\bsh (...)", text) == ["'''", "'''"]
    inside = text[text.index("withCredentials") : text.index("stage('Fork')")]
    assert inside.count("sh '") == 1
    assert "!env.CHANGE_FORK" in text


@pytest.mark.parametrize("system", SYSTEMS)
def test_each_folder_is_complete_and_its_policy_is_one(system: str) -> None:
    folder = FOLDER / system
    policy = load_policy(folder / "security/gate.yml")
    load_waivers(folder / "security/waivers.yml", policy.waivers, dt.date(2026, 11, 1))
    for name in ("gate.yml", "waivers.yml"):
        text = (folder / "security" / name).read_text(encoding="utf-8")
        assert text == (FOLDER / "github" / "security" / name).read_text(encoding="utf-8")
    guide = (folder / "security" / "README.md").read_text(encoding="utf-8")
    assert "perimeter-baseline" in guide
    assert len(guide.splitlines()) <= 40


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_formats_and_variables_are_those_of_the_role_and_no_evidence_is_uploaded(system: str) -> None:
    text = text_of(system)
    defaults = "".join(
        (ROOT / "roles" / role / "defaults" / "main.yml").read_text(encoding="utf-8") for role in ("gate", "scan")
    )
    job = (SCRIPT / "job.py").read_text(encoding="utf-8")
    named = set(re.findall(r"\bPERIMETER_[A-Z_]+\b", text)) - {"PERIMETER_BASELINE_TOKEN"}
    assert named
    known = set(re.findall(r"\bPERIMETER_[A-Z_]+\b", defaults)) | {"PERIMETER_JOB_USERNAME", "PERIMETER_JOB_TOKEN"}
    assert named <= known
    files = yaml.safe_load((ROOT / "roles/gate/vars/main.yml").read_text(encoding="utf-8"))["_gate_files"]
    (formats,) = re.findall(r"PERIMETER_GATE_FORMATS(?:: | = |\n +value: )'(\[.*?\])'", text)
    kept = re.search(r"^KEPT = \((.*?)\)", job, re.DOTALL | re.MULTILINE)
    assert kept is not None
    uploaded = set(re.findall(r'"([^"]+)"', kept[1]))
    assert {files[item] for item in json.loads(formats)} <= uploaded
    assert not uploaded & {"findings.ndjson.gz", "report.html", "report.json", "gate.explain.ndjson", "findings.csv"}
    places = r"(?:report/|\$KEEP/|\$\(KEEP\)/|testResultsFiles: )([a-z][\w.-]*\.\w+)"
    used = set(re.findall(places, text))
    assert used
    assert used <= uploaded

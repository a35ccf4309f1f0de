# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program of the gate's job with a real Git repository, and a playbook that only writes what it is told to."""

from __future__ import annotations

import importlib
import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import IMPORT_TREE

PROGRAM = IMPORT_TREE / "ansible_collections/appsec/perimeter/roles/gate/files/gate_job"
POLICY = "schema: 1\nlimits: {all: {vulnerability: {critical: 0}}}\n"
VERDICT: dict[str, Any] = {
    "record": "gate",
    "schema": 1,
    "run_id": "812",
    "finished": "2026-11-01T00:00:01Z",
    "verdict": "pass",
    "exit_code": 0,
    "check_mode": False,
    "reasons": [],
}
Play = Callable[["Site", dict[str, str]], None]


class Site:
    """A repository, and jobs in it."""

    def __init__(self, folder: Path, job: Any) -> None:
        self.folder = folder
        self.job = job
        self.remote = folder / "remote.git"
        self.work = folder / "work"
        self.plays: list[dict[str, str]] = []
        self.play: Play = lambda site, _environment: site.write("pass", 0)
        self.git("init", "--quiet", "--bare", "--initial-branch=main", str(self.remote), at=folder)
        self.git("init", "--quiet", "--initial-branch=main", str(self.work), at=folder)
        self.git("remote", "add", "origin", str(self.remote))

    def git(self, *arguments: str, at: Path | None = None) -> str:
        person = {f"GIT_{role}_{what}": "d@x.test" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "GIT_CONFIG_GLOBAL": "/dev/null", **person}
        done = subprocess.run(
            ["git", *arguments], cwd=at or self.work, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, ref: str, files: dict[str, str]) -> str:
        """Add files to what is there, and push it to a ref."""
        for name, text in files.items():
            path = self.work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", "files")
        self.git("push", "--quiet", "--force", "origin", f"HEAD:{ref}")
        return self.git("rev-parse", "HEAD")

    def write(self, verdict: str, code: int, **changes: Any) -> None:
        """What the playbook would leave behind."""
        document = VERDICT | {"verdict": verdict, "exit_code": code} | changes
        (self.results / "gate.json").write_text(json.dumps(document), encoding="utf-8")

    @property
    def results(self) -> Path:
        return self.folder / "job" / "results"

    @property
    def verdict(self) -> Any:
        return json.loads((self.folder / "report" / "gate.json").read_text(encoding="utf-8"))

    def run(self, ref: str = "refs/heads/main", **changes: Any) -> int:
        """One job."""
        given = {
            "directory": str(self.folder / "job"), "repository": str(self.remote), "branch": "main", "ref": ref,
            "run_id": "812", "policy": "security/gate.yml", "waivers": "security/waivers.yml",
            "baseline_branch": "perimeter-baseline", "watch": [], "public": "", "keep_in": str(self.folder / "report"),
            "keep": None, "names": ["PASSED"],
        }  # fmt: skip
        code: int = self.job.run(self.job.Options(**(given | changes)))
        return code


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site with an empty main branch."""
    monkeypatch.syspath_prepend(str(PROGRAM))
    names = ("ending", "repository", "job")
    for name in names:
        sys.modules.pop(name, None)
    job = importlib.import_module("job")
    site = Site(tmp_path, job)

    def play(self: Any, given: Any, **more: str) -> None:
        environment = self._environment(given) | more
        site.plays.append(environment)
        site.play(site, environment)

    monkeypatch.setattr(job.Job, "_play", play)
    mask = os.umask(0o022)
    site.commit("refs/heads/main", {"README.md": "x"})
    yield site
    os.umask(mask)
    for name in names:
        sys.modules.pop(name, None)


def notes(site: Site) -> list[str]:
    """What the last playbook was given to say."""
    found: list[str] = json.loads(site.plays[-1]["PERIMETER_GATE_NOTES"])
    return found


def test_without_a_policy_on_the_protected_branch_a_pull_request_is_told_to_be_merged_first(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.commit("refs/pull/7/head", {"security/gate.yml": POLICY})
    assert site.run("refs/pull/7/head") == 11
    assert "not installed yet: merge this first. main has no security/gate.yml" in capsys.readouterr().out
    assert (site.verdict["verdict"], site.verdict["exit_code"]) == ("inconclusive", 11)
    assert "merge this first" in (site.folder / "report" / "summary.md").read_text(encoding="utf-8")
    assert site.run() == 12
    assert site.verdict["verdict"] == "policy_error"
    assert site.plays == []


def test_what_is_in_force_is_that_of_the_protected_branch(site: Site) -> None:
    main = site.commit("refs/heads/main", {"security/gate.yml": POLICY})
    files = {"security/gate.yml": "schema: 1\n", "security/waivers.yml": "schema: 1\nwaivers: []\n", "ci.yml": "x"}
    site.commit("refs/pull/7/head", files)
    assert site.run("refs/pull/7/head", watch=["ci.yml", "README.md"], public="true") == 0
    environment = site.plays[-1]
    assert Path(environment["PERIMETER_GATE_POLICY"]).read_text(encoding="utf-8") == POLICY
    assert (environment["PERIMETER_GATE_WAIVERS"], environment["PERIMETER_GATE_BASELINE_UPDATE"]) == ("", "false")
    assert notes(site) == [
        f"policy and waivers are from commit {main[:12]} of main",
        "main has no security/waivers.yml, so no waiver is in force",
        "there is no branch perimeter-baseline, so there is no baseline yet",
        "security/gate.yml differs from main in this change: not in force until merged",
        "security/waivers.yml differs from main in this change: not in force until merged",
        "ci.yml differs from main in this change: not in force until merged",
        "this repository is public: everybody can read this log, the summary and the files",
    ]


def test_a_file_that_is_a_link_is_not_followed(site: Site) -> None:
    site.commit("refs/heads/main", {"security/gate.yml": POLICY})
    (site.work / "security" / "waivers.yml").symlink_to("/etc/passwd")
    site.commit("refs/heads/main", {})
    assert site.run() == 20
    assert site.plays == []


def test_ansible_gets_an_environment_of_its_own(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.commit("refs/heads/main", {"security/gate.yml": POLICY})
    for name in ("PASSED", "SECRET", "ANSIBLE_CALLBACK_PLUGINS", "PYTHONPATH", "PERIMETER_JOB_TOKEN", "QUALYS_WAS_URL"):
        monkeypatch.setenv(name, "given")
    assert site.run() == 0
    environment = site.plays[-1]
    assert [name for name, value in environment.items() if value == "given"] == ["PASSED"]
    assert set(environment) - {"PASSED", "LANG", "LC_ALL", "TZ"} == {
        "PATH", "HOME", "TMPDIR", "PYTHONSAFEPATH", "PYTHONNOUSERSITE", "ANSIBLE_CONFIG", "ANSIBLE_HOME",
        "ANSIBLE_COLLECTIONS_PATH", "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH", "ANSIBLE_LOCALHOST_WARNING",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING", "PERIMETER_RUN_ID", "PERIMETER_GATE_DIRECTORY", "PERIMETER_GATE_POLICY",
        "PERIMETER_GATE_WAIVERS", "PERIMETER_GATE_BASELINE", "PERIMETER_GATE_BASELINE_NAME",
        "PERIMETER_GATE_BASELINE_UPDATE", "PERIMETER_GATE_NOTES", "PERIMETER_STATE_DIR",
    }  # fmt: skip
    assert Path(environment["ANSIBLE_CONFIG"]).read_bytes() == b""
    assert environment["ANSIBLE_COLLECTIONS_PATH"] == str(IMPORT_TREE)


def store(text: str) -> Play:
    """A playbook that passes, and moves the baseline."""

    def play(site: Site, environment: dict[str, str]) -> None:
        Path(environment["PERIMETER_GATE_BASELINE"]).write_text(text, encoding="utf-8")
        site.write("pass", 0)

    return play


def test_only_the_job_of_the_protected_branch_stores_the_baseline_and_the_next_one_reads_it(site: Site) -> None:
    site.commit("refs/heads/main", {"security/gate.yml": POLICY})
    site.play = store("first")
    site.commit("refs/pull/7/head", {})
    assert site.run("refs/pull/7/head") == 0
    assert site.git("ls-remote", "origin", "refs/heads/perimeter-baseline") == ""
    for text in ("first", "first", "second"):
        site.play = store(text)
        assert site.run() == 0
    site.git("fetch", "--quiet", "origin", "perimeter-baseline")
    assert site.git("show", "FETCH_HEAD:baseline.json") == "second"
    # What did not change was not stored again.
    assert site.git("rev-list", "--count", "FETCH_HEAD") == "2"
    assert "the baseline is from commit" in notes(site)[-1]


def test_a_definition_that_passes_a_database_keeps_the_baseline_there_and_no_branch(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site.commit("refs/heads/main", {"security/gate.yml": POLICY})
    site.commit("refs/heads/perimeter-baseline", {"baseline.json": "that of the branch"})
    site.commit("refs/pull/7/head", {})
    names = ["PERIMETER_GATE_DATABASE_URL", "PERIMETER_GATE_BASELINE_NAME"]
    monkeypatch.setenv(names[0], "postgresql://gate:canary-password@db.test/gate")
    stored = site.git("ls-remote", "origin", "refs/heads/perimeter-baseline")
    for ref, moves in (("refs/heads/main", "true"), ("refs/pull/7/head", "false")):
        assert site.run(ref, names=names) == 0
        environment = site.plays[-1]
        assert environment["PERIMETER_GATE_DATABASE_URL"].startswith("postgresql://")
        assert environment["PERIMETER_GATE_BASELINE"] == ""
        assert environment["PERIMETER_GATE_BASELINE_UPDATE"] == moves
        assert environment["PERIMETER_GATE_BASELINE_NAME"] == f"{site.remote.with_suffix('')} main"
        assert f"the baseline is in the database, with the name {site.remote.with_suffix('')} main" in notes(site)
    assert site.git("ls-remote", "origin", "refs/heads/perimeter-baseline") == stored
    monkeypatch.setenv(names[1], "shop")
    assert site.run(names=names) == 0
    assert site.plays[-1]["PERIMETER_GATE_BASELINE_NAME"] == "shop"
    assert "canary" not in capsys.readouterr().out + json.dumps(notes(site))
    # One that the definition does not pass is nobody's.
    assert site.run() == 0
    assert "PERIMETER_GATE_DATABASE_URL" not in site.plays[-1]
    assert site.plays[-1]["PERIMETER_GATE_BASELINE"].endswith("baseline.json")


def test_a_database_whose_secret_is_missing_closes_the_gate_and_is_no_missing_baseline(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.commit("refs/heads/main", {"security/gate.yml": POLICY})
    monkeypatch.delenv("PERIMETER_GATE_DATABASE_URL", raising=False)
    for _attempt in range(2):
        assert site.run(names=["PERIMETER_GATE_DATABASE_URL"]) == 20
        message = site.verdict["reasons"][0]["message"]
        assert message == "PERIMETER_GATE_DATABASE_URL is passed to the gate, but it is empty"
        monkeypatch.setenv("PERIMETER_GATE_DATABASE_URL", "")
    assert site.plays == []


def test_a_name_for_the_baseline_holds_no_token() -> None:
    place_of = runpy.run_path(str(PROGRAM / "repository.py"))["place_of"]
    for url in ("https://github.com/acme/shop.git", "https://me:canary@github.com:443/acme/shop/?token=canary"):
        assert place_of(url) == "github.com/acme/shop"


def test_a_baseline_that_is_moved_all_the_time_is_given_up_and_never_overwritten(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.commit("refs/heads/main", {"security/gate.yml": POLICY})
    moves = 0

    def play(site: Site, environment: dict[str, str]) -> None:
        nonlocal moves
        moves += 1
        site.commit("refs/heads/perimeter-baseline", {"baseline.json": f"other {moves}"})
        store("mine")(site, environment)

    site.play = play
    assert site.run() == 20
    assert (len(site.plays), site.verdict["verdict"]) == (3 + 1, "platform_error")
    assert [environment.get("PERIMETER_GATE_WEBAPPS") for environment in site.plays] == [None, "", "", ""]
    site.git("fetch", "--quiet", "origin", "perimeter-baseline")
    assert site.git("show", "FETCH_HEAD:baseline.json").startswith("other")
    assert "other jobs updated it 3 times" in capsys.readouterr().out


def test_a_baseline_that_may_not_be_pushed_closes_the_gate_and_keeps_the_report(site: Site) -> None:
    site.commit("refs/heads/main", {"security/gate.yml": POLICY})
    hook = site.remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)

    def play(site: Site, environment: dict[str, str]) -> None:
        store("mine")(site, environment)
        (site.results / "summary.md").write_text("# What was found", encoding="utf-8")
        (site.results / "findings.ndjson.gz").write_text("evidence", encoding="utf-8")

    site.play = play
    assert site.run() == 20
    assert site.verdict["reasons"][0]["message"].startswith("the baseline could not be stored")
    summary = (site.folder / "report" / "summary.md").read_text(encoding="utf-8")
    assert summary.startswith("**The gate is closed: platform_error.** the baseline could not be stored")
    assert summary.endswith("# What was found")
    assert sorted(path.name for path in (site.folder / "report").iterdir()) == ["gate.json", "summary.md"]
    assert site.run(keep=["findings.ndjson.gz"]) == 20
    assert [path.name for path in (site.folder / "report").iterdir()] == ["findings.ndjson.gz"]


@pytest.mark.parametrize("changes", [None, {"run_id": "811"}, {"finished": None}, {"exit_code": 10}], ids=json.dumps)
def test_a_playbook_that_leaves_no_verdict_of_this_run_is_no_pass(site: Site, changes: dict[str, Any] | None) -> None:
    site.commit("refs/heads/main", {"security/gate.yml": POLICY})
    site.play = lambda site, _environment: None if changes is None else site.write("pass", 0, **changes)
    assert site.run() == 20


@pytest.mark.parametrize(
    "ref", ["main", "refs/heads/../x", "--upload-pack=x", "refs/heads/a b", "refs/heads/main:refs/x"]
)
def test_a_ref_that_could_mean_something_else_is_refused(site: Site, ref: str) -> None:
    assert site.run(ref) == 20


def test_a_repository_that_cannot_be_read_is_no_pass_and_its_token_is_not_shown(
    site: Site, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PERIMETER_JOB_TOKEN", "Cnry-token")
    assert site.run(repository="http://127.0.0.1:9/x.git") == 20
    assert site.run(repository="--help") == 20
    shown = capfd.readouterr()
    assert "Cnry" not in shown.out + shown.err
    assert "git ls-remote failed" in shown.out


def test_an_unknown_option_or_a_crash_is_no_pass() -> None:
    for arguments in (["run", "--unknown"], ["nonsense"], ["run"], [], ["exit", "a"]):
        done = subprocess.run([sys.executable, "-I", str(PROGRAM), *arguments], capture_output=True, check=False)
        assert done.returncode == 20, arguments

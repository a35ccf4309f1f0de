# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The history module: its example as it is, twice, and what it says through the outer door."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.integration.conftest import login_to
from tests.integration.in_process import run_tasks
from tests.integration.runner import PREFIX, Ansible, Task
from tests.integration.test_bad_input import assert_clear
from tests.sandbox import Sandbox
from tests.unit.plugins.module_utils.history_kit import Desk, finding

EXAMPLE = ROOT / "docs" / "examples" / "history" / "record.yml"
RECORD = "Record them, and look a week ahead"
SECRET = "Cnry-database-pw"


def test_the_example_records_once_and_then_only_the_trend(ansible: Ansible) -> None:
    with Sandbox(webapps=4, findings=60, switches={"clock": "real"}) as sandbox:
        state = {"PERIMETER_STATE_DIR": str(ansible.folder / "state"), "PERIMETER_DATABASE_URL": ""}
        variables = json.dumps({"output_directory": str(ansible.folder)})
        run = ansible.program(
            "ansible-playbook", "-i", "localhost,", "-e", variables, str(EXAMPLE), str(EXAMPLE),
            environment=login_to(sandbox) | state | {"TEST_COUNTERS": sandbox.url, "ANSIBLE_PIPELINING": "true"},
            results=ansible.folder / "results.jsonl",
        )  # fmt: skip
        assert run.status == 0, run.output
        assert sandbox.counters.writes == 0
    first, second = (result for result in run.results if result.task == RECORD)
    assert first["recorded"]["findings"] == 60
    assert (first["recorded"]["webapps"], first["recorded"]["auth_records"] > 0) == (4, True)
    assert sum(first["open"].values()) == first["new"] > 0
    assert set(second["recorded"].values()) == {0}
    assert (second["new"], len(second["trend"])) in ((0, 1), (0, 2), (first["new"], 1))
    told = json.loads((ansible.folder / "history.json").read_bytes())
    assert (told["run_id"], told["open"]) == (second["run_id"], second["open"])
    assert (ansible.folder / "state" / "history.db").stat().st_mode & 0o777 == 0o600


CASES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "no driver": ({"database_url": f"mysql://u:{SECRET}@h/db"}, ("database_url", "mysql", "sqlite or postgresql")),
    "no server": ({"database_url": f"postgresql://u:{SECRET}@127.0.0.1:1/db"}, ("127.0.0.1:1/db", "nothing listens")),
    "no file": ({"findings": ["/nowhere/f.ndjson"]}, ("/nowhere/f.ndjson", "no such file")),
    "no data": ({"findings": []}, ("nothing was ever recorded",)),
    "no horizon": ({"horizon": "soon"}, ("horizon", "soon", "7d")),
    "no severity": ({"policy": {"grave": 1}}, ("policy", "grave", "critical")),
}
NAMED = "no server"
"""A message that has the driver's name of the error in it, as those of deliveries do."""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("history"))


def test_a_mistake_is_told_in_one_clear_message_without_the_password(desk: Desk, sandbox: Sandbox) -> None:
    findings = [desk.snapshot([finding(1)], -400)]
    tasks: list[Task] = [
        {"name": name, f"{PREFIX}history": {"findings": findings, "database_url": f"{desk.url}.{number}", **options}}
        for number, (name, (options, _words)) in enumerate(CASES.items())
    ]
    run = run_tasks(desk.path, tasks, {}, sandbox)
    for name, (_options, words) in CASES.items():
        if name == NAMED:
            assert [word for word in words if word not in run[name]["msg"]] == []
        else:
            assert_clear(run[name], *words)
    assert SECRET not in run.output


def test_the_url_of_the_environment_is_used_and_shown_without_its_password(desk: Desk, sandbox: Sandbox) -> None:
    findings = [desk.snapshot([finding(1)], -400)]
    url = f"sqlite:///{desk.path}/of-the-environment.db"
    task = {f"{PREFIX}history": {"findings": findings, "run_id": "1"}}
    tasks: list[Task] = [
        {"name": "check", **task, "check_mode": True},
        {"name": "first", **task},
        {"name": "again", **task},
        {"name": "secret", **task, "environment": {"PERIMETER_DATABASE_URL": f"postgresql://u:{SECRET}@127.0.0.1:1/x"}},
    ]
    run = run_tasks(desk.path, tasks, {"PERIMETER_DATABASE_URL": url}, sandbox)
    assert [run[name].changed for name in ("check", "first", "again")] == [True, True, False]
    assert (run["check"]["new"], run["first"]["new"], run["first"]["database"]) == (1, 1, url)
    assert (desk.path / "of-the-environment.db").exists()
    assert run["secret"].failed
    assert SECRET not in run.output


def test_the_example_is_part_of_the_guide() -> None:
    guide = (ROOT / "docs" / "docsite" / "rst" / "history.rst").read_text(encoding="utf-8")
    assert EXAMPLE.relative_to(ROOT).as_posix() in guide
    assert Path(EXAMPLE).exists()

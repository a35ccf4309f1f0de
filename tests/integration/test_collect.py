# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook ``collect``: all four services side by side, again without a change, and with one that fails."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import DELIVER
from tests.conftest import ROOT
from tests.integration.runner import Ansible, Run
from tests.sandbox import Sandbox

SERVICES = ["carbon_black", "edgecast", "indusface", "scutum"]


@pytest.fixture
def logs() -> Iterator[Sandbox]:
    """A small estate of logs, over the last two days."""
    with Sandbox(
        webapps=1, findings=0,
        edgecast={"records": 300, "days": 2}, scutum={"records": 80, "days": 2},
        indusface={"records": 12, "days": 3}, carbon_black={"records": 120, "days": 2},
    ) as running:  # fmt: skip
        yield running


def environment(logs: Sandbox, ansible: Ansible) -> dict[str, str]:
    """All connections, and places for everything."""
    edgecast, scutum = logs.edgecast.settings, logs.scutum.settings
    indusface, carbon_black = logs.indusface.settings, logs.carbon_black.settings
    return {
        "EDGECAST_URL": logs.url, "EDGECAST_ACCOUNT_NUMBER": edgecast.account_number, "EDGECAST_TOKEN": edgecast.token,
        "SCUTUM_URL": logs.url, "SCUTUM_API_KEY": scutum.api_key, "SCUTUM_HOST": scutum.host, "SCUTUM_ID": scutum.id,
        "INDUSFACE_WAS_URL": logs.url, "INDUSFACE_WAS_ACCESS_KEY": indusface.access_key,
        "INDUSFACE_WAS_SECRET_KEY": indusface.secret_key,
        "CBC_URL": logs.url, "CBC_ORG_KEY": carbon_black.org_key, "CBC_API_ID": carbon_black.api_id,
        "CBC_API_SECRET_KEY": carbon_black.api_secret_key,
        "PERIMETER_STATE_DIR": str(ansible.folder / "state"),
        "PERIMETER_SQL_DATABASE_URL": f"sqlite:///{ansible.folder}/logs.db",
    }  # fmt: skip


def collect(ansible: Ansible, logs: Sandbox, *arguments: str, **variables: object) -> Run:
    given = {
        "collect_logs_directory": str(ansible.folder / "logs"),
        "collect_logs_sources": SERVICES,
        "collect_logs_first_run": "lookback",
        "collect_logs_lookback": "1d",
    } | variables
    return ansible.program(
        "ansible-playbook", "-i", "localhost,", *arguments, "-e", json.dumps(given), "appsec.perimeter.collect",
        environment=environment(logs, ansible),
    )  # fmt: skip


def recap(run: Run) -> dict[str, int]:
    line = next(line for line in run.stdout.splitlines() if line.startswith("localhost") and "ok=" in line)
    return {name: int(value) for name, _equals, value in (word.partition("=") for word in line.split()[2:])}


def lines(folder: Path) -> list[dict[str, object]]:
    return [
        json.loads(line) for path in sorted(folder.glob("dt=*/*.ndjson")) for line in path.read_bytes().splitlines()
    ]


def test_all_four_services_twice_and_into_a_database(ansible: Ansible, logs: Sandbox) -> None:
    receivers = [{"sink": "sql"}]
    first = collect(ansible, logs, collect_logs_receivers=receivers)
    assert first.status == 0, first.output
    assert recap(first)["changed"] > 0
    folder = ansible.folder / "logs"
    found = {name: lines(folder / name) for name in SERVICES}
    assert all(found.values()), {name: len(items) for name, items in found.items()}
    for name, items in found.items():
        assert max(Counter((item["key"], item["content"]) for item in items).values()) == 1, name
    with contextlib.closing(sqlite3.connect(ansible.folder / "logs.db")) as connection:
        (rows,) = connection.execute("select count(*) from perimeter_records").fetchone()
    assert rows == sum(map(len, found.values()))

    second = collect(ansible, logs, collect_logs_receivers=receivers)
    assert second.status == 0, second.output
    assert recap(second)["changed"] == 0, second.stdout
    assert {name: lines(folder / name) for name in SERVICES} == found


def test_one_service_that_fails_does_not_stop_the_others(ansible: Ansible, logs: Sandbox) -> None:
    logs.edgecast.settings.token = "another-token"
    sources = ["carbon_black", {"service": "edgecast", "name": "shop"}, "indusface"]
    ansible_environment = environment(logs, ansible) | {"EDGECAST_TOKEN": "canary-edgecast-token"}
    run = ansible.program(
        "ansible-playbook", "-i", "localhost,", "-vvv", "appsec.perimeter.collect", "-e",
        json.dumps({
            "collect_logs_directory": str(ansible.folder / "logs"), "collect_logs_sources": sources,
            "collect_logs_first_run": "lookback", "collect_logs_lookback": "1d",
        }),
        environment=ansible_environment,
    )  # fmt: skip
    assert run.status == 2
    assert "1 of 3 failed, the others succeeded" in run.stdout
    assert "shop: Edgecast refused the credentials" in run.stdout
    assert "canary-edgecast-token" not in run.output
    assert lines(ansible.folder / "logs" / "carbon_black")
    assert lines(ansible.folder / "logs" / "indusface")
    assert not lines(ansible.folder / "logs" / "shop")


def test_check_mode_reads_and_leaves_nothing_behind(ansible: Ansible, logs: Sandbox) -> None:
    run = collect(ansible, logs, "--check", collect_logs_sources=["edgecast", "carbon_black"])
    assert run.status == 0, run.output
    assert recap(run)["changed"] > 0
    assert not (ansible.folder / "logs").exists()
    assert not list((ansible.folder / "state").rglob("*.json"))


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        ([], "collect_logs_sources is empty"),
        (["edgecast", "nagios"], "nagios is not one of carbon_black, edgecast, indusface, scutum"),
        ([{"name": "shop"}], "a source without a service is not one of"),
        (["edgecast", {"service": "edgecast"}], "a name and a dest of its own"),
        (["edgecast", {"service": "scutum", "dest": "logs/scutum"}], "dest of scutum is not an absolute path"),
        (
            ["edgecast", {"service": "scutum", "name": "shop", "retain": 90, "api_key": "canary-key"}],
            "shop has api_key, retain, but a source of scutum takes only api_url, compress, dest, details,",
        ),
    ],
)
def test_sources_that_cannot_be_collected(ansible: Ansible, logs: Sandbox, sources: list[object], words: str) -> None:
    run = collect(ansible, logs, collect_logs_sources=sources)
    assert run.status == 2
    assert words in " ".join(run.stdout.split())
    assert "canary-key" not in run.output
    assert logs.counters.snapshot()["requests"] == 0


@pytest.mark.parametrize(
    ("directory", "words"),
    [("", "collect_logs_directory is not given"), ("logs", "is logs, which is not an absolute path")],
)
def test_there_is_no_directory_by_default(ansible: Ansible, logs: Sandbox, directory: str, words: str) -> None:
    run = ansible.program(
        "ansible-playbook", "-i", "localhost,", "appsec.perimeter.collect",
        "-e", '{"collect_logs_sources": ["edgecast"]}',
        environment=environment(logs, ansible) | ({"PERIMETER_COLLECT_DIRECTORY": directory} if directory else {}),
    )  # fmt: skip
    assert run.status == 2
    said = " ".join(run.stdout.split())
    assert words in said
    assert "or set PERIMETER_COLLECT_DIRECTORY" in said
    assert logs.counters.snapshot()["requests"] == 0


def test_a_directory_that_is_there_keeps_its_mode(ansible: Ansible, logs: Sandbox) -> None:
    folder = ansible.folder / "logs"
    folder.mkdir()
    folder.chmod(0o755)
    run = collect(ansible, logs, collect_logs_sources=["carbon_black"])
    assert run.status == 0, run.output
    assert folder.stat().st_mode & 0o777 == 0o755
    fresh = ansible.folder / "fresh"
    run = collect(ansible, logs, collect_logs_sources=["indusface"], collect_logs_directory=str(fresh))
    assert run.status == 0, run.output
    assert fresh.stat().st_mode & 0o777 == 0o700


def test_what_a_source_may_say_is_what_the_tasks_pass_on() -> None:
    role = Path(__file__).parents[2] / "roles" / "collect_logs"
    variables = yaml.safe_load((role / "vars" / "main.yml").read_text())
    for service in SERVICES:
        used = set(re.findall(r"\bsource\.(\w+)", (role / "tasks" / f"start_{service}.yml").read_text()))
        own = variables["_collect_logs_own_keys"][service]
        assert used == {"service", *variables["_collect_logs_keys"], *own}, service


def test_what_a_receiver_may_say_is_what_deliver_takes_without_its_credentials() -> None:
    variables = yaml.safe_load((ROOT / "roles" / "collect_logs" / "vars" / "main.yml").read_text())
    options = DELIVER.arguments()["argument_spec"]["sink_options"]["options"]
    secret = {name for name, option in options.items() if option.get("no_log")} - {"url"}
    assert secret == {"token", "password", "api_key", "signature_secret", "database_url"}
    assert variables["_collect_logs_sink_keys"] == sorted(set(options) - secret)


SECOND_ACCOUNT = """
- hosts: localhost
  connection: local
  gather_facts: false
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  module_defaults:
    group/appsec.perimeter.edgecast:
      token: "{{ vault_token }}"
  roles:
    - role: appsec.perimeter.collect_logs
      collect_logs_first_run: lookback
      collect_logs_lookback: 1d
      collect_logs_sources: [{service: edgecast, name: second}]
"""


def test_a_second_account_by_module_defaults(ansible: Ansible, logs: Sandbox) -> None:
    logs.edgecast.settings.token = "canary-second-token"
    playbook = ansible.folder / "second.yml"
    playbook.write_text(SECOND_ACCOUNT)
    secrets = ansible.folder / "secrets.yml"
    secrets.write_text("vault_token: canary-second-token\n")
    around = environment(logs, ansible) | {
        "EDGECAST_TOKEN": "the-first-token", "PERIMETER_COLLECT_DIRECTORY": str(ansible.folder / "logs"),
    }  # fmt: skip
    run = ansible.program(
        "ansible-playbook", "-i", "localhost,", "-vvv", "-e", f"@{secrets}", str(playbook), environment=around
    )
    assert run.status == 0, run.output
    assert lines(ansible.folder / "logs" / "second")
    assert "canary-second-token" not in run.output

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection is given once: by an action group, by the environment, and which of them wins."""

from __future__ import annotations

from pathlib import Path

from tests.integration.conftest import Certificates
from tests.integration.runner import Ansible, Task
from tests.sandbox import Sandbox

READS: dict[str, dict[str, object]] = {
    "qualys_was_webapp": {"name": "Checkout (prod)"},
    "qualys_was_webapps": {"webapps": [{"name": "Checkout (prod)"}]},
    "qualys_was_webapp_info": {"count_only": True},
    "qualys_was_finding_info": {"count_only": True},
    "qualys_was_finding_export": {"dest": "{{ playbook_dir }}/findings.ndjson", "detail": "summary"},
}
"""A harmless use of some modules; tests/unit/test_house_rules.py sees to it that the groups hold all."""


def _tasks() -> list[Task]:
    return [{"name": module, module: dict(options)} for module, options in READS.items()]


def test_group_sets_the_connection(ansible: Ansible, tls_sandbox: Sandbox, certificates: Certificates) -> None:
    """The vendor's group sets the login, the group "all" what every vendor shares."""
    vendor = {"api_url": tls_sandbox.url, "username": tls_sandbox.username, "password": tls_sandbox.password}
    common = {"ca_path": certificates.ca, "timeout": 20, "max_connections": 2}
    groups = {"group/appsec.perimeter.qualys": vendor, "group/appsec.perimeter.all": common}
    run = ansible.play(_tasks(), module_defaults=groups)
    assert run.status == 0, run.output
    for result in run.results:
        assert not result.changed or result.task == "qualys_was_finding_export"
    # The group's max_connections arrived; the default is higher.
    assert tls_sandbox.counters.in_flight_max <= 2


def test_environment(ansible: Ansible, sandbox: Sandbox, login: dict[str, str]) -> None:
    run = ansible.play(_tasks(), environment=login)
    assert run.status == 0, run.output
    assert not [result for result in run.results if result.failed]


def test_environment_binds_late(ansible: Ansible, sandbox: Sandbox, login: dict[str, str]) -> None:
    """What a task says beats every variable of its group, also those of the other way to say it."""
    own = {"username": sandbox.username, "password": sandbox.password}
    token = {
        "client_id": sandbox.client_id,
        "client_secret": sandbox.client_secret,
        "gateway_url": sandbox.url,
    }
    wrong = {"QUALYS_WAS_URL": "http://127.0.0.1:1", "QUALYS_WAS_USERNAME": "nobody", "QUALYS_WAS_PASSWORD": "nothing"}
    wrong_token = {"QUALYS_WAS_CLIENT_ID": "nobody", "QUALYS_WAS_CLIENT_SECRET": "nothing"}
    count = {"count_only": True}
    read = "qualys_was_webapp_info"
    tasks: list[Task] = [
        {"name": "options", read: {**count, **own, "api_url": sandbox.url}, "environment": wrong},
        {"name": "address", read: {**count, "api_url": sandbox.url}, "environment": {"QUALYS_WAS_PLATFORM": "eu1"}},
        {"name": "token", read: {**count, **token}},
        {"name": "login", read: {**count, **own}, "environment": wrong_token},
        {"name": "both ways", read: count, "environment": wrong_token, "ignore_errors": True},
        {"name": "half", read: {**count, "username": sandbox.username}},
    ]
    run = ansible.play(tasks, environment=login)
    assert run.status == 0, run.output
    assert [result.task for result in run.results if result.failed] == ["both ways"]
    assert "username and password cannot be combined with client_id and client_secret" in run["both ways"]["msg"]
    assert sandbox.counters.failed_auth == 0


def test_local_modules_are_in_no_group(
    ansible: Ansible, login: dict[str, str], tmp_path: Path, sandbox: Sandbox
) -> None:
    """Defaults for the connection do not reach modules that have none."""
    findings = str(tmp_path / "findings.ndjson")
    run = ansible.play(
        [
            {"qualys_was_finding_export": {"dest": findings}},
            {"report": {"findings": [findings], "outputs": {"json": str(tmp_path / "report.json")}}},
        ],
        environment=login,
        module_defaults={"group/appsec.perimeter.all": {"timeout": 5}, "group/appsec.perimeter.qualys": {"retries": 1}},
    )
    assert run.status == 0, run.output
    assert run["report"].changed

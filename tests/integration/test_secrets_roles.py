# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Canary credentials in the variables and the environment of every role, right or in the wrong place: none is shown."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.integration import test_secrets, test_secrets_logs
from tests.integration.log_kit import log_sandbox
from tests.integration.runner import PREFIX, Ansible, Run
from tests.integration.test_secrets import PASSWORD, USER
from tests.integration.test_secrets_logs import SECRETS, at, public
from tests.sandbox import Sandbox

Variables = dict[str, Any]
HOOK_PATH = "/hook/T0/B0/Cnry-hook-p4th-in-a-url"


def steps(cases: dict[str, tuple[str, str, Variables]]) -> list[dict[str, Any]]:
    """Each case as a role of its own, of which the failure does not stop the others, and is shown."""
    return [
        {
            "name": name,
            "block": [
                {
                    "ansible.builtin.include_role": {
                        "name": PREFIX + role, "tasks_from": entry, "rolespec_validate": True,
                    },
                    "vars": variables,
                }
            ],
            "rescue": [
                {"name": f"failed {name}", "ansible.builtin.debug": {"msg": "{{ [ansible_failed_result] }}"}},
            ],
        }
        for name, (role, entry, variables) in cases.items()
    ]  # fmt: skip


def run_roles(
    ansible: Ansible, cases: dict[str, tuple[str, str, Variables]], environment: dict[str, str], *arguments: str
) -> Run:
    """All cases in one playbook, with everything that makes Ansible talk."""
    playbook = ansible.folder / "roles.yml"
    play = {
        "hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": steps(cases),
        "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        "module_defaults": {f"group/{PREFIX}all": {"retries": 0}},
    }  # fmt: skip
    playbook.write_text(json.dumps([play], indent=1), encoding="utf-8")
    settings = {
        "ANSIBLE_LOG_PATH": str(ansible.folder / "ansible.log"),
        "ANSIBLE_DISPLAY_TRACEBACK": "always",
        "ANSIBLE_PIPELINING": "true",
        "PERIMETER_STATE_DIR": str(ansible.folder / "state"),
    }
    results = ansible.folder / "results.jsonl"
    results.unlink(missing_ok=True)
    return ansible.program(
        "ansible-playbook", "-i", "localhost,", "-vvvv", "--diff", *arguments, str(playbook),
        environment=settings | environment, results=results,
    )  # fmt: skip


def failed(run: Run) -> set[str]:
    """The cases that failed."""
    return {result.task.removeprefix("failed ") for result in run.results if result.task.startswith("failed ")}


@pytest.fixture
def guarded() -> Iterator[Sandbox]:
    with log_sandbox(
        edgecast={"token": SECRETS["EDGECAST_TOKEN"]},
        scutum={"api_key": SECRETS["SCUTUM_API_KEY"]},
        indusface={
            "access_key": SECRETS["INDUSFACE_WAS_ACCESS_KEY"], "secret_key": SECRETS["INDUSFACE_WAS_SECRET_KEY"],
        },
        carbon_black={"api_secret_key": SECRETS["CBC_API_SECRET_KEY"]},
        receivers={
            "hec_token": SECRETS["HEC_TOKEN"], "api_key": SECRETS["BULK_API_KEY"],
            "webhook_token": SECRETS["HOOK_TOKEN"], "signature_secret": SECRETS["SIGNATURE"],
        },
    ) as running:  # fmt: skip
        yield running


def misplaced(guarded: Sandbox) -> dict[str, Variables]:
    """Variables of collect_logs with a credential where none belongs. All of them are refused."""
    token = at("HOOK_TOKEN")
    receivers: list[Any] = [
        {"sink": "webhook", "token": token},
        {"sink": "splunk_hec", "options": {"url": guarded.url, "token": token}},
        {"sink": "webhook", "options": {"url": guarded.url, "tokn": token}},
        {"sink": "elasticsearch", "options": {"username": "waf", "password": token, "api_key": at("BULK_API_KEY")}},
        {"sink": "sql", "options": {"database_url": at("DATABASE")}},
        {"sink": "webhook", "options": {"signature_secret": at("SIGNATURE")}},
        {"sink": "webhook", "options": f"url=http://x token={token}"},
        {"sink": "webhook", "options": [token]},
        f"sink=webhook token={token}",
        [token],
        {"options": {"url": token}},
    ]
    sources: list[Any] = [
        {"service": "edgecast", "token": at("EDGECAST_TOKEN")},
        {"service": "scutum", "name": "shop", "options": {"api_key": at("SCUTUM_API_KEY")}},
        {"name": "no service", "api_key": at("SCUTUM_API_KEY")},
        {"service": "nagios", "api_key": at("SCUTUM_API_KEY")},
        [at("EDGECAST_TOKEN")],
    ]
    return {
        "receivers": {"collect_logs_receivers": receivers},
        "receivers as a mapping": {"collect_logs_receivers": {"sink": "webhook", "token": token}},
        "receivers as text": {"collect_logs_receivers": f"sink=webhook token={token}"},
        "sources": {"collect_logs_sources": ["indusface", *sources]},
        "strange sources": {"collect_logs_sources": ["indusface", *sources[2:]]},
        "sources as a mapping": {"collect_logs_sources": {"edgecast": {"token": at("EDGECAST_TOKEN")}}},
    }


def test_collect_logs_shows_no_credential_wherever_it_was_put(ansible: Ansible, guarded: Sandbox) -> None:
    """Refused before anything is asked for; and routes that are skipped, that work and that fail, by environment."""
    base: Variables = {
        "collect_logs_directory": str(ansible.folder / "logs"), "collect_logs_sources": ["indusface"],
        "collect_logs_first_run": "lookback", "collect_logs_lookback": "1d",
    }  # fmt: skip
    hook = {"sink": "webhook", "options": {"url": at("HOOK_URL")}}
    elsewhere = {"sink": "webhook", "options": {"url": at("HOOK_NOWHERE")}}
    skipped = {**elsewhere, "sources": ["another"]}
    refused = misplaced(guarded)
    cases: dict[str, tuple[str, str, Variables]] = {
        name: ("collect_logs", "main", base | variables) for name, variables in refused.items()
    }
    cases |= {
        "all": ("collect_logs", "main", base | {
            "collect_logs_sources": ["edgecast", "indusface"],
            "collect_logs_receivers": [skipped, {"sink": "webhook"}, hook],
        }),
        "nowhere": ("collect_logs", "main", base | {"collect_logs_receivers": [skipped, elsewhere, {"sink": "sql"}]}),
    }  # fmt: skip
    known = {
        name: SECRETS[name]
        for name in (
            "EDGECAST_TOKEN", "SCUTUM_API_KEY", "INDUSFACE_WAS_ACCESS_KEY", "INDUSFACE_WAS_SECRET_KEY",
            "CBC_API_SECRET_KEY",
        )
    }  # fmt: skip
    known |= {
        "PERIMETER_WEBHOOK_TOKEN": SECRETS["HOOK_TOKEN"],
        "PERIMETER_WEBHOOK_URL": guarded.url + HOOK_PATH,
        "PERIMETER_SQL_DATABASE_URL": test_secrets_logs.ENVIRONMENT["CANARY_DATABASE"],
        "CANARY_HOOK_URL": f"{guarded.url}{HOOK_PATH}?sig={quote(SECRETS['SIGNATURE'], safe='')}",
        "CANARY_HOOK_NOWHERE": f"http://127.0.0.1:1{HOOK_PATH}",
    }
    run = run_roles(ansible, cases, test_secrets_logs.ENVIRONMENT | public(guarded) | known)
    assert run.status == 0, run.output
    assert failed(run) == set(refused) | {"nowhere"}
    test_secrets_logs.assert_silent(run)
    for path in [ansible.folder / "ansible.log", *(ansible.folder / "logs").rglob(".delivered-*")]:
        assert "Cnry-hook-p4th" not in path.read_text()
    positions = "".join(path.read_text() for path in (ansible.folder / "state" / "deliver").glob("webhook-*.json"))
    assert positions
    assert "Cnry-hook-p4th" not in positions + run.output
    assert guarded.receivers.hooks


LOGIN = {"QUALYS_WAS_USERNAME": USER, "QUALYS_WAS_PASSWORD": PASSWORD}
ECHO = " ".join(
    (PASSWORD, quote(PASSWORD, safe=""), base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode(), "is refused.")
)
FAULTS: dict[str, dict[str, Any]] = {
    "echo": {"kind": "response_code", "code": "INVALID_REQUEST", "message": ECHO, "resolution": ECHO},
    "wrong": {},
    "down": {},
}


def qualys_cases(ansible: Ansible) -> dict[str, tuple[str, str, Variables]]:
    """Every role that speaks to Qualys."""
    catalog = ansible.folder / "catalog"
    catalog.mkdir()
    (catalog / "estate.yml").write_text(json.dumps({"webapps": [{"name": "new", "url": "https://n.example.com/"}]}))
    place: Variables = {"catalog_path": str(catalog), "catalog_drift_report": str(ansible.folder / "drift.json")}
    return {
        "doctor": ("doctor", "main", {"doctor_services": ["qualys"]}),
        "audit": ("audit", "main", {"audit_directory": str(ansible.folder / "audit")}),
        "scan": ("scan", "main", {"scan_webapps": ["Checkout (prod)"], "scan_dest": str(ansible.folder / "scans")}),
        "gate": ("gate", "main", {
            "gate_webapps": ["Checkout (prod)"], "gate_scan": False, "gate_directory": str(ansible.folder / "gate"),
        }),
        "apply": ("catalog", "main", place),
        "drift": ("catalog", "drift", place),
        "import": ("catalog", "import_estate", place | {"catalog_path": str(ansible.folder / "imported")}),
    }  # fmt: skip


@pytest.mark.parametrize("way", FAULTS)
def test_no_role_shows_the_credentials_of_qualys(ansible: Ansible, way: str) -> None:
    """Servers that repeat the password, that refuse it, and that do not answer."""
    with Sandbox(webapps=24, findings=60, username=USER, password="another" if way == "wrong" else PASSWORD) as sandbox:
        if FAULTS[way]:
            sandbox.faults.add(FAULTS[way] | {"times": 10_000})
        url = "http://127.0.0.1:1" if way == "down" else sandbox.url
        run = run_roles(ansible, qualys_cases(ansible), LOGIN | {"QUALYS_WAS_URL": url})
    assert run.status == 0, run.output
    assert failed(run) == {"doctor", "audit", "scan", "gate", "apply", "drift", "import"}
    test_secrets.assert_silent(run)

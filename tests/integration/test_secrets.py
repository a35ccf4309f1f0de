# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Canary credentials go through every way to succeed and to fail, and must turn up nowhere."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from tests.integration.runner import Ansible, Run, Task
from tests.sandbox import Sandbox

# Characters that a URL, JSON, XML or a shell would write differently.
PASSWORD = "Cnry-pass/w0rd+&=%<ü>"
WRONG = "Cnry-wr0ng/pass+&=%"
SECRET = "Cnry-client+s3cret/="
PROXY_PASSWORD = "Cnry-pr0xy+pass"
HEADER = "Cnry-header+t0ken/="
SCRIPT = "Cnry-selenium+p4ss&<x>"
HELD = "Cnry-held-by-qualys+/="
LOGIN = "Cnry-login+pass&/<y>"
PASSPHRASE = "Cnry-key+phrase&/<z>"
FILE = "Cnry-file+pass&/="
KEY = "Q25yeSBwcml2YXRlIGtleSBvZiB0aGUgc2Nhbm5lcg"
CANARIES = (PASSWORD, WRONG, SECRET, PROXY_PASSWORD, HEADER, SCRIPT, HELD, LOGIN, PASSPHRASE, FILE, KEY)
USER = "canary_user"

CREDENTIALS = {"username": USER, "password": "{{ lookup('env', 'CANARY_PASSWORD') }}"}
ENVIRONMENT = {
    "CANARY_PASSWORD": PASSWORD,
    "CANARY_WRONG": WRONG,
    "CANARY_SECRET": SECRET,
    "CANARY_HEADER": HEADER,
    "CANARY_SCRIPT": SCRIPT,
    "CANARY_LOGIN": LOGIN,
    "CANARY_PASSPHRASE": PASSPHRASE,
    "CANARY_FILE": FILE,
    "CANARY_PEM": f"-----BEGIN PRIVATE KEY-----\n{KEY}==\n-----END PRIVATE KEY-----\n",
    "CANARY_PROXY": f"http://user:{quote(PROXY_PASSWORD)}@127.0.0.1:9",
}
"""What the playbooks look up, so that no secret stands in them."""


def forms(secret: str) -> set[str]:
    """How a secret may be written: as it is, in a URL, in JSON, in XML, in base64 alone or behind a user name."""
    found = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(secret)[1:-1]}
    found.add(secret.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
    for text in (secret, f"{USER}:{secret}", f"user:{secret}"):
        found.add(base64.b64encode(text.encode()).decode())
        found.add(base64.urlsafe_b64encode(text.encode()).decode())
    # Padding may be cut off, and base64 of a longer text may hold the middle of ours.
    return found | {form.rstrip("=") for form in found}


def leaks(text: str) -> list[str]:
    """The canaries that occur in a text."""
    return [form for canary in CANARIES for form in forms(canary) if form in text]


def assert_silent(run: Run) -> None:
    """No canary in anything that was printed, logged or written."""
    assert not leaks(run.stdout)
    assert not leaks(run.stderr)
    assert not leaks(json.dumps([result.result for result in run.results], ensure_ascii=False))
    files = [path for path in run.folder.rglob("*") if path.is_file()]
    assert {path.name: found for path in files if (found := leaks(path.read_text("utf-8", "replace")))} == {}
    assert (run.folder / "ansible.log").stat().st_size > 1000, "the log is not empty"
    for path in files:
        if path.name != "ansible.log":
            assert "tmp" not in path.relative_to(run.folder).parts, "nothing temporary is left"


@pytest.fixture
def guarded() -> Iterator[Sandbox]:
    """A sandbox with the canaries for credentials, and with secrets in an application."""
    with Sandbox(
        webapps=24, findings=60, username=USER, password=PASSWORD, client_id=USER, client_secret=SECRET
    ) as running:
        record = running.qualys.webapps[410002]
        record["headers"] = [f"Authorization: Bearer {HELD}", f"X-Old: {HELD}"]
        record["crawlingScripts"] = [
            {"id": 1, "name": "old.html", "data": HELD, "requiresAuthentication": False, "startingUrlRegex": False}
        ]
        yield running


def play(ansible: Ansible, tasks: list[Task], environment: dict[str, str]) -> Run:
    """Run with everything that makes Ansible talk, and show every registered result as well."""
    registered: list[Task] = []
    for index, task in enumerate(tasks):
        registered.append({"ignore_errors": True, **task, "register": f"result_{index}"})
        registered.append({"name": f"show {index}", "ansible.builtin.debug": {"var": f"result_{index}"}})
    talkative = {
        "ANSIBLE_LOG_PATH": str(ansible.folder / "ansible.log"),
        # With pipelining off the arguments of a module travel in a file.
        "ANSIBLE_PIPELINING": "false",
    }
    run = ansible.play(registered, environment=ENVIRONMENT | talkative | environment, arguments=["-vvvv", "--diff"])
    assert run.status == 0, run.output
    assert_silent(run)
    return run


def write_tasks() -> list[Task]:
    header = "X-Token: {{ lookup('env', 'CANARY_HEADER') }}"
    script = {"name": "login.html", "data": "{{ lookup('env', 'CANARY_SCRIPT') }}"}
    new = {"name": "canary", "url": "https://canary.example.com/", "headers": [header], "crawling_scripts": [script]}
    old = {"name": "Checkout (prod)", "headers_add": [header], "crawling_scripts_add": [script]}
    return [
        {"name": "create", "qualys_was_webapp": new},
        {"name": "update", "qualys_was_webapp": {**old, "headers_remove": ["X-Old"]}},
        {"name": "bulk", "qualys_was_webapps": {"webapps": [{**new, "name": "bulk"}, {**old, "headers_add": []}]}},
        {"name": "read", "qualys_was_webapp_info": {"detail": "full"}},
        {"name": "clear", "qualys_was_webapp": {"name": "Checkout (prod)", "headers": []}},
    ]


def test_success(ansible: Ansible, guarded: Sandbox, tmp_path: Path) -> None:
    tasks = [
        *write_tasks(),
        {"name": "export", "qualys_was_finding_export": {"dest": str(tmp_path / "findings.ndjson")}},
    ]
    connection = {"module_defaults": {"group/appsec.perimeter.qualys": {**CREDENTIALS, "api_url": guarded.url}}}
    run = play(ansible, [{**task, **connection} for task in tasks], {})
    for result in run.results:
        assert not result.failed, result
    assert run["create"].changed
    assert run["bulk"]["plan"]["create"] == ["web application 'bulk'"]
    stored = [record for record in guarded.qualys.webapps.values() if record["name"] in ("canary", "bulk")]
    assert [record["headers"] for record in stored] == [[f"X-Token: {HEADER}"]] * 2
    assert [record["crawlingScripts"][0]["data"] for record in stored] == [SCRIPT] * 2
    assert "VALUE_REDACTED" in run.stdout


def test_environment(ansible: Ansible, guarded: Sandbox) -> None:
    """Credentials in the environment only, of which Ansible's own masking knows nothing; and the way by token."""
    listing: Task = {"qualys_was_webapp_info": {"limit": 2}}
    token = {"QUALYS_WAS_CLIENT_ID": USER, "QUALYS_WAS_CLIENT_SECRET": SECRET, "QUALYS_WAS_GATEWAY_URL": guarded.url}
    basic = {"QUALYS_WAS_URL": guarded.url, "QUALYS_WAS_USERNAME": USER, "QUALYS_WAS_PASSWORD": PASSWORD}
    run = play(ansible, [{"name": "list", **listing}, *write_tasks()], basic)
    assert not any(result.failed for result in run.results)
    by_token = {"QUALYS_WAS_URL": guarded.url, **token}
    echo = f"Bad request with secret {SECRET} alias {quote(SECRET, safe='')}"
    guarded.faults.add({"kind": "response_code", "code": "OTHER_ERROR", "message": echo, "match": {"route": "search"}})
    run = play(ansible, [{"name": "echo", **listing}, {"name": "list", **listing}], by_token)
    assert run["echo"]["error"]["code"] == "OTHER_ERROR"
    assert not run["list"].failed


def _failures(guarded: Sandbox, secure: str) -> list[Task]:
    """Tasks that fail at the connection, each with its own way to do so."""
    wrong = {"username": USER, "password": "{{ lookup('env', 'CANARY_WRONG') }}"}
    listing = {"limit": 1, "retries": 0}

    def task(name: str, **options: object) -> Task:
        return {"name": name, "qualys_was_webapp_info": {**listing, "api_url": guarded.url, **CREDENTIALS, **options}}

    return [
        task("wrong password", **wrong),
        {"name": "wrong secret", "qualys_was_webapp_info": {
            **listing, "api_url": guarded.url, "client_id": USER, "gateway_url": guarded.url,
            "client_secret": "{{ lookup('env', 'CANARY_WRONG') }}"}},
        task("refused", api_url="http://127.0.0.1:1"),
        task("proxy", proxy="{{ lookup('env', 'CANARY_PROXY') }}"),
        task("bad proxy", proxy="{{ lookup('env', 'CANARY_PROXY') }}/path"),
        task("tls", api_url=secure),
        task("line break", password="{{ lookup('env', 'CANARY_PASSWORD') }}\n", username="a:b\r\n"),
        task("unknown option", pasword="x"),
    ]  # fmt: skip


def test_connection_failures(ansible: Ansible, guarded: Sandbox, tls_sandbox: Sandbox) -> None:
    run = play(ansible, _failures(guarded, tls_sandbox.url), {})
    kinds = {
        result.task: result.result.get("error", {}).get("kind")
        for result in run.results
        if not result.task.startswith("show")
    }
    assert kinds["wrong password"] == kinds["wrong secret"] == "authentication"
    assert kinds["refused"] == kinds["proxy"] == "connection"
    assert kinds["bad proxy"] == "option"
    assert kinds["tls"] == "tls"
    assert all(result.failed for result in run.results if not result.task.startswith(("show", "line break")))


def test_server_failures(ansible: Ansible, guarded: Sandbox) -> None:
    """Faults of the server; the worst repeat what was sent to them."""
    token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    echo = f"Cannot use Authorization: Basic {token} with {PASSWORD} at https://x/?p={quote(PASSWORD, safe='')}"
    search, update, create = {"route": "search/was/webapp"}, {"route": "update/was"}, {"route": "create/was"}
    listing: Task = {"qualys_was_webapp_info": {"limit": 1, "retries": 0}}
    headers = ["X: {{ lookup('env', 'CANARY_HEADER') }}"]
    change: Task = {"qualys_was_webapp": {"name": "Checkout (prod)", "headers": headers}}
    bulk_item = {"name": "canary", "url": "https://canary.example.com/", "headers": headers}
    faults: list[tuple[str, dict[str, Any], Task]] = [
        ("html", {"kind": "html_200", "match": {"route": "count"}}, listing),
        ("500", {"kind": "status", "status": 500, "body": echo, "match": {"route": "count"}}, listing),
        ("refusal", {"kind": "response_code", "code": "INVALID_REQUEST", "message": echo, "match": search}, listing),
        ("redirect", {"kind": "redirect", "location": f"http://u:{quote(PASSWORD)}@127.0.0.1:1/?x={quote(PASSWORD)}",
                      "match": search}, listing),
        ("refused update", {"kind": "response_code", "code": "INVALID_REQUEST", "message": f"X: {HEADER} is bad",
                            "resolution": f"Not {PASSWORD}.", "match": update}, change),
        ("refused create", {"kind": "response_code", "code": "INVALID_REQUEST", "message": f"X: {HEADER} is bad",
                            "match": create}, {"qualys_was_webapps": {"webapps": [bulk_item]}}),
        ("ambiguous", {"kind": "reset", "match": update}, change),
    ]  # fmt: skip
    guarded.faults.add(*(fault for _name, fault, _task in faults))
    login = {"QUALYS_WAS_URL": guarded.url, "QUALYS_WAS_USERNAME": USER, "QUALYS_WAS_PASSWORD": PASSWORD}
    run = play(ansible, [{"name": name, **task} for name, _fault, task in faults], login)
    kinds = {name: run[name]["error"]["kind"] for name, _fault, _task in faults}
    assert kinds == {
        "html": "response",
        "500": "server",
        "refusal": "vendor",
        "redirect": "redirect",
        "refused update": "vendor",
        "refused create": "partial",
        "ambiguous": "ambiguous_write",
    }


def test_vendor_repeats_what_was_written(ansible: Ansible, guarded: Sandbox) -> None:
    """A refusal that quotes a part of a header, one of ours or one that Qualys held before."""
    said = {
        "message": f"The value {HEADER} and the old value Bearer {HELD} are refused.",
        "resolution": f"Not {HEADER}.",
    }
    guarded.faults.add(
        {"kind": "response_code", "code": "INVALID_REQUEST", **said, "match": {"route": "update/was"}, "times": 2}
    )
    login = {"QUALYS_WAS_URL": guarded.url, "QUALYS_WAS_USERNAME": USER, "QUALYS_WAS_PASSWORD": PASSWORD}
    item = {"name": "Checkout (prod)", "headers": ["X: {{ lookup('env', 'CANARY_HEADER') }}"]}
    play(ansible, [{"name": "one", "qualys_was_webapp": item}, {"qualys_was_webapps": {"webapps": [item]}}], login)

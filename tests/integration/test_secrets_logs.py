# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Canary credentials of the four log services and of every receiver, which must turn up nowhere."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.integration.log_kit import INFOS, log_sandbox
from tests.integration.runner import PREFIX, Ansible, Run, Task
from tests.integration.test_secrets import forms
from tests.sandbox import Sandbox

SECRETS = {
    "EDGECAST_TOKEN": "Cnry-edge+t0ken/=&%",
    "SCUTUM_API_KEY": "Cnry-scutum+k3y/=&%",
    "INDUSFACE_WAS_ACCESS_KEY": "Cnry-indus+access/=&%",
    "INDUSFACE_WAS_SECRET_KEY": "Cnry-indus+s3cret/=&%",
    "CBC_API_SECRET_KEY": "Cnry-cbc+s3cret=&%",
    "CSP_CLIENT_SECRET": "Cnry-csp+s3cret/=&%",
    "CSP_API_TOKEN": "Cnry-csp+t0ken/=&%",
    "HOOK_TOKEN": "Cnry-hook+t0ken/=&%",
    "HEC_TOKEN": "Cnry-hec+t0ken/=&%",
    "BULK_API_KEY": "Cnry-bulk+k3y/==",
    "BULK_PASSWORD": "Cnry-bulk+p4ss/=&%",
    "SIGNATURE": "Cnry-sign+s3cret/=&%",
    "DATABASE_PASSWORD": "Cnry-db+p4ss/=&%",
}
WRONG = "Cnry-wr0ng+one/=&%"
PASSED_OUT = "csp-token-0"
"""How the tokens begin that the sandbox gives for a login of VMware Cloud."""

SPOOL = "{{ playbook_dir }}/edgecast"


def at(name: str) -> str:
    """A template that looks a secret up, so that none stands in a playbook."""
    return f"{{{{ lookup('env', 'CANARY_{name}') }}}}"


ENVIRONMENT = {f"CANARY_{name}": secret for name, secret in SECRETS.items()} | {
    "CANARY_WRONG": WRONG,
    "CANARY_DATABASE": f"postgresql://waf:{quote(SECRETS['DATABASE_PASSWORD'], safe='')}@127.0.0.1:1/waf",
    "CANARY_BAD_DATABASE": f"mysql://waf:{quote(SECRETS['DATABASE_PASSWORD'], safe='')}@127.0.0.1:1/waf",
}


def leaks(text: str) -> list[str]:
    """The canaries that occur in a text, however they are written."""
    found = [form for secret in (*SECRETS.values(), WRONG) for form in forms(secret) if form in text]
    return found + [PASSED_OUT] * (PASSED_OUT in text)


def assert_silent(run: Run) -> None:
    """No canary in anything that was printed, logged, returned, stored, or kept of a task that ran on its own."""
    assert not leaks(run.stdout)
    assert not leaks(run.stderr)
    assert not leaks(json.dumps([result.result for result in run.results], ensure_ascii=False))
    # A task that ran on its own ends a moment before Ansible has removed the folder with its arguments.
    ended = time.monotonic() + 10
    while any(run.folder.rglob("AnsiballZ_*")) and time.monotonic() < ended:
        time.sleep(0.1)
    files = [path for path in run.folder.rglob("*") if path.is_file()]
    assert {path.name: found for path in files if (found := leaks(path.read_text("utf-8", "replace")))} == {}
    assert (run.folder / "ansible.log").stat().st_size > 1000, "the log is not empty"


@pytest.fixture
def guarded() -> Iterator[Sandbox]:
    """All services and receivers, with the canaries for credentials."""
    with log_sandbox(
        edgecast={"token": SECRETS["EDGECAST_TOKEN"]},
        scutum={"api_key": SECRETS["SCUTUM_API_KEY"]},
        indusface={
            "access_key": SECRETS["INDUSFACE_WAS_ACCESS_KEY"], "secret_key": SECRETS["INDUSFACE_WAS_SECRET_KEY"],
        },
        carbon_black={
            "api_secret_key": SECRETS["CBC_API_SECRET_KEY"], "csp_client_secret": SECRETS["CSP_CLIENT_SECRET"],
            "csp_api_token": SECRETS["CSP_API_TOKEN"],
        },
        receivers={
            "hec_token": SECRETS["HEC_TOKEN"], "api_key": SECRETS["BULK_API_KEY"],
            "webhook_token": SECRETS["HOOK_TOKEN"], "signature_secret": SECRETS["SIGNATURE"],
        },
    ) as running:  # fmt: skip
        yield running


def public(guarded: Sandbox) -> dict[str, str]:
    """The variables that are no secrets."""
    carbon_black = guarded.carbon_black.settings
    return {
        "EDGECAST_URL": guarded.url, "EDGECAST_ACCOUNT_NUMBER": guarded.edgecast.settings.account_number,
        "SCUTUM_URL": guarded.url, "SCUTUM_HOST": guarded.scutum.settings.host, "SCUTUM_ID": guarded.scutum.settings.id,
        "INDUSFACE_WAS_URL": guarded.url, "CBC_URL": guarded.url, "CBC_ORG_KEY": carbon_black.org_key,
        "CBC_API_ID": carbon_black.api_id, "CSP_URL": guarded.url,
    }  # fmt: skip


LOGINS: dict[str, dict[str, str]] = {
    "edgecast_waf_event_info": {"token": "EDGECAST_TOKEN"},
    "scutum_alert_info": {"api_key": "SCUTUM_API_KEY"},
    "indusface_scan_log_info": {"access_key": "INDUSFACE_WAS_ACCESS_KEY", "secret_key": "INDUSFACE_WAS_SECRET_KEY"},
    "carbon_black_scan_log_info": {"api_secret_key": "CBC_API_SECRET_KEY"},
}
MORE: dict[str, dict[str, Any]] = {"indusface_scan_log_info": {"date": "2026-01-31"}}
CLOUD: dict[str, dict[str, str]] = {
    "csp client": {"csp_client_id": "csp-client", "csp_client_secret": at("CSP_CLIENT_SECRET")},
    "csp token": {"csp_api_token": at("CSP_API_TOKEN")},
}


def query(module: str, **options: Any) -> Task:
    """A query with its credentials as options."""
    login = {name: at(secret) for name, secret in LOGINS[module].items()}
    return {"name": module, PREFIX + module: {"retries": 0} | MORE.get(module, {}) | login | options}


def sinks(url: str) -> dict[str, dict[str, Any]]:
    """Every receiver that the sandbox plays, with its credentials."""
    return {
        "webhook": {"url": f"{url}/hook", "token": at("HOOK_TOKEN"), "signature_secret": at("SIGNATURE")},
        "splunk_hec": {"url": url, "token": at("HEC_TOKEN")},
        "elasticsearch": {"url": url, "index": "waf", "api_key": at("BULK_API_KEY")},
    }


def delivery(name: str, sink: str, options: dict[str, Any], **keywords: Any) -> Task:
    """A task that delivers what was collected."""
    given = {"spool": SPOOL, "sink": sink, "sink_options": options, "retries": 0}
    return {"name": name, PREFIX + "deliver": given, **keywords}


def collection(name: str, **keywords: Any) -> Task:
    """A task that collects the events of Edgecast."""
    options = {"dest": SPOOL, "first_run": "lookback", "token": at("EDGECAST_TOKEN"), "retries": 0}
    return {"name": name, PREFIX + "edgecast_waf_event_export": options, **keywords}


def play(ansible: Ansible, tasks: list[Task], environment: dict[str, str], pipelining: str = "true") -> Run:
    """Run with everything that makes Ansible talk, and show all results at the end as well."""
    registered: list[Task] = [
        {"ignore_errors": True, **task, "register": f"result_{index}"} for index, task in enumerate(tasks)
    ]
    shown = ", ".join(f"result_{index}" for index in range(len(tasks)))
    registered.append({"name": "show", "ansible.builtin.debug": {"msg": f"{{{{ [{shown}] }}}}"}})
    settings = {
        "ANSIBLE_LOG_PATH": str(ansible.folder / "ansible.log"),
        "ANSIBLE_DISPLAY_TRACEBACK": "always",
        "PERIMETER_STATE_DIR": str(ansible.folder / "state"),
        "ANSIBLE_PIPELINING": pipelining,
        "ANSIBLE_ASYNC_DIR": str(ansible.folder / "async"),
    }
    run = ansible.play(registered, environment=ENVIRONMENT | settings | environment, arguments=["-vvvv", "--diff"])
    assert run.status == 0, run.output
    assert_silent(run)
    return run


def test_success(ansible: Ansible, guarded: Sandbox) -> None:
    """As options, in check mode, on its own in the background, and by both ways of VMware Cloud."""
    cloud, place = {"CBC_API_ID": ""}, len(LOGINS) + len(CLOUD) + 1
    tasks: list[Task] = [
        *(query(module) for module in LOGINS),
        *(
            {"name": name, PREFIX + "carbon_black_scan_log_info": options, "environment": cloud}
            for name, options in CLOUD.items()
        ),
        collection("check", check_mode=True),
        collection("background", **{"async": 60, "poll": 0}),
        {"name": "ended", "ansible.builtin.async_status": {"jid": f"{{{{ result_{place}.ansible_job_id }}}}"},
         "until": f"result_{place + 1} is finished", "retries": 100, "delay": 0.3},
        delivery("check webhook", "webhook", sinks(guarded.url)["webhook"], check_mode=True),
        *(delivery(f"to {sink}", sink, options) for sink, options in sinks(guarded.url).items()),
    ]  # fmt: skip
    # With pipelining off the arguments of a module travel in a file.
    run = play(ansible, tasks, public(guarded), pipelining="false")
    assert not [result for result in run.results if result.failed]
    assert run["ended"]["records"] > 0
    assert list((ansible.folder / "async").iterdir()), "what ran on its own left a file to look at"
    assert len(guarded.receivers.hooks) == len(guarded.receivers.events) == len(guarded.receivers.documents) > 0


OWN = {
    **{module: tuple(login.values()) for module, login in LOGINS.items()},
    "csp client": ("CSP_CLIENT_SECRET",),
    "csp token": ("CSP_API_TOKEN",),
    "webhook": ("HOOK_TOKEN", "SIGNATURE"),
    "splunk_hec": ("HEC_TOKEN",),
    "elasticsearch": ("BULK_API_KEY",),
}
"""Which credentials a server knows, and so may repeat."""


def echo(name: str) -> str:
    """What the worst server answers: its credentials, as they are and as a URL would hold them."""
    return " ".join(f"{SECRETS[own]} {quote(SECRETS[own], safe='')}" for own in OWN[name])


ROUTES = {
    # Not the route by which events are collected.
    "edgecast_waf_event_info": "/eventlogs/777",
    "scutum_alert_info": "/api/v1/alert",
    "indusface_scan_log_info": "/client/v1",
    "carbon_black_scan_log_info": "/containers",
    "csp client": "/csp/gateway",
    "csp token": "/csp/gateway",
    "webhook": "/hook",
    "splunk_hec": "/services/collector",
    "elasticsearch": "/_bulk",
}


TAKES_400_AS_AN_ANSWER = ("edgecast_waf_event_info", "webhook")
"""There is no such event; and a batch that is refused is narrowed down to the record at fault."""


def _faulty_tasks(guarded: Sandbox) -> list[Task]:
    """For each service and receiver: a server that repeats its credentials, and one that sends elsewhere with them."""
    tasks: list[Task] = []
    for name, route in ROUTES.items():
        said = echo(name)
        words = json.dumps({"message": said, "text": said, "error": said, "errors": [{"message": said}], "code": 7})
        answers: list[dict[str, Any]] = [
            {"kind": "status", "status": 500 if name in TAKES_400_AS_AN_ANSWER else 400, "body": words},
            {"kind": "redirect", "location": f"http://127.0.0.1:1/?key={quote(said, safe='=&')}"},
        ]
        for place, answer in enumerate(answers):
            guarded.faults.add(answer | {"match": {"route": route}})
            tasks.append({**_task_of(name, guarded), "name": f"echo {place} {name}"})
    return tasks


def _task_of(name: str, guarded: Sandbox) -> Task:
    if name in CLOUD:
        options = {**CLOUD[name], "retries": 0}
        return {PREFIX + "carbon_black_scan_log_info": options, "environment": {"CBC_API_ID": ""}}
    if name in INFOS:
        return query(name, **({"event_id": "777"} if name.startswith("edgecast") else {}))
    return delivery(name, name, sinks(guarded.url)[name])


def test_servers_that_repeat_credentials(ansible: Ansible, guarded: Sandbox) -> None:
    # The credentials of the services come by the environment, of which Ansible's own masking knows nothing.
    tasks = [collection("collect"), *_faulty_tasks(guarded)]
    known = {name: SECRETS[name] for secrets in LOGINS.values() for name in secrets.values()}
    for task in tasks[1:]:
        for module, login in LOGINS.items():
            options = task.get(PREFIX + module)
            if options and "environment" not in task:
                task[PREFIX + module] = {key: item for key, item in options.items() if key not in login}
    # In the environment of the process and not of a task, which Ansible prints itself.
    run = play(ansible, tasks, public(guarded) | known)
    assert [result.task for result in run.results if not result.failed] == ["collect", "show"]
    assert guarded.faults.pending() == 0, "each fault met its task"


def test_credentials_that_do_not_work(ansible: Ansible, guarded: Sandbox) -> None:
    """Wrong ones, a host that is not there, and options that are refused."""
    nowhere = "http://127.0.0.1:1"
    wrong = [query(module, **dict.fromkeys(LOGINS[module], at("WRONG"))) for module in LOGINS]
    refused: list[Task] = [collection("collect"), *({**task, "name": f"wrong {task['name']}"} for task in wrong)]
    for module in LOGINS:
        refused.append({**query(module, api_url=nowhere), "name": f"nowhere {module}"})
    for sink, options in sinks(guarded.url).items():
        secrets = {name: at("WRONG") for name, value in options.items() if "lookup" in str(value)}
        refused.append(delivery(f"wrong {sink}", sink, options | secrets))
        refused.append(delivery(f"nowhere {sink}", sink, options | {"url": nowhere}))
    user = {"username": "waf", "password": at("BULK_PASSWORD"), "index": "waf", "url": guarded.url}
    refused += [
        delivery("wrong password", "elasticsearch", user),
        delivery("nowhere database", "sql", {"database_url": at("DATABASE")}),
        delivery("bad database", "sql", {"database_url": at("BAD_DATABASE")}),
        delivery("no URL", "sql", {"database_url": at("DATABASE_PASSWORD")}),
        {"name": "line break", PREFIX + "edgecast_waf_event_info": {"token": f"{at('EDGECAST_TOKEN')}\nx"}},
    ]
    run = play(ansible, refused, public(guarded))
    assert {result.task for result in run.results if not result.failed} <= {"collect", "show", "line break"}
    for result in run.results:
        if result.task.startswith("wrong scan") or result.task == "wrong splunk_hec":
            assert result["error"]["kind"] == "authentication", result

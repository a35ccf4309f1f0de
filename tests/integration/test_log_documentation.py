# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation of the log modules shows, run as it stands: EXAMPLES, the guides, docs/examples/logs.

Only dates, directories and addresses are exchanged for those of the test.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.integration.conftest import login_to
from tests.integration.log_kit import LOG_MODULES, environment, literals, log_sandbox
from tests.integration.runner import PREFIX, Ansible, Run
from tests.sandbox import Sandbox

RST = ROOT / "docs" / "docsite" / "rst"
GUIDES = ("collecting_logs", "edgecast", "scutum", "indusface", "carbon_black", "delivering_logs", "lake", "gate")
EXAMPLES = ROOT / "docs" / "examples" / "logs"
SEQUENCE = ("collect_nightly", "deliver", "backfill", "lake", "attacks_on_findings", "gate_images")
LAST = (*(f"modules/{name}" for name in ("deliver", "gate")), "guides/lake", "guides/gate")
"""Blocks that need what the others collected or exported."""
NOT_RUN = ("sink: syslog",)
"""A receiver with a port of its own; tests/receivers has a real one."""
VERDICTS = ("pass", "fail", "inconclusive")

_BLOCK = re.compile(r"(?m)^( *)\.\. code-block:: yaml(?:\+jinja)?\n\n((?:(?:\1 +\S.*)?\n)+)")
_DATE = re.compile(r"\b20\d\d-\d\d-\d\d\b")


@pytest.fixture
def logs() -> Iterator[Sandbox]:
    """All services, with enough of Qualys for a gate."""
    switches = {"scutum_rate_limit": 0, "clock": "real"}
    with log_sandbox(webapps=3, findings=20, scutum={"records": 45, "days": 3}, switches=switches) as running:
        yield running


def blocks() -> dict[str, str]:
    """Every YAML block of the modules and the guides, by where it stands; those that need others come last."""
    found = {f"modules/{module}": literals(module)["EXAMPLES"] for module in LOG_MODULES}
    for guide in GUIDES:
        text = (RST / f"{guide}.rst").read_text(encoding="utf-8")
        for number, match in enumerate(_BLOCK.finditer(text), 1):
            found[f"guides/{guide}/{number}"] = textwrap.dedent(match[2])
    return dict(sorted(found.items(), key=lambda item: (item[0].startswith(LAST), "collecting_logs" not in item[0])))


def tasks_of(text: str) -> list[dict[str, Any]]:
    """The tasks of a block; none when it is something else, such as a policy."""
    content = yaml.safe_load(text)
    return content if isinstance(content, list) and not any("hosts" in item for item in content) else []


def is_plays(text: str) -> bool:
    """Whether a block is a whole playbook."""
    content = yaml.safe_load(text)
    return isinstance(content, list) and all("hosts" in item for item in content)


def playbook(plays: dict[str, str], head: str = "") -> str:
    """A playbook with one play for each block, whose text stays as it is."""
    parts = [
        f"- name: {name}\n  hosts: localhost\n  gather_facts: false\n{head}  tasks:\n{textwrap.indent(text, '    ')}\n"
        for name, text in plays.items()
    ]
    return "---\n" + "\n".join(parts)


def test_every_block_is_found() -> None:
    found = blocks()
    for guide in GUIDES:
        written = (RST / f"{guide}.rst").read_text(encoding="utf-8").count("code-block:: yaml")
        assert len([name for name in found if name.startswith(f"guides/{guide}/")]) == written, guide
    assert [name for name in found if name.startswith("modules/") and not tasks_of(found[name])] == []
    shown = {key for text in found.values() for task in tasks_of(text) for key in task if key.startswith(PREFIX)}
    assert {PREFIX + module for module in LOG_MODULES} <= shown


def test_syntax(ansible: Ansible) -> None:
    plays = {name: text for name, text in blocks().items() if tasks_of(text)}
    whole = [text for text in blocks().values() if is_plays(text)]
    (ansible.folder / "blocks.yml").write_text("\n".join([playbook(plays), *whole]), encoding="utf-8")
    files = [str(EXAMPLES / f"{name}.yml") for name in SEQUENCE]
    run = ansible.program("ansible-playbook", "-i", "localhost,", "--syntax-check", "blocks.yml", *files)
    assert run.status == 0, run.output


def fitted(text: str, logs: Sandbox, ansible: Ansible) -> str:
    """The block with directories, addresses and an id of the test, and with its newest date moved to yesterday.

    First runs look back two days: more would take minutes, at the pace that Scutum and Indusface allow.
    """
    application = str(min(logs.qualys.webapps.ids))
    for shown, ours in {
        "/var/spool/perimeter": f"{ansible.folder}/spool", "/srv/logs": f"{ansible.folder}/spool",
        "/srv/waf": f"{ansible.folder}/spool", "https://splunk.example.com:8088": logs.url,
        "postgresql://waf@db.example.com/waf": f"sqlite:///{ansible.folder}/guide.db", "4711": application,
    }.items():  # fmt: skip
        text = text.replace(shown, ours)
    text = re.sub(r"lookback: \d+d", "lookback: 2d", text)
    dates = [dt.date.fromisoformat(date) for date in _DATE.findall(text)]
    shift = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1) - max(dates) if dates else dt.timedelta()
    return _DATE.sub(lambda found: str(dt.date.fromisoformat(found[0]) + shift), text)


def _variables(logs: Sandbox, ansible: Ansible) -> dict[str, str]:
    receivers = logs.receivers.settings
    return environment(logs, ansible.folder / "state") | login_to(logs) | {
        "WAF_DATABASE_URL": f"sqlite:///{ansible.folder}/waf.db", "CI_PIPELINE_ID": "812",
        "PERIMETER_SPLUNK_TOKEN": receivers.hec_token,
    }  # fmt: skip


def _gate_inputs(found: dict[str, str], ansible: Ansible) -> None:
    """The policy and the waivers that the guide shows, where its example looks for them."""
    (ansible.folder / "security").mkdir()
    for text in found.values():
        for kind, name in (("# policy", "gate.yml"), ("# waivers", "waivers.yml")):
            path = ansible.folder / "security" / name
            if text.startswith(kind) and not path.exists():
                path.write_text(text, encoding="utf-8")


def test_blocks_run(ansible: Ansible, logs: Sandbox) -> None:
    found = blocks()
    _gate_inputs(found, ansible)
    runnable = {name: fitted(_runnable(text), logs, ansible) for name, text in found.items() if tasks_of(text)}
    # The verdict about the sandbox's findings is not what is looked at here.
    (ansible.folder / "blocks.yml").write_text(playbook(runnable, "  ignore_errors: true\n"), encoding="utf-8")
    scan = {
        "record": "scan", "schema": 1, "source": "qualys", "id": "1", "time": "2026-01-01T00:00:00Z",
        "asset": {"id": str(min(logs.qualys.webapps.ids))}, "status": "finished",
    }  # fmt: skip
    account = logs.indusface.settings
    known: dict[str, Any] = {"subsidiary_access_key": account.access_key, "subsidiary_secret_key": account.secret_key}
    known |= {"scanned": {"scan": scan}}
    run = ansible.program(
        "ansible-playbook", "-i", "localhost,", "-c", "local", "-e", json.dumps(known),
        "blocks.yml", environment=_variables(logs, ansible), results=ansible.folder / "blocks.jsonl",
    )  # fmt: skip
    assert run.status == 0, run.output
    for result in run.results:
        if "verdict" in result.result:
            assert result["verdict"] in VERDICTS, result["msg"]
        else:
            assert not result.failed, f"{result.task}: {result.result.get('msg')}"
    names = [task["name"] for text in runnable.values() for task in tasks_of(text)]
    assert [result.task for result in run.results] == names
    assert logs.receivers.events, "Splunk got something"


def _runnable(text: str) -> str:
    """A block without the tasks that cannot run here."""
    parts = re.split(r"(?m)^(?=- name: )", text)
    return "\n".join(part for part in parts if not any(words in part for words in NOT_RUN))


def test_examples_run(ansible: Ansible, logs: Sandbox) -> None:
    """docs/examples/logs, in the order in which they build upon each other, and once more."""
    assert sorted(path.stem for path in EXAMPLES.iterdir()) == sorted(SEQUENCE)
    today = dt.datetime.now(dt.UTC).date()
    variables = _variables(logs, ansible) | {
        "EXAMPLE_LOGS": str(ansible.folder / "logs"), "EXAMPLE_WEBHOOK": f"{logs.url}/hook",
        "EXAMPLE_FROM": str(today - dt.timedelta(days=9)), "EXAMPLE_TO": str(today - dt.timedelta(days=1)),
        "PERIMETER_WEBHOOK_TOKEN": logs.receivers.settings.webhook_token,
        "PERIMETER_SQL_DATABASE_URL": f"sqlite:///{ansible.folder}/logs.db",
    }  # fmt: skip
    files = [str(EXAMPLES / f"{name}.yml") for name in (*SEQUENCE[:-1], *SEQUENCE)]
    run = ansible.program(
        "ansible-playbook", "-i", "localhost,", *files, environment=variables, results=ansible.folder / "examples.jsonl"
    )
    check_examples(run, logs)


def check_examples(run: Run, logs: Sandbox) -> None:
    """The first run collects and delivers, the second one changes nothing, and the gate has judged the images."""
    gate = run["Decide about the images"]
    assert (gate["verdict"], gate["exit_code"], run.status) == ("fail", 10, 2), run.output
    assert {item["kind"] for item in gate["applications"]} == {"image"}
    assert [result.task for result in run.results if result.failed] == [gate.task]
    half = len(run.results) // 2 - 1
    first, second = run.results[:half], run.results[half:-2]
    assert [result.task for result in first] == [result.task for result in second]
    assert [result.task for result in first if not result.changed] == ["Fetch the events of the span"]
    assert [result.task for result in second if result.changed] == []
    assert not [result for result in run.results if result.result.get("warnings")]
    assert len(logs.receivers.hooks) > 0

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A vendor's text is never code: hostile texts in everything that the services send, through all that Ansible runs.

Each text runs a command when it is evaluated, and leaves a file that names its place. One estate, one run of each
playbook; what needs no process is in tests/controller/test_vendor_text.py.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml

from tests.conftest import ROOT
from tests.integration.conftest import login_to
from tests.integration.runner import Ansible, Run
from tests.integration.test_collect import SERVICES, environment
from tests.sandbox import Sandbox
from tests.sandbox.infect import FORMS, KNOWLEDGE, Infection, infect, poisoned_knowledge

EXAMPLES = ROOT / "docs" / "examples" / "qualys_was"
SHOWN_BY_EXAMPLES = ("webapps_list", "webapps_verbose", "schedules_read", "option_profiles", "tags")
"""The examples that print what they read, and read an estate as they find it."""
OBEYED = re.compile(r"##[a-z]*\[|(?:^|[\s\"'])::[a-z-]+[^\n]*::|[\x80-\x9f\u2028]", re.MULTILINE)
POLICY = {"schema": 1, "limits": {"all": {"vulnerability": {"critical": 0, "high": 0, "medium": 0, "low": 0}}}}


class Estate:
    """A sandbox full of hostile texts, and what runs against it."""

    def __init__(self, ansible: Ansible, sandbox: Sandbox) -> None:
        self.ansible = ansible
        self.sandbox = sandbox
        self.infection: Infection = infect(sandbox, ansible.folder / "ran")
        self.login = login_to(sandbox) | {
            "PERIMETER_STATE_DIR": str(ansible.folder / "state"),
            "PERIMETER_SCAN_POLL_INTERVAL": "0.05s",
            "ANSIBLE_PIPELINING": "true",
        }

    def playbook(self, *arguments: str, login: dict[str, str] | None = None, **variables: Any) -> Run:
        """One run, after which no marker may be there."""
        run = self.ansible.program(
            "ansible-playbook", *arguments, "--extra-vars", json.dumps(variables), environment=login or self.login
        )
        assert self.infection.ran() == [], run.output
        assert "failed with an internal error" not in run.output, run.output
        assert "internal error" not in run.output, run.output
        return run


@pytest.fixture
def estate(ansible: Ansible) -> Iterator[Estate]:
    with Sandbox(
        # Each has another form of text in its name.
        webapps=len(FORMS), findings=60,
        edgecast={"records": 30, "days": 1}, scutum={"records": 30, "days": 1},
        indusface={"records": 8, "days": 2}, carbon_black={"records": 30, "days": 1},
    ) as sandbox:  # fmt: skip
        made = Estate(ansible, sandbox)
        with mock.patch.dict(KNOWLEDGE, poisoned_knowledge(made.infection, list(KNOWLEDGE))):
            yield made
        assert sandbox.counters.snapshot()["internal_errors"] == 0


def wrong(run: Run) -> str:
    """The first lines that say what failed; the whole output is long."""
    lines = [line for line in run.output.splitlines() if line.startswith(("fatal:", "failed:", "[ERROR]", "ERROR"))]
    return "\n".join(line[:1500] for line in lines[:3]) or run.output[-3000:]


def said(run: Run) -> str:
    """What was printed, without what the tests themselves made of it."""
    return run.stdout + run.stderr


def nothing_is_obeyed(run: Run) -> None:
    """No line of the output is a command of a CI system, and none steers a terminal."""
    found = [line for line in said(run).split("\n") if OBEYED.search(line)]
    assert found == []


def change(sandbox: Sandbox, infection: Infection) -> str:
    """What somebody changed by hand in an estate, in fields and in a name; the name that it was is returned."""
    with sandbox.qualys.lock:
        apps = list(sandbox.qualys.webapps.values())
        apps[0]["url"] = f"https://changed.example/{infection.text('changed.url').splitlines()[0]}"
        apps[1]["attributes"] = [
            {"name": infection.text("changed.attribute", "braces"), "value": infection.text("changed.value")}
        ]
        old, apps[2]["name"] = apps[2]["name"], infection.text("changed.name")
        schedules = list(sandbox.qualys.schedules.values())
        schedules[0]["active"] = not schedules[0]["active"]
        return str(old)


def test_a_catalog_is_imported_applied_and_compared(estate: Estate) -> None:
    folder = estate.ansible.folder / "catalog"
    catalog = {"catalog_path": str(folder), "catalog_drift_report": str(estate.ansible.folder / "drift.json")}
    imported = estate.playbook("appsec.perimeter.import_estate", **catalog)
    assert imported.status == 0, imported.output
    text = (folder / "webapps.yml").read_text(encoding="utf-8")
    assert text.count("!unsafe") > 3 * len(FORMS)
    applied = estate.playbook("appsec.perimeter.apply", **catalog)
    assert applied.status == 0, applied.output
    assert re.search(r"changed=0 ", applied.stdout), applied.output

    old = change(estate.sandbox, estate.infection)
    drifted = estate.playbook("appsec.perimeter.drift", **catalog)
    assert drifted.status == 2, drifted.output
    assert "The estate differs from the catalog." in drifted.output, drifted.output
    with estate.sandbox.qualys.lock:
        list(estate.sandbox.qualys.webapps.values())[2]["name"] = old
    mended = estate.playbook("appsec.perimeter.apply", "--diff", **catalog)
    assert mended.status == 0, mended.output
    for run in (imported, applied, drifted, mended):
        nothing_is_obeyed(run)

    # The walk sees a single mark that is missing. A mistake in another file ends the run once the catalog is read.
    bare = re.sub(r'name: !unsafe ("\{\{)', r"name: \1", text, count=1)
    assert bare != text
    (folder / "webapps.yml").write_text(bare, encoding="utf-8")
    (folder / "mistake.yml").write_text("webapp: []\n", encoding="utf-8")
    with pytest.raises(AssertionError, match=r"webapps\.name-braces"):
        estate.playbook("appsec.perimeter.drift", **catalog)


def test_an_audit_and_a_gate(estate: Estate) -> None:
    audited = estate.playbook("appsec.perimeter.audit", audit_directory=str(estate.ansible.folder / "audit"))
    assert audited.status == 0, audited.output
    nothing_is_obeyed(audited)

    with estate.sandbox.qualys.lock:
        held = estate.sandbox.qualys
        estate.sandbox.switches["clock"] = "real"
        profile = {"id": min(held.option_profiles.ids)}
        for key in held.webapps.ids:
            held.webapps[key]["defaultProfile"] = profile
        apps = [held.webapps[key]["name"] for key in sorted(held.webapps.ids)[:8]]
    formats = ["html", "json", "csv", "markdown", "sarif", "junit", "gitlab", "ocsf"]
    # What comes from the environment may come from whoever opened a pull request.
    login = estate.login | {
        "PERIMETER_GATE_WEBAPPS": json.dumps(apps),
        "PERIMETER_GATE_TITLE": estate.infection.text("environment.title"),
        "PERIMETER_RUN_ID": estate.infection.text("environment.run", "braces"),
    }
    closed = estate.playbook("appsec.perimeter.gate", login=login, gate_policy=POLICY, gate_formats=formats)
    assert closed.status == 2, closed.output
    assert re.search(r"The gate is closed: (fail|inconclusive) \(code 1[01]\)", closed.output), closed.output
    nothing_is_obeyed(closed)


def test_logs_are_collected_and_delivered(estate: Estate) -> None:
    login = environment(estate.sandbox, estate.ansible) | {"ANSIBLE_PIPELINING": "true"}
    run = estate.playbook(
        "-i", "localhost,", "appsec.perimeter.collect", login=login,
        collect_logs_directory=str(estate.ansible.folder / "logs"), collect_logs_sources=SERVICES,
        collect_logs_first_run="lookback", collect_logs_lookback="1d", collect_logs_receivers=[{"sink": "sql"}],
    )  # fmt: skip
    assert run.status == 0, run.output
    nothing_is_obeyed(run)
    collected = "".join(path.read_text(encoding="utf-8") for path in (estate.ansible.folder / "logs").rglob("*.ndjson"))
    assert all(f"/ran/{service}." in collected for service in SERVICES)


def used(kinds: dict[str, str]) -> list[dict[str, Any]]:
    """Tasks that use results in the ways of a play: kept, printed, in loops, in labels, as JSON and back.

    Args:
        kinds: for the name of each result, what a loop goes over.
    """
    kept = {f"{kind}_kept": f"{{{{ {kind} }}}}" for kind in kinds}
    kept |= {f"{kind}_copy": f"{{{{ {kind} | to_json | from_json }}}}" for kind in kinds}
    texts = {f"{kind}_text": f"{{{{ {kind}_kept | to_nice_yaml }}}}" for kind in kinds}
    read = {f"{kind}_read": f"{{{{ {kind}_text | from_yaml }}}}" for kind in kinds}
    shown = [f"{{{{ {kind}_{what} }}}}" for kind in kinds for what in ("kept", "copy", "read")]
    items = " + ".join(f"(({keys}) | list)" for keys in kinds.values())
    return [
        *({"ansible.builtin.set_fact": facts} for facts in (kept, texts, read)),
        {"ansible.builtin.debug": {"msg": " ".join(shown)}},
        {
            "ansible.builtin.debug": {"msg": "{{ item }}"},
            "loop": f"{{{{ {items} }}}}",
            "loop_control": {"label": "{{ item }}"},
        },
    ]


YESTERDAY = (dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)).isoformat()
RAW = {"limit": 16, "include_raw": True}
INFOS: dict[str, tuple[str, dict[str, Any], str]] = {
    "apps": ("qualys_was_webapp_info", {"detail": "full", "limit": 16}, "webapps | map(attribute='attributes')"),
    "records": ("qualys_was_auth_record_info", {"detail": "full"}, "auth_records | map(attribute='name')"),
    "schedules": ("qualys_was_schedule_info", {"detail": "full"}, "schedules | map(attribute='name')"),
    "labels": ("qualys_was_tag_info", {}, "tags | map(attribute='name')"),
    "profiles": ("qualys_was_option_profile_info", {}, "option_profiles | map(attribute='name')"),
    "scans": ("qualys_was_scan_info", {}, "scans | map(attribute='name')"),
    "findings": ("qualys_was_finding_info", {"detail": "verbose", **RAW}, "findings | map(attribute='title')"),
    "knowledge": ("qualys_kb_info", {"qids": sorted(KNOWLEDGE)[:15]}, "entries"),
    "events": ("edgecast_waf_event_info", RAW, "events | map(attribute='message')"),
    "alerts": ("scutum_alert_info", RAW, "alerts | map(attribute='url')"),
    "images": ("carbon_black_scan_log_info", RAW, "scan_logs"),
    "places": ("carbon_black_scan_log_metadata_info", {}, "hostnames"),
    "facets": ("carbon_black_scan_log_facet_info", {"fields": ["clusters"]}, "facets"),
    "logs": (
        "indusface_scan_log_info",
        {"from_date": YESTERDAY, "to_date": YESTERDAY, "include_raw": True},
        "findings | map(attribute='title')",
    ),
}
"""By the name that a play gives the result: module, options, and what its loop goes over."""


def test_results_of_modules_and_filters_are_data_in_a_play(estate: Estate) -> None:
    tasks: list[dict[str, Any]] = [
        {f"appsec.perimeter.{module}": options, "register": name} for name, (module, options, _keys) in INFOS.items()
    ]
    tasks += used({name: f"{name}.{keys}" for name, (_module, _options, keys) in INFOS.items()})
    formats = ("sarif", "junit", "gitlab", "ocsf", "csv", "markdown")
    made = {f"made_{name}": f"{{{{ findings.findings | appsec.perimeter.to_{name} }}}}" for name in formats}
    made["made_catalog"] = "{{ apps.webapps | appsec.perimeter.to_catalog('webapps') }}"
    file = f"{estate.ansible.folder}/made.yml"
    tasks += [
        {"ansible.builtin.set_fact": made},
        {"ansible.builtin.debug": {"msg": "".join(f"{{{{ {name} }}}}" for name in made)}},
        {"ansible.builtin.copy": {"content": "{{ made_catalog }}", "dest": file, "mode": "0600"}},
        {"ansible.builtin.include_vars": {"file": file, "name": "made_read"}},
        *used({"made_read": "made_read.webapps | map(attribute='attributes') | map('list') | flatten"}),
        {
            "name": "Name them",
            "ansible.builtin.debug": {"msg": "{{ apps | appsec.perimeter.to_log_safe }}"},
        },
        # A message of a failure, and a name of a file.
        {
            "block": [{"ansible.builtin.fail": {"msg": "{{ apps.webapps | map(attribute='name') | join }}"}}],
            "rescue": [
                {"ansible.builtin.set_fact": {"lost": "{{ ansible_failed_result.msg }}"}},
                {"ansible.builtin.debug": {"msg": "{{ lost }} {{ lost ~ '' }}"}},
                {"ansible.builtin.stat": {"path": "/{{ apps.webapps[0].name }}"}},
                {"ansible.builtin.set_stats": {"data": {"apps": "{{ apps }}"}}},
            ],
        },
    ]
    playbook = estate.ansible.folder / "use.yml"
    playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]), encoding="utf-8")
    login = estate.login | environment(estate.sandbox, estate.ansible)
    run = estate.playbook("-i", "localhost,", "-c", "local", str(playbook), login=login)
    assert run.status == 0, wrong(run)


def test_hosts_of_the_inventory_are_data(estate: Estate) -> None:
    source = estate.ansible.folder / "estate.qualys_was.yml"
    options = {
        "plugin": "appsec.perimeter.qualys_was",
        "detail": "full",
        "fields": ["id", "name", "url", "tags", "attributes", "last_scan"],
        "cache": True,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": str(estate.ansible.folder / "cache"),
        "strict": True,
        "compose": {
            "ansible_connection": "'local'",
            "copied": "was_name",
            "joined": "was_name ~ was_url",
            "named": "was_attributes | list",
            "told": "was_attributes | to_json",
            "number": "was_id + 1",
        },
        "groups": {"large": "was_id > 410010"},
        "keyed_groups": [{"key": "was_tags", "prefix": "key"}, {"key": "was_name", "prefix": "name"}],
    }
    source.write_text(json.dumps(options), encoding="utf-8")
    with estate.sandbox.qualys.lock:
        # What a cache could take for its own signs.
        first = next(iter(estate.sandbox.qualys.webapps.values()))
        first["attributes"] = [
            {"name": name, "value": estate.infection.text("attributes.sign")}
            for name in ("__ansible_vault", "__ansible_unsafe", "__ansible_type")
        ]
    words = "was_name was_url was_tags was_attributes was_last_scan copied joined named told group_names"
    everything = "".join(f"{{{{ {name} }}}}" for name in [*words.split(), "hostvars[inventory_hostname]"])
    tasks = [
        {"ansible.builtin.debug": {"msg": everything}},
        {"ansible.builtin.set_fact": {"kept": "{{ was_attributes }}", "text": "{{ was_attributes | to_json }}"}},
        {"ansible.builtin.debug": {"msg": "{{ kept }}{{ text }}{{ kept | list }}{{ kept | dict2items }}{{ told }}"}},
        {"ansible.builtin.debug": {"msg": "{{ item }}"}, "loop": "{{ was_tags + named }}"},
        {
            "ansible.builtin.assert": {
                "that": ["number | int == was_id + 1", "('large' in group_names) == (was_id > 410010)"]
            }
        },
    ]
    playbook = estate.ansible.folder / "show.yml"
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]), encoding="utf-8")
    for _run in ("fresh", "from the cache"):
        run = estate.playbook("-i", str(source), str(playbook))
        assert run.status == 0, wrong(run)
        assert "unreachable=0    failed=0" in run.output
        # The second answer needs no service.
        estate.login["QUALYS_WAS_PASSWORD"] = "no longer"


def test_examples_print_nothing_that_is_obeyed(estate: Estate, ansible: Ansible) -> None:
    with estate.sandbox.qualys.lock:
        next(iter(estate.sandbox.qualys.tags.values()))["name"] = "prod"
        for app in estate.sandbox.qualys.webapps.values():
            app["tags"] = [min(estate.sandbox.qualys.tags.ids)]
    names = [str(EXAMPLES / f"{name}.yml") for name in SHOWN_BY_EXAMPLES]
    run = estate.playbook("-i", "localhost,", *names)
    assert run.status == 0, run.output
    assert run.output.count("/ran/webapps.name-") > len(FORMS)
    nothing_is_obeyed(run)


def printed(folder: Path) -> Iterator[tuple[str, str]]:
    """Every message and label in the playbooks below a folder."""
    for path in sorted(folder.rglob("*.yml")):
        for task in _tasks(yaml.safe_load(path.read_text(encoding="utf-8"))):
            for module in ("ansible.builtin.debug", "ansible.builtin.fail"):
                if isinstance(task.get(module), dict):
                    yield path.name, json.dumps(task[module])


def _tasks(content: Any) -> Iterator[dict[str, Any]]:
    if isinstance(content, list):
        for item in content:
            yield from _tasks(item)
    elif isinstance(content, dict):
        yield content
        for name in ("tasks", "block", "rescue", "pre_tasks", "post_tasks"):
            yield from _tasks(content.get(name))


def test_each_example_that_prints_a_result_cleans_it() -> None:
    """A figure, an id or a word of this collection needs no cleaning."""
    harmless = re.compile(
        r"\.(?:id|ids|new|total|\w+_total|finding_status|end_reason)\b|attribute='(?:id|retest\.finding_status)'"
    )
    found = dict(printed(ROOT / "docs" / "examples"))
    assert found
    assert {name for name, text in found.items() if "to_log_safe" not in text and not harmless.search(text)} == set()

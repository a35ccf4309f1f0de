# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory as a user runs it: ``ansible-inventory`` and a playbook against the sandbox."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.integration.runner import Ansible, Run
from tests.sandbox import Sandbox

CANARY = "Cnry-inventory+pass/w0rd="
CHECKOUT = "Checkout_prod"


class Inventory:
    """Writes the configuration, and runs ansible-inventory with it."""

    def __init__(self, ansible: Ansible, login: dict[str, str]) -> None:
        self.ansible = ansible
        self.login = login
        self.path = ansible.folder / "estate.qualys_was.yml"

    def configure(self, **options: Any) -> None:
        """Write the file."""
        self.path.write_text(json.dumps({"plugin": "appsec.perimeter.qualys_was", **options}), encoding="utf-8")

    def run(
        self, *arguments: str, environment: dict[str, str] | None = None, sources: Sequence[Path] | None = None
    ) -> Run:
        """Run ansible-inventory; a source that cannot be parsed is an error."""
        strict = {"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true", "ANSIBLE_INVENTORY_ENABLED": "auto"}
        return self.ansible.program(
            "ansible-inventory",
            *(word for path in sources or [self.path] for word in ("-i", str(path))),
            *arguments,
            environment=self.login | strict | (environment or {}),
        )

    def hosts(self, **options: Any) -> dict[str, dict[str, Any]]:
        """The variables of all hosts."""
        self.configure(**options)
        run = self.run("--list")
        assert run.status == 0, run.output
        assert "WARNING" not in run.output, run.output
        found: dict[str, dict[str, Any]] = listed(run)["_meta"]["hostvars"]
        return found


@pytest.fixture
def inventory(ansible: Ansible, login: dict[str, str]) -> Inventory:
    return Inventory(ansible, login)


def listed(run: Run) -> dict[str, Any]:
    """The output of --list, without the marks of texts that are no templates."""
    found: dict[str, Any] = json.loads(run.stdout, object_hook=lambda item: item.get("__ansible_unsafe", item))
    return found


def error(run: Run) -> str:
    """What the plugin says is wrong, as one line."""
    words = " ".join(run.output.split())
    assert "Traceback" not in words, run.output
    return words


def rename(sandbox: Sandbox, old: str, new: str) -> None:
    """Give an application another name."""
    with sandbox.qualys.lock:
        app = next(item for item in sandbox.qualys.webapps.values() if item["name"] == old)
        app["name"] = new


def test_applications_are_hosts_and_tags_are_groups(inventory: Inventory, sandbox: Sandbox) -> None:
    hosts = inventory.hosts()
    assert len(hosts) == 24
    checkout = hosts[CHECKOUT]
    assert set(checkout) == {"was_id", "was_name", "was_url", "was_tags"}
    assert checkout["was_name"] == "Checkout (prod)"
    assert checkout["was_tags"] == ["prod", "pci", "internet-facing", "team-web"]
    # Two counts and a page.
    assert sandbox.counters.requests == 3
    graph = inventory.run("--graph", "tag_pci").stdout
    assert f"--{CHECKOUT}" in graph
    assert "Storefront" not in graph


def test_scans_severities_and_constructed_groups(inventory: Inventory, sandbox: Sandbox) -> None:
    hosts = inventory.hosts(
        detail="full",
        severities=True,
        strict=True,
        keyed_groups=[{"key": "was_last_scan.status | default('never', true)", "prefix": "scan"}],
        groups={"urgent": "was_severities.critical > 0"},
        compose={"ansible_host": "was_url | urlsplit('hostname')"},
        filters=[{"field": "tags.name", "value": "prod"}],
    )
    records = {item["id"]: item for item in sandbox.qualys.webapps.values()}
    assert 0 < len(hosts) < 24
    for variables in hosts.values():
        scan = records[variables["was_id"]].get("lastScan")
        assert (variables["was_last_scan"] or {}).get("status") == (scan or {}).get("status")
    groups = listed(inventory.run("--list"))
    urgent = {host for host, variables in hosts.items() if variables["was_severities"]["critical"]}
    assert urgent
    assert set(groups["urgent"]["hosts"]) == urgent
    assert "scan_FINISHED" in groups
    assert hosts[CHECKOUT]["ansible_host"] == "checkout.northwind.example"
    with sandbox.qualys.lock:
        open_words = ("NEW", "ACTIVE", "REOPENED", "RETESTING")
        counted = [
            item
            for item in sandbox.qualys.findings.values()
            if item.get("status") in open_words and not item.get("isIgnored") and item["webApp"]["id"] in records
        ]
    expected = dict.fromkeys(hosts, 0)
    by_id = {variables["was_id"]: host for host, variables in hosts.items()}
    for item in counted:
        if item["webApp"]["id"] in by_id:
            expected[by_id[item["webApp"]["id"]]] += 1
    assert {host: sum(variables["was_severities"].values()) for host, variables in hosts.items()} == expected


def test_fields_and_prefix_say_what_becomes_a_variable(inventory: Inventory) -> None:
    hosts = inventory.hosts(
        detail="full", fields=["id", "default_profile", "headers"], hostvars_prefix="app_", tag_groups=False
    )
    assert set(hosts[CHECKOUT]) == {"app_id", "app_default_profile", "app_headers"}
    headers = [value for variables in hosts.values() for value in variables["app_headers"]]
    assert headers
    assert all(value.endswith(": VALUE_REDACTED") for value in headers)


def test_hostile_names_are_never_templates(inventory: Inventory, sandbox: Sandbox, ansible: Ansible) -> None:
    trap = ansible.folder / "executed"
    template = "{{ lookup('ansible.builtin.pipe', 'touch " + str(trap) + "') }}{{ 7 * 191 }}"
    rename(sandbox, "Checkout (prod)", template)
    rename(sandbox, "Storefront (prod)", "localhost")
    rename(sandbox, "Order Tracking (prod)", "../../../etc/passwd:1,!all&[0:9]*")
    with sandbox.qualys.lock:
        tag = next(item for item in sandbox.qualys.tags.values() if item["name"] == "pci")
        tag["name"] = template
    inventory.configure(
        compose={"ansible_connection": "'local'", "copied": "was_name", "joined": "was_name ~ '{{ 1 }}'"},
        keyed_groups=[{"key": "was_tags", "prefix": "key"}],
        strict=True,
    )
    found = inventory.run("--list")
    assert found.status == 0, found.output
    hosts = listed(found)["_meta"]["hostvars"]
    assert not any(set(host) & set("{}/:,!&[]*?~ ") or host.startswith((".", "-")) for host in hosts)
    assert "localhost" not in hosts
    assert any(host.startswith("localhost_4") for host in hosts)
    playbook = ansible.folder / "show.yml"
    shown = {
        "name": "Show",
        "ansible.builtin.debug": {"msg": "{{ inventory_hostname }} {{ was_name }} {{ copied }} {{ joined }}"},
    }
    grouped = {"name": "Groups", "ansible.builtin.debug": {"msg": "{{ group_names }} {{ was_tags }}"}}
    playbook.write_text(
        json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [shown, grouped]}]), encoding="utf-8"
    )
    run = ansible.program("ansible-playbook", "-i", str(inventory.path), str(playbook), environment=inventory.login)
    assert run.status == 0, run.output
    assert not trap.exists()
    assert "1337" not in run.output
    assert run.output.count("7 * 191") >= 3


def test_names_that_collide_get_their_id_with_a_warning(inventory: Inventory, sandbox: Sandbox) -> None:
    rename(sandbox, "Storefront (prod)", "Checkout [prod]")
    inventory.configure()
    run = inventory.run("--list")
    assert run.status == 0, run.output
    assert "1 host names would stand for several web applications" in error(run)
    hosts = [host for host in listed(run)["_meta"]["hostvars"] if host.startswith("Checkout")]
    assert len(hosts) == 2
    assert all(host.startswith("Checkout_prod_4") for host in hosts)


def test_a_cached_answer_needs_no_request_and_belongs_to_its_question(inventory: Inventory, sandbox: Sandbox) -> None:
    cache = {
        "cache": True,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": str(inventory.ansible.folder / "cache"),
    }
    first = inventory.hosts(**cache)
    sandbox.reset_counters()
    assert inventory.hosts(**cache) == first
    assert sandbox.counters.requests == 0
    playbook = inventory.ansible.folder / "none.yml"
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": []}]), encoding="utf-8")
    arguments = ("-i", str(inventory.path), "--flush-cache", "--list-hosts", str(playbook))
    inventory.ansible.program("ansible-playbook", *arguments, environment=inventory.login)
    assert sandbox.counters.requests == 3
    # Another filter is another question, although the file is the same.
    assert len(inventory.hosts(**cache, filters=[{"field": "tags.name", "value": "pci"}])) < 24
    assert sandbox.counters.requests > 3


def test_credentials_may_be_templates_and_encrypted(inventory: Inventory, sandbox: Sandbox) -> None:
    password = inventory.login.pop("QUALYS_WAS_PASSWORD")
    inventory.login["OTHER_NAME"] = password
    assert len(inventory.hosts(password="{{ lookup('ansible.builtin.env', 'OTHER_NAME') }}")) == 24
    secret = inventory.ansible.folder / "vault.txt"
    secret.write_text("open sesame", encoding="utf-8")
    made = inventory.ansible.program(
        "ansible-vault", "encrypt_string", "--vault-password-file", str(secret), "--name", "password", password
    )
    header = f"plugin: appsec.perimeter.qualys_was\napi_url: {sandbox.url}\nusername: {sandbox.username}\n"
    inventory.path.write_text(header + made.stdout, encoding="utf-8")
    run = inventory.run("--list", "--vault-password-file", str(secret))
    assert run.status == 0, run.output
    assert len(listed(run)["_meta"]["hostvars"]) == 24


def test_an_option_beats_the_environment_of_its_group(inventory: Inventory, sandbox: Sandbox) -> None:
    elsewhere = {"QUALYS_WAS_URL": "http://127.0.0.1:1", "QUALYS_WAS_CLIENT_ID": "", "QUALYS_WAS_PLATFORM": "eu1"}
    inventory.configure(api_url=sandbox.url)
    run = inventory.run("--list", environment=elsewhere)
    assert run.status == 0, run.output


WRONG_OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "template": ({"password": CANARY + "{{ nowhere }}"}, "password: its template cannot be evaluated"),
    "misspelt": (
        {"pasword": CANARY},
        "pasword is not an option of appsec.perimeter.qualys_was. Did you mean password?",
    ),
    "filter": ({"filters": [{"field": "colour", "value": "red"}]}, "filters: colour is not a known search field"),
    "no-field": ({"filters": [{"value": "red"}]}, "filters[0] is not a mapping of field, operator and value."),
    "detail": ({"fields": ["last_scan"]}, "fields: last_scan requires detail: full."),
    "field": ({"fields": ["colour"]}, "fields: colour is not a field of a web application."),
    "severities": ({"fields": ["severities"]}, "fields: severities requires the option severities: true."),
    "refused": ({"api_url": "http://127.0.0.1:1", "retries": 0}, "127.0.0.1"),
}


def test_an_error_is_one_sentence_without_a_secret(inventory: Inventory) -> None:
    sources = []
    for name, (options, _words) in WRONG_OPTIONS.items():
        inventory.path = inventory.ansible.folder / f"{name}.qualys_was.yml"
        inventory.configure(**options)
        sources.append(inventory.path)
    # Ansible goes on to the next source, and fails when there is none that it could read.
    lenient = {"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "false", "ANSIBLE_INVENTORY_UNPARSED_FAILED": "true"}
    run = inventory.run("--list", "-vvv", environment=lenient, sources=sources)
    assert run.status != 0
    parts = error(run).split("as an inventory source")
    assert len(parts) == len(WRONG_OPTIONS) + 1
    for part, (_options, words) in zip(parts, WRONG_OPTIONS.values(), strict=False):
        assert words in part
    assert CANARY not in run.output


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"QUALYS_WAS_PASSWORD": CANARY}, "INVALID_CREDENTIALS"),
        ({"QUALYS_WAS_USERNAME": ""}, "username is missing. Give username, or set QUALYS_WAS_USERNAME."),
    ],
    ids=["password", "missing"],
)
def test_credentials_that_do_not_work_are_an_error(
    inventory: Inventory, environment: dict[str, str], words: str
) -> None:
    inventory.configure()
    run = inventory.run("--list", "-vvv", environment=environment)
    assert run.status != 0
    assert words in error(run)
    assert CANARY not in run.output


def test_a_listing_that_is_not_complete_is_no_inventory(inventory: Inventory, sandbox: Sandbox) -> None:
    sandbox.faults.add(kind="wrong_count", match={"route": "/count/was/webapp"}, n=7, times=-1)
    inventory.configure()
    run = inventory.run("--list")
    assert run.status != 0
    assert "Qualys announced 31 web applications and sent 24, twice." in error(run)


def test_no_secret_is_printed_or_cached(ansible: Ansible) -> None:
    with Sandbox(webapps=4, findings=40, password=CANARY) as sandbox:
        login = {"QUALYS_WAS_URL": sandbox.url, "QUALYS_WAS_USERNAME": sandbox.username, "QUALYS_WAS_PASSWORD": CANARY}
        inventory = Inventory(ansible, login)
        folder = ansible.folder / "cache"
        inventory.configure(
            detail="full", cache=True, cache_plugin="ansible.builtin.jsonfile", cache_connection=str(folder)
        )
        run = inventory.run("--list", "-vvvv")
    assert run.status == 0, run.output
    assert CANARY not in run.output
    cached = [path.read_text(encoding="utf-8") for path in Path(folder).iterdir()]
    assert cached
    assert not any(CANARY in text for text in cached)


def test_a_thousand_applications_need_a_few_requests(ansible: Ansible) -> None:
    with Sandbox(webapps=1000, findings=0) as sandbox:
        login = {
            "QUALYS_WAS_URL": sandbox.url,
            "QUALYS_WAS_USERNAME": sandbox.username,
            "QUALYS_WAS_PASSWORD": sandbox.password,
        }
        assert len(Inventory(ansible, login).hosts()) == 1000
        assert sandbox.counters.requests <= 4

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The estate as code, as a user runs it: apply, drift and import_estate against the sandbox."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.conftest import login_to
from tests.integration.runner import Ansible, Run
from tests.sandbox import Sandbox

CANARY = "Cnry-login+pass/w0rd="
VAULTED = "Cnry-vault+pass/w0rd="
CLEAR = "Cnry-clear+pass/w0rd="
SECRETS = (CANARY, VAULTED, CLEAR)
GUIDE = Path(__file__).resolve().parents[2] / "docs" / "docsite" / "rst" / "estate_as_code.rst"
README = GUIDE.parents[3] / "roles" / "catalog" / "README.md"


class Catalog:
    """Writes a catalog, and runs the playbooks with it."""

    def __init__(self, ansible: Ansible, login: dict[str, str]) -> None:
        self.ansible = ansible
        self.login = login
        self.directory = ansible.folder / "catalog"
        self.report = ansible.folder / "drift.json"
        self._serial = 0

    def write(self, name: str, text: str) -> Path:
        """One file of the catalog."""
        self.directory.mkdir(exist_ok=True)
        path = self.directory / name
        path.write_text(text, encoding="utf-8")
        return path

    def run(self, playbook: str, *arguments: str, environment: dict[str, str] | None = None, **variables: Any) -> Run:
        """Run one of the playbooks; variables become extra vars."""
        self._serial += 1
        extra = {"catalog_path": str(self.directory), "catalog_drift_report": str(self.report)} | variables
        return self.ansible.program(
            "ansible-playbook",
            f"appsec.perimeter.{playbook}",
            "--extra-vars",
            json.dumps({name: value for name, value in extra.items() if value is not None}),
            *arguments,
            environment=self.login | (environment or {}),
            results=self.ansible.folder / f"catalog-{self._serial}.jsonl",
        )

    def drift(self) -> dict[str, Any]:
        """The report of the last drift."""
        found: dict[str, Any] = json.loads(self.report.read_text(encoding="utf-8"))
        return found


@pytest.fixture
def catalog(ansible: Ansible, login: dict[str, str]) -> Catalog:
    return Catalog(ansible, login)


def recap(run: Run) -> dict[str, int]:
    """The numbers of the last line."""
    line = re.search(r"^localhost +: (.+)$", run.stdout, re.MULTILINE)
    assert line, run.output
    return {name: int(count) for name, count in (item.split("=") for item in line[1].split())}


def summary(run: Run) -> list[str]:
    """What the role sums up."""
    lines: list[str] = last(run, "Sum up")["msg"]
    return lines


def last(run: Run, name: str) -> dict[str, Any]:
    """The result of the task of this name; newer versions put the role before it."""
    (found,) = [result for result in run.results if result.task.removeprefix("appsec.perimeter.catalog : ") == name]
    return found.result


def error(run: Run) -> str:
    """The message of the task that failed."""
    assert run.status == 2, run.output
    (failed,) = [result for result in run.results if result.failed]
    message = failed["msg"]
    return "\n".join(message) if isinstance(message, list) else str(message)


def named(sandbox: Sandbox, kind: str, name: str) -> dict[str, Any] | None:
    """The record of this name."""
    found = [record for record in getattr(sandbox.qualys, kind).values() if record["name"] == name]
    return found[0] if found else None


SMALL = """\
---
auth_records:
  - name: catalog login
    form:
      type: STANDARD
      fields:
        - {name: username, value: scanner}
        - name: password
          secured: true
          value: VAULTED
schedules:
  - name: catalog nightly
    webapp: catalog shop
    profile: CI quick
    auth_record: catalog login
    start: 2026-12-01T02:00:00Z
    recurrence: {type: WEEKLY, days: [MONDAY]}
"""
WEBAPPS = """\
---
webapps:
  - name: catalog shop
    url: https://shop.example.com/
    tags: [prod, pci]
    auth_records: [catalog login]
    headers:
      - "X-Token: {{ lookup('ansible.builtin.env', 'CATALOG_TOKEN', default=undef()) }}"
      - "X-Clear: CLEAR"
    cancel_after: 8
  - name: catalog basket
    url: https://basket.example.com/
    like: catalog shop
    tags: [prod]
"""


@pytest.fixture
def small(catalog: Catalog) -> Catalog:
    """A catalog in two files, with secrets from the environment, from a vault, and in clear."""
    password = catalog.ansible.folder / "vault.txt"
    password.write_text("open sesame", encoding="utf-8")
    made = catalog.ansible.program("ansible-vault", "encrypt_string", "--vault-password-file", str(password), VAULTED)
    catalog.write("a.yml", SMALL.replace("VAULTED", re.sub(r"\n *", "\n            ", made.stdout.strip())))
    catalog.write("b.yaml", WEBAPPS.replace("CLEAR", CLEAR))
    catalog.login |= {"CATALOG_TOKEN": CANARY, "ANSIBLE_VAULT_PASSWORD_FILE": str(password)}
    return catalog


def test_drift_apply_and_apply_again(small: Catalog, sandbox: Sandbox) -> None:
    outputs = []

    def run(playbook: str, *arguments: str, **variables: Any) -> Run:
        done = small.run(playbook, *arguments, **variables)
        outputs.append(done.output)
        return done

    # Nothing is there yet: the report names what would be created, in an order in which it could be.
    first = run("drift", "-vvvv")
    assert error(first).startswith("The estate differs from the catalog. Records that differ: 4; ")
    assert sandbox.counters.writes == 0
    report = small.drift()
    assert report["drift"] is True
    assert [(item["kind"], item["name"], item["action"]) for item in report["objects"]] == [
        ("auth_records", "catalog login", "create"),
        ("webapps", "catalog shop", "create"),
        ("webapps", "catalog basket", "create"),
        ("schedules", "catalog nightly", "create"),
    ]
    shop = report["objects"][1]
    assert "auth_records" in shop["fields"]
    assert shop["after"]["headers"] == ["X-Token: VALUE_REDACTED", "X-Clear: VALUE_REDACTED"]
    assert small.report.stat().st_mode & 0o077 == 0

    applied = run("apply", "-vvvv", "--diff")
    assert applied.status == 0, applied.output
    assert recap(applied)["changed"] == 3
    assert "Web applications: 2 created, 0 updated, 0 deleted, 0 unchanged, 24 not in the catalog." in summary(applied)
    handed = last(applied, "Hand the figures to the jobs that follow")["ansible_stats"]["data"]["catalog_result"]
    assert handed["webapps"] == {"create": 2, "update": 0, "delete": 0, "unchanged": 0, "orphans": 24}
    login, app = named(sandbox, "auth_records", "catalog login"), named(sandbox, "webapps", "catalog basket")
    assert login is not None
    assert app is not None
    assert app["authRecords"] == [login["id"]]
    assert app["headers"] == [f"X-Token: {CANARY}", f"X-Clear: {CLEAR}"]
    assert VAULTED in json.dumps(login["formRecord"])

    sandbox.reset_counters()
    again = run("apply")
    assert again.status == 0, again.output
    assert recap(again)["changed"] == 0
    assert sandbox.counters.writes == 0

    # Somebody changes an application by hand.
    with sandbox.qualys.lock:
        app["url"] = "https://elsewhere.example.com/"
        app["config"] = {"cancelScansAfterNHours": 2}
    changed = run("drift")
    assert "Records that differ: 1;" in error(changed)
    (difference,) = small.drift()["objects"]
    assert difference["fields"] == ["url", "cancel_after"]
    assert (difference["id"], difference["action"]) == (app["id"], "update")
    assert difference["before"] == {"url": "https://elsewhere.example.com/", "cancel_after": 2}
    assert difference["after"] == {"url": "https://basket.example.com/", "cancel_after": 8}
    assert sandbox.counters.writes == 0

    outputs.append(small.report.read_text(encoding="utf-8"))
    assert not any(secret in text for text in outputs for secret in SECRETS)
    assert not any("[WARNING]: " in text and "DEPRECAT" in text for text in outputs)


def example(path: Path) -> str:
    """The catalog that a document shows."""
    found = re.search(
        r"^( *)auth_records:\n.*?(?=^(?!\1)\S|^```)", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    assert found, path
    return textwrap.dedent(found[0])


def test_the_catalog_in_the_documents_works(catalog: Catalog, sandbox: Sandbox) -> None:
    assert yaml.safe_load(example(README)) == yaml.safe_load(example(GUIDE))
    with sandbox.qualys.lock:
        next(iter(sandbox.qualys.tags.values()))["name"] = "team-checkout"
    # The whole file is encrypted, which the guide allows.
    password = catalog.ansible.folder / "vault.txt"
    password.write_text("open sesame", encoding="utf-8")
    written = catalog.write("estate.yml", example(GUIDE))
    catalog.ansible.program("ansible-vault", "encrypt", "--vault-password-file", str(password), str(written))
    assert written.read_text(encoding="utf-8").startswith("$ANSIBLE_VAULT;")
    environment = {"ANSIBLE_VAULT_PASSWORD_FILE": str(password), "SHOP_PASSWORD": CANARY}
    # A relative path starts where the program was started.
    applied = catalog.run("apply", "-vvvv", environment=environment, catalog_path="catalog")
    assert applied.status == 0, applied.output
    assert CANARY not in applied.output
    login, basket = named(sandbox, "auth_records", "shop login"), named(sandbox, "webapps", "basket")
    assert CANARY in json.dumps(login)
    assert basket is not None
    assert login is not None
    assert basket["authRecords"] == [login["id"]]
    assert named(sandbox, "schedules", "shop, nightly") is not None
    sandbox.reset_counters()
    again = catalog.run("drift", environment=environment)
    assert again.status == 0, again.output
    assert sandbox.counters.writes == 0


def failed_items(run: Run) -> str:
    """What Ansible printed of failed items of loops."""
    return "\n".join(line for line in run.stdout.splitlines() if line.startswith("failed: "))


def test_one_entry_that_cannot_be_judged_hides_no_other_and_is_told_with_file_and_line(
    catalog: Catalog, sandbox: Sandbox
) -> None:
    with sandbox.qualys.lock:
        first, second, *_others = sandbox.qualys.webapps.values()
        nightly = next(iter(sandbox.qualys.schedules.values()))
        nightly["name"] = evil = "n\n##vso[task.complete result=Succeeded]"
    apps = catalog.write(
        "apps.yml",
        f"webapps:\n  - {{id: {first['id']}, cancel_after: 7}}\n  - id: {second['id']}\n    tags: [prdo]\n"
        "  - {name: new shop, url: 'https://new.example.com/', auth_records: [new login, new typo]}\n"
        "  - {name: other, url: 'https://o.test/', tags: [no such]}\n",
    )
    schedules = catalog.write(
        "schedules.yml",
        f"schedules:\n  - {{id: {nightly['id']}, name: {json.dumps(evil)}, profile: nowhere}}\n"
        "  - {name: shop nightly, webapp: new shop, auth_record: new login, profile: CI quick,\n"
        "     start: 2027-01-01T02:00:00Z, recurrence: {type: DAILY}}\n",
    )
    login = "auth_records: [{name: new login, form: {type: STANDARD, fields: [{name: username, value: new}, "
    catalog.write("logins.yml", login + "{name: password, value: Cnry-login+pass/w0rd=, secured: true}]}}]\n")
    nothing = "and no entry of the catalog creates one."
    typo = "there is no authentication record named 'new typo'"
    expected = [
        f"{apps}: line 3: web application id {second['id']}: tags: there is no tag named 'prdo', {nothing}",
        f"{apps}: line 5: web application 'new shop': auth_records: {typo}, {nothing}",
    ]
    drifted = catalog.run("drift")
    message = error(drifted)
    # What could not be compared is also what would be created.
    assert message.startswith("Entries that could not be compared: 4. Records that differ: 7; ")
    assert all(line in message for line in expected)
    assert f"{schedules}: line 2: " in message
    report = catalog.drift()
    assert [(row["kind"], row["name"]) for row in report["objects"] if row["action"] == "create"] == [
        ("auth_records", "new login"),
        ("webapps", "new shop"),
        ("webapps", "other"),
        ("schedules", "shop nightly"),
    ]
    (failure,) = [item for item in report["failures"] if item["name"] == "other"]
    assert failure["kind"] == "webapps"
    assert "there is no tag named 'no such'" in failure["message"]
    assert ("webapps", first["id"], ["cancel_after"]) in [
        (row["kind"], row["id"], row["fields"]) for row in report["objects"]
    ]
    assert "##vso[" not in drifted.output
    assert "- to create: new login" in summary(drifted)
    assert sandbox.counters.writes == 0

    applied = catalog.run("apply")
    message = error(applied)
    assert "Entries that failed: 5." in message
    assert any("there is no tag named 'no such'" in line for line in summary(applied))
    assert f"{apps}: line 3: " in message
    assert f"{apps}: line 5: " in message
    assert f"{schedules}: line 2: " in message
    assert "##vso[" not in applied.output
    assert named(sandbox, "auth_records", "new login") is not None
    assert first["config"]["cancelScansAfterNHours"] == 7
    assert "Authentication records: 1 created, " in "".join(summary(applied))
    assert CANARY not in applied.output + drifted.output


HOSTILE = ["{{ 7*7 }}", "!unsafe x", "a: 'b' \"c\" # {% raw %}", "- é\u00a0🔥\n2nd line", "yes", "2026-01-01"]


class Loader(yaml.SafeLoader):
    """Knows Ansible's tag."""


Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))


def make_hostile(sandbox: Sandbox, template: str) -> None:
    """Give records names that YAML or Ansible could take for something else; two applications have the same one."""
    with sandbox.qualys.lock:
        for kind in ("webapps", "auth_records", "schedules", "tags"):
            for record, name in zip(getattr(sandbox.qualys, kind).values(), [template, *HOSTILE], strict=False):
                record["name"] = name
        apps = list(sandbox.qualys.webapps.values())
        apps[10]["name"] = apps[11]["name"] = "twice"
        apps[12]["attributes"] = [{"name": template, "value": template}]


def test_an_estate_of_500_comes_back_unchanged(ansible: Ansible) -> None:
    with Sandbox(webapps=500, findings=0) as sandbox:
        trap = ansible.folder / "executed"
        template = "{{ lookup('ansible.builtin.pipe', 'touch " + str(trap) + "') }}"
        make_hostile(sandbox, template)
        catalog = Catalog(ansible, login_to(sandbox))
        imported = catalog.run("import_estate", "-v")
        assert imported.status == 0, imported.output
        files = sorted(catalog.directory.iterdir())
        assert [path.name for path in files] == ["auth_records.yml", "schedules.yml", "webapps.yml"]
        assert all(path.stat().st_mode & 0o077 == 0 for path in (catalog.directory, *files))
        texts = {path.stem: path.read_text(encoding="utf-8") for path in files}
        assert not any(word in text for text in texts.values() for word in ("example-", "<tr>", "BEGIN "))
        for kind, text in texts.items():
            entries = yaml.load(text, Loader)[kind]
            held = list(getattr(sandbox.qualys, kind).values())
            assert len(entries) == len(held) >= 12
            assert {entry["name"] for entry in entries} == {record["name"] for record in held}
            assert len([entry for entry in entries if "id" in entry]) == (2 if kind == "webapps" else 0)

        # The same estate gives the same files, and applying them changes nothing.
        again = catalog.run("import_estate")
        assert recap(again)["changed"] == 0
        applied = catalog.run("apply")
        assert applied.status == 0, applied.output
        assert recap(applied)["changed"] == 0
        assert "Web applications: 0 created, 0 updated, 0 deleted, 500 unchanged, 0 not in the catalog." in summary(
            applied
        )

        # What is told of names and values that look like templates is what they are.
        with sandbox.qualys.lock:
            apps = list(sandbox.qualys.webapps.values())
            apps[1]["url"] = f"https://x.example/{template}"
            apps[2]["name"] = other = "{{ 8*8 }}"
        drifted = catalog.run("drift", "-v")
        assert "Records that differ: 2; not in the catalog: 1." in error(drifted)
        assert f"- not in the catalog: {other}" in summary(drifted)
        changed, missing = sorted(catalog.drift()["objects"], key=lambda item: item["action"], reverse=True)
        assert (changed["name"], changed["fields"]) == (HOSTILE[0], ["url"])
        assert changed["before"]["url"] == f"https://x.example/{template}"
        assert (missing["name"], missing["action"]) == (HOSTILE[1], "create")
        assert sandbox.counters.writes == 0
        assert not trap.exists()


def test_what_was_written_by_hand_is_not_lost_by_accident(catalog: Catalog) -> None:
    path = catalog.write("webapps.yml", "webapps: []\n# by hand\n")
    only = {"catalog_import_kinds": ["webapps"]}
    assert f"differ from the estate: {path}." in error(catalog.run("import_estate", **only))
    assert path.read_text(encoding="utf-8").endswith("# by hand\n")
    replaced = catalog.run("import_estate", **only, catalog_import_overwrite=True)
    assert recap(replaced)["changed"] == 1
    assert [item.name for item in catalog.directory.iterdir()] == ["webapps.yml"]


def test_pruning_has_bounds(catalog: Catalog, sandbox: Sandbox) -> None:
    held = sandbox.qualys
    owned = {
        "auth_records": [{"field": "name", "operator": "CONTAINS", "value": "Unused"}],
        "webapps": [{"field": "tags.name", "value": "pci"}],
        "schedules": [{"field": "name", "value": "Retired schedule"}],
    }
    pci = {key for key, tag in held.tags.items() if tag["name"] == "pci"}
    doomed = [record["name"] for record in held.webapps.values() if pci.intersection(record["tags"])]
    assert len(doomed) > 2
    # One of the applications stays, and there is one more of each other kind.
    kept, surplus = "Checkout (prod)", len(doomed) - 1 + 2
    content = {
        "auth_records": [{"name": "OAuth2 password"}],
        "webapps": [{"name": kept, "tags_add": ["pci"]}],
        "schedules": [{"name": next(record["name"] for record in held.schedules.values())}],
    }
    catalog.write("estate.yml", json.dumps(content))
    bounds: dict[str, Any] = {"catalog_prune": True, "catalog_prune_filters": owned}
    assert "catalog_prune requires catalog_prune_filters" in error(catalog.run("apply", **bounds))
    assert "catalog_prune requires catalog_prune_filters" in error(
        catalog.run("apply", catalog_prune=True, catalog_max_deletes=5)
    )
    catalog.write("estate.yml", json.dumps(content | {"webapps": []}))
    assert "must have entries in the catalog" in error(catalog.run("apply", **bounds, catalog_max_deletes=99))
    assert sandbox.counters.requests == 0

    catalog.write("estate.yml", json.dumps(content))
    message = error(catalog.run("apply", **bounds, catalog_max_deletes=surplus - 1))
    assert message.startswith(f"catalog_prune_filters match {surplus} records that are not in the catalog")
    told = catalog.run("apply", "--check", **bounds, catalog_max_deletes=surplus)
    assert f"{surplus - 2} to delete" in "".join(summary(told))
    assert "- to delete: Retired schedule" in summary(told)
    assert sandbox.counters.writes == 0
    before = {kind: len(getattr(held, kind)) for kind in ("auth_records", "webapps", "schedules")}
    done = catalog.run("apply", **bounds, catalog_max_deletes=surplus)
    assert done.status == 0, done.output
    left = {record["name"] for record in held.webapps.values()}
    assert kept in left
    assert not left.intersection(doomed) - {kept}
    assert len(held.webapps) == before["webapps"] - surplus + 2
    assert named(sandbox, "auth_records", "Unused login") is None
    assert len(held.auth_records) == before["auth_records"] - 1
    assert named(sandbox, "schedules", "Retired schedule") is None


def test_all_mistakes_are_told_before_anything_is_sent(catalog: Catalog, sandbox: Sandbox) -> None:
    catalog.write(
        "one.yml", "webapps:\n  - {name: shop, url: https://x.example/, tgas: [prod]}\n  - {url: https://y.example/}\n"
    )
    catalog.write("two.yml", "webapps:\n  - {name: shop}\n  - {name: a, like: b}\n  - {name: b, like: a}\nwebapp: []\n")
    unset = "{{ lookup('ansible.builtin.env', 'CATALOG_NOT_SET') }}"
    wrong = {"webapps": [{"name": "c", "headers": [f"X: {unset}"]}], "auth_records": [{"name": "x", "form": CLEAR}]}
    catalog.write("zoo.yml", json.dumps(wrong))
    run = catalog.run("apply", "-vvvv")
    assert CLEAR not in run.output
    message = error(run)
    assert message.startswith("The catalog has mistakes, 8 in all. Nothing was sent.\n")
    for words in (
        "zoo.yml: webapps[0] ('c'): headers has an entry without a value. Is a variable not set?",
        "zoo.yml: auth_records[0] ('x'): form is not a mapping.",
        "one.yml: webapps[0] ('shop'): tgas is not an option. Did you mean tags?",
        "one.yml: webapps[1] (''): name or id is required.",
        "two.yml: webapps[0] ('shop'): already listed in ",
        "two.yml: webapps[1] ('a'): like refers back to itself: 'a' -> 'b' -> 'a'.",
        "two.yml: webapp is not a key of a catalog. Did you mean webapps?",
    ):
        assert words in message
    assert sandbox.counters.requests == 0
    (catalog.directory / "two.yml").write_text("webapps: [unclosed\n", encoding="utf-8")
    assert f"{catalog.directory / 'two.yml'}: line 2: invalid YAML" in error(catalog.run("apply"))
    # Ansible itself does not survive this one.
    (catalog.directory / "two.yml").write_text("webapps: &all\n  - *all\n", encoding="utf-8")
    assert f"{catalog.directory / 'two.yml'}: line 1: an anchor contains itself" in error(catalog.run("apply"))
    assert sandbox.counters.requests == 0


def test_a_text_without_quotes_and_another_encoding_are_mistakes_of_the_file(
    catalog: Catalog, sandbox: Sandbox
) -> None:
    path = catalog.write("ümlaut.yml", "webapps:\n  - name: 0755\n    tags: [yes]\n")
    message = error(catalog.run("apply"))
    assert f"{path}: line 2: webapps[0].name must be text, but YAML reads a number. Put it in quotes." in message
    assert (
        f"{path}: line 3: webapps[0].tags[0] must be text, but YAML reads true or false. Put it in quotes." in message
    )
    path.write_bytes("webapps: [{name: Zürich}]".encode("latin-1"))
    utf16 = catalog.write("wide.yml", "")
    utf16.write_bytes("webapps: []".encode("utf-16"))
    message = error(catalog.run("apply"))
    assert message.endswith(
        f"\n{utf16} is not UTF-8 text. Save it as UTF-8.\n{path} is not UTF-8 text. Save it as UTF-8."
    )
    assert sandbox.counters.requests == 0


def test_paths_with_umlauts_and_commas_work_under_an_ascii_locale(catalog: Catalog, sandbox: Sandbox) -> None:
    # With LC_ALL=C Ansible itself does not start.
    catalog.directory = catalog.ansible.folder / "Kätälög, Zürich"
    catalog.report = catalog.ansible.folder / "Bericht ä.json"
    environment = {"LC_ALL": "", "LANG": "C", "LC_CTYPE": ""}
    imported = catalog.run("import_estate", environment=environment, catalog_import_kinds=["webapps"])
    assert imported.status == 0, imported.output
    (catalog.directory / "webapps.yml").rename(catalog.directory / "anwendüngen.yml")
    drifted = catalog.run("drift", environment=environment)
    assert drifted.status == 0, drifted.output
    assert catalog.drift()["drift"] is False
    assert sandbox.counters.writes == 0


def login_with(value: str) -> dict[str, Any]:
    """A catalog with an authentication record whose password this is."""
    fields = [{"name": "username", "value": "x"}, {"name": "password", "value": value, "secured": True}]
    return {"auth_records": [{"name": "new login", "form": {"type": "STANDARD", "fields": fields}}]}


ENVIRONMENT = "{{ lookup('ansible.builtin.env', 'CATALOG_NOT_SET', default=undef()) }}"
BEFORE_ANY_REQUEST: dict[str, tuple[dict[str, Any], str]] = {
    "not-in-the-environment": (login_with(ENVIRONMENT), "CATALOG_NOT_SET"),
    "no-such-variable": (login_with("{{ nowhere }}"), "'nowhere' is undefined"),
}


@pytest.mark.parametrize(("content", "words"), BEFORE_ANY_REQUEST.values(), ids=BEFORE_ANY_REQUEST)
def test_a_bad_secret_is_told_before_anything_is_sent(
    catalog: Catalog, sandbox: Sandbox, content: dict[str, Any], words: str
) -> None:
    catalog.write("a.yml", json.dumps(content))
    assert words in error(catalog.run("apply"))
    assert sandbox.counters.requests == 0


NIGHTLY = {"name": "new", "profile": "CI quick", "start": "2026-12-01T02:00:00Z", "recurrence": {"type": "ONCE"}}
NOT_THERE: dict[str, tuple[str, dict[str, Any], str]] = {
    "authentication-record": (
        "webapps",
        {"name": "Help Center (prod)", "auth_records": ["nobody"]},
        "webapps, web application 'Help Center (prod)': auth_records: there is no authentication record named 'nobody'",
    ),
    "tag": (
        "webapps",
        {"name": "Returns Desk (prod)", "tags": ["nowhere"]},
        "webapps, web application 'Returns Desk (prod)': tags: there is no tag named 'nowhere'",
    ),
    "profile": (
        "webapps",
        {"name": "Gift Cards (prod)", "default_profile": "nowhere"},
        "webapps, web application 'Gift Cards (prod)': default_profile: there is no option profile named 'nowhere'",
    ),
    "application-of-a-schedule": (
        "schedules",
        NIGHTLY | {"webapp": "nowhere"},
        "webapp: there is no web application named 'nowhere'",
    ),
    "one-of-two": (
        "webapps",
        {"name": "twice", "cancel_after": 3},
        "'twice' matches several web applications: 410001, 410002. Give id, or a url that one of them has.",
    ),
    "certificate": (
        "auth_records",
        {"name": "new", "server": {"certificate": {"name": "c", "contents": CLEAR}}},
        "authentication record 'new': server.certificate.contents is not PEM.",
    ),
    "empty-password": (
        "auth_records",
        login_with("{{ lookup('ansible.builtin.env', 'CATALOG_NOT_SET') }}")["auth_records"][0],
        "authentication record 'new login': form.fields[password].value is required.",
    ),
}


@pytest.fixture(scope="module")
def not_there(tmp_path_factory: pytest.TempPathFactory, collections_path: Path) -> Run:
    """One run with all entries: a failed one does not stop the others."""
    with Sandbox(webapps=24, findings=0) as sandbox:
        with sandbox.qualys.lock:
            for app in list(sandbox.qualys.webapps.values())[:2]:
                app["name"] = "twice"
        catalog = Catalog(Ansible(tmp_path_factory.mktemp("not-there"), collections_path), login_to(sandbox))
        content: dict[str, list[Any]] = {}
        for kind, entry, _words in NOT_THERE.values():
            content.setdefault(kind, []).append(entry)
        catalog.write("a.yml", json.dumps(content))
        run = catalog.run("apply", "-vvvv")
        assert sandbox.counters.writes == 0
    return run


@pytest.mark.parametrize("words", [words for _kind, _entry, words in NOT_THERE.values()], ids=NOT_THERE)
def test_what_only_the_estate_can_tell_is_named_and_nothing_is_written(not_there: Run, words: str) -> None:
    assert not_there.status == 2
    failed = [result.result | {"warnings": None} for result in not_there.results if result.failed]
    assert words in json.dumps(failed, ensure_ascii=False)
    assert CLEAR not in not_there.output


def test_a_catalog_that_is_not_there_is_named(catalog: Catalog, sandbox: Sandbox) -> None:
    message = error(catalog.run("apply", catalog_path=str(catalog.ansible.folder / "nowhere")))
    assert f"catalog_path: {catalog.ansible.folder / 'nowhere'} does not exist." in message
    assert sandbox.counters.requests == 0

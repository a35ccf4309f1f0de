# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An environment variable that is set and empty counts as not set: every place that reads one.

CI systems turn a missing variable into empty text. So a place that takes empty text for a value switches something
off, or fails, where nobody has set anything.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ansible.template
import pytest
import yaml
from ansible.errors import AnsibleUndefinedVariable
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import AnsibleFallbackNotFound
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.appsec.perimeter.plugins.doc_fragments import _connection, _qualys
from ansible_collections.appsec.perimeter.plugins.inventory import qualys_was
from ansible_collections.appsec.perimeter.plugins.module_utils._http.environment import with_environment
from ansible_collections.appsec.perimeter.plugins.module_utils._module import argspec
from ansible_collections.appsec.perimeter.plugins.plugin_utils._switch_filters import switch
from tests.conftest import ROOT

LOOKUP = re.compile(r"lookup\('(?:ansible\.builtin\.)?env', *'([A-Za-z_]+)'([^)]*)\)")
FILES = [
    path
    for folder in ("roles", "playbooks", "docs")
    for path in sorted((ROOT / folder).rglob("*.yml"))
    if LOOKUP.search(path.read_text(encoding="utf-8"))
]
GUIDES = [
    path
    for path in sorted([ROOT / "README.md", *(ROOT / "roles").rglob("*.md"), *(ROOT / "docs").rglob("*.[rm][sd]*")])
    if LOOKUP.search(path.read_text(encoding="utf-8"))
]
"""Examples that a reader copies from a text."""
NAMES = sorted({name for path in FILES for name, _rest in LOOKUP.findall(path.read_text(encoding="utf-8"))})


def flat(data: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Every value with its path."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from flat(value, f"{where}.{key}")
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from flat(value, f"{where}[{index}]")
    else:
        yield where, data


def trusted(data: Any) -> Any:
    """The same as templates. Since ansible-core 2.19 any other text stays as it is, and only looks the same."""
    if isinstance(data, dict):
        return {key: trusted(value) for key, value in data.items()}
    if isinstance(data, list):
        return [trusted(item) for item in data]
    trust = getattr(ansible.template, "trust_as_template", None)
    return trust(data) if trust and isinstance(data, str) else data


@functools.cache
def read(path: Path) -> Any:
    """A file of a role or a playbook. Full names of plugins need the finder of collections, which programs install."""
    return trusted(yaml.safe_load(path.read_text(encoding="utf-8").replace("ansible.builtin.env", "env"))) or {}


def values(path: Path, only: str | None = None) -> dict[str, str]:
    """What the values of a file that ask the environment come to, with everything random or timed taken out.

    ``only`` is the place of the one value to return; by default, all are returned.
    """
    loader = DataLoader()
    data = read(path)
    # What a task of the role gate makes of its variables.
    read_texts = {"given": trusted("{{ _gate_unread }}"), "problems": []}
    variables = {"omit": "<omit>", "ansible_check_mode": False, "_gate_read": read_texts}
    for kind in ("defaults", "vars"):
        beside = path.parent.parent / kind / "main.yml"
        if beside.exists():
            variables |= read(beside)
    templar = Templar(loader, variables=variables)
    asked = {where: value for where, value in flat(data) if isinstance(value, str) and LOOKUP.search(value)}
    return {
        where: re.sub(r"\d+", "0", _result(templar, value)) for where, value in asked.items() if only in (None, where)
    }


def _result(templar: Templar, value: str) -> str:
    """What a value comes to; of one that must be given, the error where it is not."""
    try:
        return repr(templar.template(value))
    except AnsibleUndefinedVariable as error:
        assert "undef(" in value
        return f"error: {error}"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with none of these variables."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_what_the_environment_says_is_what_is_compared(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PERIMETER_GATE_TITLE", "Shop")
    assert values(ROOT / "roles/gate/defaults/main.yml")[".gate_title"] == "'Shop'"


def test_there_are_as_many_places_as_there_seem_to_be() -> None:
    found = [name for path in FILES for name, _rest in LOOKUP.findall(path.read_text(encoding="utf-8"))]
    assert len(found) >= 100
    assert len(FILES) >= 10


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_roles_and_playbooks_come_to_the_same_with_every_variable_empty(
    path: Path, environment: pytest.MonkeyPatch
) -> None:
    unset = values(path)
    for name in NAMES:
        # HOME is what Ansible itself needs; that of a user is there when it is empty.
        environment.setenv(name, "")
    assert values(path) == unset
    assert unset
    assert not any("{{" in text for text in unset.values())


@pytest.mark.parametrize("path", [*FILES, *GUIDES], ids=lambda path: str(path.relative_to(ROOT)))
def test_no_lookup_has_a_default_that_an_empty_variable_would_miss(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert [name for name, rest in LOOKUP.findall(text) if rest.strip()] == []


@pytest.mark.parametrize("name", ["form", "oauth2", "server"])
def test_an_example_with_a_password_stops_where_it_is_empty(name: str, environment: pytest.MonkeyPatch) -> None:
    path = ROOT / "docs" / "examples" / "qualys_was" / f"auth_record_create_{name}.yml"
    for variable in NAMES:
        environment.setenv(variable, "")
    found = values(path)
    assert found
    for text in found.values():
        assert re.search(r"error: .*Set EXAMPLE_[A-Z_]+", text), text


SWITCH_DEFAULTS = {
    (role.name, option): LOOKUP.findall(str(given[option]))[0][0]
    for role in sorted((ROOT / "roles").iterdir())
    for spec in [yaml.safe_load((role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))]
    for given in [yaml.safe_load((role / "defaults" / "main.yml").read_text(encoding="utf-8"))]
    for entry in spec["argument_specs"].values()
    for option, described in entry["options"].items()
    if described["type"] == "bool" and LOOKUP.search(str(given.get(option)))
}
"""The variables of the environment that switch something on or off, by role and by the variable of the role."""


@pytest.mark.parametrize(("role", "option"), SWITCH_DEFAULTS)
def test_a_switch_that_is_no_word_for_yes_or_no_is_refused(
    role: str, option: str, environment: pytest.MonkeyPatch
) -> None:
    validator = ArgumentSpecValidator({option: {"type": "bool"}})

    def judged(word: str) -> tuple[list[str], Any]:
        environment.setenv(SWITCH_DEFAULTS[role, option], word)
        (value,) = values(ROOT / "roles" / role / "defaults" / "main.yml", only=f".{option}").values()
        found = ast.literal_eval(value)
        return validator.validate({option: found}).error_messages, found

    for word in ("ture", "enabled", "-"):
        errors, _found = judged(word)
        assert [option in error for error in errors] == [True], word
    for word in ("true", "True", "yes", "on", "y", "T"):
        errors, found = judged(word)
        assert (errors, switch(found)) == ([], True), word
    for word in ("false", "no", "OFF"):
        errors, found = judged(word)
        assert (errors, switch(found)) == ([], False), word


def test_there_are_as_many_switches_as_there_seem_to_be() -> None:
    assert len(SWITCH_DEFAULTS) >= 13


def specs() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every option of every shared argument specification that has a fallback."""
    for name, spec in vars(argspec).items():
        if isinstance(spec, argspec.Spec):
            for option, described in spec.options.items():
                if "fallback" in described:
                    yield f"{name}.{option}", described


def test_options_of_modules_ignore_an_empty_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    found = dict(specs())
    assert {name.split(".")[1] for name in found} == {"ca_path", "proxy", "state_dir", "shared_limit"}
    for name, described in found.items():
        read, variables = described["fallback"]
        for variable in variables:
            monkeypatch.setenv(variable, "")
            with pytest.raises(AnsibleFallbackNotFound):
                read(variable)
            monkeypatch.setenv(variable, "given")
            assert read(variable) == "given", name


def rooms() -> Iterator[Any]:
    """Every file of module_utils as a module."""
    for path in sorted((ROOT / "plugins" / "module_utils").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield importlib.import_module(".".join(("ansible_collections.appsec.perimeter", *parts)))


def tables(value: Any) -> Iterator[dict[str, str]]:
    """Tables from options to environment variables, also inside a table of tables."""
    if isinstance(value, dict):
        texts = all(isinstance(item, str) for item in value.values())
        if value and texts and all(re.fullmatch(r"[A-Z][A-Z0-9]*_[A-Z0-9_]+", item) for item in value.values()):
            yield value
        elif not texts:
            for item in value.values():
                yield from tables(item)


def test_credentials_ignore_an_empty_variable() -> None:
    found = [
        table for room in rooms() for name, value in vars(room).items() if name.isupper() for table in tables(value)
    ]
    names = {variable for table in found for variable in table.values()}
    assert {"QUALYS_WAS_PASSWORD", "EDGECAST_TOKEN", "SCUTUM_API_KEY", "CBC_API_ID", "INDUSFACE_WAS_URL"} <= names
    for table in found:
        assert set(with_environment({}, dict.fromkeys(table.values(), ""), table).values()) <= {None}


def test_the_inventory_plugin_forgets_empty_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    fragments = (_connection.ModuleDocFragment.PLUGIN, _qualys.ModuleDocFragment.PLUGIN)
    described = [option for text in fragments for option in yaml.safe_load(text)["options"].values()]
    names = {entry["name"] for option in described for entry in option["env"]}
    own = yaml.safe_load(qualys_was.DOCUMENTATION)["options"]
    names |= {entry["name"] for option in own.values() for entry in option.get("env", ())}
    assert names == set(qualys_was._VARIABLES)
    for name in names:
        monkeypatch.setenv(name, "")
    qualys_was._forget_empty_variables()
    assert not names & set(os.environ)
    assert "_forget_empty_variables()" in inspect.getsource(qualys_was.InventoryModule.parse)


def test_no_code_asks_whether_a_variable_is_there() -> None:
    """``environ.get`` gives text that is false when empty; ``in`` and ``is None`` would take empty for set."""
    found = []
    for path in sorted((ROOT / "plugins").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)) if "environ" in source else ():
            if isinstance(node, ast.Compare) and any(
                isinstance(step, (ast.In, ast.NotIn, ast.Is, ast.IsNot)) for step in node.ops
            ):
                text = ast.unparse(node)
                if re.search(r"\benviron\b", text) and not text.startswith("environ is None"):
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {text}")
    assert found == []

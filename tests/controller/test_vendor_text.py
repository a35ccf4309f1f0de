# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this ansible-core makes of hostile texts that the collection handed to it, without a process for each.

The whole way, with roles and playbooks, is in tests/integration/test_hostile_text.py.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ansible.template
import jinja2
import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar

from ansible_collections.appsec.perimeter.plugins.filter.catalog import FilterModule
from ansible_collections.appsec.perimeter.plugins.filter.report import FilterModule as ReportFilters
from ansible_collections.appsec.perimeter.plugins.module_utils._catalog import write
from ansible_collections.appsec.perimeter.plugins.plugin_utils import _vendor_text
from tests.sandbox.infect import FORMS, Infection

# Ansible makes an expression of the marks that a header chooses.
pytestmark = pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")
TRACKS_TRUST = hasattr(ansible.template, "trust_as_template")
FILTERS = FilterModule().filters()
USES = (
    "{{ x }}",
    "{{ x | string }}",
    "{{ x.entries }}",
    "{{ x.entries[0].name }} {{ x.entries[0].name ~ '' }}",
    "{{ x.entries[0].tags }}{{ x.entries[0].tags | join }}",
    "{{ x.entries[0].attributes | dict2items }}",
    "{{ x.entries[0].attributes.keys() | list }}",
    "{{ x.entries[0].attributes | list | first }}",
    "{{ x.entries[0].attributes | to_json }}",
    "{{ x | to_json | from_json }}",
)
"""Expressions of a play in which ``x`` holds the texts; what each gives is evaluated once more, as a play may do."""


@pytest.fixture(scope="module", autouse=True)
def _plugins() -> None:
    init_plugin_loader([])


@pytest.fixture(scope="module", autouse=True)
def _expressions_are_compiled_once() -> Iterator[None]:
    """Jinja would compile the same few expressions thousands of times, which takes most of the time of these tests."""
    own = {*USES, "{{ x }}", "{{ x }}{{ x | string }}"}
    compiled: dict[tuple[Any, ...], Any] = {}
    compile_anew = jinja2.Environment.compile

    def compile_once(environment: jinja2.Environment, source: Any, *arguments: Any, **options: Any) -> Any:
        # A header in a hostile text makes an environment with other marks.
        if source not in own or environment.variable_start_string != "{{":
            return compile_anew(environment, source, *arguments, **options)
        key = (type(environment), source, arguments, *options.items())
        if key not in compiled:
            compiled[key] = compile_anew(environment, source, *arguments, **options)
        return compiled[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jinja2.Environment, "compile", compile_once)
        yield


@pytest.fixture
def infection(tmp_path: Path) -> Infection:
    return Infection(tmp_path / "ran")


def trusted(text: str) -> Any:
    """The text as Ansible reads it in a file of the user's."""
    return ansible.template.trust_as_template(text) if TRACKS_TRUST else text


def from_file(text: str) -> Any:
    """What Ansible makes of a file of variables with this text."""
    return DataLoader().load(trusted("".join(text)))


@functools.cache
def templar() -> Templar:
    """One for all texts: each new one looks for the plugins of the filters again."""
    return Templar(DataLoader())


def evaluate(expression: str, value: Any) -> Any:
    """What an expression of a play comes to when ``x`` has this value."""
    templar().available_variables = {"x": value}
    return templar().template(trusted(expression))


def use(value: Any) -> None:
    """Evaluate the value in the ways of a play, and what comes of it again."""
    for expression in USES:
        again = evaluate("{{ x }}", evaluate(expression, value))
        evaluate("{{ x }}{{ x | string }}", again)


def records(infection: Infection) -> Iterator[dict[str, Any]]:
    """A record for each form, with the text in a name, in a list, in a key, in a value."""
    for serial in range(len(FORMS)):
        text = infection.text("record")
        yield {"id": serial, "name": text, "tags": [text], "attributes": {text: text}}


def places(infection: Infection) -> Iterator[dict[str, Any]]:
    """Records of which only one place is hostile, so that nothing else makes Ansible careful."""
    blank = {"id": 1, "name": "a", "tags": ["b"], "attributes": {"c": "d"}}
    for _form in FORMS:
        yield blank | {"name": infection.text("name")}
        yield blank | {"tags": [infection.text("tags")]}
        yield blank | {"attributes": {infection.text("key"): "e"}}
        yield blank | {"attributes": {"c": infection.text("value")}}


def catalog_of(record: dict[str, Any]) -> Any:
    content = from_file(FILTERS["to_catalog"]([record], "webapps"))
    return {"entries": content["webapps"]}


def test_a_written_catalog_holds_data_only(infection: Infection) -> None:
    for record in [*records(infection), *places(infection)]:
        content = catalog_of(record)
        assert content["entries"] == [{name: record[name] for name in ("name", "tags", "attributes")}]
        use(content)
        use({"entries": FILTERS["from_catalog"]([{"webapps": content["entries"]}], ["a.yml"])["entries"]["webapps"]})
        assert infection.ran() == []


def test_of_a_key_nothing_runs_also_where_its_value_cannot_be_marked(infection: Infection) -> None:
    """``"5"`` behind the tag would be a number. What the role hands on is data all the same."""
    for _form in FORMS:
        content = catalog_of({"id": 1, "name": "a", "tags": ["b"], "attributes": {infection.text("key"): "5"}})
        entries = FILTERS["from_catalog"]([{"webapps": content["entries"]}], ["a.yml"])["entries"]["webapps"]
        assert list(entries[0]["attributes"].values()) == ["5"]
        use({"entries": entries})
        assert infection.ran() == []


@pytest.mark.parametrize("place", ["name", "tags", "key", "value"])
@pytest.mark.parametrize("form", ["braces", "header"])
def test_a_single_mark_that_is_missing_is_seen(
    infection: Infection, monkeypatch: pytest.MonkeyPatch, place: str, form: str
) -> None:
    text = FORMS[form](f"lookup('ansible.builtin.pipe', 'touch {infection.folder}/ran')")
    is_certainly_data = write.is_certainly_data
    monkeypatch.setattr(write, "is_certainly_data", lambda given: given == text or is_certainly_data(given))
    record: dict[str, Any] = {"id": 1, "name": "a", "tags": ["b"], "attributes": {"c": "d"}}
    hostile = {"name": text, "tags": [text], "key": {text: 5}, "value": {"c": text}}[place]
    use(catalog_of(record | {"attributes" if place in ("key", "value") else place: hostile}))
    assert infection.ran() == ["ran"]


def test_what_the_inventory_gives_to_hosts_is_data_only(infection: Infection) -> None:
    for record in [*records(infection), *places(infection)]:
        use(_vendor_text.as_data({"entries": [record]}))
        assert infection.ran() == []


def test_unmarked_texts_run_where_trust_is_not_tracked(infection: Infection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_vendor_text, "_unsafe", lambda text: text)
    for record in places(infection):
        # Some texts are no good templates once Ansible has quoted them.
        with contextlib.suppress(AnsibleError):
            use(_vendor_text.as_data({"entries": [record]}))
    # ansible-core 2.19 and newer evaluate nothing that they were not told to trust.
    expected = set() if TRACKS_TRUST else {"name", "tags", "key", "value"}
    assert {name.partition("-")[0] for name in infection.ran()} == expected


def test_what_filters_give_is_data_only(infection: Infection) -> None:
    results: list[Any] = []
    for record in [*records(infection), *places(infection)]:
        entry = {name: record[name] for name in ("name", "tags", "attributes")}
        other = record | {"name": "other", "id": 99}
        results += [
            FILTERS["to_catalog"]([record], "webapps"),
            FILTERS["from_catalog"]([{"webapps": [entry, {"nmae": 1, **entry}]}], [record["name"]]),
            FILTERS["catalog_text_problems"](['{"a": 1, "a": 2}'], [record["name"]]),
            FILTERS["catalog_orphans"]([record], []),
            FILTERS["catalog_to_check"]([entry], [other]),
            FILTERS["catalog_pending"]([entry | {"auth_records": [record["name"]]}], "webapps", {}),
            FILTERS["catalog_summary"](
                {"webapps": {"count": 0, "result": {}, "orphans": [record], "deleted": [record]}}, ["webapps"]
            ),
        ]
        for name, function in ReportFilters().filters().items():
            value = record if name in ("to_log_safe", "to_csv_safe") else [{"title": record["name"], "id": "1"}]
            results.append(function(value))
    use_all(results)
    assert infection.ran() == []


def use_all(results: list[Any]) -> None:
    for expression in ("{{ x }}", "{{ x | string }}", "{{ x | to_json }}"):
        evaluate("{{ x }}", evaluate(expression, results))


def test_what_is_printed_holds_no_command_of_a_ci_system(infection: Infection) -> None:
    given = [*records(infection)]
    lines = FILTERS["catalog_summary"](
        {"webapps": {"count": 0, "result": {}, "orphans": given, "deleted": given}}, ["webapps"]
    )["lines"]
    lines += [ReportFilters().filters()["to_log_safe"](record["name"]) for record in given]
    problems = FILTERS["from_catalog"]([{"webapps": [{"name": record["name"], "x": 1} for record in given]}], ["a.yml"])
    lines += problems["problems"]
    assert len(lines) > 2 * len(given)
    for line in lines:
        assert "##vso[" not in line
        assert "##teamcity[" not in line
        assert " ::" not in line
        assert "\x9b" not in line
        assert len(line.splitlines()) == 1

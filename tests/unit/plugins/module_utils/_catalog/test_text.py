# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that Ansible would not read, or not as they are meant."""

from __future__ import annotations

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._catalog.text import (
    encoding_problems,
    entry_places,
    text_problems,
)
from ansible_collections.appsec.perimeter.plugins.plugin_utils._catalog_kinds import KINDS

SECRET = "canary"
WRONG = {
    "open": ("webapps: [shop\n", "a.yml: line 2: invalid YAML: "),
    "tab": (f"webapps:\n\t- {SECRET}\n", "a.yml: line 2: invalid YAML: "),
    "control": (f"webapps: {SECRET}\x01\n", "a.yml: invalid YAML: the file has a character that YAML does not allow."),
    "alias": ("webapps: *nowhere\n", "a.yml: line 1: invalid YAML: found undefined alias"),
    "two-documents": ("webapps: []\n---\nwebapps: []\n", "a.yml: line 2: invalid YAML: but found another document."),
    "list": (f"- {SECRET}\n", "a.yml: this is not a mapping of kinds, such as webapps, to lists."),
    "circle": (f"webapps: &a\n  - {SECRET}\n  - *a\n", "a.yml: line 1: an anchor contains itself through an alias."),
    "deep-circle": ("webapps:\n  - &b {name: x, attributes: {y: [*b]}}\n", "a.yml: line 2: an anchor contains itself"),
    "twice": (
        f"webapps:\n  - name: x\n    url: {SECRET}\n    url: y\n",
        "a.yml: line 4: the key 'url' appears twice.",
    ),
    "kind-twice": ("webapps: []\nwebapps: []\n", "a.yml: line 2: the key 'webapps' appears twice."),
}


@pytest.mark.parametrize(("text", "problem"), WRONG.values(), ids=WRONG)
def test_a_problem_is_told_with_its_line_and_without_a_value(text: str, problem: str) -> None:
    (found,) = text_problems(text, "a.yml")
    assert found.startswith(problem)
    assert SECRET not in found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "---\n",
        "webapps: []\n",
        "webapps: [{name: !unsafe '{{ x }}', url: !vault x}]\n",
        "webapps:\n  - &a {name: x, tags: &t [p]}\n  - {<<: *a, name: y}\n  - {name: z, tags: *t}\n",
    ],
)
def test_everything_else_is_for_ansible(text: str) -> None:
    assert text_problems(text, "a.yml") == []


def test_aliases_of_aliases_cost_no_time() -> None:
    levels = ["webapps: &l0 [x, x]"] + [f"k{n}: &l{n} [*l{n - 1}, *l{n - 1}]" for n in range(1, 60)]
    assert text_problems("\n".join(levels), "a.yml") == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252"])
def test_a_file_in_another_encoding_is_told(encoding: str) -> None:
    content = f"webapps: [{{name: Zürich, url: {SECRET}}}]\n".encode(encoding)
    assert encoding_problems(content, "a.yml") == ["a.yml is not UTF-8 text. Save it as UTF-8."]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_utf_8_is_what_a_file_may_be(encoding: str) -> None:
    content = "webapps: [{name: Zürich}]\n".encode(encoding)
    assert encoding_problems(content, "a.yml") == []
    assert text_problems(content.decode("utf-8"), "a.yml") == []


def test_each_entry_has_file_and_line() -> None:
    text = (
        "---\nwebapps:\n  - name: a\n    url: x\n\n  # two\n  - {name: b}\nother: [1]\nschedules: [{id: 1}, {id: 2}]\n"
    )
    assert entry_places(text, "a.yml", KINDS) == {
        "webapps": ["a.yml: line 3", "a.yml: line 7"],
        "schedules": ["a.yml: line 9", "a.yml: line 9"],
    }
    assert entry_places("", "a.yml", KINDS) == {}
    assert entry_places("webapps:\n", "a.yml", KINDS) == {}

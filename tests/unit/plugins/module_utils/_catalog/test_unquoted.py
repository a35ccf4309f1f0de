# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts without quotes, which YAML reads as numbers, truth values or dates: each is a mistake of the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._catalog.text import text_problems
from ansible_collections.appsec.perimeter.plugins.plugin_utils._catalog_kinds import KINDS

MISREAD = {
    "0755": "a number",
    "1_000": "a number",
    "0x1F": "a number",
    "0b11": "a number",
    "22:30": "a number",
    "1.10": "a number",
    "1e3": None,  # YAML 1.1 asks for a dot and a sign.
    "1.5e+3": "a number",
    ".inf": "a number",
    "yes": "true or false",
    "no": "true or false",
    "On": "true or false",
    "FALSE": "true or false",
    "2026-12-01": "a date",
    "2026-12-01 10:00:00": "a date",
}


def texts_of(options: Any, above: str = "") -> Iterator[tuple[str, str]]:
    """Every text option of a kind: its path, and a template of YAML in flow style that holds a value for it."""
    for name, spec in options.items():
        where, shape = f"{above}{name}", spec.get("type", "str")
        if shape == "str":
            yield where, f"{name}: VALUE"
        elif shape == "list" and spec["elements"] in ("str", "raw"):
            yield f"{where}[0]", f"{name}: [VALUE]"
            if spec["elements"] == "raw":
                yield f"{where}[0].value", f"{name}: [{{value: VALUE, regex: yes}}]"
        elif shape == "list":
            yield from ((path, f"{name}: [{{{text}}}]") for path, text in texts_of(spec["options"], f"{where}[0]."))
        elif shape == "dict" and "options" in spec:
            yield from ((path, f"{name}: {{{text}}}") for path, text in texts_of(spec["options"], f"{where}."))
        elif shape == "dict":
            yield f"a value in KIND.{where}", f"{name}: {{key: VALUE}}"
            yield f"a name in KIND.{where}", f"{name}: {{VALUE: text}}"


EVERY_TEXT = [
    pytest.param(kind, path, text, id=f"{kind.name}.{path}")
    for kind in KINDS
    for path, text in texts_of({**kind.options, "like": {"type": "str"}})
]


def told(kind: Any, path: str, text: str, value: str) -> list[str]:
    """The problems of a file whose second line has this text with this value."""
    written = text.replace("VALUE", value)
    return text_problems(f"{kind.name}:\n  - {{{written}}}\n", "a.yml", KINDS)


@pytest.mark.parametrize(("kind", "path", "text"), EVERY_TEXT)
def test_every_text_of_every_kind_is_told_with_file_and_line(kind: Any, path: str, text: str) -> None:
    place = path.replace("KIND.", f"{kind.name}[0].") if "KIND." in path else f"{kind.name}[0].{path}"
    for value, word in MISREAD.items():
        if word is None or (word == "a date" and path in kind.times):
            expected = []
        else:
            expected = [f"a.yml: line 2: {place} must be text, but YAML reads {word}. Put it in quotes."]
        assert told(kind, path, text, value) == expected, value
        for quoted in (f'"{value}"', f"'{value}'", f"!!str {value}", f"!unsafe '{value}'"):
            assert told(kind, path, text, quoted) == []


@pytest.mark.parametrize(("kind", "path", "text"), EVERY_TEXT)
def test_an_id_may_stand_where_a_name_is_not_meant(kind: Any, path: str, text: str) -> None:
    is_name = path.rpartition(".")[2] == "name" or path.startswith("a name in")
    for value in ("4711", "0", "-1"):
        assert bool(told(kind, path, text, value)) is is_name


@pytest.mark.parametrize("value", ["~", "null"])
def test_nothing_is_no_name_and_no_member_of_a_list_but_leaves_an_option_alone(value: str) -> None:
    assert text_problems(f"webapps:\n  - name: {value}\n", "a.yml", KINDS) == [
        "a.yml: line 2: webapps[0].name must be text, but YAML reads nothing. Put it in quotes."
    ]
    assert text_problems(f"webapps:\n  - tags: [prod,\n      {value}]\n", "a.yml", KINDS) == [
        "a.yml: line 3: webapps[0].tags[1] must be text, but YAML reads nothing. Put it in quotes."
    ]
    assert text_problems(f"webapps: [{{name: x, url: {value}, attributes: {{a: {value}}}}}]", "a.yml", KINDS) == []


def test_what_is_no_text_may_be_what_it_is() -> None:
    text = "webapps: [{id: 10, name: x, use_sitemap: yes, cancel_after: 8}]\nschedules: [{id: 1, active: no}]\n"
    assert text_problems(text, "a.yml", KINDS) == []


def test_a_value_is_never_shown() -> None:
    text = "auth_records:\n  - {name: x, form: {type: CUSTOM, fields: [{name: pin, value: 0815_4711}]}}\n"
    (found,) = text_problems(text.replace("0815", "0715"), "a.yml", KINDS)
    assert "4711" not in found


def test_what_an_anchor_shares_is_told_once_and_what_is_merged_is_seen() -> None:
    text = "webapps:\n  - &a {name: x, default_profile: 010}\n  - {<<: *a, name: y}\n  - {<<: [*a], name: no}\n"
    assert text_problems(text, "a.yml", KINDS) == [
        "a.yml: line 2: webapps[0].default_profile must be text, but YAML reads a number. Put it in quotes.",
        "a.yml: line 4: webapps[2].name must be text, but YAML reads true or false. Put it in quotes.",
    ]


def test_aliases_of_aliases_cost_no_time() -> None:
    levels = ["webapps:", "  - {attributes: &l0 {x: y}}"]
    levels += [f"  - {{tags: &l{n} [*l{n - 1}, *l{n - 1}], uris: *l{n - 1}}}" for n in range(1, 60)]
    assert text_problems("\n".join(levels), "a.yml", KINDS) == []

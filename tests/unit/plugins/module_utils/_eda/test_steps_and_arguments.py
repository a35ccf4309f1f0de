# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts that attackers wrote, and arguments that users wrote."""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import OptionError
from ansible_collections.appsec.perimeter.plugins.module_utils._eda import findings, waf_events
from ansible_collections.appsec.perimeter.plugins.module_utils._eda.arguments import QUEUE, checked, schema
from ansible_collections.appsec.perimeter.plugins.module_utils._eda.steps import defused, event_uuid

TABLE = waf_events.TABLE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ 1 }}", "{ { 1 }}"),
        ("{%raw%}{#x#}", "{ %raw%}{ #x#}"),
        ("{{{{{", "{ { { { {"),
        ("#jinja2: variable_start_string:'[['\n[[ 1 ]]", "# jinja2: variable_start_string:'[['\n[[ 1 ]]"),
        (" #JINJA2:x", " # JINJA2:x"),
        ("a{b} # c", "a{b} # c"),
        ("nul\0 and \ud800", "nul\ufffd and ?"),
    ],
)
def test_no_template_can_begin_in_a_text(text: str, expected: str) -> None:
    assert defused(text) == expected
    assert not re.search(r"\{[{%#]", defused(text))


def test_an_identity_never_changes() -> None:
    assert event_uuid("stream", "key") == "f8f2e10e-a18b-5a1f-9ebe-8d87d49dc54f"
    assert event_uuid("other", "key") != "f8f2e10e-a18b-5a1f-9ebe-8d87d49dc54f" != event_uuid("stream", "other")


def test_texts_of_a_rulebook_become_what_they_mean() -> None:
    given = {
        "vendor": "edgecast", "interval": "5m", "lag": 0, "queue_size": "50", "feedback": "True", "timeout": "2.5",
        "max_backoff": "30", "event_filters": {"Host": "a"}, "token": 12345, QUEUE: object(),
    }  # fmt: skip
    found = checked(given, TABLE, {})
    assert found["interval"] == 300.0
    assert (found["lag"], found["queue_size"], found["feedback"], found["timeout"]) == (0.0, 50, True, 2.5)
    assert found["max_backoff"] == 30.0
    assert found["token"] == "12345"
    assert found["initial"] == "now"


def test_an_argument_beats_its_variable_and_an_empty_one_is_none() -> None:
    assert checked({}, TABLE, {"PERIMETER_STATE_DIR": "/a"})["state_dir"] == "/a"
    assert checked({"state_dir": "/b"}, TABLE, {"PERIMETER_STATE_DIR": "/a"})["state_dir"] == "/b"
    assert checked({"state_dir": ""}, TABLE, {"PERIMETER_STATE_DIR": ""})["state_dir"] is None


BAD: list[tuple[dict[str, Any], str]] = [
    ({"queue_sise": 5}, "queue_sise is not an argument of this event source. Did you mean queue_size?"),
    ({"zzz": 5}, "The arguments are account_number,"),
    ({"vendor": "akamai"}, "vendor must be one of edgecast, scutum."),
    ({"queue_size": 1}, "queue_size must be at least 2."),
    ({"queue_size": 1.5}, "queue_size must be a whole number."),
    ({"queue_size": 1e6}, "queue_size must be at most 10000."),
    ({"interval": "soon"}, "interval must be a duration such as 90s, 15m or 7d."),
    ({"interval": 0}, "interval must be at least 1."),
    ({"feedback": "maybe"}, "feedback must be true or false."),
    ({"event_filters": "Host"}, "event_filters must be an object."),
    ({"timeout": True}, "timeout must be a number."),
    ({"consumer": "../x"}, "consumer must match"),
    ({"token": ["secret"]}, "token must be a text."),
    ({"ca_path": {"a": 1}}, "ca_path must be a path."),
]


@pytest.mark.parametrize(("given", "sentence"), BAD)
def test_a_wrong_argument_is_refused_in_a_sentence_without_its_value(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(OptionError) as caught:
        checked(given, TABLE, {})
    assert sentence in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_list_may_be_one_text() -> None:
    assert checked({"changes": "new,fixed"}, findings.TABLE, {})["changes"] == ["new", "fixed"]
    with pytest.raises(OptionError, match="changes must be one of new,"):
        checked({"changes": ["changed"]}, findings.TABLE, {})
    with pytest.raises(OptionError, match="filters must be a list"):
        checked({"filters": {}}, findings.TABLE, {})


@pytest.mark.parametrize("table", [TABLE, findings.TABLE])
def test_the_schema_says_the_same_as_the_check(table: Any) -> None:
    said = schema(table)
    jsonschema.Draft202012Validator.check_schema(said)
    validator = jsonschema.Draft202012Validator(said)
    for given, _sentence in BAD:
        if set(given) <= set(table):
            assert not validator.is_valid(given) or given in ({"interval": 0},), given
    assert validator.is_valid({"interval": "5m", "consumer": "soc-1", "queue_size": 50})

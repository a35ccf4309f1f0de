# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From options and present state to a plan: what changes, what does not, and how it is shown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import OptionError
from ansible_collections.appsec.perimeter.plugins.module_utils._reconcile.desired import desired_record, given_fields
from ansible_collections.appsec.perimeter.plugins.module_utils._reconcile.plan import (
    CHANGED,
    diff_of,
    plan_absent,
    plan_present,
    shown_record,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._reconcile.spec import Field, option_spec
from ansible_collections.appsec.perimeter.plugins.module_utils._records.redaction.values import MARKER

TITLE = Field(name="title", normalise=str.strip, key=str.lower)
LABELS = Field(name="labels", kind="list", option={"type": "list", "elements": "str"}, normalise=str.strip)
PAIRS = Field(name="pairs", kind="mapping", option={"type": "dict"}, normalise=str)
KEYED = Field(name="keyed", kind="list", key=lambda item: item["name"])
SECRET = Field(name="secret", option={"type": "str", "no_log": True}, show=lambda _value: MARKER)
SECRETS = Field(name="secrets", kind="list", show=lambda value: f"{value[0]}: {MARKER}")
FIELDS = (TITLE, LABELS, PAIRS, KEYED, SECRET, SECRETS)
LABEL = "thing 'x'"


def plan(before: dict[str, Any] | None, **options: Any) -> Any:
    return plan_present(FIELDS, LABEL, before, options)


def test_an_option_that_was_not_given_leaves_its_field_alone() -> None:
    done = plan({"title": "a", "labels": ["x"]}, title=None, labels=None, labels_mode="set")
    assert (done.action, done.changed, done.changes) == ("none", False, ())


def test_only_what_differs_is_in_the_plan() -> None:
    done = plan({"title": "a", "labels": ["x"], "pairs": {"k": "v"}}, title="b", labels=["x"], pairs={"k": "v"})
    assert [change.field.name for change in done.changes] == ["title"]
    assert done.after == {"title": "b", "labels": ["x"], "pairs": {"k": "v"}}


def test_a_scalar_is_compared_by_its_key_and_written_as_given() -> None:
    assert not plan({"title": "Shop"}, title=" shop ").changed
    assert plan({"title": "Shop"}, title=" Other ").after["title"] == "Other"


def test_the_order_of_a_list_does_not_matter() -> None:
    assert not plan({"labels": ["a", "b"]}, labels=["b", "a", " a "]).changed


@pytest.mark.parametrize("options", [{"title": ""}, {"labels": []}, {"pairs": {}}])
def test_empty_clears(options: dict[str, Any]) -> None:
    before = {"title": "a", "labels": ["x"], "pairs": {"k": "v"}}
    done = plan(before, **options)
    assert [change.field.name for change in done.changes] == list(options)
    assert not plan(done.after, **options).changed


@pytest.mark.parametrize("options", [{"title": ""}, {"labels": []}, {"pairs": {}}, {"labels_remove": ["x"]}])
def test_clearing_what_is_empty_changes_nothing(options: dict[str, Any]) -> None:
    assert not plan({"title": None, "labels": [], "pairs": {}}, **options).changed
    assert not plan({}, **options).changed


@pytest.mark.parametrize(
    ("options", "after"),
    [
        ({"labels": ["c"]}, ["c"]),
        ({"labels": ["c"], "labels_mode": "add"}, ["a", "b", "c"]),
        ({"labels_add": ["c"]}, ["a", "b", "c"]),
        ({"labels": ["a", "z"], "labels_mode": "remove"}, ["b"]),
        ({"labels_remove": ["a", "z"]}, ["b"]),
        ({"labels_add": ["c"], "labels_remove": ["a"]}, ["b", "c"]),
        ({"labels": ["c"], "labels_mode": "add", "labels_remove": ["b"]}, ["a", "c"]),
        ({"labels": ["b"], "labels_mode": "remove", "labels_add": ["d"]}, ["a", "d"]),
    ],
)
def test_each_mode_of_a_list(options: dict[str, Any], after: list[str]) -> None:
    assert plan({"labels": ["a", "b"]}, **options).after["labels"] == after


@pytest.mark.parametrize(
    ("options", "after"),
    [
        ({"pairs": {"c": 3}}, {"c": "3"}),
        ({"pairs_add": {"a": "9", "c": "3"}}, {"a": "9", "b": "2", "c": "3"}),
        ({"pairs": {"c": "3"}, "pairs_mode": "add"}, {"a": "1", "b": "2", "c": "3"}),
        ({"pairs_remove": ["a", "z"]}, {"b": "2"}),
        ({"pairs": {"a": "whatever"}, "pairs_mode": "remove"}, {"b": "2"}),
        ({"pairs_add": {"c": "3"}, "pairs_remove": ["a"]}, {"b": "2", "c": "3"}),
    ],
)
def test_each_mode_of_a_mapping(options: dict[str, Any], after: dict[str, str]) -> None:
    assert plan({"pairs": {"a": "1", "b": "2"}}, **options).after["pairs"] == after


def test_a_change_says_what_is_added_and_what_goes() -> None:
    (labels,) = plan({"labels": ["a", "b"]}, labels_add=["c"], labels_remove=["a", "z"]).changes
    assert (labels.added, labels.removed, labels.replace) == (("c",), ("a",), False)
    (keyed,) = plan({"keyed": [{"name": "s", "v": 1}]}, keyed=[{"name": "s", "v": 2}]).changes
    assert (keyed.added, keyed.removed, keyed.replace) == (({"name": "s", "v": 2},), (), True)
    (pairs,) = plan({"pairs": {"a": "1", "b": "2"}}, pairs={"a": "9"}).changes
    assert (pairs.added, pairs.removed) == ((("a", "9"),), (("b", "2"),))


@pytest.mark.parametrize(
    "options",
    [
        {"labels": ["a"], "labels_add": ["b"]},
        {"labels": [], "labels_remove": ["b"]},
        {"labels": ["a"], "labels_mode": "add", "labels_add": ["b"]},
        {"labels": ["a"], "labels_mode": "remove", "labels_remove": ["b"]},
        {"labels_add": ["a"], "labels_remove": [" a "]},
        {"pairs_add": {"a": 1}, "pairs_remove": ["a"]},
        {"keyed": [{"name": "s", "v": 1}, {"name": "s", "v": 2}]},
    ],
)
def test_options_that_contradict_each_other_are_refused_by_name(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=rf"^{next(iter(options)).partition('_')[0]}: "):
        plan({}, **options)


def test_a_record_that_does_not_exist_is_created_with_what_was_given() -> None:
    done = plan(None, title="a", labels=[], labels_mode="set")
    assert (done.action, done.before, done.after) == ("create", None, {"title": "a", "labels": []})
    assert [change.field.name for change in done.changes] == ["title"]


def test_absence_is_planned_by_whether_there_is_something() -> None:
    assert plan_absent(LABEL, None).action == "none"
    assert plan_absent(LABEL, {"id": 1}).action == "delete"


ITEMS = st.lists(st.sampled_from("abcdef"), max_size=5)
EDITS = st.one_of(
    st.fixed_dictionaries({"labels": ITEMS}),
    st.fixed_dictionaries({"labels": ITEMS, "labels_mode": st.sampled_from(["add", "remove"])}),
    st.fixed_dictionaries({}, optional={"labels_add": ITEMS, "labels_remove": ITEMS}),
)
MAPPINGS = st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["1", "2"]), max_size=4)
MAPPING_EDITS = st.one_of(
    st.fixed_dictionaries({"pairs": MAPPINGS}, optional={"pairs_mode": st.sampled_from(["set", "add", "remove"])}),
    st.fixed_dictionaries({}, optional={"pairs_add": MAPPINGS, "pairs_remove": ITEMS}),
)


@given(present=ITEMS, edit=EDITS, pairs=MAPPINGS, mapping_edit=MAPPING_EDITS)
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(
    present: list[str], edit: dict[str, Any], pairs: dict[str, str], mapping_edit: dict[str, Any]
) -> None:
    before = {"labels": present, "pairs": pairs}
    try:
        done = plan(before, **edit, **mapping_edit)
    except OptionError:
        return
    assert not plan(done.after, **edit, **mapping_edit).changed


@given(present=st.lists(st.sampled_from("abcdef"), unique=True), edit=EDITS)
def test_the_added_and_removed_items_lead_from_before_to_after(present: list[str], edit: dict[str, Any]) -> None:
    try:
        done = plan({"labels": present}, **edit)
    except OptionError:
        return
    found = set(present)
    for change in done.changes:
        assert not set(change.added) & set(present)
        assert set(change.removed) <= set(present)
        found = (found - set(change.removed)) | set(change.added)
    assert found == set(done.after["labels"])


@given(present=ITEMS, edit=EDITS)
def test_planning_changes_neither_the_present_nor_the_options(present: list[str], edit: dict[str, Any]) -> None:
    before, options = {"labels": list(present)}, {key: list(value) for key, value in edit.items()}
    try:
        plan(before, **edit)
    except OptionError:
        pass
    assert before == {"labels": present}
    assert {key: list(value) for key, value in edit.items()} == options


def test_a_diff_shows_only_the_fields_that_differ() -> None:
    done = plan({"id": 1, "title": "a", "labels": ["x"]}, title="b", labels=["x"])
    assert diff_of(done) == {
        "before": {"title": "a"},
        "after": {"title": "b"},
        "before_header": LABEL,
        "after_header": LABEL,
    }


def test_a_diff_never_shows_a_secret_and_still_says_that_one_changed() -> None:
    done = plan({"secret": "old-canary", "secrets": ["a=old-canary"]}, secret="new-canary", secrets=["a=new-canary"])
    shown = diff_of(done)
    assert "canary" not in repr(shown)
    assert shown["before"]["secret"] == MARKER
    assert shown["after"] == {"secret": CHANGED, "secrets": CHANGED}


def test_a_diff_of_a_create_has_nothing_before_and_of_a_delete_nothing_after() -> None:
    assert diff_of(plan(None, title="a"))["before"] == {}
    shown = diff_of(plan_absent(LABEL, {"id": 1, "name": "x", "secret": "canary"}))
    assert (shown["before"], shown["after"]) == ({"id": 1, "name": "x"}, {})


def test_a_shown_record_has_no_secret_and_keeps_the_read_only_keys() -> None:
    record = {"id": 7, "secret": "canary", "secrets": ["a=canary"], "title": None, "pairs": {"k": "v"}}
    shown = shown_record(FIELDS, record)
    assert shown == {"id": 7, "secret": MARKER, "secrets": [f"a: {MARKER}"], "title": None, "pairs": {"k": "v"}}
    assert record["secret"] == "canary"
    assert shown_record(FIELDS, None) is None


def test_a_field_is_given_when_any_of_its_options_is_and_a_mode_alone_is_none() -> None:
    names = [field.name for field in given_fields(FIELDS, {"labels_mode": "add", "pairs_remove": [], "title": ""})]
    assert names == ["title", "pairs"]


def test_the_desired_record_keeps_what_is_not_a_field() -> None:
    assert desired_record(FIELDS, {"id": 1, "title": "a"}, {"title": "b"}) == {"id": 1, "title": "b"}


def test_a_list_brings_a_mode_and_options_to_add_and_to_remove() -> None:
    spec = option_spec((TITLE, LABELS, PAIRS))
    assert list(spec) == [
        *("title", "labels", "labels_mode", "labels_add", "labels_remove"),
        *("pairs", "pairs_mode", "pairs_add", "pairs_remove"),
    ]
    assert spec["labels_mode"] == {"type": "str", "choices": ["set", "add", "remove"], "default": "set"}
    assert spec["pairs_add"] == {"type": "dict"}
    assert spec["pairs_remove"] == {"type": "list", "elements": "str"}


def test_the_empty_value_of_each_kind() -> None:
    assert [field.empty() for field in (TITLE, LABELS, PAIRS)] == [None, [], {}]

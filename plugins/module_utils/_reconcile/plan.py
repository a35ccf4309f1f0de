# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Computes what has to be written to reach the desired state, and the diff that shows it.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .._records.redaction.values import MARKER
from .desired import desired_record, given_fields
from .spec import Field, Fields, Options, Record

Action = t.Literal["create", "update", "delete", "none"]

CHANGED = f"{MARKER} (changed)"
"""Replaces the secret on the new side of a diff in which only secrets differ."""


@dataclasses.dataclass(frozen=True)
class Change:
    """One field that differs.

    Attributes:
        field: the field.
        before: its present value, normalised.
        after: its desired value, normalised.
        added: items (or name and value pairs) that are new or have new content.
        removed: items (or names) to remove.
        replace: whether the user gave the whole list, instead of additions or removals.
    """

    field: Field
    before: t.Any
    after: t.Any
    added: tuple[t.Any, ...] = ()
    removed: tuple[t.Any, ...] = ()
    replace: bool = True


@dataclasses.dataclass(frozen=True)
class Plan:
    """What to do with one record.

    Attributes:
        action: what to do.
        label: name of the record in messages.
        before: the present record, or None.
        after: the desired record, or None for a record that shall be absent.
        changes: the fields to write, for create and update.
    """

    action: Action
    label: str
    before: Record | None
    after: Record | None
    changes: tuple[Change, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether anything has to be written."""
        return self.action != "none"


def plan_present(fields: Fields, label: str, before: Record | None, options: Options) -> Plan:
    """Return the plan for a record that shall exist.

    Raises:
        OptionError: an option is malformed or contradicts another.
    """
    after = desired_record(fields, before, options)
    changes = tuple(
        change for field in given_fields(fields, options) if (change := _change(field, before, after, options))
    )
    if before is None:
        return Plan("create", label, None, after, changes)
    return Plan("update" if changes else "none", label, before, after, changes)


def plan_absent(label: str, before: Record | None) -> Plan:
    """Return the plan for a record that shall be absent."""
    return Plan("none" if before is None else "delete", label, before, None)


def _change(field: Field, present: Record | None, after: Record, options: Options) -> Change | None:
    old, new = (present or {}).get(field.name), after.get(field.name)
    # For a new record, a given value is sent even if it is the default: the known default may be wrong.
    chosen = present is None and field.kind == "scalar" and new is not None
    if field.key_of(old) == field.key_of(new) and not chosen:
        return None
    if field.kind == "scalar":
        return Change(field, old, new)
    old_items, new_items = field.items_of(old), field.items_of(new)
    added = tuple(item for key, item in new_items.items() if old_items.get(key) != item)
    removed = tuple(item for key, item in old_items.items() if key not in new_items)
    replace = options.get(field.name) is not None and (options.get(f"{field.name}_mode") or "set") == "set"
    return Change(field, old or field.empty(), new or field.empty(), added, removed, replace)


def holds(change: Change, present: Record) -> bool:
    """Return whether a record that was read after the write has the desired value of a change."""
    field = change.field
    return bool(field.key_of(present.get(field.name)) == field.key_of(change.after))


def shown_record(fields: Fields, record: Record | None) -> Record | None:
    """Return a record with every secret replaced by a marker."""
    if record is None:
        return None
    shown = dict(record)
    for field in fields:
        if field.name in shown:
            shown[field.name] = field.shown(shown[field.name])
    return shown


def diff_of(plan: Plan) -> dict[str, t.Any]:
    """Return the fields that differ, before and after, with every secret redacted on both sides."""
    before: Record = {}
    after: Record = {}
    if plan.action == "delete":
        before = {key: plan.before[key] for key in ("id", "name") if plan.before and key in plan.before}
    for change in plan.changes:
        name, field = change.field.name, change.field
        old, new = field.shown(change.before), field.shown(change.after)
        if old == new:
            # Only a secret differs: show that it does, and nothing else.
            new = CHANGED
        if plan.action != "create":
            before[name] = old
        after[name] = new
    header = f"{plan.label}"
    return {"before": before, "after": after, "before_header": header, "after_header": header}

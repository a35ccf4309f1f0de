# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A record that another one names, by name or id.

This module is private to the collection and may change at any time.

The filters of the catalog need the fields of each record, and with them references, but no client. ``references.py``
looks references up.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..api.shapes import Raw, number, text


@dataclasses.dataclass(frozen=True)
class Reference:
    """A record that another one names. At least one of the two is set."""

    id: int | None
    name: str | None

    @classmethod
    def of(cls, raw: Raw) -> Reference:
        """From Qualys' ``{id, name}``, or a user's ``{id, username}``."""
        return cls(number(raw.get("id")), text(raw.get("name")) or text(raw.get("username")))


def is_id(word: str) -> bool:
    """Whether a user means an id."""
    return word.isascii() and word.isdigit()


def reference_key(reference: Reference) -> t.Hashable:
    """What makes two references the same."""
    return reference.id if reference.id is not None else reference.name


def references_in(value: t.Any) -> t.Iterator[Reference]:
    """Every reference in the value of a field: one, a list, or one inside of something larger."""
    if isinstance(value, Reference):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from references_in(item)
    elif dataclasses.is_dataclass(value):
        for member in dataclasses.fields(value):
            yield from references_in(getattr(value, member.name))


def without_names(value: t.Any, names: t.Collection[str]) -> t.Any:
    """The same value, in which the references with these names are known by their ids only."""
    if isinstance(value, Reference):
        return dataclasses.replace(value, name=None) if value.name in names and value.id is not None else value
    if isinstance(value, (list, tuple)):
        return type(value)(without_names(item, names) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changed = {
            member.name: without_names(getattr(value, member.name), names) for member in dataclasses.fields(value)
        }
        return dataclasses.replace(value, **changed)
    return value


def show_reference(reference: Reference) -> str:
    """The form that an option takes: the name, or the id where the name would be read as something else."""
    name = reference.name
    if name and not is_id(name) and name == name.strip():
        return name
    return str(reference.id) if reference.id is not None else str(name)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A reference to a record, by name or id.

This module is private to the collection and may change at any time.

The filters of the catalog need the fields of each record, and so references, but no client: ``references.py`` has what
needs one, the look-ups by name.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..api.shapes import Raw, number, text


@dataclasses.dataclass(frozen=True)
class Reference:
    """A reference to a record. At least one of id and name is set."""

    id: int | None
    name: str | None

    @classmethod
    def of(cls, raw: Raw) -> Reference:
        """Return the reference in Qualys' ``{id, name}``, or ``{id, username}`` for a user."""
        return cls(number(raw.get("id")), text(raw.get("name")) or text(raw.get("username")))


def is_id(word: str) -> bool:
    """Whether a name or id that a user wrote is an id."""
    return word.isascii() and word.isdigit()


def reference_key(reference: Reference) -> t.Hashable:
    """Return the key of a reference: two references with the same key are equal."""
    return reference.id if reference.id is not None else reference.name


def references_in(value: t.Any) -> t.Iterator[Reference]:
    """Yield every reference in the value of a field: a reference, a list, or a dataclass with references."""
    if isinstance(value, Reference):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from references_in(item)
    elif dataclasses.is_dataclass(value):
        for member in dataclasses.fields(value):
            yield from references_in(getattr(value, member.name))


def without_names(value: t.Any, names: t.Collection[str]) -> t.Any:
    """Return the value with the names removed from references that have one of these names and an id."""
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
    """Return what to write in an option: the name, or the id if the option would not read the name as this name."""
    name = reference.name
    if name and not is_id(name) and name == name.strip():
        return name
    return str(reference.id) if reference.id is not None else str(name)

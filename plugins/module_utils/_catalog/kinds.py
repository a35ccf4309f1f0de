# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of records in a catalog, each with the options that an entry may have.

This module is private to the collection and may change at any time.

This room does not depend on a vendor: the filters pass it the options of the modules that apply a catalog.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .._records.redaction.values import MARKER

LIKE = "like"
"""The option that names another entry, from which an entry inherits the options that it does not set itself."""

Entry = dict[str, t.Any]
"""One record of a catalog: options of the module that applies it."""

Options = t.Mapping[str, t.Mapping[str, t.Any]]
"""Ansible's specification of options, as plain data."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """One key of a catalog.

    Attributes:
        name: the key, such as ``webapps``.
        word: the noun for one record in messages.
        options: the options that an entry may have.
        references: the fields that name records of other kinds; the values are the names of these kinds.
        identity: the fields that, together with the name, identify an entry, because the module searches by them too.
        not_written: options that an import leaves out.
        defaults: the values that options have in a record that shows none.
        times: options that hold a time, which YAML may read as a date.
        singular: for a kind without a plural module, the key of the record in the result of its module.
        knows_marker: whether the module itself leaves a secret alone that is given as the marker.
    """

    name: str
    word: str
    options: Options
    references: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    identity: tuple[str, ...] = ()
    not_written: tuple[str, ...] = ()
    defaults: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    times: tuple[str, ...] = ()
    singular: str | None = None
    knows_marker: bool = False

    def label(self, entry: t.Mapping[str, t.Any]) -> str:
        """Return what messages call an entry: its name in quotes, or its id."""
        if entry.get("id") is not None and not entry.get("name"):
            return f"id {entry['id']}"
        return repr(str(entry.get("name") or "").strip())

    def identify(self, entry: t.Mapping[str, t.Any]) -> tuple[str, ...]:
        """Return a key that is unique among the entries of this kind."""
        if entry.get("id") is not None:
            return (str(entry["id"]),)
        return ("", *(str(entry.get(name) or "").strip() for name in ("name", *self.identity)))


def is_marker(value: t.Any) -> bool:
    """Return whether a value is the marker for a secret, alone or as the value of a header."""
    return isinstance(value, str) and (value == MARKER or value.endswith(f": {MARKER}"))

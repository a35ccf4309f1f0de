# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a catalog holds: kinds of records, each with the options that an entry may have.

This module is private to the collection and may change at any time.

The room knows no vendor: the filters hand it the options of the modules that carry a catalog out.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .._records.redaction.values import MARKER

LIKE = "like"
"""The option of an entry that names another one, whose options it has where it says nothing itself."""

Entry = dict[str, t.Any]
"""One record of a catalog: the options of the module that makes it so."""

Options = t.Mapping[str, t.Mapping[str, t.Any]]
"""Ansible's specification of options, as plain data."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """One key of a catalog.

    Attributes:
        name: the key, such as ``webapps``.
        word: what messages call one record.
        options: what an entry may have.
        references: fields that name records of other kinds, and the kind.
        identity: fields that, beside the name, tell entries of the same name apart, because the module looks at them.
        not_written: options that an import leaves out.
        defaults: what a record has that shows no value of an option.
        times: options that hold a time, which YAML may read as one.
        singular: key of the record in the result of the module, where there is none for many.
        knows_marker: whether the module itself takes the marker for "as it is".
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
        """How messages call an entry."""
        if entry.get("id") is not None and not entry.get("name"):
            return f"id {entry['id']}"
        return repr(str(entry.get("name") or "").strip())

    def identify(self, entry: t.Mapping[str, t.Any]) -> tuple[str, ...]:
        """What no two entries of a catalog have in common."""
        if entry.get("id") is not None:
            return (str(entry["id"]),)
        return ("", *(str(entry.get(name) or "").strip() for name in ("name", *self.identity)))


def is_marker(value: t.Any) -> bool:
    """Whether a value is the placeholder of a secret, alone or as the value of a header."""
    return isinstance(value, str) and (value == MARKER or value.endswith(f": {MARKER}"))

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Field specifications: what a resource has, how its values are compared, and what must never be shown.

This module is private to the collection and may change at any time.

A vendor room describes a resource once, as a tuple of fields. Options of modules, comparison, plan, diff and redaction
all follow from it.
"""

from __future__ import annotations

import dataclasses
import typing as t

Kind = t.Literal["scalar", "list", "mapping"]
Options = t.Mapping[str, t.Any]


def same(value: t.Any) -> t.Any:
    """The value itself."""
    return value


@dataclasses.dataclass(frozen=True, kw_only=True)
class Field:
    """One property of a resource, in the form in which a user writes it.

    Attributes:
        name: the option, and the key in results.
        kind: ``scalar``; ``list`` of items without order; ``mapping`` of names to values.
        option: Ansible's specification of the option, as plain data (``type``, ``elements``, ``choices`` ...).
        normalise: brings one value (one item of a list) into the form in which it is compared. Raises OptionError.
        key: what makes two items of a list the same item, or two scalars equal; the value itself by default.
        show: how one value (one item of a list) is shown; a secret is shown as a marker, a reference by its name.
        read: the cheapest vendor read that holds the field; its meaning is the vendor room's.
    """

    name: str
    kind: Kind = "scalar"
    option: Options = dataclasses.field(default_factory=dict)
    normalise: t.Callable[[t.Any], t.Any] = same
    key: t.Callable[[t.Any], t.Hashable] = same
    show: t.Callable[[t.Any], t.Any] = same
    read: int = 0

    def empty(self) -> t.Any:
        """The value of a field that has none."""
        return {"scalar": None, "list": [], "mapping": {}}[self.kind]

    def shown(self, value: t.Any) -> t.Any:
        """The value as it may appear in a result, a diff or an error."""
        if value is None:
            return None
        if self.kind == "list":
            return [self.show(item) for item in value]
        if self.kind == "mapping":
            return {name: self.show(item) for name, item in value.items()}
        return self.show(value)


Fields = t.Sequence[Field]
Record = dict[str, t.Any]
"""A resource in option form: one key for each field, plus the vendor's read-only keys."""


def option_spec(fields: Fields) -> dict[str, dict[str, t.Any]]:
    """Ansible's argument specification for the fields: each list also has ``_mode``, ``_add`` and ``_remove``."""
    spec: dict[str, dict[str, t.Any]] = {}
    for field in fields:
        spec[field.name] = dict(field.option)
        if field.kind == "scalar":
            continue
        spec[f"{field.name}_mode"] = {"type": "str", "choices": ["set", "add", "remove"], "default": "set"}
        spec[f"{field.name}_add"] = dict(field.option)
        spec[f"{field.name}_remove"] = _removal_option(field)
    return spec


def _removal_option(field: Field) -> dict[str, t.Any]:
    if field.kind == "mapping":
        return {"type": "list", "elements": "str"}
    return dict(field.option)

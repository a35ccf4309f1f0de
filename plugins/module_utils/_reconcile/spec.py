# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Field specifications: the fields of a resource, how values are compared, and which are never shown.

This module is private to the collection and may change at any time.

A vendor room describes a resource once, as a tuple of fields. The options of modules, comparison, plan, diff and
redaction are derived from it.
"""

from __future__ import annotations

import dataclasses
import typing as t

Kind = t.Literal["scalar", "list", "mapping"]
Options = t.Mapping[str, t.Any]


def same(value: t.Any) -> t.Any:
    """Return the value unchanged."""
    return value


def without_nulls(value: t.Any) -> t.Any:
    """Return the value without null members: Ansible adds a null for each option that was not given."""
    if isinstance(value, dict):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


@dataclasses.dataclass(frozen=True, kw_only=True)
class Field:
    """One property of a resource, in the form in which users write it.

    Attributes:
        name: the option, and the key in results.
        kind: ``scalar``; ``list`` of items without order; ``mapping`` of names to values.
        option: Ansible's specification of the option, as plain data (``type``, ``elements``, ``options`` ...). Its
            ``choices``, and those of its members, are the vendor's known words. They are not passed to Ansible, because
            a word that the vendor returned must be accepted when it is written back, see :func:`.desired.check_words`.
        normalise: returns one value (one item of a list) in the form in which it is compared. Raises OptionError.
        key: what makes two items of a list the same item, or two scalars equal; the value itself by default.
        show: how one value (one item of a list) is shown; a secret is shown as a marker, a reference by its name.
        read: the cheapest vendor read that returns the field; the vendor room defines the numbers.
        removal_option: Ansible's specification of ``<name>_remove``, if an entry's key is enough to remove it; by
            default that of ``option``.
        removal: returns the key of the items that one entry of ``<name>_remove`` removes. Raises OptionError.
        aliases: returns further keys by which an item can be removed.
        default: the known value of a field for which a record shows none; both compare as equal. None if there is none.
        slot: returns a key that the vendor allows only one item to have, so that an added item replaces a present one
            of the same slot. None if items do not exclude each other.
        add_notes, remove_notes: additional sentences for the documentation of ``<name>_add`` and ``<name>_remove``.
    """

    name: str
    kind: Kind = "scalar"
    option: Options = dataclasses.field(default_factory=dict)
    normalise: t.Callable[[t.Any], t.Any] = same
    key: t.Callable[[t.Any], t.Hashable] = same
    show: t.Callable[[t.Any], t.Any] = same
    read: int = 0
    removal_option: Options | None = None
    removal: t.Callable[[t.Any], t.Hashable] | None = None
    aliases: t.Callable[[t.Any], t.Iterable[t.Hashable]] | None = None
    slot: t.Callable[[t.Any], t.Hashable] | None = None
    default: t.Any = None
    add_notes: tuple[str, ...] = ()
    remove_notes: tuple[str, ...] = ()

    def is_shown(self, present: t.Any, written: t.Any) -> bool:
        """Return whether a written value equals the present value as results show it, and so stands for it."""
        return present is not None and without_nulls(written) == without_nulls(self.shown(present))

    def removal_key(self, written: t.Any) -> t.Hashable:
        """Return the key of the items that one entry of ``<name>_remove`` removes."""
        return self.key(self.normalise(written)) if self.removal is None else self.removal(written)

    def keys_of(self, item: t.Any) -> set[t.Hashable]:
        """Return every key by which an item can be removed."""
        return {self.key(item), *(self.aliases(item) if self.aliases is not None else ())}

    def key_of(self, value: t.Any) -> t.Any:
        """Return the key of a value of the whole field: two values with the same key are equal."""
        if self.kind == "scalar":
            value = self.default if value is None else value
            return None if value is None else self.key(value)
        return self.items_of(value)

    def items_of(self, value: t.Any) -> dict[t.Hashable, t.Any]:
        """Return the items of a list by their keys, or the pairs of a mapping by their names."""
        if self.kind == "mapping":
            return {name: (name, item) for name, item in (value or {}).items()}
        return {self.key(item): item for item in value or ()}

    def empty(self) -> t.Any:
        """Return the value of an empty field."""
        return {"scalar": None, "list": [], "mapping": {}}[self.kind]

    def shown(self, value: t.Any) -> t.Any:
        """Return the value for a result, a diff or an error."""
        if value is None:
            return None
        if self.kind == "list":
            return [self.show(item) for item in value]
        if self.kind == "mapping":
            return {name: self.show(item) for name, item in value.items()}
        return self.show(value)


Fields = t.Sequence[Field]
Record = dict[str, t.Any]
"""A resource in option form: a key for each field, plus the vendor's read-only keys."""


WORDS = "words"
"""The key under which :func:`option_spec`, with ``words``, adds an option's ``choices``."""


def option_spec(fields: Fields, *, words: bool = False) -> dict[str, dict[str, t.Any]]:
    """Return Ansible's argument specification; each list also has ``_mode``, ``_add`` and ``_remove``.

    Args:
        fields: the fields.
        words: whether options have the vendor's known words too, under the key :data:`WORDS`, which Ansible does not
            know.
    """
    spec: dict[str, dict[str, t.Any]] = {}
    for field in fields:
        spec[field.name] = _without_choices(field.option, words=words)
        if field.kind == "scalar":
            continue
        spec[f"{field.name}_mode"] = {"type": "str", "choices": ["set", "add", "remove"], "default": "set"}
        spec[f"{field.name}_add"] = _without_choices(field.option, words=words)
        spec[f"{field.name}_remove"] = _removal_option(field)
    return spec


def _without_choices(option: Options, *, words: bool = False) -> dict[str, t.Any]:
    """Return the option without ``choices``, which Ansible must not enforce."""
    found = {name: value for name, value in option.items() if name != "choices"}
    if "choices" in option and words:
        found[WORDS] = option["choices"]
    if "options" in option:
        members = option["options"].items()
        found["options"] = {name: _without_choices(member, words=words) for name, member in members}
    return found


def _removal_option(field: Field) -> dict[str, t.Any]:
    if field.kind == "mapping":
        return {"type": "list", "elements": "str"}
    return _without_choices(field.option if field.removal_option is None else field.removal_option)

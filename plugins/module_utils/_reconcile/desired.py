# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Computes the desired state from the options that the user gave and the present state.

This module is private to the collection and may change at any time.

An omitted option leaves the field alone; an empty list, mapping or text clears it. A value that equals the present
value as results show it stands for the present value: so whatever the vendor has can be read and written back, even a
value that would otherwise be refused.
"""

from __future__ import annotations

import typing as t

from .._base.errors import OptionError
from .spec import Field, Fields, Options, Record, without_nulls


def given_fields(fields: Fields, options: Options) -> list[Field]:
    """Return the fields for which an option was given."""
    return [field for field in fields if _is_given(field, options)]


def _is_given(field: Field, options: Options) -> bool:
    names = [field.name] if field.kind == "scalar" else [field.name, f"{field.name}_add", f"{field.name}_remove"]
    return any(options.get(name) is not None for name in names)


def check_edits(fields: Fields, options: Options) -> None:
    """Refuse options that contradict each other, before anything is read.

    Raises:
        OptionError: a list is both set and edited, or an entry is both added and removed.
    """
    for field in given_fields(fields, options):
        if field.kind != "scalar":
            _value, add, remove = _edits(field, options)
            _refuse_overlap(field, _words(add) & _words(remove))


def check_words(fields: Fields, options: Options, present: Record | None) -> None:
    """Refuse a word that is neither one of the vendor's known words nor the record's present word in that place.

    Args:
        fields: the fields.
        options: the options as the user gave them.
        present: the present record; None for a new one.

    Raises:
        OptionError: a word is neither known nor present.
    """
    for field in fields:
        for key in (field.name, f"{field.name}_add"):
            written = options.get(key)
            words = _words_in(field.option, written, field.name) if written is not None else ()
            strange = [found for found in words if found[1] not in found[2]]
            # Unknown words are rare, so the present value is only searched when there is one.
            shown = field.shown((present or {}).get(field.name)) if strange else None
            held = {(path, word) for path, word, _known in _words_in(field.option, shown, field.name)}
            for path, word, known in strange:
                if (path, word) not in held:
                    raise OptionError(
                        f"{path}: {word!r} is not one of {', '.join(known)}.",
                        hint="Another value is only accepted if the record already has it.",
                    )


def _words_in(option: Options, value: t.Any, path: str) -> t.Iterator[tuple[str, str, t.Sequence[str]]]:
    """Yield each word in a value for which the option has choices: its path, the word, and the choices."""
    for item in value if isinstance(value, (list, tuple)) else [value]:
        if item is None:
            continue
        if option.get("choices"):
            yield path, str(item), option["choices"]
        if isinstance(item, t.Mapping):
            for name, member in option.get("options", {}).items():
                yield from _words_in(member, item.get(name), f"{path}.{name}")


def _words(entries: t.Iterable[t.Any] | None) -> set[str]:
    """Return the entries as the user wrote them; for a mapping, its names."""
    return {str(entry).strip() for entry in entries or ()}


def desired_value(field: Field, present: t.Any, options: Options) -> t.Any:
    """Return the desired value of a field.

    Args:
        field: one of :func:`given_fields`.
        present: the field's present value, normalised; None when there is none.
        options: the options as the user gave them.

    Raises:
        OptionError: the options for this field contradict each other, or a value is malformed.
    """
    try:
        if field.kind == "scalar":
            return _scalar(field, options[field.name], present)
        if field.kind == "mapping":
            return _mapping(field, present or {}, options)
        return _list(field, present or [], options)
    except OptionError as error:
        if not error.message.startswith(field.name):
            error.message = f"{field.name}: {error.message}"
        raise


def _scalar(field: Field, value: t.Any, present: t.Any) -> t.Any:
    if value == "":
        return None
    if field.is_shown(present, value):
        return present
    return field.normalise(value)


def _edits(field: Field, options: Options) -> tuple[t.Any, t.Any, t.Any]:
    """Return the values that the options set, add and remove; None for each that is not given."""
    value = options.get(field.name)
    mode = options.get(f"{field.name}_mode") or "set"
    add = options.get(f"{field.name}_add")
    remove = options.get(f"{field.name}_remove")
    if value is not None and mode == "set" and (add is not None or remove is not None):
        raise OptionError(
            f"{field.name}: set cannot be combined with {field.name}_add or {field.name}_remove.",
            hint=f"Omit {field.name}, or set {field.name}_mode to add.",
        )
    if value is not None and mode != "set" and (add if mode == "add" else remove) is not None:
        raise OptionError(
            f"{field.name}: {field.name}_mode {mode} and {field.name}_{mode} cannot be combined.",
            hint="Give one of them.",
        )
    if mode == "add":
        return None, value if add is None else add, remove
    if mode == "remove":
        return None, add, value if remove is None else remove
    return value, add, remove


def _list(field: Field, present: list[t.Any], options: Options) -> list[t.Any]:
    value, add, remove = _edits(field, options)
    if value is not None:
        return list(_by_key(field, value, present).values())
    added = _by_key(field, add or [], present)
    removed = {field.removal_key(entry) for entry in remove or ()}
    _refuse_overlap(field, set(added) & removed)
    replaced = {field.slot(item) for item in added.values()} if field.slot is not None else set()
    kept = {
        field.key(item): item
        for item in present
        if not (removed & field.keys_of(item)) and (field.slot is None or field.slot(item) not in replaced)
    }
    return list((kept | added).values())


def _by_key(field: Field, values: t.Iterable[t.Any], present: t.Iterable[t.Any]) -> dict[t.Hashable, t.Any]:
    items: dict[t.Hashable, t.Any] = {}
    held: set[t.Hashable] = set()
    # Present items that differ only in what is not shown look the same: each written entry stands for one, in order.
    left = [((without_nulls(field.show(item)), without_nulls(item)), item) for item in present]
    for written in values:
        known = _recognised(written, left) if left else None
        item = field.normalise(written) if known is None else known
        key = field.key(item)
        # The vendor itself may have two items with one key. Then both may be listed.
        if key in items and items[key] != item and (known is None or key not in held):
            raise OptionError(f"{field.name}: the same entry is listed twice with different content.")
        items[key] = item
        held |= {key} if known is not None else set()
    return items


def _recognised(written: t.Any, left: list[tuple[t.Any, t.Any]]) -> t.Any:
    """Return the present item that an entry equals or shows, and remove it from ``left``; None if there is none."""
    plain = without_nulls(written)
    for place, (forms, item) in enumerate(left):
        if plain in forms:
            del left[place]
            return item
    return None


def _mapping(field: Field, present: dict[str, t.Any], options: Options) -> dict[str, t.Any]:
    value, add, remove = _edits(field, options)
    if value is not None:
        return {str(name): field.normalise(item) for name, item in value.items()}
    added = {str(name): field.normalise(item) for name, item in (add or {}).items()}
    removed = {str(name) for name in remove or ()}
    _refuse_overlap(field, set(added) & removed)
    return {name: item for name, item in present.items() if name not in removed} | added


def _refuse_overlap(field: Field, keys: t.Collection[t.Any]) -> None:
    if keys:
        raise OptionError(
            f"{field.name}: {len(keys)} entries are both added and removed.", hint="Either add or remove an entry."
        )


def desired_record(fields: Fields, present: Record | None, options: Options) -> Record:
    """Return the present record with every given field replaced by its desired value.

    Raises:
        OptionError: the options for a field contradict each other, or a value is malformed.
    """
    record = dict(present or {})
    for field in given_fields(fields, options):
        record[field.name] = desired_value(field, record.get(field.name), options)
    return record

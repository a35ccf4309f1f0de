# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user wrote about a web application, made comparable with what Qualys holds.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from .._http.errors import OptionError
from .._reconcile.spec import Field, Record
from .references import Reference, References
from .shapes import text
from .webapp_fields import FIELDS, REFERENCES

Written = t.Mapping[str, t.Any]


def given(options: Written) -> Record:
    """The options that were given at all, by name."""
    names = {name for field in FIELDS for name in _option_names(field)}
    return {name: value for name, value in options.items() if name in names and value is not None}


def _option_names(field: Field) -> tuple[str, ...]:
    if field.kind == "scalar":
        return (field.name,)
    return (field.name, f"{field.name}_mode", f"{field.name}_add", f"{field.name}_remove")


def label_of(options: Written) -> str:
    """How messages call the application that the options are about."""
    if options.get("id") is not None:
        return f"web application {options['id']}"
    return f"web application {options['name']!r}"


def check_identity(options: Written, where: str = "") -> None:
    """An application is named by ``id`` or by ``name``.

    Raises:
        OptionError: neither is given.
    """
    if options.get("id") is None and not text(options.get("name")):
        raise OptionError(f"{where}id or name is needed.", hint="They say which web application is meant.")


def check_creatable(options: Written) -> None:
    """A new application needs a name and a URL.

    Raises:
        OptionError: one is missing, or the record was asked for by an id that does not exist.
    """
    if options.get("id") is not None:
        raise OptionError(
            f"id: there is no web application {options['id']}, or these credentials may not see it.",
            hint="Give name and url to create one; Qualys chooses the id.",
        )
    if not text(options.get("url")):
        raise OptionError(
            f"url is needed to create the {label_of(options)}, which does not exist.",
            hint="Give url, or check the name.",
        )


def comparable(options: Written, present: Record | None, references: References) -> Record:
    """The given options, with names resolved to references and what cannot be compared left out.

    Args:
        options: as :func:`given`.
        present: the application in option form, or None when it does not exist.
        references: looks up names that the application does not hold.

    Raises:
        OptionError, AmbiguousMatch: a name that resolves to no record, or to several.
    """
    prepared = dict(options)
    for name, resource in REFERENCES.items():
        _resolve(prepared, name, resource, present or {}, references)
    _expand_header_removals(prepared, (present or {}).get("headers") or [])
    _carry_script_data(prepared, (present or {}).get("crawling_scripts") or [])
    return prepared


def _resolve(options: Record, name: str, resource: str, present: Record, references: References) -> None:
    value = present.get(name)
    held: list[Reference] = value if isinstance(value, list) else [value] if value is not None else []
    for key in (name, f"{name}_add"):
        written = options.get(key)
        if written is None or written == "":
            continue
        removing = key == name and options.get(f"{name}_mode") == "remove"
        if removing:
            options[key] = _held_among(written, held)
        elif isinstance(written, list):
            options[key] = [references.resolve(resource, name, item, held) for item in written]
        else:
            options[key] = references.resolve(resource, name, written, held)
    if options.get(f"{name}_remove") is not None:
        options[f"{name}_remove"] = _held_among(options[f"{name}_remove"], held)


def _held_among(written: t.Iterable[t.Any], held: t.Iterable[Reference]) -> list[Reference]:
    """Of what shall go, what is there. The rest is gone already, so it need not even exist."""
    words = {str(item).strip() for item in written}
    return [reference for reference in held if str(reference.id) in words or reference.name in words]


def _expand_header_removals(options: Record, present: t.Sequence[str]) -> None:
    """A header may be removed by its name alone: whoever removes one need not know its value."""
    key = "headers" if options.get("headers_mode") == "remove" else "headers_remove"
    if options.get(key) is None:
        return
    names = {item.strip().lower() for item in options[key] if ":" not in item}
    by_name = [header for header in present if header.partition(":")[0].strip().lower() in names]
    options[key] = [item for item in options[key] if ":" in item] + by_name


def _carry_script_data(options: Record, present: t.Sequence[Record]) -> None:
    """A script that Qualys does not give back is not compared: the other properties decide."""
    held = {script["name"]: script for script in present}
    for key in ("crawling_scripts", "crawling_scripts_add"):
        if options.get(key) is not None:
            options[key] = [_comparable_script(script, held.get(script["name"])) for script in options[key]]


def _comparable_script(script: Record, held: Record | None) -> Record:
    if held is None:
        return script
    if script.get("data") is None:
        return script | {"data": held["data"]}
    unchanged = {**script, "data": None} == {**held, "data": None}
    return held if held["data"] is None and unchanged else script

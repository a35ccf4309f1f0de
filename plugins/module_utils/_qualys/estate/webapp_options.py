# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepares the options of a web application for comparison with the present record.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._base.errors import OptionError
from ..._reconcile.spec import Record
from ..._records.redaction.values import MARKER
from ..resource.resource import Prepared, Written


def prepare(_options: Written, prepared: Record, before: Record | None) -> Prepared:
    """Replace markers in the options by the present secrets for which they stand.

    For a new application, items with a marker are left out, with a warning.

    Raises:
        OptionError: there is no present secret for a marker.
    """
    if before is None:
        return Prepared(prepared, before, warnings=_leave_out_markers(prepared))
    _keep_redacted_headers(prepared, (before or {}).get("headers") or [])
    _carry_script_data(prepared, (before or {}).get("crawling_scripts") or [])
    return Prepared(prepared, before)


def _leave_out_markers(options: Record) -> tuple[str, ...]:
    """Remove items with a marker, because a new application has no secrets yet. Returns a warning that lists them."""
    missing: list[str] = []
    for key in ("headers", "headers_add"):
        if options.get(key) is not None:
            marked = [item for item in options[key] if item.partition(":")[2].strip() == MARKER]
            missing += [f"the header {item.partition(':')[0].strip()}" for item in marked]
            options[key] = [item for item in options[key] if item not in marked]
    for key in ("crawling_scripts", "crawling_scripts_add"):
        if options.get(key) is not None:
            missing += [f"the script {item['name']!r}" for item in options[key] if item.get("data") == MARKER]
            options[key] = [item for item in options[key] if item.get("data") != MARKER]
    if not missing:
        return ()
    name = str(options["name"]).strip()
    return (f"The new web application {name!r} is created without {', '.join(missing)}: {MARKER} is not a secret.",)


def _keep_redacted_headers(options: Record, present: t.Sequence[str]) -> None:
    """Replace each header whose value is the marker, as results show it, by the present header of that name."""
    for key in ("headers", "headers_add", "headers_remove"):
        if options.get(key) is not None:
            # Several headers may have one name, so each marker stands for the next of them.
            left = list(present)
            options[key] = [_unredacted(item, left) for item in options[key]]


def _unredacted(header: str, left: list[str]) -> str:
    name, _colon, value = header.partition(":")
    if value.strip() != MARKER:
        return header
    for held in left:
        if held.partition(":")[0].strip().lower() == name.strip().lower():
            left.remove(held)
            return held
    raise OptionError(
        f"headers: {name.strip()} has the value {MARKER}, but the application has no such header.",
        hint="Give the value of the header.",
    )


def _carry_script_data(options: Record, present: t.Sequence[Record]) -> None:
    """Add the present data to scripts for which it is not given, or cannot be compared because Qualys hides it."""
    for key in ("crawling_scripts", "crawling_scripts_add"):
        if options.get(key) is not None:
            left = list(present)
            options[key] = [_comparable_script(script, _held_script(script, left)) for script in options[key]]


def _held_script(script: Record, left: list[Record]) -> Record | None:
    """Return the present script for an entry. If several have its name, one with equal properties is preferred."""
    namesakes = [held for held in left if held["name"] == script["name"]]
    found = next((held for held in namesakes if _looks_like(script, held)), namesakes[0] if namesakes else None)
    if len(namesakes) > 1:
        left.remove(t.cast(Record, found))
    return found


def _looks_like(script: Record, held: Record) -> bool:
    return {**script, "data": None} == {**held, "data": None}


def _comparable_script(script: Record, held: Record | None) -> Record:
    redacted = script.get("data") == MARKER
    if held is None and redacted:
        raise OptionError(
            f"crawling_scripts: {script['name']!r} has the data {MARKER}, but the application has no such script.",
            hint="Give the data of the script.",
        )
    if held is None:
        return script
    if script.get("data") is None or redacted:
        return script | {"data": held["data"]}
    return held if held["data"] is None and _looks_like(script, held) else script

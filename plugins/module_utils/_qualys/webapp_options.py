# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user wrote about a web application, made comparable with what Qualys holds.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from .._reconcile.spec import Record
from .resource import Prepared, Written
from .webapp_fields import header_line


def prepare(_options: Written, prepared: Record, before: Record | None) -> Prepared:
    """The given options, with what cannot be compared left out."""
    _expand_header_removals(prepared, (before or {}).get("headers") or [])
    _carry_script_data(prepared, (before or {}).get("crawling_scripts") or [])
    return Prepared(prepared, before)


def _expand_header_removals(options: Record, present: t.Sequence[str]) -> None:
    """A header may be removed by its name alone: whoever removes one need not know its value."""
    key = "headers" if options.get("headers_mode") == "remove" else "headers_remove"
    if options.get(key) is None:
        return
    names = {item.strip().lower() for item in options[key] if ":" not in item}
    coming = options.get("headers_add") or (options.get("headers") if options.get("headers_mode") == "add" else None)
    # What is added under the name that goes is its new value, and may be there already.
    kept = {header_line(item) for item in coming or ()}
    by_name = [item for item in present if item.partition(":")[0].strip().lower() in names and item not in kept]
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

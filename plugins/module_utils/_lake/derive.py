# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The columns of events that correlation joins on, computed in Python once for each distinct value.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import pathlib

from .._records.attack_families import event_place, family_of_event, parameter_of_event
from .._records.codec import loads
from .._records.files.duck import Engine, Row, derive_table

Inputs = dict[str, tuple[str, str]]
"""The inputs of the computation: name, SQL expression, and type."""

# The URL is only used if host or path is missing; there are far more distinct URLs.
_LACKS = "coalesce(host_native, '') = '' OR coalesce(path, '') = ''"
_PLACE: Inputs = {
    "told_host": ("host_native", "VARCHAR"),
    "told_path": ("path", "VARCHAR"),
    "told_url": (f"CASE WHEN {_LACKS} THEN url END", "VARCHAR"),
}
_ATTACK: Inputs = {
    "told_categories": ("categories", "VARCHAR[]"),
    "told_rules": ("rule_ids", "VARCHAR[]"),
    "told_message": ("message", "VARCHAR"),
    "told_sub_events": ("sub_events", "VARCHAR"),
}


def add_event_columns(engine: Engine, table: str, work: pathlib.Path) -> str:
    """Compute the derived columns of a table of events.

    Args:
        engine: the database.
        table: the table, with the other columns.
        work: a folder for temporary files.

    Returns:
        The FROM expression for the table with the derived columns, and with its rowid as ``place``.
    """
    derive_table(engine, work / "places.ndjson", "places", _PLACE, ("host", "path_template"), _place, table)
    derive_table(engine, work / "attacks.ndjson", "attacks", _ATTACK, ("parameter", "attack_family"), _attack, table)
    joins = [
        f"LEFT JOIN {name} ON "
        + " AND ".join(f"({value}) IS NOT DISTINCT FROM {name}.{column}" for column, (value, _type) in inputs.items())
        for name, inputs in (("places", _PLACE), ("attacks", _ATTACK))
    ]
    chosen = f"{table}.*, places.host, places.path_template, attacks.parameter, attacks.attack_family"
    return f"(SELECT {chosen}, {table}.rowid AS place FROM {table} {' '.join(joins)})"


def _place(row: Row) -> Row:
    host, path, url = row
    found, template = event_place({"host": host, "path": path, "url": url})
    return found or None, template or None


def _attack(row: Row) -> Row:
    categories, rules, message, sub_events = row
    try:
        listed = loads(sub_events.encode()) if sub_events else []
    except ValueError:
        listed = []
    event = {"categories": categories, "rule_ids": rules, "message": message, "sub_events": listed}
    return parameter_of_event(event) or None, family_of_event(event) or None

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The columns of events that correlation joins on, computed in Python for each distinct value once.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import os
import pathlib
import typing as t

from .._records.attack_families import event_place, family_of_event, parameter_of_event
from .._records.codec import dump_line, loads
from .engine import Engine

Row = tuple[t.Any, ...]
Inputs = dict[str, tuple[str, str]]
"""What Python computes from: the name, the expression in SQL, and its type."""

# The URL only counts where host or path are missing, and there are far more of them.
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
_LONGEST = 16 << 20


def add_event_columns(engine: Engine, table: str, work: pathlib.Path) -> str:
    """Compute the derived columns of a table of events.

    Args:
        engine: the database.
        table: the table, with the other columns.
        work: a folder for the values.

    Returns:
        What stands for the table in a FROM clause, with the derived columns, and with its rowid as ``place``.
    """
    _derive(engine, table, work, "places", _PLACE, ("host", "path_template"), _place)
    _derive(engine, table, work, "attacks", _ATTACK, ("parameter", "attack_family"), _attack)
    joins = [
        f"LEFT JOIN {name} ON "
        + " AND ".join(f"({value}) IS NOT DISTINCT FROM {name}.{column}" for column, (value, _type) in inputs.items())
        for name, inputs in (("places", _PLACE), ("attacks", _ATTACK))
    ]
    chosen = f"{table}.*, places.host, places.path_template, attacks.parameter, attacks.attack_family"
    return f"(SELECT {chosen}, {table}.rowid AS place FROM {table} {' '.join(joins)})"


def _derive(
    engine: Engine,
    table: str,
    work: pathlib.Path,
    name: str,
    inputs: Inputs,
    outputs: t.Sequence[str],
    compute: t.Callable[[Row], Row],
) -> None:
    """Make a table of distinct inputs with their outputs. They go through a file, as inserting rows is slow."""
    path = work / f"{name}.ndjson"
    names = (*inputs, *outputs)
    values = ", ".join(f"{value} AS {column}" for column, (value, _type) in inputs.items())
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        for rows in engine.stream(f"SELECT DISTINCT {values} FROM {table}"):
            file.writelines(dump_line(dict(zip(names, (*row, *compute(row)), strict=True))) for row in rows)
    types = {column: type_ for column, (_value, type_) in inputs.items()} | dict.fromkeys(outputs, "VARCHAR")
    columns = ", ".join(f"{column}: '{type_}'" for column, type_ in types.items())
    engine.run(
        f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM read_json(?, columns = {{{columns}}},"
        f" format = 'newline_delimited', maximum_object_size = {_LONGEST})",
        [str(path)],
    )
    path.unlink()


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

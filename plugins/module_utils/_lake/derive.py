# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The columns of events that correlation joins on, computed in Python for each distinct value once.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import os
import pathlib
import typing as t

from .._records.attack_families import family_of_event, parameter_of_event
from .._records.codec import dump_line, loads
from .._records.path_templates import host_of, path_template
from .engine import Engine

Row = tuple[t.Any, ...]
_PLACE = ("host_native", "url", "path")
_ATTACK = ("categories", "rule_ids", "message", "sub_events")


def add_event_columns(engine: Engine, table: str, work: pathlib.Path) -> str:
    """Compute the derived columns of a table of events.

    Args:
        engine: the database.
        table: the table, with the other columns.
        work: a folder for the values.

    Returns:
        What stands for the table in a FROM clause, with the derived columns.
    """
    _derive(engine, table, work, "places", _PLACE, ("host", "path_template"), _place)
    _derive(engine, table, work, "attacks", _ATTACK, ("parameter", "attack_family"), _attack)
    joins = [
        f"LEFT JOIN {name} ON "
        + " AND ".join(f"{table}.{column} IS NOT DISTINCT FROM {name}.{column}" for column in on)
        for name, on in (("places", _PLACE), ("attacks", _ATTACK))
    ]
    chosen = f"{table}.*, places.host, places.path_template, attacks.parameter, attacks.attack_family"
    return f"(SELECT {chosen}, {table}.rowid AS place FROM {table} {' '.join(joins)})"


def _derive(
    engine: Engine,
    table: str,
    work: pathlib.Path,
    name: str,
    inputs: t.Sequence[str],
    outputs: t.Sequence[str],
    compute: t.Callable[[Row], Row],
) -> None:
    """Make a table of distinct inputs with their outputs. They go through a file, as inserting rows is slow."""
    path = work / f"{name}.ndjson"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        for rows in engine.stream(f"SELECT DISTINCT {', '.join(inputs)} FROM {table}"):
            file.writelines(
                dump_line(dict(zip((*inputs, *outputs), (*row, *compute(row)), strict=True))) for row in rows
            )
    kinds = {
        column: "VARCHAR[]" if column in ("categories", "rule_ids") else "VARCHAR" for column in (*inputs, *outputs)
    }
    columns = ", ".join(f"{column}: '{kind}'" for column, kind in kinds.items())
    engine.run(
        f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM read_json(?, columns = {{{columns}}},"
        " format = 'newline_delimited', maximum_object_size = 16777216)",
        [str(path)],
    )
    path.unlink()


def _place(row: Row) -> Row:
    host, url, path = row
    return host_of(host or url or "") or None, path_template(path or url or "") or None


def _attack(row: Row) -> Row:
    categories, rules, message, sub_events = row
    try:
        listed = loads(sub_events.encode()) if sub_events else []
    except ValueError:
        listed = []
    event = {"categories": categories, "rule_ids": rules, "message": message, "sub_events": listed}
    return parameter_of_event(event) or None, family_of_event(event) or None

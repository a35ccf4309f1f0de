# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scans behind the findings, as far as a report shows them.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import pathlib
import typing as t

from ..._base.errors import FileError, OptionError
from ..._records.coerce import mapping, whole
from ..._records.files.ndjson import Unreadable, read_stream
from ..._records.model import SCHEMA
from .. import text
from . import model
from .model import ScanRow

_HINT = "Give records of scans, or NDJSON files of them."


def read_scans(given: t.Iterable[t.Any]) -> tuple[ScanRow, ...]:
    """The scans, by application and newest first.

    Args:
        given: records of scans, or paths: JSON or NDJSON files (gzip too), and directories of a stream of them. Other
            records are left out.

    Raises:
        OptionError: an item is neither a record nor a path.
        FileError: a file cannot be read, or holds something else.
    """
    rows = {_row(record): None for item in given for record in _records(item) if record.get("record") == "scan"}
    newest = sorted(rows, key=lambda row: row.time or "", reverse=True)
    return tuple(sorted(newest, key=lambda row: (row.application.casefold(), row.source)))


def _records(item: t.Any) -> t.Iterator[dict[str, t.Any]]:
    if isinstance(item, dict):
        found: list[t.Any] = [item]
    elif isinstance(item, (str, pathlib.Path)) and str(item):
        found = _from_path(pathlib.Path(item).expanduser())
    else:
        raise OptionError("`scans` holds something that is neither a record nor a path.", hint=_HINT)
    for record in found:
        if not isinstance(record, dict) or record.get("schema") != SCHEMA:
            raise FileError("scans: something in it is not a record of this version.", hint=_HINT)
        yield record


def _from_path(path: pathlib.Path) -> list[t.Any]:
    try:
        return read_stream(path)
    except Unreadable as error:
        raise FileError(f"scans: {path} cannot be read: {error}.", hint=_HINT) from error


def _row(record: dict[str, t.Any]) -> ScanRow:
    asset, conclusive = mapping(record.get("asset")), record.get("conclusive")
    names = ("id", "kind", "status", "end_reason", "auth_status", "profile", "time", "ended")
    return ScanRow(
        application=_clipped(asset.get("name") or asset.get("url") or asset.get("id")) or "(application not named)",
        source=_clipped(record.get("source")) or "unknown",
        links_crawled=whole(record.get("links_crawled")),
        conclusive=conclusive if isinstance(conclusive, bool) else None,
        **{name: _clipped(record.get(name)) for name in names},
    )


def _clipped(value: t.Any) -> str | None:
    if value is None or isinstance(value, (dict, list)):
        return None
    return text.clip(str(value), model.FIELD_CHARACTERS) or None

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scans behind the findings, as far as a report shows them.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import gzip
import pathlib
import typing as t
import zlib

from ..._base.errors import FileError, OptionError
from ..._base.files import reason
from ..._records import codec
from ..._records.model import SCHEMA
from .. import text
from . import model
from .model import ScanRow

_SIZE_LIMIT = 256 << 20
_HINT = "Give records of scans, or NDJSON files of them."


def read_scans(given: t.Iterable[t.Any]) -> tuple[ScanRow, ...]:
    """The scans, by application and newest first.

    Args:
        given: records of scans, or paths of JSON or NDJSON files (gzip too) of them. Other records are left out.

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
        found = _from_file(pathlib.Path(item).expanduser())
    else:
        raise OptionError("`scans` holds something that is neither a record nor a path.", hint=_HINT)
    for record in found:
        if not isinstance(record, dict) or record.get("schema") != SCHEMA:
            raise FileError("scans: something in it is not a record of this version.", hint=_HINT)
        yield record


def _from_file(path: pathlib.Path) -> list[t.Any]:
    try:
        with path.open("rb") as file:
            data = file.read(_SIZE_LIMIT + 1)
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        if len(data) > _SIZE_LIMIT:
            raise FileError(f"scans: {path} is larger than {_SIZE_LIMIT >> 20} MiB.", hint=_HINT)
        return _documents(data)
    except (OSError, EOFError, ValueError, zlib.error, RecursionError) as error:
        words = reason(error) if isinstance(error, OSError) and error.strerror else "it is damaged"
        raise FileError(f"scans: {path} cannot be read: {words}.", hint=_HINT) from error


def _documents(data: bytes) -> list[t.Any]:
    try:
        whole = codec.loads(data)
    except ValueError:
        return [codec.loads(row) for row in data.splitlines() if row.strip()]
    return whole if isinstance(whole, list) else [whole]


def _row(record: dict[str, t.Any]) -> ScanRow:
    asset = record.get("asset")
    asset = asset if isinstance(asset, dict) else {}
    links, conclusive = record.get("links_crawled"), record.get("conclusive")
    names = ("id", "kind", "status", "end_reason", "auth_status", "profile", "time", "ended")
    return ScanRow(
        application=_text(asset.get("name") or asset.get("url") or asset.get("id")) or "(application not named)",
        source=_text(record.get("source")) or "unknown",
        links_crawled=links if isinstance(links, int) and not isinstance(links, bool) and abs(links) < 1e15 else None,
        conclusive=conclusive if isinstance(conclusive, bool) else None,
        **{name: _text(record.get(name)) for name in names},
    )


def _text(value: t.Any) -> str | None:
    if value is None or isinstance(value, (dict, list)):
        return None
    return text.clip(str(value), model.FIELD_CHARACTERS) or None

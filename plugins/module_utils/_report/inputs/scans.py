# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the scans behind the findings and those of container images, as far as a report shows them.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import pathlib
import typing as t

from ..._base.errors import FileError, OptionError
from ..._records.coerce import bounded, mapping, whole
from ..._records.files.ndjson import Unreadable, read_documents
from ..._records.model import IMAGE_SOURCES, SCHEMA, SEVERITIES
from .. import text
from . import model
from .model import ImageRow, ScanRow
from .records import Gaps, records_in

_HINT = "Give records of scans, or NDJSON files of them."


@dataclasses.dataclass
class ScanInputs:
    """The scans and gaps of all inputs. Of each image, only the newest scan is kept."""

    rows: dict[ScanRow, None] = dataclasses.field(default_factory=dict)
    newest: dict[tuple[str, str], ImageRow] = dataclasses.field(default_factory=dict)
    gaps: Gaps = dataclasses.field(default_factory=Gaps)

    def take(self, record: t.Mapping[str, t.Any]) -> None:
        """Add one record; one that is neither a scan nor a gap is ignored."""
        if record.get("record") == "gap":
            self.gaps.add(record)
        elif record.get("record") != "scan":
            return
        elif str(record.get("source")).startswith(IMAGE_SOURCES):
            image = _image(record)
            key = image.source, image.id or image.name
            known = self.newest.get(key)
            if known is None or (image.time or "") >= (known.time or ""):
                self.newest[key] = image
        else:
            self.rows[_row(record)] = None

    def scans(self) -> tuple[ScanRow, ...]:
        """The scans, by application and newest first."""
        newest = sorted(self.rows, key=lambda row: row.time or "", reverse=True)
        return tuple(sorted(newest, key=lambda row: (row.application.casefold(), row.source)))

    def images(self) -> tuple[ImageRow, ...]:
        """The images, worst first."""
        return tuple(sorted(self.newest.values(), key=_worst_image_first))


def read_scan_inputs(given: t.Iterable[t.Any]) -> ScanInputs:
    """Read the scans and images of all inputs.

    Args:
        given: records of scans, or paths: JSON or NDJSON files (gzip too), and directories of a stream of them. Other
            records are ignored.

    Raises:
        OptionError: an item is neither a record nor a path.
        FileError: a file cannot be read, or contains something that is not a record of this version.
    """
    found = ScanInputs()
    for item in given:
        for record in _records(item):
            found.take(record)
    return found


def _records(item: t.Any) -> t.Iterator[dict[str, t.Any]]:
    if isinstance(item, dict):
        found: list[t.Any] = [item]
    elif isinstance(item, (str, pathlib.Path)) and str(item):
        path = pathlib.Path(item).expanduser()
        if path.is_dir():
            # A stream may be long, so it is read record by record.
            yield from records_in(path, "scans")
            return
        found = _documents(path)
    else:
        raise OptionError("`scans` contains an item that is neither a record nor a path.", hint=_HINT)
    for record in found:
        if not isinstance(record, dict) or record.get("schema") != SCHEMA:
            raise FileError("scans: an item is not a record of this version.", hint=_HINT)
        yield record


def _documents(path: pathlib.Path) -> list[t.Any]:
    try:
        return read_documents(path)
    except Unreadable as error:
        raise FileError(f"scans: {path} cannot be read: {error}.", hint=_HINT) from error


def _row(record: t.Mapping[str, t.Any]) -> ScanRow:
    asset, conclusive = mapping(record.get("asset")), record.get("conclusive")
    names = ("id", "kind", "status", "end_reason", "auth_status", "profile", "time", "ended")
    return ScanRow(
        application=_clipped(asset.get("name") or asset.get("url") or asset.get("id")) or "(application not named)",
        source=_clipped(record.get("source")) or "unknown",
        links_crawled=whole(record.get("links_crawled")),
        conclusive=conclusive if isinstance(conclusive, bool) else None,
        **{name: _clipped(record.get(name)) for name in names},
    )


def _image(record: t.Mapping[str, t.Any]) -> ImageRow:
    asset, given, malware = mapping(record.get("asset")), record.get("counts"), whole(record.get("malware"))
    identity = bounded(asset.get("id"))
    counts = None
    if isinstance(given, dict):
        counts = model.no_counts() | {name: max(whole(given.get(name)) or 0, 0) for name in SEVERITIES}
    conclusive = record.get("conclusive")
    return ImageRow(
        name=_clipped(asset.get("name")) or identity or "(image not named)",
        source=_clipped(record.get("source")) or "unknown",
        id=identity,
        time=text.whole_seconds(bounded(record.get("time"))),
        counts=counts,
        malware=None if malware is None else malware > 0,
        conclusive=conclusive if isinstance(conclusive, bool) else None,
        workloads=whole(mapping(record.get("details")).get("workloads")),
    )


def _worst_image_first(image: ImageRow) -> tuple[t.Any, ...]:
    counts = tuple(-image.counts[name] for name in SEVERITIES) if image.counts else ()
    # An image whose counts could not be read may be the worst, but images that are known to be bad come first.
    return (not image.malware, image.counts is None, counts, image.name.casefold(), image.id or "")


def _clipped(value: t.Any) -> str | None:
    if value is None or isinstance(value, (dict, list)):
        return None
    return text.clip(str(value), model.FIELD_CHARACTERS) or None

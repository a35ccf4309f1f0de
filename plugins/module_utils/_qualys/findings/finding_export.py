# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings exported as a snapshot (docs/vendors/qualys_was.md 11).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import collections
import math
import os
import pathlib
import threading
import typing as t

from ..._base.errors import OptionError
from ..._reconcile.apply import every
from ..._records.codec import dump_line, dumps
from ..._records.files.snapshot import SnapshotPart, SnapshotWriter, manifest_path
from ..._records.model import SCHEMA, Manifest
from ..._records.result import Result
from ..._records.times import now_text, parse_time, utc_text
from ..api.client import QualysClient
from ..api.criteria import Criterion, build
from ..api.listing import Listing, Tally, Window
from ..api.shapes import Raw
from .finding_fields import GET, PAGE_SIZES, RESOURCE, VERBOSE
from .normalise import SOURCE, FindingNormaliser

Options = t.Mapping[str, t.Any]

WINDOWS_AT_WORK = 1.5
"""For each connection: while one window's page becomes lines, the next page of another is on its way. More would be
faster still, and hold more pages in memory."""
_LINES_AT_ONCE = 50
"""Lines that are written together: a page as text beside its objects would take half as much memory again."""


class _Export:
    """Reads a listing into a snapshot, window by window."""

    def __init__(
        self, params: Options, client: QualysClient, criteria: list[Criterion], snapshot: SnapshotWriter
    ) -> None:
        detail = params["detail"]
        self._client = client
        self._full = detail == GET
        self._listing = Listing(client, RESOURCE, criteria, PAGE_SIZES[detail], detail == VERBOSE)
        self._snapshot = snapshot
        self._keep = params["sensitive"] == "keep"
        self._include_raw = params["include_raw"]
        self._lock = threading.Lock()
        self.assets: set[str] = set()
        self.rules: set[str] = set()
        self.unknown: collections.Counter[str] = collections.Counter()

    def read(self) -> Tally:
        """Everything; a second time if the first does not match the total that Qualys announces at the end."""
        tally = Tally(self._listing.count())
        self._read_once(tally)
        if not self._listing.settled(tally, self._snapshot.records):
            tally.start_again()
            self._read_once(tally)
            self._listing.settled(tally, self._snapshot.records)
        return tally

    def _read_once(self, tally: Tally) -> None:
        self._snapshot.restart()
        self.assets.clear()
        self.rules.clear()
        self.unknown.clear()
        windows = self._listing.windows(max(tally.announced_before, tally.announced_after))
        workers = math.ceil(self._client.workers * WINDOWS_AT_WORK)
        every(windows, lambda window: self._window(window, tally), workers=workers)

    def _window(self, window: Window, tally: Tally) -> None:
        part = self._snapshot.part(window.index)
        normaliser = FindingNormaliser(
            keep_sensitive=self._keep, include_raw=self._include_raw, raw_as=lambda raw: dumps(raw).decode()
        )
        assets: set[str] = set()
        rules: set[str] = set()
        for page in self._listing.pages(window, tally):
            _write_page(part, normaliser, self._in_full(page), assets, rules)
        with self._lock:
            self.assets |= assets
            self.rules |= rules
            self.unknown += normaliser.unknown

    def _in_full(self, page: list[Raw]) -> t.Iterator[Raw]:
        for short in _drained(page):
            raw = self._client.get(RESOURCE, short["id"]) if self._full else short
            # One that vanished meanwhile is left out; the count at the end then says whether anything is missing.
            if raw is not None:
                yield raw


def _drained(page: list[Raw]) -> t.Iterator[Raw]:
    """The records in order. Each is let go once it is used: with many pages at work, that is most of the memory."""
    page.reverse()
    while page:
        yield page.pop()


def _write_page(
    part: SnapshotPart, normaliser: FindingNormaliser, page: t.Iterable[Raw], assets: set[str], rules: set[str]
) -> None:
    lines: list[bytes] = []
    for raw in page:
        finding = normaliser.finding(raw)
        asset_id = finding["asset"]["id"]
        if asset_id is not None:
            assets.add(asset_id)
        if finding["rule_id"] is not None:
            rules.add(finding["rule_id"])
        lines.append(dump_line(finding))
        if len(lines) == _LINES_AT_ONCE:
            part.write(b"".join(lines), len(lines))
            lines.clear()
    part.write(b"".join(lines), len(lines))


def run(params: Options, client: QualysClient, check_mode: bool) -> Result:
    """Logic of ``qualys_was_finding_export``. In check mode everything is read, and nothing is replaced."""
    criteria = build(params.get("filters"), RESOURCE, strict=params["filters_strict"])
    since = _since(params.get("since"))
    if since is not None:
        criteria.append({"field": "lastTestedDate", "operator": "GREATER", "value": since})
    dest = pathlib.Path(os.path.expanduser(params["dest"]))
    compress = dest.name.endswith(".gz") if params.get("compress") is None else bool(params["compress"])
    with SnapshotWriter(dest, compress=compress) as snapshot:
        started = now_text()
        export = _Export(params, client, criteria, snapshot)
        tally = export.read()
        sha256, size = snapshot.seal()
        manifest: Manifest = {
            "record": "manifest",
            "schema": SCHEMA,
            "source": SOURCE,
            "stream": "findings",
            "file": dest.name,
            "compressed": compress,
            "filters": [dict(criterion) for criterion in criteria],
            "detail": params["detail"],
            "since": since,
            "started": started,
            "finished": now_text(),
            "announced_before": tally.announced_before,
            "announced_after": tally.announced_after,
            "records": tally.records,
            "complete": tally.complete,
            "assets": sorted(export.assets, key=lambda found: (len(found), found)),
            "unknown_values": dict(sorted(export.unknown.items())),
            "bytes": size,
            "sha256": sha256,
        }
        changed = snapshot.would_change(sha256)
        if not check_mode:
            snapshot.commit(manifest)
    result = _export_result(dest, manifest, tally, changed)
    result.values["rule_ids"] = sorted(export.rules, key=lambda found: (len(found), found))
    return result


def _since(since: str | None) -> str | None:
    if not since:
        return None
    try:
        return utc_text(parse_time(since).replace(microsecond=0))
    except ValueError:
        raise OptionError(
            f"since: {since!r} is not a time.", hint="Give a UTC date or time such as 2026-01-31T08:00:00Z."
        ) from None


def _export_result(dest: pathlib.Path, manifest: Manifest, tally: Tally, changed: bool) -> Result:
    result = Result(
        changed=changed,
        values={
            "dest": str(dest),
            "manifest": str(manifest_path(dest)),
            "records": manifest["records"],
            "bytes": manifest["bytes"],
            "sha256": manifest["sha256"],
            "complete": manifest["complete"],
            "total": manifest["announced_after"],
            "duplicates": tally.duplicates,
            "unknown_values": manifest["unknown_values"],
        },
    )
    if not manifest["complete"]:
        result.warnings.append(
            f"Qualys announced {manifest['announced_after']} findings and sent {manifest['records']}, twice: "
            "the snapshot is marked as not complete."
        )
    return result

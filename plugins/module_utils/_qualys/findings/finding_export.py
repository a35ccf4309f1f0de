# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings exported as a snapshot (docs/vendors/qualys_was.md 11).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import os
import pathlib
import threading
import typing as t

from ..._base.errors import OptionError
from ..._reconcile.apply import every
from ..._records.files.snapshot import SnapshotWriter, manifest_path
from ..._records.model import SCHEMA, Manifest
from ..._records.result import Result
from ..._records.times import now_text, parse_time, utc_text
from ..._vendor.crew import Crew
from ..api.client import QualysClient
from ..api.criteria import Criterion, build
from ..api.listing import Fetched, IdWindow, Listing, ListingTally, Span, fresh_of
from ..api.shapes import SOURCE, Raw
from .finding_fields import GET, PAGE_SIZES, RESOURCE, VERBOSE
from .page_lines import Contents, Line, LineMaker, PageLines, drained

Options = t.Mapping[str, t.Any]
PageCrew = Crew[Span, PageLines]

WINDOWS_AT_WORK = 2
"""For each connection: while one window's page becomes lines, the next page of another is on its way. All windows are
read side by side from beginning to end, so that none begins late, and there are few borders to ask for. More would hold
more pages in memory. With workers and without, the windows are the same: compressed files depend on them."""
PAGE_BYTES = 2_000_000
"""What a page may have when workers parse it, so that this process holds only its bytes."""
FEWEST, MOST = 50, 1000
FEW = 600
"""So many findings are turned into lines sooner than workers could be given them."""


class _PageSize:
    """How many records to ask for. With workers, as many as fit the budget, by the size of those that came so far."""

    def __init__(self, first: int) -> None:
        self.records = first
        self._seen = self._bytes = 0
        self._lock = threading.Lock()

    def learn(self, records: int, size: int) -> None:
        """Take note of a page."""
        with self._lock:
            self._seen += records
            self._bytes += size
            if self._seen and self._bytes:
                self.records = max(FEWEST, min(MOST, PAGE_BYTES * self._seen // self._bytes))


class _Export:
    """Reads a listing into a snapshot, window by window."""

    def __init__(
        self, params: Options, client: QualysClient, criteria: list[Criterion], snapshot: SnapshotWriter, crew: PageCrew
    ) -> None:
        detail = params["detail"]
        self._client = client
        self._crew = crew
        self._maker = _line_maker(params)
        self._fetch = self._in_full if detail == GET else self._page
        self._size = _PageSize(PAGE_SIZES[detail])
        self._listing = Listing(client, RESOURCE, criteria, PAGE_SIZES[detail], detail == VERBOSE)
        self._snapshot = snapshot
        self._lock = threading.Lock()
        self.contents = Contents()

    def read(self) -> ListingTally:
        """Everything; a second time if the first does not match the total that Qualys announces at the end."""
        tally = ListingTally(self._listing.count())
        if tally.announced_before <= FEW:
            self._crew.dismiss()
        self._read_once(tally)
        if not self._listing.settled(tally, self._snapshot.records):
            tally.start_again()
            self._read_once(tally)
            self._listing.settled(tally, self._snapshot.records)
        return tally

    def _read_once(self, tally: ListingTally) -> None:
        self._snapshot.restart()
        self.contents = Contents()
        total = max(tally.announced_before, tally.announced_after)
        windows = self._listing.windows(total, WINDOWS_AT_WORK)
        workers = self._client.workers * WINDOWS_AT_WORK
        every(windows, lambda window: self._window(window, tally), workers=workers)

    def _window(self, window: IdWindow, tally: ListingTally) -> None:
        part = self._snapshot.part(window.index)
        for lines in self._listing.fetched(window, self._fetch, lambda line: line[0], tally):
            part.write(b"".join(line for _id, line in lines), len(lines))
            lines.clear()  # or they would be in memory beside the next page

    def _page(self, listing: Listing, criteria: list[Criterion], span: Span) -> Fetched[Line]:
        """One page of the search, as lines."""
        found = PageLines(None)
        size = 0

        def parse(body: bytes) -> Raw | None:
            nonlocal found, size
            size = len(body)
            found = self._crew.do(span, body)
            return found.envelope

        limit = self._size.records
        self._client.search(RESOURCE, criteria, limit=limit, verbose=listing.verbose, parse=parse)
        if found.problem is not None:
            raise found.problem
        if self._crew.size:
            self._size.learn(found.received, size)
        self._take(found.contents)
        return Fetched(found.lines, found.last_id, found.repeated)

    def _in_full(self, listing: Listing, criteria: list[Criterion], span: Span) -> Fetched[Line]:
        """One page of the search, each of whose findings is read again: that waits more than it works."""
        page = self._client.page(RESOURCE, criteria, limit=listing.page_size)
        fresh = fresh_of(page, span)
        full = (self._client.get(RESOURCE, short["id"]) for short in drained(fresh.records))
        # One that vanished meanwhile is left out; the count at the end then says whether anything is missing.
        lines, contents = self._maker.lines(raw for raw in full if raw is not None)
        self._take(contents)
        return Fetched(lines, fresh.last_id, fresh.repeated)

    def _take(self, contents: Contents) -> None:
        with self._lock:
            self.contents.add(contents)


def _line_maker(params: Options) -> LineMaker:
    return LineMaker(params["sensitive"] == "keep", params["include_raw"])


def _crew(params: Options) -> PageCrew:
    """Workers for the pages; none for findings that are read one by one."""
    return Crew(_line_maker(params).page, cores=1 if params["detail"] == GET else None)


def run(params: Options, client: QualysClient, check_mode: bool) -> Result:
    """Logic of ``qualys_was_finding_export``. In check mode everything is read, and nothing is replaced."""
    criteria = build(params.get("filters"), RESOURCE, strict=params["filters_strict"])
    since = _since(params.get("since"))
    if since is not None:
        criteria.append({"field": "lastTestedDate", "operator": "GREATER", "value": since})
    dest = pathlib.Path(os.path.expanduser(params["dest"]))
    compress = dest.name.endswith(".gz") if params.get("compress") is None else bool(params["compress"])
    with _crew(params) as crew, SnapshotWriter(dest, compress=compress) as snapshot:
        if not check_mode:
            snapshot.tidy()
        started = now_text()
        export = _Export(params, client, criteria, snapshot, crew)
        tally = export.read()
        sha256, size = snapshot.seal()
        manifest: Manifest = {
            "record": "manifest",
            "schema": SCHEMA,
            "source": SOURCE,
            "account": client.connection.account(),
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
            "assets": sorted(export.contents.assets, key=lambda found: (len(found), found)),
            "unknown_values": dict(sorted(export.contents.unknown.items())),
            "bytes": size,
            "sha256": sha256,
        }
        changed = snapshot.would_change(sha256)
        if not check_mode:
            snapshot.commit(manifest)
    result = _export_result(dest, manifest, tally, changed)
    result.values["rule_ids"] = sorted(export.contents.rules, key=lambda found: (len(found), found))
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


def _export_result(dest: pathlib.Path, manifest: Manifest, tally: ListingTally, changed: bool) -> Result:
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

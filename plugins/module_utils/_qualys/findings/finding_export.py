# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports findings as a snapshot (docs/vendors/qualys_was.md 11).

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
"""Windows per connection. While a page of one window is processed, a page of another is transferred. All windows are
read in parallel from the start, so none starts late, and few borders have to be requested. More windows would keep more
pages in memory. The number does not depend on workers, because the bytes of a compressed file depend on the windows."""
PAGE_BYTES = 2_000_000
"""Target size of a page if workers parse it: then this process only has its bytes in memory."""
FEWEST, MOST = 50, 1000
"""Limits for the number of records per page."""
FEW = 600
"""Up to this number of findings, workers would take longer to start than they save."""


class _PageSize:
    """The number of records per page. With workers, it follows from the average size of the records so far."""

    def __init__(self, first: int) -> None:
        self.records = first
        self._seen = self._bytes = 0
        self._lock = threading.Lock()

    def learn(self, records: int, size: int) -> None:
        """Adjust the number of records to the size of a page."""
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
        """Read all findings; once more if their number differs from the total that Qualys announces at the end."""
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
            lines.clear()  # otherwise they would stay in memory while the next page is read

    def _page(self, listing: Listing, criteria: list[Criterion], span: Span) -> Fetched[Line]:
        """Read one page of the search as lines."""
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
        """Read one page of the search, and then each finding in full. This mostly waits, so it runs in this process."""
        page = self._client.page(RESOURCE, criteria, limit=listing.page_size)
        fresh = fresh_of(page, span)
        full = (self._client.get(RESOURCE, short["id"]) for short in drained(fresh.records))
        # A finding that has vanished since is left out; the count at the end shows whether any are missing.
        lines, contents = self._maker.lines(raw for raw in full if raw is not None)
        self._take(contents)
        return Fetched(lines, fresh.last_id, fresh.repeated)

    def _take(self, contents: Contents) -> None:
        with self._lock:
            self.contents.add(contents)


def _line_maker(params: Options) -> LineMaker:
    return LineMaker(params["sensitive"] == "keep", params["include_raw"])


def _crew(params: Options) -> PageCrew:
    """Return the workers for the pages; with ``detail: full``, findings are processed without workers."""
    return Crew(_line_maker(params).page, cores=1 if params["detail"] == GET else None)


def run(params: Options, client: QualysClient, check_mode: bool) -> Result:
    """Run ``qualys_was_finding_export``. In check mode all findings are read, and no file is replaced.

    Raises:
        OptionError: an option is invalid.
        PerimeterError: the findings cannot be read, or the file cannot be written.
    """
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
            f"since: {since!r} is not a valid time.", hint="Give a UTC date or time such as 2026-01-31T08:00:00Z."
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
            "the snapshot is marked as incomplete."
        )
    return result

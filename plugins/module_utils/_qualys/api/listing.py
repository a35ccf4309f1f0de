# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Complete listings: disjoint id windows in parallel, keyset paging inside each (docs/vendors/qualys_was.md 6).

This module is private to the collection and may change at any time.

Each request asks for ids greater than the last one seen, so records that appear or vanish meanwhile do not shift pages.
The user's criteria are always sent with the cursor, even one on ``id``: Qualys ANDs several criteria on one field.

A criterion with very many ids is split into several searches, because the length of a search is limited. The parts are
disjoint, and their records are merged by id, so the caller sees no difference.
"""

from __future__ import annotations

import dataclasses
import functools
import heapq
import itertools
import math
import threading
import typing as t

from ..._base.errors import BadResponse, OptionError
from ..._reconcile.apply import every
from .client import QualysClient, SearchPage
from .criteria import Criterion
from .shapes import Raw, number

IDS_PER_SEARCH = 500
"""Maximum number of ids in one ``IN``: the criterion stays below 8 kB, and its records fit into one page."""

_ONE_EACH = frozenset({"id", "webApp.id", "qid"})
"""Fields with one value per record, so that no record matches two parts of a list of values."""

WINDOWS_PER_CONNECTION = 4
"""With more windows than connections, one slow window does not leave the other connections idle at the end."""

T = t.TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Span:
    """The ids that a page may have: ``after < id <= upto``; None means no limit."""

    after: int | None
    upto: int | None

    def holds(self, record_id: int) -> bool:
        """Return whether a record belongs to the page. Other records were seen before, or belong to another window."""
        return (self.after is None or record_id > self.after) and (self.upto is None or record_id <= self.upto)


@dataclasses.dataclass
class Fetched(t.Generic[T]):
    """The new records of one page.

    Attributes:
        records: the records inside the span, ascending by id.
        last_id: the cursor; None if there is no further page.
        repeated: the number of records that were left out.
    """

    records: list[T]
    last_id: int | None
    repeated: int


Fetch = t.Callable[["Listing", "list[Criterion]", Span], Fetched[T]]
"""Reads one page of a listing with these criteria."""


@dataclasses.dataclass(frozen=True)
class IdWindow:
    """The records with ``after < id <= upto``; None means no limit."""

    index: int
    after: int | None
    upto: int | None

    def criteria(self, cursor: int | None) -> list[Criterion]:
        """Return the criteria to add to the user's, to continue after the cursor."""
        found: list[Criterion] = []
        start = self.after if cursor is None else cursor
        if start is not None:
            found.append({"field": "id", "operator": "GREATER", "value": str(start)})
        if self.upto is not None:
            found.append({"field": "id", "operator": "LESSER", "value": str(self.upto + 1)})
        return found


@dataclasses.dataclass
class ListingTally:
    """The counts of a listing."""

    announced_before: int
    announced_after: int = 0
    records: int = 0
    duplicates: int = 0
    rereads: int = 0
    _lock: threading.Lock = dataclasses.field(default_factory=threading.Lock, repr=False)

    def add_duplicates(self, count: int) -> None:
        """Count records that came twice. Windows call this from several threads."""
        with self._lock:
            self.duplicates += count

    def start_again(self) -> None:
        """Discard the counts of the first attempt."""
        self.rereads += 1
        self.duplicates = 0

    @property
    def complete(self) -> bool:
        """Whether the number of distinct records equals the number that Qualys announced at the end."""
        return self.records == self.announced_after


def split(criteria: t.Sequence[Criterion]) -> list[list[Criterion]]:
    """Split a search into disjoint ones with at most ``IDS_PER_SEARCH`` ids in one ``IN``."""
    for index, criterion in enumerate(criteria):
        if criterion["operator"] != "IN" or criterion["field"] not in _ONE_EACH:
            continue
        values = list(dict.fromkeys(criterion["value"].split(",")))
        if len(values) <= IDS_PER_SEARCH:
            continue
        chunks = (values[start : start + IDS_PER_SEARCH] for start in range(0, len(values), IDS_PER_SEARCH))
        before, after = criteria[:index], criteria[index + 1 :]
        shorter = ([*before, {**criterion, "value": ",".join(chunk)}, *after] for chunk in chunks)
        return [part for found in shorter for part in split(found)]
    return [list(criteria)]


@dataclasses.dataclass(frozen=True)
class Listing:
    """A search that is read to its end.

    Attributes:
        client: the account.
        resource: object name.
        criteria: the user's criteria, already checked.
        page_size: records per page.
        verbose: whether to read the long form of each record.
    """

    client: QualysClient
    resource: str
    criteria: t.Sequence[Criterion]
    page_size: int
    verbose: bool = False

    @functools.cached_property
    def _parts(self) -> list[Listing]:
        """The searches that this listing needs; only itself if one is enough."""
        found = split(self.criteria)
        return [self] if len(found) == 1 else [dataclasses.replace(self, criteria=criteria) for criteria in found]

    def count(self) -> int:
        """Return how many records Qualys announces."""
        parts = self._parts
        if len(parts) == 1:
            return self.client.count(self.resource, self.criteria)
        return sum(every(parts, lambda part: part.count(), workers=self.client.workers))

    def windows(self, total: int, per_connection: int = WINDOWS_PER_CONNECTION) -> list[IdWindow]:
        """Return windows of about equal size, after asking Qualys for the id at each border.

        Any id will do as a border: the windows are disjoint and complete wherever the borders are.

        Args:
            total: the approximate number of records.
            per_connection: maximum number of windows per connection; each border costs a request.
        """
        if len(self._parts) > 1:
            return self._parts[0].windows(math.ceil(total / len(self._parts)), per_connection)
        pages = math.ceil(total / self.page_size)
        wanted = min(pages, self.client.workers * per_connection)
        if wanted <= 1 or self.client.workers == 1:
            return [IdWindow(0, None, None)]
        step = math.ceil(pages / wanted) * self.page_size
        offsets = list(range(step, total, step))
        borders = sorted({found for found in every(offsets, self._id_at, workers=self.client.workers) if found})
        lower = [None, *borders]
        upper = [*borders, None]
        return [IdWindow(index, after, upto) for index, (after, upto) in enumerate(zip(lower, upper, strict=True))]

    def _id_at(self, offset: int) -> int | None:
        page = self.client.page(self.resource, self.criteria, limit=1, offset=offset)
        return number(page.records[0].get("id")) if page.records else None

    def pages(self, window: IdWindow, tally: ListingTally | None = None) -> t.Iterator[list[Raw]]:
        """Yield the window's pages in order, without the records that were already seen.

        Raises:
            BadResponse: a record has no id, or the cursor does not advance.
        """
        return self.fetched(window, _fetch_raw, lambda raw: number(raw.get("id")) or 0, tally)

    def fetched(
        self, window: IdWindow, fetch: Fetch[T], id_of: t.Callable[[T], int], tally: ListingTally | None = None
    ) -> t.Iterator[list[T]]:
        """Yield the window's pages in order, in the form that ``fetch`` returns.

        Args:
            window: the window to read.
            fetch: reads a page.
            id_of: returns the id of a record.
            tally: counts the repeated records.

        Raises:
            BadResponse: the cursor does not advance.
        """
        if len(self._parts) > 1:
            streams = [itertools.chain.from_iterable(part._walk(window, fetch, tally)) for part in self._parts]
            records = heapq.merge(*streams, key=id_of)
            while merged := list(itertools.islice(records, self.page_size)):
                yield merged
        else:
            yield from self._walk(window, fetch, tally)

    def _walk(self, window: IdWindow, fetch: Fetch[T], tally: ListingTally | None) -> t.Iterator[list[T]]:
        cursor: int | None = None
        while True:
            criteria = [*self.criteria, *window.criteria(cursor)]
            span = Span(window.after if cursor is None else cursor, window.upto)
            page = fetch(self, criteria, span)
            fresh, last_id = page.records, page.last_id
            if tally is not None and page.repeated:
                tally.add_duplicates(page.repeated)
            # A parsed page takes megabytes, so it is released before the next one is read.
            del page
            if fresh:
                yield fresh
            del fresh
            if last_id is None:
                return
            if cursor is not None and last_id <= cursor:
                raise BadResponse(
                    f"Qualys' search of {self.resource} does not advance: it answered with the same page twice.",
                    hint="Run again; if it persists, it is a fault of the platform.",
                )
            cursor = last_id

    def stream(self) -> t.Iterator[Raw]:
        """Yield all records in one window, page by page, for callers that need only the first few."""
        for page in self.pages(IdWindow(0, None, None)):
            yield from page

    def read(self) -> tuple[list[Raw], ListingTally]:
        """Return all records, ascending by id. If their number differs from the announced total, read once more."""
        tally = ListingTally(self.count())
        records = self._gather(tally)
        if not self.settled(tally, len(records)):
            tally.start_again()
            records = self._gather(tally)
            self.settled(tally, len(records))
        return records, tally

    def settled(self, tally: ListingTally, records: int) -> bool:
        """Store the number of records, and return whether it equals the number that Qualys announces now."""
        tally.records = records
        tally.announced_after = self.count()
        return tally.complete

    def _gather(self, tally: ListingTally) -> list[Raw]:
        def whole(window: IdWindow) -> list[Raw]:
            return [record for page in self.pages(window, tally) for record in page]

        windows = self.windows(tally.announced_before)
        return [record for part in every(windows, whole, workers=self.client.workers) for record in part]


def _fetch_raw(listing: Listing, criteria: list[Criterion], span: Span) -> Fetched[Raw]:
    page = listing.client.page(listing.resource, criteria, limit=listing.page_size, verbose=listing.verbose)
    return fresh_of(page, span)


def fresh_of(page: SearchPage, span: Span) -> Fetched[Raw]:
    """Return the page's records that are inside the span, ascending by id, each once.

    Raises:
        BadResponse: a record has no id.
    """
    found: dict[int, Raw] = {}
    for record in page.records:
        record_id = number(record.get("id"))
        if record_id is None:
            raise BadResponse("Qualys answered a search with a record without an id.")
        if span.holds(record_id):
            found.setdefault(record_id, record)
    return Fetched([found[record_id] for record_id in sorted(found)], page.last_id, len(page.records) - len(found))


@dataclasses.dataclass(frozen=True)
class Excerpt:
    """The records that an ``_info`` module returns.

    Attributes:
        records: the records, ascending by id.
        total: the number of records that match.
        warnings: warnings about missing records.
    """

    records: list[Raw]
    total: int
    warnings: list[str]


def read_excerpt(listing: Listing, limit: int | None, *, in_full: bool) -> Excerpt:
    """Read the first records of a listing, or all.

    Args:
        listing: the listing.
        limit: maximum number of records; None for all.
        in_full: whether to read each record again by its id, with one request per record.

    Raises:
        OptionError: the limit is negative.
    """
    warnings: list[str] = []
    if limit is not None and limit < 0:
        raise OptionError(
            f"limit: {limit} is not a valid number of records.", hint="Give 0 or more, or omit limit for all."
        )
    if limit is None:
        records, tally = listing.read()
        total = tally.announced_after
        if not tally.complete:
            warnings.append(f"Qualys announced {total} records and sent {tally.records}: the list is not complete.")
    else:
        total = listing.count()
        short = dataclasses.replace(listing, page_size=max(1, min(limit, listing.page_size)))
        records = list(itertools.islice(short.stream(), limit)) if limit else []
    if in_full:
        found = every(
            records, lambda raw: listing.client.get(listing.resource, raw["id"]), workers=listing.client.threads
        )
        records = [raw for raw in found if raw is not None]
        if len(records) < len(found):
            warnings.append(f"{len(found) - len(records)} records vanished while they were read.")
    return Excerpt(records, total, warnings)

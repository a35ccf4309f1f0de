# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole listings: nothing is lost, nothing comes twice, and half a listing is never taken for a whole one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import BadResponse, OptionError
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api import client as client_module
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api import listing
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import SearchPage
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.listing import (
    IdWindow,
    Listing,
    ListingTally,
    read_excerpt,
    split,
)
from tests.sandbox import Sandbox

from ...qualys_kit import client_of, routes

FIRST = 410001
SEARCH = {"route": "/search/"}


@pytest.fixture
def many() -> Iterator[Sandbox]:
    with Sandbox(webapps=120, findings=0) as running:
        yield running


def read(
    sandbox: Sandbox, *criteria: dict[str, str], size: int = 10, workers: int = 4
) -> tuple[list[int], ListingTally]:
    with client_of(sandbox, max_connections=workers) as client:
        records, tally = Listing(client, "webapp", criteria, size).read()
    return [record["id"] for record in records], tally


def id_filter(operator: str, value: str) -> dict[str, str]:
    return {"field": "id", "operator": operator, "value": value}


class Tape:
    """A client that answers searches from a list of ids, or from what a test puts in."""

    def __init__(self, ids: list[int], workers: int = 4) -> None:
        self.ids = sorted(ids)
        self.workers = workers
        self.pages: list[SearchPage] = []

    def count(self, _resource: str, _criteria: Any) -> int:
        return len(self.ids)

    def page(
        self, _resource: str, criteria: Any, *, limit: int, verbose: bool = False, offset: int | None = None
    ) -> SearchPage:
        if self.pages:
            return self.pages.pop(0)
        ids = self.ids
        for criterion in criteria:
            bound = int(criterion["value"])
            ids = [key for key in ids if (key > bound if criterion["operator"] == "GREATER" else key < bound)]
        ids = ids[(offset or 1) - 1 :]
        shown = [{"id": key} for key in ids[:limit]]
        return SearchPage(shown, shown[-1]["id"] if len(ids) > limit else None)


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("size", [1, 7, 10, 119, 120, 121, 1000])
def test_every_record_comes_once_in_order_whatever_the_size_of_a_page(many: Sandbox, size: int, workers: int) -> None:
    ids, tally = read(many, size=size, workers=workers)
    assert ids == list(range(FIRST, FIRST + 120))
    assert (tally.complete, tally.duplicates, tally.rereads) == (True, 0, 0)


@given(
    ids=st.lists(st.integers(1, 10**12), unique=True, max_size=120),
    size=st.integers(1, 40),
    workers=st.integers(1, 5),
)
@settings(max_examples=60)
def test_windows_are_disjoint_and_complete_for_any_ids(ids: list[int], size: int, workers: int) -> None:
    listing = Listing(Tape(ids, workers), "webapp", [], size)  # type: ignore[arg-type]
    windows = listing.windows(len(ids))
    assert [window.index for window in windows] == list(range(len(windows)))
    assert (windows[0].after, windows[-1].upto) == (None, None)
    assert all(one.upto == two.after for one, two in itertools.pairwise(windows))
    records, tally = listing.read()
    assert [record["id"] for record in records] == sorted(ids)
    assert tally.complete


@pytest.mark.parametrize(
    ("criteria", "wanted"),
    [
        ([id_filter("IN", f"{FIRST},{FIRST + 5},{FIRST + 99}")], [FIRST, FIRST + 5, FIRST + 99]),
        ([id_filter("LESSER", str(FIRST + 33))], list(range(FIRST, FIRST + 33))),
        ([id_filter("GREATER", str(FIRST + 90))], list(range(FIRST + 91, FIRST + 120))),
        ([id_filter("NOT EQUALS", str(FIRST + 1))], [FIRST, *range(FIRST + 2, FIRST + 120)]),
    ],
)
@pytest.mark.parametrize("size", [2, 10])
def test_the_users_own_filter_on_id_stays_beside_the_cursor(
    many: Sandbox, criteria: list[dict[str, str]], wanted: list[int], size: int
) -> None:
    # Defect 10 of qualysdk: from the second page on, the cursor takes the place of the user's filter.
    ids, tally = read(many, *criteria, size=size)
    assert ids == wanted
    assert tally.complete


def watch_lists(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many values each IN has that is sent from now on."""
    lengths: list[int] = []
    encode = client_module._search_body

    def watched(criteria: Any, preferences: Any) -> Any:
        lengths.extend(len(item["value"].split(",")) for item in criteria if item["operator"] == "IN")
        return encode(criteria, preferences)

    monkeypatch.setattr(client_module, "_search_body", watched)
    return lengths


@pytest.mark.parametrize("size", [3, 10, 1000])
@pytest.mark.parametrize("workers", [1, 4])
def test_a_list_of_ids_without_an_end_is_asked_for_in_parts(
    many: Sandbox, monkeypatch: pytest.MonkeyPatch, size: int, workers: int
) -> None:
    monkeypatch.setattr(listing, "IDS_PER_SEARCH", 25)
    lengths = watch_lists(monkeypatch)
    # Not ascending, and some twice: the parts overlap in their ids, and the result is ascending all the same.
    wanted = [FIRST + number * 7 % 120 for number in range(110)]
    value = ",".join(map(str, wanted + wanted[:30]))
    ids, tally = read(many, id_filter("IN", value), id_filter("GREATER", str(FIRST + 3)), size=size, workers=workers)
    assert ids == sorted(key for key in wanted if key > FIRST + 3)
    assert (tally.complete, tally.duplicates, tally.rereads) == (True, 0, 0)
    assert max(lengths) == 25


def test_only_what_a_record_has_once_is_split() -> None:
    ids = ",".join(map(str, range(1, 1202)))
    long = {"field": "webApp.id", "operator": "IN", "value": ids}
    kept = {"field": "severity", "operator": "IN", "value": "4,5"}
    parts = split([kept, long])
    assert [len(part[1]["value"].split(",")) for part in parts] == [500, 500, 201]
    assert all(part[0] == kept for part in parts)
    # A finding of an application with two of the tags would be in two parts, and count twice.
    tags = {**long, "field": "webApp.tags.id"}
    assert split([tags]) == [[tags]]
    assert len(split([long, {**long, "field": "qid"}])) == 9


def test_a_record_that_comes_twice_is_dropped_and_counted(many: Sandbox) -> None:
    many.faults.add(kind="duplicate_record", match=SEARCH, times=3, skip=1)
    ids, tally = read(many, workers=1)
    assert ids == list(range(FIRST, FIRST + 120))
    assert (tally.duplicates, tally.complete) == (3, True)


def test_half_a_page_is_noticed_and_everything_is_read_again(many: Sandbox) -> None:
    many.faults.add(kind="half_page", match=SEARCH, times=1, skip=11)
    ids, tally = read(many, workers=1)
    assert ids == list(range(FIRST, FIRST + 120))
    assert (tally.rereads, tally.complete) == (1, True)


def test_duplicates_of_a_reading_that_was_thrown_away_are_not_counted(many: Sandbox) -> None:
    many.faults.add(kind="duplicate_record", match=SEARCH, times=1, skip=1)
    many.faults.add(kind="half_page", match=SEARCH, times=1, skip=10)
    _ids, tally = read(many, workers=1)
    assert (tally.rereads, tally.complete, tally.duplicates) == (1, True, 0)


def test_a_listing_that_stays_short_is_marked_as_incomplete(many: Sandbox) -> None:
    many.faults.add(kind="half_page", match=SEARCH, times=-1)
    ids, tally = read(many, workers=1)
    assert len(ids) < 120
    assert (tally.complete, tally.rereads, tally.announced_after, tally.records) == (False, 1, 120, len(ids))


def test_a_wrong_count_makes_a_listing_incomplete_and_never_complete(many: Sandbox) -> None:
    many.faults.add(kind="wrong_count", n=5, times=-1)
    ids, tally = read(many)
    assert len(ids) == 120
    assert not tally.complete


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize(
    ("action", "where", "number", "left"),
    [("delete", "unseen", 3, 117), ("delete", "seen", 3, 117), ("insert", "unseen", 4, 124)],
)
def test_records_that_appear_or_vanish_between_pages_shift_nothing(
    many: Sandbox, action: str, where: str, number: int, left: int, workers: int
) -> None:
    many.faults.add(kind="mutate_between_pages", action=action, where=where, n=number, match=SEARCH, times=1, skip=6)
    ids, tally = read(many, workers=workers)
    assert ids == many.qualys.webapps.ids
    assert (len(ids), tally.complete, tally.announced_after) == (left, True, left)


@pytest.mark.parametrize("workers", [1, 4])
def test_faults_on_every_twentieth_request_lose_nothing(many: Sandbox, workers: int) -> None:
    # Defect 12 of qualysdk: five passing faults cost two findings, without an error.
    many.faults.add(kind="status", status=500, probability=0.05, times=-1)
    many.faults.add(kind="reset", probability=0.05, times=-1)
    many.faults.add(kind="truncated_json", probability=0.05, times=-1)
    ids, tally = read(many, size=3, workers=workers)
    assert ids == list(range(FIRST, FIRST + 120))
    assert tally.complete
    assert sum(many.counters.faults_fired.values()) > 3


@pytest.mark.parametrize("shape", ["a", "b"])
def test_no_record_is_a_complete_listing(many: Sandbox, shape: str) -> None:
    many.switches["zero_result_shape"] = shape
    ids, tally = read(many, id_filter("EQUALS", "1"))
    assert (ids, tally.complete, tally.announced_after) == ([], True, 0)


@pytest.mark.parametrize("last_id", [2, 1])
def test_a_cursor_that_does_not_move_ends_the_reading(last_id: int) -> None:
    tape = Tape([1, 2, 3])
    tape.pages = [SearchPage([{"id": 1}, {"id": 2}], 2), SearchPage([{"id": 1}, {"id": 2}], last_id)]
    listing = Listing(tape, "webapp", [], 2)  # type: ignore[arg-type]
    with pytest.raises(BadResponse, match="does not advance"):
        list(listing.pages(IdWindow(0, None, None)))


@pytest.mark.parametrize("record", [{}, {"id": None}, {"id": "x"}, {"name": "a"}])
def test_a_record_without_an_id_ends_the_reading(record: dict[str, Any]) -> None:
    tape = Tape([1])
    tape.pages = [SearchPage([{"id": 1}, record], None)]
    listing = Listing(tape, "webapp", [], 2)  # type: ignore[arg-type]
    with pytest.raises(BadResponse, match="without an id"):
        list(listing.pages(IdWindow(0, None, None)))


def test_a_page_that_ignores_the_window_gives_only_what_is_inside() -> None:
    tape = Tape([])
    tape.pages = [SearchPage([{"id": key} for key in (9, 3, 5, 5, 1, 12)], None)]
    listing = Listing(tape, "webapp", [], 10)  # type: ignore[arg-type]
    tally = ListingTally(0)
    assert list(listing.pages(IdWindow(1, 3, 9), tally)) == [[{"id": 5}, {"id": 9}]]
    assert tally.duplicates == 4


def test_an_excerpt_reads_no_more_than_it_needs(many: Sandbox) -> None:
    with client_of(many) as client:
        excerpt = read_excerpt(Listing(client, "webapp", [], 1000), 5, in_full=False)
    assert ([record["id"] for record in excerpt.records], excerpt.total) == (list(range(FIRST, FIRST + 5)), 120)
    assert len(routes(many)) == 2


@pytest.mark.parametrize("limit", [0, 1, 25, 120, 500])
def test_an_excerpt_has_as_many_records_as_asked_for(many: Sandbox, limit: int) -> None:
    with client_of(many) as client:
        excerpt = read_excerpt(Listing(client, "webapp", [], 10), limit, in_full=False)
    assert len(excerpt.records) == min(limit, 120)
    assert (excerpt.total, excerpt.warnings) == (120, [])


def test_a_negative_limit_is_refused_before_any_request(many: Sandbox) -> None:
    with client_of(many) as client, pytest.raises(OptionError, match=r"^limit: "):
        read_excerpt(Listing(client, "webapp", [], 10), -1, in_full=False)
    assert routes(many) == []


def test_an_excerpt_without_a_limit_warns_when_it_is_not_complete(many: Sandbox) -> None:
    many.faults.add(kind="half_page", match=SEARCH, times=-1)
    with client_of(many, max_connections=1) as client:
        excerpt = read_excerpt(Listing(client, "webapp", [], 50), None, in_full=False)
    assert excerpt.total == 120
    assert excerpt.warnings == [
        f"Qualys announced 120 records and sent {len(excerpt.records)}: the list is not complete."
    ]


@pytest.mark.parametrize("answer", ["NOT_FOUND", "INVALID_REQUEST", "EMPTY_SUCCESS"])
def test_a_record_that_vanishes_before_it_is_read_in_full_is_left_out_and_told(many: Sandbox, answer: str) -> None:
    many.switches["missing_id"] = answer
    code = "NOT_FOUND" if answer == "EMPTY_SUCCESS" else answer
    many.faults.add(kind="response_code", code=code, match={"route": f"/get/was/webapp/{FIRST + 2}"})
    with client_of(many) as client:
        excerpt = read_excerpt(Listing(client, "webapp", [], 1000), 5, in_full=True)
    assert [record["id"] for record in excerpt.records] == [FIRST, FIRST + 1, FIRST + 3, FIRST + 4]
    assert excerpt.warnings == ["1 records vanished while they were read."]

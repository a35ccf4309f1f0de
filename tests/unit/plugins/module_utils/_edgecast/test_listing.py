# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages that move while they are read: what is seen of it, what it costs, and what is told."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from typing import Any, cast

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import IncompleteRead, VendorError
from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast.client import Bounds, EdgecastClient, EventPage
from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast.listing import read_pages

HOUR = Bounds(dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(2026, 1, 1, 1, tzinfo=dt.UTC))
Change = Callable[["Service"], None]


class Service:
    """A service whose events change just before a request, by its number."""

    def __init__(self, count: int, **changes: Change) -> None:
        self.events: list[dict[str, Any]] = [{"id": str(number)} for number in range(count)]
        self.calls = 0
        self.changes = changes

    def page(self, _bounds: Bounds, _filters: Any, number: int, size: int) -> EventPage:
        self.calls += 1
        self.changes.get(f"before_{self.calls}", lambda _service: None)(self)
        page_of = -(-len(self.events) // size)
        return EventPage(self.events[(number - 1) * size : number * size], number, page_of, None, None)


def arrive(service: Service) -> None:
    service.events.insert(0, {"id": f"late-{service.calls}"})


def vanish(service: Service) -> None:
    del service.events[:20]


def read(service: Service, page_size: int = 100) -> tuple[set[str], list[str]]:
    warnings: list[str] = []
    pages = read_pages(cast(EdgecastClient, service), HOUR, {}, page_size, warnings=warnings)
    return {raw["id"] for page in pages for raw in page}, warnings


def present(service: Service) -> set[str]:
    return {raw["id"] for raw in service.events}


def test_pages_that_do_not_move_are_read_once() -> None:
    # A full last page costs one more call: it may not be the last, whatever was announced.
    for count, calls in ((0, 1), (1, 1), (100, 2), (200, 3), (250, 3)):
        service = Service(count)
        assert read(service) == (present(service), [])
        assert service.calls == calls


def test_an_event_that_arrives_is_read_though_the_number_of_pages_stays() -> None:
    service = Service(250, before_2=arrive)
    assert read(service) == (present(service), [])
    assert service.calls == 6


def test_events_that_keep_arriving_hide_none_that_was_there() -> None:
    service = Service(250, before_2=arrive, before_5=arrive)
    found, warnings = read(service)
    assert found >= present(service) - {"late-5"}
    assert warnings == []


def test_events_that_vanish_while_they_are_read_again_are_told() -> None:
    service = Service(250, before_2=arrive, before_5=vanish)
    with pytest.raises(IncompleteRead, match="twice"):
        read(service)


def test_events_that_vanish_with_a_page_are_read_again() -> None:
    service = Service(210, before_2=vanish)
    assert read(service)[0] >= present(service)
    assert service.calls == 2 + 2


@pytest.mark.parametrize("count", [201, 250, 300])
def test_events_that_share_an_id_are_no_shift(count: int) -> None:
    service = Service(count)
    service.events[-1] = {"id": "7", "other": 1}
    found, (warning,) = read(service)
    assert found == present(service)
    assert warning == (
        f"Edgecast sent {count} events but only {count - 1} ids for"
        " 2026-01-01T00:00:00Z to 2026-01-01T01:00:00Z, twice: several events share an id."
    )


def test_events_that_share_an_id_on_one_page_cost_nothing() -> None:
    service = Service(201)
    service.events[150] = {"id": "149", "other": 1}
    assert read(service) == (present(service), [])
    assert service.calls == 3


def test_a_short_page_before_the_last_is_not_taken_for_all() -> None:
    class Cut(Service):
        def page(self, _bounds: Bounds, _filters: Any, number: int, size: int) -> EventPage:
            page = super().page(_bounds, _filters, number, size)
            return dataclasses.replace(page, events=page.events[:60]) if number == 2 else page

    with pytest.raises(IncompleteRead):
        read(Cut(290))


class Understating(Service):
    """A service that announces one page, and has more. What it says to a page that is not there is its secret."""

    beyond: str = "empty"

    def page(self, _bounds: Bounds, _filters: Any, number: int, size: int) -> EventPage:
        page = super().page(_bounds, _filters, number, size)
        if not page.events and self.beyond == "refused":
            raise VendorError("no such page", code="400")
        if not page.events and self.beyond == "the last again":
            last = -(-len(self.events) // size)
            page = dataclasses.replace(page, events=self.events[(last - 1) * size :])
        return dataclasses.replace(page, page_of=1)


@pytest.mark.parametrize("beyond", ["empty", "refused", "the last again"])
@pytest.mark.parametrize("count", [150, 250, 300])
def test_pages_behind_the_announced_end_are_read_and_told(count: int, beyond: str) -> None:
    service = Understating(count)
    service.beyond = beyond
    found, (warning,) = read(service)
    assert found == present(service)
    assert warning.startswith("Edgecast announced 1 pages of 100 for 2026-01-01T00:00:00Z to 2026-01-01T01:00:00Z, and")
    assert f"sent {count} events" in warning


@pytest.mark.parametrize("beyond", ["empty", "refused", "the last again"])
def test_a_full_last_page_that_is_the_last_is_no_reason_to_warn(beyond: str) -> None:
    service = Understating(100)
    service.beyond = beyond
    assert read(service) == (present(service), [])
    assert service.calls == 2

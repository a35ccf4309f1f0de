# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""count, search and get: the same for every object (docs/vendors/qualys_was.md 6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from ..faults import Fault
from ..tables import Record, Table
from ..wire import Reply
from . import json_codec, xml_codec
from .criteria import Query
from .envelope import Page, Refusal, invalid
from .world import Call, Operation, Resource

Chunks = tuple[bytes, ...]


@dataclass(slots=True)
class Preferences:
    """Checked preferences of a search."""

    limit: int
    offset: int = 0
    start_id: int | None = None
    verbose: bool = False
    histories: int | None = None


def _number(preferences: dict[str, str], name: str, minimum: int) -> int | None:
    text = preferences.get(name)
    if text is None:
        return None
    if not text.isdigit() or int(text) < minimum:
        raise invalid(f"Invalid value '{text}' for preference {name}.", f"Expected: Long, at least {minimum}.")
    return int(text)


def read_preferences(resource: Resource, call: Call) -> Preferences:
    """Check the preferences; raises Refusal."""
    given = call.body.preferences
    verbose = given.get("verbose", "false")
    if verbose not in ("true", "false"):
        raise invalid(f"Invalid value '{verbose}' for preference verbose.", "Expected: true, false.")
    limit = _limit(resource, _number(given, "limitResults", 0))
    offset = (_number(given, "startFromOffset", 1) or 1) - 1
    histories = _number(given, "limitHistories", 0)
    return Preferences(limit, offset, _number(given, "startFromId", 0), verbose == "true", histories)


def _limit(resource: Resource, asked: int | None) -> int:
    cap = resource.world.settings.page_cap
    if asked is None:
        return min(100, cap)
    if 1 <= asked <= cap:
        return asked
    if resource.world.switches["over_cap"] == "reject":
        raise invalid(f"Invalid value '{asked}' for preference limitResults.", f"Expected: 1 to {cap}.")
    return cap if asked else min(100, cap)


def candidates(table: Table, query: Query) -> list[int]:
    """Ids inside the id criteria, ascending."""
    if query.ids is not None:
        inside = (key for key in query.ids if key in table)
        low, high = query.above, query.below
        return sorted(key for key in inside if (low is None or key > low) and (high is None or key < high))
    start, end = table.between(query.above, query.below)
    return table.ids[start:end]


def matching(table: Table, query: Query) -> list[int]:
    """Ids of all records that match."""
    ids = candidates(table, query)
    if query.predicate is None:
        return ids
    predicate = query.predicate
    return [key for key in ids if predicate(table[key])]


def _total(table: Table, query: Query) -> int:
    if query.ids is None and query.predicate is None:
        start, end = table.between(query.above, query.below)
        return end - start
    return len(matching(table, query))


def _select(table: Table, query: Query, offset: int, wanted: int) -> list[int]:
    """Up to ``wanted`` ids after ``offset`` matches; without predicate no record is looked at."""
    if query.predicate is None:
        if query.ids is not None:
            return candidates(table, query)[offset : offset + wanted]
        start, end = table.between(query.above, query.below)
        return table.ids[start + offset : min(end, start + offset + wanted)]
    return list(islice(_scan(table, query), offset, offset + wanted))


def _scan(table: Table, query: Query) -> Iterator[int]:
    assert query.predicate is not None
    if query.ids is not None:
        yield from matching(table, query)
        return
    start, end = table.between(query.above, query.below)
    ids, predicate = table.ids, query.predicate
    for position in range(start, end):
        if predicate(table[ids[position]]):
            yield ids[position]


def encoder(resource: Resource, call: Call, detail: str) -> Callable[[Record], Chunks]:
    """A function that encodes records, from their cache when nothing has changed."""
    raw = resource.world.switches["xml_control_chars"] == "raw"
    is_json = call.request.wants_json
    key = ("json" if is_json else "xml", detail)
    view, stamp, element = resource.view, resource.stamp, resource.element

    def encode(record: Record) -> Chunks:
        now = stamp(record)
        known = record.encoded.get(key)
        if known is not None and known[0] == now:
            return known[1]
        tree = view(record, detail)
        chunks = json_codec.encode(element, tree) if is_json else xml_codec.encode(element, tree, raw=raw)
        record.encoded[key] = (now, chunks)
        return chunks

    return encode


def count(resource: Resource, call: Call) -> Reply:
    """``count``: how many records match."""
    read_preferences(resource, call)
    query = resource.world.engine.compile(resource.fields, call.body.criteria)
    with resource.world.state.lock:
        number = _total(resource.table, query)
    fault = call.data_fault("wrong_count")
    if fault is not None:
        number = max(0, number + int(fault.args.get("n", 1)))
    return resource.world.responder.count(call.request, number, resource.xsd)


def search(resource: Resource, call: Call) -> Reply:
    """``search``: one page, ascending by id."""
    preferences = read_preferences(resource, call)
    query = resource.world.engine.compile(resource.fields, call.body.criteria)
    _start_from(resource, query, preferences.start_id)
    with resource.world.state.lock:
        _mutate(resource, query, call.data_fault("mutate_between_pages"))
        ids = _select(resource.table, query, preferences.offset, preferences.limit + 1)
        more = len(ids) > preferences.limit
        ids = ids[: preferences.limit]
        page = Page(resource.element, [], ids[-1] if more else None, more)
        encode = encoder(resource, call, _detail(preferences))
        page.records = [encode(resource.table[key]) for key in _spoiled(resource.table, query, ids, call)]
        if resource.seen is not None:
            resource.seen(ids)
    return resource.world.responder.page(call.request, page, resource.xsd)


def _detail(preferences: Preferences) -> str:
    if not preferences.verbose:
        return "summary"
    return "verbose" if preferences.histories is None else f"verbose:{preferences.histories}"


def _start_from(resource: Resource, query: Query, start_id: int | None) -> None:
    if start_id is None:
        return
    above = start_id - 1 if resource.world.switches["start_from_id"] == "inclusive" else start_id
    query.above = above if query.above is None else max(query.above, above)


def _spoiled(table: Table, query: Query, ids: list[int], call: Call) -> list[int]:
    """The ids of the page, after a data fault."""
    if call.data_fault("half_page"):
        return ids[: (len(ids) + 1) // 2]
    if call.data_fault("duplicate_record") and ids:
        previous = _previous(table, query, ids[0])
        return ids if previous is None else [previous, *ids]
    return ids


def _previous(table: Table, query: Query, first: int) -> int | None:
    """The record that the page before ended with."""
    _start, end = table.between(None, first)
    for key in reversed(table.ids[:end]):
        if query.predicate is None or query.predicate(table[key]):
            return key
    return None


def _mutate(resource: Resource, query: Query, fault: Fault | None) -> None:
    """Insert or delete records as if another user worked meanwhile."""
    if fault is None:
        return
    number = int(fault.args.get("n", 1))
    table = resource.table
    if fault.args.get("action", "delete") == "insert":
        for key in matching(table, Query(predicate=query.predicate))[-number:]:
            clone = Record({**table[key], "id": table.next_id})
            table[table.new_id()] = clone
        return
    everything = matching(table, Query(predicate=query.predicate))
    seen_first = fault.args.get("where", "unseen") == "seen"
    table.remove_many(everything[:number] if seen_first else everything[-number:])


def find(resource: Resource, path_id: str) -> Record:
    """The record of a path id; raises INVALID_URL or the configured refusal for a missing one."""
    if not path_id.isdigit():
        raise Refusal("INVALID_URL", f"Invalid id {path_id} in the URL.", "The id must be a number.")
    record = resource.table.get(int(path_id))
    if record is None:
        raise missing(resource, path_id)
    return record


def missing(resource: Resource, path_id: str) -> Refusal:
    """What a missing id is answered with; EMPTY_SUCCESS is turned into a reply by the room."""
    code = resource.world.switches["missing_id"]
    return Refusal(code, f"{resource.element} {path_id} does not exist or is not in your scope.", "Check the id.")


def get(resource: Resource, call: Call) -> Reply:
    """``get``: one record in full."""
    with resource.world.state.lock:
        record = find(resource, call.path_id)
        page = Page(resource.element, [encoder(resource, call, "full")(record)])
        if resource.seen is not None:
            resource.seen([record["id"]])
    return resource.world.responder.page(call.request, page, resource.xsd)


def read_operations() -> dict[str, Operation]:
    """The three read operations."""
    return {
        "count": Operation(("GET", "POST"), "none", count),
        "search": Operation(("POST",), "none", search),
        "get": Operation(("GET",), "required", get, reads_body=False),
    }

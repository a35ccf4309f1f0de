# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a finding: ignore, activate, severity, retest (docs/vendors/qualys_was.md 11)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from ..tables import Record
from ..wire import Reply
from . import decode as d
from . import retests
from .decode import CLEAR, Context, Decoder
from .envelope import Refusal, invalid
from .search import find, missing
from .world import Call, Operation, Resource, World
from .writes import check_known, data_of, filtered, no_data, trees_reply

REASONS = ("FALSE_POSITIVE", "RISK_ACCEPTED", "NOT_APPLICABLE")
IGNORED = ("ignoredReason", "ignoredBy", "ignoredDate", "ignoredComment", "reactivateIn", "reactivateDate")
EDITED = ("originalSeverity", "severityComment", "editedSeverityUser", "editedSeverityDate")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

Values = dict[str, Any]
_IDENTITY: dict[str, Decoder] = {"id": d.integer(1), "uniqueId": d.text(36)}
_IGNORE: dict[str, Decoder] = {
    "ignoredReason": d.keyword(*REASONS),
    "ignoredComment": d.text(8192),
    "reactivateIn": d.integer(1),
    "reactivateDate": d.date,
}
_SEVERITY: dict[str, Decoder] = {"severity": d.integer(1), "severityComment": d.text(8192)}


def operations() -> dict[str, Operation]:
    """The six operations of the life cycle."""
    return {
        "ignore": Operation(("POST",), "optional", ignore),
        "activate": Operation(("POST",), "optional", activate),
        "editSeverity": Operation(("POST",), "optional", edit_severity),
        "restoreSeverity": Operation(("POST",), "optional", restore_severity),
        "retest": Operation(("POST",), "optional", retest),
        "retestStatus": Operation(("POST",), "optional", retest_status),
    }


def found(resource: Resource, key: str) -> Record:
    """A finding by id or uniqueId."""
    if not _UUID.fullmatch(key):
        return find(resource, key)
    wanted = key.lower()
    for record in resource.table.values():
        if record["uniqueId"] == wanted:
            return record
    raise missing(resource, key)


def _decoded(resource: Resource, call: Call, allowed: dict[str, Decoder]) -> Values:
    world = resource.world
    node = data_of(resource, call, required=False)
    check_known(node, (*_IDENTITY, *allowed))
    context = Context(world.state, world.switches)
    values = d.members(node, {**_IDENTITY, **allowed}, context) if not node.empty else {}
    return {name: value for name, value in values.items() if value is not CLEAR}


def _targets(resource: Resource, call: Call, values: Values) -> tuple[list[Record], bool]:
    """The findings that are meant, and whether they were named one by one."""
    keys = [str(values[name]) for name in _IDENTITY if name in values]
    if call.path_id:
        keys.append(call.path_id)
    if not keys:
        return [resource.table[key] for key in filtered(resource, call)], False
    if call.body.criteria:
        raise invalid("Send an id or filters, not both.")
    records = [found(resource, key) for key in keys]
    if any(record is not records[0] for record in records):
        raise invalid("The ids of the request mean different findings.", "Send one of them.")
    return records[:1], True


def _allowed(records: list[Record], *, named: bool, what: str) -> list[Record]:
    """Information gathered has no life cycle: refused when named, left out when filtered."""
    good = [record for record in records if record["type"] != "INFORMATION_GATHERED"]
    if named and not good:
        raise invalid(f"{what} is not allowed for information gathered.", "Choose a vulnerability.")
    return good


def _apply(
    resource: Resource, call: Call, allowed: dict[str, Decoder], what: str, change: Callable[[Record, Values], None],
    check: Callable[[Values], None] | None = None,
) -> Reply:  # fmt: skip
    world = resource.world
    with world.state.lock:
        values = _decoded(resource, call, allowed)
        if check is not None:
            check(values)
        chosen, named = _targets(resource, call, values)
        records = _allowed(chosen, named=named, what=what)
        for record in records:
            change(record, values)
            record["updatedDate"] = world.now()
        if records:
            world.wrote()
        return _identities(resource, call, records)


def _identities(resource: Resource, call: Call, records: list[Record]) -> Reply:
    return trees_reply(resource, call, [{"id": item["id"], "uniqueId": item["uniqueId"]} for item in records])


def _later(world: World, days: int) -> str:
    world.now()  # puts the clock into its mode
    return (world.clock.now() + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def ignore(resource: Resource, call: Call) -> Reply:
    """``ignore``: with a reason, until activated or until a date."""
    world = resource.world

    def check(values: Values) -> None:
        if "ignoredReason" not in values:
            raise Refusal("CANNOT_BE_NULL", "Element ignoredReason is needed in Finding.", "Send ignoredReason.")
        _check_timer(world, values)

    def change(record: Record, values: Values) -> None:
        forget(record, IGNORED)
        record["isIgnored"] = True
        record["ignoredBy"] = {"id": world.user_id()}
        record["ignoredDate"] = world.now()
        for name in _IGNORE:
            if name in values:
                record[name] = values[name]
        if "reactivateIn" in values and "reactivateDate" not in values:
            record["reactivateDate"] = _later(world, values["reactivateIn"])

    return _apply(resource, call, _IGNORE, "Ignore", change, check)


def _check_timer(world: World, values: Values) -> None:
    days, date = values.get("reactivateIn"), values.get("reactivateDate")
    if days and date and world.switches["reactivate_both"] == "reject":
        raise invalid("reactivateIn and reactivateDate exclude each other.", "Send one of them.")
    most = world.switches.number("reactivate_in_max")
    if days and most and days > most:
        raise invalid(f"Invalid value '{days}' for element reactivateIn.", f"Expected: 1 to {most}.")
    if date and date <= world.now():
        raise invalid(f"Invalid value '{date}' for element reactivateDate.", "Expected: a date in the future.")


def forget(record: Record, names: tuple[str, ...]) -> None:
    """Take fields out of a record."""
    for name in names:
        if name in record:
            del record[name]


def reactivate(record: Record) -> None:
    """Not ignored any more."""
    forget(record, IGNORED)
    record["isIgnored"] = False


def activate(resource: Resource, call: Call) -> Reply:
    """``activate``: takes the ignoring back."""
    return _apply(resource, call, {}, "Activate", lambda record, _values: reactivate(record))


def edit_severity(resource: Resource, call: Call) -> Reply:
    """``editSeverity``: the first edit keeps the original."""
    world = resource.world

    def check(values: Values) -> None:
        if "severity" not in values:
            raise Refusal("CANNOT_BE_NULL", "Element severity is needed in Finding.", "Send severity.")
        if values["severity"] > 5:
            raise invalid(f"Invalid value '{values['severity']}' for element severity.", "Expected: 1 to 5.")
        if world.switches["severity_comment"] == "required" and "severityComment" not in values:
            raise Refusal("CANNOT_BE_NULL", "Element severityComment is needed in Finding.", "Send it.")

    def change(record: Record, values: Values) -> None:
        record.setdefault("originalSeverity", record["severity"])
        forget(record, EDITED[1:])
        record["severity"] = values["severity"]
        if "severityComment" in values:
            record["severityComment"] = values["severityComment"]
        record["editedSeverityUser"] = {"id": world.user_id()}
        record["editedSeverityDate"] = world.now()

    return _apply(resource, call, _SEVERITY, "Editing the severity", change, check)


def restore_severity(resource: Resource, call: Call) -> Reply:
    """``restoreSeverity``: back to the original; nothing happens to one that was not edited."""

    def change(record: Record, _values: Values) -> None:
        record["severity"] = record.get("originalSeverity", record["severity"])
        forget(record, EDITED)

    return _apply(resource, call, {}, "Restoring the severity", change)


def retest(resource: Resource, call: Call) -> Reply:
    """``retest``: starts; what comes of it is told by retestStatus."""
    world = resource.world
    with world.state.lock:
        values = _decoded(resource, call, {})
        chosen, named = _targets(resource, call, values)
        records = _allowed(chosen, named=named, what="Retest")
        busy = [record for record in records if retests.under_way(record)]
        if named and busy and world.switches["retest_again"] == "reject":
            raise invalid("The finding is under retest already.", "Wait for the result.")
        for record in records:
            if record not in busy:
                retests.start(world, record)
        if records:
            world.wrote()
        return _identities(resource, call, records)


def retest_status(resource: Resource, call: Call) -> Reply:
    """``retestStatus``: one look at the retests of the findings that are meant."""
    with resource.world.state.lock:
        no_data(resource, call)
        chosen, named = _targets(resource, call, {})
        records = _allowed(chosen, named=named, what="Retest")
        trees = [_retest_tree(record) for record in records]
        for record in records:
            retests.seen(resource.world, record)
    return trees_reply(resource, call, trees)


def _retest_tree(record: Record) -> Values:
    known = record.get("retest") or {"retestStatus": "NO_RETEST"}
    names = ("retestStatus", "retestedDate", "findingStatus", "reason")
    view = {name: known[name] for name in names if name in known}
    return {"id": record["id"], "uniqueId": record["uniqueId"], "retest": view}

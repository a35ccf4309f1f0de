# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a change of a schedule is written (sheet section 6.5).

This module is private to the collection and may change at any time.

``target`` and ``scheduling`` are written as a whole when anything in them changes, with what is not managed here
carried over: whether Qualys keeps the members that an update leaves out is not documented.
"""

from __future__ import annotations

import typing as t

from .._reconcile.plan import Plan
from .._reconcile.spec import Record
from .elements import named
from .references import Reference
from .scan_fields import part
from .scan_target import Auth, Scanner, Target, target_node
from .shapes import Raw, number, text, truth
from .xml import Node

_TARGET = frozenset({"webapp", "tags", "auth_record", "scanner", "cancel_after"})
SCHEDULING = frozenset({"start", "time_zone", "recurrence", "cancel_after"})
"""The fields that make up the element of that name."""

_UNITS = {"DAILY": "everyNDays", "WEEKLY": "everyNWeeks"}


def write_data(plan: Plan, raw: Raw | None) -> dict[str, Node]:
    """The ``WasScanSchedule`` element that carries out a plan.

    Args:
        plan: a create or an update.
        raw: the schedule as Qualys holds it.
    """
    after, held = t.cast(Record, plan.after), raw or {}
    changed = {change.field.name for change in plan.changes}
    node: dict[str, Node] = {name: after[name] for name in ("name", "type", "active") if name in changed}
    if "profile" in changed:
        profile: Reference | None = after["profile"]
        node["profile"] = None if profile is None else {"id": profile.id}
    if changed & _TARGET:
        node["target"] = _target(after, held, limit_changed="cancel_after" in changed)
    if changed & SCHEDULING:
        node["scheduling"] = _scheduling(after, held, limit_changed="cancel_after" in changed)
    return {"WasScanSchedule": node}


def _target(after: Record, raw: Raw, *, limit_changed: bool) -> dict[str, Node]:
    webapp: Reference | None = after.get("webapp")
    tags: list[Reference] = after.get("tags") or []
    auth: Auth | None = after.get("auth_record")
    scanner: Scanner | None = after.get("scanner")
    held = part(raw, "target") or {}
    chosen = _chosen(held) if webapp is None and not tags else []
    target = Target(
        webapps=(webapp.id or 0,) if webapp is not None else tuple(chosen),
        tags=tuple(tag.id or 0 for tag in tags),
        auth=auth or Auth(),
        scanner=scanner,
    )
    node = target_node(target)
    if len(chosen) == 1:
        node["webApps"] = {"set": {"WebApp": [{"id": chosen[0]}]}}
        del node["webApp"]
    if tags:
        node["tags"] = _tag_sides(node["tags"], held)
    cancel = text(held.get("cancelOption"))
    if limit_changed:
        cancel = "DEFAULT" if after.get("cancel_after") is None else "SPECIFIC"
    if cancel:
        node["cancelOption"] = cancel
    return node | _carried(held)


def _chosen(held: Raw) -> list[int]:
    """Ids of applications that were chosen one by one."""
    return [found.id for found in named(held.get("webApps")) if found.id is not None]


def _tag_sides(included: Node, held: Raw) -> Node:
    """The tags, with what was excluded and how they were combined."""
    sides = dict(t.cast("dict[str, Node]", included))
    option = text(part(held, "tags", "included", "option"))
    if option:
        sides["included"] = {**t.cast("dict[str, Node]", sides["included"]), "option": option}
    excluded = named(part(held, "tags", "excluded", "tagList"))
    if excluded:
        listed: Node = {"set": {"Tag": [{"id": found.id} for found in excluded]}}
        sides["excluded"] = {"option": text(part(held, "tags", "excluded", "option")) or "ANY", "tagList": listed}
    return sides


def _carried(held: Raw) -> dict[str, Node]:
    node: dict[str, Node] = {}
    for name in ("authRecordOption", "profileOption", "scannerOption"):
        word = text(held.get(name))
        if word:
            node[name] = word
    randomised = truth(held.get("randomizeScan"))
    if randomised is not None:
        node["randomizeScan"] = randomised
    for name in ("proxy", "dnsOverride"):
        found = number(part(held, name, "id"))
        if found is not None:
            node[name] = {"id": found}
    return node


def _scheduling(after: Record, raw: Raw, *, limit_changed: bool) -> dict[str, Node]:
    held = part(raw, "scheduling") or {}
    zone: dict[str, Node] = {"code": after["time_zone"]}
    offset = text(part(held, "timeZone", "offset"))
    if offset and text(part(held, "timeZone", "code")) == after["time_zone"]:
        zone["offset"] = offset
    node: dict[str, Node] = {"startDate": after["start"], "timeZone": zone}
    node |= _occurrence(after["recurrence"])
    hours = after.get("cancel_after")
    if hours is None and not limit_changed:
        # One that is not managed here, because the application's own comes first, or one by the time of day.
        hours = number(held.get("cancelAfterNHours"))
        moment = text(held.get("cancelTime"))
        node |= {"cancelTime": moment} if moment else {}
    if hours is not None:
        node["cancelAfterNHours"] = hours
    return node


def _occurrence(recurrence: Record) -> dict[str, Node]:
    kind = recurrence["type"]
    node: dict[str, Node] = {"occurrenceType": kind}
    if kind == "ONCE":
        return node
    shape: dict[str, Node] = {}
    if kind in _UNITS:
        shape[_UNITS[kind]] = recurrence["every"]
    if kind == "WEEKLY":
        shape["onDays"] = {"WeekDay": recurrence["days"]}
    if kind == "MONTHLY":
        shape["monthlyType"] = _monthly(recurrence)
    if "count" in recurrence:
        shape["occurrenceCount"] = recurrence["count"]
    return node | {"occurrence": {f"{kind.lower()}Occurrence": shape}}


def _monthly(recurrence: Record) -> dict[str, Node]:
    if "day" in recurrence:
        return {"occurDayNbInMonth": {"dayNb": recurrence["day"], "everyNMonths": recurrence["every"]}}
    return {
        "occurDayOrderInMonth": {
            "dayOrder": recurrence["order"],
            "dayOfMonth": recurrence["weekday"],
            "everyNMonths": recurrence["every"],
        }
    }

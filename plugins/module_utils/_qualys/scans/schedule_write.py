# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the XML for a change of a schedule (docs/vendors/qualys_was.md 13).

This module is private to the collection and may change at any time.

If anything in ``target`` or ``scheduling`` changes, the element is written as a whole, including members that are not
managed here: it is not documented whether Qualys keeps members that an update omits.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._reconcile import spec
from ..._reconcile.plan import Plan
from ..._reconcile.spec import Record
from ..api.shapes import Raw, number, text
from ..api.xml import Node
from ..resource.elements import named
from ..resource.field import write_fields
from ..resource.reference import Reference
from .scan_fields import part
from .scan_target import UNSAID, Appliance, Auth, ScanTarget, target_node
from .schedule_fields import FIELDS, SCHEDULING, TARGET, ScheduleField

LIMITS = frozenset(field.name for field in FIELDS if isinstance(field, ScheduleField) and len(field.parts) > 1)
"""The limits of a scan, which are written to both target and scheduling."""

_UNITS = {"DAILY": "everyNDays", "WEEKLY": "everyNWeeks"}


def write_data(plan: Plan, raw: Raw | None) -> dict[str, Node]:
    """Return the ``WasScanSchedule`` element for a plan.

    Args:
        plan: a plan to create or update.
        raw: the schedule as Qualys sent it; None for a create.
    """
    after, held = t.cast(Record, plan.after), raw or {}
    composed = [change for change in plan.changes if _parts(change.field)]
    simple = tuple(change for change in plan.changes if not _parts(change.field))
    node = write_fields(dataclasses.replace(plan, changes=simple), raw)
    parts = {name for change in composed for name in _parts(change.field)}
    limit_changed = any(change.field.name in LIMITS for change in composed)
    # When an element inside the target changes, it is removed there, so that it is not written twice.
    fields = (change.field for change in simple)
    beside = {field.element for field in fields if isinstance(field, ScheduleField) and field.within_target}
    if TARGET in parts or any(part(held, TARGET, element) for element in beside):
        node[TARGET] = _target(after, held, beside, limit_changed=limit_changed)
    if SCHEDULING in parts:
        node[SCHEDULING] = _scheduling(after, held, limit_changed=limit_changed)
    return {"WasScanSchedule": node}


def _parts(field: spec.Field) -> frozenset[str]:
    return field.parts if isinstance(field, ScheduleField) else frozenset()


def _target(after: Record, raw: Raw, beside: t.Collection[str], *, limit_changed: bool) -> dict[str, Node]:
    webapp: Reference | None = after.get("webapp")
    tags: list[Reference] = after.get("tags") or []
    auth: Auth | None = after.get("auth_record")
    scanner: Appliance | None = after.get("scanner")
    held = part(raw, "target") or {}
    chosen = _chosen(held) if webapp is None and not tags else []
    target = ScanTarget(
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
        node["tags"] = _tag_sides(after)
    cancel = text(held.get("cancelOption"))
    if limit_changed:
        cancel = "DEFAULT" if all(after.get(name) is None for name in LIMITS) else "SPECIFIC"
    if cancel:
        node["cancelOption"] = cancel
    if after.get("randomize") is not None:
        node["randomizeScan"] = after["randomize"]
    return node | {name: value for name, value in _carried(held).items() if name not in beside}


def _chosen(held: Raw) -> list[int]:
    """Return the ids of a list of individual applications."""
    return [found.id for found in named(held.get("webApps")) if found.id is not None]


def _tag_sides(after: Record) -> Node:
    """Return the tags that an application must have, and those that it must not have."""
    sides: dict[str, Node] = {}
    for side, name in (("included", "tags"), ("excluded", "excluded_tags")):
        tags: list[Reference] = after.get(name) or []
        if tags:
            listed: Node = {"set": {"Tag": [{"id": tag.id} for tag in tags]}}
            match = f"{name}_match"
            sides[side] = {"option": after.get(match) or UNSAID[match], "tagList": listed}
    return sides


def _carried(held: Raw) -> dict[str, Node]:
    node: dict[str, Node] = {}
    for name in ("authRecordOption", "profileOption", "scannerOption"):
        word = text(held.get(name))
        if word:
            node[name] = word
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
    # A recurrence of an unknown type is read as None, and written back unchanged.
    node |= _occurrence(after["recurrence"]) if after.get("recurrence") else _held_occurrence(held)
    hours, moment = after.get("cancel_after"), after.get("cancel_time")
    if hours is None and moment is None and not limit_changed:
        # The schedule may have a limit that was not read, because the application's own comes first. It is kept.
        hours, moment = number(held.get("cancelAfterNHours")), text(held.get("cancelTime"))
    if hours is not None:
        node["cancelAfterNHours"] = hours
    if moment is not None:
        node["cancelTime"] = moment
    return node


def _held_occurrence(held: Raw) -> dict[str, Node]:
    return {name: held[name] for name in ("occurrenceType", "occurrence") if held.get(name) is not None}


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

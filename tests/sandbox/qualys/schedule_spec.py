# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be written to a schedule, the occurrence shapes above all (docs/vendors/qualys_was.md 13)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from . import decode as d
from . import qlists, scan_target
from .decode import CLEAR, Context, Decoder
from .envelope import Refusal, invalid
from .node import Node
from .qlists import ListSpec

DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
ORDERS = ("FIRST", "SECOND", "THIRD", "FOURTH", "LAST")
TYPES = ("ONCE", "DAILY", "WEEKLY", "MONTHLY")
_ZONE = re.compile(r"[A-Za-z_]+(/[A-Za-z0-9_+-]+){0,2}")
_OFFSET = re.compile(r"[+-]\d\d:\d\d")

Values = dict[str, Any]


def _number(low: int, high: int) -> Decoder:
    def decode(node: Node, context: Context) -> int:
        value = int(d.integer(low)(node, context))
        if value > high:
            raise invalid(f"Invalid value '{value}' for element {node.tag}.", f"Expected: {low} to {high}.")
        return value

    return decode


def _pattern(pattern: re.Pattern[str], expected: str) -> Decoder:
    def decode(node: Node, context: Context) -> str:
        value = str(d.text(64, required=True)(node, context)).strip()
        if not pattern.fullmatch(value):
            raise invalid(f"Invalid value '{value}' for element {node.tag}.", f"Expected: {expected}.")
        return value

    return decode


def _on_days(node: Node, context: Context) -> list[str]:
    if node.text.strip() or any(child.tag != "WeekDay" for child in node.children):
        raise invalid("onDays holds WeekDay elements only.", f"Allowed: {', '.join(DAYS)}.")
    days = [d.keyword(*DAYS)(child, context) for child in node.children]
    if not days:
        raise Refusal("CANNOT_BE_NULL", "onDays needs at least one WeekDay.", "Send a day.")
    if len(set(days)) < len(days):
        raise invalid("A WeekDay is given twice in onDays.")
    return sorted(days, key=DAYS.index)


_COUNT = d.integer(1)
_BY_NUMBER = d.obj({"dayNb": _number(1, 31), "everyNMonths": _number(1, 12)}, ("dayNb", "everyNMonths"))
_BY_ORDER = d.obj(
    {"dayOrder": d.keyword(*ORDERS), "dayOfMonth": d.keyword(*DAYS), "everyNMonths": _number(1, 12)},
    ("dayOrder", "dayOfMonth", "everyNMonths"),
)


def _monthly_type(node: Node, context: Context) -> Any:
    value = d.obj({"occurDayNbInMonth": _BY_NUMBER, "occurDayOrderInMonth": _BY_ORDER})(node, context)
    if value is CLEAR or len(value) != 1:
        hint = "Send occurDayNbInMonth or occurDayOrderInMonth."
        raise invalid("monthlyType takes exactly one of its two forms.", hint)
    return value


OCCURRENCES: dict[str, tuple[str, Decoder]] = {
    "DAILY": (
        "dailyOccurrence", d.obj({"everyNDays": _number(1, 365), "occurrenceCount": _COUNT}, ("everyNDays",))
    ),
    "WEEKLY": (
        "weeklyOccurrence",
        d.obj(
            {"everyNWeeks": _number(1, 52), "onDays": _on_days, "occurrenceCount": _COUNT}, ("everyNWeeks", "onDays")
        ),
    ),
    "MONTHLY": (
        "monthlyOccurrence", d.obj({"monthlyType": _monthly_type, "occurrenceCount": _COUNT}, ("monthlyType",))
    ),
}  # fmt: skip
_OCCURRENCE = d.obj(dict(OCCURRENCES.values()))
_ZONES = d.obj(
    {"code": _pattern(_ZONE, "a time zone such as Europe/Paris"), "offset": _pattern(_OFFSET, "an offset: +01:00")},
    ("code",),
)
_SCHEDULING: dict[str, Decoder] = {
    "startDate": d.date_time,
    "timeZone": _ZONES,
    "occurrenceType": d.keyword(*TYPES),
    "occurrence": _OCCURRENCE,
    "cancelAfterNHours": d.integer(1),
    "cancelTime": d.text(64),
}


def scheduling(node: Node, current: Values | None, context: Context) -> Values:
    """The scheduling after the write; its type and its occurrence must fit."""
    if node.empty:
        raise Refusal("CANNOT_BE_NULL", "scheduling cannot be empty.", "Send it.")
    written = d.members(node, _SCHEDULING, context)
    kept = dict(current or {}) if context.switches["object_update"] == "merge" else {}
    if "occurrenceType" in written and written["occurrenceType"] != kept.get("occurrenceType"):
        kept.pop("occurrence", None)
    for name, other in (("cancelTime", "cancelAfterNHours"), ("cancelAfterNHours", "cancelTime")):
        if name in written and other not in written:
            kept.pop(other, None)
    values = {name: value for name, value in {**kept, **written}.items() if value is not CLEAR}
    for name in ("startDate", "timeZone", "occurrenceType"):
        if name not in values:
            raise Refusal("CANNOT_BE_NULL", f"Element {name} is needed in scheduling.", f"Send {name}.")
    _check_occurrence(values)
    return values


def _check_occurrence(values: Mapping[str, Any]) -> None:
    kind, given = values["occurrenceType"], set(values.get("occurrence", {}))
    wanted = {OCCURRENCES[kind][0]} if kind in OCCURRENCES else set()
    if given == wanted:
        return
    if not given:
        raise Refusal("CANNOT_BE_NULL", f"occurrenceType {kind} needs {min(wanted)}.", "Send occurrence.")
    expected = min(wanted) if wanted else "no occurrence"
    raise invalid(f"occurrenceType {kind} does not take {min(given - wanted or given)}.", f"Expected: {expected}.")


def _address(node: Node, _context: Context) -> str:
    value = node.text.strip()
    if node.children or "@" not in value:
        raise invalid(f"Invalid value '{value}' for element {node.tag}.", "Expected: an e-mail address.")
    return value


def addresses() -> ListSpec:
    """EmailAddress items."""
    return ListSpec("EmailAddress", _address, lambda value, _context: str(value), _address)


def _delay(node: Node, context: Context) -> Any:
    scale = d.text(32, required=True) if context.switches["delay_scale"] == "any" else d.keyword("DAY")
    return d.obj({"nb": d.integer(0), "scale": scale}, ("nb", "scale"))(node, context)


_NOTIFICATION: dict[str, Decoder] = {
    "active": d.boolean,
    "reschedule": d.boolean,
    "delay": _delay,
    "message": d.text(8192),
}


def notification(node: Node, current: Values | None, context: Context) -> Any:
    """The notification after the write; CLEAR for an empty one."""
    if node.empty:
        return d.cleared(node, context)
    written = d.members(node, {**_NOTIFICATION, "recipients": d.later}, context)
    written.pop("recipients", None)
    kept = dict(current or {}) if context.switches["object_update"] == "merge" else {}
    values = {name: value for name, value in {**kept, **written}.items() if value is not CLEAR}
    recipients = node.one("recipients")
    if recipients is not None:
        present = (current or {}).get("recipients") or []
        values["recipients"] = qlists.apply(addresses(), recipients, present, context)
    return values


SCALARS: dict[str, Decoder] = {
    "name": d.text(256, required=True),
    "owner": d.user,
    "active": d.boolean,
    "type": d.keyword("VULNERABILITY", "DISCOVERY"),
    "target": scan_target.target,
    "profile": scan_target.profile,
    "proxy": d.reference("proxies"),
    "dnsOverride": d.reference("dns_overrides"),
    "sendMail": d.boolean,
    "sendOneMail": d.boolean,
}
PARTS = {"scheduling": scheduling, "notification": notification}
READ_ONLY = (
    "launchedCount", "nextLaunchDate", "lastScan", "invalid", "multi", "createdBy", "createdDate", "updatedBy",
    "updatedDate",
)  # fmt: skip
KNOWN = ("id", *SCALARS, *PARTS)

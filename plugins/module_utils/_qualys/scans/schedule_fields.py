# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The schedule: its fields and how they are read (docs/vendors/qualys_was.md 13).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._base.errors import OptionError
from ..._reconcile.spec import Field, Record, option_spec
from ..._records.times import canonical_time, parse_time, utc_text
from ..api.shapes import Raw, items, number, text, truth, user_name
from ..resource.elements import GET, named, reference_key, reference_list, stripped
from ..resource.references import Reference, show_reference
from . import schedule_notification as notification
from .scan_fields import part
from .scan_target import DEFAULT_AUTH, MATCHES, SCANNER_OPTIONS, TYPES, Auth, Scanner

DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
ORDERS = ("FIRST", "SECOND", "THIRD", "FOURTH", "LAST")
_MOST = {"DAILY": ("days", 365), "WEEKLY": ("weeks", 52), "MONTHLY": ("months", 12)}

RECURRENCE_OPTIONS: dict[str, dict[str, t.Any]] = {
    "type": {"type": "str", "choices": ["ONCE", "DAILY", "WEEKLY", "MONTHLY"], "required": True},
    "every": {"type": "int"},
    "days": {"type": "list", "elements": "str", "choices": list(DAYS)},
    "day": {"type": "int"},
    "order": {"type": "str", "choices": list(ORDERS)},
    "weekday": {"type": "str", "choices": list(DAYS)},
    "count": {"type": "int"},
}
_MEMBERS = {
    "ONCE": frozenset({"type"}),
    "DAILY": frozenset({"type", "every", "count"}),
    "WEEKLY": frozenset({"type", "every", "count", "days"}),
    "MONTHLY": frozenset({"type", "every", "count", "day", "order", "weekday"}),
}


# Options


def recurrence(written: t.Any) -> Record:
    """A recurrence as it is compared: only the members that its type has, ``every`` filled in.

    Raises:
        OptionError: a member is missing, out of range, or not one of the type.
    """
    given = {name: value for name, value in written.items() if value is not None}
    kind = given["type"]
    strange = sorted(set(given) - _MEMBERS[kind])
    if strange:
        raise OptionError(
            f"recurrence: {kind} does not have {', '.join(strange)}.",
            hint=f"It has {', '.join(sorted(_MEMBERS[kind] - {'type'})) or 'no further members'}.",
        )
    if kind == "ONCE":
        return {"type": kind}
    unit, most = _MOST[kind]
    found: Record = {"type": kind, "every": _within("every", given.get("every", 1), most, unit)}
    if kind == "WEEKLY":
        found["days"] = _days(given.get("days"))
    if kind == "MONTHLY":
        found |= _monthly(given)
    if "count" in given:
        found["count"] = _within("count", given["count"], None, "scans")
    return found


def _within(name: str, value: int, most: int | None, unit: str) -> int:
    if value < 1 or (most is not None and value > most):
        allowed = "1 or more" if most is None else f"1 to {most}"
        raise OptionError(f"recurrence: {name} is {value}.", hint=f"It is a number of {unit}, {allowed}.")
    return value


def _days(written: t.Sequence[str] | None) -> list[str]:
    if not written:
        raise OptionError("recurrence: WEEKLY needs days.", hint="Such as [MONDAY, THURSDAY].")
    return sorted(set(written), key=DAYS.index)


def _monthly(given: Record) -> Record:
    by_order: Record = {name: given[name] for name in ("order", "weekday") if name in given}
    if ("day" in given) == bool(by_order) or len(by_order) == 1:
        raise OptionError(
            "recurrence: MONTHLY needs either day, or order and weekday.",
            hint="Such as {day: 15}, or {order: LAST, weekday: SUNDAY}.",
        )
    return by_order or {"day": _within("day", given["day"], 31, "the day in the month")}


def _start(value: t.Any) -> str:
    try:
        return utc_text(parse_time(str(value)).replace(microsecond=0))
    except ValueError:
        raise OptionError(
            f"start: {value!r} is not a time.", hint="Give a UTC date or time such as 2026-01-31T08:00:00Z."
        ) from None


def _hours(value: t.Any) -> int | None:
    """Zero hours means: no limit of its own."""
    if int(value) < 0:
        raise OptionError(f"cancel_after: {value} is not a number of hours.", hint="Give 1 or more, or 0 for none.")
    return int(value) or None


def _auth_key(auth: Auth) -> t.Hashable:
    return DEFAULT_AUTH if auth.record is None else reference_key(auth.record)


def _show_auth(auth: Auth) -> str:
    return DEFAULT_AUTH if auth.record is None else show_reference(auth.record)


def _show_proxy(proxy: Reference) -> str:
    # Its id, because no name of one can be looked up.
    return str(proxy.id)


def _scanner_key(scanner: Scanner) -> t.Hashable:
    return scanner.type, scanner.friendly_name, frozenset(reference_key(tag) for tag in scanner.tags)


def _show_scanner(scanner: Scanner) -> Record:
    tags = [show_reference(tag) for tag in scanner.tags]
    return {"type": scanner.type, "friendly_name": scanner.friendly_name, "tags": tags}


FIELDS: tuple[Field, ...] = (
    Field(name="name", option={"type": "str"}, normalise=stripped),
    Field(name="type", option={"type": "str", "choices": list(TYPES)}),
    Field(name="active", option={"type": "bool"}),
    Field(name="webapp", option={"type": "str"}, key=reference_key, show=show_reference, read=GET),
    reference_list("tags", GET),
    Field(name="tags_match", option={"type": "str", "choices": list(MATCHES)}, read=GET),
    reference_list("excluded_tags", GET),
    Field(name="excluded_tags_match", option={"type": "str", "choices": list(MATCHES)}, read=GET),
    Field(name="start", option={"type": "str"}, normalise=_start, read=GET),
    Field(name="time_zone", option={"type": "str"}, normalise=stripped, read=GET),
    Field(
        name="recurrence",
        option={"type": "dict", "options": RECURRENCE_OPTIONS},
        normalise=recurrence,
        key=lambda value: repr(sorted(value.items())),
        read=GET,
    ),
    Field(name="profile", option={"type": "str"}, key=reference_key, show=show_reference, read=GET),
    Field(name="auth_record", option={"type": "str"}, key=_auth_key, show=_show_auth, read=GET),
    Field(
        name="scanner",
        option={"type": "dict", "options": SCANNER_OPTIONS},
        key=_scanner_key,
        show=_show_scanner,
        read=GET,
    ),
    Field(name="cancel_after", option={"type": "int"}, normalise=_hours, read=GET),
    Field(name="cancel_time", option={"type": "str"}, normalise=stripped, read=GET),
    Field(name="randomize", option={"type": "bool"}, read=GET),
    Field(name="proxy", option={"type": "str"}, key=reference_key, show=_show_proxy, read=GET),
    Field(name="dns_override", option={"type": "str"}, key=reference_key, show=show_reference, read=GET),
    Field(
        name="notification",
        option={"type": "dict", "options": notification.OPTIONS},
        key=notification.key,
        read=GET,
    ),
    Field(name="send_mail", option={"type": "bool"}, read=GET),
    Field(name="send_one_mail", option={"type": "bool"}, read=GET),
)

OPTIONS = option_spec(FIELDS)
"""The options of the module, as Ansible wants them."""

REFERENCES: dict[str, str] = {
    "webapp": "webapp",
    "tags": "tag",
    "excluded_tags": "tag",
    "profile": "optionprofile",
    "dns_override": "dnsoverride",
}
"""Fields that name other records, and the object that they name; ``auth_record`` and ``scanner`` have words besides,
and ``proxy`` cannot be looked up."""


# Reading


def _one(value: t.Any) -> Reference | None:
    return Reference.of(value) if isinstance(value, dict) and value else None


def _auth(value: t.Any) -> Auth | None:
    if not isinstance(value, dict) or not value:
        return None
    # A schedule for the default login may come back with the record that is the default now.
    if truth(value.get("isDefault")):
        return Auth(default=True)
    return Auth(Reference.of(value))


def _scanner(target: t.Any) -> Scanner | None:
    appliance = part(target, "scannerAppliance") if isinstance(target, dict) else None
    if not isinstance(appliance, dict) or not text(appliance.get("type")):
        return None
    tags = tuple(named(target.get("scannerTags")))
    return Scanner(text(appliance["type"]) or "", text(appliance.get("friendlyName")), tags)


def _recurrence(scheduling: Raw) -> Record | None:
    kind = (text(scheduling.get("occurrenceType")) or "").upper()
    if kind == "ONCE":
        return {"type": kind}
    shape = part(scheduling, "occurrence", f"{kind.lower()}Occurrence")
    if kind not in _MEMBERS or not isinstance(shape, dict):
        return None
    unit = {"DAILY": "everyNDays", "WEEKLY": "everyNWeeks", "MONTHLY": "everyNMonths"}[kind]
    found: Record = {"type": kind, "every": number(shape.get(unit))}
    if kind == "WEEKLY":
        found["days"] = sorted(_weekdays(shape.get("onDays")), key=DAYS.index)
    if kind == "MONTHLY":
        found |= _read_monthly(part(shape, "monthlyType") or {})
    count = number(shape.get("occurrenceCount"))
    return found | ({"count": count} if count is not None else {})


def _weekdays(value: t.Any) -> list[str]:
    held = value.get("WeekDay") if isinstance(value, dict) and "WeekDay" in value else items(value)
    words = [text(day) for day in (held if isinstance(held, list) else [held])]
    return [word for word in words if word in DAYS]


def _read_monthly(shape: Raw) -> Record:
    by_number, by_order = part(shape, "occurDayNbInMonth"), part(shape, "occurDayOrderInMonth")
    if isinstance(by_number, dict):
        return {"every": number(by_number.get("everyNMonths")), "day": number(by_number.get("dayNb"))}
    by_order = by_order if isinstance(by_order, dict) else {}
    return {
        "every": number(by_order.get("everyNMonths")),
        "order": text(by_order.get("dayOrder")),
        "weekday": text(by_order.get("dayOfMonth")),
    }


def _limit(raw: Raw, member: str) -> t.Any:
    # With DEFAULT the application's own limit comes first, so that the schedule's is not one that can be relied on.
    if (text(part(raw, "target", "cancelOption")) or "").upper() == "DEFAULT":
        return None
    return part(raw, "scheduling", member)


def _beside(raw: Raw, name: str) -> Reference | None:
    """A proxy or a DNS override, which may stand beside the target or in it (docs/vendors/qualys_was.md 13)."""
    return _one(raw.get(name)) or _one(part(raw, "target", name))


def _member(value: t.Any) -> Raw:
    return value if isinstance(value, dict) else {}


_READERS: dict[str, t.Callable[[Raw], t.Any]] = {
    "name": lambda raw: text(raw.get("name")),
    "type": lambda raw: text(raw.get("type")),
    "active": lambda raw: truth(raw.get("active")),
    "webapp": lambda raw: _one(part(raw, "target", "webApp")),
    "tags": lambda raw: named(part(raw, "target", "tags", "included", "tagList")),
    "tags_match": lambda raw: text(part(raw, "target", "tags", "included", "option")),
    "excluded_tags": lambda raw: named(part(raw, "target", "tags", "excluded", "tagList")),
    "excluded_tags_match": lambda raw: text(part(raw, "target", "tags", "excluded", "option")),
    "start": lambda raw: canonical_time(text(part(raw, "scheduling", "startDate"))),
    "time_zone": lambda raw: text(part(raw, "scheduling", "timeZone", "code")),
    "recurrence": lambda raw: _recurrence(_member(raw.get("scheduling"))),
    "profile": lambda raw: _one(raw.get("profile")),
    "auth_record": lambda raw: _auth(part(raw, "target", "webAppAuthRecord")),
    "scanner": lambda raw: _scanner(raw.get("target")),
    "cancel_after": lambda raw: number(_limit(raw, "cancelAfterNHours")),
    "cancel_time": lambda raw: text(_limit(raw, "cancelTime")),
    "randomize": lambda raw: truth(part(raw, "target", "randomizeScan")),
    "proxy": lambda raw: _beside(raw, "proxy"),
    "dns_override": lambda raw: _beside(raw, "dnsOverride"),
    "notification": lambda raw: notification.read(raw.get("notification")),
    "send_mail": lambda raw: truth(raw.get("sendMail")),
    "send_one_mail": lambda raw: truth(raw.get("sendOneMail")),
}
_LEVELS = {field.name: field.read for field in FIELDS}


def from_raw(raw: Raw, level: int = GET) -> Record:
    """A schedule in option form, with the fields that a read of this level holds."""
    record: Record = {"id": number(raw.get("id"))}
    record |= {name: read(raw) for name, read in _READERS.items() if _LEVELS[name] <= level}
    last = _member(raw.get("lastScan"))
    record |= {
        "owner": user_name(raw.get("owner")),
        "next_launch": canonical_time(text(raw.get("nextLaunchDate"))),
        "launched": number(raw.get("launchedCount")),
        "last_scan": {
            "id": number(last.get("id")),
            "date": canonical_time(text(last.get("launchedDate"))),
            "status": text(last.get("status")),
        }
        if last
        else None,
        "created": canonical_time(text(raw.get("createdDate"))),
        "updated": canonical_time(text(raw.get("updatedDate"))),
    }
    if level >= GET:
        # Applications that were chosen one by one can be read, but not be managed here.
        record["webapps"] = [show_reference(found) for found in named(part(raw, "target", "webApps"))]
    return record

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields of a schedule, and how they are read (docs/vendors/qualys_was.md 13).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._base.errors import OptionError
from ..._reconcile.plan import Change
from ..._reconcile.spec import Record, option_spec
from ..._records.times import canonical_time, parse_time, utc_text
from ..api.shapes import Raw, items, number, text, truth, user_name
from ..api.xml import Node
from ..resource.elements import GET, SEARCH, named, one, reference_node, stripped, word
from ..resource.field import Field, choice_field, flag_field, name_field, read_fields, reference_field, reference_list
from ..resource.reference import Reference, reference_key, show_reference
from . import schedule_notification as notification
from .scan_fields import part
from .scan_target import DEFAULT_AUTH, MATCHES, NO_AUTH, SCANNER_OPTIONS, TYPES, UNSAID, Appliance, Auth

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
    """Return a recurrence in the form in which it is compared: only the members of its type, with ``every``.

    Raises:
        OptionError: a member is missing, out of range, or not allowed for the type.
    """
    # Zero scans means no end.
    given = {name: value for name, value in written.items() if value is not None and (name, value) != ("count", 0)}
    kind = given["type"]
    strange = sorted(set(given) - _MEMBERS[kind])
    if strange:
        raise OptionError(
            f"recurrence: {kind} does not have {', '.join(strange)}.",
            hint=f"It has {', '.join(sorted(_MEMBERS[kind] - {'type'})) or 'no other members'}.",
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
        raise OptionError(f"recurrence: {name} must not be {value}.", hint=f"Give a number of {unit}, {allowed}.")
    return value


def _days(written: t.Sequence[str] | None) -> list[str]:
    if not written:
        raise OptionError("recurrence: WEEKLY requires days.", hint="Such as [MONDAY, THURSDAY].")
    return _in_order(set(written))


def _in_order(days: t.Iterable[str]) -> list[str]:
    """Return days in the order of the week, followed by unknown words."""
    return sorted(days, key=lambda day: (DAYS.index(day) if day in DAYS else len(DAYS), day))


def _monthly(given: Record) -> Record:
    by_order: Record = {name: given[name] for name in ("order", "weekday") if name in given}
    if ("day" in given) == bool(by_order) or len(by_order) == 1:
        raise OptionError(
            "recurrence: MONTHLY requires either day, or order and weekday.",
            hint="Such as {day: 15}, or {order: LAST, weekday: SUNDAY}.",
        )
    return by_order or {"day": _within("day", given["day"], 31, "a day in the month")}


def _start(value: t.Any) -> str:
    try:
        return utc_text(parse_time(str(value)).replace(microsecond=0))
    except ValueError:
        raise OptionError(
            f"start: {value!r} is not a valid time.", hint="Give a UTC date or time such as 2026-01-31T08:00:00Z."
        ) from None


def _hours(value: t.Any) -> int | None:
    """Return a limit in hours; None for zero, which means that the schedule has no limit of its own."""
    if int(value) < 0:
        raise OptionError(
            f"cancel_after: {value} is not a valid number of hours.", hint="Give 1 or more, or 0 for no limit."
        )
    return int(value) or None


def _auth_key(auth: Auth) -> t.Hashable:
    return DEFAULT_AUTH if auth.record is None else reference_key(auth.record)


def _show_auth(auth: Auth) -> str:
    if auth.record is None:
        return DEFAULT_AUTH
    name = show_reference(auth.record)
    # A record whose name is one of the option's own words is shown by its id.
    return str(auth.record.id) if name in (DEFAULT_AUTH, NO_AUTH) else name


def _show_proxy(proxy: Reference) -> str:
    # By id, because proxies cannot be searched by name.
    return str(proxy.id)


def _scanner_key(scanner: Appliance) -> t.Hashable:
    return scanner.type, scanner.friendly_name, frozenset(reference_key(tag) for tag in scanner.tags)


def _show_scanner(scanner: Appliance) -> Record:
    tags = [show_reference(tag) for tag in scanner.tags]
    return {"type": scanner.type, "friendly_name": scanner.friendly_name, "tags": tags}


# Reading


def _auth(value: t.Any) -> Auth | None:
    if not isinstance(value, dict) or not value:
        return None
    # For a schedule with the default login, Qualys may return the present default record.
    if truth(value.get("isDefault")):
        return Auth(default=True)
    return Auth(Reference.of(value))


def _scanner(target: t.Any) -> Appliance | None:
    appliance = part(target, "scannerAppliance") if isinstance(target, dict) else None
    if not isinstance(appliance, dict) or not text(appliance.get("type")):
        return None
    tags = tuple(named(target.get("scannerTags")))
    return Appliance(text(appliance["type"]) or "", text(appliance.get("friendlyName")), tags)


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
        found["days"] = _in_order(_weekdays(shape.get("onDays")))
    if kind == "MONTHLY":
        found |= _read_monthly(part(shape, "monthlyType") or {})
    # Zero scans means that there is no end.
    count = number(shape.get("occurrenceCount"))
    return found | ({"count": count} if count else {})


def _weekdays(value: t.Any) -> list[str]:
    held = value.get("WeekDay") if isinstance(value, dict) and "WeekDay" in value else items(value)
    return [found for day in (held if isinstance(held, list) else [held]) if (found := text(day))]


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
    # With DEFAULT, the application's own limit comes first, so the schedule's limit does not count.
    if (text(part(raw, "target", "cancelOption")) or "").upper() == "DEFAULT":
        return None
    return part(raw, "scheduling", member)


def _member(value: t.Any) -> Raw:
    return value if isinstance(value, dict) else {}


# The fields

TARGET, SCHEDULING = "target", "scheduling"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScheduleField(Field):
    """A field of a schedule.

    Attributes:
        parts: the elements of which the field is a member. :mod:`.schedule_write` writes these as a whole.
        within_target: whether Qualys may return the element inside the target instead of beside it (see
            docs/vendors/qualys_was.md 13).
    """

    parts: frozenset[str] = frozenset()
    within_target: bool = False


def _member_field(name: str, option: t.Any, *path: str, parts: tuple[str, ...] = (), **more: t.Any) -> ScheduleField:
    """Return a field that is a member of the target or the scheduling."""
    settings: dict[str, t.Any] = {"reader": lambda raw: word(part(raw, *path)), "read": GET}
    option = {"type": option} if isinstance(option, str) else option
    return ScheduleField(
        name=name,
        element=path[0] if path else name,
        option=option,
        parts=frozenset(parts or path[:1]),
        **(settings | more),
    )


def _tag_list(name: str, side: str) -> ScheduleField:
    return t.cast(
        ScheduleField,
        reference_list(
            name,
            TARGET,
            "Tag",
            "tag",
            cls=ScheduleField,
            reader=lambda raw: named(part(raw, TARGET, "tags", side, "tagList")),
            parts=frozenset({TARGET}),
        ),
    )


def _matches(name: str, side: str) -> ScheduleField:
    def read(raw: Raw) -> str | None:
        tags = named(part(raw, TARGET, "tags", side, "tagList"))
        return word(part(raw, TARGET, "tags", side, "option")) or (UNSAID[name] if tags else None)

    return _member_field(name, {"type": "str", "choices": list(MATCHES)}, TARGET, "tags", side, "option", reader=read)


def _beside(name: str, element: str, refers: str, show: t.Callable[[Reference], str]) -> ScheduleField:
    return ScheduleField(
        name=name,
        element=element,
        option={"type": "str"},
        key=reference_key,
        show=show,
        refers=refers,
        reader=lambda raw: one(raw.get(element)) or one(part(raw, TARGET, element)),
        writer=reference_node,
        within_target=True,
        read=GET,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Notification(ScheduleField):
    def node(self, change: Change, raw: Raw, *, create: bool) -> Node:
        return notification.node(change.after, change.before)


FIELDS: tuple[Field, ...] = (
    name_field(),
    choice_field("type", "type", TYPES, read=SEARCH),
    flag_field("active", "active", read=SEARCH, default=None),
    _member_field(
        "webapp",
        "str",
        TARGET,
        "webApp",
        reader=lambda raw: one(part(raw, TARGET, "webApp")),
        key=reference_key,
        show=show_reference,
        refers="webapp",
    ),
    _tag_list("tags", "included"),
    _matches("tags_match", "included"),
    _tag_list("excluded_tags", "excluded"),
    _matches("excluded_tags_match", "excluded"),
    _member_field(
        "start",
        "str",
        SCHEDULING,
        reader=lambda raw: canonical_time(text(part(raw, SCHEDULING, "startDate"))),
        normalise=_start,
    ),
    _member_field("time_zone", "str", SCHEDULING, "timeZone", "code", normalise=stripped),
    _member_field(
        "recurrence",
        {"type": "dict", "options": RECURRENCE_OPTIONS},
        SCHEDULING,
        reader=lambda raw: _recurrence(_member(raw.get(SCHEDULING))),
        normalise=recurrence,
        key=lambda value: repr(sorted(value.items())),
    ),
    reference_field("profile", "profile", "optionprofile"),
    _member_field(
        "auth_record",
        "str",
        TARGET,
        reader=lambda raw: _auth(part(raw, TARGET, "webAppAuthRecord")),
        key=_auth_key,
        show=_show_auth,
        refers="webappauthrecord",
        plain_reference=False,
    ),
    _member_field(
        "scanner",
        {"type": "dict", "options": SCANNER_OPTIONS},
        TARGET,
        reader=lambda raw: _scanner(raw.get(TARGET)),
        key=_scanner_key,
        show=_show_scanner,
        refers="tag",
        plain_reference=False,
    ),
    _member_field(
        "cancel_after",
        "int",
        SCHEDULING,
        parts=(TARGET, SCHEDULING),
        reader=lambda raw: number(_limit(raw, "cancelAfterNHours")) or None,
        normalise=_hours,
    ),
    _member_field(
        "cancel_time",
        "str",
        SCHEDULING,
        parts=(TARGET, SCHEDULING),
        reader=lambda raw: word(_limit(raw, "cancelTime")),
        normalise=stripped,
    ),
    _member_field(
        "randomize", "bool", TARGET, reader=lambda raw: truth(part(raw, TARGET, "randomizeScan")), default=False
    ),
    _beside("scan_proxy", "proxy", "", _show_proxy),
    _beside("dns_override", "dnsOverride", "dnsoverride", show_reference),
    _Notification(
        name="notification",
        element="notification",
        option={"type": "dict", "options": notification.OPTIONS},
        key=notification.key,
        reader=lambda raw: notification.read(raw.get("notification")),
        read=GET,
    ),
    flag_field("send_mail", "sendMail"),
    flag_field("send_one_mail", "sendOneMail"),
)
"""``auth_record`` and ``scanner`` accept words besides the names of records, and proxies cannot be searched:
:mod:`.schedule` resolves these."""

OPTIONS = option_spec(FIELDS)
"""The options of the module, as an argument specification."""


def from_raw(raw: Raw, level: int = GET) -> Record:
    """Return a schedule in option form, with the fields that a read of this level includes."""
    record: Record = {"id": number(raw.get("id"))}
    record |= read_fields(FIELDS, raw, level)
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
        # A list of individual applications is returned, but cannot be managed here.
        record["webapps"] = [show_reference(found) for found in named(part(raw, "target", "webApps"))]
    return record

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One schedule of scans (docs/vendors/qualys_was.md 13).

This module is private to the collection and may change at any time.

It is written like other records, except ``active``, which has its own operations. If ``active`` changes, the schedule
is deactivated before its other fields change, or activated afterwards, so that no scan is launched with a part of the
changes.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._base.errors import BadResponse, OptionError, TransportError
from ..._reconcile.plan import Plan
from ..._reconcile.settle import settle
from ..._reconcile.spec import Record
from ..._records.result import Result
from ..api.client import QualysClient
from ..api.shapes import Raw, number, text, truth
from ..api.xml import Node
from ..resource import one, resource_info
from ..resource.elements import GET
from ..resource.reference import Reference
from ..resource.references import References
from ..resource.resource import Prepared, Resource, Written
from . import schedule_notification as notification
from .scan_fields import part
from .scan_target import UNSAID, Appliance, Auth, appliance_of, auth_of, proxy_of
from .schedule_fields import FIELDS, SCHEDULING, ScheduleField, from_raw
from .schedule_write import LIMITS, write_data

_OBJECT = "wasscanschedule"


def _narrow(candidates: list[Raw], options: Written) -> list[Raw]:
    """Return those of several schedules with the same name that scan the given application."""
    word = str(options.get("webapp") or "").strip()
    if not word:
        return candidates
    return [raw for raw in candidates if word in _names(part(raw, "target", "webApp"))]


def _names(webapp: t.Any) -> tuple[str | None, ...]:
    found = webapp if isinstance(webapp, dict) else {}
    return text(found.get("id")), text(found.get("name"))


def _check(options: Written, kept: t.Collection[str]) -> None:
    """Refuse two targets or two limits, unless the schedule already has both and keeps them."""
    hints = {"tags": "Give one of them.", "excluded_tags": "excluded_tags is only allowed with tags."}
    for name, hint in hints.items():
        added = options.get(f"{name}_add")
        both = {"webapp", name} <= set(kept) and not added
        if options.get("webapp") and (options.get(name) or added) and not both:
            raise OptionError(f"webapp and {name} cannot be combined.", hint=hint)
    limits = {"cancel_after", "cancel_time"}
    if all(options.get(name) for name in limits) and not limits <= set(kept):
        raise OptionError("cancel_after and cancel_time cannot be combined.", hint="Give one of them.")


def _prepare(prepared: Record, before: Record | None, kept: t.Collection[str]) -> Prepared:
    """Add defaults for a new schedule, and clear what a new target or limit of the other kind replaces."""
    if prepared.get("cancel_time") and "cancel_time" not in kept:
        prepared["cancel_after"] = 0
    elif prepared.get("cancel_after") and "cancel_after" not in kept:
        prepared["cancel_time"] = ""
    if before is None:
        if not prepared.get("webapp") and not prepared.get("tags") and not prepared.get("tags_add"):
            raise OptionError("webapp or tags is required to create a schedule.", hint="Give what to scan.")
        if not prepared.get("recurrence"):
            raise OptionError("recurrence is required to create a schedule.", hint="{type: ONCE} launches one scan.")
        matches = {name: match for name, match in UNSAID.items() if prepared.get(name.removesuffix("_match"))}
        return Prepared({"type": "VULNERABILITY", "time_zone": "UTC", **matches, **prepared}, None)
    if prepared.get("webapp") and "webapp" not in kept:
        prepared |= {"tags": [], "excluded_tags": [], "tags_match": "", "excluded_tags_match": ""}
    elif (prepared.get("tags") and "tags" not in kept) or prepared.get("tags_add"):
        prepared["webapp"] = ""
    return Prepared(prepared, before)


def _check_whole(plan: Plan) -> None:
    """Refuse a plan after which the schedule would lack something that Qualys requires.

    Raises:
        OptionError: the schedule would have no target, no option profile, or no time.
    """
    after = t.cast(Record, plan.after)
    changed = {change.field.name for change in plan.changes}
    if changed & {"webapp", "tags"} and not after.get("webapp") and not after.get("tags"):
        raise OptionError("webapp, tags: a schedule must have one of them.", hint="Give what to scan.")
    if "profile" in changed and not after.get("profile"):
        raise OptionError(
            "profile: the option profile of a schedule cannot be removed.", hint="Give another option profile."
        )
    if after.get("excluded_tags") and not after.get("tags"):
        raise OptionError("excluded_tags is only allowed with tags.", hint="Give tags, which select the applications.")
    needed = {field.name for field in FIELDS if isinstance(field, ScheduleField) and SCHEDULING in field.parts}
    for name in sorted(needed - LIMITS) if changed & needed else ():
        # A recurrence of an unknown type is read as None, but stays if it is not changed.
        held = name == "recurrence" and plan.before is not None and name not in changed
        if not after.get(name) and not held:
            raise OptionError(
                f"{name}: a schedule must have one.",
                hint=f"Give {name}. If Qualys has one, this version cannot read it, and it has to be given too.",
            )


def _resolved(params: Written, before: Record, references: References) -> Record:
    """Return the options with those resolved that are not plain references: login, scanner, proxy, notification."""
    options = dict(params)
    # A value that equals the shown one stands for the present value, even if it could not be resolved.
    kept = {
        field.name: before[field.name]
        for field in FIELDS
        if field.kind == "scalar" and field.is_shown(before.get(field.name), params.get(field.name))
    }
    for name, resolve in _RESOLVERS.items():
        written = options.get(name)
        if written is not None and written != "" and name not in kept:
            options[name] = resolve(written, before.get(name), references)
    return options | {name: kept[name] for name in _RESOLVERS if name in kept}


def _auth(written: t.Any, held: Auth | None, references: References) -> Auth | str:
    present = [held.record] if held is not None and held.record is not None else []
    auth = auth_of(written, references, present)
    return auth if auth.given else ""


def _scanner(written: t.Any, held: Appliance | None, references: References) -> Appliance | str:
    return appliance_of(written, references, held.tags if held is not None else ()) or ""


def _proxy(written: t.Any, held: Reference | None, _references: References) -> Reference:
    return proxy_of(written, [held] if held is not None else [])


def _notification(written: t.Any, held: Record | None, _references: References) -> Record | str:
    return notification.wanted(written, held)


_RESOLVERS: dict[str, t.Callable[[t.Any, t.Any, References], t.Any]] = {
    "auth_record": _auth,
    "scanner": _scanner,
    "scan_proxy": _proxy,
    "notification": _notification,
}


def _ensure_inactive(client: QualysClient, schedule_id: int) -> None:
    """Deactivate a new schedule if Qualys created it active although it was to be inactive: it would launch scans."""
    raw = client.get(_OBJECT, schedule_id)
    if raw is None or truth(raw.get("active")) is not False:
        _send_switch(client, schedule_id, active=False)


def _send_switch(client: QualysClient, schedule_id: int, *, active: bool) -> None:
    """Activate or deactivate a schedule.

    Raises:
        AmbiguousWrite: the connection failed, and the change did not become visible.
        BadResponse: Qualys reported the operation as done, but the schedule does not show it.
    """
    operation = "activate" if active else "deactivate"

    def look() -> bool | None:
        raw = client.get(_OBJECT, schedule_id)
        return True if raw is not None and truth(raw.get("active")) is active else None

    try:
        answered = client.write(operation, _OBJECT, None, schedule_id)
    except TransportError as error:
        if not error.sent:
            raise
        settle(f"{operation} of schedule {schedule_id}", look, error, sleep=client.http.wait)
        return
    if schedule_id not in [number(record.get("id")) for record in answered] and look() is None:
        raise BadResponse(
            f"Qualys reported the {operation} of schedule {schedule_id} as done, but the schedule does not show it.",
            hint="Run again.",
        )


class ScheduleResource(Resource):
    """The schedule."""

    object = _OBJECT
    element = "WasScanSchedule"
    option = "schedule"
    word = "schedule"
    short = "schedule"
    fields = FIELDS
    needed = ("name", "start")
    narrow_hint = "Give id, or the webapp that one of them has."

    def from_raw(self, raw: Raw, level: int = GET) -> Record:
        """See :func:`.schedule_fields.from_raw`."""
        return from_raw(raw, level)

    def write_data(self, plan: Plan, raw: Raw | None) -> dict[str, Node]:
        """See :func:`.schedule_write.write_data`."""
        return write_data(plan, raw)

    def narrow(self, candidates: list[Raw], options: Written) -> list[Raw]:
        """Return those that scan the given application."""
        return _narrow(candidates, options)

    def check(self, options: Written, before: Record | None) -> None:
        """Refuse two targets or two limits."""
        _check(options, self.as_shown(options, before))

    def resolve(self, options: Written, before: Record | None, references: References) -> Written:
        """Resolve login, scanner, proxy and notification."""
        return _resolved(options, before or {}, references)

    def prepare(self, options: Written, prepared: Record, before: Record | None) -> Prepared:
        """Add defaults for a new schedule, and clear what a new target or limit replaces."""
        return _prepare(prepared, before, self.as_shown(options, before))

    def check_plan(self, plan: Plan) -> None:
        """Refuse a plan after which the schedule would lack something that Qualys requires."""
        _check_whole(plan)

    def carry_out(self, send: t.Callable[[Plan], int], client: QualysClient, plan: Plan) -> int:
        """Write a plan; deactivate before the other changes, and activate after them."""
        switch = next((change for change in plan.changes if change.field.name == "active"), None)
        if plan.action == "create":
            created = send(plan)
            if switch is not None and not switch.after:
                _ensure_inactive(client, created)
            return created
        schedule_id = int(t.cast(Record, plan.before)["id"])
        rest = tuple(change for change in plan.changes if change is not switch)
        if switch is not None and not switch.after:
            _send_switch(client, schedule_id, active=False)
        if rest:
            send(dataclasses.replace(plan, changes=rest))
        if switch is not None and switch.after:
            _send_switch(client, schedule_id, active=True)
        return schedule_id


SCHEDULE = ScheduleResource()


def run(params: Written, client: QualysClient, check_mode: bool) -> Result:
    """Run ``qualys_was_schedule``.

    Raises:
        PerimeterError: an option is invalid, or the schedule cannot be read or written.
    """
    return one.run(SCHEDULE, params, client, check_mode)


def run_info(params: Written, client: QualysClient, _check_mode: bool) -> Result:
    """Run ``qualys_was_schedule_info``. It only reads, so check mode makes no difference."""
    return resource_info.run(SCHEDULE, params, client)

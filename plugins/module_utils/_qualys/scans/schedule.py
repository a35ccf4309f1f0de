# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One schedule of scans (docs/vendors/qualys_was.md 13).

This module is private to the collection and may change at any time.

It is written as every other record, but for ``active``: that has operations of its own. A schedule is switched off
before it is changed and switched on after it, so that nothing is launched half-way.
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
    """Of several schedules of one name, those of the application."""
    word = str(options.get("webapp") or "").strip()
    if not word:
        return candidates
    return [raw for raw in candidates if word in _names(part(raw, "target", "webApp"))]


def _names(webapp: t.Any) -> tuple[str | None, ...]:
    found = webapp if isinstance(webapp, dict) else {}
    return text(found.get("id")), text(found.get("name"))


def _check(options: Written, kept: t.Collection[str]) -> None:
    """Refuse two targets, or two limits, unless the schedule has both and keeps them."""
    hints = {"tags": "A schedule is for one of them.", "excluded_tags": "excluded_tags goes with tags."}
    for name, hint in hints.items():
        added = options.get(f"{name}_add")
        both = {"webapp", name} <= set(kept) and not added
        if options.get("webapp") and (options.get(name) or added) and not both:
            raise OptionError(f"webapp and {name} exclude each other.", hint=hint)
    limits = {"cancel_after", "cancel_time"}
    if all(options.get(name) for name in limits) and not limits <= set(kept):
        raise OptionError("cancel_after and cancel_time exclude each other.", hint="A scan has one limit.")


def _prepare(prepared: Record, before: Record | None, kept: t.Collection[str]) -> Prepared:
    """What a new schedule needs, and what a target or a limit of the other kind replaces; what stays replaces none."""
    if prepared.get("cancel_time") and "cancel_time" not in kept:
        prepared["cancel_after"] = 0
    elif prepared.get("cancel_after") and "cancel_after" not in kept:
        prepared["cancel_time"] = ""
    if before is None:
        if not prepared.get("webapp") and not prepared.get("tags") and not prepared.get("tags_add"):
            raise OptionError("webapp or tags is needed to create a schedule.", hint="Say what is to be scanned.")
        if not prepared.get("recurrence"):
            raise OptionError("recurrence is needed to create a schedule.", hint="{type: ONCE} launches one scan.")
        matches = {name: match for name, match in UNSAID.items() if prepared.get(name.removesuffix("_match"))}
        return Prepared({"type": "VULNERABILITY", "time_zone": "UTC", **matches, **prepared}, None)
    if prepared.get("webapp") and "webapp" not in kept:
        prepared |= {"tags": [], "excluded_tags": [], "tags_match": "", "excluded_tags_match": ""}
    elif (prepared.get("tags") and "tags" not in kept) or prepared.get("tags_add"):
        prepared["webapp"] = ""
    return Prepared(prepared, before)


def _check_whole(plan: Plan) -> None:
    """Refuse a schedule that would launch nothing, or at no time.

    Raises:
        OptionError: something that every schedule has would be missing.
    """
    after = t.cast(Record, plan.after)
    changed = {change.field.name for change in plan.changes}
    if changed & {"webapp", "tags"} and not after.get("webapp") and not after.get("tags"):
        raise OptionError("webapp, tags: a schedule cannot be without both.", hint="Say what is to be scanned.")
    if "profile" in changed and not after.get("profile"):
        raise OptionError("profile: a schedule cannot be without one again.", hint="Give another option profile.")
    if after.get("excluded_tags") and not after.get("tags"):
        raise OptionError("excluded_tags: they go with tags.", hint="Say which tags the applications have.")
    needed = {field.name for field in FIELDS if isinstance(field, ScheduleField) and SCHEDULING in field.parts}
    for name in sorted(needed - LIMITS) if changed & needed else ():
        # A recurrence of a type that is not known here is read as none.
        held = name == "recurrence" and plan.before is not None and name not in changed
        if not after.get(name) and not held:
            raise OptionError(
                f"{name}: a schedule cannot be without it.",
                hint=f"Give {name}; one that Qualys holds in a form which is not known here has to be given anew.",
            )


def _resolved(params: Written, before: Record, references: References) -> Record:
    """The options, with the login and the scanner resolved, which are references only in part."""
    options = dict(params)
    # What is written as it is shown stays, whatever it is.
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
    """A create that asks for an inactive schedule may still make an active one, which would launch scans."""
    raw = client.get(_OBJECT, schedule_id)
    if raw is None or truth(raw.get("active")) is not False:
        _send_switch(client, schedule_id, active=False)


def _send_switch(client: QualysClient, schedule_id: int, *, active: bool) -> None:
    """Activate or deactivate.

    Raises:
        AmbiguousWrite: the connection failed, and the schedule is not as it should be.
        BadResponse: Qualys reported it as done, but did not name the schedule.
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
            f"Qualys reported the {operation} of schedule {schedule_id} as done, but it is not.", hint="Run again."
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
        """Those of the given application."""
        return _narrow(candidates, options)

    def check(self, options: Written, before: Record | None) -> None:
        """Refuse two targets, or two limits."""
        _check(options, self.as_shown(options, before))

    def resolve(self, options: Written, before: Record | None, references: References) -> Written:
        """The login, the scanner and the proxy, which are references only in part."""
        return _resolved(options, before or {}, references)

    def prepare(self, options: Written, prepared: Record, before: Record | None) -> Prepared:
        """What a new schedule needs, and what a target of the other kind replaces."""
        return _prepare(prepared, before, self.as_shown(options, before))

    def check_plan(self, plan: Plan) -> None:
        """Refuse a schedule that would launch nothing, or at no time."""
        _check_whole(plan)

    def carry_out(self, send: t.Callable[[Plan], int], client: QualysClient, plan: Plan) -> int:
        """Switch off before anything else is changed, and on after it."""
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
    """Logic of ``qualys_was_schedule``.

    Raises:
        PerimeterError: any of the collection's errors.
    """
    return one.run(SCHEDULE, params, client, check_mode)


def run_info(params: Written, client: QualysClient, _check_mode: bool) -> Result:
    """Logic of ``qualys_was_schedule_info``. Reads only, so that check mode changes nothing."""
    return resource_info.run(SCHEDULE, params, client)

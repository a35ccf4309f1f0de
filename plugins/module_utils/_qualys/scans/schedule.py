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
from ..._reconcile.plan import Change, Plan, diff_of, plan_absent, shown_record
from ..._reconcile.settle import settle
from ..._reconcile.spec import Record
from ..._records.result import Result
from ..api.client import QualysClient
from ..api.shapes import Raw, number, text, truth
from ..resource.references import References
from ..resource.resource import Prepared, Resource, Written, check_identity, delete, find, plan_record, write
from . import schedule_notification as notification
from .scan_fields import part
from .scan_target import Auth, Scanner, auth_of, proxy_of, scanner_of
from .schedule_fields import FIELDS, REFERENCES, from_raw
from .schedule_write import LIMITS, SCHEDULING, write_data


def _narrow(candidates: list[Raw], options: Written) -> list[Raw]:
    """Of several schedules of one name, those of the application."""
    word = str(options.get("webapp") or "").strip()
    if not word:
        return candidates
    return [raw for raw in candidates if word in _names(part(raw, "target", "webApp"))]


def _names(webapp: t.Any) -> tuple[str | None, ...]:
    found = webapp if isinstance(webapp, dict) else {}
    return text(found.get("id")), text(found.get("name"))


def _check(options: Written) -> None:
    if options.get("webapp") and any(options.get(f"tags{suffix}") for suffix in ("", "_add")):
        raise OptionError("webapp and tags exclude each other.", hint="A schedule is for one of them.")
    if options.get("webapp") and any(options.get(f"excluded_tags{suffix}") for suffix in ("", "_add")):
        raise OptionError("webapp and excluded_tags exclude each other.", hint="excluded_tags goes with tags.")
    if options.get("cancel_after") and options.get("cancel_time"):
        raise OptionError("cancel_after and cancel_time exclude each other.", hint="A scan has one limit.")


_MATCHES = {"tags": "ALL", "excluded_tags": "ANY"}
"""How several tags are combined in a new schedule, unless it is said."""


def _prepare(options: Written, prepared: Record, before: Record | None) -> Prepared:
    """What a new schedule needs, and what a target of the other kind replaces."""
    if prepared.get("cancel_time"):
        prepared["cancel_after"] = 0
    elif prepared.get("cancel_after"):
        prepared["cancel_time"] = ""
    if before is None:
        if not prepared.get("webapp") and not prepared.get("tags") and not prepared.get("tags_add"):
            raise OptionError("webapp or tags is needed to create a schedule.", hint="Say what is to be scanned.")
        if not prepared.get("recurrence"):
            raise OptionError("recurrence is needed to create a schedule.", hint="{type: ONCE} launches one scan.")
        matches = {f"{name}_match": match for name, match in _MATCHES.items() if prepared.get(name)}
        return Prepared({"type": "VULNERABILITY", "time_zone": "UTC", **matches, **prepared}, None)
    if prepared.get("webapp"):
        prepared |= {"tags": [], "excluded_tags": [], "tags_match": "", "excluded_tags_match": ""}
    elif prepared.get("tags") or prepared.get("tags_add"):
        prepared["webapp"] = ""
    return Prepared(prepared, before)


SCHEDULE = Resource(
    object="wasscanschedule",
    element="WasScanSchedule",
    option="schedule",
    word="schedule",
    short="schedule",
    fields=FIELDS,
    references=REFERENCES,
    from_raw=from_raw,
    write_data=write_data,
    needed=("name", "start"),
    narrow=_narrow,
    narrow_hint="Give id, or the webapp that one of them has.",
    check=_check,
    prepare=_prepare,
)


def run(params: Written, client: QualysClient, check_mode: bool) -> Result:
    """Logic of ``qualys_was_schedule``.

    Raises:
        PerimeterError: any of the collection's errors.
    """
    check_identity(SCHEDULE, params)
    absent = params["state"] == "absent"
    if not absent:
        _check(params)
    raw = find(SCHEDULE, client, params)
    before = from_raw(raw) if raw is not None else None
    if absent:
        gone = plan_absent(SCHEDULE.label(params), before)
        if gone.changed and not check_mode:
            delete(SCHEDULE, client, int(t.cast(Record, before)["id"]), params)
        return _result(gone, before)
    references = References(client)
    plan, _values = plan_record(SCHEDULE, _resolved(params, before or {}, references), before, references)
    if not plan.changed:
        return _result(plan, before)
    _check_whole(plan)
    if check_mode:
        # What Qualys would choose for a new schedule is not known, so it is shown as empty.
        return _result(plan, from_raw({}) | t.cast(Record, plan.after))
    schedule_id = _carry_out(client, plan, params, raw)
    written = client.get(SCHEDULE.object, schedule_id)
    return _result(plan, from_raw(written) if written is not None else plan.after)


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
    for name in sorted(SCHEDULING - LIMITS) if changed & SCHEDULING else ():
        if not after.get(name):
            raise OptionError(
                f"{name}: a schedule cannot be without it.",
                hint=f"Give {name}; one that Qualys holds in a form which is not known here has to be given anew.",
            )


def _result(plan: Plan, record: Record | None) -> Result:
    return Result(changed=plan.changed, values={SCHEDULE.option: shown_record(FIELDS, record)}, diff=diff_of(plan))


def _resolved(params: Written, before: Record, references: References) -> Record:
    """The options, with the login and the scanner resolved, which are references only in part."""
    options = dict(params)
    if options.get("auth_record") is not None:
        held: Auth | None = before.get("auth_record")
        present = [held.record] if held is not None and held.record is not None else []
        auth = auth_of(options["auth_record"], references, present)
        options["auth_record"] = auth if auth.given else ""
    if options.get("scanner") is not None:
        scanner: Scanner | None = scanner_of(options["scanner"], references)
        options["scanner"] = scanner or ""
    if options.get("proxy"):
        options["proxy"] = proxy_of(options["proxy"], [before["proxy"]] if before.get("proxy") else [])
    if options.get("notification") is not None:
        options["notification"] = notification.wanted(options["notification"], before.get("notification"))
    return options


def _carry_out(client: QualysClient, plan: Plan, params: Written, raw: Raw | None) -> int:
    switch = next((change for change in plan.changes if change.field.name == "active"), None)
    if plan.action == "create":
        created, _after = write(SCHEDULE, client, plan, params, raw)
        if switch is not None and not switch.after:
            _ensure_inactive(client, created)
        return created
    schedule_id = int(t.cast(Record, plan.before)["id"])
    rest = tuple(change for change in plan.changes if change is not switch)
    if switch is not None and not switch.after:
        _switch(client, schedule_id, switch)
    if rest:
        write(SCHEDULE, client, dataclasses.replace(plan, changes=rest), params, raw)
    if switch is not None and switch.after:
        _switch(client, schedule_id, switch)
    return schedule_id


def _ensure_inactive(client: QualysClient, schedule_id: int) -> None:
    """A create that asks for an inactive schedule may still make an active one, which would launch scans."""
    raw = client.get(SCHEDULE.object, schedule_id)
    if raw is None or truth(raw.get("active")) is not False:
        _send_switch(client, schedule_id, active=False)


def _switch(client: QualysClient, schedule_id: int, switch: Change) -> None:
    _send_switch(client, schedule_id, active=bool(switch.after))


def _send_switch(client: QualysClient, schedule_id: int, *, active: bool) -> None:
    """Activate or deactivate.

    Raises:
        AmbiguousWrite: the connection failed, and the schedule is not as it should be.
        BadResponse: Qualys reported it as done, but did not name the schedule.
    """
    operation = "activate" if active else "deactivate"

    def look() -> bool | None:
        raw = client.get(SCHEDULE.object, schedule_id)
        return True if raw is not None and truth(raw.get("active")) is active else None

    try:
        answered = client.write(operation, SCHEDULE.object, None, schedule_id)
    except TransportError as error:
        if not error.sent:
            raise
        settle(f"{operation} of schedule {schedule_id}", look, error, sleep=client.http.wait)
        return
    if schedule_id not in [number(record.get("id")) for record in answered] and look() is None:
        raise BadResponse(
            f"Qualys reported the {operation} of schedule {schedule_id} as done, but it is not.", hint="Run again."
        )

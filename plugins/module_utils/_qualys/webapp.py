# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One web application: find, plan, write, read back (sheet section 6.1).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from .._http.errors import AmbiguousMatch, NotFound, OptionError, TransportError, VendorError
from .._reconcile.desired import given_fields
from .._reconcile.plan import Plan, diff_of, plan_absent, plan_present, shown_record
from .._reconcile.settle import settle
from .._reconcile.spec import Record
from .._records.result import Result
from .client import QualysClient
from .references import References
from .shapes import Raw, number, text
from .webapp_fields import FIELDS, GET, from_raw, same_url, write_data
from .webapp_options import Written, check_creatable, check_identity, comparable, given, label_of

RESOURCE = "webapp"
_CANDIDATES = 50
"""How many applications of one name are looked at; names are not unique at Qualys."""


def run(params: Written, client: QualysClient, check_mode: bool) -> Result:
    """Logic of ``qualys_was_webapp``.

    Raises:
        PerimeterError: any of the collection's errors.
    """
    check_identity(params)
    raw = find(client, params)
    before = from_raw(raw) if raw is not None else None
    if params["state"] == "absent":
        plan = plan_absent(label_of(params), before)
        if plan.changed and not check_mode:
            delete(
                client, int(t.cast(Record, before)["id"]), remove_from_subscription=params["remove_from_subscription"]
            )
        return _result(plan, before)
    plan = plan_webapp(params, before, References(client))
    if not plan.changed:
        return _result(plan, before)
    if check_mode:
        # What Qualys would choose for a new application is not known, so it is shown as empty.
        return _result(plan, from_raw({}) | t.cast(Record, plan.after))
    written = write(client, plan, params, raw)
    return _result(plan, read_back(client, written, plan))


def _result(plan: Plan, webapp: Record | None) -> Result:
    values = {"webapp": shown_record(FIELDS, webapp)}
    return Result(changed=plan.changed, values=values, diff=diff_of(plan))


def find(client: QualysClient, options: Written) -> Raw | None:
    """The application in full, by id or by exact name; None when there is none.

    Raises:
        AmbiguousMatch: several have the name, and ``url`` does not tell them apart.
    """
    if options.get("id") is not None:
        return client.get(RESOURCE, options["id"])
    criteria = [{"field": "name", "operator": "EQUALS", "value": str(options["name"]).strip()}]
    page = client.page(RESOURCE, criteria, limit=_CANDIDATES)
    match = pick(page.records, options)
    return None if match is None else client.get(RESOURCE, int(match["id"]))


def pick(candidates: t.Iterable[Raw], options: Written) -> Raw | None:
    """The one candidate that the options mean.

    Raises:
        AmbiguousMatch: as :func:`find`.
    """
    name = str(options["name"]).strip()
    # Whether Qualys' EQUALS minds upper and lower case is not documented, so it is compared here.
    named = [raw for raw in candidates if text(raw.get("name")) == name]
    if len(named) > 1 and options.get("url"):
        wanted = same_url(str(options["url"]))
        named = [raw for raw in named if same_url(text(raw.get("url")) or "") == wanted] or named
    if len(named) > 1:
        ids = ", ".join(str(raw.get("id")) for raw in named)
        raise AmbiguousMatch(
            f"name: {name!r} names several web applications: {ids}.", hint="Give id, or a url that one of them has."
        )
    return named[0] if named else None


def plan_webapp(options: Written, before: Record | None, references: References) -> Plan:
    """What has to be written so that the application is as the options say.

    Raises:
        OptionError, AmbiguousMatch: an option cannot be acted on.
    """
    if before is None:
        check_creatable(options)
    prepared = comparable(given(options), before, references)
    if before is not None:
        for name in ("name", "url"):
            if name in prepared and not str(prepared[name]).strip():
                raise OptionError(f"{name}: a web application cannot be without one.")
    return plan_present(FIELDS, label_of(options), before, prepared)


def write(client: QualysClient, plan: Plan, options: Written, raw: Raw | None) -> int:
    """Carry out a plan to create or update.

    Args:
        client: the account.
        plan: what to write.
        options: the options, for ``reactivate_if_exists`` and to find the application again.
        raw: the application as Qualys holds it, for an update.

    Returns:
        The id of the application.

    Raises:
        AmbiguousWrite: the connection failed, and the write did not become visible.
    """
    data = write_data(plan, raw)
    if plan.action == "create":
        return _create(client, plan, options, data)
    webapp_id = int(t.cast(Record, plan.before)["id"])
    try:
        client.write("update", RESOURCE, data, webapp_id)
    except TransportError as error:
        if not error.sent:
            raise
        settle(f"update of {plan.label}", lambda: _if_as_planned(client, webapp_id, plan), error)
    except VendorError as error:
        if client.get(RESOURCE, webapp_id) is None:
            raise NotFound(
                f"The {plan.label} vanished while it was being updated.",
                hint="Somebody deleted it; run again to create it.",
                code=error.code,
            ) from error
        raise
    return webapp_id


def _create(client: QualysClient, plan: Plan, options: Written, data: dict[str, t.Any]) -> int:
    if options.get("reactivate_if_exists"):
        data["WebApp"]["reactivateIfExists"] = True
    try:
        records = client.write("create", RESOURCE, data)
    except TransportError as error:
        if not error.sent:
            raise
        return settle(f"create of {plan.label}", lambda: _id_of(find(client, options)), error)
    created = _id_of(records[0]) if records else _id_of(find(client, options))
    if created is None:
        raise NotFound(f"Qualys reported the create of {plan.label} as done, but does not list it.")
    return created


def _id_of(raw: Raw | None) -> int | None:
    return None if raw is None else number(raw.get("id"))


def _if_as_planned(client: QualysClient, webapp_id: int, plan: Plan) -> int | None:
    """The id, once the application holds everything that the plan changes."""
    raw = client.get(RESOURCE, webapp_id)
    if raw is None:
        return None
    wanted = {change.field.name: change.after for change in plan.changes}
    fields = given_fields(FIELDS, wanted)
    return None if plan_present(fields, plan.label, from_raw(raw), wanted).changed else webapp_id


def read_back(client: QualysClient, webapp_id: int, plan: Plan) -> Record | None:
    """The application after a write: Qualys' answer to an update holds only its id (sheet section 8, quirk 14)."""
    raw = client.get(RESOURCE, webapp_id)
    return from_raw(raw, GET) if raw is not None else plan.after


def delete(client: QualysClient, webapp_id: int, *, remove_from_subscription: bool) -> None:
    """Delete one application by its id; one that is gone already is no error.

    Raises:
        AmbiguousWrite: the connection failed, and the application is still there.
    """
    data = {"WebApp": {"removeFromSubscription": remove_from_subscription}}
    try:
        client.write("delete", RESOURCE, data, webapp_id)
    except TransportError as error:
        if not error.sent:
            raise
        settle(f"delete of web application {webapp_id}", lambda: _if_gone(client, webapp_id), error)
    except VendorError:
        if _if_gone(client, webapp_id) is None:
            raise


def _if_gone(client: QualysClient, webapp_id: int) -> int | None:
    return webapp_id if client.get(RESOURCE, webapp_id) is None else None

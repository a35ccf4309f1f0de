# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends the writes of a plan, and settles those whose outcome is unknown.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._base.errors import NotFound, PerimeterError, TransportError, VendorError
from ..._reconcile.plan import Plan
from ..._reconcile.settle import after_refusal, settle
from ..._reconcile.spec import Record
from ..api.client import QualysClient
from ..api.deletion import delete_record
from ..api.shapes import Raw, number
from .elements import GET
from .find import find
from .resource import Resource, Written
from .withheld import withhold


@dataclasses.dataclass(frozen=True)
class Sent:
    """A plan that was written.

    Attributes:
        id: id of the record.
        answer: the record in the answer to a create, which may lack fields. None for an update, because its answer has
            only the id (docs/vendors/qualys_was.md 8.4).
    """

    id: int
    answer: Raw | None = None


def write(resource: Resource, client: QualysClient, plan: Plan, options: Written, raw: Raw | None) -> Sent:
    """Write a plan to create or update a record.

    Args:
        resource: the kind of record.
        client: the account.
        plan: the plan.
        options: the options, for those that are written on a create only, and to find the record again.
        raw: the record as Qualys sent it, for an update.

    Raises:
        AmbiguousWrite: the connection failed, and the write did not become visible.
        NotFound: the record was deleted while it was being updated, or a created record is not listed.
        VendorError: Qualys refused the write.
    """
    answers: list[Raw] = []

    def send(part: Plan) -> int:
        data = resource.write_data(part, raw)
        if part.action == "create":
            return _create(resource, client, part, options, data, answers)
        return _update(resource, client, part, data)

    try:
        record_id = resource.carry_out(send, client, plan)
    except PerimeterError as error:
        withhold(error, [*resource.secrets(plan), *resource.held(raw or {})])
        raise
    return Sent(record_id, answers[0] if answers else None)


def _update(resource: Resource, client: QualysClient, plan: Plan, data: dict[str, t.Any]) -> int:
    record_id = int(t.cast(Record, plan.before)["id"])
    try:
        answered = client.write("update", resource.object, data, record_id)
    except TransportError as error:
        if not error.sent:
            raise
        settle(
            f"update of {plan.label}",
            lambda: _if_as_planned(resource, client, record_id, plan),
            error,
            sleep=client.http.wait,
        )
    except VendorError as error:
        _name_cleared(error, plan)
        if after_refusal(error, lambda: client.get(resource.object, record_id)) is None:
            raise _vanished(plan, error.code) from error
        raise
    else:
        # A success without a record can mean that the record does not exist (docs/vendors/qualys_was.md 4.3).
        if not answered and client.get(resource.object, record_id) is None:
            raise _vanished(plan)
    return record_id


def _name_cleared(error: VendorError, plan: Plan) -> None:
    """Add the fields that the plan clears to the hint: Qualys may refuse that without naming the field."""
    cleared = [change.field.name for change in plan.changes if change.after in (None, [], {}) and change.before]
    if cleared:
        error.hint = f"{error.hint or ''} The task clears {', '.join(cleared)}; Qualys may not allow that.".strip()


def _vanished(plan: Plan, code: str | None = None) -> NotFound:
    return NotFound(
        f"The {plan.label} vanished while it was being updated.",
        hint="It was deleted. Run again to create it.",
        code=code,
    )


def _create(
    resource: Resource, client: QualysClient, plan: Plan, options: Written, data: dict[str, t.Any], answers: list[Raw]
) -> int:
    for option, element in resource.on_create.items():
        if options.get(option):
            data[resource.element][element] = True
    try:
        records = client.write("create", resource.object, data)
    except TransportError as error:
        if not error.sent:
            raise
        return settle(
            f"create of {plan.label}", lambda: _id_of(find(resource, client, options)), error, sleep=client.http.wait
        )
    created = _id_of(records[0]) if records else _id_of(find(resource, client, options))
    if created is None:
        raise NotFound(f"Qualys reported the create of {plan.label} as done, but does not list it.")
    answers += [record for record in records[:1] if len(record) > 1]
    return created


def _id_of(raw: Raw | None) -> int | None:
    return None if raw is None else number(raw.get("id"))


def _if_as_planned(resource: Resource, client: QualysClient, record_id: int, plan: Plan) -> int | None:
    """Return the id if the record has everything that the plan changes, else None."""
    raw = client.get(resource.object, record_id)
    if raw is None:
        return None
    return record_id if resource.settled(plan, resource.from_raw(raw, GET)) else None


def delete(resource: Resource, client: QualysClient, record_id: int, options: Written) -> None:
    """Delete one record by its id. It is not an error if the record does not exist any more.

    Raises:
        AmbiguousWrite: the connection failed, and the record is still there.
        VendorError: Qualys refused the delete, or reported it as done, but the record is still there.
    """
    what = f"{resource.word} {record_id}"
    delete_record(client, resource.object, record_id, what, data=resource.delete_data(options))

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks after a write which changes of the plan Qualys applied.

This module is private to the collection and may change at any time.

Qualys reports success even if it ignored a part of a write, such as an empty list. So a change only counts as applied
if the record shows it.
"""

from __future__ import annotations

import dataclasses

from ..._base.errors import NotFound, PerimeterError, VendorError
from ..._reconcile.plan import Plan
from ..._reconcile.spec import Record
from .resource import Resource


@dataclasses.dataclass(frozen=True)
class Proof:
    """The outcome of a write.

    Attributes:
        plan: the part of the plan that Qualys applied.
        changed: whether the record has changed.
        error: an error for the part that Qualys did not apply.
        warnings: a warning for each field that is neither as before nor as planned.
    """

    plan: Plan
    changed: bool = True
    error: PerimeterError | None = None
    warnings: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether the record shows everything that was written."""
        return self.error is None and not self.warnings


def shows_all(resource: Resource, plan: Plan, answer: Record) -> bool:
    """Return whether the answer to a create has every value that was written.

    If it does not, the record has to be read: a short answer may omit values that Qualys applied.

    Args:
        resource: the kind of record.
        plan: the plan that was written.
        answer: the record in the answer, in option form. None in a field does not count as the field's default here,
            because the answer may just omit the field.
    """
    return all(answer.get(change.field.name) is not None and resource.holds(change, answer) for change in plan.changes)


def prove(resource: Resource, plan: Plan, present: Record) -> Proof:
    """Compare a record with the plan that was written.

    Args:
        resource: the kind of record.
        plan: the plan that was written.
        present: the record as it was read afterwards, with the fields of the plan.

    Raises:
        VendorError: the update removed something that the plan did not remove.
    """
    resource.verify(plan, present)
    missing = [change for change in plan.changes if not resource.holds(change, present)]
    ignored = [
        change
        for change in missing
        if change.field.key_of(present.get(change.field.name)) == change.field.key_of(change.before)
    ]
    taken = dataclasses.replace(plan, changes=tuple(change for change in plan.changes if change not in ignored))
    warnings = tuple(
        f"Qualys stored {change.field.name} of the {plan.label} in a different form; the result shows it."
        for change in missing
        if change not in ignored
    )
    changed = plan.action == "create" or bool(taken.changes)
    error: PerimeterError | None = None
    if ignored:
        names = ", ".join(change.field.name for change in ignored)
        error = VendorError(
            f"Qualys reported the {plan.action} of the {plan.label} as done, but ignored {names}.",
            hint=f"{'The rest was written. ' if taken.changes else ''}Set it in the Qualys user interface, or omit the"
            " option.",
        )
    return Proof(taken, changed, error, warnings)


def gone(plan: Plan) -> Proof:
    """Return the outcome of a write after which the record cannot be found.

    An updated record was deleted; a created one may appear later.
    """
    said = f"Qualys reported the {plan.action} of the {plan.label} as done, but does not list it"
    if plan.action == "create":
        return Proof(plan, warnings=(f"{said}; the result shows what was written. Run again to check it.",))
    error = NotFound(f"{said} any more.", hint="It was deleted. Run again to create it.")
    return Proof(dataclasses.replace(plan, changes=()), False, error)


def unread(plan: Plan, error: PerimeterError) -> Proof:
    """Return the outcome of a write that happened, but after which the record could not be read."""
    error.message = f"The {plan.action} of the {plan.label} was done, but reading it again failed: {error.message}"
    error.args = (error.message,)
    return Proof(plan, error=error)

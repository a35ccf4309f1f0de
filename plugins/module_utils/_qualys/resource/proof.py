# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""After a write: what of the plan Qualys took, by what is there now.

This module is private to the collection and may change at any time.

Qualys reports success for a write of which it ignored a part, such as an empty list. So a plan counts as carried out
only as far as the record shows it.
"""

from __future__ import annotations

import dataclasses

from ..._base.errors import NotFound, PerimeterError, VendorError
from ..._reconcile.plan import Plan
from ..._reconcile.spec import Record
from .resource import Resource


@dataclasses.dataclass(frozen=True)
class Proof:
    """What a write has come to.

    Attributes:
        plan: the part of the plan that was taken.
        changed: whether anything is different from before.
        error: for a part that was not taken.
        warnings: fields that are neither as before nor as planned.
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
    """Whether the answer of a create has every value that was written. A short one may leave out what was taken.

    Args:
        resource: the kind of record.
        plan: what was written.
        answer: the record of the answer, in option form. A field that it lacks may look as if it had its default.
    """
    return all(answer.get(change.field.name) is not None and resource.holds(change, answer) for change in plan.changes)


def prove(resource: Resource, plan: Plan, present: Record) -> Proof:
    """Compare a record with the plan that was carried out.

    Args:
        resource: the kind of record.
        plan: what was written.
        present: the record as it was read afterwards, with the fields of the plan.

    Raises:
        VendorError: something was lost that the plan was to keep.
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
        f"Qualys holds {change.field.name} of the {plan.label} in another form than was written; the result shows it."
        for change in missing
        if change not in ignored
    )
    changed = plan.action == "create" or bool(taken.changes)
    error: PerimeterError | None = None
    if ignored:
        names = ", ".join(change.field.name for change in ignored)
        error = VendorError(
            f"Qualys reported the {plan.action} of the {plan.label} as done, but did not take {names}.",
            hint=f"{'The rest was written. ' if taken.changes else ''}Set it in Qualys' own pages, or leave the option"
            " out.",
        )
    return Proof(taken, changed, error, warnings)


def gone(plan: Plan) -> Proof:
    """The proof of a write after which Qualys has no such record: an update is lost, a create may show later."""
    said = f"Qualys reported the {plan.action} of the {plan.label} as done, but does not have it"
    if plan.action == "create":
        return Proof(plan, warnings=(f"{said}; the result shows what was written. Run again to make sure.",))
    error = NotFound(f"{said} any more.", hint="Somebody deleted it; run again to create it.")
    return Proof(dataclasses.replace(plan, changes=()), False, error)


def unread(plan: Plan, error: PerimeterError) -> Proof:
    """The proof of a write after which the record could not be read: it happened, and nobody knows more."""
    error.message = (
        f"The {plan.action} of the {plan.label} was carried out, but reading it again failed: {error.message}"
    )
    error.args = (error.message,)
    return Proof(plan, error=error)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One record of any kind in one task: find, plan, write, check (docs/vendors/qualys_was.md 8.4 to 8.6).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._base.errors import PerimeterError
from ..._reconcile.desired import check_edits
from ..._reconcile.plan import Plan, diff_of, plan_absent, shown_record
from ..._reconcile.spec import Record
from ..._records.result import Result
from ..api.client import QualysClient
from ..api.shapes import Raw
from .elements import GET
from .find import check_identity, find
from .planning import plan_record, references_for
from .proof import Proof, gone, prove, unread
from .resource import Resource, Written
from .write import delete, write


def run(resource: Resource, params: Written, client: QualysClient, check_mode: bool) -> Result:
    """Run a module for one record.

    Raises:
        PerimeterError: an option is invalid, or the record cannot be read or written.
    """
    check_identity(resource, params)
    absent = params["state"] == "absent"
    if not absent:
        check_edits(resource.fields, params)
    raw = find(resource, client, params)
    before = resource.from_raw(raw, GET) if raw is not None else None
    if absent:
        gone = plan_absent(resource.label(params), before)
        if gone.changed and not check_mode:
            delete(resource, client, int(t.cast(Record, before)["id"]), params)
        return _result(resource, gone, before, {})
    references = references_for(resource, client, [params], predicting=check_mode)
    plan, values, warnings = plan_record(resource, params, before, references)
    if not plan.changed:
        return references.tell(_result(resource, plan, before, values, warnings))
    if check_mode:
        # The values that Qualys would choose for a new record are not known, so they are shown as empty.
        predicted = resource.from_raw({}, GET) | t.cast(Record, plan.after)
        return references.tell(_result(resource, plan, predicted, values, warnings))
    proof, after = _carried_out(resource, client, plan, params, raw)
    result = _result(resource, proof.plan, after, values, warnings)
    result.changed, result.error = proof.changed, proof.error
    result.warnings += proof.warnings
    return result


def _carried_out(
    resource: Resource, client: QualysClient, plan: Plan, params: Written, raw: Raw | None
) -> tuple[Proof, Record | None]:
    sent = write(resource, client, plan, params, raw)
    try:
        present = client.get(resource.object, sent.id)
    except PerimeterError as error:
        return unread(plan, error), plan.after
    if present is None:
        return gone(plan), plan.after if plan.action == "create" else None
    after = resource.from_raw(present, GET)
    return prove(resource, plan, after), after


def _result(
    resource: Resource, plan: Plan, record: Record | None, values: Record, warnings: t.Sequence[str] = ()
) -> Result:
    shown = {resource.option: shown_record(resource.fields, record)}
    return Result(changed=plan.changed, values=shown | values, diff=diff_of(plan), warnings=list(warnings))

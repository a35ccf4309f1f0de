# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One authentication record (docs/vendors/qualys_was.md 10).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._base.errors import OptionError, VendorError
from ..._reconcile.plan import Plan, holds
from ..._reconcile.redact import MARKER
from ..._reconcile.spec import Record
from ..._records.result import Result
from ..api.client import QualysClient
from ..resource import resource
from ..resource.resource import Prepared, Resource, Written
from .auth_record_desired import Secrets, check_parts, desired_form, desired_oauth2, desired_server
from .auth_record_fields import FIELDS, REFERENCES, from_raw
from .auth_record_parts import Part, compared, held_secrets, is_secret, readable, returned_secrets, written_secrets
from .auth_record_write import write_data

_DESIRED: dict[str, t.Callable[[Written, Part | None, Secrets], Part | None]] = {
    "form": desired_form,
    "server": desired_server,
    "oauth2": desired_oauth2,
}
_RIVALS = {"form": "oauth2", "oauth2": "form"}


def _prepare(options: Written, prepared: Record, before: Record | None) -> Prepared:
    """The parts as they shall be, each a whole; an empty text for one that shall not be."""
    secrets = Secrets(always=options.get("update_secret") == "always")
    held = before or {}
    wanted = {name: prepared[name] for name in _DESIRED if name in prepared}
    for name, given in wanted.items():
        prepared[name] = _DESIRED[name](given, held.get(name), secrets) or ""
        rival = _RIVALS.get(name)
        if prepared[name] and rival is not None and held.get(rival) is not None:
            # OAuth2 takes the place of a form, and the other way round.
            prepared[rival] = ""
    if before is None and not any(prepared.get(name) for name in _DESIRED):
        raise OptionError(
            "form, server or oauth2 is needed to create an authentication record.", hint="Say how to log in."
        )
    return Prepared(prepared, _without_new_secrets(prepared, before), {"secrets_not_compared": secrets.not_compared})


def _without_new_secrets(prepared: Record, before: Record | None) -> Record | None:
    """The present record, with the value of each form field hidden that becomes a secret now."""
    form, held = prepared.get("form"), (before or {}).get("form")
    if before is None or not form or not held:
        return before
    names = {field["name"] for field in form["fields"] if is_secret(field)}
    fields = [field | {"value": MARKER} if field["name"] in names else field for field in held["fields"]]
    return before | {"form": held | {"fields": fields}}


def _settled(plan: Plan, present: Record) -> bool:
    """Whether an update is visible: in what can be read back, else in the time of the last update."""
    before = t.cast(Record, plan.before)
    moved = False
    for change in plan.changes:
        name = change.field.name
        if name not in _DESIRED:
            if not holds(change, present):
                return False
            moved = True
            continue
        wanted, found, was = (_key(part) for part in (change.after, present.get(name), before.get(name)))
        if wanted != found:
            return False
        moved = moved or wanted != was
    return moved or present["updated"] != before["updated"]


def _key(part: Part | None) -> str | None:
    visible = readable(part)
    return None if visible is None else compared(visible)


def _secrets(plan: Plan) -> list[str]:
    return [secret for name in _DESIRED for secret in written_secrets(t.cast(Record, plan.after).get(name))]


def _verify(plan: Plan, record: Record) -> None:
    """Whether every secret that Qualys held, and that was to stay, is still there.

    Raises:
        VendorError: one is gone.
    """
    wanted = held_secrets(t.cast(Record, plan.after)) & held_secrets(t.cast(Record, plan.before))
    lost = sorted(wanted - held_secrets(record))
    if lost:
        raise VendorError(
            f"Qualys dropped secrets of the {plan.label} that this task did not know: {', '.join(lost)}.",
            hint="Run again with update_secret: always and every secret of the record.",
        )


AUTH_RECORD = Resource(
    object="webappauthrecord",
    element="WebAppAuthRecord",
    option="auth_record",
    word="authentication record",
    short="record",
    fields=FIELDS,
    references=REFERENCES,
    from_raw=from_raw,
    write_data=write_data,
    check=check_parts,
    prepare=_prepare,
    secrets=_secrets,
    held=returned_secrets,
    settled=_settled,
    verify=_verify,
)


def run(params: Written, client: QualysClient, check_mode: bool) -> Result:
    """Logic of ``qualys_was_auth_record``.

    Raises:
        PerimeterError: any of the collection's errors.
    """
    return resource.run(AUTH_RECORD, params, client, check_mode)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Authentication records: one, many in one task, and lists (docs/vendors/qualys_was.md 10).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._base.errors import OptionError, VendorError
from ..._reconcile.plan import Change, Plan, holds
from ..._reconcile.spec import Record
from ..._records.redaction.values import MARKER
from ..._records.result import Result
from ..api.client import QualysClient
from ..api.shapes import Raw
from ..resource import one, resource_info, resources
from ..resource.elements import GET
from ..resource.resource import Prepared, Resource, Written
from .auth_record_desired import Secrets, check_parts, desired_form, desired_oauth2, desired_server, given_part
from .auth_record_fields import FIELDS, PARTS, from_raw
from .auth_record_parts import Part, agree, held_secrets, is_secret, returned_secrets, written_secrets

_DESIRED: dict[str, t.Callable[[Written, Part | None, Secrets], Part | None]] = {
    "form": desired_form,
    "server": desired_server,
    "oauth2": desired_oauth2,
}
_RIVALS = {"form": "oauth2", "oauth2": "form"}


class AuthRecordResource(Resource):
    """The authentication record."""

    object = "webappauthrecord"
    element = "WebAppAuthRecord"
    option = "auth_record"
    word = "authentication record"
    short = "record"
    fields = FIELDS
    proven_by_get = True

    def from_raw(self, raw: Raw, level: int = GET) -> Record:
        """See :func:`.auth_record_fields.from_raw`."""
        return from_raw(raw, level)

    def check(self, options: Written, before: Record | None) -> None:
        """See :func:`.auth_record_desired.check_parts`."""
        kept = set() if options.get("update_secret") == "always" else self.as_shown(options, before)
        check_parts(options, before or {}, kept)

    def prepare(self, options: Written, prepared: Record, before: Record | None) -> Prepared:
        """Return the options with each part as a whole; empty text for a part that is removed."""
        secrets = Secrets(always=options.get("update_secret") == "always")
        held = before or {}
        wanted = {name: prepared[name] for name in PARTS if name in prepared}
        fields = {field.name: field for field in FIELDS}
        for name, given in wanted.items():
            if not secrets.always and fields[name].is_shown(held.get(name), given):
                prepared[name] = held[name]
                continue
            prepared[name] = _DESIRED[name](given, held.get(name), secrets) or ""
            rival = _RIVALS.get(name)
            if prepared[name] and rival is not None and held.get(rival) is not None and not given_part(options, rival):
                # OAuth2 replaces a form, and the other way round.
                prepared[rival] = ""
        if before is None and not any(prepared.get(name) for name in PARTS):
            raise OptionError(
                "form, server or oauth2 is required to create an authentication record.", hint="Give at least one."
            )
        return Prepared(
            prepared, _without_new_secrets(prepared, before), {"secrets_not_compared": secrets.not_compared}
        )

    def secrets(self, plan: Plan) -> list[str]:
        """Return the secrets that are written."""
        return [secret for name in PARTS for secret in written_secrets(t.cast(Record, plan.after).get(name))]

    def held(self, raw: Raw) -> list[str]:
        """Return the values that Qualys returned for secrets."""
        return returned_secrets(raw)

    def holds(self, change: Change, present: Record) -> bool:
        """Compare parts as far as they can be read, without secrets and masked values."""
        name = change.field.name
        return agree(change.after, present.get(name)) if name in PARTS else holds(change, present)

    def settled(self, plan: Plan, present: Record) -> bool:
        """Return whether an update is visible: in values that can be read, else in the time of the last update."""
        before = t.cast(Record, plan.before)
        if not all(self.holds(change, present) for change in plan.changes):
            return False
        visible = any(not self.holds(change, before) for change in plan.changes)
        return visible or present["updated"] != before["updated"]

    def verify(self, plan: Plan, present: Record) -> None:
        """Check that Qualys still has every secret that the update did not remove."""
        if plan.action != "update":
            return
        wanted = held_secrets(t.cast(Record, plan.after)) & held_secrets(t.cast(Record, plan.before))
        lost = sorted(wanted - held_secrets(present))
        if lost:
            raise VendorError(
                f"Qualys removed secrets of the {plan.label} that the task did not give: {', '.join(lost)}.",
                hint="Run again with update_secret: always and every secret of the record.",
            )


def _without_new_secrets(prepared: Record, before: Record | None) -> Record | None:
    """Return the present record, with the marker as the value of form fields that become secrets now."""
    form, held = prepared.get("form"), (before or {}).get("form")
    if before is None or not form or not held:
        return before
    names = {field["name"] for field in form["fields"] if is_secret(field)}
    fields = [field | {"value": MARKER} if field["name"] in names else field for field in held["fields"]]
    return before | {"form": held | {"fields": fields}}


AUTH_RECORD = AuthRecordResource()


def run(params: Written, client: QualysClient, check_mode: bool) -> Result:
    """Run ``qualys_was_auth_record``.

    Raises:
        PerimeterError: an option is invalid, or the record cannot be read or written.
    """
    return one.run(AUTH_RECORD, params, client, check_mode)


def run_many(params: Written, client: QualysClient, check_mode: bool) -> Result:
    """Run ``qualys_was_auth_records``.

    Raises:
        PerimeterError: an option is invalid, or the records cannot be read.
    """
    return resources.run(AUTH_RECORD, params, client, check_mode)


def run_info(params: Written, client: QualysClient, _check_mode: bool) -> Result:
    """Run ``qualys_was_auth_record_info``. It only reads, so check mode makes no difference."""
    return resource_info.run(AUTH_RECORD, params, client)

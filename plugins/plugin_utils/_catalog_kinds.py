# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of records that a catalog of Qualys WAS may contain.

This module is private to the collection and may change at any time.

It is here because the room ``_catalog`` must not import a vendor's room, nor a vendor's room ``_catalog``. Like these
rooms it imports nothing of Ansible.
"""

from __future__ import annotations

import typing as t

from ansible_collections.appsec.perimeter.plugins.module_utils._catalog.kinds import Kind
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate import auth_record_fields, webapp_fields
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans import schedule_fields
from ansible_collections.appsec.perimeter.plugins.module_utils._reconcile.spec import Fields, option_spec

_ID: dict[str, t.Any] = {"id": {"type": "int"}}


def _defaults(fields: Fields) -> dict[str, t.Any]:
    return {field.name: field.default for field in fields if field.default is not None}


KINDS: tuple[Kind, ...] = (
    Kind(
        name="auth_records",
        word="authentication record",
        options={**_ID, **auth_record_fields.OPTIONS, **option_spec(auth_record_fields.FIELDS, words=True)},
        not_written=("comments", "update_secret"),
        defaults=_defaults(auth_record_fields.FIELDS),
        knows_marker=True,
    ),
    Kind(
        name="webapps",
        word="web application",
        options={
            **_ID,
            **option_spec(webapp_fields.FIELDS, words=True),
            "reactivate_if_exists": {"type": "bool"},
        },
        references={"auth_records": "auth_records"},
        not_written=("comments", "reactivate_if_exists"),
        defaults=_defaults(webapp_fields.FIELDS),
        knows_marker=True,
    ),
    Kind(
        name="schedules",
        word="schedule",
        options={**_ID, **option_spec(schedule_fields.FIELDS, words=True)},
        references={"webapp": "webapps", "auth_record": "auth_records"},
        identity=("webapp",),
        times=("start",),
        defaults=_defaults(schedule_fields.FIELDS),
        singular="schedule",
    ),
)
"""In the order in which they are applied."""

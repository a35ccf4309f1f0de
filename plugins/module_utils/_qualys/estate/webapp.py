# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One web application (docs/vendors/qualys_was.md 9).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

from ..._reconcile.plan import Plan
from ..._records.result import Result
from ..api.client import QualysClient
from ..api.shapes import Raw, text
from ..api.xml import Node
from ..resource import resource
from ..resource.resource import Resource, Written
from .webapp_fields import FIELDS, REFERENCES, from_raw, same_url, scanner, write_data
from .webapp_options import prepare

RESOURCE = "webapp"


def _of_that_url(candidates: list[Raw], options: Written) -> list[Raw]:
    if not options.get("url"):
        return candidates
    wanted = same_url(str(options["url"]))
    return [raw for raw in candidates if same_url(text(raw.get("url")) or "") == wanted]


def _secrets(plan: Plan) -> list[str]:
    """Headers may carry tokens, and scripts credentials: those that are written, and those that Qualys holds."""
    records = (plan.before or {}, plan.after or {})
    headers = (header for record in records for header in record.get("headers") or ())
    scripts = (script for record in records for script in record.get("crawling_scripts") or ())
    contents = [header.partition(":")[2].strip() for header in headers]
    return contents + [script["data"] for script in scripts if script.get("data")]


def _check(options: Written) -> None:
    if options.get("default_scanner") is not None:
        scanner(options["default_scanner"])


def _delete_data(options: Written) -> dict[str, Node]:
    return {"WebApp": {"removeFromSubscription": bool(options["remove_from_subscription"])}}


WEBAPP = Resource(
    object=RESOURCE,
    element="WebApp",
    option="webapp",
    word="web application",
    short="application",
    fields=FIELDS,
    references=REFERENCES,
    from_raw=from_raw,
    write_data=write_data,
    needed=("name", "url"),
    verbose=True,
    identity={"name": "name", "url": "url"},
    on_create={"reactivate_if_exists": "reactivateIfExists"},
    delete_data=_delete_data,
    narrow=_of_that_url,
    narrow_hint="Give id, or a url that one of them has.",
    check=_check,
    prepare=prepare,
    secrets=_secrets,
)


def run(params: Written, client: QualysClient, check_mode: bool) -> Result:
    """Logic of ``qualys_was_webapp``.

    Raises:
        PerimeterError: any of the collection's errors.
    """
    return resource.run(WEBAPP, params, client, check_mode)

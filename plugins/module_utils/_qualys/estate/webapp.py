# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Web applications: one, many in one task, and lists (docs/vendors/qualys_was.md 9).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._reconcile.plan import Plan
from ..._reconcile.spec import Record
from ..._records.result import Result
from ..api.client import QualysClient
from ..api.shapes import Raw, text
from ..api.xml import Node
from ..resource import one, resource_info, resources
from ..resource.elements import GET
from ..resource.resource import Prepared, Resource, Written
from . import webapp_options
from .webapp_fields import FIELDS, from_raw, same_url, scanner

RESOURCE = "webapp"


class WebAppResource(Resource):
    """The web application."""

    object = RESOURCE
    element = "WebApp"
    option = "webapp"
    word = "web application"
    short = "application"
    fields = FIELDS
    needed = ("name", "url")
    verbose = True
    identity: t.ClassVar = {"name": "name", "url": "url"}
    on_create: t.ClassVar = {"reactivate_if_exists": "reactivateIfExists"}
    narrow_hint = "Give id, or a url that one of them has."

    def from_raw(self, raw: Raw, level: int = GET) -> Record:
        """See :func:`.webapp_fields.from_raw`."""
        return from_raw(raw, level)

    def delete_data(self, options: Written) -> dict[str, Node]:
        """Return the ``data`` of a delete, which also removes the application from the subscription if asked for."""
        return {"WebApp": {"removeFromSubscription": bool(options["remove_from_subscription"])}}

    def narrow(self, candidates: list[Raw], options: Written) -> list[Raw]:
        """Return those with the given URL."""
        if not options.get("url"):
            return candidates
        wanted = same_url(str(options["url"]))
        return [raw for raw in candidates if same_url(text(raw.get("url")) or "") == wanted]

    def check(self, options: Written, before: Record | None) -> None:
        """Refuse a default scanner with a name but without a type."""
        if options.get("default_scanner") is not None and "default_scanner" not in self.as_shown(options, before):
            scanner(options["default_scanner"])

    def prepare(self, options: Written, prepared: Record, before: Record | None) -> Prepared:
        """See :func:`.webapp_options.prepare`."""
        return webapp_options.prepare(options, prepared, before)

    def secrets(self, plan: Plan) -> list[str]:
        """Return headers and scripts, present and new: headers may contain tokens, and scripts credentials."""
        records = (plan.before or {}, plan.after or {})
        headers = (header for record in records for header in record.get("headers") or ())
        scripts = (script for record in records for script in record.get("crawling_scripts") or ())
        contents = [header.partition(":")[2].strip() for header in headers]
        return contents + [script["data"] for script in scripts if script.get("data")]


WEBAPP = WebAppResource()


def run(params: Written, client: QualysClient, check_mode: bool) -> Result:
    """Run ``qualys_was_webapp``.

    Raises:
        PerimeterError: an option is invalid, or the application cannot be read or written.
    """
    return one.run(WEBAPP, params, client, check_mode)


def run_many(params: Written, client: QualysClient, check_mode: bool) -> Result:
    """Run ``qualys_was_webapps``.

    Raises:
        PerimeterError: an option is invalid, or the applications cannot be read.
    """
    return resources.run(WEBAPP, params, client, check_mode)


def run_info(params: Written, client: QualysClient, _check_mode: bool) -> Result:
    """Run ``qualys_was_webapp_info``. It only reads, so check mode makes no difference."""
    return resource_info.run(WEBAPP, params, client)

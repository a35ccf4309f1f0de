# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deletion of one record of any kind by its id (docs/vendors/qualys_was.md 8.4, 8.6).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._base.errors import TransportError, VendorError
from ..._reconcile.settle import after_refusal, settle, watch
from .client import QualysClient
from .shapes import number
from .xml import Node


def delete_record(
    client: QualysClient,
    resource: str,
    record_id: int,
    what: str,
    *,
    data: dict[str, Node] | None = None,
    sleep: t.Callable[[float], None] | None = None,
) -> None:
    """Delete one record; one that is gone already is no error.

    Args:
        client: the account.
        resource: object name, such as ``webapp``.
        record_id: its id.
        what: what messages call the record.
        data: the ``data`` of the request; None for none.
        sleep: waits between looks; by default within the budget of the run.

    Raises:
        AmbiguousWrite: the connection failed, and the record is still there.
        VendorError: Qualys refused, or reported the delete as done, and the record is still there.
    """
    pause = sleep or client.http.wait

    def gone() -> bool | None:
        return True if client.get(resource, record_id) is None else None

    try:
        answered = client.write("delete", resource, data, record_id)
    except TransportError as error:
        if not error.sent:
            raise
        settle(f"delete of {what}", gone, error, sleep=pause)
        return
    except VendorError as refused:
        if after_refusal(refused, gone) is None:
            raise
        return
    named = record_id in [number(record.get("id")) for record in answered]
    if not named and not watch(gone, bool, sleep=pause):
        raise VendorError(
            f"Qualys reported the delete of {what} as done, but it is still there.",
            hint="Delete it in Qualys' own pages, or check what uses it.",
        )

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deletes one record of any kind by its id (docs/vendors/qualys_was.md 8.4, 8.6).

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
    """Delete one record. It is not an error if the record does not exist any more.

    Args:
        client: the account.
        resource: object name, such as ``webapp``.
        record_id: id of the record.
        what: the record in messages, such as ``scan 7``.
        data: the ``data`` of the request; None sends no body.
        sleep: waits some seconds between two checks; by default within the time budget of the run.

    Raises:
        AmbiguousWrite: the connection failed, and the record is still there.
        VendorError: Qualys refused the delete, or reported it as done, but the record is still there.
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
            f"Qualys reported {what} as deleted, but it still exists.",
            hint="Delete it in the Qualys user interface, or check what uses it.",
        )

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Closes the gate from outside: the verdict that a job writes when no judging produced one.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import pathlib

from .._records.times import utc_now, utc_text
from .._records.verdicts import Word
from .decide import gate_json as doc
from .verdict import reason


def close_gate(dest: pathlib.Path, run_id: str, verdict: Word, words: str) -> None:
    """Write a verdict for one reason, and keep what the same run has found so far.

    Args:
        dest: path of the verdict file.
        run_id: the id of this run.
        verdict: the verdict to write; it replaces the one in the file.
        words: the message of the reason.

    Raises:
        FileError: the file cannot be written.
    """
    moment = utc_text(utc_now().replace(microsecond=0))
    found = doc.read_old(dest)
    if found is None or found.get("run_id") != run_id or found.get("finished") is None:
        found = {**doc.document_of(doc.Order(dest, run_id, moment), doc.UNFINISHED), "reasons": []}
    doc.write_document(dest, doc.closed_over(found, reason(verdict, verdict, words), moment))

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts that are not found by judging: what a job writes when it has to close the gate itself.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import pathlib
import typing as t

from .._records.times import utc_now, utc_text
from .._records.verdicts import Word
from .decide import gate_json as doc
from .verdict import reason


def close_gate(dest: pathlib.Path, run_id: str, verdict: Word, words: str) -> None:
    """Write a verdict with one reason, over what the same run has found so far.

    Args:
        dest: gate.json.
        run_id: of this run.
        verdict: what it becomes, whatever was there.
        words: why.

    Raises:
        FileError: the file cannot be written.
    """
    moment = utc_text(utc_now().replace(microsecond=0))
    found = doc.read_old(dest)
    same = found is not None and found.get("run_id") == run_id and found.get("finished") is not None
    document = t.cast(doc.Document, found) if same else doc.blank(run_id, moment, report_only=False, check_mode=False)
    told = document["reasons"] if same else []
    doc.set_verdict(document, verdict, [reason(verdict, verdict, words), *told], moment)
    doc.write_document(dest, document)

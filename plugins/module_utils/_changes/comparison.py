# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares a snapshot with the previous one: yields a record for each change, and writes the new ledger.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import collections
import hashlib
import typing as t

from .._records.changes import Keys, content_of, state_of, what_changed
from .._records.coerce import bounded
from .._records.files.snapshot_reader import Record
from .._records.identity import identity_of
from .._records.model import SEVERITIES, Finding
from .ledger import Ledger, LedgerFinding, LedgerWebapp, LedgerWriter
from .records import ChangeRecorder, webapp_of
from .snapshot import CheckedSnapshot


class Comparison:
    """Compares one snapshot with the ledger of the previous one.

    Args:
        snapshot: the current findings.
        webapps: the current applications; None keeps those of the ledger unchanged.
        before: the previous ledger; None if there is no previous snapshot.
        initial: whether findings count as new if there is no previous snapshot.
        ledger: receives the current findings and applications.

    Attributes:
        findings: number of findings in the snapshot.
        counts: number of changes of each kind.
        webapps: number of records of applications.
    """

    def __init__(
        self,
        snapshot: CheckedSnapshot,
        webapps: t.Sequence[Record] | None,
        before: Ledger | None,
        *,
        initial: bool,
        ledger: LedgerWriter,
    ) -> None:
        self._snapshot, self._webapps, self._before, self._ledger = snapshot, webapps, before, ledger
        self._initial = initial
        self._open: collections.Counter[tuple[str, str]] = collections.Counter()
        self.findings = 0
        self.counts: collections.Counter[str] = collections.Counter()
        self.webapps = 0

    def records(self, recorder: ChangeRecorder) -> t.Iterator[Record]:
        """Yield what changed: the findings in the order of the snapshot, then those that are gone, then applications.

        Raises:
            FileError: the snapshot does not match its manifest.
            StateError: the ledger is damaged, or the new one cannot be written.
        """
        findings, webapps = self._before.read() if self._before else ({}, {})
        # Without a previous snapshot, either everything is new or nothing counts.
        silent, keys = self._before is None and not self._initial, Keys()
        for finding in self._snapshot.findings():
            self.findings += 1
            key = keys.key(_digest(identity_of(finding)))
            now = _seen(finding)
            self._ledger.finding(key, now, finding)
            if now.state == "open":
                self._open[bounded(finding["asset"].get("id")) or "", now.severity] += 1
            earlier = findings.pop(key, None)
            word = what_changed(earlier, now)
            if word and not silent:
                self.counts[word] += 1
                yield recorder.change(_shown(key), word, finding, earlier)
        yield from self._gone(recorder, findings)
        yield from self._of_webapps(recorder, webapps)

    def _gone(self, recorder: ChangeRecorder, left: t.Mapping[str, LedgerFinding]) -> t.Iterator[Record]:
        lines = {seen.line for seen in left.values() if what_changed(seen, None)}
        if not lines or self._before is None:
            return
        for key, finding in self._before.findings(lines):
            word = what_changed(left[key], None)
            self.counts[word] += 1
            yield recorder.change(_shown(key), word, finding, left[key])

    def _of_webapps(self, recorder: ChangeRecorder, before: dict[str, LedgerWebapp]) -> t.Iterator[Record]:
        if self._webapps is None:
            for key, webapp in before.items():
                self._ledger.webapp(key, webapp)
            return
        # Applications may be given for the first time long after the first snapshot.
        silent = not before and not self._initial
        now = {item.record["id"]: item for item in (webapp_of(raw, self._open) for raw in self._webapps)}
        for own_id, webapp in now.items():
            key = _digest(f"{self._snapshot.identity.source}\0{own_id}")
            self._ledger.webapp(key, webapp)
            earlier = before.pop(key, None)
            word = "new" if earlier is None else "changed" if earlier.content != webapp.content else ""
            if word and not silent:
                self.webapps += 1
                yield recorder.webapp(key, word, webapp)
        for key, webapp in before.items():
            self.webapps += 1
            yield recorder.webapp(key, "gone", webapp)


def _digest(identity: str) -> str:
    """32 hexadecimal digits in place of an identity, whose length is not limited."""
    return hashlib.blake2b(identity.encode("utf-8", "replace"), digest_size=16).hexdigest()


def _shown(key: str) -> str:
    """If several findings share one identity, their keys have an ordinal after a NUL."""
    return key.replace("\0", "#")


def _seen(finding: Record) -> LedgerFinding:
    severity = finding["severity"] if finding["severity"] in SEVERITIES else "unknown"
    state = state_of(t.cast(Finding, finding))
    # Only of an open finding is there anything else that counts as a change.
    return LedgerFinding(state, severity, content_of(finding) if state == "open" else "")

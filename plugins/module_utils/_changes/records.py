# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the records of the stream: changes of findings, and applications with their risk score.

This module is private to the collection and may change at any time.

A key contains the snapshot and the finding, so each change has its own. A receiver that drops keys it already has does
not lose later changes of the same finding.
"""

from __future__ import annotations

import typing as t

from .._records.coerce import bounded, mapping, number, text, truth
from .._records.files.knowledge import TEXTS, Entries, cves_of, words_of
from .._records.files.snapshot_reader import Record
from .._records.model import SCHEMA, SEVERITIES
from .._spool.disk.source import content_hash
from .ledger import LedgerFinding, LedgerWebapp
from .snapshot import CheckedSnapshot

LONGEST_TEXT = 20_000
"""Characters kept of each text of the knowledge base."""


class Knowledge:
    """The entries of a knowledge base, reduced to what a change record shows. Each is prepared once."""

    def __init__(self, entries: Entries) -> None:
        self._entries = entries
        self._shown: dict[tuple[str, str], Record] = {}

    def of(self, finding: Record) -> Record | None:
        """Return the entry for a finding's rule; None if the rule is unknown."""
        key = (finding["source"], text(finding.get("rule_id")) or "")
        entry = self._entries.get(key)
        if entry is None:
            return None
        if key not in self._shown:
            self._shown[key] = _explained(entry)
        return self._shown[key]


def _explained(entry: Record) -> Record:
    shown: Record = {"title": text(entry.get("title")), "cves": cves_of(entry)}
    for name in TEXTS:
        words = words_of(entry, name)
        shown[name] = words if words is None or len(words) <= LONGEST_TEXT else f"{words[:LONGEST_TEXT]}…"
    shown["patchable"], shown["pci"] = truth(entry.get("patchable")), truth(entry.get("pci"))
    shown["published"], shown["modified"] = text(entry.get("published")), text(entry.get("modified"))
    shown["cvss"] = mapping(entry.get("cvss")) or None
    return shown


class ChangeRecorder:
    """Makes the records of one snapshot.

    Args:
        snapshot: the snapshot.
        knowledge: the entries of the knowledge base; None without one.
        risk_scores: risk scores by application id.
    """

    def __init__(
        self, snapshot: CheckedSnapshot, knowledge: Knowledge | None, risk_scores: t.Mapping[str, float | None]
    ) -> None:
        self._at = snapshot.at
        self._name = f"{snapshot.at}/{snapshot.sha256[:12]}"
        self._snapshot = {"finished": snapshot.at, "sha256": snapshot.sha256}
        self._source = snapshot.identity.source
        self._knowledge = knowledge
        self._risk_scores = risk_scores

    def change(self, key: str, word: str, finding: Record, before: LedgerFinding | None) -> Record:
        """Return the record of a change.

        Args:
            key: key of the finding.
            word: one of ``CHANGES``.
            finding: the current finding; if it is gone, the previous one, without evidence.
            before: the finding in the previous snapshot; None if it was not there.
        """
        asset = bounded(finding["asset"].get("id")) or ""
        record: Record = {
            "record": "change",
            "schema": SCHEMA,
            "source": finding["source"],
            "change": word,
            "at": self._at,
            "before": None if before is None else {"state": before.state, "severity": before.severity},
            "finding": finding,
            "risk_score": self._risk_scores.get(asset),
            "knowledge": self._knowledge.of(finding) if self._knowledge else None,
            "snapshot": self._snapshot,
        }
        return self._named(record, f"finding/{key}")

    def webapp(self, key: str, word: str, webapp: LedgerWebapp) -> Record:
        """Return the record of an application: ``word`` is new, changed or gone."""
        record: Record = {
            "record": "webapp",
            "schema": SCHEMA,
            "source": self._source,
            "change": word,
            "at": self._at,
            **webapp.record,
            "snapshot": self._snapshot,
        }
        return self._named(record, f"webapp/{key}")

    def _named(self, record: Record, key: str) -> Record:
        record["content"] = content_hash(record)
        record["key"] = f"{self._name}/{key}"
        return record


def webapp_of(raw: Record, counts: t.Mapping[tuple[str, str], int]) -> LedgerWebapp:
    """Return an application as it is compared and recorded.

    Args:
        raw: the application, as returned by ``qualys_was_webapp_info``.
        counts: open findings of the snapshot, by application and severity.
    """
    own_id = bounded(raw.get("id")) or ""
    tags = raw.get("tags")
    record: Record = {
        "id": own_id,
        "name": text(raw.get("name")),
        "url": text(raw.get("url")),
        "risk_score": number(raw.get("risk_score")),
        # Summaries have no tags; in full detail, tags are in option form and may be mappings.
        "tags": sorted(filter(None, map(_tag, tags))) if isinstance(tags, list) else [],
        "open": {severity: counts.get((own_id, severity), 0) for severity in SEVERITIES},
    }
    return LedgerWebapp(content_hash(record), record)


def _tag(tag: t.Any) -> str | None:
    return text(tag.get("name")) if isinstance(tag, dict) else text(tag)

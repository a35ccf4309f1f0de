# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The findings that the rule engine knows, and their known state; stored under ``state_dir``.

This module is private to the collection and may change at any time.

There are two files: the findings, and a journal of later changes. The journal is small and replaced each time; the
findings are rewritten when the journal has grown. Each journal states to which version of the findings it belongs, so
an outdated one has no effect.
"""

from __future__ import annotations

import dataclasses
import pathlib
import typing as t

from .._records.changes import STATES
from .._records.model import SEVERITIES
from .._records.times import now_text
from .._spool.disk.source import Identity
from .._spool.disk.stream import describe
from .log_position import place_of, position_document_of

_JOURNAL_LEAST = 500
_HINT = "The changes after the position on the disk are repeated after a restart."


@dataclasses.dataclass(frozen=True)
class KnownFinding:
    """A finding as the engine knows it.

    Attributes:
        state: one of the states of ``_records/changes.py``.
        severity: one of the severities of the model.
        revision: number of its changes that the engine got, so that a repetition of the same change is another event.
    """

    state: str
    severity: str
    revision: int = 0
    content: str = ""

    def text(self) -> str:
        """The form in which it is stored."""
        return f"{self.state} {self.severity} {self.revision}"

    @classmethod
    def parsed(cls, text: str) -> KnownFinding:
        """Raises ValueError for anything but what :meth:`text` returns."""
        state, severity, revision = text.split(" ")
        if state not in STATES or severity not in SEVERITIES:
            raise ValueError("neither a state nor a severity")
        return cls(state, severity, int(revision))


class KnownFindings:
    """The findings that the engine knows, in memory and on the disk.

    Args:
        state: the state directory.
        identity: the stream.
        consumer: identifies one of several readers of the stream.

    Attributes:
        known: the findings by their keys.
        complete: whether the first poll was completed.
    """

    def __init__(self, state: pathlib.Path, identity: Identity, consumer: str) -> None:
        self.path = place_of(state, identity, consumer)
        self._about = describe(identity)
        self._journal_file = position_document_of(self.path, identity, consumer)
        self._findings_file = position_document_of(
            self.path.with_suffix(".findings.json"), identity, consumer, "The file of known findings"
        )
        self.known: dict[str, KnownFinding] = {}
        self.complete = False
        self._journal: dict[str, KnownFinding | None] = {}
        self._generation = 0

    def read(self) -> None:
        """Read both files; without them, no findings are known.

        Raises:
            StateError: a file cannot be read, is damaged, or belongs to another stream or a newer release.
        """
        self._generation, self.known = self._findings_file.read(_parsed) or (0, {})
        journal = self._journal_file.read(_Journal.parsed)
        if journal is None:
            return
        self.complete = journal.complete
        if journal.generation == self._generation:
            for key, known in journal.changes.items():
                self.change(key, known)

    def change(self, key: str, known: KnownFinding | None) -> None:
        """Record how the engine knows a finding now; None if it is gone."""
        self._journal[key] = known
        if known is None:
            self.known.pop(key, None)
        else:
            self.known[key] = known

    def write(self) -> None:
        """Make everything durable.

        Raises:
            StateError: it cannot be written.
        """
        if not self._generation or len(self._journal) > max(_JOURNAL_LEAST, len(self.known) // 4):
            generation = self._generation + 1
            findings = {key: known.text() for key, known in self.known.items()}
            self._findings_file.write({"generation": generation, "findings": findings}, hint=_HINT)
            self._generation, self._journal = generation, {}
        journal = {key: None if known is None else known.text() for key, known in self._journal.items()}
        content = {"identity": self._about, "generation": self._generation, "complete": self.complete}
        self._journal_file.write({**content, "updated_at": now_text(), "changes": journal}, hint=_HINT)


def _parsed(content: dict[str, t.Any]) -> tuple[int, dict[str, KnownFinding]]:
    return int(content["generation"]), {
        str(key): KnownFinding.parsed(text) for key, text in content["findings"].items()
    }


class _Journal(t.NamedTuple):
    """The stored form of the journal."""

    generation: int
    complete: bool
    changes: dict[str, KnownFinding | None]

    @classmethod
    def parsed(cls, content: dict[str, t.Any]) -> _Journal:
        """Raises ValueError, LookupError, TypeError or AttributeError for anything else."""
        changes = {
            str(key): None if text is None else KnownFinding.parsed(text) for key, text in content["changes"].items()
        }
        return cls(int(content["generation"]), content["complete"] is True, changes)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The explanation of each finding, kept on the disk until it is known which rules were broken.

This module is private to the collection and may change at any time.

Whether a rule with a limit is broken is known only after the last finding. So each explanation has two halves. The
first describes the finding and goes to a temporary file at once. The second states the decision; it is made at the end,
once for each distinct decision, because thousands of findings share one.
"""

from __future__ import annotations

import array
import contextlib
import hashlib
import heapq
import json
import tempfile
import typing as t

from ..._base.errors import FileError
from ..._base.files import reason
from ..._base.log_text import short
from ..._records import codec
from ..._records.coerce import bounded
from ..._records.identity import AppKey
from ..._records.verdicts import DECISIONS
from ..inputs.facts import RANKS, Facts

SHOWN = 1000
"""How many explanations, the worst first, the verdict file itself also holds."""

_CLIP = 500


class Decision(t.NamedTuple):
    """The decision about a finding, as far as it is known while reading.

    ``decision`` is counted, waived, ignored, protected, excluded or fixed. ``state`` is set for counted findings only.
    ``by`` names what decided, and ``note`` holds details for people.
    """

    app: AppKey
    decision: str
    state: str | None = None
    by: str | None = None
    rules: tuple[str, ...] = ()
    waiver: str | None = None
    lapsed: str | None = None
    note: str | None = None


def _clip(value: t.Any) -> str | None:
    return None if (word := bounded(value)) is None else short(word, _CLIP)


def _head(facts: Facts, label: str) -> dict[str, t.Any]:
    raw = facts.raw
    return {
        "record": "explanation",
        "schema": 1,
        "source": facts.source,
        "id": facts.id,
        "unique_id": facts.unique_id,
        "fingerprint": facts.fingerprint,
        "key": facts.key,
        "application": {"id": facts.app[1], "name": facts.app_name, "label": short(label)},
        "rule_id": facts.rule_id,
        "title": _clip(raw.get("title")),
        "kind": facts.kind,
        "severity": facts.severity,
        "severity_known": isinstance(raw.get("severity"), str) and raw["severity"] in RANKS,
        "status": facts.status,
        "url": _clip(facts.url),
        "parameter": _clip(facts.parameter),
        "first_seen": _clip(raw.get("first_seen")),
    }


class Explanations:
    """All explanations of a run. Use as a context manager."""

    def __init__(self) -> None:
        # The file has no name, so nothing is left behind even if the process is killed.
        self._file: t.BinaryIO = t.cast(t.BinaryIO, tempfile.TemporaryFile(buffering=1 << 20))  # noqa: SIM115
        self._decisions: dict[Decision, int] = {}
        self._decision_of = array.array("L")
        self._sizes = array.array("L")
        self._severity = array.array("B")

    def __enter__(self) -> Explanations:
        return self

    def __exit__(self, *_details: object) -> None:
        with contextlib.suppress(OSError):
            self._file.close()

    def __len__(self) -> int:
        return len(self._sizes)

    def add(self, facts: Facts, label: str, decision: Decision) -> int:
        """Add the explanation of one finding.

        Returns:
            The place of the explanation, for :meth:`revise`.

        Raises:
            FileError: temporary data could not be written.
        """
        half = codec.dumps(_head(facts, label))[:-1]
        try:
            self._file.write(half)
        except OSError as error:
            raise _no_room(error) from error
        self._sizes.append(len(half))
        self._severity.append(RANKS[facts.severity])
        self._decision_of.append(self._decisions.setdefault(decision, len(self._decisions)))
        return len(self._sizes) - 1

    def revise(self, place: int, decision: Decision) -> None:
        """Replace the decision of the explanation at a place."""
        self._decision_of[place] = self._decisions.setdefault(decision, len(self._decisions))

    def finish(
        self, settle: t.Callable[[Decision], dict[str, t.Any]], target: t.BinaryIO | None
    ) -> tuple[list[dict[str, t.Any]], str]:
        """Write all explanations as NDJSON, in the order of the findings.

        Args:
            settle: returns the second half of the explanations for a decision.
            target: file to write to; None to write nothing.

        Returns:
            The worst explanations as data, at most ``SHOWN``, and the SHA-256 of all lines.

        Raises:
            FileError: temporary data could not be read back.
        """
        halves = [settle(decision) for decision in self._decisions]
        tails = [b"," + codec.dumps(half)[1:] + b"\n" for half in halves]
        ranks = [DECISIONS.index(half["decision"]) for half in halves]
        wanted = set(
            heapq.nsmallest(
                SHOWN,
                range(len(self)),
                key=lambda place: (ranks[self._decision_of[place]], self._severity[place], place),
            )
        )
        digest, kept = hashlib.sha256(), {}
        try:
            self._file.seek(0)
            for place, size in enumerate(self._sizes):
                line = self._file.read(size) + tails[self._decision_of[place]]
                digest.update(line)
                if target is not None:
                    target.write(line)
                if place in wanted:
                    kept[place] = line
        except OSError as error:
            raise _no_room(error) from error
        order = sorted(kept, key=lambda place: (ranks[self._decision_of[place]], self._severity[place], place))
        return [json.loads(kept[place]) for place in order], digest.hexdigest()


def _no_room(error: OSError) -> FileError:
    return FileError(
        f"The explanations could not be written in {tempfile.gettempdir()} or beside dest: {reason(error)}.",
        hint="Free disk space, or set TMPDIR to a directory with enough space.",
    )

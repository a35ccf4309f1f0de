# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict of the gate, as the writers use it: the document, and what was decided about each finding.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
import typing as t

from .._http.errors import FileError
from .._records import codec
from .._records.model import Finding
from .._state.files import reason

SCHEMA = 1
_HINT = "Run the gate again; gate.json and the file of explanations beside it belong together."
_LIMIT = 256 << 20
_CUT = 4096

COUNTED = frozenset({"fail", "warn", "inconclusive", "no_rule", "within_limit"})
"""Decisions about findings that the gate counted."""
SUPPRESSED = frozenset({"waived", "ignored", "protected"})
"""Decisions about findings that are there and do not count."""


class Decision(t.NamedTuple):
    """What became of one finding.

    ``decision`` is fail, warn, inconclusive, no_rule, within_limit, waived, ignored, protected, excluded or fixed;
    ``state`` is new, reopened, escalated or known for what was counted; ``by`` names the rule, waiver or option that
    decided.
    """

    decision: str
    state: str | None
    by: str | None
    waiver: str | None
    note: str | None


@dataclasses.dataclass(frozen=True)
class GateView:
    """A verdict that was read."""

    document: dict[str, t.Any]
    decisions: t.Mapping[bytes, Decision]

    @property
    def verdict(self) -> str:
        """pass, fail, inconclusive, policy_error or platform_error."""
        return str(self.document.get("verdict"))

    @property
    def exit_code(self) -> int:
        """The code of the verdict."""
        return int(self.document.get("exit_code", 20))

    def decision(self, finding: Finding) -> Decision | None:
        """What became of a finding; None for one that the gate has not seen."""
        return self.decisions.get(_finding_key(finding))

    def reasons(self) -> list[dict[str, t.Any]]:
        """Why the verdict is what it is, what decided first."""
        return [item for item in self.document.get("reasons") or [] if isinstance(item, dict)]

    def applications(self) -> list[dict[str, t.Any]]:
        """The applications with their verdicts."""
        return [item for item in self.document.get("applications") or [] if isinstance(item, dict)]


def read_gate(path: pathlib.Path) -> GateView:
    """Read a verdict and its explanations.

    Args:
        path: gate.json.

    Raises:
        FileError: it cannot be read, is no verdict, or its explanations are missing or damaged.
    """
    try:
        with path.open("rb") as file:
            document = codec.loads(file.read(_LIMIT))
    except OSError as error:
        raise FileError(f"gate: {path} cannot be read: {reason(error)}.", hint=_HINT) from error
    except ValueError as error:
        raise FileError(f"gate: {path} is not JSON.", hint=_HINT) from error
    if not isinstance(document, dict) or document.get("record") != "gate":
        raise FileError(f"gate: {path} is not the verdict of a gate.", hint=_HINT)
    if document.get("schema") != SCHEMA:
        raise FileError(f"gate: {path} has a schema other than {SCHEMA}.", hint="Update this collection.")
    return GateView(document, _decisions(path, document.get("explain_file")))


def _decisions(path: pathlib.Path, named: t.Any) -> dict[bytes, Decision]:
    if named is None:
        return {}
    # Only a name: a verdict from somewhere else must not make us read another place.
    name = named.get("path") if isinstance(named, dict) else named
    place = path.with_name(pathlib.PurePath(str(name)).name)
    found: dict[bytes, Decision] = {}
    same: dict[Decision, Decision] = {}
    try:
        with place.open("rb") as file:
            for line in file:
                item = codec.loads(line)
                decision = Decision(*(item[field] for field in ("decision", "state", "decided_by", "waiver", "note")))
                found[_digest(item, item["application"]["id"])] = same.setdefault(decision, decision)
    except OSError as error:
        raise FileError(f"gate: {place} cannot be read: {reason(error)}.", hint=_HINT) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileError(f"gate: {place} holds no explanations.", hint=_HINT) from error
    return found


def _finding_key(finding: Finding) -> bytes:
    asset = finding["asset"]
    return _digest(finding, asset["id"] or f"name:{asset['name'] or ''}")


def _digest(item: t.Mapping[str, t.Any], application: str) -> bytes:
    """What tells one finding from another; texts that the report clips are cut where the gate cuts them."""
    parts = [application, *(item[name] or "" for name in ("source", "id", "unique_id", "fingerprint"))]
    return hashlib.blake2b("\0".join(part[:_CUT] for part in parts).encode("utf-8", "replace"), digest_size=12).digest()

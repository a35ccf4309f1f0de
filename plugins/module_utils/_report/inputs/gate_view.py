# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict of the gate, as the writers use it: the document, and the decision about each finding.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import pathlib
import typing as t

from ..._base.errors import FileError
from ..._base.files import reason
from ..._records import codec
from ..._records.files.ndjson import FILE_LIMIT
from ..._records.identity import finding_digest, record_digest
from ..._records.model import Finding
from ..._records.verdicts import CODES, Word
from .. import text

SCHEMA = 1
_CODES: dict[str, int] = dict(CODES.items())
_HINT = "Run the gate again; gate.json and the file of explanations beside it belong together."
_FIELDS = ("decision", "state", "decided_by", "waiver", "note")
_RUN = frozenset({"run_id", "started", "finished"})


class DecisionView(t.NamedTuple):
    """The decision about one finding.

    ``decision`` is fail, warn, inconclusive, no_rule, within_limit, waived, ignored, protected, excluded or fixed;
    ``state`` is new, reopened, escalated or known for a finding that was counted; ``by`` names the rule, waiver or
    option that decided.
    """

    decision: str
    state: str | None
    by: str | None
    waiver: str | None
    note: str | None


@dataclasses.dataclass(frozen=True)
class GateView:
    """A verdict, with the decisions about the findings."""

    document: dict[str, t.Any]
    decisions: t.Mapping[bytes, DecisionView]

    @property
    def verdict(self) -> str:
        """pass, fail, inconclusive, policy_error or platform_error."""
        return str(self.document.get("verdict"))

    @property
    def exit_code(self) -> int:
        """The exit code of the verdict."""
        return CODES[t.cast(Word, self.verdict)]

    def decision(self, finding: Finding) -> DecisionView | None:
        """The decision about a finding; None when the gate has not seen the finding."""
        return self.decisions.get(finding_digest(finding))

    @property
    def concluded(self) -> bool:
        """Whether the gate came to a conclusion about the findings: pass or fail."""
        return self.verdict in ("pass", "fail")

    def reasons(self) -> list[dict[str, t.Any]]:
        """The reasons for the verdict, the decisive one first."""
        return self._listed("reasons")

    def against(self) -> list[dict[str, t.Any]]:
        """The reasons that kept the verdict from being a pass."""
        return [item for item in self.reasons() if item.get("verdict") != "pass"]

    def applications(self) -> list[dict[str, t.Any]]:
        """The applications with their verdicts, those that do not pass first."""
        worst = {"fail": 0, "pass": 2}
        return sorted(self._listed("applications"), key=lambda item: worst.get(str(item.get("verdict")), 1))

    def exclusions(self) -> list[dict[str, t.Any]]:
        """The exclusions of the policy that excluded at least one finding."""
        return [item for item in self._listed("exclusions") if item.get("findings")]

    def next_steps(self) -> list[str]:
        """What a person can do about the verdict; lines of a waiver begin with a space."""
        found = self.document.get("next_steps")
        return [item for item in found if isinstance(item, str)] if isinstance(found, list) else []

    def waivers(self) -> list[dict[str, t.Any]]:
        """The waivers, with their flags and the days that are left."""
        return self._listed("waivers")

    def waiver(self, name: str | None) -> dict[str, t.Any] | None:
        """The waiver with this id; None when the verdict does not list it."""
        return self._waivers_by_id.get(name)

    @functools.cached_property
    def _waivers_by_id(self) -> dict[t.Any, dict[str, t.Any]]:
        return {item["id"]: item for item in self.waivers() if isinstance(item.get("id"), str)}

    def _listed(self, name: str) -> list[dict[str, t.Any]]:
        found = self.document.get(name)
        return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []

    def essence(self) -> dict[str, t.Any]:
        """The document without the id and the times of the run: equal for two verdicts that say the same."""
        return {name: value for name, value in self.document.items() if name not in _RUN}


def read_gate(path: pathlib.Path) -> GateView:
    """Read a verdict and its explanations.

    Args:
        path: gate.json.

    Raises:
        FileError: the file cannot be read or is not a verdict, or its explanations are missing or damaged.
    """
    try:
        with path.open("rb") as file:
            document = codec.loads(file.read(FILE_LIMIT))
    except OSError as error:
        raise FileError(f"gate: {path} cannot be read: {reason(error)}.", hint=_HINT) from error
    except ValueError as error:
        raise FileError(f"gate: {path} is not JSON.", hint=_HINT) from error
    if not isinstance(document, dict) or document.get("record") != "gate":
        raise FileError(f"gate: {path} is not the verdict of a gate.", hint=_HINT)
    if document.get("schema") != SCHEMA:
        raise FileError(f"gate: {path} has a schema other than {SCHEMA}.", hint="Update this collection.")
    if _CODES.get(str(document.get("verdict")), -1) != document.get("exit_code"):
        raise FileError(f"gate: {path} has no valid verdict, or an exit code that does not match it.", hint=_HINT)
    return GateView(document, _decisions(path, document.get("explain_file")))


def _decisions(path: pathlib.Path, named: t.Any) -> dict[bytes, DecisionView]:
    if not isinstance(named, dict):
        return {}
    # Only the file name is used: a verdict from somewhere else must not choose another directory.
    place = path.with_name(pathlib.PurePath(str(named.get("path"))).name)
    found: dict[bytes, DecisionView] = {}
    same: dict[DecisionView, DecisionView] = {}
    digest = hashlib.sha256()
    try:
        with place.open("rb") as file:
            for line in file:
                digest.update(line)
                item = codec.loads(line)
                what, *others = (_words(item[field]) for field in _FIELDS)
                decision = DecisionView(what or "", *others)
                key = record_digest(item["application"]["id"], item)
                found[key] = same.setdefault(decision, decision)
    except OSError as error:
        raise FileError(f"gate: {place} cannot be read: {reason(error)}.", hint=_HINT) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileError(f"gate: {place} is not a file of explanations.", hint=_HINT) from error
    if digest.hexdigest() != named.get("sha256"):
        raise FileError(f"gate: {place} does not have the SHA-256 that {path} states.", hint=_HINT)
    return found


def _words(value: str | None) -> str | None:
    return None if value is None else str(value)


def told(reason: t.Mapping[str, t.Any], limit: int = 500) -> str:
    """A reason on one line, with the application that it is about."""
    message, application = str(reason.get("message")), reason.get("application")
    return text.line(f"{application}: {message}" if application else message, limit)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads an earlier JSON report and compares this run with it.

This module is private to the collection and may change at any time.

The JSON writer puts one finding on one line, so an earlier report of any size is read line by line. A report that was
reformatted since then can be read too, but it is held in memory as a whole.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import typing as t

from ..._base.errors import FileError
from ..._base.files import reason
from ..._records import changes as shared
from ..._records.changes import Keys, state_of
from ..._records.identity import identity_of
from ..._records.model import Finding
from ..inputs import model
from ..inputs.read import as_finding

LISTED = 10
_HINT = "Give a JSON report of this module, or leave `previous` out."


class Before(t.NamedTuple):
    """What a comparison needs of one finding. ``url`` is None for a finding of the previous run."""

    state: str
    severity: str
    title: str
    application: str
    content: str = ""
    url: str | None = None


class RunScope(t.NamedTuple):
    """What decides which findings a run can see at all.

    ``asked`` is what the user asked for, None when not given; ``manifests`` are sources and filters of the snapshots.
    """

    asked: list[t.Any] | None
    manifests: list[t.Any]

    def same_as(self, other: RunScope) -> bool:
        """Whether two runs saw the same part of the estate.

        A filter that was resolved to ids changes with every application that comes or goes, although nobody changed it.
        So when both runs have ``asked``, it decides.
        """
        if self.asked is not None and other.asked is not None:
            return self.asked == other.asked
        return self.manifests == other.manifests


@dataclasses.dataclass
class Previous:
    """An earlier report. ``findings`` is None when the file has only figures; ``marks`` are those of that run."""

    summary: model.Summary
    title: str
    generated: str
    inputs: list[str]
    scope: RunScope
    content: str
    changes: model.Changes | None
    findings: dict[str, Before] | None
    marks: bytes


def read_previous(path: pathlib.Path) -> Previous:
    """Read an earlier JSON report, or only its ``summary``.

    Raises:
        FileError: the file cannot be read, or is neither of the two.
    """
    try:
        with path.open("rb") as file:
            head, findings = _split(file)
            return _previous(head, findings)
    except OSError as error:
        raise FileError(f"previous: cannot read {path}: {reason(error)}.", hint=_HINT) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FileError(f"previous: {path} is not a JSON report of this module.", hint=_HINT) from error


def _split(file: t.BinaryIO) -> tuple[dict[str, t.Any], t.Iterable[t.Any] | None]:
    """Everything but the findings as one object, and the findings one by one (None when the file has none)."""
    head: list[bytes] = []
    for row in file:
        if row == b'"findings": [\n':
            return json.loads(b"".join(head) + b'"findings": []}'), _finding_lines(file)
        head.append(row)
    whole = json.loads(b"".join(head))
    return whole, whole.get("findings")


def _finding_lines(file: t.BinaryIO) -> t.Iterator[t.Any]:
    for row in file:
        if row == b"]\n":
            return
        yield json.loads(row.rstrip().removesuffix(b",").decode())
    raise ValueError("the file ends early")


def _previous(head: dict[str, t.Any], findings: t.Iterable[t.Any] | None) -> Previous:
    summary = t.cast(model.Summary, head.get("summary", head))
    if summary["schema"] != model.REPORT_SCHEMA or not isinstance(summary["open_by_severity"], dict):
        raise ValueError("not a summary")
    before, marks = (None, b"") if findings is None else _remember(findings)
    return Previous(
        summary=summary,
        title=str(head.get("title", "")),
        generated=str(head.get("generated", summary.get("now", ""))),
        inputs=list(head.get("inputs", [])),
        scope=RunScope(head.get("scope"), scope_of(head.get("manifests", []))),
        content=str(head.get("content") or ""),
        changes=head.get("changes"),
        findings=before,
        marks=marks,
    )


def _remember(findings: t.Iterable[t.Any]) -> tuple[dict[str, Before], bytes]:
    known: dict[str, Before] = {}
    marks = bytearray()
    keys = Keys()
    for item in findings:
        finding = as_finding({name: item[name] for name in _REMEMBERED})
        known[keys.key(identity_of(finding))] = _before(finding)
        change = item.get("change")
        marks.append(model.CHANGES.index(change) + 1 if change in model.CHANGES else 0)
    return known, bytes(marks)


# Everything that the identity, the state and the labels of a finding are made of; evidence is the bulk of the rest.
_REMEMBERED = (
    "source",
    "unique_id",
    "fingerprint",
    "kind",
    "status",
    "severity",
    "ignored",
    "title",
    "rule_id",
    "asset",
)


def scope_of(manifests: t.Iterable[t.Any]) -> list[t.Any]:
    """Sources and filters of the snapshots of a run."""
    known = [manifest for manifest in manifests if isinstance(manifest, dict)]
    return sorted(([item.get("source"), item.get("filters")] for item in known), key=json.dumps)


def _before(finding: Finding) -> Before:
    title, application = model.title_label(finding), model.application_label(finding)
    return Before(state_of(finding), finding["severity"], title[:300], application[:300], url=finding["url"])


def compare(
    findings: t.Iterable[Finding], summary: model.Summary, previous: Previous, scope: RunScope
) -> tuple[model.Changes, bytes]:
    """Compare this run with an earlier one.

    Returns:
        The changes, and a mark for each finding (see ``ReportInput.marks``).
    """
    counts = dict.fromkeys(model.CHANGES, 0)
    worst: dict[str, list[model.ChangedFinding]] = {change: [] for change in model.CHANGES}
    marks = b""
    if previous.findings is not None:
        marks = _mark(findings, previous.findings, counts, worst)
    severities = previous.summary["open_by_severity"]
    changes = model.Changes(
        previous_generated=previous.generated,
        previous_title=previous.title,
        same_scope=scope.same_as(previous.scope),
        listed=previous.findings is not None,
        open_before=sum(severities.values()),
        open_now=summary["states"]["open"],
        open_by_severity_before={name: int(severities.get(name, 0)) for name in model.SEVERITY_RANK},
        counts=counts,
        worst=worst,
    )
    return changes, marks


def _mark(
    findings: t.Iterable[Finding],
    left: t.Mapping[str, Before],
    counts: dict[str, int],
    worst: dict[str, list[model.ChangedFinding]],
) -> bytes:
    marks = bytearray()
    gone: list[Before] = []
    seen = ((identity_of(finding), _before(finding)) for finding in findings)
    for change, before, now in shared.compare(left, seen):
        if now is not None:
            marks.append(model.CHANGES.index(change) + 1 if change else 0)
        if change == "gone" and before is not None:
            gone.append(before)
        elif change and now is not None:
            counts[change] += 1
            if len(worst[change]) < LISTED:
                worst[change].append(_listed(now, before))
    gone.sort(key=lambda item: (model.SEVERITY_RANK[item.severity], item.application.casefold(), item.title))
    counts["gone"] = len(gone)
    worst["gone"] = [_listed(item, item) for item in gone[:LISTED]]
    return bytes(marks)


def _listed(now: Before, before: Before | None) -> model.ChangedFinding:
    return model.ChangedFinding(
        title=now.title,
        application=now.application,
        url=now.url,
        severity=now.severity,
        severity_before=None if before is None else before.severity,
    )

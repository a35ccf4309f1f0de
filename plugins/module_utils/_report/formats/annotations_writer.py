# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What fails the gate as annotations of a CI system: workflow commands of GitHub and Azure, a report of GitLab.

This module is private to the collection and may change at any time.

A pipeline prints the file, and the runner obeys what is in it. So each line is one command of our own, everything in it
is escaped as that runner asks, and there are no more than it keeps: GitHub takes ten errors of a step.
"""

from __future__ import annotations

import re
import typing as t

from ..._base.log_text import without_workflow_marks
from ..._records.model import Finding
from .. import text
from ..figures import collect
from ..figures.standing import standing_of
from ..inputs import model
from ..inputs.gate_view import told
from ..inputs.model import Place, ReportInput

GITHUB_ERRORS = 10
AZURE_ERRORS = 10
GITLAB_LINKS = 50
_WORDS = 500
_ADDRESS = 500
_UNSAFE_URL = re.compile(r"[^A-Za-z0-9._~:/?#@!$&'()*+,;=%-]|%(?![0-9A-Fa-f]{2})")


class _Line(t.NamedTuple):
    level: str
    title: str
    words: str
    place: Place | None
    url: str | None


def write_github(report: ReportInput, stream: t.TextIO) -> None:
    """Workflow commands of GitHub Actions: the worst nine and a line that tells the rest."""
    for line in _lines(report, GITHUB_ERRORS):
        where = f"file={_property(line.place.path)},line={line.place.line}," if line.place else ""
        stream.write(f"::{line.level} {where}title={_property(line.title)}::{_data(line.words)}\n")


def write_azure(report: ReportInput, stream: t.TextIO) -> None:
    """Logging commands of Azure Pipelines."""
    for line in _lines(report, AZURE_ERRORS):
        kind = "error" if line.level == "error" else "warning"
        where = f"sourcepath={_azure(line.place.path)};linenumber={line.place.line};" if line.place else ""
        stream.write(f"##vso[task.logissue type={kind};{where}]{_azure(f'{line.title}: {line.words}')}\n")


def write_gitlab_annotations(report: ReportInput, stream: t.TextIO) -> None:
    """GitLab's ``artifacts:reports:annotations``: links beside the job. Only http and https ones, never a payload."""
    links = []
    for line in _lines(report, GITLAB_LINKS):
        if line.url:
            links.append({"external_link": {"label": text.line(f"{line.title}: {line.words}", 200), "url": line.url}})
    stream.write(text.json_text({"Worst findings": links} if links else {}) + "\n")


def _lines(report: ReportInput, limit: int) -> t.Iterator[_Line]:
    """The verdict first, then the worst findings, then how many more there are."""
    told = [*_verdict(report)]
    yield from told[: limit - 1]
    room, more = limit - min(len(told), limit - 1) - 1, 0
    for finding in report.findings:
        if not _fails(report, finding):
            continue
        if room > 0:
            yield _of(report, finding)
            room -= 1
        else:
            more += 1
    if more:
        words = f"{text.plural(more, 'more finding')} of this kind; see the report"
        yield _Line("error" if report.gate else "warning", "And more", words, None, None)


def _verdict(report: ReportInput) -> t.Iterator[_Line]:
    gate = report.gate
    if gate is None:
        for headline, words in collect.warnings_of(report):
            yield _Line("warning", headline, text.line(words, _WORDS), None, None)
    elif gate.verdict != "pass":
        words = "; ".join(told(item, 200) for item in gate.against()[:5]) or gate.verdict
        yield _Line("error", f"The gate is closed: {gate.verdict} (code {gate.exit_code})", words, None, None)


def _fails(report: ReportInput, finding: Finding) -> bool:
    standing = standing_of(report, finding)
    if standing.decision is not None:
        return standing.fails
    return standing.counts and finding["severity"] in ("critical", "high", "unknown")


def _of(report: ReportInput, finding: Finding) -> _Line:
    name = finding["asset"]["name"] or ""
    title = f"{finding['severity']}: {text.line(model.title_label(finding), 150)}"
    words = f"{text.line(model.application_label(finding), 100)} {text.line(finding['url'], 300)}".strip()
    if finding["parameter"]:
        words += f" (parameter {text.line(finding['parameter'], 80)})"
    link = _address(finding["url"] or "")
    return _Line("error" if report.gate else "warning", title, words, report.places.get(name), link)


def _address(url: str) -> str | None:
    """The URL when it is one that may be a link, with everything that is not of a URL escaped."""
    if not url.startswith(("http://", "https://")):
        return None
    return _UNSAFE_URL.sub(lambda match: _percent(match[0]), url[:_ADDRESS])


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "replace"))


def _data(words: str) -> str:
    """Message of a workflow command. Control characters are visible escapes already; this is for what remains."""
    shown = without_workflow_marks(words)
    return shown.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(words: str) -> str:
    return _data(words).replace(":", "%3A").replace(",", "%2C")


def _azure(words: str) -> str:
    escaped = without_workflow_marks(words).replace("%", "%AZP25").replace("\r", "%0D").replace("\n", "%0A")
    return escaped.replace(";", "%3B").replace("]", "%5D")

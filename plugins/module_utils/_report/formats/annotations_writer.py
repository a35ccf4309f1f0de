# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The findings that fail the gate as annotations of a CI system: commands for GitHub and Azure, a report for GitLab.

This module is private to the collection and may change at any time.

A pipeline prints the file, and the runner executes the commands in it. So each line is one command of our own, its text
is escaped as the runner requires, and there are no more lines than the runner keeps: GitHub keeps ten errors of a step.
"""

from __future__ import annotations

import re
import typing as t

from ..._base.log_text import without_workflow_marks
from ..._records.model import Finding
from .. import text
from ..figures import collect
from ..figures.rows import FindingRow, FormatWriter
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


class _LinesWriter(FormatWriter):
    """Writes the verdict first, then the worst findings, then how many more there are."""

    limit: int

    def __init__(self, report: ReportInput, stream: t.TextIO) -> None:
        self._report = report
        self._stream = stream
        self._room = self.limit - 1
        self._more = 0

    def write(self, line: _Line) -> None:
        """Write one line, or keep it."""
        raise NotImplementedError

    def begin(self) -> None:
        """Write the verdict."""
        for line in [*_verdict(self._report)][: self._room]:
            self._room -= 1
            self.write(line)

    def row(self, row: FindingRow) -> None:
        """Write a finding that fails the gate, as long as there is room; count the others."""
        if not _fails(row):
            return
        if self._room > 0:
            self._room -= 1
            self.write(_of(self._report, row.finding))
        else:
            self._more += 1

    def end(self) -> None:
        """Write how many more there are."""
        if self._more:
            words = f"{text.plural(self._more, 'more finding')} of this kind; see the report"
            self.write(_Line("error" if self._report.gate else "warning", "And more", words, None, None))


class GithubWriter(_LinesWriter):
    """Workflow commands of GitHub Actions: the worst nine and a line with the number of the others."""

    limit = GITHUB_ERRORS

    def write(self, line: _Line) -> None:
        """Write a command."""
        where = f"file={_property(line.place.path)},line={line.place.line}," if line.place else ""
        self._stream.write(f"::{line.level} {where}title={_property(line.title)}::{_data(line.words)}\n")


class AzureWriter(_LinesWriter):
    """Logging commands of Azure Pipelines."""

    limit = AZURE_ERRORS

    def write(self, line: _Line) -> None:
        """Write a command."""
        kind = "error" if line.level == "error" else "warning"
        where = f"sourcepath={_azure(line.place.path)};linenumber={line.place.line};" if line.place else ""
        self._stream.write(f"##vso[task.logissue type={kind};{where}]{_azure(f'{line.title}: {line.words}')}\n")


class GitlabLinksWriter(_LinesWriter):
    """GitLab's ``artifacts:reports:annotations``: links beside the job. Only http and https ones, never a payload."""

    limit = GITLAB_LINKS

    def __init__(self, report: ReportInput, stream: t.TextIO) -> None:
        super().__init__(report, stream)
        self._links: list[dict[str, t.Any]] = []

    def write(self, line: _Line) -> None:
        """Keep the link of a line that has one."""
        if line.url:
            label = text.line(f"{line.title}: {line.words}", 200)
            self._links.append({"external_link": {"label": label, "url": line.url}})

    def end(self) -> None:
        """Write all links."""
        super().end()
        self._stream.write(text.json_text({"Worst findings": self._links} if self._links else {}) + "\n")


def _verdict(report: ReportInput) -> t.Iterator[_Line]:
    gate = report.gate
    if gate is None:
        for headline, words in collect.warnings_of(report):
            yield _Line("warning", headline, text.line(words, _WORDS), None, None)
    elif gate.verdict != "pass":
        words = "; ".join(told(item, 200) for item in gate.against()[:5]) or gate.verdict
        yield _Line("error", f"The gate is closed: {gate.verdict} (code {gate.exit_code})", words, None, None)


def _fails(row: FindingRow) -> bool:
    if row.standing.decision is not None:
        return row.standing.fails
    return row.standing.counts and row.finding["severity"] in ("critical", "high", "unknown")


def _of(report: ReportInput, finding: Finding) -> _Line:
    name = finding["asset"]["name"] or ""
    title = f"{finding['severity']}: {text.line(model.title_label(finding), 150)}"
    words = f"{text.line(model.application_label(finding), 100)} {text.line(finding['url'], 300)}".strip()
    if finding["parameter"]:
        words += f" (parameter {text.line(finding['parameter'], 80)})"
    link = _address(finding["url"] or "")
    return _Line("error" if report.gate else "warning", title, words, report.places.get(name), link)


def _address(url: str) -> str | None:
    """The URL when it may be a link (http or https), with all characters escaped that a URL cannot have; else None."""
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
